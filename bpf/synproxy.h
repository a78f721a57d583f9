/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_SYNPROXY_H
#define SLUICE_SYNPROXY_H

/*
 * SYN cookies in mode nat. The client has shaken hands with us; now the backend has to:
 *
 *   client                     balancer                      backend
 *     SYN c                ->
 *                          <-  SYN-ACK y, c+1, window 0
 *     ACK c+1, y+1         ->                            ->  SYN c
 *                              ACK y, c+1, one byte      <-  SYN-ACK s, c+1
 *     ACK c+1, y+1, data   ->                            ->  ACK c+1, s+1, data
 *
 * and from then on the sequence numbers of one side are y - s more than those of the other, and the
 * same goes for timestamps (bpf/seqadj.h). One packet becomes one packet, for a program in the NIC
 * has no others and no timers; so everything has to be asked for again by one of the two hosts:
 *
 *  - The window that the client gets first is closed. What it would send at once had to be kept
 *    until the backend answers. It opens when the backend's SYN-ACK comes.
 *  - That has to make the client say something, for its ACK ends the backend's handshake, and in
 *    many protocols the server speaks first. So it is sent as a keep-alive probe: one byte that the
 *    client has acknowledged already, the one of our own SYN (RFC 9293, 3.8.4). It answers by an
 *    ACK, and takes the window from it.
 *  - If our SYN or its answer is lost, the client probes the closed window as soon as it has
 *    something to say, and each of its packets becomes the SYN again.
 *
 * The options of the SYN are those that the client has asked us for. What we have promised for the
 * backend is what every host does; a backend that does otherwise is refused, and the client reset:
 * timestamps, and the scale of windows.
 */
#include "cookie.h"
#include "cookie_answer.h"
#include "nat_table.h"
#include "segment.h"
#include "verdicts.h"

LB_INLINE __u8 tcp_copy_flags(const struct tcp_copy *copy)
{
	return copy->raw[13];
}

/* What the client has agreed on with us. */
LB_INLINE bool synproxy_has_wscale(__u8 options)
{
	return (options & COOKIE_NO_WSCALE) != COOKIE_NO_WSCALE;
}

/* The SYN, in the scratch's segment, that the client's packet becomes: what it acknowledges is our
 * cookie, which with its timestamps says all that its own SYN had said. */
LB_INLINE void synproxy_write_syn(struct nat_scratch *scratch)
{
	const struct nat_query *query = &scratch->query;
	const struct tcp_copy *ack = &scratch->tcp;
	__u32 cookie = bpf_ntohl(ack->tcp.ack_seq) - 1, window = bpf_ntohs(ack->tcp.window);
	__u8 options = cookie_options_echoed(ack), wscale = options & COOKIE_NO_WSCALE;
	struct segment *syn = &scratch->segment;

	if (synproxy_has_wscale(options))
		window <<= wscale;
	segment_begin(syn, scratch->job.l3_offset);
	syn->src = query->reply.dst;
	syn->dst = query->reply.src;
	syn->tcp.source = query->reply.dst_port;
	syn->tcp.dest = query->reply.src_port;
	syn->tcp.seq = bpf_htonl(query->entry.isn);
	syn->tcp.syn = 1;
	syn->tcp.window = bpf_htons(window < 0xffff ? window : 0xffff);
	syn->options.tsval = bpf_htonl(ack->tsval);
	cookie_put_options(syn, cookie_mss(cookie >> COOKIE_MSS_SHIFT & COOKIE_MSS_MASK), options,
			   wscale, ack->has_timestamps);
}

/* Reads the header of the scratch's job. */
LB_INLINE bool synproxy_read(struct xdp_md *ctx, struct nat_scratch *scratch)
{
	const struct nat_job *job = &scratch->job;

	return tcp_read(ctx, job->l3_offset + job->l4_offset, &scratch->tcp);
}

/* Puts the scratch's segment in the packet's place. False: it cannot be done. */
LB_INLINE bool synproxy_put(struct xdp_md *ctx, struct segment *segment)
{
	return (addr_is_mapped(&segment->src) ? segment_put_ipv4(ctx, segment)
					      : segment_put_ipv6(ctx, segment)) == 0;
}

/* Likewise, and by the scratch's link, unless it goes back to where the packet came from. */
LB_INLINE bool synproxy_send(struct xdp_md *ctx, struct nat_scratch *scratch, bool back)
{
	struct link link = scratch->link;

	if (!synproxy_put(ctx, &scratch->segment))
		return false;
	return back || link_replace(ctx, scratch->job.l3_offset & LINK_OFFSET_MASK, &link, 0);
}

/* Makes of the client's packet, which is the scratch's, a SYN to the backend. LB_PASS: done; else
 * why it cannot be. A function of its own, for the verifier to take apart but once. */
__noinline int synproxy_open(struct xdp_md *ctx)
{
	struct nat_scratch *scratch = nat_scratch_get();

	if (!lb_cookies || !scratch)
		return LB_INTERNAL;
	if (!synproxy_read(ctx, scratch) || !scratch->tcp.tcp.ack)
		return LB_BAD_COOKIE;
	synproxy_write_syn(scratch);
	return synproxy_send(ctx, scratch, false) ? LB_PASS : LB_HEADROOM;
}

/* --- what the backend says to it --- */

/* Puts the bits in place of LB_NAT_OPENING. False: it is another flow's by now, or opened already.
 */
LB_INLINE bool synproxy_opened(struct lb_nat_entry *entry, __u64 former, __u64 bits)
{
	__u64 life;
	int i;

	for (i = 0; i < 4; i++) { /* packets of the client may touch it, too */
		life = READ_ONCE(entry->life);
		if ((life ^ former) & (0xffff0000ULL | LB_NAT_STATE_MASK | LB_NAT_OPENING))
			return false;
		if (__sync_val_compare_and_swap(&entry->life, life,
						(life & ~(__u64)LB_NAT_OPENING) | bits) == life)
			return true;
	}
	return false;
}

LB_INLINE void synproxy_to_client(struct segment *to, const struct lb_nat_entry *entry, __u32 seq)
{
	to->src = entry->vip_addr;
	to->dst = entry->client_addr;
	to->tcp.source = entry->vip_port;
	to->tcp.dest = entry->client_port;
	to->tcp.seq = bpf_htonl(seq);
	to->tcp.ack_seq = bpf_htonl(entry->isn + 1);
	to->tcp.ack = 1;
}

/* There will be no connection. `seqadj` is the entry's. */
LB_INLINE enum lb_verdict synproxy_refuse(struct nat_scratch *scratch, struct lb_nat_entry *entry,
					  __u64 life, __u64 seqadj)
{
	synproxy_opened(entry, life, LB_NAT_CLOSED | LB_NAT_ANSWERED);
	synproxy_to_client(&scratch->segment, entry, (__u32)seqadj + 1);
	scratch->segment.tcp.rst = 1;
	return LB_RETURN;
}

/* Does the client, which last saw this timestamp, take its window as scaled? */
LB_INLINE bool synproxy_is_scaled(__u32 stamp)
{
	return stamp && synproxy_has_wscale(stamp & COOKIE_OPTIONS_MASK);
}

/* The keep-alive probe that opens the client's window. */
LB_INLINE void synproxy_write_probe(struct nat_scratch *scratch, const struct lb_nat_entry *entry,
				    __u64 seqadj)
{
	const struct tcp_copy *answer = &scratch->tcp;
	struct segment *probe = &scratch->segment;
	__u32 stamp = seqadj >> LB_NAT_STAMP_SHIFT;
	__u32 window = bpf_ntohs(answer->tcp.window);

	synproxy_to_client(probe, entry, seqadj);
	if (synproxy_is_scaled(stamp))
		window >>= COOKIE_WSCALE; /* a SYN's own window is not scaled */
	probe->tcp.window = bpf_htons(window);
	probe->length++;
	if (!stamp)
		return;
	probe->tcp.doff += 3;
	probe->length += 12;
	probe->word[5] = bpf_htonl(NOP << 24 | NOP << 16 | TCP_OPTION_TIMESTAMPS << 8 | 10);
	probe->word[6] = bpf_htonl(stamp);
	probe->word[7] = bpf_htonl(answer->tsecr);
}

/* The backend accepts. */
LB_INLINE enum lb_verdict synproxy_accept(struct nat_scratch *scratch, struct lb_nat_entry *entry,
					  __u64 life)
{
	const struct tcp_copy *answer = &scratch->tcp;
	__u64 seqadj = READ_ONCE(entry->seqadj), wscale = COOKIE_WSCALE;
	__u32 stamp = seqadj >> LB_NAT_STAMP_SHIFT, difference;
	bool scaled = synproxy_is_scaled(stamp);

	if ((stamp && !answer->has_timestamps) || (scaled && !answer->has_wscale))
		return synproxy_refuse(scratch, entry, life, seqadj);
	if (scaled)
		wscale = answer->wscale < 14 ? answer->wscale : 14;
	synproxy_write_probe(scratch, entry, seqadj);
	difference = stamp ? stamp - answer->tsval : 0;
	if (__sync_val_compare_and_swap(&entry->seqadj, seqadj,
					(__u64)difference << LB_NAT_STAMP_SHIFT |
						((__u32)seqadj - bpf_ntohl(answer->tcp.seq))) !=
	    seqadj)
		return LB_RETURN; /* another CPU has had the same from the backend */
	synproxy_opened(entry, life,
			LB_NAT_SEQADJ | LB_NAT_ANSWERED | wscale << LB_NAT_WSCALE_SHIFT);
	return LB_RETURN;
}

/* The backend takes our SYN for a part of another connection, which it has not forgotten: that is
 * reset as a client would do it (RFC 9293, 3.5.1). The next packet of the client is a SYN again. */
LB_INLINE enum lb_verdict synproxy_reset(struct nat_scratch *scratch)
{
	const struct lb_tuple *reply = &scratch->query.reply;
	struct segment *reset = &scratch->segment;

	reset->src = reply->dst;
	reset->dst = reply->src;
	reset->tcp.source = reply->dst_port;
	reset->tcp.dest = reply->src_port;
	reset->tcp.seq = scratch->tcp.tcp.ack_seq;
	reset->tcp.rst = 1;
	return LB_RESET_SENT;
}

/* What becomes of a backend's packet: the verdict, and the scratch's segment in its place; or
 * LB_PASS. */
LB_INLINE enum lb_verdict synproxy_judge(struct nat_scratch *scratch, struct lb_nat_entry *entry)
{
	const struct tcp_copy *tcp = &scratch->tcp;
	__u8 flags = tcp_copy_flags(tcp) & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN);
	bool acked = flags & TCP_ACK && bpf_ntohl(tcp->tcp.ack_seq) == entry->isn + 1;
	__u64 life = READ_ONCE(entry->life);

	segment_begin(&scratch->segment, scratch->job.l3_offset);
	if (acked && flags & TCP_RST)
		return synproxy_refuse(scratch, entry, life, READ_ONCE(entry->seqadj));
	if (acked && flags == (TCP_SYN | TCP_ACK))
		return synproxy_accept(scratch, entry, life);
	return flags & TCP_ACK && !(flags & TCP_RST) ? synproxy_reset(scratch) : LB_PASS;
}

/* What becomes of a backend's packet while LB_NAT_OPENING; the key of its entry is in the scratch's
 * query. LB_PASS: it goes its ordinary way; else synproxy_leave() has to follow. */
__noinline int synproxy_answer(struct xdp_md *ctx)
{
	struct nat_scratch *scratch = nat_scratch_get();
	struct lb_nat_entry *entry;

	if (!lb_cookies || !scratch || !synproxy_read(ctx, scratch))
		return LB_PASS;
	entry = bpf_map_lookup_elem(&nat_flows, &scratch->query.reply);
	return entry ? synproxy_judge(scratch, entry) : LB_PASS;
}

/* Puts what is answered in the packet's place. Not 0: it cannot be done. */
__noinline int synproxy_leave(struct xdp_md *ctx, bool back)
{
	struct nat_scratch *scratch = nat_scratch_get();

	return !lb_cookies || !scratch || !synproxy_send(ctx, scratch, back);
}

#endif
