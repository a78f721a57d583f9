/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_PACKET_H
#define SLUICE_PACKET_H

#include "abi.h"
#include "compiler.h"
#include "maps.h"

/*
 * The value, of which the verifier knows no more. It takes apart what follows once for each value
 * that it knows; where many ways meet, that is too often.
 */
LB_INLINE __u32 forget(__u32 value)
{
	return value & READ_ONCE(lb_switches.all_ones);
}

/* The outer VLAN tag's PCP and DEI bits in struct packet's and struct link's vlan. */
#define VLAN_PRIORITY_SHIFT 28

/* Where TCP, UDP and SCTP agree. */
struct l4_ports {
	__be16 src;
	__be16 dst;
};

enum tcp_flags {
	TCP_FIN = 1 << 0,
	TCP_SYN = 1 << 1,
	TCP_RST = 1 << 2,
	TCP_ACK = 1 << 4,
};

/* ICMP and ICMPv6 alike (RFC 792, RFC 4443); linux/icmp.h needs a C library. */
struct icmp_header {
	__u8 type;
	__u8 code;
	__u16 check;
	__be32 info; /* by type */
};

enum icmp_type {
	ICMP_ECHO_REPLY = 0,
	ICMP_UNREACHABLE = 3,
	ICMP_ECHO_REQUEST = 8,
	ICMP_TIME_EXCEEDED = 11,
	ICMP_PARAMETER_PROBLEM = 12,
};
#define ICMP_FRAGMENTATION_NEEDED 4 /* code of ICMP_UNREACHABLE */

enum icmp6_type {
	ICMP6_UNREACHABLE = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_TIME_EXCEEDED = 3,
	ICMP6_PARAMETER_PROBLEM = 4,
	ICMP6_ECHO_REQUEST = 128,
	ICMP6_ECHO_REPLY = 129,
};

/* What a packet is at first sight; each class has a program of its own. */
enum packet_class {
	LB_CLASS_TCP, /* whole, without IPv4 options or IPv6 extension headers */
	LB_CLASS_UDP, /* likewise */
	LB_CLASS_ICMP,
	LB_CLASS_RARE, /* fragments, SCTP, options, extension headers */
};

/*
 * What a packet is to us. For all but LB_ECHO the addresses and ports in struct packet are those
 * of the client's packet that belongs to the flow; an ICMP error's are taken from its quote and
 * turned round.
 */
enum packet_kind {
	LB_WHOLE,              /* with its ports */
	LB_FIRST_FRAGMENT,     /* with its ports, but not all of it */
	LB_FOLLOWING_FRAGMENT, /* the ports are known from the first */
	LB_ICMP_ERROR,
	LB_ECHO, /* an echo request */
};

/* One packet as parse() found it. Header pointers are valid up to the end of their header. */
struct packet {
	struct ethhdr *eth;
	struct iphdr *ip4;        /* if is_ipv4 */
	struct ipv6hdr *ip6;      /* else; never tell by NULL: the verifier cannot follow that */
	struct icmp_header *icmp; /* LB_ICMP_ERROR, LB_ECHO */
	struct lb_tuple *tuple;   /* on the stack, where it can be a map's key as it is */
	enum packet_class class;  /* constant, as is_ipv4 */
	enum packet_kind kind;
	bool is_ipv4;
	__u8 l4_proto;       /* as in tuple */
	__u8 tcp_flags;      /* enum tcp_flags; SCTP's chunks as if they were TCP's; 0 for UDP */
	__u8 fragment_proto; /* as in struct lb_fragment_key */
	__u32 fragment_id;
	__u32 vlan;         /* as in struct lb_hop, and from VLAN_PRIORITY_SHIFT on PCP and DEI */
	__u64 length;       /* of the frame; of 64 bits, as it is counted */
	__u32 l3_offset;    /* of the IP header within the frame */
	__u32 l3_length;    /* what the IP header claims, header included */
	__u32 l4_offset;    /* of the L4 header within the IP packet */
	__u32 l4_length;    /* what TCP's data offset or UDP's length claims */
	__u32 quote_offset; /* LB_ICMP_ERROR: of the quoted L4 header within the quoted packet */
	__u64 now;          /* jiffies */
};

/* A drop that has been counted, whatever its reason: see drop(). */
#define LB_DROPPED LB_VERDICT_COUNT

/* What a packet can be to its flow. */
enum flow_event {
	FLOW_BEGINS = 1 << 0,
	FLOW_SYN_AGAIN = 1 << 1, /* the SYN has been sent before, and not been answered */
};

/* What the stages decide about it. */
struct decision {
	__u16 vip_id;
	__u16 service_id;
	__u16 backend_id;
	__u8 event; /* enum flow_event; 0: none */
	union {
		__u32 egress; /* interface that the packet leaves by */
		__u32 reason; /* LB_DROPPED: why */
	};
	__u32 path_mtu; /* LB_TOO_BIG: how long an IP packet may be that comes in */
	__u64 hash;     /* keyed, of the 5-tuple */
	struct lb_service *service;
	struct lb_backend *backend;
};

LB_INLINE bool is_plain(const struct packet *pkt)
{
	return pkt->class == LB_CLASS_TCP || pkt->class == LB_CLASS_UDP;
}

/* Spares each class the kinds that it cannot have. */
LB_INLINE bool is_kind(const struct packet *pkt, enum packet_kind kind)
{
	bool icmp = kind == LB_ICMP_ERROR || kind == LB_ECHO;

	if (is_plain(pkt))
		return kind == LB_WHOLE;
	return icmp == (pkt->class == LB_CLASS_ICMP) && pkt->kind == kind;
}

LB_INLINE bool flags_are_syn(__u32 tcp_flags)
{
	return (tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

LB_INLINE bool is_syn(const struct packet *pkt)
{
	return flags_are_syn(pkt->tcp_flags);
}

LB_INLINE bool is_closing(const struct packet *pkt)
{
	return pkt->tcp_flags & (TCP_FIN | TCP_RST);
}

LB_INLINE bool addr_equal(const struct lb_addr *a, const struct lb_addr *b)
{
	return a->word[3] == b->word[3] && a->word[2] == b->word[2] && a->word[1] == b->word[1] &&
	       a->word[0] == b->word[0];
}

/* IPv4, as struct lb_addr has it. */
LB_INLINE bool addr_is_mapped(const struct lb_addr *addr)
{
	return !(addr->word[0] | addr->word[1]) && addr->word[2] == bpf_htonl(0xffff);
}

LB_INLINE bool mac_equal(const __u8 *a, const __u8 *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3] && a[4] == b[4] &&
	       a[5] == b[5];
}

#endif
