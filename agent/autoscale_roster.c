/* SPDX-License-Identifier: Apache-2.0 */
#include "autoscale_roster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_check.h"
#include "json.h"
#include "store.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define PATH_ROOM         256

static const char *const phase_words[SCALE_PHASES] = {
	[SCALE_LAUNCHING] = "launching",
	[SCALE_RUNNING] = "running",
	[SCALE_STOPPING] = "stopping",
};

const char *scale_phase_name(enum scale_phase phase)
{
	return phase_words[phase];
}

/* --- entries --- */

static void entry_free(struct scale_entry *entry)
{
	if (!entry)
		return;
	texts_free(entry->driver);
	free(entry);
}

void scale_roster_clear(struct scale_roster *roster)
{
	for (size_t i = 0; i < roster->count; i++)
		entry_free(roster->entries[i]);
	free(roster->entries);
	*roster = (struct scale_roster){0};
}

static bool append(struct scale_roster *roster, struct scale_entry *entry)
{
	struct scale_entry **entries =
		reallocarray(roster->entries, roster->count + 1, sizeof(*entries));

	if (!entries)
		return false;
	entries[roster->count++] = entry;
	roster->entries = entries;
	return true;
}

struct scale_entry *scale_roster_add(struct scale_roster *roster, const char *id,
				     const struct service_spec *service)
{
	struct scale_entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	snprintf(entry->id, sizeof(entry->id), "%s", id);
	snprintf(entry->service, sizeof(entry->service), "%s", service->name);
	entry->timeout_ms = service->scale.timeout_ms;
	if (texts_copy(service->scale.driver, &entry->driver) == 0 && append(roster, entry))
		return entry;
	entry_free(entry);
	return NULL;
}

void scale_roster_remove(struct scale_roster *roster, struct scale_entry *entry)
{
	for (size_t i = 0; i < roster->count; i++) {
		if (roster->entries[i] != entry)
			continue;
		roster->count--;
		memmove(&roster->entries[i], &roster->entries[i + 1],
			(roster->count - i) * sizeof(struct scale_entry *));
		entry_free(entry);
		return;
	}
}

struct scale_entry *scale_roster_find(const struct scale_roster *roster, const char *id)
{
	for (size_t i = 0; i < roster->count; i++) {
		if (strcmp(roster->entries[i]->id, id) == 0)
			return roster->entries[i];
	}
	return NULL;
}

struct backend_spec *scale_entry_backend(const struct scale_entry *entry,
					 const struct service_spec *service)
{
	for (size_t i = 0; service && i < service->backend_count; i++) {
		if (strcmp(service->backends[i].launched, entry->id) == 0)
			return &service->backends[i];
	}
	return NULL;
}

/* --- as JSON --- */

/* clang-format off */
static const struct field fields[] = {
	TEXT("id", struct scale_entry, id),
	TEXT("service", struct scale_entry, service),
	{"driver", read_words, write_texts, MEMBER(struct scale_entry, driver)},
	DURATION("timeout", struct scale_entry, timeout_ms),
	CHOICE("phase", struct scale_entry, phase, phase_words),
};
/* clang-format on */

static const struct table table = {fields, ARRAY_SIZE(fields)};

static cJSON *write_entry(const struct scale_entry *entry)
{
	cJSON *json = cJSON_CreateObject();
	char text[ENDPOINT_TEXT_MAX];

	if (json && write_fields(&table, FORM_STATE, entry, json) &&
	    (!entry->emergency ||
	     cJSON_AddStringToObject(json, "stands-for",
				     format_endpoint(&entry->stands_for, text))))
		return json;
	cJSON_Delete(json);
	return NULL;
}

cJSON *scale_roster_write(const struct scale_roster *roster)
{
	cJSON *json = cJSON_CreateObject();
	cJSON *array = cJSON_AddArrayToObject(json, "launched");
	bool whole = array;

	for (size_t i = 0; whole && i < roster->count; i++)
		whole = cJSON_AddItemToArray(array, write_entry(roster->entries[i]));
	if (whole)
		return json;
	cJSON_Delete(json);
	return NULL;
}

static int read_entry(const cJSON *json, struct scale_entry *entry, struct error *err)
{
	static const char *const own[] = {"stands-for", NULL};
	const char *stands_for = NULL;
	int r = check_keys(json, "launched", &table, FORM_STATE, own, err);

	if (r == 0)
		r = read_fields(json, "launched", &table, entry, err);
	if (r == 0)
		r = json_string(json, "launched", "stands-for", &stands_for, err);
	if (r == 0 && stands_for) {
		entry->emergency = true;
		r = parse_endpoint(stands_for, 0, &entry->stands_for, err);
	}
	if (r == 0 && (!entry->id[0] || !entry->service[0] || !entry->driver))
		r = error_set(err, EINVAL, "launched: id, service or driver is missing");
	return r;
}

/* Takes one more in. */
static int read_into(struct scale_roster *roster, const cJSON *json, struct error *err)
{
	struct scale_entry *entry = calloc(1, sizeof(*entry));
	int r = entry ? read_entry(json, entry, err) : error_set(err, ENOMEM, "out of memory");

	if (r == 0 && !append(roster, entry))
		r = error_set(err, ENOMEM, "out of memory");
	if (r)
		entry_free(entry);
	return r;
}

int scale_roster_read(const cJSON *json, struct scale_roster *ret_roster, struct error *err)
{
	static const char *const keys[] = {"launched", NULL};
	struct scale_roster roster = {0};
	const cJSON *array = NULL, *item;
	int r = json_check_keys(json, "launched", keys, err);

	if (r == 0)
		r = json_array(json, "launched", "launched", &array, err);
	cJSON_ArrayForEach (item, array) {
		if (r == 0)
			r = read_into(&roster, item, err);
	}
	if (r < 0)
		scale_roster_clear(&roster);
	else
		*ret_roster = roster;
	return r;
}

/* --- on disk --- */

static const char *place(const char *state_dir, char path[PATH_ROOM])
{
	snprintf(path, PATH_ROOM, "%s/scale", state_dir);
	return path;
}

int scale_roster_save(const struct scale_roster *roster, const char *state_dir, struct error *err)
{
	cJSON *json = scale_roster_write(roster);
	char *text = json ? cJSON_Print(json) : NULL;
	char path[PATH_ROOM];
	int r;

	cJSON_Delete(json);
	if (!text)
		return error_set(err, ENOMEM, "out of memory");
	r = store_save(place(state_dir, path), text, err);
	cJSON_free(text);
	return r;
}

static int accept_roster(void *context, const char *text, size_t length, struct error *err)
{
	cJSON *json = NULL;
	int r = json_parse(text, length, &json, err);

	if (r == 0)
		r = scale_roster_read(json, context, err);
	cJSON_Delete(json);
	return r;
}

int scale_roster_load(const char *state_dir, struct scale_roster *ret_roster, struct error *err)
{
	struct error warning = {0};
	enum store_found found;
	char path[PATH_ROOM];

	return store_peek(place(state_dir, path), accept_roster, ret_roster, &found, &warning, err);
}
