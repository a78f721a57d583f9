/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_FORWARD_STAGE_H
#define SLUICE_FORWARD_STAGE_H

#include "maps.h"
#include "nat.h"
#include "packet.h"
#include "verdicts.h"

#define LB_AF_INET  2
#define LB_AF_INET6 10

/*
 * The kernel's answer to where the backend is, for the moments before the agent has resolved its
 * next hop. False: the kernel does not know either.
 */
LB_INLINE bool hop_from_kernel(struct xdp_md *ctx, const struct packet *pkt, struct decision *d)
{
	struct bpf_fib_lookup fib = {.ifindex = pkt->ingress_ifindex};

	if (pkt->is_ipv4) {
		fib.family = LB_AF_INET;
		fib.ipv4_dst = d->backend->addr.word[3];
	} else {
		fib.family = LB_AF_INET6;
		__builtin_memcpy(fib.ipv6_dst, &d->backend->addr, sizeof(fib.ipv6_dst));
	}
	if (bpf_fib_lookup(ctx, &fib, sizeof(fib), 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return false;
	__builtin_memcpy(pkt->eth->h_dest, fib.dmac, ETH_ALEN);
	__builtin_memcpy(pkt->eth->h_source, fib.smac, ETH_ALEN);
	d->egress = fib.ifindex;
	return true;
}

/* Addresses the frame to the backend's next hop. */
LB_INLINE bool hop_apply(struct xdp_md *ctx, const struct packet *pkt, struct decision *d)
{
	/* One load: dst_mac and flags change together. */
	union {
		__u64 word;
		struct {
			__u8 dst_mac[ETH_ALEN];
			__u16 flags;
		};
	} way = {.word = READ_ONCE(*(__u64 *)&d->backend->hop)};

	if (!(way.flags & LB_BACKEND_RESOLVED))
		return hop_from_kernel(ctx, pkt, d);
	__builtin_memcpy(pkt->eth->h_dest, way.dst_mac, ETH_ALEN);
	__builtin_memcpy(pkt->eth->h_source, d->backend->hop.src_mac, ETH_ALEN);
	d->egress = d->backend->hop.ifindex;
	return true;
}

/* Makes the packet ready to leave for its backend: LB_FORWARD or the reason why not. */
LB_INLINE enum lb_verdict forward(struct xdp_md *ctx, const struct packet *pkt, struct decision *d)
{
	enum lb_verdict verdict;

	if (d->service->mode == LB_MODE_NAT) {
		verdict = nat_forward(pkt, d); /* before hop_apply: it learns the client's MAC */
		if (verdict != LB_PASS)
			return verdict;
	}
	return hop_apply(ctx, pkt, d) ? LB_FORWARD : LB_NO_NEIGHBOUR;
}

#endif
