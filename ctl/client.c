/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <curl/curl.h>
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "json.h"
#include "parse.h"
#include "secret.h"
#include "token.h"

#define DEFAULT_SOCKET "/run/sluice/lbagent.sock"

struct client {
	char *place; /* socket path or URL */
	bool is_url;
	long timeout_ms;
	const char *token_file, *ca; /* NULL: none */
	char *token;                 /* read from token_file; NULL: not yet */
	bool has_generation;
	uint64_t generation;
	CURL *curl;
	char reason[CURL_ERROR_SIZE]; /* of curl's last failure */
};

struct text {
	char *bytes;
	size_t length;
	FILE *stream;
};

static int text_open(struct text *text, struct error *err)
{
	*text = (struct text){0};
	text->stream = open_memstream(&text->bytes, &text->length);
	return text->stream != NULL ? 0 : error_set(err, ENOMEM, "out of memory");
}

/* Ends writing; bytes and length are valid after it, to be freed by the caller. */
static int text_close(struct text *text, struct error *err)
{
	bool failed = ferror(text->stream) != 0;

	if (fclose(text->stream) != 0 || failed) {
		free(text->bytes);
		text->bytes = NULL;
		return error_set(err, ENOMEM, "out of memory");
	}
	return 0;
}

static const char *default_socket(void)
{
	const char *socket = getenv("SLUICE_SOCKET");

	return socket != NULL && *socket != '\0' ? socket : DEFAULT_SOCKET;
}

struct client *client_new(const char *socket, const char *url, long timeout_ms)
{
	struct client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		return NULL;
	if (socket == NULL)
		socket = default_socket();
	client->is_url = url != NULL;
	client->timeout_ms = timeout_ms;
	client->place = strdup(url != NULL ? url : socket);
	client->curl = curl_easy_init();
	if (client->place == NULL || client->curl == NULL) {
		client_free(client);
		return NULL;
	}
	for (size_t n = strlen(client->place); client->is_url && n > 0; n--) {
		if (client->place[n - 1] != '/')
			break;
		client->place[n - 1] = '\0';
	}
	return client;
}

void client_free(struct client *client)
{
	if (client == NULL)
		return;
	curl_easy_cleanup(client->curl);
	secret_free(client->token, client->token != NULL ? strlen(client->token) : 0);
	free(client->place);
	free(client);
}

void client_use_token_file(struct client *client, const char *path)
{
	const char *named = getenv("SLUICE_TOKEN_FILE");

	if (path == NULL && named != NULL && *named != '\0')
		path = named;
	client->token_file = path;
}

void client_use_ca(struct client *client, const char *path)
{
	client->ca = path;
}

void client_if_generation(struct client *client, uint64_t generation)
{
	client->has_generation = true;
	client->generation = generation;
}

void client_any_generation(struct client *client)
{
	client->has_generation = false;
}

static int first_token(const char *path, const char *text, char **ret_token, struct error *err)
{
	struct token_cursor cursor = {.at = text};
	struct error why = {0};
	struct token token;
	int r = token_next(&cursor, &token, &why);

	if (r <= 0) {
		error_set(err, EPERM, "token file %.180s: %.120s", path,
			  r < 0 ? why.message : "there is no token in it");
		return error_hint(err, -EPERM, "%s", why.hint);
	}
	*ret_token = strndup(token.text, token.length);
	return *ret_token != NULL ? 0 : error_set(err, ENOMEM, "out of memory");
}

static bool is_change(const struct request *request)
{
	return strcmp(request->method, "GET") != 0;
}

static bool wants_token(const struct request *request)
{
	return is_change(request) || request->with_token;
}

/* The token, where the request needs one. */
static int read_token(struct client *client, const struct request *request, struct error *err)
{
	char *text = NULL;
	size_t length = 0;
	int r;

	if (!client->is_url || !wants_token(request) || client->token_file == NULL ||
	    client->token != NULL)
		return 0;
	r = secret_read("token file", client->token_file, &text, &length, err);
	if (r == 0)
		r = first_token(client->token_file, text, &client->token, err);
	secret_free(text, length);
	return r;
}

static int put_encoded(const struct client *client, FILE *stream, const char *before,
		       const char *segment, struct error *err)
{
	char *encoded = curl_easy_escape(client->curl, segment, 0);

	if (encoded == NULL)
		return error_set(err, ENOMEM, "out of memory");
	fprintf(stream, "%s%s", before, encoded);
	curl_free(encoded);
	return 0;
}

/* Writes the request's URL. A server decodes a path before it splits it, so a slash in a name
 * would be taken for two names. */
static int put_url(const struct client *client, const struct request *request, FILE *stream,
		   struct error *err)
{
	int r = 0;

	fprintf(stream, "%s/v1", client->is_url ? client->place : "http://localhost");
	for (size_t i = 0; request->path[i] != NULL && r == 0; i++) {
		const char *segment = request->path[i];

		if (*segment == '\0' || strchr(segment, '/') != NULL)
			return error_set(err, EINVAL, "\"%s\" is not a name or an address",
					 segment);
		r = put_encoded(client, stream, "/", segment, err);
	}
	for (size_t i = 0; request->query[i] != NULL && r == 0; i += 2) {
		r = put_encoded(client, stream, i == 0 ? "?" : "&", request->query[i], err);
		if (r == 0)
			r = put_encoded(client, stream, "=", request->query[i + 1], err);
	}
	return r;
}

static int format_url(const struct client *client, const struct request *request, char **ret_url,
		      struct error *err)
{
	struct text url;
	int r = text_open(&url, err);
	int closed;

	if (r < 0)
		return r;
	r = put_url(client, request, url.stream, err);
	closed = text_close(&url, err);
	if (r < 0 || closed < 0) {
		free(url.bytes);
		return r < 0 ? r : closed;
	}
	*ret_url = url.bytes;
	return 0;
}

/* The group that the socket, or the folder that hides it, belongs to. */
static int forbidden_hint(const char *place, struct error *err)
{
	char folder[4096];
	struct stat info;
	const struct group *group;

	snprintf(folder, sizeof(folder), "%s", place);
	if (stat(place, &info) < 0 && stat(dirname(folder), &info) < 0)
		return error_hint(err, -EACCES, "run lbctl as root");
	group = getgrgid(info.st_gid);
	if (group == NULL)
		return error_hint(err, -EACCES, "run lbctl as root, or join group %u", info.st_gid);
	return error_hint(err, -EACCES, "run lbctl as root, or join group %s", group->gr_name);
}

/* Without an answer nobody knows whether a change was made. */
static int unanswered_hint(const struct request *request, int r, struct error *err)
{
	return error_hint(err, r, "%s",
			  strcmp(request->method, "GET") == 0
				  ? "systemctl status lbagent"
				  : "lbctl show, as the change may have been made");
}

static int unreachable(const struct client *client, const struct request *request, CURLcode code,
		       struct error *err)
{
	long reason = 0;

	if (code == CURLE_OPERATION_TIMEDOUT) {
		error_set(err, ETIMEDOUT, "agent at %.128s: no answer within %ld s", client->place,
			  client->timeout_ms / 1000);
		return unanswered_hint(request, -ETIMEDOUT, err);
	}
	curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &reason);
	if (code != CURLE_COULDNT_CONNECT || client->is_url || reason == 0) {
		error_set(err, EIO, "agent at %.128s: %s", client->place,
			  client->reason[0] != '\0' ? client->reason : curl_easy_strerror(code));
		if (code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR ||
		    code == CURLE_PARTIAL_FILE)
			unanswered_hint(request, -EIO, err);
		if (code == CURLE_COULDNT_CONNECT)
			error_hint(err, -EIO,
				   "give --url the address that lbagent has as --listen");
		if (code == CURLE_PEER_FAILED_VERIFICATION)
			error_hint(err, -EIO, "give --ca FILE, with who signed the certificate");
		return -EIO;
	}
	if (reason == EACCES || reason == EPERM) {
		error_set(err, EACCES, "no access to the agent at %s: %s", client->place,
			  strerror((int)reason));
		return forbidden_hint(client->place, err);
	}
	error_set(err, ENOTCONN, "no agent at %s: %s", client->place, strerror((int)reason));
	return error_hint(err, -ENOTCONN, "systemctl start lbagent, or give --socket PATH");
}

static size_t receive(char *bytes, size_t size, size_t count, void *context)
{
	return fwrite(bytes, size, count, context);
}

static void set_up(struct client *client, const struct request *request, const char *url,
		   const char *body, FILE *answer, struct curl_slist *headers)
{
	CURL *curl = client->curl;

	client->reason[0] = '\0';
	curl_easy_reset(curl);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, client->reason);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L); /* ".." is a name like any other */
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* the agent is near; http_proxy is not meant */
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, client->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	if (!client->is_url)
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->place);
	if (client->ca != NULL)
		curl_easy_setopt(curl, CURLOPT_CAINFO, client->ca);
	if (client->token != NULL && wants_token(request)) {
		curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
		curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, client->token);
	}
	if (body != NULL)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
}

/* NULL: out of memory. */
static struct curl_slist *make_headers(const struct client *client, const struct request *request)
{
	struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
	struct curl_slist *longer = NULL;
	char condition[48];

	if (!client->has_generation || !is_change(request))
		return list;
	snprintf(condition, sizeof(condition), "If-Match: \"%" PRIu64 "\"", client->generation);
	if (list != NULL)
		longer = curl_slist_append(list, condition);
	if (longer == NULL)
		curl_slist_free_all(list);
	return longer;
}

/* The generation that a change has made, from the answer's ETag. */
static void follow_generation(struct client *client, const struct request *request)
{
	struct curl_header *header = NULL;
	struct error unused;
	char digits[24];
	size_t length;

	if (!client->has_generation || !is_change(request) ||
	    curl_easy_header(client->curl, "ETag", 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
		return;
	length = strcspn(header->value + (*header->value == '"'), "\"");
	snprintf(digits, sizeof(digits), "%.*s", (int)length,
		 header->value + (*header->value == '"'));
	(void)parse_number(digits, 0, UINT64_MAX, &client->generation, &unused);
}

/* One exchange; answer->bytes is what came back, to be freed by the caller even on failure. */
static int exchange(struct client *client, const struct request *request, const char *url,
		    const char *body, struct text *answer, struct error *err)
{
	struct curl_slist *headers = make_headers(client, request);
	int r;

	if (headers == NULL)
		return error_set(err, ENOMEM, "out of memory");
	r = text_open(answer, err);
	if (r == 0) {
		CURLcode code;

		set_up(client, request, url, body, answer->stream, headers);
		code = curl_easy_perform(client->curl);
		r = text_close(answer, err);
		if (r == 0 && code != CURLE_OK)
			r = unreachable(client, request, code, err);
	}
	curl_slist_free_all(headers);
	return r;
}

static void copy_word(const cJSON *object, const char *key, char *buffer, size_t size)
{
	const char *word = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

	snprintf(buffer, size, "%s", word != NULL ? word : "");
}

/* Fills err from an answer that is an error. */
static int refused(const struct client *client, long status, const cJSON *json, struct error *err)
{
	int code = status == 404 ? ENOENT : EREMOTEIO;

	error_set(err, code, "agent at %s: HTTP status %ld", client->place, status);
	if (!cJSON_IsString(cJSON_GetObjectItemCaseSensitive(json, "error")))
		return -EREMOTEIO;
	copy_word(json, "error", err->message, sizeof(err->message));
	copy_word(json, "field", err->field, sizeof(err->field));
	copy_word(json, "hint", err->hint, sizeof(err->hint));
	return -code;
}

static int read_answer(const struct client *client, const struct text *answer, cJSON **ret_answer,
		       struct error *err)
{
	struct error why = {0};
	cJSON *json = NULL;
	long status = 0;
	int r;

	curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
	r = json_parse(answer->bytes, answer->length, &json, &why);
	if (status < 200 || status > 299)
		r = refused(client, status, json, err);
	else if (r < 0)
		r = error_set(err, EPROTO, "agent at %s: its answer is not JSON: %s", client->place,
			      why.message);
	else if (!cJSON_IsObject(json))
		r = error_set(err, EPROTO, "agent at %s: its answer is not a JSON object",
			      client->place);
	if (r < 0) {
		cJSON_Delete(json);
		return r;
	}
	*ret_answer = json;
	return 0;
}

int client_call(struct client *client, const struct request *request, cJSON **ret_answer,
		struct error *err)
{
	struct text answer = {0};
	char *body = NULL;
	char *url = NULL;
	int r;

	if (*client->place == '\0') /* curl would take it for no socket, and use TCP */
		return error_set(err, EINVAL, "the path of the socket, or the URL, is empty");
	if (request->body != NULL) {
		body = cJSON_PrintUnformatted(request->body);
		if (body == NULL)
			return error_set(err, ENOMEM, "out of memory");
	}
	r = format_url(client, request, &url, err);
	if (r == 0)
		r = read_token(client, request, err);
	if (r == 0)
		r = exchange(client, request, url, body, &answer, err);
	if (r == 0)
		r = read_answer(client, &answer, ret_answer, err);
	if (r == 0)
		follow_generation(client, request);
	free(answer.bytes);
	free(url);
	cJSON_free(body);
	return r;
}

/* An answer that goes on takes as long as it likes, unless nothing comes of it. */
static void set_up_endless(struct client *client, const struct request *request, const char *url,
			   struct curl_slist *headers)
{
	set_up(client, request, url, NULL, NULL, headers);
	curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, 0L);
	curl_easy_setopt(client->curl, CURLOPT_CONNECTTIMEOUT_MS, client->timeout_ms);
	curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(client->curl, CURLOPT_LOW_SPEED_TIME, CLIENT_SILENCE_S);
}

/* --- streams --- */

struct stream {
	CURL *curl;
	struct text answer; /* in place of a stream: an error */
	client_take take;
	void *context;
	char *line; /* malloc'ed: what has come of it */
	size_t length, room;
	bool ended;
};

static bool grow_line(struct stream *stream)
{
	char *line;

	if (stream->length + 1 < stream->room)
		return true;
	line = realloc(stream->line, stream->room * 2 + 256);
	if (line == NULL)
		return false;
	stream->line = line;
	stream->room = stream->room * 2 + 256;
	return true;
}

static size_t receive_stream(char *bytes, size_t size, size_t count, void *context)
{
	struct stream *stream = context;
	long status = 0;

	curl_easy_getinfo(stream->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200)
		return receive(bytes, size, count, stream->answer.stream);
	for (size_t i = 0; i < size * count; i++) {
		if (!grow_line(stream))
			return 0;
		if (bytes[i] != '\n') {
			stream->line[stream->length++] = bytes[i];
			continue;
		}
		stream->line[stream->length] = '\0';
		stream->length = 0;
		stream->ended = !stream->take(stream->context, stream->line);
		if (stream->ended)
			return 0;
	}
	return size * count;
}

static struct curl_slist *stream_headers(const char *last_event_id)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Accept: text/event-stream"), *more;
	char line[64];

	if (headers == NULL || last_event_id == NULL)
		return headers;
	snprintf(line, sizeof(line), "Last-Event-ID: %s", last_event_id);
	more = curl_slist_append(headers, line);
	if (more == NULL)
		curl_slist_free_all(headers);
	return more;
}

static int stream_outcome(struct client *client, const struct request *request,
			  const struct stream *stream, CURLcode code, struct error *err)
{
	cJSON *json = NULL;
	long status = 0;
	int r;

	if (stream->ended)
		return 0;
	curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200)
		return error_set(err, ECONNRESET, "agent at %s: the stream has ended",
				 client->place);
	if (code != CURLE_OK)
		return unreachable(client, request, code, err);
	r = read_answer(client, &stream->answer, &json, err);
	cJSON_Delete(json);
	return r;
}

int client_stream(struct client *client, const struct request *request, const char *last_event_id,
		  client_take take, void *context, struct error *err)
{
	struct stream stream = {.curl = client->curl, .take = take, .context = context};
	struct curl_slist *headers = stream_headers(last_event_id);
	char *url = NULL;
	CURLcode code;
	int r = headers != NULL ? 0 : error_set(err, ENOMEM, "out of memory");

	if (r == 0)
		r = format_url(client, request, &url, err);
	if (r == 0)
		r = text_open(&stream.answer, err);
	if (r == 0) {
		set_up_endless(client, request, url, headers);
		curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, receive_stream);
		curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &stream);
		code = curl_easy_perform(client->curl);
		r = text_close(&stream.answer, err);
		if (r == 0)
			r = stream_outcome(client, request, &stream, code, err);
	}
	curl_slist_free_all(headers);
	free(stream.answer.bytes);
	free(stream.line);
	free(url);
	return r;
}

/* --- downloads --- */

struct download {
	CURL *curl;
	struct text answer; /* in place of what is wanted: an error */
	client_take_bytes take;
	void *context;
	const volatile sig_atomic_t *stop;
	int outcome; /* of take */
	struct error *err;
};

static size_t receive_download(char *bytes, size_t size, size_t count, void *context)
{
	struct download *download = context;
	long status = 0;

	curl_easy_getinfo(download->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200)
		return receive(bytes, size, count, download->answer.stream);
	download->outcome = download->take(download->context, bytes, size * count, download->err);
	return download->outcome == 0 ? size * count : 0;
}

static int on_progress(void *context, curl_off_t total, curl_off_t now, curl_off_t upload_total,
		       curl_off_t upload_now)
{
	const struct download *download = context;

	(void)total, (void)now, (void)upload_total, (void)upload_now;
	return *download->stop != 0;
}

static int download_outcome(struct client *client, const struct request *request,
			    const struct download *download, CURLcode code, struct error *err)
{
	cJSON *json = NULL;
	long status = 0;
	int r;

	if (download->outcome != 0)
		return download->outcome < 0 ? download->outcome : 0;
	if (*download->stop != 0)
		return 0;
	curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200 && code != CURLE_OK)
		return error_set(err, ECONNRESET, "agent at %s: it has gone", client->place);
	if (code != CURLE_OK)
		return unreachable(client, request, code, err);
	if (status == 200)
		return 0;
	r = read_answer(client, &download->answer, &json, err);
	cJSON_Delete(json);
	return r;
}

static void set_up_download(struct client *client, const struct request *request, const char *url,
			    struct download *download)
{
	set_up_endless(client, request, url, NULL);
	curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, receive_download);
	curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, download);
	curl_easy_setopt(client->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(client->curl, CURLOPT_XFERINFODATA, download);
	curl_easy_setopt(client->curl, CURLOPT_NOPROGRESS, 0L);
}

int client_download(struct client *client, const struct request *request, client_take_bytes take,
		    void *context, const volatile sig_atomic_t *stop, struct error *err)
{
	struct download download = {
		.curl = client->curl, .take = take, .context = context, .stop = stop, .err = err};
	char *url = NULL;
	CURLcode code;
	int r = format_url(client, request, &url, err);

	if (r == 0)
		r = read_token(client, request, err);
	if (r == 0)
		r = text_open(&download.answer, err);
	if (r == 0) {
		set_up_download(client, request, url, &download);
		code = curl_easy_perform(client->curl);
		r = text_close(&download.answer, err);
		if (r == 0)
			r = download_outcome(client, request, &download, code, err);
	}
	free(download.answer.bytes);
	free(url);
	return r;
}
