/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define LINE_MAX_BYTES 4096

/* Standard error goes to a file while a test runs; cmocka itself reports there between tests. */
static int capture_fd, saved_fd;
static char captured[4 * LINE_MAX_BYTES];

static int begin(void **state)
{
	FILE *file = tmpfile();

	(void)state;
	if (!file)
		return -1;
	capture_fd = dup(fileno(file));
	fclose(file);
	saved_fd = dup(STDERR_FILENO);
	unsetenv("JOURNAL_STREAM");
	log_set_level(LOG_LEVEL_DEBUG);
	return capture_fd < 0 || saved_fd < 0 || dup2(capture_fd, STDERR_FILENO) < 0 ? -1 : 0;
}

static int end(void **state)
{
	(void)state;
	dup2(saved_fd, STDERR_FILENO);
	close(saved_fd);
	close(capture_fd);
	return 0;
}

/* What has been written so far; standard error becomes the old one, so that asserts show. */
static const char *written(void)
{
	ssize_t length;

	dup2(saved_fd, STDERR_FILENO);
	length = pread(capture_fd, captured, sizeof(captured) - 1, 0);
	assert_true(length >= 0);
	captured[length] = '\0';
	return captured;
}

/* Behind "ts=2026-11-21T01:02:03.456Z ", whose shape is checked. */
static const char *after_stamp(const char *line)
{
	static const char shape[] = "ts=dddd-dd-ddTdd:dd:dd.dddZ ";

	for (size_t i = 0; shape[i]; i++) {
		if (shape[i] == 'd')
			assert_in_range(line[i], '0', '9');
		else
			assert_int_equal(line[i], shape[i]);
	}
	return line + sizeof(shape) - 1;
}

static void test_line(void **state)
{
	(void)state;
	log_info("backend up", "service", "web", "backend", "198.18.1.11:80");
	assert_string_equal(after_stamp(written()),
			    "level=info msg=\"backend up\" service=web backend=198.18.1.11:80\n");
}

static void test_quoting(void **state)
{
	(void)state;
	log_warn("m", "null", NULL, "empty", "", "equals", "a=b", "quote", "a\"b", "slash", "a\\b",
		 "lines", "a\nb\r\x1b\x7f", "utf8", "gr\xc3\xbc\xc3\x9f");
	assert_string_equal(after_stamp(written()),
			    "level=warn msg=m null=\"\" empty=\"\" equals=\"a=b\" "
			    "quote=\"a\\\"b\" slash=\"a\\\\b\" "
			    "lines=\"a\\nb\\u000d\\u001b\\u007f\" utf8=gr\xc3\xbc\xc3\x9f\n");
}

static void test_levels(void **state)
{
	enum log_level level = LOG_LEVEL_DEBUG;

	(void)state;
	log_set_level(LOG_LEVEL_WARN);
	log_debug("no");
	log_info("no");
	log_warn("yes");
	log_error("yes");
	assert_null(strstr(written(), "msg=no"));
	assert_non_null(strstr(captured, "level=warn msg=yes\n"));
	assert_non_null(strstr(captured, "level=error msg=yes\n"));

	assert_true(log_level_parse("error", &level));
	assert_int_equal(level, LOG_LEVEL_ERROR);
	assert_false(log_level_parse("Error", &level));
	assert_false(log_level_parse("", &level));
	assert_int_equal(level, LOG_LEVEL_ERROR);
}

static void set_journal_stream(void)
{
	struct stat status;
	char stream[64];

	assert_int_equal(fstat(STDERR_FILENO, &status), 0);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)status.st_dev,
		 (uintmax_t)status.st_ino);
	assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
}

static void test_journal(void **state)
{
	(void)state;
	set_journal_stream();
	log_error("a", "k", "v");
	log_warn("b");
	log_info("c");
	log_debug("d");
	assert_string_equal(written(), "<3>level=error msg=a k=v\n"
				       "<4>level=warn msg=b\n"
				       "<6>level=info msg=c\n"
				       "<7>level=debug msg=d\n");
}

/* Inherited by a child whose standard error is not the journal. */
static void test_foreign_journal(void **state)
{
	(void)state;
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_info("m");
	assert_string_equal(after_stamp(written()), "level=info msg=m\n");
}

static void test_errno_kept(void **state)
{
	(void)state;
	errno = EXDEV;
	close(STDERR_FILENO);
	log_info("nobody listens");
	assert_int_equal(errno, EXDEV);
	written();
}

/* Every length around the limit: one line, never longer than a pipe takes at once, and whole. */
static void test_long_lines(void **state)
{
	static const char tail[] = " truncated=true\n";
	static char value[LINE_MAX_BYTES + 100];
	bool seen_cut = false, seen_whole = false;

	(void)state;
	for (size_t length = LINE_MAX_BYTES - 120; length < sizeof(value); length++) {
		const char *text;
		size_t total;

		memset(value, 'x', length);
		value[length] = '\0';
		value[length / 2] = ' ';
		assert_int_equal(ftruncate(capture_fd, 0), 0);
		assert_int_equal(lseek(capture_fd, 0, SEEK_SET), 0);
		dup2(capture_fd, STDERR_FILENO);
		log_info("m", "k", value, "next", "v");
		text = written();
		total = strlen(text);
		assert_true(total <= LINE_MAX_BYTES);
		assert_ptr_equal(strchr(text, '\n'), text + total - 1);
		if (!strcmp(text + total - strlen(tail), tail)) {
			seen_cut = true;
			assert_non_null(strstr(text, "x\" truncated=true\n"));
		} else {
			seen_whole = true;
			assert_non_null(strstr(text, "x\" next=v\n"));
		}
	}
	assert_true(seen_cut);
	assert_true(seen_whole);
}

static void test_cut_keeps_utf8(void **state)
{
	static char value[2 * LINE_MAX_BYTES];
	const char *mark;

	(void)state;
	/* One odd byte in front, so that the limit falls into a character at either parity. */
	for (size_t shift = 0; shift < 2; shift++) {
		memset(value, 'x', shift);
		for (size_t i = shift; i + 2 < sizeof(value); i += 2)
			memcpy(value + i, "\xc3\xa9", 3);
		assert_int_equal(ftruncate(capture_fd, 0), 0);
		assert_int_equal(lseek(capture_fd, 0, SEEK_SET), 0);
		dup2(capture_fd, STDERR_FILENO);
		log_info("m", "k", value);
		mark = strstr(written(), " truncated=true\n");
		assert_non_null(mark);
		assert_memory_equal(mark - 2, "\xc3\xa9", 2);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_line, begin, end),
		cmocka_unit_test_setup_teardown(test_quoting, begin, end),
		cmocka_unit_test_setup_teardown(test_levels, begin, end),
		cmocka_unit_test_setup_teardown(test_journal, begin, end),
		cmocka_unit_test_setup_teardown(test_foreign_journal, begin, end),
		cmocka_unit_test_setup_teardown(test_errno_kept, begin, end),
		cmocka_unit_test_setup_teardown(test_long_lines, begin, end),
		cmocka_unit_test_setup_teardown(test_cut_keeps_utf8, begin, end),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
