/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "accept.h"

static void test_text_plain(void **state)
{
	static const struct {
		const char *header;
		unsigned int quality, specificity;
	} cases[] = {
		{NULL, 1000, 0},
		{"", 0, 0},
		{"*/*", 1000, 0},
		{"text/*", 1000, 1},
		{"text/plain", 1000, 2},
		{"text/plain;version=0.0.4", 1000, 3},
		{"text/plain; version=0.0.4 ; q=0.25", 250, 3},
		{" text/plain\t;q=1 , text/html", 1000, 2},
		{"TEXT/Plain;Q=0.5", 500, 2},
		/* the most specific one has the say, wherever it stands */
		{"*/*;q=0.1,text/*;q=0.2,text/plain;q=0.3", 300, 2},
		{"text/plain;q=0.3,text/*;q=0.2,*/*;q=0.1", 300, 2},
		{"text/plain;q=0.3,text/plain;version=0.0.4;q=0.6", 600, 3},
		{"text/plain;q=0,*/*", 0, 2},
		/* others' */
		{"text/html", 0, 0},
		{"application/*", 0, 0},
		{"text/plainer", 0, 0},
		{"text", 0, 0},
		{"textual/*", 0, 0},
		{"text/plain;version=1.0.0", 0, 0},
		{"text/plain;version=1.0.0,text/*;q=0.7", 700, 1},
		/* parameters that do not matter */
		{"text/plain;charset=utf-8;escaping=underscores;q=0.9", 900, 2},
		{"text/plain;flag", 1000, 2},
		/* ranges that cannot be read do not count, others do */
		{"text/plain;q=many", 0, 0},
		{"text/plain;q=2,text/*;q=0.5", 500, 1},
		{",,;;,;q=1,text/plain,,", 1000, 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct accept found = accept_find(cases[i].header, "text/plain", "0.0.4");

		if (found.quality != cases[i].quality || found.specificity != cases[i].specificity)
			fail_msg("Accept: %s: %u, %u", cases[i].header, found.quality,
				 found.specificity);
	}
}

static void test_long(void **state)
{
	char header[4096];

	(void)state;
	memset(header, 'x', sizeof(header));
	memcpy(header + sizeof(header) - 17, ",text/plain;q=.1", 17);
	assert_int_equal(accept_find(header, "text/plain", "0.0.4").quality, 0);
	memcpy(header + sizeof(header) - 17, ",text/plain;q=0.", 17);
	assert_int_equal(accept_find(header, "text/plain", "0.0.4").specificity, 2);
	memcpy(header + sizeof(header) - 17, ",text/plain;q=1.", 17);
	assert_int_equal(accept_find(header, "text/plain", "0.0.4").quality, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_plain),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests_name("accept", tests, NULL, NULL);
}
