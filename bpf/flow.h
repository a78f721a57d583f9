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
#include "backend.h"
#include "budget.h"
#include "hash.h"
#include "maps.h"
#include "packet.h"
#include "quic.h"
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

/* 1 if the value is 0, else 0, in a way that clang cannot turn back into a branch: eight ways make
 * 2^8 paths, too many for the branch predictor and for the verifier alike. */
LB_INLINE __u64 is_zero(__u32 value)
{
	__u64 below = (__u64)value - 1;

	if (__builtin_constant_p(value))
		return !value;
	asm volatile("" : "+r"(below));
	return below >> 63;
}

/* All ones if condition (0 or 1) is 1, likewise. */
LB_INLINE __u64 mask_of(__u64 condition)
{
	__u64 mask = -condition;

	if (!__builtin_constant_p(condition))
		asm volatile("" : "+r"(mask));
	return mask;
}

/* The time, as entries are stamped with it. */
struct flow_clock {
	__u64 ticks;
	__u64 coarse;
};

LB_INLINE struct flow_clock flow_clock(__u64 now)
{
	return (struct flow_clock){now >> lb_tick_shift, now >> lb_coarse_tick_shift};
}

/* As an entry of that state is stamped. */
LB_INLINE __u32 flow_time(__u32 state, struct flow_clock now)
{
	__u64 other = (now.coarse ^ now.ticks) & mask_of(is_zero(state ^ LB_FLOW_EMBRYONIC));

	return (now.coarse ^ other) & LB_FLOW_TIME_MASK;
}

LB_INLINE __u32 flow_age(__u64 word, struct flow_clock now)
{
	__u32 age = (flow_time(flow_state(word), now) - word) & LB_FLOW_TIME_MASK;

	return age & ((age + LB_FLOW_TICKS_AHEAD) / (LB_FLOW_TIME_MASK + 1) - 1);
}

LB_INLINE __u64 flow_word(__u64 hash, __u16 backend, __u32 state, struct flow_clock now)
{
	return (hash >> LB_FLOW_FINGERPRINT_SHIFT << LB_FLOW_FINGERPRINT_SHIFT) |
	       (__u64)backend << LB_FLOW_BACKEND_SHIFT | (__u64)state << LB_FLOW_STATE_SHIFT |
	       flow_time(state, now);
}

/* False: another CPU was faster. */
LB_INLINE bool flow_swap(__u64 *word, __u64 seen, __u64 value)
{
	return seen == value || __sync_val_compare_and_swap(word, seen, value) == seen;
}

/* Does the flow behind the word count as its backend's load? */
LB_INLINE bool flow_is_load(__u64 word)
{
	return word && flow_state(word) != LB_FLOW_CLOSING;
}

/* Puts value in place of seen and keeps the backends' loads, if they are asked for, true to it. */
LB_INLINE void flow_replace(__u64 *word, __u64 seen, __u64 value, bool loads)
{
	if (!flow_swap(word, seen, value) || !loads)
		return;
	if (flow_is_load(seen))
		backend_load_add(flow_backend(seen), -1);
	if (flow_is_load(value))
		backend_load_add(flow_backend(value), 1);
}

/* The index of the flow's bucket where the table is folded so often. */
LB_INLINE __u32 flow_index(__u64 hash, __u32 fold)
{
	return ((__u32)hash & lb_flow_mask) >> (fold & LB_FLOW_FOLD_MAX);
}

LB_INLINE __u32 flow_home(__u64 hash)
{
	return flow_index(hash, READ_ONCE(lb_switches.flow_fold));
}

LB_INLINE struct lb_flow_bucket *flow_bucket(__u32 index)
{
	return bpf_map_lookup_elem(&flows, &index);
}

/* The number of the lowest bit of eight that is set, by a sequence of de Bruijn: Leiserson, Prokop
 * and Randall, "Using de Bruijn Sequences to Index a 1 in a Computer Word", 1998. 0 if none is. */
LB_INLINE __u32 lowest_of_eight(__u32 bits)
{
	const __u32 numbers = 0x56374210; /* of the sequence's three bits each, as nibbles */

	return numbers >> ((bits & -bits) * 0x17 >> 5 & 7) * 4 & 7;
}

enum flow_half { FLOW_LOWER, FLOW_UPPER };

/* The ways of which that half is this, a bit each. Without a branch for each of the eight, which
 * nobody could predict. */
LB_INLINE __u32 flow_ways(const struct lb_flow_bucket *bucket, enum flow_half half, __u32 value)
{
	__u32 way, ways = 0;

#pragma unroll
	for (way = 0; way < LB_FLOW_WAYS; way++)
		ways |= is_zero(READ_ONCE(bucket->half[2 * way + half]) ^ value) << way;
	return ways;
}

/* What the word holds if it is the flow's, else 0. */
LB_INLINE __u64 flow_read(const __u64 *word, __u64 hash)
{
	__u64 found = READ_ONCE(*word);

	return found & mask_of(is_zero(flow_fingerprint(found) ^ flow_fingerprint(hash)));
}

/* The way that a flow takes if it is free, so that one look finds most: buckets are sparse. */
LB_INLINE __u32 flow_first_way(__u64 hash)
{
	return hash >> (64 - LB_FLOW_WAY_BITS);
}

/*
 * How gladly a word is given up, lower first: empty, closing, inherited, embryonic, established;
 * among equals the older first.
 */
#define FLOW_WORTH_SHIFT 16
LB_INLINE __u64 flow_worth(__u64 word, struct flow_clock now)
{
	const __u32 rank = 0 << 2 * LB_FLOW_CLOSING | 1 << 2 * LB_FLOW_INHERITED |
			   2 << 2 * LB_FLOW_EMBRYONIC | 3 << 2 * LB_FLOW_ESTABLISHED;
	__u64 worth = (__u64)(rank >> 2 * flow_state(word) & 3) << FLOW_WORTH_SHIFT |
		      (LB_FLOW_TIME_MASK + 1 - flow_age(word, now));

	return worth & ~mask_of(is_zero(word >> LB_FLOW_FINGERPRINT_SHIFT | (__u32)word));
}

LB_INLINE void count_eviction(__u64 word)
{
	__u32 zero = 0;
	struct lb_flow_stats *stats = bpf_map_lookup_elem(&flow_stats, &zero);

	if (stats && word)
		stats->evictions[flow_state(word)]++;
}

enum flow_insert_flags {
	/* May push out an established flow. Not so for what a stranger can send without having
	 * been answered (a SYN, a first datagram): then the flow stays without an entry and is
	 * found by its slot. */
	FLOW_INSERT_BOLD = 1 << 0,
	FLOW_INSERT_LOADS = 1 << 1, /* keep the backends' loads */
};
#define FLOW_INSERT_SERVICE_SHIFT 16 /* UDP: the service, which may limit its entries; else 0 */

/* The way that is worth least. */
LB_INLINE __u32 flow_least_way(const struct lb_flow_bucket *bucket, struct flow_clock now)
{
	__u64 worth, less, least = ~0ULL >> 1;
	__u32 way, at = 0;

#pragma clang loop unroll(disable) /* the stack would not hold it */
	for (way = 0; way < LB_FLOW_WAYS; way++) {
		worth = flow_worth(READ_ONCE(bucket->word[way]), now);
		less = mask_of((worth - least) >> 63);
		least ^= (least ^ worth) & less;
		at ^= (at ^ way) & less;
	}
	return at;
}

/* Where a word is, as one number, which is not 0. */
LB_INLINE __u32 flow_place(__u32 index, __u32 way)
{
	return (index << 3 | way) + 1;
}

LB_INLINE __u64 *flow_at(__u32 place)
{
	struct lb_flow_bucket *bucket = flow_bucket((place - 1) >> 3);

	return bucket ? &bucket->word[(place - 1) & 7] : NULL;
}

/*
 * Enters a new flow at home or, if that is full, next door, where a way is empty; else at home in
 * place of the one that is worth least. Returns the place; 0: the flow has none.
 */
LB_INLINE __u32 flow_put(__u32 index, __u64 value, __u32 flags, __u64 now)
{
	struct lb_flow_bucket *bucket = flow_bucket(index), *next = flow_bucket(index ^ 1);
	__u32 empty, first, at;
	__u64 seen;

	if (!bucket)
		return 0;
	first = flow_first_way(value);            /* of which the upper half is the hash's */
	empty = flow_ways(bucket, FLOW_LOWER, 0); /* that of others has a backend, who is not 0 */
	if (!empty && next) {
		empty = flow_ways(next, FLOW_LOWER, 0);
		bucket = empty ? next : bucket;
		index ^= empty ? 1 : 0;
	}
	at = empty ? lowest_of_eight(empty) : flow_least_way(bucket, flow_clock(now));
	at = (empty >> first & 1 ? first : at) % LB_FLOW_WAYS;
	seen = READ_ONCE(bucket->word[at]);
	if (flow_state(seen) == LB_FLOW_ESTABLISHED && !(flags & FLOW_INSERT_BOLD))
		return 0;
	count_eviction(seen);
	flow_replace(&bucket->word[at], seen, value, flags & FLOW_INSERT_LOADS);
	return flow_place(index, at);
}

/* The same at the flow's home, if the service may have another entry. A function of its own, for
 * the sake of its callers' stack. */
__noinline int flow_insert(__u64 hash, __u64 value, __u32 flags, __u64 now)
{
	if (entry_may(flags >> FLOW_INSERT_SERVICE_SHIFT))
		flow_put(flow_home(hash), value, flags, now);
	return 0;
}

/* The place of the flow's word in that bucket, or 0. */
LB_INLINE __u32 flow_seek(__u32 index, __u64 hash)
{
	struct lb_flow_bucket *bucket = flow_bucket(index);
	__u32 ways = bucket ? flow_ways(bucket, FLOW_UPPER, flow_fingerprint(hash)) : 0;

	return ways ? flow_place(index, lowest_of_eight(ways)) : 0;
}

/* Is the bucket not full? Two ways tell, most of the time. */
LB_INLINE bool flow_has_room(__u32 index)
{
	struct lb_flow_bucket *bucket = flow_bucket(index);

	return bucket && !(READ_ONCE(bucket->word[0]) && READ_ONCE(bucket->word[1]));
}

/*
 * The place of a flow's word that is not where most are, or 0: another way of its bucket; the one
 * next door, where that was full; or where both were when the table had another size. From there it
 * moves home. SYNs are mostly of new flows, and need not look next door while there is room at
 * home.
 */
__noinline __u32 flow_elsewhere(__u64 hash, __u64 now, bool is_syn)
{
	__u32 fold = READ_ONCE(lb_switches.flow_fold), home = flow_index(hash, fold);
	__u32 former = flow_index(hash, fold >> LB_FLOW_FOLD_FORMER_SHIFT);
	__u32 place = flow_seek(home, hash), moved;
	__u64 *word, seen;

	if (place || (is_syn && !LB_FLOW_FOLD_MOVES(fold) && flow_has_room(home)))
		return place;
	place = flow_seek(home ^ 1, hash);
	if (place || former == home)
		return place;
	place = flow_seek(former, hash);
	if (!place)
		place = flow_seek(former ^ 1, hash);
	word = flow_at(place);
	if (!place || !word)
		return 0;
	seen = flow_read(word, hash);
	moved = seen ? flow_put(home, seen, FLOW_INSERT_BOLD, now) : 0;
	if (moved)
		flow_swap(word, seen, 0);
	return moved;
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

LB_INLINE __u16 flow_timeout(const struct packet *pkt, const struct lb_service *service,
			     __u32 state)
{
	if (state == LB_FLOW_ESTABLISHED && pkt->l4_proto == IPPROTO_UDP)
		return service->timeout_udp;
	return service->timeout[state & LB_FLOW_STATE_MASK];
}

LB_INLINE bool keeps_loads(const struct lb_service *service)
{
	return service->scheduler == LB_SCHEDULER_LEAST_CONN;
}

/* Whose the flow behind the word is; NULL: the entry does not hold, for its backend is gone. */
LB_INLINE struct lb_backend *flow_holder(__u64 seen, __u16 service_id)
{
	struct lb_backend *backend = backend_alive(flow_backend(seen));

	return backend && backend->service == service_id ? backend : NULL;
}

/* Makes of the entry what the packet makes of it. False: the flow is to begin anew. */
LB_INLINE bool flow_update(const struct packet *pkt, const struct decision *d, __u64 *word,
			   __u64 seen)
{
	struct flow_clock now = flow_clock(bpf_jiffies64());
	__u32 state = flow_state(seen);
	__u64 next = flow_word(d->hash, flow_backend(seen), LB_FLOW_ESTABLISHED, now);

	if (seen == next && !is_closing(pkt))
		return true;
	if (flow_age(seen, now) > flow_timeout(pkt, d->service, state))
		return false;
	next = flow_word(d->hash, flow_backend(seen), flow_next_state(pkt, state), now);
	flow_replace(word, seen, next, keeps_loads(d->service));
	return true;
}

/*
 * Follows the flow's entry. False: the entry does not hold, or a SYN opens a new connection, so the
 * flow is to be scheduled afresh.
 */
LB_INLINE bool flow_follow(const struct packet *pkt, struct decision *d, __u64 *word, __u64 seen)
{
	struct lb_backend *backend = flow_holder(seen, d->service_id);
	struct flow_clock now = flow_clock(bpf_jiffies64());
	__u32 state = flow_state(seen);
	__u16 id = flow_backend(seen);

	if (!backend)
		return false;
	d->backend = backend;
	d->backend_id = id;
	if (!is_syn(pkt) && !is_kind(pkt, LB_ICMP_ERROR))
		return flow_update(pkt, d, word, seen);
	if (flow_age(seen, now) > flow_timeout(pkt, d->service, state))
		return false;
	if (is_kind(pkt, LB_ICMP_ERROR))
		return true; /* not the client's word: it changes nothing */
	/* A repeated SYN keeps the time of the first: the handshake began there. */
	d->event = forget((state == LB_FLOW_EMBRYONIC) * FLOW_SYN_AGAIN);
	return d->event;
}

LB_INLINE bool tracks(const struct lb_service *service)
{
	return service->flags & LB_SERVICE_TRACK;
}

/* Are entries made only of flows of marked slots and of the sample? */
LB_INLINE bool tracks_changed(const struct packet *pkt, const struct lb_service *service)
{
	return service->flags & LB_SERVICE_TRACK_CHANGED && pkt->l4_proto != IPPROTO_UDP;
}

/* How many flows the packet's stands for where flows are counted by the sample. */
LB_INLINE __u32 flow_weight(const struct packet *pkt, const struct decision *d)
{
	__u32 mask = READ_ONCE(lb_switches.sample_mask);

	if (!d->service || !tracks_changed(pkt, d->service))
		return 1;
	return flow_fingerprint(d->hash) & mask ? 0 : mask + 1;
}

/* Goes a flow without an entry to d->backend_id? LB_PASS, LB_NO_BACKEND: nobody is there; else by
 * whose limit it may not begin. */
LB_INLINE enum lb_verdict flow_admit(const struct packet *pkt, struct decision *d)
{
	d->backend = backend_alive(d->backend_id);
	if (!d->backend)
		return LB_NO_BACKEND;
	if (!(d->event & FLOW_BEGINS) || !(d->service->flags & LB_SERVICE_FLOW_LIMITS))
		return LB_PASS;
	return flow_judge(d->service, pkt->tuple, d->service_id);
}

/* The same as a question of most packets, which no limit concerns. */
LB_INLINE bool flow_may(struct decision *d)
{
	if (d->event && d->service->flags & LB_SERVICE_FLOW_LIMITS)
		return false;
	d->backend = backend_alive(d->backend_id);
	return d->backend;
}

/* A flow without an entry that holds: by its slot. Otherwise as flow_admit(). */
LB_INLINE enum lb_verdict flow_begin(const struct packet *pkt, struct decision *d)
{
	bool begun;

	if (pkt->l4_proto == IPPROTO_UDP) /* without an entry, who can tell? */
		d->event = (tracks(d->service) && !is_kind(pkt, LB_ICMP_ERROR)) * FLOW_BEGINS;
	else
		d->event |= is_syn(pkt) * FLOW_BEGINS; /* or a cookie has proven it */
	d->event = forget(d->event);
	begun = pkt->l4_proto != IPPROTO_UDP && !d->event;
	d->backend_id = schedule(d->service, pkt->tuple, d->hash, d->service_id, begun);
	return flow_admit(pkt, d);
}

/* Is the flow's backend known by computation alone? Then it is in d->backend_id. */
LB_INLINE bool flow_is_by_slot(const struct packet *pkt, struct decision *d)
{
	__u32 upper = flow_fingerprint(d->hash);
	struct lb_tables tables;

	if (!tracks_changed(pkt, d->service) || !(upper & READ_ONCE(lb_switches.sample_mask)))
		return false;
	tables = tables_read(d->service);
	if (tables.former && slot_read(tables.former, slot_of(upper)))
		return false;
	d->backend_id = slot_read(tables.current, slot_of(upper));
	d->event = is_syn(pkt) * FLOW_BEGINS;
	return true;
}

/* Is it what only who has been answered has to send? Of UDP nobody can tell. */
LB_INLINE bool is_answer(const struct packet *pkt)
{
	return pkt->l4_proto != IPPROTO_UDP && !is_syn(pkt);
}

/* A new flow is embryonic until the client answers; who brings a cookie has done so. */
LB_INLINE __u32 flow_first_state(const struct packet *pkt, const struct decision *d)
{
	if (is_closing(pkt))
		return LB_FLOW_CLOSING;
	return d->event ? LB_FLOW_EMBRYONIC + is_answer(pkt) : d->service->begun_state;
}

/* Enters the flow of this packet in place of seen, if it had an entry, at word. */
LB_INLINE void flow_enter(const struct packet *pkt, const struct decision *d, __u64 *word,
			  __u64 seen, __u32 state)
{
	__u64 value = flow_word(d->hash, d->backend_id, state, flow_clock(bpf_jiffies64()));
	__u32 flags = is_answer(pkt) ? FLOW_INSERT_BOLD : 0;

	if (keeps_loads(d->service))
		flags |= FLOW_INSERT_LOADS;
	if (pkt->l4_proto == IPPROTO_UDP)
		flags |= (__u32)d->service_id << FLOW_INSERT_SERVICE_SHIFT;
	flags = forget(flags);
	if (seen)
		flow_replace(word, seen, value, flags & FLOW_INSERT_LOADS);
	else
		flow_insert(d->hash, value, flags, bpf_jiffies64());
}

/* The flow's word if it is where most are; *seen is what it held, 0 if it is not there. */
LB_INLINE __u64 *flow_first(struct lb_flow_bucket *bucket, __u64 hash, __u64 *seen)
{
	__u64 *word = &bucket->word[flow_first_way(hash)];

	*seen = flow_read(word, hash);
	return word;
}

/*
 * The flow's word, wherever it is; *seen is what it held, 0 if the flow has none. That tells, not a
 * NULL: Linux 6.1 does not see that the word and the pointer would be zero together once both are
 * spilled, and refuses the pointer.
 */
LB_INLINE __u64 *flow_find(struct lb_flow_bucket *bucket, __u64 hash, __u64 now, bool is_syn,
			   __u64 *seen)
{
	__u64 *word = flow_first(bucket, hash, seen), *other;

	if (*seen)
		return word;
	other = flow_at(flow_elsewhere(hash, now, is_syn));
	if (!other)
		return word;
	*seen = flow_read(other, hash);
	return other;
}

/* Is it a packet of an established flow whose entry is where most are? Then it goes on. */
LB_INLINE bool flow_goes_on(const struct packet *pkt, struct decision *d)
{
	struct lb_flow_bucket *bucket = flow_bucket(flow_home(d->hash));
	struct lb_backend *backend;
	__u64 seen, *word;

	if (is_syn(pkt) || !bucket || !tracks(d->service) ||
	    (pkt->l4_proto == IPPROTO_UDP && d->service->quic_id_length))
		return false;
	word = flow_first(bucket, d->hash, &seen);
	backend = flow_holder(seen, d->service_id); /* of nothing: nobody */
	if (!backend || !flow_update(pkt, d, word, seen))
		return false;
	d->backend = backend;
	d->backend_id = flow_backend(seen);
	return true;
}

/* The flow table has a say. Otherwise as flow_begin(). */
LB_INLINE enum lb_verdict flow_track(struct xdp_md *ctx, const struct packet *pkt,
				     struct decision *d)
{
	struct lb_flow_bucket *bucket = flow_bucket(flow_home(d->hash));
	__u64 seen = 0, *word;
	enum lb_verdict verdict;

	if (!bucket)
		return LB_INTERNAL;
	word = flow_find(bucket, d->hash, bpf_jiffies64(), is_syn(pkt), &seen);
	if (quic_find(ctx, pkt, d)) {
		flow_enter(pkt, d, word, seen, LB_FLOW_ESTABLISHED);
		return LB_PASS;
	}
	if (seen && flow_follow(pkt, d, word, seen))
		return LB_PASS;
	verdict = flow_begin(pkt, d);
	if (verdict != LB_PASS)
		return verdict;
	/* The end of a flow makes one, too: or the ACK of the backend's FIN would begin it anew. */
	if (!is_kind(pkt, LB_ICMP_ERROR))
		flow_enter(pkt, d, word, seen, flow_first_state(pkt, d));
	return LB_PASS;
}

/* Chooses the packet's backend: its flow's, which d->hash names, else the slot's. LB_PASS: chosen.
 */
LB_INLINE enum lb_verdict flow_choose(struct xdp_md *ctx, const struct packet *pkt,
				      struct decision *d)
{
	enum lb_verdict verdict;

	if (is_kind(pkt, LB_FOLLOWING_FRAGMENT)) {
		d->backend = backend_alive(d->backend_id);
		if (!d->backend || d->backend->service != d->service_id)
			return LB_NO_BACKEND; /* gone; another has its index now */
		return LB_PASS;
	}
	if (!tracks(d->service)) {
		verdict = quic_find(ctx, pkt, d) ? LB_PASS : flow_begin(pkt, d);
	} else if (flow_is_by_slot(pkt, d)) {
		verdict = flow_admit(pkt, d);
	} else {
		verdict = flow_track(ctx, pkt, d);
	}
	if (verdict == LB_NO_BACKEND && d->service->flags & LB_SERVICE_PASS_WHEN_DOWN)
		return LB_PASS_DOWN;
	return verdict;
}

/* What flow_choose_apart() is to know of a packet, besides its addresses and hash. */
union flow_asked {
	__u64 word;
	struct {
		__u16 service_id;
		__u16 backend_id;
		__u16 l4_offset;
		__u8 l3_offset : 5;
		__u8 kind : 3;
		__u8 tcp_flags : 5;
		__u8 event : 1; /* FLOW_BEGINS */
	};
};
_Static_assert(sizeof(union flow_asked) == 8, "one word");

/* What it found. */
union flow_answer {
	__u32 word;
	struct {
		__u8 verdict;
		__u8 event;
		__u16 backend_id;
	};
};

/* flow_choose() as a function of its own: so the verifier takes it apart once for all kinds of
 * packets, and most of those need not carry what it needs. */
__noinline __u32 flow_choose_apart(struct xdp_md *ctx, struct lb_tuple *tuple, __u64 hash,
				   __u64 asked_word)
{
	union flow_answer answer = {.verdict = LB_INTERNAL};
	union flow_asked asked = {.word = asked_word};
	enum lb_verdict verdict;
	struct decision d = {};
	struct packet pkt = {};
	__u32 index;

	if (!tuple)
		return answer.word;
	pkt.tuple = tuple;
	pkt.class = asked.kind == LB_ICMP_ERROR ? LB_CLASS_ICMP : LB_CLASS_RARE;
	pkt.kind = asked.kind;
	pkt.l3_offset = asked.l3_offset;
	pkt.l4_offset = asked.l4_offset;
	pkt.l4_proto = tuple->l4_proto;
	pkt.tcp_flags = asked.tcp_flags;
	index = d.service_id = asked.service_id;
	d.backend_id = asked.backend_id;
	d.event = asked.event;
	d.hash = hash;
	d.service = bpf_map_lookup_elem(&services, &index);
	if (!d.service)
		return answer.word;
	verdict = flow_choose(ctx, &pkt, &d);
	answer.verdict = verdict;
	answer.backend_id = d.backend_id;
	answer.event = d.event;
	return answer.word;
}

/* flow_choose() by flow_choose_apart(). */
LB_INLINE enum lb_verdict flow_ask(struct xdp_md *ctx, const struct packet *pkt, struct decision *d)
{
	const bool is_tcp = pkt->class == LB_CLASS_TCP; /* of which nobody asks for the offsets */
	const union flow_asked asked = {
		.service_id = d->service_id,
		.backend_id = d->backend_id,
		.l4_offset = is_tcp ? 0 : pkt->l4_offset,
		.l3_offset = is_tcp ? 0 : pkt->l3_offset,
		.kind = pkt->kind,
		.tcp_flags = pkt->tcp_flags,
		.event = d->event, /* a cookie has proven it */
	};
	union flow_answer answer;

	answer.word = flow_choose_apart(ctx, pkt->tuple, d->hash, asked.word);
	d->backend_id = answer.backend_id;
	d->event = answer.event;
	if (answer.verdict != LB_PASS)
		return answer.verdict;
	d->backend = backend_alive(d->backend_id);
	return d->backend ? LB_PASS : LB_NO_BACKEND;
}

/* As flow_choose(). Most packets are known by their slot, or as their flow goes on. */
LB_INLINE enum lb_verdict flow_assign(struct xdp_md *ctx, const struct packet *pkt,
				      struct decision *d)
{
	if (is_plain(pkt) && (flow_is_by_slot(pkt, d) ? flow_may(d) : flow_goes_on(pkt, d)))
		return LB_PASS;
	return flow_ask(ctx, pkt, d);
}

#endif
