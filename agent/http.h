/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_HTTP_H
#define SLUICE_HTTP_H

/*
 * HTTP on the agent's loop: libmicrohttpd's epoll descriptor watched by libuv. A request's head
 * is shown to the door first; what that refuses is answered without its body being kept. Others
 * are handed over whole, answers are given at once, or when the handler has one. Nothing blocks; a
 * slow client costs its connection, and that only until a deadline.
 */
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "door.h"
#include "error.h"
#include "http_stream.h"
#include "tls.h"

#define HTTP_HEADERS_MAX 4

struct http_request {
	const char *method;
	const char *path; /* still percent-encoded */
	const char *body; /* NUL-terminated; "" if there is none */
	size_t body_length;
	const char *peer; /* who asks: "uid 0 (root), pid 123", "token NAME from 198.18.0.2:4711" */
	void *connection;
};

struct http_header {
	const char *name; /* NULL: none */
	char value[224];
};

struct http_response {
	unsigned int status;
	const char *content_type;
	struct http_header headers[HTTP_HEADERS_MAX]; /* besides Content-Type */
	char *body;          /* malloc'ed; freed by the server. NULL: out of memory */
	const char *lasting; /* in place of body, if not NULL: bytes that stay and are not freed */
	size_t length;
	struct http_stream *stream; /* in place of body, if not NULL; the server closes it */
	bool later; /* in place of all of it: the handler is asked again, some 10 ms later */
};

/* The value of ?name=, percent-decoded, or NULL. "" for a bare ?name. Valid during the request. */
const char *http_query(const struct http_request *request, const char *name);

/* The value of a header, or NULL. Valid during the request. */
const char *http_header(const struct http_request *request, const char *name);

/* Adds a header while there is room. */
void http_add_header(struct http_response *response, const char *name, const char *value);

/* err as the JSON document of docs/api.md. */
void http_error(struct http_response *ret_response, unsigned int status, const struct error *err);

/* Such a document of constant texts, for http_no_memory(). */
#define HTTP_NO_MEMORY(text)                                                                       \
	"{\n\t\"error\":\t\"" text "\",\n\t\"hint\":\t\"free memory on this machine, "             \
	"or raise MemoryMax= of lbagent.service\"\n}"

/* An error that needs no memory to be told; json stays where it is. */
void http_no_memory(struct http_response *ret_response, const char *json);

typedef void (*http_handler)(void *context, const struct http_request *request,
			     struct http_response *ret_response);

struct http_options {
	struct door *door;
	const struct tls *tls; /* NULL: plain HTTP */
	http_handler handler;
	void *context; /* of handler */
};

struct http_server;

/* Takes the listening socket fd over on success. What options point at must outlive the server. */
int http_server_new(uv_loop_t *loop, int fd, const struct http_options *options,
		    struct http_server **ret_server, struct error *err);

/* Closes all connections; the loop must run once more to close handles. NULL-safe. */
void http_server_free(struct http_server *server);

#endif
