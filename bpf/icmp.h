/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_ICMP_STAGE_H
#define SLUICE_ICMP_STAGE_H

/*
 * What the balancer itself says by ICMP (RFC 792, RFC 4443): echo replies, packet too big, time
 * exceeded. Always in the VIP's name: it is the one address that the client has a way to.
 */
#include "checksum.h"
#include "link.h"
#include "maps.h"
#include "packet.h"
#include "reply.h"
#include "tunnel.h"
#include "verdicts.h"

#define ICMP_TTL        64
#define ICMP_TOS        0xc0 /* internetwork control (RFC 1812, 4.3.2.5) */
#define IPV6_MTU_MIN    1280
#define ICMP4_QUOTE_MAX (576 - 20 - 8)          /* RFC 1812, 4.3.2.3 */
#define ICMP6_QUOTE_MAX (IPV6_MTU_MIN - 40 - 8) /* RFC 4443, 2.4 (c) */

/* --- echo --- */

/* RFC 1122, 3.2.2, RFC 4443, 2.4 (e): is the sender one host, and were we alone addressed? */
LB_INLINE bool icmp_sender_is_host(const struct packet *pkt)
{
	__u32 start = pkt->is_ipv4 ? pkt->tuple->src.word[3] : pkt->tuple->src.word[0];
	__u32 first = bpf_ntohl(start) >> 24;

	if (pkt->eth->h_dest[0] & 1)
		return false;
	if (pkt->is_ipv4)
		return first != 0 && first != 127 && first < 224;
	return first != 0xff && (pkt->tuple->src.word[0] | pkt->tuple->src.word[1] |
				 pkt->tuple->src.word[2] | pkt->tuple->src.word[3]);
}

/* Makes of an echo request to a VIP its reply. A forged sender's is the host's to look at. */
LB_INLINE enum lb_verdict echo_reply(const struct packet *pkt)
{
	__u8 reply = pkt->is_ipv4 ? ICMP_ECHO_REPLY : ICMP6_ECHO_REPLY;
	__u64 diff = csum_replace(0, pkt->icmp->type, reply);

	if (!icmp_sender_is_host(pkt))
		return LB_PASS;
	if (pkt->l3_offset + pkt->l3_length > pkt->length ||
	    pkt->l4_offset + sizeof(*pkt->icmp) > pkt->l3_length)
		return LB_MALFORMED;
	if (addr_equal(&pkt->tuple->src, &pkt->tuple->dst))
		return LB_LAND;
	/* type is the first byte of its 16-bit word. A reply of zeros alone sums to 0, so it needs
	 * 0xffff; to any other, that is the same as 0. */
	pkt->icmp->check = csum_apply(pkt->icmp->check, diff) ?: 0xffff;
	pkt->icmp->type = reply;
	if (pkt->is_ipv4) {
		pkt->ip4->check =
			csum_apply(pkt->ip4->check, csum_replace(0, pkt->ip4->ttl, ICMP_TTL));
		pkt->ip4->ttl = ICMP_TTL;
		pkt->ip4->saddr = pkt->tuple->dst.word[3];
		pkt->ip4->daddr = pkt->tuple->src.word[3];
	} else {
		pkt->ip6->hop_limit = ICMP_TTL;
		__builtin_memcpy(&pkt->ip6->saddr, &pkt->tuple->dst, sizeof(pkt->tuple->dst));
		__builtin_memcpy(&pkt->ip6->daddr, &pkt->tuple->src, sizeof(pkt->tuple->src));
	}
	ethernet_turn_round(pkt->eth);
	return LB_ECHO_REPLIED;
}

/* --- errors --- */

/* An error about a packet. */
struct icmp_error {
	__u32 l3_offset;
	__u32 l3_length;
	__be32 info; /* the header's second word */
	__u8 type;
	__u8 code;
};

/* Adds up length bytes, a multiple of 4 and at most a header and its quote, from at on. */
LB_INLINE __u64 csum_words(const void *at, const void *end, __u32 length)
{
	const __u32 *word = at;
	__u64 sum = 0;
	__u32 i;

	for (i = 0; i < ICMP6_QUOTE_MAX / 4 + 2; i++, word++) {
		/* Else clang checks one pointer and reads by another, and leaves the bound of i to
		 * length, which Linux 6.12 loses track of. */
		asm volatile("" : "+r"(word), "+r"(i));
		if (i * 4 >= length || (const void *)(word + 1) > end)
			break;
		sum += *word;
	}
	return sum;
}

LB_INLINE void icmp_write(struct icmp_header *icmp, const struct icmp_error *error)
{
	icmp->type = error->type;
	icmp->code = error->code;
	icmp->check = 0;
	icmp->info = error->info;
}

LB_INLINE __u32 quote_length(const struct icmp_error *error, __u32 max)
{
	return (error->l3_length < max ? error->l3_length : max) & ~3U;
}

LB_INLINE int icmp_error_ipv4(struct xdp_md *ctx, const struct icmp_error *error)
{
	__u32 quote = quote_length(error, ICMP4_QUOTE_MAX);
	struct iphdr *ip, *quoted;
	struct icmp_header *icmp;
	void *end;

	ip = reply_open(ctx, error->l3_offset, quote, sizeof(*ip) + sizeof(*icmp));
	end = (void *)(long)ctx->data_end;
	if (!ip)
		return -1;
	icmp = (struct icmp_header *)(ip + 1);
	quoted = (struct iphdr *)(icmp + 1);
	if ((void *)(quoted + 1) > end)
		return -1;
	ip->version = 4;
	ip->ihl = sizeof(*ip) / 4;
	ip->tos = ICMP_TOS;
	ip->tot_len = bpf_htons(sizeof(*ip) + sizeof(*icmp) + quote);
	ip->id = 0;
	ip->frag_off = bpf_htons(IPV4_DF);
	ip->ttl = ICMP_TTL;
	ip->protocol = IPPROTO_ICMP;
	ip->check = 0;
	ip->saddr = quoted->daddr;
	ip->daddr = quoted->saddr;
	ip->check = ipv4_header_check(ip);
	icmp_write(icmp, error);
	icmp->check = ~csum_fold(csum_words(icmp, end, sizeof(*icmp) + quote));
	return 0;
}

LB_INLINE int icmp_error_ipv6(struct xdp_md *ctx, const struct icmp_error *error)
{
	__u32 quote = quote_length(error, ICMP6_QUOTE_MAX);
	__u32 payload = sizeof(struct icmp_header) + quote;
	struct ipv6hdr *ip, *quoted;
	struct icmp_header *icmp;
	__u64 sum;
	void *end;
	int i;

	ip = reply_open(ctx, error->l3_offset, quote, sizeof(*ip) + sizeof(*icmp));
	end = (void *)(long)ctx->data_end;
	if (!ip)
		return -1;
	icmp = (struct icmp_header *)(ip + 1);
	quoted = (struct ipv6hdr *)(icmp + 1);
	if ((void *)(quoted + 1) > end)
		return -1;
	*(__be32 *)ip = bpf_htonl(6U << 28 | ICMP_TOS << 20);
	ip->payload_len = bpf_htons(payload);
	ip->nexthdr = IPPROTO_ICMPV6;
	ip->hop_limit = ICMP_TTL;
	ip->saddr = quoted->daddr;
	ip->daddr = quoted->saddr;
	icmp_write(icmp, error);
	sum = bpf_htons(payload) + bpf_htons(IPPROTO_ICMPV6); /* RFC 8200, 8.1 */
	for (i = 0; i < 4; i++)
		sum += (__u64)ip->saddr.in6_u.u6_addr32[i] + ip->daddr.in6_u.u6_addr32[i];
	icmp->check = ~csum_fold(sum + csum_words(icmp, end, payload));
	return 0;
}

/* Make of the packet an ICMP error to its sender. Negative: it cannot be done, and the packet is
 * of no more use. */
__noinline int icmp_error_make_ipv4(struct xdp_md *ctx, const struct icmp_error *error)
{
	return error ? icmp_error_ipv4(ctx, error) : -1;
}

__noinline int icmp_error_make_ipv6(struct xdp_md *ctx, const struct icmp_error *error)
{
	return error ? icmp_error_ipv6(ctx, error) : -1;
}

/* Likewise: no errors about errors and later fragments. */
LB_INLINE bool icmp_may_answer(const struct packet *pkt)
{
	if (!is_kind(pkt, LB_WHOLE) && !is_kind(pkt, LB_FIRST_FRAGMENT))
		return false;
	return icmp_sender_is_host(pkt);
}

/* Takes one of the errors that this CPU may send in this second. */
LB_INLINE bool icmp_budget_take(void)
{
	__u32 zero = 0, coarse_tick = bpf_jiffies64() >> lb_coarse_tick_shift;
	struct lb_icmp_budget *budget = bpf_map_lookup_elem(&icmp_budget, &zero);

	if (!budget)
		return false;
	if (budget->coarse_tick != coarse_tick) {
		budget->coarse_tick = coarse_tick;
		budget->sent = 0;
	}
	return budget->sent++ < lb_icmp_per_second;
}

LB_INLINE void icmp_error_ttl(struct icmp_error *error, const struct packet *pkt)
{
	error->type = pkt->is_ipv4 ? ICMP_TIME_EXCEEDED : ICMP6_TIME_EXCEEDED;
	error->code = 0;
	error->info = 0;
}

/* Says how long an IP packet to this VIP may be (RFC 1191, RFC 8201). */
LB_INLINE void icmp_error_too_big(struct icmp_error *error, const struct packet *pkt, __u32 mtu)
{
	if (!pkt->is_ipv4 && mtu < IPV6_MTU_MIN)
		mtu = IPV6_MTU_MIN;
	error->type = pkt->is_ipv4 ? ICMP_UNREACHABLE : ICMP6_TOO_BIG;
	error->code = pkt->is_ipv4 ? ICMP_FRAGMENTATION_NEEDED : 0;
	error->info = bpf_htonl(mtu);
}

/* A sender of IPv6 packets does not go below its least MTU, so telling him would help nobody. */
LB_INLINE bool can_be_shorter(const struct packet *pkt)
{
	return pkt->is_ipv4 || pkt->l3_length > IPV6_MTU_MIN;
}

/* Tells the sender why his packet is dropped, LB_TTL or LB_TOO_BIG, if he is to be told. */
LB_INLINE enum lb_verdict tell(struct xdp_md *ctx, const struct packet *pkt,
			       const struct decision *d, enum lb_verdict verdict)
{
	struct icmp_error error = {.l3_offset = pkt->l3_offset, .l3_length = pkt->l3_length};
	int failed;

	if (verdict == LB_TTL)
		icmp_error_ttl(&error, pkt);
	else if ((d->service->flags & LB_SERVICE_TELL_TOO_BIG) && can_be_shorter(pkt))
		icmp_error_too_big(&error, pkt, d->path_mtu);
	else
		return verdict;
	if (!icmp_may_answer(pkt) || !icmp_budget_take())
		return verdict;
	failed = pkt->is_ipv4 ? icmp_error_make_ipv4(ctx, &error)
			      : icmp_error_make_ipv6(ctx, &error);
	if (failed)
		return verdict;
	return verdict == LB_TTL ? LB_TTL_TOLD : LB_TOO_BIG_TOLD;
}

#endif
