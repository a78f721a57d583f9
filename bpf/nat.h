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
#include "flow.h"
#include "fragment.h"
#include "hop_limit.h"
#include "link.h"
#include "maps.h"
#include "packet.h"
#include "verdicts.h"

#define LB_NAT_TRIES         16
#define LB_NAT_REFRESH_TICKS 256 /* how stale an entry's time may grow: about a second */

LB_INLINE __u32 nat_ticks(const struct packet *pkt)
{
	return pkt->now >> lb_tick_shift;
}

LB_INLINE __u32 nat_age(__u64 life, __u32 ticks)
{
	return ticks - (__u32)(life >> LB_NAT_TIME_SHIFT);
}

LB_INLINE bool nat_valid(__u64 life)
{
	return (life & LB_NAT_STATE_MASK) >= LB_NAT_LIVE;
}

/* The life of an entry as a packet with these flags leaves it; from_backend is its direction. */
LB_INLINE __u64 nat_next_life(__u64 life, __u8 tcp_flags, __u32 ticks, bool from_backend)
{
	const __u64 both = LB_NAT_FIN_CLIENT | LB_NAT_FIN_BACKEND;
	__u64 bits = life & 0xff;

	if ((tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
		bits = LB_NAT_LIVE; /* a new connection by the same ports */
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
	__u8 pad[5];
};

/* A packet to be translated, likewise. */
struct nat_job {
	struct lb_tuple to; /* for an ICMP error, its flow's */
	__u32 l4_proto;     /* 0: there is no checksum to keep right */
	__u32 l3_offset;
	__u32 l4_offset;
	__u32 quote_offset; /* as in struct packet */
	__u32 kind;         /* LB_WHOLE, LB_FOLLOWING_FRAGMENT, LB_ICMP_ERROR */
	__u32 pad;
};

/* The stack is too small for them. One packet a CPU is in here at a time. */
struct nat_scratch {
	struct nat_query query;
	struct nat_job job;
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

	return nat_next_life(generation | LB_NAT_LIVE, query->tcp_flags, query->ticks, false);
}

/* The link-layer way back to the client. */
LB_INLINE void nat_copy_way(struct lb_nat_entry *entry, const struct lb_nat_entry *from)
{
	__builtin_memcpy(entry->client_mac, from->client_mac, ETH_ALEN);
	__builtin_memcpy(entry->local_mac, from->local_mac, ETH_ALEN);
	entry->ifindex = from->ifindex;
	entry->vlan = from->vlan;
}

/* Takes a closed or idle flow's entry over in place. False: another CPU was faster. */
LB_INLINE bool nat_take_over(struct lb_nat_entry *entry, const struct nat_query *query)
{
	__u64 life = READ_ONCE(entry->life);
	__u64 claimed = (life & ~0xffULL) | LB_NAT_CLAIMED;

	if (!nat_victim_age(life, query) ||
	    __sync_val_compare_and_swap(&entry->life, life, claimed) != life)
		return false;
	entry->client_addr = query->entry.client_addr;
	entry->vip_addr = query->entry.vip_addr;
	entry->client_port = query->entry.client_port;
	entry->vip_port = query->entry.vip_port;
	entry->service = query->entry.service;
	entry->backend = query->entry.backend;
	nat_copy_way(entry, &query->entry);
	WRITE_ONCE(entry->life, nat_new_life(query, claimed));
	return true;
}

/* Enters the flow. False: another CPU was faster. */
LB_INLINE bool nat_enter(struct nat_query *query)
{
	query->entry.life = nat_new_life(query, 0);
	return bpf_map_update_elem(&nat_flows, &query->reply, &query->entry, BPF_NOEXIST) == 0;
}

/* Notes the packet in its own flow's entry. The client's packets may begin to come another way
 * (a router failed over): follow. */
LB_INLINE bool nat_keep(struct lb_nat_entry *entry, const struct nat_query *query)
{
	const struct lb_nat_entry *seen = &query->entry;

	nat_touch(entry, READ_ONCE(entry->life), query->tcp_flags, query->ticks, false);
	if (!mac_equal(entry->client_mac, seen->client_mac) || entry->ifindex != seen->ifindex ||
	    entry->vlan != seen->vlan)
		nat_copy_way(entry, seen);
	return true;
}

/*
 * Finds the port that the scratch's flow leaves from, its own or a newly allocated one, and leaves
 * it in query->reply. Negative: none to be had.
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
	if (query->only_find)
		return place == NAT_PLACE_OWN ? 0 : -1;
	if (place == NAT_PLACE_FREE)
		return nat_enter(query) ? 0 : -1;
	entry = bpf_map_lookup_elem(&nat_flows, &query->reply);
	if (place == NAT_PLACE_TAKE_OVER)
		done = entry && nat_take_over(entry, query);
	else if (place == NAT_PLACE_OWN)
		done = entry && nat_keep(entry, query);
	return done ? 0 : -1;
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
	query->ticks = nat_ticks(pkt);
	query->idle_ticks = flow_timeout(pkt, d->service, LB_FLOW_ESTABLISHED)
			    << (lb_coarse_tick_shift - lb_tick_shift);
	query->half_open_ticks = d->service->timeout[LB_FLOW_EMBRYONIC];
	query->tcp_flags = pkt->tcp_flags;
	query->new_flow = d->new_flow;
	/* An error is about a flow that there is. */
	query->only_find = is_kind(pkt, LB_ICMP_ERROR);
}

/* --- rewriting --- */

#define NAT_OFFSET_MASK 0xfff /* for the verifier: all headers begin within so many bytes */

/* An L4 header's checksum has to differ by diff. Returns by how much the field then differs. */
LB_INLINE __u64 nat_rewrite_check(void *l4, void *end, __u8 l4_proto, __u64 diff)
{
	struct tcphdr *tcp = l4;
	struct udphdr *udp = l4;
	__u16 former;

	if (l4_proto == IPPROTO_TCP && (void *)(tcp + 1) <= end) {
		former = tcp->check;
		tcp->check = csum_apply(former, diff);
		return csum_replace(0, former, tcp->check);
	}
	if (l4_proto == IPPROTO_UDP && (void *)(udp + 1) <= end && udp->check) {
		former = udp->check; /* zero: the sender computed none (RFC 768) */
		udp->check = csum_apply(former, diff) ?: 0xffff;
		return csum_replace(0, former, udp->check);
	}
	return 0;
}

/*
 * Rewrites an L4 header's ports and its checksum, which covers the addresses too; those differ by
 * `addresses`. Returns by how much the header then differs.
 */
LB_INLINE __u64 nat_rewrite_l4(void *l4, void *end, __u8 l4_proto, struct l4_ports to,
			       __u64 addresses)
{
	struct l4_ports *ports = l4;
	__u64 diff;

	if ((void *)(ports + 1) > end)
		return 0;
	diff = csum_replace(0, ports->src, to.src);
	diff = csum_replace(diff, ports->dst, to.dst);
	*ports = to;
	return diff + nat_rewrite_check(l4, end, l4_proto, addresses + diff);
}

LB_INLINE __u64 nat_rewrite_addresses_ipv4(struct iphdr *ip, __be32 src, __be32 dst)
{
	__u64 diff = csum_replace(csum_replace(0, ip->saddr, src), ip->daddr, dst);

	ip->check = csum_apply(ip->check, diff);
	ip->saddr = src;
	ip->daddr = dst;
	return diff;
}

LB_INLINE __u64 nat_rewrite_address_ipv6(struct in6_addr *addr, const struct lb_addr *to)
{
	__be32 *word = addr->in6_u.u6_addr32;
	__u64 diff = 0;
	int i;

	for (i = 0; i < 4; i++) {
		diff = csum_replace(diff, word[i], to->word[i]);
		word[i] = to->word[i];
	}
	return diff;
}

/*
 * What an ICMP error quotes (RFC 5508, 4.2) was sent against the direction of its flow, so source
 * and destination change places. ICMPv4's checksum covers the message; a quoted IPv4 header is
 * worth the same before and after, for its own checksum makes up for its addresses.
 */
LB_INLINE void nat_rewrite_quote_ipv4(struct icmp_header *icmp, void *end,
				      const struct nat_job *job)
{
	struct l4_ports ports = {.src = job->to.dst_port, .dst = job->to.src_port};
	struct iphdr *ip = (struct iphdr *)(icmp + 1);
	void *l4 = (void *)ip + (job->quote_offset & NAT_OFFSET_MASK);
	__u64 diff;

	if ((void *)(ip + 1) > end)
		return;
	diff = nat_rewrite_addresses_ipv4(ip, job->to.dst.word[3], job->to.src.word[3]);
	diff = nat_rewrite_l4(l4, end, job->l4_proto, ports, diff);
	icmp->check = csum_apply(icmp->check, diff);
}

/* ICMPv6's checksum covers the outer addresses too; they have changed by `outer`. */
LB_INLINE void nat_rewrite_quote_ipv6(struct icmp_header *icmp, void *end,
				      const struct nat_job *job, __u64 outer)
{
	struct l4_ports ports = {.src = job->to.dst_port, .dst = job->to.src_port};
	struct ipv6hdr *ip = (struct ipv6hdr *)(icmp + 1);
	void *l4 = (void *)ip + (job->quote_offset & NAT_OFFSET_MASK);
	__u64 addresses;

	if ((void *)(ip + 1) > end)
		return;
	addresses = nat_rewrite_address_ipv6(&ip->saddr, &job->to.dst);
	addresses += nat_rewrite_address_ipv6(&ip->daddr, &job->to.src);
	outer += addresses + nat_rewrite_l4(l4, end, job->l4_proto, ports, addresses);
	icmp->check = csum_apply(icmp->check, outer);
}

LB_INLINE __u64 nat_rewrite_addresses_ipv6(struct ipv6hdr *ip, const struct lb_tuple *to)
{
	return nat_rewrite_address_ipv6(&ip->saddr, &to->src) +
	       nat_rewrite_address_ipv6(&ip->daddr, &to->dst);
}

/* Does the scratch's job on the packet. Negative: cannot be. */
LB_INLINE int nat_rewrite_packet(struct xdp_md *ctx, bool is_ipv4)
{
	const __u32 ip_size = is_ipv4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end, *ip, *l4;
	struct nat_scratch *scratch = nat_scratch_get();
	struct l4_ports ports;
	struct nat_job *job;
	__u64 diff;

	if (!scratch)
		return -1;
	job = &scratch->job;
	ip = data + (job->l3_offset & NAT_OFFSET_MASK);
	l4 = ip + (job->l4_offset & NAT_OFFSET_MASK);
	if (ip + ip_size > end)
		return -1;
	if (is_ipv4)
		diff = nat_rewrite_addresses_ipv4(ip, job->to.src.word[3], job->to.dst.word[3]);
	else
		diff = nat_rewrite_addresses_ipv6(ip, &job->to);
	if (job->kind == LB_FOLLOWING_FRAGMENT)
		return 0;
	if (l4 + sizeof(struct icmp_header) > end)
		return -1;
	ports = (struct l4_ports){job->to.src_port, job->to.dst_port};
	if (job->kind != LB_ICMP_ERROR)
		nat_rewrite_l4(l4, end, job->l4_proto, ports, diff);
	else if (is_ipv4)
		nat_rewrite_quote_ipv4(l4, end, job);
	else
		nat_rewrite_quote_ipv6(l4, end, job, diff);
	return 0;
}

__noinline int nat_rewrite_ipv4(struct xdp_md *ctx)
{
	return nat_rewrite_packet(ctx, true);
}

__noinline int nat_rewrite_ipv6(struct xdp_md *ctx)
{
	return nat_rewrite_packet(ctx, false);
}

/* False: the packet quotes so little of a TCP header that its checksum is not there. What lies
 * where it would be is Ethernet's padding. */
LB_INLINE bool quotes_check(const struct packet *pkt)
{
	__u32 l4 = pkt->l4_offset + sizeof(*pkt->icmp) + pkt->quote_offset;

	return !is_kind(pkt, LB_ICMP_ERROR) || pkt->l4_proto != IPPROTO_TCP ||
	       l4 + sizeof(struct tcphdr) <= pkt->l3_length;
}

/* Gives the packet the addresses and ports of job->to. False: cannot be. */
LB_INLINE bool nat_rewrite(struct xdp_md *ctx, const struct packet *pkt, struct nat_job *job)
{
	job->l4_proto = pkt->l4_proto;
	job->l3_offset = pkt->l3_offset;
	job->l4_offset = pkt->l4_offset;
	job->quote_offset = pkt->quote_offset;
	if (!quotes_check(pkt))
		job->l4_proto = 0;
	job->kind = is_kind(pkt, LB_ICMP_ERROR)           ? LB_ICMP_ERROR
		    : is_kind(pkt, LB_FOLLOWING_FRAGMENT) ? LB_FOLLOWING_FRAGMENT
							  : LB_WHOLE;
	return (pkt->is_ipv4 ? nat_rewrite_ipv4(ctx) : nat_rewrite_ipv6(ctx)) == 0;
}

/* Client to backend. LB_PASS: translated. */
LB_INLINE enum lb_verdict nat_forward(struct xdp_md *ctx, const struct packet *pkt,
				      const struct decision *d)
{
	struct nat_scratch *scratch = nat_scratch_get();
	struct lb_tuple *reply, *to;

	if (!scratch)
		return LB_INTERNAL;
	to = &scratch->job.to;
	if (!hop_limit_take(pkt))
		return LB_TTL;
	reply = &scratch->query.reply;
	nat_query_init(ctx, &scratch->query, pkt, d);
	if (!is_kind(pkt, LB_FOLLOWING_FRAGMENT) && nat_allocate())
		return is_kind(pkt, LB_ICMP_ERROR) ? LB_NO_FLOW : LB_NAT_PORTS;
	to->src = reply->dst;
	to->dst = reply->src;
	to->src_port = reply->dst_port;
	to->dst_port = reply->src_port;
	return nat_rewrite(ctx, pkt, &scratch->job) ? LB_PASS : LB_INTERNAL;
}

/* The link-layer way back to the flow's client. */
LB_INLINE void nat_link(const struct lb_nat_entry *entry, const struct packet *pkt,
			struct link *link)
{
	link_set(link, pkt, entry->vlan);
	__builtin_memcpy(link->dst_mac, entry->client_mac, ETH_ALEN);
	__builtin_memcpy(link->src_mac, entry->local_mac, ETH_ALEN);
}

/* Backend to client: LB_RETURN, or LB_PASS if it is no reply to a translated flow. */
LB_INLINE enum lb_verdict nat_return(struct xdp_md *ctx, const struct packet *pkt,
				     struct decision *d)
{
	struct lb_nat_entry *entry = bpf_map_lookup_elem(&nat_flows, pkt->tuple);
	struct nat_scratch *scratch = nat_scratch_get();
	struct lb_tuple *to;
	struct link link;
	__u64 life;

	if (!entry || !scratch)
		return LB_PASS;
	life = READ_ONCE(entry->life);
	if (!nat_valid(life))
		return LB_PASS;
	to = &scratch->job.to;
	to->src = entry->vip_addr;
	to->dst = entry->client_addr;
	to->src_port = entry->vip_port;
	to->dst_port = entry->client_port;
	nat_link(entry, pkt, &link);
	d->egress = entry->ifindex;
	if ((READ_ONCE(entry->life) ^ life) & 0xffff0003ULL)
		return LB_PASS; /* taken over while we read */
	if (is_kind(pkt, LB_FIRST_FRAGMENT))
		fragment_note(pkt, d);
	if (!is_kind(pkt, LB_ICMP_ERROR))
		nat_touch(entry, life, pkt->tcp_flags, nat_ticks(pkt), true);
	if (!hop_limit_take(pkt))
		return LB_TTL;
	if (!nat_rewrite(ctx, pkt, &scratch->job))
		return LB_INTERNAL;
	return link_apply(ctx, pkt, &link) ? LB_RETURN : LB_HEADROOM;
}

#endif
