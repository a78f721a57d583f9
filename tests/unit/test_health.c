/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "health.h"

static void test_first_result_decides(void **state)
{
	struct health up = {HEALTH_CHECKING, 0}, down = {HEALTH_CHECKING, 0};

	(void)state;
	assert_true(health_feed(&up, true, 5, 5));
	assert_int_equal(up.state, HEALTH_UP);
	assert_true(health_feed(&down, false, 5, 5));
	assert_int_equal(down.state, HEALTH_DOWN);
}

static void test_fall(void **state)
{
	struct health health = {HEALTH_UP, 0};

	(void)state;
	assert_false(health_feed(&health, false, 2, 3));
	assert_false(health_feed(&health, false, 2, 3));
	assert_false(health_feed(&health, true, 2, 3));
	assert_false(health_feed(&health, false, 2, 3));
	assert_false(health_feed(&health, false, 2, 3));
	assert_true(health_feed(&health, false, 2, 3));
	assert_int_equal(health.state, HEALTH_DOWN);
	assert_false(health_feed(&health, false, 2, 3));
}

static void test_rise(void **state)
{
	struct health health = {HEALTH_DOWN, 0};

	(void)state;
	assert_false(health_feed(&health, true, 2, 3));
	assert_false(health_feed(&health, false, 2, 3));
	assert_false(health_feed(&health, true, 2, 3));
	assert_true(health_feed(&health, true, 2, 3));
	assert_int_equal(health.state, HEALTH_UP);
	assert_false(health_feed(&health, true, 2, 3));
}

static void test_one_is_enough(void **state)
{
	struct health health = {HEALTH_UP, 0};

	(void)state;
	assert_true(health_feed(&health, false, 1, 1));
	assert_true(health_feed(&health, true, 1, 1));
}

static void test_shrunk_threshold(void **state)
{
	struct health health = {HEALTH_UP, 0};

	(void)state;
	for (unsigned int i = 0; i < 5; i++)
		assert_false(health_feed(&health, false, 2, 10));
	assert_true(health_feed(&health, false, 2, 3));
}

#define HISTORY_MAX 200

/* The state by its definition: the whole history is read again, nothing is carried along. */
static enum health_state model(const bool *history, size_t length, uint32_t rise, uint32_t fall)
{
	enum health_state state = HEALTH_CHECKING;
	size_t changed_at = 0;

	for (size_t now = 0; now < length; now++) {
		const uint32_t needed = history[now] ? rise : fall;
		size_t run = 0;

		while (run <= now - changed_at && history[now - run] == history[now])
			run++;
		if (now == 0 ||
		    (state != (history[now] ? HEALTH_UP : HEALTH_DOWN) && run >= needed)) {
			state = history[now] ? HEALTH_UP : HEALTH_DOWN;
			changed_at = now + 1;
		}
	}
	return state;
}

static void test_random_histories(void **state)
{
	(void)state;
	srand(1);
	for (unsigned int round = 0; round < 2000; round++) {
		const uint32_t rise = 1 + (uint32_t)rand() % 5, fall = 1 + (uint32_t)rand() % 5;
		const int success_percent = rand() % 101;
		struct health health = {HEALTH_CHECKING, 0};
		bool history[HISTORY_MAX];
		size_t length = (size_t)rand() % HISTORY_MAX;

		for (size_t i = 0; i < length; i++) {
			const enum health_state before = health.state;
			bool changed;

			history[i] = rand() % 100 < success_percent;
			changed = health_feed(&health, history[i], rise, fall);
			assert_int_equal(health.state, model(history, i + 1, rise, fall));
			assert_int_equal(changed, health.state != before);
		}
		/* Whatever happened, `rise` successes bring it up and `fall` failures down. */
		for (uint32_t i = 0; i < rise; i++)
			health_feed(&health, true, rise, fall);
		assert_int_equal(health.state, HEALTH_UP);
		for (uint32_t i = 0; i < fall; i++)
			health_feed(&health, false, rise, fall);
		assert_int_equal(health.state, HEALTH_DOWN);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_result_decides),
		cmocka_unit_test(test_fall),
		cmocka_unit_test(test_rise),
		cmocka_unit_test(test_one_is_enough),
		cmocka_unit_test(test_shrunk_threshold),
		cmocka_unit_test(test_random_histories),
	};

	return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
