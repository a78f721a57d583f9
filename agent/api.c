/* SPDX-License-Identifier: Apache-2.0 */
#include "api.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_call.h"
#include "etag.h"
#include "json.h"
#include "metrics.h"
#include "metrics_stream.h"
#include "page.h"

/* --- routing --- */

typedef int (*call_handler)(struct call *call);

/* Path segments behind /v1; a * takes any, the first is the service's, the second the backend's. */
static const struct route {
	const char *segments[4];
	call_handler get, put, post, patch, delete;
} routes[] = {
	{{"status"}, .get = api_status_get},
	{{"announce"}, .get = api_announce_get, .patch = api_announce_patch},
	{{"doctor"}, .get = api_doctor_get},
	{{"explain"}, .get = api_explain_get},
	{{"events"}, .get = api_events_get},
	{{"flows"}, .get = api_flows_get},
	{{"capture"}, .get = api_capture_get},
	{{"drops"}, .get = api_drops_get},
	{{"config"}, .get = api_config_get, .put = api_config_put},
	{{"plan"}, .post = api_plan_post},
	{{"rollout"},
	 .get = api_rollout_get,
	 .post = api_rollout_post,
	 .delete = api_rollout_delete},
	{{"sources"}, .get = api_sources_get, .post = api_sources_post},
	{{"services"}, .get = api_services_get, .post = api_services_post},
	{{"services", "*"},
	 .get = api_service_get,
	 .patch = api_service_patch,
	 .delete = api_service_delete},
	{{"services", "*", "scale"}, .get = api_scale_get},
	{{"scale", "webhook"}, .post = api_scale_webhook_post},
	{{"services", "*", "backends"}, .get = api_backends_get, .post = api_backends_post},
	{{"services", "*", "backends", "*"},
	 .get = api_backend_get,
	 .patch = api_backend_patch,
	 .delete = api_backend_delete},
};

static size_t route_length(const struct route *route)
{
	size_t length = 0;

	while (length < 4 && route->segments[length])
		length++;
	return length;
}

static bool route_matches(const struct route *route, struct call *call)
{
	const char **names[] = {&call->service, &call->backend};
	size_t i, name = 0;

	if (call->segment_count != route_length(route) + 1 || strcmp(call->segments[0], "v1") != 0)
		return false;
	call->service = NULL;
	call->backend = NULL;
	for (i = 0; i + 1 < call->segment_count; i++) {
		if (route->segments[i][0] == '*' && name < 2)
			*names[name++] = call->segments[i + 1];
		else if (strcmp(route->segments[i], call->segments[i + 1]) != 0)
			return false;
	}
	return true;
}

/* Decodes %XX. False: not decodable, a control character, or too long. */
static bool decode_segment(const char *text, size_t length, char segment[API_SEGMENT_MAX])
{
	size_t i, at = 0;
	int c, high, low;

	for (i = 0; i < length; i++) {
		c = (unsigned char)text[i];
		if (c == '%') {
			high = i + 2 < length ? hex_digit(text[i + 1]) : -1;
			low = high < 0 ? -1 : hex_digit(text[i + 2]);
			if (low < 0)
				return false;
			c = high << 4 | low;
			i += 2;
		}
		if (iscntrl(c) || at + 1 == API_SEGMENT_MAX)
			return false;
		segment[at++] = (char)c;
	}
	segment[at] = '\0';
	return at > 0;
}

static int split_path(struct call *call)
{
	const char *at = call->request->path;
	size_t length;
	bool fits = *at == '/';

	while (fits && *at == '/') {
		at++;
		length = strcspn(at, "/");
		fits = call->segment_count < API_SEGMENTS_MAX &&
		       decode_segment(at, length, call->segments[call->segment_count]);
		call->segment_count++;
		at += length;
	}
	if (!fits)
		return error_set(&call->err, ENOENT, "no such path");
	return 0;
}

static call_handler route_handler(const struct route *route, const char *method)
{
	if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
		return route->get;
	if (strcmp(method, "PUT") == 0)
		return route->put;
	if (strcmp(method, "POST") == 0)
		return route->post;
	if (strcmp(method, "PATCH") == 0)
		return route->patch;
	return strcmp(method, "DELETE") == 0 ? route->delete : NULL;
}

static int refuse_method(struct call *call, const struct route *route)
{
	int ret = error_set(&call->err, ENOTSUP, "%s: this path does not know the method",
			    call->request->method);

	return error_hint(&call->err, ret, "it knows%s%s%s%s%s", route->get ? " GET" : "",
			  route->put ? " PUT" : "", route->post ? " POST" : "",
			  route->patch ? " PATCH" : "", route->delete ? " DELETE" : "");
}

/* One loop: nothing comes between this and the change. */
static int check_generation(struct call *call, const struct route *route, call_handler handler)
{
	if (handler == route->get)
		return 0;
	return etag_check(http_header(call->request, "If-Match"),
			  manager_desired(call->api->manager)->generation, &call->err);
}

static int read_body(struct call *call, const struct route *route, call_handler handler)
{
	if (handler != route->put && handler != route->post && handler != route->patch)
		return 0;
	return json_parse(call->request->body, call->request->body_length, &call->body, &call->err);
}

static int dispatch(struct call *call)
{
	const struct route *route = routes, *end = routes + sizeof(routes) / sizeof(routes[0]);
	call_handler handler;
	int ret = split_path(call);

	if (ret)
		return ret;
	while (route < end && !route_matches(route, call))
		route++;
	if (route == end) {
		ret = error_set(&call->err, ENOENT, "no such path");
		return error_hint(&call->err, ret, "see docs/api.md");
	}
	handler = route_handler(route, call->request->method);
	if (!handler)
		return refuse_method(call, route);
	ret = check_generation(call, route, handler);
	if (ret == 0)
		ret = read_body(call, route, handler);
	return ret ? ret : handler(call);
}

/* What events it brings about are the peer's doing. */
static int handle_call(struct call *call)
{
	const struct http_request *request = call->request;
	char what[EVENT_TEXT_MAX + 1];
	int ret;

	snprintf(what, sizeof(what), "%s %s", request->method, request->path);
	events_act(call->api->events, request->peer, what);
	ret = dispatch(call);
	events_act(call->api->events, NULL, NULL);
	return ret;
}

/* --- errors --- */

static unsigned int status_of(int ret)
{
	switch (-ret) {
	case EINVAL:
		return 400;
	case EACCES:
		return 403;
	case ENOENT:
		return 404;
	case ENOTSUP:
		return 405;
	case EEXIST:
	case E2BIG:
		return 409;
	case ESTALE:
		return 412;
	case EAGAIN:
	case EBUSY:
		return 503;
	case ENOSPC: /* of the maps or of the disk */
		return 507;
	default:
		return 500;
	}
}

/* Without memory it still must be told whether anything has changed. */
static void answer_failed(const struct call *call, uint64_t generation, int ret,
			  struct http_response *response)
{
	bool done = manager_desired(call->api->manager)->generation != generation;

	if (done)
		http_no_memory(response, HTTP_NO_MEMORY("it is done, but lbagent is out of "
							"memory and cannot tell more"));
	else if (ret == -ENOMEM && strcmp(call->err.message, "out of memory") == 0)
		http_no_memory(response, HTTP_NO_MEMORY("lbagent is out of memory; nothing "
							"has changed"));
	else
		http_error(response, status_of(ret), &call->err);
}

/* --- plain text: /metrics and /healthz --- */

static void text_response(struct http_response *response, unsigned int status,
			  const char *content_type, char *text, size_t length)
{
	*response = (struct http_response){
		.status = status, .content_type = content_type, .body = text, .length = length};
}

/* NULL: all is well. */
static const char *health_problem(const struct api *api)
{
	const char *problem = manager_out_of_sync(api->manager);
	const struct port_problem *ports;
	size_t count;

	if (problem || !api->ports)
		return problem;
	ports = ports_problems(api->ports, &count);
	return count ? ports[0].reason : NULL;
}

static void handle_metrics(struct api *api, const struct http_request *request,
			   struct http_response *response)
{
	struct fleet_store_view store = {0};
	const struct figures_input input = {
		.manager = api->manager,
		.autoscaler = api->autoscaler,
		.store = api->store ? &store : NULL,
		.refused_tokens = api->door->guesses.refused,
		.process_started = api->process_started,
	};
	bool openmetrics = metrics_wants_openmetrics(http_header(request, "Accept"));
	struct http_stream *stream = NULL;
	struct error err;
	int ret;

	if (api->store)
		store = fleet_store_view(api->store);
	ret = metrics_stream_open(&input, openmetrics, &api->readers, &stream, &err);

	if (ret) {
		http_error(response, status_of(ret), &err);
		http_add_header(response, "Retry-After", "5");
		return;
	}
	*response = (struct http_response){
		.status = 200,
		.content_type = openmetrics ? METRICS_OPENMETRICS_TYPE : METRICS_TEXT_TYPE,
		.stream = stream,
	};
	http_add_header(response, "Vary", "Accept");
}

static bool handle_text(struct api *api, const struct http_request *request,
			struct http_response *response)
{
	const char *problem = health_problem(api);
	char *text;

	if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0)
		return false;
	if (strcmp(request->path, "/metrics") == 0) {
		handle_metrics(api, request, response);
		return true;
	}
	if (strcmp(request->path, "/healthz") != 0)
		return false;
	text = strdup(problem ? problem : "ok");
	text_response(response, problem ? 503 : 200, "text/plain; charset=utf-8", text,
		      text ? strlen(text) : 0);
	return true;
}

void api_handle(void *context, const struct http_request *request,
		struct http_response *ret_response)
{
	struct call call = {.api = context, .request = request};
	uint64_t generation = manager_desired(call.api->manager)->generation;
	char *text, etag[ETAG_TEXT_MAX];
	int ret;

	if (page_answer(request->method, request->path, http_header(request, "If-None-Match"),
			ret_response))
		return;
	if (handle_text(context, request, ret_response))
		return;
	ret = handle_call(&call);
	if (ret == -EINPROGRESS) {
		cJSON_Delete(call.body);
		ret_response->later = true;
		return;
	}
	if (ret >= 0 && call.stream) {
		*ret_response = (struct http_response){.status = call.status,
						       .content_type = call.content_type,
						       .stream = call.stream};
		return;
	}
	text = ret < 0 ? NULL : cJSON_Print(call.answer);
	if (!text && ret >= 0)
		ret = error_set(&call.err, ENOMEM, "out of memory");
	if (text)
		text_response(ret_response, call.status, "application/json", text, strlen(text));
	else
		answer_failed(&call, generation, ret, ret_response);
	http_add_header(ret_response, "ETag",
			etag_format(manager_desired(call.api->manager)->generation, etag));
	http_add_header(ret_response, "Cache-Control", "no-store");
	cJSON_Delete(call.answer);
	cJSON_Delete(call.body);
}
