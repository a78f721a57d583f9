// SPDX-License-Identifier: Apache-2.0
/*
 * Gives the program under test a fresh packet on every run. BPF_PROG_TEST_RUN repeats a program on
 * one and the same buffer, so what it rewrote, or put in front, would come in as the next packet.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "restore.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define FLOW_STRIDE 0x9e3779b1U /* odd, so that all flows take their turn: 2^32 / golden ratio */

/* User space writes, between runs. */
struct restore_plan plan;

/* Packets so far: who is next in turn. */
__u32 sequence;

/* The program under test. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} target SEC(".maps");

static __always_inline __u16 *word_at(void *data, void *end, __u8 offset)
{
	__u16 *word = data + offset;

	return word + 1 > (__u16 *)end ? NULL : word;
}

/* Adds to a word in network order. Returns what a checksum over it changes by (RFC 1624). */
static __always_inline __u32 word_add(__u16 *word, __u16 value)
{
	__u16 old = *word;

	*word = bpf_htons(bpf_ntohs(old) + value);
	return (__u16)~old + *word;
}

static __always_inline void check_add(__u16 *check, __u32 diff)
{
	diff += (__u16) ~*check;
	diff = (diff & 0xffff) + (diff >> 16);
	diff = (diff & 0xffff) + (diff >> 16);
	*check = ~diff;
}

/* The packet as it was in front of whose headers something was put. */
static __always_inline void shrink(struct xdp_md *ctx)
{
	int grown = (void *)(long)ctx->data_end - (void *)(long)ctx->data - plan.length;

	if (grown)
		bpf_xdp_adjust_head(ctx, grown);
}

/* Makes the packet that of the next flow in turn. False: it is no packet of ours. */
static __always_inline bool restore_packet(struct xdp_md *ctx)
{
	__u16 *source, *destination, *port, *l3_check, *l4_check;
	__u32 flow, diff, i;
	void *data, *end;
	__u64 *words;

	shrink(ctx);
	words = data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	source = word_at(data, end, plan.source);
	destination = word_at(data, end, plan.destination);
	port = word_at(data, end, plan.port);
	l3_check = word_at(data, end, plan.l3_check);
	l4_check = word_at(data, end, plan.l4_check);
	flow = (sequence++ * FLOW_STRIDE) & plan.flow_mask;
	if (data + RESTORE_SIZE > end || !source || !destination || !port || !l3_check || !l4_check)
		return false;
#pragma unroll
	for (i = 0; i < RESTORE_WORDS; i++)
		words[i] = plan.words[i];
	diff = word_add(source, flow & 0xffff) + word_add(destination, flow & plan.vip_mask);
	if (plan.l3_check)
		check_add(l3_check, diff);
	check_add(l4_check, diff + word_add(port, flow >> 16));
	return true;
}

SEC("xdp")
int restore(struct xdp_md *ctx)
{
	if (restore_packet(ctx))
		bpf_tail_call_static(ctx, &target, 0);
	return XDP_ABORTED;
}

/* --- on the wire (lb_live) --- */

/* What came back. */
__u64 returned;

/* BPF_F_TEST_XDP_LIVE_FRAMES sends what this returns XDP_TX for out of the interface. */
SEC("xdp")
int send(struct xdp_md *ctx)
{
	return restore_packet(ctx) ? XDP_TX : XDP_ABORTED;
}

SEC("xdp")
int count(struct xdp_md *ctx)
{
	(void)ctx;
	__sync_fetch_and_add(&returned, 1);
	return XDP_DROP;
}

SEC("xdp")
int bare_redirect(struct xdp_md *ctx)
{
	return bpf_redirect(ctx->ingress_ifindex, 0);
}

/* --- bare programs --- */

/* What every packet costs that is sent back at all. */
SEC("xdp")
int bare_tx(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_TX;
}

/* Likewise, with as much in front as the program under test puts there. */
SEC("xdp")
int bare_grow(struct xdp_md *ctx)
{
	return plan.grow && bpf_xdp_adjust_head(ctx, -(int)plan.grow) ? XDP_ABORTED : XDP_TX;
}

/* Twice what it takes to put something in front, for it is taken away again. */
SEC("xdp")
int grow_and_shrink(struct xdp_md *ctx)
{
	if (plan.grow &&
	    (bpf_xdp_adjust_head(ctx, -(int)plan.grow) || bpf_xdp_adjust_head(ctx, plan.grow)))
		return XDP_ABORTED;
	return XDP_TX;
}
