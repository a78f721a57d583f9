/* SPDX-License-Identifier: Apache-2.0 */

/* Probes by programs: scripts in a directory of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probe_fixture.h"

static char directory[] = "/tmp/probe_exec.XXXXXX";
static char script[64], note[64];

static char *command[4];

/* A shell script; %s in it stands for the note's path. */
static void write_script(const char *body)
{
	FILE *file = fopen(script, "w");

	assert_non_null(file);
	fputs("#!/bin/sh\n", file);
	fprintf(file, body, note); /* NOLINT: a test's own literals */
	fputs("\n", file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(script, 0755), 0);
}

static const char *read_note(void)
{
	static char bytes[512];
	int fd = open(note, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? 0 : read(fd, bytes, sizeof(bytes) - 1);

	bytes[length > 0 ? length : 0] = '\0';
	if (fd >= 0)
		close(fd);
	return bytes;
}

static int set_up(void **state)
{
	struct fixture *fixture = fixture_new();

	unlink(note);
	command[0] = script;
	command[1] = command[2] = NULL;
	fixture->spec.kind = CHECK_EXEC;
	fixture->spec.command = command;
	fixture->spec.timeout_ms = 3000;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	fixture_free(*state);
	return 0;
}

static void run(struct fixture *fixture)
{
	struct endpoint target = endpoint_of("198.18.1.11", 3306);

	probe_target(fixture, &target);
}

static void test_success(void **state)
{
	struct fixture *fixture = *state;

	write_script("echo \"$#,$1,$2,$LB_SERVICE,$LB_BACKEND_ADDRESS,$LB_BACKEND_PORT,$HOME,"
		     "$(readlink /proc/self/fd/0),$PWD\" >%s; echo fine");
	command[1] = text("a b");
	command[2] = text("$HOME");
	run(fixture);
	expect_success(fixture);
	assert_string_equal(read_note(), "2,a b,$HOME,web,198.18.1.11,3306,,/dev/null,/\n");
}

static void test_failures(void **state)
{
	struct fixture *fixture = *state;

	write_script("echo; echo '  disk full'; echo more; exit 2 # %s");
	run(fixture);
	expect_failure(fixture, "exit status 2: disk full");
	end_prober(fixture);
	write_script("printf 'no\\033[2J\\377 newline' >&2; exit 1 # %s");
	run(fixture);
	expect_failure(fixture, "exit status 1: no?[2J? newline");
	end_prober(fixture);
	write_script("exit 3 # %s");
	run(fixture);
	expect_failure(fixture, "exit status 3");
	end_prober(fixture);
	write_script("kill -9 $$ # %s");
	run(fixture);
	expect_failure(fixture, "killed by signal 9");
	end_prober(fixture);
	unlink(script);
	run(fixture);
	char reason[128];
	snprintf(reason, sizeof(reason), "%s: No such file or directory", script);
	expect_failure(fixture, reason);
}

/* More than a pipe holds, without a line's end. */
static void test_much_output(void **state)
{
	struct fixture *fixture = *state;
	char reason[PROBE_REASON_MAX] = "exit status 1: ";

	write_script("head -c 1000000 /dev/zero | tr '\\0' x; exit 1 # %s");
	run(fixture);
	memset(reason + strlen(reason), 'x', 127);
	expect_failure(fixture, reason);
}

static bool is_running(pid_t pid)
{
	char path[32], text_of[64] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	assert_true(read(fd, text_of, sizeof(text_of) - 1) > 0);
	close(fd);
	return !strstr(text_of, ") Z");
}

static void wait_gone(struct fixture *fixture)
{
	pid_t pid = (pid_t)strtol(read_note(), NULL, 10);

	assert_true(pid > 1);
	while (is_running(pid)) {
		uv_run(&fixture->loop, UV_RUN_NOWAIT);
		usleep(1000);
	}
}

/* It is killed, and what it has started as well. */
static void test_hangs(void **state)
{
	struct fixture *fixture = *state;

	fixture->spec.timeout_ms = 300;
	write_script("sleep 1000 & echo $! >%s; echo begun; wait");
	run(fixture);
	expect_failure(fixture, "timeout after 300ms: the command has not ended");
	wait_gone(fixture);
}

/* What it leaves behind when it ends is ended too, though it holds the pipe open. */
static void test_leaves_a_child(void **state)
{
	struct fixture *fixture = *state;

	write_script("sleep 1000 & echo $! >%s");
	run(fixture);
	expect_success(fixture);
	wait_gone(fixture);
}

static void test_freed_while_running(void **state)
{
	struct fixture *fixture = *state;

	write_script("echo $$ >%s; sleep 1000");
	run(fixture);
	while (read_note()[0] == '\0')
		uv_run(&fixture->loop, UV_RUN_NOWAIT);
	prober_free(fixture->prober);
	fixture->prober = NULL;
	wait_gone(fixture);
	assert_int_equal(fixture->count, 0);
}

/* Of ours only what it was given: input, output and errors. */
static void test_inherits_nothing(void **state)
{
	struct fixture *fixture = *state;

	int open_one = dup(1);

	write_script("exec ls /proc/self/fd >%s");
	run(fixture);
	expect_success(fixture);
	assert_string_equal(read_note(), "0\n1\n2\n3\n"); /* ls has that directory as 3 */
	close(open_one);
}

static void count_result(void *context, const struct probe_result *result)
{
	unsigned int *count = context;

	assert_string_equal(result->reason, "");
	++*count;
}

/* At most 64 at once; waiting costs nobody its timeout. */
static void test_many(void **state)
{
	enum { PROBERS = 150 };
	struct fixture *fixture = *state;
	const struct probe_target target = {.endpoint = endpoint_of("198.18.1.11", 80)};
	struct prober *probers[PROBERS];
	struct check_run *check;
	unsigned int count = 0, most = 0;

	uv_timer_stop(
		&fixture->guard); /* a slow machine takes its time; the test run has a limit */
	fixture->spec.timeout_ms = 60000;
	fixture->spec.interval_ms = 600000;
	/* Each notes that it runs, and counts how many do. */
	write_script("d=%s.d; mkdir -p $d; : >$d/$$; ls $d | wc -l >>$d.most; sleep 0.1; rm $d/$$");
	check = make_check(fixture);
	for (int i = 0; i < PROBERS; i++)
		probers[i] = prober_new(fixture->engine, check, &target, count_result, &count);
	check_run_unref(check);
	while (count < PROBERS)
		uv_run(&fixture->loop, UV_RUN_ONCE);
	char path[80];
	snprintf(path, sizeof(path), "%s.d.most", note);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	for (char line[32]; fgets(line, sizeof(line), file);) {
		unsigned int running = (unsigned int)strtoul(line, NULL, 10);
		most = running > most ? running : most;
	}
	fclose(file);
	assert_in_range(most, 2, 64);
	for (int i = 0; i < PROBERS; i++)
		prober_free(probers[i]);
}

/* Those that wait for their turn may go before it comes, and so may the engine. */
static void test_freed_in_line(void **state)
{
	enum { PROBERS = 100 };
	struct fixture *fixture = *state;
	const struct probe_target target = {.endpoint = endpoint_of("198.18.1.11", 80)};
	struct prober *probers[PROBERS];
	struct check_run *check = make_check(fixture);
	unsigned int count = 0;

	write_script("sleep 1000 # %s");
	for (int i = 0; i < PROBERS; i++)
		probers[i] = prober_new(fixture->engine, check, &target, count_result, &count);
	check_run_unref(check);
	uv_run(&fixture->loop, UV_RUN_NOWAIT);
	for (int i = 0; i < PROBERS; i++)
		prober_free(probers[PROBERS - 1 - i]);
	assert_int_equal(count, 0);
}

static int make_directory(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(script, sizeof(script), "%s/check", directory);
	snprintf(note, sizeof(note), "%s/note", directory);
	return 0;
}

static int remove_directory(void **state)
{
	char clean[64];

	(void)state;
	snprintf(clean, sizeof(clean), "rm -rf %s", directory);
	return system(clean); /* NOLINT: of a directory that mkdtemp() named */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(test_success),          TEST(test_failures),
		TEST(test_much_output),      TEST(test_hangs),
		TEST(test_leaves_a_child),   TEST(test_freed_while_running),
		TEST(test_inherits_nothing), TEST(test_many),
		TEST(test_freed_in_line),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
