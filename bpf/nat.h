/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_NAT_STAGE_H
#define SLUICE_NAT_STAGE_H

/*
 * Full NAT. A client's packet client -> VIP leaves as nat_addr:nat_port -> backend, the reply
 * comes back to nat_addr:nat_port and leaves as VIP -> client.
 */
#include "fragment.h"
#include "hop_limit.h"
#include "link.h"
#include "maps.h"
#include "nat_rewrite.h"
#include "nat_table.h"
#include "packet.h"
#include "synproxy.h"
#include "verdict.h"

/* A client's packet while the backend has yet to accept: LB_FORWARD: it has become a SYN. */
LB_INLINE enum lb_verdict nat_open(struct xdp_md *ctx, const struct packet *pkt, struct decision *d,
				   struct nat_scratch *scratch, const struct link *link)
{
	int refusal;

	scratch->link = *link;
	refusal = synproxy_open(ctx);
	return refusal == LB_PASS ? LB_FORWARD : drop(ctx, pkt, d, refusal);
}

/* Is it to become a SYN? Of packets that are not plain none comes so early: the window is closed.
 */
LB_INLINE bool nat_opens(const struct packet *pkt, int proxy)
{
	return lb_cookies && pkt->class == LB_CLASS_TCP && proxy & LB_NAT_OPENING &&
	       !(pkt->tcp_flags & TCP_RST);
}

/* Client to backend, by this link. */
LB_INLINE enum lb_verdict nat_forward(struct xdp_md *ctx, const struct packet *pkt,
				      struct decision *d, const struct link *link)
{
	struct nat_scratch *scratch = nat_scratch_get();
	int proxy = 0;

	if (!scratch)
		return LB_INTERNAL;
	if (!hop_limit_take(pkt))
		return LB_TTL;
	nat_query_init(ctx, &scratch->query, pkt, d);
	nat_job_init(&scratch->job, pkt, false);
	nat_job_to_backend(&scratch->job, &scratch->query.reply);
	if (!is_kind(pkt, LB_FOLLOWING_FRAGMENT))
		proxy = nat_allocate();
	if (proxy < 0)
		return is_kind(pkt, LB_ICMP_ERROR) ? LB_NO_FLOW : LB_NAT_PORTS;
	if (nat_opens(pkt, proxy))
		return nat_open(ctx, pkt, d, scratch, link);
	if (!nat_rewrite(ctx, pkt))
		return LB_INTERNAL;
	return link_apply(ctx, pkt, link) ? LB_FORWARD : LB_HEADROOM;
}

/* The link-layer way back to the flow's client. */
LB_INLINE void nat_link(const struct lb_nat_entry *entry, const struct packet *pkt,
			struct link *link)
{
	link_set(link, pkt, entry->vlan);
	link->macs.head = *(const __u64 *)entry->client_mac; /* local_mac is next to it */
	link->macs.tail = *(const __u32 *)(entry->local_mac + 2);
}

/* A backend's packet, while it has yet to accept. LB_PASS: it goes the ordinary way. */
LB_INLINE enum lb_verdict nat_answer(struct xdp_md *ctx, const struct packet *pkt,
				     struct nat_scratch *scratch, const struct link *link)
{
	bool back;
	int answer;

	scratch->link = *link;
	scratch->query.reply = *pkt->tuple;
	answer = synproxy_answer(ctx);
	if (answer == LB_PASS)
		return LB_PASS;
	back = answer == LB_RESET_SENT;
	if (synproxy_leave(ctx, back))
		return LB_HEADROOM;
	return back ? LB_RESET_SENT : LB_RETURN;
}

/* Backend to client: LB_RETURN, or LB_PASS if it is no reply to a translated flow. */
LB_INLINE enum lb_verdict nat_return(struct xdp_md *ctx, const struct packet *pkt,
				     struct decision *d)
{
	struct lb_nat_entry *entry = bpf_map_lookup_elem(&nat_flows, pkt->tuple);
	struct nat_scratch *scratch = nat_scratch_get();
	struct lb_tuple *to;
	enum lb_verdict verdict;
	struct link link;
	__u64 life;

	if (!entry || !scratch)
		return LB_PASS;
	life = READ_ONCE(entry->life);
	if (!nat_valid(life))
		return LB_PASS;
	to = &scratch->job.to;
	to->src = entry->vip_addr;
	to->dst = entry->client_addr;
	to->src_port = entry->vip_port;
	to->dst_port = entry->client_port;
	nat_link(entry, pkt, &link);
	d->egress = entry->ifindex;
	nat_job_init(&scratch->job, pkt, true);
	scratch->job.life = life;
	scratch->job.seqadj = READ_ONCE(entry->seqadj);
	if ((READ_ONCE(entry->life) ^ life) & 0xffff0003ULL)
		return LB_PASS; /* taken over while we read */
	if (is_kind(pkt, LB_FIRST_FRAGMENT))
		fragment_note(pkt, d);
	if (lb_cookies && life & LB_NAT_OPENING && pkt->class == LB_CLASS_TCP) {
		verdict = nat_answer(ctx, pkt, scratch, &link);
		if (verdict != LB_PASS)
			return verdict;
	}
	if (!is_kind(pkt, LB_ICMP_ERROR))
		nat_touch(entry, life, pkt->tcp_flags, nat_ticks(), true);
	if (!hop_limit_take(pkt))
		return LB_TTL;
	if (!nat_rewrite(ctx, pkt))
		return LB_INTERNAL;
	return link_apply(ctx, pkt, &link) ? LB_RETURN : LB_HEADROOM;
}

#endif
