/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_OUTER_H
#define SLUICE_OUTER_H

/*
 * The outer headers of ipip (RFC 2003, RFC 2473, RFC 4213) and gue (draft-ietf-intarea-gue), of
 * either family over either: what they hold and how long they are. For clients' packets
 * (tunnel.h) and for probes (probe.bpf.c) alike, so it needs no map and no packet.
 *
 * DSCP and ECN of the inner header are copied to the outer (RFC 2983 uniform model; RFC 6040,
 * normal mode), and so is don't-fragment; over an IPv6 packet, which nobody may fragment, it is
 * set. GUE's UDP checksum is zero: RFC 768, and for IPv6 RFC 6935 and RFC 6936.
 */
#include "abi.h"
#include "checksum.h"
#include "gue.h"

#define OUTER_TTL    64
#define IPV4_DF      0x4000
#define GUE_PORT_MIN 0xc000 /* source ports: the dynamic ones (RFC 6335) */

/* What encapsulating a packet takes besides its link header, in plain memory. */
struct tunnel {
	__u32 l3_offset;
	__u32 spread;       /* bits of the flow's hash */
	__u16 overhead;     /* bytes that come before the IP packet */
	__u16 inner_length; /* of that */
	__u16 inner_id;
	__u16 chance; /* bytes of private data in GUE's header; see chance.h */
	__be16 gue_port;
	__u8 mode;  /* enum lb_mode */
	__u8 proto; /* IPPROTO_IPIP or IPPROTO_IPV6 */
	__u8 tos;   /* DSCP and ECN */
	bool dont_fragment;
};

LB_INLINE bool mode_is_tunnel(__u8 mode)
{
	return mode >= LB_MODE_IPIP;
}

LB_INLINE __u32 tunnel_udp_length(__u8 mode)
{
	const __u32 lengths = (sizeof(struct udphdr) + sizeof(struct gue_header))
				      << 4 * LB_MODE_GUE |
			      sizeof(struct udphdr) << 4 * LB_MODE_GUE_DIRECT;

	return lengths >> 4 * (mode & 7) & 15;
}

/* What encapsulation adds to an IP packet. */
LB_INLINE __u32 tunnel_overhead(__u8 mode, const struct lb_backend *backend)
{
	__u32 ip = sizeof(struct iphdr) +
		   backend->is_ipv6 * (sizeof(struct ipv6hdr) - sizeof(struct iphdr));

	return ip + tunnel_udp_length(mode);
}

/* What the outer header takes over from the inner one. */
LB_INLINE void tunnel_follow_ipv4(struct tunnel *tunnel, const struct iphdr *inner)
{
	tunnel->proto = IPPROTO_IPIP;
	tunnel->tos = inner->tos;
	tunnel->inner_id = inner->id;
	tunnel->dont_fragment = inner->frag_off & bpf_htons(IPV4_DF);
}

LB_INLINE void tunnel_follow_ipv6(struct tunnel *tunnel, const struct ipv6hdr *inner)
{
	tunnel->proto = IPPROTO_IPV6;
	tunnel->tos = bpf_ntohs(*(__be16 *)inner) >> 4;
	tunnel->dont_fragment = true;
}

/* The outer source address: the low spread_bits of the own address follow the flow. */
LB_INLINE __be32 tunnel_source(const struct lb_backend *backend, const struct tunnel *tunnel)
{
	__u32 mask = ((__u64)1 << (backend->spread_bits & 63)) - 1;

	return backend->local_addr.word[3] | bpf_htonl(tunnel->spread & mask);
}

LB_INLINE void gue_write(struct udphdr *udp, const struct lb_backend *backend,
			 const struct tunnel *tunnel)
{
	struct gue_header *gue = (struct gue_header *)(udp + 1);

	udp->source = tunnel->gue_port;
	if (backend->spread_bits)
		udp->source = bpf_htons(GUE_PORT_MIN | (__u16)tunnel->spread);
	udp->dest = tunnel->gue_port;
	udp->len =
		bpf_htons(tunnel->inner_length + tunnel_udp_length(tunnel->mode) + tunnel->chance);
	udp->check = 0;
	if (tunnel->mode == LB_MODE_GUE)
		*gue = (struct gue_header){
			.version_length = tunnel->chance / sizeof(__u32),
			.proto = tunnel->proto,
		};
}

LB_INLINE __u16 ipv4_header_check(const struct iphdr *ip)
{
	const __u32 *word = (const __u32 *)ip;

	return ~csum_fold((__u64)word[0] + word[1] + word[2] + word[3] + word[4]);
}

/* Word by word, as BPF here has them, little-endian: what is written in pieces cannot be read as a
 * whole, for the checksum, until the pieces have left the processor's store buffer. */
LB_INLINE void outer_write_ipv4(struct iphdr *ip, const struct lb_backend *backend,
				const struct tunnel *tunnel)
{
	__u32 word[5] = {
		0x45 | tunnel->tos << 8 |
			(__u32)bpf_htons(tunnel->inner_length + tunnel->overhead) << 16,
		/* What may be fragmented must be told apart (RFC 6864): as the inner packet is. */
		tunnel->dont_fragment ? (__u32)bpf_htons(IPV4_DF) << 16 : tunnel->inner_id,
		OUTER_TTL | IPPROTO_UDP << 8,
		backend->local_addr.word[3],
		backend->addr.word[3],
	};

	if (tunnel->mode == LB_MODE_IPIP) {
		word[2] = OUTER_TTL | tunnel->proto << 8;
		word[3] = tunnel_source(backend, tunnel);
	}
	word[2] |= (__u32)ipv4_header_check((struct iphdr *)word) << 16;
	store_u32((__u32 *)ip, word[0]);
	store_u32((__u32 *)ip + 1, word[1]);
	store_u32((__u32 *)ip + 2, word[2]);
	store_u32((__u32 *)ip + 3, word[3]);
	store_u32((__u32 *)ip + 4, word[4]);
}

LB_INLINE void outer_write_ipv6(struct ipv6hdr *ip, const struct lb_backend *backend,
				const struct tunnel *tunnel)
{
	__u32 flow_label = tunnel->spread & 0xfffff; /* RFC 6438: for ECMP, by flow */

	*(__be32 *)ip = bpf_htonl(6U << 28 | (__u32)tunnel->tos << 20 | flow_label);
	ip->payload_len = bpf_htons(tunnel->inner_length + tunnel->overhead - sizeof(*ip));
	ip->nexthdr = tunnel->mode == LB_MODE_IPIP ? tunnel->proto : IPPROTO_UDP;
	ip->hop_limit = OUTER_TTL;
	__builtin_memcpy(&ip->saddr, &backend->local_addr, sizeof(ip->saddr));
	if (tunnel->mode == LB_MODE_IPIP)
		ip->saddr.in6_u.u6_addr32[3] = tunnel_source(backend, tunnel);
	__builtin_memcpy(&ip->daddr, &backend->addr, sizeof(ip->daddr));
}

#endif
