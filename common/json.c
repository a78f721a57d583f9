/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "parse.h"

/* Deeper than any document of ours; cJSON and its users recurse once a level. */
#define DEPTH_MAX 64

/* cJSON holds numbers as doubles; from 2^53 on neighbours fall together. */
#define WHOLE_MAX ((UINT64_C(1) << 53) - 1)

#define SHOWN_MAX 64

static int refuse_text(const char *text, size_t position, const char *reason, struct error *err)
{
	size_t line = 1, column = 1;

	for (size_t i = 0; i < position; i++) {
		column++;
		if (text[i] == '\n') {
			line++;
			column = 1;
		}
	}
	return error_set(err, EINVAL, "line %zu, column %zu: %s", line, column, reason);
}

static bool at_nul_escape(const char *text, size_t length)
{
	static const char escape[] = {'\\', 'u', '0', '0', '0', '0'};

	return length >= sizeof(escape) && !memcmp(text, escape, sizeof(escape));
}

/*
 * What cJSON would let through: NUL, raw or escaped, which would end a string early for every
 * reader after us, and nesting up to a thousand levels. Grammar is left to cJSON.
 */
static int check_text(const char *text, size_t length, struct error *err)
{
	unsigned int depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < length; i++) {
		if (!text[i] || (in_string && at_nul_escape(text + i, length - i)))
			return refuse_text(text, i, "a NUL character", err);
		if (in_string && text[i] == '\\' && i + 1 < length && text[i + 1])
			i++;
		else if (text[i] == '"')
			in_string = !in_string;
		else if (in_string)
			continue;
		else if (text[i] == '{' || text[i] == '[')
			depth++;
		else if ((text[i] == '}' || text[i] == ']') && depth > 0)
			depth--;
		if (depth > DEPTH_MAX)
			return refuse_text(text, i, "nested too deeply", err);
	}
	return 0;
}

static size_t skip_space(const char *text, size_t position, size_t length)
{
	while (position < length && strchr(" \t\r\n", text[position]))
		position++;
	return position;
}

int json_parse(const char *text, size_t length, cJSON **ret_json, struct error *err)
{
	const char *end = text;
	cJSON *json;
	size_t rest;
	int r;

	r = check_text(text, length, err);
	if (r < 0)
		return r;
	if (skip_space(text, 0, length) == length)
		return error_set(err, EINVAL, "empty: not JSON");
	errno = 0; /* cJSON does not tell, but malloc(3) does */
	json = cJSON_ParseWithLengthOpts(text, length, &end, false);
	if (!json && errno == ENOMEM)
		return error_set(err, ENOMEM, "out of memory");
	if (!json)
		return refuse_text(text, (size_t)(end - text), "not valid JSON", err);
	rest = skip_space(text, (size_t)(end - text), length);
	if (rest < length) {
		cJSON_Delete(json);
		return refuse_text(text, rest, "more text after the end of the JSON value", err);
	}
	*ret_json = json;
	return 0;
}

/* A value as JSON for a message; escapes keep control characters out of it. */
static const char *shown_value(const cJSON *json, char buffer[SHOWN_MAX])
{
	if (!cJSON_PrintPreallocated((cJSON *)json, buffer, SHOWN_MAX, false))
		return "the value";
	return buffer;
}

static const char *shown_key(const char *key, char buffer[SHOWN_MAX])
{
	const cJSON json = {.type = cJSON_String, .valuestring = (char *)key};

	if (!cJSON_PrintPreallocated((cJSON *)&json, buffer, SHOWN_MAX, false))
		return "(too long to show)";
	return buffer;
}

/* `reason` says what the value is not: "not a string". */
static int refuse_value(const cJSON *value, const char *where, const char *key, const char *reason,
			struct error *err)
{
	char shown[SHOWN_MAX];

	error_set(err, EINVAL, "%s: %s: %s is %s", where, key, shown_value(value, shown), reason);
	return error_field(err, -EINVAL, key);
}

static bool is_known(const char *key, const char *const *keys)
{
	for (; *keys; keys++) {
		if (!strcmp(key, *keys))
			return true;
	}
	return false;
}

static int refuse_unknown(const char *key, const char *where, const char *const *keys,
			  struct error *err)
{
	char shown[SHOWN_MAX], known[sizeof(err->hint)] = "";
	size_t length = 0;

	error_set(err, EINVAL, "%s: unknown key %s", where, shown_key(key, shown));
	for (; *keys; keys++) {
		/* What stands around the key must fit as well. */
		if (length + strlen(*keys) + sizeof("known keys: , , ...") > sizeof(known)) {
			snprintf(known + length, sizeof(known) - length, ", ...");
			break;
		}
		length += (size_t)snprintf(known + length, sizeof(known) - length, "%s%s",
					   length ? ", " : "", *keys);
	}
	error_hint(err, -EINVAL, "known keys: %s", known);
	/* Half a key would name nothing. */
	return error_field(err, -EINVAL, strlen(key) < sizeof(err->field) ? key : "");
}

int json_check_keys(const cJSON *json, const char *where, const char *const *keys,
		    struct error *err)
{
	const cJSON *item;

	if (!cJSON_IsObject(json)) {
		error_set(err, EINVAL, "%s: not an object", where);
		return error_hint(err, -EINVAL, "write {\"KEY\": VALUE, ...}");
	}
	cJSON_ArrayForEach (item, json) {
		if (!is_known(item->string, keys))
			return refuse_unknown(item->string, where, keys, err);
		if (cJSON_GetObjectItemCaseSensitive(json, item->string) != item) {
			error_set(err, EINVAL, "%s: key \"%s\" is given twice", where,
				  item->string);
			return error_field(err, -EINVAL, item->string);
		}
	}
	return 0;
}

int json_string(const cJSON *json, const char *where, const char *key, const char **ret_text,
		struct error *err)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, key);

	if (!value)
		return 0;
	if (!cJSON_IsString(value)) {
		refuse_value(value, where, key, "not a string", err);
		return error_hint(err, -EINVAL, "put it in quotes");
	}
	*ret_text = value->valuestring;
	return 0;
}

/* max is at most WHOLE_MAX, so the range check comes before a cast that would be undefined. */
static bool is_whole(const cJSON *value, uint64_t min, uint64_t max)
{
	const double number = value->valuedouble;

	return cJSON_IsNumber(value) && number >= (double)min && number <= (double)max &&
	       number == (double)(uint64_t)number;
}

int json_number(const cJSON *json, const char *where, const char *key, uint64_t min, uint64_t max,
		uint64_t *ret_value, struct error *err)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, key);
	const uint64_t most = max < WHOLE_MAX ? max : WHOLE_MAX;
	char reason[80];

	if (!value)
		return 0;
	if (!is_whole(value, min, most)) {
		snprintf(reason, sizeof(reason), "not a whole number from %" PRIu64 " to %" PRIu64,
			 min, most);
		refuse_value(value, where, key, reason, err);
		return cJSON_IsString(value) ? error_hint(err, -EINVAL, "leave the quotes out")
					     : -EINVAL;
	}
	*ret_value = (uint64_t)value->valuedouble;
	return 0;
}

int json_duration(const cJSON *json, const char *where, const char *key, uint64_t min_ms,
		  uint64_t max_ms, uint64_t *ret_ms, struct error *err)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, key);
	struct error inner;
	int r;

	if (!value)
		return 0;
	if (!cJSON_IsString(value)) {
		refuse_value(value, where, key, "not a duration", err);
		return error_hint(err, -EINVAL,
				  "write \"500ms\", \"30s\", \"5m\" or \"2h\", in quotes");
	}
	r = parse_duration(value->valuestring, min_ms, max_ms, ret_ms, &inner);
	if (r == 0)
		return 0;
	error_set(err, -r, "%s: %s: %s", where, key, inner.message);
	error_hint(err, r, "%s", inner.hint);
	return error_field(err, r, key);
}

int json_array(const cJSON *json, const char *where, const char *key, const cJSON **ret_array,
	       struct error *err)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, key);

	if (!value)
		return 0;
	if (!cJSON_IsArray(value)) {
		refuse_value(value, where, key, "not an array", err);
		return error_hint(err, -EINVAL, "put it in brackets: [...]");
	}
	*ret_array = value;
	return 0;
}

bool json_add_item(cJSON *array, cJSON *item)
{
	if (item && cJSON_AddItemToArray(array, item))
		return true;
	cJSON_Delete(item);
	return false;
}

cJSON *json_whole(cJSON *json, bool whole)
{
	if (whole)
		return json;
	cJSON_Delete(json);
	return NULL;
}
