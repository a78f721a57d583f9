/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_SIMULATE_ROUTERS_H
#define SLUICE_SIMULATE_ROUTERS_H

/* Which of the balancers that announce a VIP a router sends a flow to, by the ways routers choose.
 */
#include <stddef.h>
#include <stdint.h>

#define ROUTER_NEXT_HOPS 128
#define ROUTER_BUCKETS   4096

enum router_way {
	ROUTER_MODULO,    /* hash modulo the number of next hops */
	ROUTER_THRESHOLD, /* RFC 2992: ranges of the hash, as Linux has them by default */
	ROUTER_RESILIENT, /* buckets, of which a change moves no more than it must */
	ROUTER_WAYS
};

extern const char *const router_names[];

struct router {
	enum router_way way;
	uint8_t next_hops[ROUTER_NEXT_HOPS]; /* those that announce, by number */
	size_t count;
	uint8_t buckets[ROUTER_BUCKETS]; /* ROUTER_RESILIENT */
};

/* Balancers of these numbers announce: count ones, in order. */
void router_init(struct router *router, enum router_way way, const uint8_t *next_hops,
		 size_t count);

/* These do from now on. */
void router_change(struct router *router, const uint8_t *next_hops, size_t count);

/* The balancer that a flow of this hash goes to. */
uint8_t router_choose(const struct router *router, uint64_t hash);

#endif
