/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FAKE_NEXTHOP_H
#define SLUICE_FAKE_NEXTHOP_H

/*
 * nexthop.h without a kernel: a test tells of hops itself. There is
 * one table; nexthop_table_new() begins it anew.
 */
#include "nexthop.h"

/* Calls the callback as the loop would. */
void fake_nexthop_tell(const char *address, const struct nexthop *hop);

/* How often an address is watched. */
unsigned int fake_nexthop_watchers(const char *address);

#endif
