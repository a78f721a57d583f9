/* SPDX-License-Identifier: Apache-2.0 */

/* The journal on disk: restarts, rotation, torn lines, a disk that is full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal_file.h"

#define SIZE_MAX_BYTES 4096

/* --- a disk that fills up (linked with --wrap for ftruncate and write) --- */

static size_t room = SIZE_MAX; /* bytes that may still be written */
static bool truncate_fails;

ssize_t __real_write(int fd, const void *bytes, size_t size);
int __real_ftruncate(int fd, off_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
int __wrap_ftruncate(int fd, off_t size);

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
	if (room == 0) {
		errno = ENOSPC;
		return -1;
	}
	if (size > room)
		size = room;
	if (room != SIZE_MAX)
		room -= size;
	return __real_write(fd, bytes, size);
}

int __wrap_ftruncate(int fd, off_t size)
{
	if (truncate_fails) {
		errno = EIO;
		return -1;
	}
	return __real_ftruncate(fd, size);
}

/* --- a directory and a journal of its own for each test --- */

struct fixture {
	char dir[64];
	struct journal *journal;
	struct journal_file *file;
};

static void open_again(struct fixture *fixture)
{
	struct error err;

	journal_file_close(fixture->file);
	journal_free(fixture->journal);
	fixture->journal = journal_new(1000, 1 << 20);
	assert_non_null(fixture->journal);
	assert_int_equal(journal_file_open(fixture->dir, SIZE_MAX_BYTES, fixture->journal,
					   &fixture->file, &err),
			 0);
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	room = SIZE_MAX;
	truncate_fails = false;
	snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/sluice-journal.XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	open_again(fixture);
	*state = fixture;
	return 0;
}

static void path_of(const struct fixture *fixture, const char *name, char path[128])
{
	snprintf(path, 128, "%s/%s", fixture->dir, name);
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;
	char path[128];

	journal_file_close(fixture->file);
	journal_free(fixture->journal);
	path_of(fixture, "events.jsonl", path);
	unlink(path);
	path_of(fixture, "events.jsonl.1", path);
	unlink(path);
	assert_int_equal(rmdir(fixture->dir), 0);
	free(fixture);
	return 0;
}

static void add(struct fixture *fixture, const char *service)
{
	const struct event event = {.kind = EVENT_SERVICE_ADDED, .service = service};

	assert_non_null(journal_add(fixture->journal, &event));
}

static int save(struct fixture *fixture)
{
	struct error err = {0};
	int ret = journal_file_save(fixture->file, fixture->journal, &err);

	assert_int_equal(ret != 0, err.message[0] != '\0');
	return ret;
}

static void append(const struct fixture *fixture, const char *text)
{
	char path[128];
	FILE *file;

	path_of(fixture, "events.jsonl", path);
	file = fopen(path, "ae");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static off_t size_of(const struct fixture *fixture, const char *name)
{
	struct stat status;
	char path[128];

	path_of(fixture, name, path);
	return stat(path, &status) < 0 ? -1 : status.st_size;
}

/* The services of the events there are, apart by blanks. */
static void assert_there(const struct fixture *fixture, const char *expected)
{
	const struct event *event;
	char text[512] = "";
	uint64_t seq = 0;

	while ((event = journal_after(fixture->journal, seq))) {
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
			 text[0] ? " " : "", event->service);
		seq = event->seq;
	}
	assert_string_equal(text, expected);
}

/* --- tests --- */

static void events_outlive_the_agent(void **state)
{
	struct fixture *fixture = *state;

	add(fixture, "a");
	assert_int_equal(save(fixture), 0);
	add(fixture, "b");
	add(fixture, "c");
	assert_int_equal(save(fixture), 0);
	open_again(fixture);
	assert_there(fixture, "a b c");
	assert_int_equal(journal_newest(fixture->journal), 3);
	add(fixture, "d");
	assert_int_equal(save(fixture), 0);
	open_again(fixture);
	assert_there(fixture, "a b c d");
}

static void a_torn_last_line_is_skipped(void **state)
{
	struct fixture *fixture = *state;

	add(fixture, "a");
	assert_int_equal(save(fixture), 0);
	append(fixture, "{\"seq\":2,\"time\":\"2026-11-2");
	open_again(fixture);
	assert_there(fixture, "a");
	add(fixture, "b");
	assert_int_equal(save(fixture), 0);
	open_again(fixture);
	assert_there(fixture, "a b");
}

static void garbage_is_skipped(void **state)
{
	struct fixture *fixture = *state;

	append(fixture, "\n\n}{\nnull\n[]\n{\"seq\":1}\n");
	open_again(fixture);
	assert_there(fixture, "");
	add(fixture, "a");
	assert_int_equal(save(fixture), 0);
	append(fixture, "{\"seq\":1,\"time\":\"2026-11-21T01:02:03.456Z\","
			"\"kind\":\"service-added\",\"service\":\"again\",\"generation\":0}\n");
	open_again(fixture);
	assert_there(fixture, "a");
}

static void one_former_file_is_kept(void **state)
{
	struct fixture *fixture = *state;
	uint64_t oldest;

	for (int i = 0; i < 200; i++) {
		add(fixture, "a-service-with-a-long-name");
		assert_int_equal(save(fixture), 0);
		assert_in_range(size_of(fixture, "events.jsonl"), 1, SIZE_MAX_BYTES);
	}
	assert_in_range(size_of(fixture, "events.jsonl.1"), SIZE_MAX_BYTES / 2, SIZE_MAX_BYTES);
	open_again(fixture);
	oldest = journal_oldest(fixture->journal);
	assert_int_equal(journal_newest(fixture->journal), 200);
	assert_in_range(oldest, 100, 180); /* all of both files, and no hole between them */
	assert_int_equal(journal_count(fixture->journal), 200 - oldest + 1);
}

/* Wherever in a line the room ends. */
static void a_full_disk_costs_nothing_but_time(void **state)
{
	struct fixture *fixture = *state;
	char name[16], expected[2048] = "";

	for (size_t left = 0; left < 90; left += 7) {
		snprintf(name, sizeof(name), "s%zu", left);
		snprintf(expected + strlen(expected), sizeof(expected) - strlen(expected), "%s%s",
			 expected[0] ? " " : "", name);
		add(fixture, name);
		room = left;
		assert_int_equal(save(fixture), -ENOSPC);
		assert_int_equal(save(fixture), -ENOSPC);
		room = SIZE_MAX;
		assert_int_equal(save(fixture), 0);
	}
	open_again(fixture);
	assert_there(fixture, expected);
}

/* Half a line stays there, which the next one must not be part of. */
static void not_even_truncating_works(void **state)
{
	struct fixture *fixture = *state;

	add(fixture, "a");
	room = 10;
	truncate_fails = true;
	assert_int_equal(save(fixture), -ENOSPC);
	room = SIZE_MAX;
	assert_int_equal(save(fixture), 0);
	open_again(fixture);
	assert_there(fixture, "a");
}

static void what_is_no_file_is_not_written(void **state)
{
	struct fixture *fixture = *state;
	char path[128];

	path_of(fixture, "events.jsonl", path);
	assert_int_equal(mkfifo(path, 0600), 0);
	add(fixture, "a");
	assert_true(save(fixture) < 0);
	unlink(path);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_true(save(fixture) < 0);
	unlink(path);
	assert_int_equal(save(fixture), 0);
	open_again(fixture);
	assert_there(fixture, "a");
}

static void a_directory_that_is_not_there(void **state)
{
	struct journal *journal = journal_new(10, 1 << 20);
	struct journal_file *file = NULL;
	struct error err;

	(void)state;
	assert_int_equal(journal_file_open("/tmp/sluice-none/none", 4096, journal, &file, &err),
			 -ENOENT);
	assert_null(file);
	journal_free(journal);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(events_outlive_the_agent),
		TEST(a_torn_last_line_is_skipped),
		TEST(garbage_is_skipped),
		TEST(one_former_file_is_kept),
		TEST(a_full_disk_costs_nothing_but_time),
		TEST(not_even_truncating_works),
		TEST(what_is_no_file_is_not_written),
		TEST(a_directory_that_is_not_there),
	};

	return cmocka_run_group_tests_name("journal_file", tests, NULL, NULL);
}
