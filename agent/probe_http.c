/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An HTTP probe sends its request over a new connection to the backend itself and reads the answer
 * with http_parser. (libcurl, by which HTTPS probes go, takes three times as long for one.)
 */
#include <errno.h>
#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "http_answer.h"
#include "http_request.h"
#include "probe_sockets.h"

#define READ_BYTES 16384
#define READS_MAX  8 /* in one turn of the loop, in which others wait */

struct http_probe {
	struct prober *prober;
	struct probe_socket *socket;
	bool connected;
	size_t sent; /* of the request */
	bool asked;  /* all of it is sent */
	bool heard;  /* something came */
	bool complete;
	http_parser parser;
	struct http_answer answer;
};

static void http_probe_free(struct http_probe *probe)
{
	probe_socket_release(probe->socket);
	http_answer_clear(&probe->answer);
	free(probe);
}

static void end_probe(struct http_probe *probe, bool success, const char *reason)
{
	struct prober *prober = probe->prober;

	http_probe_free(probe);
	probe_done(prober, success, reason);
}

static void fail(struct http_probe *probe, const char *format, const char *what)
{
	char reason[PROBE_REASON_MAX];

	snprintf(reason, sizeof(reason), format, what);
	end_probe(probe, false, reason);
}

/* --- the answer --- */

/* "100 Continue" and the like come before the answer. */
static bool is_interim(const http_parser *parser)
{
	return parser->status_code / 100 == 1 &&
	       parser->status_code != HTTP_STATUS_SWITCHING_PROTOCOLS;
}

/* RFC 9112, section 6.3: then none comes, even if the header gives a length. */
static bool has_no_body(const http_parser *parser, enum check_method method)
{
	return method == METHOD_HEAD || parser->status_code / 100 == 1 ||
	       parser->status_code == HTTP_STATUS_NO_CONTENT ||
	       parser->status_code == HTTP_STATUS_NOT_MODIFIED;
}

/* To return 1 is to say that there is no body. */
static int on_headers_complete(http_parser *parser)
{
	const struct http_probe *probe = parser->data;

	if (parser->http_major != 1)
		return -1;
	return has_no_body(parser, prober_check(probe->prober)->spec.method) ? 1 : 0;
}

static int on_body(http_parser *parser, const char *data, size_t length)
{
	struct http_probe *probe = parser->data;

	return http_answer_take(&probe->answer, data, length) ? 0 : -1;
}

/* What comes behind the answer is nobody's. */
static int on_message_complete(http_parser *parser)
{
	struct http_probe *probe = parser->data;

	if (is_interim(parser))
		return 0;
	probe->complete = true;
	http_parser_pause(parser, 1);
	return 0;
}

static const http_parser_settings settings = {
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

static void explain(struct http_probe *probe)
{
	enum http_errno error = HTTP_PARSER_ERRNO(&probe->parser);

	if (error == HPE_HEADER_OVERFLOW)
		fail(probe, "%s", HTTP_TOO_LONG_REASON);
	else if (error == HPE_INVALID_CONSTANT || error == HPE_INVALID_VERSION ||
		 error == HPE_CB_headers_complete)
		fail(probe, "%s", HTTP_FOREIGN_REASON);
	else
		fail(probe, "HTTP: %s", http_errno_description(error));
}

/* Reads what came, length 0 being the end. True: this was the probe's end, too. */
static bool read_answer(struct http_probe *probe, const char *bytes, size_t length)
{
	char reason[PROBE_REASON_MAX] = "";
	bool success;

	http_parser_execute(&probe->parser, &settings, bytes, length);
	if (probe->complete || http_answer_is_enough(&probe->answer)) {
		success = http_answer_judge(&probe->answer, probe->parser.status_code, reason);
		end_probe(probe, success, reason);
		return true;
	}
	if (length == 0)
		fail(probe, "HTTP: %s",
		     probe->heard ? "Transferred a partial file"
				  : "Server returned nothing (no headers, no data)");
	else if (HTTP_PARSER_ERRNO(&probe->parser) != HPE_OK)
		explain(probe);
	else
		return false;
	return true;
}

static void receive(struct http_probe *probe)
{
	char bytes[READ_BYTES];
	ssize_t length = 0;

	for (int i = 0; i < READS_MAX; i++) {
		length = recv(probe_socket_fd(probe->socket), bytes, sizeof(bytes), 0);
		if (length < 0 && errno == EAGAIN)
			return;
		if (length < 0) {
			fail(probe, "HTTP: %s", strerror(errno));
			return;
		}
		probe->heard = probe->heard || length > 0;
		if (read_answer(probe, bytes, (size_t)length))
			return;
	}
	probe_socket_again(probe->socket);
}

/* --- the request --- */

/* Written once for a prober: to write it takes longer than to read the answer. */
static const char *request_of(struct prober *prober)
{
	void **text = prober_kept(prober);

	if (!*text)
		*text = http_request_write(&prober_check(prober)->spec, prober_target(prober));
	return *text;
}

/* Sends what was not yet sent, as much as can be now. Returns 0 or a negative errno. */
static int send_request(struct http_probe *probe)
{
	const char *rest = request_of(probe->prober) + probe->sent;
	size_t left = strlen(rest);
	ssize_t length = send(probe_socket_fd(probe->socket), rest, left, MSG_NOSIGNAL);

	if (length < 0)
		return errno == EAGAIN ? 0 : -errno;
	probe->sent += (size_t)length;
	probe->asked = (size_t)length == left;
	return 0;
}

static void on_event(void *context, uint32_t events)
{
	struct http_probe *probe = context;
	char reason[PROBE_REASON_MAX];
	int r = 0;

	if (!probe->connected && !probe_socket_connected(probe->socket, events, reason)) {
		end_probe(probe, false, reason);
		return;
	}
	probe->connected = true;
	if (!probe->asked)
		r = send_request(probe);
	if (r < 0)
		fail(probe, "HTTP: %s", strerror(-r));
	else if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		receive(probe);
}

/* --- life --- */

static void *start(struct prober *prober, char reason[PROBE_REASON_MAX])
{
	struct http_probe *probe = calloc(1, sizeof(*probe));
	int r = -ENOMEM;

	if (probe && request_of(prober) &&
	    http_answer_init(&probe->answer, prober_check(prober)) == 0) {
		probe->prober = prober;
		http_parser_init(&probe->parser, HTTP_RESPONSE);
		http_parser_set_max_header_size(HTTP_RECEIVE_MAX);
		/* Where a server says both, chunks go before a length, as RFC 9112 has it. What
		 * else a header says is not for a probe to judge. */
		probe->parser.allow_chunked_length = 1;
		probe->parser.lenient_http_headers = 1;
		probe->parser.data = probe;
		r = probe_socket_open(prober, SOCK_STREAM, on_event, probe, &probe->socket);
		if (r == 0)
			return probe;
		http_answer_clear(&probe->answer);
	}
	free(probe);
	snprintf(reason, PROBE_REASON_MAX, "connect: %s", strerror(-r));
	return NULL;
}

static void cancel(void *object)
{
	http_probe_free(object);
}

const struct probe_ops probe_http_ops = {
	.start = start,
	.cancel = cancel,
	.free_shared = probe_sockets_free,
};
