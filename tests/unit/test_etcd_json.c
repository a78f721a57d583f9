/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "etcd_json.h"

static struct error err;

static void written(char *text, const char *wanted)
{
	assert_non_null(text);
	assert_string_equal(text, wanted);
	free(text);
}

static void test_requests(void **state)
{
	(void)state;
	written(etcd_write_get("/p/config", false), "{\"key\":\"L3AvY29uZmln\"}");
	written(etcd_write_get("/p", true), "{\"key\":\"L3A=\",\"keys_only\":true}");
	written(etcd_write_watch("/p", 12345678901),
		"{\"create_request\":{\"key\":\"L3A=\",\"start_revision\":\"12345678901\"}}");
	written(etcd_write_login("me", "a\"b"), "{\"name\":\"me\",\"password\":\"a\\\"b\"}");
	written(etcd_write_put("/p", "{}", 7),
		"{\"compare\":[{\"key\":\"L3A=\",\"target\":\"MOD\",\"result\":\"EQUAL\","
		"\"mod_revision\":\"7\"}],"
		"\"success\":[{\"request_put\":{\"key\":\"L3A=\",\"value\":\"e30=\"}}],"
		"\"failure\":[{\"request_range\":{\"key\":\"L3A=\"}}]}");
}

static void kv_is(struct etcd_kv *kv, uint64_t revision, uint64_t mod_revision, const char *text)
{
	assert_true(kv->revision == revision);
	assert_true(kv->mod_revision == mod_revision);
	if (text) {
		assert_non_null(kv->text);
		assert_string_equal(kv->text, text);
		assert_int_equal(kv->length, strlen(text));
	} else {
		assert_null(kv->text);
	}
	etcd_kv_clear(kv);
}

static struct etcd_kv get(const char *text)
{
	struct etcd_kv kv = {0};

	assert_int_equal(etcd_read_get(text, strlen(text), &kv, &err), 0);
	return kv;
}

static void get_refused(const char *text, const char *message)
{
	struct etcd_kv kv = {.revision = 99};

	assert_int_equal(etcd_read_get(text, strlen(text), &kv, &err), -EBADMSG);
	assert_non_null(strstr(err.message, message));
	kv_is(&kv, 99, 0, NULL);
}

/* As etcd 3.4 answers. */
#define HEADER                                                                                     \
	"\"header\":{\"cluster_id\":\"14841639068965178418\","                                     \
	"\"member_id\":\"10276657743932975437\",\"revision\":\"9\",\"raft_term\":\"2\"}"
#define KV(value)                                                                                    \
	"{\"key\":\"L3A=\",\"create_revision\":\"2\",\"mod_revision\":\"8\",\"version\":\"3\"" value \
	"}"

static void test_get(void **state)
{
	struct etcd_kv kv;

	(void)state;
	kv = get("{" HEADER ",\"kvs\":[" KV(",\"value\":\"e30=\"") "],\"count\":\"1\"}");
	kv_is(&kv, 9, 8, "{}");
	kv = get("{" HEADER ",\"kvs\":[" KV("") "],\"count\":\"1\"}"); /* keys_only, or empty */
	kv_is(&kv, 9, 8, NULL);
	kv = get("{" HEADER "}"); /* there is no such key */
	kv_is(&kv, 9, 0, NULL);
	for (const char *value = "YWJj\0YWI=\0YQ==\0"; *value; value += 5) {
		char text[400];

		strcpy(text, "{" HEADER ",\"kvs\":[{\"mod_revision\":\"1\",\"value\":\"");
		strcat(text, value);
		strcat(text, "\"}]}");
		kv = get(text);
		assert_memory_equal(kv.text, "abc", kv.length);
		assert_int_equal(kv.length, value[2] == '=' ? 1 : value[3] == '=' ? 2 : 3);
		assert_int_equal(kv.text[kv.length], '\0');
		etcd_kv_clear(&kv);
	}
}

static void test_get_refused(void **state)
{
	(void)state;
	get_refused("", "no JSON");
	get_refused("<html>", "no JSON");
	get_refused("[]", "no revision");
	get_refused("{}", "no revision");
	get_refused("{\"header\":{\"revision\":9}}", "no revision");
	get_refused("{\"header\":{\"revision\":\"-1\"}}", "no revision");
	get_refused("{" HEADER ",\"kvs\":[{}]}", "no mod_revision");
	get_refused("{" HEADER ",\"kvs\":[7]}", "no mod_revision");
	get_refused("{" HEADER ",\"kvs\":[" KV(",\"value\":\"e30\"") "]}", "no base64");
	get_refused("{" HEADER ",\"kvs\":[" KV(",\"value\":\"e!0=\"") "]}", "no base64");
}

static void test_put(void **state)
{
	static const char done[] = "{" HEADER ",\"succeeded\":true,\"responses\":[{"
				   "\"response_put\":{\"header\":{\"revision\":\"9\"}}}]}";
	static const char lost[] = "{" HEADER ",\"responses\":[{\"response_range\":{\"kvs\":[" KV(
		",\"value\":\"e30=\"") "],\"count\":\"1\"}}]}";
	static const char gone[] = "{" HEADER ",\"responses\":[{\"response_range\":{}}]}";
	struct etcd_kv kv = {0};
	bool succeeded = false;

	(void)state;
	assert_int_equal(etcd_read_put(done, strlen(done), &succeeded, &kv, &err), 0);
	assert_true(succeeded);
	kv_is(&kv, 9, 9, NULL);
	assert_int_equal(etcd_read_put(lost, strlen(lost), &succeeded, &kv, &err), 0);
	assert_false(succeeded);
	kv_is(&kv, 9, 8, "{}");
	assert_int_equal(etcd_read_put(gone, strlen(gone), &succeeded, &kv, &err), 0);
	assert_false(succeeded);
	kv_is(&kv, 9, 0, NULL);
	assert_int_equal(etcd_read_put("{}", 2, &succeeded, &kv, &err), -EBADMSG);
}

static int watch(const char *text, bool *any, struct etcd_kv *kv)
{
	return etcd_read_watch(text, strlen(text), any, kv, &err);
}

static void test_watch(void **state)
{
	struct etcd_kv kv = {0};
	bool any = true;

	(void)state;
	assert_int_equal(watch("{\"result\":{" HEADER ",\"created\":true}}", &any, &kv), 0);
	assert_false(any);
	etcd_kv_clear(&kv);
	assert_int_equal(watch("{\"result\":{" HEADER
			       ",\"events\":[{\"kv\":{}},{\"kv\":" KV(",\"value\":\"e30=\"") "}]}}",
			       &any, &kv),
			 0);
	assert_true(any);
	kv_is(&kv, 9, 8, "{}");
	assert_int_equal(watch("{\"result\":{" HEADER ",\"events\":[{\"type\":\"DELETE\","
			       "\"kv\":{\"key\":\"L3A=\",\"mod_revision\":\"9\"}}]}}",
			       &any, &kv),
			 0);
	assert_true(any);
	kv_is(&kv, 9, 0, NULL);
}

static void test_watch_ends(void **state)
{
	struct etcd_kv kv = {0};
	bool any = false;

	(void)state;
	assert_int_equal(watch("{\"result\":{" HEADER ",\"canceled\":true,"
			       "\"compact_revision\":\"6\"}}",
			       &any, &kv),
			 -ESTALE);
	assert_non_null(strstr(err.message, "forgotten"));
	assert_int_equal(watch("{\"result\":{" HEADER ",\"canceled\":true,"
			       "\"cancel_reason\":\"permission denied\"}}",
			       &any, &kv),
			 -ESTALE);
	assert_non_null(strstr(err.message, "permission denied"));
	assert_int_equal(
		watch("{\"error\":{\"grpc_code\":14,\"message\":\"no leader\"}}", &any, &kv),
		-ESTALE);
	assert_non_null(strstr(err.message, "no leader"));
	assert_int_equal(watch("{", &any, &kv), -EBADMSG);
	assert_int_equal(watch("{}", &any, &kv), -EBADMSG);
}

static void test_login(void **state)
{
	static const char good[] = "{" HEADER ",\"token\":\"abc.9\"}";
	char *token = NULL;

	(void)state;
	assert_int_equal(etcd_read_login(good, strlen(good), &token, &err), 0);
	assert_string_equal(token, "abc.9");
	free(token);
	assert_int_equal(etcd_read_login("{}", 2, &token, &err), -EBADMSG);
	assert_int_equal(etcd_read_login("", 0, &token, &err), -EBADMSG);
}

static void test_refusal(void **state)
{
	static const char said[] = "{\"error\":\"etcdserver: invalid auth token\",\"code\":16,"
				   "\"message\":\"etcdserver: invalid auth token\"}";

	(void)state;
	etcd_read_refusal(said, strlen(said), &err);
	assert_string_equal(err.message, "etcdserver: invalid auth token");
	etcd_read_refusal("<p>", 3, &err);
	assert_string_equal(err.message, "it does not say why");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),    cmocka_unit_test(test_get),
		cmocka_unit_test(test_get_refused), cmocka_unit_test(test_put),
		cmocka_unit_test(test_watch),       cmocka_unit_test(test_watch_ends),
		cmocka_unit_test(test_login),       cmocka_unit_test(test_refusal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
