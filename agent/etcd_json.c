/* SPDX-License-Identifier: Apache-2.0 */
#include "etcd_json.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "parse.h"

void etcd_kv_clear(struct etcd_kv *kv)
{
	free(kv->key);
	free(kv->text);
	*kv = (struct etcd_kv){0};
}

void etcd_answer_clear(struct etcd_answer *answer)
{
	for (size_t i = 0; i < answer->count; i++)
		etcd_kv_clear(&answer->kvs[i]);
	free(answer->kvs);
	*answer = (struct etcd_answer){0};
}

struct etcd_kv *etcd_answer_find(const struct etcd_answer *answer, const char *key)
{
	for (size_t i = answer->count; i > 0; i--) {
		if (strcmp(answer->kvs[i - 1].key, key) == 0)
			return &answer->kvs[i - 1];
	}
	return NULL;
}

/* --- base64 --- */

static char *encode(const char *text)
{
	size_t length = strlen(text);
	unsigned char *encoded = malloc(length / 3 * 4 + 5);

	if (encoded)
		EVP_EncodeBlock(encoded, (const unsigned char *)text, (int)length);
	return (char *)encoded;
}

/* The padding is no part of the value, but EVP_DecodeBlock() counts it as zero bytes. */
static int decode(const char *encoded, char **ret_text, size_t *ret_length, struct error *err)
{
	size_t length = strlen(encoded);
	unsigned char *text = malloc(length / 4 * 3 + 1);
	int got;

	if (!text)
		return error_set(err, ENOMEM, "out of memory");
	got = EVP_DecodeBlock(text, (const unsigned char *)encoded, (int)length);
	if (got < 0) {
		free(text);
		return error_set(err, EBADMSG, "a value in its answer is no base64");
	}
	for (size_t end = length; end > 0 && end > length - 2 && encoded[end - 1] == '='; end--)
		got--;
	text[got] = '\0';
	*ret_text = (char *)text;
	*ret_length = (size_t)got;
	return 0;
}

/* --- requests --- */

/* Takes what is encoded over. */
static bool add_encoded(cJSON *json, const char *name, char *encoded)
{
	bool whole = encoded && cJSON_AddStringToObject(json, name, encoded);

	free(encoded);
	return whole;
}

static bool add_number(cJSON *json, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return cJSON_AddStringToObject(json, name, text);
}

/* Takes json over. */
static char *print(cJSON *json, bool whole)
{
	char *text = json && whole ? cJSON_PrintUnformatted(json) : NULL;

	cJSON_Delete(json);
	return text;
}

/* A range ends before the first key that does not begin so. Keys are text: none ends in 0xff. */
static bool add_range(cJSON *json, const char *key, unsigned int flags)
{
	char *end = flags & ETCD_PREFIX ? strdup(key) : NULL;
	bool whole = add_encoded(json, "key", encode(key));

	if (end)
		end[strlen(end) - 1]++;
	if (flags & ETCD_PREFIX)
		whole = whole && end && add_encoded(json, "range_end", encode(end));
	free(end);
	return whole;
}

char *etcd_write_get(const char *key, unsigned int flags)
{
	cJSON *json = cJSON_CreateObject();
	bool whole = add_range(json, key, flags) &&
		     (!(flags & ETCD_KEYS_ONLY) || cJSON_AddTrueToObject(json, "keys_only"));

	return print(json, whole);
}

char *etcd_write_watch(const char *key, unsigned int flags, uint64_t revision)
{
	cJSON *json = cJSON_CreateObject();
	cJSON *create = cJSON_AddObjectToObject(json, "create_request");
	bool whole =
		add_range(create, key, flags) && add_number(create, "start_revision", revision);

	return print(json, whole);
}

/* What is put at the array's end. NULL: out of memory. */
static cJSON *add_object(cJSON *array)
{
	cJSON *object = cJSON_CreateObject();

	return json_add_item(array, object) ? object : NULL;
}

static bool add_compare(cJSON *array, const struct etcd_step *step)
{
	cJSON *json = add_object(array);

	return cJSON_AddStringToObject(json, "target", "MOD") &&
	       cJSON_AddStringToObject(json, "result", "EQUAL") &&
	       add_encoded(json, "key", encode(step->key)) &&
	       add_number(json, "mod_revision", step->mod_revision);
}

static bool add_put(cJSON *array, const struct etcd_step *step)
{
	cJSON *json = cJSON_AddObjectToObject(add_object(array), "request_put");

	return add_encoded(json, "key", encode(step->key)) &&
	       add_encoded(json, "value", encode(step->value)) &&
	       (!step->lease || add_number(json, "lease", step->lease));
}

static bool add_step(cJSON *compares, cJSON *operations, const struct etcd_step *step)
{
	bool whole = !step->compared || add_compare(compares, step);

	if (step->what == ETCD_PUT)
		whole = whole && add_put(operations, step);
	else if (step->what == ETCD_DELETE)
		whole = whole && add_encoded(cJSON_AddObjectToObject(add_object(operations),
								     "request_delete_range"),
					     "key", encode(step->key));
	return whole;
}

char *etcd_write_commit(const struct etcd_step *steps, size_t count)
{
	cJSON *json = cJSON_CreateObject();
	cJSON *compares = cJSON_AddArrayToObject(json, "compare");
	cJSON *operations = cJSON_AddArrayToObject(json, "success");
	cJSON *otherwise = cJSON_AddArrayToObject(json, "failure");
	cJSON *get = cJSON_AddObjectToObject(add_object(otherwise), "request_range");
	bool whole = add_encoded(get, "key", encode(steps[0].key));

	for (size_t i = 0; whole && i < count; i++)
		whole = add_step(compares, operations, &steps[i]);
	return print(json, whole);
}

char *etcd_write_grant(uint64_t ttl_s)
{
	cJSON *json = cJSON_CreateObject();

	return print(json, add_number(json, "TTL", ttl_s));
}

char *etcd_write_lease(uint64_t lease)
{
	cJSON *json = cJSON_CreateObject();

	return print(json, add_number(json, "ID", lease));
}

char *etcd_write_login(const char *user, const char *password)
{
	cJSON *json = cJSON_CreateObject();
	bool whole = cJSON_AddStringToObject(json, "name", user) &&
		     cJSON_AddStringToObject(json, "password", password);

	return print(json, whole);
}

/* --- answers --- */

static const cJSON *item(const cJSON *json, const char *name)
{
	return cJSON_GetObjectItemCaseSensitive(json, name);
}

static const char *text_of(const cJSON *json, const char *name)
{
	return cJSON_GetStringValue(item(json, name));
}

/* An empty one tells nothing. */
static const char *word_of(const cJSON *json, const char *name)
{
	const char *text = text_of(json, name);

	return text && text[0] ? text : NULL;
}

static int refuse(struct error *err, const char *what)
{
	return error_set(err, EBADMSG, "its answer has no %s", what);
}

/* What is zero is left out by the gateway. */
static int read_number(const cJSON *json, const char *name, uint64_t *ret_value, struct error *err)
{
	const char *text = text_of(json, name);
	struct error ignored;

	*ret_value = 0;
	if (!item(json, name))
		return 0;
	if (!text || parse_number(text, 0, INT64_MAX, ret_value, &ignored))
		return refuse(err, name);
	return 0;
}

static int read_text(const cJSON *json, struct etcd_kv *kv, struct error *err)
{
	const char *value = text_of(json, "value");
	int ret = read_number(json, "mod_revision", &kv->mod_revision, err);

	if (ret == 0 && kv->mod_revision == 0)
		ret = refuse(err, "mod_revision");
	if (ret == 0 && value)
		ret = decode(value, &kv->text, &kv->length, err);
	return ret;
}

/* Fills the next one of the answer's. */
static int read_kv(const cJSON *json, bool deleted, struct etcd_answer *answer, struct error *err)
{
	struct etcd_kv *kv = &answer->kvs[answer->count++];
	const char *key = text_of(json, "key");
	size_t length;
	int ret = key ? decode(key, &kv->key, &length, err) : refuse(err, "key");

	return ret == 0 && !deleted ? read_text(json, kv, err) : ret;
}

static int make_room(const cJSON *list, struct etcd_answer *answer, struct error *err)
{
	size_t count = (size_t)cJSON_GetArraySize(list);

	answer->kvs = calloc(count + 1, sizeof(*answer->kvs));
	return answer->kvs ? 0 : error_set(err, ENOMEM, "out of memory");
}

static int read_range(const cJSON *range, struct etcd_answer *answer, struct error *err)
{
	const cJSON *kvs = item(range, "kvs"), *kv;
	int ret = make_room(kvs, answer, err);

	cJSON_ArrayForEach (kv, kvs) {
		if (ret == 0)
			ret = read_kv(kv, false, answer, err);
	}
	return ret;
}

static int read_revision(const cJSON *json, struct etcd_answer *answer, struct error *err)
{
	int ret = read_number(item(json, "header"), "revision", &answer->revision, err);

	return ret == 0 && answer->revision == 0 ? refuse(err, "revision") : ret;
}

typedef int (*reader)(const cJSON *json, struct etcd_answer *answer, struct error *err);

static int read_answer(const char *text, size_t length, reader read, struct etcd_answer *ret_answer,
		       struct error *err)
{
	struct etcd_answer answer = {0};
	struct error inner;
	cJSON *json = NULL;
	int ret;

	if (json_parse(text, length, &json, &inner))
		return error_set(err, EBADMSG, "its answer is no JSON");
	ret = read(json, &answer, err);
	cJSON_Delete(json);
	if (ret)
		etcd_answer_clear(&answer);
	else
		*ret_answer = answer;
	return ret;
}

static int read_get(const cJSON *json, struct etcd_answer *answer, struct error *err)
{
	int ret = read_revision(json, answer, err);

	return ret == 0 ? read_range(json, answer, err) : ret;
}

static int read_commit(const cJSON *json, struct etcd_answer *answer, struct error *err)
{
	const cJSON *first = cJSON_GetArrayItem(item(json, "responses"), 0);
	int ret = read_revision(json, answer, err);

	answer->done = cJSON_IsTrue(item(json, "succeeded"));
	return ret == 0 && !answer->done ? read_range(item(first, "response_range"), answer, err)
					 : ret;
}

static int read_end(const cJSON *result, struct error *err)
{
	const char *reason = word_of(result, "cancel_reason");

	if (item(result, "compact_revision"))
		return error_set(err, ESTALE, "it has forgotten that revision");
	return error_set(err, ESTALE, "it has ended the watch: %.200s", reason ?: "no reason");
}

static int read_events(const cJSON *result, struct etcd_answer *answer, struct error *err)
{
	const cJSON *events = item(result, "events"), *event;
	int ret = read_revision(result, answer, err);

	if (ret == 0)
		ret = make_room(events, answer, err);
	cJSON_ArrayForEach (event, events) {
		const char *type = text_of(event, "type");

		if (ret == 0)
			ret = read_kv(item(event, "kv"), type && strcmp(type, "DELETE") == 0,
				      answer, err);
	}
	return ret;
}

static int read_watch(const cJSON *json, struct etcd_answer *answer, struct error *err)
{
	const cJSON *result = item(json, "result"), *failure = item(json, "error");

	if (failure)
		return error_set(err, ESTALE, "it has ended the watch: %.200s",
				 word_of(failure, "message") ?: "no reason");
	return cJSON_IsTrue(item(result, "canceled")) ? read_end(result, err)
						      : read_events(result, answer, err);
}

static int read_lease(const cJSON *json, struct etcd_answer *answer, struct error *err)
{
	int ret = read_revision(json, answer, err);

	if (ret == 0)
		ret = read_number(json, "ID", &answer->lease, err);
	if (ret == 0 && answer->lease == 0)
		ret = refuse(err, "ID");
	return ret == 0 ? read_number(json, "TTL", &answer->ttl_s, err) : ret;
}

static int read_grant(const cJSON *json, struct etcd_answer *answer, struct error *err)
{
	int ret = read_lease(json, answer, err);

	return ret == 0 && answer->ttl_s == 0 ? refuse(err, "TTL") : ret;
}

static int read_kept(const cJSON *json, struct etcd_answer *answer, struct error *err)
{
	const char *failure = text_of(item(json, "error"), "message");

	return failure ? error_set(err, EBADMSG, "it does not keep the lease: %.200s", failure)
		       : read_lease(item(json, "result"), answer, err);
}

int etcd_read_get(const char *text, size_t length, struct etcd_answer *ret_answer,
		  struct error *err)
{
	return read_answer(text, length, read_get, ret_answer, err);
}

int etcd_read_commit(const char *text, size_t length, struct etcd_answer *ret_answer,
		     struct error *err)
{
	return read_answer(text, length, read_commit, ret_answer, err);
}

int etcd_read_watch(const char *text, size_t length, struct etcd_answer *ret_answer,
		    struct error *err)
{
	return read_answer(text, length, read_watch, ret_answer, err);
}

int etcd_read_grant(const char *text, size_t length, struct etcd_answer *ret_answer,
		    struct error *err)
{
	return read_answer(text, length, read_grant, ret_answer, err);
}

int etcd_read_kept(const char *text, size_t length, struct etcd_answer *ret_answer,
		   struct error *err)
{
	const char *end = memchr(text, '\n', length);

	return read_answer(text, end ? (size_t)(end - text) : length, read_kept, ret_answer, err);
}

int etcd_read_login(const char *text, size_t length, char **ret_token, struct error *err)
{
	cJSON *json = NULL;
	struct error inner;
	int ret = json_parse(text, length, &json, &inner);
	const char *token = word_of(json, "token");
	char *copy = token ? strdup(token) : NULL;

	if (ret)
		ret = error_set(err, EBADMSG, "its answer is no JSON");
	else if (!token)
		ret = refuse(err, "token");
	else if (!copy)
		ret = error_set(err, ENOMEM, "out of memory");
	cJSON_Delete(json);
	if (copy)
		*ret_token = copy;
	return ret;
}

void etcd_read_refusal(const char *text, size_t length, struct error *ret_err)
{
	cJSON *json = NULL;
	struct error ignored;
	const char *message = NULL;

	if (json_parse(text, length, &json, &ignored) == 0)
		message = word_of(json, "message") ?: word_of(json, "error");
	error_set(ret_err, EACCES, "%.200s", message ?: "what it answers is not etcd's");
	cJSON_Delete(json);
}
