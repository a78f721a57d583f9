/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_PARSE_STAGE_H
#define SLUICE_PARSE_STAGE_H

#include "packet.h"

#define MAX_VLAN_TAGS       2
#define MAX_IPV6_EXTENSIONS 6      /* RFC 8200, 4.1: each kind once, destination options twice */
#define MAX_OFFSET          0x3fff /* more than all headers in front of L4 can take */
#define IPV4_FRAGMENT_MASK  0x3fff /* more-fragments flag and offset */

struct vlan_tag {
	__be16 tci;
	__be16 eth_proto;
};

/* The position that the next header is read at. */
struct cursor {
	void *at;
	void *end;
};

/* The next `size` bytes, or NULL if the packet is shorter; moves on behind them. */
LB_INLINE void *cursor_take(struct cursor *cursor, __u32 size)
{
	void *header = cursor->at;

	if (header + size > cursor->end)
		return NULL;
	cursor->at = header + size;
	return header;
}

/* Ethernet and up to two VLAN tags. Returns the ethertype behind them, 0 if there is none. */
LB_INLINE __be16 parse_link(struct cursor *cursor)
{
	struct ethhdr *eth = cursor_take(cursor, sizeof(*eth));
	struct vlan_tag *tag;
	__be16 eth_proto;
	int i;

	if (!eth)
		return 0;
	eth_proto = eth->h_proto;
	for (i = 0; i < MAX_VLAN_TAGS; i++) {
		if (eth_proto != bpf_htons(ETH_P_8021Q) && eth_proto != bpf_htons(ETH_P_8021AD))
			break;
		tag = cursor_take(cursor, sizeof(*tag));
		if (!tag)
			return 0;
		eth_proto = tag->eth_proto;
	}
	return eth_proto;
}

LB_INLINE void addr_from_ipv4(struct lb_addr *addr, __be32 ipv4)
{
	addr->word[0] = 0;
	addr->word[1] = 0;
	addr->word[2] = bpf_htonl(0xffff);
	addr->word[3] = ipv4;
}

/* False: not IPv4, a fragment, or cut short. */
LB_INLINE bool parse_ipv4(struct cursor *cursor, struct packet *pkt)
{
	struct iphdr *ip = cursor_take(cursor, sizeof(*ip));
	__u32 options;

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return false;
	if (ip->frag_off & bpf_htons(IPV4_FRAGMENT_MASK))
		return false;
	options = ip->ihl * 4 - sizeof(*ip);
	asm volatile("" : "+r"(options));
	options &= 0x3c; /* 0 to 40; Linux 6.1 does not see the bounds by itself */
	if (!cursor_take(cursor, options))
		return false;
	pkt->is_ipv4 = true;
	pkt->l4_proto = ip->protocol;
	pkt->l3_length = bpf_ntohs(ip->tot_len);
	addr_from_ipv4(&pkt->src, ip->saddr);
	addr_from_ipv4(&pkt->dst, ip->daddr);
	return true;
}

/* Steps over extension headers. False: a fragment, a chain too long, or cut short. */
LB_INLINE bool skip_ipv6_extensions(struct cursor *cursor, struct packet *pkt)
{
	struct ipv6_opt_hdr *extension;
	__u32 length;
	int i;

	for (i = 0; i <= MAX_IPV6_EXTENSIONS; i++) {
		if (pkt->l4_proto != IPPROTO_HOPOPTS && pkt->l4_proto != IPPROTO_ROUTING &&
		    pkt->l4_proto != IPPROTO_DSTOPTS)
			return pkt->l4_proto != IPPROTO_FRAGMENT;
		extension = cursor_take(cursor, sizeof(*extension));
		if (!extension)
			return false;
		length = (extension->hdrlen + 1) * 8;
		if (!cursor_take(cursor, length - sizeof(*extension)))
			return false;
		pkt->l4_proto = extension->nexthdr;
	}
	return false;
}

LB_INLINE bool parse_ipv6(struct cursor *cursor, struct packet *pkt)
{
	struct ipv6hdr *ip = cursor_take(cursor, sizeof(*ip));

	if (!ip || ip->version != 6)
		return false;
	pkt->l4_proto = ip->nexthdr;
	pkt->l3_length = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	__builtin_memcpy(&pkt->src, &ip->saddr, sizeof(pkt->src));
	__builtin_memcpy(&pkt->dst, &ip->daddr, sizeof(pkt->dst));
	/* The maps hold IPv4 addresses mapped; no IPv6 packet may pass for one. */
	if (!(pkt->dst.word[0] | pkt->dst.word[1] | (pkt->dst.word[2] ^ bpf_htonl(0xffff))))
		return false;
	return skip_ipv6_extensions(cursor, pkt);
}

LB_INLINE bool parse_tcp(struct cursor *cursor, struct packet *pkt)
{
	struct tcphdr *tcp = cursor_take(cursor, sizeof(*tcp));

	if (!tcp)
		return false;
	pkt->ports = (struct l4_ports *)tcp;
	pkt->l4_check = &tcp->check;
	pkt->l4_length = tcp->doff * 4;
	pkt->tcp_flags = ((__u8 *)tcp)[13];
	return true;
}

LB_INLINE bool parse_udp(struct cursor *cursor, struct packet *pkt)
{
	struct udphdr *udp = cursor_take(cursor, sizeof(*udp));

	if (!udp)
		return false;
	pkt->ports = (struct l4_ports *)udp;
	pkt->l4_check = &udp->check;
	pkt->l4_length = bpf_ntohs(udp->len);
	return true;
}

LB_INLINE bool parse_l4(struct cursor *cursor, struct packet *pkt)
{
	if (pkt->l4_proto == IPPROTO_TCP) {
		if (!parse_tcp(cursor, pkt))
			return false;
	} else if (pkt->l4_proto == IPPROTO_UDP) {
		if (!parse_udp(cursor, pkt))
			return false;
	} else {
		return false;
	}
	pkt->src_port = pkt->ports->src;
	pkt->dst_port = pkt->ports->dst;
	return true;
}

/*
 * How far the cursor has come, as a number that the verifier knows nothing of but the limit. What
 * follows is then verified once, not once for every number of tags and extension headers, for
 * which Linux 6.1 took 527,000 of the million steps that it allows.
 */
LB_INLINE __u32 cursor_offset(const struct cursor *cursor, struct xdp_md *ctx)
{
	__u32 offset = cursor->at - (void *)(long)ctx->data;

	asm volatile("" : "+r"(offset));
	return offset & MAX_OFFSET;
}

/* A cursor at an offset, by pointers that are as new to the verifier as the offset. */
LB_INLINE struct cursor cursor_at(struct xdp_md *ctx, __u32 offset)
{
	struct cursor cursor = {
		.at = (void *)(long)READ_ONCE(ctx->data) + offset,
		.end = (void *)(long)READ_ONCE(ctx->data_end),
	};

	return cursor;
}

/* The pointers into the packet, once it is known where its headers are. */
LB_INLINE bool parse_pointers(struct xdp_md *ctx, struct packet *pkt, __u32 l4_at)
{
	struct cursor cursor = cursor_at(ctx, 0);

	pkt->eth = cursor_take(&cursor, sizeof(*pkt->eth));
	if (!pkt->eth)
		return false;
	cursor = cursor_at(ctx, pkt->l3_offset);
	if (pkt->is_ipv4) {
		pkt->ip4 = cursor_take(&cursor, sizeof(*pkt->ip4));
		if (!pkt->ip4)
			return false;
	} else {
		pkt->ip6 = cursor_take(&cursor, sizeof(*pkt->ip6));
		if (!pkt->ip6)
			return false;
	}
	cursor = cursor_at(ctx, l4_at);
	pkt->l4_offset = l4_at - pkt->l3_offset;
	return parse_l4(&cursor, pkt);
}

/* False: nothing a service could be meant by; the packet is the host's. */
LB_INLINE bool parse(struct xdp_md *ctx, struct packet *pkt)
{
	struct cursor cursor = cursor_at(ctx, 0);
	__be16 eth_proto;

	pkt->length = cursor.end - cursor.at;
	pkt->ingress_ifindex = ctx->ingress_ifindex;
	eth_proto = parse_link(&cursor);
	pkt->l3_offset = cursor_offset(&cursor, ctx);
	cursor = cursor_at(ctx, pkt->l3_offset);
	if (eth_proto == bpf_htons(ETH_P_IP)) {
		if (!parse_ipv4(&cursor, pkt))
			return false;
	} else if (eth_proto == bpf_htons(ETH_P_IPV6)) {
		if (!parse_ipv6(&cursor, pkt))
			return false;
	} else {
		return false;
	}
	return parse_pointers(ctx, pkt, cursor_offset(&cursor, ctx));
}

#endif
