/* SPDX-License-Identifier: Apache-2.0 */
#include "http.h"

#include <errno.h>
#include <grp.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "peer.h"

#define CONNECTIONS_MAX      256
#define CONNECTION_TIMEOUT_S 15

struct http_server {
	struct MHD_Daemon *daemon;
	uv_poll_t poll;
	uv_timer_t timer;
	int closing;
	bool read_only;
	http_handler handler;
	void *context;
};

/* A request whose body is still coming in. */
struct incoming {
	char *body;
	size_t length, capacity;
	bool too_large;
};

const char *http_query(const struct http_request *request, const char *name)
{
	const char *value = NULL;
	size_t length = 0;

	if (MHD_lookup_connection_value_n(request->connection, MHD_GET_ARGUMENT_KIND, name,
					  strlen(name), &value, &length) != MHD_YES)
		return NULL;
	return value ? value : "";
}

/* --- listening --- */

static bool somebody_answers(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool answers = fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0;

	if (fd >= 0)
		close(fd);
	return answers;
}

static void give_to_group(const char *path, const char *group)
{
	const struct group *entry = getgrnam(group);

	/* Without the group the socket stays the owner's alone, which is safe. */
	if (entry && chown(path, (uid_t)-1, entry->gr_gid) == 0)
		return;
}

static int listen_error(int fd, const char *where, struct error *err)
{
	int code = errno;

	if (fd >= 0)
		close(fd);
	return error_set(err, code, "cannot listen on %s: %s", where, strerror(code));
}

int http_listen_unix(const char *path, const char *group, int *ret_fd, struct error *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	mode_t mask;
	int fd, ret;

	if (strlen(path) >= sizeof(addr.sun_path))
		return error_set(err, ENAMETOOLONG, "socket %s: longer than %zu bytes", path,
				 sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	if (somebody_answers(&addr)) {
		ret = error_set(err, EADDRINUSE, "socket %s: another lbagent answers there", path);
		return error_hint(err, ret, "stop it first, or give --socket another path");
	}
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mask = umask(0117); /* from its first moment: mode 0660 */
	ret = fd < 0 ? -1 : bind(fd, (const struct sockaddr *)&addr, sizeof(addr));
	umask(mask);
	if (ret || listen(fd, SOMAXCONN)) {
		ret = listen_error(fd, path, err);
		return error_hint(err, ret, "the directory must exist; give --socket PATH");
	}
	give_to_group(path, group);
	*ret_fd = fd;
	return 0;
}

int http_listen_tcp(const struct endpoint *endpoint, int *ret_fd, struct error *err)
{
	char text[ENDPOINT_TEXT_MAX];
	struct sockaddr_storage addr;
	socklen_t length = endpoint_sockaddr(endpoint, &addr);
	int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, ret;

	format_endpoint(endpoint, text);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (const struct sockaddr *)&addr, length) || listen(fd, SOMAXCONN)) {
		ret = listen_error(fd, text, err);
		return error_hint(err, ret, "give --listen ADDR:PORT");
	}
	*ret_fd = fd;
	return 0;
}

/* --- requests --- */

static enum MHD_Result respond(struct MHD_Connection *connection,
			       const struct http_response *answer)
{
	struct MHD_Response *response;
	enum MHD_Result ret;

	if (!answer->body)
		return MHD_NO; /* out of memory: the connection is closed */
	response = MHD_create_response_from_buffer(answer->length, answer->body,
						   MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(answer->body);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	ret = MHD_queue_response(connection, answer->status, response);
	MHD_destroy_response(response);
	return ret;
}

static enum MHD_Result refuse_large(struct MHD_Connection *connection)
{
	static const char text[] = "{\"error\":\"request body is larger than 1 MiB\","
				   "\"field\":\"\",\"hint\":\"\"}\n";
	struct http_response answer = {
		.status = MHD_HTTP_CONTENT_TOO_LARGE,
		.content_type = "application/json",
		.body = strdup(text),
		.length = sizeof(text) - 1,
	};

	return respond(connection, &answer);
}

static enum MHD_Result take_body(struct incoming *incoming, const char *data, size_t length)
{
	size_t needed = incoming->length + length + 1;
	char *body;

	if (needed > HTTP_BODY_MAX + 1)
		incoming->too_large = true;
	if (incoming->too_large)
		return MHD_YES; /* read on, so that the client sees our answer */
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

static int socket_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

/* libmicrohttpd calls this first with the headers, then with parts of the body, then with none. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *data_size, void **state)
{
	struct http_server *server = cls;
	struct incoming *incoming = *state;
	struct http_response answer = {0};
	char peer[PEER_TEXT_MAX];
	enum MHD_Result ret;

	(void)version;
	if (!incoming) {
		MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, decode_value, NULL);
		*state = calloc(1, sizeof(*incoming));
		return *state ? MHD_YES : MHD_NO;
	}
	if (*data_size) {
		ret = take_body(incoming, data, *data_size);
		*data_size = 0;
		return ret;
	}
	if (incoming->too_large)
		return refuse_large(connection);
	server->handler(server->context,
			&(struct http_request){
				.method = method,
				.path = url,
				.body = incoming->body ? incoming->body : "",
				.body_length = incoming->length,
				.read_only = server->read_only,
				.peer = peer_describe(socket_of(connection), peer),
				.connection = connection,
			},
			&answer);
	return respond(connection, &answer);
}

static void on_request_done(void *cls, struct MHD_Connection *connection, void **state,
			    enum MHD_RequestTerminationCode code)
{
	struct incoming *incoming = *state;

	(void)cls;
	(void)connection;
	(void)code;
	if (!incoming)
		return;
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

/* --- the loop --- */

static void on_timer(uv_timer_t *timer);

/* Lets libmicrohttpd work and asks when it wants to be called without an event. */
static void server_run(struct http_server *server)
{
	MHD_UNSIGNED_LONG_LONG timeout = 0;

	MHD_run(server->daemon);
	if (MHD_get_timeout(server->daemon, &timeout) == MHD_YES)
		uv_timer_start(&server->timer, on_timer, timeout ? timeout : 1, 0);
	else
		uv_timer_stop(&server->timer);
}

static void on_timer(uv_timer_t *timer)
{
	server_run(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	server_run(poll->data);
}

int http_server_new(uv_loop_t *loop, int fd, bool read_only, http_handler handler, void *context,
		    struct http_server **ret_server, struct error *err)
{
	struct http_server *server = calloc(1, sizeof(*server));
	const union MHD_DaemonInfo *info;

	if (!server)
		return error_set(err, ENOMEM, "out of memory");
	server->read_only = read_only;
	server->handler = handler;
	server->context = context;
	server->daemon = MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_NOTIFY_COMPLETED, on_request_done, NULL, MHD_OPTION_UNESCAPE_CALLBACK,
		keep_encoded, NULL, MHD_OPTION_CONNECTION_LIMIT, (unsigned int)CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)CONNECTION_TIMEOUT_S, MHD_OPTION_END);
	if (!server->daemon) {
		free(server);
		return error_set(err, EIO, "HTTP server cannot be started");
	}
	info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	uv_poll_init(loop, &server->poll, info->epoll_fd);
	uv_timer_init(loop, &server->timer);
	server->poll.data = server;
	server->timer.data = server;
	uv_poll_start(&server->poll, UV_READABLE, on_poll);
	*ret_server = server;
	return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct http_server *server = handle->data;

	if (--server->closing)
		return;
	MHD_stop_daemon(server->daemon);
	free(server);
}

void http_server_free(struct http_server *server)
{
	if (!server)
		return;
	server->closing = 2;
	uv_close((uv_handle_t *)&server->poll, on_handle_closed);
	uv_close((uv_handle_t *)&server->timer, on_handle_closed);
}
