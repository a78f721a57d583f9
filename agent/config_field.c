/* SPDX-License-Identifier: Apache-2.0 */
#include "config_field.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "parse.h"

#define KEYS_MAX 128

bool has_key(const cJSON *json, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(json, key);
}

/* A refusal of a value, with the place put in front of what the parser said. */
int refuse_parsed(const char *where, const char *key, int code, const struct error *parsed,
		  struct error *err)
{
	error_set(err, -code, "%s: %s: %s", where, key, parsed->message);
	error_hint(err, code, "%s", parsed->hint);
	return error_field(err, code, key);
}

int refuse_value(const char *where, const char *key, const char *reason, struct error *err)
{
	error_set(err, EINVAL, "%s: %s: %s", where, key, reason);
	return error_field(err, -EINVAL, key);
}

int refuse_memory(const char *where, struct error *err)
{
	return error_set(err, ENOMEM, "%s: out of memory", where);
}

/* --- texts --- */

static int refuse_length(const struct field *field, const char *where, uint64_t max,
			 struct error *err)
{
	error_set(err, EINVAL, "%s: %s: longer than %" PRIu64 " characters", where, field->key,
		  max);
	return error_field(err, -EINVAL, field->key);
}

int read_text(const struct field *field, const cJSON *json, const char *where, void *object,
	      struct error *err)
{
	const char *text = NULL;
	size_t length;
	int r = json_string(json, where, field->key, &text, err);

	if (r < 0 || !text)
		return r;
	length = strlen(text);
	if (length >= field->size)
		return refuse_length(field, where, field->size - 1, err);
	memcpy((char *)object + field->offset, text, length + 1);
	return 0;
}

bool write_text(const struct field *field, const void *object, cJSON *json)
{
	return cJSON_AddStringToObject(json, field->key, (const char *)object + field->offset);
}

int read_owned_text(const struct field *field, const cJSON *json, const char *where, void *object,
		    struct error *err)
{
	const char *fallback = field->fallback ? field->fallback : "";
	char **member = (char **)((char *)object + field->offset);
	const char *text = NULL;
	char *copy = NULL;
	int r = json_string(json, where, field->key, &text, err);

	if (r < 0 || !text)
		return r;
	if (strlen(text) > field->max)
		return refuse_length(field, where, field->max, err);
	if (strcmp(text, fallback) != 0) {
		copy = strdup(text);
		if (!copy)
			return refuse_memory(where, err);
	}
	free(*member);
	*member = copy;
	return 0;
}

bool write_owned_text(const struct field *field, const void *object, cJSON *json)
{
	const char *text = *(char *const *)((const char *)object + field->offset);
	const char *fallback = field->fallback ? field->fallback : "";

	return cJSON_AddStringToObject(json, field->key, text ? text : fallback);
}

/* --- whole numbers --- */

static uint64_t get_number(const struct field *field, const void *object)
{
	const void *member = (const char *)object + field->offset;

	switch (field->size) {
	case sizeof(uint8_t):
		return *(const uint8_t *)member;
	case sizeof(uint16_t):
		return *(const uint16_t *)member;
	case sizeof(uint32_t):
		return *(const uint32_t *)member;
	default:
		return *(const uint64_t *)member;
	}
}

static void set_number(const struct field *field, void *object, uint64_t value)
{
	void *member = (char *)object + field->offset;

	switch (field->size) {
	case sizeof(uint8_t):
		*(uint8_t *)member = (uint8_t)value;
		break;
	case sizeof(uint16_t):
		*(uint16_t *)member = (uint16_t)value;
		break;
	case sizeof(uint32_t):
		*(uint32_t *)member = (uint32_t)value;
		break;
	default:
		*(uint64_t *)member = value;
	}
}

int read_number(const struct field *field, const cJSON *json, const char *where, void *object,
		struct error *err)
{
	uint64_t value = get_number(field, object);
	int r = json_number(json, where, field->key, 0, field->max, &value, err);

	if (r == 0)
		set_number(field, object, value);
	return r;
}

bool write_number(const struct field *field, const void *object, cJSON *json)
{
	return cJSON_AddNumberToObject(json, field->key, (double)get_number(field, object));
}

/* --- durations --- */

int read_duration(const struct field *field, const cJSON *json, const char *where, void *object,
		  struct error *err)
{
	uint64_t *member = (uint64_t *)((char *)object + field->offset);

	return json_duration(json, where, field->key, 0, UINT64_MAX, member, err) < 0 ? -EINVAL : 0;
}

bool write_duration(const struct field *field, const void *object, cJSON *json)
{
	const uint64_t *member = (const uint64_t *)((const char *)object + field->offset);
	char text[DURATION_TEXT_MAX];

	return cJSON_AddStringToObject(json, field->key, format_duration(*member, text));
}

/* --- yes or no --- */

int read_bool(const struct field *field, const cJSON *json, const char *where, void *object,
	      struct error *err)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, field->key);

	if (!value)
		return 0;
	if (!cJSON_IsBool(value))
		return refuse_value(where, field->key, "not true or false", err);
	*(bool *)((char *)object + field->offset) = cJSON_IsTrue(value);
	return 0;
}

bool write_bool(const struct field *field, const void *object, cJSON *json)
{
	return cJSON_AddBoolToObject(json, field->key,
				     *(const bool *)((const char *)object + field->offset));
}

/* --- choices: an enum whose values have words --- */

static int refuse_choice(const struct field *field, const char *where, struct error *err)
{
	char words[128] = "";

	for (size_t i = 0; i < field->word_count; i++) {
		size_t used = strlen(words);

		if (field->words[i])
			snprintf(words + used, sizeof(words) - used, "%s%s", used > 0 ? ", " : "",
				 field->words[i]);
	}
	refuse_value(where, field->key, "there is no such choice", err);
	return error_hint(err, -EINVAL, "there are: %s", words);
}

int read_choice(const struct field *field, const cJSON *json, const char *where, void *object,
		struct error *err)
{
	const char *text = NULL;
	int r = json_string(json, where, field->key, &text, err);

	if (r < 0 || !text)
		return r;
	for (unsigned int i = 0; i < field->word_count; i++) {
		if (!field->words[i] || strcmp(field->words[i], text) != 0)
			continue;
		memcpy((char *)object + field->offset, &i, sizeof(i));
		return 0;
	}
	return refuse_choice(field, where, err);
}

bool write_choice(const struct field *field, const void *object, cJSON *json)
{
	unsigned int value;

	memcpy(&value, (const char *)object + field->offset, sizeof(value));
	return cJSON_AddStringToObject(json, field->key, field->words[value]);
}

/* --- a member with a table of its own --- */

int read_nested(const struct field *field, const cJSON *json, const char *where, void *object,
		struct error *err)
{
	return read_fields(json, where, field->table, (char *)object + field->offset, err);
}

/* Nothing of it is for the state file alone. */
bool write_nested(const struct field *field, const void *object, cJSON *json)
{
	return write_fields(field->table, FORM_SPEC, (const char *)object + field->offset, json);
}

/* --- whole objects --- */

static size_t add_keys(const struct table *table, enum form form, const char **keys, size_t count)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct field *field = &table->fields[i];

		if (field->table)
			count = add_keys(field->table, form, keys, count);
		else if (form == FORM_STATE || !field->state_only)
			keys[count++] = field->key;
	}
	return count;
}

int check_keys(const cJSON *json, const char *where, const struct table *table, enum form form,
	       const char *const *own, struct error *err)
{
	const char *keys[KEYS_MAX];
	size_t count = 0;

	for (; *own; own++)
		keys[count++] = *own;
	count = add_keys(table, form, keys, count);
	assert(count < KEYS_MAX);
	keys[count] = NULL;
	return json_check_keys(json, where, keys, err);
}

int read_fields(const cJSON *json, const char *where, const struct table *table, void *object,
		struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < table->count && r == 0; i++)
		r = table->fields[i].read(&table->fields[i], json, where, object, err);
	return r;
}

bool write_fields(const struct table *table, enum form form, const void *object, cJSON *json)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct field *field = &table->fields[i];

		if ((form == FORM_STATE || !field->state_only) &&
		    !field->write(field, object, json))
			return false;
	}
	return true;
}
