/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_GUARD_STAGE_H
#define SLUICE_GUARD_STAGE_H

#include "packet.h"
#include "parse.h"
#include "verdicts.h"

/* The shortest that an L4 header's length may claim. */
LB_INLINE __u32 shortest_l4(const struct packet *pkt)
{
	if (pkt->l4_proto == IPPROTO_TCP)
		return sizeof(struct tcphdr);
	return pkt->l4_proto == IPPROTO_SCTP ? sizeof(struct sctp_start) : sizeof(struct udphdr);
}

/* How much must lie behind the IP header, Ethernet's padding not counted. */
LB_INLINE __u32 shortest_payload(const struct packet *pkt)
{
	if (is_kind(pkt, LB_FOLLOWING_FRAGMENT)) /* the last may have a single byte */
		return 0;
	if (is_kind(pkt, LB_FIRST_FRAGMENT)) /* its UDP length is that of all fragments */
		return shortest_l4(pkt);
	if (is_kind(pkt, LB_ICMP_ERROR)) /* up to the quoted ports */
		return sizeof(struct icmp_header) + pkt->quote_offset + sizeof(struct udphdr);
	return pkt->l4_length;
}

/* False: the lengths that the headers claim do not fit each other or the frame. */
LB_INLINE bool lengths_agree(const struct packet *pkt)
{
	if (pkt->l3_offset + pkt->l3_length > pkt->length)
		return false;
	if (is_kind(pkt, LB_WHOLE) && pkt->l4_length < shortest_l4(pkt))
		return false;
	return pkt->l4_offset + shortest_payload(pkt) <= pkt->l3_length;
}

/* False: a combination that no TCP sends and only scanners and attacks do. */
LB_INLINE bool tcp_flags_make_sense(__u8 flags)
{
	if (flags & TCP_SYN)
		return !(flags & (TCP_FIN | TCP_RST));
	return flags & (TCP_ACK | TCP_RST | TCP_FIN);
}

/* LB_PASS: the packet may go on to the flow stage. */
LB_INLINE enum lb_verdict guard(const struct packet *pkt)
{
	if (!lengths_agree(pkt))
		return LB_MALFORMED;
	if (addr_equal(&pkt->tuple->src, &pkt->tuple->dst))
		return LB_LAND;
	if (pkt->l4_proto == IPPROTO_TCP &&
	    (is_kind(pkt, LB_WHOLE) || is_kind(pkt, LB_FIRST_FRAGMENT)) &&
	    !tcp_flags_make_sense(pkt->tcp_flags))
		return LB_TCP_FLAGS;
	return LB_PASS;
}

#endif
