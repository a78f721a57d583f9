/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front end: libmicrohttpd calls the handler once with a request's header, once for each piece
 * of its body, once at the end; and once more whenever a suspended connection is resumed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "parse.h"
#include "webapp_route.h"
#include "webapp_server.h"

/* What is read and thrown away of a body that is too long, so that the client reads our answer.
 * Beyond that it is cut off. */
#define EXCESS_MAX (1U << 20)

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* --- the end --- */

static enum MHD_Result send_answer(struct webapp_request *request)
{
	struct webapp_call *call = &request->call;
	struct webapp_server *server = request->server;
	struct MHD_Response *response;
	enum MHD_Result result;

	response = MHD_create_response_from_buffer(call->text_length, call->text,
						   MHD_RESPMEM_MUST_FREE);
	if (!response)
		return MHD_NO;
	call->text = NULL;
	if (call->content_type)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, call->content_type);
	if (call->header.name)
		MHD_add_response_header(response, call->header.name, call->header.value);
	MHD_add_response_header(response, "X-Served-By", server->options.name);
	if (atomic_load(&server->stopping))
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	webapp_metrics_count(server->metrics, request->endpoint, request->method, call->status,
			     now_us() - request->begin_us,
			     !request->route || request->route->aside);
	result = MHD_queue_response(request->connection, call->status, response);
	MHD_destroy_response(response);
	return result;
}

void webapp_request_completed(void *context, struct MHD_Connection *connection, void **opaque,
			      enum MHD_RequestTerminationCode code)
{
	struct webapp_request *request = *opaque;
	struct webapp_server *server = context;

	(void)connection;
	(void)code;
	if (!request)
		return;
	free(request->call.text);
	free(request->body);
	free(request);
	*opaque = NULL;
	webapp_metrics_end(server->metrics);
}

/* --- the beginning --- */

/* What becomes of requests that no route takes. */
static void refuse_route(struct webapp_request *request, const char *path, int reason)
{
	const struct webapp_server *server = request->server;
	char allowed[64];
	struct error err;

	if (reason == -ENOENT) {
		error_set(&err, ENOENT, "%.200s: no such path", path);
		webapp_answer_error(&request->call, MHD_HTTP_NOT_FOUND, &err);
		return;
	}
	webapp_route_allowed(server->routes, server->route_count, path, allowed, sizeof(allowed));
	error_set(&err, EOPNOTSUPP, "%.200s: not by this method", path);
	error_hint(&err, 0, "allowed: %s", allowed);
	webapp_answer_error(&request->call, MHD_HTTP_METHOD_NOT_ALLOWED, &err);
	webapp_answer_header(&request->call, MHD_HTTP_HEADER_ALLOW, "%s", allowed);
}

static struct webapp_request *request_new(struct webapp_server *server,
					  struct MHD_Connection *connection, const char *url,
					  const char *method)
{
	struct webapp_request *request = calloc(1, sizeof(*request));
	int index;

	if (!request)
		return NULL;
	webapp_metrics_begin(server->metrics);
	request->server = server;
	request->connection = connection;
	request->method = method;
	request->begin_us = now_us();
	request->call.name = server->options.name;
	request->call.body = "";
	index = webapp_route_find(server->routes, server->route_count, method, url,
				  &request->endpoint, &request->call.argument);
	if (index < 0) {
		refuse_route(request, url, index);
		return request;
	}
	request->route = &server->routes[index];
	return request;
}

/* --- the body --- */

static void refuse_long(struct webapp_request *request)
{
	struct error err;

	error_set(&err, EFBIG, "the body is longer than %zu bytes", request->server->app->body_max);
	webapp_answer_error(&request->call, MHD_HTTP_CONTENT_TOO_LARGE, &err);
	request->route = NULL;
}

static bool is_json(const char *type)
{
	static const char json[] = "application/json";
	const size_t length = sizeof(json) - 1;

	return type && strncasecmp(type, json, length) == 0 &&
	       (type[length] == '\0' || type[length] == ';' || type[length] == ' ');
}

/* True if nothing of the body need be read: the answer is known from the header. */
static bool refuse_header(struct webapp_request *request)
{
	const char *length = webapp_header(&request->call, MHD_HTTP_HEADER_CONTENT_LENGTH);
	struct error err;
	uint64_t bytes;

	if (!request->route)
		return false;
	if (request->route->takes_json &&
	    !is_json(webapp_header(&request->call, MHD_HTTP_HEADER_CONTENT_TYPE))) {
		error_set(&err, EINVAL, "the body is not said to be JSON");
		error_field(&err, 0, MHD_HTTP_HEADER_CONTENT_TYPE);
		error_hint(&err, 0, "send Content-Type: application/json");
		webapp_answer_error(&request->call, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, &err);
		request->route = NULL;
	} else if (length && (parse_number(length, 0, UINT64_MAX, &bytes, &err) < 0 ||
			      bytes > request->server->app->body_max)) {
		refuse_long(request);
		return true;
	}
	return false;
}

/* Keeps a piece of the body, or throws it away. MHD_NO cuts the client off. */
static enum MHD_Result read_body(struct webapp_request *request, const char *body, size_t size)
{
	const size_t max = request->server->app->body_max;
	char *room;

	request->body_seen += size;
	if (request->body_seen > max + EXCESS_MAX)
		return MHD_NO;
	if (!request->route)
		return MHD_YES;
	if (request->body_seen > max) {
		refuse_long(request);
		return MHD_YES;
	}
	if (request->body_length + size >= request->body_room) {
		request->body_room = 2 * (request->body_length + size) + 1;
		room = realloc(request->body, request->body_room);
		if (!room)
			return MHD_NO;
		request->body = room;
	}
	memcpy(request->body + request->body_length, body, size);
	request->body_length += size;
	request->body[request->body_length] = '\0';
	return MHD_YES;
}

/* --- the handler --- */

void webapp_request_run(struct webapp_request *request, size_t worker)
{
	struct webapp_call *call = &request->call;

	call->worker = worker;
	if (request->body) {
		call->body = request->body;
		call->body_length = request->body_length;
	}
	request->route->handle(request->server->context, call);
}

void webapp_request_resume(struct webapp_request *request)
{
	request->answered = true;
	MHD_resume_connection(request->connection);
}

/* Suspended first: a worker may be done before push returns. */
static enum MHD_Result hand_over(struct webapp_request *request)
{
	struct error err;

	MHD_suspend_connection(request->connection);
	if (webapp_workers_push(request->server->workers, request))
		return MHD_YES;
	error_set(&err, EBUSY, "too many requests wait already");
	error_hint(&err, 0, "try again in a second");
	webapp_answer_error(&request->call, MHD_HTTP_SERVICE_UNAVAILABLE, &err);
	webapp_answer_header(&request->call, MHD_HTTP_HEADER_RETRY_AFTER, "1");
	webapp_request_resume(request);
	return MHD_YES;
}

static enum MHD_Result finish(struct webapp_request *request)
{
	uint64_t delay_ms;

	if (request->answered || !request->route)
		return send_answer(request);
	if (request->server->workers && !request->route->aside)
		return hand_over(request);
	webapp_request_run(request, 0);
	delay_ms = request->call.delay_ms;
	if (delay_ms == 0)
		return send_answer(request);
	MHD_suspend_connection(request->connection);
	webapp_delay_add(request->server->delay, request, delay_ms);
	return MHD_YES;
}

enum MHD_Result webapp_request_handle(void *context, struct MHD_Connection *connection,
				      const char *url, const char *method, const char *version,
				      const char *body, size_t *body_size, void **opaque)
{
	struct webapp_request *request = *opaque;
	size_t size = *body_size;

	(void)version;
	if (!request) {
		request = request_new(context, connection, url, method);
		*opaque = request;
		if (!request)
			return MHD_NO;
		return refuse_header(request) ? send_answer(request) : MHD_YES;
	}
	if (size > 0) {
		*body_size = 0;
		return read_body(request, body, size);
	}
	return finish(request);
}
