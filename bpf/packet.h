/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_PACKET_H
#define SLUICE_PACKET_H

#include "abi.h"

#define LB_INLINE static __always_inline

/* Keeps clang from merging the accesses that other CPUs or the agent may race with. */
#define READ_ONCE(x)         (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))

/* Where TCP and UDP agree. */
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

/* One packet as parse() found it. Header pointers are valid up to the end of their header. */
struct packet {
	struct ethhdr *eth;
	struct iphdr *ip4;   /* if is_ipv4 */
	struct ipv6hdr *ip6; /* else; never tell by NULL: the verifier cannot follow that */
	struct l4_ports *ports;
	__u16 *l4_check; /* the L4 checksum's place */
	struct lb_addr src;
	struct lb_addr dst;
	__be16 src_port;
	__be16 dst_port;
	bool is_ipv4;
	__u8 l4_proto;
	__u8 tcp_flags;  /* enum tcp_flags; 0 for UDP */
	__u32 length;    /* of the frame */
	__u32 l3_offset; /* of the IP header within the frame */
	__u32 l3_length; /* what the IP header claims, header included */
	__u32 l4_offset; /* of the L4 header within the IP packet */
	__u32 l4_length; /* what TCP's data offset or UDP's length claims */
	__u32 ingress_ifindex;
	__u64 now; /* jiffies */
};

/* What the stages decide about it. */
struct decision {
	__u16 vip_id;
	__u16 service_id;
	__u16 backend_id;
	__u8 new_flow;
	__u8 syn_retransmit;
	__u32 egress; /* interface that the packet leaves by */
	__u64 hash;   /* keyed, of the 5-tuple */
	struct lb_service *service;
	struct lb_backend *backend;
};

LB_INLINE bool is_syn(const struct packet *pkt)
{
	return (pkt->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
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

LB_INLINE bool mac_equal(const __u8 *a, const __u8 *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3] && a[4] == b[4] &&
	       a[5] == b[5];
}

#endif
