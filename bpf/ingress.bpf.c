// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * lb_ingress: the packet's way through the balancer, top to bottom.
 *
 *   parse -> vip -> guard -> cookie -> flow -> schedule -> forward -> verdict
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "capture.h"
#include "cookie_stage.h"
#include "flow.h"
#include "forward.h"
#include "guard.h"
#include "hash.h"
#include "icmp.h"
#include "maps.h"
#include "packet.h"
#include "parse.h"
#include "verdict.h"
#include "vip.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* A client's packet to one of our services. */
LB_INLINE enum lb_verdict serve(struct xdp_md *ctx, struct packet *pkt, struct decision *d)
{
	__u32 index = d->service_id;
	enum lb_verdict verdict;

	d->service = bpf_map_lookup_elem(&services, &index);
	verdict = d->service ? guard(ctx, pkt, d) : LB_INTERNAL;
	if (verdict != LB_PASS)
		return drop(ctx, pkt, d, verdict);
	d->hash = is_plain(pkt) ? flow_hash(pkt->tuple, pkt->is_ipv4)
				: flow_hash_apart(pkt->tuple, pkt->is_ipv4);
	if (cookie_concerns(pkt, d->service)) {
		verdict = cookie(ctx, pkt, d);
		if (verdict != LB_PASS)
			return verdict;
	}
	verdict = flow_assign(ctx, pkt, d);
	if (verdict == LB_PASS_DOWN)
		return verdict;
	if (verdict != LB_PASS)
		return drop(ctx, pkt, d, verdict);
	verdict = forward(ctx, pkt, d);
	if (verdict == LB_FORWARD)
		return verdict;
	if (verdict == LB_TTL || verdict == LB_TOO_BIG)
		return tell(ctx, pkt, d, verdict);
	return verdict;
}

/* An echo request to a VIP, which stands for all services that have it. */
LB_INLINE enum lb_verdict answer_echo(struct xdp_md *ctx, struct packet *pkt)
{
	__u32 deny = READ_ONCE(lb_switches.source_deny);

	if (!checksum_will_do(ctx, pkt))
		return LB_BAD_CHECKSUM;
	if (deny && source_listed(&pkt->tuple->src, deny))
		return LB_DENIED_GLOBAL;
	return echo_reply(pkt);
}

/* A packet to one of our addresses. */
LB_INLINE enum lb_verdict address(struct xdp_md *ctx, struct packet *pkt, struct decision *d,
				  struct lb_vip vip)
{
	if (vip.kind == LB_VIP_NAT)
		return nat_return(ctx, pkt, d);
	if (vip.kind == LB_VIP_ECHO)
		return is_kind(pkt, LB_ECHO) ? answer_echo(ctx, pkt) : LB_PASS;
	d->service_id = vip.service;
	d->vip_id = vip.vip;
	return serve(ctx, pkt, d);
}

/* The packet's way, which has these VLAN tags. is_ipv4 and class are constant, so that each kind of
 * packet has a program without the others' branches, and the verifier takes on one at a time. */
LB_INLINE int pipeline(struct xdp_md *ctx, __u32 vlan, bool is_ipv4, enum packet_class class)
{
	struct lb_tuple tuple;
	struct packet pkt = {.tuple = &tuple};
	struct decision d = {};
	enum lb_verdict verdict;
	__u64 vip;
	int code;

	if (!parse(ctx, &pkt, vlan, is_ipv4, class)) {
		if (is_plain(&pkt)) /* cut short: not all of it is there */
			tuple = (struct lb_tuple){};
		return finish(ctx, &pkt, &d, LB_PASS);
	}
	if (is_kind(&pkt, LB_FOLLOWING_FRAGMENT) && !fragment_recall(&pkt, &d))
		return finish(ctx, &pkt, &d, LB_PASS);
	vip = is_plain(&pkt) ? vip_find(pkt.tuple, pkt.l4_proto, is_ipv4)
			     : vip_find_apart(pkt.tuple, is_ipv4);
	if (!vip && is_plain(&pkt)) /* with what is known of its way to the end */
		return finish(ctx, &pkt, &d, LB_PASS);
	verdict = vip ? address(ctx, &pkt, &d, vip_of(vip)) : LB_PASS;
	if (verdict == LB_DROPPED) {
		LB_DECIDED(&pkt, &d, d.reason);
		return XDP_DROP;
	}
	if (verdict == LB_FORWARD && is_plain(&pkt)) {
		code = send(ctx, &d);
		if (code != XDP_DROP) {
			count_sent(&pkt, &d);
			return code;
		}
	}
	if (verdict == LB_PASS && is_kind(&pkt, LB_FIRST_FRAGMENT))
		fragment_forget(&pkt);
	return finish(ctx, &pkt, &d, verdict);
}

__noinline int lb_ipv4_tcp(struct xdp_md *ctx, __u32 vlan)
{
	return pipeline(ctx, vlan, true, LB_CLASS_TCP);
}

__noinline int lb_ipv4_udp(struct xdp_md *ctx, __u32 vlan)
{
	return pipeline(ctx, vlan, true, LB_CLASS_UDP);
}

__noinline int lb_ipv4_icmp(struct xdp_md *ctx, __u32 vlan)
{
	return pipeline(ctx, vlan, true, LB_CLASS_ICMP);
}

__noinline int lb_ipv4_rare(struct xdp_md *ctx, __u32 vlan)
{
	return pipeline(ctx, vlan, true, LB_CLASS_RARE);
}

__noinline int lb_ipv6_tcp(struct xdp_md *ctx, __u32 vlan)
{
	return pipeline(ctx, vlan, false, LB_CLASS_TCP);
}

__noinline int lb_ipv6_udp(struct xdp_md *ctx, __u32 vlan)
{
	return pipeline(ctx, vlan, false, LB_CLASS_UDP);
}

__noinline int lb_ipv6_icmp(struct xdp_md *ctx, __u32 vlan)
{
	return pipeline(ctx, vlan, false, LB_CLASS_ICMP);
}

__noinline int lb_ipv6_rare(struct xdp_md *ctx, __u32 vlan)
{
	return pipeline(ctx, vlan, false, LB_CLASS_RARE);
}

LB_INLINE int lb_ipv4(struct xdp_md *ctx, __u32 vlan, enum packet_class class)
{
	if (class == LB_CLASS_TCP)
		return lb_ipv4_tcp(ctx, vlan);
	if (class == LB_CLASS_UDP)
		return lb_ipv4_udp(ctx, vlan);
	return class == LB_CLASS_ICMP ? lb_ipv4_icmp(ctx, vlan) : lb_ipv4_rare(ctx, vlan);
}

LB_INLINE int lb_ipv6(struct xdp_md *ctx, __u32 vlan, enum packet_class class)
{
	if (class == LB_CLASS_TCP)
		return lb_ipv6_tcp(ctx, vlan);
	if (class == LB_CLASS_UDP)
		return lb_ipv6_udp(ctx, vlan);
	return class == LB_CLASS_ICMP ? lb_ipv6_icmp(ctx, vlan) : lb_ipv6_rare(ctx, vlan);
}

/* To the program of its class. False: it has none. No protocol matches while `capture` is on. */
LB_INLINE bool balance(struct xdp_md *ctx, __u32 capture, int *ret_code)
{
	struct cursor cursor = cursor_at_frame(ctx);
	struct packet pkt = {};
	enum packet_class class;

	switch (parse_link(&cursor, &pkt) | capture) {
	case bpf_htons(ETH_P_IP):
		*ret_code = lb_ipv4(ctx, pkt.vlan, classify_ipv4(&cursor));
		return true;
	case bpf_htons(ETH_P_IPV6):
		class = classify_ipv6(ctx, &cursor, link_length(pkt.vlan));
		*ret_code = lb_ipv6(ctx, pkt.vlan, class);
		return true;
	default:
		return false;
	}
}

LB_INLINE int finish_foreign(struct xdp_md *ctx)
{
	struct packet pkt = {.length = frame_length(ctx)};
	struct decision d = {};

	return finish(ctx, &pkt, &d, LB_PASS);
}

SEC("xdp")
int lb_ingress(struct xdp_md *ctx)
{
	int code;

	/* Captures are off: that costs no branch here, for the switch is asked as a protocol. */
	if (balance(ctx, READ_ONCE(lb_switches.capture), &code))
		return code;
	if (!READ_ONCE(lb_switches.capture))
		return finish_foreign(ctx);
	capture_begin(ctx);
	if (!balance(ctx, 0, &code))
		code = finish_foreign(ctx);
	return capture_end(ctx, code);
}

/* What the kernel answers hop_from_kernel(), for the agent, which asks without a packet under way:
 * the question is the packet, and so is the answer. Returns bpf_fib_lookup()'s word for it. */
SEC("xdp")
int lb_route(struct xdp_md *ctx)
{
	struct bpf_fib_lookup fib, *asked = (void *)(long)ctx->data;
	long found;

	if ((void *)(asked + 1) > (void *)(long)ctx->data_end)
		return -1;
	fib = *asked;
	found = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	*asked = fib;
	return found;
}

/* The data plane's clock, for the agent: jiffies into the caller's context. */
SEC("syscall")
int lb_clock(__u64 *ret_jiffies)
{
	*ret_jiffies = bpf_jiffies64();
	return 0;
}
