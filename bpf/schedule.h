/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_SCHEDULE_STAGE_H
#define SLUICE_SCHEDULE_STAGE_H

#include "maps.h"
#include "packet.h"

/* The owner of the flow's slot in the service's Maglev table; 0: none. */
LB_INLINE __u16 schedule(const struct lb_service *service, __u64 hash)
{
	/* Multiply-shift instead of modulo: Lemire, "Fast Random Integer Generation in an
	 * Interval", ACM TOMACS 2019. */
	__u32 slot = ((hash >> LB_FLOW_FINGERPRINT_SHIFT) * lb_table_size) >> 32;
	__u32 index = READ_ONCE(service->table) * lb_table_lines + slot / LB_SLOTS_PER_LINE;
	struct lb_slot_line *line = bpf_map_lookup_elem(&slots, &index);

	return line ? line->backend[slot % LB_SLOTS_PER_LINE] : 0;
}

#endif
