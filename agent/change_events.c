/* SPDX-License-Identifier: Apache-2.0 */
#include "change_events.h"

#include <stdio.h>
#include <string.h>

enum what { ADDED, CHANGED, REMOVED, WHATS };

struct telling {
	struct events *events;
	bool tell; /* else only count */
	size_t services[WHATS];
	size_t backends[WHATS];
};

/* Fields as text: what they were, and what they are. */
struct fields {
	char before[EVENT_TEXT_MAX + 1];
	char after[EVENT_TEXT_MAX + 1];
};

static const char *text_of(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key)) ?: "";
}

static void append(char text[EVENT_TEXT_MAX + 1], const char *key, const cJSON *value)
{
	size_t used = strlen(text);
	char *printed = cJSON_PrintUnformatted(value);
	const char *shown = cJSON_IsString(value) ? cJSON_GetStringValue(value) : printed;

	snprintf(text + used, EVENT_TEXT_MAX + 1 - used, "%s%s %s", used ? ", " : "", key,
		 shown && *shown ? shown : "none");
	cJSON_free(printed);
}

/* False: there are none, but for `state`, which is not told. */
static bool read_fields(const cJSON *change, struct fields *ret_fields)
{
	const cJSON *field;

	*ret_fields = (struct fields){0};
	cJSON_ArrayForEach (field, cJSON_GetObjectItemCaseSensitive(change, "fields")) {
		const char *key = text_of(field, "field");

		if (strcmp(key, "state") == 0)
			continue;
		append(ret_fields->before, key, cJSON_GetObjectItemCaseSensitive(field, "from"));
		append(ret_fields->after, key, cJSON_GetObjectItemCaseSensitive(field, "to"));
	}
	return ret_fields->after[0];
}

static enum what what_of(const cJSON *change)
{
	const char *word = text_of(change, "change");

	if (strcmp(word, "added") == 0)
		return ADDED;
	return strcmp(word, "removed") == 0 ? REMOVED : CHANGED;
}

static void tell_backend(struct telling *telling, const char *service, const cJSON *change)
{
	static const enum event_kind kinds[WHATS] = {EVENT_BACKEND_ADDED, EVENT_BACKEND_CHANGED,
						     EVENT_BACKEND_REMOVED};
	enum what what = what_of(change);
	struct fields fields = {0};

	if (what == CHANGED && !read_fields(change, &fields))
		return;
	telling->backends[what]++;
	if (telling->tell)
		events_tell(telling->events, &(struct event){.kind = kinds[what],
							     .service = service,
							     .backend = text_of(change, "address"),
							     .before = fields.before,
							     .after = fields.after});
}

/* Backends go with their service; that is told once. */
static void tell_service(struct telling *telling, const cJSON *change)
{
	static const enum event_kind kinds[WHATS] = {EVENT_SERVICE_ADDED, EVENT_SERVICE_CHANGED,
						     EVENT_SERVICE_REMOVED};
	const char *service = text_of(change, "service");
	enum what what = what_of(change);
	struct fields fields = {0};
	const cJSON *backend;

	if (what != CHANGED || read_fields(change, &fields)) {
		telling->services[what]++;
		if (telling->tell)
			events_tell(telling->events, &(struct event){.kind = kinds[what],
								     .service = service,
								     .before = fields.before,
								     .after = fields.after});
	}
	if (what == REMOVED)
		return;
	cJSON_ArrayForEach (backend, cJSON_GetObjectItemCaseSensitive(change, "backends"))
		tell_backend(telling, service, backend);
}

static void tell_counts(const struct telling *telling)
{
	const size_t *services = telling->services, *backends = telling->backends;
	char text[EVENT_TEXT_MAX + 1];

	snprintf(text, sizeof(text),
		 "services: %zu added, %zu changed, %zu removed; "
		 "backends: %zu added, %zu changed, %zu removed",
		 services[ADDED], services[CHANGED], services[REMOVED], backends[ADDED],
		 backends[CHANGED], backends[REMOVED]);
	events_tell(telling->events, &(struct event){.kind = EVENT_CONFIG_APPLIED, .after = text});
}

static size_t total(const struct telling *telling)
{
	size_t sum = 0;

	for (int what = 0; what < WHATS; what++)
		sum += telling->services[what] + telling->backends[what];
	return sum;
}

void change_events(struct events *events, const cJSON *changes)
{
	struct telling telling = {.events = events};
	const cJSON *change;

	cJSON_ArrayForEach (change, changes)
		tell_service(&telling, change);
	if (total(&telling) > CHANGE_EVENTS_MAX) {
		tell_counts(&telling);
	} else {
		telling.tell = true;
		cJSON_ArrayForEach (change, changes)
			tell_service(&telling, change);
	}
}
