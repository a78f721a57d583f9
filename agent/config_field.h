/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CONFIG_FIELD_H
#define SLUICE_CONFIG_FIELD_H

/*
 * Tables of an object's keys. Private to config*.c: reading, patching and writing all walk the same
 * tables, so they know the same keys in the same order. The types are checked here, the ranges
 * where the object is checked as a whole.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct table;

/* One key of an object and the member that holds it. */
struct field {
	const char *key;
	int (*read)(const struct field *field, const cJSON *json, const char *where, void *object,
		    struct error *err);
	bool (*write)(const struct field *field, const void *object, cJSON *json);
	size_t offset;
	size_t size;              /* of the member */
	uint64_t max;             /* of a number; of an owned text's length */
	const char *fallback;     /* of an owned text: what NULL stands for; NULL: "" */
	const char *const *words; /* of a choice: by value, NULL where a value has no word */
	size_t word_count;
	const struct table *table; /* whose keys the object has beside its own */
	bool state_only;           /* in the state file, not in what people write */
};

struct table {
	const struct field *fields;
	size_t count;
};

enum form { FORM_SPEC, FORM_STATE };

/* clang-format off */
#define MEMBER(type, member) \
	.offset = offsetof(type, member), .size = sizeof(((type *)NULL)->member)
#define WORDS(list) .words = (list), .word_count = sizeof(list) / sizeof((list)[0])
#define TEXT(key, type, member) {key, read_text, write_text, MEMBER(type, member)}
#define OWNED_TEXT(key, type, member, most) \
	{key, read_owned_text, write_owned_text, MEMBER(type, member), .max = (most)}
#define DURATION(key, type, member) {key, read_duration, write_duration, MEMBER(type, member)}
#define NUMBER(key, type, member, most) \
	{key, read_number, write_number, MEMBER(type, member), .max = (most)}
#define BOOL(key, type, member) {key, read_bool, write_bool, MEMBER(type, member)}
#define CHOICE(key, type, member, list) \
	{key, read_choice, write_choice, MEMBER(type, member), WORDS(list)}
#define NESTED(its_table, type, member) \
	{NULL, read_nested, write_nested, MEMBER(type, member), .table = &(its_table)}
#define STATE_NUMBER(key, type, member, most) \
	{key, read_number, write_number, MEMBER(type, member), .max = (most), .state_only = true}
/* clang-format on */

#define FIELD_READER(name)                                                                         \
	int name(const struct field *field, const cJSON *json, const char *where, void *object,    \
		 struct error *err)
#define FIELD_WRITER(name) bool name(const struct field *field, const void *object, cJSON *json)

/* A text in an array of the object's own. */
FIELD_READER(read_text);
FIELD_WRITER(write_text);
/* A char * that the object owns; the former text is freed. */
FIELD_READER(read_owned_text);
FIELD_WRITER(write_owned_text);
FIELD_READER(read_number);
FIELD_WRITER(write_number);
FIELD_READER(read_duration);
FIELD_WRITER(write_duration);
FIELD_READER(read_bool);
FIELD_WRITER(write_bool);
/* An enum whose values have words. */
FIELD_READER(read_choice);
FIELD_WRITER(write_choice);
/* A member with a table of its own, whose keys are nevertheless the object's. */
FIELD_READER(read_nested);
FIELD_WRITER(write_nested);

/* Refuses keys that are neither the table's nor own: the object's others, ended by NULL. */
int check_keys(const cJSON *json, const char *where, const struct table *table, enum form form,
	       const char *const *own, struct error *err);
/* After check_keys(), which has refused what this form must not have. */
int read_fields(const cJSON *json, const char *where, const struct table *table, void *object,
		struct error *err);
bool write_fields(const struct table *table, enum form form, const void *object, cJSON *json);

/* cJSON_HasObjectItem() takes "Name" for "name". */
bool has_key(const cJSON *json, const char *key);

/* Refusals of a value; parsed: with the place put in front of what a parser said. */
int refuse_parsed(const char *where, const char *key, int code, const struct error *parsed,
		  struct error *err);
int refuse_value(const char *where, const char *key, const char *reason, struct error *err);
int refuse_memory(const char *where, struct error *err);

#endif
