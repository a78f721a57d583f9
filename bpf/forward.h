/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_FORWARD_STAGE_H
#define SLUICE_FORWARD_STAGE_H

#include "chance.h"
#include "fragment.h"
#include "hop_limit.h"
#include "link.h"
#include "maps.h"
#include "nat.h"
#include "packet.h"
#include "tunnel.h"
#include "verdicts.h"

#define LB_AF_INET  2
#define LB_AF_INET6 10

/*
 * The kernel's answer to where the backend is, for the moments before the agent has resolved its
 * next hop. Returns the interface to leave by; 0: the kernel does not know either.
 */
__noinline int hop_from_kernel(struct xdp_md *ctx, const struct lb_backend *backend,
			       struct link *link)
{
	struct bpf_fib_lookup fib = {.ifindex = ctx->ingress_ifindex};

	if (!backend || !link)
		return 0;
	if (backend->is_ipv6) {
		fib.family = LB_AF_INET6;
		__builtin_memcpy(fib.ipv6_dst, &backend->addr, sizeof(fib.ipv6_dst));
	} else {
		fib.family = LB_AF_INET;
		fib.ipv4_dst = backend->addr.word[3];
	}
	if (bpf_fib_lookup(ctx, &fib, sizeof(fib), 0) != BPF_FIB_LKUP_RET_SUCCESS)
		return 0;
	__builtin_memcpy(link->dst_mac, fib.dmac, ETH_ALEN);
	__builtin_memcpy(link->src_mac, fib.smac, ETH_ALEN);
	link->vlan = 0;
	return fib.ifindex;
}

/* The backend is the balancer itself. */
LB_INLINE enum lb_verdict leave_to_host(const struct packet *pkt, const struct decision *d)
{
	if (is_kind(pkt, LB_FIRST_FRAGMENT))
		fragment_note(pkt, d);
	return LB_LOCAL;
}

/* The link-layer way to the backend: LB_FORWARD, LB_LOCAL if that is the balancer itself, or
 * LB_NO_NEIGHBOUR. */
LB_INLINE enum lb_verdict hop_find(struct xdp_md *ctx, const struct packet *pkt, struct decision *d,
				   struct link *link)
{
	const struct lb_hop *hop = &d->backend->hop;
	/* dst_mac and flags, which change together; src_mac and mtu. */
	__u64 to = READ_ONCE(*(const __u64 *)hop), from = READ_ONCE(*((const __u64 *)hop + 1));
	__u32 flags = to >> LB_HOP_FLAGS_SHIFT;
	struct link asked; /* of its own, so that *link can stay in registers */

	link_set(link, pkt, hop->vlan);
	if ((flags & (LB_BACKEND_RESOLVED | LB_BACKEND_LOCAL)) == LB_BACKEND_RESOLVED) {
		link->macs.head = (to & LB_HOP_MAC_MASK) | from << LB_HOP_FLAGS_SHIFT;
		link->macs.tail = from >> (64 - LB_HOP_FLAGS_SHIFT);
		d->egress = hop->ifindex;
		return LB_FORWARD;
	}
	if (flags & LB_BACKEND_LOCAL)
		return leave_to_host(pkt, d);
	asked = *link;
	d->egress = hop_from_kernel(ctx, d->backend, &asked);
	*link = asked;
	return d->egress ? LB_FORWARD : LB_NO_NEIGHBOUR;
}

/* False: too long for the way to the backend with what is yet to be put before it. */
LB_INLINE bool fits(const struct packet *pkt, struct decision *d, __u32 overhead)
{
	__u32 mtu = d->backend->hop.mtu;

	if (!mtu)
		return true;
	d->path_mtu = mtu - overhead;
	return pkt->l3_length + overhead <= mtu;
}

LB_INLINE enum lb_verdict tunnel_forward(struct xdp_md *ctx, const struct packet *pkt,
					 const struct decision *d, struct link *link,
					 __u32 overhead)
{
	struct tunnel tunnel = {};

	if (!hop_limit_take(pkt))
		return LB_TTL;
	tunnel_init(&tunnel, pkt, d);
	if (!is_plain(pkt))
		return tunnel_push_apart(ctx, d->backend, link, &tunnel, 0) ? LB_HEADROOM
									    : LB_FORWARD;
	tunnel.overhead = overhead;
	return tunnel_push(ctx, d->backend, link, &tunnel) ? LB_HEADROOM : LB_FORWARD;
}

/* Likewise, and the packet tells who else may know its flow. The way of few packets, so it shares
 * nothing with that of the others, which would cost them registers. */
LB_INLINE enum lb_verdict chance_forward(struct xdp_md *ctx, const struct packet *pkt,
					 struct decision *d, struct link *link)
{
	__u32 others = chance_find(d->service, d->backend, d->backend_id, d->hash);
	__u32 plain = tunnel_overhead(LB_MODE_GUE, d->backend);
	struct tunnel tunnel = {};

	if (!fits(pkt, d, plain + chance_length(others, d->backend->is_ipv6)))
		return LB_TOO_BIG;
	if (!hop_limit_take(pkt))
		return LB_TTL;
	tunnel_init(&tunnel, pkt, d);
	return tunnel_push_apart(ctx, d->backend, link, &tunnel, others) ? LB_HEADROOM : LB_FORWARD;
}

/* Makes the packet ready to leave for its backend: LB_FORWARD, LB_LOCAL if it need not leave, or
 * the reason why it cannot. */
LB_INLINE enum lb_verdict forward(struct xdp_md *ctx, const struct packet *pkt, struct decision *d)
{
	__u32 overhead = 0;
	struct link link;
	enum lb_verdict verdict = hop_find(ctx, pkt, d, &link);

	if (verdict != LB_FORWARD)
		return verdict;
	if (mode_is_tunnel(d->service->mode)) {
		if (is_given_chance(pkt, d))
			return chance_forward(ctx, pkt, d, &link);
		overhead = tunnel_overhead(d->service->mode, d->backend);
	}
	if (!fits(pkt, d, overhead))
		return LB_TOO_BIG;
	if (is_kind(pkt, LB_FIRST_FRAGMENT))
		fragment_note(pkt, d);
	if (mode_is_tunnel(d->service->mode))
		return tunnel_forward(ctx, pkt, d, &link, overhead);
	if (d->service->mode == LB_MODE_NAT)
		return nat_forward(ctx, pkt, d, &link);
	return link_apply(ctx, pkt, &link) ? LB_FORWARD : LB_HEADROOM;
}

#endif
