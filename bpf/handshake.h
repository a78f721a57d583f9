/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_HANDSHAKE_STAGE_H
#define SLUICE_HANDSHAKE_STAGE_H

/*
 * How long clients wait for a backend: the time from a SYN to the client's next packet of that
 * flow, which it sends when the backend's answer has come. So the answer need not come by here
 * (direct server return), and nothing is asked of the flow table (tracking none).
 *
 * A slice of the flows is timed, picked by bits of their hash that choose neither slot nor
 * fingerprint: others cost one comparison, and touch no memory more.
 */
#include "maps.h"
#include "packet.h"

/* A SYN that nothing followed for so long is forgotten: 64 s, Linux repeats one for so long. */
#define SYN_FORGOTTEN (64000000000ULL >> LB_SYN_TIME_SHIFT)

LB_INLINE bool handshake_is_timed(const struct packet *pkt, const struct decision *d)
{
	return pkt->class == LB_CLASS_TCP && ((__u32)d->hash & lb_handshake_mask) == 0;
}

LB_INLINE __u32 syn_clock(void)
{
	return bpf_ktime_get_ns() >> LB_SYN_TIME_SHIFT;
}

/* 1 if value is above bound, without a branch: a ladder of them would be 2^17 paths. */
LB_INLINE __u64 is_above(__u64 value, __u64 bound)
{
	__u64 difference = bound - value;

	asm volatile("" : "+r"(difference));
	return difference >> 63;
}

LB_INLINE void handshake_count(__u32 backend, __u64 ns)
{
	struct lb_latency *counts = bpf_map_lookup_elem(&handshakes, &backend);
	__u64 bucket = 0;

	if (!counts)
		return;
#define X(us) bucket += is_above(ns, us * 1000ULL);
	LB_LATENCY_BOUNDS(X)
#undef X
	__sync_fetch_and_add(&counts->sum_ns, ns);
	__sync_fetch_and_add(&counts->buckets[bucket], 1);
}

/*
 * Notes a SYN that went to the backend, or counts the handshake that this packet of the client
 * ends. A repeated SYN keeps the time of the first, unless it went to another backend. A function
 * of its own, for the verifier to take apart but once.
 */
__noinline int handshake_time(__u64 hash, __u32 backend, __u32 tcp_flags)
{
	__u32 index = (__u32)hash >> 16 & (LB_SYN_TIMES - 1);
	__u64 *word = bpf_map_lookup_elem(&syn_times, &index);
	__u64 seen, mine = hash >> 32 << 48 | (__u64)backend << LB_SYN_BACKEND_SHIFT;
	bool found;
	__u32 now;

	if (!word)
		return 0;
	seen = READ_ONCE(*word);
	found = seen >> LB_SYN_BACKEND_SHIFT == mine >> LB_SYN_BACKEND_SHIFT;
	if (flags_are_syn(tcp_flags)) {
		now = syn_clock();
		if (!found || now - (__u32)seen > SYN_FORGOTTEN)
			__sync_val_compare_and_swap(word, seen, mine | now);
		return 0;
	}
	if (!found || __sync_val_compare_and_swap(word, seen, 0) != seen)
		return 0;
	now = syn_clock() - (__u32)seen;
	if (!(tcp_flags & TCP_RST) && now <= SYN_FORGOTTEN)
		handshake_count(backend, (__u64)now << LB_SYN_TIME_SHIFT);
	return 0;
}

#endif
