/* SPDX-License-Identifier: Apache-2.0 */

/* /v1/status: the agent itself. */
#include "api_call.h"
#include "privileges.h"
#include "view.h"

static void add_name(void *context, const char *name)
{
	cJSON_AddItemToArray(context, cJSON_CreateString(name));
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
	return api_answer(call, 200, status);
}
