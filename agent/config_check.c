/* SPDX-License-Identifier: Apache-2.0 */
#include "config_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "parse.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define LENGTH_MAX       1023 /* of a request target, a header, a file's name, a word */
#define HOST_LENGTH_MAX  259  /* a domain name and a port */
#define REGEX_LENGTH_MAX 255
#define ESCAPED_MAX      ((size_t)4 * CHECK_BYTES_MAX) /* each byte as \xHH */

/* --- check-status: 200, "200" or "200-399" --- */

static int parse_status(const char *text, struct check_spec *check, struct error *err)
{
	const char *dash = strchr(text, '-');
	uint64_t min = 0, max = 0;
	char first[8];
	int r;

	snprintf(first, sizeof(first), "%.*s", dash ? (int)(dash - text) : (int)strlen(text), text);
	r = parse_number(first, 100, 599, &min, err);
	if (r == 0)
		r = parse_number(dash ? dash + 1 : text, min, 599, &max, err);
	if (r < 0)
		return error_hint(err, r, "write one status or a range, like 200 or 200-399");
	check->status_min = (uint16_t)min;
	check->status_max = (uint16_t)max;
	return 0;
}

static int read_status(const struct field *field, const cJSON *json, const char *where,
		       void *object, struct error *err)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, field->key);
	struct check_spec *check = object;
	const char *text = NULL;
	struct error inner = {0};
	uint64_t status;
	int r;

	if (!value)
		return 0;
	if (cJSON_IsNumber(value)) {
		r = json_number(json, where, field->key, 100, 599, &status, err);
		if (r == 0)
			check->status_min = check->status_max = (uint16_t)status;
		return r;
	}
	r = json_string(json, where, field->key, &text, err);
	if (r < 0)
		return r;
	r = parse_status(text, check, &inner);
	return r < 0 ? refuse_parsed(where, field->key, r, &inner, err) : 0;
}

static bool write_status(const struct field *field, const void *object, cJSON *json)
{
	const struct check_spec *check = object;
	char text[16];

	if (check->status_min == check->status_max)
		snprintf(text, sizeof(text), "%u", check->status_min);
	else
		snprintf(text, sizeof(text), "%u-%u", check->status_min, check->status_max);
	return cJSON_AddStringToObject(json, field->key, text);
}

/* --- lists of texts: one may stand by itself --- */

static int refuse_list(const struct field *field, const char *where, struct error *err)
{
	refuse_value(where, field->key, "not a text or an array of texts", err);
	return error_hint(err, -EINVAL, "write [\"one\", \"another\"], at most %d of at most %d",
			  CHECK_WORDS_MAX, LENGTH_MAX);
}

static char ***list_at(const struct field *field, const void *object)
{
	return (char ***)((char *)(uintptr_t)object + field->offset);
}

/* An array of one empty text is empty, too: a command line has no other way to say so. */
static int read_texts(const struct field *field, const cJSON *json, const char *where, void *object,
		      struct error *err)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, field->key), *item;
	char *texts[CHECK_WORDS_MAX + 1] = {NULL}, **copy = NULL;
	size_t count = 0;

	if (!value)
		return 0;
	for (item = cJSON_IsArray(value) ? value->child : value; item;
	     item = cJSON_IsArray(value) ? item->next : NULL) {
		if (!cJSON_IsString(item) || count == CHECK_WORDS_MAX ||
		    strlen(item->valuestring) > LENGTH_MAX)
			return refuse_list(field, where, err);
		texts[count++] = item->valuestring;
	}
	if (count == 1 && texts[0][0] == '\0')
		texts[0] = NULL;
	if (texts_copy(texts, &copy) < 0)
		return refuse_memory(where, err);
	texts_free(*list_at(field, object));
	*list_at(field, object) = copy;
	return 0;
}

bool write_texts(const struct field *field, const void *object, cJSON *json)
{
	cJSON *array = cJSON_AddArrayToObject(json, field->key);

	for (char *const *text = *list_at(field, object); array && text && *text; text++) {
		if (!cJSON_AddItemToArray(array, cJSON_CreateString(*text)))
			return false;
	}
	return array;
}

/* --- a command: one text is parted at blanks, more are words as they stand --- */

int read_words(const struct field *field, const cJSON *json, const char *where, void *object,
	       struct error *err)
{
	char *words[CHECK_WORDS_MAX + 1] = {NULL}, **parted = NULL, **list, *rest;
	size_t count = 0;
	int r = read_texts(field, json, where, object, err);

	list = *list_at(field, object);
	if (r < 0 || !list || list[1])
		return r;
	for (char *word = strtok_r(list[0], " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		if (count == CHECK_WORDS_MAX)
			return refuse_list(field, where, err);
		words[count++] = word;
	}
	if (texts_copy(words, &parted) < 0)
		return refuse_memory(where, err);
	texts_free(list);
	*list_at(field, object) = parted;
	return 0;
}

/* --- the table --- */

/* clang-format off */
static const struct field check_fields[] = {
	CHOICE("check", struct check_spec, kind, check_kind_words),
	CHOICE("check-method", struct check_spec, method, check_method_words),
	{"check-path", read_owned_text, write_owned_text, MEMBER(struct check_spec, path),
	 .max = LENGTH_MAX, .fallback = CHECK_PATH_DEFAULT},
	OWNED_TEXT("check-host", struct check_spec, host, HOST_LENGTH_MAX),
	{"check-header", read_texts, write_texts, MEMBER(struct check_spec, headers)},
	{.key = "check-status", .read = read_status, .write = write_status},
	OWNED_TEXT("check-body", struct check_spec, body, REGEX_LENGTH_MAX),
	OWNED_TEXT("check-ca", struct check_spec, ca, LENGTH_MAX),
	OWNED_TEXT("check-sni", struct check_spec, sni, HOST_LENGTH_MAX),
	OWNED_TEXT("check-cert", struct check_spec, cert, LENGTH_MAX),
	OWNED_TEXT("check-key", struct check_spec, key, LENGTH_MAX),
	BOOL("check-insecure", struct check_spec, insecure),
	OWNED_TEXT("check-payload", struct check_spec, payload, ESCAPED_MAX),
	OWNED_TEXT("check-expect", struct check_spec, expect, ESCAPED_MAX),
	OWNED_TEXT("check-name", struct check_spec, name, DNS_NAME_MAX),
	CHOICE("check-type", struct check_spec, dns_type, dns_type_words),
	{"check-command", read_words, write_texts, MEMBER(struct check_spec, command)},
	NUMBER("check-port", struct check_spec, port, UINT16_MAX),
	DURATION("check-interval", struct check_spec, interval_ms),
	DURATION("check-timeout", struct check_spec, timeout_ms),
	DURATION("check-fast-interval", struct check_spec, fast_interval_ms),
	NUMBER("rise", struct check_spec, rise, UINT32_MAX),
	NUMBER("fall", struct check_spec, fall, UINT32_MAX),
};
/* clang-format on */

const struct table check_table = {check_fields, ARRAY_SIZE(check_fields)};

_Static_assert(sizeof(enum check_kind) == sizeof(unsigned int) &&
		       sizeof(enum check_method) == sizeof(unsigned int) &&
		       sizeof(enum dns_type) == sizeof(unsigned int),
	       "read_choice() writes them as unsigned int");
