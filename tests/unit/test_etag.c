/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "etag.h"

static void test_format(void **state)
{
	char text[ETAG_TEXT_MAX];

	(void)state;
	assert_string_equal(etag_format(0, text), "\"0\"");
	assert_string_equal(etag_format(UINT64_MAX, text), "\"18446744073709551615\"");
}

static void test_holds(void **state)
{
	static const char *const conditions[] = {
		NULL,
		"*",
		"\"17\"",
		" \"17\" ",
		"\"16\", \"17\"",
		"\"17\",\"18\"",
		"W/\"17\",\"17\"",
		"\"a,b\", \"17\"",
	};
	struct error err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
		assert_int_equal(etag_check(conditions[i], 17, &err), 0);
}

static void test_stale(void **state)
{
	static const char *const conditions[] = {
		"\"16\"", "W/\"17\"", "\"\"", "\"017\"", "\"17 \"", "\"1\", \"7\"", "\"17x\"",
	};
	struct error err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++)
		assert_int_equal(etag_check(conditions[i], 17, &err), -ESTALE);
	assert_int_equal(etag_check("\"16\"", 17, &err), -ESTALE);
	assert_string_equal(err.message,
			    "the generation is \"17\", not \"16\" as the change was meant for");
	assert_int_equal(etag_check("\"\x1b[2J\xff\"", 17, &err), -ESTALE);
	assert_non_null(strstr(err.message, "not \"?[2J?\" as"));
}

static void test_no_tags(void **state)
{
	static const char *const conditions[] = {
		"",        " ",         "17",       "\"17",     "\"17\" \"18\"",
		"\"17\"x", "*, \"17\"", "w/\"17\"", "\"17\",x",
	};
	struct error err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
		assert_int_equal(etag_check(conditions[i], 17, &err), -EINVAL);
		assert_string_equal(err.message, "If-Match: not an entity tag");
		assert_string_equal(err.hint, "write the ETag of an answer: If-Match: \"17\"");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_holds),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_no_tags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
