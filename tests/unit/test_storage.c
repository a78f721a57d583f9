/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "shard.h"
#include "storage.h"

/* --- shards that are lost when told to --- */

static bool lost[2];
static int opened, closed;
static int told_lost, told_back;

struct fake {
	size_t shard;
	char id[64], text[64];
};

static int fake_open(const char *place, bool create, void **ret_connection, struct error *err)
{
	const size_t shard = (size_t)(place[0] - '0');
	struct fake *fake;

	(void)create;
	if (lost[shard])
		return error_set(err, ENOTCONN, "gone");
	fake = calloc(1, sizeof(*fake));
	assert_non_null(fake);
	fake->shard = shard;
	opened++;
	*ret_connection = fake;
	return 0;
}

static void fake_close(void *connection)
{
	closed++;
	free(connection);
}

static int fake_put(void *connection, const char *id, const char *text, struct error *err)
{
	struct fake *fake = connection;

	if (lost[fake->shard])
		return error_set(err, ENOTCONN, "broken");
	if (strcmp(text, "full") == 0)
		return error_set(err, ENOSPC, "no room");
	snprintf(fake->id, sizeof(fake->id), "%s", id);
	snprintf(fake->text, sizeof(fake->text), "%s", text);
	return 0;
}

static int fake_get(void *connection, const char *id, char **ret_text, struct error *err)
{
	struct fake *fake = connection;

	if (lost[fake->shard])
		return error_set(err, ENOTCONN, "broken");
	if (strcmp(fake->id, id) != 0)
		return error_set(err, ENOENT, "no such id");
	*ret_text = strdup(fake->text);
	return 0;
}

static const struct storage_ops fake_ops = {fake_open, fake_close, fake_put, fake_get};

static void changed(void *context, size_t shard, const char *place, bool up, const char *reason)
{
	assert_null(context);
	assert_int_equal(place[0] - '0', shard);
	if (up)
		told_back++;
	else
		told_lost++;
	assert_true(up == (reason[0] == '\0'));
}

/* An id of a shard of two. */
static const char *id_in(size_t shard)
{
	static char id[2][16];

	for (int i = 0;; i++) {
		snprintf(id[shard], sizeof(id[shard]), "id%d", i);
		if (shard_of(id[shard], 2) == shard)
			return id[shard];
	}
}

static int setup(void **state)
{
	static const char *const places[] = {"0", "1"};

	lost[0] = lost[1] = false;
	opened = closed = told_lost = told_back = 0;
	*state = storage_new(&fake_ops, places, 2, 1, changed, NULL, 0);
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	storage_free(*state);
	assert_int_equal(opened, closed);
	return 0;
}

static int put(struct storage *storage, size_t shard, uint64_t now_ms, struct error *err)
{
	size_t used;
	int r = storage_put(storage, 0, id_in(shard), "text", now_ms, &used, err);

	assert_int_equal(used, shard);
	return r;
}

static void test_put_get(void **state)
{
	struct error err;
	size_t shard;
	char *text;

	assert_int_equal(put(*state, 0, 0, &err), 0);
	assert_int_equal(storage_get(*state, 0, id_in(0), 0, &text, &shard, &err), 0);
	assert_string_equal(text, "text");
	free(text);
	assert_int_equal(storage_get(*state, 0, id_in(1), 0, &text, &shard, &err), -ENOENT);
	assert_int_equal(shard, 1);
	assert_int_equal(storage_put(*state, 0, id_in(1), "full", 0, &shard, &err), -ENOSPC);
	assert_true(storage_shard_is_up(*state, 1));
	assert_int_equal(told_lost, 0);
}

/* A lost shard is tried once a second, told of once, and costs the other nothing. */
static void test_lost(void **state)
{
	struct error err;
	int before;

	lost[1] = true;
	assert_int_equal(put(*state, 1, 1000, &err), -ENOTCONN);
	assert_non_null(strstr(err.message, "shard 1 (1) is lost: gone"));
	assert_int_equal(put(*state, 0, 1000, &err), 0);
	assert_false(storage_shard_is_up(*state, 1));
	assert_true(storage_shard_is_up(*state, 0));
	lost[1] = false;
	before = opened;
	assert_int_equal(put(*state, 1, 1000 + STORAGE_RETRY_MS - 1, &err), -ENOTCONN);
	assert_int_equal(opened, before);
	assert_int_equal(put(*state, 1, 1000 + STORAGE_RETRY_MS, &err), 0);
	assert_true(storage_shard_is_up(*state, 1));
	assert_int_equal(told_lost, 1);
	assert_int_equal(told_back, 1);
}

/* A connection that broke while nobody looked is made anew, and nobody is told. */
static void test_reconnects(void **state)
{
	struct error err;

	lost[0] = true;
	assert_int_equal(put(*state, 0, 0, &err), -ENOTCONN);
	lost[0] = false;
	assert_int_equal(put(*state, 0, 5000, &err), 0);
	assert_int_equal(told_lost, 1);
}

/* --- SQLite --- */

static void quiet(void *context, size_t shard, const char *place, bool up, const char *reason)
{
	(void)context;
	(void)shard;
	(void)place;
	(void)up;
	(void)reason;
}

static void rename_or_fail(const char *from, const char *to)
{
	if (rename(from, to) < 0)
		fail_msg("cannot rename %s: %s", from, strerror(errno));
}

static void test_sqlite(void **state)
{
	char directory[] = "/tmp/test_storage.XXXXXX";
	char path[64], away[64], command[96];
	const char *const places[] = {path};
	struct storage *storage;
	struct error err;
	size_t shard;
	char *text;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/shard", directory);
	snprintf(away, sizeof(away), "%s/away", directory);
	storage = storage_new(&storage_sqlite, places, 1, 2, quiet, NULL, 0);
	assert_non_null(storage);
	assert_int_equal(storage_put(storage, 0, "a", "first", 0, &shard, &err), 0);
	assert_int_equal(storage_put(storage, 1, "a", "second", 0, &shard, &err), 0);
	assert_int_equal(storage_get(storage, 0, "a", 0, &text, &shard, &err), 0);
	assert_string_equal(text, "second");
	free(text);
	assert_int_equal(storage_get(storage, 1, "b", 0, &text, &shard, &err), -ENOENT);

	rename_or_fail(path, away);
	assert_int_equal(storage_get(storage, 0, "a", 0, &text, &shard, &err), -ENOTCONN);
	assert_int_equal(storage_put(storage, 1, "a", "third", 5000, &shard, &err), -ENOTCONN);
	assert_int_equal(access(path, F_OK), -1); /* no new one in its place */
	rename_or_fail(away, path);
	assert_int_equal(storage_get(storage, 1, "a", 10000, &text, &shard, &err), 0);
	assert_string_equal(text, "second");
	free(text);
	storage_free(storage);
	snprintf(command, sizeof(command), "rm -r '%s'", directory);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_put_get, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reconnects, setup, teardown),
		cmocka_unit_test(test_sqlite),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
