/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FLOW_LIST_H
#define SLUICE_FLOW_LIST_H

/*
 * Live flows, read a page at a time so that nobody waits for millions of them. Those of services
 * in mode nat are read from the map of translated flows, which knows their addresses; those of
 * all others from the flow table, which knows no more than a hash of them. Flows that come and
 * go between two pages may be missed or be there twice; what stays is there once.
 */
#include "dataplane.h"
#include "parse.h"

/* Words of the flow table, or entries of the other map, that one step looks at. */
#define FLOW_LIST_STEP 4096

struct flow {
	uint16_t backend;
	enum lb_flow_state state;
	uint64_t age_ms;      /* since its last packet; embryonic: since its first */
	uint32_t fingerprint; /* what the flow table has in place of addresses */
	/* Of mode nat, else NULL. */
	const struct lb_tuple *reply; /* from the backend to the balancer's own address */
	const struct lb_nat_entry *nat;
};

struct flow_filter {
	bool in_table, in_nat; /* which of the two maps to read */
	const bool *backends;  /* [backend index]: those wanted; NULL: all */
	bool states[LB_FLOW_STATES];
	uint64_t min_age_ms;
	uint64_t max_age_ms;
	struct prefix client; /* of flows of mode nat: no others have one */
};

/* Where a page ends and the next one begins. */
struct flow_cursor {
	bool nat;          /* in the map of translated flows */
	uint32_t position; /* there; else of the next word of the flow table */
	uint32_t skip;     /* entries at position that were shown already */
};

#define FLOW_CURSOR_TEXT_MAX 32

/* "f4096", "n17.3"; as a text it is for nobody but flow_cursor_parse() to understand. */
const char *flow_cursor_format(const struct flow_cursor *cursor, char buffer[FLOW_CURSOR_TEXT_MAX]);
int flow_cursor_parse(const char *text, struct flow_cursor *ret_cursor, struct error *err);

/* Room for entries of the map of translated flows; some 28 KiB. */
struct flow_list_room {
	struct lb_tuple replies[DATAPLANE_NAT_ROOM];
	struct lb_nat_entry entries[DATAPLANE_NAT_ROOM];
};

struct flow_list {
	struct dataplane *dp;
	struct flow_list_room *room;
	const struct flow_filter *filter;
	uint64_t now; /* jiffies */
	struct flow_cursor cursor;
	/* Is shown each flow that the filter lets through. False: not this one, there is no more
	 * room; it will be the next page's first. */
	bool (*show)(void *context, const struct flow *flow);
	void *context;
	bool full; /* show has said so */
};

/* Reads on from the cursor, about FLOW_LIST_STEP words. False: there is nothing more to be read,
 * or no room to show it. */
bool flow_list_step(struct flow_list *list);

#endif
