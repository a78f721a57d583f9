// SPDX-License-Identifier: Apache-2.0
/*
 * What lb_ingress does for ipip, done as balancers by XDP usually do it, for comparison: the VIP
 * from a hash map, the flow's backend from an LRU hash map, one a CPU, behind an array of maps; a
 * new flow's from a ring of 32-bit numbers for each VIP, behind another; by Jenkins' hash and a
 * modulo. It knows neither fragments, options, VLANs, ICMP, timeouts nor limits.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "usual.h"

#define INLINE        static __always_inline
#define DATAGRAM_IDLE 30000000000ULL /* ns after which a UDP flow is a new one */

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct flows {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, USUAL_FLOWS);
	__uint(map_flags, BPF_F_NO_COMMON_LRU);
	__uint(key_size, sizeof(struct usual_flow_key));
	__uint(value_size, sizeof(struct usual_flow));
} usual_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, USUAL_CPUS);
	__type(key, __u32);
	__array(values, struct flows);
} usual_flows_of_cpu SEC(".maps");

struct ring {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, USUAL_RING);
	__type(key, __u32);
	__type(value, __u32);
} usual_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, USUAL_VIPS);
	__type(key, __u32);
	__array(values, struct ring);
} usual_rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, USUAL_VIPS);
	__type(key, struct usual_vip_key);
	__type(value, __u32);
} usual_vips SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, USUAL_BACKENDS);
	__type(key, __u32);
	__type(value, struct usual_backend);
} usual_backends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, USUAL_VIPS);
	__type(key, __u32);
	__type(value, struct usual_stats);
} usual_stats SEC(".maps");

struct packet {
	struct usual_flow_key flow;
	__u16 length; /* of the IP packet */
	bool is_ipv6;
	bool is_syn;
};

INLINE __u32 rotate(__u32 word, int by)
{
	return word << by | word >> (32 - by);
}

/* Bob Jenkins, lookup3, 2006: hashword() of ten words. */
INLINE __u32 jenkins(const __u32 *word)
{
	__u32 a = 0xdeadbeef + 40, b = a, c = a;
	int i;

#pragma unroll
	for (i = 0; i < 9; i += 3) {
		a += word[i];
		b += word[i + 1];
		c += word[i + 2];
		a = (a - c) ^ rotate(c, 4), c += b;
		b = (b - a) ^ rotate(a, 6), a += c;
		c = (c - b) ^ rotate(b, 8), b += a;
		a = (a - c) ^ rotate(c, 16), c += b;
		b = (b - a) ^ rotate(a, 19), a += c;
		c = (c - b) ^ rotate(b, 4), b += a;
	}
	a += word[9];
	c = (c ^ b) - rotate(b, 14);
	a = (a ^ c) - rotate(c, 11);
	b = (b ^ a) - rotate(a, 25);
	c = (c ^ b) - rotate(b, 16);
	a = (a ^ c) - rotate(c, 4);
	b = (b ^ a) - rotate(a, 14);
	return (c ^ b) - rotate(b, 24);
}

INLINE bool parse_ports(void *l4, void *end, struct packet *pkt)
{
	struct tcphdr *tcp = l4;
	struct udphdr *udp = l4;

	if (pkt->flow.l4_proto == IPPROTO_TCP) {
		if ((void *)(tcp + 1) > end)
			return false;
		pkt->is_syn = tcp->syn;
	} else if (pkt->flow.l4_proto != IPPROTO_UDP || (void *)(udp + 1) > end) {
		return false;
	}
	pkt->flow.src_port = udp->source;
	pkt->flow.dst_port = udp->dest;
	return true;
}

INLINE bool parse(struct xdp_md *ctx, struct packet *pkt)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip4 = (struct iphdr *)(eth + 1);
	struct ipv6hdr *ip6 = (struct ipv6hdr *)(eth + 1);

	if ((void *)(ip4 + 1) > end)
		return false;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		if (ip4->ihl != 5 || ip4->frag_off & bpf_htons(0x3fff))
			return false;
		pkt->flow.src[0] = ip4->saddr;
		pkt->flow.dst[0] = ip4->daddr;
		pkt->flow.l4_proto = ip4->protocol;
		pkt->length = bpf_ntohs(ip4->tot_len);
		return parse_ports(ip4 + 1, end, pkt);
	}
	if (eth->h_proto != bpf_htons(ETH_P_IPV6) || (void *)(ip6 + 1) > end)
		return false;
	__builtin_memcpy(pkt->flow.src, &ip6->saddr, sizeof(pkt->flow.src));
	__builtin_memcpy(pkt->flow.dst, &ip6->daddr, sizeof(pkt->flow.dst));
	pkt->flow.l4_proto = ip6->nexthdr;
	pkt->length = bpf_ntohs(ip6->payload_len) + sizeof(*ip6);
	pkt->is_ipv6 = true;
	return parse_ports(ip6 + 1, end, pkt);
}

/* The number of the flow's backend, by its entry. False: it has none. */
INLINE bool followed(struct packet *pkt, void *flows, __u32 *ret_backend)
{
	struct usual_flow *flow = pkt->is_syn ? NULL : bpf_map_lookup_elem(flows, &pkt->flow);
	__u64 now;

	if (!flow)
		return false;
	if (pkt->flow.l4_proto == IPPROTO_UDP) {
		now = bpf_ktime_get_ns();
		if (now - flow->seen_ns > DATAGRAM_IDLE)
			return false;
		flow->seen_ns = now;
	}
	*ret_backend = flow->backend;
	return true;
}

/* By the VIP's ring; the flow gets an entry. False: the maps are not filled. */
INLINE bool scheduled(struct packet *pkt, void *flows, __u32 vip, __u32 *ret_backend)
{
	struct usual_flow flow = {0};
	__u32 *backend, slot;
	void *ring = bpf_map_lookup_elem(&usual_rings, &vip);

	if (!ring)
		return false;
	slot = jenkins((const __u32 *)&pkt->flow) % USUAL_RING;
	backend = bpf_map_lookup_elem(ring, &slot);
	if (!backend)
		return false;
	*ret_backend = flow.backend = *backend;
	if (pkt->flow.l4_proto == IPPROTO_UDP)
		flow.seen_ns = bpf_ktime_get_ns();
	bpf_map_update_elem(flows, &pkt->flow, &flow, BPF_ANY);
	return true;
}

INLINE __u16 folded(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* Makes room for `size` bytes of an outer header behind the link header, which is written. Returns
 * where; NULL: there is none. */
INLINE void *put_link(struct xdp_md *ctx, const struct usual_backend *backend, __be16 proto,
		      __u32 size)
{
	struct ethhdr *eth;

	if (bpf_xdp_adjust_head(ctx, -(int)size))
		return NULL;
	eth = (void *)(long)ctx->data;
	if ((void *)(eth + 1) + size > (void *)(long)ctx->data_end)
		return NULL;
	__builtin_memcpy(eth->h_dest, backend->mac, ETH_ALEN);
	__builtin_memset(eth->h_source, 2, ETH_ALEN);
	eth->h_proto = proto;
	return eth + 1;
}

INLINE int put_ipv4(struct xdp_md *ctx, const struct packet *pkt,
		    const struct usual_backend *backend)
{
	struct iphdr *ip = put_link(ctx, backend, bpf_htons(ETH_P_IP), sizeof(*ip));
	__u64 sum = 0;
	__u16 *word;
	int i;

	if (!ip)
		return XDP_DROP;
	ip->version = 4;
	ip->ihl = 5;
	ip->tos = 0;
	ip->tot_len = bpf_htons(pkt->length + sizeof(*ip));
	ip->id = 0;
	ip->frag_off = 0;
	ip->ttl = 64;
	ip->protocol = IPPROTO_IPIP;
	ip->check = 0;
	ip->saddr = bpf_htonl(0xac100000) | pkt->flow.src[0] << 16;
	ip->daddr = backend->addr[0];
	word = (__u16 *)ip;
#pragma unroll
	for (i = 0; i < 10; i++)
		sum += word[i];
	ip->check = ~folded(sum);
	return XDP_TX;
}

INLINE int put_ipv6(struct xdp_md *ctx, const struct packet *pkt,
		    const struct usual_backend *backend)
{
	struct ipv6hdr *ip = put_link(ctx, backend, bpf_htons(ETH_P_IPV6), sizeof(*ip));

	if (!ip)
		return XDP_DROP;
	*(__be32 *)ip = bpf_htonl(6U << 28);
	ip->payload_len = bpf_htons(pkt->length);
	ip->nexthdr = IPPROTO_IPV6;
	ip->hop_limit = 64;
	ip->saddr.in6_u.u6_addr32[0] = bpf_htonl(0x01000000);
	ip->saddr.in6_u.u6_addr32[1] = 0;
	ip->saddr.in6_u.u6_addr32[2] = 0;
	ip->saddr.in6_u.u6_addr32[3] = pkt->flow.src[3];
	__builtin_memcpy(&ip->daddr, backend->addr, sizeof(ip->daddr));
	return XDP_TX;
}

SEC("xdp")
int usual(struct xdp_md *ctx)
{
	struct packet pkt = {0};
	struct usual_vip_key key = {0};
	struct usual_backend *backend;
	struct usual_stats *stats;
	__u32 cpu, index = 0, *vip;
	void *flows;

	if (!parse(ctx, &pkt))
		return XDP_PASS;
	__builtin_memcpy(key.addr, pkt.flow.dst, sizeof(key.addr));
	key.port = pkt.flow.dst_port;
	key.l4_proto = pkt.flow.l4_proto;
	vip = bpf_map_lookup_elem(&usual_vips, &key);
	if (!vip)
		return XDP_PASS;
	cpu = bpf_get_smp_processor_id();
	flows = bpf_map_lookup_elem(&usual_flows_of_cpu, &cpu);
	if (!flows || (!followed(&pkt, flows, &index) && !scheduled(&pkt, flows, *vip, &index)))
		return XDP_DROP;
	backend = bpf_map_lookup_elem(&usual_backends, &index);
	stats = bpf_map_lookup_elem(&usual_stats, vip);
	if (!backend || !stats)
		return XDP_DROP;
	stats->packets++;
	stats->bytes += pkt.length;
	return backend->is_ipv6 ? put_ipv6(ctx, &pkt, backend) : put_ipv4(ctx, &pkt, backend);
}
