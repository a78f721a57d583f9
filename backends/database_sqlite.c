/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>

#include "database.h"
#include "sqlite_file.h"

/* How long SQLite itself waits for another writer. */
#define BUSY_MS 500

struct connection {
	sqlite3 *db;
	const char *const *statements;
	sqlite3_stmt *prepared[DATABASE_STATEMENTS_MAX];
};

/* The result of what failed, with err filled. */
static int refuse(sqlite3 *db, struct error *err)
{
	const int result = db ? sqlite3_extended_errcode(db) : SQLITE_NOMEM;
	const char *why = db ? sqlite3_errmsg(db) : "no memory";

	switch (result & 0xff) { /* without the extension */
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return error_set(err, EAGAIN, "%s", why);
	case SQLITE_CONSTRAINT:
		if (result == SQLITE_CONSTRAINT_UNIQUE || result == SQLITE_CONSTRAINT_PRIMARYKEY)
			return error_set(err, EEXIST, "%s", why);
		return error_set(err, EIO, "%s", why);
	case SQLITE_CANTOPEN:
	case SQLITE_IOERR:
		return error_set(err, ENOTCONN, "%s", why);
	default:
		return error_set(err, EIO, "%s", why);
	}
}

static void sqlite_close(void *opaque)
{
	struct connection *connection = opaque;

	for (size_t i = 0; i < DATABASE_STATEMENTS_MAX; i++)
		sqlite3_finalize(connection->prepared[i]);
	sqlite3_close(connection->db);
	free(connection);
}

static int sqlite_command(void *opaque, const char *sql, struct error *err)
{
	struct connection *connection = opaque;
	int r = sqlite_file_check(connection->db, err);

	if (r < 0)
		return r;
	if (sqlite3_exec(connection->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return refuse(connection->db, err);
	return 0;
}

/* synchronous is FULL by default: what is committed is on the disk. */
static int sqlite_open(const char *place, bool create, const char *const *statements,
		       void **ret_connection, struct error *err)
{
	const int flags =
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
	struct connection *connection = calloc(1, sizeof(*connection));
	int r = 0;

	if (!connection)
		return error_set(err, EIO, "no memory");
	connection->statements = statements;
	if (sqlite3_open_v2(place, &connection->db, flags, NULL) != SQLITE_OK)
		r = refuse(connection->db, err);
	if (r == 0) {
		sqlite3_busy_timeout(connection->db, BUSY_MS);
		r = sqlite_command(connection,
				   "PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON", err);
	}
	if (r < 0)
		sqlite_close(connection);
	else
		*ret_connection = connection;
	return r;
}

static void read_row(sqlite3_stmt *statement, database_row_fn *row, void *context)
{
	struct database_value values[DATABASE_VALUES_MAX] = {0};

	for (int i = 0; i < sqlite3_column_count(statement) && i < DATABASE_VALUES_MAX; i++) {
		if (sqlite3_column_type(statement, i) == SQLITE_INTEGER)
			values[i].number = sqlite3_column_int64(statement, i);
		else
			values[i].text = (const char *)sqlite3_column_text(statement, i);
	}
	row(context, values);
}

/* Returns the number of rows, or a negative errno. */
static int step_all(struct connection *connection, sqlite3_stmt *statement, database_row_fn *row,
		    void *context, struct error *err)
{
	int rows = 0, r;

	while ((r = sqlite3_step(statement)) == SQLITE_ROW) {
		read_row(statement, row, context);
		rows++;
	}
	if (r != SQLITE_DONE)
		return refuse(connection->db, err);
	return row ? rows : sqlite3_changes(connection->db);
}

static int sqlite_run(void *opaque, size_t index, const struct database_value *values,
		      database_row_fn *row, void *context, uint64_t *ret_id, struct error *err)
{
	struct connection *connection = opaque;
	sqlite3_stmt **statement = &connection->prepared[index];
	int r = sqlite_file_check(connection->db, err);

	if (r < 0)
		return r;
	if (!*statement &&
	    sqlite3_prepare_v3(connection->db, connection->statements[index], -1,
			       SQLITE_PREPARE_PERSISTENT, statement, NULL) != SQLITE_OK)
		return refuse(connection->db, err);
	for (int i = 0; i < sqlite3_bind_parameter_count(*statement); i++) {
		if (values[i].text)
			sqlite3_bind_text(*statement, i + 1, values[i].text, -1, SQLITE_STATIC);
		else
			sqlite3_bind_int64(*statement, i + 1, values[i].number);
	}
	r = step_all(connection, *statement, row, context, err);
	if (r >= 0 && ret_id)
		*ret_id = (uint64_t)sqlite3_last_insert_rowid(connection->db);
	sqlite3_reset(*statement);
	return r;
}

const struct database_ops database_sqlite = {
	.begin = "BEGIN IMMEDIATE",
	.open = sqlite_open,
	.close = sqlite_close,
	.command = sqlite_command,
	.script = sqlite_command,
	.run = sqlite_run,
};
