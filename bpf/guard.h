/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_GUARD_STAGE_H
#define SLUICE_GUARD_STAGE_H

#include "checksum.h"
#include "cursor.h"
#include "packet.h"
#include "parse.h"
#include "source.h"
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
LB_INLINE bool tcp_flags_make_sense(__u32 flags)
{
	if (flags & TCP_SYN)
		return !(flags & (TCP_FIN | TCP_RST));
	return flags & (TCP_ACK | TCP_RST | TCP_FIN);
}

/* A bit for each combination of FIN, SYN, RST, PSH and ACK that makes sense: a constant. */
LB_INLINE __u32 tcp_flags_sensible(void)
{
	__u32 flags, set = 0;

#pragma unroll
	for (flags = 0; flags < 32; flags++)
		set |= (__u32)tcp_flags_make_sense(flags) << flags;
	return set;
}

/* Does the packet itself have its source's ports and flags? */
LB_INLINE bool has_l4_header(const struct packet *pkt)
{
	return is_kind(pkt, LB_WHOLE) || is_kind(pkt, LB_FIRST_FRAGMENT);
}

/*
 * Addresses that are nobody's: 0.0.0.0/8, 127.0.0.0/8, 224.0.0.0/4 and 255.255.255.255 (RFC 1122,
 * 3.2.1.3), ::, ::1 and ff00::/8 (RFC 4291, 2.7). Not 240.0.0.0/4, which private networks use.
 */
LB_INLINE bool is_martian(const struct lb_addr *addr, bool is_ipv4)
{
	__u32 first;

	if (is_ipv4) {
		first = bpf_ntohl(addr->word[3]) >> 24;
		return first == 0 || first == 127 || (first & 0xf0) == 0xe0 ||
		       addr->word[3] == 0xffffffff;
	}
	if ((addr->word[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000))
		return true;
	return !(addr->word[0] | addr->word[1] | addr->word[2]) && bpf_ntohl(addr->word[3]) <= 1;
}

#define HAS_L4_HEADER (1U << 8) /* beside enum tcp_flags */

/* Is it what it claims to be? LB_PASS: nothing speaks against it. */
LB_INLINE enum lb_verdict claims_judge(const struct lb_tuple *tuple, __u8 l4_proto, bool is_ipv4,
				       __u32 flags)
{
	if (addr_equal(&tuple->src, &tuple->dst))
		return LB_LAND;
	if (is_martian(&tuple->src, is_ipv4))
		return LB_MARTIAN;
	/* RFC 768: UDP may do without a source port */
	if (flags & HAS_L4_HEADER && l4_proto != IPPROTO_UDP) {
		if (!tuple->src_port)
			return LB_PORT_ZERO;
		if (l4_proto == IPPROTO_TCP && !(tcp_flags_sensible() >> (flags & 31) & 1))
			return LB_TCP_FLAGS;
	}
	return LB_PASS;
}

/* The same as a function of its own, for the packets that are rare. */
__noinline __u32 claims_judge_apart(const struct lb_tuple *tuple, bool is_ipv4, __u32 flags)
{
	return tuple ? claims_judge(tuple, tuple->l4_proto, is_ipv4, flags) : LB_INTERNAL;
}

/* Does the checksum of the IPv4 header at l3_offset hold good? A function of its own, which calls
 * no other, so that it takes nothing of the stack that the rare packets' way has left. */
__noinline int ipv4_checksum_holds(struct xdp_md *ctx, __u32 l3_offset)
{
	struct cursor cursor = cursor_at_frame(ctx);
	__u32 i, words = 5, *word;
	__u64 sum = 0;

	if (!cursor_take(&cursor, l3_offset & 0x3f)) /* the verifier wants a bound */
		return false;
	for (i = 0; i < 15 && i < words; i++) {
		word = cursor_take(&cursor, sizeof(*word));
		if (!word)
			return false;
		if (i == 0)
			words = *(__u8 *)word & 0xf; /* the header's length */
		sum += *word;
	}
	return csum_fold(sum) == 0xffff;
}

/* Not so: the packet has a wrong checksum, and somebody wants to know. IPv6 headers have none;
 * those of TCP, UDP and ICMP are their receivers' to check. */
LB_INLINE bool checksum_will_do(struct xdp_md *ctx, const struct packet *pkt)
{
	return !lb_ipv4_checksums || !pkt->is_ipv4 || ipv4_checksum_holds(ctx, pkt->l3_offset);
}

/* Is nothing to be said against it? Why not is looked for where something is. */
LB_INLINE bool claims_hold(const struct packet *pkt, __u32 flags)
{
	return is_plain(pkt) &&
	       claims_judge(pkt->tuple, pkt->l4_proto, pkt->is_ipv4, flags) == LB_PASS;
}

/* LB_PASS: the packet may go on to the flow stage. */
LB_INLINE enum lb_verdict guard(struct xdp_md *ctx, const struct packet *pkt,
				const struct decision *d)
{
	__u32 flags = pkt->tcp_flags | (has_l4_header(pkt) ? HAS_L4_HEADER : 0);
	enum lb_verdict verdict;

	if (!checksum_will_do(ctx, pkt)) /* first: nothing in the header is to be believed */
		return LB_BAD_CHECKSUM;
	if (!lengths_agree(pkt))
		return LB_MALFORMED;
	if (!claims_hold(pkt, flags)) {
		verdict = claims_judge_apart(pkt->tuple, pkt->is_ipv4, flags);
		if (verdict != LB_PASS)
			return verdict;
	}
	if (d->service->flags & LB_SERVICE_SOURCES)
		return source_judge(d->service, pkt->tuple, d->service_id);
	return LB_PASS;
}

#endif
