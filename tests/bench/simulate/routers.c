/* SPDX-License-Identifier: Apache-2.0 */
#include "routers.h"

#include <stdbool.h>
#include <string.h>

#include "table.h"

const char *const router_names[] = {
	[ROUTER_MODULO] = "modulo",
	[ROUTER_THRESHOLD] = "threshold",
	[ROUTER_RESILIENT] = "resilient",
};

void router_init(struct router *router, enum router_way way, const uint8_t *next_hops, size_t count)
{
	*router = (struct router){.way = way, .count = count};
	memcpy(router->next_hops, next_hops, count);
	for (size_t i = 0; i < ROUTER_BUCKETS; i++)
		router->buckets[i] = next_hops[i % count];
}

/* The next hop that is owed most buckets; of equal ones the first. */
static uint8_t most_owed(const struct router *router, const int *owed)
{
	uint8_t most = router->next_hops[0];

	for (size_t i = 1; i < router->count; i++) {
		if (owed[router->next_hops[i]] > owed[most])
			most = router->next_hops[i];
	}
	return most;
}

/*
 * Buckets of those that are gone go to whom they are owed, and no others but those that somebody
 * has too many of (Linux, Documentation/networking/nexthop-group-resilient.rst, with an unbalanced
 * timer: without one these wait until they are idle).
 */
static void deal_buckets(struct router *router)
{
	int owed[ROUTER_NEXT_HOPS] = {0};
	bool there[ROUTER_NEXT_HOPS] = {false};

	for (size_t i = 0; i < router->count; i++) {
		there[router->next_hops[i]] = true;
		owed[router->next_hops[i]] = (int)(ROUTER_BUCKETS / router->count) +
					     (i < ROUTER_BUCKETS % router->count);
	}
	for (size_t i = 0; i < ROUTER_BUCKETS; i++)
		owed[router->buckets[i]]--;
	for (size_t i = 0; i < ROUTER_BUCKETS; i++) {
		if (there[router->buckets[i]] && owed[router->buckets[i]] >= 0)
			continue;
		owed[router->buckets[i]]++;
		router->buckets[i] = most_owed(router, owed);
		owed[router->buckets[i]]--;
	}
}

void router_change(struct router *router, const uint8_t *next_hops, size_t count)
{
	memcpy(router->next_hops, next_hops, count);
	router->count = count;
	deal_buckets(router);
}

uint8_t router_choose(const struct router *router, uint64_t hash)
{
	switch (router->way) {
	case ROUTER_MODULO:
		return router->next_hops[hash % router->count];
	case ROUTER_THRESHOLD:
		return router->next_hops[random_below(hash, (uint32_t)router->count)];
	default:
		return router->buckets[hash % ROUTER_BUCKETS];
	}
}
