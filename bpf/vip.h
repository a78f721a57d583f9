/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_VIP_STAGE_H
#define SLUICE_VIP_STAGE_H

#include "maps.h"
#include "packet.h"

/* Whom the packet is addressed to: first by exact port, then by any port. NULL: not to us. */
LB_INLINE struct lb_vip *vip_find(const struct packet *pkt)
{
	struct lb_vip_key key = {
		.addr = pkt->dst,
		.port = pkt->dst_port,
		.l4_proto = pkt->l4_proto,
	};
	struct lb_vip *vip;

	vip = bpf_map_lookup_elem(&vips, &key);
	if (vip)
		return vip;
	key.port = 0;
	return bpf_map_lookup_elem(&vips, &key);
}

#endif
