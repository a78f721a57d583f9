/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "behaviour.h"

static void assert_behaviour(const struct behaviour *behaviour, unsigned int delay_ms,
			     unsigned int errors_ppm)
{
	assert_int_equal(atomic_load(&behaviour->delay_ms), delay_ms);
	assert_int_equal(atomic_load(&behaviour->errors_ppm), errors_ppm);
}

static int set(struct behaviour *behaviour, const char *name, const char *text)
{
	struct error err;

	for (const struct webapp_flag *flag = behaviour_flags; flag->name; flag++)
		if (strcmp(flag->name, name) == 0)
			return flag->set(behaviour, text, &err);
	fail_msg("there is no flag --%s", name);
	return -ENOENT;
}

static void test_flags(void **state)
{
	struct behaviour behaviour = {0};

	(void)state;
	assert_int_equal(set(&behaviour, "delay", "50ms"), 0);
	assert_int_equal(set(&behaviour, "error-rate", "0.25%"), 0);
	assert_behaviour(&behaviour, 50, 2500);
	assert_true(set(&behaviour, "delay", "61s") < 0);
	assert_true(set(&behaviour, "delay", "50") < 0);
	assert_true(set(&behaviour, "error-rate", "101%") < 0);
	assert_behaviour(&behaviour, 50, 2500);
}

static int apply(struct behaviour *behaviour, const char *text, struct error *err)
{
	return behaviour_apply(behaviour, text, strlen(text), err);
}

static void test_apply(void **state)
{
	struct behaviour behaviour = {0};
	struct error err;

	(void)state;
	assert_int_equal(apply(&behaviour, "{\"delay\":\"1s\",\"error-rate\":\"80%\"}", &err), 0);
	assert_behaviour(&behaviour, 1000, 800000);
	assert_int_equal(apply(&behaviour, "{\"error-rate\":\"100%\"}", &err), 0);
	assert_behaviour(&behaviour, 1000, 1000000);
	assert_int_equal(apply(&behaviour, "{}", &err), 0);
	assert_behaviour(&behaviour, 1000, 1000000);
}

/* One bad word, and nothing changes. */
static void test_apply_refuses(void **state)
{
	static const struct {
		const char *text, *field;
	} cases[] = {
		{"{\"delay\":\"1s\",\"error-rate\":\"lots\"}", "error-rate"},
		{"{\"delay\":\"1s\",\"error-rate\":0.8}", "error-rate"},
		{"{\"error-rate\":\"1%\",\"delay\":5}", "delay"},
		{"{\"error-rate\":\"1%\",\"delay\":\"2m\"}", "delay"},
		{"{\"error-rate\":\"1%\",\"dealy\":\"2s\"}", "dealy"},
		{"nonsense", ""},
	};
	struct behaviour behaviour = {.delay_ms = 7, .errors_ppm = 9};
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(apply(&behaviour, cases[i].text, &err) < 0);
		assert_string_equal(err.field, cases[i].field);
		assert_behaviour(&behaviour, 7, 9);
	}
}

static void test_strikes(void **state)
{
	struct behaviour never = {.delay_ms = 7}, always = {.errors_ppm = 1000000};
	struct webapp_call call = {.name = "x"};

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_false(behaviour_strikes(&never, &call));
	assert_int_equal(call.delay_ms, 7);
	assert_int_equal(call.status, 0);
	for (int i = 0; i < 1000; i++)
		assert_true(behaviour_strikes(&always, &call));
	assert_int_equal(call.status, 500);
	assert_non_null(strstr(call.text, "x fails"));
	free(call.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_apply),
		cmocka_unit_test(test_apply_refuses),
		cmocka_unit_test(test_strikes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
