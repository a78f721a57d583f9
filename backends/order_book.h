/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_ORDER_BOOK_H
#define SLUICE_ORDER_BOOK_H

/* Orders in a database, each whole or not at all, and each once however often it is sent. */
#include "database.h"
#include "order.h"

/* What database_new() is to be given. */
extern const char *const order_book_statements[];

/*
 * Enters an order under its client's key, at now_ms (Unix time). Returns 1: entered; 0: it was
 * there, under this key; either way *ret_order is what stands in the database. -ENOENT: there is
 * no such item (err's field is items); -EEXIST: under this key there is another order; else as
 * database_do().
 */
int order_book_enter(struct database *database, const char *key, const struct order *order,
		     uint64_t now_ms, struct order *ret_order, struct error *err);

/* -ENOENT: no such order. */
int order_book_get(struct database *database, uint64_t id, struct order *ret_order,
		   struct error *err);

#endif
