/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_LINK_H
#define SLUICE_LINK_H

/* The link-layer header that a packet leaves with: addresses and VLAN tags. */
#include "maps.h"
#include "packet.h"
#include "parse.h"

#define LINK_LENGTH_MAX  (sizeof(struct ethhdr) + MAX_VLAN_TAGS * sizeof(struct vlan_tag))
#define LINK_OFFSET_MASK 31 /* where an IP header begins behind it: for the verifier */

struct link {
	union {
		struct {
			__u8 dst_mac[ETH_ALEN];
			__u8 src_mac[ETH_ALEN];
		};
		struct {
			__u64 head;
			__u32 tail;
		} macs; /* both, in the two words that they are moved by */
	};
	__u32 vlan; /* as in struct packet */
	__be16 eth_proto;
};

LB_INLINE __be16 vlan_outer_type(__u32 vlan)
{
	return vlan & LB_VLAN_SERVICE_TAG ? bpf_htons(ETH_P_8021AD) : bpf_htons(ETH_P_8021Q);
}

LB_INLINE void link_write_macs(struct ethhdr *eth, const struct link *link)
{
	store_u64(eth, link->macs.head);
	store_u32((void *)eth + sizeof(__u64), link->macs.tail);
}

/* Writes the header at eth; LINK_LENGTH_MAX bytes there are ours to write. */
LB_INLINE void link_write(struct ethhdr *eth, const struct link *link)
{
	struct vlan_tag *tag = (struct vlan_tag *)(eth + 1);
	__u32 outer = link->vlan >> LB_VLAN_OUTER_SHIFT & LB_VLAN_ID_MASK;
	__u32 inner = link->vlan & LB_VLAN_ID_MASK;
	__be16 priority = bpf_htons(link->vlan >> VLAN_PRIORITY_SHIFT << VLAN_ID_BITS);

	link_write_macs(eth, link);
	if (!vlan_count(link->vlan)) {
		store_u16(&eth->h_proto, link->eth_proto);
		return;
	}
	eth->h_proto = vlan_outer_type(link->vlan);
	if (vlan_count(link->vlan) == 2) {
		tag->tci = bpf_htons(outer) | priority;
		tag->eth_proto = bpf_htons(ETH_P_8021Q);
		tag++;
		tag->tci = bpf_htons(inner);
	} else {
		tag->tci = bpf_htons(inner) | priority;
	}
	tag->eth_proto = link->eth_proto;
}

/*
 * Gives the frame another link header, with `room` bytes between it and the IP header that is now
 * at l3_offset. Returns where the room begins, NULL: the driver left no headroom. Pointers into
 * the packet are void afterwards; at least 28 bytes of IP packet must lie behind l3_offset.
 */
LB_INLINE void *link_replace(struct xdp_md *ctx, __u32 l3_offset, const struct link *link,
			     __u32 room)
{
	__u32 length = link_length(link->vlan);
	int grow = room + length - l3_offset;
	void *data, *end;

	if (grow && bpf_xdp_adjust_head(ctx, -grow))
		return NULL;
	data = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	if (data + LINK_LENGTH_MAX > end)
		return NULL; /* cannot be: an IP packet follows */
	link_write(data, link);
	return data + length;
}

/* Tags to leave with; the outer one has the priority that the packet came with. */
LB_INLINE void link_set(struct link *link, const struct packet *pkt, __u32 vlan)
{
	link->vlan = vlan | (pkt->vlan & ~LB_VLAN_TAGS_MASK);
	link->eth_proto = pkt->is_ipv4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
}

/* Gives the frame another link header. False: the driver left no headroom. */
LB_INLINE bool link_apply(struct xdp_md *ctx, const struct packet *pkt, const struct link *link)
{
	if (link->vlan != pkt->vlan)
		return link_replace(ctx, pkt->l3_offset, link, 0);
	link_write_macs(pkt->eth, link);
	return true;
}

#endif
