/* SPDX-License-Identifier: Apache-2.0 */

/* /v1/services and below: services and their backends. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "api_call.h"
#include "config.h"
#include "view.h"

#define DRAIN_DEADLINE_MS     30000
#define DRAIN_DEADLINE_MAX_MS (24ULL * 3600 * 1000)

static uint64_t unix_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int answer_removed(struct call *call, const char *what)
{
	cJSON *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "removed", what);
	return api_answer(call, 200, json);
}

static int answer_backend(struct call *call, unsigned int status, const char *service_name,
			  const struct endpoint *endpoint)
{
	const struct service_spec *service =
		desired_service(manager_desired(call->api->manager), service_name);

	return api_answer(call, status,
			  view_backend(call->api->manager, service_backend(service, endpoint)));
}

/* --- /v1/services --- */

int api_services_get(struct call *call)
{
	return api_answer(call, 200, view_services(call->api->manager));
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

int api_backends_get(struct call *call)
{
	struct service_spec *service;
	int ret = desired_require_service(manager_desired(call->api->manager), call->service,
					  &service, &call->err);

	return ret ? ret : api_answer(call, 200, view_backends(call->api->manager, service));
}

int api_backends_post(struct call *call)
{
	struct backend_spec spec = {0};
	struct change change;
	int ret = api_change_begin(call, &change);

	if (ret == 0)
		ret = config_read_backend(call->body, change.service, &spec, &call->err);
	if (ret == 0)
		ret = service_add_backend(change.service, &spec, &call->err);
	ret = api_change_end(call, &change, ret);
	return ret ? ret : answer_backend(call, 201, call->service, &spec.endpoint);
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
		ret = config_patch_backend(call->body, unix_ms(), change.backend, &call->err);
	}
	if (ret == 0)
		ret = service_spec_check(change.service, &call->err);
	ret = api_change_end(call, &change, ret);
	return ret ? ret : answer_backend(call, 200, call->service, &endpoint);
}

/* ?now=true, ?now=false or none. */
static int query_now(struct call *call, bool *ret_now)
{
	const char *now = http_query(call->request, "now");
	int ret;

	if (!now || strcmp(now, "false") == 0) {
		*ret_now = false;
	} else if (strcmp(now, "true") == 0) {
		*ret_now = true;
	} else {
		ret = error_set(&call->err, EINVAL, "parameter now: neither true nor false");
		return error_field(&call->err, ret, "now");
	}
	return 0;
}

static int query_deadline(struct call *call, uint64_t *ret_ms)
{
	const char *text = http_query(call->request, "deadline");
	int ret;

	*ret_ms = DRAIN_DEADLINE_MS;
	if (!text)
		return 0;
	ret = parse_duration(text, 1, DRAIN_DEADLINE_MAX_MS, ret_ms, &call->err);
	return ret ? error_field(&call->err, ret, "deadline") : 0;
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
		ret = query_now(call, &now);
	if (ret == 0)
		ret = query_deadline(call, &deadline_ms);
	if (ret == 0 && change.backend) {
		endpoint = change.backend->endpoint;
		change.backend->removing = true;
		change.backend->deadline_ms = unix_ms() + deadline_ms;
		if (now)
			service_remove_backend(change.service, change.backend);
	}
	ret = api_change_end(call, &change, ret);
	if (ret)
		return ret;
	return now ? answer_removed(call, format_endpoint(&endpoint, text))
		   : answer_backend(call, 202, call->service, &endpoint);
}
