/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_LINKS_H
#define SLUICE_LINKS_H

/*
 * The machine's links (interfaces) as rtnetlink tells of them, and what they make of each other:
 * VLAN devices stand on lower ones, bonds have members. Pure.
 */
#include "rtnl.h"

struct links {
	struct rtnl_link *items;
	size_t count;
	size_t room;
};

/* Takes note of a link. 1: something changed; 0: nothing that is kept here did; -ENOMEM. */
int links_put(struct links *links, const struct rtnl_link *news);
/* False: it was not known. */
bool links_remove(struct links *links, uint32_t ifindex);
void links_clear(struct links *links);

/* NULL if there is none. Valid until the next change. */
const struct rtnl_link *links_find(const struct links *links, uint32_t ifindex);
const struct rtnl_link *links_named(const struct links *links, const char *name);

/* How packets that a route sends by a link leave the machine. */
struct links_way {
	uint32_t ifindex; /* below all VLAN devices; a bond itself */
	uint32_t vlan;    /* the tags that those add, as in struct lb_hop */
};

/* Returns 0, or -ENODEV with why not in reason. */
int links_way(const struct links *links, uint32_t ifindex, struct links_way *ret_way, char *reason,
	      size_t size);

/* Is the link a member of this bond? */
bool links_in_bond(const struct links *links, const struct rtnl_link *link, uint32_t bond);

/*
 * The member that packets of a bond leave by: `current` if that will do, else the first that is
 * up, one that the bond itself sends by before a backup. 0: there is none.
 */
uint32_t links_bond_egress(const struct links *links, uint32_t bond, uint32_t current);

#endif
