/* SPDX-License-Identifier: Apache-2.0 */

/* What differs between two states: said in full, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "diff.h"
#include "document.h"
#include "json.h"
#include "random_desired.h"

#define ROUNDS 3000

static const char *text_of(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

static const cJSON *item_of(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

static struct desired *state_of(const char *text)
{
	struct desired *desired = NULL;
	cJSON *json = NULL;
	struct error err;

	assert_int_equal(json_parse(text, strlen(text), &json, &err), 0);
	assert_int_equal(document_read(json, &desired, &err), 0);
	cJSON_Delete(json);
	return desired;
}

static void assert_diff(const char *former_text, const char *next_text, const char *expected)
{
	struct desired *former = state_of(former_text), *next = state_of(next_text);
	cJSON *changes = diff_write(former, next);
	char *text = cJSON_PrintUnformatted(changes);

	assert_string_equal(text, expected);
	cJSON_free(text);
	cJSON_Delete(changes);
	desired_free(former);
	desired_free(next);
}

#define EMPTY "{\"services\": []}"
#define WEB                                                                                        \
	"{\"services\": [{\"name\": \"web\", \"vip\": \"tcp://198.18.0.10:80\", \"backends\": ["   \
	"{\"address\": \"198.18.1.11\"}, {\"address\": \"198.18.1.12\"}]}]}"

static void test_services_come_and_go(void **state)
{
	(void)state;
	assert_diff(EMPTY, EMPTY, "[]");
	assert_diff(EMPTY, WEB,
		    "[{\"service\":\"web\",\"change\":\"added\",\"backends\":["
		    "{\"address\":\"198.18.1.11:80\",\"change\":\"added\"},"
		    "{\"address\":\"198.18.1.12:80\",\"change\":\"added\"}]}]");
	assert_diff(WEB, EMPTY,
		    "[{\"service\":\"web\",\"change\":\"removed\",\"backends\":["
		    "{\"address\":\"198.18.1.11:80\",\"change\":\"removed\"},"
		    "{\"address\":\"198.18.1.12:80\",\"change\":\"removed\"}]}]");
	assert_diff(WEB, WEB, "[]");
}

static void test_fields_from_what_to_what(void **state)
{
	(void)state;
	assert_diff(WEB,
		    "{\"services\": [{\"name\": \"web\", \"vip\": [\"tcp://198.18.0.10:80\","
		    " \"tcp://198.18.0.11:80\"], \"rise\": 3, \"check-interval\": \"500ms\","
		    " \"backends\": [{\"address\": \"198.18.1.12\", \"weight\": 3,"
		    " \"state\": \"drain\"}, {\"address\": \"198.18.1.13\"}]}]}",
		    "[{\"service\":\"web\",\"change\":\"changed\",\"fields\":["
		    "{\"field\":\"vip\",\"from\":[\"tcp://198.18.0.10:80\"],"
		    "\"to\":[\"tcp://198.18.0.10:80\",\"tcp://198.18.0.11:80\"]},"
		    "{\"field\":\"check-interval\",\"from\":\"1s\",\"to\":\"500ms\"},"
		    "{\"field\":\"rise\",\"from\":2,\"to\":3}],\"backends\":["
		    "{\"address\":\"198.18.1.11:80\",\"change\":\"removed\"},"
		    "{\"address\":\"198.18.1.12:80\",\"change\":\"changed\",\"fields\":["
		    "{\"field\":\"weight\",\"from\":1,\"to\":3},"
		    "{\"field\":\"state\",\"from\":\"up\",\"to\":\"drain\"}]},"
		    "{\"address\":\"198.18.1.13:80\",\"change\":\"added\"}]}]");
}

#define CHANCE(backends, former)                                                                    \
	"{\"services\": [{\"name\": \"web\", \"vip\": \"tcp://198.18.0.10:80\", \"mode\": \"gue\"," \
	" \"second-chance\": \"on\", \"former-owners\": [" former "], \"backends\": [" backends     \
	"]}]}"
#define ONE "{\"address\": \"198.18.1.11\"}"
#define TWO ONE ", {\"address\": \"198.18.1.12\"}"

/* What follows from a change is none of its own. */
static void test_former_owners_only_for_themselves(void **state)
{
	(void)state;
	assert_diff(CHANCE(ONE, ""), CHANCE(TWO, "[" ONE "]"),
		    "[{\"service\":\"web\",\"change\":\"changed\",\"fields\":[],\"backends\":["
		    "{\"address\":\"198.18.1.12:80\",\"change\":\"added\"}]}]");
	assert_diff(CHANCE(ONE, ""), CHANCE(ONE, "[" TWO "]"),
		    "[{\"service\":\"web\",\"change\":\"changed\",\"fields\":["
		    "{\"field\":\"former-owners\",\"from\":[],\"to\":[["
		    "{\"address\":\"198.18.1.11:80\"},{\"address\":\"198.18.1.12:80\"}]]}],"
		    "\"backends\":[]}]");
}

static void test_removal_and_its_end(void **state)
{
	struct desired *former = state_of(WEB), *next = state_of(WEB);
	cJSON *changes;

	(void)state;
	next->services[0].backends[0].removing = true;
	former->services[0].backends[1].removing = true;
	changes = diff_write(former, next);
	assert_string_equal(text_of(item_of(changes->child, "backends")->child, "change"),
			    "removing");
	assert_string_equal(text_of(item_of(changes->child, "backends")->child->next, "change"),
			    "kept");
	cJSON_Delete(changes);
	desired_free(former);
	desired_free(next);
}

/* --- any history: whoever does what the difference says arrives at the other state --- */

/* {field: to, ...} */
static cJSON *patch_of(const cJSON *change)
{
	cJSON *patch = cJSON_CreateObject();
	const cJSON *field;

	cJSON_ArrayForEach (field, item_of(change, "fields")) {
		cJSON_AddItemToObject(patch, text_of(field, "field"),
				      cJSON_Duplicate(item_of(field, "to"), true));
	}
	return patch;
}

static struct backend_spec *backend_of(const struct service_spec *service, const char *address)
{
	struct backend_spec *backend;
	struct error err;

	assert_int_equal(service_require_backend(service, address, &backend, &err), 0);
	return backend;
}

static void do_backend(struct service_spec *service, const cJSON *change,
		       const struct service_spec *wanted)
{
	const char *address = text_of(change, "address"), *word = text_of(change, "change");
	cJSON *patch = patch_of(change);
	struct backend_spec *backend;
	struct error err;

	if (strcmp(word, "added") == 0) {
		assert_int_equal(service_add_backend(service, backend_of(wanted, address), &err),
				 0);
	} else if (strcmp(word, "removed") == 0) {
		service_remove_backend(service, backend_of(service, address));
	} else {
		backend = backend_of(service, address);
		assert_int_equal(config_patch_backend(patch, 0, backend, &err), 0);
		if (strcmp(word, "changed") != 0)
			backend->removing = strcmp(word, "removing") == 0;
		else
			backend->removing = backend_of(wanted, address)->removing;
	}
	cJSON_Delete(patch);
}

static void do_service(struct desired *desired, const cJSON *change, const struct desired *wanted)
{
	const char *name = text_of(change, "service"), *word = text_of(change, "change");
	struct service_spec *service = desired_service(desired, name), copy;
	struct desired *clone;
	const cJSON *backend;
	struct error err;
	cJSON *patch;

	if (strcmp(word, "removed") == 0) {
		desired_remove_service(desired, service);
		return;
	}
	if (strcmp(word, "added") == 0) {
		clone = desired_clone(wanted);
		copy = *desired_service(clone, name);
		*desired_service(clone, name) = (struct service_spec){0};
		assert_int_equal(desired_add_service(desired, &copy, &err), 0);
		desired_free(clone);
		return;
	}
	cJSON_ArrayForEach (backend, item_of(change, "backends"))
		do_backend(service, backend, desired_service(wanted, name));
	patch = patch_of(change);
	assert_int_equal(config_patch_service(patch, service, &err), 0);
	cJSON_Delete(patch);
}

static void test_doing_it_arrives(void **state)
{
	unsigned int seed = 3;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct desired *former = random_desired(&seed), *next, *done;
		cJSON *changes, *left;
		const cJSON *change;

		next = random_below(&seed, 3) ? desired_clone(former) : random_desired(&seed);
		for (uint32_t i = random_below(&seed, 8); i > 0; i--)
			random_change(next, &seed);
		random_shuffle(next, &seed);
		changes = diff_write(former, next);
		done = desired_clone(former);
		cJSON_ArrayForEach (change, changes)
			do_service(done, change, next);
		left = diff_write(done, next);
		assert_int_equal(cJSON_GetArraySize(left), 0);
		cJSON_Delete(left);
		cJSON_Delete(changes);
		desired_free(done);
		desired_free(next);
		desired_free(former);
	}
}

/* apply(export(x)) is no difference. */
static void test_export_is_no_difference(void **state)
{
	const struct document_removal removal = {.deadline_ms = 5};
	unsigned int seed = 4;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct desired *former = random_desired(&seed), *next = NULL;
		struct error err;
		cJSON *json, *changes;

		for (uint32_t i = random_below(&seed, 12); i > 0; i--)
			random_change(former, &seed);
		json = document_write(former);
		assert_int_equal(document_read(json, &next, &err), 0);
		assert_int_equal(document_follow(former, next, &removal, &err), 0);
		changes = diff_write(former, next);
		assert_int_equal(cJSON_GetArraySize(changes), 0);
		cJSON_Delete(changes);
		cJSON_Delete(json);
		desired_free(next);
		desired_free(former);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_services_come_and_go),
		cmocka_unit_test(test_fields_from_what_to_what),
		cmocka_unit_test(test_former_owners_only_for_themselves),
		cmocka_unit_test(test_removal_and_its_end),
		cmocka_unit_test(test_doing_it_arrives),
		cmocka_unit_test(test_export_is_no_difference),
	};

	return cmocka_run_group_tests_name("diff", tests, NULL, NULL);
}
