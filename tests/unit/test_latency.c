/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "latency.h"

#define LAST (LB_LATENCY_BUCKETS - 1)

static void test_none(void **state)
{
	const struct lb_latency none = {0};
	struct latency_view view = latency_look(&none);

	(void)state;
	assert_int_equal(view.sum_ns, 0);
	assert_int_equal(latency_count(&view), 0);
}

/* A bound is in its bucket, what is a nanosecond above it in the next. */
static void test_bounds_are_inclusive(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < LAST; i++) {
		struct lb_latency latency = {0};
		uint64_t ns = (uint64_t)(latency_bounds[i] * 1e9 + 0.5);

		latency_add(&latency, ns);
		assert_int_equal(latency.buckets[i], 1);
		latency_add(&latency, ns + 1);
		assert_int_equal(latency.buckets[i + 1], 1);
		assert_int_equal(latency.sum_ns, 2 * ns + 1);
	}
}

static void test_cumulative(void **state)
{
	struct lb_latency latency = {0};
	struct latency_view view;
	uint64_t sum = 0;

	(void)state;
	latency_add(&latency, 0);
	latency_add(&latency, UINT32_MAX); /* 4.29 s */
	latency_add(&latency, UINT64_MAX / 4);
	view = latency_look(&latency);
	assert_int_equal(view.up_to[0], 1);
	assert_int_equal(view.up_to[14], 1); /* 2.5 s */
	assert_int_equal(view.up_to[15], 2); /* 5 s */
	assert_int_equal(view.up_to[LAST - 1], 2);
	assert_int_equal(latency_count(&view), 3);
	for (unsigned int i = 0; i < LB_LATENCY_BUCKETS; i++) {
		assert_true(view.up_to[i] >= sum);
		sum = view.up_to[i];
	}
}

/* The two spellings of a bound are one number, and rise. */
static void test_names(void **state)
{
	char *end;

	(void)state;
	for (unsigned int i = 0; i < LAST; i++) {
		assert_true(strtod(latency_bound_names[i], &end) == latency_bounds[i]);
		assert_int_equal(*end, '\0');
		assert_true(i == 0 || latency_bounds[i] > latency_bounds[i - 1]);
	}
	assert_string_equal(latency_bound_names[LAST], "+Inf");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_bounds_are_inclusive),
		cmocka_unit_test(test_cumulative),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests_name("latency", tests, NULL, NULL);
}
