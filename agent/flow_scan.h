/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FLOW_SCAN_H
#define SLUICE_FLOW_SCAN_H

/*
 * The agent's round through the flow table, a part at a time so that the loop never stalls:
 * counts flows by backend and state, and clears entries that have expired, whose backend is no
 * more, or whose service does not track. Clears by compare-and-swap, so a packet that touches an
 * entry meanwhile wins. Each round puts the backends' loads right, which the data plane counts for
 * least-conn.
 */
#include "dataplane.h"
#include "slot_marks.h"

struct flow_counts {
	/* [backend index]: flows that may still carry data; an estimate where not all have entries,
	 * see sampled. */
	uint32_t *active;
	uint32_t *entries; /* [backend index]: of such flows; no estimate */
	uint32_t by_state[LB_FLOW_STATES];
	uint32_t sampled; /* entries of the present sample, of services that have one */
	uint32_t nat;     /* entries in the map of translated flows, live or not yet given up */
};

struct flow_scan;

/* NULL: out of memory. dp must outlive the scan. */
struct flow_scan *flow_scan_new(struct dataplane *dp);
void flow_scan_free(struct flow_scan *scan);

/* Whom the scan tells which entries there are; must outlive it. Until this is called: nobody. */
void flow_scan_tell(struct flow_scan *scan, struct slot_marks *marks);

/*
 * Looks through the next `buckets` buckets. now is in jiffies. Returns true if a round ended:
 * flow_scan_counts() is then of that round and flow_scan_rounds() went up.
 */
bool flow_scan_step(struct flow_scan *scan, uint64_t now, uint32_t buckets);

/* Counts some translated flows. True: that were all, and flow_scan_counts() has a new `nat`. */
bool flow_scan_nat_step(struct flow_scan *scan);

/*
 * While `on`, handshakes with this backend that have waited for a second are let go: their
 * entries are cleared, so that the client's next SYN is scheduled afresh.
 */
void flow_scan_give_up(struct flow_scan *scan, uint16_t backend_id, bool on);

/* Of the last whole round; all zero before the first ended. */
const struct flow_counts *flow_scan_counts(const struct flow_scan *scan);

/* Whole rounds ended. What happened before a call is fully seen once two more have ended. */
uint64_t flow_scan_rounds(const struct flow_scan *scan);

/* Sets named[i] for each backend index i that an entry has; named has sizes.backends + 1. Reads the
 * whole table at once. */
void flow_scan_named(const struct dataplane *dp, bool *named);

#endif
