/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "source_readings.h"

static struct source_readings *readings;
static char path[64];

static void write_lines(unsigned int count, const char *last)
{
	FILE *file = fopen(path, "we");
	unsigned int i;

	assert_non_null(file);
	for (i = 0; i < count; i++)
		fprintf(file, "10.0.%u.%u\n", i / 256, i % 256);
	fprintf(file, "%s\n", last);
	assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/tmp/sluice-readings-%d", (int)getpid());
	readings = source_readings_new();
	assert_non_null(readings);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	source_readings_free(readings);
	unlink(path);
	return 0;
}

static int ask(size_t lines)
{
	struct error err = {0};

	return source_readings_ask(readings, path, lines, &err);
}

static size_t take_words(const char *words)
{
	struct source_reading *reading = NULL;
	struct error err = {0};
	size_t count;

	if (source_readings_take(readings, words, &reading, &err))
		fail_msg("%s", err.message);
	count = source_reading_list(reading)->count;
	source_reading_free(reading);
	return count;
}

static size_t take(void)
{
	return take_words(path);
}

static void test_parts(void **state)
{
	(void)state;
	write_lines(100, "");
	assert_int_equal(ask(10), SOURCE_READER_MORE);
	assert_true(source_readings_step(readings, 10));
	assert_int_equal(ask(10), SOURCE_READER_MORE);
	assert_true(source_readings_step(readings, 1000));
	assert_false(source_readings_step(readings, 1000));
	assert_int_equal(ask(0), 0);
	assert_int_equal(take(), 100);
	assert_int_equal(take(), 100); /* another service has the same file */
}

/* Who needs it at once has it. */
static void test_at_once(void **state)
{
	struct error err = {0};

	(void)state;
	write_lines(100, "");
	assert_int_equal(take(), 100);
	assert_int_equal(source_readings_ask(readings, "198.18.0.0/24", 1, &err), 0);
	assert_int_equal(take_words("198.18.0.0/24,198.18.1.0/24"), 2);
	assert_int_equal(source_reading_list(NULL)->count, 0);
}

/* A line behind the first part is refused as one in it, and read anew for who asks again. */
static void test_refuse(void **state)
{
	struct error err = {0};

	(void)state;
	write_lines(100, "nobody");
	assert_int_equal(ask(10), SOURCE_READER_MORE);
	assert_true(source_readings_step(readings, 1000));
	assert_int_equal(source_readings_ask(readings, path, 10, &err), -EINVAL);
	assert_non_null(strstr(err.message, ": line 101: not a prefix"));
	write_lines(100, "");
	assert_int_equal(ask(1000), 0);
	unlink(path);
	assert_int_equal(ask(10), -EINVAL);
}

/* What was read of a file that has changed since is not taken. */
static void test_changed(void **state)
{
	(void)state;
	write_lines(100, "");
	assert_int_equal(ask(1000), 0);
	write_lines(99, "");
	assert_int_equal(take(), 99);
}

/* Who has a list keeps it; who comes later has the file read anew. */
static void test_shared(void **state)
{
	struct source_reading *first = NULL, *second = NULL;
	struct error err = {0};

	(void)state;
	write_lines(100, "");
	assert_int_equal(source_readings_take(readings, path, &first, &err), 0);
	assert_int_equal(source_readings_take(readings, path, &second, &err), 0);
	assert_ptr_equal(source_reading_list(first), source_reading_list(second));
	source_reading_free(first);
	source_readings_forget_taken(readings);
	assert_int_equal(source_reading_list(second)->count, 100);
	assert_int_equal(ask(10), SOURCE_READER_MORE);
	source_readings_free(readings);
	readings = NULL;
	source_reading_free(second);
}

static void test_age(void **state)
{
	unsigned int i;

	(void)state;
	write_lines(100, "");
	assert_int_equal(ask(1000), 0);
	for (i = 0; i < 1000; i++)
		source_readings_age(readings);
	assert_int_equal(ask(10), SOURCE_READER_MORE); /* begun anew */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_parts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refuse, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_changed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_shared, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_age, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
