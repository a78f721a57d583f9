/* SPDX-License-Identifier: Apache-2.0 */
#include "etcd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "curl_loop.h"
#include "secret.h"

#define CONNECT_MS 2000L
#define ANSWER_MS  5000L
#define ANSWER_MAX (16UL << 20) /* ten times what etcd takes in a request */

enum call_kind {
	CALL_LOGIN,
	CALL_GET,
	CALL_COMMIT,
	CALL_WATCH,
	CALL_GRANT,
	CALL_KEEP,
	CALL_REVOKE,
};

static const char *const paths[] = {
	[CALL_LOGIN] = "/v3/auth/authenticate", [CALL_GET] = "/v3/kv/range",
	[CALL_COMMIT] = "/v3/kv/txn",           [CALL_WATCH] = "/v3/watch",
	[CALL_GRANT] = "/v3/lease/grant",       [CALL_KEEP] = "/v3/lease/keepalive",
	[CALL_REVOKE] = "/v3/lease/revoke",
};

/* A request under way, or one that waits for the token. */
struct call {
	TAILQ_ENTRY(call) link;
	struct etcd *etcd;
	enum call_kind kind;
	char *body;
	etcd_callback callback; /* NULL: nobody is told */
	void *context;
	CURL *easy; /* NULL: not sent, or ended */
	struct curl_slist *headers;
	const char *endpoint; /* that it was last sent to */
	char reason[CURL_ERROR_SIZE];
	char *answer; /* as far as it is there */
	size_t length, size;
	bool again;     /* it has been refused for its token once */
	bool calling;   /* its callback runs, */
	bool cancelled; /* and has cancelled it */
};

struct etcd {
	struct curl_loop *curl;
	uv_timer_t lines; /* of a watch have come: they are told outside of libcurl's callbacks */
	struct etcd_url url;
	size_t endpoint; /* index of that which is asked */
	const char *ca, *cert, *key;
	char *user, *password; /* NULL: nobody logs in */
	char *token;           /* NULL: none yet */
	TAILQ_HEAD(calls, call) calls;
};

/* --- a call's end --- */

/* What belongs to one attempt. */
static void call_reset(struct call *call)
{
	curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	free(call->answer);
	call->easy = NULL;
	call->headers = NULL;
	call->answer = NULL;
	call->length = call->size = 0;
}

static void call_free(struct call *call)
{
	TAILQ_REMOVE(&call->etcd->calls, call, link);
	call_reset(call);
	free(call->body);
	free(call);
}

static void call_remove(struct call *call)
{
	if (call->easy)
		curl_loop_remove(call->etcd->curl, call->easy);
	call_free(call);
}

/* Clears answer. True: the call is still there, for it is a watch that goes on. */
static bool tell(struct call *call, int ret, struct etcd_answer *answer, const struct error *err)
{
	bool goes_on = call->kind == CALL_WATCH && ret == 0;

	call->calling = true;
	if (call->callback)
		call->callback(call->context, ret, answer, err);
	call->calling = false;
	if (answer)
		etcd_answer_clear(answer);
	if (goes_on && !call->cancelled)
		return true;
	if (goes_on)
		call_remove(call);
	else
		call_free(call);
	return false;
}

static void fail(struct call *call, int ret, const struct error *reason)
{
	struct error err;

	error_set(&err, -ret, "etcd at %s: %.200s", call->endpoint ?: etcd_endpoint(call->etcd),
		  reason->message);
	error_hint(&err, ret, "%s", reason->hint);
	tell(call, ret, NULL, &err);
}

/* --- sending --- */

static void on_done(void *context, CURL *easy, CURLcode result);
static void on_lines(uv_timer_t *timer);

/* Room grows by doubling, so long answers are not copied often. */
static size_t on_bytes(char *bytes, size_t size, size_t count, void *context)
{
	struct call *call = context;
	size_t length = size * count, room = call->size ?: 4096;
	char *answer;

	while (room < call->length + length + 1)
		room *= 2;
	if (room > ANSWER_MAX)
		return 0; /* ends the transfer: CURLE_WRITE_ERROR */
	answer = room == call->size ? call->answer : realloc(call->answer, room);
	if (!answer)
		return 0;
	call->answer = answer;
	call->size = room;
	memcpy(answer + call->length, bytes, length);
	call->length += length;
	answer[call->length] = '\0';
	if (call->kind == CALL_WATCH)
		uv_timer_start(&call->etcd->lines, on_lines, 0, 0);
	return length;
}

static bool add_header(struct call *call, const char *name, const char *value)
{
	struct curl_slist *headers;
	char *text = NULL;

	if (asprintf(&text, "%s: %s", name, value) < 0)
		return false;
	headers = curl_slist_append(call->headers, text);
	free(text);
	call->headers = headers ?: call->headers;
	return headers;
}

static void set_tls(const struct etcd *etcd, CURL *easy)
{
	if (etcd->ca[0])
		curl_easy_setopt(easy, CURLOPT_CAINFO, etcd->ca);
	if (etcd->cert[0])
		curl_easy_setopt(easy, CURLOPT_SSLCERT, etcd->cert);
	if (etcd->key[0])
		curl_easy_setopt(easy, CURLOPT_SSLKEY, etcd->key);
}

/* Without "Expect:" libcurl would wait before it sends what is long. */
static bool prepare(struct call *call)
{
	const struct etcd *etcd = call->etcd;
	char url[ETCD_ENDPOINT_MAX + 32];
	bool whole = add_header(call, "Content-Type", "application/json") &&
		     (call->headers = curl_slist_append(call->headers, "Expect:")) &&
		     (!etcd->token || add_header(call, "Authorization", etcd->token));

	call->endpoint = etcd_endpoint(etcd);
	snprintf(url, sizeof(url), "%s%s", call->endpoint, paths[call->kind]);
	whole = whole && curl_easy_setopt(call->easy, CURLOPT_URL, url) == CURLE_OK;
	curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
	curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, call->body);
	curl_easy_setopt(call->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(call->easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(call->easy, CURLOPT_PROXY, "");
	curl_easy_setopt(call->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(call->easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(call->easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS, call->kind == CALL_WATCH ? 0 : ANSWER_MS);
	curl_easy_setopt(call->easy, CURLOPT_ERRORBUFFER, call->reason);
	curl_easy_setopt(call->easy, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(call->easy, CURLOPT_WRITEDATA, call);
	set_tls(etcd, call->easy);
	return whole;
}

static int call_send(struct call *call)
{
	call->easy = curl_easy_init();
	call->reason[0] = '\0';
	if (call->easy && prepare(call) &&
	    curl_loop_add(call->etcd->curl, call->easy, on_done, call) == 0)
		return 0;
	call_reset(call);
	return -ENOMEM;
}

/* Takes body over. NULL: out of memory. */
static struct call *call_new(struct etcd *etcd, enum call_kind kind, char *body)
{
	struct call *call = calloc(1, sizeof(*call));

	if (!call || !body) {
		free(call);
		free(body);
		return NULL;
	}
	call->etcd = etcd;
	call->kind = kind;
	call->body = body;
	TAILQ_INSERT_TAIL(&etcd->calls, call, link);
	return call;
}

static bool logging_in(const struct etcd *etcd)
{
	const struct call *call;

	TAILQ_FOREACH(call, &etcd->calls, link)
	{
		if (call->kind == CALL_LOGIN)
			return true;
	}
	return false;
}

/* Those that wait are sent when the answer is there. */
static int login(struct etcd *etcd)
{
	struct call *call;

	if (logging_in(etcd))
		return 0;
	call = call_new(etcd, CALL_LOGIN, etcd_write_login(etcd->user, etcd->password));
	if (call && call_send(call) == 0)
		return 0;
	if (call)
		call_free(call);
	return -ENOMEM;
}

static int send_or_wait(struct call *call)
{
	struct etcd *etcd = call->etcd;

	return etcd->user && !etcd->token ? login(etcd) : call_send(call);
}

/* --- answers --- */

static void out_of_memory(struct call *call)
{
	struct error err;

	fail(call, error_set(&err, EIO, "out of memory"), &err);
}

static void send_waiting(struct etcd *etcd)
{
	struct call *call, *next;

	for (call = TAILQ_FIRST(&etcd->calls); call; call = next) {
		next = TAILQ_NEXT(call, link);
		if (!call->easy && call_send(call)) {
			out_of_memory(call);
			next = TAILQ_FIRST(
				&etcd->calls); /* its callback may have changed the list */
		}
	}
}

/* As many as there are now: a callback may begin another one. */
static void fail_waiting(struct etcd *etcd, int ret, const struct error *reason)
{
	struct call *call;
	size_t count = 0;

	TAILQ_FOREACH(call, &etcd->calls, link)
	count += !call->easy;
	for (; count > 0; count--) {
		TAILQ_FOREACH(call, &etcd->calls, link)
		{
			if (!call->easy)
				break;
		}
		if (call)
			fail(call, ret, reason);
	}
}

static void end_login(struct call *call, int ret, const struct error *reason)
{
	struct etcd *etcd = call->etcd;
	struct error err = ret ? *reason : (struct error){0};
	char *token = NULL;

	if (ret == 0)
		ret = etcd_read_login(call->answer ?: "", call->length, &token, &err);
	call_free(call);
	free(etcd->token);
	etcd->token = token;
	if (ret == 0) {
		send_waiting(etcd);
		return;
	}
	if (ret == -EACCES && !err.hint[0])
		error_hint(&err, ret, "look at --store-user-file, and at etcdctl user list");
	fail_waiting(etcd, ret, &err);
}

/* What is left is put before what will come. */
static void drop_line(struct call *call, size_t length)
{
	call->length -= length;
	memmove(call->answer, call->answer + length, call->length + 1);
}

/* Tells the changes in what has come. False: the watch is no more. */
static bool tell_lines(struct call *call)
{
	struct etcd_answer answer;
	struct error err;
	char *end;
	int ret;

	while (call->length > 0 && (end = memchr(call->answer, '\n', call->length))) {
		answer = (struct etcd_answer){0};
		ret = etcd_read_watch(call->answer, (size_t)(end - call->answer), &answer, &err);
		drop_line(call, (size_t)(end - call->answer) + 1);
		if (ret < 0) {
			if (call->easy)
				curl_loop_remove(call->etcd->curl, call->easy);
			fail(call, ret, &err);
			return false;
		}
		if (answer.count == 0)
			etcd_answer_clear(&answer);
		else if (!tell(call, 0, &answer, NULL))
			return false;
	}
	return true;
}

static void on_lines(uv_timer_t *timer)
{
	struct etcd *etcd = timer->data;
	struct call *call;

	TAILQ_FOREACH(call, &etcd->calls, link)
	{
		if (call->kind == CALL_WATCH && !tell_lines(call))
			return; /* the list may be another; further lines start the timer anew */
	}
}

static int read_answer(const struct call *call, struct etcd_answer *answer, struct error *err)
{
	const char *text = call->answer ?: "";

	switch (call->kind) {
	case CALL_GET:
		return etcd_read_get(text, call->length, answer, err);
	case CALL_COMMIT:
		return etcd_read_commit(text, call->length, answer, err);
	case CALL_GRANT:
		return etcd_read_grant(text, call->length, answer, err);
	case CALL_KEEP:
		return etcd_read_kept(text, call->length, answer, err);
	default: /* nothing that anybody wants to know */
		return 0;
	}
}

static void end_call(struct call *call)
{
	struct etcd_answer answer = {0};
	struct error err;
	int ret = read_answer(call, &answer, &err);

	if (ret < 0)
		fail(call, ret == -ENOMEM ? -EIO : ret, &err);
	else
		tell(call, 0, &answer, NULL);
}

static int read_failure(const struct call *call, CURLcode result, struct error *err)
{
	const char *hint = "look at etcd: etcdctl endpoint health";
	int code = EIO;

	switch (result) {
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
		code = ECONNREFUSED;
		break;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		code = ECONNREFUSED;
		hint = "look at --store-ca, --store-cert and --store-key; etcd:// is without TLS";
		break;
	case CURLE_GOT_NOTHING: /* which is what etcd with TLS answers to who comes without */
		hint = "etcdctl endpoint health; if it speaks TLS, --store etcds://...";
		break;
	default:
		break;
	}
	error_set(err, code, "%.200s", call->reason[0] ? call->reason : curl_easy_strerror(result));
	return error_hint(err, -code, "%s", hint);
}

/* 4xx: etcd would not have it. Else it cannot, as without a leader. */
static int read_status(const struct call *call, long status, struct error *err)
{
	etcd_read_refusal(call->answer ?: "", call->length, err);
	if (status < 400 || status >= 500)
		return -EIO;
	/* So its own refusals begin. Another server, or one that wants TLS, has other words. */
	if (strncmp(err->message, "etcdserver", strlen("etcdserver")) != 0)
		error_hint(err, 0,
			   "is that etcd's port for clients? look at --store; etcds:// is by TLS");
	return -EACCES;
}

/* A token expires, and is not known any more when etcd has been started anew. */
static bool is_token_stale(const struct call *call, long status, const struct error *err)
{
	return call->etcd->user && call->kind != CALL_LOGIN && !call->again &&
	       (status == 401 || strstr(err->message, "auth token") ||
		strstr(err->message, "revision of auth store is old"));
}

static void try_again(struct call *call)
{
	free(call->etcd->token);
	call->etcd->token = NULL;
	call_reset(call);
	call->again = true;
	if (send_or_wait(call))
		out_of_memory(call);
}

/* easy is out of the loop. */
static void on_done(void *context, CURL *easy, CURLcode result)
{
	struct call *call = context;
	struct error err = {0};
	long status = 0;
	int ret = 0;

	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	if (result != CURLE_OK)
		ret = read_failure(call, result, &err);
	else if (status != 200)
		ret = read_status(call, status, &err);
	curl_easy_cleanup(easy);
	call->easy = NULL;
	if (ret && is_token_stale(call, status, &err))
		try_again(call);
	else if (call->kind == CALL_LOGIN)
		end_login(call, ret, &err);
	else if (ret)
		fail(call, ret, &err);
	else if (call->kind != CALL_WATCH)
		end_call(call);
	else if (tell_lines(call))
		fail(call, error_set(&err, EIO, "the watch has ended"), &err);
}

/* --- the client --- */

/* Takes body over. */
static int start(struct etcd *etcd, enum call_kind kind, char *body, etcd_callback callback,
		 void *context)
{
	struct call *call = call_new(etcd, kind, body);

	if (!call)
		return -ENOMEM;
	call->callback = callback;
	call->context = context;
	if (send_or_wait(call) == 0)
		return 0;
	call_free(call);
	return -ENOMEM;
}

int etcd_get(struct etcd *etcd, const char *key, unsigned int flags, etcd_callback callback,
	     void *context)
{
	return start(etcd, CALL_GET, etcd_write_get(key, flags), callback, context);
}

int etcd_commit(struct etcd *etcd, const struct etcd_step *steps, size_t count,
		etcd_callback callback, void *context)
{
	return start(etcd, CALL_COMMIT, etcd_write_commit(steps, count), callback, context);
}

int etcd_watch(struct etcd *etcd, const char *key, unsigned int flags, uint64_t revision,
	       etcd_callback callback, void *context)
{
	return start(etcd, CALL_WATCH, etcd_write_watch(key, flags, revision), callback, context);
}

int etcd_grant(struct etcd *etcd, uint64_t ttl_s, etcd_callback callback, void *context)
{
	return start(etcd, CALL_GRANT, etcd_write_grant(ttl_s), callback, context);
}

int etcd_keep(struct etcd *etcd, uint64_t lease, etcd_callback callback, void *context)
{
	return start(etcd, CALL_KEEP, etcd_write_lease(lease), callback, context);
}

void etcd_revoke(struct etcd *etcd, uint64_t lease)
{
	start(etcd, CALL_REVOKE, etcd_write_lease(lease), NULL, NULL);
}

void etcd_cancel(struct etcd *etcd, etcd_callback callback, const void *context)
{
	struct call *call, *next;

	for (call = TAILQ_FIRST(&etcd->calls); call; call = next) {
		next = TAILQ_NEXT(call, link);
		if (call->callback != callback || call->context != context)
			continue;
		if (call->calling)
			call->cancelled = true;
		else
			call_remove(call);
	}
}

const char *etcd_endpoint(const struct etcd *etcd)
{
	return etcd->url.endpoints[etcd->endpoint];
}

bool etcd_next(struct etcd *etcd)
{
	etcd->endpoint = (etcd->endpoint + 1) % etcd->url.endpoint_count;
	return etcd->endpoint != 0;
}

/* USER:PASSWORD, one line. A password may have a colon. */
static int read_user(struct etcd *etcd, const char *path, struct error *err)
{
	char *text = NULL, *colon;
	size_t length = 0;
	int ret = secret_read("store user file", path, &text, &length, err);

	if (ret)
		return ret;
	text[strcspn(text, "\r\n")] = '\0';
	colon = strchr(text, ':');
	if (!colon || colon == text || colon[1] == '\0') {
		error_set(err, EINVAL, "store user file %.180s: not USER:PASSWORD", path);
		ret = error_hint(err, -EINVAL, "one line, a user of etcd's, a colon, his password");
	} else {
		etcd->user = strndup(text, (size_t)(colon - text));
		etcd->password = strdup(colon + 1);
		if (!etcd->user || !etcd->password)
			ret = error_set(err, ENOMEM, "out of memory");
	}
	secret_free(text, length);
	return ret;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

int etcd_new(uv_loop_t *loop, const struct etcd_config *config, struct etcd **ret_etcd,
	     struct error *err)
{
	struct etcd *etcd = calloc(1, sizeof(*etcd));
	int ret = 0;

	if (!etcd)
		return error_set(err, ENOMEM, "out of memory");
	TAILQ_INIT(&etcd->calls);
	etcd->url = config->url;
	etcd->ca = config->ca;
	etcd->cert = config->cert;
	etcd->key = config->key;
	uv_timer_init(loop, &etcd->lines);
	etcd->lines.data = etcd;
	etcd->curl = curl_loop_new(loop);
	if (!etcd->curl)
		ret = error_set(err, ENOMEM, "out of memory");
	if (ret == 0 && config->user_file[0])
		ret = read_user(etcd, config->user_file, err);
	if (ret)
		etcd_free(etcd);
	else
		*ret_etcd = etcd;
	return ret;
}

void etcd_free(struct etcd *etcd)
{
	struct call *call, *next;

	if (!etcd)
		return;
	for (call = TAILQ_FIRST(&etcd->calls); call; call = next) {
		next = TAILQ_NEXT(call, link);
		call_remove(call);
	}
	curl_loop_free(etcd->curl);
	if (etcd->password)
		explicit_bzero(etcd->password, strlen(etcd->password));
	free(etcd->password);
	free(etcd->user);
	free(etcd->token);
	uv_close((uv_handle_t *)&etcd->lines, on_closed);
}
