/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_DECAP_OUTER_H
#define SLUICE_DECAP_OUTER_H

/* The outer headers: what stands before the inner packet, and whether it is for us at all. */
#include "address.h"
#include "checksum.h"
#include "cursor.h"
#include "decap_abi.h"
#include "decap_ecn.h"
#include "gue.h"

/* One tunnel packet. */
struct outer {
	__u32 link_length;
	__u32 length;     /* of the headers taken so far, that of the link included */
	__u32 room;       /* bytes behind the headers taken so far, as the outer header claims */
	__u8 proto;       /* IPPROTO_IPIP or IPPROTO_IPV6: what the inner packet is said to be */
	__u8 ecn;         /* of the outer header */
	bool plain;       /* neither a fragment nor with options */
	bool whole;       /* lengths and checksum hold good */
	bool first;       /* not a fragment that follows another */
	__u8 chances;     /* backends that are still to be asked if nobody here knows it */
	__be16 eth_proto; /* of the outer IP header */
	struct decap_prefix source;
};

/* Ethernet and up to two VLAN tags. False: cut short. */
LB_INLINE bool outer_link(struct cursor *cursor, struct outer *outer)
{
	struct ethhdr *eth = cursor_take(cursor, sizeof(*eth));
	struct vlan_tag *tag;
	int i;

	if (!eth)
		return false;
	outer->link_length = sizeof(*eth);
	outer->eth_proto = eth->h_proto;
	for (i = 0; i < MAX_VLAN_TAGS; i++) {
		if (outer->eth_proto != bpf_htons(ETH_P_8021Q) &&
		    outer->eth_proto != bpf_htons(ETH_P_8021AD))
			break;
		tag = cursor_take(cursor, sizeof(*tag));
		if (!tag)
			return false;
		outer->link_length += sizeof(*tag);
		outer->eth_proto = tag->eth_proto;
	}
	outer->length = outer->link_length;
	return true;
}

LB_INLINE bool outer_ipv4(struct cursor *cursor, struct outer *outer, __u32 there)
{
	struct iphdr *ip = cursor_take(cursor, sizeof(*ip));
	const __u32 *word = (const __u32 *)ip;
	__u32 length;

	if (!ip || ip->version != 4)
		return false;
	length = bpf_ntohs(ip->tot_len);
	outer->proto = ip->protocol;
	outer->ecn = ip->tos & ECN_MASK;
	outer->first = !(ip->frag_off & bpf_htons(IPV4_OFFSET_MASK));
	outer->plain =
		ip->ihl == 5 && !(ip->frag_off & bpf_htons(IPV4_OFFSET_MASK | IPV4_MORE_FRAGMENTS));
	/* RFC 1122, 3.2.1.2: nobody behind us will look at this header's checksum. */
	outer->whole = length >= sizeof(*ip) && length <= there &&
		       csum_fold((__u64)word[0] + word[1] + word[2] + word[3] + word[4]) == 0xffff;
	outer->room = length - sizeof(*ip);
	outer->length += sizeof(*ip);
	addr_from_ipv4(&outer->source.addr, ip->saddr);
	/* With options what follows is not where it is looked for. */
	return ip->ihl == 5 || ip->protocol != IPPROTO_UDP;
}

LB_INLINE bool outer_ipv6(struct cursor *cursor, struct outer *outer, __u32 there)
{
	struct ipv6hdr *ip = cursor_take(cursor, sizeof(*ip));

	if (!ip || ip->version != 6 || is_mapped_ipv4(&ip->saddr))
		return false;
	outer->proto = ip->nexthdr;
	outer->ecn = bpf_ntohs(*(__be16 *)ip) >> 4 & ECN_MASK;
	outer->first = true;
	outer->plain = true;
	outer->room = bpf_ntohs(ip->payload_len);
	outer->length += sizeof(*ip);
	outer->whole = outer->room + sizeof(*ip) <= there;
	addr_from_ipv6(&outer->source.addr, &ip->saddr);
	return true;
}

LB_INLINE bool outer_ip(struct cursor *cursor, struct outer *outer, __u32 frame_length)
{
	__u32 there = frame_length - outer->link_length;

	if (outer->eth_proto == bpf_htons(ETH_P_IP))
		return outer_ipv4(cursor, outer, there);
	return outer->eth_proto == bpf_htons(ETH_P_IPV6) && outer_ipv6(cursor, outer, there);
}

LB_INLINE bool is_inner_proto(__u8 proto)
{
	return proto == IPPROTO_IPIP || proto == IPPROTO_IPV6;
}

/* Takes the UDP header. False: it is not for GUE's port. */
LB_INLINE bool outer_udp(struct cursor *cursor, struct outer *outer, __be16 gue_port)
{
	struct udphdr *udp;
	__u32 length;

	if (!outer->first)
		return false;
	udp = cursor_take(cursor, sizeof(*udp));
	if (!udp || udp->dest != gue_port)
		return false;
	length = bpf_ntohs(udp->len);
	outer->whole = outer->whole && length >= sizeof(*udp) && length <= outer->room;
	outer->room = length - sizeof(*udp);
	outer->length += sizeof(*udp);
	return true;
}

/* The private data behind GUE's header, `length` bytes: that of a second chance. False: it is
 * another's, or less than it claims. */
LB_INLINE bool outer_chance(struct cursor *cursor, struct outer *outer, __u32 length)
{
	bool is_ipv4 = outer->eth_proto == bpf_htons(ETH_P_IP);
	__u32 address = is_ipv4 ? sizeof(__be32) : sizeof(struct in6_addr);
	struct gue_chance *chance = cursor_take(cursor, sizeof(*chance));

	if (!chance || chance->kind != bpf_htons(GUE_CHANCE) || chance->left > GUE_CHANCES_MAX ||
	    length < sizeof(*chance) + chance->left * address || outer->room < length)
		return false;
	outer->chances = chance->left;
	outer->room -= length;
	outer->length += length;
	return cursor_take(cursor, (length - sizeof(*chance)) & 0x7f);
}

/*
 * What stands behind the UDP header: variant 0 has a header that names the inner protocol, with
 * variant 1 (version bits 01) the IP packet begins at once, whose version is 0100 or 0110.
 */
LB_INLINE enum decap_outcome outer_gue(struct cursor *cursor, struct outer *outer)
{
	struct gue_header *gue = cursor->at;
	__u32 words;

	if ((void *)(gue + 1) > cursor->end || outer->room < sizeof(*gue))
		return DECAP_MALFORMED;
	if (gue->version_length >> 6 == 1) {
		outer->proto = gue->version_length >> 4 == 4 ? IPPROTO_IPIP : IPPROTO_IPV6;
		return DECAP_DECAPSULATED;
	}
	words = gue->version_length & GUE_WORDS_MASK;
	if (gue->version_length != words || gue->flags || !is_inner_proto(gue->proto))
		return DECAP_UNSUPPORTED;
	outer->proto = gue->proto;
	outer->room -= sizeof(*gue);
	outer->length += sizeof(*gue);
	cursor->at = gue + 1;
	if (words && !outer_chance(cursor, outer, words * sizeof(__u32)))
		return DECAP_UNSUPPORTED;
	return DECAP_DECAPSULATED;
}

/* Takes every header before the inner packet. DECAP_DECAPSULATED: all is well so far. */
LB_INLINE enum decap_outcome outer_take(struct cursor *cursor, struct outer *outer,
					const struct decap_config *config, __u32 frame_length)
{
	bool gue;

	if (!outer_link(cursor, outer) || !outer_ip(cursor, outer, frame_length))
		return DECAP_FOREIGN;
	gue = outer->proto == IPPROTO_UDP && config->flags & DECAP_GUE;
	if (!gue && !(is_inner_proto(outer->proto) && config->flags & DECAP_IPIP))
		return DECAP_FOREIGN;
	if (gue && !outer_udp(cursor, outer, config->gue_port))
		return DECAP_FOREIGN;
	if (!outer->plain)
		return DECAP_UNSUPPORTED;
	if (!outer->whole)
		return DECAP_MALFORMED;
	return gue ? outer_gue(cursor, outer) : DECAP_DECAPSULATED;
}

#endif
