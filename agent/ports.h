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
 * Attaches and detaches, keeps bonds' members and egress, and dp->mtu. Where our program was taken
 * off by somebody else, or went with its interface, it is put on again, but never in place of
 * another. Does as much as it can; on failure err tells of the first that went wrong, and the next
 * call tries again. -ENODEV: one of the names is nobody's.
 */
int ports_follow(struct ports *ports, const struct links *links, struct error *err);

/* What became of an interface after the first call of ports_follow(). */
enum port_change {
	PORT_ATTACHED,
	PORT_DETACHED, /* by us: it left its bond, or its name is another's */
	PORT_LOST,     /* our program is not there any more; reason says why */
};

/* Calls `changed` for each from within ports_follow(). */
void ports_on_change(struct ports *ports,
		     void (*changed)(void *context, const char *interface, enum port_change change,
				     const char *reason),
		     void *context);

/* An interface that should be attached and is not. */
struct port_problem {
	char name[IF_NAMESIZE];
	char reason[256];
};

/* *ret_count of them, as of the last ports_follow() and valid until the next. */
const struct port_problem *ports_problems(const struct ports *ports, size_t *ret_count);

/* What dp->mtu would be with these links. */
uint32_t ports_mtu(const char (*names)[IF_NAMESIZE], size_t count, const struct links *links);

#endif
