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

/* What a block of the map slots says of a slot. */
LB_INLINE __u16 slot_read(__u32 block, __u32 slot)
{
	__u32 index = block * lb_table_lines + slot / LB_SLOTS_PER_LINE;
	struct lb_slot_line *line = bpf_map_lookup_elem(&slots, &index);

	return line ? READ_ONCE(line->backend[slot % LB_SLOTS_PER_LINE]) : 0;
}

/* A service's tables, both of one moment. */
LB_INLINE struct lb_tables tables_read(const struct lb_service *service)
{
	union {
		__u64 word;
		struct lb_tables tables;
	} now = {.word = READ_ONCE(*(const __u64 *)&service->tables)};

	return now.tables;
}

/* The owner of the slot in the service's table; 0: none. */
LB_INLINE __u16 slot_owner(const struct lb_service *service, __u32 hash)
{
	return slot_read(READ_ONCE(service->tables.current), slot_of(hash));
}

/* Who has the flows of this hash that began before this packet and have no entry, as its slot is
 * marked; 0: it is not, or nobody. Who is gone may be in there, and another have his index. */
LB_INLINE __u16 slot_former(__u32 block, __u32 hash, __u16 service_id)
{
	__u16 id = block ? slot_read(block, slot_of(hash)) : 0;
	struct lb_backend *former = id ? backend_alive(id) : NULL;

	return former && former->service == service_id ? id : 0;
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

/* Whose a flow of this hash is, new or begun before this packet; 0: nobody's. A function of its
 * own, for the verifier to take apart but once. */
__noinline int schedule(const struct lb_service *service, const struct lb_tuple *tuple, __u64 hash,
			__u32 service_id, bool begun)
{
	__u32 upper = hash >> 32;
	struct lb_tables tables;
	__u16 former;

	if (!service || !tuple)
		return 0;
	tables = tables_read(service);
	former = begun ? slot_former(tables.former, upper, service_id) : 0;
	if (former)
		return former;
	switch (service->scheduler) {
	case LB_SCHEDULER_SOURCE:
		return slot_owner(service, source_hash(tuple) >> 32);
	case LB_SCHEDULER_DPORT:
		return slot_owner(service, port_hash(tuple->dst_port) >> 32);
	case LB_SCHEDULER_LEAST_CONN:
		return less_loaded(slot_owner(service, upper), slot_owner(service, hash));
	default:
		return slot_read(tables.current, slot_of(upper));
	}
}

#endif
