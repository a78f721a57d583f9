/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_HOP_LIMIT_H
#define SLUICE_HOP_LIMIT_H

#include "packet.h"

/* Counts the balancer as a router on the packet's way. False: it has come too far already. */
LB_INLINE bool hop_limit_take(const struct packet *pkt)
{
	__u32 check;

	if (!pkt->is_ipv4) {
		if (pkt->ip6->hop_limit <= 1)
			return false;
		pkt->ip6->hop_limit--;
		return true;
	}
	if (pkt->ip4->ttl <= 1)
		return false;
	pkt->ip4->ttl--;
	check = pkt->ip4->check + bpf_htons(0x100); /* RFC 1141 */
	pkt->ip4->check = check + (check >= 0xffff);
	return true;
}

#endif
