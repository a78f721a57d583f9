/* SPDX-License-Identifier: Apache-2.0 */
#include "plan_view.h"

#include "json.h"

static const char *const fate_words[] = {
	[PLAN_STAYS] = "stay",
	[PLAN_DRAINS] = "drain",
	[PLAN_LOST] = "lost",
};

static bool add_number(cJSON *json, const char *key, double number)
{
	return cJSON_AddNumberToObject(json, key, number);
}

/* Six digits: a slot of the largest table, or a flow of a million. */
static double rounded(double ratio)
{
	return (double)(uint64_t)(ratio * 1e6 + 0.5) / 1e6;
}

static bool add_backend(cJSON *array, const struct plan_service *plan,
			const struct plan_backend *backend, uint32_t table_size)
{
	cJSON *json = cJSON_CreateObject();
	char text[ENDPOINT_TEXT_MAX];

	return json_add_item(array, json) &&
	       cJSON_AddStringToObject(json, "address",
				       format_endpoint(&backend->endpoint, text)) &&
	       add_number(json, "share-before",
			  rounded((double)backend->slots_before / table_size)) &&
	       add_number(json, "share-after",
			  rounded((double)backend->slots_after / table_size)) &&
	       (!plan->tracked || add_number(json, "flows", backend->flows)) &&
	       cJSON_AddStringToObject(json, "fate", fate_words[backend->fate]);
}

static bool add_backends(cJSON *json, const struct plan_service *plan, uint32_t table_size)
{
	cJSON *array = cJSON_AddArrayToObject(json, "backends");
	bool whole = array;

	for (size_t i = 0; whole && i < plan->backend_count; i++)
		whole = add_backend(array, plan, &plan->backends[i], table_size);
	return whole;
}

static bool add_moved(cJSON *json, const struct plan_service *plan)
{
	cJSON *moved = cJSON_AddObjectToObject(json, "slots-moved");

	return moved && add_number(moved, "leaving", plan->moved_leaving) &&
	       add_number(moved, "coming", plan->moved_coming) &&
	       add_number(moved, "between", plan->moved_between);
}

static bool add_service(cJSON *array, const struct plan_service *plan, uint32_t table_size)
{
	cJSON *json = cJSON_CreateObject();

	return json_add_item(array, json) && cJSON_AddStringToObject(json, "service", plan->name) &&
	       cJSON_AddBoolToObject(json, "tracked", plan->tracked) && add_moved(json, plan) &&
	       (!plan->tracked || (add_number(json, "flows", (double)plan->flows) &&
				   add_number(json, "flows-lost", (double)plan->flows_lost) &&
				   add_number(json, "flows-drain", (double)plan->flows_drain))) &&
	       cJSON_AddBoolToObject(json, "deserted", plan->deserted) &&
	       add_number(json, "disruption", rounded(plan->disruption)) &&
	       add_backends(json, plan, table_size);
}

bool plan_view(cJSON *json, const struct plan *plan)
{
	bool whole = add_number(json, "disruption", rounded(plan->disruption)) &&
		     cJSON_AddBoolToObject(json, "counted", plan->counted) &&
		     add_number(json, "slots", plan->table_size);
	cJSON *services = whole ? cJSON_AddArrayToObject(json, "services") : NULL;

	whole = services;
	for (size_t i = 0; whole && i < plan->service_count; i++)
		whole = add_service(services, &plan->services[i], plan->table_size);
	return whole;
}
