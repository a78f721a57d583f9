/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_TUNNEL_STAGE_H
#define SLUICE_TUNNEL_STAGE_H

/* Encapsulation for ipip and gue; outer.h says what the outer headers hold. */
#include "chance.h"
#include "link.h"
#include "maps.h"
#include "outer.h"
#include "packet.h"

LB_INLINE void tunnel_init(struct tunnel *tunnel, const struct packet *pkt,
			   const struct decision *d)
{
	tunnel->l3_offset = pkt->l3_offset;
	tunnel->spread = d->hash >> 16;
	tunnel->inner_length = pkt->l3_length;
	tunnel->gue_port = d->service->gue_port;
	tunnel->mode = d->service->mode;
	if (pkt->is_ipv4)
		tunnel_follow_ipv4(tunnel, pkt->ip4);
	else
		tunnel_follow_ipv6(tunnel, pkt->ip6);
}

/* Puts the outer headers and the link header before the packet. Negative: no headroom. */
LB_INLINE int tunnel_push(struct xdp_md *ctx, const struct lb_backend *backend, struct link *link,
			  const struct tunnel *tunnel)
{
	const __u32 udp_max = sizeof(struct udphdr) + sizeof(struct gue_header);
	struct ipv6hdr *ip6;
	struct iphdr *ip4;
	void *end;

	link->eth_proto = backend->is_ipv6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	ip4 = link_replace(ctx, tunnel->l3_offset, link, tunnel->overhead);
	if (!ip4)
		return -1;
	ip6 = (struct ipv6hdr *)ip4;
	end = (void *)(long)ctx->data_end;
	if (backend->is_ipv6) {
		if ((void *)(ip6 + 1) + udp_max > end)
			return -1;
		outer_write_ipv6(ip6, backend, tunnel);
		if (tunnel->mode != LB_MODE_IPIP)
			gue_write((struct udphdr *)(ip6 + 1), backend, tunnel);
	} else {
		if ((void *)(ip4 + 1) + udp_max > end)
			return -1;
		outer_write_ipv4(ip4, backend, tunnel);
		if (tunnel->mode != LB_MODE_IPIP)
			gue_write((struct udphdr *)(ip4 + 1), backend, tunnel);
	}
	return 0;
}

/* The same as a function of its own, for the packets that are rare; they have not kept what the
 * overhead is. others: as chance_find() says. */
__noinline int tunnel_push_apart(struct xdp_md *ctx, const struct lb_backend *backend,
				 struct link *link, struct tunnel *tunnel, __u32 others)
{
	__u32 plain;

	if (!backend || !link || !tunnel)
		return -1;
	plain = tunnel_overhead(tunnel->mode, backend);
	tunnel->chance = chance_length(others, backend->is_ipv6);
	tunnel->overhead = plain + tunnel->chance;
	if (tunnel_push(ctx, backend, link, tunnel))
		return -1;
	if (others)
		chance_write((void *)(long)ctx->data + link_length(link->vlan) + plain -
				     sizeof(struct gue_header),
			     (void *)(long)ctx->data_end, others, backend->is_ipv6);
	return 0;
}

#endif
