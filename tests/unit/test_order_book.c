/* SPDX-License-Identifier: Apache-2.0 */
/* The order book on SQLite, with the schema and the seed that users have. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "order_book.h"

static char directory[32];
static char path[64];

static void run_file(struct database *database, const char *name)
{
	char sql[16384];
	struct error err;
	size_t length;
	FILE *file = fopen(name, "r");

	assert_non_null(file);
	length = fread(sql, 1, sizeof(sql) - 1, file);
	fclose(file);
	sql[length] = '\0';
	if (database_script(database, sql, &err) < 0)
		fail_msg("%s: %s", name, err.message);
}

static int setup(void **state)
{
	struct database *database;

	strcpy(directory, "/tmp/test_order.XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/orders.db", directory);
	database = database_new(&database_sqlite, path, order_book_statements, 4);
	for (int i = 0; i < 2; i++) { /* they may be run again */
		run_file(database, "backends/orders/schema-sqlite.sql");
		run_file(database, "backends/orders/seed.sql");
	}
	*state = database;
	return 0;
}

static int teardown(void **state)
{
	char command[64];

	database_free(*state);
	snprintf(command, sizeof(command), "rm -r '%s'", directory);
	return system(command);
}

static const struct order two_lines = {
	.line_count = 2,
	.lines = {{.item = 1, .quantity = 2}, {.item = 2, .quantity = 1}},
};

static void test_enter(void **state)
{
	struct order order, again, read;
	struct error err;

	assert_int_equal(order_book_enter(*state, "k", &two_lines, 1234, &order, &err), 1);
	assert_int_equal(order.id, 1);
	assert_int_equal(order.created_ms, 1234);
	assert_true(order_same_lines(&order, &two_lines));
	assert_string_equal(order.lines[0].name, "pencil");
	assert_int_equal(order.lines[0].price_cents, 90);
	assert_int_equal(order_book_enter(*state, "k", &two_lines, 9999, &again, &err), 0);
	assert_int_equal(again.id, 1);
	assert_int_equal(again.created_ms, 1234);
	assert_int_equal(order_book_get(*state, 1, &read, &err), 0);
	assert_memory_equal(&read, &order, sizeof(read));
	assert_int_equal(order_book_get(*state, 2, &read, &err), -ENOENT);
}

static void test_key_of_another(void **state)
{
	const struct order other = {.line_count = 1, .lines = {{.item = 1, .quantity = 2}}};
	struct order order;
	struct error err;

	assert_int_equal(order_book_enter(*state, "k", &two_lines, 0, &order, &err), 1);
	assert_int_equal(order_book_enter(*state, "k", &other, 0, &order, &err), -EEXIST);
	assert_string_equal(err.field, "Idempotency-Key");
	assert_int_equal(order_book_enter(*state, "K", &other, 0, &order, &err), 1);
}

/* Nothing is left of an order that fails: neither its first line nor its key. */
static void test_unknown_item(void **state)
{
	const struct order bad = {
		.line_count = 2,
		.lines = {{.item = 1, .quantity = 1}, {.item = 4711, .quantity = 1}},
	};
	struct order order;
	struct error err;

	assert_int_equal(order_book_enter(*state, "k", &bad, 0, &order, &err), -ENOENT);
	assert_string_equal(err.message, "there is no item 4711");
	assert_string_equal(err.field, "items");
	assert_int_equal(order_book_get(*state, 1, &order, &err), -ENOENT);
	assert_int_equal(order_book_enter(*state, "k", &two_lines, 0, &order, &err), 1);
}

static void test_foreign_keys(void **state)
{
	struct order order;
	struct error err;

	assert_int_equal(order_book_enter(*state, "k", &two_lines, 0, &order, &err), 1);
	assert_int_equal(database_script(*state, "DELETE FROM items WHERE id = 1", &err), -EIO);
	assert_int_equal(database_script(*state, "DELETE FROM orders", &err), -EIO);
	assert_int_equal(order_book_get(*state, 1, &order, &err), 0);
}

#define THREADS 4
#define KEYS    25

static atomic_int created;

static void *enter_all(void *database)
{
	struct order order;
	struct error err;
	char key[16];

	for (int i = 0; i < KEYS; i++) {
		snprintf(key, sizeof(key), "key-%d", i);
		int r = order_book_enter(database, key, &two_lines, 0, &order, &err);

		if (r < 0)
			return strdup(err.message);
		atomic_fetch_add(&created, r);
	}
	return NULL;
}

/* All threads send the same orders: each is created once. */
static void test_at_once(void **state)
{
	pthread_t threads[THREADS];
	struct order order;
	struct error err;
	void *why;

	created = 0;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, enter_all, *state), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &why);
		assert_null(why);
	}
	assert_int_equal(created, KEYS);
	assert_int_equal(order_book_get(*state, KEYS, &order, &err), 0);
	assert_int_equal(order_book_get(*state, KEYS + 1, &order, &err), -ENOENT);
}

/* A file that vanishes is not made anew, and nothing is accepted into the one without a name. */
static void test_file_gone(void **state)
{
	struct order order;
	struct error err;
	char aside[80];

	snprintf(aside, sizeof(aside), "%s.aside", path);
	assert_int_equal(order_book_enter(*state, "k", &two_lines, 0, &order, &err), 1);
	assert_int_equal(rename(path, aside), 0);
	assert_int_equal(order_book_enter(*state, "l", &two_lines, 0, &order, &err), -ENOTCONN);
	assert_int_equal(order_book_get(*state, 1, &order, &err), -ENOTCONN);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(rename(aside, path), 0);
	assert_int_equal(order_book_enter(*state, "l", &two_lines, 0, &order, &err), 1);
	assert_int_equal(order_book_get(*state, 1, &order, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_enter, setup, teardown),
		cmocka_unit_test_setup_teardown(test_key_of_another, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown_item, setup, teardown),
		cmocka_unit_test_setup_teardown(test_foreign_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_gone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
