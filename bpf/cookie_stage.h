/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_COOKIE_STAGE_H
#define SLUICE_COOKIE_STAGE_H

/*
 * SYN cookies: while a service is flooded, or always, its SYNs are answered here and no backend
 * hears of them. A flow begins with the client's ACK, which brings the cookie back; whoever forged
 * his address never sees it.
 *
 * SYNs spend a budget of the service. One that finds it empty turns cookies on, and they stay on
 * until for LB_COOKIE_TICKS no SYN has found it so: a flood at the very limit does not turn them on
 * and off, and by then handshakes under way are through.
 */
#include "backend.h"
#include "budget.h"
#include "cookie.h"
#include "cookie_answer.h"
#include "flow.h"
#include "guard.h"
#include "maps.h"
#include "packet.h"
#include "schedule.h"
#include "verdict.h"

/* Has the flow an entry that holds? Then it needs no proof: not even a SYN, which is a repeated one
 * or, with the same ports as a former connection, one that the backend may remember. */
LB_INLINE bool cookie_flow_is_known(const struct lb_service *service, const struct cookie_job *job)
{
	struct lb_flow_bucket *bucket = flow_bucket(flow_home(job->hash));
	__u64 seen = 0;

	if (!bucket)
		return false;
	flow_find(bucket, job->hash, job->now, flags_are_syn(job->tcp_flags), &seen);
	if (!seen)
		return false;
	return flow_holder(seen, job->service_id) &&
	       flow_age(seen, flow_clock(job->now)) <=
		       service->timeout[flow_state(seen) & LB_FLOW_STATE_MASK];
}

/* A SYN of a service that does not always answer by cookies. */
LB_INLINE void cookie_spend(const struct lb_service *service, struct lb_cookie_state *state,
			    __u32 coarse_tick)
{
	__u32 until = coarse_tick + LB_COOKIE_TICKS;

	if (!budget_take(&state->budget, service->syn_cost) && READ_ONCE(state->until) != until)
		WRITE_ONCE(state->until, until);
}

LB_INLINE bool cookie_is_on(const struct lb_service *service, const struct lb_cookie_state *state,
			    __u32 coarse_tick)
{
	__u32 left = READ_ONCE(state->until) - coarse_tick;

	return !service->syn_cost || left - 1 < LB_COOKIE_TICKS;
}

/* Chooses the cookie that answers the SYN. False: there is no key. */
LB_INLINE bool cookie_choose(struct cookie_job *job, const struct lb_cookie_keys *keys,
			     __u32 period)
{
	const struct lb_cookie_key *key = &keys->key[READ_ONCE(keys->newest) % LB_COOKIE_KEYS];

	if (!cookie_key_is_set(key))
		return false;
	job->cookie.isn = bpf_ntohl(job->tcp.tcp.seq);
	job->cookie.period = period;
	job->cookie.mss = cookie_mss_index(job->tcp.mss);
	job->cookie.options = cookie_options_asked(&job->tcp);
	if (job->nat)
		job->cookie.options &= ~COOKIE_ECN; /* the backend may not know it */
	job->value = cookie_value(key, &job->cookie);
	return true;
}

/* The flow is proven: beside LB_PASS. */
#define COOKIE_PROVEN (1U << 8)

/* Does the packet bring a cookie back? A client whose ACK was lost goes on with data; in mode nat,
 * where the window is closed, with a probe of it, which is one byte back (RFC 9293, 3.8.6.1). */
LB_INLINE bool cookie_comes_back(struct cookie_job *job, const struct lb_cookie_keys *keys,
				 __u32 period)
{
	job->value = cookie_from_ack(&job->cookie, &job->tcp);
	if (cookie_holds(keys, &job->cookie, job->value, period))
		return true;
	job->cookie.isn++;
	return job->nat && cookie_holds(keys, &job->cookie, job->value, period);
}

/* The packet of a flow that is not known, while cookies are on. */
LB_INLINE __u32 cookie_prove(struct xdp_md *ctx, struct cookie_job *job)
{
	__u32 zero = 0, period = bpf_ktime_get_tai_ns() >> COOKIE_PERIOD_SHIFT;
	struct lb_cookie_keys *keys = bpf_map_lookup_elem(&cookie_keys, &zero);

	if (!keys)
		return LB_INTERNAL;
	if (!tcp_read(ctx, job->l3_offset + job->l4_offset, &job->tcp) ||
	    (!job->plain && (job->nat || flags_are_syn(job->tcp_flags))))
		return LB_BAD_COOKIE;
	if (flags_are_syn(job->tcp_flags))
		return cookie_choose(job, keys, period) ? LB_COOKIE_SENT : LB_INTERNAL;
	if ((job->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_ACK)
		return LB_BAD_COOKIE;
	return cookie_comes_back(job, keys, period) ? LB_PASS | COOKIE_PROVEN : LB_BAD_COOKIE;
}

/* What tunnels put before packets on their way to any backend; see lbnode, which says the same. */
LB_INLINE __u32 cookie_overhead(__u8 mode)
{
	return mode_is_tunnel(mode) ? sizeof(struct ipv6hdr) + tunnel_udp_length(mode) : 0;
}

/* What cookie_judge() is to know of a packet, besides its addresses and hash, in one word: for the
 * stack's sake and the verifier's, who would take apart all that follows once with and once
 * without cookies if they were a branch of the caller's. */
struct cookie_packet {
	union {
		__u64 word;
		struct {
			__u16 service_id;
			__u16 l4_offset;
			__u8 l3_offset;
			__u8 tcp_flags;
			__u8 plain;
			__u8 pad;
		};
	};
};
_Static_assert(sizeof(struct cookie_packet) == 8, "one word");

LB_INLINE void cookie_job_init(struct cookie_job *job, const struct lb_service *service,
			       const struct lb_tuple *tuple, __u64 hash,
			       const struct cookie_packet *packet)
{
	job->hash = hash;
	job->now = bpf_jiffies64();
	job->service_id = packet->service_id;
	job->l3_offset = packet->l3_offset;
	job->l4_offset = packet->l4_offset;
	job->overhead = cookie_overhead(service->mode);
	job->tcp_flags = packet->tcp_flags;
	job->plain = packet->plain;
	job->nat = service->mode == LB_MODE_NAT;
	job->cookie.client = tuple->src;
	job->cookie.vip = tuple->dst;
	job->cookie.client_port = tuple->src_port;
	job->cookie.vip_port = tuple->dst_port;
}

/*
 * What becomes of a TCP packet. LB_PASS: it goes on its way, perhaps with COOKIE_PROVEN beside;
 * LB_COOKIE_SENT: it is to be answered, and all for that is in the scratch. Without a backend there
 * is nothing to answer for.
 */
__noinline int cookie_judge(struct xdp_md *ctx, const struct lb_service *service,
			    const struct lb_tuple *tuple, __u64 hash, __u64 word)
{
	const struct cookie_packet packet = {.word = word};
	struct lb_cookie_state *state;
	struct cookie_job *job;
	__u32 coarse_tick, judged, index = packet.service_id;

	if (!service || !tuple)
		return LB_PASS;
	job = cookie_scratch_get();
	state = bpf_map_lookup_elem(&service_cookies, &index);
	if (!job || !state)
		return LB_INTERNAL;
	cookie_job_init(job, service, tuple, hash, &packet);
	coarse_tick = job->now >> lb_coarse_tick_shift;
	if (!flags_are_syn(job->tcp_flags) && !cookie_is_on(service, state, coarse_tick))
		return LB_PASS;
	if (cookie_flow_is_known(service, job))
		return LB_PASS;
	if (flags_are_syn(job->tcp_flags) && service->syn_cost)
		cookie_spend(service, state, coarse_tick);
	if (!cookie_is_on(service, state, coarse_tick) ||
	    !backend_alive(schedule(service, tuple, hash, 0, false)))
		return LB_PASS;
	judged = cookie_prove(ctx, job);
	return judged == LB_BAD_COOKIE && service->flags & LB_SERVICE_EXCUSED ? LB_PASS : judged;
}

/* Is it TCP that brings its header, for a service that has cookies? An answer to a fragment, or to
 * what has options or extension headers, is not worth its code: nobody begins so. */
LB_INLINE bool cookie_concerns(const struct packet *pkt, const struct lb_service *service)
{
	if (!lb_cookies || !(service->flags & LB_SERVICE_COOKIES))
		return false;
	if (pkt->class == LB_CLASS_RARE)
		return pkt->l4_proto == IPPROTO_TCP && has_l4_header(pkt);
	return pkt->class == LB_CLASS_TCP;
}

/* LB_PASS: the packet goes on its way. d->event then says if a flow begins with it. */
LB_INLINE enum lb_verdict cookie(struct xdp_md *ctx, const struct packet *pkt, struct decision *d)
{
	const struct cookie_packet packet = {
		.service_id = d->service_id,
		.l4_offset = pkt->l4_offset,
		.l3_offset = pkt->l3_offset,
		.tcp_flags = pkt->tcp_flags,
		.plain = pkt->class == LB_CLASS_TCP,
	};
	__u32 judged = cookie_judge(ctx, d->service, pkt->tuple, d->hash, packet.word);
	enum lb_verdict verdict;

	d->event = judged / COOKIE_PROVEN * FLOW_BEGINS;
	verdict = judged % COOKIE_PROVEN;
	if (pkt->class != LB_CLASS_TCP || verdict != LB_COOKIE_SENT)
		return verdict == LB_PASS ? LB_PASS : drop(ctx, pkt, d, verdict);
	return cookie_answer_make(ctx, pkt->is_ipv4) ? LB_HEADROOM : LB_COOKIE_SENT;
}

#endif
