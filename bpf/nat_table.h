/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_NAT_TABLE_H
#define SLUICE_NAT_TABLE_H

/*
 * The translated flows of mode nat. One map serves both ways. It is keyed by the reply; the
 * client's side finds its entry by trying a few ports that follow from the flow's hash and
 * comparing. So a port can never belong to two clients (there is one entry for it), and a flow
 * whose entry was lost gets the same port again if that is still free. A port that is taken by a
 * closed or idle flow is taken over in place by compare-and-swap on its life.
 */
#include "cookie_answer.h"
#include "flow.h"
#include "maps.h"
#include "packet.h"
#include "segment.h"

#define LB_NAT_TRIES         16
#define LB_NAT_REFRESH_TICKS 256 /* how stale an entry's time may grow: about a second */

LB_INLINE __u32 nat_ticks(void)
{
	return bpf_jiffies64() >> lb_tick_shift;
}

LB_INLINE __u32 nat_age(__u64 life, __u32 ticks)
{
	return ticks - (__u32)(life >> LB_NAT_TIME_SHIFT);
}

LB_INLINE bool nat_valid(__u64 life)
{
	return (life & LB_NAT_STATE_MASK) >= LB_NAT_LIVE;
}

/* Would the connection be dead without its translation? */
LB_INLINE bool nat_needs_seqadj(__u64 life)
{
	return lb_cookies && (life & LB_NAT_STATE_MASK) == LB_NAT_LIVE && life & LB_NAT_SEQADJ;
}

/* The life of an entry as a packet with these flags leaves it; from_backend is its direction. */
LB_INLINE __u64 nat_next_life(__u64 life, __u8 tcp_flags, __u32 ticks, bool from_backend)
{
	const __u64 both = LB_NAT_FIN_CLIENT | LB_NAT_FIN_BACKEND;
	__u64 bits = life & 0xff;

	/* A new connection by the same ports; or a SYN that somebody has forged. Only the backend
	 * can tell, so the translation of one that lives is kept. */
	if (flags_are_syn(tcp_flags) && !nat_needs_seqadj(life))
		bits = LB_NAT_LIVE;
	if (from_backend)
		bits |= LB_NAT_ANSWERED;
	if (tcp_flags & TCP_FIN)
		bits |= from_backend ? LB_NAT_FIN_BACKEND : LB_NAT_FIN_CLIENT;
	if ((tcp_flags & TCP_RST) || (bits & both) == both)
		bits |= LB_NAT_CLOSED;
	return (life & 0xffffff00ULL) | bits | (__u64)ticks << LB_NAT_TIME_SHIFT;
}

/* Notes a packet in its flow's entry, writing only if that changes more than the time, or the
 * time by much. */
LB_INLINE void nat_touch(struct lb_nat_entry *entry, __u64 life, __u8 tcp_flags, __u32 ticks,
			 bool from_backend)
{
	__u64 next = nat_next_life(life, tcp_flags, ticks, from_backend);

	if ((__u32)next != (__u32)life || nat_age(life, ticks) >= LB_NAT_REFRESH_TICKS)
		__sync_val_compare_and_swap(&entry->life, life, next);
}

LB_INLINE __be16 nat_port(__u32 hash, __u32 attempt)
{
	__u32 x = (hash + attempt) * 0x9e3779b1U; /* 2^32 / golden ratio: spread */

	return bpf_htons(lb_nat_port_low + (((__u64)x * lb_nat_port_count) >> 32));
}

/*
 * A flow whose port is sought, in plain memory: nat_allocate() is a function of its own, which
 * the verifier takes apart once instead of once a path that leads to it.
 */
struct nat_query {
	struct lb_tuple reply;     /* dst_port is the NAT port: what varies */
	struct lb_nat_entry entry; /* what the flow's is to be, but for its life */
	__u32 hash;
	__u32 ticks;           /* now */
	__u32 idle_ticks;      /* a flow silent for longer may be taken over, */
	__u32 half_open_ticks; /* and sooner if the backend never answered */
	__u8 tcp_flags;
	__u8 new_flow; /* so it has no entry yet */
	__u8 only_find;
	__u8 proxy; /* LB_NAT_OPENING: it begins with a cookie; entry.isn and seqadj tell more */
	__u8 pad[4];
};

/* A packet to be translated, likewise. */
struct nat_job {
	struct lb_tuple to; /* for an ICMP error, its flow's */
	__u32 l4_proto;     /* 0: there is no checksum to keep right */
	__u32 l3_offset;
	__u32 l4_offset;
	__u32 quote_offset; /* as in struct packet */
	__u32 kind;         /* LB_WHOLE, LB_FOLLOWING_FRAGMENT, LB_ICMP_ERROR */
	__u32 from_backend;
	/* Of the flow's entry; bits that the connection was made with by SYN cookies. */
	__u64 life;
	__u64 seqadj;
};

/* The stack is too small for them. One packet a CPU is in here at a time. */
struct nat_scratch {
	struct nat_query query;
	struct nat_job job;
	struct tcp_copy tcp; /* the packet's header */
	struct segment segment;
	struct link link; /* that it leaves by */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nat_scratch);
} nat_scratch SEC(".maps");

LB_INLINE struct nat_scratch *nat_scratch_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&nat_scratch, &zero);
}

enum nat_place { NAT_PLACE_NONE, NAT_PLACE_OWN, NAT_PLACE_FREE, NAT_PLACE_TAKE_OVER };

/* Is it this client's flow to this VIP? */
LB_INLINE bool nat_matches(const struct lb_nat_entry *entry, const struct nat_query *query)
{
	return nat_valid(READ_ONCE(entry->life)) &&
	       entry->client_port == query->entry.client_port &&
	       entry->vip_port == query->entry.vip_port &&
	       addr_equal(&entry->client_addr, &query->entry.client_addr) &&
	       addr_equal(&entry->vip_addr, &query->entry.vip_addr);
}

/* How gladly a port is taken over: by how long it was silent; 0: not at all. */
LB_INLINE __u32 nat_victim_age(__u64 life, const struct nat_query *query)
{
	__u32 age = nat_age(life, query->ticks);

	if (!nat_valid(life))
		return 0;
	if ((__s32)age < 0)
		age = 0; /* stamped by a CPU whose clock was read a moment later */
	if ((life & LB_NAT_STATE_MASK) == LB_NAT_CLOSED ||
	    age > (life & LB_NAT_ANSWERED ? query->idle_ticks : query->half_open_ticks))
		return age + 1;
	return 0;
}

/*
 * Tries every candidate port in turn: the flow's own wins, then a free one, then the one whose
 * closed or idle flow has been silent longest. Leaves that port in query->reply.
 */
LB_INLINE enum nat_place nat_search(struct nat_query *query)
{
	__be16 free_port = 0, victim_port = 0;
	struct lb_nat_entry *entry;
	__u32 age, oldest = 0;
	int i;

	for (i = 0; i < LB_NAT_TRIES; i++) {
		query->reply.dst_port = nat_port(query->hash, i);
		entry = bpf_map_lookup_elem(&nat_flows, &query->reply);
		if (!entry) {
			free_port = free_port ?: query->reply.dst_port;
			if (query->new_flow)
				break; /* what is further on is not its own */
			continue;
		}
		if (nat_matches(entry, query))
			return NAT_PLACE_OWN;
		age = nat_victim_age(READ_ONCE(entry->life), query);
		if (age > oldest) {
			oldest = age;
			victim_port = query->reply.dst_port;
		}
	}
	query->reply.dst_port = free_port ?: victim_port;
	if (free_port)
		return NAT_PLACE_FREE;
	return victim_port ? NAT_PLACE_TAKE_OVER : NAT_PLACE_NONE;
}

LB_INLINE __u64 nat_new_life(const struct nat_query *query, __u64 former)
{
	__u64 generation = (former + (1ULL << LB_NAT_GENERATION_SHIFT)) & 0xffff0000ULL;

	return nat_next_life(generation | LB_NAT_LIVE | query->proxy, query->tcp_flags,
			     query->ticks, false);
}

/* The link-layer way back to the client. */
LB_INLINE void nat_copy_way(struct lb_nat_entry *entry, const struct lb_nat_entry *from)
{
	__builtin_memcpy(entry->client_mac, from->client_mac, ETH_ALEN);
	__builtin_memcpy(entry->local_mac, from->local_mac, ETH_ALEN);
	entry->ifindex = from->ifindex;
	entry->vlan = from->vlan;
}

/* Gives the entry to the query's flow, in place. False: another CPU was faster. */
LB_INLINE bool nat_give(struct lb_nat_entry *entry, __u64 life, const struct nat_query *query)
{
	__u64 claimed = (life & ~0xffULL) | LB_NAT_CLAIMED;

	if (__sync_val_compare_and_swap(&entry->life, life, claimed) != life)
		return false;
	entry->client_addr = query->entry.client_addr;
	entry->vip_addr = query->entry.vip_addr;
	entry->client_port = query->entry.client_port;
	entry->vip_port = query->entry.vip_port;
	entry->service = query->entry.service;
	entry->backend = query->entry.backend;
	entry->isn = query->entry.isn;
	entry->seqadj = query->entry.seqadj;
	nat_copy_way(entry, &query->entry);
	WRITE_ONCE(entry->life, nat_new_life(query, claimed));
	return true;
}

/* Takes a closed or idle flow's entry over. False: another CPU was faster. */
LB_INLINE bool nat_take_over(struct lb_nat_entry *entry, const struct nat_query *query)
{
	__u64 life = READ_ONCE(entry->life);

	return nat_victim_age(life, query) && nat_give(entry, life, query);
}

/* Enters the flow. False: another CPU was faster. */
LB_INLINE bool nat_enter(struct nat_query *query)
{
	query->entry.life = nat_new_life(query, 0);
	return bpf_map_update_elem(&nat_flows, &query->reply, &query->entry, BPF_NOEXIST) == 0;
}

/*
 * Notes the packet in its own flow's entry, and in the job what that says of a proxied handshake.
 * The client's packets may begin to come another way (a router failed over): follow.
 */
LB_INLINE bool nat_keep(struct lb_nat_entry *entry, struct nat_query *query, struct nat_job *job)
{
	const struct lb_nat_entry *seen = &query->entry;
	__u64 life = READ_ONCE(entry->life);

	if (query->proxy)
		return nat_give(entry, life, query); /* its ports begin another connection */
	if (lb_cookies && !flags_are_syn(query->tcp_flags)) {
		job->life = life;
		job->seqadj = READ_ONCE(entry->seqadj);
		query->entry.isn = entry->isn;
	}
	if (query->only_find)
		return true;
	nat_touch(entry, life, query->tcp_flags, query->ticks, false);
	if (!mac_equal(entry->client_mac, seen->client_mac) || entry->ifindex != seen->ifindex ||
	    entry->vlan != seen->vlan)
		nat_copy_way(entry, seen);
	return true;
}

/*
 * Finds the port that the scratch's flow leaves from, its own or a newly allocated one, and leaves
 * it in the query's reply and the job. Returns LB_NAT_OPENING if the backend has yet to accept,
 * else 0; negative: there is no port to be had.
 */
__noinline int nat_allocate(void)
{
	struct nat_scratch *scratch = nat_scratch_get();
	struct lb_nat_entry *entry;
	struct nat_query *query;
	enum nat_place place;
	bool done = false;

	if (!scratch)
		return -1;
	query = &scratch->query;
	place = nat_search(query);
	scratch->job.to.src_port = query->reply.dst_port;
	if (query->only_find && place != NAT_PLACE_OWN)
		return -1;
	if (place == NAT_PLACE_FREE)
		return nat_enter(query) ? query->proxy : -1;
	entry = bpf_map_lookup_elem(&nat_flows, &query->reply);
	if (place == NAT_PLACE_TAKE_OVER)
		done = entry && nat_take_over(entry, query);
	else if (place == NAT_PLACE_OWN)
		done = entry && nat_keep(entry, query, &scratch->job);
	if (!done)
		return -1;
	return query->proxy | (scratch->job.life & LB_NAT_OPENING);
}

/* The cookie that the client's packet, which begins a flow of mode nat, has proven. */
LB_INLINE void nat_query_proxy(struct nat_query *query)
{
	struct cookie_job *proven = cookie_scratch_get();

	if (!proven)
		return;
	query->proxy = LB_NAT_OPENING;
	query->entry.isn = proven->cookie.isn;
	query->entry.seqadj = (__u64)proven->tcp.tsecr << LB_NAT_STAMP_SHIFT | proven->value;
}

LB_INLINE void nat_query_init(struct xdp_md *ctx, struct nat_query *query, const struct packet *pkt,
			      const struct decision *d)
{
	struct lb_nat_entry *entry = &query->entry;

	query->reply.src = d->backend->addr;
	query->reply.dst = d->backend->local_addr;
	query->reply.src_port = d->backend->port ?: pkt->tuple->dst_port;
	query->reply.l4_proto = pkt->l4_proto;
	entry->client_addr = pkt->tuple->src;
	entry->vip_addr = pkt->tuple->dst;
	entry->client_port = pkt->tuple->src_port;
	entry->vip_port = pkt->tuple->dst_port;
	entry->service = d->service_id;
	entry->backend = d->backend_id;
	__builtin_memcpy(entry->client_mac, pkt->eth->h_source, ETH_ALEN);
	__builtin_memcpy(entry->local_mac, pkt->eth->h_dest, ETH_ALEN);
	entry->ifindex = ctx->ingress_ifindex;
	entry->vlan = pkt->vlan & LB_VLAN_TAGS_MASK;
	query->hash = d->hash >> 16;
	query->ticks = nat_ticks();
	query->idle_ticks = flow_timeout(pkt, d->service, LB_FLOW_ESTABLISHED)
			    << (lb_coarse_tick_shift - lb_tick_shift);
	query->half_open_ticks = d->service->timeout[LB_FLOW_EMBRYONIC];
	query->tcp_flags = pkt->tcp_flags;
	query->new_flow = d->event & FLOW_BEGINS;
	/* An error is about a flow that there is. */
	query->only_find = is_kind(pkt, LB_ICMP_ERROR);
	query->proxy = 0;
	if (lb_cookies && pkt->class == LB_CLASS_TCP && d->event && !is_syn(pkt))
		nat_query_proxy(query);
}

#endif
