/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_PROBE_PACKET_H
#define SLUICE_PROBE_PACKET_H

/*
 * A probe's packet in the host's stack: what it says, and how to give it other addresses, of the
 * same family or of the other.
 *
 * The helpers know whether the L4 checksum is there yet (CHECKSUM_PARTIAL) or the NIC has told one
 * of the whole packet (CHECKSUM_COMPLETE), so they write everything: IP headers whole with
 * BPF_F_RECOMPUTE_CSUM, the L4 checksum by the difference that the addresses make to its
 * pseudo-header. That protocol and length make none between the families is why TCP and UDP can
 * change over, and ICMP cannot.
 */
#include "abi.h"
#include "address.h"
#include "checksum.h"
#include "cursor.h"
#include "outer.h"
#include "packet.h"

union ip_header {
	struct iphdr ip4;
	struct ipv6hdr ip6;
};

/* A packet that can be a probe or a reply to one: whole, TCP, UDP or an echo, without options. */
struct probe_packet {
	struct lb_tuple tuple; /* of an echo request the source port is the identifier, of a reply
				* the destination's; the other is 0 */
	union ip_header ip;
	bool is_ipv4;
	__u8 icmp_type; /* if it is ICMP */
};

LB_INLINE bool addr_is_ipv4(const struct lb_addr *addr)
{
	return is_mapped_ipv4((const struct in6_addr *)addr);
}

LB_INLINE __u32 ip_length(bool is_ipv4)
{
	return is_ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

LB_INLINE __u32 l4_offset(bool is_ipv4)
{
	return ETH_HLEN + ip_length(is_ipv4);
}

LB_INLINE bool probe_read_ipv4(struct __sk_buff *skb, struct probe_packet *pkt)
{
	struct iphdr *ip = &pkt->ip.ip4;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, ip, sizeof(*ip)) || ip->ihl != sizeof(*ip) / 4 ||
	    ip->frag_off & bpf_htons(IPV4_MORE_FRAGMENTS | IPV4_OFFSET_MASK))
		return false;
	pkt->is_ipv4 = true;
	pkt->tuple.l4_proto = ip->protocol;
	addr_from_ipv4(&pkt->tuple.src, ip->saddr);
	addr_from_ipv4(&pkt->tuple.dst, ip->daddr);
	return true;
}

LB_INLINE bool probe_read_ipv6(struct __sk_buff *skb, struct probe_packet *pkt)
{
	struct ipv6hdr *ip = &pkt->ip.ip6;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, ip, sizeof(*ip)))
		return false;
	pkt->is_ipv4 = false;
	pkt->tuple.l4_proto = ip->nexthdr;
	addr_from_ipv6(&pkt->tuple.src, &ip->saddr);
	addr_from_ipv6(&pkt->tuple.dst, &ip->daddr);
	return true;
}

LB_INLINE bool probe_read_ports(struct __sk_buff *skb, struct probe_packet *pkt)
{
	struct l4_ports ports;

	if (bpf_skb_load_bytes(skb, l4_offset(pkt->is_ipv4), &ports, sizeof(ports)))
		return false;
	pkt->tuple.src_port = ports.src;
	pkt->tuple.dst_port = ports.dst;
	return true;
}

LB_INLINE bool probe_read_echo(struct __sk_buff *skb, struct probe_packet *pkt)
{
	struct icmp_header echo;
	__be16 id;

	if (bpf_skb_load_bytes(skb, l4_offset(pkt->is_ipv4), &echo, sizeof(echo)))
		return false;
	pkt->icmp_type = echo.type;
	id = *(__be16 *)&echo.info;
	if (echo.type == (pkt->is_ipv4 ? ICMP_ECHO_REQUEST : ICMP6_ECHO_REQUEST))
		pkt->tuple.src_port = id;
	else if (echo.type == (pkt->is_ipv4 ? ICMP_ECHO_REPLY : ICMP6_ECHO_REPLY))
		pkt->tuple.dst_port = id;
	else
		return false;
	return true;
}

/* False: it is neither a probe nor a reply to one. */
LB_INLINE bool probe_read(struct __sk_buff *skb, struct probe_packet *pkt)
{
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		if (!probe_read_ipv4(skb, pkt))
			return false;
	} else if (skb->protocol != bpf_htons(ETH_P_IPV6) || !probe_read_ipv6(skb, pkt)) {
		return false;
	}
	if (pkt->tuple.l4_proto == IPPROTO_TCP || pkt->tuple.l4_proto == IPPROTO_UDP)
		return probe_read_ports(skb, pkt);
	if (pkt->tuple.l4_proto == (pkt->is_ipv4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return probe_read_echo(skb, pkt);
	return false;
}

/* --- other addresses --- */

/* In pkt alone; to be written with the addresses. */
LB_INLINE void probe_set_ttl(struct probe_packet *pkt, __u8 ttl)
{
	if (pkt->is_ipv4)
		pkt->ip.ip4.ttl = ttl;
	else
		pkt->ip.ip6.hop_limit = ttl;
}

LB_INLINE __u16 addresses_sum(const struct lb_addr *src, const struct lb_addr *dst, bool is_ipv4)
{
	const __be32 *a = src->word, *b = dst->word;
	__u64 sum = (__u64)a[3] + b[3];

	if (!is_ipv4)
		sum += (__u64)a[0] + a[1] + a[2] + b[0] + b[1] + b[2];
	return csum_fold(sum);
}

/* Brings the L4 checksum up to date with the addresses; before the packet changes its length. */
LB_INLINE int probe_fix_check(struct __sk_buff *skb, const struct probe_packet *pkt,
			      const struct lb_addr *src, const struct lb_addr *dst, bool to_ipv4)
{
	__u32 offset = l4_offset(pkt->is_ipv4);
	__u64 flags = BPF_F_PSEUDO_HDR;
	__u32 diff = (__u16)~addresses_sum(&pkt->tuple.src, &pkt->tuple.dst, pkt->is_ipv4) +
		     addresses_sum(src, dst, to_ipv4);

	switch (pkt->tuple.l4_proto) {
	case IPPROTO_TCP:
		offset += offsetof(struct tcphdr, check);
		break;
	case IPPROTO_UDP:
		offset += offsetof(struct udphdr, check);
		flags |= BPF_F_MARK_MANGLED_0;
		break;
	case IPPROTO_ICMPV6:
		offset += offsetof(struct icmp_header, check);
		break;
	default:
		return 0; /* ICMP has no pseudo-header */
	}
	return bpf_l4_csum_replace(skb, offset, 0, diff, flags);
}

LB_INLINE void ip_change_family(union ip_header *ip, bool to_ipv4)
{
	union ip_header from = *ip;

	__builtin_memset(ip, 0, sizeof(*ip));
	if (to_ipv4) {
		ip->ip4.version = 4;
		ip->ip4.ihl = sizeof(ip->ip4) / 4;
		ip->ip4.tos = bpf_ntohs(*(__be16 *)&from.ip6) >> 4;
		ip->ip4.tot_len = bpf_htons(bpf_ntohs(from.ip6.payload_len) + sizeof(ip->ip4));
		ip->ip4.frag_off = bpf_htons(IPV4_DF);
		ip->ip4.ttl = from.ip6.hop_limit;
		ip->ip4.protocol = from.ip6.nexthdr;
	} else {
		*(__be32 *)&ip->ip6 = bpf_htonl(6U << 28 | (__u32)from.ip4.tos << 20);
		ip->ip6.payload_len = bpf_htons(bpf_ntohs(from.ip4.tot_len) - sizeof(from.ip4));
		ip->ip6.hop_limit = from.ip4.ttl;
		ip->ip6.nexthdr = from.ip4.protocol;
	}
}

/* Writes the header as it is in pkt, with the packet's addresses. */
LB_INLINE int probe_write_ip(struct __sk_buff *skb, struct probe_packet *pkt)
{
	struct ipv6hdr *ip6 = &pkt->ip.ip6;
	struct iphdr *ip4 = &pkt->ip.ip4;

	if (!pkt->is_ipv4) {
		__builtin_memcpy(&ip6->saddr, &pkt->tuple.src, sizeof(ip6->saddr));
		__builtin_memcpy(&ip6->daddr, &pkt->tuple.dst, sizeof(ip6->daddr));
		return bpf_skb_store_bytes(skb, ETH_HLEN, ip6, sizeof(*ip6), BPF_F_RECOMPUTE_CSUM);
	}
	ip4->saddr = pkt->tuple.src.word[3];
	ip4->daddr = pkt->tuple.dst.word[3];
	ip4->check = 0;
	ip4->check = ipv4_header_check(ip4);
	return bpf_skb_store_bytes(skb, ETH_HLEN, ip4, sizeof(*ip4), BPF_F_RECOMPUTE_CSUM);
}

LB_INLINE int write_eth_proto(struct __sk_buff *skb, bool is_ipv4)
{
	__be16 proto = is_ipv4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);

	return bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_proto), &proto, sizeof(proto), 0);
}

/*
 * Gives the packet these addresses and what is in pkt's IP header. Negative: it could not be done,
 * and the packet is of no more use.
 */
LB_INLINE int probe_readdress(struct __sk_buff *skb, struct probe_packet *pkt,
			      const struct lb_addr *src, const struct lb_addr *dst)
{
	bool to_ipv4 = addr_is_ipv4(dst);

	if (probe_fix_check(skb, pkt, src, dst, to_ipv4))
		return -1;
	if (to_ipv4 != pkt->is_ipv4) {
		if (pkt->tuple.l4_proto == IPPROTO_ICMP || pkt->tuple.l4_proto == IPPROTO_ICMPV6 ||
		    bpf_skb_change_proto(skb, bpf_htons(to_ipv4 ? ETH_P_IP : ETH_P_IPV6), 0) ||
		    write_eth_proto(skb, to_ipv4))
			return -1;
		ip_change_family(&pkt->ip, to_ipv4);
		pkt->is_ipv4 = to_ipv4;
	}
	pkt->tuple.src = *src;
	pkt->tuple.dst = *dst;
	return probe_write_ip(skb, pkt);
}

#endif
