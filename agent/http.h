/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_HTTP_H
#define SLUICE_HTTP_H

/*
 * HTTP on the agent's loop: libmicrohttpd's epoll descriptor watched by libuv. Requests are
 * handed over whole, answers are given at once; nothing blocks, slow clients cost only their
 * connection and only until it times out.
 */
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "error.h"
#include "parse.h"

#define HTTP_BODY_MAX (1u << 20)

struct http_request {
	const char *method;
	const char *path; /* still percent-encoded */
	const char *body; /* NUL-terminated; "" if there is none */
	size_t body_length;
	bool read_only;   /* came in by a door that may not change anything */
	const char *peer; /* who asks: "uid 0 (root), pid 123", "198.18.0.2:4711" */
	void *connection;
};

struct http_response {
	unsigned int status;
	const char *content_type;
	char *body; /* malloc'ed; freed by the server */
	size_t length;
};

/* The value of ?name=, percent-decoded, or NULL. "" for a bare ?name. Valid during the request. */
const char *http_query(const struct http_request *request, const char *name);

typedef void (*http_handler)(void *context, const struct http_request *request,
			     struct http_response *ret_response);

struct http_server;

/* Listening sockets. -EADDRINUSE if another agent answers at path; a dead one's file is replaced.
 * mode 0660, group as given if that exists. */
int http_listen_unix(const char *path, const char *group, int *ret_fd, struct error *err);
int http_listen_tcp(const struct endpoint *endpoint, int *ret_fd, struct error *err);

/* Takes fd over on success. The handler must outlive the server. */
int http_server_new(uv_loop_t *loop, int fd, bool read_only, http_handler handler, void *context,
		    struct http_server **ret_server, struct error *err);

/* Closes all connections; the loop must run once more to close handles. NULL-safe. */
void http_server_free(struct http_server *server);

#endif
