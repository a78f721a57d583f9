/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The autoscaler's decision: what it says of single situations, and what must hold over thousands
 * of random histories of a pool whose backends come, fail to come, die and return.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "autoscale.h"

#define HISTORIES 3000
#define STEPS     160
#define POOL_MAX  48
#define BEGIN_MS  1000000ULL

/* --- a policy, and one decision --- */

static struct autoscale_policy plain_policy(void)
{
	struct autoscale_policy policy;

	autoscale_policy_init(&policy);
	policy.mode = SCALE_ON;
	policy.metric = SCALE_METRIC_ACTIVE_FLOWS;
	policy.target = 100;
	policy.interval_ms = 1000;
	policy.window_ms = 1000;
	policy.min = 1;
	policy.max = 20;
	policy.step = 20;
	policy.pace = 60;
	policy.up_cooldown_ms = policy.down_cooldown_ms = policy.stabilization_ms = 0;
	return policy;
}

static struct autoscale_pool even_pool(unsigned int members)
{
	return (struct autoscale_pool){.members = members, .up = members, .removable = members};
}

static struct autoscale_decision decide_once(const struct autoscale_policy *policy,
					     const struct autoscale_pool *pool,
					     struct autoscale_state *state, double value)
{
	struct autoscale_samples *samples = calloc(1, sizeof(*samples));
	struct autoscale_decision decision;

	assert_non_null(samples);
	autoscale_sample_add(samples, &(struct autoscale_sample){BEGIN_MS, value, value >= 0});
	autoscale_decide(policy, samples, pool, state, BEGIN_MS, 0, &decision);
	free(samples);
	return decision;
}

static void check(const struct autoscale_decision *decision, enum autoscale_action action,
		  unsigned int count, const char *reason)
{
	assert_string_equal(decision->reason, reason);
	assert_int_equal(decision->action, action);
	assert_int_equal(decision->count, count);
}

static void test_target(void **unused)
{
	struct autoscale_policy policy = plain_policy();
	struct autoscale_state state = {0};
	struct autoscale_pool pool = even_pool(4);
	struct autoscale_decision decision;

	(void)unused;
	decision = decide_once(&policy, &pool, &state, 900);
	check(&decision, AUTOSCALE_UP, 5, "active-flows 225 for one backend, target 100");
	decision = decide_once(&policy, &pool, &state, 430);
	check(&decision, AUTOSCALE_HOLD, 0, "active-flows 107.5: 4 is right");
	state = (struct autoscale_state){0};
	decision = decide_once(&policy, &pool, &state, 100);
	check(&decision, AUTOSCALE_DOWN, 2, "active-flows 25 for one backend, target 100");
	state = (struct autoscale_state){0};
	decision = decide_once(&policy, &pool, &state, 0);
	check(&decision, AUTOSCALE_DOWN, 3, "active-flows 0 for one backend, target 100");
	decision = decide_once(&policy, &pool, &state, 1e18);
	check(&decision, AUTOSCALE_UP, 16, "active-flows 2.5e+17 for one backend, target 100");
}

static void test_thresholds(void **unused)
{
	struct autoscale_policy policy = plain_policy();
	struct autoscale_state state = {0};
	struct autoscale_pool pool = even_pool(4);
	struct autoscale_decision decision;

	(void)unused;
	policy.metric = SCALE_METRIC_PROMQL;
	policy.target = 0;
	policy.up_above = 0.6;
	policy.down_below = 0.2;
	policy.step = 2;
	decision = decide_once(&policy, &pool, &state, 0.7);
	check(&decision, AUTOSCALE_UP, 2, "promql 0.7, above 0.6");
	decision = decide_once(&policy, &pool, &state, 0.4);
	check(&decision, AUTOSCALE_HOLD, 0, "promql 0.4: 4 is right");
	state = (struct autoscale_state){0};
	decision = decide_once(&policy, &pool, &state, 0.1);
	check(&decision, AUTOSCALE_DOWN, 2, "promql 0.1, below 0.2");
	pool.launching = 1;
	decision = decide_once(&policy, &pool, &state, 0.7);
	check(&decision, AUTOSCALE_HOLD, 0, "1 are being launched");
	/* Two fewer would have to be called back at once. */
	pool = even_pool(2);
	policy.up_above = 0.3;
	decision = decide_once(&policy, &pool, &state, 0.19);
	check(&decision, AUTOSCALE_HOLD, 0, "promql 0.19: 2 is right");
}

static void test_bounds(void **unused)
{
	struct autoscale_policy policy = plain_policy();
	struct autoscale_state state = {0};
	struct autoscale_pool pool = even_pool(3);
	struct autoscale_decision decision;
	struct error err;

	(void)unused;
	policy.min = 5;
	policy.up_cooldown_ms = 1000000;
	state.up_ms = BEGIN_MS - 1;
	decision = decide_once(&policy, &pool, &state, -1);
	check(&decision, AUTOSCALE_UP, 2, "3 is less than 5");
	pool = even_pool(25);
	decision = decide_once(&policy, &pool, &state, -1);
	check(&decision, AUTOSCALE_DOWN, 5, "25 is more than 20");
	pool = even_pool(20);
	decision = decide_once(&policy, &pool, &state, 9000);
	check(&decision, AUTOSCALE_HOLD, 0, "more would be right, but 20 is the most");
	pool = even_pool(5);
	decision = decide_once(&policy, &pool, &state, 0);
	check(&decision, AUTOSCALE_HOLD, 0, "fewer would be right, but 5 is the least");
	/* Monday at midnight it is another. */
	assert_int_equal(scale_hours_parse("mon 00:00-01:00 2-4", &policy.schedule[0], &err), 0);
	policy.schedule_count = 1;
	decision = decide_once(&policy, &pool, &state, 450);
	check(&decision, AUTOSCALE_DOWN, 1, "5 is more than 4");
	assert_int_equal(decision.min, 2);
	policy.count = 7;
	decision = decide_once(&policy, &pool, &state, 0);
	check(&decision, AUTOSCALE_UP, 2, "7 by hand");
}

static void test_what_is_in_the_way(void **unused)
{
	struct autoscale_policy policy = plain_policy();
	struct autoscale_state state = {0};
	struct autoscale_pool pool = even_pool(4);
	struct autoscale_decision decision;

	(void)unused;
	decision = decide_once(&policy, &pool, &state, -1);
	check(&decision, AUTOSCALE_HOLD, 0, "active-flows: no data, so nothing is changed");
	policy.up_cooldown_ms = policy.down_cooldown_ms = 30000;
	state.up_ms = BEGIN_MS - 10000;
	decision = decide_once(&policy, &pool, &state, 900);
	check(&decision, AUTOSCALE_HOLD, 0, "9 would be right, in 20 s");
	decision = decide_once(&policy, &pool, &state, 100);
	check(&decision, AUTOSCALE_HOLD, 0, "2 would do, in 20 s");
	state = (struct autoscale_state){.first_ms = BEGIN_MS - 1000};
	policy.stabilization_ms = 60000;
	decision = decide_once(&policy, &pool, &state, 100);
	check(&decision, AUTOSCALE_HOLD, 0, "2 would do, but not for 60 s");
	policy.stabilization_ms = 0;
	pool.removable = 0;
	decision = decide_once(&policy, &pool, &state, 100);
	check(&decision, AUTOSCALE_HOLD, 0,
	      "2 would do, but those there are were not launched by the autoscaler");
	pool = even_pool(4);
	policy.min = 2;
	pool.up = 2;
	decision = decide_once(&policy, &pool, &state, 100);
	check(&decision, AUTOSCALE_HOLD, 0, "2 would do, but only 2 are up");
	/* One that is down is not missed. */
	pool.removable_down = 1;
	decision = decide_once(&policy, &pool, &state, 100);
	check(&decision, AUTOSCALE_DOWN, 1, "active-flows 25 for one backend, target 100");
}

static void test_pace(void **unused)
{
	struct autoscale_policy policy = plain_policy();
	struct autoscale_state state = {0};
	struct autoscale_pool pool = even_pool(4);
	struct autoscale_decision decision;

	(void)unused;
	policy.pace = 3;
	decision = decide_once(&policy, &pool, &state, 1900);
	check(&decision, AUTOSCALE_UP, 3, "active-flows 475 for one backend, target 100");
	autoscale_changed(&state, &decision, BEGIN_MS);
	decision = decide_once(&policy, &pool, &state, 1900);
	check(&decision, AUTOSCALE_HOLD, 0, "3 came or went within a minute, as many as may");
}

static void test_circuit(void **unused)
{
	struct autoscale_policy policy = plain_policy();
	struct autoscale_state state = {0};
	struct autoscale_pool pool = even_pool(4);
	struct autoscale_decision decision;

	(void)unused;
	policy.failures = 2;
	policy.retry_ms = 5000;
	assert_false(autoscale_launched(&policy, &state, false, BEGIN_MS));
	assert_true(autoscale_launched(&policy, &state, false, BEGIN_MS));
	assert_int_equal(autoscale_circuit(&state, BEGIN_MS), CIRCUIT_OPEN);
	decision = decide_once(&policy, &pool, &state, 900);
	check(&decision, AUTOSCALE_HOLD, 0, "2 launches in a row have failed; no more for a while");
	state.open_until_ms = BEGIN_MS;
	assert_int_equal(autoscale_circuit(&state, BEGIN_MS), CIRCUIT_HALF_OPEN);
	decision = decide_once(&policy, &pool, &state, 900);
	check(&decision, AUTOSCALE_UP, 1, "active-flows 225 for one backend, target 100");
	pool.launching = 1;
	decision = decide_once(&policy, &pool, &state, 900);
	check(&decision, AUTOSCALE_HOLD, 0, "2 launches in a row have failed; one is being tried");
	assert_false(autoscale_launched(&policy, &state, false, BEGIN_MS));
	assert_int_equal(autoscale_circuit(&state, BEGIN_MS), CIRCUIT_OPEN);
	assert_true(autoscale_launched(&policy, &state, true, BEGIN_MS));
	assert_int_equal(autoscale_circuit(&state, BEGIN_MS), CIRCUIT_CLOSED);
}

static void test_replacing(void **unused)
{
	struct autoscale_policy policy = plain_policy();
	struct autoscale_state state = {0};
	struct autoscale_pool pool = {.members = 4, .up = 2, .failed = 2};
	struct autoscale_decision decision;

	(void)unused;
	policy.replace_after_ms = 10000;
	policy.max = 4; /* emergency backends take the places of dead ones */
	decision = decide_once(&policy, &pool, &state, 350);
	check(&decision, AUTOSCALE_REPLACE, 2, "2 dead for 10 s");
	pool = (struct autoscale_pool){.members = 4, .up = 5, .spares_done = 1};
	decision = decide_once(&policy, &pool, &state, 350);
	check(&decision, AUTOSCALE_RETIRE, 1, "the backend that was dead is back");
	pool = (struct autoscale_pool){.members = 4, .up = 3, .spares_dead = 1};
	decision = decide_once(&policy, &pool, &state, 350);
	check(&decision, AUTOSCALE_RETIRE, 1, "an emergency backend is dead itself");
	/* While too few are up, those that are stay. */
	policy.min = 4;
	pool = (struct autoscale_pool){.members = 4, .up = 4, .spares_done = 1};
	decision = decide_once(&policy, &pool, &state, 350);
	assert_int_equal(decision.action, AUTOSCALE_HOLD);
	policy.replace_after_ms = 0;
	pool = (struct autoscale_pool){.members = 4, .up = 2, .failed = 2};
	decision = decide_once(&policy, &pool, &state, 200);
	assert_int_equal(decision.action, AUTOSCALE_HOLD);
}

static void test_alert(void **unused)
{
	struct autoscale_policy policy = plain_policy();
	struct autoscale_state state = {.asked = 1};
	struct autoscale_pool pool = even_pool(4);
	struct autoscale_decision decision;

	(void)unused;
	policy.step = 2;
	decision = decide_once(&policy, &pool, &state, 400);
	check(&decision, AUTOSCALE_UP, 2, "an alert asks for more");
	decision = decide_once(&policy, &pool, &state, 400);
	check(&decision, AUTOSCALE_HOLD, 0, "active-flows 100: 4 is right");
	state.asked = -1;
	policy.metric = SCALE_METRIC_NONE;
	decision = decide_once(&policy, &pool, &state, -1);
	check(&decision, AUTOSCALE_DOWN, 2, "an alert asks for fewer");
}

static void test_window(void **unused)
{
	struct autoscale_policy policy = plain_policy();
	struct autoscale_samples *samples = calloc(1, sizeof(*samples));
	double mean = -1;

	(void)unused;
	assert_non_null(samples);
	policy.window_ms = 10000;
	assert_false(autoscale_window(&policy, samples, BEGIN_MS, &mean));
	for (unsigned int i = 0; i < 4; i++)
		autoscale_sample_add(samples,
				     &(struct autoscale_sample){BEGIN_MS + i * 1000, i, true});
	assert_false(autoscale_window(&policy, samples, BEGIN_MS + 3000, &mean));
	autoscale_sample_add(samples, &(struct autoscale_sample){BEGIN_MS + 4000, 4, true});
	assert_true(autoscale_window(&policy, samples, BEGIN_MS + 4000, &mean));
	assert_true(mean == 2);
	assert_false(autoscale_window(&policy, samples, BEGIN_MS + 7000, &mean));
	autoscale_sample_add(samples, &(struct autoscale_sample){BEGIN_MS + 5000, 0, false});
	assert_false(autoscale_window(&policy, samples, BEGIN_MS + 5000, &mean));
	free(samples);
}

static void test_schedule(void **unused)
{
	static const char *const bad[] = {
		"",
		"mon",
		"mon 08:00-09:00",
		"mon 09:00-08:00 1-2",
		"moon 08:00-09:00 1-2",
		"mon 08:60-09:00 1-2",
		"mon 08:00-24:01 1-2",
		"mon 08:00-09:00 0-2",
		"mon 08:00-09:00 3-2",
		"mon 08:00 1-2",
		"mon 08:00-09:00 1-70000",
		"mon- 08:00-09:00 1-2",
	};
	struct scale_hours hours;
	char text[SCHEDULE_TEXT_MAX];
	struct error err;

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(scale_hours_parse(bad[i], &hours, &err), -22);
	assert_int_equal(scale_hours_parse("mon-fri 08:00-20:00 4-20", &hours, &err), 0);
	assert_string_equal(scale_hours_format(&hours, text),
			    "mon,tue,wed,thu,fri 08:00-20:00 4-20");
	assert_true(scale_hours_hold(&hours, 8 * 60));
	assert_false(scale_hours_hold(&hours, 8 * 60 - 1));
	assert_false(scale_hours_hold(&hours, 20 * 60));
	assert_false(scale_hours_hold(&hours, 5 * MINUTES_OF_DAY + 9 * 60));
	assert_int_equal(scale_hours_parse("sat-mon 00:00-24:00 1-2", &hours, &err), 0);
	assert_string_equal(scale_hours_format(&hours, text), "mon,sat,sun 00:00-24:00 1-2");
	assert_int_equal(scale_hours_parse("daily 01:02-03:04 1-2", &hours, &err), 0);
	assert_string_equal(scale_hours_format(&hours, text), "daily 01:02-03:04 1-2");
}

/* --- a pool over time --- */

static uint64_t seed;

/* xorshift64*, so that a failing history can be told by its number. */
static unsigned int draw(unsigned int below)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (unsigned int)((seed * 2685821657736338717ULL) >> 33) % below;
}

enum life { GONE, LAUNCHING, UP, DEAD };

struct node {
	enum life life;
	bool ours, spare;
	int stands_for;        /* the dead one, of a spare */
	unsigned int ready_at; /* the step, of a launch */
	unsigned int dead_since;
};

struct world {
	struct autoscale_policy policy;
	struct autoscale_samples *samples;
	struct autoscale_state state;
	struct node nodes[POOL_MAX];
	unsigned int step;
	uint64_t now_ms;
	double load; /* of all, in units of the target */
	bool launches_fail, blind;
	uint64_t load_up_ms, load_down_ms; /* last changes of either kind that the load asked for */
	uint64_t changes[STEPS * POOL_MAX];
	size_t change_count;
	unsigned int ups, downs;
};

static void begin_policy(struct autoscale_policy *policy)
{
	*policy = plain_policy();
	policy->metric = draw(2) ? SCALE_METRIC_ACTIVE_FLOWS : SCALE_METRIC_PROMQL;
	if (draw(2)) {
		policy->target = 0;
		policy->down_below = 20 + draw(40);
		policy->up_above = policy->down_below + 10 + draw(100);
	}
	policy->window_ms = 1000 * (1 + draw(5));
	policy->min = (uint16_t)(1 + draw(4));
	policy->max = (uint16_t)(policy->min + draw(16));
	policy->step = (uint16_t)(1 + draw(6));
	policy->pace = (uint16_t)(1 + draw(30));
	policy->up_cooldown_ms = 1000 * draw(15);
	policy->down_cooldown_ms = 1000 * draw(15);
	policy->stabilization_ms = 1000 * draw(15);
	policy->failures = (uint16_t)(1 + draw(4));
	policy->retry_ms = 1000 * (1 + draw(10));
	policy->replace_after_ms = 1000 * draw(5);
}

static void begin(struct world *world, unsigned int history)
{
	unsigned int operators;

	seed = history * 0x9e3779b97f4a7c15ULL + 1;
	*world = (struct world){.now_ms = BEGIN_MS, .samples = calloc(1, sizeof(*world->samples))};
	assert_non_null(world->samples);
	begin_policy(&world->policy);
	operators = draw(world->policy.max + 1);
	for (unsigned int i = 0; i < operators; i++)
		world->nodes[i] = (struct node){.life = UP};
	world->load = draw(2000) / 100.0;
}

static unsigned int count_life(const struct world *world, enum life life, bool spares)
{
	unsigned int count = 0;

	for (int i = 0; i < POOL_MAX; i++)
		count += world->nodes[i].life == life && world->nodes[i].spare == spares;
	return count;
}

static bool long_dead(const struct world *world, const struct node *node)
{
	return node->life == DEAD &&
	       (world->step - node->dead_since) * 1000ULL >= world->policy.replace_after_ms;
}

static bool has_spare(const struct world *world, int dead)
{
	for (int i = 0; i < POOL_MAX; i++) {
		if (world->nodes[i].spare && world->nodes[i].life != GONE &&
		    world->nodes[i].stands_for == dead)
			return true;
	}
	return false;
}

static struct autoscale_pool take_pool(const struct world *world)
{
	struct autoscale_pool pool = {
		.up = count_life(world, UP, false) + count_life(world, UP, true),
		.launching =
			count_life(world, LAUNCHING, false) + count_life(world, LAUNCHING, true),
		.members = count_life(world, UP, false) + count_life(world, LAUNCHING, false) +
			   count_life(world, DEAD, false),
	};

	for (int i = 0; i < POOL_MAX; i++) {
		const struct node *node = &world->nodes[i];

		if (node->spare) {
			pool.spares_done +=
				node->life == UP && world->nodes[node->stands_for].life == UP;
			pool.spares_dead += long_dead(world, node);
			continue;
		}
		pool.failed += long_dead(world, node) && !has_spare(world, i);
		pool.removable += node->ours && node->life == UP;
		pool.removable_down += node->ours && node->life == DEAD;
	}
	return pool;
}

/* What the world makes of its load: sums are flows, the other grows as fewer bear it. */
static double measure(const struct world *world)
{
	unsigned int up = count_life(world, UP, false) + count_life(world, UP, true);

	if (scale_metric_is_sum(world->policy.metric))
		return world->load * 100;
	return up ? world->load * 100 / up : 0;
}

static struct node *room(struct world *world)
{
	for (int i = 0; i < POOL_MAX; i++) {
		if (world->nodes[i].life == GONE && !has_spare(world, i))
			return &world->nodes[i];
	}
	fail_msg("more backends than there can be");
	return NULL;
}

static void begin_launch(struct world *world, bool spare)
{
	struct node *node = room(world);

	*node = (struct node){.life = LAUNCHING, .ours = true, .ready_at = world->step + draw(4)};
	for (int i = 0; spare && i < POOL_MAX; i++) {
		struct node *dead = &world->nodes[i];

		if (dead->spare || !long_dead(world, dead) || has_spare(world, i))
			continue;
		node->spare = true;
		node->stands_for = i;
		return;
	}
	assert_false(spare);
}

static bool may_go(const struct world *world, const struct node *node, bool retire, bool dead)
{
	if (!node->ours || node->spare != retire || node->life != (dead ? DEAD : UP))
		return false;
	if (!retire)
		return true;
	return dead ? long_dead(world, node) : world->nodes[node->stands_for].life == UP;
}

static void remove_one(struct world *world, bool retire)
{
	for (int dead = 1; dead >= 0; dead--) {
		for (int i = POOL_MAX - 1; i >= 0; i--) {
			if (!may_go(world, &world->nodes[i], retire, dead))
				continue;
			world->nodes[i].life = GONE;
			/* Who stood for it is one like others now. */
			for (int s = 0; s < POOL_MAX; s++) {
				if (world->nodes[s].spare && world->nodes[s].stands_for == i)
					world->nodes[s].spare = false;
			}
			return;
		}
	}
	fail_msg("nobody there to go");
}

static void check_pace(const struct world *world)
{
	unsigned int recent = 0;

	for (size_t i = 0; i < world->change_count; i++)
		recent += world->now_ms - world->changes[i] < 60000;
	assert_in_range(recent, 0, world->policy.pace);
}

/* What must hold whatever happens. */
static void check_decision(struct world *world, const struct autoscale_pool *pool,
			   const struct autoscale_decision *decision)
{
	const struct autoscale_policy *policy = &world->policy;
	unsigned int up_gone = 0;

	assert_true(decision->reason[0]);
	assert_int_equal(decision->action == AUTOSCALE_HOLD, decision->count == 0);
	if (decision->action == AUTOSCALE_UP) {
		assert_in_range(pool->members + decision->count, 1, policy->max);
		assert_in_range(decision->count, 1, policy->step);
	}
	if (decision->action == AUTOSCALE_DOWN) {
		assert_true(pool->members - decision->count >= policy->min);
		assert_in_range(decision->count, 1, policy->step);
		if (decision->count > pool->removable_down)
			up_gone = decision->count - pool->removable_down;
		assert_true(up_gone == 0 || pool->up - up_gone >= policy->min);
	}
	if (decision->action != AUTOSCALE_HOLD && decision->why == WHY_LOAD) {
		assert_true(decision->known);
		assert_false(world->blind);
	}
	if (decision->why == WHY_LOAD && decision->action == AUTOSCALE_UP) {
		assert_true(!world->load_up_ms ||
			    world->now_ms - world->load_up_ms >= policy->up_cooldown_ms);
		world->load_up_ms = world->now_ms;
	}
	if (decision->why == WHY_LOAD && decision->action == AUTOSCALE_DOWN) {
		assert_true(!world->load_down_ms ||
			    world->now_ms - world->load_down_ms >= policy->down_cooldown_ms);
		assert_true(!world->load_up_ms ||
			    world->now_ms - world->load_up_ms >= policy->down_cooldown_ms);
		world->load_down_ms = world->now_ms;
	}
}

static void carry_out(struct world *world, const struct autoscale_decision *decision)
{
	bool launches = decision->action == AUTOSCALE_UP || decision->action == AUTOSCALE_REPLACE;

	if (launches && world->state.failures >= world->policy.failures) {
		assert_true(world->now_ms >= world->state.open_until_ms);
		assert_int_equal(decision->count, 1);
	}
	for (unsigned int i = 0; i < decision->count; i++) {
		if (launches)
			begin_launch(world, decision->action == AUTOSCALE_REPLACE);
		else
			remove_one(world, decision->action == AUTOSCALE_RETIRE);
		if (decision->action != AUTOSCALE_RETIRE)
			world->changes[world->change_count++] = world->now_ms;
	}
	world->ups += decision->action == AUTOSCALE_UP;
	world->downs += decision->action == AUTOSCALE_DOWN;
	if (decision->action != AUTOSCALE_HOLD)
		autoscale_changed(&world->state, decision, world->now_ms);
	check_pace(world);
}

static void end_launches(struct world *world)
{
	for (int i = 0; i < POOL_MAX; i++) {
		struct node *node = &world->nodes[i];

		if (node->life != LAUNCHING || node->ready_at > world->step)
			continue;
		node->life = world->launches_fail ? GONE : UP;
		if (world->launches_fail)
			node->spare = false;
		autoscale_launched(&world->policy, &world->state, !world->launches_fail,
				   world->now_ms);
	}
}

static struct autoscale_decision turn(struct world *world)
{
	struct autoscale_decision decision;
	struct autoscale_pool pool;

	world->step++;
	world->now_ms += 1000;
	end_launches(world);
	autoscale_sample_add(world->samples, &(struct autoscale_sample){
						     world->now_ms, measure(world), !world->blind});
	pool = take_pool(world);
	autoscale_decide(&world->policy, world->samples, &pool, &world->state, world->now_ms,
			 (uint16_t)(world->step % (7 * MINUTES_OF_DAY)), &decision);
	check_decision(world, &pool, &decision);
	carry_out(world, &decision);
	return decision;
}

static void disturb(struct world *world)
{
	struct node *node = &world->nodes[draw(POOL_MAX)];

	if (draw(4) == 0)
		world->load = draw(2000) / 100.0;
	if (draw(8) == 0)
		world->launches_fail = !world->launches_fail;
	world->blind = draw(5) == 0;
	if (draw(3) == 0 && node->life == UP) {
		node->life = DEAD;
		node->dead_since = world->step;
	} else if (draw(2) && node->life == DEAD) {
		node->life = UP;
	}
}

static void test_random_histories(void **unused)
{
	static struct world world;

	(void)unused;
	for (unsigned int history = 0; history < HISTORIES; history++) {
		begin(&world, history);
		while (world.step < STEPS) {
			disturb(&world);
			(void)turn(&world);
		}
		free(world.samples);
	}
}

static void heal(struct world *world)
{
	world->blind = world->launches_fail = false;
	for (int i = 0; i < POOL_MAX; i++) {
		if (world->nodes[i].life == DEAD)
			world->nodes[i].life = UP;
	}
}

/* Is the number of members right for the load, as far as it may be? */
static void check_rest(const struct world *world)
{
	const struct autoscale_policy *policy = &world->policy;
	struct autoscale_pool pool = take_pool(world);
	double one = world->load * 100 / pool.members;

	assert_int_equal(pool.up, pool.members);
	if (pool.members < policy->max)
		assert_true(one <= (policy->target > 0 ? policy->target * 1.1 + 1e-9
						       : policy->up_above + 1e-9));
	if (pool.members > policy->min && policy->target > 0 && pool.removable)
		assert_true(world->load * 100 > (pool.members - 1) * policy->target * 0.9 - 1e-9);
}

/* Whatever was before: a load that stays brings the pool to rest, and it stays at rest. */
static void test_constant_load(void **unused)
{
	static struct world world;
	unsigned int changes;

	(void)unused;
	for (unsigned int history = 0; history < HISTORIES / 10; history++) {
		begin(&world, history);
		while (world.step < STEPS / 2) {
			disturb(&world);
			(void)turn(&world);
		}
		heal(&world);
		/* At the slowest: 20 backends, one a minute, one by one, each with its cooldown. */
		for (unsigned int i = 0; i < 2200; i++)
			(void)turn(&world);
		changes = world.ups + world.downs;
		check_rest(&world);
		for (unsigned int i = 0; i < 300; i++)
			assert_int_equal(turn(&world).action, AUTOSCALE_HOLD);
		assert_int_equal(world.ups + world.downs, changes);
		free(world.samples);
	}
}

/* A load that swings by less than the tolerance moves nothing either. */
static void test_noise(void **unused)
{
	static struct world world;
	double load;

	(void)unused;
	for (unsigned int history = 0; history < HISTORIES / 30; history++) {
		begin(&world, history);
		world.policy.target = 100;
		world.policy.up_above = world.policy.down_below = 0;
		load = world.load;
		for (unsigned int i = 0; i < 2000; i++)
			(void)turn(&world);
		for (unsigned int i = 0; i < 300; i++) {
			world.load = load * (0.96 + draw(8) / 100.0);
			(void)turn(&world);
		}
		/* It may have come to rest where a little more is too much; then once. */
		assert_in_range(world.ups + world.downs, 0, 60);
		for (unsigned int i = 0, before = world.ups + world.downs; i < 300; i++) {
			world.load = load * (0.96 + draw(8) / 100.0);
			(void)turn(&world);
			assert_in_range(world.ups + world.downs, before, before + 1);
		}
		free(world.samples);
	}
}

/* Backends die for good: as many serve as before, and when they are back the spares go. */
static void test_number_is_kept(void **unused)
{
	static struct world world;
	unsigned int before, killed;

	(void)unused;
	for (unsigned int history = 0; history < HISTORIES / 10; history++) {
		begin(&world, history);
		world.policy.metric = SCALE_METRIC_NONE;
		world.policy.replace_after_ms = 1000 * (1 + draw(5));
		for (unsigned int i = 0; i < 1300; i++)
			(void)turn(&world);
		before = count_life(&world, UP, false);
		killed = 0;
		for (int i = 0; i < POOL_MAX && killed < 3; i++) {
			if (world.nodes[i].life != UP || draw(2))
				continue;
			world.nodes[i].life = DEAD;
			world.nodes[i].dead_since = world.step;
			killed++;
		}
		for (unsigned int i = 0; i < 400; i++)
			(void)turn(&world);
		assert_int_equal(count_life(&world, UP, false) + count_life(&world, UP, true),
				 before);
		assert_int_equal(count_life(&world, UP, true), killed);
		heal(&world);
		for (unsigned int i = 0; i < 400; i++)
			(void)turn(&world);
		assert_int_equal(count_life(&world, UP, false), before);
		assert_int_equal(count_life(&world, UP, true), 0);
		free(world.samples);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_target),
		cmocka_unit_test(test_thresholds),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_what_is_in_the_way),
		cmocka_unit_test(test_pace),
		cmocka_unit_test(test_circuit),
		cmocka_unit_test(test_replacing),
		cmocka_unit_test(test_alert),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_schedule),
		cmocka_unit_test(test_random_histories),
		cmocka_unit_test(test_constant_load),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_number_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
