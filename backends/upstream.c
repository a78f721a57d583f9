/* SPDX-License-Identifier: Apache-2.0 */
#include "upstream.h"

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

#define ANSWER_MAX 65536

struct worker {
	CURL *curl;
	char *text; /* the answer so far, NUL behind it */
	size_t length;
	bool too_long;
};

struct upstream {
	struct upstream_options options;
	atomic_uint_fast64_t results[UPSTREAM_RESULTS];
	size_t count;
	struct worker workers[];
};

static const char *const result_labels[UPSTREAM_RESULTS] = {
	[UPSTREAM_OK] = "ok",
	[UPSTREAM_TIMEOUT] = "timeout",
	[UPSTREAM_UNREACHABLE] = "unreachable",
	[UPSTREAM_STATUS] = "status",
	[UPSTREAM_INVALID] = "invalid",
};

/* --- beginning and end --- */

/* libcurl's: anything but `size * count` ends the transfer. */
static size_t receive(char *data, size_t size, size_t count, void *context)
{
	struct worker *worker = context;
	const size_t bytes = size * count;
	char *room;

	worker->too_long = worker->length + bytes > ANSWER_MAX;
	room = worker->too_long ? NULL : realloc(worker->text, worker->length + bytes + 1);
	if (!room)
		return 0;
	worker->text = room;
	memcpy(worker->text + worker->length, data, bytes);
	worker->length += bytes;
	worker->text[worker->length] = '\0';
	return bytes;
}

static CURL *curl_new(const struct upstream_options *options, struct worker *worker)
{
	CURL *curl = curl_easy_init();

	if (!curl)
		return NULL;
	curl_easy_setopt(curl, CURLOPT_URL, options->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)options->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "sluice-store/" SLUICE_VERSION);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, worker);
	return curl;
}

struct upstream *upstream_new(const struct upstream_options *options, size_t workers)
{
	struct upstream *upstream;

	upstream = calloc(1, sizeof(*upstream) + workers * sizeof(upstream->workers[0]));
	if (!upstream)
		return NULL;
	upstream->options = *options;
	for (; upstream->count < workers; upstream->count++) {
		struct worker *worker = &upstream->workers[upstream->count];

		worker->curl = curl_new(options, worker);
		if (!worker->curl) {
			upstream_free(upstream);
			return NULL;
		}
	}
	return upstream;
}

void upstream_free(struct upstream *upstream)
{
	if (!upstream)
		return;
	for (size_t i = 0; i < upstream->count; i++) {
		curl_easy_cleanup(upstream->workers[i].curl);
		free(upstream->workers[i].text);
	}
	free(upstream);
}

int upstream_check_url(const char *url, struct error *err)
{
	CURLU *parsed = curl_url();
	char *scheme = NULL;
	bool good;

	good = parsed && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
	       curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	       (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
	curl_free(scheme);
	curl_url_cleanup(parsed);
	if (good)
		return 0;
	return error_hint(err, error_set(err, EINVAL, "%.200s: not a URL of HTTP", url),
			  "write http://ADDR:PORT/");
}

/* --- one try --- */

/* Checks the answer, and takes the white space off it. */
static bool is_json(struct worker *worker)
{
	struct error ignored;
	cJSON *json;

	if (!worker->text || json_parse(worker->text, worker->length, &json, &ignored) < 0)
		return false;
	cJSON_Delete(json);
	cJSON_Minify(worker->text);
	return true;
}

/* err: what it was, where it is not UPSTREAM_OK. */
static enum upstream_result judge(struct worker *worker, CURLcode code, long status,
				  struct error *err)
{
	if (code == CURLE_OPERATION_TIMEDOUT) {
		error_set(err, ETIMEDOUT, "no answer in time");
		return UPSTREAM_TIMEOUT;
	}
	if (worker->too_long || (code == CURLE_OK && status == 200 && !is_json(worker))) {
		error_set(err, EBADMSG, "the answer is not JSON of at most %d bytes", ANSWER_MAX);
		return UPSTREAM_INVALID;
	}
	if (code != CURLE_OK) {
		error_set(err, EHOSTUNREACH, "%s", curl_easy_strerror(code));
		return UPSTREAM_UNREACHABLE;
	}
	if (status == 200)
		return UPSTREAM_OK;
	error_set(err, EREMOTEIO, "it answers with status %ld", status);
	return UPSTREAM_STATUS;
}

static enum upstream_result try_once(struct upstream *upstream, struct worker *worker,
				     long *ret_status, struct error *err)
{
	enum upstream_result result;
	CURLcode code;

	free(worker->text);
	worker->text = NULL;
	worker->length = 0;
	worker->too_long = false;
	*ret_status = 0;
	code = curl_easy_perform(worker->curl);
	curl_easy_getinfo(worker->curl, CURLINFO_RESPONSE_CODE, ret_status);
	result = judge(worker, code, *ret_status, err);
	atomic_fetch_add(&upstream->results[result], 1);
	return result;
}

/* --- all of them --- */

bool upstream_may_retry(enum upstream_result result, long status)
{
	if (result != UPSTREAM_STATUS)
		return result != UPSTREAM_OK;
	return status >= 500 || status == 408 || status == 425 || status == 429;
}

int upstream_get(struct upstream *upstream, size_t worker_index, char **ret_text,
		 unsigned int *ret_attempts, struct error *err)
{
	const struct retry_policy *retry = &upstream->options.retry;
	struct worker *worker = &upstream->workers[worker_index];
	enum upstream_result result;
	struct error why;
	long status;

	for (*ret_attempts = 1;; (*ret_attempts)++) {
		result = try_once(upstream, worker, &status, &why);
		if (result == UPSTREAM_OK) {
			*ret_text = worker->text;
			worker->text = NULL;
			return 0;
		}
		if (*ret_attempts > retry->retries || !upstream_may_retry(result, status))
			break;
		retry_pause(retry, *ret_attempts);
	}
	return error_set(err, EREMOTEIO, "%.100s: %.150s (%u tries)", upstream->options.url,
			 why.message, *ret_attempts);
}

void upstream_print_metrics(const struct upstream *upstream, const char *app, FILE *out)
{
	fputs("# HELP webapp_upstream_tries_total Requests to the service behind, by what they came "
	      "to.\n# TYPE webapp_upstream_tries_total counter\n",
	      out);
	for (size_t i = 0; i < UPSTREAM_RESULTS; i++)
		fprintf(out,
			"webapp_upstream_tries_total{app=\"%s\",result=\"%s\"} %" PRIuFAST64 "\n",
			app, result_labels[i], atomic_load(&upstream->results[i]));
}
