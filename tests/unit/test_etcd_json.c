/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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
	written(etcd_write_get("/p/config", 0), "{\"key\":\"L3AvY29uZmln\"}");
	written(etcd_write_get("/p", ETCD_KEYS_ONLY), "{\"key\":\"L3A=\",\"keys_only\":true}");
	written(etcd_write_get("/p/", ETCD_PREFIX), /* up to "/p0" */
		"{\"key\":\"L3Av\",\"range_end\":\"L3Aw\"}");
	written(etcd_write_watch("/p", 0, 12345678901),
		"{\"create_request\":{\"key\":\"L3A=\",\"start_revision\":\"12345678901\"}}");
	written(etcd_write_watch("/p/", ETCD_PREFIX, 1),
		"{\"create_request\":{\"key\":\"L3Av\",\"range_end\":\"L3Aw\","
		"\"start_revision\":\"1\"}}");
	written(etcd_write_login("me", "a\"b"), "{\"name\":\"me\",\"password\":\"a\\\"b\"}");
	written(etcd_write_grant(5), "{\"TTL\":\"5\"}");
	written(etcd_write_lease(7587888888888888888),
		"{\"ID\":\"7587888888888888888\"}"); /* more than a double holds */
}

#define OTHERWISE "\"failure\":[{\"request_range\":{\"key\":\"L3A=\"}}]}"

static void test_commits(void **state)
{
	const struct etcd_step put = {
		.key = "/p", .compared = true, .mod_revision = 7, .value = "{}"};
	const struct etcd_step beneath = {.key = "/p", .value = "{}", .lease = 9};
	const struct etcd_step both[] = {
		{.key = "/p", .what = ETCD_LEAVE, .compared = true, .mod_revision = 7},
		{.key = "/q", .what = ETCD_DELETE, .compared = true},
	};

	(void)state;
	written(etcd_write_commit(&put, 1),
		"{\"compare\":[{\"target\":\"MOD\",\"result\":\"EQUAL\",\"key\":\"L3A=\","
		"\"mod_revision\":\"7\"}],"
		"\"success\":[{\"request_put\":{\"key\":\"L3A=\",\"value\":\"e30=\"}}]," OTHERWISE);
	written(etcd_write_commit(&beneath, 1),
		"{\"compare\":[],\"success\":[{\"request_put\":{\"key\":\"L3A=\","
		"\"value\":\"e30=\",\"lease\":\"9\"}}]," OTHERWISE);
	written(etcd_write_commit(both, 2),
		"{\"compare\":["
		"{\"target\":\"MOD\",\"result\":\"EQUAL\",\"key\":\"L3A=\",\"mod_revision\":\"7\"},"
		"{\"target\":\"MOD\",\"result\":\"EQUAL\",\"key\":\"L3E=\",\"mod_revision\":\"0\"}],"
		"\"success\":[{\"request_delete_range\":{\"key\":\"L3E=\"}}]," OTHERWISE);
}

/* Of those of the answer the one called /p, which is cleared with it. */
static void found(struct etcd_answer *answer, uint64_t revision, uint64_t mod_revision,
		  const char *text)
{
	const struct etcd_kv *kv = etcd_answer_find(answer, "/p");

	assert_true(answer->revision == revision);
	assert_non_null(kv);
	assert_true(kv->mod_revision == mod_revision);
	if (text) {
		assert_non_null(kv->text);
		assert_string_equal(kv->text, text);
		assert_int_equal(kv->length, strlen(text));
	} else {
		assert_null(kv->text);
	}
	etcd_answer_clear(answer);
}

static void found_none(struct etcd_answer *answer, uint64_t revision)
{
	assert_true(answer->revision == revision);
	assert_int_equal(answer->count, 0);
	assert_null(etcd_answer_find(answer, "/p"));
	etcd_answer_clear(answer);
}

typedef int (*reader)(const char *text, size_t length, struct etcd_answer *ret_answer,
		      struct error *err);

static struct etcd_answer reads(reader read, const char *text)
{
	struct etcd_answer answer = {0};

	assert_int_equal(read(text, strlen(text), &answer, &err), 0);
	return answer;
}

static void refuses(reader read, const char *text, int ret, const char *message)
{
	struct etcd_answer answer = {.revision = 99};

	assert_int_equal(read(text, strlen(text), &answer, &err), ret);
	assert_non_null(strstr(err.message, message));
	found_none(&answer, 99);
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
	struct etcd_answer answer;

	(void)state;
	answer = reads(etcd_read_get,
		       "{" HEADER ",\"kvs\":[" KV(",\"value\":\"e30=\"") "],\"count\":\"1\"}");
	found(&answer, 9, 8, "{}");
	answer = reads(etcd_read_get, /* keys only, or empty */
		       "{" HEADER ",\"kvs\":[" KV("") "],\"count\":\"1\"}");
	found(&answer, 9, 8, NULL);
	answer = reads(etcd_read_get, "{" HEADER "}"); /* there is no such key */
	found_none(&answer, 9);
	for (const char *value = "YWJj\0YWI=\0YQ==\0"; *value; value += 5) {
		char text[400];

		snprintf(text, sizeof(text),
			 "{" HEADER ",\"kvs\":[{\"key\":\"L3A=\",\"mod_revision\":\"1\","
			 "\"value\":\"%s\"}]}",
			 value);
		answer = reads(etcd_read_get, text);
		assert_memory_equal(answer.kvs->text, "abc", answer.kvs->length);
		assert_int_equal(answer.kvs->length, value[2] == '=' ? 1 : value[3] == '=' ? 2 : 3);
		assert_int_equal(answer.kvs->text[answer.kvs->length], '\0');
		etcd_answer_clear(&answer);
	}
}

static void test_get_prefix(void **state)
{
	struct etcd_answer answer;

	(void)state;
	answer = reads(etcd_read_get,
		       "{" HEADER ",\"kvs\":["
		       "{\"key\":\"L3EvYQ==\",\"mod_revision\":\"3\",\"value\":\"YQ==\"}," KV(
			       "") "],\"count\":\"2\"}");
	assert_int_equal(answer.count, 2);
	assert_string_equal(answer.kvs[0].key, "/q/a");
	assert_string_equal(answer.kvs[0].text, "a");
	found(&answer, 9, 8, NULL);
}

static void get_refused(const char *text, const char *message)
{
	refuses(etcd_read_get, text, -EBADMSG, message);
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
	get_refused("{" HEADER ",\"kvs\":[{}]}", "no key");
	get_refused("{" HEADER ",\"kvs\":[7]}", "no key");
	get_refused("{" HEADER ",\"kvs\":[{\"key\":\"L3A=\"}]}", "no mod_revision");
	get_refused("{" HEADER ",\"kvs\":[" KV("") ",{}]}", "no key");
	get_refused("{" HEADER ",\"kvs\":[" KV(",\"value\":\"e30\"") "]}", "no base64");
	get_refused("{" HEADER ",\"kvs\":[" KV(",\"value\":\"e!0=\"") "]}", "no base64");
}

static void test_commit(void **state)
{
	static const char done[] = "{" HEADER ",\"succeeded\":true,\"responses\":[{"
				   "\"response_put\":{\"header\":{\"revision\":\"9\"}}}]}";
	static const char lost[] = "{" HEADER ",\"responses\":[{\"response_range\":{\"kvs\":[" KV(
		",\"value\":\"e30=\"") "],\"count\":\"1\"}}]}";
	static const char gone[] = "{" HEADER ",\"responses\":[{\"response_range\":{}}]}";
	struct etcd_answer answer;

	(void)state;
	answer = reads(etcd_read_commit, done);
	assert_true(answer.done);
	found_none(&answer, 9);
	answer = reads(etcd_read_commit, lost);
	assert_false(answer.done);
	found(&answer, 9, 8, "{}");
	answer = reads(etcd_read_commit, gone);
	assert_false(answer.done);
	found_none(&answer, 9);
	refuses(etcd_read_commit, "{}", -EBADMSG, "no revision");
}

static void test_watch(void **state)
{
	struct etcd_answer answer;

	(void)state;
	answer = reads(etcd_read_watch, "{\"result\":{" HEADER ",\"created\":true}}");
	found_none(&answer, 9);
	answer = reads(etcd_read_watch, "{\"result\":{" HEADER ",\"events\":[{\"kv\":" KV(
						"") "},{\"kv\":" KV(",\"value\":\"e30=\"") "}]}}");
	assert_int_equal(answer.count, 2);
	found(&answer, 9, 8, "{}");
	answer = reads(etcd_read_watch,
		       "{\"result\":{" HEADER ",\"events\":[{\"kv\":" KV(
			       "") "},{\"type\":\"DELETE\","
				   "\"kv\":{\"key\":\"L3A=\",\"mod_revision\":\"9\"}}]}}");
	found(&answer, 9, 0, NULL);
}

static void watch_ends(const char *text, const char *message)
{
	refuses(etcd_read_watch, text, -ESTALE, message);
}

static void test_watch_ends(void **state)
{
	(void)state;
	watch_ends("{\"result\":{" HEADER ",\"canceled\":true,\"compact_revision\":\"6\"}}",
		   "forgotten");
	watch_ends("{\"result\":{" HEADER ",\"canceled\":true,"
		   "\"cancel_reason\":\"permission denied\"}}",
		   "permission denied");
	watch_ends("{\"error\":{\"grpc_code\":14,\"message\":\"no leader\"}}", "no leader");
	refuses(etcd_read_watch, "{", -EBADMSG, "no JSON");
	refuses(etcd_read_watch, "{}", -EBADMSG, "no revision");
	refuses(etcd_read_watch, "{\"result\":{" HEADER ",\"events\":[{}]}}", -EBADMSG, "no key");
}

static void test_lease(void **state)
{
	static const char granted[] = "{" HEADER ",\"ID\":\"7587888888888888888\",\"TTL\":\"5\"}";
	static const char kept[] =
		"{\"result\":{" HEADER ",\"ID\":\"7587888888888888888\",\"TTL\":\"4\"}}\n{";
	static const char gone[] = "{\"result\":{" HEADER ",\"ID\":\"7\"}}\n";
	struct etcd_answer answer;

	(void)state;
	answer = reads(etcd_read_grant, granted);
	assert_true(answer.lease == 7587888888888888888);
	assert_int_equal(answer.ttl_s, 5);
	answer = reads(etcd_read_kept, kept);
	assert_true(answer.lease == 7587888888888888888);
	assert_int_equal(answer.ttl_s, 4);
	answer = reads(etcd_read_kept, gone);
	assert_int_equal(answer.ttl_s, 0);
	refuses(etcd_read_grant, "{" HEADER "}", -EBADMSG, "no ID");
	refuses(etcd_read_grant, "{" HEADER ",\"ID\":\"7\"}", -EBADMSG, "no TTL");
	refuses(etcd_read_grant, "{" HEADER ",\"ID\":7}", -EBADMSG, "no ID");
	refuses(etcd_read_kept, "", -EBADMSG, "no JSON");
	refuses(etcd_read_kept, "{}", -EBADMSG, "no revision");
	refuses(etcd_read_kept, "{\"error\":{\"message\":\"no leader\"}}", -EBADMSG, "no leader");
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
	assert_int_equal(etcd_read_login("{\"token\":\"\"}", 12, &token, &err), -EBADMSG);
}

static void test_refusal(void **state)
{
	static const char said[] = "{\"error\":\"etcdserver: invalid auth token\",\"code\":16,"
				   "\"message\":\"etcdserver: invalid auth token\"}";
	static const char empty[] = "{\"error\":\"no leader\",\"message\":\"\"}";

	(void)state;
	etcd_read_refusal(said, strlen(said), &err);
	assert_string_equal(err.message, "etcdserver: invalid auth token");
	etcd_read_refusal(empty, strlen(empty), &err);
	assert_string_equal(err.message, "no leader");
	etcd_read_refusal("{\"message\":\"\"}", 14, &err);
	assert_string_equal(err.message, "what it answers is not etcd's");
	etcd_read_refusal("<p>", 3, &err);
	assert_string_equal(err.message, "what it answers is not etcd's");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),    cmocka_unit_test(test_commits),
		cmocka_unit_test(test_get),         cmocka_unit_test(test_get_prefix),
		cmocka_unit_test(test_get_refused), cmocka_unit_test(test_commit),
		cmocka_unit_test(test_watch),       cmocka_unit_test(test_watch_ends),
		cmocka_unit_test(test_lease),       cmocka_unit_test(test_login),
		cmocka_unit_test(test_refusal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
