/* SPDX-License-Identifier: Apache-2.0 */
#include "flow_scan.h"

#include <stdlib.h>
#include <string.h>

#include "flow_word.h"

/* A closing flow counts as active while its last packets may still be under way. */
#define CLOSING_ACTIVE_COARSE_TICKS 3
/* A client repeats its SYN after a second (RFC 6298): until then an answer may be under way. */
#define HANDSHAKE_MS                1000

struct flow_scan {
	struct dataplane *dp;
	uint32_t position; /* next bucket */
	uint32_t passes;   /* through the table, of the round under way */
	uint32_t fold;     /* as in struct lb_switches, when the last of them began, */
	uint32_t alike;    /* and for so many before it that it was the same throughout */
	uint64_t rounds;
	struct flow_counts current; /* the round under way */
	struct flow_counts last;
	uint32_t nat_position, nat_count; /* of the round through translated flows */
	struct lb_tuple nat_replies[DATAPLANE_NAT_ROOM];
	struct lb_nat_entry nat_entries[DATAPLANE_NAT_ROOM];
	struct slot_marks *marks; /* NULL: nobody's */
	uint32_t *loads; /* [backend index]: of the round under way, as least-conn counts */
	bool *given_up;  /* [backend index]: see flow_scan_give_up() */
};

struct flow_scan *flow_scan_new(struct dataplane *dp)
{
	struct flow_scan *scan = calloc(1, sizeof(*scan));
	size_t backends = (size_t)dp->sizes.backends + 1;

	if (!scan)
		return NULL;
	scan->dp = dp;
	scan->fold = dp->switches->flow_fold;
	scan->current.active = calloc(backends, sizeof(*scan->current.active));
	scan->current.entries = calloc(backends, sizeof(*scan->current.entries));
	scan->last.active = calloc(backends, sizeof(*scan->last.active));
	scan->last.entries = calloc(backends, sizeof(*scan->last.entries));
	scan->loads = calloc(backends, sizeof(*scan->loads));
	scan->given_up = calloc(backends, sizeof(*scan->given_up));
	if (!scan->current.active || !scan->current.entries || !scan->last.active ||
	    !scan->last.entries || !scan->loads || !scan->given_up) {
		flow_scan_free(scan);
		return NULL;
	}
	return scan;
}

void flow_scan_free(struct flow_scan *scan)
{
	if (!scan)
		return;
	free(scan->current.active);
	free(scan->current.entries);
	free(scan->last.active);
	free(scan->last.entries);
	free(scan->loads);
	free(scan->given_up);
	free(scan);
}

/* Its backend does not answer SYNs, and has had its time for this one. */
static bool is_stuck(const struct flow_scan *scan, const struct flow_word *flow)
{
	return scan->given_up[flow->backend] && flow->state == LB_FLOW_EMBRYONIC &&
	       flow->age >= dataplane_ticks(&scan->dp->clock, LB_FLOW_EMBRYONIC, HANDSHAKE_MS);
}

/* How many flows the entry stands for. */
static uint32_t weight_of(const struct flow_scan *scan, const struct flow_word *flow)
{
	uint32_t mask = scan->dp->switches->counted_mask;

	if (!(scan->dp->services[flow->service].flags & LB_SERVICE_TRACK_CHANGED))
		return 1;
	return flow->fingerprint & mask ? 0 : mask + 1;
}

static void count(struct flow_scan *scan, const struct flow_word *flow)
{
	const struct lb_service *service = &scan->dp->services[flow->service];

	scan->current.by_state[flow->state]++;
	if (flow->state != LB_FLOW_CLOSING || flow->age <= CLOSING_ACTIVE_COARSE_TICKS) {
		scan->current.entries[flow->backend]++;
		scan->current.active[flow->backend] += weight_of(scan, flow);
	}
	if (flow->state != LB_FLOW_CLOSING)
		scan->loads[flow->backend]++;
	if (service->flags & LB_SERVICE_TRACK_CHANGED &&
	    !(flow->fingerprint & scan->dp->switches->sample_mask))
		scan->current.sampled++;
	if (service->tables.former && scan->marks)
		slot_marks_see(scan->marks, flow->service, flow->fingerprint, flow->backend);
}

static void scan_word(struct flow_scan *scan, uint64_t *place, uint64_t now)
{
	uint64_t word = __atomic_load_n(place, __ATOMIC_RELAXED);
	struct flow_word flow;

	if (word == 0)
		return;
	if (!flow_word_read(scan->dp, word, now, &flow) || is_stuck(scan, &flow)) {
		__atomic_compare_exchange_n(place, &word, 0, false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
		return;
	}
	count(scan, &flow);
}

/* Of all passes; never 0 if one has counted any. */
static uint32_t mean(const struct flow_scan *scan, uint32_t sum)
{
	return (sum + scan->passes - 1) / scan->passes;
}

static void take_means(struct flow_scan *scan)
{
	struct flow_counts *counts = &scan->current;
	uint32_t id;
	int state;

	for (id = 1; id <= scan->dp->sizes.backends; id++) {
		counts->active[id] = mean(scan, counts->active[id]);
		counts->entries[id] = mean(scan, counts->entries[id]);
		scan->loads[id] = mean(scan, scan->loads[id]);
	}
	for (state = 0; state < LB_FLOW_STATES; state++)
		counts->by_state[state] = mean(scan, (uint32_t)counts->by_state[state]);
	counts->sampled = mean(scan, counts->sampled);
}

/* What evictions and idle ends have left wrong is right again. What packets counted during the
 * round behind its position is lost by that: at most a second's worth. */
static void loads_store(struct flow_scan *scan)
{
	uint32_t id;

	for (id = 1; id <= scan->dp->sizes.backends; id++) {
		__atomic_store_n(&scan->dp->loads[id], (int64_t)scan->loads[id], __ATOMIC_RELAXED);
		scan->loads[id] = 0;
	}
}

static void round_end(struct flow_scan *scan)
{
	struct flow_counts done;

	if (scan->passes > 1)
		take_means(scan);
	done = scan->current;
	loads_store(scan);
	scan->current = scan->last;
	scan->last = done;
	memset(scan->current.active, 0,
	       ((size_t)scan->dp->sizes.backends + 1) * sizeof(*scan->current.active));
	memset(scan->current.entries, 0,
	       ((size_t)scan->dp->sizes.backends + 1) * sizeof(*scan->current.entries));
	memset(scan->current.by_state, 0, sizeof(scan->current.by_state));
	scan->current.sampled = 0;
	scan->passes = 0;
	scan->alike = 0;
	scan->rounds++;
}

/*
 * The table has been gone through. True: none of its entries has been missed. Where it is being
 * folded or unfolded one may have moved from ahead of the position to behind it; but that once
 * only, so then two passes see it.
 */
static bool pass_end(struct flow_scan *scan)
{
	uint32_t fold = scan->dp->switches->flow_fold;

	scan->position = 0;
	scan->passes++;
	scan->alike = fold == scan->fold ? scan->alike + 1 : 0;
	scan->fold = fold;
	return scan->alike > LB_FLOW_FOLD_MOVES(fold);
}

bool flow_scan_step(struct flow_scan *scan, uint64_t now, uint32_t buckets)
{
	uint32_t total = scan->dp->sizes.flows / LB_FLOW_WAYS;
	uint32_t end = total - scan->position < buckets ? total : scan->position + buckets;
	int way;

	for (; scan->position < end; scan->position++) {
		for (way = 0; way < LB_FLOW_WAYS; way++)
			scan_word(scan, (uint64_t *)&scan->dp->flows[scan->position].word[way],
				  now);
	}
	if (scan->position < total || !pass_end(scan))
		return false;
	round_end(scan);
	return true;
}

bool flow_scan_nat_step(struct flow_scan *scan)
{
	bool end;

	scan->nat_count +=
		scan->dp->ops->nat_flows_read(scan->dp, &scan->nat_position, scan->nat_replies,
					      scan->nat_entries, DATAPLANE_NAT_ROOM, &end);
	if (!end)
		return false;
	scan->current.nat = scan->last.nat = scan->nat_count; /* both: they change places */
	scan->nat_count = 0;
	scan->nat_position = 0;
	return true;
}

void flow_scan_tell(struct flow_scan *scan, struct slot_marks *marks)
{
	scan->marks = marks;
}

void flow_scan_give_up(struct flow_scan *scan, uint16_t backend_id, bool on)
{
	scan->given_up[backend_id] = on;
}

const struct flow_counts *flow_scan_counts(const struct flow_scan *scan)
{
	return &scan->last;
}

uint64_t flow_scan_rounds(const struct flow_scan *scan)
{
	return scan->rounds;
}

static void name_backends(const struct dataplane *dp, const struct lb_flow_bucket *bucket,
			  bool *named)
{
	uint16_t id;
	int way;

	for (way = 0; way < LB_FLOW_WAYS; way++) {
		id = flow_word_backend(
			__atomic_load_n((uint64_t *)&bucket->word[way], __ATOMIC_RELAXED));
		if (id && id <= dp->sizes.backends)
			named[id] = true;
	}
}

void flow_scan_named(const struct dataplane *dp, bool *named)
{
	uint32_t bucket, pass, passes = 1 + LB_FLOW_FOLD_MOVES(dp->switches->flow_fold);

	for (pass = 0; pass < passes; pass++)
		for (bucket = 0; bucket < dp->sizes.flows / LB_FLOW_WAYS; bucket++)
			name_backends(dp, &dp->flows[bucket], named);
}
