/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "slow_start.h"

static void test_off(void **state)
{
	(void)state;
	assert_int_equal(slow_start_tenths(0, 0), 0);
	assert_int_equal(slow_start_tenths(5, 0), 0);
}

static void test_steps(void **state)
{
	(void)state;
	assert_int_equal(slow_start_tenths(0, 30000), 1);
	assert_int_equal(slow_start_tenths(5999, 30000), 1);
	assert_int_equal(slow_start_tenths(6000, 30000), 2);
	assert_int_equal(slow_start_tenths(15000, 30000), 5);
	assert_int_equal(slow_start_tenths(29999, 30000), 9);
	assert_int_equal(slow_start_tenths(30000, 30000), 0);
	assert_int_equal(slow_start_tenths(UINT64_MAX, 30000), 0);
}

static void test_weight(void **state)
{
	(void)state;
	assert_int_equal(slow_start_weight(7, 3), 21);
	assert_int_equal(slow_start_weight(7, 0), 70);
	assert_int_equal(slow_start_weight(1000, 0), 10000);
	assert_int_equal(slow_start_weight(0, 1), 0);
}

/* Of any duration: it never falls, takes nine steps at most, and ends in time. */
static void test_grows(void **state)
{
	(void)state;
	for (uint64_t duration = 1; duration <= 3600000; duration = duration * 3 + 1) {
		const uint64_t stride = duration / 1000 + 1;
		uint32_t former = 0;

		for (uint64_t age = 0; age < duration; age += stride) {
			uint8_t tenths = slow_start_tenths(age, duration);
			uint32_t weight = slow_start_weight(1, tenths);

			assert_in_range(tenths, 1, 9);
			assert_true(weight >= former);
			/* not ahead of its time, but for the first tenth */
			assert_true(tenths == 1 || tenths * duration <= age * 10);
			former = weight;
		}
		assert_int_equal(slow_start_tenths(duration, duration), 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_off),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_weight),
		cmocka_unit_test(test_grows),
	};

	return cmocka_run_group_tests_name("slow_start", tests, NULL, NULL);
}
