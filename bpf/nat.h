/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_NAT_STAGE_H
#define SLUICE_NAT_STAGE_H

/*
 * Full NAT. A client's packet client -> VIP leaves as nat_addr:nat_port -> backend, the reply
 * comes back to nat_addr:nat_port and leaves as VIP -> client.
 *
 * One map serves both ways. It is keyed by the reply; the client's side finds its entry by trying
 * a few ports that follow from the flow's hash and comparing. So a port can never belong to two
 * clients (there is one entry for it), and a flow whose entry was lost gets the same port again
 * if that is still free. A port that is taken by a closed or idle flow is taken over in place by
 * compare-and-swap on its life.
 */
#include "checksum.h"
#include "maps.h"
#include "packet.h"
#include "verdicts.h"

#define LB_NAT_TRIES         16
#define LB_NAT_REFRESH_TICKS 256 /* how stale an entry's time may grow: about a second */

LB_INLINE __u32 nat_ticks(const struct packet *pkt)
{
	return pkt->now >> lb_tick_shift;
}

LB_INLINE __u32 nat_age(__u64 life, const struct packet *pkt)
{
	return nat_ticks(pkt) - (__u32)(life >> LB_NAT_TIME_SHIFT);
}

LB_INLINE bool nat_valid(__u64 life)
{
	return (life & LB_NAT_STATE_MASK) >= LB_NAT_LIVE;
}

/* The life of an entry as this packet leaves it; from_backend is the packet's direction. */
LB_INLINE __u64 nat_next_life(__u64 life, const struct packet *pkt, bool from_backend)
{
	const __u64 both = LB_NAT_FIN_CLIENT | LB_NAT_FIN_BACKEND;
	__u64 bits = life & 0xff;

	if (is_syn(pkt))
		bits = LB_NAT_LIVE; /* a new connection by the same ports */
	if (from_backend)
		bits |= LB_NAT_ANSWERED;
	if (pkt->tcp_flags & TCP_FIN)
		bits |= from_backend ? LB_NAT_FIN_BACKEND : LB_NAT_FIN_CLIENT;
	if ((pkt->tcp_flags & TCP_RST) || (bits & both) == both)
		bits |= LB_NAT_CLOSED;
	life = (life & 0xffffff00ULL) | bits;
	return life | (__u64)nat_ticks(pkt) << LB_NAT_TIME_SHIFT;
}

/* Notes the packet in its flow's entry, writing only if that changes more than the time, or the
 * time by much. */
LB_INLINE void nat_touch(struct lb_nat_entry *entry, __u64 life, const struct packet *pkt,
			 bool from_backend)
{
	__u64 next = nat_next_life(life, pkt, from_backend);

	if ((__u32)next != (__u32)life || nat_age(life, pkt) >= LB_NAT_REFRESH_TICKS)
		__sync_val_compare_and_swap(&entry->life, life, next);
}

LB_INLINE __be16 nat_port(__u32 hash, __u32 attempt)
{
	__u32 x = (hash + attempt) * 0x9e3779b1U; /* 2^32 / golden ratio: spread */

	return bpf_htons(lb_nat_port_low + (((__u64)x * lb_nat_port_count) >> 32));
}

/* Everything of an entry but its life. */
LB_INLINE void nat_fill(struct lb_nat_entry *entry, const struct packet *pkt,
			const struct decision *d)
{
	entry->client_addr = pkt->src;
	entry->vip_addr = pkt->dst;
	entry->client_port = pkt->src_port;
	entry->vip_port = pkt->dst_port;
	entry->service = d->service_id;
	entry->backend = d->backend_id;
	__builtin_memcpy(entry->client_mac, pkt->eth->h_source, ETH_ALEN);
	__builtin_memcpy(entry->local_mac, pkt->eth->h_dest, ETH_ALEN);
	entry->ifindex = pkt->ingress_ifindex;
}

/* The client's packets may begin to come another way (a router failed over): follow. */
LB_INLINE void nat_follow_client(struct lb_nat_entry *entry, const struct packet *pkt)
{
	if (mac_equal(entry->client_mac, pkt->eth->h_source) &&
	    entry->ifindex == pkt->ingress_ifindex)
		return;
	__builtin_memcpy(entry->client_mac, pkt->eth->h_source, ETH_ALEN);
	__builtin_memcpy(entry->local_mac, pkt->eth->h_dest, ETH_ALEN);
	entry->ifindex = pkt->ingress_ifindex;
}

/* Notes the packet in its own flow's entry. */
LB_INLINE bool nat_keep(struct lb_nat_entry *entry, const struct packet *pkt)
{
	nat_touch(entry, READ_ONCE(entry->life), pkt, false);
	nat_follow_client(entry, pkt);
	return true;
}

/*
 * The flow whose port is sought, in plain memory: nat_search() is a function of its own, which
 * the verifier takes apart once instead of once a path that leads to it.
 */
struct nat_query {
	struct lb_nat_key key; /* nat_port is what varies */
	struct lb_addr client_addr;
	struct lb_addr vip_addr;
	__be16 client_port;
	__be16 vip_port;
	__u32 hash;
	__u32 ticks;           /* now */
	__u32 idle_ticks;      /* a flow silent for longer may be taken over, */
	__u32 half_open_ticks; /* and sooner if the backend never answered */
};

/* The stack is too small for these. One packet a CPU is in here at a time. */
struct nat_scratch {
	struct nat_query query;
	struct lb_nat_entry entry;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct nat_scratch);
} nat_scratch SEC(".maps");

enum nat_place { NAT_PLACE_NONE, NAT_PLACE_OWN, NAT_PLACE_FREE, NAT_PLACE_TAKE_OVER };

/* Is it this client's flow to this VIP? */
LB_INLINE bool nat_matches(const struct lb_nat_entry *entry, const struct nat_query *query)
{
	return nat_valid(READ_ONCE(entry->life)) && entry->client_port == query->client_port &&
	       entry->vip_port == query->vip_port &&
	       addr_equal(&entry->client_addr, &query->client_addr) &&
	       addr_equal(&entry->vip_addr, &query->vip_addr);
}

/* How gladly a port is taken over: by how long it was silent; 0: not at all. */
LB_INLINE __u32 nat_victim_age(__u64 life, const struct nat_query *query)
{
	__u32 age = query->ticks - (__u32)(life >> LB_NAT_TIME_SHIFT);

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
 * closed or idle flow has been silent longest. Returns an enum nat_place and leaves that port in
 * query->key.
 */
__noinline int nat_search(struct nat_query *query)
{
	__be16 free_port = 0, victim_port = 0;
	struct lb_nat_entry *entry;
	__u32 age, oldest = 0;
	struct lb_nat_key key;
	int i;

	if (!query)
		return NAT_PLACE_NONE;
	key = query->key; /* Linux 6.1 takes no key by a pointer that came as an argument */
	for (i = 0; i < LB_NAT_TRIES; i++) {
		key.nat_port = nat_port(query->hash, i);
		entry = bpf_map_lookup_elem(&nat_flows, &key);
		if (!entry) {
			free_port = free_port ?: key.nat_port;
			continue;
		}
		if (nat_matches(entry, query)) {
			query->key.nat_port = key.nat_port;
			return NAT_PLACE_OWN;
		}
		age = nat_victim_age(READ_ONCE(entry->life), query);
		if (age > oldest) {
			oldest = age;
			victim_port = key.nat_port;
		}
	}
	query->key.nat_port = free_port ?: victim_port;
	if (free_port)
		return NAT_PLACE_FREE;
	return victim_port ? NAT_PLACE_TAKE_OVER : NAT_PLACE_NONE;
}

LB_INLINE __u64 nat_new_life(const struct packet *pkt, __u64 former)
{
	__u64 generation = (former + (1ULL << LB_NAT_GENERATION_SHIFT)) & 0xffff0000ULL;

	return nat_next_life(generation | LB_NAT_LIVE, pkt, false);
}

/* Takes a closed or idle flow's entry over in place. False: another CPU was faster. */
LB_INLINE bool nat_take_over(struct lb_nat_entry *entry, const struct nat_query *query,
			     const struct packet *pkt, const struct decision *d)
{
	__u64 life = READ_ONCE(entry->life);
	__u64 claimed = (life & ~0xffULL) | LB_NAT_CLAIMED;

	if (!nat_victim_age(life, query) ||
	    __sync_val_compare_and_swap(&entry->life, life, claimed) != life)
		return false;
	nat_fill(entry, pkt, d);
	WRITE_ONCE(entry->life, nat_new_life(pkt, claimed));
	return true;
}

/* Enters the flow under query->key. False: another CPU was faster. */
LB_INLINE bool nat_enter(struct nat_scratch *scratch, const struct packet *pkt,
			 const struct decision *d)
{
	scratch->entry.life = nat_new_life(pkt, 0);
	nat_fill(&scratch->entry, pkt, d);
	return bpf_map_update_elem(&nat_flows, &scratch->query.key, &scratch->entry, BPF_NOEXIST) ==
	       0;
}

LB_INLINE void nat_query_init(struct nat_query *query, const struct packet *pkt,
			      const struct decision *d)
{
	query->key.backend_addr = d->backend->addr;
	query->key.nat_addr = d->backend->nat_addr;
	query->key.backend_port = d->backend->port ?: pkt->dst_port;
	query->key.l4_proto = pkt->l4_proto;
	query->client_addr = pkt->src;
	query->vip_addr = pkt->dst;
	query->client_port = pkt->src_port;
	query->vip_port = pkt->dst_port;
	query->hash = d->hash >> 16;
	query->ticks = nat_ticks(pkt);
	query->idle_ticks = d->service->timeout[LB_FLOW_ESTABLISHED]
			    << (lb_coarse_tick_shift - lb_tick_shift);
	query->half_open_ticks = d->service->timeout[LB_FLOW_EMBRYONIC];
	query->key.nat_port = nat_port(query->hash, 0);
}

/*
 * The port that the flow leaves from, its own or a newly allocated one; 0: none to be had. Nearly
 * always the first candidate is the flow's own, or free for a new one; all others are looked
 * through only if not.
 */
LB_INLINE __be16 nat_allocate(const struct packet *pkt, const struct decision *d)
{
	__u32 zero = 0;
	struct nat_scratch *scratch = bpf_map_lookup_elem(&nat_scratch, &zero);
	struct lb_nat_entry *entry;
	struct nat_query *query;
	int place = NAT_PLACE_OWN;
	bool done;

	if (!scratch)
		return 0;
	query = &scratch->query;
	nat_query_init(query, pkt, d);
	entry = bpf_map_lookup_elem(&nat_flows, &query->key);
	if (!entry && is_syn(pkt))
		return nat_enter(scratch, pkt, d) ? query->key.nat_port : 0;
	if (!entry || !nat_matches(entry, query)) {
		place = nat_search(query);
		entry = bpf_map_lookup_elem(&nat_flows, &query->key);
	}
	if (place == NAT_PLACE_FREE)
		done = nat_enter(scratch, pkt, d);
	else if (place == NAT_PLACE_TAKE_OVER)
		done = entry && nat_take_over(entry, query, pkt, d);
	else
		done = place == NAT_PLACE_OWN && entry && nat_keep(entry, pkt);
	return done ? query->key.nat_port : 0;
}

/* A tuple that a packet is to carry. */
struct nat_tuple {
	struct lb_addr src;
	struct lb_addr dst;
	__be16 src_port;
	__be16 dst_port;
};

LB_INLINE void nat_rewrite_l4(const struct packet *pkt, const struct nat_tuple *tuple, __u64 diff)
{
	diff = csum_replace(diff, pkt->src_port, tuple->src_port);
	diff = csum_replace(diff, pkt->dst_port, tuple->dst_port);
	pkt->ports->src = tuple->src_port;
	pkt->ports->dst = tuple->dst_port;
	if (pkt->l4_proto == IPPROTO_TCP)
		*pkt->l4_check = csum_apply(*pkt->l4_check, diff);
	else if (*pkt->l4_check) /* zero: the sender computed none (RFC 768) */
		*pkt->l4_check = csum_apply(*pkt->l4_check, diff) ?: 0xffff;
}

/* Rewrites addresses, ports, TTL and checksums. False: the TTL is used up. */
LB_INLINE bool nat_rewrite(const struct packet *pkt, const struct nat_tuple *tuple)
{
	__u64 addresses = csum_replace_addr(0, &pkt->src, &tuple->src);

	addresses = csum_replace_addr(addresses, &pkt->dst, &tuple->dst);
	if (pkt->is_ipv4) {
		if (pkt->ip4->ttl <= 1)
			return false;
		pkt->ip4->ttl--;
		/* ttl is the upper byte of its 16-bit word on the wire */
		pkt->ip4->check =
			csum_apply(pkt->ip4->check, csum_replace(addresses, bpf_htons(0x100), 0));
		pkt->ip4->saddr = tuple->src.word[3];
		pkt->ip4->daddr = tuple->dst.word[3];
	} else {
		if (pkt->ip6->hop_limit <= 1)
			return false;
		pkt->ip6->hop_limit--;
		__builtin_memcpy(&pkt->ip6->saddr, &tuple->src, sizeof(tuple->src));
		__builtin_memcpy(&pkt->ip6->daddr, &tuple->dst, sizeof(tuple->dst));
	}
	nat_rewrite_l4(pkt, tuple, addresses);
	return true;
}

/* Client to backend. LB_PASS: translated. */
LB_INLINE enum lb_verdict nat_forward(const struct packet *pkt, const struct decision *d)
{
	struct nat_tuple tuple = {
		.src = d->backend->nat_addr,
		.dst = d->backend->addr,
		.dst_port = d->backend->port ?: pkt->dst_port,
	};

	tuple.src_port = nat_allocate(pkt, d);
	if (!tuple.src_port)
		return LB_NAT_PORTS;
	return nat_rewrite(pkt, &tuple) ? LB_PASS : LB_TTL;
}

/* Backend to client: LB_RETURN, or LB_PASS if it is no reply to a translated flow. */
LB_INLINE enum lb_verdict nat_return(const struct packet *pkt, struct decision *d)
{
	struct lb_nat_key key = {
		.backend_addr = pkt->src,
		.nat_addr = pkt->dst,
		.backend_port = pkt->src_port,
		.nat_port = pkt->dst_port,
		.l4_proto = pkt->l4_proto,
	};
	struct lb_nat_entry *entry = bpf_map_lookup_elem(&nat_flows, &key);
	struct nat_tuple tuple;
	__u64 life;

	if (!entry)
		return LB_PASS;
	life = READ_ONCE(entry->life);
	if (!nat_valid(life))
		return LB_PASS;
	tuple.src = entry->vip_addr;
	tuple.dst = entry->client_addr;
	tuple.src_port = entry->vip_port;
	tuple.dst_port = entry->client_port;
	d->egress = entry->ifindex;
	if ((READ_ONCE(entry->life) ^ life) & 0xffff0003ULL)
		return LB_PASS; /* taken over while we read */
	nat_touch(entry, life, pkt, true);
	if (!nat_rewrite(pkt, &tuple))
		return LB_TTL;
	__builtin_memcpy(pkt->eth->h_dest, entry->client_mac, ETH_ALEN);
	__builtin_memcpy(pkt->eth->h_source, entry->local_mac, ETH_ALEN);
	return LB_RETURN;
}

#endif
