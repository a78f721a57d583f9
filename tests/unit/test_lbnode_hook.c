/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "clock.h"
#include "lbnode_hook.h"

static int ask(const char *script, double *ret_value, struct error *err)
{
	char *const words[] = {(char[]){"/bin/sh"}, (char[]){"-c"}, (char *)script, NULL};

	return hook_ask(words, ret_value, err);
}

static void test_numbers(void **state)
{
	struct error err;
	double value = -1;

	(void)state;
	assert_int_equal(ask("echo 0.75", &value, &err), 0);
	assert_true(value == 0.75);
	assert_int_equal(ask("printf 3", &value, &err), 0);
	assert_true(value == 3);
	assert_int_equal(ask("read nothing; echo 0", &value, &err), 0);
	assert_true(value == 0);
}

static void assert_refused(const char *script, int code, const char *message)
{
	struct error err;
	double value = 7;

	assert_int_equal(ask(script, &value, &err), -code);
	assert_string_equal(err.message, message);
	assert_true(value == 7);
}

static void test_refused(void **state)
{
	(void)state;
	assert_refused("echo much", EINVAL, "does not say a number from 0 up");
	assert_refused("true", EINVAL, "does not say a number from 0 up");
	assert_refused("echo -1", EINVAL, "does not say a number from 0 up");
	assert_refused("echo nan", EINVAL, "does not say a number from 0 up");
	assert_refused("echo 1; exit 3", EINVAL, "fails, with status 3");
	assert_refused("kill -9 $$", EINVAL, "fails, with status 137");
	assert_refused("yes", EINVAL, "fails, with status 141");
	assert_refused("printf %0100d 1", EINVAL, "says more than 63 bytes");
}

/* It is over in time, with all that it has started, also when it holds its output open no more. */
static void test_too_slow(void **state)
{
	uint64_t began = clock_ms(CLOCK_MONOTONIC);

	(void)state;
	assert_refused("sleep 60 & sleep 60", ETIMEDOUT, "takes longer than 1000 ms");
	assert_refused("exec >/dev/null; sleep 60", ETIMEDOUT, "takes longer than 1000 ms");
	assert_in_range(clock_ms(CLOCK_MONOTONIC) - began, 2000, 30000);
}

static void test_not_there(void **state)
{
	char *const words[] = {(char[]){"/nowhere/at/all"}, NULL};
	struct error err;
	double value;

	(void)state;
	assert_int_equal(hook_ask(words, &value, &err), -EINVAL);
	assert_string_equal(err.message, "fails, with status 127");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_slow),
		cmocka_unit_test(test_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
