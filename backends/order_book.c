/* SPDX-License-Identifier: Apache-2.0 */
#include "order_book.h"

#include <errno.h>
#include <inttypes.h>

enum { INSERT_ORDER, INSERT_LINE, SELECT_BY_ID, SELECT_BY_KEY };

#define SELECT_ORDER                                                                               \
	"SELECT orders.id, created_ms, item_id, name, quantity, order_lines.price_cents "          \
	"FROM orders JOIN order_lines ON order_id = orders.id JOIN items ON items.id = item_id "   \
	"WHERE "

const char *const order_book_statements[] = {
	[INSERT_ORDER] = "INSERT INTO orders (idempotency_key, created_ms) VALUES (?, ?)",
	[INSERT_LINE] = "INSERT INTO order_lines (order_id, item_id, quantity, price_cents) "
			"SELECT ?, id, ?, price_cents FROM items WHERE id = ?",
	[SELECT_BY_ID] = SELECT_ORDER "orders.id = ? ORDER BY item_id",
	[SELECT_BY_KEY] = SELECT_ORDER "idempotency_key = ? ORDER BY item_id",
	NULL,
};

/* --- reading --- */

struct search {
	size_t statement;
	struct database_value value;
	struct order order;
};

static void read_line(void *context, const struct database_value *values)
{
	struct order *order = &((struct search *)context)->order;
	struct order_line *line = &order->lines[order->line_count];

	if (order->line_count == ORDER_LINES_MAX)
		return;
	order->id = (uint64_t)values[0].number;
	order->created_ms = (uint64_t)values[1].number;
	line->item = (uint64_t)values[2].number;
	snprintf(line->name, sizeof(line->name), "%s", values[3].text ? values[3].text : "");
	line->quantity = (uint64_t)values[4].number;
	line->price_cents = (uint64_t)values[5].number;
	order->line_count++;
}

static int select_order(struct database_session *session, void *context, struct error *err)
{
	struct search *search = context;

	search->order = (struct order){.line_count = 0};
	return database_run(session, search->statement, &search->value, read_line, search, NULL,
			    err);
}

/* -ENOENT: there is none. */
static int find(struct database *database, struct search *search, struct order *ret_order,
		struct error *err)
{
	int r = database_do(database, false, select_order, search, err);

	if (r == 0)
		return error_set(err, ENOENT, "no such order");
	if (r > 0)
		*ret_order = search->order;
	return r < 0 ? r : 0;
}

int order_book_get(struct database *database, uint64_t id, struct order *ret_order,
		   struct error *err)
{
	struct search search = {.statement = SELECT_BY_ID, .value = {.number = (int64_t)id}};
	int r = find(database, &search, ret_order, err);

	return r == -ENOENT ? error_set(err, ENOENT, "there is no order %" PRIu64, id) : r;
}

/* --- entering --- */

struct entry {
	const char *key;
	const struct order *order;
	uint64_t now_ms;
	uint64_t id;
};

static int insert_line(struct database_session *session, uint64_t id, const struct order_line *line,
		       struct error *err)
{
	const struct database_value values[] = {
		{.number = (int64_t)id},
		{.number = (int64_t)line->quantity},
		{.number = (int64_t)line->item},
	};
	int r = database_run(session, INSERT_LINE, values, NULL, NULL, NULL, err);

	if (r != 0)
		return r;
	error_set(err, ENOENT, "there is no item %" PRIu64, line->item);
	return error_field(err, -ENOENT, "items");
}

/*
 * The key goes in first. Whoever sends the same order at the same time waits at the unique index
 * until this transaction has ended, and then finds it there, or not.
 */
static int insert_order(struct database_session *session, void *context, struct error *err)
{
	struct entry *entry = context;
	const struct database_value values[] = {
		{.text = entry->key},
		{.number = (int64_t)entry->now_ms},
	};
	int r = database_run(session, INSERT_ORDER, values, NULL, NULL, &entry->id, err);

	for (size_t i = 0; r >= 0 && i < entry->order->line_count; i++)
		r = insert_line(session, entry->id, &entry->order->lines[i], err);
	return r;
}

int order_book_enter(struct database *database, const char *key, const struct order *order,
		     uint64_t now_ms, struct order *ret_order, struct error *err)
{
	struct search search = {.statement = SELECT_BY_KEY, .value = {.text = key}};
	struct entry entry = {.key = key, .order = order, .now_ms = now_ms};
	int entered = database_do(database, true, insert_order, &entry, err);
	int r;

	if (entered < 0 && entered != -EEXIST)
		return entered;
	r = find(database, &search, ret_order, err);
	if (r < 0)
		return r;
	if (entered >= 0)
		return 1;
	if (order_same_lines(order, ret_order))
		return 0;
	error_set(err, EEXIST, "under this key there is an order of other items");
	error_field(err, 0, "Idempotency-Key");
	return error_hint(err, -EEXIST, "a new order needs a new key");
}
