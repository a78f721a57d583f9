/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_FLOW_STAGE_H
#define SLUICE_FLOW_STAGE_H

/*
 * The flow table: which backend a flow has. See struct lb_flow_bucket for the layout.
 *
 * Words are read once and changed by compare-and-swap. A failed swap means that another CPU was
 * faster with the same bucket; this packet then simply goes on without its note, which the next
 * packet of the flow makes up for.
 */
#include "hash.h"
#include "maps.h"
#include "packet.h"
#include "schedule.h"

LB_INLINE __u32 flow_fingerprint(__u64 hash)
{
	return hash >> LB_FLOW_FINGERPRINT_SHIFT;
}

LB_INLINE __u32 flow_state(__u64 word)
{
	return (word >> LB_FLOW_STATE_SHIFT) & LB_FLOW_STATE_MASK;
}

LB_INLINE __u16 flow_backend(__u64 word)
{
	return (word >> LB_FLOW_BACKEND_SHIFT) & LB_FLOW_BACKEND_MASK;
}

/* All ones if condition (0 or 1) is 1, in a way that clang cannot turn back into a branch: eight
 * ways make 2^8 paths, too many for the branch predictor and for the verifier alike. */
LB_INLINE __u64 mask_of(__u64 condition)
{
	__u64 mask = -condition;

	asm volatile("" : "+r"(mask));
	return mask;
}

LB_INLINE __u64 is_zero(__u32 value)
{
	return ((__u64)value - 1) >> 63;
}

/* The clock that entries of a state are stamped with. */
LB_INLINE __u32 flow_time(__u32 state, __u64 now)
{
	__u64 ticks = now >> lb_tick_shift, coarse = now >> lb_coarse_tick_shift;

	return (coarse ^ ((coarse ^ ticks) & mask_of(is_zero(state ^ LB_FLOW_EMBRYONIC)))) &
	       LB_FLOW_TIME_MASK;
}

LB_INLINE __u32 flow_age(__u64 word, __u64 now)
{
	__u32 age = (flow_time(flow_state(word), now) - word) & LB_FLOW_TIME_MASK;

	return age & ((age + LB_FLOW_TICKS_AHEAD) / (LB_FLOW_TIME_MASK + 1) - 1);
}

LB_INLINE __u64 flow_word(__u64 hash, __u16 backend, __u32 state, __u64 now)
{
	return (hash >> LB_FLOW_FINGERPRINT_SHIFT << LB_FLOW_FINGERPRINT_SHIFT) |
	       (__u64)backend << LB_FLOW_BACKEND_SHIFT | (__u64)state << LB_FLOW_STATE_SHIFT |
	       flow_time(state, now);
}

LB_INLINE void flow_swap(__u64 *word, __u64 seen, __u64 value)
{
	if (seen != value)
		__sync_val_compare_and_swap(word, seen, value);
}

LB_INLINE struct lb_flow_bucket *flow_bucket(__u64 hash)
{
	__u32 index = (__u32)hash & lb_flow_mask;

	return bpf_map_lookup_elem(&flows, &index);
}

/*
 * The flow's word; *seen is what it held, of state LB_FLOW_EMPTY if the flow has none. That tells,
 * not a NULL: Linux 6.1 does not see that the state and the pointer would be zero together once
 * both are spilled, and refuses the pointer.
 */
LB_INLINE __u64 *flow_find(struct lb_flow_bucket *bucket, __u64 hash, __u64 *seen)
{
	__u32 fingerprint = flow_fingerprint(hash);
	__u64 word, found = 0;
	__u32 way, at = 0;

#pragma unroll
	for (way = 0; way < LB_FLOW_WAYS; way++) {
		__u64 hit;

		word = READ_ONCE(bucket->word[way]);
		hit = mask_of(is_zero((__u32)(word >> LB_FLOW_FINGERPRINT_SHIFT) ^ fingerprint));
		found ^= (found ^ word) & hit;
		at ^= (at ^ way) & hit;
	}
	*seen = found;
	return &bucket->word[at % LB_FLOW_WAYS];
}

/*
 * How gladly a word is given up, lower first: empty, closing, embryonic, established; among
 * equals the older first.
 */
#define FLOW_WORTH_SHIFT       16
#define FLOW_WORTH_ESTABLISHED (3ULL << FLOW_WORTH_SHIFT)
LB_INLINE __u64 flow_worth(__u64 word, __u64 now)
{
	const __u32 rank = 0 << 2 * LB_FLOW_EMPTY | 1 << 2 * LB_FLOW_CLOSING |
			   2 << 2 * LB_FLOW_EMBRYONIC | 3 << 2 * LB_FLOW_ESTABLISHED;

	return (__u64)(rank >> 2 * flow_state(word) & 3) << FLOW_WORTH_SHIFT |
	       (LB_FLOW_TIME_MASK - flow_age(word, now));
}

LB_INLINE void count_eviction(__u64 word)
{
	__u32 zero = 0;
	struct lb_flow_stats *stats = bpf_map_lookup_elem(&flow_stats, &zero);

	if (stats && word)
		stats->evictions[flow_state(word)]++;
}

/*
 * Enters a new flow in place of the word that is worth least. What a stranger can send without
 * having been answered (a SYN, a first datagram) never pushes out an established flow: `bold` is
 * false for those, and then the flow stays without an entry and is found by its slot.
 */
__noinline int flow_insert(struct lb_flow_bucket *bucket, __u64 value, bool bold, __u64 now)
{
	__u64 word, worth, least = ~0ULL >> 1, seen = 0;
	__u32 way, at = 0;

	if (!bucket)
		return 0;
#pragma unroll
	for (way = 0; way < LB_FLOW_WAYS; way++) {
		__u64 less;

		word = READ_ONCE(bucket->word[way]);
		worth = flow_worth(word, now);
		less = mask_of((worth - least) >> 63);
		least ^= (least ^ worth) & less;
		seen ^= (seen ^ word) & less;
		at ^= (at ^ way) & less;
	}
	if (least >= FLOW_WORTH_ESTABLISHED && !bold)
		return 0;
	count_eviction(seen);
	flow_swap(&bucket->word[at % LB_FLOW_WAYS], seen, value);
	return 0;
}

/* The backend if it may get packets, else NULL. */
LB_INLINE struct lb_backend *backend_alive(__u16 id)
{
	__u32 index = id;
	struct lb_backend *backend = bpf_map_lookup_elem(&backends, &index);

	if (!backend || !(READ_ONCE(backend->hop.flags) & LB_BACKEND_UP))
		return NULL;
	return backend;
}

/* What a packet makes of a flow's state. */
LB_INLINE __u32 flow_next_state(const struct packet *pkt, __u32 state)
{
	if (is_syn(pkt))
		return LB_FLOW_EMBRYONIC;
	if (is_closing(pkt) || state == LB_FLOW_CLOSING)
		return LB_FLOW_CLOSING;
	return LB_FLOW_ESTABLISHED;
}

/*
 * Follows the flow's entry. False: the entry does not hold (backend gone, too long idle, or a
 * SYN that opens a new connection), so the flow is to be scheduled afresh.
 */
LB_INLINE bool flow_follow(const struct packet *pkt, struct decision *d, __u64 *word, __u64 seen)
{
	__u32 state = flow_state(seen);
	__u16 id = flow_backend(seen);
	struct lb_backend *backend = backend_alive(id);

	if (!backend || backend->service != d->service_id)
		return false;
	if (flow_age(seen, pkt->now) > d->service->timeout[state & LB_FLOW_STATE_MASK])
		return false;
	d->backend = backend;
	d->backend_id = id;
	if (!is_syn(pkt)) {
		flow_swap(word, seen,
			  flow_word(d->hash, id, flow_next_state(pkt, state), pkt->now));
		return true;
	}
	/* A repeated SYN keeps the time of the first: the handshake began there. */
	d->syn_retransmit = state == LB_FLOW_EMBRYONIC;
	return d->syn_retransmit;
}

/* Chooses the packet's backend: its flow's, else the slot's. LB_PASS: chosen. */
LB_INLINE enum lb_verdict flow_assign(const struct packet *pkt, struct decision *d)
{
	struct lb_flow_bucket *bucket;
	__u64 *word, seen = 0, value;

	d->hash = flow_hash(pkt);
	bucket = flow_bucket(d->hash);
	if (!bucket)
		return LB_INTERNAL;
	word = flow_find(bucket, d->hash, &seen);
	if (flow_state(seen) != LB_FLOW_EMPTY && flow_follow(pkt, d, word, seen))
		return LB_PASS;

	d->backend_id = schedule(d->service, d->hash);
	d->backend = backend_alive(d->backend_id);
	if (!d->backend)
		return LB_NO_BACKEND;
	d->new_flow = is_syn(pkt) || pkt->l4_proto == IPPROTO_UDP;
	value = flow_word(d->hash, d->backend_id, LB_FLOW_EMBRYONIC, pkt->now);
	if (is_closing(pkt))
		return LB_PASS; /* the end of a flow that is forgotten already */
	if (flow_state(seen) != LB_FLOW_EMPTY)
		flow_swap(word, seen, value);
	else
		flow_insert(bucket, value, pkt->l4_proto == IPPROTO_TCP && !is_syn(pkt), pkt->now);
	return LB_PASS;
}

#endif
