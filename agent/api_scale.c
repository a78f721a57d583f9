/* SPDX-License-Identifier: Apache-2.0 */

/* /v1/services/NAME/scale, and what Alertmanager tells by /v1/scale/webhook. */
#include <errno.h>
#include <string.h>

#include "api_call.h"
#include "autoscale_view.h"

int api_scale_get(struct call *call)
{
	struct service_spec *service;
	int ret = desired_require_service(manager_desired(call->api->manager), call->service,
					  &service, &call->err);

	return ret ? ret : api_answer(call, 200, autoscale_view(call->api->autoscaler, service));
}

/* --- the webhook --- */

static int refuse(struct call *call, const char *reason)
{
	int ret = error_set(&call->err, EINVAL, "alerts: %s", reason);

	return error_hint(&call->err, ret,
			  "each alert needs the labels service and scale, which is up or down");
}

static const char *label(const cJSON *alert, const char *name)
{
	const cJSON *labels = cJSON_GetObjectItemCaseSensitive(alert, "labels");

	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(labels, name));
}

/* 1, -1, or 0 for what an alert that has ended, or that is none of ours, asks for. */
static int direction_of(const cJSON *alert)
{
	const char *status =
		cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(alert, "status"));
	const char *scale = label(alert, "scale");

	if (!scale || (status && strcmp(status, "firing") != 0))
		return 0;
	return strcmp(scale, "up") == 0 ? 1 : strcmp(scale, "down") == 0 ? -1 : 0;
}

static int check_alert(struct call *call, const cJSON *alert)
{
	const char *scale = label(alert, "scale"), *name = label(alert, "service");
	struct service_spec *service = NULL;
	int ret;

	if (!scale)
		return 0; /* of a route that has other alerts too */
	if (!name)
		return refuse(call, "one has no label service");
	if (strcmp(scale, "up") != 0 && strcmp(scale, "down") != 0)
		return refuse(call, "the label scale of one is neither up nor down");
	ret = desired_require_service(manager_desired(call->api->manager), name, &service,
				      &call->err);
	if (ret == 0 && service->scale.mode == SCALE_OFF) {
		ret = error_set(&call->err, EINVAL, "service %s: it has no autoscaler", name);
		error_hint(&call->err, ret, "set service %s --scale on", name);
	}
	return ret;
}

/* All of them or none. */
int api_scale_webhook_post(struct call *call)
{
	const cJSON *alerts = cJSON_GetObjectItemCaseSensitive(call->body, "alerts"), *alert;
	cJSON *json = cJSON_CreateObject();
	unsigned int asked = 0;
	int ret = cJSON_IsArray(alerts) ? 0 : refuse(call, "missing, or not an array");

	cJSON_ArrayForEach (alert, alerts)
		ret = ret ? ret : check_alert(call, alert);
	cJSON_ArrayForEach (alert, alerts) {
		if (ret == 0 && direction_of(alert))
			asked += autoscaler_ask(call->api->autoscaler, label(alert, "service"),
						direction_of(alert)) == 0;
	}
	if (ret == 0 && cJSON_AddNumberToObject(json, "asked", asked))
		return api_answer(call, 202, json);
	cJSON_Delete(json);
	return ret ? ret : api_answer(call, 202, NULL);
}
