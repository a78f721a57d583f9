/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_ORDER_H
#define SLUICE_ORDER_H

/* What an order is, as JSON reads and writes it. Pure. */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define ORDER_LINES_MAX    50
#define ORDER_QUANTITY_MAX 1000
#define ORDER_KEY_MAX      64
#define ORDER_NAME_MAX     256 /* bytes, with the NUL */

struct order_line {
	uint64_t item;
	uint64_t quantity;
	uint64_t price_cents; /* of one piece */
	char name[ORDER_NAME_MAX];
};

struct order {
	uint64_t id;
	uint64_t created_ms;
	struct order_line lines[ORDER_LINES_MAX]; /* by item, ascending, none twice */
	size_t line_count;
};

/* Reads {"items": [{"item": N, "quantity": N}, ...]}: sets the lines' item and quantity. -EINVAL:
 * err's field is the place, as items[2].quantity. */
int order_parse(const char *text, size_t length, struct order *ret_order, struct error *err);

/* Refuses what is no key of an order: 1 to 64 letters, digits, '-', '_', '.' or ':'; NULL: none. */
int order_check_key(const char *key, struct error *err);

/* Are they of the same items, as many of each? */
bool order_same_lines(const struct order *a, const struct order *b);

/* {"order", "created", "items": [{"item", "name", "quantity", "price_cents"}], "total_cents"}.
 * NULL: no memory. */
cJSON *order_json(const struct order *order);

#endif
