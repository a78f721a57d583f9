/* SPDX-License-Identifier: Apache-2.0 */

/* The sample of flows that have entries follows the load. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "flow_sample.h"

#define SILENCE 300

static struct flow_sample next(struct flow_sample sample, uint32_t entries, uint32_t now)
{
	return flow_sample_next(sample, entries, now, SILENCE);
}

static void test_all_while_few(void **state)
{
	struct flow_sample sample = {0};

	(void)state;
	sample = next(sample, 0, 1);
	assert_int_equal(sample.mask, 0);
	sample = next(sample, FLOW_SAMPLE_MAX, 2);
	assert_int_equal(sample.mask, 0);
	assert_int_equal(sample.counted, 0);
}

static void test_shrinks_at_once(void **state)
{
	struct flow_sample sample = {0};

	(void)state;
	sample = next(sample, FLOW_SAMPLE_MAX + 1, 1);
	assert_int_equal(sample.mask, 1);
	assert_int_equal(sample.counted, 1);
	sample = next(sample, 5 * FLOW_SAMPLE_MAX, 2);
	assert_int_equal(sample.mask, 15);
	assert_int_equal(sample.counted, 15);
}

static void test_has_an_end(void **state)
{
	struct flow_sample sample = {0};

	(void)state;
	sample = next(sample, UINT32_MAX, 1);
	assert_int_equal(sample.mask, LB_SAMPLE_MASK_MAX);
	sample = next(sample, UINT32_MAX, 2);
	assert_int_equal(sample.mask, LB_SAMPLE_MASK_MAX);
}

/* Flows are counted by the smaller one until the larger one is complete. */
static void test_grows_step_by_step(void **state)
{
	struct flow_sample sample = {.mask = 3, .counted = 3};

	(void)state;
	sample = next(sample, FLOW_SAMPLE_MIN - 1, 1000);
	assert_int_equal(sample.mask, 1);
	assert_int_equal(sample.counted, 3);
	sample = next(sample, FLOW_SAMPLE_MIN - 1, 1000 + SILENCE);
	assert_int_equal(sample.mask, 1);
	assert_int_equal(sample.counted, 3);
	sample = next(sample, FLOW_SAMPLE_MIN, 1001 + SILENCE);
	assert_int_equal(sample.mask, 1);
	assert_int_equal(sample.counted, 1);
	sample = next(sample, 0, 1002 + SILENCE);
	assert_int_equal(sample.mask, 0);
	assert_int_equal(sample.counted, 1);
	sample = next(sample, 0, 1003 + 2 * SILENCE);
	assert_int_equal(sample.mask, 0);
	assert_int_equal(sample.counted, 0);
}

/* Growing, it meets a flood. */
static void test_shrinks_while_it_grows(void **state)
{
	struct flow_sample sample = {.mask = 3, .counted = 3};

	(void)state;
	sample = next(sample, 0, 10);
	sample = next(sample, 20 * FLOW_SAMPLE_MAX, 11);
	assert_int_equal(sample.mask, 63);
	assert_int_equal(sample.counted, 63);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_while_few),
		cmocka_unit_test(test_shrinks_at_once),
		cmocka_unit_test(test_has_an_end),
		cmocka_unit_test(test_grows_step_by_step),
		cmocka_unit_test(test_shrinks_while_it_grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
