/* SPDX-License-Identifier: Apache-2.0 */
/*
 * orders: takes orders and keeps them in a database. A client that had no answer sends its order
 * again, under the same key, to whatever replica: it is entered once.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "database.h"
#include "file.h"
#include "log.h"
#include "order.h"
#include "order_book.h"
#include "parse.h"
#include "webapp.h"

#define SCRIPTS_MAX     8
#define SCRIPT_SIZE_MAX (1U << 20)

struct orders {
	/* What the flags say. */
	const struct database_ops *ops;
	const char *place;
	const char *scripts[SCRIPTS_MAX];
	size_t script_count;
	uint64_t connections;
	/* What it works with. */
	struct database *database;
	atomic_uint_fast64_t created, repeated, refused;
	atomic_bool failing; /* the database, when it was last asked */
};

/* --- answers --- */

/* Logs what changes, not each request. */
static void note_database(struct orders *orders, const struct webapp_call *call, const char *reason)
{
	if (atomic_exchange(&orders->failing, reason != NULL) == (reason != NULL))
		return;
	if (reason)
		log_warn("the database fails", "name", call->name, "reason", reason);
	else
		log_info("the database is back", "name", call->name);
}

/* The database's fault, or the client's. */
static void refuse(struct orders *orders, struct webapp_call *call, int reason,
		   unsigned int missing, struct error *err)
{
	unsigned int status = MHD_HTTP_INTERNAL_SERVER_ERROR;

	if (reason == -ENOENT)
		status = missing;
	else if (reason == -EEXIST)
		status = MHD_HTTP_UNPROCESSABLE_CONTENT;
	else if (reason == -EBUSY || reason == -EAGAIN || reason == -ENOTCONN)
		status = MHD_HTTP_SERVICE_UNAVAILABLE;
	if (status >= 500) {
		note_database(orders, call, err->message);
		error_hint(err, 0, "send it again, with the same key if it is an order");
	}
	webapp_answer_error(call, status, err);
	if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
		webapp_answer_header(call, MHD_HTTP_HEADER_RETRY_AFTER, "1");
}

static void answer_order(struct orders *orders, struct webapp_call *call, unsigned int status,
			 const struct order *order)
{
	note_database(orders, call, NULL);
	webapp_answer_json(call, status, order_json(order));
	webapp_answer_header(call, MHD_HTTP_HEADER_LOCATION, "/api/order/%" PRIu64, order->id);
}

static void get_order(void *context, struct webapp_call *call)
{
	struct orders *orders = context;
	struct order order;
	struct error err;
	uint64_t id;
	int r;

	r = parse_number(call->argument, 1, INT64_MAX, &id, &err);
	if (r < 0) {
		error_field(&err, r, "id");
		webapp_answer_error(call, MHD_HTTP_BAD_REQUEST, &err);
		return;
	}
	r = order_book_get(orders->database, id, &order, &err);
	if (r < 0)
		refuse(orders, call, r, MHD_HTTP_NOT_FOUND, &err);
	else
		answer_order(orders, call, MHD_HTTP_OK, &order);
}

static void post_order(void *context, struct webapp_call *call)
{
	const char *key = webapp_header(call, "Idempotency-Key");
	struct orders *orders = context;
	struct order order, entered;
	struct error err;
	int r;

	r = order_check_key(key, &err);
	if (r == 0)
		r = order_parse(call->body, call->body_length, &order, &err);
	if (r < 0) {
		atomic_fetch_add(&orders->refused, 1);
		webapp_answer_error(call, MHD_HTTP_BAD_REQUEST, &err);
		return;
	}
	r = order_book_enter(orders->database, key, &order, clock_ms(CLOCK_REALTIME), &entered,
			     &err);
	if (r >= 0) {
		atomic_fetch_add(r == 1 ? &orders->created : &orders->repeated, 1);
		answer_order(orders, call, r == 1 ? MHD_HTTP_CREATED : MHD_HTTP_OK, &entered);
		return;
	}
	if (r == -ENOENT || r == -EEXIST)
		atomic_fetch_add(&orders->refused, 1);
	refuse(orders, call, r, MHD_HTTP_UNPROCESSABLE_CONTENT, &err);
}

static void metrics(void *context, FILE *out)
{
	struct orders *orders = context;

	fprintf(out,
		"# HELP webapp_orders_total Orders sent, by what became of them.\n"
		"# TYPE webapp_orders_total counter\n"
		"webapp_orders_total{app=\"orders\",result=\"created\"} %" PRIuFAST64 "\n"
		"webapp_orders_total{app=\"orders\",result=\"repeated\"} %" PRIuFAST64 "\n"
		"webapp_orders_total{app=\"orders\",result=\"refused\"} %" PRIuFAST64 "\n",
		atomic_load(&orders->created), atomic_load(&orders->repeated),
		atomic_load(&orders->refused));
	database_print_metrics(orders->database, "orders", out);
}

/* --- beginning and end --- */

/* The whole file, the caller's to free. */
static int read_script(const char *path, char **ret_sql, struct error *err)
{
	char *sql = malloc(SCRIPT_SIZE_MAX + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -errno
		       : sql  ? file_read_all(fd, sql, SCRIPT_SIZE_MAX + 1)
			      : -ENOMEM;

	if (fd >= 0)
		close(fd);
	if (size > (ssize_t)SCRIPT_SIZE_MAX)
		size = -EFBIG;
	if (size < 0) {
		free(sql);
		return error_set(err, (int)-size, "%.200s: cannot be read: %s", path,
				 strerror((int)-size));
	}
	sql[size] = '\0';
	*ret_sql = sql;
	return 0;
}

static int run_script(struct database *database, const char *path, struct error *err)
{
	struct error why;
	char *sql = NULL;
	int r = read_script(path, &sql, err);

	if (r < 0)
		return r;
	r = database_script(database, sql, &why);
	free(sql);
	return r < 0 ? error_set(err, -r, "%.100s: %.200s", path, why.message) : 0;
}

/* -EINVAL is for wrong flags. */
static int start(void *context, size_t workers, struct error *err)
{
	struct orders *orders = context;
	int r = 0;

	if (!orders->place)
		return error_field(err, error_set(err, EINVAL, "give this or --mariadb"), "sqlite");
	/* Work holds one connection at a time: more than workers are never used. */
	if (orders->connections > workers)
		orders->connections = workers;
	orders->database = database_new(orders->ops, orders->place, order_book_statements,
					orders->connections);
	if (!orders->database)
		return error_set(err, ENOMEM, "no memory");
	for (size_t i = 0; r == 0 && i < orders->script_count; i++)
		r = run_script(orders->database, orders->scripts[i], err);
	return r == -EINVAL ? -EIO : r;
}

static void stop(void *context)
{
	database_free(((struct orders *)context)->database);
}

/* --- flags --- */

static int set_place(struct orders *orders, const struct database_ops *ops, const char *text,
		     struct error *err)
{
	if (orders->place)
		return error_set(err, EINVAL, "%.200s: there is one database already", text);
	orders->ops = ops;
	orders->place = text;
	return 0;
}

static int set_sqlite(void *target, const char *text, struct error *err)
{
	return set_place(target, &database_sqlite, text, err);
}

/* The library would take a file that is not there for an empty one. */
static int set_mariadb(void *target, const char *text, struct error *err)
{
	if (access(text, R_OK) < 0)
		return error_set(err, EINVAL, "%.200s: cannot be read: %s", text, strerror(errno));
	return set_place(target, &database_mariadb, text, err);
}

static int add_script(void *target, const char *text, struct error *err)
{
	struct orders *orders = target;

	if (orders->script_count == SCRIPTS_MAX)
		return error_set(err, EINVAL, "%.200s: more than %d files", text, SCRIPTS_MAX);
	orders->scripts[orders->script_count++] = text;
	return 0;
}

static int set_connections(void *target, const char *text, struct error *err)
{
	return parse_number(text, 1, DATABASE_CONNECTIONS_MAX,
			    &((struct orders *)target)->connections, err);
}

static const struct webapp_flag flags[] = {
	{"sqlite", "FILE",
	 "keep orders in this SQLite file. Several replicas on one host may\n"
	 "share it",
	 set_sqlite},
	{"mariadb", "FILE",
	 "keep orders in MariaDB instead; the option file (my.cnf) says where\n"
	 "and as whom, in its groups [client] and [orders]",
	 set_mariadb},
	{"init", "FILE",
	 "run the SQL of this file first; again for more, in this order. See\n"
	 "schema-sqlite.sql, schema-mariadb.sql, seed.sql in backends/orders/",
	 add_script},
	{"connections", "N", "connections to the database at most, 1 to 256 (default 8)",
	 set_connections},
	{NULL, NULL, NULL, NULL},
};

static const struct webapp_route routes[] = {
	{.method = "GET", .path = "/api/order/{id}", .handle = get_order},
	{.method = "POST", .path = "/api/order", .handle = post_order, .takes_json = true},
	{.path = NULL},
};

static const struct webapp app = {
	.name = "orders",
	.description =
		"Takes orders and keeps them in a database: each whole or not at all, and once\n"
		"however often it is sent.",
	.interface =
		"POST /api/order      enters {\"items\": [{\"item\": 1, \"quantity\": 2}]}; needs the\n"
		"                     header Idempotency-Key, one for each order: 201, or 200\n"
		"                     if it was there under this key\n"
		"GET /api/order/ID    that order\n"
		"GET /health          ok, whether or not the database is there",
	.flags = flags,
	.routes = routes,
	.blocking = true,
	.body_max = 65536,
	.start = start,
	.stop = stop,
	.metrics = metrics,
};

int main(int argc, char **argv)
{
	static struct orders orders = {.connections = 8};

	return webapp_main(&app, &orders, argc, argv);
}
