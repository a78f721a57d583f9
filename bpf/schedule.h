/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_SCHEDULE_STAGE_H
#define SLUICE_SCHEDULE_STAGE_H

#include "backend.h"
#include "hash.h"
#include "maps.h"
#include "packet.h"

/* The slot of a Maglev table that 32 bits of a hash fall on. Multiply-shift instead of modulo:
 * Lemire, "Fast Random Integer Generation in an Interval", ACM TOMACS 2019. */
LB_INLINE __u32 slot_of(__u32 hash)
{
	return ((__u64)hash * lb_table_size) >> 32;
}

/* The owner of that slot in the service's table; 0: none. */
LB_INLINE __u16 slot_owner(const struct lb_service *service, __u32 hash)
{
	__u32 slot = slot_of(hash);
	__u32 index = READ_ONCE(service->table) * lb_table_lines + slot / LB_SLOTS_PER_LINE;
	struct lb_slot_line *line = bpf_map_lookup_elem(&slots, &index);

	return line ? line->backend[slot % LB_SLOTS_PER_LINE] : 0;
}

/*
 * The less loaded of two slots' owners: "The Power of Two Choices in Randomized Load Balancing",
 * Mitzenmacher, IEEE TPDS 2001. Load is active flows by weight, the new one counted.
 */
LB_INLINE __u16 less_loaded(__u16 a_id, __u16 b_id)
{
	struct lb_backend *a = backend_alive(a_id), *b = backend_alive(b_id);

	if (!b || a_id == b_id)
		return a_id;
	if (!a)
		return b_id;
	return (backend_load(b_id) + 1) * a->weight < (backend_load(a_id) + 1) * b->weight ? b_id
											   : a_id;
}

/* Whose a new flow of this hash is; 0: nobody's. A function of its own, for the verifier to take
 * apart but once. */
__noinline int schedule(const struct lb_service *service, const struct lb_tuple *tuple, __u64 hash)
{
	__u32 upper = hash >> 32;

	if (!service || !tuple)
		return 0;
	switch (service->scheduler) {
	case LB_SCHEDULER_SOURCE:
		return slot_owner(service, source_hash(tuple) >> 32);
	case LB_SCHEDULER_DPORT:
		return slot_owner(service, port_hash(tuple->dst_port) >> 32);
	case LB_SCHEDULER_LEAST_CONN:
		return less_loaded(slot_owner(service, upper), slot_owner(service, hash));
	default:
		return slot_owner(service, upper);
	}
}

#endif
