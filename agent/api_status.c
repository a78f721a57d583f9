/* SPDX-License-Identifier: Apache-2.0 */

/* /v1/status: the agent itself. */
#include "api_call.h"
#include "view.h"

int api_status_get(struct call *call)
{
	double uptime = (double)(uv_hrtime() - call->api->started_ns) / 1e9;
	const struct dataplane_interface *interfaces;
	size_t count;

	interfaces = dataplane_bpf_interfaces(call->api->dp, &count);
	return api_answer(call, 200, view_status(call->api->manager, interfaces, count, uptime));
}
