/* SPDX-License-Identifier: Apache-2.0 */
#include "event.h"

#include <errno.h>
#include <string.h>

#include "parse.h"

#define NUMBER_MAX (UINT64_C(1) << 53) /* beyond, a JSON number is no longer exact */

static const struct {
	const char *name;
	enum log_level level;
} kinds[EVENT_KIND_COUNT] = {
#define X(NAME, name, level) [EVENT_##NAME] = {name, LOG_LEVEL_##level},
	EVENT_KINDS(X)
#undef X
};

const char *event_kind_name(enum event_kind kind)
{
	return kinds[kind].name;
}

enum log_level event_kind_level(enum event_kind kind)
{
	return kinds[kind].level;
}

bool event_kind_find(const char *name, enum event_kind *ret_kind)
{
	for (size_t i = 0; i < EVENT_KIND_COUNT; i++) {
		if (strcmp(kinds[i].name, name) != 0)
			continue;
		*ret_kind = (enum event_kind)i;
		return true;
	}
	return false;
}

bool event_matches(const struct event *event, const struct event_filter *filter)
{
	return (!filter->service || strcmp(filter->service, event->service) == 0) &&
	       (filter->any_kind || filter->kind == event->kind);
}

/* --- JSON --- */

static bool add_text(cJSON *json, const char *key, const char *text)
{
	return *text == '\0' || cJSON_AddStringToObject(json, key, text);
}

cJSON *event_write(const struct event *event)
{
	cJSON *json = cJSON_CreateObject();
	char time[TIME_TEXT_MAX];
	bool whole = json && cJSON_AddNumberToObject(json, "seq", (double)event->seq) &&
		     cJSON_AddStringToObject(json, "time", format_time(event->time_ms, time)) &&
		     cJSON_AddStringToObject(json, "kind", event_kind_name(event->kind));

#define X(text) whole = whole && add_text(json, #text, event->text);
	EVENT_TEXTS(X)
#undef X
	if (whole && cJSON_AddNumberToObject(json, "generation", (double)event->generation))
		return json;
	cJSON_Delete(json);
	return NULL;
}

static int refuse(const char *key, struct error *err)
{
	return error_set(err, EINVAL, "%s is missing, or not what it should be", key);
}

static int read_number(const cJSON *json, const char *key, uint64_t *ret_value, struct error *err)
{
	double value = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(json, key));

	if (!(value >= 0 && value <= (double)NUMBER_MAX))
		return refuse(key, err);
	*ret_value = (uint64_t)value;
	return 0;
}

static int read_time(const cJSON *json, uint64_t *ret_ms, struct error *err)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "time"));

	return text ? parse_time(text, ret_ms, err) : refuse("time", err);
}

static int read_kind(const cJSON *json, enum event_kind *ret_kind, struct error *err)
{
	const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "kind"));

	return name && event_kind_find(name, ret_kind) ? 0 : refuse("kind", err);
}

static const char *read_text(const cJSON *json, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key)) ?: "";
}

int event_read(const cJSON *json, struct event *ret_event, struct error *err)
{
	struct event event = {0};
	int ret = read_number(json, "seq", &event.seq, err);

	if (ret == 0)
		ret = read_time(json, &event.time_ms, err);
	if (ret == 0)
		ret = read_kind(json, &event.kind, err);
	if (ret == 0)
		ret = read_number(json, "generation", &event.generation, err);
	if (ret)
		return ret;
#define X(text) event.text = read_text(json, #text);
	EVENT_TEXTS(X)
#undef X
	*ret_event = event;
	return 0;
}
