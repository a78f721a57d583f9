/* SPDX-License-Identifier: Apache-2.0 */
#include "flow_fold.h"

#include "flow_word.h"
#include "log.h"
#include "slot_marks.h"

/*
 * With the bucket next door a flow has sixteen ways. Of 1.5 entries a bucket on average, two pairs
 * of buckets in 10^8 have more than that (Poisson), and of 2, one in 10^6: what comes between two
 * looks has room.
 */
#define UNFOLD_ABOVE(buckets) ((buckets) / 2 * 3)
#define FOLD_BELOW(buckets)   ((buckets) / 4 * 5)

/* Buckets that are looked at: entries are counted to within 7 % (three standard deviations) where
 * it matters. */
#define LOOK 1024

uint32_t flow_fold_word(const struct flow_fold *fold)
{
	return fold->now | fold->former << LB_FLOW_FOLD_FORMER_SHIFT;
}

struct flow_fold flow_fold_adopt(uint32_t word, uint32_t least, uint32_t tick)
{
	return (struct flow_fold){
		.least = least,
		.now = word & LB_FLOW_FOLD_MAX,
		.former = word >> LB_FLOW_FOLD_FORMER_SHIFT & LB_FLOW_FOLD_MAX,
		.since = tick,
	};
}

uint32_t flow_fold_for(uint32_t buckets, uint32_t least, uint32_t entries)
{
	uint32_t fold = 0;

	while (buckets >> (fold + 1) >= least && entries <= FOLD_BELOW(buckets >> (fold + 1)))
		fold++;
	return fold;
}

/* A while begins, in which it is so. */
static struct flow_fold begin(struct flow_fold fold, uint32_t now, uint32_t former, uint32_t tick,
			      uint32_t entries)
{
	fold.now = now;
	fold.former = former;
	fold.since = tick;
	fold.peak = entries;
	return fold;
}

struct flow_fold flow_fold_next(struct flow_fold fold, uint32_t buckets, uint32_t entries,
				uint32_t tick, uint32_t silence)
{
	uint32_t fits;

	if (entries > fold.peak)
		fold.peak = entries;
	if (fold.now && entries > UNFOLD_ABOVE(buckets >> fold.now))
		return begin(fold, 0, fold.now, tick, entries);
	if (tick - fold.since <= silence)
		return fold;
	/* No entry that still holds is where it was in the table of before. */
	fits = flow_fold_for(buckets, fold.least, fold.peak);
	if (fold.now == 0)
		return begin(fold, fits, 0, tick, entries);
	if (fits > fold.now)
		return begin(fold, 0, fold.now, tick, entries);
	return begin(fold, fold.now, fold.now, tick, entries);
}

static uint32_t used_by(const struct dataplane *dp, uint32_t fold)
{
	return dp->sizes.flows / LB_FLOW_WAYS >> fold;
}

uint32_t flow_fold_used(const struct dataplane *dp)
{
	return used_by(dp, dp->switches->flow_fold & LB_FLOW_FOLD_MAX);
}

/* Of a part of the buckets, evenly spread. */
static uint32_t estimate_entries(const struct dataplane *dp, uint32_t buckets)
{
	uint32_t step = buckets > LOOK ? buckets / LOOK : 1, bucket, way;
	uint64_t entries = 0;

	for (bucket = 0; bucket < buckets; bucket += step) {
		for (way = 0; way < LB_FLOW_WAYS; way++)
			entries += __atomic_load_n((uint64_t *)&dp->flows[bucket].word[way],
						   __ATOMIC_RELAXED) != 0;
	}
	return (uint32_t)(entries * step);
}

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* The longest that a flow with an entry may be silent. */
static uint32_t longest_silence(const struct dataplane *dp)
{
	const struct lb_service *service;
	uint32_t id, longest = 0;

	for (id = 1; id <= dp->sizes.services; id++) {
		service = &dp->services[id];
		if (!(service->flags & LB_SERVICE_TRACK))
			continue;
		longest = larger(longest, slot_marks_silence(&dp->clock, service));
		longest = larger(longest, service->timeout_udp);
		longest = larger(longest, service->timeout[LB_FLOW_INHERITED]);
	}
	return longest;
}

void flow_fold_follow(struct flow_fold *fold, struct dataplane *dp, uint64_t now)
{
	const struct flow_fold before = *fold;
	uint32_t buckets = used_by(dp, 0), word;

	if (buckets <= before.least)
		return;
	*fold = flow_fold_next(before, buckets, estimate_entries(dp, used_by(dp, before.now)),
			       dataplane_coarse(&dp->clock, now), longest_silence(dp));
	word = flow_fold_word(fold);
	if (word == flow_fold_word(&before))
		return;
	/* In this order: it does no harm to the next agent to look for entries in vain. */
	__atomic_store_n(&dp->meta->flow_fold, word, __ATOMIC_RELEASE);
	__atomic_store_n(&dp->switches->flow_fold, word, __ATOMIC_RELEASE);
}
