/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const known_keys[] = {"name", "weight", "check-interval", "backends", NULL};

static cJSON *parse(const char *text)
{
	struct error err;
	cJSON *json;

	assert_int_equal(json_parse(text, strlen(text), &json, &err), 0);
	return json;
}

/* A copy of exactly `length` bytes, so that a read past the end is caught. */
static int parse_bytes(const char *bytes, size_t length, cJSON **ret_json, struct error *err)
{
	char *copy = malloc(length ? length : 1);
	int ret;

	assert_non_null(copy);
	memcpy(copy, bytes, length);
	ret = json_parse(copy, length, ret_json, err);
	free(copy);
	return ret;
}

static void test_parse_accepts(void **state)
{
	static const char *const texts[] = {
		"{}",
		" [1, 2] \n",
		"\"text\"",
		"12",
		"12 ",
		"{\"a\": {\"b\": [null, true]}}",
		"\"\\\\u0000\"",
		"\"{[{[\"",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct error err;
		cJSON *json = NULL;

		assert_int_equal(parse_bytes(texts[i], strlen(texts[i]), &json, &err), 0);
		assert_non_null(json);
		cJSON_Delete(json);
	}
}

#define BYTES(literal) (literal), sizeof(literal) - 1

static void test_parse_refuses(void **state)
{
	static const struct {
		const char *text;
		size_t length;
		const char *message;
	} cases[] = {
		{BYTES(""), "empty: not JSON"},
		{BYTES(" \n\t "), "empty: not JSON"},
		{BYTES("{\"a\": x}"), "line 1, column 7: not valid JSON"},
		{BYTES("{\n  \"a\": 1,\n  \"b\": nul\n}"), "line 3, column 8: not valid JSON"},
		{BYTES("{} x"), "line 1, column 4: more text after the end of the JSON value"},
		{BYTES("{}\n{}"), "line 2, column 1: more text after the end of the JSON value"},
		{BYTES("1.2.3"), "line 1, column 4: more text after the end of the JSON value"},
		{BYTES("{}\0"), "line 1, column 3: a NUL character"},
		{BYTES("{\"a\0b\": 1}"), "line 1, column 4: a NUL character"},
		{BYTES("[\"web\\u0000x\"]"), "line 1, column 6: a NUL character"},
		{BYTES("\"\\\0"), "line 1, column 3: a NUL character"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct error err;
		cJSON *json = NULL;

		assert_int_equal(parse_bytes(cases[i].text, cases[i].length, &json, &err), -EINVAL);
		assert_null(json);
		assert_string_equal(err.message, cases[i].message);
	}
}

/* No prefix of a document is one, and none makes a reader leave its bytes. */
static void test_parse_truncated(void **state)
{
	static const char text[] =
		"{\"name\": \"web\\u00e9\\n\", \"list\": [1, -2.5e3, true, null, {}]}";

	(void)state;
	for (size_t length = 0; length < sizeof(text) - 1; length++) {
		struct error err;
		cJSON *json;

		assert_int_equal(parse_bytes(text, length, &json, &err), -EINVAL);
	}
}

static void test_parse_depth(void **state)
{
	char text[2 * 65];
	struct error err;
	cJSON *json;

	(void)state;
	memset(text, '[', 65);
	memset(text + 65, ']', 65);
	assert_int_equal(json_parse(text + 1, 128, &json, &err), 0);
	cJSON_Delete(json);
	assert_int_equal(json_parse(text, 130, &json, &err), -EINVAL);
	assert_string_equal(err.message, "line 1, column 65: nested too deeply");
}

static void test_keys_known(void **state)
{
	cJSON *json = parse("{\"name\": \"web\", \"weight\": 1}");
	cJSON *empty = parse("{}");
	struct error err;

	(void)state;
	assert_int_equal(json_check_keys(json, "config", known_keys, &err), 0);
	assert_int_equal(json_check_keys(empty, "config", known_keys, &err), 0);
	cJSON_Delete(json);
	cJSON_Delete(empty);
}

static void refuse_keys(const char *text, const char *message, const char *field, const char *hint)
{
	cJSON *json = parse(text);
	struct error err;

	assert_int_equal(json_check_keys(json, "service web", known_keys, &err), -EINVAL);
	assert_string_equal(err.message, message);
	assert_string_equal(err.field, field);
	assert_string_equal(err.hint, hint);
	cJSON_Delete(json);
}

static void test_keys_refused(void **state)
{
	static const char known[] = "known keys: name, weight, check-interval, backends";

	(void)state;
	refuse_keys("{\"wieght\": 1}", "service web: unknown key \"wieght\"", "wieght", known);
	refuse_keys("{\"Weight\": 1}", "service web: unknown key \"Weight\"", "Weight", known);
	refuse_keys("{\"\": 1}", "service web: unknown key \"\"", "", known);
	refuse_keys("{\"a\\u001b[2J\": 1}", "service web: unknown key \"a\\u001b[2J\"", "a\x1b[2J",
		    known);
	refuse_keys("{\"name\": 1, \"weight\": 1, \"name\": 2}",
		    "service web: key \"name\" is given twice", "name", "");
	refuse_keys("[1]", "service web: not an object", "", "write {\"KEY\": VALUE, ...}");
	refuse_keys("null", "service web: not an object", "", "write {\"KEY\": VALUE, ...}");
}

static void test_keys_bounded(void **state)
{
	const char *many[101];
	struct error err;
	char text[1100];
	cJSON *json;

	(void)state;
	for (size_t i = 0; i < 100; i++)
		many[i] = "a-long-key";
	many[100] = NULL;
	memset(text, 'k', sizeof(text));
	text[0] = '{';
	text[1] = '"';
	snprintf(text + 1002, 10, "\": 1}");
	json = parse(text);
	assert_int_equal(json_check_keys(json, "config", many, &err), -EINVAL);
	assert_string_equal(err.message, "config: unknown key (too long to show)");
	assert_string_equal(err.field, "");
	assert_string_equal(err.hint + strlen(err.hint) - 17, ", a-long-key, ...");
	cJSON_Delete(json);
}

static void test_number_accepts(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} cases[] = {
		{"{\"weight\": 0}", 0},
		{"{\"weight\": 7}", 7},
		{"{\"weight\": 7.0}", 7},
		{"{\"weight\": 1e3}", 1000},
		{"{\"weight\": 9007199254740991}", 9007199254740991},
		{"{}", 99},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		cJSON *json = parse(cases[i].text);
		struct error err;
		uint64_t value = 99;

		assert_int_equal(json_number(json, "config", "weight", 0, UINT64_MAX, &value, &err),
				 0);
		assert_true(value == cases[i].value);
		cJSON_Delete(json);
	}
}

static void test_number_refuses(void **state)
{
	static const struct {
		const char *text, *message, *hint;
	} cases[] = {
		{"{\"weight\": 1.5}", "1.5", ""},
		{"{\"weight\": -1}", "-1", ""},
		{"{\"weight\": 0}", "0", ""},
		{"{\"weight\": 1001}", "1001", ""},
		{"{\"weight\": 1e300}", "1e+300", ""},
		{"{\"weight\": 1e999}", "null", ""},
		{"{\"weight\": null}", "null", ""},
		{"{\"weight\": true}", "true", ""},
		{"{\"weight\": []}", "[]", ""},
		{"{\"weight\": \"3\"}", "\"3\"", "leave the quotes out"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		cJSON *json = parse(cases[i].text);
		struct error err;
		char message[128];
		uint64_t value = 99;

		assert_int_equal(json_number(json, "backend b", "weight", 1, 1000, &value, &err),
				 -EINVAL);
		snprintf(message, sizeof(message),
			 "backend b: weight: %s is not a whole number from 1 to 1000",
			 cases[i].message);
		assert_string_equal(err.message, message);
		assert_string_equal(err.field, "weight");
		assert_string_equal(err.hint, cases[i].hint);
		assert_int_equal(value, 99);
		cJSON_Delete(json);
	}
}

/* From 2^53 on a double cannot tell neighbours apart, so what was written is not known. */
static void test_number_keeps_precision(void **state)
{
	cJSON *json = parse("{\"weight\": 9007199254740993}");
	struct error err;
	uint64_t value = 99;

	(void)state;
	assert_int_equal(json_number(json, "config", "weight", 0, UINT64_MAX, &value, &err),
			 -EINVAL);
	assert_int_equal(value, 99);
	cJSON_Delete(json);
}

static void test_string(void **state)
{
	cJSON *json = parse("{\"name\": \"web\", \"weight\": 5}");
	const char *text = "before";
	struct error err;

	(void)state;
	assert_int_equal(json_string(json, "config", "absent", &text, &err), 0);
	assert_string_equal(text, "before");
	assert_int_equal(json_string(json, "config", "weight", &text, &err), -EINVAL);
	assert_string_equal(err.message, "config: weight: 5 is not a string");
	assert_string_equal(err.field, "weight");
	assert_string_equal(err.hint, "put it in quotes");
	assert_string_equal(text, "before");
	assert_int_equal(json_string(json, "config", "name", &text, &err), 0);
	assert_string_equal(text, "web");
	cJSON_Delete(json);
}

static void test_duration(void **state)
{
	cJSON *json =
		parse("{\"good\": \"30s\", \"bare\": \"10\", \"number\": 10, \"far\": \"2h\"}");
	uint64_t ms = 99;
	struct error err;

	(void)state;
	assert_int_equal(json_duration(json, "service web", "absent", 0, 60000, &ms, &err), 0);
	assert_int_equal(ms, 99);
	assert_int_equal(json_duration(json, "service web", "bare", 0, 60000, &ms, &err), -EINVAL);
	assert_string_equal(err.message, "service web: bare: 10: no unit");
	assert_string_equal(err.field, "bare");
	assert_string_equal(err.hint, "write 500ms, 30s, 5m or 2h");
	assert_int_equal(json_duration(json, "service web", "number", 0, 60000, &ms, &err),
			 -EINVAL);
	assert_string_equal(err.message, "service web: number: 10 is not a duration");
	assert_int_equal(json_duration(json, "service web", "far", 0, 60000, &ms, &err), -EINVAL);
	assert_string_equal(err.message, "service web: far: 2h: not from 0ms to 1m");
	assert_int_equal(ms, 99);
	assert_int_equal(json_duration(json, "service web", "good", 0, 60000, &ms, &err), 0);
	assert_int_equal(ms, 30000);
	cJSON_Delete(json);
}

static void test_array(void **state)
{
	cJSON *json = parse("{\"backends\": [1, 2], \"name\": {\"a\": 1}}");
	const cJSON *array = NULL;
	struct error err;

	(void)state;
	assert_int_equal(json_array(json, "config", "absent", &array, &err), 0);
	assert_null(array);
	assert_int_equal(json_array(json, "config", "name", &array, &err), -EINVAL);
	assert_string_equal(err.message, "config: name: {\"a\":1} is not an array");
	assert_null(array);
	assert_int_equal(json_array(json, "config", "backends", &array, &err), 0);
	assert_int_equal(cJSON_GetArraySize(array), 2);
	cJSON_Delete(json);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_accepts),
		cmocka_unit_test(test_parse_refuses),
		cmocka_unit_test(test_parse_truncated),
		cmocka_unit_test(test_parse_depth),
		cmocka_unit_test(test_keys_known),
		cmocka_unit_test(test_keys_refused),
		cmocka_unit_test(test_keys_bounded),
		cmocka_unit_test(test_number_accepts),
		cmocka_unit_test(test_number_refuses),
		cmocka_unit_test(test_number_keeps_precision),
		cmocka_unit_test(test_string),
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_array),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
