/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_PROBE_ERROR_H
#define SLUICE_PROBE_ERROR_H

/*
 * ICMP errors about probes (RFC 792, RFC 4443): they quote the packet to the VIP, of which the
 * probe's socket knows nothing. So the quote gets the backend's own address back, and the error
 * that, too, if it is the VIP that sends it. Not where the families differ: such a probe has to
 * run into its timeout.
 */
#include "probe_packet.h"

LB_INLINE bool is_icmp_error(__u8 type, bool is_ipv4)
{
	if (is_ipv4)
		return type == ICMP_UNREACHABLE || type == ICMP_TIME_EXCEEDED ||
		       type == ICMP_PARAMETER_PROBLEM;
	return type >= ICMP6_UNREACHABLE && type <= ICMP6_PARAMETER_PROBLEM;
}

LB_INLINE __u32 quote_offset(bool is_ipv4)
{
	return l4_offset(is_ipv4) + sizeof(struct icmp_header);
}

/*
 * Reads the quote, and what the reply to the quoted packet would have been. False: it quotes
 * nothing that a probe could have sent.
 */
LB_INLINE bool quote_read(struct __sk_buff *skb, const struct probe_packet *error,
			  struct probe_packet *quote)
{
	__u32 offset = quote_offset(error->is_ipv4);
	struct lb_tuple *reply = &quote->tuple;
	struct l4_ports ports;

	quote->is_ipv4 = error->is_ipv4;
	if (bpf_skb_load_bytes(skb, offset, &quote->ip, ip_length(error->is_ipv4)) ||
	    bpf_skb_load_bytes(skb, offset + ip_length(error->is_ipv4), &ports, sizeof(ports)))
		return false;
	if (error->is_ipv4) {
		if (quote->ip.ip4.ihl != sizeof(struct iphdr) / 4)
			return false;
		reply->l4_proto = quote->ip.ip4.protocol;
		addr_from_ipv4(&reply->src, quote->ip.ip4.daddr);
		addr_from_ipv4(&reply->dst, quote->ip.ip4.saddr);
	} else {
		reply->l4_proto = quote->ip.ip6.nexthdr;
		addr_from_ipv6(&reply->src, &quote->ip.ip6.daddr);
		addr_from_ipv6(&reply->dst, &quote->ip.ip6.saddr);
	}
	reply->src_port = ports.dst;
	reply->dst_port = ports.src;
	return reply->l4_proto == IPPROTO_TCP || reply->l4_proto == IPPROTO_UDP;
}

/* What the quote's other destination changes in an ICMPv6 checksum. In IPv4 the quoted header's
 * own checksum makes up for it. */
LB_INLINE long quote_fix_check(struct __sk_buff *skb, const struct lb_addr *from,
			       const struct lb_addr *to)
{
	static const struct lb_addr none;
	__u32 diff = (__u16)~addresses_sum(from, &none, false) + addresses_sum(to, &none, false);

	return bpf_l4_csum_replace(skb, l4_offset(false) + offsetof(struct icmp_header, check), 0,
				   diff, 0);
}

LB_INLINE long quote_write(struct __sk_buff *skb, struct probe_packet *quote,
			   const struct lb_addr *dst)
{
	struct iphdr *ip4 = &quote->ip.ip4;

	if (!quote->is_ipv4) {
		__builtin_memcpy(&quote->ip.ip6.daddr, dst, sizeof(quote->ip.ip6.daddr));
		return quote_fix_check(skb, &quote->tuple.src, dst) ||
		       bpf_skb_store_bytes(skb, quote_offset(false), &quote->ip,
					   sizeof(struct ipv6hdr), 0);
	}
	ip4->check = csum_apply(ip4->check, csum_replace(0, ip4->daddr, dst->word[3]));
	ip4->daddr = dst->word[3];
	return bpf_skb_store_bytes(skb, quote_offset(true), ip4, sizeof(*ip4), 0);
}

#endif
