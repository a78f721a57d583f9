/* SPDX-License-Identifier: Apache-2.0 */
#include "api.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config.h"
#include "json.h"
#include "log.h"
#include "metrics.h"
#include "view.h"

#define SEGMENTS_MAX          5
#define SEGMENT_MAX           128
#define DRAIN_DEADLINE_MS     30000
#define DRAIN_DEADLINE_MAX_MS (24ULL * 3600 * 1000)

/* One call under way. */
struct call {
	struct api *api;
	const struct http_request *request;
	char segments[SEGMENTS_MAX][SEGMENT_MAX]; /* of the path, decoded */
	size_t segment_count;
	const char *service; /* names of the path, NULL where the path has none */
	const char *backend;
	cJSON *body; /* parsed; NULL: none */
	unsigned int status;
	cJSON *answer;
	struct error err;
};

static uint64_t unix_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- answers --- */

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
	case ENOSPC: /* of the maps or of the disk */
		return 507;
	default:
		return 500;
	}
}

/* Takes json over; NULL: out of memory. */
static int answer(struct call *call, unsigned int status, cJSON *json)
{
	if (!json)
		return error_set(&call->err, ENOMEM, "out of memory");
	call->status = status;
	call->answer = json;
	return 0;
}

static int answer_removed(struct call *call, const char *what)
{
	cJSON *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "removed", what);
	return answer(call, 200, json);
}

static int answer_backend(struct call *call, unsigned int status, const char *service_name,
			  const struct endpoint *endpoint)
{
	const struct service_spec *service =
		desired_service(manager_desired(call->api->manager), service_name);

	return answer(call, status,
		      view_backend(call->api->manager, service_backend(service, endpoint)));
}

static cJSON *error_json(const struct error *err)
{
	cJSON *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "error", err->message);
	cJSON_AddStringToObject(json, "field", err->field);
	cJSON_AddStringToObject(json, "hint", err->hint);
	return json;
}

/* --- changes: on a clone, committed as a whole --- */

/* A clone to change; the service and backend of the path in it, where the path names them. */
struct change {
	struct desired *next;
	struct service_spec *service;
	struct backend_spec *backend;
};

static int change_begin(struct call *call, struct change *change)
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

/* Commits if ret is 0, else throws the clone away. */
static int change_end(struct call *call, struct change *change, int ret)
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

/* --- /v1/services --- */

static int services_get(struct call *call)
{
	return answer(call, 200, view_services(call->api->manager));
}

static int services_post(struct call *call)
{
	struct service_spec spec = {0};
	struct change change;
	char name[SERVICE_NAME_MAX + 1] = "";
	int ret = change_begin(call, &change);

	if (ret == 0)
		ret = config_read_service(call->body, &spec, &call->err);
	if (ret == 0) {
		memcpy(name, spec.name, sizeof(name));
		ret = desired_add_service(change.next, &spec, &call->err);
	}
	service_spec_clear(&spec);
	ret = change_end(call, &change, ret);
	if (ret)
		return ret;
	return answer(call, 201,
		      view_service(call->api->manager,
				   desired_service(manager_desired(call->api->manager), name)));
}

/* --- /v1/services/NAME --- */

static int service_get(struct call *call)
{
	struct service_spec *service;
	int ret = desired_require_service(manager_desired(call->api->manager), call->service,
					  &service, &call->err);

	return ret ? ret : answer(call, 200, view_service(call->api->manager, service));
}

static int service_patch(struct call *call)
{
	struct change change;
	int ret = change_begin(call, &change);

	if (ret == 0)
		ret = config_patch_service(call->body, change.service, &call->err);
	ret = change_end(call, &change, ret);
	return ret ? ret : service_get(call);
}

static int service_delete(struct call *call)
{
	struct change change;
	int ret = change_begin(call, &change);

	if (ret == 0)
		desired_remove_service(change.next, change.service);
	ret = change_end(call, &change, ret);
	return ret ? ret : answer_removed(call, call->service);
}

/* --- /v1/services/NAME/backends --- */

static int backends_get(struct call *call)
{
	struct service_spec *service;
	int ret = desired_require_service(manager_desired(call->api->manager), call->service,
					  &service, &call->err);

	return ret ? ret : answer(call, 200, view_backends(call->api->manager, service));
}

static int backends_post(struct call *call)
{
	struct backend_spec spec = {0};
	struct change change;
	int ret = change_begin(call, &change);

	if (ret == 0)
		ret = config_read_backend(call->body, change.service, &spec, &call->err);
	if (ret == 0)
		ret = service_add_backend(change.service, &spec, &call->err);
	ret = change_end(call, &change, ret);
	return ret ? ret : answer_backend(call, 201, call->service, &spec.endpoint);
}

/* --- /v1/services/NAME/backends/ADDR:PORT --- */

static int backend_get(struct call *call)
{
	struct service_spec *service;
	struct backend_spec *backend;
	int ret = desired_require_service(manager_desired(call->api->manager), call->service,
					  &service, &call->err);

	if (ret == 0)
		ret = service_require_backend(service, call->backend, &backend, &call->err);
	return ret ? ret : answer(call, 200, view_backend(call->api->manager, backend));
}

static int backend_patch(struct call *call)
{
	struct endpoint endpoint = {0};
	struct change change;
	int ret = change_begin(call, &change);

	if (ret == 0 && change.backend) {
		endpoint = change.backend->endpoint;
		ret = config_patch_backend(call->body, unix_ms(), change.backend, &call->err);
	}
	if (ret == 0)
		ret = service_spec_check(change.service, &call->err);
	ret = change_end(call, &change, ret);
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
static int backend_delete(struct call *call)
{
	struct endpoint endpoint = {0};
	char text[ENDPOINT_TEXT_MAX];
	struct change change;
	uint64_t deadline_ms = 0;
	bool now = false;
	int ret = change_begin(call, &change);

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
	ret = change_end(call, &change, ret);
	if (ret)
		return ret;
	return now ? answer_removed(call, format_endpoint(&endpoint, text))
		   : answer_backend(call, 202, call->service, &endpoint);
}

/* --- /v1/status --- */

static int status_get(struct call *call)
{
	double uptime = (double)(uv_hrtime() - call->api->started_ns) / 1e9;
	const struct dataplane_interface *interfaces;
	size_t count;

	interfaces = dataplane_bpf_interfaces(call->api->dp, &count);
	return answer(call, 200, view_status(call->api->manager, interfaces, count, uptime));
}

/* --- routing --- */

typedef int (*call_handler)(struct call *call);

/* Path segments behind /v1; a * takes any, the first is the service's, the second the backend's. */
static const struct route {
	const char *segments[4];
	call_handler get, post, patch, delete;
} routes[] = {
	{{"status"}, .get = status_get},
	{{"services"}, .get = services_get, .post = services_post},
	{{"services", "*"}, .get = service_get, .patch = service_patch, .delete = service_delete},
	{{"services", "*", "backends"}, .get = backends_get, .post = backends_post},
	{{"services", "*", "backends", "*"},
	 .get = backend_get,
	 .patch = backend_patch,
	 .delete = backend_delete},
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

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes %XX. False: not decodable, a control character, or too long. */
static bool decode_segment(const char *text, size_t length, char segment[SEGMENT_MAX])
{
	size_t i, at = 0;
	int c, high, low;

	for (i = 0; i < length; i++) {
		c = (unsigned char)text[i];
		if (c == '%') {
			high = i + 2 < length ? hex_value(text[i + 1]) : -1;
			low = high < 0 ? -1 : hex_value(text[i + 2]);
			if (low < 0)
				return false;
			c = high << 4 | low;
			i += 2;
		}
		if (iscntrl(c) || at + 1 == SEGMENT_MAX)
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
		fits = call->segment_count < SEGMENTS_MAX &&
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

	return error_hint(&call->err, ret, "it knows%s%s%s%s", route->get ? " GET" : "",
			  route->post ? " POST" : "", route->patch ? " PATCH" : "",
			  route->delete ? " DELETE" : "");
}

static int check_access(struct call *call, const struct route *route, call_handler handler)
{
	int ret;

	if (call->request->read_only && handler != route->get) {
		ret = error_set(&call->err, EACCES, "this listener is read-only");
		return error_hint(&call->err, ret, "use the Unix socket: lbctl --socket PATH");
	}
	return 0;
}

static int read_body(struct call *call, const struct route *route, call_handler handler)
{
	if (handler != route->post && handler != route->patch)
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
	ret = check_access(call, route, handler);
	if (ret == 0)
		ret = read_body(call, route, handler);
	return ret ? ret : handler(call);
}

/* --- plain text: /metrics and /healthz --- */

static void text_response(struct http_response *response, unsigned int status,
			  const char *content_type, char *text, size_t length)
{
	*response = (struct http_response){
		.status = status, .content_type = content_type, .body = text, .length = length};
}

static bool handle_text(struct api *api, const struct http_request *request,
			struct http_response *response)
{
	const char *problem = manager_out_of_sync(api->manager);
	char *text;
	size_t length;

	if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0)
		return false;
	if (strcmp(request->path, "/metrics") == 0) {
		text = metrics_text(api->manager, &length);
		text_response(response, 200, METRICS_CONTENT_TYPE, text, length);
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
	char *text;
	int ret;

	if (handle_text(context, request, ret_response))
		return;
	ret = dispatch(&call);
	if (ret) {
		cJSON_Delete(call.answer);
		call.status = status_of(ret);
		call.answer = error_json(&call.err);
	}
	text = call.answer ? cJSON_Print(call.answer) : NULL;
	text_response(ret_response, call.status, "application/json", text, text ? strlen(text) : 0);
	cJSON_Delete(call.answer);
	cJSON_Delete(call.body);
}
