/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "load_poll.h"

static void test_reports(void **state)
{
	static const char text[] = "{\"load\": 0.75, \"cpu\": 0.5, \"what-is-new\": []}\n";
	struct error err;
	double load = -1;

	(void)state;
	assert_int_equal(load_poll_read(text, strlen(text), &load, &err), 0);
	assert_true(load == 0.75);
	assert_int_equal(load_poll_read("{\"load\":0}", 10, &load, &err), 0);
	assert_true(load == 0);
}

static void test_no_reports(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"", "the report is no JSON"},
		{"404", "it does not know: no load is told"},
		{"{\"load\": \"0.5\"}", "it does not know: no load is told"},
		{"{\"load\": -0.5}", "it does not know: no load is told"},
		{"{\"load\": 1e999}", "it does not know: no load is told"},
		{"{\"LOAD\": 1}", "it does not know: no load is told"},
		{"[0.5]", "it does not know: no load is told"},
		{"{\"problem\": \"the hook fails, with status 1\"}",
		 "it does not know: the hook fails, with status 1"},
		{"{\"problem\": \"\\u001b[31mred\\n\"}", "it does not know: ?[31mred?"},
		{"{\"problem\": 7}", "it does not know: no load is told"},
		{"<html>", "the report is no JSON"},
	};
	struct error err;
	double load = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(load_poll_read(cases[i].text, strlen(cases[i].text), &load, &err),
				 -EINVAL);
		assert_string_equal(err.message, cases[i].message);
	}
	assert_true(load == 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reports),
		cmocka_unit_test(test_no_reports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
