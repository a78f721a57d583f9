/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An HTTP probe asks GET of the path over a new connection to the backend itself (no proxy, no
 * redirect) and succeeds when the whole answer, or as much of it as anyone should need, came with
 * a status in the range asked for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "curl_loop.h"
#include "probe.h"

/* Of headers and of body, each: what a probe is willing to receive. */
#define RECEIVE_MAX 65536

struct http_probe {
	CURL *easy;
	struct curl_slist *headers;
	struct prober *prober;
	size_t header_bytes;
	size_t body_bytes;
};

static void http_probe_free(struct http_probe *probe)
{
	curl_easy_cleanup(probe->easy);
	curl_slist_free_all(probe->headers);
	free(probe);
}

/* For headers and for body, each with its own count of bytes: drops what comes, ends the transfer
 * when it is too much. */
static size_t on_received(char *data, /* NOLINT: the type is libcurl's */
			  size_t size, size_t count, void *context)
{
	size_t *received = context;

	(void)data;
	*received += size * count;
	return *received <= RECEIVE_MAX ? size * count : 0;
}

/* Closes by reset when done, to leave no TIME_WAIT behind for each probe (see probe_tcp.c). The
 * answer has been read by then. An error ends the transfer. */
static int on_socket(void *context, curl_socket_t fd, curlsocktype purpose)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	(void)purpose;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	return probe_socket_prepare(context, fd) == 0 ? CURL_SOCKOPT_OK : CURL_SOCKOPT_ERROR;
}

static bool judge_status(const struct http_probe *probe, char *reason, size_t size)
{
	const struct check_spec *spec = prober_spec(probe->prober);
	long status = 0;

	curl_easy_getinfo(probe->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status >= spec->status_min && status <= spec->status_max)
		return true;
	if (spec->status_min == spec->status_max)
		snprintf(reason, size, "HTTP status %ld, wanted %u", status, spec->status_min);
	else
		snprintf(reason, size, "HTTP status %ld, wanted %u-%u", status, spec->status_min,
			 spec->status_max);
	return false;
}

static void explain(const struct http_probe *probe, CURLcode result, char *reason, size_t size)
{
	long error = 0;

	curl_easy_getinfo(probe->easy, CURLINFO_OS_ERRNO, &error);
	if (probe->header_bytes > RECEIVE_MAX)
		snprintf(reason, size, "HTTP headers longer than 64 KiB");
	else if (result == CURLE_COULDNT_CONNECT && error)
		snprintf(reason, size, "connect: %s", strerror((int)error));
	else if (result == CURLE_UNSUPPORTED_PROTOCOL) /* libcurl's word for "HTTP/0.9" */
		snprintf(reason, size, "the answer is not HTTP/1.0 or 1.1");
	else if (result == CURLE_OUT_OF_MEMORY) /* its word for a line over its 100 KiB, too */
		snprintf(reason, size, "HTTP: header line too long");
	else
		snprintf(reason, size, "HTTP: %s", curl_easy_strerror(result));
}

static void on_ended(void *context, CURL *easy, CURLcode result)
{
	struct http_probe *probe = context;
	bool enough = result == CURLE_OK || probe->body_bytes > RECEIVE_MAX;
	char reason[128] = "";
	bool success = false;

	(void)easy;
	if (enough)
		success = judge_status(probe, reason, sizeof(reason));
	else
		explain(probe, result, reason, sizeof(reason));
	probe_done(probe->prober, success, reason);
	http_probe_free(probe);
}

static int add_header(struct http_probe *probe, const char *line)
{
	struct curl_slist *headers = curl_slist_append(probe->headers, line);

	if (!headers)
		return -ENOMEM;
	probe->headers = headers;
	return 0;
}

static int set_headers(struct http_probe *probe, const char *host)
{
	char line[sizeof("Host: ") + sizeof(((struct check_spec *)NULL)->host)];

	if (add_header(probe, "Connection: close"))
		return -ENOMEM;
	if (!host[0]) /* libcurl's own: the address */
		return 0;
	snprintf(line, sizeof(line), "Host: %s", host);
	return add_header(probe, line);
}

static int set_request(struct http_probe *probe)
{
	const struct check_spec *spec = prober_spec(probe->prober);
	CURL *easy = probe->easy;
	char address[ENDPOINT_TEXT_MAX];
	char url[sizeof("http:///") + ENDPOINT_TEXT_MAX];

	snprintf(url, sizeof(url), "http://%s/",
		 format_endpoint(prober_target(probe->prober), address));
	/* The path goes out as the operator wrote it, not as libcurl would normalise it. */
	if (set_headers(probe, spec->host) || curl_easy_setopt(easy, CURLOPT_URL, url) ||
	    curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, spec->path) ||
	    curl_easy_setopt(easy, CURLOPT_USERAGENT, "sluice/" SLUICE_VERSION) ||
	    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*"))
		return -ENOMEM;
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, probe->headers);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, probe->prober);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_received);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, &probe->header_bytes);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_received);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, &probe->body_bytes);
	return 0;
}

static void *start(struct prober *prober, const char **ret_reason)
{
	struct curl_loop *curl = probe_engine_curl(prober_engine(prober));
	struct http_probe *probe = calloc(1, sizeof(*probe));

	*ret_reason = "out of memory";
	if (!curl || !probe) {
		free(probe);
		return NULL;
	}
	probe->prober = prober;
	probe->easy = curl_easy_init();
	if (!probe->easy || set_request(probe) ||
	    curl_loop_add(curl, probe->easy, on_ended, probe)) {
		http_probe_free(probe);
		return NULL;
	}
	return probe;
}

static void cancel(void *object)
{
	struct http_probe *probe = object;

	curl_loop_remove(probe_engine_curl(prober_engine(probe->prober)), probe->easy);
	http_probe_free(probe);
}

const struct probe_ops probe_http_ops = {.start = start, .cancel = cancel};
