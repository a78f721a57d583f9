/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet_view.h"

#include <string.h>

#include "json.h"

static bool add_rollout(cJSON *json, const struct fleet_store_view *fleet)
{
	cJSON *item = fleet->rollout ? rollout_describe(fleet->rollout) : cJSON_CreateNull();
	bool whole = cJSON_AddItemToObject(json, "rollout", item);

	return whole && (!fleet->rollout ||
			 cJSON_AddStringToObject(item, "waiting", fleet->waiting.message));
}

static bool add_last(cJSON *json, const struct rollout_end *last)
{
	return cJSON_AddItemToObject(json, "last",
				     last->id[0] ? rollout_end_describe(last) : cJSON_CreateNull());
}

static cJSON *view_balancer(const struct fleet_store_view *fleet, const struct balancer *balancer)
{
	bool here = strcmp(balancer->id, fleet->balancer) == 0;
	bool member = fleet->rollout && rollout_has(fleet->rollout, balancer->id);
	cJSON *json = cJSON_CreateObject();
	bool whole = cJSON_AddStringToObject(json, "id", balancer->id) &&
		     cJSON_AddBoolToObject(json, "here", here) &&
		     cJSON_AddBoolToObject(json, "member", member) &&
		     cJSON_AddNumberToObject(json, "revision", (double)balancer->revision) &&
		     cJSON_AddBoolToObject(json, "in-sync", balancer->in_sync) &&
		     cJSON_AddNumberToObject(json, "up", balancer->up) &&
		     cJSON_AddNumberToObject(json, "down", balancer->down) &&
		     cJSON_AddStringToObject(json, "state", balancer_state_name(balancer->state)) &&
		     cJSON_AddStringToObject(json, "reason", balancer->reason);

	return json_whole(json, whole);
}

cJSON *fleet_view_rollout(const struct fleet_store_view *fleet)
{
	cJSON *json = cJSON_CreateObject(), *array;
	bool whole = cJSON_AddBoolToObject(json, "connected", fleet->connected) &&
		     add_rollout(json, fleet) && add_last(json, &fleet->last);

	array = cJSON_AddArrayToObject(json, "balancers");
	whole = whole && array;
	for (size_t i = 0; whole && i < fleet->balancer_count; i++)
		whole = json_add_item(array, view_balancer(fleet, &fleet->balancers[i]));
	return json_whole(json, whole);
}
