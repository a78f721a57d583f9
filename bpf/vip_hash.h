/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_VIP_HASH_H
#define SLUICE_VIP_HASH_H

/*
 * Where an exact VIP is in the table of VIPs, for the data plane and for the agent, which fills it.
 *
 * The table is a perfect hash (Belazzougui, Botelho, Dietzfelbinger, "Hash, Displace, and
 * Compress", ESA 2009): the upper half of a key's hash names a group, and what is kept of the group
 * makes a slot of the lower half, such that no two keys have the same. So there is one place to
 * look at, whoever is there.
 */
#include <stdbool.h>

#include "abi.h"

/* is_ipv4: the address is a mapped one. */
static inline __attribute__((always_inline)) __u64 vip_hash(const struct lb_vip_key *key,
							    bool is_ipv4)
{
	__u64 h = key->addr.word[3] | (__u64)(key->port | (__u32)key->l4_proto << 16) << 32;

	h *= 0x9e3779b97f4a7c15ULL;
	if (!is_ipv4) {
		h ^= (key->addr.word[0] | (__u64)key->addr.word[1] << 32) * 0xc2b2ae3d27d4eb4fULL;
		h += key->addr.word[2] * 0x165667b19e3779f9ULL;
	}
	h = (h ^ h >> 32) * 0xff51afd7ed558ccdULL;
	return h ^ h >> 29;
}

/* So many slots there are for each group. */
#define VIP_GROUP_SLOTS 4

/* slot_shift: 32 less the bits of a slot. */
static inline __attribute__((always_inline)) __u32 vip_group(__u64 hash, __u8 slot_shift)
{
	return ((__u32)(hash >> 32) >> slot_shift) / VIP_GROUP_SLOTS;
}

/* factor: of the group. */
static inline __attribute__((always_inline)) __u32 vip_slot(__u64 hash, __u32 factor,
							    __u8 slot_shift)
{
	return (__u32)hash * (2 * factor + 1) >> slot_shift;
}

#endif
