/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A PromQL query as samples for the autoscaler: Prometheus' HTTP API, GET /api/v1/query
 * (prometheus.io/docs/prometheus/latest/querying/api, "Instant queries").
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autoscale_source.h"
#include "json.h"

#define TIMEOUT_MS 5000L
#define ANSWER_MAX 65536

struct scale_query {
	struct curl_loop *curl;
	CURL *easy;
	scale_query_callback callback;
	void *context;
	char answer[ANSWER_MAX + 1];
	size_t length;
};

/* --- the answer --- */

/* [TIME, "NUMBER"] */
static int read_sample(const cJSON *sample, double *ret_value, struct error *err)
{
	const char *text = cJSON_GetStringValue(cJSON_GetArrayItem(sample, 1));

	if (!text)
		return error_set(err, EINVAL, "the answer has no sample");
	return parse_decimal(text, ret_value, err);
}

static int read_result(const cJSON *data, double *ret_value, struct error *err)
{
	const char *type =
		cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(data, "resultType"));
	const cJSON *result = cJSON_GetObjectItemCaseSensitive(data, "result");
	int count = cJSON_GetArraySize(result);

	if (!type || !result)
		return error_set(err, EINVAL, "the answer has no result");
	if (strcmp(type, "scalar") == 0)
		return read_sample(result, ret_value, err);
	if (strcmp(type, "vector") != 0)
		return error_set(err, EINVAL, "the query gives a %.20s, not one number", type);
	if (count == 0)
		return error_set(err, EINVAL, "the query finds no series");
	if (count > 1)
		return error_set(err, EINVAL,
				 "the query gives %d series; aggregate them, as by "
				 "avg(...)",
				 count);
	return read_sample(cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(result, 0), "value"),
			   ret_value, err);
}

int scale_query_value(const char *text, size_t length, double *ret_value, struct error *err)
{
	cJSON *json = NULL;
	const char *said;
	int r = json_parse(text, length, &json, err);

	if (r < 0)
		return error_set(err, EINVAL, "the answer is no JSON");
	said = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "error"));
	if (said)
		r = error_set(err, EINVAL, "Prometheus says: %.120s", said);
	else
		r = read_result(cJSON_GetObjectItemCaseSensitive(json, "data"), ret_value, err);
	cJSON_Delete(json);
	return r;
}

/* --- the request --- */

static size_t on_bytes(char *bytes, size_t size, size_t count, void *context)
{
	struct scale_query *query = context;
	size_t length = size * count;

	if (length > ANSWER_MAX - query->length)
		return 0; /* ends the transfer: CURLE_WRITE_ERROR */
	memcpy(query->answer + query->length, bytes, length);
	query->length += length;
	return length;
}

static void query_free(struct scale_query *query)
{
	curl_easy_cleanup(query->easy);
	free(query);
}

/* Prometheus says in JSON what is wrong with a query, with status 400 or 422. */
static void on_done(void *context, CURL *easy, CURLcode result)
{
	struct scale_query *query = context;
	struct error err = {0}, inner = {0};
	double value = 0;
	long status = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	if (result == CURLE_WRITE_ERROR)
		error_set(&err, EINVAL, "its answer is longer than %d bytes", ANSWER_MAX);
	else if (result != CURLE_OK)
		error_set(&err, EIO, "%s", curl_easy_strerror(result));
	else if (scale_query_value(query->answer, query->length, &value, &inner) < 0)
		error_set(&err, EINVAL, "HTTP status %ld: %.200s", status, inner.message);
	query->callback(query->context, value, err.message);
	query_free(query);
}

/* URL, without a slash at its end, and the query behind it. NULL: out of memory. */
static char *make_url(CURL *easy, const struct autoscale_policy *policy)
{
	char *escaped = curl_easy_escape(easy, policy->promql, 0), *url = NULL;
	size_t length = strlen(policy->prometheus);

	while (length > 0 && policy->prometheus[length - 1] == '/')
		length--;
	if (escaped && asprintf(&url, "%.*s/api/v1/query?query=%s", (int)length, policy->prometheus,
				escaped) < 0)
		url = NULL;
	curl_free(escaped);
	return url;
}

static bool prepare(struct scale_query *query, const struct autoscale_policy *policy)
{
	long timeout_ms = policy->interval_ms < TIMEOUT_MS ? (long)policy->interval_ms : TIMEOUT_MS;
	char *url = make_url(query->easy, policy);
	bool whole = url && curl_easy_setopt(query->easy, CURLOPT_URL, url) == CURLE_OK;

	free(url);
	curl_easy_setopt(query->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(query->easy, CURLOPT_TIMEOUT_MS, timeout_ms);
	curl_easy_setopt(query->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(query->easy, CURLOPT_PROXY, "");
	curl_easy_setopt(query->easy, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(query->easy, CURLOPT_WRITEDATA, query);
	return whole;
}

struct scale_query *scale_query_start(struct curl_loop *curl, const struct autoscale_policy *policy,
				      scale_query_callback callback, void *context)
{
	struct scale_query *query = calloc(1, sizeof(*query));

	if (!query)
		return NULL;
	query->curl = curl;
	query->callback = callback;
	query->context = context;
	query->easy = curl_easy_init();
	if (query->easy && prepare(query, policy) &&
	    curl_loop_add(curl, query->easy, on_done, query) == 0)
		return query;
	query_free(query);
	return NULL;
}

void scale_query_cancel(struct scale_query *query)
{
	if (!query)
		return;
	curl_loop_remove(query->curl, query->easy);
	query_free(query);
}
