/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_SEQADJ_H
#define SLUICE_SEQADJ_H

/*
 * Translates the numbers of a TCP connection whose handshake the balancer has made (bpf/synproxy.h)
 * between what the client has agreed on with us and what the backend has: sequence numbers, those
 * of selective acknowledgements too (RFC 2018), timestamps (RFC 7323), and windows, which each side
 * counts in units of its own.
 */
#include "checksum.h"
#include "cookie.h"
#include "nat_table.h"
#include "segment.h"

#define SEQADJ_SACK_EDGES 8 /* four blocks, RFC 2018, 3 */

LB_INLINE void tcp_copy_put(struct tcp_copy *copy, __u32 at, __u32 value)
{
	copy->raw[at & TCP_COPY_MASK] = value >> 24;
	copy->raw[(at + 1) & TCP_COPY_MASK] = value >> 16;
	copy->raw[(at + 2) & TCP_COPY_MASK] = value >> 8;
	copy->raw[(at + 3) & TCP_COPY_MASK] = value;
}

LB_INLINE __u64 tcp_copy_sum(const struct tcp_copy *copy)
{
	__u64 sum = 0;
	int i;

#pragma clang loop unroll(disable) /* for the stack's sake */
	for (i = 0; i < (int)sizeof(copy->raw) / 4; i++)
		sum += copy->word[i];
	return sum;
}

/* What the client sees, as the backend has it. */
LB_INLINE void seqadj_from_client(struct tcp_copy *copy, __u64 seqadj)
{
	__u32 at = copy->sack_at, end, seq = seqadj;
	int i;

	if (!copy->tcp.ack)
		return;
	copy->tcp.ack_seq = bpf_htonl(bpf_ntohl(copy->tcp.ack_seq) - seq);
	if (copy->has_timestamps)
		tcp_copy_put(copy, copy->timestamps_at + 6,
			     copy->tsecr - (seqadj >> LB_NAT_STAMP_SHIFT));
	if (!at)
		return;
	end = at + copy->raw[(at + 1) & TCP_COPY_MASK];
#pragma clang loop unroll(disable) /* for the stack's sake */
	for (i = 0; i < SEQADJ_SACK_EDGES; i++) {
		at = copy->sack_at + 2 + i * 4;
		if (at + 4 > end)
			break;
		tcp_copy_put(copy, at, tcp_copy_word(copy, at) - seq);
	}
}

/* What the backend sends, as the client is to see it. */
LB_INLINE void seqadj_from_backend(struct tcp_copy *copy, __u64 seqadj, __u64 life)
{
	__u32 wscale = life >> LB_NAT_WSCALE_SHIFT & 15;
	__u32 window = (bpf_ntohs(copy->tcp.window) << wscale) >> COOKIE_WSCALE;

	copy->tcp.seq = bpf_htonl(bpf_ntohl(copy->tcp.seq) + (__u32)seqadj);
	if (!copy->tcp.syn)
		copy->tcp.window = bpf_htons(window < 0xffff ? window : 0xffff);
	if (copy->has_timestamps)
		tcp_copy_put(copy, copy->timestamps_at + 2,
			     copy->tsval + (seqadj >> LB_NAT_STAMP_SHIFT));
}

/* Of a header that goes on in another fragment, only what is always there. */
LB_INLINE int seqadj_header(struct xdp_md *ctx, struct tcp_copy *copy, const struct nat_job *job)
{
	__u32 offset = job->l3_offset + job->l4_offset;
	__u64 before;

	tcp_read(ctx, offset, copy);
	before = tcp_copy_sum(copy);
	if (job->from_backend)
		seqadj_from_backend(copy, job->seqadj, job->life);
	else
		seqadj_from_client(copy, job->seqadj);
	copy->tcp.check = csum_apply(copy->tcp.check,
				     tcp_copy_sum(copy) + sizeof(copy->raw) / 4 * ~0U - before);
	return bpf_xdp_store_bytes(ctx, offset, copy->raw,
				   ((copy->length - 1) & TCP_COPY_MASK) + 1);
}

/* Two bytes of checksum, which are `offset` bytes into the frame. */
LB_INLINE int seqadj_check(struct xdp_md *ctx, __u32 offset, __u64 diff)
{
	__u16 check;

	if (bpf_xdp_load_bytes(ctx, offset, &check, sizeof(check)))
		return -1;
	check = csum_apply(check, diff);
	return bpf_xdp_store_bytes(ctx, offset, &check, sizeof(check));
}

/*
 * An ICMP error about what the backend had sent: hosts believe it only if the quoted sequence
 * number is one of theirs (RFC 5927, 4). The quoted checksum makes up for it in the message's own,
 * if it is quoted.
 */
LB_INLINE int seqadj_quote(struct xdp_md *ctx, const struct nat_job *job)
{
	__u32 icmp = job->l3_offset + job->l4_offset;
	__u32 tcp = icmp + sizeof(struct icmp_header) + job->quote_offset;
	__u32 offset = tcp + offsetof(struct tcphdr, seq), check;
	__be32 seen, seq;

	if (job->from_backend)
		return 0;
	if (bpf_xdp_load_bytes(ctx, offset, &seen, sizeof(seen)))
		return -1;
	seq = bpf_htonl(bpf_ntohl(seen) - (__u32)job->seqadj);
	if (bpf_xdp_store_bytes(ctx, offset, &seq, sizeof(seq)))
		return -1;
	check = job->l4_proto ? tcp + offsetof(struct tcphdr, check)
			      : icmp + offsetof(struct icmp_header, check);
	return seqadj_check(ctx, check, csum_replace(0, seen, seq));
}

/* Translates the numbers in the packet of the scratch's job, if its connection was made here.
 * Negative: cannot be. */
__noinline int seqadj_apply(struct xdp_md *ctx)
{
	struct nat_scratch *scratch = nat_scratch_get();

	if (!scratch)
		return -1;
	if (!lb_cookies || !(scratch->job.life & LB_NAT_SEQADJ))
		return 0;
	if (scratch->job.kind == LB_FOLLOWING_FRAGMENT)
		return 0;
	if (scratch->job.kind == LB_ICMP_ERROR)
		return seqadj_quote(ctx, &scratch->job);
	return seqadj_header(ctx, &scratch->tcp, &scratch->job);
}

#endif
