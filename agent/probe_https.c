/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An HTTPS probe is libcurl's: it sends its request over a new connection to the backend itself (no
 * proxy, no redirect). Each is a whole handshake: a resumed session would not show the certificate
 * again. Beside the handshake, what libcurl costs is little; of a probe without TLS it would be
 * most (see probe_http.c).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "curl_loop.h"
#include "http_answer.h"
#include "http_request.h"

/* At once: thousands of probes may be under way, and answers to probes are short. */
#define READ_BYTES 4096

/* A file of certificates that has changed is read again after so many seconds. */
#define CA_CACHE_SECONDS 60

struct https_probe {
	CURL *easy;
	struct curl_slist *headers;
	struct curl_slist *connect_to;
	struct prober *prober;
	size_t header_bytes;
	struct http_answer answer;
	char error[CURL_ERROR_SIZE];
};

static void https_probe_free(struct https_probe *probe)
{
	curl_easy_cleanup(probe->easy);
	curl_slist_free_all(probe->headers);
	curl_slist_free_all(probe->connect_to);
	http_answer_clear(&probe->answer);
	free(probe);
}

static const struct check_run *check_of(const struct https_probe *probe)
{
	return prober_check(probe->prober);
}

/* --- what comes --- */

/* Both end the transfer when it is too much. */
static size_t on_header(char *data, /* NOLINT: the type is libcurl's */
			size_t size, size_t count, void *context)
{
	struct https_probe *probe = context;

	(void)data;
	probe->header_bytes += size * count;
	return probe->header_bytes <= HTTP_RECEIVE_MAX ? size * count : 0;
}

static size_t on_body(char *data, /* NOLINT: the type is libcurl's */
		      size_t size, size_t count, void *context)
{
	struct https_probe *probe = context;

	return http_answer_take(&probe->answer, data, size * count) ? size * count : 0;
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

/* --- what is made of it --- */

/*
 * libcurl's words, and OpenSSL's in them, without what says nothing to people: "SSL certificate
 * problem: certificate has expired" and "error:0A00045C:SSL routines::tlsv13 alert certificate
 * required, errno 0".
 */
static const char *plain_tls(char *text)
{
	static const char *const openings[] = {"SSL certificate problem: ", "SSL: "};
	char *routine = strstr(text, "routines::");
	char *number = strstr(text, ", errno ");

	if (number)
		*number = '\0';
	if (routine)
		return routine + strlen("routines::");
	for (size_t i = 0; i < sizeof(openings) / sizeof(openings[0]); i++) {
		if (strncmp(text, openings[i], strlen(openings[i])) == 0)
			return text + strlen(openings[i]);
	}
	return text;
}

static bool is_of_tls(const struct https_probe *probe, CURLcode result)
{
	return probe->error[0] &&
	       (result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CONNECT_ERROR ||
		result == CURLE_SSL_CERTPROBLEM || result == CURLE_SSL_CACERT_BADFILE ||
		strstr(probe->error, "SSL"));
}

static void explain(struct https_probe *probe, CURLcode result, char *reason, size_t size)
{
	long error = 0;

	curl_easy_getinfo(probe->easy, CURLINFO_OS_ERRNO, &error);
	if (probe->header_bytes > HTTP_RECEIVE_MAX)
		snprintf(reason, size, HTTP_TOO_LONG_REASON);
	else if (result == CURLE_COULDNT_CONNECT && error)
		snprintf(reason, size, "connect: %s", strerror((int)error));
	else if (is_of_tls(probe, result))
		snprintf(reason, size, "TLS: %.150s", plain_tls(probe->error));
	else if (result == CURLE_UNSUPPORTED_PROTOCOL) /* libcurl's word for "HTTP/0.9" */
		snprintf(reason, size, HTTP_FOREIGN_REASON);
	else if (result == CURLE_OUT_OF_MEMORY) /* its word for a line over its 100 KiB, too */
		snprintf(reason, size, "HTTP: header line too long");
	else
		snprintf(reason, size, "HTTP: %s", curl_easy_strerror(result));
}

static void on_ended(void *context, CURL *easy, CURLcode result)
{
	struct https_probe *probe = context;
	char reason[PROBE_REASON_MAX] = "";
	bool success = false;
	long status = 0;

	if (result == CURLE_OK || http_answer_is_enough(&probe->answer)) {
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
		success = http_answer_judge(&probe->answer, status, reason);
	} else {
		explain(probe, result, reason, sizeof(reason));
	}
	probe_done(probe->prober, success, reason);
	https_probe_free(probe);
}

/* --- what is sent --- */

static int append(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (!longer)
		return -ENOMEM;
	*list = longer;
	return 0;
}

static int set_headers(struct https_probe *probe)
{
	const struct check_spec *spec = &check_of(probe)->spec;
	char line[512];
	int r = append(&probe->headers, "Connection: close");

	if (r == 0 && spec->host) {
		snprintf(line, sizeof(line), "Host: %s", spec->host);
		r = append(&probe->headers, line);
	}
	for (char *const *header = spec->headers; r == 0 && header && *header; header++)
		r = append(&probe->headers, *header);
	if (r == 0)
		curl_easy_setopt(probe->easy, CURLOPT_HTTPHEADER, probe->headers);
	return r;
}

static void set_method(CURL *easy, enum check_method method)
{
	switch (method) {
	case METHOD_HEAD:
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
		break;
	case METHOD_POST:
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
		break;
	case METHOD_OPTIONS:
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, check_method_words[method]);
		break;
	default:
		break;
	}
}

/* The name that the certificate must be for; false: the address is. */
static bool tls_name(const struct check_spec *spec, char *name, size_t size)
{
	struct in6_addr ip;

	if (!spec->sni && !spec->host)
		return false;
	snprintf(name, size, "%s", spec->sni ? spec->sni : spec->host);
	if (!spec->sni && name[0] != '[')
		name[strcspn(name, ":")] = '\0';
	return name[0] != '[' && inet_pton(AF_INET, name, &ip) != 1;
}

/* libcurl takes host header, SNI and the name to verify from the URL; where the URL has a name, the
 * address to connect to is given beside it. */
static int set_url(struct https_probe *probe)
{
	const struct check_spec *spec = &check_of(probe)->spec;
	const struct endpoint *target = prober_target(probe->prober);
	char address[ENDPOINT_TEXT_MAX], name[300], url[400];

	format_endpoint(target, address);
	if (tls_name(spec, name, sizeof(name))) {
		snprintf(url, sizeof(url), "https://%s:%u/", name, target->port);
		snprintf(name, sizeof(name), "::%s", address);
		if (append(&probe->connect_to, name) < 0)
			return -ENOMEM;
		curl_easy_setopt(probe->easy, CURLOPT_CONNECT_TO, probe->connect_to);
	} else {
		snprintf(url, sizeof(url), "https://%s/", address);
	}
	/* The path goes out as the operator wrote it, not as libcurl would normalise it. */
	if (curl_easy_setopt(probe->easy, CURLOPT_URL, url) ||
	    curl_easy_setopt(probe->easy, CURLOPT_REQUEST_TARGET,
			     spec->path ? spec->path : CHECK_PATH_DEFAULT))
		return -ENOMEM;
	return 0;
}

static int set_tls(CURL *easy, const struct check_spec *spec)
{
	curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, spec->insecure ? 0L : 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, spec->insecure ? 0L : 2L);
	curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, (long)CA_CACHE_SECONDS);
	/* The directory of the system's certificates would be trusted beside the file. */
	if (spec->ca && (curl_easy_setopt(easy, CURLOPT_CAINFO, spec->ca) ||
			 curl_easy_setopt(easy, CURLOPT_CAPATH, NULL)))
		return -ENOMEM;
	if (spec->cert &&
	    (curl_easy_setopt(easy, CURLOPT_SSLCERT, spec->cert) ||
	     curl_easy_setopt(easy, CURLOPT_SSLKEY, spec->key ? spec->key : spec->cert)))
		return -ENOMEM;
	return 0;
}

static int set_request(struct https_probe *probe)
{
	const struct check_run *check = check_of(probe);
	CURL *easy = probe->easy;

	if (http_answer_init(&probe->answer, check) < 0 || set_headers(probe) < 0 ||
	    set_url(probe) < 0 || set_tls(easy, &check->spec) < 0 ||
	    curl_easy_setopt(easy, CURLOPT_USERAGENT, HTTP_USER_AGENT) ||
	    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*"))
		return -ENOMEM;
	set_method(easy, check->spec.method);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* It keeps addresses that are written as numbers, too, and looks through all of them each
	 * time that it looks for one. */
	curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)READ_BYTES);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, probe->error);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_socket);
	curl_easy_setopt(easy, CURLOPT_SOCKOPTDATA, probe->prober);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, probe);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, probe);
	return 0;
}

/* libcurl does not say which file it cannot read. */
static bool files_there(const struct check_spec *spec, char reason[PROBE_REASON_MAX])
{
	const char *const files[] = {spec->insecure ? NULL : spec->ca, spec->cert, spec->key};
	static const char *const fields[] = {"check-ca", "check-cert", "check-key"};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (!files[i] || access(files[i], R_OK) == 0)
			continue;
		snprintf(reason, PROBE_REASON_MAX, "%s %.96s: %s", fields[i], files[i],
			 strerror(errno));
		return false;
	}
	return true;
}

static struct curl_loop *shared_curl(const struct prober *prober)
{
	void **shared = prober_shared(prober);

	if (!*shared)
		*shared = curl_loop_new(prober_loop(prober));
	return *shared;
}

static void *start(struct prober *prober, char reason[PROBE_REASON_MAX])
{
	const struct check_spec *spec = &prober_check(prober)->spec;
	struct curl_loop *curl = shared_curl(prober);
	struct https_probe *probe;

	if (!files_there(spec, reason))
		return NULL;
	snprintf(reason, PROBE_REASON_MAX, "out of memory");
	probe = calloc(1, sizeof(*probe));
	if (!curl || !probe) {
		free(probe);
		return NULL;
	}
	probe->prober = prober;
	probe->easy = curl_easy_init();
	if (!probe->easy || set_request(probe) ||
	    curl_loop_add(curl, probe->easy, on_ended, probe)) {
		https_probe_free(probe);
		return NULL;
	}
	return probe;
}

static void cancel(void *object)
{
	struct https_probe *probe = object;

	curl_loop_remove(shared_curl(probe->prober), probe->easy);
	https_probe_free(probe);
}

static void free_shared(void *shared)
{
	curl_loop_free(shared);
}

const struct probe_ops probe_https_ops = {
	.start = start,
	.cancel = cancel,
	.free_shared = free_shared,
};
