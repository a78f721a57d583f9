/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_DATABASE_H
#define SLUICE_DATABASE_H

/*
 * A database of either kind behind a pool of connections: work is a function that runs prepared
 * statements on one of them, as a transaction or not, and runs again, from its beginning, when a
 * lock stood in its way or the connection broke.
 *
 * Results are 0 or more, or a negative errno with err filled:
 *   -EEXIST    a key is there already        -EAGAIN   a lock, a deadlock: worth another try
 *   -ENOTCONN  the connection is lost        -EIO      anything else
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "error.h"

#define DATABASE_VALUES_MAX      8
#define DATABASE_STATEMENTS_MAX  8
#define DATABASE_TEXT_MAX        256 /* of a value that is read, with the NUL */
#define DATABASE_CONNECTIONS_MAX 256

struct database_value {
	const char *text; /* NULL: it is the number */
	int64_t number;
};

/* Called for each row; the values live as long as the call. */
typedef void database_row_fn(void *context, const struct database_value *values);

/* One kind of database. Statements are known by their index in the list given to open, prepared
 * when first run, and have ? for values. */
struct database_ops {
	const char *begin; /* the command that begins a transaction that writes */
	/* create: what is not there at the place may be made. */
	int (*open)(const char *place, bool create, const char *const *statements,
		    void **ret_connection, struct error *err);
	void (*close)(void *connection);
	/* One without values and rows. */
	int (*command)(void *connection, const char *sql, struct error *err);
	/* Several of them, apart by semicolons. */
	int (*script)(void *connection, const char *sql, struct error *err);
	/* Returns how many rows it changed, or were read; *ret_id: of the row inserted, if not
	 * NULL. row: NULL if it gives none. */
	int (*run)(void *connection, size_t statement, const struct database_value *values,
		   database_row_fn *row, void *context, uint64_t *ret_id, struct error *err);
};

extern const struct database_ops database_sqlite;  /* place: a path */
extern const struct database_ops database_mariadb; /* place: an option file, see my.cnf(5) */

struct database;
struct database_session; /* a connection, on loan to some work */

/* statements: ended by NULL; they and place must outlive it. NULL: no memory. Connections are
 * opened when needed, and only the first may make a database: one that vanishes later is lost, and
 * an empty one in its place would hide that. */
struct database *database_new(const struct database_ops *ops, const char *place,
			      const char *const *statements, size_t connections);
void database_free(struct database *database);

typedef int database_work_fn(struct database_session *session, void *context, struct error *err);

/*
 * Does work, in a transaction if `transaction`: committed if work returns 0 or more, else rolled
 * back. After -EAGAIN and -ENOTCONN it does it again, a few times, with pauses; also where the
 * connection broke in the commit: then work must find out whether it has been done already.
 * Returns what work returned last; -EBUSY: no connection of the pool was free for a while.
 */
int database_do(struct database *database, bool transaction, database_work_fn *work, void *context,
		struct error *err);

/* For work. See struct database_ops. */
int database_run(struct database_session *session, size_t statement,
		 const struct database_value *values, database_row_fn *row, void *context,
		 uint64_t *ret_id, struct error *err);

/* Runs a script of statements. */
int database_script(struct database *database, const char *sql, struct error *err);

/* Prometheus text: tries again, connections in use. */
void database_print_metrics(struct database *database, const char *app, FILE *out);

#endif
