/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_COOKIE_ANSWER_H
#define SLUICE_COOKIE_ANSWER_H

/* The SYN-ACK that carries a cookie, made of the SYN. */
#include "checksum.h"
#include "cookie.h"
#include "outer.h"
#include "reply.h"

#define COOKIE_TTL      64
#define COOKIE_WINDOW   64240 /* as Linux begins */
#define COOKIE_OPEN     24    /* bytes by which the packet grows at its front before it is cut */
#define COOKIE_LINK_MTU 1500  /* of the backend's link, as far as the balancer can tell */

/* A TCP packet in the stage of SYN cookies, in plain memory: the stack is too small for it. One
 * packet a CPU is in here at a time. */
struct cookie_job {
	__u64 hash; /* as in struct decision */
	__u64 now;  /* as in struct packet */
	__u32 service_id;
	__u32 l3_offset;
	__u32 l4_offset;
	__u32 value;    /* the cookie to answer by */
	__u32 overhead; /* what is put before packets on their way to the backend */
	__u8 tcp_flags;
	__u8 answerable; /* were it a SYN */
	__u8 pad[2];
	struct cookie cookie;
	struct tcp_copy tcp; /* the packet's header, then that of the answer */
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

/* The options of the answer: five words, of which a client without timestamps gets the first. */
struct cookie_answer_options {
	__be32 mss;
	__be32 sack; /* and the beginning of timestamps */
	__be32 tsval;
	__be32 tsecr;
	__be32 wscale;
};

struct cookie_answer_header {
	struct tcphdr tcp;
	struct cookie_answer_options options;
};
_Static_assert(sizeof(struct cookie_answer_header) == 40, "no hole");

#define NOP ((__u32)TCP_OPTION_NOP)

LB_INLINE void cookie_answer_options(struct cookie_answer_options *to, const struct cookie_job *job,
				     __u32 mss)
{
	__u8 options = job->cookie.options, wscale = options & COOKIE_NO_WSCALE;
	__u32 stamps = TCP_OPTION_TIMESTAMPS << 8 | 10;
	__u32 clock = bpf_ktime_get_tai_ns() >> 20; /* RFC 7323, 5.4: ticks of 1 ms or so */

	to->mss = bpf_htonl(TCP_OPTION_MSS << 24 | 4 << 16 | mss);
	to->sack = bpf_htonl((options & COOKIE_SACK ? TCP_OPTION_SACK_PERMITTED << 24 | 2 << 16
						    : NOP << 24 | NOP << 16) |
			     stamps);
	to->tsval = bpf_htonl((clock & ~COOKIE_OPTIONS_MASK) | options);
	to->tsecr = bpf_htonl(job->tcp.tsval);
	to->wscale = bpf_htonl(wscale == COOKIE_NO_WSCALE ? NOP << 24 | NOP << 16 | NOP << 8 | NOP
							  : NOP << 24 | TCP_OPTION_WSCALE << 16 |
								    3 << 8 | COOKIE_WSCALE);
}

/* Makes the answer's TCP header in place of the SYN's. Returns its length. */
LB_INLINE __u32 cookie_answer_header(struct cookie_job *job, bool is_ipv4)
{
	struct cookie_answer_header *header = (void *)job->tcp.raw;
	const __u32 *word = (const __u32 *)header, *address = (const __u32 *)&job->cookie;
	const __u32 ip_size = is_ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	__u32 length = job->tcp.has_timestamps ? sizeof(*header) : sizeof(header->tcp) + 4;
	__u64 sum = bpf_htons(IPPROTO_TCP) + bpf_htons(length);
	int i;

	header->tcp = (struct tcphdr){
		.source = job->cookie.vip_port,
		.dest = job->cookie.client_port,
		.seq = bpf_htonl(job->value),
		.ack_seq = bpf_htonl(job->cookie.isn + 1),
		.doff = length / 4,
		.syn = 1,
		.ack = 1,
		.ece = job->cookie.options & COOKIE_ECN ? 1 : 0,
		.window = bpf_htons(COOKIE_WINDOW),
	};
	cookie_answer_options(&header->options, job,
			      COOKIE_LINK_MTU - ip_size - sizeof(header->tcp) - job->overhead);
#pragma unroll
	for (i = is_ipv4 ? 3 : 0; i < 8; i += is_ipv4 ? 4 : 1) /* both addresses */
		sum += address[i];
#pragma unroll
	for (i = 0; i < 10; i++)
		sum += i * 4 < (int)length ? word[i] : 0;
	header->tcp.check = ~csum_fold(sum);
	return length;
}

LB_INLINE void cookie_answer_ipv4(struct iphdr *ip, const struct cookie *cookie, __u32 length)
{
	ip->version = 4;
	ip->ihl = sizeof(*ip) / 4;
	ip->tos = 0;
	ip->tot_len = bpf_htons(sizeof(*ip) + length);
	ip->id = 0;
	ip->frag_off = bpf_htons(IPV4_DF);
	ip->ttl = COOKIE_TTL;
	ip->protocol = IPPROTO_TCP;
	ip->check = 0;
	ip->saddr = cookie->vip.word[3];
	ip->daddr = cookie->client.word[3];
	ip->check = ipv4_header_check(ip);
}

LB_INLINE void cookie_answer_ipv6(struct ipv6hdr *ip, const struct cookie *cookie, __u32 length)
{
	*(__be32 *)ip = bpf_htonl(6U << 28);
	ip->payload_len = bpf_htons(length);
	ip->nexthdr = IPPROTO_TCP;
	ip->hop_limit = COOKIE_TTL;
	__builtin_memcpy(&ip->saddr, &cookie->vip, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, &cookie->client, sizeof(ip->daddr));
}

/* Makes of the scratch's SYN its answer. Negative: it cannot be done, and the packet is of no more
 * use. */
LB_INLINE int cookie_answer(struct xdp_md *ctx, bool is_ipv4)
{
	const __u32 ip_size = is_ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	struct cookie_job *job = cookie_scratch_get();
	struct cookie_answer_header *to;
	__u32 length;
	void *ip, *end;

	if (!lb_cookies || !job)
		return -1;
	length = cookie_answer_header(job, is_ipv4);
	ip = reply_open(ctx, job->l3_offset, ip_size + length - COOKIE_OPEN, COOKIE_OPEN);
	end = (void *)(long)ctx->data_end;
	if (!ip || ip + ip_size + sizeof(to->tcp) + 4 > end)
		return -1;
	if (is_ipv4)
		cookie_answer_ipv4(ip, &job->cookie, length);
	else
		cookie_answer_ipv6(ip, &job->cookie, length);
	to = ip + ip_size;
	__builtin_memcpy(to, job->tcp.raw, sizeof(to->tcp) + 4);
	if (!job->tcp.has_timestamps)
		return 0;
	if ((void *)(to + 1) > end)
		return -1;
	__builtin_memcpy(to, job->tcp.raw, sizeof(*to));
	return 0;
}

__noinline int cookie_answer_make_ipv4(struct xdp_md *ctx)
{
	return cookie_answer(ctx, true);
}

__noinline int cookie_answer_make_ipv6(struct xdp_md *ctx)
{
	return cookie_answer(ctx, false);
}

#endif
