// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Health probes on the clients' way. The socket of a probe speaks to the backend's own address, so
 * that route, neighbour, reverse-path filter and connection tracking see an ordinary connection
 * whatever the VIP is to this host. Below the stack, on the interface that the probe leaves by:
 *
 *   lb_probe_egress   read -> match -> note -> to the VIP -> tunnel, as lb_ingress makes it
 *   lb_probe_ingress  read -> recall -> from the backend's own address again
 *
 * What is neither a probe nor a reply to one goes on to the next filter as it came.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"
#include "maps.h"
#include "outer.h"
#include "probe_error.h"
#include "probe_packet.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/*
 * A backend that does not hold the VIP but forwards would send the probe back to the balancer, and
 * that to another backend, which would answer in its place. In mode l2 no router may be on the
 * way; behind a tunnel the backend's host may route once, and the balancer no more.
 */
#define TTL_L2     1
#define TTL_TUNNEL 2

#define TCP_FLAGS_OFFSET 12 /* of the word that TCP_FLAG_RST is of */

/* The way that a probe takes. */
struct way {
	struct lb_probe_path *path;
	struct lb_backend *backend;
	struct lb_service *service;
};

/* False: the mark is not of a probe of ours. */
LB_INLINE bool way_find(__u32 mark, struct way *way)
{
	__u32 index = mark ^ lb_probe_mark;

	if (!lb_probe_mark || index >> LB_PROBE_MARK_SHIFT)
		return false;
	way->path = bpf_map_lookup_elem(&probe_paths, &index);
	way->backend = bpf_map_lookup_elem(&backends, &index);
	if (!way->path || !way->backend)
		return false;
	index = way->backend->service;
	way->service = bpf_map_lookup_elem(&services, &index);
	return way->service;
}

/* A mark alone could be another's: the packet must go to what is probed. */
LB_INLINE bool is_probe(const struct probe_packet *pkt, const struct way *way)
{
	const struct lb_tuple *tuple = &pkt->tuple;

	if (!(way->path->vip.word[0] | way->path->vip.word[1] | way->path->vip.word[2] |
	      way->path->vip.word[3]))
		return false;
	if (!addr_equal(&tuple->dst, &way->backend->addr))
		return false;
	return !tuple->dst_port || tuple->dst_port == way->path->port;
}

/* Where the VIP's family is not the backend's, the balancer has an address of its own for it. */
LB_INLINE const struct lb_addr *source_to_vip(const struct probe_packet *pkt, const struct way *way)
{
	return pkt->is_ipv4 == addr_is_ipv4(&way->path->vip) ? &pkt->tuple.src : &way->path->own;
}

LB_INLINE bool is_reset(struct __sk_buff *skb, const struct probe_packet *pkt)
{
	__u32 offset = l4_offset(pkt->is_ipv4) + TCP_FLAGS_OFFSET;
	__be32 flags;

	return pkt->tuple.l4_proto == IPPROTO_TCP &&
	       !bpf_skb_load_bytes(skb, offset, &flags, sizeof(flags)) && flags & TCP_FLAG_RST;
}

/* A reset ends a probe. Its port may be another's next, whose replies would look like this one's:
 * another agent's, or those to a client on this host. */
LB_INLINE long note(struct __sk_buff *skb, const struct probe_packet *pkt, const struct way *way)
{
	struct lb_probe_flow flow = {
		.backend = pkt->tuple.dst,
		.own = pkt->tuple.src,
		.sent_ns = bpf_ktime_get_ns(),
	};
	struct lb_tuple reply = {
		.src = way->path->vip,
		.dst = *source_to_vip(pkt, way),
		.src_port = pkt->tuple.dst_port,
		.dst_port = pkt->tuple.src_port,
		.l4_proto = pkt->tuple.l4_proto,
	};

	if (!is_reset(skb, pkt))
		return bpf_map_update_elem(&probe_flows, &reply, &flow, BPF_ANY);
	bpf_map_delete_elem(&probe_flows, &reply); /* if it was not given up already */
	return 0;
}

/* Outer headers of either family, with the longest that can stand behind them. */
struct outer {
	union ip_header ip;
	struct udphdr udp;
	struct gue_header gue;
};

LB_INLINE void tunnel_describe(struct __sk_buff *skb, const struct probe_packet *pkt,
			       const struct way *way, struct tunnel *tunnel)
{
	tunnel->spread = bpf_get_hash_recalc(skb);
	tunnel->gue_port = way->service->gue_port;
	tunnel->mode = way->service->mode;
	tunnel->overhead = tunnel_overhead(tunnel->mode, way->backend);
	if (pkt->is_ipv4) {
		tunnel_follow_ipv4(tunnel, &pkt->ip.ip4);
		tunnel->inner_length = bpf_ntohs(pkt->ip.ip4.tot_len);
	} else {
		tunnel_follow_ipv6(tunnel, &pkt->ip.ip6);
		tunnel->inner_length = bpf_ntohs(pkt->ip.ip6.payload_len) + sizeof(pkt->ip.ip6);
	}
}

/* Returns the length of the outer headers. */
LB_INLINE __u32 tunnel_write(void *outer, const struct lb_backend *backend,
			     const struct tunnel *tunnel)
{
	if (backend->is_ipv6)
		outer_write_ipv6(outer, backend, tunnel);
	else
		outer_write_ipv4(outer, backend, tunnel);
	if (tunnel->mode != LB_MODE_IPIP)
		gue_write(outer + ip_length(!backend->is_ipv6), backend, tunnel);
	return tunnel->overhead;
}

LB_INLINE long encapsulate(struct __sk_buff *skb, const struct probe_packet *pkt,
			   const struct way *way)
{
	__u64 flags =
		way->backend->is_ipv6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4;
	struct tunnel tunnel = {};
	struct outer outer = {};
	__u32 length;

	tunnel_describe(skb, pkt, way, &tunnel);
	length = tunnel_write(&outer, way->backend, &tunnel);
	if (tunnel.mode != LB_MODE_IPIP)
		flags |= BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
	if (length > sizeof(outer) || bpf_skb_adjust_room(skb, length, BPF_ADJ_ROOM_MAC, flags) ||
	    bpf_skb_store_bytes(skb, ETH_HLEN, &outer, length, 0))
		return -1;
	return write_eth_proto(skb, !way->backend->is_ipv6);
}

/* Makes of the probe what a client's packet to this backend leaves as. */
LB_INLINE long send(struct __sk_buff *skb, struct probe_packet *pkt, const struct way *way)
{
	bool tunnel = mode_is_tunnel(way->service->mode);

	if (note(skb, pkt, way))
		return -1;
	probe_set_ttl(pkt, tunnel ? TTL_TUNNEL : TTL_L2);
	if (probe_readdress(skb, pkt, source_to_vip(pkt, way), &way->path->vip))
		return -1;
	return tunnel ? encapsulate(skb, pkt, way) : 0;
}

SEC("tc")
int lb_probe_egress(struct __sk_buff *skb)
{
	struct probe_packet pkt = {};
	struct way way = {};

	if (!way_find(skb->mark, &way) || !probe_read(skb, &pkt) || !is_probe(&pkt, &way))
		return TC_ACT_UNSPEC;
	skb->mark = 0; /* it may pass a filter of ours again, on the interface below */
	if (send(skb, &pkt, &way))
		return TC_ACT_SHOT;
	__sync_fetch_and_add(&way.path->sent, 1);
	return TC_ACT_UNSPEC;
}

/* The probe that a packet is the reply to, copied: an entry may be given up and reused any time. */
LB_INLINE bool recall(const struct lb_tuple *reply, struct lb_probe_flow *ret_flow)
{
	struct lb_probe_flow *flow = bpf_map_lookup_elem(&probe_flows, reply);

	if (!flow || bpf_ktime_get_ns() - flow->sent_ns > LB_PROBE_FLOW_NS)
		return false;
	*ret_flow = *flow;
	return true;
}

/* An ICMP error, perhaps about a probe. */
LB_INLINE int receive_error(struct __sk_buff *skb, struct probe_packet *error)
{
	struct probe_packet quote = {};
	struct lb_probe_flow flow;
	bool from_vip;

	if (!quote_read(skb, error, &quote) || !recall(&quote.tuple, &flow) ||
	    addr_is_ipv4(&flow.backend) != error->is_ipv4)
		return TC_ACT_UNSPEC;
	from_vip = addr_equal(&error->tuple.src, &quote.tuple.src);
	if (quote_write(skb, &quote, &flow.backend) ||
	    (from_vip && probe_readdress(skb, error, &flow.backend, &flow.own)))
		return TC_ACT_SHOT;
	return TC_ACT_UNSPEC;
}

SEC("tc")
int lb_probe_ingress(struct __sk_buff *skb)
{
	struct probe_packet pkt = {};
	struct lb_probe_flow flow;

	if (!probe_read(skb, &pkt)) {
		if (is_icmp_error(pkt.icmp_type, pkt.is_ipv4))
			return receive_error(skb, &pkt);
		return TC_ACT_UNSPEC;
	}
	if (!recall(&pkt.tuple, &flow))
		return TC_ACT_UNSPEC;
	if (probe_readdress(skb, &pkt, &flow.backend, &flow.own))
		return TC_ACT_SHOT;
	return TC_ACT_UNSPEC;
}
