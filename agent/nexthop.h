/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_NEXTHOP_H
#define SLUICE_NEXTHOP_H

/*
 * Next hops from the kernel by rtnetlink (libmnl): for an address, the interface, source address
 * and link-layer address that a packet to it must carry. Followed: link, route and neighbour
 * events change a hop within the loop iteration that reads them. A hop that the kernel does not
 * know is asked for (RTM_NEWNEIGH with NTF_USE) and asked for again every few seconds, so that
 * neighbours which only XDP talks to do not go stale. Single-threaded, on one uv_loop_t.
 */
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "error.h"
#include "links.h"
#include "parse.h"

struct nexthop {
	bool resolved;      /* all below is valid; else only device and reason */
	bool local;         /* the machine's own address: then only source and on_link are, too */
	bool on_link;       /* no gateway in between */
	uint32_t device;    /* interface that the route names, which sockets' packets leave by;
			     * 0: there is no route, or it is local */
	uint32_t ifindex;   /* egress interface, below VLAN devices; a bond itself */
	uint32_t vlan;      /* tags that packets this way carry, as in struct lb_hop */
	uint16_t mtu;       /* of the route or of its interface; 0: not known */
	uint8_t dst_mac[6]; /* of the neighbour */
	uint8_t src_mac[6]; /* of the interface that the route names */
	struct address source; /* the kernel's preferred source address towards it */
	char reason[96];       /* why not resolved: "no route to 198.18.1.11", "no ARP reply ..." */
};

struct nexthop_table;

/* The hop for `address` changed (or was found for the first time). Never called from within
 * nexthop_watch. */
typedef void (*nexthop_callback)(void *context, const struct address *address,
				 const struct nexthop *hop);

/* Opens rtnetlink and reads links and neighbours. Negative errno with err on failure. */
int nexthop_table_new(uv_loop_t *loop, nexthop_callback callback, void *context,
		      struct nexthop_table **ret_table, struct error *err);
/* The loop must run once more afterwards to close handles. NULL-safe. */
void nexthop_table_free(struct nexthop_table *table);

/* Begins to follow an address; calls are counted, one unwatch for each watch. The answer comes
 * by callback; if it is known already, in the next loop iteration. */
int nexthop_watch(struct nexthop_table *table, const struct address *address, struct error *err);
void nexthop_unwatch(struct nexthop_table *table, const struct address *address);

/*
 * The source address that a packet to address has, as the routes stand: known from watching it, or
 * else asked for. It takes no neighbour's answer, so it is there before the hop is resolved. False:
 * no route, or none that can be used.
 */
bool nexthop_source(struct nexthop_table *table, const struct address *address,
		    struct address *ret_source);

/* Is it the machine's own address, as the routes stand? */
bool nexthop_is_own(struct nexthop_table *table, const struct address *address);

/* The machine's own addresses; *ret_count of them, valid until the loop runs again. When they
 * change, every watched address gets a callback. */
const struct rtnl_address *nexthop_addresses(const struct nexthop_table *table, size_t *ret_count);

/* The machine's links, as last heard of. */
const struct links *nexthop_links(const struct nexthop_table *table);

/* Calls `told` from the loop after the callbacks, once for all that came together. */
void nexthop_on_told(struct nexthop_table *table, void (*told)(void *context), void *context);

/* Calls `changed` from the loop when links have changed and are known in full. */
void nexthop_on_links(struct nexthop_table *table, void (*changed)(void *context), void *context);

/* What is known now; NULL if the address is not watched. Valid until the loop runs again. */
const struct nexthop *nexthop_get(const struct nexthop_table *table, const struct address *address);

#endif
