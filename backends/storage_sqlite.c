/* SPDX-License-Identifier: Apache-2.0 */
/* Shards as SQLite files. A file that is gone or is another one is a lost shard. */
#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "sqlite_file.h"
#include "storage.h"

#define BUSY_MS 250

struct connection {
	sqlite3 *db;
	sqlite3_stmt *put, *get;
};

static const char schema[] =
	"PRAGMA journal_mode = WAL;"
	"CREATE TABLE IF NOT EXISTS data (id TEXT PRIMARY KEY, text TEXT NOT NULL)"
	" WITHOUT ROWID;";

/* The errno of an SQLite result that is no success, with err filled. */
static int refuse(sqlite3 *db, int result, struct error *err)
{
	const int code = result & 0xff; /* without the extension */
	const char *why = db ? sqlite3_errmsg(db) : sqlite3_errstr(result);

	if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
		return error_set(err, EBUSY, "%s", why);
	if (code == SQLITE_FULL)
		return error_set(err, ENOSPC, "%s", why);
	return error_set(err, ENOTCONN, "%s", why);
}

static void sqlite_close(void *opaque)
{
	struct connection *connection = opaque;

	sqlite3_finalize(connection->put);
	sqlite3_finalize(connection->get);
	sqlite3_close(connection->db);
	free(connection);
}

static int prepare(struct connection *connection)
{
	int r = sqlite3_exec(connection->db, schema, NULL, NULL, NULL);

	if (r == SQLITE_OK)
		r = sqlite3_prepare_v2(connection->db,
				       "INSERT OR REPLACE INTO data (id, text) VALUES (?, ?)", -1,
				       &connection->put, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_prepare_v2(connection->db, "SELECT text FROM data WHERE id = ?", -1,
				       &connection->get, NULL);
	return r;
}

static int sqlite_open(const char *place, bool create, void **ret_connection, struct error *err)
{
	const int flags =
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
	struct connection *connection = calloc(1, sizeof(*connection));
	int r;

	if (!connection)
		return error_set(err, ENOTCONN, "no memory");
	r = sqlite3_open_v2(place, &connection->db, flags, NULL);
	if (r == SQLITE_OK) {
		sqlite3_busy_timeout(connection->db, BUSY_MS);
		r = prepare(connection);
	}
	if (r == SQLITE_OK) {
		*ret_connection = connection;
		return 0;
	}
	r = refuse(connection->db, r, err);
	sqlite_close(connection);
	return r;
}

static int sqlite_put(void *opaque, const char *id, const char *text, struct error *err)
{
	struct connection *connection = opaque;
	int r = sqlite_file_check(connection->db, err);

	if (r < 0)
		return r;
	sqlite3_bind_text(connection->put, 1, id, -1, SQLITE_STATIC);
	sqlite3_bind_text(connection->put, 2, text, -1, SQLITE_STATIC);
	r = sqlite3_step(connection->put);
	r = r == SQLITE_DONE ? 0 : refuse(connection->db, r, err);
	sqlite3_reset(connection->put);
	return r;
}

static int get_row(struct connection *connection, char **ret_text, struct error *err)
{
	int r = sqlite3_step(connection->get);
	char *text;

	if (r == SQLITE_DONE)
		return error_set(err, ENOENT, "no such id");
	if (r != SQLITE_ROW)
		return refuse(connection->db, r, err);
	text = strdup((const char *)sqlite3_column_text(connection->get, 0));
	if (!text)
		return error_set(err, EBUSY, "no memory");
	*ret_text = text;
	return 0;
}

static int sqlite_get(void *opaque, const char *id, char **ret_text, struct error *err)
{
	struct connection *connection = opaque;
	int r = sqlite_file_check(connection->db, err);

	if (r < 0)
		return r;
	sqlite3_bind_text(connection->get, 1, id, -1, SQLITE_STATIC);
	r = get_row(connection, ret_text, err);
	sqlite3_reset(connection->get);
	return r;
}

const struct storage_ops storage_sqlite = {sqlite_open, sqlite_close, sqlite_put, sqlite_get};
