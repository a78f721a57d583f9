/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "http_clients.h"
#include "parse.h"

#define CONNECTIONS_MAX  256 /* each listener's own: one cannot use up another's */
#define CONNECTIONS_EACH 128 /* of one IP address */
#define HEAD_SIZE_MAX    (16u << 10)
#define ANSWERS_MAX      (64u << 20) /* bytes of answers that wait for slow clients */
#define UNHEARD_MAX      (1u << 20)  /* of a refused body are read, so that the answer is seen */

/* How long a client may take: to send a request's head, its body, and to take the answer. */
#define HEAD_MS   15000
#define BODY_MS   30000
#define ANSWER_MS 30000
#define SWEEP_MS  1000
#define LATER_MS  10
#define FOR_EVER  0 /* a stream without end; its client's silence ends it */

/* How long nothing may come from it, nor be taken by it. */
#define SILENCE_S 15

struct http_server {
	struct http_options options;
	struct MHD_Daemon *daemon;
	struct clients clients;
	struct http_streams streams;
	size_t answers; /* bytes that wait to be taken */
	uv_poll_t poll;
	uv_timer_t timer, sweep, later;
	LIST_HEAD(waiting_head, incoming) waiting; /* for another ask of the handler */
	bool ended;                                /* a connection, in this run of libmicrohttpd */
	int closing;
};

/* A request whose body is still coming in, and then whose answer is going out. */
struct incoming {
	struct door_verdict verdict;
	char *body;
	size_t length, capacity;
	bool too_large;
	size_t answer;                     /* bytes */
	struct MHD_Connection *connection; /* while it waits */
	LIST_ENTRY(incoming) link;
};

/* --- what a handler asks and says --- */

static const char *lookup(const struct http_request *request, enum MHD_ValueKind kind,
			  const char *name)
{
	const char *value = NULL;
	size_t length = 0;

	if (MHD_lookup_connection_value_n(request->connection, kind, name, strlen(name), &value,
					  &length) != MHD_YES)
		return NULL;
	return value ? value : "";
}

const char *http_query(const struct http_request *request, const char *name)
{
	return lookup(request, MHD_GET_ARGUMENT_KIND, name);
}

const char *http_header(const struct http_request *request, const char *name)
{
	return lookup(request, MHD_HEADER_KIND, name);
}

void http_add_header(struct http_response *response, const char *name, const char *value)
{
	struct http_header *header = response->headers, *end = header + HTTP_HEADERS_MAX;

	while (header < end && header->name)
		header++;
	if (header == end)
		return;
	header->name = name;
	snprintf(header->value, sizeof(header->value), "%s", value);
}

void http_error(struct http_response *ret_response, unsigned int status, const struct error *err)
{
	cJSON *json = cJSON_CreateObject();
	bool whole = cJSON_AddStringToObject(json, "error", err->message) &&
		     cJSON_AddStringToObject(json, "field", err->field) &&
		     cJSON_AddStringToObject(json, "hint", err->hint);
	char *text = whole ? cJSON_Print(json) : NULL;

	cJSON_Delete(json);
	*ret_response = (struct http_response){.status = status,
					       .content_type = "application/json",
					       .body = text,
					       .length = text ? strlen(text) : 0};
	if (!text)
		http_no_memory(ret_response, HTTP_NO_MEMORY("lbagent is out of memory"));
}

void http_no_memory(struct http_response *ret_response, const char *json)
{
	*ret_response = (struct http_response){.status = MHD_HTTP_INTERNAL_SERVER_ERROR,
					       .content_type = "application/json",
					       .lasting = json,
					       .length = strlen(json)};
}

/* --- answers --- */

static struct client *client_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
		->socket_context;
}

/* From now on; milliseconds, or FOR_EVER. */
static void expect_within(const struct http_server *server, struct MHD_Connection *connection,
			  uint64_t ms)
{
	struct client *client = client_of(connection);

	if (client)
		client->deadline_ms = ms == FOR_EVER ? 0 : uv_now(server->sweep.loop) + ms;
}

/* Clients that ask for much and take nothing must not hold all memory. */
static void refuse_answer(struct http_response *answer)
{
	struct error err;

	free(answer->body);
	error_set(&err, EBUSY, "too many answers wait for slow clients");
	error_hint(&err, -EBUSY, "ask again in a few seconds");
	http_error(answer, MHD_HTTP_SERVICE_UNAVAILABLE, &err);
	http_add_header(answer, MHD_HTTP_HEADER_RETRY_AFTER, "5");
	http_add_header(answer, MHD_HTTP_HEADER_CONNECTION, "close");
}

/* Takes over what the answer owns. NULL: out of memory. */
static struct MHD_Response *make_response(struct http_server *server,
					  struct MHD_Connection *connection,
					  const struct http_response *answer)
{
	struct MHD_Response *response;

	if (answer->stream)
		return http_stream_start(answer->stream, &server->streams, connection);
	if (answer->lasting)
		return MHD_create_response_from_buffer(answer->length, (void *)answer->lasting,
						       MHD_RESPMEM_PERSISTENT);
	if (!answer->body)
		return NULL;
	response = MHD_create_response_from_buffer(answer->length, answer->body,
						   MHD_RESPMEM_MUST_FREE);
	if (!response)
		free(answer->body);
	return response;
}

static enum MHD_Result respond(struct http_server *server, struct incoming *incoming,
			       struct MHD_Connection *connection, struct http_response *answer)
{
	struct MHD_Response *response;
	enum MHD_Result ret;
	size_t i;

	if (answer->body && server->answers && server->answers + answer->length > ANSWERS_MAX)
		refuse_answer(answer);
	response = make_response(server, connection, answer);
	if (!response)
		return MHD_NO; /* the connection is closed */
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	for (i = 0; i < HTTP_HEADERS_MAX && answer->headers[i].name; i++)
		MHD_add_response_header(response, answer->headers[i].name,
					answer->headers[i].value);
	incoming->answer = answer->length;
	server->answers += answer->length;
	expect_within(server, connection,
		      answer->stream && !answer->stream->ends ? FOR_EVER : ANSWER_MS);
	ret = MHD_queue_response(connection, answer->status, response);
	MHD_destroy_response(response);
	return ret;
}

static enum MHD_Result respond_refused(struct http_server *server, struct incoming *incoming,
				       struct MHD_Connection *connection)
{
	const struct door_verdict *verdict = &incoming->verdict;
	struct http_response answer;
	char seconds[16];

	http_error(&answer, verdict->status, &verdict->err);
	if (verdict->status == MHD_HTTP_UNAUTHORIZED)
		http_add_header(&answer, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
				"Bearer realm=\"sluice\"");
	if (verdict->retry_s) {
		snprintf(seconds, sizeof(seconds), "%u", verdict->retry_s);
		http_add_header(&answer, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
		http_add_header(&answer, MHD_HTTP_HEADER_CONNECTION, "close");
	}
	return respond(server, incoming, connection, &answer);
}

static enum MHD_Result respond_too_large(struct http_server *server, struct incoming *incoming,
					 struct MHD_Connection *connection)
{
	struct http_response answer;
	struct error err;

	error_set(&err, EFBIG, "request body is larger than %zu MiB",
		  incoming->verdict.body_max >> 20);
	error_hint(&err, -EFBIG, "send services one by one, or all of them as PUT /v1/config");
	http_error(&answer, MHD_HTTP_CONTENT_TOO_LARGE, &err);
	return respond(server, incoming, connection, &answer);
}

static enum MHD_Result respond_early(struct http_server *server, struct incoming *incoming,
				     struct MHD_Connection *connection)
{
	return incoming->verdict.status ? respond_refused(server, incoming, connection)
					: respond_too_large(server, incoming, connection);
}

/* --- requests --- */

static int socket_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

static void ask_door(struct http_server *server, const struct http_request *head,
		     struct door_verdict *ret_verdict)
{
	char peer[PEER_TEXT_MAX];
	struct endpoint source = {0};
	int fd = socket_of(head->connection);
	struct door_visit visit = {
		.method = head->method,
		.path = head->path,
		.authorization = http_header(head, MHD_HTTP_HEADER_AUTHORIZATION),
		.peer = peer_describe(fd, peer),
	};

	if (peer_endpoint(fd, &source))
		visit.source = source.address;
	door_ask(server->options.door, &visit, uv_now(server->sweep.loop), ret_verdict);
}

/* The head is here. Answers at once where waiting for the body has no use: the client waits for
 * leave to send it, or it is long. Other bodies are read first, or the client might not see the
 * answer for its writing. */
static enum MHD_Result on_head(struct http_server *server, const struct http_request *head,
			       struct incoming *incoming)
{
	const char *length_text = http_header(head, MHD_HTTP_HEADER_CONTENT_LENGTH);
	struct error ignored;
	uint64_t length = 0;

	ask_door(server, head, &incoming->verdict);
	if (length_text && parse_number(length_text, 0, UINT64_MAX, &length, &ignored))
		length = UINT64_MAX;
	incoming->too_large = incoming->verdict.body_max && length > incoming->verdict.body_max;
	expect_within(server, head->connection, BODY_MS);
	if ((incoming->verdict.status || incoming->too_large) &&
	    http_header(head, MHD_HTTP_HEADER_EXPECT))
		return respond_early(server, incoming, head->connection);
	if (incoming->verdict.status && length > UNHEARD_MAX)
		return respond_early(server, incoming, head->connection);
	return MHD_YES;
}

/* Keeps what the door lets in and reads over the rest, of which `length` counts how much. */
static enum MHD_Result take_body(struct incoming *incoming, const char *data, size_t length)
{
	size_t needed = incoming->length + length + 1;
	char *body;

	if (incoming->verdict.status || incoming->verdict.body_max == 0) {
		incoming->length += length;
		return incoming->length > UNHEARD_MAX ? MHD_NO : MHD_YES;
	}
	if (needed > incoming->verdict.body_max + 1)
		incoming->too_large = true;
	if (incoming->too_large)
		return MHD_YES;
	if (needed > incoming->capacity) {
		body = realloc(incoming->body, needed * 2);
		if (!body)
			return MHD_NO;
		incoming->body = body;
		incoming->capacity = needed * 2;
	}
	memcpy(incoming->body + incoming->length, data, length);
	incoming->length += length;
	incoming->body[incoming->length] = '\0';
	return MHD_YES;
}

/* keep_encoded() has kept values encoded along with the path. In place: decoded is never longer. */
static enum MHD_Result decode_value(void *cls, enum MHD_ValueKind kind, const char *key,
				    const char *value)
{
	(void)cls;
	(void)kind;
	(void)key;
	if (value)
		MHD_http_unescape((char *)value);
	return MHD_YES;
}

/* Has the waiting ones' handlers asked again. */
static void wake_waiting(struct http_server *server)
{
	struct incoming *incoming;

	while (!LIST_EMPTY(&server->waiting)) {
		incoming = LIST_FIRST(&server->waiting);
		LIST_REMOVE(incoming, link);
		MHD_resume_connection(incoming->connection);
	}
}

static void server_run(struct http_server *server);

static void on_later(uv_timer_t *later)
{
	struct http_server *server = later->data;

	wake_waiting(server);
	server_run(server);
}

/* libmicrohttpd asks again when the connection is resumed. */
static enum MHD_Result wait_a_little(struct http_server *server, struct incoming *incoming,
				     struct MHD_Connection *connection)
{
	expect_within(server, connection, ANSWER_MS);
	incoming->connection = connection;
	LIST_INSERT_HEAD(&server->waiting, incoming, link);
	MHD_suspend_connection(connection);
	if (!uv_is_active((uv_handle_t *)&server->later))
		uv_timer_start(&server->later, on_later, LATER_MS, 0);
	return MHD_YES;
}

static enum MHD_Result on_whole(struct http_server *server, struct http_request *request,
				struct incoming *incoming)
{
	struct http_response answer = {0};
	uint64_t begin;

	if (incoming->verdict.status || incoming->too_large)
		return respond_early(server, incoming, request->connection);
	request->body = incoming->body ? incoming->body : "";
	request->body_length = incoming->body ? incoming->length : 0;
	request->peer = incoming->verdict.peer;
	begin = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	server->options.handler(server->options.context, request, &answer);
	door_spent(server->options.door, clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin);
	if (answer.later)
		return wait_a_little(server, incoming, request->connection);
	return respond(server, incoming, request->connection, &answer);
}

/* libmicrohttpd calls this first with the headers, then with parts of the body, then with none. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *data_size, void **state)
{
	struct http_request request = {.method = method, .path = url, .connection = connection};
	struct incoming *incoming = *state;
	enum MHD_Result ret;

	(void)version;
	if (!incoming) {
		MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, decode_value, NULL);
		*state = incoming = calloc(1, sizeof(*incoming));
		return incoming ? on_head(cls, &request, incoming) : MHD_NO;
	}
	if (*data_size) {
		ret = take_body(incoming, data, *data_size);
		*data_size = 0;
		return ret;
	}
	return on_whole(cls, &request, incoming);
}

static void on_request_done(void *cls, struct MHD_Connection *connection, void **state,
			    enum MHD_RequestTerminationCode code)
{
	struct http_server *server = cls;
	struct incoming *incoming = *state;

	(void)code;
	if (!incoming)
		return;
	expect_within(server, connection, HEAD_MS);
	server->answers -= incoming->answer;
	free(incoming->body);
	free(incoming);
	*state = NULL;
}

/* Paths are split first and decoded then, so that an encoded slash is no separator. */
static size_t keep_encoded(void *cls, struct MHD_Connection *connection, char *text)
{
	(void)cls;
	(void)connection;
	return strlen(text);
}

/* --- connections --- */

static void on_sweep(uv_timer_t *sweep)
{
	struct http_server *server = sweep->data;

	clients_expire(&server->clients, uv_now(sweep->loop));
	if (clients_none(&server->clients))
		uv_timer_stop(sweep);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct http_server *server = cls;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		client_free(*socket_context);
		*socket_context = NULL;
		server->ended = true;
		return;
	}
	*socket_context = client_new(&server->clients, socket_of(connection));
	if (!*socket_context) {
		shutdown(socket_of(connection), SHUT_RDWR); /* nobody would ever end it */
		return;
	}
	expect_within(server, connection, HEAD_MS);
	if (!uv_is_active((uv_handle_t *)&server->sweep))
		uv_timer_start(&server->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
}

/* --- the loop --- */

static void on_timer(uv_timer_t *timer);

/* Lets libmicrohttpd work and asks when it wants to be called without an event. At its limit of
 * connections it stops listening; only the run after one has ended begins again. */
static void server_run(struct http_server *server)
{
	MHD_UNSIGNED_LONG_LONG timeout = 0;
	bool again;

	server->ended = false;
	MHD_run(server->daemon);
	again = MHD_get_timeout(server->daemon, &timeout) == MHD_YES;
	if (server->ended)
		timeout = 0;
	if (again || server->ended)
		uv_timer_start(&server->timer, on_timer, timeout, 0);
	else
		uv_timer_stop(&server->timer);
}

static void on_timer(uv_timer_t *timer)
{
	server_run(timer->data);
}

static void on_kick(void *context)
{
	struct http_server *server = context;

	uv_timer_start(&server->timer, on_timer, 0, 0);
}

static void on_spent(void *context, uint64_t ns)
{
	struct http_server *server = context;

	door_spent(server->options.door, ns);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	server_run(poll->data);
}

static struct MHD_Daemon *start_daemon(struct http_server *server, int fd)
{
	struct MHD_OptionItem tls[TLS_OPTIONS] = {{.option = MHD_OPTION_END}};
	unsigned int flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;

	if (server->options.tls) {
		flags |= MHD_USE_TLS;
		tls_options(server->options.tls, tls);
	}
	return MHD_start_daemon(flags, 0, NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET,
				fd, MHD_OPTION_NOTIFY_COMPLETED, on_request_done, server,
				MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
				MHD_OPTION_UNESCAPE_CALLBACK, keep_encoded, NULL,
				MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS_MAX,
				MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned int)CONNECTIONS_EACH,
				MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)SILENCE_S,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEAD_SIZE_MAX,
				MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

int http_server_new(uv_loop_t *loop, int fd, const struct http_options *options,
		    struct http_server **ret_server, struct error *err)
{
	struct http_server *server = calloc(1, sizeof(*server));
	const union MHD_DaemonInfo *info;

	if (!server)
		return error_set(err, ENOMEM, "out of memory");
	server->options = *options;
	LIST_INIT(&server->streams.head);
	LIST_INIT(&server->waiting);
	server->streams.kick = on_kick;
	server->streams.spent = on_spent;
	server->streams.context = server;
	server->daemon = start_daemon(server, fd);
	if (!server->daemon) {
		free(server);
		return error_set(err, EIO, "HTTP server cannot be started");
	}
	info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	uv_poll_init(loop, &server->poll, info->epoll_fd);
	uv_timer_init(loop, &server->timer);
	uv_timer_init(loop, &server->sweep);
	uv_timer_init(loop, &server->later);
	server->poll.data = server;
	server->timer.data = server;
	server->sweep.data = server;
	server->later.data = server;
	uv_poll_start(&server->poll, UV_READABLE, on_poll);
	*ret_server = server;
	return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct http_server *server = handle->data;

	if (--server->closing)
		return;
	http_streams_wake(&server->streams);
	wake_waiting(server);
	MHD_stop_daemon(server->daemon);
	free(server);
}

void http_server_free(struct http_server *server)
{
	if (!server)
		return;
	server->closing = 4;
	uv_close((uv_handle_t *)&server->poll, on_handle_closed);
	uv_close((uv_handle_t *)&server->timer, on_handle_closed);
	uv_close((uv_handle_t *)&server->sweep, on_handle_closed);
	uv_close((uv_handle_t *)&server->later, on_handle_closed);
}
