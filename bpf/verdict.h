/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_VERDICT_STAGE_H
#define SLUICE_VERDICT_STAGE_H

/* The only place that counts and that turns our verdicts into XDP codes. */
#include "capture.h"
#include "flow.h"
#include "handshake.h"
#include "maps.h"
#include "packet.h"
#include "verdict_class.h"
#include "verdicts.h"

/* Natively, who runs the packet wants to know what was decided, of each; and nobody is shown any.
 */
#ifndef LB_DECIDED
#define LB_DECIDED(pkt, d, verdict)                                                                \
	do {                                                                                       \
		if (READ_ONCE(lb_switches.capture))                                                \
			capture_note((pkt)->tuple, verdict, decision_ids(d));                      \
	} while (0)
#define LB_KEEP_DROPPED(ctx, d, verdict) drop_keep(ctx, verdict, decision_ids(d))
#endif

LB_INLINE void count_traffic(struct lb_traffic *traffic, const struct packet *pkt)
{
	if (!traffic)
		return;
	traffic->packets++;
	traffic->bytes += pkt->length;
}

LB_INLINE void count_backend(const struct packet *pkt, const struct decision *d)
{
	__u32 index = d->backend_id;
	struct lb_backend_stats *stats = bpf_map_lookup_elem(&backend_stats, &index);
	__u32 weight;

	if (!stats)
		return;
	count_traffic(&stats->traffic, pkt);
	if (d->event) {
		weight = flow_weight(pkt, d);
		stats->new_flows += (d->event & FLOW_BEGINS) * weight;
		stats->syn_retransmits += d->event / FLOW_SYN_AGAIN * weight;
	}
	if (handshake_is_timed(pkt, d))
		handshake_time(d->hash, d->backend_id, pkt->tcp_flags);
}

/* The bond that the interface is a member of, else the interface itself. */
LB_INLINE __u32 bond_of(__u32 ifindex)
{
	__u32 *bond = bpf_map_lookup_elem(&bond_members, &ifindex);

	return bond ? *bond : ifindex;
}

/* Sends the packet off. Anything but XDP_TX and XDP_REDIRECT: the interface is no egress of ours.
 */
LB_INLINE int send(struct xdp_md *ctx, const struct decision *d)
{
	if (d->egress == ctx->ingress_ifindex)
		return XDP_TX;
	if (READ_ONCE(lb_switches.bonds) && bond_of(ctx->ingress_ifindex) == d->egress)
		return XDP_TX;
	return bpf_redirect_map(&egress, d->egress, XDP_DROP);
}

/* Is it the backend that the packet goes to? By one comparison: two take 8 bytes of stack more, and
 * Linux 6.1, which rounds the stack of each function up to 32 bytes, has none left. */
LB_INLINE bool is_backends(enum lb_verdict verdict)
{
	_Static_assert(LB_LOCAL == LB_FORWARD + 1, "these two, and none in between");
	return (__u32)verdict - LB_FORWARD <= LB_LOCAL - LB_FORWARD;
}

/* A drop for the service; index 0 has those of packets that came to none. A function of its own,
 * which only drops call. */
__noinline int count_drop(__u32 service_id, __u32 verdict)
{
	struct lb_service_drops *drops = bpf_map_lookup_elem(&service_drops, &service_id);

	if (drops && verdict < LB_VERDICT_COUNT)
		drops->packets[verdict]++;
	return 0;
}

/* What ends here. Most packets do not: the counters of VIPs and backends tell of those. */
LB_INLINE void count_verdict(const struct packet *pkt, enum lb_verdict verdict)
{
	__u32 index = verdict;

	count_traffic(bpf_map_lookup_elem(&verdict_stats, &index), pkt);
}

LB_INLINE void count(struct xdp_md *ctx, const struct packet *pkt, const struct decision *d,
		     enum lb_verdict verdict, int code)
{
	__u32 index = d->vip_id;

	if (d->service_id)
		count_traffic(bpf_map_lookup_elem(&vip_stats, &index), pkt);
	if (code == XDP_DROP) {
		count_verdict(pkt, verdict);
		count_drop(d->service_id, verdict);
		LB_KEEP_DROPPED(ctx, d, verdict);
	} else if (is_backends(verdict)) {
		count_backend(pkt, d);
	}
}

/* The same of a packet that send() has sent to a backend: the short way, for most. */
LB_INLINE void count_sent(const struct packet *pkt, const struct decision *d)
{
	__u32 index = d->vip_id;

	count_traffic(bpf_map_lookup_elem(&vip_stats, &index), pkt);
	count_backend(pkt, d);
	LB_DECIDED(pkt, d, LB_FORWARD);
}

/* Counts a packet that is dropped. */
__noinline int count_dropped(struct xdp_md *ctx, __u64 length, __u64 ids, __u32 verdict)
{
	const struct packet pkt = {.length = length};
	const struct decision d = {
		.vip_id = ids >> IDS_VIP_SHIFT,
		.service_id = ids >> IDS_SERVICE_SHIFT,
		.backend_id = ids,
	};

	count(ctx, &pkt, &d, verdict, XDP_DROP);
	return 0;
}

/* The end of a packet for a reason that only shows when it happens: LB_DROPPED. Its way there is
 * one, to the verifier, and brings nothing but what is counted by: where ways meet, each has to
 * bring all that any of them has found. */
LB_INLINE enum lb_verdict drop(struct xdp_md *ctx, const struct packet *pkt, struct decision *d,
			       enum lb_verdict verdict)
{
	count_dropped(ctx, pkt->length, decision_ids(d), verdict);
	d->reason = verdict;
	return LB_DROPPED;
}

/* Counts the packet and ends its way. */
LB_INLINE int finish(struct xdp_md *ctx, const struct packet *pkt, const struct decision *d,
		     enum lb_verdict verdict)
{
	enum verdict_class class = verdict_class(verdict);
	int code = class == LB_CLASS_PASS ? XDP_PASS : XDP_DROP;

	if (class == LB_CLASS_REPLY) {
		code = XDP_TX;
		count_verdict(pkt, verdict);
	}
	if (class == LB_CLASS_SEND) {
		code = send(ctx, d);
		if (code == XDP_DROP)
			verdict = LB_INTERNAL;
	}
	count(ctx, pkt, d, verdict, code);
	LB_DECIDED(pkt, d, verdict);
	return code;
}

#endif
