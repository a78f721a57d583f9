/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_CHECKSUM_H
#define SLUICE_CHECKSUM_H

/*
 * Incremental Internet checksums (RFC 1624, eqn. 3): HC' = ~(~HC + ~m + m'). The differences
 * ~m + m' are added up unfolded in 64 bits, so that one sum serves the IP and the L4 header.
 */
#include "compiler.h"

LB_INLINE __u64 csum_replace(__u64 diff, __u32 from, __u32 to)
{
	return diff + (__u32)~from + to;
}

/* Each half is added to the other: what is carried out of the upper comes back in at the bottom. */
LB_INLINE __u16 csum_fold(__u64 sum)
{
	__u32 half;

	sum += sum << 32 | sum >> 32;
	half = sum >> 32;
	half += half << 16 | half >> 16;
	return half >> 16;
}

LB_INLINE __u16 csum_apply(__u16 check, __u64 diff)
{
	return ~csum_fold((__u16)~check + diff);
}

#endif
