/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_REPLY_H
#define SLUICE_REPLY_H

/* Answers that are made of the packet they are about, and leave by where that came in. */
#include "link.h"
#include "parse.h"

LB_INLINE void ethernet_turn_round(struct ethhdr *eth)
{
	__u8 mac[ETH_ALEN];

	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
}

/*
 * Cuts the IP packet, which is at l3_offset, to its first `keep` bytes, opens `room` bytes in front
 * of them and puts the frame's link header, turned round, before those. Returns where the room
 * begins; NULL: it cannot be done.
 */
LB_INLINE void *reply_open(struct xdp_md *ctx, __u32 l3_offset, __u32 keep, __u32 room)
{
	int cut = frame_length(ctx) - l3_offset - keep;
	__u16 *to;
	void *data;
	__u32 i;

	if (bpf_xdp_adjust_tail(ctx, -cut) || bpf_xdp_adjust_head(ctx, -(int)room))
		return NULL;
	data = (void *)(long)ctx->data;
	to = data;
	if (data + room + LINK_LENGTH_MAX > (void *)(long)ctx->data_end)
		return NULL;
	for (i = 0; i < LINK_LENGTH_MAX / 2; i++) /* room is more than that */
		WRITE_ONCE(to[i], READ_ONCE(to[i + room / 2]));
	ethernet_turn_round(data);
	return data + (l3_offset & LINK_OFFSET_MASK);
}

#endif
