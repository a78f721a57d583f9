/* SPDX-License-Identifier: Apache-2.0 */

/* /v1/status: the agent itself. */
#include "api_call.h"
#include "privileges.h"
#include "view.h"

static void add_name(void *context, const char *name)
{
	cJSON_AddItemToArray(context, cJSON_CreateString(name));
}

/* Where the fleet's configuration is, and what is wrong with it. */
static void add_store(cJSON *status, const struct fleet_store *store)
{
	const struct fleet_store_view view = fleet_store_view(store);
	cJSON *json = cJSON_AddObjectToObject(status, "store");

	cJSON_AddStringToObject(json, "url", view.url);
	cJSON_AddStringToObject(json, "key", view.key);
	cJSON_AddBoolToObject(json, "connected", view.connected);
	cJSON_AddNumberToObject(json, "revision", (double)view.revision);
	cJSON_AddStringToObject(json, "balancer", view.balancer);
	cJSON_AddNumberToObject(json, "balancers", (double)view.balancer_count);
	if (view.rollout) {
		cJSON_AddStringToObject(json, "rollout", view.rollout->id);
		cJSON_AddBoolToObject(json, "trial", view.trial);
	}
	if (!view.problem->message[0])
		return;
	cJSON_AddStringToObject(json, "problem", view.problem->message);
	cJSON_AddStringToObject(json, "hint", view.problem->hint);
}

int api_status_get(struct call *call)
{
	double uptime = (double)(uv_hrtime() - call->api->started_ns) / 1e9;
	struct interface_views views = {0};
	cJSON *status;

	views.attached = dataplane_bpf_interfaces(call->api->dp, &views.attached_count);
	if (call->api->ports)
		views.problems = ports_problems(call->api->ports, &views.problem_count);
	status = view_status(call->api->manager, &views, uptime);
	privileges_each(add_name, cJSON_AddArrayToObject(status, "capabilities"));
	if (call->api->store)
		add_store(status, call->api->store);
	return api_answer(call, 200, status);
}
