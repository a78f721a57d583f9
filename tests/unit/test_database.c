/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "database.h"

/* --- a database that does as it is told, and notes what it was asked --- */

static char journal[512];
static int run_results[16]; /* of the next runs */
static int commit_results[16];
static int open_results[16];
static size_t runs, commits, opens;

static void note(const char *word)
{
	strncat(journal, word, sizeof(journal) - strlen(journal) - 1);
	strncat(journal, " ", sizeof(journal) - strlen(journal) - 1);
}

static int fake_open(const char *place, bool create, const char *const *statements,
		     void **ret_connection, struct error *err)
{
	int r = open_results[opens++];

	(void)place;
	(void)statements;
	note(create ? "create" : "open");
	if (r < 0)
		return error_set(err, -r, "told so");
	*ret_connection = journal;
	return 0;
}

static void fake_close(void *connection)
{
	assert_ptr_equal(connection, journal);
	note("close");
}

static int fake_command(void *connection, const char *sql, struct error *err)
{
	int r = strcmp(sql, "COMMIT") == 0 ? commit_results[commits++] : 0;

	assert_ptr_equal(connection, journal);
	note(sql);
	return r < 0 ? error_set(err, -r, "told so") : 0;
}

static int fake_run(void *connection, size_t statement, const struct database_value *values,
		    database_row_fn *row, void *context, uint64_t *ret_id, struct error *err)
{
	int r = run_results[runs++];

	assert_ptr_equal(connection, journal);
	(void)statement;
	(void)values;
	(void)row;
	(void)context;
	(void)ret_id;
	note("run");
	return r < 0 ? error_set(err, -r, "told so") : r;
}

static const struct database_ops fake_ops = {
	.begin = "BEGIN",
	.open = fake_open,
	.close = fake_close,
	.command = fake_command,
	.run = fake_run,
};

static const char *const statements[] = {"", NULL};

static int work(struct database_session *session, void *context, struct error *err)
{
	return database_run(session, 0, NULL, NULL, context, NULL, err);
}

static int setup(void **state)
{
	memset(run_results, 0, sizeof(run_results));
	memset(commit_results, 0, sizeof(commit_results));
	memset(open_results, 0, sizeof(open_results));
	runs = commits = opens = 0;
	journal[0] = '\0';
	*state = database_new(&fake_ops, "place", statements, 1);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	database_free(*state);
	return 0;
}

static void test_commits(void **state)
{
	struct error err;

	run_results[0] = 3;
	assert_int_equal(database_do(*state, true, work, NULL, &err), 3);
	assert_string_equal(journal, "create BEGIN run COMMIT ");
	assert_int_equal(database_do(*state, false, work, NULL, &err), 0);
	assert_string_equal(journal, "create BEGIN run COMMIT run ");
}

static void test_rolls_back(void **state)
{
	struct error err;

	run_results[0] = -EEXIST;
	assert_int_equal(database_do(*state, true, work, NULL, &err), -EEXIST);
	assert_string_equal(journal, "create BEGIN run ROLLBACK ");
}

static void test_retries_locks(void **state)
{
	struct error err;

	run_results[0] = -EAGAIN;
	run_results[1] = 1;
	assert_int_equal(database_do(*state, true, work, NULL, &err), 1);
	assert_string_equal(journal, "create BEGIN run ROLLBACK BEGIN run COMMIT ");
}

/* In the middle, at the commit, at the first connection: each time on a new connection. */
static void test_reconnects(void **state)
{
	struct error err;

	open_results[0] = -ENOTCONN;
	run_results[0] = -ENOTCONN;
	commit_results[0] = -ENOTCONN;
	assert_int_equal(database_do(*state, true, work, NULL, &err), 0);
	assert_string_equal(journal, "create create BEGIN run close "
				     "open BEGIN run COMMIT close "
				     "open BEGIN run COMMIT ");
}

static void test_gives_up(void **state)
{
	struct error err;

	for (size_t i = 0; i < 16; i++)
		run_results[i] = -EAGAIN;
	assert_int_equal(database_do(*state, true, work, NULL, &err), -EAGAIN);
	assert_int_equal(runs, 6);
	assert_string_equal(err.message, "told so");
	run_results[runs] = -EIO;
	assert_int_equal(database_do(*state, true, work, NULL, &err), -EIO);
	assert_int_equal(runs, 7);
}

/* Work within work finds the only connection on loan. */
static int greedy(struct database_session *session, void *context, struct error *err)
{
	(void)session;
	return database_do(context, false, work, NULL, err);
}

static void test_pool_is_empty(void **state)
{
	struct error err;

	assert_int_equal(database_do(*state, false, greedy, *state, &err), -EBUSY);
	assert_non_null(strstr(err.message, "all 1 connections"));
	assert_int_equal(database_do(*state, false, work, NULL, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_commits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rolls_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_retries_locks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reconnects, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gives_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pool_is_empty, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
