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

/* --- thousands of random histories, with changes of rise and fall on the way --- */

struct step {
	bool success;
	uint32_t rise, fall; /* as configured when the result came */
};

static struct step random_step(const struct step *former, int success_percent)
{
	struct step step = *former;

	step.success = rand() % 100 < success_percent;
	if (rand() % 10 == 0)
		step.rise = 1 + (uint32_t)rand() % 6;
	if (rand() % 10 == 0)
		step.fall = 1 + (uint32_t)rand() % 6;
	return step;
}

/*
 * What every change must have behind it, read from the history alone: `needed` results in a row,
 * as configured at that moment, none of them older than the last change; or it is the first
 * result. And what no moment may have behind it: as many without a change.
 */
static bool change_is_due(const struct step *history, size_t now, size_t changed_at,
			  enum health_state state)
{
	const struct step *last = &history[now];
	const uint32_t needed = last->success ? last->rise : last->fall;
	size_t run = 0;

	if (state == HEALTH_CHECKING)
		return true;
	if (state == (last->success ? HEALTH_UP : HEALTH_DOWN))
		return false;
	while (run <= now - changed_at && history[now - run].success == last->success)
		run++;
	return run >= needed;
}

static void assert_recovers(struct health health, const struct step *last)
{
	uint32_t successes = 0;

	while (health.state != HEALTH_UP) {
		assert_true(successes < last->rise);
		health_feed(&health, true, last->rise, last->fall);
		successes++;
	}
}

static void assert_falls(struct health health, const struct step *last)
{
	uint32_t failures = 0;

	while (health.state != HEALTH_DOWN) {
		assert_true(failures < last->fall);
		health_feed(&health, false, last->rise, last->fall);
		failures++;
	}
}

static void test_changing_thresholds(void **state)
{
	(void)state;
	srand(2);
	for (unsigned int round = 0; round < 5000; round++) {
		struct step history[HISTORY_MAX], former = {false, 2, 3};
		const int success_percent = rand() % 101;
		const size_t length = 1 + (size_t)rand() % (HISTORY_MAX - 1);
		struct health health = {HEALTH_CHECKING, 0};
		size_t changed_at = 0;

		for (size_t i = 0; i < length; i++) {
			const enum health_state before = health.state;
			bool changed;

			history[i] = former = random_step(&former, success_percent);
			changed = health_feed(&health, former.success, former.rise, former.fall);
			assert_int_equal(changed, change_is_due(history, i, changed_at, before));
			assert_int_equal(changed, health.state != before);
			if (changed) {
				assert_int_equal(health.state,
						 former.success ? HEALTH_UP : HEALTH_DOWN);
				changed_at = i + 1;
			}
			assert_recovers(health, &former);
			assert_falls(health, &former);
		}
	}
}

/*
 * The promise in time: a backend that dies at any moment is down no later than fall * interval +
 * timeout after it, and one that comes back is up no later than rise * interval + timeout. Probes
 * begin every interval, answers take a while, and what gets none fails by its timeout.
 */
static uint64_t turned_after(struct health *health, uint64_t phase, uint64_t event_ms, bool alive,
			     const struct step *rules, uint64_t interval, uint64_t timeout)
{
	const enum health_state wanted = alive ? HEALTH_UP : HEALTH_DOWN;
	uint64_t start, answer;

	for (start = phase;; start += interval) {
		answer = start + (uint64_t)rand() % timeout;
		/* asked or answered before the event: it still has the former kind of result */
		if (answer < event_ms || (alive && start < event_ms)) {
			health_feed(health, !alive, rules->rise, rules->fall);
			continue;
		}
		health_feed(health, alive, rules->rise, rules->fall);
		if (health->state == wanted)
			return (alive ? answer : start + timeout) - event_ms;
	}
}

static void test_promise_in_time(void **state)
{
	(void)state;
	srand(3);
	for (unsigned int round = 0; round < 20000; round++) {
		const struct step rules = {false, 1 + (uint32_t)rand() % 5,
					   1 + (uint32_t)rand() % 5};
		const bool alive = rand() % 2;
		const uint64_t interval = 100 + (uint64_t)rand() % 2000;
		const uint64_t timeout = 10 + (uint64_t)rand() % (interval - 9);
		const uint64_t phase = (uint64_t)rand() % interval;
		const uint64_t event_ms = phase + (uint64_t)rand() % 20000;
		struct health health = {alive ? HEALTH_DOWN : HEALTH_UP, 0};
		uint64_t after =
			turned_after(&health, phase, event_ms, alive, &rules, interval, timeout);

		assert_true(after <= (alive ? rules.rise : rules.fall) * interval + timeout);
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
		cmocka_unit_test(test_changing_thresholds),
		cmocka_unit_test(test_promise_in_time),
	};

	return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
