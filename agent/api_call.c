/* SPDX-License-Identifier: Apache-2.0 */
#include "api_call.h"

#include <errno.h>

#include "log.h"

int api_answer(struct call *call, unsigned int status, cJSON *json)
{
	if (!json)
		return error_set(&call->err, ENOMEM, "out of memory");
	call->status = status;
	call->answer = json;
	return 0;
}

int api_change_begin(struct call *call, struct change *change)
{
	int ret = 0;

	*change = (struct change){.next = desired_clone(manager_desired(call->api->manager))};
	if (!change->next)
		return error_set(&call->err, ENOMEM, "out of memory");
	if (call->service)
		ret = desired_require_service(change->next, call->service, &change->service,
					      &call->err);
	if (ret == 0 && call->backend)
		ret = service_require_backend(change->service, call->backend, &change->backend,
					      &call->err);
	return ret;
}

int api_change_end(struct call *call, struct change *change, int ret)
{
	if (ret) {
		desired_free(change->next);
		return ret;
	}
	ret = manager_commit(call->api->manager, change->next, &call->err);
	if (ret == 0)
		log_info("changed", "method", call->request->method, "path", call->request->path);
	return ret;
}
