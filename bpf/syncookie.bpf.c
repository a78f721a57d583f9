// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * lb_syncookie: on a backend's host, makes the connections whose SYNs the balancer has answered by
 * cookies (cookie.h). It looks at what comes in, below the stack: an ACK that no socket but a
 * listening one is there for, and whose cookie is good, gets the request that the SYN would have
 * made, and the stack does the rest (Linux 6.9). What is not so goes on as it came.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "address.h"
#include "cookie.h"
#include "syncookie_abi.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define IPV4_FRAGMENT 0x3fff /* more fragments, or not the first */
#define MSS_MIN_IPV4  536
#define MSS_MIN_IPV6  1220 /* the kernel takes no request with less */

/* Whole, if empty: libbpf takes one that is only declared for another type than the kernel's. */
struct sock {
};
struct bpf_tcp_req_attrs {
	__u32 rcv_tsval;
	__u32 rcv_tsecr;
	__u16 mss;
	__u8 rcv_wscale;
	__u8 snd_wscale;
	__u8 ecn_ok;
	__u8 wscale_ok;
	__u8 sack_ok;
	__u8 tstamp_ok;
	__u8 usec_ts_ok;
	__u8 reserved[3];
};
extern int bpf_sk_assign_tcp_reqsk(struct __sk_buff *skb, struct sock *sk,
				   struct bpf_tcp_req_attrs *attrs, int attrs__sz) __ksym;

/* The keys. lbnode writes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lb_cookie_keys);
} syncookie_keys SEC(".maps");

/* Packets of each outcome; the program adds, lbnode reads. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SYNCOOKIE_OUTCOME_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} syncookie_stats SEC(".maps");

/* A packet, in plain memory: the stack is too small for it. One a CPU is in here at a time. */
struct work {
	union {
		struct iphdr ip4;
		struct ipv6hdr ip6;
	};
	__u32 l4_offset; /* from the IP header */
	struct cookie cookie;
	struct tcp_copy tcp;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct work);
} syncookie_work SEC(".maps");

/* Bytes from the IP header on: what is before it, tunnel devices do not have. */
LB_INLINE bool load(struct __sk_buff *skb, __u32 offset, void *to, __u32 size)
{
	return bpf_skb_load_bytes_relative(skb, offset, to, size, BPF_HDR_START_NET) == 0;
}

LB_INLINE bool load_ipv4(struct __sk_buff *skb, struct work *work)
{
	if (!load(skb, 0, &work->ip4, sizeof(work->ip4)) || work->ip4.protocol != IPPROTO_TCP ||
	    work->ip4.ihl < 5 || work->ip4.frag_off & bpf_htons(IPV4_FRAGMENT))
		return false;
	work->l4_offset = work->ip4.ihl * 4;
	addr_from_ipv4(&work->cookie.client, work->ip4.saddr);
	addr_from_ipv4(&work->cookie.vip, work->ip4.daddr);
	return true;
}

/* The balancer makes no cookies behind extension headers. */
LB_INLINE bool load_ipv6(struct __sk_buff *skb, struct work *work)
{
	if (!load(skb, 0, &work->ip6, sizeof(work->ip6)) || work->ip6.nexthdr != IPPROTO_TCP)
		return false;
	work->l4_offset = sizeof(work->ip6);
	addr_from_ipv6(&work->cookie.client, &work->ip6.saddr);
	addr_from_ipv6(&work->cookie.vip, &work->ip6.daddr);
	return true;
}

/* An ACK, and neither a SYN nor a reset. False: it is something else. */
LB_INLINE bool load_ack(struct __sk_buff *skb, struct work *work)
{
	struct tcphdr *tcp = &work->tcp.tcp;
	bool is_ip = skb->protocol == bpf_htons(ETH_P_IP)     ? load_ipv4(skb, work)
		     : skb->protocol == bpf_htons(ETH_P_IPV6) ? load_ipv6(skb, work)
							      : false;

	__builtin_memset(&work->tcp, 0, sizeof(work->tcp));
	if (!is_ip || !load(skb, work->l4_offset, tcp, sizeof(*tcp)))
		return false;
	work->cookie.client_port = tcp->source;
	work->cookie.vip_port = tcp->dest;
	return tcp->ack && !tcp->syn && !tcp->rst;
}

/* The socket that the packet is for; to be released. */
LB_INLINE struct bpf_sock *find_socket(struct __sk_buff *skb, const struct work *work)
{
	const struct cookie *cookie = &work->cookie;
	struct bpf_sock_tuple tuple = {};

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		tuple.ipv4.saddr = cookie->client.word[3];
		tuple.ipv4.daddr = cookie->vip.word[3];
		tuple.ipv4.sport = cookie->client_port;
		tuple.ipv4.dport = cookie->vip_port;
		return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	__builtin_memcpy(tuple.ipv6.saddr, &cookie->client, sizeof(tuple.ipv6.saddr));
	__builtin_memcpy(tuple.ipv6.daddr, &cookie->vip, sizeof(tuple.ipv6.daddr));
	tuple.ipv6.sport = cookie->client_port;
	tuple.ipv6.dport = cookie->vip_port;
	return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
}

/* Reads the rest of the header. Is its cookie good? */
LB_INLINE bool is_ours(struct __sk_buff *skb, struct work *work)
{
	__u32 zero = 0, value, length = (work->tcp.tcp.doff * 4) & 0x3c;
	struct lb_cookie_keys *keys = bpf_map_lookup_elem(&syncookie_keys, &zero);

	if (!keys || length < sizeof(struct tcphdr) ||
	    !load(skb, work->l4_offset, work->tcp.raw, length))
		return false;
	work->tcp.length = length;
	tcp_options_read(&work->tcp);
	value = cookie_from_ack(&work->cookie, &work->tcp);
	return cookie_holds(keys, &work->cookie, value,
			    bpf_ktime_get_tai_ns() >> COOKIE_PERIOD_SHIFT);
}

/* Has the stack take the packet for what completes a handshake of the listening socket. */
LB_INLINE bool make_request(struct __sk_buff *skb, struct bpf_sock *listener,
			    const struct work *work)
{
	__u16 least = skb->protocol == bpf_htons(ETH_P_IP) ? MSS_MIN_IPV4 : MSS_MIN_IPV6;
	__u8 options = work->cookie.options, wscale = options & COOKIE_NO_WSCALE;
	__u16 mss = cookie_mss(work->cookie.mss);
	struct bpf_tcp_req_attrs attrs = {
		.rcv_tsval = work->tcp.tsval,
		.rcv_tsecr = work->tcp.tsecr,
		.mss = mss < least ? least : mss,
		.ecn_ok = !!(options & COOKIE_ECN),
		.wscale_ok = wscale != COOKIE_NO_WSCALE,
		.sack_ok = !!(options & COOKIE_SACK),
		.tstamp_ok = work->tcp.has_timestamps,
	};
	struct tcp_sock *sk = bpf_skc_to_tcp_sock(listener);

	if (attrs.wscale_ok) {
		attrs.rcv_wscale = COOKIE_WSCALE;
		attrs.snd_wscale = wscale;
	}
	return sk && bpf_sk_assign_tcp_reqsk(skb, (struct sock *)sk, &attrs, sizeof(attrs)) == 0;
}

LB_INLINE enum syncookie_outcome judge(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct work *work = bpf_map_lookup_elem(&syncookie_work, &zero);
	enum syncookie_outcome outcome = SYNCOOKIE_OTHER;
	struct bpf_sock *sk;

	if (!work || !load_ack(skb, work))
		return SYNCOOKIE_OTHER;
	sk = find_socket(skb, work);
	if (!sk)
		return SYNCOOKIE_OTHER;
	if (sk->state == BPF_TCP_LISTEN) {
		outcome = SYNCOOKIE_UNKNOWN;
		if (is_ours(skb, work))
			outcome = make_request(skb, sk, work) ? SYNCOOKIE_MADE : SYNCOOKIE_REFUSED;
	}
	bpf_sk_release(sk);
	return outcome;
}

SEC("tc")
int lb_syncookie(struct __sk_buff *skb)
{
	__u32 outcome = judge(skb);
	__u64 *count = bpf_map_lookup_elem(&syncookie_stats, &outcome);

	if (count)
		++*count;
	return TC_ACT_UNSPEC; /* other filters have their say */
}
