/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_VIP_STAGE_H
#define SLUICE_VIP_STAGE_H

#include "maps.h"
#include "packet.h"
#include "vip_hash.h"

/* What the tables have of a VIP travels as one word, as it is in them; 0: there is none. */
LB_INLINE struct lb_vip vip_of(__u64 word)
{
	union {
		__u64 word;
		struct lb_vip vip;
	} found = {.word = word};

	return found.vip;
}

LB_INLINE struct lb_vip_key vip_key(const struct lb_tuple *tuple, __be16 port, __u8 l4_proto)
{
	return (struct lb_vip_key){.addr = tuple->dst, .port = port, .l4_proto = l4_proto};
}

/*
 * By a prefix of addresses: by exact port, then by any port. A function of its own, for
 * the sake of the callers' stack.
 */
__noinline __u64 vip_find_prefix(const struct lb_tuple *tuple)
{
	struct lb_vip_prefix_key key = {
		.prefix_length = LB_VIP_PREFIX_BASE + sizeof(struct lb_addr) * 8,
	};
	struct lb_vip *found;

	if (!tuple)
		return 0;
	key.vip = vip_key(tuple, tuple->dst_port, tuple->l4_proto);
	found = bpf_map_lookup_elem(&vip_prefixes, &key);
	if (!found) {
		key.vip.port = 0;
		found = bpf_map_lookup_elem(&vip_prefixes, &key);
	}
	return found ? READ_ONCE(*(__u64 *)found) : 0;
}

LB_INLINE bool vip_key_equal(const struct lb_vip_key *a, const struct lb_vip_key *b)
{
	return a->l4_proto == b->l4_proto && a->port == b->port && addr_equal(&a->addr, &b->addr);
}

/* The VIP of this very key. */
LB_INLINE __u64 vip_find_exact(struct lb_vip_key key, bool is_ipv4)
{
	__u64 hash = vip_hash(&key, is_ipv4), word;
	__u32 index = vip_group(hash, lb_vip_slot_shift);
	__u64 *factor = bpf_map_lookup_elem(&vip_groups, &index);
	struct lb_vip_entry *entry;

	if (!factor)
		return 0;
	index = vip_slot(hash, READ_ONCE(*factor), lb_vip_slot_shift);
	entry = bpf_map_lookup_elem(&vips, &index);
	if (!entry)
		return 0;
	word = READ_ONCE(*(__u64 *)&entry->vip);
	return vip_key_equal(&entry->key, &key) ? word : 0;
}

/* Whom the packet is addressed to: first by exact port, then by any port. */
LB_INLINE __u64 vip_find(const struct lb_tuple *tuple, __u8 l4_proto, bool is_ipv4)
{
	__u64 word = vip_find_exact(vip_key(tuple, tuple->dst_port, l4_proto), is_ipv4);

	if (!word && READ_ONCE(lb_switches.vip_any_port))
		word = vip_find_exact(vip_key(tuple, 0, l4_proto), is_ipv4);
	if (word)
		return word;
	return READ_ONCE(lb_switches.vip_prefixes) ? vip_find_prefix(tuple) : 0;
}

/* The same as a function of its own, for the packets that are rare. */
__noinline __u64 vip_find_apart(const struct lb_tuple *tuple, bool is_ipv4)
{
	return tuple ? vip_find(tuple, tuple->l4_proto, is_ipv4) : 0;
}

#endif
