/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "wheel.h"

#define TIMERS  2000
#define TURN_MS (1024 * WHEEL_TICK_MS)

struct item {
	struct wheel_timer timer;
	struct fixture *of;
	uint64_t asked; /* 0: must not be called */
	unsigned int called;
};

struct fixture {
	uv_loop_t loop;
	struct wheel *wheel;
	struct item items[TIMERS];
	unsigned int called;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	uv_loop_init(&fixture->loop);
	fixture->wheel = wheel_new(&fixture->loop);
	assert_non_null(fixture->wheel);
	for (int i = 0; i < TIMERS; i++)
		fixture->items[i].of = fixture;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	wheel_free(fixture->wheel);
	uv_run(&fixture->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&fixture->loop), 0);
	free(fixture);
	return 0;
}

/* --- callbacks --- */

static void on_due(void *context)
{
	struct item *item = context;

	assert_true(item->asked && item->asked <= uv_now(&item->of->loop));
	item->called++;
	item->of->called++;
}

static void start(struct item *item, uint64_t after_ms)
{
	item->asked = uv_now(&item->of->loop) + after_ms;
	wheel_start(item->of->wheel, &item->timer, item->asked, on_due, item);
}

/* --- cases --- */

/* None comes early, each comes once, and with nothing left to wait for the loop ends. */
static void test_many(void **state)
{
	struct fixture *fixture = *state;
	uint64_t begin = uv_now(&fixture->loop);

	srand(1);
	for (int i = 0; i < TIMERS; i++)
		start(&fixture->items[i], (uint64_t)rand() % 300);
	uv_run(&fixture->loop, UV_RUN_DEFAULT);
	assert_int_equal(fixture->called, TIMERS);
	for (int i = 0; i < TIMERS; i++)
		assert_int_equal(fixture->items[i].called, 1);
	assert_true(uv_now(&fixture->loop) - begin >= 299);
}

/* What is due already does not wait for a tick. */
static void test_at_once(void **state)
{
	struct fixture *fixture = *state;

	start(&fixture->items[0], 0);
	start(&fixture->items[1], 60000);
	uv_run(&fixture->loop, UV_RUN_NOWAIT);
	assert_int_equal(fixture->items[0].called, 1);
	assert_int_equal(fixture->called, 1);
	wheel_stop(&fixture->items[1].timer);
}

/* A later time, in a slot that comes sooner, waits for its turn. */
static void test_longer_than_a_turn(void **state)
{
	struct fixture *fixture = *state;

	start(&fixture->items[0], TURN_MS + 40);
	start(&fixture->items[1], 3 * TURN_MS);
	start(&fixture->items[2], 40);
	start(&fixture->items[3], 100);
	while (fixture->called < 2)
		uv_run(&fixture->loop, UV_RUN_ONCE);
	assert_int_equal(fixture->items[0].called + fixture->items[1].called, 0);
	wheel_stop(&fixture->items[0].timer);
	wheel_stop(&fixture->items[1].timer);
}

static void test_stop_and_start_anew(void **state)
{
	struct fixture *fixture = *state;
	struct item *items = fixture->items;

	start(&items[0], 20);
	start(&items[1], 20);
	wheel_stop(&items[0].timer);
	wheel_stop(&items[0].timer);
	start(&items[1], 90); /* later than first asked */
	start(&items[2], 500);
	start(&items[2], 30); /* sooner */
	items[0].asked = 0;
	uv_run(&fixture->loop, UV_RUN_DEFAULT);
	assert_int_equal(items[1].called, 1);
	assert_int_equal(items[2].called, 1);
	assert_int_equal(fixture->called, 2);
}

static void stop_the_others(void *context)
{
	struct item *item = context;

	on_due(item);
	for (int i = 0; i < TIMERS; i++)
		wheel_stop(&item->of->items[i].timer);
}

/* The first of those that are due together takes the others out. */
static void test_stop_from_callback(void **state)
{
	struct fixture *fixture = *state;
	uint64_t now = uv_now(&fixture->loop);

	for (int i = 0; i < TIMERS; i++) {
		fixture->items[i].asked = now + 10;
		wheel_start(fixture->wheel, &fixture->items[i].timer, now + 10, stop_the_others,
			    &fixture->items[i]);
	}
	uv_run(&fixture->loop, UV_RUN_DEFAULT);
	assert_int_equal(fixture->called, 1);
}

static void start_again(void *context)
{
	struct item *item = context;

	on_due(item);
	if (item->called < 100)
		wheel_start(item->of->wheel, &item->timer, item->asked, start_again, item);
}

/* One that is started anew for now, from its callback, lets the loop go on in between. */
static void test_start_from_callback(void **state)
{
	struct fixture *fixture = *state;
	struct item *item = &fixture->items[0];

	item->asked = uv_now(&fixture->loop);
	wheel_start(fixture->wheel, &item->timer, item->asked, start_again, item);
	/* libuv runs timers at both ends of a turn. */
	for (unsigned int turn = 1; item->called < 100; turn++) {
		uv_run(&fixture->loop, UV_RUN_ONCE);
		assert_in_range(item->called, turn, 2 * turn);
	}
	assert_int_equal(uv_run(&fixture->loop, UV_RUN_NOWAIT), 0);
}

static void start_next(void *context)
{
	struct item *item = context;

	on_due(item);
	if (item + 1 < item->of->items + 10)
		start(item + 1, 20);
	item[1].timer.callback = start_next;
}

/* The wheel waits for what only a callback has started. */
static void test_chain(void **state)
{
	struct fixture *fixture = *state;
	uint64_t begin = uv_now(&fixture->loop);

	start(&fixture->items[0], 20);
	fixture->items[0].timer.callback = start_next;
	uv_run(&fixture->loop, UV_RUN_DEFAULT);
	assert_int_equal(fixture->called, 10);
	assert_true(uv_now(&fixture->loop) - begin >= 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(test_many),
		TEST(test_at_once),
		TEST(test_longer_than_a_turn),
		TEST(test_stop_and_start_anew),
		TEST(test_stop_from_callback),
		TEST(test_start_from_callback),
		TEST(test_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
