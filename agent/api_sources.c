/* SPDX-License-Identifier: Apache-2.0 */

/* /v1/sources: the lists of sources in force, and how to have their files read again. */
#include "api_call.h"
#include "json.h"

/* Takes out of it what packets were dropped by; service NULL: the global list. */
static bool add_list(cJSON *lists, const struct manager *manager,
		     const struct service_spec *service, bool deny, uint64_t dropped)
{
	cJSON *list = cJSON_CreateObject();

	return json_add_item(lists, list) &&
	       cJSON_AddStringToObject(list, "service", service ? service->name : "") &&
	       cJSON_AddStringToObject(list, "list", deny ? "deny" : "allow") &&
	       cJSON_AddNumberToObject(list, "prefixes",
				       (double)manager_sources(manager, service, deny)) &&
	       cJSON_AddNumberToObject(list, "dropped", (double)dropped);
}

static bool add_service(cJSON *lists, const struct manager *manager,
			const struct service_spec *service)
{
	struct dataplane *dp = manager_dataplane(manager);
	struct lb_service_drops drops;

	dp->ops->service_drops(dp, service->id, &drops);
	return (!service->source_allow ||
		add_list(lists, manager, service, false, drops.packets[LB_NOT_ALLOWED])) &&
	       (!service->source_deny ||
		add_list(lists, manager, service, true, drops.packets[LB_DENIED]));
}

static cJSON *view_sources(const struct manager *manager)
{
	const struct desired *desired = manager_desired(manager);
	struct dataplane *dp = manager_dataplane(manager);
	cJSON *json = cJSON_CreateObject();
	cJSON *lists = cJSON_AddArrayToObject(json, "lists");
	const struct error *problem = manager_sources_problem(manager);
	struct lb_traffic global;
	bool whole =
		lists &&
		cJSON_AddBoolToObject(json, "loading", manager_sources_loading(manager, NULL)) &&
		cJSON_AddStringToObject(json, "problem", problem->message) &&
		cJSON_AddStringToObject(json, "hint", problem->hint);
	size_t i;

	dp->ops->verdict_stats(dp, LB_DENIED_GLOBAL, &global);
	if (whole && manager_sources(manager, NULL, true))
		whole = add_list(lists, manager, NULL, true, global.packets);
	for (i = 0; whole && i < desired->service_count; i++)
		whole = add_service(lists, manager, &desired->services[i]);
	return json_whole(json, whole);
}

int api_sources_get(struct call *call)
{
	return api_answer(call, 200, view_sources(call->api->manager));
}

int api_sources_post(struct call *call)
{
	static const char *const none[] = {NULL};
	int ret = json_check_keys(call->body, "request", none, &call->err);

	if (ret == 0)
		ret = manager_reload(call->api->manager, &call->err);
	return ret ? ret : api_sources_get(call);
}
