/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_PARSE_STAGE_H
#define SLUICE_PARSE_STAGE_H

#include "address.h"
#include "cursor.h"
#include "packet.h"

#define MAX_IPV6_EXTENSIONS        8 /* RFC 8200, 4.1 has seven, in an order that nobody is held to */
#define MAX_IPV6_EXTENSIONS_LENGTH 1024
#define IPV6_MORE_FRAGMENTS        0x0001
#define IPV6_OFFSET_MASK           0xfff8
#define VLAN_ID_BITS               12

struct ipv6_fragment {
	__u8 nexthdr;
	__u8 reserved;
	__be16 offset; /* and the more-fragments bit */
	__be32 id;
};

/* RFC 9260, 3: the common header and the first chunk's beginning. */
struct sctp_start {
	struct l4_ports ports;
	__be32 tag;
	__u32 check;
	__u8 chunk_type;
	__u8 chunk_flags;
	__be16 chunk_length;
};

enum sctp_chunk {
	SCTP_INIT = 1,
	SCTP_ABORT = 6,
	SCTP_SHUTDOWN_ACK = 8,
	SCTP_SHUTDOWN_COMPLETE = 14,
};

LB_INLINE __u32 vlan_count(__u32 vlan)
{
	return vlan >> LB_VLAN_COUNT_SHIFT & 3;
}

LB_INLINE __u32 link_length(__u32 vlan)
{
	return sizeof(struct ethhdr) + vlan_count(vlan) * sizeof(struct vlan_tag);
}

/* Ethernet and up to two VLAN tags. Returns the ethertype behind them, 0 if there is none. */
LB_INLINE __be16 parse_link(struct cursor *cursor, struct packet *pkt)
{
	struct vlan_tag *tag;
	__be16 eth_proto;
	__u32 i, tci;

	pkt->eth = cursor_take(cursor, sizeof(*pkt->eth));
	if (!pkt->eth)
		return 0;
	eth_proto = load_u16(&pkt->eth->h_proto);
	if (eth_proto == bpf_htons(ETH_P_8021AD))
		pkt->vlan = LB_VLAN_SERVICE_TAG;
	for (i = 0; i < MAX_VLAN_TAGS; i++) {
		if (eth_proto != bpf_htons(ETH_P_8021Q) && eth_proto != bpf_htons(ETH_P_8021AD))
			break;
		tag = cursor_take(cursor, sizeof(*tag));
		if (!tag)
			return 0;
		eth_proto = tag->eth_proto;
		tci = bpf_ntohs(tag->tci);
		if (i == 0)
			pkt->vlan |= tci >> VLAN_ID_BITS << VLAN_PRIORITY_SHIFT;
		pkt->vlan = (pkt->vlan & ~(LB_VLAN_TAGS_MASK & ~LB_VLAN_SERVICE_TAG)) |
			    (i + 1) << LB_VLAN_COUNT_SHIFT |
			    (pkt->vlan & LB_VLAN_ID_MASK) << LB_VLAN_OUTER_SHIFT |
			    (tci & LB_VLAN_ID_MASK);
	}
	return eth_proto;
}

/* What parse() has found so far of an IP header, in the frame or in an ICMP error's quote. */
struct network {
	__u8 l4_proto;
	__u32 length;    /* as the header claims */
	__u32 l4_offset; /* from the IP header */
	enum packet_kind kind;
	__u8 fragment_proto; /* IPv4; later fragments of IPv6 may name any (RFC 8200, 4.5) */
	__u32 fragment_id;
};

/* Is this fragment the first, a following one, or, alone, the whole packet? */
LB_INLINE enum packet_kind fragment_kind(bool more, bool offset)
{
	if (offset)
		return LB_FOLLOWING_FRAGMENT;
	return more ? LB_FIRST_FRAGMENT : LB_WHOLE;
}

/* NULL: not IPv4, or cut short. */
LB_INLINE struct iphdr *parse_ipv4(struct cursor *cursor, struct network *net)
{
	struct iphdr *ip = cursor_take(cursor, sizeof(*ip));
	__u32 options;

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return NULL;
	options = ip->ihl * 4 - sizeof(*ip);
	asm volatile("" : "+r"(options));
	options &= 0x3c; /* 0 to 40; Linux 6.1 does not see the bounds by itself */
	if (!cursor_take(cursor, options))
		return NULL;
	net->l4_proto = ip->protocol;
	net->length = bpf_ntohs(ip->tot_len);
	net->l4_offset = sizeof(*ip) + options;
	net->kind = fragment_kind(ip->frag_off & bpf_htons(IPV4_MORE_FRAGMENTS),
				  ip->frag_off & bpf_htons(IPV4_OFFSET_MASK));
	net->fragment_proto = ip->protocol;
	net->fragment_id = bpf_ntohs(ip->id);
	return ip;
}

/* The header of a packet of class LB_CLASS_TCP or LB_CLASS_UDP. */
LB_INLINE struct iphdr *parse_plain_ipv4(struct cursor *cursor, struct network *net)
{
	struct iphdr *ip = cursor_take(cursor, sizeof(*ip));

	if (!ip)
		return NULL;
	net->length = bpf_ntohs(ip->tot_len);
	net->l4_offset = sizeof(*ip);
	net->kind = LB_WHOLE;
	return ip;
}

LB_INLINE bool is_ipv6_extension(__u8 nexthdr)
{
	return nexthdr == IPPROTO_HOPOPTS || nexthdr == IPPROTO_ROUTING ||
	       nexthdr == IPPROTO_DSTOPTS || nexthdr == IPPROTO_FRAGMENT;
}

LB_INLINE void parse_ipv6_fragment(const struct ipv6_fragment *fragment, struct network *net)
{
	net->kind = fragment_kind(fragment->offset & bpf_htons(IPV6_MORE_FRAGMENTS),
				  fragment->offset & bpf_htons(IPV6_OFFSET_MASK));
	net->fragment_id = bpf_ntohl(fragment->id);
}

/* A routing header on whose way there are stations left: the packet is on its way to somewhere
 * else, and its checksum is that of its last destination (RFC 8200, 4.4 and 8.1). */
LB_INLINE bool has_segments_left(const struct ipv6_fragment *routing)
{
	return bpf_ntohs(routing->offset) & 0xff;
}

/*
 * Steps over the extension headers from `offset` in the frame on. Negative: a chain too long, cut
 * short, or not of a packet to us. A function of its own: the verifier would take apart all that
 * follows for each length of the chain.
 */
__noinline int ipv6_extensions(struct xdp_md *ctx, __u32 offset, struct network *net)
{
	struct ipv6_fragment *extension; /* they all begin with nexthdr, and have 8 bytes */
	__u32 length, end = offset + MAX_IPV6_EXTENSIONS_LENGTH;
	int i;

	if (!net)
		return -1;
#pragma unroll /* Linux 6.1 refuses the loop as clang lays it out */
	for (i = 0; i < MAX_IPV6_EXTENSIONS; i++) {
		if (!is_ipv6_extension(net->l4_proto) || net->kind == LB_FOLLOWING_FRAGMENT)
			return 0;
		extension = (void *)(long)ctx->data + (offset & 0xfff);
		if (offset > end || (void *)(extension + 1) > (void *)(long)ctx->data_end)
			return -1;
		if (net->l4_proto == IPPROTO_ROUTING && has_segments_left(extension))
			return -1;
		length = sizeof(*extension);
		if (net->l4_proto == IPPROTO_FRAGMENT)
			parse_ipv6_fragment(extension, net);
		else
			length += extension->reserved * 8; /* where the others have it */
		net->l4_proto = extension->nexthdr;
		net->l4_offset += length;
		offset += length;
	}
	return is_ipv6_extension(net->l4_proto) ? -1 : 0;
}

/* NULL: not IPv6, or cut short. Extension headers are stepped over only if asked for; the header
 * is at `offset` in the frame. */
LB_INLINE struct ipv6hdr *parse_ipv6(struct xdp_md *ctx, struct cursor *cursor, __u32 offset,
				     struct network *net, bool extensions)
{
	struct ipv6hdr *ip = cursor_take(cursor, sizeof(*ip));

	if (!ip || (extensions && ip->version != 6)) /* or see classify_ipv6() */
		return NULL;
	if (is_mapped_ipv4(&ip->daddr) || is_mapped_ipv4(&ip->saddr))
		return NULL;
	net->l4_proto = ip->nexthdr;
	net->length = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	net->l4_offset = sizeof(*ip);
	net->kind = LB_WHOLE;
	if (!extensions)
		return ip;
	if (ipv6_extensions(ctx, offset + sizeof(*ip), net))
		return NULL;
	cursor->at = (void *)ip + (net->l4_offset & 0xfff);
	return ip;
}

LB_INLINE struct l4_ports *parse_tcp(struct cursor *cursor, struct packet *pkt)
{
	struct tcphdr *tcp = cursor_take(cursor, sizeof(*tcp));

	if (!tcp)
		return NULL;
	pkt->l4_length = tcp->doff * 4;
	pkt->tcp_flags = ((__u8 *)tcp)[13];
	return (struct l4_ports *)tcp;
}

LB_INLINE struct l4_ports *parse_udp(struct cursor *cursor, struct packet *pkt)
{
	struct udphdr *udp = cursor_take(cursor, sizeof(*udp));

	if (!udp)
		return NULL;
	pkt->l4_length = bpf_ntohs(udp->len);
	return (struct l4_ports *)udp;
}

/* An association's beginning and end in the words of a TCP connection's. */
LB_INLINE __u8 sctp_as_tcp_flags(__u8 chunk_type)
{
	switch (chunk_type) {
	case SCTP_INIT:
		return TCP_SYN;
	case SCTP_ABORT:
		return TCP_RST;
	case SCTP_SHUTDOWN_ACK:
	case SCTP_SHUTDOWN_COMPLETE:
		return TCP_FIN | TCP_ACK;
	default:
		return TCP_ACK;
	}
}

LB_INLINE struct l4_ports *parse_sctp(struct cursor *cursor, struct packet *pkt)
{
	struct sctp_start *sctp = cursor_take(cursor, sizeof(*sctp));

	if (!sctp)
		return NULL;
	pkt->l4_length = sizeof(*sctp);
	pkt->tcp_flags = sctp_as_tcp_flags(sctp->chunk_type);
	return &sctp->ports;
}

/* A packet with ports. */
LB_INLINE bool parse_l4(struct cursor *cursor, struct packet *pkt, __u8 l4_proto)
{
	struct l4_ports *ports = NULL;

	if (l4_proto == IPPROTO_UDP)
		ports = parse_udp(cursor, pkt);
	else if (l4_proto == IPPROTO_TCP)
		ports = parse_tcp(cursor, pkt);
	else if (l4_proto == IPPROTO_SCTP)
		ports = parse_sctp(cursor, pkt);
	if (!ports)
		return false;
	pkt->l4_proto = l4_proto;
	pkt->tuple->src_port = ports->src;
	pkt->tuple->dst_port = ports->dst;
	return true;
}

/* A fragment, or a packet with extension headers or of a rare protocol. */
LB_INLINE bool parse_rare(struct cursor *cursor, struct packet *pkt)
{
	if (pkt->kind != LB_FOLLOWING_FRAGMENT && !parse_l4(cursor, pkt, pkt->l4_proto))
		return false;
	pkt->kind = forget(pkt->kind);
	pkt->l4_proto = forget(pkt->l4_proto);
	pkt->tcp_flags = forget(pkt->tcp_flags);
	return true;
}

LB_INLINE bool has_ports(__u8 l4_proto)
{
	return l4_proto == IPPROTO_TCP || l4_proto == IPPROTO_UDP || l4_proto == IPPROTO_SCTP;
}

LB_INLINE __u8 class_proto(enum packet_class class)
{
	return class == LB_CLASS_TCP ? IPPROTO_TCP : IPPROTO_UDP;
}

/* Finds the IP header of the family that pkt->is_ipv4 says. */
LB_INLINE bool parse_l3(struct xdp_md *ctx, struct cursor *cursor, struct packet *pkt)
{
	struct network net = {};

	if (pkt->is_ipv4) {
		pkt->ip4 =
			is_plain(pkt) ? parse_plain_ipv4(cursor, &net) : parse_ipv4(cursor, &net);
		if (!pkt->ip4)
			return false;
		addr_from_ipv4(&pkt->tuple->src, pkt->ip4->saddr);
		addr_from_ipv4(&pkt->tuple->dst, pkt->ip4->daddr);
	} else {
		pkt->ip6 = parse_ipv6(ctx, cursor, pkt->l3_offset, &net, !is_plain(pkt));
		if (!pkt->ip6)
			return false;
		addr_from_ipv6(&pkt->tuple->src, &pkt->ip6->saddr);
		addr_from_ipv6(&pkt->tuple->dst, &pkt->ip6->daddr);
	}
	pkt->l4_proto = is_plain(pkt) ? class_proto(pkt->class) : net.l4_proto;
	pkt->l3_length = net.length;
	pkt->l4_offset = net.l4_offset;
	pkt->kind = net.kind;
	pkt->fragment_proto = net.fragment_proto;
	pkt->fragment_id = net.fragment_id;
	return true;
}

LB_INLINE bool is_icmp_error(const struct packet *pkt)
{
	__u8 type = pkt->icmp->type;

	if (pkt->is_ipv4)
		return type == ICMP_UNREACHABLE || type == ICMP_TIME_EXCEEDED ||
		       type == ICMP_PARAMETER_PROBLEM;
	return type >= ICMP6_UNREACHABLE && type <= ICMP6_PARAMETER_PROBLEM;
}

LB_INLINE bool is_echo_request(const struct packet *pkt)
{
	return pkt->icmp->code == 0 &&
	       pkt->icmp->type == (pkt->is_ipv4 ? ICMP_ECHO_REQUEST : ICMP6_ECHO_REQUEST);
}

/*
 * The packet that an ICMP error quotes was sent by whom the error is addressed to. The flow's own
 * packets travel the other way: src and dst change places.
 */
LB_INLINE bool parse_quote(struct xdp_md *ctx, struct cursor *cursor, struct packet *pkt)
{
	__u32 offset = pkt->l3_offset + pkt->l4_offset + sizeof(*pkt->icmp);
	struct lb_addr receiver = pkt->tuple->dst;
	struct network net = {};
	struct l4_ports *ports;
	struct ipv6hdr *ip6;
	struct iphdr *ip4;

	if (pkt->is_ipv4) {
		ip4 = parse_ipv4(cursor, &net);
		if (!ip4)
			return false;
		addr_from_ipv4(&pkt->tuple->dst, ip4->saddr);
		addr_from_ipv4(&pkt->tuple->src, ip4->daddr);
	} else {
		ip6 = parse_ipv6(ctx, cursor, offset, &net, true);
		if (!ip6)
			return false;
		addr_from_ipv6(&pkt->tuple->dst, &ip6->saddr);
		addr_from_ipv6(&pkt->tuple->src, &ip6->daddr);
	}
	ports = cursor_take(cursor, sizeof(struct udphdr)); /* 8 bytes: all that RFC 792 promises */
	if (!ports || net.kind == LB_FOLLOWING_FRAGMENT || !has_ports(net.l4_proto))
		return false;
	pkt->l4_proto = net.l4_proto;
	pkt->tuple->src_port = ports->dst;
	pkt->tuple->dst_port = ports->src;
	pkt->quote_offset = net.l4_offset;
	return addr_equal(&receiver, &pkt->tuple->dst);
}

LB_INLINE bool parse_icmp(struct xdp_md *ctx, struct cursor *cursor, struct packet *pkt)
{
	if (pkt->kind != LB_WHOLE)
		return false;
	pkt->icmp = cursor_take(cursor, sizeof(*pkt->icmp));
	if (!pkt->icmp)
		return false;
	pkt->l4_length = sizeof(*pkt->icmp);
	if (is_echo_request(pkt)) {
		pkt->kind = LB_ECHO;
		return true;
	}
	pkt->kind = LB_ICMP_ERROR;
	return is_icmp_error(pkt) && parse_quote(ctx, cursor, pkt);
}

LB_INLINE bool is_icmp(const struct packet *pkt)
{
	return pkt->l4_proto == (pkt->is_ipv4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

LB_INLINE __u64 frame_length(struct xdp_md *ctx)
{
	__u64 length = (void *)(long)ctx->data_end - (void *)(long)ctx->data;

	/* Or clang takes the lower halves of the pointers and spills them, which no verifier up to
	 * Linux 6.18 lets through. */
	asm volatile("" : "+r"(length));
	return lb_frags ? bpf_xdp_get_buff_len(ctx) : length;
}

/* Finds the headers of a packet of this family and class, behind a link header with these tags.
 * False: no service could be meant by it; it is the host's. */
LB_INLINE bool parse(struct xdp_md *ctx, struct packet *pkt, __u32 vlan, bool is_ipv4,
		     enum packet_class class)
{
	struct cursor cursor = cursor_at_frame(ctx);
	bool known;

	pkt->class = class;
	if (!is_plain(pkt)) /* of which every field is found */
		*pkt->tuple = (struct lb_tuple){};
	pkt->is_ipv4 = is_ipv4;
	pkt->length = frame_length(ctx);
	pkt->eth = cursor_take(&cursor, sizeof(*pkt->eth));
	if (!pkt->eth)
		return false;
	pkt->vlan = vlan;
	pkt->l3_offset = link_length(vlan);
	cursor.at = (void *)pkt->eth + pkt->l3_offset;
	if (!parse_l3(ctx, &cursor, pkt))
		return false;
	if (is_plain(pkt))
		known = parse_l4(&cursor, pkt, class_proto(class));
	else if (class == LB_CLASS_ICMP)
		known = is_icmp(pkt) && parse_icmp(ctx, &cursor, pkt);
	else
		known = parse_rare(&cursor, pkt);
	__builtin_memset(pkt->tuple->pad, 0, sizeof(pkt->tuple->pad));
	pkt->tuple->l4_proto = pkt->l4_proto;
	return known;
}

LB_INLINE enum packet_class class_of(__u8 l4_proto, __u8 icmp)
{
	if (l4_proto == IPPROTO_TCP)
		return LB_CLASS_TCP;
	if (l4_proto == IPPROTO_UDP)
		return LB_CLASS_UDP;
	return l4_proto == icmp ? LB_CLASS_ICMP : LB_CLASS_RARE;
}

/* The class that the IP header at the cursor speaks for. */
LB_INLINE enum packet_class classify_ipv4(const struct cursor *cursor)
{
	const struct iphdr *ip = cursor->at;

	if ((const void *)(ip + 1) > cursor->end)
		return LB_CLASS_RARE;
	if (*(const __u8 *)ip == IPV4_PLAIN &&
	    !(ip->frag_off & bpf_htons(IPV4_MORE_FRAGMENTS | IPV4_OFFSET_MASK)))
		return class_of(ip->protocol, IPPROTO_ICMP);
	return ip->protocol == IPPROTO_ICMP ? LB_CLASS_ICMP : LB_CLASS_RARE;
}

/* The class of an IPv6 packet whose extension headers begin at `offset`. A function of its own, for
 * the sake of its caller's stack, which every packet's way takes its share of. */
__noinline int classify_extended(struct xdp_md *ctx, __u32 offset, __u8 nexthdr)
{
	struct network net = {.l4_proto = nexthdr};

	ipv6_extensions(ctx, offset, &net);
	return net.l4_proto == IPPROTO_ICMPV6 ? LB_CLASS_ICMP : LB_CLASS_RARE;
}

LB_INLINE enum packet_class classify_ipv6(struct xdp_md *ctx, const struct cursor *cursor,
					  __u32 offset)
{
	const struct ipv6hdr *ip = cursor->at;

	if ((const void *)(ip + 1) > cursor->end || ip->version != 6)
		return LB_CLASS_RARE;
	if (!is_ipv6_extension(ip->nexthdr))
		return class_of(ip->nexthdr, IPPROTO_ICMPV6);
	return classify_extended(ctx, offset + sizeof(*ip), ip->nexthdr);
}

#endif
