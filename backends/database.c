/* SPDX-License-Identifier: Apache-2.0 */
#include "database.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "retry.h"

/* How long work waits for a connection of the pool. */
#define WAIT_SECONDS 2

static const struct retry_policy policy = {.retries = 5, .base_ms = 50, .max_ms = 1000};

struct database_session {
	const struct database_ops *ops;
	void *connection; /* NULL: not open */
	bool busy;
};

struct database {
	const struct database_ops *ops;
	const char *place;
	const char *const *statements;
	atomic_uint_fast64_t lock_retries, connection_retries;
	atomic_bool opened; /* once at least */
	/* Protects busy of the sessions; the rest of one is whose it is on loan to. */
	pthread_mutex_t lock;
	pthread_cond_t returned;
	size_t busy_count;
	size_t count;
	struct database_session sessions[];
};

/* --- the pool --- */

struct database *database_new(const struct database_ops *ops, const char *place,
			      const char *const *statements, size_t connections)
{
	struct database *database;

	database = calloc(1, sizeof(*database) + connections * sizeof(database->sessions[0]));
	if (!database)
		return NULL;
	database->ops = ops;
	database->place = place;
	database->statements = statements;
	database->count = connections;
	pthread_mutex_init(&database->lock, NULL);
	pthread_cond_init(&database->returned, NULL);
	for (size_t i = 0; i < connections; i++)
		database->sessions[i].ops = ops;
	return database;
}

static void session_close(struct database_session *session)
{
	if (session->connection)
		session->ops->close(session->connection);
	session->connection = NULL;
}

void database_free(struct database *database)
{
	if (!database)
		return;
	for (size_t i = 0; i < database->count; i++)
		session_close(&database->sessions[i]);
	pthread_cond_destroy(&database->returned);
	pthread_mutex_destroy(&database->lock);
	free(database);
}

/* A free one, best one that is open. Under the lock. */
static struct database_session *find_free(struct database *database)
{
	struct database_session *found = NULL;

	for (size_t i = 0; i < database->count; i++) {
		struct database_session *session = &database->sessions[i];

		if (!session->busy && (!found || session->connection))
			found = session;
		if (found && found->connection)
			break;
	}
	return found;
}

/* NULL, with err: none was free for a while. */
static struct database_session *borrow(struct database *database, struct error *err)
{
	struct database_session *session;
	struct timespec end;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += WAIT_SECONDS;
	pthread_mutex_lock(&database->lock);
	while (!(session = find_free(database)) && r == 0)
		r = pthread_cond_clockwait(&database->returned, &database->lock, CLOCK_MONOTONIC,
					   &end);
	if (session) {
		session->busy = true;
		database->busy_count++;
	}
	pthread_mutex_unlock(&database->lock);
	if (!session)
		error_set(err, EBUSY, "all %zu connections to the database are in use",
			  database->count);
	return session;
}

static void give_back(struct database *database, struct database_session *session)
{
	pthread_mutex_lock(&database->lock);
	session->busy = false;
	database->busy_count--;
	pthread_cond_signal(&database->returned);
	pthread_mutex_unlock(&database->lock);
}

/* --- work --- */

/* What failed is taken back; a connection that cannot even do that is of no more use. */
static void roll_back(struct database_session *session)
{
	struct error ignored;

	if (session->ops->command(session->connection, "ROLLBACK", &ignored) < 0)
		session_close(session);
}

static int connect(struct database *database, struct database_session *session, struct error *err)
{
	int r = database->ops->open(database->place, !atomic_load(&database->opened),
				    database->statements, &session->connection, err);

	if (r == 0)
		atomic_store(&database->opened, true);
	return r;
}

static int do_once(struct database *database, struct database_session *session, bool transaction,
		   database_work_fn *work, void *context, struct error *err)
{
	const struct database_ops *ops = database->ops;
	int r = 0, done;

	if (!session->connection)
		r = connect(database, session, err);
	if (r == 0 && transaction)
		r = ops->command(session->connection, ops->begin, err);
	if (r == 0) {
		r = work(session, context, err);
		if (r >= 0 && transaction) {
			done = ops->command(session->connection, "COMMIT", err);
			r = done < 0 ? done : r;
		}
		if (r < 0 && r != -ENOTCONN && transaction)
			roll_back(session);
	}
	if (r == -ENOTCONN)
		session_close(session);
	return r;
}

/* One connection for all tries: with another one each, a pool whose server was restarted could
 * offer nothing but broken ones. */
int database_do(struct database *database, bool transaction, database_work_fn *work, void *context,
		struct error *err)
{
	struct database_session *session = borrow(database, err);
	int r;

	if (!session)
		return -EBUSY;
	for (unsigned int tries = 1;; tries++) {
		r = do_once(database, session, transaction, work, context, err);
		if ((r != -EAGAIN && r != -ENOTCONN) || tries > policy.retries)
			break;
		atomic_fetch_add(
			r == -EAGAIN ? &database->lock_retries : &database->connection_retries, 1);
		retry_pause(&policy, tries);
	}
	give_back(database, session);
	return r;
}

int database_run(struct database_session *session, size_t statement,
		 const struct database_value *values, database_row_fn *row, void *context,
		 uint64_t *ret_id, struct error *err)
{
	return session->ops->run(session->connection, statement, values, row, context, ret_id, err);
}

static int run_script(struct database_session *session, void *context, struct error *err)
{
	return session->ops->script(session->connection, context, err);
}

int database_script(struct database *database, const char *sql, struct error *err)
{
	return database_do(database, false, run_script, (void *)sql, err);
}

void database_print_metrics(struct database *database, const char *app, FILE *out)
{
	size_t busy;

	pthread_mutex_lock(&database->lock);
	busy = database->busy_count;
	pthread_mutex_unlock(&database->lock);
	fprintf(out,
		"# HELP webapp_database_retries_total Work done again, by what stood in its way.\n"
		"# TYPE webapp_database_retries_total counter\n"
		"webapp_database_retries_total{app=\"%s\",reason=\"lock\"} %" PRIuFAST64 "\n"
		"webapp_database_retries_total{app=\"%s\",reason=\"connection\"} %" PRIuFAST64 "\n"
		"# HELP webapp_database_connections_in_use Connections of the pool on loan.\n"
		"# TYPE webapp_database_connections_in_use gauge\n"
		"webapp_database_connections_in_use{app=\"%s\"} %zu\n",
		app, atomic_load(&database->lock_retries), app,
		atomic_load(&database->connection_retries), app, busy);
}
