/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "maglev.h"
#include "match.h"

/* --- what will be known of backends --- */

/* Will it get new flows? */
static bool expect_eligible(const struct backend_match *match, const struct backend_facts *facts,
			    bool at_once)
{
	const struct backend_spec *former = match->former;

	if (!backend_takes_part(match->next))
		return false;
	if (!former || former->state == ADMIN_MAINT)
		return !at_once; /* its first check decides */
	if (backend_takes_part(former))
		return facts[former->id].eligible;
	return facts[former->id].alive; /* it was checked while it drained */
}

static void expect(const struct plan_input *input, const struct backend_match *matches,
		   size_t count, bool at_once, struct backend_facts *facts)
{
	for (size_t i = 0; i < count; i++) {
		const struct backend_spec *next = matches[i].next;

		if (!next)
			continue;
		facts[next->id] = input->facts[next->id];
		facts[next->id].eligible = expect_eligible(&matches[i], input->facts, at_once);
	}
}

int plan_expect(const struct plan_input *input, const struct service_spec *former,
		const struct service_spec *next, bool at_once, struct backend_facts *facts)
{
	struct backend_match *matches;
	size_t count;

	if (match_backends(former, next, &matches, &count) < 0)
		return -ENOMEM;
	expect(input, matches, count, at_once, facts);
	free(matches);
	return 0;
}

/* --- tables --- */

/* A table and who is in it. */
struct table {
	struct maglev_backend *members;
	size_t count;
	uint64_t digest;  /* of the members */
	uint16_t *owners; /* NULL: not built */
	uint32_t *slots;  /* [backend index] */
};

static void table_clear(struct table *table)
{
	free(table->members);
	free(table->owners);
	free(table->slots);
	*table = (struct table){0};
}

static int table_gather(struct table *table, const struct service_spec *service,
			const struct backend_facts *facts)
{
	table->members =
		calloc((service ? service->backend_count : 0) + 1, sizeof(*table->members));
	if (!table->members)
		return -ENOMEM;
	table->count = service ? sync_members(service, facts, table->members) : 0;
	table->digest = sync_members_digest(table->members, table->count);
	return 0;
}

static int table_build(struct table *table, const struct plan_input *input)
{
	int r;

	table->owners = calloc(input->table_size, sizeof(*table->owners));
	table->slots = calloc((size_t)input->backends + 1, sizeof(*table->slots));
	if (!table->owners || !table->slots)
		return -ENOMEM;
	r = maglev_build(table->members, table->count, table->owners, input->table_size);
	for (uint32_t slot = 0; r == 0 && slot < input->table_size; slot++)
		table->slots[table->owners[slot]]++;
	return r;
}

/* --- one service --- */

/* What a plan of one service is made from. */
struct work {
	const struct plan_input *input;
	const struct service_spec *former, *next;
	struct backend_match *matches;
	size_t count;
	struct backend_facts *facts; /* scratch */
	struct table before, after;
};

static bool has_vip(const struct service_spec *service, const struct vip *vip)
{
	for (size_t i = 0; i < service->vip_count; i++) {
		if (vip_equal(&service->vips[i].vip, vip))
			return true;
	}
	return false;
}

static bool uproots(const struct service_spec *former, const struct service_spec *next)
{
	if (!former)
		return false;
	if (!next || next->mode != former->mode)
		return true;
	for (size_t i = 0; i < former->vip_count; i++) {
		if (!has_vip(next, &former->vips[i].vip))
			return true;
	}
	return false;
}

static bool drains(const struct backend_spec *spec)
{
	return spec->removing || spec->state == ADMIN_DRAIN;
}

/* Does next end its drain by a deadline, and former did not, or later? */
static bool is_bounded(const struct backend_spec *former, const struct backend_spec *next)
{
	if (!drains(next) || next->deadline_ms == 0)
		return false;
	return !drains(former) || former->deadline_ms == 0 ||
	       former->deadline_ms > next->deadline_ms;
}

static enum plan_fate fate_of(const struct plan_service *plan, const struct work *work,
			      const struct backend_match *match)
{
	if (!match->former || !work->input->facts[match->former->id].alive)
		return PLAN_STAYS; /* there is nothing to lose */
	if (plan->uprooted || !match->next || match->next->state == ADMIN_MAINT)
		return PLAN_LOST;
	return is_bounded(match->former, match->next) ? PLAN_DRAINS : PLAN_STAYS;
}

static void add_backend(struct plan_service *plan, const struct work *work,
			const struct backend_match *match)
{
	struct plan_backend *backend = &plan->backends[plan->backend_count++];
	const struct backend_spec *spec = match->former ?: match->next;
	bool alive = match->former && work->input->facts[spec->id].alive;

	*backend = (struct plan_backend){
		.endpoint = spec->endpoint,
		.flows = alive && plan->tracked ? work->input->flows[spec->id] : 0,
		.fate = fate_of(plan, work, match),
	};
	plan->flows += backend->flows;
	plan->flows_drain += backend->fate == PLAN_DRAINS ? backend->flows : 0;
	plan->flows_lost += backend->fate == PLAN_LOST ? backend->flows : 0;
}

/* The members of both tables, and whether there are any right after the change. */
static int gather(struct plan_service *plan, struct work *work)
{
	struct table at_once = {0};
	int r = table_gather(&work->before, work->former, work->input->facts);

	expect(work->input, work->matches, work->count, true, work->facts);
	if (r == 0)
		r = table_gather(&at_once, work->next, work->facts);
	expect(work->input, work->matches, work->count, false, work->facts);
	if (r == 0)
		r = table_gather(&work->after, work->next, work->facts);
	plan->deserted = r == 0 && work->next && work->before.count > 0 && at_once.count == 0;
	table_clear(&at_once);
	return r;
}

static void count_moved(struct plan_service *plan, const struct work *work)
{
	const struct table *before = &work->before, *after = &work->after;

	for (uint32_t slot = 0; slot < work->input->table_size; slot++) {
		uint16_t from = before->owners[slot], to = after->owners[slot];

		if (from == to || from == 0)
			continue;
		if (after->slots[from] == 0)
			plan->moved_leaving++;
		else if (before->slots[to] == 0)
			plan->moved_coming++;
		else
			plan->moved_between++;
	}
}

static int compare_tables(struct plan_service *plan, struct work *work)
{
	int r = table_build(&work->before, work->input);

	if (r == 0)
		r = table_build(&work->after, work->input);
	if (r < 0)
		return r;
	count_moved(plan, work);
	for (size_t i = 0; i < work->count; i++) {
		const struct backend_match *match = &work->matches[i];

		if (match->former)
			plan->backends[i].slots_before = work->before.slots[match->former->id];
		if (match->next)
			plan->backends[i].slots_after = work->after.slots[match->next->id];
	}
	return 0;
}

static double disruption_of(const struct plan_service *plan, const struct work *work)
{
	uint32_t moved = plan->moved_leaving + plan->moved_coming + plan->moved_between;

	if (plan->deserted)
		return 1;
	if (!work->former)
		return 0;
	if (plan->tracked)
		return plan->flows ? (double)(plan->flows_lost + plan->flows_drain) /
					     (double)plan->flows
				   : 0;
	if (work->before.count == 0)
		return 0;
	if (plan->uprooted || work->former->scheduler != work->next->scheduler)
		return 1;
	return (double)moved / work->input->table_size;
}

/* Has the change any effect on the service's packets? If not, no table need be built to say so. */
static bool has_effect(const struct plan_service *plan, const struct work *work)
{
	if (!work->former || !work->next || plan->uprooted || plan->deserted ||
	    work->before.digest != work->after.digest ||
	    work->former->scheduler != work->next->scheduler)
		return true;
	for (size_t i = 0; i < plan->backend_count; i++) {
		if (plan->backends[i].fate != PLAN_STAYS)
			return true;
	}
	return false;
}

static int fill(struct plan_service *plan, struct work *work)
{
	const struct service_spec *former = work->former, *next = work->next;
	int r;

	if (!work->facts || match_backends(former, next, &work->matches, &work->count) < 0)
		return -ENOMEM;
	plan->backends = calloc(work->count + 1, sizeof(*plan->backends));
	if (!plan->backends)
		return -ENOMEM;
	memcpy(plan->name, (next ?: former)->name, sizeof(plan->name));
	plan->tracked = (!former || former->tracking != TRACK_NONE) &&
			(!next || next->tracking != TRACK_NONE);
	plan->uprooted = uproots(former, next);
	for (size_t i = 0; i < work->count; i++)
		add_backend(plan, work, &work->matches[i]);
	r = gather(plan, work);
	plan->effect = r == 0 && has_effect(plan, work);
	if (plan->effect)
		r = compare_tables(plan, work);
	if (r == 0 && plan->effect)
		plan->disruption = disruption_of(plan, work);
	return r;
}

int plan_make_service(const struct plan_input *input, const struct service_spec *former,
		      const struct service_spec *next, struct plan_service *ret_plan,
		      struct error *err)
{
	struct work work = {
		.input = input,
		.former = former,
		.next = next,
		.facts = calloc((size_t)input->backends + 1, sizeof(*work.facts)),
	};
	struct plan_service plan = {0};
	int r = fill(&plan, &work);

	if (r < 0) {
		error_set(err, -r, "service %s: cannot be planned: %s", (next ?: former)->name,
			  strerror(-r));
		plan_service_clear(&plan);
	} else {
		*ret_plan = plan;
	}
	table_clear(&work.before);
	table_clear(&work.after);
	free(work.matches);
	free(work.facts);
	return r;
}

void plan_service_clear(struct plan_service *plan)
{
	free(plan->backends);
	*plan = (struct plan_service){0};
}

/* --- all services --- */

static int add_service(struct plan *plan, const struct plan_input *input,
		       const struct service_match *match, struct error *err)
{
	struct plan_service *service = &plan->services[plan->service_count];
	int r = plan_make_service(input, match->former, match->next, service, err);

	if (r < 0)
		return r;
	if (!service->effect) {
		plan_service_clear(service);
		return 0;
	}
	plan->service_count++;
	if (service->disruption > plan->disruption)
		plan->disruption = service->disruption;
	return 0;
}

int plan_make(const struct plan_input *input, const struct desired *former,
	      const struct desired *next, struct plan **ret_plan, struct error *err)
{
	struct plan *plan = calloc(1, sizeof(*plan));
	struct service_match *matches = NULL;
	size_t count = 0;
	int r = plan ? match_services(former, next, &matches, &count) : -ENOMEM;

	if (r == 0)
		plan->services = calloc(count + 1, sizeof(*plan->services));
	if (!plan || !plan->services) {
		free(matches);
		plan_free(plan);
		return error_set(err, ENOMEM, "out of memory");
	}
	plan->table_size = input->table_size;
	plan->counted = input->counted;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_service(plan, input, &matches[i], err);
	free(matches);
	if (r < 0)
		plan_free(plan);
	else
		*ret_plan = plan;
	return r;
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->service_count; i++)
		plan_service_clear(&plan->services[i]);
	free(plan->services);
	free(plan);
}

int plan_require_count(bool counted, struct error *err)
{
	if (counted)
		return 0;
	error_set(err, EAGAIN, "flows have not been counted yet");
	return error_hint(err, -EAGAIN, "ask again in two seconds");
}
