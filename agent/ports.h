/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PORTS_H
#define SLUICE_PORTS_H

/*
 * The interfaces that packets come in and go out by: those of --interface, and where one is a bond,
 * its members, whoever is one at the moment. Keeps the data plane true to the links that there are.
 */
#include "dataplane.h"
#include "links.h"

struct ports;

/* names: as in --interface; they and dp must outlive it. NULL: out of memory. */
struct ports *ports_new(struct dataplane *dp, const char (*names)[IF_NAMESIZE], size_t count);
void ports_free(struct ports *ports);

/*
 * Attaches and detaches, keeps bonds' members and egress, and dp->mtu. Does as much as it can; on
 * failure err tells of the first that went wrong, and the next call tries again. -ENODEV: one of
 * the names is nobody's. An attached interface that goes is no error.
 */
int ports_follow(struct ports *ports, const struct links *links, struct error *err);

/* What dp->mtu would be with these links. */
uint32_t ports_mtu(const char (*names)[IF_NAMESIZE], size_t count, const struct links *links);

#endif
