/* SPDX-License-Identifier: Apache-2.0 */

/* Drivers that are real programs: scripts in a directory of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "scale_driver.h"

#define GUARD_NS 15000000000ULL

static char directory[] = "/tmp/scale_driver.XXXXXX";
static char script[64];
static uv_loop_t loop;

static unsigned int calls;
static bool success;
static char answer[SCALE_ANSWER_MAX + 1], reason[256];

static void on_done(void *context, const struct scale_outcome *outcome)
{
	assert_ptr_equal(context, &loop);
	calls++;
	success = outcome->success;
	assert_int_equal(strlen(outcome->answer), outcome->length);
	snprintf(answer, sizeof(answer), "%s", outcome->answer);
	snprintf(reason, sizeof(reason), "%s", outcome->reason);
}

static void write_script(const char *body)
{
	FILE *file = fopen(script, "w");

	assert_non_null(file);
	fprintf(file, "#!/bin/sh\n%s\n", body);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(script, 0755), 0);
}

static int start(enum scale_order order, uint64_t timeout_ms, struct scale_job **ret_job)
{
	char *const words[] = {script, (char[]){"two words"}, NULL};
	const struct scale_errand errand = {
		.words = words,
		.order = order,
		.service = "web",
		.id = "web-1",
		.port = 80,
		.timeout_ms = timeout_ms,
	};

	calls = 0;
	return scale_job_start(&loop, &errand, on_done, &loop, ret_job);
}

/* Runs the script until it has ended and every handle is closed. */
static void run(const char *body, enum scale_order order, uint64_t timeout_ms)
{
	struct scale_job *job = NULL;

	write_script(body);
	assert_int_equal(start(order, timeout_ms, &job), 0);
	assert_int_equal(calls, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(calls, 1);
}

static void test_answer(void **unused)
{
	(void)unused;
	run("echo \"$*|$LB_ACTION|$LB_SERVICE|$LB_ID|$LB_PORT\"; echo noise >&2", SCALE_ORDER_UP,
	    10000);
	assert_true(success);
	assert_string_equal(answer, "two words up web web-1|up|web|web-1|80\n");
	assert_string_equal(reason, "");
	run("[ \"$2\" = down ]", SCALE_ORDER_DOWN, 10000);
	assert_true(success);
	assert_string_equal(answer, "");
}

static void test_failure(void **unused)
{
	(void)unused;
	run("echo first >&2; printf 'no host\\tis free\\n\\n' >&2; exit 3", SCALE_ORDER_UP, 10000);
	assert_false(success);
	assert_string_equal(reason, "exit status 3: no host?is free");
	run("kill -9 $$", SCALE_ORDER_UP, 10000);
	assert_string_equal(reason, "killed by signal 9");
}

static void test_bounds(void **unused)
{
	(void)unused;
	run("head -c 5000 /dev/zero | tr '\\0' x", SCALE_ORDER_UP, 10000);
	assert_false(success);
	assert_string_equal(reason, "its answer is longer than 4096 bytes");
	run("head -c 4096 /dev/zero | tr '\\0' x", SCALE_ORDER_UP, 10000);
	assert_true(success);
	assert_int_equal(strlen(answer), 4096);
	run("echo slow >&2; sleep 60", SCALE_ORDER_UP, 300);
	assert_false(success);
	assert_string_equal(reason, "timed out: slow");
	/* What it has left running neither holds it up nor lives on. */
	run("sleep 60 & echo done", SCALE_ORDER_UP, 10000);
	assert_true(success);
	assert_string_equal(answer, "done\n");
}

static void test_nothing_runs(void **unused)
{
	struct scale_job *job = NULL;

	(void)unused;
	unlink(script);
	assert_int_equal(start(SCALE_ORDER_UP, 1000, &job), UV_ENOENT);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(calls, 0);
	assert_null(job);
}

static void test_cancel(void **unused)
{
	struct scale_job *job = NULL;
	uint64_t guard = uv_hrtime() + GUARD_NS;

	(void)unused;
	write_script("sleep 60");
	assert_int_equal(start(SCALE_ORDER_UP, 60000, &job), 0);
	scale_job_cancel(job);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(calls, 0);
	assert_true(uv_hrtime() < guard);
	scale_job_cancel(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer), cmocka_unit_test(test_failure),
		cmocka_unit_test(test_bounds), cmocka_unit_test(test_nothing_runs),
		cmocka_unit_test(test_cancel),
	};
	int failed;

	if (!mkdtemp(directory))
		return 1;
	snprintf(script, sizeof(script), "%s/script", directory);
	uv_loop_init(&loop);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	uv_loop_close(&loop);
	unlink(script);
	rmdir(directory);
	return failed;
}
