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

static double quantile_of(const struct lb_latency *latency, double q)
{
	struct latency_view view = latency_look(latency);
	double seconds;

	assert_true(latency_quantile(&view, q, &seconds));
	return seconds;
}

static void assert_near(double got, double wanted)
{
	assert_true(got > wanted * 0.999999 && got < wanted * 1.000001);
}

static void test_quantile(void **state)
{
	struct lb_latency latency = {.buckets = {[0] = 10, [4] = 50, [7] = 30, [LAST] = 10}};
	const struct lb_latency none = {0};
	struct latency_view view = latency_look(&none);
	double seconds = 7;

	(void)state;
	assert_near(quantile_of(&latency, 0.05), 0.000025);
	assert_near(quantile_of(&latency, 0.1), 0.00005);
	assert_near(quantile_of(&latency, 0.35), 0.00075); /* half of the bucket up to 1 ms */
	assert_near(quantile_of(&latency, 0.9), 0.01);
	assert_near(quantile_of(&latency, 0.95), 10); /* beyond the last bound */
	assert_false(latency_quantile(&view, 0.95, &seconds));
	assert_true(seconds == 7);
}

static void test_since(void **state)
{
	const struct lb_latency first = {.sum_ns = 100, .buckets = {[1] = 5, [3] = 2}};
	const struct lb_latency then = {.sum_ns = 160, .buckets = {[1] = 6, [3] = 2, [9] = 4}};
	const struct lb_latency other = {.sum_ns = 900, .buckets = {[3] = 2, [9] = 80}};
	const struct latency_view a = latency_look(&first), b = latency_look(&then),
				  c = latency_look(&other);
	struct latency_view since = latency_since(&b, &a);

	(void)state;
	assert_int_equal(since.sum_ns, 60);
	assert_int_equal(since.up_to[0], 0);
	assert_int_equal(since.up_to[1], 1);
	assert_int_equal(since.up_to[8], 1);
	assert_int_equal(latency_count(&since), 5);
	since = latency_since(&a, &a);
	assert_int_equal(latency_count(&since), 0);
	/* Zeroed meanwhile: fewer in all, or more in all but fewer of one bucket. */
	since = latency_since(&a, &b);
	assert_memory_equal(&since, &a, sizeof(since));
	since = latency_since(&c, &b);
	assert_memory_equal(&since, &c, sizeof(since));
}

static void test_merge(void **state)
{
	const struct lb_latency first = {.sum_ns = 100, .buckets = {[1] = 5, [3] = 2}};
	const struct lb_latency then = {.sum_ns = 60, .buckets = {[2] = 1, [LAST] = 3}};
	const struct lb_latency both = {.sum_ns = 160,
					.buckets = {[1] = 5, [2] = 1, [3] = 2, [LAST] = 3}};
	struct latency_view view = latency_look(&first);
	const struct latency_view other = latency_look(&then), wanted = latency_look(&both);

	(void)state;
	latency_merge(&view, &other);
	assert_memory_equal(&view, &wanted, sizeof(view));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),       cmocka_unit_test(test_bounds_are_inclusive),
		cmocka_unit_test(test_cumulative), cmocka_unit_test(test_names),
		cmocka_unit_test(test_quantile),   cmocka_unit_test(test_since),
		cmocka_unit_test(test_merge),
	};

	return cmocka_run_group_tests_name("latency", tests, NULL, NULL);
}
