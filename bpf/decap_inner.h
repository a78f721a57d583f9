/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_DECAP_INNER_H
#define SLUICE_DECAP_INNER_H

/* The inner packet: whom it is for, and how it becomes the packet. */
#include "address.h"
#include "cursor.h"
#include "decap_ecn.h"
#include "decap_outer.h"

struct inner {
	bool is_ipv4;
	bool is_tcp; /* a whole segment, behind a header without options */
	bool mapped; /* an IPv6 address that would pass for an IPv4 one in the map */
	__u8 ecn;
	struct decap_prefix dst;
	void *ip; /* the header, until the frame changes */
};

/* False: the header contradicts itself or what the outer one claims. */
LB_INLINE bool inner_ipv4(struct cursor *cursor, struct inner *inner, __u32 room)
{
	struct iphdr *ip = cursor_take(cursor, sizeof(*ip));
	__u32 length;

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return false;
	length = bpf_ntohs(ip->tot_len);
	inner->ip = ip;
	inner->is_tcp = ip->ihl == 5 && ip->protocol == IPPROTO_TCP &&
			!(ip->frag_off & bpf_htons(IPV4_OFFSET_MASK | IPV4_MORE_FRAGMENTS));
	inner->ecn = ip->tos & ECN_MASK;
	addr_from_ipv4(&inner->dst.addr, ip->daddr);
	return length >= (__u32)ip->ihl * 4 && length <= room;
}

LB_INLINE bool inner_ipv6(struct cursor *cursor, struct inner *inner, __u32 room)
{
	struct ipv6hdr *ip = cursor_take(cursor, sizeof(*ip));

	if (!ip || ip->version != 6)
		return false;
	inner->ip = ip;
	inner->is_tcp = ip->nexthdr == IPPROTO_TCP;
	inner->ecn = bpf_ntohs(*(__be16 *)ip) >> 4 & ECN_MASK;
	inner->mapped = is_mapped_ipv4(&ip->daddr);
	addr_from_ipv6(&inner->dst.addr, &ip->daddr);
	return bpf_ntohs(ip->payload_len) + sizeof(*ip) <= room;
}

LB_INLINE bool inner_take(struct cursor *cursor, struct inner *inner, const struct outer *outer)
{
	inner->is_ipv4 = outer->proto == IPPROTO_IPIP;
	if (inner->is_ipv4)
		return inner_ipv4(cursor, inner, outer->room);
	return inner_ipv6(cursor, inner, outer->room);
}

/* A link header with its tags, as far as there are any, in steps of the alignment that it has. */
struct link_bytes {
	__be16 mac[6];
	__be16 eth_proto;
	struct vlan_tag tag[MAX_VLAN_TAGS];
};

/* Writes it back, before another kind of IP packet; sizeof(*to) bytes there are ours to write. */
LB_INLINE void link_restore(struct link_bytes *to, const struct link_bytes *from, __u32 length,
			    __be16 eth_proto)
{
	__builtin_memcpy(to->mac, from->mac, sizeof(to->mac));
	if (length == offsetof(struct link_bytes, tag[0])) {
		to->eth_proto = eth_proto;
		return;
	}
	to->eth_proto = from->eth_proto;
	to->tag[0].tci = from->tag[0].tci;
	if (length == offsetof(struct link_bytes, tag[1])) {
		to->tag[0].eth_proto = eth_proto;
		return;
	}
	to->tag[0].eth_proto = from->tag[0].eth_proto;
	to->tag[1].tci = from->tag[1].tci;
	to->tag[1].eth_proto = eth_proto;
}

/* Changes the packet that lies at `ip`. */
LB_INLINE void inner_mark(void *ip, const void *end, bool is_ipv4, __u8 ecn)
{
	/* Or clang computes ip twice, and the verifier does not know the second one's bounds. */
	asm volatile("" : "+r"(ip));
	if (ip + sizeof(struct iphdr) > end)
		return; /* cannot be: the header was read before */
	if (is_ipv4)
		ecn_set_ipv4(ip, ecn);
	else
		ecn_set_ipv6(ip, ecn);
}

/* Takes the outer headers off. False: the frame is as it was. */
LB_INLINE bool inner_bare(struct xdp_md *ctx, const struct outer *outer, const struct inner *inner,
			  __u8 ecn)
{
	__be16 eth_proto = inner->is_ipv4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
	struct cursor cursor = cursor_at_frame(ctx);
	struct link_bytes link, *at = cursor.at;

	if ((void *)(at + 1) > cursor.end)
		return false;
	link = *at;
	if (bpf_xdp_adjust_head(ctx, outer->length - outer->link_length))
		return false;
	cursor = cursor_at_frame(ctx);
	at = cursor.at;
	if ((void *)(at + 1) > cursor.end)
		return false; /* cannot be: an IP header follows the link header */
	link_restore(at, &link, outer->link_length, eth_proto);
	if (ecn != inner->ecn)
		inner_mark(cursor.at + (outer->link_length & 0x1f), cursor.end, inner->is_ipv4,
			   ecn);
	return true;
}

#endif
