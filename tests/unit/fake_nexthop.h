/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FAKE_NEXTHOP_H
#define SLUICE_FAKE_NEXTHOP_H

/*
 * nexthop.h without a kernel: a test says what the routes are and tells of hops itself. There is
 * one table; nexthop_table_new() begins it anew.
 */
#include "nexthop.h"

/* Set: nexthop_table_new() keeps what fake_nexthop_route() said. */
extern bool fake_nexthop_keep_routes;

#define FAKE_ADDRESSES 4

/* The machine's own. */
extern struct rtnl_address fake_nexthop_addresses[FAKE_ADDRESSES];
extern size_t fake_nexthop_address_count;

/* From now on packets to address have this source; NULL: there is no route. */
void fake_nexthop_route(const char *address, const char *source);

/* Calls the callback as the loop would. */
void fake_nexthop_note(const char *address, const struct nexthop *hop);

/* And ends the loop's turn. */
void fake_nexthop_tell(const char *address, const struct nexthop *hop);

/* As if links had changed; there are none. */
void fake_nexthop_tell_links(void);

/* How often an address is watched. */
unsigned int fake_nexthop_watchers(const char *address);

#endif
