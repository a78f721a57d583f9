/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "announce.h"

/* --- how many are enough --- */

static void test_needed(void **state)
{
	static const struct {
		struct announce_min min;
		uint32_t backends, needed;
	} cases[] = {
		{{1, false}, 0, 1},  {{1, false}, 5, 1},         {{3, false}, 2, 3},
		{{0, false}, 0, 0},  {{0, false}, 9, 0},         {{50, true}, 4, 2},
		{{50, true}, 5, 3},  {{1, true}, 100, 1},        {{1, true}, 101, 2},
		{{100, true}, 7, 7}, {{100, true}, 0, 1},        {{0, true}, 7, 0},
		{{1, true}, 1, 1},   {{99, true}, 65535, 64880},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct announce_health health = {.backends = cases[i].backends};

		assert_int_equal(announce_needed(&cases[i].min, &health), cases[i].needed);
	}
}

static void test_first_checks(void **state)
{
	static const struct announce_min two = {2, false};
	const struct announce_health health = {.backends = 3, .healthy = 1, .checking = 1};

	(void)state;
	assert_false(announce_enough(&two, &health, false));
	assert_true(announce_enough(&two, &health, true));
	assert_false(announce_enough(&two, &(struct announce_health){.backends = 3, .healthy = 1},
				     true));
	assert_true(announce_enough(&two, &(struct announce_health){.backends = 3, .healthy = 2},
				    false));
}

/* --- when --- */

static void test_announced_after_hold(void **state)
{
	struct announcement one = {0};

	(void)state;
	assert_false(announcement_look(&one, false, 1000));
	assert_false(announcement_look(&one, true, 2000));
	assert_int_equal(announcement_waits(&one, 2000), ANNOUNCE_HOLD_MIN_MS);
	assert_false(announcement_look(&one, true, 2000 + ANNOUNCE_HOLD_MIN_MS - 1));
	assert_true(announcement_look(&one, true, 2000 + ANNOUNCE_HOLD_MIN_MS));
	assert_int_equal(announcement_waits(&one, 2000 + ANNOUNCE_HOLD_MIN_MS), 0);
}

static void test_a_moment_begins_anew(void **state)
{
	struct announcement one = {0};

	(void)state;
	announcement_look(&one, true, 1000);
	announcement_look(&one, false, 2500);
	assert_false(announcement_look(&one, true, 2600));
	assert_false(announcement_look(&one, true, 3000));
	assert_false(announcement_look(&one, true, 4599));
	assert_true(announcement_look(&one, true, 4600));
}

static void test_withdrawn_at_once(void **state)
{
	struct announcement one;

	(void)state;
	announcement_adopt(&one, 5000);
	assert_true(announcement_look(&one, true, 5000));
	assert_false(announcement_look(&one, false, 5001));
}

/* One that goes up and down: how long it takes to be announced, each time. */
static uint64_t flap(struct announcement *one, uint64_t *now)
{
	uint64_t began;

	assert_false(announcement_look(one, false, *now));
	began = ++*now;
	while (!announcement_look(one, true, *now))
		*now += 1000;
	return *now - began;
}

static void test_hold_grows_and_shrinks(void **state)
{
	static const uint64_t grows[] = {4000, 8000, 16000, 32000, 64000, 64000, 64000};
	struct announcement one;
	uint64_t now = 1000;

	(void)state;
	announcement_adopt(&one, now);
	for (size_t i = 0; i < sizeof(grows) / sizeof(grows[0]); i++)
		assert_int_equal(flap(&one, &now), grows[i]);
	now += 2 * ANNOUNCE_CALM_MS; /* halved twice, and then doubled */
	assert_int_equal(flap(&one, &now), 32000);
	now += 100 * ANNOUNCE_CALM_MS;
	assert_int_equal(flap(&one, &now), 4000);
}

/* Whatever happens: never announced while unfit, no more withdrawals than hold-downs allow. */
static void test_random(void **state)
{
	struct announcement one = {0};
	uint64_t now = 1, fit_since = 1;
	unsigned int seed = 9, withdrawn = 0;
	bool fit = false, was = false, is;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		now += (uint64_t)(rand_r(&seed) % 2000);
		if (rand_r(&seed) % 3 == 0) {
			fit = !fit;
			fit_since = now;
		}
		is = announcement_look(&one, fit, now);
		assert_false(is && !fit);
		assert_false(is && !was && now - fit_since < ANNOUNCE_HOLD_MIN_MS);
		withdrawn += was && !is;
		was = is;
	}
	/* One that flaps for ever is announced no more often than the longest hold-down lets it. */
	assert_true(withdrawn < now / ANNOUNCE_CALM_MS + 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_needed),
		cmocka_unit_test(test_first_checks),
		cmocka_unit_test(test_announced_after_hold),
		cmocka_unit_test(test_a_moment_begins_anew),
		cmocka_unit_test(test_withdrawn_at_once),
		cmocka_unit_test(test_hold_grows_and_shrinks),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
