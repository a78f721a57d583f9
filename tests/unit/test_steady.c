/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "steady.h"

#define DAY 86400000ULL

static void test_keeps_its_boot(void **state)
{
	struct steady steady = {0};

	(void)state;
	steady_adopt(&steady, "one", 1000, 50 * DAY);
	assert_true(steady.offset_ms == 50 * DAY - 1000);
	/* The wall clock is set forth and back; an agent that starts meanwhile goes on as before.
	 */
	steady_adopt(&steady, "one", 2000, 51 * DAY);
	assert_true(steady.offset_ms == 50 * DAY - 1000);
	steady_adopt(&steady, "one", 3000, 2);
	assert_true(steady.offset_ms == 50 * DAY - 1000);
}

static void test_another_boot(void **state)
{
	struct steady steady = {.boot = "one", .offset_ms = 7};

	(void)state;
	steady_adopt(&steady, "two", 1000, 50 * DAY);
	assert_string_equal(steady.boot, "two");
	assert_true(steady.offset_ms == 50 * DAY - 1000);
	steady_adopt(&steady, "", 1000, 60 * DAY); /* a kernel that does not say */
	assert_true(steady.offset_ms == 60 * DAY - 1000);
	steady_adopt(&steady, "", 2000, 70 * DAY);
	assert_true(steady.offset_ms == 70 * DAY - 2000);
}

static void test_wall_clock_behind_the_boot(void **state)
{
	struct steady steady = {0};

	(void)state;
	steady_adopt(&steady, "one", 5000, 10);
	assert_true(steady.offset_ms == 0);
}

static void test_now_goes_on(void **state)
{
	struct steady steady = {0}, again;
	uint64_t before, after;

	(void)state;
	steady_begin(&steady);
	assert_true(strlen(steady.boot) == STEADY_BOOT_MAX - 1);
	before = steady_now(&steady);
	again = steady;
	steady_begin(&again);
	after = steady_now(&again);
	assert_true(again.offset_ms == steady.offset_ms);
	assert_true(after >= before && after - before < 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keeps_its_boot),
		cmocka_unit_test(test_another_boot),
		cmocka_unit_test(test_wall_clock_behind_the_boot),
		cmocka_unit_test(test_now_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
