/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "process.h"

static void test_open_fds(void **state)
{
	struct process_usage before, after;
	int fd;

	(void)state;
	process_usage(&before);
	assert_true(before.open_fds > 0);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	process_usage(&after);
	close(fd);
	assert_int_equal(after.open_fds, before.open_fds + 1);
}

static void test_memory(void **state)
{
	const size_t size = 64 << 20;
	struct process_usage before, after;
	char *memory;

	(void)state;
	process_usage(&before);
	memory = malloc(size);
	assert_non_null(memory);
	memset(memory, 1, size);
	process_usage(&after);
	free(memory);
	assert_true(after.resident_bytes > before.resident_bytes + size / 2);
	assert_true(after.virtual_bytes >= after.resident_bytes);
	assert_true(before.resident_bytes > 1 << 20);
}

static void test_cpu(void **state)
{
	struct process_usage usage;
	volatile uint64_t work = 0;
	double before;

	(void)state;
	process_usage(&usage);
	before = usage.cpu_seconds;
	while (usage.cpu_seconds < before + 0.02 && work < 20000000000) {
		for (int i = 0; i < 1000000; i++)
			work++;
		process_usage(&usage);
	}
	assert_true(usage.cpu_seconds >= before + 0.02);
}

static void test_limit(void **state)
{
	struct rlimit limit, other;
	struct process_usage usage;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	other = limit;
	other.rlim_cur = 77;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &other), 0);
	process_usage(&usage);
	setrlimit(RLIMIT_NOFILE, &limit);
	assert_int_equal(usage.max_fds, 77);
}

/* The kernel tells to a hundredth of a second. */
static void test_started(void **state)
{
	double now = (double)time(NULL), started = process_started();

	(void)state;
	assert_true(started > now - 600);
	assert_true(started < now + 1.1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_fds), cmocka_unit_test(test_memory),
		cmocka_unit_test(test_cpu),      cmocka_unit_test(test_limit),
		cmocka_unit_test(test_started),
	};

	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
