/* SPDX-License-Identifier: Apache-2.0 */

/* What a change would do, and the steps that keep it within a limit: against what sync then does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diff.h"
#include "fake_dataplane.h"
#include "ids.h"
#include "plan.h"
#include "random_desired.h"
#include "stage.h"
#include "sync.h"

#define HISTORIES  400
#define CHANGES    10 /* of a history */
#define BACKENDS   200
#define TABLE_SIZE 251

static const struct dataplane_sizes sizes = {
	.services = 2 * RANDOM_SERVICES,
	.backends = BACKENDS,
	.vips = 4 * RANDOM_SERVICES,
	.flows = LB_FLOW_WAYS,
	.table_size = TABLE_SIZE,
};

/* A world: what is asked for, what is known, and the data plane that follows. */
struct world {
	struct desired *desired;
	struct backend_facts facts[BACKENDS + 1];
	uint32_t flows[BACKENDS + 1];
	bool healthy[BACKENDS + 1]; /* what its checks say, or would say */
	struct fake_dataplane *fake;
	struct sync *sync;
	unsigned int seed;
};

static struct plan_input input_of(const struct world *world)
{
	return (struct plan_input){
		.facts = world->facts,
		.flows = world->flows,
		.counted = true,
		.backends = BACKENDS,
		.table_size = TABLE_SIZE,
	};
}

static void world_begin(struct world *world, unsigned int seed)
{
	*world = (struct world){.seed = seed, .desired = desired_new()};
	world->fake = fake_dataplane_new(&sizes);
	assert_non_null(world->fake);
	world->sync = sync_new(&world->fake->dp);
	assert_non_null(world->sync);
	for (int id = 0; id <= BACKENDS; id++)
		world->healthy[id] = random_below(&world->seed, 5) != 0;
}

static void world_end(struct world *world)
{
	desired_free(world->desired);
	sync_free(world->sync);
	fake_dataplane_free(world->fake);
}

static void sync_with(struct world *world, const struct desired *desired,
		      const struct backend_facts *facts)
{
	struct error err = {0};

	if (sync_all(world->sync, desired, facts, NULL, &err) < 0)
		fail_msg("%s", err.message);
}

/* What backend_run.c makes of health and what is asked for. */
static struct backend_facts facts_of(const struct backend_spec *spec, bool healthy)
{
	bool maint = spec->state == ADMIN_MAINT && !spec->removing;

	return (struct backend_facts){
		.alive = healthy && !maint && spec->state != ADMIN_MAINT,
		.eligible = healthy && spec->state == ADMIN_UP && !spec->removing,
	};
}

/* Time passes: checks have ended, flows begin and end. Flows are where they were only while their
 * backend is alive. */
static void world_settle(struct world *world)
{
	for (size_t i = 0; i < world->desired->service_count; i++) {
		const struct service_spec *service = &world->desired->services[i];

		for (size_t b = 0; b < service->backend_count; b++) {
			const struct backend_spec *spec = &service->backends[b];

			world->facts[spec->id] = facts_of(spec, world->healthy[spec->id]);
			world->flows[spec->id] = random_below(&world->seed, 3)
							 ? random_below(&world->seed, 1000)
							 : 0;
		}
	}
}

static void give_indices(struct desired *desired, const struct desired *former)
{
	static const bool resting[BACKENDS + 1];
	struct error err;

	assert_int_equal(ids_assign(desired, former, &sizes, resting, &err), 0);
}

static struct desired *next_of(struct world *world)
{
	struct desired *next = desired_clone(world->desired);

	for (uint32_t i = 1 + random_below(&world->seed, 4); i > 0; i--)
		random_change(next, &world->seed);
	give_indices(next, world->desired);
	return next;
}

static struct plan *plan_of(const struct world *world, const struct desired *next)
{
	struct plan_input input = input_of(world);
	struct plan *plan = NULL;
	struct error err = {0};

	if (plan_make(&input, world->desired, next, &plan, &err) < 0)
		fail_msg("%s", err.message);
	return plan;
}

/* --- plans against the data plane --- */

static const uint16_t *table_of(const struct world *world, const struct service_spec *service)
{
	const struct dataplane *dp = &world->fake->dp;
	uint32_t block = service ? dp->services[service->id].tables.current : 0;

	return (const uint16_t *)&dp->slots[(size_t)block * dp->table_lines];
}

static uint32_t slots_in(const uint16_t *table, uint16_t id)
{
	uint32_t count = 0;

	for (int slot = 0; slot < TABLE_SIZE; slot++)
		count += id != 0 && table[slot] == id;
	return count;
}

static const struct plan_service *plan_service(const struct plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->service_count; i++) {
		if (strcmp(plan->services[i].name, name) == 0)
			return &plan->services[i];
	}
	return NULL;
}

static void assert_shares(const struct plan_service *plan)
{
	uint32_t before = 0, after = 0;

	for (size_t i = 0; i < plan->backend_count; i++) {
		before += plan->backends[i].slots_before;
		after += plan->backends[i].slots_after;
	}
	assert_true(before == 0 || before == TABLE_SIZE);
	assert_true(after == 0 || after == TABLE_SIZE);
}

static void assert_backends(const struct plan_service *plan, const struct service_spec *former,
			    const struct service_spec *next, const uint16_t *before,
			    const uint16_t *after)
{
	for (size_t i = 0; i < plan->backend_count; i++) {
		const struct plan_backend *backend = &plan->backends[i];
		const struct backend_spec *was =
			former ? service_backend(former, &backend->endpoint) : NULL;
		const struct backend_spec *is =
			next ? service_backend(next, &backend->endpoint) : NULL;

		assert_true(was || is);
		assert_int_equal(backend->slots_before, was ? slots_in(before, was->id) : 0);
		assert_int_equal(backend->slots_after, is ? slots_in(after, is->id) : 0);
	}
}

static void assert_moved(const struct plan_service *plan, const uint16_t *before,
			 const uint16_t *after)
{
	uint32_t leaving = 0, coming = 0, between = 0;

	for (int slot = 0; slot < TABLE_SIZE; slot++) {
		if (before[slot] == 0 || before[slot] == after[slot])
			continue;
		if (slots_in(after, before[slot]) == 0)
			leaving++;
		else if (slots_in(before, after[slot]) == 0)
			coming++;
		else
			between++;
	}
	assert_int_equal(plan->moved_leaving, leaving);
	assert_int_equal(plan->moved_coming, coming);
	assert_int_equal(plan->moved_between, between);
}

/* Flows that lose their backend if next is made true at once and drains with deadlines run out. */
static uint64_t flows_at_risk(const struct world *world, const struct service_spec *former,
			      const struct service_spec *next, bool uprooted, uint64_t *ret_all)
{
	uint64_t lost = 0;

	*ret_all = 0;
	for (size_t i = 0; i < former->backend_count; i++) {
		const struct backend_spec *was = &former->backends[i];
		const struct backend_spec *is = next ? service_backend(next, &was->endpoint) : NULL;
		bool drains = is && (is->removing || is->state == ADMIN_DRAIN);
		bool drained = was->removing || was->state == ADMIN_DRAIN;
		bool sooner = drains && is->deadline_ms &&
			      (!drained || !was->deadline_ms || was->deadline_ms > is->deadline_ms);

		if (!world->facts[was->id].alive)
			continue;
		*ret_all += world->flows[was->id];
		if (uprooted || !is || is->state == ADMIN_MAINT || sooner)
			lost += world->flows[was->id];
	}
	return lost;
}

static void assert_flows(const struct world *world, const struct plan_service *plan,
			 const struct service_spec *former, const struct service_spec *next)
{
	uint64_t all, lost = flows_at_risk(world, former, next, plan->uprooted, &all);

	if (!plan->tracked || plan->deserted)
		return;
	assert_true(plan->flows == all);
	assert_true(plan->flows_lost + plan->flows_drain == lost);
	assert_true(plan->disruption == (all ? (double)lost / (double)all : 0));
}

/* Where the plan is silent, nothing happens. */
static void assert_no_effect(const struct world *world, const struct service_spec *former,
			     const struct service_spec *next, const uint16_t *before,
			     const uint16_t *after)
{
	uint64_t all;

	assert_non_null(former);
	assert_non_null(next);
	assert_memory_equal(before, after, TABLE_SIZE * sizeof(*before));
	assert_int_equal(flows_at_risk(world, former, next, false, &all), 0);
}

static void assert_service(const struct world *world, const struct plan *plan,
			   const struct service_spec *former, const struct service_spec *next,
			   const uint16_t *before, const uint16_t *after)
{
	const struct plan_service *service = plan_service(plan, (next ?: former)->name);

	if (!service) {
		assert_no_effect(world, former, next, before, after);
		return;
	}
	assert_shares(service);
	assert_backends(service, former, next, before, after);
	assert_moved(service, before, after);
	if (former)
		assert_flows(world, service, former, next);
	assert_true(service->disruption >= 0 && service->disruption <= 1);
	assert_true(service->disruption <= plan->disruption);
}

/* All tables of a state, as they are now: to be freed. */
static uint16_t *copy_tables(const struct world *world, const struct desired *desired)
{
	uint16_t *copy = calloc(desired->service_count + 1, TABLE_SIZE * sizeof(*copy));

	assert_non_null(copy);
	for (size_t i = 0; i < desired->service_count; i++)
		memcpy(copy + i * TABLE_SIZE, table_of(world, &desired->services[i]),
		       TABLE_SIZE * sizeof(*copy));
	return copy;
}

static void assert_plan(struct world *world, const struct plan *plan, const struct desired *next)
{
	static const uint16_t empty[TABLE_SIZE];
	struct plan_input input = input_of(world);
	struct backend_facts expected[BACKENDS + 1] = {0};
	uint16_t *before = copy_tables(world, world->desired);
	const struct service_spec *other;

	for (size_t i = 0; i < next->service_count; i++) {
		other = desired_service(world->desired, next->services[i].name);
		assert_int_equal(plan_expect(&input, other, &next->services[i], false, expected),
				 0);
	}
	sync_with(world, next, expected);
	for (size_t i = 0; i < next->service_count; i++) {
		other = desired_service(world->desired, next->services[i].name);
		assert_service(world, plan, other, &next->services[i],
			       other ? before + (size_t)(other - world->desired->services) *
							TABLE_SIZE
				     : empty,
			       table_of(world, &next->services[i]));
	}
	for (size_t i = 0; i < world->desired->service_count; i++) {
		if (!desired_service(next, world->desired->services[i].name))
			assert_service(world, plan, &world->desired->services[i], NULL,
				       before + i * TABLE_SIZE, empty);
	}
	free(before);
}

static void assert_untouched(const struct desired *desired, const struct desired *copy)
{
	cJSON *changes = diff_write(desired, copy);

	assert_int_equal(cJSON_GetArraySize(changes), 0);
	cJSON_Delete(changes);
}

/* 400 histories of ten changes each, of up to four steps. */
static void test_any_history(void **state)
{
	(void)state;
	for (unsigned int history = 1; history <= HISTORIES; history++) {
		struct world world;

		world_begin(&world, history);
		for (int change = 0; change < CHANGES; change++) {
			struct desired *copy = desired_clone(world.desired);
			struct desired *next = next_of(&world);
			struct desired *next_copy = desired_clone(next);
			struct world as_was = world;
			struct plan *plan;

			sync_with(&world, world.desired, world.facts);
			plan = plan_of(&world, next);
			assert_memory_equal(world.facts, as_was.facts, sizeof(world.facts));
			assert_memory_equal(world.flows, as_was.flows, sizeof(world.flows));
			assert_untouched(world.desired, copy);
			assert_untouched(next, next_copy);
			assert_plan(&world, plan, next);
			plan_free(plan);
			desired_free(copy);
			desired_free(next_copy);
			desired_free(world.desired);
			world.desired = next;
			random_end_drains(world.desired, &world.seed);
			world.healthy[random_below(&world.seed, BACKENDS)] ^= true;
			world_settle(&world);
		}
		world_end(&world);
	}
}

/* --- what a limit is held against --- */

/* A service with so many backends, all up, each with 10 flows. */
static void add_pool(struct world *world, const char *name, unsigned int count,
		     enum tracking tracking)
{
	struct service_spec spec;
	struct backend_spec backend;
	char text[ENDPOINT_TEXT_MAX];
	struct error err;

	service_spec_init(&spec);
	snprintf(spec.name, sizeof(spec.name), "%s", name);
	spec.tracking = tracking;
	spec.vip_count = 1;
	spec.vips = calloc(1, sizeof(*spec.vips));
	snprintf(text, sizeof(text), "tcp://198.18.0.10:%zu", 80 + world->desired->service_count);
	assert_int_equal(parse_vip(text, &spec.vips[0].vip, &err), 0);
	for (unsigned int i = 0; i < count; i++) {
		backend_spec_init(&backend);
		snprintf(text, sizeof(text), "198.18.1.%u:80", 1 + i);
		assert_int_equal(parse_endpoint(text, 0, &backend.endpoint, &err), 0);
		assert_int_equal(service_add_backend(&spec, &backend, &err), 0);
	}
	assert_int_equal(desired_add_service(world->desired, &spec, &err), 0);
	give_indices(world->desired, NULL);
	for (int id = 1; id <= BACKENDS; id++) {
		world->facts[id] = (struct backend_facts){.alive = true, .eligible = true};
		world->flows[id] = 10;
	}
}

static struct service_spec *pool(const struct desired *desired)
{
	return &desired->services[0];
}

static double disruption_of(const struct world *world, struct desired *next)
{
	struct plan *plan;
	double disruption;

	give_indices(next, world->desired);
	plan = plan_of(world, next);
	disruption = plan->disruption;
	plan_free(plan);
	desired_free(next);
	return disruption;
}

static void add_another(struct desired *desired)
{
	struct backend_spec backend = pool(desired)->backends[0];
	struct error err;

	backend.id = 0;
	backend.endpoint.port = 8080;
	assert_int_equal(service_add_backend(pool(desired), &backend, &err), 0);
}

static void test_tracked_flows_stay(void **state)
{
	struct world world;
	struct desired *next;

	(void)state;
	world_begin(&world, 1);
	add_pool(&world, "web", 10, TRACK_ALL);
	next = desired_clone(world.desired);
	add_another(next);
	assert_true(disruption_of(&world, next) == 0);
	next = desired_clone(world.desired);
	pool(next)->backends[3].weight = 100;
	pool(next)->backends[4].state = ADMIN_DRAIN;
	assert_true(disruption_of(&world, next) == 0);
	next = desired_clone(world.desired);
	pool(next)->backends[4].state = ADMIN_MAINT;
	assert_true(disruption_of(&world, next) == 0.1);
	next = desired_clone(world.desired);
	service_remove_backend(pool(next), &pool(next)->backends[4]);
	assert_true(disruption_of(&world, next) == 0.1);
	world_end(&world);
}

/* What a deadline may cut counts; a drain that has one already is not of this change. */
static void test_deadlines_count(void **state)
{
	struct world world;
	struct desired *next;

	(void)state;
	world_begin(&world, 1);
	add_pool(&world, "web", 10, TRACK_ALL);
	next = desired_clone(world.desired);
	pool(next)->backends[4].removing = true;
	pool(next)->backends[4].deadline_ms = 5000;
	assert_true(disruption_of(&world, next) == 0.1);
	pool(world.desired)->backends[4].removing = true;
	pool(world.desired)->backends[4].deadline_ms = 5000;
	next = desired_clone(world.desired);
	pool(next)->backends[5].weight = 2;
	assert_true(disruption_of(&world, next) == 0);
	next = desired_clone(world.desired);
	pool(next)->backends[4].deadline_ms = 4000;
	assert_true(disruption_of(&world, next) == 0.1);
	world_end(&world);
}

static void test_uprooted(void **state)
{
	struct world world;
	struct desired *next;

	(void)state;
	world_begin(&world, 1);
	add_pool(&world, "web", 10, TRACK_ALL);
	next = desired_clone(world.desired);
	pool(next)->mode = LB_MODE_L2;
	assert_true(disruption_of(&world, next) == 1);
	next = desired_clone(world.desired);
	pool(next)->vips[0].vip.endpoint.port = 81;
	assert_true(disruption_of(&world, next) == 1);
	next = desired_clone(world.desired);
	desired_remove_service(next, pool(next));
	assert_true(disruption_of(&world, next) == 1);
	memset(world.flows, 0, sizeof(world.flows));
	next = desired_clone(world.desired);
	desired_remove_service(next, pool(next));
	assert_true(disruption_of(&world, next) == 0);
	world_end(&world);
}

/* All backends are replaced: until a new one is up there is nobody. */
static void test_deserted(void **state)
{
	struct world world;
	struct desired *next;

	(void)state;
	world_begin(&world, 1);
	add_pool(&world, "web", 1, TRACK_ALL);
	memset(world.flows, 0, sizeof(world.flows));
	next = desired_clone(world.desired);
	add_another(next);
	assert_true(disruption_of(&world, next) == 0);
	next = desired_clone(world.desired);
	add_another(next);
	pool(next)->backends[0].state = ADMIN_DRAIN;
	assert_true(disruption_of(&world, next) == 1);
	world_end(&world);
}

static void test_untracked_flows_go_with_slots(void **state)
{
	struct world world;
	struct desired *next;
	double disruption;

	(void)state;
	world_begin(&world, 1);
	add_pool(&world, "dns", 10, TRACK_NONE);
	next = desired_clone(world.desired);
	add_another(next);
	disruption = disruption_of(&world, next);
	assert_true(disruption > 0.08 && disruption < 0.15); /* an eleventh, and a little */
	next = desired_clone(world.desired);
	pool(next)->scheduler = LB_SCHEDULER_SOURCE;
	assert_true(disruption_of(&world, next) == 1);
	world_end(&world);
}

/* --- steps --- */

struct walk_result {
	unsigned int steps, waits;
	bool stuck;
};

/* After a step: new backends come up, what drains loses half its flows, removals end. */
static void time_passes(struct world *world)
{
	for (size_t i = 0; i < world->desired->service_count; i++) {
		struct service_spec *service = &world->desired->services[i];

		for (size_t b = service->backend_count; b > 0; b--) {
			struct backend_spec *spec = &service->backends[b - 1];
			bool drains = spec->removing || spec->state == ADMIN_DRAIN;

			world->facts[spec->id] = facts_of(spec, world->healthy[spec->id]);
			world->flows[spec->id] = drains ? world->flows[spec->id] / 2
							: 1 + random_below(&world->seed, 200);
		}
	}
}

/* Indices are those of former, as document_follow() sees to, and new ones. */
static struct desired *follow(const struct desired *former, const struct desired *wanted)
{
	struct desired *target = desired_clone(wanted);

	for (size_t i = 0; i < target->service_count; i++) {
		struct service_spec *service = &target->services[i];
		const struct service_spec *was = desired_service(former, service->name);

		service->id = was ? was->id : 0;
		for (size_t b = 0; b < service->backend_count; b++) {
			const struct backend_spec *spec =
				was ? service_backend(was, &service->backends[b].endpoint) : NULL;

			service->backends[b].id = spec ? spec->id : 0;
		}
		for (size_t v = 0; v < service->vip_count; v++)
			service->vips[v].id = was && v < was->vip_count ? was->vips[v].id : 0;
	}
	give_indices(target, former);
	return target;
}

/* Walks to wanted within limit. */
static struct walk_result walk(struct world *world, const struct desired *wanted, double limit)
{
	struct walk_result result = {0};
	enum stage_outcome outcome = STAGE_STEP;
	struct error why, err = {0};

	while (outcome != STAGE_LAST) {
		struct plan_input input = input_of(world);
		struct desired *target = follow(world->desired, wanted), *next = NULL;
		struct plan *plan;
		int r;

		assert_true(result.steps + result.waits < 1000);
		r = stage_next(&input, world->desired, target, limit, &outcome, &next, &why, &err);
		if (r == -E2BIG) {
			assert_true(err.message[0] && err.hint[0]);
			result.stuck = true;
			desired_free(target);
			return result;
		}
		assert_int_equal(r, 0);
		assert_true((next == NULL) == (outcome == STAGE_WAIT));
		assert_true(outcome == STAGE_LAST || why.message[0]);
		if (next) {
			plan = plan_of(world, next);
			assert_true(plan->disruption <= limit);
			plan_free(plan);
			assert_int_equal(desired_check(next, &err), 0);
			desired_free(world->desired);
			world->desired = next;
			result.steps++;
		} else {
			result.waits++;
		}
		desired_free(target);
		time_passes(world);
	}
	assert_untouched(world->desired, wanted);
	return result;
}

static void test_one_step_if_it_fits(void **state)
{
	struct walk_result result;
	struct desired *wanted;
	struct world world;

	(void)state;
	world_begin(&world, 1);
	add_pool(&world, "web", 10, TRACK_ALL);
	wanted = desired_clone(world.desired);
	add_another(wanted);
	result = walk(&world, wanted, 0);
	assert_int_equal(result.steps, 1);
	assert_int_equal(result.waits, 0);
	desired_free(wanted);
	world_end(&world);
}

/* All backends are replaced: new ones first, then the old ones drain, then they go. */
static void test_all_replaced(void **state)
{
	struct walk_result result;
	struct desired *wanted;
	struct world world;

	(void)state;
	world_begin(&world, 1);
	add_pool(&world, "web", 4, TRACK_ALL);
	wanted = desired_clone(world.desired);
	for (int id = 0; id <= BACKENDS; id++)
		world.healthy[id] = true;
	for (int i = 0; i < 4; i++)
		pool(wanted)->backends[i].endpoint.port = 8080;
	result = walk(&world, wanted, 0.01);
	assert_false(result.stuck);
	assert_in_range(result.steps, 3, 6); /* old ones go as their flows end */
	assert_true(result.waits > 0);
	desired_free(wanted);
	world_end(&world);
}

static void test_shares_move_bit_by_bit(void **state)
{
	struct walk_result result;
	struct desired *wanted;
	struct world world;

	(void)state;
	world_begin(&world, 1);
	add_pool(&world, "dns", 4, TRACK_NONE);
	for (int id = 0; id <= BACKENDS; id++)
		world.healthy[id] = true;
	wanted = desired_clone(world.desired);
	add_another(wanted);
	service_remove_backend(pool(wanted), &pool(wanted)->backends[0]);
	result = walk(&world, wanted, 0.05);
	assert_false(result.stuck);
	assert_in_range(result.steps, 5, 40);
	desired_free(wanted);
	world_end(&world);
}

static void test_no_small_step(void **state)
{
	struct desired *wanted;
	struct world world;

	(void)state;
	world_begin(&world, 1);
	add_pool(&world, "web", 4, TRACK_ALL);
	wanted = desired_clone(world.desired);
	pool(wanted)->mode = LB_MODE_L2;
	assert_true(walk(&world, wanted, 0.5).stuck);
	assert_true(walk(&world, wanted, 1).steps == 1);
	desired_free(wanted);
	world_end(&world);
}

/* A backend that does not come up holds all others. */
static void test_waits_for_new_ones(void **state)
{
	struct plan_input input;
	struct desired *target, *next = NULL;
	enum stage_outcome outcome;
	struct error why, err;
	struct world world;

	(void)state;
	world_begin(&world, 1);
	add_pool(&world, "web", 1, TRACK_ALL);
	add_another(world.desired);
	give_indices(world.desired, NULL);
	world.facts[2] = (struct backend_facts){0};
	target = desired_clone(world.desired);
	pool(target)->backends[0].state = ADMIN_DRAIN;
	input = input_of(&world);
	assert_int_equal(stage_next(&input, world.desired, target, 1, &outcome, &next, &why, &err),
			 0);
	assert_int_equal(outcome, STAGE_WAIT);
	assert_null(next);
	assert_string_equal(why.message,
			    "service web: waits for backend 198.18.1.1:8080, which is not up");
	desired_free(target);
	world_end(&world);
}

/* From any state to any other: within the limit all the way, and it arrives or says why not. */
static void test_any_walk(void **state)
{
	static const double limits[] = {0.01, 0.05, 0.3, 1};
	unsigned int arrived = 0;

	(void)state;
	for (unsigned int history = 1; history <= HISTORIES; history++) {
		struct desired *wanted;
		struct world world;

		world_begin(&world, history);
		desired_free(world.desired);
		world.desired = random_desired(&world.seed);
		give_indices(world.desired, NULL);
		for (int id = 0; id <= BACKENDS; id++)
			world.healthy[id] = true;
		world_settle(&world);
		wanted = random_below(&world.seed, 2) ? next_of(&world)
						      : random_desired(&world.seed);
		arrived += !walk(&world, wanted, limits[history % 4]).stuck;
		desired_free(wanted);
		world_end(&world);
	}
	assert_true(arrived > HISTORIES / 4);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_history),
		cmocka_unit_test(test_tracked_flows_stay),
		cmocka_unit_test(test_deadlines_count),
		cmocka_unit_test(test_uprooted),
		cmocka_unit_test(test_deserted),
		cmocka_unit_test(test_untracked_flows_go_with_slots),
		cmocka_unit_test(test_one_step_if_it_fits),
		cmocka_unit_test(test_all_replaced),
		cmocka_unit_test(test_shares_move_bit_by_bit),
		cmocka_unit_test(test_no_small_step),
		cmocka_unit_test(test_waits_for_new_ones),
		cmocka_unit_test(test_any_walk),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
