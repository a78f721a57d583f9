/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_DECAP_ECN_H
#define SLUICE_DECAP_ECN_H

/* Congestion marks from the outer header to the inner one. */
#include "checksum.h"
#include "compiler.h"

#define ECN_MASK 3

enum ecn {
	ECN_NOT_ECT = 0,
	ECN_ECT_1 = 1,
	ECN_ECT_0 = 2,
	ECN_CE = 3,
};

/* RFC 6040, 4.2, figure 4: the codepoint that the packet goes on with; -1: it must be dropped. */
LB_INLINE int ecn_combine(__u8 inner, __u8 outer)
{
	if (outer == ECN_CE)
		return inner == ECN_NOT_ECT ? -1 : ECN_CE;
	if (outer == ECN_ECT_1 && inner == ECN_ECT_0)
		return ECN_ECT_1;
	return inner;
}

LB_INLINE void ecn_set_ipv4(struct iphdr *ip, __u8 ecn)
{
	__u8 tos = (ip->tos & ~ECN_MASK) | ecn;

	/* tos is the second byte of its word. */
	ip->check = csum_apply(ip->check, csum_replace(0, bpf_htons(ip->tos), bpf_htons(tos)));
	ip->tos = tos;
}

/* The traffic class follows the four bits of the version. */
LB_INLINE void ecn_set_ipv6(struct ipv6hdr *ip, __u8 ecn)
{
	__u8 *byte = (__u8 *)ip + 1;

	*byte = (*byte & ~(ECN_MASK << 4)) | ecn << 4;
}

#endif
