/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_COOKIE_ANSWER_H
#define SLUICE_COOKIE_ANSWER_H

/* The SYN-ACK that carries a cookie, made of the SYN. */
#include "cookie.h"
#include "segment.h"

#define COOKIE_WINDOW   64240 /* as Linux begins */
#define COOKIE_LINK_MTU 1500  /* of the backend's link, as far as the balancer can tell */

/* A TCP packet in the stage of SYN cookies, in plain memory: the stack is too small for it. One
 * packet a CPU is in here at a time. */
struct cookie_job {
	__u64 hash; /* as in struct decision */
	__u64 now;  /* as in struct packet */
	__u32 service_id;
	__u32 l3_offset;
	__u32 l4_offset;
	__u32 value;    /* the cookie that is sent, or that came back */
	__u32 overhead; /* what is put before packets on their way to the backend */
	__u8 tcp_flags;
	__u8 plain; /* were it a SYN, it would be answered */
	__u8 nat;   /* the service's mode */
	__u8 pad;
	struct cookie cookie;
	struct tcp_copy tcp; /* the packet's header */
	struct segment answer;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cookie_job);
} cookie_scratch SEC(".maps");

LB_INLINE struct cookie_job *cookie_scratch_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&cookie_scratch, &zero);
}

#define NOP ((__u32)TCP_OPTION_NOP)

/* Gives a SYN its options; to->options.tsval and tsecr are set already. `options` are the client's
 * and wscale is the sender's. */
LB_INLINE void cookie_put_options(struct segment *to, __u32 mss, __u8 options, __u32 wscale,
				  bool timestamps)
{
	__u32 stamps = TCP_OPTION_TIMESTAMPS << 8 | 10;
	__u32 words = timestamps ? 5 : 1;

	to->length += words * 4;
	to->tcp.doff += words;
	to->options.mss = bpf_htonl(TCP_OPTION_MSS << 24 | 4 << 16 | mss);
	if (!timestamps) {
		to->options.tsval = to->options.tsecr = 0;
		return;
	}
	to->options.sack =
		bpf_htonl((options & COOKIE_SACK ? TCP_OPTION_SACK_PERMITTED << 24 | 2 << 16
						 : NOP << 24 | NOP << 16) |
			  stamps);
	to->options.wscale =
		bpf_htonl((options & COOKIE_NO_WSCALE) == COOKIE_NO_WSCALE
				  ? NOP << 24 | NOP << 16 | NOP << 8 | NOP
				  : NOP << 24 | TCP_OPTION_WSCALE << 16 | 3 << 8 | wscale);
}

/*
 * The answer to the scratch's SYN. In mode nat its window is closed: what the client sends first
 * would come before the backend has a connection, and there is nowhere to keep it (bpf/synproxy.h).
 */
LB_INLINE void cookie_answer(struct cookie_job *job, bool is_ipv4)
{
	const __u32 headers =
		(is_ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr)) + sizeof(struct tcphdr);
	__u32 clock = bpf_ktime_get_tai_ns() >> 20; /* RFC 7323, 5.4: ticks of 1 ms or so */
	__u8 options = job->cookie.options;
	struct segment *answer = &job->answer;

	segment_begin(answer, job->l3_offset);
	answer->src = job->cookie.vip;
	answer->dst = job->cookie.client;
	answer->tcp.source = job->cookie.vip_port;
	answer->tcp.dest = job->cookie.client_port;
	answer->tcp.seq = bpf_htonl(job->value);
	answer->tcp.ack_seq = bpf_htonl(job->cookie.isn + 1);
	answer->tcp.syn = 1;
	answer->tcp.ack = 1;
	answer->tcp.ece = options & COOKIE_ECN ? 1 : 0;
	answer->tcp.window = job->nat ? 0 : bpf_htons(COOKIE_WINDOW);
	answer->options.tsval = bpf_htonl((clock & ~COOKIE_OPTIONS_MASK) | options);
	answer->options.tsecr = bpf_htonl(job->tcp.tsval);
	cookie_put_options(answer, COOKIE_LINK_MTU - headers - job->overhead, options,
			   COOKIE_WSCALE, job->tcp.has_timestamps);
}

/* Makes of the scratch's SYN its answer. Negative: it cannot be done, and the packet is of no more
 * use. */
__noinline int cookie_answer_make(struct xdp_md *ctx, bool is_ipv4)
{
	struct cookie_job *job = cookie_scratch_get();

	if (!lb_cookies || !job)
		return -1;
	cookie_answer(job, is_ipv4);
	return is_ipv4 ? segment_put_ipv4(ctx, &job->answer) : segment_put_ipv6(ctx, &job->answer);
}

#endif
