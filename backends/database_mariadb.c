/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MariaDB by its own client library. Where the server is and who we are says an option file, the
 * groups [client] and [orders]: no password stands in an argument list.
 */
#include <errno.h>
#include <mariadb/errmsg.h>
#include <mariadb/mysql.h>
#include <mariadb/mysqld_error.h>
#include <stdlib.h>
#include <string.h>

#include "database.h"

#define CONNECT_SECONDS 2
#define ANSWER_SECONDS  5

/* Below ANSWER_SECONDS: to wait for a lock is not to lose the server. */
#define SESSION "SET SESSION innodb_lock_wait_timeout = 2, SESSION sql_mode = 'STRICT_ALL_TABLES'"

struct connection {
	MYSQL mysql;
	const char *const *statements;
	MYSQL_STMT *prepared[DATABASE_STATEMENTS_MAX];
};

/* --- errors --- */

static int class_of(unsigned int code)
{
	switch (code) {
	case ER_DUP_ENTRY:
		return EEXIST;
	case ER_LOCK_WAIT_TIMEOUT:
	case ER_LOCK_DEADLOCK:
	case ER_CHECKREAD: /* a row was changed since it was read */
		return EAGAIN;
	case CR_CONNECTION_ERROR:
	case CR_CONN_HOST_ERROR:
	case CR_UNKNOWN_HOST:
	case CR_SERVER_GONE_ERROR:
	case CR_SERVER_LOST:
	case CR_SERVER_LOST_EXTENDED:
	case ER_SERVER_SHUTDOWN:
	case ER_CONNECTION_KILLED:
	case ER_CON_COUNT_ERROR:
	case ER_TOO_MANY_USER_CONNECTIONS:
		return ENOTCONN;
	default:
		return EIO;
	}
}

static int refuse(MYSQL *mysql, struct error *err)
{
	return error_set(err, class_of(mysql_errno(mysql)), "%s", mysql_error(mysql));
}

static int refuse_statement(MYSQL_STMT *statement, struct error *err)
{
	return error_set(err, class_of(mysql_stmt_errno(statement)), "%s",
			 mysql_stmt_error(statement));
}

/* --- connections --- */

static void mariadb_close(void *opaque)
{
	struct connection *connection = opaque;

	for (size_t i = 0; i < DATABASE_STATEMENTS_MAX; i++)
		if (connection->prepared[i])
			mysql_stmt_close(connection->prepared[i]);
	mysql_close(&connection->mysql);
	free(connection);
}

static int mariadb_command(void *opaque, const char *sql, struct error *err)
{
	struct connection *connection = opaque;

	return mysql_query(&connection->mysql, sql) != 0 ? refuse(&connection->mysql, err) : 0;
}

static int mariadb_open(const char *place, bool create, const char *const *statements,
			void **ret_connection, struct error *err)
{
	const unsigned int connect = CONNECT_SECONDS, answer = ANSWER_SECONDS;
	struct connection *connection = calloc(1, sizeof(*connection));
	int r = 0;

	(void)create;
	if (!connection)
		return error_set(err, EIO, "no memory");
	connection->statements = statements;
	mysql_init(&connection->mysql);
	mysql_options(&connection->mysql, MYSQL_READ_DEFAULT_FILE, place);
	mysql_options(&connection->mysql, MYSQL_READ_DEFAULT_GROUP, "orders");
	mysql_options(&connection->mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect);
	mysql_options(&connection->mysql, MYSQL_OPT_READ_TIMEOUT, &answer);
	mysql_options(&connection->mysql, MYSQL_OPT_WRITE_TIMEOUT, &answer);
	mysql_options(&connection->mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	mysql_options(&connection->mysql, MYSQL_INIT_COMMAND, SESSION);
	if (!mysql_real_connect(&connection->mysql, NULL, NULL, NULL, NULL, 0, NULL, 0))
		r = refuse(&connection->mysql, err);
	if (r < 0)
		mariadb_close(connection);
	else
		*ret_connection = connection;
	return r;
}

/* All results must be fetched, each to its end, before the next statement. */
static int mariadb_script(void *opaque, const char *sql, struct error *err)
{
	MYSQL *mysql = &((struct connection *)opaque)->mysql;
	int more;
	int r;

	mysql_set_server_option(mysql, MYSQL_OPTION_MULTI_STATEMENTS_ON);
	more = mysql_query(mysql, sql);
	while (more == 0) {
		mysql_free_result(mysql_store_result(mysql));
		more = mysql_next_result(mysql);
	}
	r = more > 0 ? refuse(mysql, err) : 0;
	mysql_set_server_option(mysql, MYSQL_OPTION_MULTI_STATEMENTS_OFF);
	return r;
}

/* --- statements --- */

static int prepare(struct connection *connection, size_t index, struct error *err)
{
	const char *sql = connection->statements[index];
	MYSQL_STMT *statement = mysql_stmt_init(&connection->mysql);
	int r;

	if (!statement)
		return error_set(err, EIO, "no memory");
	if (mysql_stmt_prepare(statement, sql, strlen(sql)) != 0) {
		r = refuse_statement(statement, err);
		mysql_stmt_close(statement);
		return r;
	}
	connection->prepared[index] = statement;
	return 0;
}

static int execute(MYSQL_STMT *statement, const struct database_value *values, struct error *err)
{
	MYSQL_BIND binds[DATABASE_VALUES_MAX] = {0};

	for (unsigned long i = 0; i < mysql_stmt_param_count(statement); i++) {
		if (values[i].text) {
			binds[i].buffer_type = MYSQL_TYPE_STRING;
			binds[i].buffer = (void *)values[i].text;
			binds[i].buffer_length = strlen(values[i].text);
		} else {
			binds[i].buffer_type = MYSQL_TYPE_LONGLONG;
			binds[i].buffer = (void *)&values[i].number;
		}
	}
	if (mysql_stmt_bind_param(statement, binds) != 0 || mysql_stmt_execute(statement) != 0)
		return refuse_statement(statement, err);
	return 0;
}

/* The columns of a row, as they are fetched. */
struct row {
	MYSQL_BIND binds[DATABASE_VALUES_MAX];
	struct database_value values[DATABASE_VALUES_MAX];
	char texts[DATABASE_VALUES_MAX][DATABASE_TEXT_MAX];
	unsigned long lengths[DATABASE_VALUES_MAX];
};

static int bind_row(MYSQL_STMT *statement, struct row *row, struct error *err)
{
	MYSQL_RES *columns = mysql_stmt_result_metadata(statement);
	const MYSQL_FIELD *column;

	for (size_t i = 0; columns && (column = mysql_fetch_field(columns)); i++) {
		if (IS_NUM(column->type)) {
			row->binds[i].buffer_type = MYSQL_TYPE_LONGLONG;
			row->binds[i].buffer = &row->values[i].number;
		} else {
			row->binds[i].buffer_type = MYSQL_TYPE_STRING;
			row->binds[i].buffer = row->texts[i];
			row->binds[i].buffer_length = DATABASE_TEXT_MAX - 1;
			row->binds[i].length = &row->lengths[i];
			row->values[i].text = row->texts[i];
		}
	}
	mysql_free_result(columns);
	return mysql_stmt_bind_result(statement, row->binds) != 0 ? refuse_statement(statement, err)
								  : 0;
}

/* Returns the number of rows, or a negative errno. */
static int fetch_all(MYSQL_STMT *statement, database_row_fn *read, void *context, struct error *err)
{
	struct row row = {0};
	int rows = 0, r = bind_row(statement, &row, err);

	if (r < 0)
		return r;
	while ((r = mysql_stmt_fetch(statement)) == 0 || r == MYSQL_DATA_TRUNCATED) {
		for (size_t i = 0; i < DATABASE_VALUES_MAX; i++)
			row.texts[i][row.lengths[i] < DATABASE_TEXT_MAX ? row.lengths[i]
									: DATABASE_TEXT_MAX - 1] =
				'\0';
		read(context, row.values);
		rows++;
	}
	r = r == MYSQL_NO_DATA ? rows : refuse_statement(statement, err);
	mysql_stmt_free_result(statement);
	return r;
}

static int mariadb_run(void *opaque, size_t index, const struct database_value *values,
		       database_row_fn *row, void *context, uint64_t *ret_id, struct error *err)
{
	struct connection *connection = opaque;
	MYSQL_STMT *statement;
	int r = 0;

	if (!connection->prepared[index])
		r = prepare(connection, index, err);
	statement = connection->prepared[index];
	if (r == 0)
		r = execute(statement, values, err);
	if (r < 0)
		return r;
	if (row)
		return fetch_all(statement, row, context, err);
	if (ret_id)
		*ret_id = mysql_stmt_insert_id(statement);
	return (int)mysql_stmt_affected_rows(statement);
}

const struct database_ops database_mariadb = {
	.begin = "START TRANSACTION",
	.open = mariadb_open,
	.close = mariadb_close,
	.command = mariadb_command,
	.script = mariadb_script,
	.run = mariadb_run,
};
