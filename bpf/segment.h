/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_SEGMENT_H
#define SLUICE_SEGMENT_H

/* TCP segments that the balancer makes, each in place of the packet that called for it. */
#include "checksum.h"
#include "outer.h"
#include "reply.h"
#include "tcp_options.h"

#define SEGMENT_TTL   64
#define SEGMENT_OPEN  24 /* bytes by which the packet grows at its front before it is cut */
#define SEGMENT_WORDS 16

/* The options of a SYN: five words, of which who goes without timestamps gets the first. */
struct segment_options {
	__be32 mss;
	__be32 sack; /* and the beginning of timestamps */
	__be32 tsval;
	__be32 tsecr;
	__be32 wscale;
};

/* A segment, in plain memory: the stack is too small for it. */
struct segment {
	struct lb_addr src;
	struct lb_addr dst;
	__u32 l3_offset; /* of the IP packet whose place it takes */
	__u32 length;    /* of its header and data */
	union {
		struct {
			struct tcphdr tcp; /* its checksum is yet to be computed */
			struct segment_options options;
		};
		__be32 word[SEGMENT_WORDS]; /* zeros behind length */
	};
};

/* Copies the TCP header at `offset` in the frame and reads its options. False: it goes on in
 * another fragment, and what is copied is what every header has. */
LB_INLINE bool tcp_read(struct xdp_md *ctx, __u32 offset, struct tcp_copy *copy)
{
	__u32 length;

	__builtin_memset(copy, 0, sizeof(*copy));
	if (bpf_xdp_load_bytes(ctx, offset, copy->raw, sizeof(copy->tcp)))
		return false; /* cannot be: parse() has seen it */
	copy->length = sizeof(copy->tcp);
	length = copy->tcp.doff * 4 & 0x3c;
	if (length < sizeof(copy->tcp) || bpf_xdp_load_bytes(ctx, offset, copy->raw, length))
		return false;
	copy->length = length;
	tcp_options_read(copy);
	return true;
}

/* A header without options, all zero but for its length. */
LB_INLINE void segment_begin(struct segment *segment, __u32 l3_offset)
{
	__builtin_memset(segment, 0, sizeof(*segment));
	segment->l3_offset = l3_offset;
	segment->length = sizeof(segment->tcp);
	segment->tcp.doff = sizeof(segment->tcp) / 4;
}

LB_INLINE __u16 segment_check(const struct segment *segment, bool is_ipv4)
{
	const __be32 *address = (const __be32 *)segment; /* source, then destination */
	__u64 sum = bpf_htons(IPPROTO_TCP) + bpf_htons(segment->length);
	int i;

#pragma unroll
	for (i = is_ipv4 ? 3 : 0; i < 8; i += is_ipv4 ? 4 : 1)
		sum += address[i];
#pragma unroll
	for (i = 0; i < SEGMENT_WORDS; i++)
		sum += segment->word[i];
	return ~csum_fold(sum);
}

LB_INLINE void segment_ipv4(struct iphdr *ip, const struct segment *segment)
{
	ip->version = 4;
	ip->ihl = sizeof(*ip) / 4;
	ip->tos = 0;
	ip->tot_len = bpf_htons(sizeof(*ip) + segment->length);
	ip->id = 0;
	ip->frag_off = bpf_htons(IPV4_DF);
	ip->ttl = SEGMENT_TTL;
	ip->protocol = IPPROTO_TCP;
	ip->check = 0;
	ip->saddr = segment->src.word[3];
	ip->daddr = segment->dst.word[3];
	ip->check = ipv4_header_check(ip);
}

LB_INLINE void segment_ipv6(struct ipv6hdr *ip, const struct segment *segment)
{
	*(__be32 *)ip = bpf_htonl(6U << 28);
	ip->payload_len = bpf_htons(segment->length);
	ip->nexthdr = IPPROTO_TCP;
	ip->hop_limit = SEGMENT_TTL;
	__builtin_memcpy(&ip->saddr, &segment->src, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, &segment->dst, sizeof(ip->daddr));
}

/* Puts the segment where the packet was; its link header is turned round. Negative: it cannot be
 * done, and the packet is of no more use. */
LB_INLINE int segment_put(struct xdp_md *ctx, struct segment *segment, bool is_ipv4)
{
	const __u32 ip_size = is_ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	__u32 length;
	void *ip;

	if (!lb_cookies || !segment)
		return -1;
	length = ((segment->length - 1) & (sizeof(segment->word) - 1)) + 1; /* not 0 */
	segment->tcp.check = segment_check(segment, is_ipv4);
	ip = reply_open(ctx, segment->l3_offset, ip_size + length - SEGMENT_OPEN, SEGMENT_OPEN);
	if (!ip || ip + ip_size > (void *)(long)ctx->data_end)
		return -1;
	if (is_ipv4)
		segment_ipv4(ip, segment);
	else
		segment_ipv6(ip, segment);
	return bpf_xdp_store_bytes(ctx, segment->l3_offset + ip_size, segment->word, length);
}

__noinline int segment_put_ipv4(struct xdp_md *ctx, struct segment *segment)
{
	return segment_put(ctx, segment, true);
}

__noinline int segment_put_ipv6(struct xdp_md *ctx, struct segment *segment)
{
	return segment_put(ctx, segment, false);
}

#endif
