/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "retry.h"
#include "upstream.h"

static const struct retry_policy policy = {.retries = 5, .base_ms = 50, .max_ms = 300};

static void test_doubles(void **state)
{
	(void)state;
	assert_int_equal(retry_pause_ms(&policy, 1, 0), 25);
	assert_int_equal(retry_pause_ms(&policy, 1, 25), 50);
	assert_int_equal(retry_pause_ms(&policy, 1, 26), 25);
	assert_int_equal(retry_pause_ms(&policy, 2, 0), 50);
	assert_int_equal(retry_pause_ms(&policy, 3, 0), 100);
	assert_int_equal(retry_pause_ms(&policy, 4, 0), 150);
	assert_int_equal(retry_pause_ms(&policy, UINT32_MAX, 0), 150);
}

/* Whatever the chance: at least half of the longest pause, at most all of it. */
static void test_bounds(void **state)
{
	static const uint64_t longest[] = {50, 100, 200, 300, 300, 300};
	uint32_t random = 1;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		unsigned int retry = 1 + (unsigned int)i % 6;
		uint64_t pause;

		random = random * 1664525U + 1013904223U;
		pause = retry_pause_ms(&policy, retry, random);
		assert_in_range(pause, longest[retry - 1] / 2, longest[retry - 1]);
	}
}

static void test_extremes(void **state)
{
	const struct retry_policy tiny = {.retries = 1, .base_ms = 1, .max_ms = 1};
	const struct retry_policy huge = {.retries = 1, .base_ms = 1, .max_ms = UINT64_MAX / 2};

	(void)state;
	assert_in_range(retry_pause_ms(&tiny, 9, 12345), 0, 1);
	assert_true(retry_pause_ms(&huge, 1000, 0) <= huge.max_ms);
}

static void test_what_is_worth_it(void **state)
{
	(void)state;
	assert_false(upstream_may_retry(UPSTREAM_OK, 200));
	assert_true(upstream_may_retry(UPSTREAM_TIMEOUT, 0));
	assert_true(upstream_may_retry(UPSTREAM_UNREACHABLE, 0));
	assert_true(upstream_may_retry(UPSTREAM_INVALID, 200));
	assert_true(upstream_may_retry(UPSTREAM_STATUS, 500));
	assert_true(upstream_may_retry(UPSTREAM_STATUS, 503));
	assert_true(upstream_may_retry(UPSTREAM_STATUS, 429));
	assert_false(upstream_may_retry(UPSTREAM_STATUS, 400));
	assert_false(upstream_may_retry(UPSTREAM_STATUS, 404));
	assert_false(upstream_may_retry(UPSTREAM_STATUS, 302));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doubles),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_what_is_worth_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
