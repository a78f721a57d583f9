/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_ADDRESS_H
#define SLUICE_ADDRESS_H

/* Addresses of either family in one shape. */
#include "abi.h"
#include "compiler.h"

LB_INLINE void addr_from_ipv4(struct lb_addr *addr, __be32 ipv4)
{
	addr->word[0] = 0;
	addr->word[1] = 0;
	addr->word[2] = bpf_htonl(0xffff);
	addr->word[3] = ipv4;
}

LB_INLINE void addr_from_ipv6(struct lb_addr *addr, const struct in6_addr *ipv6)
{
	__builtin_memcpy(addr, ipv6, sizeof(*addr));
}

/* The maps hold IPv4 addresses mapped; no IPv6 packet may pass for one. */
LB_INLINE bool is_mapped_ipv4(const struct in6_addr *addr)
{
	const __be32 *word = addr->in6_u.u6_addr32;

	return !(word[0] | word[1] | (word[2] ^ bpf_htonl(0xffff)));
}

#endif
