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

LB_INLINE __u16 csum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

LB_INLINE __u16 csum_apply(__u16 check, __u64 diff)
{
	return ~csum_fold((__u16)~check + diff);
}

#endif
