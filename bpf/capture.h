/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_CAPTURE_STAGE_H
#define SLUICE_CAPTURE_STAGE_H

/*
 * Packets shown to the operator: while lb_switches.capture is on, those that a filter wants, as
 * they come in and as they leave; and always the last one of each drop reason.
 *
 * What a packet looked like is kept aside when it comes in, for whether anybody wants it is known
 * only at its verdict:
 *
 *   capture_begin   at the entry: keeps the frame
 *   capture_note    at the verdict: keeps what was decided
 *   capture_end     at the exit: filter, budget, and both frames into the ring
 *
 * Functions of their own, called where the stack is shallow and nothing of the packet is held.
 */
#include "maps.h"
#include "packet.h"
#include "parse.h"
#include "verdict_class.h"
#include "vip.h"

LB_INLINE struct capture_work *capture_work_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&capture_scratch, &zero);
}

LB_INLINE struct lb_capture_filter *capture_filter_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&capture_filter, &zero);
}

/*
 * Copies the frame's beginning: up to `wanted` bytes, 8 at least, and up to max, a multiple of 8;
 * not beyond its first page. Returns how many.
 */
LB_INLINE __u32 frame_copy(struct xdp_md *ctx, __u8 *to, __u32 wanted, __u32 max)
{
	const void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u64 length = end - data;
	__u32 at, last;

	asm volatile("" : "+r"(length)); /* as in frame_length() */
	if (length > wanted)
		length = wanted;
	/* A value of its own: from the loop's comparisons Linux 6.1 comes to bounds of length that
	 * contradict each other. */
	last = forget(length - sizeof(__u64));
	asm volatile("" : "+r"(last));
	for (at = 0; at < max; at += sizeof(__u64)) {
		if (at + sizeof(__u64) > length || data + at + sizeof(__u64) > end)
			break;
		*(__u64 *)(to + at) = *(const __u64 *)(data + at);
	}
	/* The last word ends where the frame does; it may overlap the one before. */
	if (last > max - sizeof(__u64) || data + last + sizeof(__u64) > end)
		return 0; /* cannot be */
	*(__u64 *)(to + last) = *(const __u64 *)(data + last);
	return last + sizeof(__u64);
}

/* The same for a record. */
__noinline int capture_frame(struct xdp_md *ctx, struct lb_capture_record *record, __u32 snaplen)
{
	if (!record)
		return 0;
	return frame_copy(ctx, record->data, snaplen, LB_CAPTURE_SNAP_MAX);
}

/* --- drops --- */

/* Indices of VIP, service and backend in one word. */
#define IDS_VIP_SHIFT     32
#define IDS_SERVICE_SHIFT 16

LB_INLINE __u64 decision_ids(const struct decision *d)
{
	return (__u64)d->vip_id << IDS_VIP_SHIFT | (__u32)d->service_id << IDS_SERVICE_SHIFT |
	       d->backend_id;
}

/* Keeps a packet that is dropped as it is now, if none was kept in this second: so a flood costs a
 * lookup each. */
__noinline int drop_keep(struct xdp_md *ctx, __u32 verdict, __u64 ids)
{
	struct lb_drop_sample *sample = bpf_map_lookup_elem(&drop_samples, &verdict);
	__u32 coarse_tick = bpf_jiffies64() >> lb_coarse_tick_shift;

	if (!sample || sample->coarse_tick == coarse_tick)
		return 0;
	WRITE_ONCE(sample->writing, 1);
	sample->coarse_tick = coarse_tick;
	sample->head = (struct lb_capture_head){
		.time_ns = bpf_ktime_get_ns(),
		.length = frame_length(ctx),
		.ifindex = ctx->ingress_ifindex,
		.vip = ids >> IDS_VIP_SHIFT,
		.service = ids >> IDS_SERVICE_SHIFT,
		.backend = ids,
		.verdict = verdict,
	};
	sample->head.captured = frame_copy(ctx, sample->data, LB_DROP_SAMPLE, LB_DROP_SAMPLE);
	WRITE_ONCE(sample->writing, 0);
	return 0;
}

/* --- at the verdict --- */

/* Keeps what was decided about the packet. tuple may be NULL. */
__noinline int capture_note(const struct lb_tuple *tuple, __u32 verdict, __u64 ids)
{
	struct capture_work *work = capture_work_get();

	if (!work)
		return 0;
	work->in.head.verdict = verdict;
	work->in.head.vip = ids >> IDS_VIP_SHIFT;
	work->in.head.service = ids >> IDS_SERVICE_SHIFT;
	work->in.head.backend = ids;
	if (tuple)
		work->tuple = *tuple;
	return 0;
}

/* --- at the entry and at the exit --- */

LB_INLINE bool budget_left(struct capture_work *work, const struct lb_capture_filter *filter)
{
	__u32 tick = bpf_jiffies64() >> lb_tick_shift;

	if (work->tick != tick) {
		work->tick = tick;
		work->taken = 0;
	}
	return work->taken < filter->per_tick;
}

/* Keeps the frame as it comes in. */
__noinline int capture_begin(struct xdp_md *ctx)
{
	struct lb_capture_filter *filter = capture_filter_get();
	struct capture_work *work = capture_work_get();

	if (!filter || !work)
		return -1;
	work->kept = 0;
	work->in.head = (struct lb_capture_head){.run = filter->run};
	if (bpf_jiffies64() > READ_ONCE(filter->deadline)) { /* its reader is gone */
		WRITE_ONCE(lb_switches.capture, 0);
		return -1;
	}
	work->tuple = (struct lb_tuple){};
	work->egress = 0;
	work->in.head.time_ns = bpf_ktime_get_ns();
	work->in.head.id = work->in.head.time_ns << 8 | (__u8)bpf_get_smp_processor_id();
	work->in.head.length = frame_length(ctx);
	work->in.head.ifindex = ctx->ingress_ifindex;
	if (!budget_left(work, filter))
		return 0;
	work->in.head.captured = capture_frame(ctx, &work->in, filter->snaplen);
	work->kept = 1;
	return 0;
}

/* A backend's reply in mode nat, in the words of the client's packets that it answers. */
LB_INLINE void capture_turn_round(struct capture_work *work)
{
	struct lb_nat_entry *entry = bpf_map_lookup_elem(&nat_flows, &work->tuple);
	__u64 vip;

	if (!entry)
		return;
	work->in.head.service = entry->service;
	work->in.head.backend = entry->backend;
	work->egress = entry->ifindex;
	work->tuple.src = entry->client_addr;
	work->tuple.dst = entry->vip_addr;
	work->tuple.src_port = entry->client_port;
	work->tuple.dst_port = entry->vip_port;
	vip = vip_find_apart(&work->tuple, addr_is_mapped(&work->tuple.dst));
	if (vip)
		work->in.head.vip = vip_of(vip).vip;
}

/* What the program has not noted, for it costs stack: looked for again. */
LB_INLINE void capture_complete(struct capture_work *work)
{
	__u32 index = work->in.head.backend;
	struct lb_backend *backend;

	if (work->in.head.verdict != LB_PASS && !work->in.head.service)
		return capture_turn_round(work);
	backend = bpf_map_lookup_elem(&backends, &index);
	work->egress = backend ? backend->hop.ifindex : 0;
}

LB_INLINE bool is_client(const struct lb_tuple *tuple, const struct lb_capture_filter *filter)
{
	__u32 i, wrong = 0;

	for (i = 0; i < 4; i++)
		wrong |=
			(tuple->src.word[i] ^ filter->client.word[i]) & filter->client_mask.word[i];
	return !wrong;
}

LB_INLINE bool capture_wants(const struct lb_capture_filter *filter,
			     const struct capture_work *work)
{
	const struct lb_capture_head *head = &work->in.head;

	if (!(filter->verdicts >> (head->verdict & 31) & 1))
		return false;
	if (filter->service && filter->service != head->service)
		return false;
	if (filter->vip && filter->vip != head->vip)
		return false;
	if (filter->backend && filter->backend != head->backend)
		return false;
	if (!is_client(&work->tuple, filter))
		return false;
	return filter->sample <= 1 || bpf_get_prandom_u32() % filter->sample == 0;
}

/* Into the ring. False: it is full. */
LB_INLINE bool capture_put(struct lb_capture_record *record)
{
	/* Clang 19 sees that capture_frame() returns no more, and would leave the comparison out:
	 * the verifier does not look into functions of their own (seen with Linux 6.18). */
	__u32 size = READ_ONCE(record->head.captured);

	if (size > LB_CAPTURE_SNAP_MAX)
		return false; /* cannot be */
	return !bpf_ringbuf_output(&capture_ring, record, sizeof(record->head) + size, 0);
}

/* The frame as it leaves. */
LB_INLINE bool capture_put_out(struct xdp_md *ctx, const struct lb_capture_filter *filter,
			       struct capture_work *work, int code)
{
	work->out.head = work->in.head;
	work->out.head.time_ns = bpf_ktime_get_ns();
	work->out.head.direction = LB_CAPTURE_OUT;
	work->out.head.length = frame_length(ctx);
	if (code == XDP_REDIRECT)
		work->out.head.ifindex = work->egress;
	work->out.head.captured = capture_frame(ctx, &work->out, filter->snaplen);
	return capture_put(&work->out);
}

/* Hands the packet to the agent, if it is wanted. Returns the XDP code that it is given. */
__noinline int capture_end(struct xdp_md *ctx, int code)
{
	struct lb_capture_filter *filter = capture_filter_get();
	struct capture_work *work = capture_work_get();
	struct lb_capture_stats *stats;
	__u32 zero = 0;
	bool put;

	stats = bpf_map_lookup_elem(&capture_stats, &zero);
	if (!filter || !work || !stats || !work->in.head.time_ns)
		return code;
	capture_complete(work);
	if (!capture_wants(filter, work))
		return code;
	if (!work->kept) {
		stats->lost_rate++;
		return code;
	}
	work->taken++;
	put = capture_put(&work->in);
	stats->packets += put;
	if (put && (code == XDP_TX || code == XDP_REDIRECT))
		put = capture_put_out(ctx, filter, work, code);
	stats->lost_ring += !put;
	return code;
}

#endif
