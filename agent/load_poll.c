/* SPDX-License-Identifier: Apache-2.0 */
#include "load_poll.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

#define ANSWER_MAX 2048

struct load_poll {
	struct curl_loop *curl;
	CURL *easy;
	load_poll_callback callback;
	void *context;
	bool asks;
	char answer[ANSWER_MAX];
	size_t length;
};

/* What another host says ends in logs and on terminals. */
static void make_plain(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

int load_poll_read(const char *text, size_t length, double *ret_load, struct error *err)
{
	cJSON *json = NULL;
	const char *problem;
	double load;
	int r = json_parse(text, length, &json, err);

	if (r < 0)
		return error_set(err, EINVAL, "the report is no JSON");
	load = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(json, "load"));
	problem = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "problem"));
	if (isfinite(load) && load >= 0)
		*ret_load = load;
	else
		r = error_set(err, EINVAL, "it does not know: %.70s", problem ?: "no load is told");
	if (r < 0)
		make_plain(err->message);
	cJSON_Delete(json);
	return r;
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *context)
{
	struct load_poll *poll = context;
	size_t length = size * count;

	if (length > ANSWER_MAX - poll->length)
		return 0; /* ends the transfer: CURLE_WRITE_ERROR */
	memcpy(poll->answer + poll->length, bytes, length);
	poll->length += length;
	return length;
}

static void on_done(void *context, CURL *easy, CURLcode result)
{
	struct load_poll *poll = context;
	struct error err = {0};
	double load = -1;

	(void)easy;
	poll->asks = false;
	if (result != CURLE_OK)
		error_set(&err, EIO, "%s", curl_easy_strerror(result));
	else
		load_poll_read(poll->answer, poll->length, &load, &err);
	poll->callback(poll->context, load, err.message);
}

static bool prepare(struct load_poll *poll, const struct endpoint *endpoint)
{
	char text[ENDPOINT_TEXT_MAX], url[ENDPOINT_TEXT_MAX + 16];

	snprintf(url, sizeof(url), "http://%s/load", format_endpoint(endpoint, text));
	curl_easy_setopt(poll->easy, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(poll->easy, CURLOPT_TIMEOUT_MS, LOAD_TIMEOUT_MS);
	curl_easy_setopt(poll->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(poll->easy, CURLOPT_PROXY, "");
	curl_easy_setopt(poll->easy, CURLOPT_BUFFERSIZE, 1024L); /* its least: there may be many */
	curl_easy_setopt(poll->easy, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(poll->easy, CURLOPT_WRITEDATA, poll);
	return curl_easy_setopt(poll->easy, CURLOPT_URL, url) == CURLE_OK;
}

struct load_poll *load_poll_new(struct curl_loop *curl, const struct endpoint *endpoint,
				load_poll_callback callback, void *context)
{
	struct load_poll *poll = calloc(1, sizeof(*poll));

	if (!poll)
		return NULL;
	poll->curl = curl;
	poll->callback = callback;
	poll->context = context;
	poll->easy = curl_easy_init();
	if (poll->easy && prepare(poll, endpoint))
		return poll;
	load_poll_free(poll);
	return NULL;
}

void load_poll_free(struct load_poll *poll)
{
	if (!poll)
		return;
	if (poll->asks)
		curl_loop_remove(poll->curl, poll->easy);
	curl_easy_cleanup(poll->easy);
	free(poll);
}

bool load_poll_ask(struct load_poll *poll)
{
	if (poll->asks)
		return true;
	poll->length = 0;
	poll->asks = curl_loop_add(poll->curl, poll->easy, on_done, poll) == 0;
	return poll->asks;
}
