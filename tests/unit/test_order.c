/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "order.h"

static void test_parse(void **state)
{
	static const char text[] = "{\"items\": [{\"item\": 7, \"quantity\": 1000}, "
				   "{\"quantity\": 1, \"item\": 2}]}";
	struct order order;
	struct error err;

	(void)state;
	assert_int_equal(order_parse(text, strlen(text), &order, &err), 0);
	assert_int_equal(order.line_count, 2);
	assert_int_equal(order.lines[0].item, 2);
	assert_int_equal(order.lines[0].quantity, 1);
	assert_int_equal(order.lines[1].item, 7);
	assert_int_equal(order.lines[1].quantity, 1000);
}

static void assert_refused(const char *text, const char *field)
{
	struct order order = {.id = 4711};
	struct error err;

	assert_int_equal(order_parse(text, strlen(text), &order, &err), -EINVAL);
	assert_string_equal(err.field, field);
	assert_true(strlen(err.message) > 0);
	assert_int_equal(order.id, 4711);
}

#define ITEMS(lines) "{\"items\": [" lines "]}"

static void test_refused(void **state)
{
	(void)state;
	assert_refused("", "");
	assert_refused("[]", "");
	assert_refused("{", "");
	assert_refused("{}", "items");
	assert_refused("{\"items\": {}}", "items");
	assert_refused("{\"items\": 1}", "items");
	assert_refused("{\"items\": [], \"x\": 1}", "x");
	assert_refused(ITEMS(""), "items");
	assert_refused(ITEMS("1"), "items[0]");
	assert_refused(ITEMS("{}"), "items[0].item");
	assert_refused(ITEMS("{\"item\": 1}"), "items[0].quantity");
	assert_refused(ITEMS("{\"item\": 0, \"quantity\": 1}"), "items[0].item");
	assert_refused(ITEMS("{\"item\": 4294967296, \"quantity\": 1}"), "items[0].item");
	assert_refused(ITEMS("{\"item\": \"1\", \"quantity\": 1}"), "items[0].item");
	assert_refused(ITEMS("{\"item\": 1, \"quantity\": 0}"), "items[0].quantity");
	assert_refused(ITEMS("{\"item\": 1, \"quantity\": 1001}"), "items[0].quantity");
	assert_refused(ITEMS("{\"item\": 1, \"quantity\": 1.5}"), "items[0].quantity");
	assert_refused(ITEMS("{\"item\": 1, \"quantity\": null}"), "items[0].quantity");
	assert_refused(ITEMS("{\"item\": 1, \"quantity\": 1, \"price\": 1}"), "items[0]");
	assert_refused(ITEMS("{\"item\": 1, \"quantity\": 1}, {\"item\": 1, \"quantity\": 2}"),
		       "items");
}

/* So many lines as there may be, and one more. */
static void test_many(void **state)
{
	char text[4096];
	struct order order;
	struct error err;

	(void)state;
	for (int lines = ORDER_LINES_MAX; lines <= ORDER_LINES_MAX + 1; lines++) {
		size_t length = (size_t)snprintf(text, sizeof(text), "{\"items\": [");

		for (int i = 1; i <= lines; i++)
			length += (size_t)snprintf(text + length, sizeof(text) - length,
						   "%s{\"item\": %d, \"quantity\": 1}",
						   i > 1 ? "," : "", i);
		snprintf(text + length, sizeof(text) - length, "]}");
		assert_int_equal(order_parse(text, strlen(text), &order, &err),
				 lines > ORDER_LINES_MAX ? -EINVAL : 0);
	}
}

static void test_key(void **state)
{
	char key[ORDER_KEY_MAX + 2];
	struct error err;

	(void)state;
	memset(key, 'k', sizeof(key));
	key[ORDER_KEY_MAX + 1] = '\0';
	assert_int_equal(order_check_key("a-1_B.c:9", &err), 0);
	assert_int_equal(order_check_key(key + 1, &err), 0);
	assert_int_equal(order_check_key(key, &err), -EINVAL);
	assert_int_equal(order_check_key("", &err), -EINVAL);
	assert_int_equal(order_check_key("a b", &err), -EINVAL);
	assert_int_equal(order_check_key("ä", &err), -EINVAL);
	assert_int_equal(order_check_key(NULL, &err), -EINVAL);
	assert_string_equal(err.field, "Idempotency-Key");
}

static void test_same(void **state)
{
	struct order a = {.line_count = 1, .lines = {{.item = 1, .quantity = 2}}};
	struct order b = a;

	(void)state;
	b.lines[0].price_cents = 100; /* only known once it is entered */
	assert_true(order_same_lines(&a, &b));
	b.lines[0].quantity = 3;
	assert_false(order_same_lines(&a, &b));
	b = a;
	b.line_count = 0;
	assert_false(order_same_lines(&a, &b));
}

static void test_json(void **state)
{
	const struct order order = {
		.id = 5,
		.created_ms = 1000,
		.line_count = 2,
		.lines = {{.item = 1, .quantity = 2, .price_cents = 90, .name = "a \"pencil\""},
			  {.item = 2, .quantity = 1, .price_cents = 350, .name = "notebook"}},
	};
	cJSON *json = order_json(&order);
	char *text = cJSON_PrintUnformatted(json);

	(void)state;
	assert_string_equal(
		text,
		"{\"order\":5,\"created\":\"1970-01-01T00:00:01.000Z\",\"items\":["
		"{\"item\":1,\"name\":\"a \\\"pencil\\\"\",\"quantity\":2,\"price_cents\":90},"
		"{\"item\":2,\"name\":\"notebook\",\"quantity\":1,\"price_cents\":350}],"
		"\"total_cents\":530}");
	free(text);
	cJSON_Delete(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_many),  cmocka_unit_test(test_key),
		cmocka_unit_test(test_same),  cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
