/* SPDX-License-Identifier: Apache-2.0 */

/* The short documents of docs/api.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_manager.h"
#include "summary.h"

static int setup(void **state)
{
	*state = fake_manager_new();
	return 0;
}

static int teardown(void **state)
{
	fake_manager_free(*state);
	return 0;
}

/* Takes json over. */
static void assert_json(cJSON *json, const char *wanted)
{
	char *text;

	assert_non_null(json);
	text = cJSON_PrintUnformatted(json);
	assert_string_equal(text, wanted);
	cJSON_free(text);
	cJSON_Delete(json);
}

static void test_services(void **state)
{
	assert_json(summary_services(*state),
		    "{\"services\":[{\"name\":\"web\",\"mode\":\"nat\",\"check\":\"tcp\","
		    "\"panic\":false,"
		    "\"vip\":[\"tcp://198.18.0.10:80\",\"udp://198.18.0.10:80\"],"
		    "\"packets\":300,\"bytes\":3000,"
		    "\"backends\":{\"total\":2,\"up\":1,\"down\":1},\"active-flows\":12,"
		    "\"table-digest\":\"1111111111110001\",\"config-digest\":\"2222222222220001\"},"
		    "{\"name\":\"six\",\"mode\":\"nat\",\"check\":\"tcp\",\"panic\":true,"
		    "\"vip\":[\"tcp://[2001:db8::10]:*\"],\"packets\":300,\"bytes\":3000,"
		    "\"backends\":{\"total\":1,\"up\":1},\"active-flows\":0,"
		    "\"table-digest\":\"1111111111110002\","
		    "\"config-digest\":\"2222222222220002\"}]}");
}

static void test_none(void **state)
{
	struct manager *manager = *state;
	size_t count = manager->desired->service_count;

	manager->desired->service_count = 0;
	assert_json(summary_services(manager), "{\"services\":[]}");
	manager->desired->service_count = count;
}

static double number(const cJSON *json, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);

	assert_true(cJSON_IsNumber(item));
	return item->valuedouble;
}

/* Addresses of the part, with blanks between them. */
static void assert_part(const struct manager *manager, struct summary_part part,
			const char *addresses, int matching)
{
	cJSON *json = summary_backends(manager, &manager->desired->services[0], &part), *item;
	char text[128] = "";

	assert_non_null(json);
	cJSON_ArrayForEach (item, cJSON_GetObjectItemCaseSensitive(json, "backends")) {
		if (text[0])
			strcat(text, " ");
		strcat(text, cJSON_GetObjectItemCaseSensitive(item, "address")->valuestring);
	}
	assert_string_equal(text, addresses);
	assert_int_equal(number(json, "matching"), matching);
	/* Whatever the part, these are of all. */
	assert_int_equal(number(json, "total"), 2);
	assert_int_equal(number(json, "active-flows"), 12);
	assert_int_equal(number(json, "new-flows"), 60);
	assert_int_equal(number(json, "packets"), 600);
	assert_int_equal(number(json, "bytes"), 6000);
	cJSON_Delete(json);
}

static void test_parts(void **state)
{
	const struct manager *manager = *state;

	assert_part(manager, (struct summary_part){.limit = 2}, "198.18.1.11:80 198.18.1.12:80", 2);
	assert_part(manager, (struct summary_part){.limit = 1}, "198.18.1.11:80", 2);
	assert_part(manager, (struct summary_part){.limit = 1, .offset = 1}, "198.18.1.12:80", 2);
	assert_part(manager, (struct summary_part){.limit = 9, .offset = 2}, "", 2);
	assert_part(manager, (struct summary_part){.limit = 9, .offset = UINT32_MAX}, "", 2);
	assert_part(manager, (struct summary_part){.limit = 9, .status = "down"}, "198.18.1.12:80",
		    1);
	assert_part(manager, (struct summary_part){.limit = 9, .offset = 1, .status = "down"}, "",
		    1);
	assert_part(manager, (struct summary_part){.limit = 9, .status = "drain"}, "", 0);
}

static void test_statuses(void **state)
{
	(void)state;
	assert_true(summary_knows_status("up"));
	assert_true(summary_knows_status("down"));
	assert_false(summary_knows_status("Up"));
	assert_false(summary_knows_status(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_services, setup, teardown),
		cmocka_unit_test_setup_teardown(test_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parts, setup, teardown),
		cmocka_unit_test(test_statuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
