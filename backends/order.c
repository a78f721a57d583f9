/* SPDX-License-Identifier: Apache-2.0 */
#include "order.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "parse.h"

#define ITEM_MAX INT32_MAX

/* --- reading --- */

/* A number that must be there; where is "items[2]". */
static int parse_field(const cJSON *json, const char *where, const char *key, uint64_t max,
		       uint64_t *ret_value, struct error *err)
{
	char place[sizeof(err->field)];
	int r;

	snprintf(place, sizeof(place), "%s.%s", where, key);
	if (!cJSON_HasObjectItem(json, key)) {
		error_set(err, EINVAL, "%s: %s is missing", where, key);
		return error_field(err, -EINVAL, place);
	}
	r = json_number(json, where, key, 1, max, ret_value, err);
	return r < 0 ? error_field(err, r, place) : 0;
}

static int parse_line(const cJSON *json, size_t index, struct order_line *line, struct error *err)
{
	static const char *const keys[] = {"item", "quantity", NULL};
	char where[32];
	int r;

	snprintf(where, sizeof(where), "items[%zu]", index);
	r = json_check_keys(json, where, keys, err);
	if (r < 0)
		return error_field(err, r, where);
	r = parse_field(json, where, "item", ITEM_MAX, &line->item, err);
	if (r == 0)
		r = parse_field(json, where, "quantity", ORDER_QUANTITY_MAX, &line->quantity, err);
	return r;
}

static int by_item(const void *a, const void *b)
{
	const struct order_line *left = a, *right = b;

	return (left->item > right->item) - (left->item < right->item);
}

static int sort_lines(struct order *order, struct error *err)
{
	qsort(order->lines, order->line_count, sizeof(order->lines[0]), by_item);
	for (size_t i = 1; i < order->line_count; i++) {
		if (order->lines[i].item != order->lines[i - 1].item)
			continue;
		error_set(err, EINVAL, "item %llu is ordered twice",
			  (unsigned long long)order->lines[i].item);
		error_field(err, 0, "items");
		return error_hint(err, -EINVAL, "add up its quantities");
	}
	return 0;
}

static int parse_lines(const cJSON *json, struct order *order, struct error *err)
{
	static const char *const keys[] = {"items", NULL};
	const cJSON *lines = NULL, *line;
	int r = json_check_keys(json, "order", keys, err);

	if (r == 0)
		r = json_array(json, "order", "items", &lines, err);
	if (r < 0)
		return r;
	if (!lines || cJSON_GetArraySize(lines) < 1 ||
	    cJSON_GetArraySize(lines) > ORDER_LINES_MAX) {
		error_set(err, EINVAL, "order: items: 1 to %d are needed", ORDER_LINES_MAX);
		error_field(err, 0, "items");
		return error_hint(err, -EINVAL,
				  "write {\"items\": [{\"item\": 1, \"quantity\": 2}]}");
	}
	cJSON_ArrayForEach (line, lines) {
		r = parse_line(line, order->line_count, &order->lines[order->line_count], err);
		if (r < 0)
			return r;
		order->line_count++;
	}
	return sort_lines(order, err);
}

int order_parse(const char *text, size_t length, struct order *ret_order, struct error *err)
{
	struct order order = {.line_count = 0};
	cJSON *json;
	int r = json_parse(text, length, &json, err);

	if (r < 0)
		return r;
	r = parse_lines(json, &order, err);
	cJSON_Delete(json);
	if (r == 0)
		*ret_order = order;
	return r;
}

int order_check_key(const char *key, struct error *err)
{
	static const char characters[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.:";
	const size_t length = key ? strlen(key) : 0;

	if (length > 0 && length <= ORDER_KEY_MAX && strspn(key, characters) == length)
		return 0;
	error_set(err, EINVAL, key ? "not a key of an order" : "an order needs a key");
	error_field(err, 0, "Idempotency-Key");
	return error_hint(
		err, -EINVAL,
		"send this header, 1 to %d letters, digits, -, _, . or :, random for each "
		"order and the same when you send it again",
		ORDER_KEY_MAX);
}

/* --- comparing, writing --- */

bool order_same_lines(const struct order *a, const struct order *b)
{
	if (a->line_count != b->line_count)
		return false;
	for (size_t i = 0; i < a->line_count; i++)
		if (a->lines[i].item != b->lines[i].item ||
		    a->lines[i].quantity != b->lines[i].quantity)
			return false;
	return true;
}

static uint64_t total_cents(const struct order *order)
{
	uint64_t total = 0;

	for (size_t i = 0; i < order->line_count; i++)
		total += order->lines[i].quantity * order->lines[i].price_cents;
	return total;
}

cJSON *order_json(const struct order *order)
{
	cJSON *json = cJSON_CreateObject(), *lines, *line;
	char created[TIME_TEXT_MAX];

	cJSON_AddNumberToObject(json, "order", (double)order->id);
	cJSON_AddStringToObject(json, "created", format_time(order->created_ms, created));
	lines = cJSON_AddArrayToObject(json, "items");
	for (size_t i = 0; i < order->line_count; i++) {
		line = cJSON_CreateObject();
		cJSON_AddNumberToObject(line, "item", (double)order->lines[i].item);
		cJSON_AddStringToObject(line, "name", order->lines[i].name);
		cJSON_AddNumberToObject(line, "quantity", (double)order->lines[i].quantity);
		cJSON_AddNumberToObject(line, "price_cents", (double)order->lines[i].price_cents);
		cJSON_AddItemToArray(lines, line);
	}
	cJSON_AddNumberToObject(json, "total_cents", (double)total_cents(order));
	return json;
}
