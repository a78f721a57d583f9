/* SPDX-License-Identifier: Apache-2.0 */

/* /v1/announce: which VIPs this balancer announces, and whether it does at all. */
#include <errno.h>

#include "api_call.h"
#include "json.h"
#include "view.h"

int api_announce_get(struct call *call)
{
	return api_answer(call, 200, view_announce(call->api->manager));
}

/* {"withdrawn": true} or {"withdrawn": false} */
int api_announce_patch(struct call *call)
{
	static const char *const keys[] = {"withdrawn", NULL};
	const cJSON *value;
	int ret = json_check_keys(call->body, "announce", keys, &call->err);

	if (ret)
		return ret;
	value = cJSON_GetObjectItemCaseSensitive(call->body, "withdrawn");
	if (!cJSON_IsBool(value)) {
		error_set(&call->err, EINVAL, "announce: withdrawn is %s",
			  value ? "not true or false" : "missing");
		return error_field(&call->err, -EINVAL, "withdrawn");
	}
	ret = manager_withdraw(call->api->manager, cJSON_IsTrue(value), &call->err);
	return ret ? ret : api_announce_get(call);
}
