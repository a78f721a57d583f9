/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_NAT_REWRITE_H
#define SLUICE_NAT_REWRITE_H

/* Gives a packet other addresses and ports. */
#include "checksum.h"
#include "nat_table.h"
#include "packet.h"
#include "seqadj.h"

#define NAT_OFFSET_MASK 0xfff /* for the verifier: all headers begin within so many bytes */

/* An L4 header's checksum has to differ by diff. Returns by how much the field then differs. */
LB_INLINE __u64 nat_rewrite_check(void *l4, void *end, __u8 l4_proto, __u64 diff)
{
	struct tcphdr *tcp = l4;
	struct udphdr *udp = l4;
	__u16 former;

	if (l4_proto == IPPROTO_TCP && (void *)(tcp + 1) <= end) {
		former = tcp->check;
		tcp->check = csum_apply(former, diff);
		return csum_replace(0, former, tcp->check);
	}
	if (l4_proto == IPPROTO_UDP && (void *)(udp + 1) <= end && udp->check) {
		former = udp->check; /* zero: the sender computed none (RFC 768) */
		udp->check = csum_apply(former, diff) ?: 0xffff;
		return csum_replace(0, former, udp->check);
	}
	return 0;
}

/*
 * Rewrites an L4 header's ports and its checksum, which covers the addresses too; those differ by
 * `addresses`. Returns by how much the header then differs.
 */
LB_INLINE __u64 nat_rewrite_l4(void *l4, void *end, __u8 l4_proto, struct l4_ports to,
			       __u64 addresses)
{
	struct l4_ports *ports = l4;
	__u64 diff;

	if ((void *)(ports + 1) > end)
		return 0;
	diff = csum_replace(0, ports->src, to.src);
	diff = csum_replace(diff, ports->dst, to.dst);
	*ports = to;
	return diff + nat_rewrite_check(l4, end, l4_proto, addresses + diff);
}

LB_INLINE __u64 nat_rewrite_addresses_ipv4(struct iphdr *ip, __be32 src, __be32 dst)
{
	__u64 diff = csum_replace(csum_replace(0, ip->saddr, src), ip->daddr, dst);

	ip->check = csum_apply(ip->check, diff);
	ip->saddr = src;
	ip->daddr = dst;
	return diff;
}

LB_INLINE __u64 nat_rewrite_address_ipv6(struct in6_addr *addr, const struct lb_addr *to)
{
	__be32 *word = addr->in6_u.u6_addr32;
	__u64 diff = 0;
	int i;

	for (i = 0; i < 4; i++) {
		diff = csum_replace(diff, word[i], to->word[i]);
		word[i] = to->word[i];
	}
	return diff;
}

/*
 * What an ICMP error quotes (RFC 5508, 4.2) was sent against the direction of its flow, so source
 * and destination change places. ICMPv4's checksum covers the message; a quoted IPv4 header is
 * worth the same before and after, for its own checksum makes up for its addresses.
 */
LB_INLINE void nat_rewrite_quote_ipv4(struct icmp_header *icmp, void *end,
				      const struct nat_job *job)
{
	struct l4_ports ports = {.src = job->to.dst_port, .dst = job->to.src_port};
	struct iphdr *ip = (struct iphdr *)(icmp + 1);
	void *l4 = (void *)ip + (job->quote_offset & NAT_OFFSET_MASK);
	__u64 diff;

	if ((void *)(ip + 1) > end)
		return;
	diff = nat_rewrite_addresses_ipv4(ip, job->to.dst.word[3], job->to.src.word[3]);
	diff = nat_rewrite_l4(l4, end, job->l4_proto, ports, diff);
	icmp->check = csum_apply(icmp->check, diff);
}

/* ICMPv6's checksum covers the outer addresses too; they have changed by `outer`. */
LB_INLINE void nat_rewrite_quote_ipv6(struct icmp_header *icmp, void *end,
				      const struct nat_job *job, __u64 outer)
{
	struct l4_ports ports = {.src = job->to.dst_port, .dst = job->to.src_port};
	struct ipv6hdr *ip = (struct ipv6hdr *)(icmp + 1);
	void *l4 = (void *)ip + (job->quote_offset & NAT_OFFSET_MASK);
	__u64 addresses;

	if ((void *)(ip + 1) > end)
		return;
	addresses = nat_rewrite_address_ipv6(&ip->saddr, &job->to.dst);
	addresses += nat_rewrite_address_ipv6(&ip->daddr, &job->to.src);
	outer += addresses + nat_rewrite_l4(l4, end, job->l4_proto, ports, addresses);
	icmp->check = csum_apply(icmp->check, outer);
}

LB_INLINE __u64 nat_rewrite_addresses_ipv6(struct ipv6hdr *ip, const struct lb_tuple *to)
{
	return nat_rewrite_address_ipv6(&ip->saddr, &to->src) +
	       nat_rewrite_address_ipv6(&ip->daddr, &to->dst);
}

/* Gives the packet the addresses and ports of the scratch's job. Negative: cannot be. */
LB_INLINE int nat_rewrite_packet(struct xdp_md *ctx, bool is_ipv4)
{
	const __u32 ip_size = is_ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end, *ip, *l4;
	struct nat_scratch *scratch = nat_scratch_get();
	struct l4_ports ports;
	struct nat_job *job;
	__u64 diff;

	if (!scratch)
		return -1;
	job = &scratch->job;
	ip = data + (job->l3_offset & NAT_OFFSET_MASK);
	l4 = ip + (job->l4_offset & NAT_OFFSET_MASK);
	if (ip + ip_size > end)
		return -1;
	if (is_ipv4)
		diff = nat_rewrite_addresses_ipv4(ip, job->to.src.word[3], job->to.dst.word[3]);
	else
		diff = nat_rewrite_addresses_ipv6(ip, &job->to);
	if (job->kind == LB_FOLLOWING_FRAGMENT)
		return 0;
	if (l4 + sizeof(struct icmp_header) > end)
		return -1;
	ports = (struct l4_ports){job->to.src_port, job->to.dst_port};
	if (job->kind != LB_ICMP_ERROR)
		nat_rewrite_l4(l4, end, job->l4_proto, ports, diff);
	else if (is_ipv4)
		nat_rewrite_quote_ipv4(l4, end, job);
	else
		nat_rewrite_quote_ipv6(l4, end, job, diff);
	return 0;
}

/* Does the scratch's job on the packet. Negative: cannot be. */
__noinline int nat_rewrite_ipv4(struct xdp_md *ctx)
{
	return nat_rewrite_packet(ctx, true);
}

__noinline int nat_rewrite_ipv6(struct xdp_md *ctx)
{
	return nat_rewrite_packet(ctx, false);
}

/* False: the packet quotes so little of a TCP header that its checksum is not there. What lies
 * where it would be is Ethernet's padding. */
LB_INLINE bool quotes_check(const struct packet *pkt)
{
	__u32 l4 = pkt->l4_offset + sizeof(*pkt->icmp) + pkt->quote_offset;

	return !is_kind(pkt, LB_ICMP_ERROR) || pkt->l4_proto != IPPROTO_TCP ||
	       l4 + sizeof(struct tcphdr) <= pkt->l3_length;
}

/* Where in the packet there is what to translate. */
LB_INLINE void nat_job_init(struct nat_job *job, const struct packet *pkt, bool from_backend)
{
	job->l4_proto = quotes_check(pkt) ? pkt->l4_proto : 0;
	job->l3_offset = pkt->l3_offset;
	job->l4_offset = pkt->l4_offset;
	job->quote_offset = pkt->quote_offset;
	job->kind = is_kind(pkt, LB_ICMP_ERROR)           ? LB_ICMP_ERROR
		    : is_kind(pkt, LB_FOLLOWING_FRAGMENT) ? LB_FOLLOWING_FRAGMENT
							  : LB_WHOLE;
	job->from_backend = from_backend;
	job->life = 0;
}

/* All of where to but for the NAT port. */
LB_INLINE void nat_job_to_backend(struct nat_job *job, const struct lb_tuple *reply)
{
	job->to.src = reply->dst;
	job->to.dst = reply->src;
	job->to.dst_port = reply->src_port;
}

/* Does the scratch's job on the packet. False: cannot be. */
LB_INLINE bool nat_rewrite(struct xdp_md *ctx, const struct packet *pkt)
{
	return (pkt->is_ipv4 ? nat_rewrite_ipv4(ctx) : nat_rewrite_ipv6(ctx)) == 0 &&
	       (!lb_cookies || seqadj_apply(ctx) == 0);
}

#endif
