/* SPDX-License-Identifier: Apache-2.0 */

/* Forecasts of loads that stay, climb, and come again. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "autoscale_predict.h"

#define DAY_MS   86400000ULL
#define BEGIN_MS (1000 * DAY_MS)

static struct forecast forecast;

static double foretell(uint64_t time_ms)
{
	double value = NAN;

	assert_true(forecast_at(&forecast, time_ms, &value));
	return value;
}

static void assert_near(double value, double wanted, double error)
{
	if (!(fabs(value - wanted) <= error))
		fail_msg("%g is not %g within %g", value, wanted, error);
}

static void test_too_early(void **unused)
{
	double value = 7;

	(void)unused;
	forecast_begin(&forecast, 1000, 0);
	for (uint64_t i = 0; i < 3; i++)
		forecast_feed(&forecast, BEGIN_MS + i * 1000, 5);
	assert_false(forecast_at(&forecast, BEGIN_MS + 3000, &value));
	assert_true(value == 7);
	forecast_feed(&forecast, BEGIN_MS + 3000, 5);
	assert_near(foretell(BEGIN_MS + 60000), 5, 1e-9);
}

static void test_climb(void **unused)
{
	(void)unused;
	forecast_begin(&forecast, 1000, 0);
	for (uint64_t i = 0; i < 200; i++)
		forecast_feed(&forecast, BEGIN_MS + i * 1000, 100 + 2 * (double)i);
	assert_near(foretell(BEGIN_MS + 199000 + 60000), 100 + 2 * 259, 5);
}

static double of_day(uint64_t time_ms)
{
	return 1000 + 800 * sin(2 * M_PI * (double)(time_ms % DAY_MS) / (double)DAY_MS);
}

/* By the third day it knows what an hour will bring, where a trend alone would be far off. */
static void test_season(void **unused)
{
	static struct forecast plain;
	double error = 0, plain_error = 0, value;
	uint64_t now = BEGIN_MS, hour = 3600000;

	(void)unused;
	forecast_begin(&forecast, 60000, DAY_MS);
	assert_int_equal(forecast.slot_ms, 300000);
	assert_int_equal(forecast.season, 288);
	forecast_begin(&plain, 300000, 0);
	for (; now < BEGIN_MS + 3 * DAY_MS; now += 60000) {
		forecast_feed(&forecast, now, of_day(now));
		forecast_feed(&plain, now, of_day(now));
		if (now < BEGIN_MS + 2 * DAY_MS)
			continue;
		error = fmax(error, fabs(foretell(now + hour) - of_day(now + hour)));
		assert_true(forecast_at(&plain, now + hour, &value));
		plain_error = fmax(plain_error, fabs(value - of_day(now + hour)));
	}
	assert_true(error < 80);
	assert_true(plain_error > 2 * error);
}

static void test_gap(void **unused)
{
	(void)unused;
	forecast_begin(&forecast, 1000, 0);
	for (uint64_t i = 0; i < 50; i++)
		forecast_feed(&forecast, BEGIN_MS + i * 1000, 8);
	forecast_feed(&forecast, BEGIN_MS + 150000, 8);
	assert_int_equal(forecast.observed, 150);
	assert_near(foretell(BEGIN_MS + 160000), 8, 1e-9);
	/* Too long a time: it begins anew. */
	forecast_feed(&forecast, BEGIN_MS + DAY_MS, 3);
	assert_int_equal(forecast.observed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_too_early),
		cmocka_unit_test(test_climb),
		cmocka_unit_test(test_season),
		cmocka_unit_test(test_gap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
