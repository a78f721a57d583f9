/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../ctl/quantile.h"

static double quantile_of(const char *text, double q)
{
	cJSON *json = cJSON_Parse(text);
	double value;

	assert_non_null(json);
	value = quantile(json, q);
	cJSON_Delete(json);
	return value;
}

static void assert_near(double got, double wanted)
{
	assert_true(got > wanted * 0.999999 && got < wanted * 1.000001);
}

#define HUNDRED "{\"count\":100,\"sum\":1,\"le\":[0.001,0.01,0.1],\"buckets\":[10,60,90,100]}"

static void test_within_a_bucket(void **state)
{
	(void)state;
	assert_near(quantile_of(HUNDRED, 0.05), 0.0005);
	assert_near(quantile_of(HUNDRED, 0.1), 0.001);
	assert_near(quantile_of(HUNDRED, 0.5), 0.001 + 0.009 * 40 / 50);
	assert_near(quantile_of(HUNDRED, 0.6), 0.01);
	assert_near(quantile_of(HUNDRED, 0.9), 0.1);
}

static void test_above_the_last_bound(void **state)
{
	(void)state;
	assert_near(quantile_of(HUNDRED, 0.95), 0.1);
	assert_near(quantile_of(HUNDRED, 1), 0.1);
	assert_near(quantile_of("{\"count\":3,\"le\":[0.5],\"buckets\":[0,3]}", 0.5), 0.5);
}

static void test_empty_buckets(void **state)
{
	(void)state;
	assert_near(quantile_of("{\"count\":2,\"le\":[1,2,4],\"buckets\":[0,0,2,2]}", 0.5), 3);
}

static void test_none(void **state)
{
	static const char *const texts[] = {
		"{\"count\":0,\"sum\":0,\"le\":[1],\"buckets\":[0,0]}",
		"{\"count\":1}",
		"{\"count\":1,\"buckets\":7,\"le\":[1]}",
		"{\"count\":1,\"buckets\":[],\"le\":[]}",
		"{}",
		"null",
		"[]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_true(isnan(quantile_of(texts[i], 0.5)));
	assert_true(isnan(quantile(NULL, 0.5)));
	/* fewer buckets than bounds: no crash, whatever comes out */
	quantile_of("{\"count\":9,\"buckets\":[1],\"le\":[1,2,3]}", 0.5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_within_a_bucket),
		cmocka_unit_test(test_above_the_last_bound),
		cmocka_unit_test(test_empty_buckets),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests_name("quantile", tests, NULL, NULL);
}
