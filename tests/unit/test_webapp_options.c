/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "webapp_options.h"

static int set_color(void *target, const char *text, struct error *err)
{
	if (strcmp(text, "grey") == 0)
		return error_set(err, EINVAL, "%s: no color", text);
	*(const char **)target = text;
	return 0;
}

static const struct webapp_flag flags[] = {
	{"color", "COLOR", "what it\nlooks like", set_color},
	{NULL, NULL, NULL, NULL},
};

static const struct webapp plain = {
	.name = "plain", .description = "Does things.", .interface = "GET /", .flags = flags};
static const struct webapp blocking = {
	.name = "slow", .description = "Waits.", .interface = "GET /", .blocking = true};

/* Words apart by blanks, as typed behind the program's name. */
static int parse(const struct webapp *app, const char *words, const char **ret_color,
		 struct webapp_options *ret_options, struct error *err)
{
	static char line[512];
	char *argv[32] = {(char *)app->name}, *rest = line;
	int argc = 1;

	snprintf(line, sizeof(line), "%s", words);
	while ((argv[argc] = strsep(&rest, " ")))
		argc++;
	optind = 0;
	opterr = 0;
	return webapp_options_parse(app, ret_color, argc, argv, ret_options, err);
}

static void test_all(void **state)
{
	struct webapp_options options;
	char text[ENDPOINT_TEXT_MAX];
	const char *color = NULL;
	struct error err;

	(void)state;
	assert_int_equal(parse(&plain,
			       "--name x --listen 80 --listen 198.18.0.1:81 --threads 3 "
			       "--grace 5s --color red",
			       &color, &options, &err),
			 0);
	assert_string_equal(options.name, "x");
	assert_string_equal(color, "red");
	assert_int_equal(options.listen_count, 2);
	assert_string_equal(format_endpoint(&options.listen[0], text), "[::]:80");
	assert_string_equal(format_endpoint(&options.listen[1], text), "198.18.0.1:81");
	assert_int_equal(options.threads, 3);
	assert_int_equal(options.grace_ms, 5000);
}

static void assert_refused(const struct webapp *app, const char *words, int reason,
			   const char *field)
{
	struct webapp_options options = {.threads = 4711};
	const char *color;
	struct error err = {.field = ""};

	assert_int_equal(parse(app, words, &color, &options, &err), reason);
	assert_string_equal(err.field, field);
	assert_int_equal(options.threads, 4711);
}

static void test_refused(void **state)
{
	(void)state;
	assert_refused(&plain, "--listen 80", -EINVAL, "name");
	assert_refused(&plain, "--name x", -EINVAL, "listen");
	assert_refused(&plain, "--name x --listen", -EAGAIN, "");
	assert_refused(&plain, "--name x --listen 0", -EINVAL, "listen");
	assert_refused(&plain, "--name x --listen 65536", -EINVAL, "listen");
	assert_refused(&plain, "--name x --listen 198.18.0.1", -EINVAL, "listen");
	assert_refused(&plain, "--name x --listen 80 --threads 0", -EINVAL, "threads");
	assert_refused(&plain, "--name x --listen 80 --grace 5", -EINVAL, "grace");
	assert_refused(&plain, "--name x --listen 80 --color grey", -EINVAL, "color");
	assert_refused(&plain, "--name x --listen 80 --workers 4", -EAGAIN, "");
	assert_refused(&plain, "--name x --listen 80 more", -EINVAL, "");
	assert_refused(&blocking, "--name x --listen 80 --workers 257", -EINVAL, "workers");
	assert_refused(&blocking, "--name x --listen 80 --queue 0", -EINVAL, "queue");
}

/* Each flag stands in the help; those of workers only where there are workers. */
static void test_help(void **state)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	(void)state;
	webapp_options_help(&plain, out);
	fclose(out);
	assert_non_null(strstr(text, "usage: plain --name NAME --listen [ADDR:]PORT"));
	assert_non_null(strstr(text, "  --color COLOR\n        what it\n        looks like\n"));
	assert_non_null(strstr(text, "  --grace DURATION\n"));
	assert_null(strstr(text, "--workers"));
	free(text);
	out = open_memstream(&text, &length);
	webapp_options_help(&blocking, out);
	fclose(out);
	assert_non_null(strstr(text, "  --workers N\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
