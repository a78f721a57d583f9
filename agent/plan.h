/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PLAN_H
#define SLUICE_PLAN_H

/*
 * What a change would do, said before it is made: which slots of a service's table change owner,
 * what share each backend would get, and how many live flows would lose the backend they are with.
 *
 * A plan is of the state that the change ends in: backends that are new, or come back from
 * maintenance, are taken for up, as they will be once they have passed their first check; those
 * that are down now stay down. Pure.
 *
 * Disruption, of a service, from 0 to 1:
 *
 * - Where flows are tracked: the share of live flows that lose their backend. They are counted, by
 *   the last round through the flow table. A living backend keeps its flows, whatever its slots. A
 *   backend that goes at once loses them. A drain with a deadline may cut what is left by then, so
 *   its flows count as well: a limit is a promise. With another mode, or without a VIP that it had,
 *   the service loses all.
 * - Where flows are not tracked: the share of slots that pass from one backend to another, an
 *   estimate, for each flow follows its slot; all, if the scheduler is another.
 * - All, if nobody would take new flows right after the change, and somebody does now.
 *
 * That of a change is the largest of its services.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "desired.h"
#include "sync.h"

struct plan_input {
	const struct backend_facts *facts; /* [backend index] */
	const uint32_t *flows;             /* [backend index]: active ones */
	bool counted;                      /* flows holds a whole round's count */
	uint32_t backends;                 /* the largest backend index */
	uint32_t table_size;
};

enum plan_fate {
	PLAN_STAYS,  /* its flows do */
	PLAN_DRAINS, /* until a deadline that the change sets */
	PLAN_LOST,
};

struct plan_backend {
	struct endpoint endpoint;
	uint32_t slots_before, slots_after;
	uint32_t flows; /* live, where they are tracked; a backend that is not alive has none */
	enum plan_fate fate;
};

struct plan_service {
	char name[SERVICE_NAME_MAX + 1];
	bool effect;   /* something changes for packets; if not, all but name is to be ignored */
	bool tracked;  /* before and after: flows are exact */
	bool uprooted; /* no flow can go on as it does: gone, another mode, or without a VIP */
	bool deserted; /* nobody takes new flows right after the change, but somebody does now */
	/* Slots that pass from one backend to another: from one that leaves the table, to one that
	 * comes into it, or between two that are in it before and after. */
	uint32_t moved_leaving, moved_coming, moved_between;
	uint64_t flows, flows_drain, flows_lost; /* all live ones, and of them those */
	double disruption;
	struct plan_backend *backends; /* owned; by address */
	size_t backend_count;
};

struct plan {
	uint32_t table_size;
	bool counted;      /* as in the input: if false, no flow is known */
	double disruption; /* the largest of all services */
	/* Owned; by name. Only those that the change has an effect on. */
	struct plan_service *services;
	size_t service_count;
};

/*
 * next has its indices (ids.h). *ret_plan is the caller's, for plan_free(). -ENOMEM, or what
 * maglev_build() refuses, with err filled.
 */
int plan_make(const struct plan_input *input, const struct desired *former,
	      const struct desired *next, struct plan **ret_plan, struct error *err);
void plan_free(struct plan *plan);

/* -EAGAIN if flows have not been counted yet, so that no limit can be held. */
int plan_require_count(bool counted, struct error *err);

/* Of one service, as plan_make() does; either may be NULL, not both. plan_service_clear() after. */
int plan_make_service(const struct plan_input *input, const struct service_spec *former,
		      const struct service_spec *next, struct plan_service *ret_plan,
		      struct error *err);
void plan_service_clear(struct plan_service *plan);

/*
 * What is expected to be known of next's backends once its new ones have passed their first check
 * or, at_once, right after the change: into facts, at their indices. -ENOMEM.
 */
int plan_expect(const struct plan_input *input, const struct service_spec *former,
		const struct service_spec *next, bool at_once, struct backend_facts *facts);

#endif
