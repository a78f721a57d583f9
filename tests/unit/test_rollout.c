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

#include "rollout.h"

#define BALANCERS 8

static struct error err;
static struct balancer balancers[BALANCERS];

static int setup(void **state)
{
	(void)state;
	memset(balancers, 0, sizeof(balancers));
	for (int i = 0; i < BALANCERS; i++)
		snprintf(balancers[i].id, sizeof(balancers[i].id), "lb%d", i);
	return 0;
}

static int read_request(const char *text, struct rollout **ret_rollout)
{
	cJSON *json = cJSON_Parse(text);
	int ret;

	assert_non_null(json);
	ret = rollout_read_request(json, "roll-out", ret_rollout, &err);
	cJSON_Delete(json);
	return ret;
}

/* shares: as JSON. */
static struct rollout *rollout_of(const char *id, const char *shares)
{
	struct rollout *rollout = NULL;
	char text[200];

	snprintf(text, sizeof(text), "{\"shares\":[%s],\"document\":{}}", shares);
	assert_int_equal(read_request(text, &rollout), 0);
	snprintf(rollout->id, sizeof(rollout->id), "%s", id);
	snprintf(rollout->by, sizeof(rollout->by), "lb0");
	return rollout;
}

/* --- what is asked for --- */

static void share_is(const struct rollout_share *share, const char *text)
{
	char buffer[ROLLOUT_SHARE_TEXT_MAX];

	assert_string_equal(rollout_share_format(share, buffer), text);
}

static void test_shares(void **state)
{
	static const char *const good[] = {"1", "25%", "100%", "4294967295"};
	static const char *const bad[] = {"",    "0", "0%",         "101%", "-1",
					  "1.5", "%", "4294967296", "all",  "11111111111111111111"};
	struct rollout_share share;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(rollout_share_parse(good[i], &share, &err), 0);
		share_is(&share, good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(rollout_share_parse(bad[i], &share, &err), -EINVAL);
		assert_non_null(strstr(err.hint, "25%"));
	}
}

static void test_request(void **state)
{
	struct rollout *rollout = NULL;

	(void)state;
	assert_int_equal(read_request("{\"document\":{}}", &rollout), 0);
	assert_int_equal(rollout->share_count, 1);
	share_is(&rollout->shares[0], "100%");
	assert_int_equal(rollout->for_ms, ROLLOUT_FOR_MS);
	rollout_free(rollout);
	assert_int_equal(read_request("{\"shares\":[\"1\",\"50%\"],\"for\":\"2s\","
				      "\"document\":{\"services\":[]}}",
				      &rollout),
			 0);
	assert_int_equal(rollout->share_count, 3); /* in the end it is all */
	assert_int_equal(rollout->for_ms, 2000);
	assert_true(cJSON_IsArray(cJSON_GetObjectItem(rollout->document, "services")));
	rollout_free(rollout);
	rollout = rollout_of("r1", "\"1\",\"100%\"");
	assert_int_equal(rollout->share_count, 2);
	rollout_free(rollout);
}

static void request_refused(const char *text, const char *field, const char *message)
{
	struct rollout *rollout = NULL;

	assert_int_equal(read_request(text, &rollout), -EINVAL);
	assert_string_equal(err.field, field);
	assert_non_null(strstr(err.message, message));
	assert_null(rollout);
}

static void test_request_refused(void **state)
{
	(void)state;
	request_refused("{}", "document", "document is missing");
	request_refused("{\"document\":{},\"share\":1}", "share", "unknown key");
	request_refused("{\"document\":{},\"shares\":1}", "shares", "shares");
	request_refused("{\"document\":{},\"shares\":[1]}", "shares", "not a number of balancers");
	request_refused("{\"document\":{},\"shares\":[\"0\"]}", "shares", "share 0");
	request_refused("{\"document\":{},\"shares\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\","
			"\"8\"]}",
			"shares", "more than 7 shares");
	request_refused("{\"document\":{},\"for\":\"30\"}", "for", "30");
}

static void shares_refused(const char *shares, const char *message, const char *hint)
{
	struct rollout *rollout = rollout_of("r1", shares);

	assert_int_equal(rollout_check_shares(rollout, 3, &err), -EINVAL);
	assert_string_equal(err.field, "shares");
	assert_string_equal(err.message, message);
	assert_non_null(strstr(err.hint, hint));
	rollout_free(rollout);
}

static void test_shares_are_meant(void **state)
{
	static const char *const good[] = {"", "\"1\",\"25%\"", "\"3\"", "\"2\",\"25%\",\"3\"",
					   "\"1\",\"1\",\"50%\",\"50%\""};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct rollout *rollout = rollout_of("r1", good[i]);

		assert_int_equal(rollout_check_shares(rollout, 3, &err), 0);
		rollout_free(rollout);
	}
	shares_refused("\"25\"", "share 25: there are 3 balancers", "write 25% for a part");
	shares_refused("\"1\",\"4\"", "share 4: there are 3 balancers", "100% for all");
	shares_refused("\"400\"", "share 400: there are 3 balancers", "write 100% for all");
	shares_refused("\"100%\",\"25%\"", "share 25%: it follows 100%, which is more",
		       "small ones");
	shares_refused("\"2\",\"1\"", "share 1: it follows 2, which is more", "small ones");
}

/* --- what is kept --- */

static void test_round_trip(void **state)
{
	struct rollout *rollout = rollout_of("r1", "\"1\",\"50%\""), *read = NULL;
	char *text;

	(void)state;
	rollout->base = 57;
	rollout->step = 1;
	assert_int_equal(rollout_choose(rollout, balancers, BALANCERS), 1);
	text = rollout_write(rollout);
	assert_non_null(text);
	assert_int_equal(rollout_read(text, strlen(text), &read, &err), 0);
	assert_string_equal(read->id, "r1");
	assert_string_equal(read->by, "lb0");
	assert_int_equal(read->base, 57);
	assert_int_equal(read->step, 1);
	assert_int_equal(read->share_count, 3);
	assert_int_equal(read->member_count, 4);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(read->members[i], rollout->members[i]);
	free(text);
	rollout_free(read);
	rollout_free(rollout);
}

static void test_unreadable(void **state)
{
	static const char *const texts[] = {
		"",
		"7",
		"{}",
		"{\"id\":\"r\",\"by\":\"b\",\"document\":{},\"step\":2}",
		"{\"id\":\"a-long-id-of-its-own\",\"by\":\"b\",\"document\":{},\"step\":1}",
		"{\"id\":\"r\",\"by\":\"b\",\"step\":1}",
	};
	struct rollout *rollout = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(rollout_read(texts[i], strlen(texts[i]), &rollout, &err), -EINVAL);
	assert_null(rollout);
}

static void test_end(void **state)
{
	struct rollout_end end = {.id = "r1", .by = "lb0", .reason = "too \"bad\""}, read;
	char *text = rollout_end_write(&end);

	(void)state;
	read = rollout_end_read(text, strlen(text));
	assert_memory_equal(&read, &end, sizeof(end));
	free(text);
	read = rollout_end_read("nonsense", 8);
	assert_string_equal(read.id, "");
}

/* --- whose turn it is --- */

static void test_choice(void **state)
{
	struct rollout *rollout = rollout_of("r1", "\"1\",\"25%\",\"26%\"");
	char first[BALANCER_ID_MAX];

	(void)state;
	assert_int_equal(rollout_choose(rollout, balancers, BALANCERS), 1);
	assert_int_equal(rollout->member_count, 1);
	snprintf(first, sizeof(first), "%s", rollout->members[0]);
	assert_int_equal(rollout_choose(rollout, balancers, BALANCERS), 0); /* there is one */
	rollout->step = 1;
	assert_int_equal(rollout_choose(rollout, balancers, BALANCERS), 1);
	assert_int_equal(rollout->member_count, 2);
	rollout->step = 2; /* 2.08 is more than two */
	assert_int_equal(rollout_choose(rollout, balancers, BALANCERS), 1);
	assert_int_equal(rollout->member_count, 3);
	rollout->step = 3;
	assert_int_equal(rollout_choose(rollout, balancers, BALANCERS), 1);
	assert_int_equal(rollout->member_count, BALANCERS);
	assert_string_equal(rollout->members[0], first);
	for (int i = 0; i < BALANCERS; i++)
		assert_true(rollout_has(rollout, balancers[i].id));
	assert_false(rollout_has(rollout, "lb9"));
	rollout_free(rollout);
}

/* The same wherever it is chosen, and more than there are is all. */
static void test_choice_is_known(void **state)
{
	struct rollout *one = rollout_of("r1", "\"5\""), *other = rollout_of("r1", "\"5\"");

	(void)state;
	assert_int_equal(rollout_choose(one, balancers, BALANCERS), 1);
	assert_int_equal(rollout_choose(other, balancers, BALANCERS), 1);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(one->members[i], other->members[i]);
	rollout_free(one);
	rollout_free(other);
	one = rollout_of("r1", "\"99\"");
	assert_int_equal(rollout_choose(one, balancers, 3), 1);
	assert_int_equal(one->member_count, 3);
	rollout_free(one);
}

static void test_each_begins_elsewhere(void **state)
{
	unsigned int begins[BALANCERS] = {0};

	(void)state;
	for (int i = 0; i < 400; i++) {
		struct rollout *rollout;
		char id[16];

		snprintf(id, sizeof(id), "%08x", (unsigned int)i);
		rollout = rollout_of(id, "\"1\"");
		rollout_choose(rollout, balancers, BALANCERS);
		begins[rollout->members[0][2] - '0']++;
		rollout_free(rollout);
	}
	for (int i = 0; i < BALANCERS; i++)
		assert_in_range(begins[i], 25, 75); /* of 50 */
}

/* --- the gate --- */

static struct rollout *halfway(void)
{
	struct rollout *rollout = rollout_of("r1", "\"2\"");

	rollout_choose(rollout, balancers, BALANCERS);
	return rollout;
}

static struct balancer *member(const struct rollout *rollout, size_t i)
{
	return &balancers[rollout->members[i][2] - '0'];
}

static void set_state(const struct rollout *rollout, size_t i, enum balancer_state state)
{
	struct balancer *balancer = member(rollout, i);

	snprintf(balancer->rollout, sizeof(balancer->rollout), "%s", rollout->id);
	snprintf(balancer->reason, sizeof(balancer->reason), "reason %zu", i);
	balancer->state = state;
	balancer->in_sync = true;
}

static void gate_is(const struct rollout *rollout, enum rollout_gate wanted, const char *why)
{
	struct error reason = {0};

	assert_int_equal(rollout_judge(rollout, balancers, BALANCERS, &reason), wanted);
	assert_non_null(strstr(reason.message, why));
}

static void test_gate(void **state)
{
	struct rollout *rollout = halfway();

	(void)state;
	gate_is(rollout, ROLLOUT_WAIT, "has not taken it yet");
	set_state(rollout, 0, BALANCER_WELL);
	gate_is(rollout, ROLLOUT_WAIT, rollout->members[1]);
	set_state(rollout, 1, BALANCER_WAITING);
	gate_is(rollout, ROLLOUT_WAIT, "reason 1");
	set_state(rollout, 1, BALANCER_WELL);
	gate_is(rollout, ROLLOUT_OPEN, "");
	member(rollout, 0)->in_sync = false;
	gate_is(rollout, ROLLOUT_WAIT, "not in sync");
	set_state(rollout, 0, BALANCER_WELL);
	set_state(rollout, 1, BALANCER_SICK);
	gate_is(rollout, ROLLOUT_FAILED, "is worse off: reason 1");
	set_state(rollout, 0, BALANCER_WAITING); /* and does not hide it */
	gate_is(rollout, ROLLOUT_FAILED, "is worse off: reason 1");
	set_state(rollout, 1, BALANCER_REFUSED);
	gate_is(rollout, ROLLOUT_FAILED, "refuses it: reason 1");
	rollout_free(rollout);
}

/* What it says of another roll-out, and what others say, does not count. */
static void test_gate_of_others(void **state)
{
	struct rollout *rollout = halfway();

	(void)state;
	set_state(rollout, 0, BALANCER_WELL);
	set_state(rollout, 1, BALANCER_SICK);
	strcpy(member(rollout, 1)->rollout, "r0");
	gate_is(rollout, ROLLOUT_WAIT, "has not taken it yet");
	set_state(rollout, 1, BALANCER_WELL);
	for (int i = 0; i < BALANCERS; i++) {
		if (!rollout_has(rollout, balancers[i].id))
			balancers[i].down = 7;
	}
	gate_is(rollout, ROLLOUT_OPEN, "");
	member(rollout, 0)->id[0] = 'x';
	gate_is(rollout, ROLLOUT_WAIT, "has gone");
	rollout_free(rollout);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_shares),     TEST(test_request),         TEST(test_request_refused),
		TEST(test_round_trip), TEST(test_unreadable),      TEST(test_end),
		TEST(test_choice),     TEST(test_choice_is_known), TEST(test_each_begins_elsewhere),
		TEST(test_gate),       TEST(test_gate_of_others),  TEST(test_shares_are_meant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
