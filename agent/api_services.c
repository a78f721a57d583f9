/* SPDX-License-Identifier: Apache-2.0 */

/* /v1/services and below: services and their backends. */
#include <errno.h>
#include <string.h>

#include "api_call.h"
#include "config.h"
#include "json.h"
#include "summary.h"
#include "view.h"

static int answer_removed(struct call *call, const char *what)
{
	cJSON *json = cJSON_CreateObject();

	return api_answer(call, 200,
			  json_whole(json, cJSON_AddStringToObject(json, "removed", what)));
}

static int answer_backend(struct call *call, unsigned int status, const char *service_name,
			  const struct endpoint *endpoint)
{
	const struct service_spec *service =
		desired_service(manager_desired(call->api->manager), service_name);

	return api_answer(call, status,
			  view_backend(call->api->manager, service_backend(service, endpoint)));
}

/* Those that the body names, in its order. */
static int answer_added(struct call *call)
{
	const struct service_spec *service =
		desired_service(manager_desired(call->api->manager), call->service);
	cJSON *json = cJSON_CreateObject();
	cJSON *array = cJSON_AddArrayToObject(json, "backends");
	int count = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(call->body, "backends"));
	bool whole = array;
	size_t i;

	/* They were added behind all others. */
	for (i = service->backend_count - (size_t)count; whole && i < service->backend_count; i++)
		whole = json_add_item(array,
				      view_backend(call->api->manager, &service->backends[i]));
	return api_answer(call, 201, json_whole(json, whole));
}

/* --- /v1/services --- */

int api_services_get(struct call *call)
{
	bool summary = false;
	int ret = api_query_switch(call, "summary", &summary);

	if (ret)
		return ret;
	return api_answer(call, 200,
			  summary ? summary_services(call->api->manager)
				  : view_services(call->api->manager));
}

int api_services_post(struct call *call)
{
	struct service_spec spec = {0};
	struct change change;
	char name[SERVICE_NAME_MAX + 1] = "";
	int ret = api_change_begin(call, &change);

	if (ret == 0)
		ret = config_read_service(call->body, &spec, &call->err);
	if (ret == 0) {
		memcpy(name, spec.name, sizeof(name));
		ret = desired_add_service(change.next, &spec, &call->err);
	}
	service_spec_clear(&spec);
	ret = api_change_end(call, &change, ret);
	if (ret)
		return ret;
	return api_answer(call, 201,
			  view_service(call->api->manager,
				       desired_service(manager_desired(call->api->manager), name)));
}

/* --- /v1/services/NAME --- */

int api_service_get(struct call *call)
{
	struct service_spec *service;
	int ret = desired_require_service(manager_desired(call->api->manager), call->service,
					  &service, &call->err);

	return ret ? ret : api_answer(call, 200, view_service(call->api->manager, service));
}

int api_service_patch(struct call *call)
{
	struct change change;
	int ret = api_change_begin(call, &change);

	if (ret == 0)
		ret = config_patch_service(call->body, change.service, &call->err);
	ret = api_change_end(call, &change, ret);
	return ret ? ret : api_service_get(call);
}

int api_service_delete(struct call *call)
{
	struct change change;
	int ret = api_change_begin(call, &change);

	if (ret == 0)
		desired_remove_service(change.next, change.service);
	ret = api_change_end(call, &change, ret);
	return ret ? ret : answer_removed(call, call->service);
}

/* --- /v1/services/NAME/backends --- */

/* Without a limit it is no part, but all. */
static int read_part(struct call *call, struct summary_part *ret_part)
{
	int ret = api_query_number(call, "offset", 0, UINT32_MAX, &ret_part->offset);

	if (ret == 0)
		ret = api_query_number(call, "limit", 1, SUMMARY_LIMIT_MAX, &ret_part->limit);
	ret_part->status = http_query(call->request, "status");
	if (ret || !ret_part->status || summary_knows_status(ret_part->status))
		return ret;
	ret = error_set(&call->err, EINVAL, "%.64s: no such status", ret_part->status);
	error_hint(&call->err, ret, "docs/operate.md lists them");
	return error_parameter(&call->err, ret, "status");
}

int api_backends_get(struct call *call)
{
	struct summary_part part = {0};
	struct service_spec *service;
	int ret = desired_require_service(manager_desired(call->api->manager), call->service,
					  &service, &call->err);

	if (ret == 0)
		ret = read_part(call, &part);
	if (ret)
		return ret;
	return api_answer(call, 200,
			  part.limit ? summary_backends(call->api->manager, service, &part)
				     : view_backends(call->api->manager, service));
}

static int add_backend(struct call *call, const cJSON *json, struct service_spec *service,
		       struct endpoint *ret_endpoint)
{
	struct backend_spec spec = {0};
	int ret = config_read_backend(json, service, &spec, &call->err);

	*ret_endpoint = spec.endpoint;
	return ret ? ret : service_add_backend(service, &spec, &call->err);
}

/* {"backends": [...]}: all of them or none. */
static int add_backends(struct call *call, struct service_spec *service)
{
	static const char *const keys[] = {"backends", NULL};
	const cJSON *array = NULL, *item;
	struct endpoint endpoint;
	int ret = json_check_keys(call->body, "backends", keys, &call->err);

	if (ret == 0)
		ret = json_array(call->body, "backends", "backends", &array, &call->err);
	cJSON_ArrayForEach (item, array) {
		if (ret == 0)
			ret = add_backend(call, item, service, &endpoint);
	}
	return ret;
}

int api_backends_post(struct call *call)
{
	bool many = cJSON_GetObjectItemCaseSensitive(call->body, "backends");
	struct endpoint endpoint = {0};
	struct change change;
	int ret = api_change_begin(call, &change);

	if (ret == 0)
		ret = many ? add_backends(call, change.service)
			   : add_backend(call, call->body, change.service, &endpoint);
	ret = api_change_end(call, &change, ret);
	if (ret)
		return ret;
	return many ? answer_added(call) : answer_backend(call, 201, call->service, &endpoint);
}

/* --- /v1/services/NAME/backends/ADDR:PORT --- */

int api_backend_get(struct call *call)
{
	struct service_spec *service;
	struct backend_spec *backend;
	int ret = desired_require_service(manager_desired(call->api->manager), call->service,
					  &service, &call->err);

	if (ret == 0)
		ret = service_require_backend(service, call->backend, &backend, &call->err);
	return ret ? ret : api_answer(call, 200, view_backend(call->api->manager, backend));
}

int api_backend_patch(struct call *call)
{
	struct endpoint endpoint = {0};
	struct change change;
	int ret = api_change_begin(call, &change);

	if (ret == 0 && change.backend) {
		endpoint = change.backend->endpoint;
		ret = config_patch_backend(call->body, api_now_ms(call), change.backend,
					   &call->err);
	}
	if (ret == 0)
		ret = service_spec_check(change.service, &call->err);
	ret = api_change_end(call, &change, ret);
	return ret ? ret : answer_backend(call, 200, call->service, &endpoint);
}

/* Removes at once, or begins the drain that ends in removal. */
int api_backend_delete(struct call *call)
{
	struct endpoint endpoint = {0};
	char text[ENDPOINT_TEXT_MAX];
	struct change change;
	uint64_t deadline_ms = 0;
	bool now = false;
	int ret = api_change_begin(call, &change);

	if (ret == 0)
		ret = api_query_switch(call, "now", &now);
	if (ret == 0)
		ret = api_query_deadline(call, &deadline_ms);
	if (ret == 0 && change.backend) {
		endpoint = change.backend->endpoint;
		change.backend->removing = true;
		change.backend->deadline_ms = deadline_ms;
		if (now)
			service_remove_backend(change.service, change.backend);
	}
	ret = api_change_end(call, &change, ret);
	if (ret)
		return ret;
	return now ? answer_removed(call, format_endpoint(&endpoint, text))
		   : answer_backend(call, 202, call->service, &endpoint);
}
