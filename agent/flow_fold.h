/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FLOW_FOLD_H
#define SLUICE_FLOW_FOLD_H

/*
 * How much of the flow table is used. Of a sparse one each entry has a cache line and a page of its
 * own, of which processors find few without searching; so while flows are few it is folded (see
 * struct lb_switches in bpf/abi.h), and packets look for entries in its first part only.
 *
 * It unfolds as a whole and at once when the part fills up, and is folded again to what the flows
 * of the last while had room in. Packets take the entries along: one that is looked for and was
 * left where it was in the table of before moves. Until all others have idled out both places are
 * looked at, so there must never be a third: it is folded and unfolded only from and to the whole.
 */
#include <stdint.h>

#include "dataplane.h"

#define FLOW_FOLD_BUCKETS_MIN (1U << 15) /* 2 MiB: a second-level cache, and 512 pages */

struct flow_fold {
	uint32_t least;  /* buckets that it is not folded below */
	uint32_t now;    /* as struct lb_switches: how often it is folded, */
	uint32_t former; /* and where entries may still be */
	uint32_t since;  /* coarse tick in which this while began */
	uint32_t peak;   /* entries at most in this while */
};

/* What packets and the next agent are told. */
uint32_t flow_fold_word(const struct flow_fold *fold);

/* As a former agent has left it: for all that is known, a while has just begun. */
struct flow_fold flow_fold_adopt(uint32_t word, uint32_t least, uint32_t tick);

/* How often a table of so many buckets may be folded that is to hold so many entries. */
uint32_t flow_fold_for(uint32_t buckets, uint32_t least, uint32_t entries);

/* In the part of the table that is used there are so many entries; silence: how long a flow may
 * send nothing. Both times in coarse ticks. Pure. */
struct flow_fold flow_fold_next(struct flow_fold fold, uint32_t buckets, uint32_t entries,
				uint32_t tick, uint32_t silence);

/* The buckets that are used. */
uint32_t flow_fold_used(const struct dataplane *dp);

/* Looks at the table and folds or unfolds it. now in jiffies. */
void flow_fold_follow(struct flow_fold *fold, struct dataplane *dp, uint64_t now);

#endif
