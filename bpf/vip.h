/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_VIP_STAGE_H
#define SLUICE_VIP_STAGE_H

#include "maps.h"
#include "packet.h"

/*
 * By a prefix of addresses: by exact port, then by any port. 0 and *ret_vip, or -1: not to us. A
 * function of its own, for the sake of the callers' stack.
 */
__noinline int vip_find_prefix(const struct lb_vip_key *vip, struct lb_vip *ret_vip)
{
	struct lb_vip_prefix_key key = {
		.prefix_length = LB_VIP_PREFIX_BASE + sizeof(struct lb_addr) * 8,
	};
	struct lb_vip *found;

	if (!vip || !ret_vip)
		return -1;
	key.vip = *vip;
	found = bpf_map_lookup_elem(&vip_prefixes, &key);
	if (!found) {
		key.vip.port = 0;
		found = bpf_map_lookup_elem(&vip_prefixes, &key);
	}
	if (!found)
		return -1;
	*ret_vip = *found;
	return 0;
}

/* Whom the packet is addressed to: first by exact port, then by any port. False: not to us. */
LB_INLINE bool vip_find(const struct lb_tuple *tuple, struct lb_vip *ret_vip)
{
	struct lb_vip_key key = {
		.addr = tuple->dst,
		.port = tuple->dst_port,
		.l4_proto = tuple->l4_proto,
	};
	struct lb_vip *vip;

	vip = bpf_map_lookup_elem(&vips, &key);
	if (!vip) {
		key.port = 0;
		vip = bpf_map_lookup_elem(&vips, &key);
	}
	if (vip) {
		*ret_vip = *vip;
		return true;
	}
	key.port = tuple->dst_port;
	return READ_ONCE(lb_switches.vip_prefixes) && !vip_find_prefix(&key, ret_vip);
}

/* The same as a function of its own, for the packets that are rare. */
__noinline int vip_find_apart(const struct lb_tuple *tuple, struct lb_vip *ret_vip)
{
	return tuple && ret_vip && vip_find(tuple, ret_vip);
}

#endif
