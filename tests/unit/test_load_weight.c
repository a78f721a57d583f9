/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "load_weight.h"

#define TABLE_SIZE 65537
#define BUDGET     0.05
#define FLOOR      100
#define MANY       64

/* A service whose backends have capacities; what comes is spread by weights and factors. */
struct world {
	struct load_state state;
	struct load_member members[MANY];
	double capacity[MANY];
	size_t count;
	double work; /* that comes, in all */
	double most; /* part of the slots that a step has moved */
	int steps;   /* that have moved any */
};

static struct world world_of(size_t count, double work)
{
	struct world world = {.count = count, .work = work};

	for (size_t i = 0; i < count; i++) {
		world.members[i] = (struct load_member){
			.reading = {.load = 0, .wait_s = -1, .repeated = -1},
			.weight = 10,
			.key = maglev_key(&i, sizeof(i)),
			.factor = LOAD_WHOLE,
		};
		world.capacity[i] = 1;
	}
	return world;
}

static double share(const struct world *world, size_t i)
{
	double sum = 0;

	for (size_t k = 0; k < world->count; k++)
		sum += world->members[k].weight * world->members[k].factor;
	return world->members[i].weight * world->members[i].factor / sum;
}

static double load(const struct world *world, size_t i)
{
	return world->work * share(world, i) / world->capacity[i];
}

/* From the least to the most loaded, in parts of the mean. */
static double unevenness(const struct world *world)
{
	double least = INFINITY, most = 0, sum = 0;

	for (size_t i = 0; i < world->count; i++) {
		least = fmin(least, load(world, i));
		most = fmax(most, load(world, i));
		sum += load(world, i);
	}
	return (most - least) * (double)world->count / sum;
}

static void decide(struct world *world)
{
	load_judge(&world->state, world->members, world->count, FLOOR);
	assert_int_equal(load_step(&world->state, world->members, world->count, BUDGET, TABLE_SIZE),
			 0);
}

static void apply(struct world *world)
{
	for (size_t i = 0; i < world->count; i++)
		world->members[i].factor = world->members[i].next;
	world->most = fmax(world->most, world->state.moved);
	world->steps += world->state.moved > 0;
}

/* Backends report what their share makes of them. */
static void run(struct world *world, int steps)
{
	while (steps-- > 0) {
		for (size_t i = 0; i < world->count; i++)
			world->members[i].reading.load = load(world, i);
		decide(world);
		apply(world);
	}
}

static void assert_factors(const struct world *world, uint16_t factor)
{
	for (size_t i = 0; i < world->count; i++)
		assert_int_equal(world->members[i].factor, factor);
}

static void test_alike(void **state)
{
	struct world world = world_of(4, 2);

	(void)state;
	run(&world, 20);
	assert_factors(&world, LOAD_WHOLE);
	assert_int_equal(world.steps, 0);
	for (size_t i = 0; i < 4; i++)
		world.capacity[i] = 0.1; /* all of them overloaded */
	run(&world, 20);
	assert_int_equal(world.steps, 0);
}

static void test_weak_one(void **state)
{
	struct world world = world_of(4, 2);
	int steps;

	(void)state;
	world.capacity[3] = 0.3;
	run(&world, 40);
	assert_true(unevenness(&world) <= LOAD_SPREAD_BEGIN);
	assert_int_equal(world.members[0].factor, LOAD_WHOLE);
	steps = world.steps;
	run(&world, 100);
	assert_int_equal(world.steps, steps); /* it has come to rest */
	world.capacity[3] = 1;
	run(&world, 40);
	assert_in_range(world.members[3].factor, 850, LOAD_WHOLE);
}

static void test_budget(void **state)
{
	struct world world = world_of(3, 1);

	(void)state;
	world.capacity[0] = 0.01;
	run(&world, 60);
	assert_true(world.most > BUDGET / 2);
	assert_true(world.most <= BUDGET);
	assert_int_equal(world.members[0].factor, FLOOR);
}

static void test_many(void **state)
{
	struct world world = world_of(MANY, MANY * 0.5);

	(void)state;
	for (size_t i = 0; i < MANY; i++)
		world.capacity[i] = 0.5 + (double)(i % 8) / 7;
	run(&world, 100);
	assert_true(world.most <= BUDGET);
	assert_true(unevenness(&world) <= LOAD_SPREAD_BEGIN);
}

/* Noise within the band moves nothing. */
static void test_noise(void **state)
{
	struct world world = world_of(3, 1.5);

	(void)state;
	for (int step = 0; step < 50; step++) {
		for (size_t i = 0; i < 3; i++)
			world.members[i].reading.load = 0.5 + 0.02 * (double)((step + i * 2) % 5);
		decide(&world);
		apply(&world);
	}
	assert_int_equal(world.steps, 0);
}

static void test_idle(void **state)
{
	struct world world = world_of(3, 0);

	(void)state;
	world.members[0].reading.load = 0.09;
	decide(&world);
	assert_int_equal(world.members[0].next, LOAD_WHOLE);
	assert_false(world.state.acts);
}

/* Who does not report goes back, and does so within the budget, too. */
static void test_silence(void **state)
{
	struct world world = world_of(3, 1.5);
	uint16_t former;

	(void)state;
	world.capacity[0] = 0.2;
	run(&world, 40);
	assert_true(world.members[0].factor < 300);
	world.most = 0;
	for (int step = 0; step < 20; step++) {
		former = world.members[0].factor;
		world.members[0].reading.load = -1;
		world.members[1].reading.load = world.members[2].reading.load = 0.5;
		decide(&world);
		assert_true(world.members[0].pressure == 0);
		assert_true(world.members[0].next > former || former == LOAD_WHOLE);
		apply(&world);
	}
	assert_int_equal(world.members[0].factor, LOAD_WHOLE);
	assert_true(world.most <= BUDGET);
}

static void test_nobody_reports(void **state)
{
	struct world world = world_of(3, 1.5);

	(void)state;
	for (int step = 0; step < 10; step++) {
		for (size_t i = 0; i < 3; i++)
			world.members[i].reading.load = -1;
		decide(&world);
		apply(&world);
	}
	assert_int_equal(world.steps, 0);
	assert_true(world.state.mean == 0);
}

static void test_one_backend(void **state)
{
	struct world world = world_of(1, 3);

	(void)state;
	world.members[0].factor = 300;
	run(&world, 3);
	assert_int_equal(world.members[0].factor, LOAD_WHOLE); /* which moves no slot */
	assert_true(world.most == 0);
}

static void test_none(void **state)
{
	struct world world = world_of(0, 1);

	(void)state;
	run(&world, 3);
	assert_int_equal(world.steps, 0);
}

/* Of equal load, whose clients wait longer than the others' is pressed harder. */
static void test_wait(void **state)
{
	struct world world = world_of(3, 1.5);

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		world.members[i].reading.load = 0.5;
		world.members[i].reading.wait_s = 0.001;
	}
	decide(&world);
	assert_int_equal(world.members[2].next, LOAD_WHOLE);
	world.members[2].reading.wait_s = 0.0019; /* within a millisecond of it */
	decide(&world);
	assert_true(world.members[2].pressure == 0.5);
	world.members[2].reading.wait_s = 1;
	decide(&world);
	assert_true(world.members[2].pressure == 0.75); /* half of the way to twice as much */
	assert_true(world.members[2].next < LOAD_WHOLE);
	assert_int_equal(world.members[0].next, LOAD_WHOLE);
}

static void test_repeats(void **state)
{
	struct world world = world_of(3, 1.5);

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		world.members[i].reading.load = 0.5;
		world.members[i].reading.repeated = 0.3; /* the network's doing */
	}
	decide(&world);
	assert_int_equal(world.members[1].next, LOAD_WHOLE);
	world.members[1].reading.repeated = 0.9;
	decide(&world);
	assert_true(world.members[1].pressure == 0.75);
	assert_true(world.members[1].next < LOAD_WHOLE);
}

/* What a host reports is not to be trusted. */
static void test_nonsense(void **state)
{
	struct world world = world_of(2, 1);

	(void)state;
	world.members[0].reading.load = 1e300;
	world.members[1].reading.load = 0;
	for (int step = 0; step < 40; step++) {
		decide(&world);
		apply(&world);
		for (size_t i = 0; i < 2; i++)
			assert_in_range(world.members[i].factor, FLOOR, LOAD_WHOLE);
	}
	assert_int_equal(world.members[0].factor, FLOOR);
	assert_true(world.most <= BUDGET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alike),       cmocka_unit_test(test_weak_one),
		cmocka_unit_test(test_budget),      cmocka_unit_test(test_many),
		cmocka_unit_test(test_noise),       cmocka_unit_test(test_idle),
		cmocka_unit_test(test_silence),     cmocka_unit_test(test_nobody_reports),
		cmocka_unit_test(test_one_backend), cmocka_unit_test(test_none),
		cmocka_unit_test(test_wait),        cmocka_unit_test(test_repeats),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
