/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_SOURCE_H
#define SLUICE_SOURCE_H

/*
 * Whose packets a service takes. The client is judged: of an ICMP error, whom the quoted packet
 * was sent to, so that a flow and the errors about it have the same fate.
 */
#include "budget.h"
#include "maps.h"
#include "packet.h"
#include "verdicts.h"

/* Is the address on the list? A function of its own, for the sake of the callers' stack. */
__noinline int source_listed(const struct lb_addr *addr, __u32 list)
{
	struct lb_source_key key = {
		.prefix_length = LB_SOURCE_BASE + sizeof(struct lb_addr) * 8,
		.list = list,
	};

	if (!addr || !list)
		return false;
	key.addr = *addr;
	return bpf_map_lookup_elem(&sources, &key) != NULL;
}

/* LB_PASS: the service takes it. Deny wins over allow. A function of its own, for the verifier to
 * take apart but once. */
__noinline int source_judge(const struct lb_service *service, const struct lb_tuple *tuple,
			    __u32 service_id)
{
	__u32 allow;
	__u64 cost;

	if (!service || !tuple)
		return LB_INTERNAL;
	if (source_listed(&tuple->src, READ_ONCE(lb_switches.source_deny)))
		return LB_DENIED_GLOBAL;
	if (source_listed(&tuple->src, READ_ONCE(service->source_deny)))
		return LB_DENIED;
	allow = READ_ONCE(service->source_allow);
	if (allow && !source_listed(&tuple->src, allow))
		return LB_NOT_ALLOWED;
	cost = READ_ONCE(service->source_packet_cost);
	if (cost && !source_may(service, &tuple->src, service_id, LB_BUDGET_PACKETS, cost))
		return LB_SOURCE_PACKETS;
	return LB_PASS;
}

#endif
