/* SPDX-License-Identifier: Apache-2.0 */
#include "stage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "diff.h"
#include "maglev.h"
#include "match.h"

/* How finely the way between two shares is divided. */
#define RAMP_STEPS 1024

/* One service on its way. */
struct walk {
	const struct plan_input *input;
	double limit;
	const struct service_spec *former, *target; /* not NULL */
	struct backend_match *matches;
	size_t count;
	struct plan_service whole;   /* of the whole way; backends as in matches */
	struct backend_facts *facts; /* scratch, [backend index] */
	struct service_spec step;    /* where it leads to; owns its arrays */
	bool moves;                  /* the step changes a share */
	struct error *why, *err;
};

/* How far a service comes. */
enum progress { ARRIVES = 1, GOES_ON, IS_STUCK };

/* --- is a step good? --- */

static int weight_up(const struct service_spec *service, const struct backend_facts *facts,
		     uint64_t *ret_weight)
{
	struct maglev_backend *members = calloc(service->backend_count + 1, sizeof(*members));
	size_t count;

	if (!members)
		return -ENOMEM;
	*ret_weight = 0;
	count = sync_members(service, facts, members);
	for (size_t i = 0; i < count; i++)
		*ret_weight += members[i].weight;
	free(members);
	return 0;
}

static void expect_all_up(const struct service_spec *service, struct backend_facts *facts)
{
	for (size_t i = 0; i < service->backend_count; i++) {
		facts[service->backends[i].id] = (struct backend_facts){0};
		facts[service->backends[i].id].eligible = backend_takes_part(&service->backends[i]);
	}
}

/* Does the step leave as much weight up as there is, or as is wanted in the end? */
static int leaves_enough(struct walk *walk)
{
	uint64_t now = 0, then = 0, wanted = 0;
	int r = weight_up(walk->former, walk->input->facts, &now);

	if (r == 0)
		r = plan_expect(walk->input, walk->former, &walk->step, true, walk->facts);
	if (r == 0)
		r = weight_up(&walk->step, walk->facts, &then);
	expect_all_up(walk->target, walk->facts);
	if (r == 0)
		r = weight_up(walk->target, walk->facts, &wanted);
	if (r < 0)
		return error_set(walk->err, -r, "out of memory");
	return then >= (now < wanted ? now : wanted);
}

static int within_limit(const struct walk *walk)
{
	struct plan_service plan = {0};
	int r = plan_make_service(walk->input, walk->former, &walk->step, &plan, walk->err);
	bool within = r == 0 && plan.disruption <= walk->limit;

	plan_service_clear(&plan);
	return r < 0 ? r : within;
}

/* --- steps: fill walk->step --- */

/* The wanted state without its backends. */
static int step_begin(struct walk *walk)
{
	struct service_spec *step = &walk->step;
	struct backend_spec *backends = calloc(walk->count + 1, sizeof(*backends));

	service_spec_clear(step);
	if (!backends || service_spec_copy(walk->target, step) < 0) {
		free(backends);
		return error_set(walk->err, ENOMEM, "out of memory");
	}
	free(step->backends);
	step->backends = backends;
	step->backend_count = 0;
	return 0;
}

static void step_add(struct walk *walk, const struct backend_spec *spec)
{
	if (spec)
		walk->step.backends[walk->step.backend_count++] = *spec;
}

static bool would_cut(const struct walk *walk, size_t i)
{
	return walk->whole.backends[i].fate != PLAN_STAYS && walk->whole.backends[i].flows > 0;
}

static int step_target(struct walk *walk)
{
	int r = step_begin(walk);

	for (size_t i = 0; r == 0 && i < walk->count; i++)
		step_add(walk, walk->matches[i].next);
	return r;
}

/* What would cut flows drains instead, for as long as it takes. */
static int step_drained(struct walk *walk)
{
	int r = step_begin(walk);

	for (size_t i = 0; r == 0 && i < walk->count; i++) {
		const struct backend_match *match = &walk->matches[i];
		struct backend_spec drained;

		if (!would_cut(walk, i)) {
			step_add(walk, match->next);
			continue;
		}
		drained = *match->former;
		if (!drained.removing) {
			drained.state = ADMIN_DRAIN;
			drained.deadline_ms = 0;
		}
		step_add(walk, &drained);
	}
	return r;
}

/* What is to get fewer new flows, or none, stays as it is. */
static int step_kept(struct walk *walk)
{
	int r = step_begin(walk);

	for (size_t i = 0; r == 0 && i < walk->count; i++) {
		const struct backend_spec *former = walk->matches[i].former;
		const struct backend_spec *next = walk->matches[i].next;
		bool less = backend_takes_part(former) &&
			    (!backend_takes_part(next) || next->weight < former->weight ||
			     next->priority > former->priority);

		step_add(walk, less || would_cut(walk, i) ? former : next);
	}
	return r;
}

/* The way's part-th part of RAMP_STEPS: of both tables, in this proportion. */
static uint64_t mixed_share(const struct walk *walk, size_t i, uint32_t part)
{
	const struct plan_backend *backend = &walk->whole.backends[i];

	return (uint64_t)backend->slots_before * (RAMP_STEPS - part) +
	       (uint64_t)backend->slots_after * part;
}

static uint8_t present_priority(const struct walk *walk)
{
	for (size_t i = 0; i < walk->count; i++) {
		if (walk->whole.backends[i].slots_before > 0)
			return walk->matches[i].former->priority;
	}
	return 0;
}

static int step_mixed(struct walk *walk, uint32_t part)
{
	uint64_t share, largest = 1;
	int r = step_begin(walk);

	walk->moves = false;

	for (size_t i = 0; i < walk->count; i++) {
		share = mixed_share(walk, i, part);
		largest = share > largest ? share : largest;
	}
	for (size_t i = 0; r == 0 && i < walk->count; i++) {
		const struct plan_backend *plan = &walk->whole.backends[i];
		const struct backend_match *match = &walk->matches[i];
		struct backend_spec mixed;

		if (plan->slots_before == 0 && plan->slots_after == 0) {
			step_add(walk, match->next ?: match->former);
			continue;
		}
		mixed = plan->slots_after > 0 ? *match->next : *match->former;
		share = mixed_share(walk, i, part) * BACKEND_WEIGHT_MAX;
		mixed.weight = (uint16_t)((share + largest / 2) / largest);
		if (mixed.weight == 0 && share > 0)
			mixed.weight = 1;
		mixed.priority = present_priority(walk);
		walk->moves = walk->moves || !backend_takes_part(match->former) ||
			      mixed.weight != match->former->weight;
		step_add(walk, &mixed);
	}
	return r;
}

/* --- which step --- */

/* Is it wanted, but not up yet? */
static bool is_missing(const struct walk *walk, const struct backend_match *match)
{
	return backend_takes_part(match->next) && match->next->weight > 0 &&
	       (!match->former || !walk->input->facts[match->former->id].eligible);
}

/* The first one that is missing, of all or of those that are asked to be up now; NULL: none is. */
static const struct backend_spec *find_missing(const struct walk *walk, bool all)
{
	for (size_t i = 0; i < walk->count; i++) {
		if ((all || backend_takes_part(walk->matches[i].former)) &&
		    is_missing(walk, &walk->matches[i]))
			return walk->matches[i].next;
	}
	return NULL;
}

static int wait_for(const struct walk *walk, const struct backend_spec *missing)
{
	char text[ENDPOINT_TEXT_MAX];

	error_set(walk->why, EAGAIN, "service %s: waits for backend %s, which is not up",
		  walk->target->name, format_endpoint(&missing->endpoint, text));
	return GOES_ON;
}

static int stay(struct walk *walk)
{
	service_spec_clear(&walk->step);
	error_set(walk->why, E2BIG,
		  "service %s: %.4g%% disruption, and no smaller step leads there",
		  walk->target->name, 100 * walk->whole.disruption);
	return IS_STUCK;
}

/* Makes a step and says whether it will do: 1, 0, or negative errno. */
static int try_step(struct walk *walk, int (*make)(struct walk *walk))
{
	struct error ignored;
	int r = make(walk);

	if (r == 0 && service_spec_check(&walk->step, &ignored) < 0)
		return 0;
	if (r == 0)
		r = within_limit(walk);
	return r == 1 ? leaves_enough(walk) : r;
}

/* As far as the limit allows: more of the way moves more slots, near enough. */
static int walk_ramp(struct walk *walk)
{
	uint32_t good = 0, bad = RAMP_STEPS + 1, part;
	int r;

	while (bad - good > 1) {
		part = (good + bad) / 2;
		r = step_mixed(walk, part);
		if (r == 0)
			r = within_limit(walk);
		if (r < 0)
			return r;
		if (r == 1)
			good = part;
		else
			bad = part;
	}
	r = step_mixed(walk, good);
	if (r < 0)
		return r;
	if (good == 0 || !walk->moves)
		return stay(walk);
	error_set(walk->why, EAGAIN, "service %s: shares move step by step", walk->target->name);
	return GOES_ON;
}

static bool leads_nowhere(const struct walk *walk)
{
	for (size_t i = 0; i < walk->count; i++) {
		if (walk->whole.backends[i].slots_after > 0)
			return false;
	}
	return true;
}

static int walk_untracked(struct walk *walk)
{
	const struct backend_spec *missing = find_missing(walk, false);
	bool fits = walk->whole.disruption <= walk->limit;
	int r;

	/* The share of one that comes up would move on top of the step's. */
	if (missing && walk->whole.effect)
		return wait_for(walk, missing);
	if (fits) {
		r = step_target(walk);
		return r < 0 ? r : ARRIVES;
	}
	return walk->whole.uprooted || leads_nowhere(walk) ||
			       walk->former->scheduler != walk->target->scheduler
		       ? stay(walk)
		       : walk_ramp(walk);
}

static int walk_tracked(struct walk *walk)
{
	const struct backend_spec *missing = find_missing(walk, true);
	int r = try_step(walk, step_target);

	if (r == 1)
		return ARRIVES;
	if (r == 0)
		r = try_step(walk, step_drained);
	if (r == 1) {
		error_set(walk->why, EAGAIN,
			  "service %s: waits for %" PRIu64 " flows of backends that are to go",
			  walk->target->name, walk->whole.flows_lost + walk->whole.flows_drain);
		return GOES_ON;
	}
	if (r == 0 && missing)
		r = try_step(walk, step_kept);
	if (r == 1)
		return wait_for(walk, missing);
	return r < 0 ? r : stay(walk);
}

static int walk_service(struct walk *walk)
{
	int r = match_backends(walk->former, walk->target, &walk->matches, &walk->count);

	if (r < 0)
		return error_set(walk->err, -r, "out of memory");
	r = plan_make_service(walk->input, walk->former, walk->target, &walk->whole, walk->err);
	if (r < 0)
		return r;
	return walk->whole.tracked ? walk_tracked(walk) : walk_untracked(walk);
}

/* --- all services --- */

/* The step of all services as it is put together. */
struct tour {
	const struct plan_input *input;
	double limit;
	struct desired *next;
	bool arrives;
	struct error why, stuck_why;
};

/* A service that is to go can only go whole. */
static int leave_service(struct tour *tour, const struct service_spec *former, struct error *err)
{
	struct plan_service plan = {0};
	int r = plan_make_service(tour->input, former, NULL, &plan, err);

	if (r == 0 && plan.disruption > tour->limit) {
		error_set(&tour->stuck_why, E2BIG,
			  "service %s: to remove it is %.4g%% disruption, and no smaller step "
			  "leads there",
			  former->name, 100 * plan.disruption);
		r = IS_STUCK;
	} else if (r == 0) {
		r = ARRIVES;
	}
	plan_service_clear(&plan);
	return r;
}

static int add_copy(struct desired *next, const struct service_spec *spec)
{
	int r = service_spec_copy(spec, &next->services[next->service_count]);

	next->service_count += r == 0;
	return r;
}

/* Walks one service and puts where it comes to into next. */
static int tour_service(struct tour *tour, const struct service_match *match,
			struct backend_facts *facts, struct error *err)
{
	struct error why = {0};
	struct walk walk = {
		.input = tour->input,
		.limit = tour->limit,
		.former = match->former,
		.target = match->next,
		.facts = facts,
		.why = &why,
		.err = err,
	};
	const struct service_spec *place = match->next;
	int progress = ARRIVES, r = 0;

	if (!match->next)
		progress = leave_service(tour, match->former, err);
	else if (match->former)
		progress = walk_service(&walk);
	if (progress == GOES_ON)
		tour->why = why;
	else if (progress == IS_STUCK && match->next)
		tour->stuck_why = why;
	tour->arrives = tour->arrives && progress == ARRIVES;
	if (progress == GOES_ON || progress == IS_STUCK)
		place = walk.step.backends ? &walk.step : match->former;
	if (progress >= 0 && place)
		r = add_copy(tour->next, place);
	free(walk.matches);
	plan_service_clear(&walk.whole);
	service_spec_clear(&walk.step);
	return progress < 0 ? progress : r < 0 ? error_set(err, -r, "out of memory") : 0;
}

/* A state with room for so many services; NULL: out of memory. */
static struct desired *new_state(const struct desired *former, size_t services)
{
	struct desired *state = desired_new();

	if (!state)
		return NULL;
	state->generation = former->generation;
	state->seed = former->seed;
	state->services = calloc(services + 1, sizeof(*state->services));
	if (state->services)
		return state;
	desired_free(state);
	return NULL;
}

static int walk_all(struct tour *tour, const struct desired *former, const struct desired *target,
		    struct error *err)
{
	struct backend_facts *facts = calloc((size_t)tour->input->backends + 1, sizeof(*facts));
	struct service_match *matches = NULL;
	size_t count = 0;
	int r = 0;

	if (facts && match_services(former, target, &matches, &count) == 0)
		tour->next = new_state(former, count);
	if (!tour->next)
		r = error_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; tour->next && r == 0 && i < count; i++)
		r = tour_service(tour, &matches[i], facts, err);
	free(matches);
	free(facts);
	return r;
}

static int differs(const struct desired *former, const struct desired *next, struct error *err)
{
	cJSON *changes = diff_write(former, next);
	bool any = changes && changes->child;

	if (!changes)
		return error_set(err, ENOMEM, "out of memory");
	cJSON_Delete(changes);
	return any;
}

int stage_next(const struct plan_input *input, const struct desired *former,
	       const struct desired *target, double limit, enum stage_outcome *ret_outcome,
	       struct desired **ret_next, struct error *ret_why, struct error *err)
{
	struct tour tour = {.input = input, .limit = limit, .arrives = true};
	int r = plan_require_count(input->counted, err);

	if (r == 0)
		r = walk_all(&tour, former, target, err);

	if (r == 0 && tour.arrives) {
		desired_free(tour.next);
		tour.next = desired_clone(target); /* in its own order */
		r = tour.next ? 1 : error_set(err, ENOMEM, "out of memory");
	} else if (r == 0) {
		r = differs(former, tour.next, err);
	}
	if (r == 0 && !tour.why.message[0]) { /* nothing goes on */
		*err = tour.stuck_why;
		r = error_hint(err, -E2BIG, "raise --max-disruption, or change it by itself");
	}
	if (r != 1) {
		desired_free(tour.next);
		tour.next = NULL;
	}
	if (r < 0)
		return r;
	*ret_outcome = tour.arrives ? STAGE_LAST : r == 1 ? STAGE_STEP : STAGE_WAIT;
	*ret_why = tour.why.message[0] ? tour.why : tour.stuck_why;
	*ret_next = tour.next;
	return 0;
}
