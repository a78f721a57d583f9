/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_DECAP_CHANCE_H
#define SLUICE_DECAP_CHANCE_H

/*
 * The second chance: a packet of a connection that no socket here knows goes on to the next of the
 * backends that the balancer has named (gue.h), in the balancer's name and with its headers. Each
 * is asked once, and the last has it for good; so nothing goes round, and nothing becomes more.
 */
#include "address.h"
#include "checksum.h"
#include "cursor.h"
#include "decap_abi.h"
#include "decap_inner.h"
#include "decap_outer.h"

#define CHANCE_AF_INET  2
#define CHANCE_AF_INET6 10

/* --- is the packet ours? --- */

/* The socket that the inner packet is for, in this network namespace; to be released. Those of
 * handshakes under way and of connections that have just ended are among them. */
LB_INLINE struct bpf_sock *chance_socket(struct xdp_md *ctx, const struct inner *inner,
					 const struct tcphdr *tcp)
{
	struct bpf_sock_tuple tuple = {};
	const struct ipv6hdr *ip6 = inner->ip;
	const struct iphdr *ip4 = inner->ip;

	if (inner->is_ipv4) {
		tuple.ipv4.saddr = ip4->saddr;
		tuple.ipv4.daddr = ip4->daddr;
		tuple.ipv4.sport = tcp->source;
		tuple.ipv4.dport = tcp->dest;
		return bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	__builtin_memcpy(tuple.ipv6.saddr, &ip6->saddr, sizeof(tuple.ipv6.saddr));
	__builtin_memcpy(tuple.ipv6.daddr, &ip6->daddr, sizeof(tuple.ipv6.daddr));
	tuple.ipv6.sport = tcp->source;
	tuple.ipv6.dport = tcp->dest;
	return bpf_skc_lookup_tcp(ctx, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
}

/* Does an ACK bring back the SYN cookie that this host has sent (net.ipv4.tcp_syncookies)? */
LB_INLINE bool chance_is_cookie(struct bpf_sock *listener, const struct inner *inner,
				struct tcphdr *tcp)
{
	__u32 length = inner->is_ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);

	return tcp->ack && !tcp->rst &&
	       bpf_tcp_check_syncookie(listener, inner->ip, length, tcp, sizeof(*tcp)) == 0;
}

/* Is the inner packet, behind whose IP header the cursor is, of a connection that began elsewhere?
 * Only TCP can tell, and of it only what begins none. */
LB_INLINE bool chance_is_strange(struct xdp_md *ctx, struct cursor *cursor,
				 const struct inner *inner)
{
	struct tcphdr *tcp;
	struct bpf_sock *sk;
	bool strange;

	if (!inner->is_tcp)
		return false;
	tcp = cursor_take(cursor, sizeof(*tcp));
	if (!tcp || tcp->syn)
		return false;
	sk = chance_socket(ctx, inner, tcp);
	if (!sk)
		return true;
	strange = sk->state == BPF_TCP_LISTEN && !chance_is_cookie(sk, inner, tcp);
	bpf_sk_release(sk);
	return strange;
}

/* --- where it goes then --- */

/* The outer IP header, behind the link's. NULL: cannot be, it was read before. */
LB_INLINE void *chance_outer(struct xdp_md *ctx, const struct outer *outer, __u32 length)
{
	struct cursor cursor = cursor_at_frame(ctx);

	cursor.at += outer->link_length & 0x1f;
	/* Or clang computes it twice, and the verifier does not know the second one's bounds. */
	asm volatile("" : "+r"(cursor.at));
	return cursor_take(&cursor, length);
}

/* What stands before the addresses, in one piece, of either family. */
struct chance_ipv4 {
	struct iphdr ip;
	struct udphdr udp;
	struct gue_header gue;
	struct gue_chance chance;
	__be32 address[GUE_CHANCES_MAX];
};
struct chance_ipv6 {
	struct ipv6hdr ip;
	struct udphdr udp;
	struct gue_header gue;
	struct gue_chance chance;
	struct in6_addr address[GUE_CHANCES_MAX];
};

/* Makes the next one the outer destination, and asks for the way there. */
LB_INLINE bool chance_turn_ipv4(struct xdp_md *ctx, const struct outer *outer,
				struct bpf_fib_lookup *fib)
{
	struct chance_ipv4 *head = chance_outer(ctx, outer, sizeof(*head));
	__be32 next;

	if (!head || head->ip.ttl <= 1)
		return false;
	next = head->address[outer->chances > 1];
	head->ip.check = csum_apply(head->ip.check, csum_replace(0, head->ip.daddr, next));
	head->ip.daddr = next;
	head->udp.check = 0; /* as the balancer has it */
	head->chance.left = outer->chances - 1;
	fib->family = CHANCE_AF_INET;
	fib->ipv4_src = head->ip.saddr;
	fib->ipv4_dst = next;
	return true;
}

LB_INLINE bool chance_turn_ipv6(struct xdp_md *ctx, const struct outer *outer,
				struct bpf_fib_lookup *fib)
{
	struct chance_ipv6 *head = chance_outer(ctx, outer, sizeof(*head));

	if (!head || head->ip.hop_limit <= 1)
		return false;
	head->ip.daddr = outer->chances > 1 ? head->address[1] : head->address[0];
	head->udp.check = 0;
	head->chance.left = outer->chances - 1;
	fib->family = CHANCE_AF_INET6;
	__builtin_memcpy(fib->ipv6_src, &head->ip.saddr, sizeof(fib->ipv6_src));
	__builtin_memcpy(fib->ipv6_dst, &head->ip.daddr, sizeof(fib->ipv6_dst));
	return true;
}

/* This host is a router on the packet's way. */
LB_INLINE void chance_age(struct xdp_md *ctx, const struct outer *outer)
{
	bool is_ipv4 = outer->eth_proto == bpf_htons(ETH_P_IP);
	struct ipv6hdr *ip6 = chance_outer(ctx, outer, sizeof(*ip6));
	struct iphdr *ip4 = (struct iphdr *)ip6;

	if (!ip6)
		return; /* cannot be */
	if (!is_ipv4) {
		ip6->hop_limit--;
		return;
	}
	ip4->check = csum_apply(ip4->check, csum_replace(0, ip4->ttl, ip4->ttl - 1));
	ip4->ttl--;
}

/* Leaves with these link addresses by where it came in. */
LB_INLINE int chance_leave(struct xdp_md *ctx, const struct outer *outer, const void *dst_mac,
			   const void *src_mac)
{
	struct cursor cursor = cursor_at_frame(ctx);
	struct ethhdr *eth = cursor_take(&cursor, sizeof(*eth));

	if (!eth)
		return XDP_PASS; /* cannot be */
	__builtin_memcpy(eth->h_dest, dst_mac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, src_mac, ETH_ALEN);
	chance_age(ctx, outer);
	return XDP_TX;
}

/* By whom it came, which is a router where backends are no neighbours. */
LB_INLINE int chance_return(struct xdp_md *ctx, const struct outer *outer)
{
	struct cursor cursor = cursor_at_frame(ctx);
	struct ethhdr *eth = cursor_take(&cursor, sizeof(*eth));
	struct ethhdr came;

	if (!eth)
		return XDP_PASS; /* cannot be */
	came = *eth;
	return chance_leave(ctx, outer, came.h_source, came.h_dest);
}

/*
 * Sends the packet on to the next backend. The XDP code; negative: it cannot go, and is as it was.
 * What has no neighbour yet, or goes by another interface, is the host's stack to forward.
 */
__noinline int chance_send_on(struct xdp_md *ctx, const struct outer *outer)
{
	struct bpf_fib_lookup fib = {};
	long found;

	if (!outer)
		return -1;
	if (!(outer->eth_proto == bpf_htons(ETH_P_IP) ? chance_turn_ipv4(ctx, outer, &fib)
						      : chance_turn_ipv6(ctx, outer, &fib)))
		return -1;
	if (outer->link_length != sizeof(struct ethhdr))
		return XDP_PASS;
	fib.ifindex = ctx->ingress_ifindex;
	found = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	if (found == BPF_FIB_LKUP_RET_FWD_DISABLED)
		return chance_return(ctx, outer);
	if (found != BPF_FIB_LKUP_RET_SUCCESS || fib.ifindex != ctx->ingress_ifindex)
		return XDP_PASS;
	return chance_leave(ctx, outer, fib.dmac, fib.smac);
}

#endif
