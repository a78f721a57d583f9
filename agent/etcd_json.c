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
	free(kv->text);
	*kv = (struct etcd_kv){0};
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

char *etcd_write_get(const char *key, bool without_value)
{
	cJSON *json = cJSON_CreateObject();
	bool whole = add_encoded(json, "key", encode(key)) &&
		     (!without_value || cJSON_AddTrueToObject(json, "keys_only"));

	return print(json, whole);
}

/* [{name: {...}}], of which the inner object is returned. */
static cJSON *add_operation(cJSON *json, const char *list, const char *name)
{
	cJSON *array = cJSON_AddArrayToObject(json, list), *item = cJSON_CreateObject();

	return json_add_item(array, item) ? (name ? cJSON_AddObjectToObject(item, name) : item)
					  : NULL;
}

char *etcd_write_put(const char *key, const char *value, uint64_t mod_revision)
{
	cJSON *json = cJSON_CreateObject();
	cJSON *compare = add_operation(json, "compare", NULL);
	cJSON *put = add_operation(json, "success", "request_put");
	cJSON *get = add_operation(json, "failure", "request_range");
	bool whole = add_encoded(compare, "key", encode(key)) &&
		     cJSON_AddStringToObject(compare, "target", "MOD") &&
		     cJSON_AddStringToObject(compare, "result", "EQUAL") &&
		     add_number(compare, "mod_revision", mod_revision) &&
		     add_encoded(put, "key", encode(key)) &&
		     add_encoded(put, "value", encode(value)) &&
		     add_encoded(get, "key", encode(key));

	return print(json, whole);
}

char *etcd_write_watch(const char *key, uint64_t revision)
{
	cJSON *json = cJSON_CreateObject();
	cJSON *create = cJSON_AddObjectToObject(json, "create_request");
	bool whole = add_encoded(create, "key", encode(key)) &&
		     add_number(create, "start_revision", revision);

	return print(json, whole);
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

static int read_kv(const cJSON *json, struct etcd_kv *kv, struct error *err)
{
	const char *value = text_of(json, "value");
	int ret = read_number(json, "mod_revision", &kv->mod_revision, err);

	if (ret == 0 && kv->mod_revision == 0)
		ret = refuse(err, "mod_revision");
	if (ret == 0 && value)
		ret = decode(value, &kv->text, &kv->length, err);
	return ret;
}

/* A range's, with at most one key. */
static int read_range(const cJSON *json, struct etcd_kv *kv, struct error *err)
{
	const cJSON *found = cJSON_GetArrayItem(item(json, "kvs"), 0);

	return found ? read_kv(found, kv, err) : 0;
}

static int read_revision(const cJSON *json, struct etcd_kv *kv, struct error *err)
{
	int ret = read_number(item(json, "header"), "revision", &kv->revision, err);

	return ret == 0 && kv->revision == 0 ? refuse(err, "revision") : ret;
}

static int parse(const char *text, size_t length, cJSON **ret_json, struct error *err)
{
	struct error inner;

	if (json_parse(text, length, ret_json, &inner))
		return error_set(err, EBADMSG, "its answer is no JSON");
	return 0;
}

/* Hands out kv, or clears it. */
static int finish(int ret, struct etcd_kv *kv, struct etcd_kv *ret_kv)
{
	if (ret)
		etcd_kv_clear(kv);
	else
		*ret_kv = *kv;
	return ret;
}

int etcd_read_get(const char *text, size_t length, struct etcd_kv *ret_kv, struct error *err)
{
	struct etcd_kv kv = {0};
	cJSON *json = NULL;
	int ret = parse(text, length, &json, err);

	if (ret == 0)
		ret = read_revision(json, &kv, err);
	if (ret == 0)
		ret = read_range(json, &kv, err);
	cJSON_Delete(json);
	return finish(ret, &kv, ret_kv);
}

int etcd_read_put(const char *text, size_t length, bool *ret_done, struct etcd_kv *ret_kv,
		  struct error *err)
{
	struct etcd_kv kv = {0};
	cJSON *json = NULL;
	bool done = false;
	int ret = parse(text, length, &json, err);

	if (ret == 0)
		ret = read_revision(json, &kv, err);
	if (ret == 0) {
		const cJSON *first = cJSON_GetArrayItem(item(json, "responses"), 0);

		done = cJSON_IsTrue(item(json, "succeeded"));
		if (done)
			kv.mod_revision = kv.revision;
		else
			ret = read_range(item(first, "response_range"), &kv, err);
	}
	cJSON_Delete(json);
	if (ret == 0)
		*ret_done = done;
	return finish(ret, &kv, ret_kv);
}

static int read_end(const cJSON *result, struct error *err)
{
	const char *reason = text_of(result, "cancel_reason");

	if (item(result, "compact_revision"))
		return error_set(err, ESTALE, "it has forgotten that revision");
	return error_set(err, ESTALE, "it has ended the watch: %.200s", reason ?: "no reason");
}

static int read_events(const cJSON *result, bool *any, struct etcd_kv *kv, struct error *err)
{
	const cJSON *events = item(result, "events");
	const cJSON *last = cJSON_GetArrayItem(events, cJSON_GetArraySize(events) - 1);
	const char *type = text_of(last, "type");
	int ret = read_revision(result, kv, err);

	*any = last;
	if (ret || !last || (type && strcmp(type, "DELETE") == 0))
		return ret;
	return read_kv(item(last, "kv"), kv, err);
}

int etcd_read_watch(const char *text, size_t length, bool *ret_any, struct etcd_kv *ret_kv,
		    struct error *err)
{
	const cJSON *result, *failure;
	struct etcd_kv kv = {0};
	cJSON *json = NULL;
	bool any = false;
	int ret = parse(text, length, &json, err);

	result = item(json, "result");
	failure = item(json, "error");
	if (ret == 0 && failure)
		ret = error_set(err, ESTALE, "it has ended the watch: %.200s",
				text_of(failure, "message") ?: "no reason");
	else if (ret == 0 && cJSON_IsTrue(item(result, "canceled")))
		ret = read_end(result, err);
	else if (ret == 0)
		ret = read_events(result, &any, &kv, err);
	cJSON_Delete(json);
	if (ret == 0)
		*ret_any = any;
	return finish(ret, &kv, ret_kv);
}

int etcd_read_login(const char *text, size_t length, char **ret_token, struct error *err)
{
	cJSON *json = NULL;
	int ret = parse(text, length, &json, err);
	const char *token = text_of(json, "token");
	char *copy = token ? strdup(token) : NULL;

	if (token && !copy)
		ret = error_set(err, ENOMEM, "out of memory");
	else if (ret == 0 && !token)
		ret = refuse(err, "token");
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
		message = text_of(json, "message") ?: text_of(json, "error");
	error_set(ret_err, EACCES, "%.200s", message ?: "it does not say why");
	cJSON_Delete(json);
}
