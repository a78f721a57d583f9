/* SPDX-License-Identifier: Apache-2.0 */
#include "autoscale_view.h"

#include <string.h>

#include "config.h"
#include "json.h"

/* False when out of memory: the document is then none. */

static bool add_text(cJSON *json, const char *key, const char *text)
{
	return cJSON_AddStringToObject(json, key, text);
}

static bool add_number(cJSON *json, const char *key, double number)
{
	return cJSON_AddNumberToObject(json, key, number);
}

/* Null where there is none: no number stands for "unknown". */
static bool add_figure(cJSON *json, const char *key, bool known, double figure)
{
	return known ? add_number(json, key, figure) : cJSON_AddNullToObject(json, key) != NULL;
}

/* --- the policy: those of the service's keys that begin with scale --- */

static bool add_policy(cJSON *json, const struct service_spec *service)
{
	struct service_spec alone = *service;
	cJSON *policy = cJSON_AddObjectToObject(json, "policy"), *spec, *item, *next;

	alone.backend_count = 0;
	spec = policy ? config_write_service(&alone) : NULL;
	for (item = spec ? spec->child : NULL; item; item = next) {
		next = item->next;
		if (strncmp(item->string, "scale", strlen("scale")) == 0)
			cJSON_AddItemToObject(policy, item->string,
					      cJSON_DetachItemViaPointer(spec, item));
	}
	cJSON_Delete(spec);
	return spec;
}

/* --- decisions --- */

static bool add_grounds(cJSON *json, const struct autoscale_decision *decision)
{
	return add_figure(json, "value", decision->known, decision->value) &&
	       add_figure(json, "predicted-value", decision->foretold, decision->foretold_value) &&
	       add_figure(json, "predicted-wanted", decision->foretold,
			  decision->foretold_wanted) &&
	       add_text(json, "reason", decision->reason);
}

static bool add_decision(cJSON *json, const struct autoscale_decision *decision)
{
	return add_text(json, "decision", autoscale_action_name(decision->action)) &&
	       add_number(json, "count", decision->count) &&
	       add_number(json, "members", decision->members) &&
	       add_number(json, "wanted", decision->wanted) && add_grounds(json, decision);
}

static bool add_record(cJSON *array, const struct scale_record *record)
{
	cJSON *json = cJSON_CreateObject();
	char time[TIME_TEXT_MAX];

	return json_add_item(array, json) &&
	       add_text(json, "time", format_time(record->time_ms, time)) &&
	       cJSON_AddBoolToObject(json, "dry-run", record->dry_run) &&
	       add_decision(json, &record->decision);
}

/* The latest first. */
static bool add_history(cJSON *json, const struct scale_run *run)
{
	cJSON *array = cJSON_AddArrayToObject(json, "decisions");
	bool whole = array;

	for (size_t i = 1; run && whole && i <= run->history_count; i++)
		whole = add_record(array,
				   &run->history[(run->history_next + SCALE_HISTORY_MAX - i) %
						 SCALE_HISTORY_MAX]);
	return whole;
}

/* --- what was launched --- */

static bool add_entry(cJSON *array, const struct service_spec *service,
		      const struct scale_entry *entry)
{
	const struct backend_spec *backend = scale_entry_backend(entry, service);
	char text[ENDPOINT_TEXT_MAX];
	cJSON *json = cJSON_CreateObject();

	return json_add_item(array, json) && add_text(json, "id", entry->id) &&
	       add_text(json, "phase", scale_phase_name(entry->phase)) &&
	       add_text(json, "address",
			backend ? format_endpoint(&backend->endpoint, text) : "") &&
	       add_text(json, "stands-for",
			entry->emergency ? format_endpoint(&entry->stands_for, text) : "");
}

static bool add_launched(cJSON *json, const struct autoscaler *autoscaler,
			 const struct service_spec *service)
{
	const struct scale_roster *roster = autoscaler_roster(autoscaler);
	cJSON *array = cJSON_AddArrayToObject(json, "launched");
	bool whole = array;

	for (size_t i = 0; whole && i < roster->count; i++) {
		if (strcmp(roster->entries[i]->service, service->name) == 0)
			whole = add_entry(array, service, roster->entries[i]);
	}
	return whole;
}

/* --- all of it --- */

static const char *circuit_word(const struct autoscaler *autoscaler, const struct scale_run *run)
{
	static const char *const words[] = {
		[CIRCUIT_CLOSED] = "closed",
		[CIRCUIT_OPEN] = "open",
		[CIRCUIT_HALF_OPEN] = "half-open",
	};

	return words[autoscaler_circuit(autoscaler, run)];
}

static bool add_state(cJSON *json, const struct autoscaler *autoscaler, const struct scale_run *run)
{
	const struct autoscale_decision *decision = &run->decision;

	return add_number(json, "min", decision->min) && add_number(json, "max", decision->max) &&
	       add_number(json, "wanted", decision->wanted) &&
	       add_number(json, "members", run->pool.members) &&
	       add_number(json, "up", run->pool.up) &&
	       add_number(json, "launching", run->pool.launching) && add_grounds(json, decision) &&
	       add_text(json, "problem", run->problem) &&
	       add_text(json, "circuit", circuit_word(autoscaler, run)) &&
	       add_number(json, "launch-failures", (double)run->launch_failures);
}

cJSON *autoscale_view(const struct autoscaler *autoscaler, const struct service_spec *service)
{
	const struct scale_run *run = autoscaler_run(autoscaler, service->name);
	cJSON *json = cJSON_CreateObject(), *state;
	bool whole = json && add_text(json, "service", service->name) && add_policy(json, service);

	if (whole && run) {
		state = cJSON_AddObjectToObject(json, "state");
		whole = state && add_state(state, autoscaler, run);
	} else if (whole) {
		whole = cJSON_AddNullToObject(json, "state");
	}
	if (whole && add_launched(json, autoscaler, service) && add_history(json, run))
		return json;
	cJSON_Delete(json);
	return NULL;
}
