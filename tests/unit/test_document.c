/* SPDX-License-Identifier: Apache-2.0 */

/* The configuration as one document: what export writes and apply reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "document.h"
#include "json.h"
#include "random_desired.h"

#define ROUNDS 3000

/* --- helpers --- */

static int read_text(const char *text, struct desired **ret_desired, struct error *err)
{
	cJSON *json = NULL;
	int r;

	*err = (struct error){0};
	assert_int_equal(json_parse(text, strlen(text), &json, err), 0);
	r = document_read(json, ret_desired, err);
	cJSON_Delete(json);
	return r;
}

static struct desired *read_ok(const char *text)
{
	struct desired *desired = NULL;
	struct error err;

	if (read_text(text, &desired, &err) < 0)
		fail_msg("refused: %s", err.message);
	return desired;
}

static char *export(const struct desired *desired)
{
	cJSON *json = document_write(desired);
	char *text = cJSON_PrintUnformatted(json);

	assert_non_null(text);
	cJSON_Delete(json);
	return text;
}

static void assert_export(const struct desired *desired, const char *expected)
{
	char *text = export(desired);

	assert_string_equal(text, expected);
	cJSON_free(text);
}

static void assert_refused(const char *text, const char *message)
{
	struct desired *desired = NULL;
	struct error err;

	assert_int_not_equal(read_text(text, &desired, &err), 0);
	assert_null(desired);
	assert_string_equal(err.message, message);
}

/* Gives what has no index one that nobody has. */
static void number(struct desired *desired, uint16_t *next_id)
{
	for (size_t i = 0; i < desired->service_count; i++) {
		struct service_spec *service = &desired->services[i];

		service->id = service->id ?: (*next_id)++;
		for (size_t v = 0; v < service->vip_count; v++)
			service->vips[v].id = service->vips[v].id ?: (*next_id)++;
		for (size_t b = 0; b < service->backend_count; b++)
			service->backends[b].id = service->backends[b].id ?: (*next_id)++;
	}
}

static void follow_ok(const struct desired *former, struct desired *next,
		      const struct document_removal *removal)
{
	struct error err = {0};

	if (document_follow(former, next, removal, &err) < 0)
		fail_msg("refused: %s", err.message);
}

/* --- form --- */

static void test_only_what_is_not_usual(void **state)
{
	struct desired *desired = read_ok("{\"services\": ["
					  "{\"name\": \"web\", \"vip\": \"tcp://198.18.0.10:80\","
					  " \"mode\": \"nat\", \"rise\": 3, \"check-status\": 200,"
					  " \"backends\": ["
					  "  {\"address\": \"198.18.1.12\", \"weight\": 1},"
					  "  {\"address\": \"198.18.1.11\", \"weight\": 3},"
					  "  {\"address\": \"198.18.1.2\", \"state\": \"drain\"}]},"
					  "{\"name\": \"dns\", \"vip\": [\"udp://198.18.0.10:53\","
					  " \"tcp://198.18.0.10:53\", \"tcp://198.18.0.9:53\"]}]}");

	(void)state;
	assert_export(desired, "{\"services\":[{\"name\":\"dns\",\"vip\":[\"tcp://198.18.0.9:53\","
			       "\"tcp://198.18.0.10:53\",\"udp://198.18.0.10:53\"]},"
			       "{\"name\":\"web\",\"vip\":[\"tcp://198.18.0.10:80\"],"
			       "\"check-status\":\"200\",\"rise\":3,\"backends\":["
			       "{\"address\":\"198.18.1.2:80\",\"state\":\"drain\"},"
			       "{\"address\":\"198.18.1.11:80\",\"weight\":3},"
			       "{\"address\":\"198.18.1.12:80\"}]}]}");
	desired_free(desired);
}

static void test_nothing(void **state)
{
	struct desired *desired = read_ok("{\"services\": []}");

	(void)state;
	assert_export(desired, "{\"services\":[]}");
	desired_free(desired);
}

static void test_refusals_name_the_place(void **state)
{
	(void)state;
	assert_refused("[]", "configuration: not an object");
	assert_refused("{}", "configuration: services: missing");
	assert_refused("{\"services\": {}}", "configuration: services: {} is not an array");
	assert_refused("{\"services\": [], \"flows\": 1}", "configuration: unknown key \"flows\"");
	assert_refused("{\"services\": [{\"name\": \"a\", \"vip\": \"tcp://198.18.0.1:80\"}, "
		       "{\"vip\": \"tcp://198.18.0.2:80\"}]}",
		       "services[1]: service: name is missing");
	assert_refused("{\"services\": [{\"name\": \"a\", \"vip\": \"tcp://198.18.0.1:80\", "
		       "\"colour\": 1}]}",
		       "service a: unknown key \"colour\"");
	assert_refused("{\"services\": [{\"name\": \"a\", \"vip\": \"tcp://198.18.0.1:80\"}, "
		       "{\"name\": \"b\", \"vip\": \"tcp://198.18.0.1:80\"}]}",
		       "service b: VIP tcp://198.18.0.1:80 belongs to service a");
	assert_refused("{\"services\": [{\"name\": \"a\", \"vip\": \"tcp://198.18.0.1:80\"}, "
		       "{\"name\": \"a\", \"vip\": \"tcp://198.18.0.2:80\"}]}",
		       "service a: is there already");
}

/* --- following --- */

#define WEB "{\"services\":[{\"name\":\"web\",\"vip\":[\"tcp://198.18.0.10:80\"],\"backends\":["

static void test_removed_backend_drains(void **state)
{
	const struct document_removal removal = {.deadline_ms = 77};
	struct desired *former =
		read_ok(WEB "{\"address\":\"198.18.1.11\"},{\"address\":\"198.18.1.12\"}]}]}");
	struct desired *next = read_ok(WEB "{\"address\":\"198.18.1.13\"}]}]}");
	const struct backend_spec *backends = next->services[0].backends;
	uint16_t id = 1;

	(void)state;
	number(former, &id);
	follow_ok(former, next, &removal);
	backends = next->services[0].backends;
	assert_int_equal(next->services[0].backend_count, 3);
	assert_false(backends[0].removing);
	assert_int_equal(backends[0].id, 0);
	for (int i = 1; i < 3; i++) {
		assert_true(backends[i].removing);
		assert_true(backends[i].deadline_ms == 77);
		assert_int_equal(backends[i].id, former->services[0].backends[i - 1].id);
	}
	assert_export(next, WEB "{\"address\":\"198.18.1.13:80\"}]}]}");
	desired_free(next);
	desired_free(former);
}

static void test_removed_now_is_gone(void **state)
{
	const struct document_removal removal = {.now = true};
	struct desired *former =
		read_ok(WEB "{\"address\":\"198.18.1.11\"},{\"address\":\"198.18.1.12\"}]}]}");
	struct desired *next = read_ok(WEB "{\"address\":\"198.18.1.12\"}]}]}");

	(void)state;
	former->services[0].backends[0].removing = true;
	follow_ok(former, next, &removal);
	assert_int_equal(next->services[0].backend_count, 1);
	desired_free(next);
	desired_free(former);
}

static void test_asked_back(void **state)
{
	const struct document_removal removal = {0};
	struct desired *former = read_ok(WEB "{\"address\":\"198.18.1.11\"}]}]}");
	struct desired *next = read_ok(WEB "{\"address\":\"198.18.1.11\"}]}]}");

	(void)state;
	former->services[0].backends[0].removing = true;
	former->services[0].backends[0].deadline_ms = 5;
	former->services[0].backends[0].id = 9;
	follow_ok(former, next, &removal);
	assert_int_equal(next->services[0].backend_count, 1);
	assert_false(next->services[0].backends[0].removing);
	assert_true(next->services[0].backends[0].deadline_ms == 0);
	assert_int_equal(next->services[0].backends[0].id, 9);
	desired_free(next);
	desired_free(former);
}

static void test_a_drain_goes_on(void **state)
{
	const struct document_removal removal = {.deadline_ms = 1000};
	struct desired *former =
		read_ok(WEB "{\"address\":\"198.18.1.11\",\"state\":\"drain\"}]}]}");
	struct desired *next = read_ok(WEB "{\"address\":\"198.18.1.11\",\"state\":\"drain\"}]}]}");

	(void)state;
	former->services[0].backends[0].deadline_ms = 5;
	follow_ok(former, next, &removal);
	assert_true(next->services[0].backends[0].deadline_ms == 5);
	desired_free(next);
	desired_free(former);
}

/* What drains is saved with its service, so it must be valid there. */
static void test_what_drains_must_fit(void **state)
{
	struct document_removal removal = {0};
	struct desired *former = read_ok(WEB "{\"address\":\"198.18.1.11:8080\"}]}]}");
	static const char l2[] = "{\"services\":[{\"name\":\"web\",\"vip\":[\"tcp://"
				 "198.18.0.10:80\"],\"mode\":\"l2\"}]}";
	struct desired *next = read_ok(l2);
	struct error err = {0};

	(void)state;
	assert_int_equal(document_follow(former, next, &removal, &err), -EINVAL);
	assert_string_equal(err.message, "backend 198.18.1.11:8080 of service web: mode l2 does "
					 "not translate ports, and VIP tcp://198.18.0.10:80 has "
					 "another");
	assert_string_equal(err.hint, "it would drain before it goes: remove it at once by --now");
	desired_free(next);
	next = read_ok(l2);
	removal.now = true;
	follow_ok(former, next, &removal);
	desired_free(next);
	desired_free(former);
}

/* --- any history --- */

static void test_byte_stable(void **state)
{
	unsigned int seed = 1;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct desired *desired = random_desired(&seed), *again;
		char *first, *second;

		for (uint32_t i = random_below(&seed, 8); i > 0; i--)
			random_change(desired, &seed);
		first = export(desired);
		random_shuffle(desired, &seed);
		assert_export(desired, first);
		again = read_ok(first);
		second = export(again);
		assert_string_equal(first, second);
		cJSON_free(first);
		cJSON_free(second);
		desired_free(again);
		desired_free(desired);
	}
}

static void assert_kept(const struct service_spec *former, const struct service_spec *next)
{
	assert_int_equal(next->id, former->id);
	for (size_t i = 0; i < former->backend_count; i++) {
		const struct backend_spec *spec =
			service_backend(next, &former->backends[i].endpoint);

		if (spec)
			assert_int_equal(spec->id, former->backends[i].id);
	}
	for (size_t v = 0; v < former->vip_count; v++) {
		for (size_t w = 0; w < next->vip_count; w++) {
			if (vip_equal(&former->vips[v].vip, &next->vips[w].vip))
				assert_int_equal(next->vips[w].id, former->vips[v].id);
		}
	}
}

/* What is there keeps its index, what is new has none, and the export is that of the file. */
static void test_indices_are_for_life(void **state)
{
	unsigned int seed = 2;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		const struct document_removal removal = {.now = random_below(&seed, 2),
							 .deadline_ms = 5};
		struct desired *former = random_desired(&seed);
		struct desired *wanted = random_desired(&seed), *next;
		struct error err;
		uint16_t id = 1;
		char *text;

		for (uint32_t i = random_below(&seed, 8); i > 0; i--)
			random_change(former, &seed);
		number(former, &id);
		text = export(wanted);
		next = read_ok(text);
		if (document_follow(former, next, &removal, &err) == 0)
			assert_export(next, text);
		for (size_t i = 0; i < next->service_count; i++) {
			const struct service_spec *service =
				desired_service(former, next->services[i].name);

			if (service)
				assert_kept(service, &next->services[i]);
			else
				assert_int_equal(next->services[i].id, 0);
		}
		cJSON_free(text);
		desired_free(next);
		desired_free(wanted);
		desired_free(former);
	}
}

/* What the autoscaler has launched is nobody's wish: it is not exported, and stays while there is
 * an autoscaler, whatever else a document says. */
static void test_launched(void **state)
{
	static const char on[] =
		"{\"services\":[{\"name\":\"web\",\"vip\":[\"tcp://198.18.0.10:80\"],"
		"\"scale\":\"on\",\"scale-driver\":[\"/etc/sluice/checks/lab\"],"
		"\"backends\":[{\"address\":\"198.18.1.11:80\"}]}]}";
	static const char off[] = "{\"services\":[{\"name\":\"web\",\"vip\":"
				  "\"tcp://198.18.0.10:80\"}]}";
	const struct document_removal now = {.now = true};
	const struct document_removal drain = {.deadline_ms = 5000};
	struct desired *former = read_ok(on), *next;
	struct backend_spec launched;
	uint16_t next_id = 1;
	struct error err;

	(void)state;
	backend_spec_init(&launched);
	assert_int_equal(parse_endpoint("198.18.1.12:80", 0, &launched.endpoint, &err), 0);
	memcpy(launched.launched, "web-1", sizeof("web-1"));
	assert_int_equal(service_add_backend(&former->services[0], &launched, &err), 0);
	number(former, &next_id);
	assert_export(former, on);

	next = read_ok(on);
	follow_ok(former, next, &now);
	assert_int_equal(next->services[0].backend_count, 2);
	assert_string_equal(next->services[0].backends[1].launched, "web-1");
	assert_false(next->services[0].backends[1].removing);
	desired_free(next);

	next = read_ok(off);
	follow_ok(former, next, &drain);
	assert_int_equal(next->services[0].backend_count, 2);
	assert_true(next->services[0].backends[1].removing);
	assert_string_equal(next->services[0].backends[1].launched, "web-1");
	desired_free(next);

	next = read_ok(off);
	follow_ok(former, next, &now);
	assert_int_equal(next->services[0].backend_count, 0);
	desired_free(next);
	desired_free(former);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_what_is_not_usual),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_refusals_name_the_place),
		cmocka_unit_test(test_removed_backend_drains),
		cmocka_unit_test(test_removed_now_is_gone),
		cmocka_unit_test(test_asked_back),
		cmocka_unit_test(test_a_drain_goes_on),
		cmocka_unit_test(test_what_drains_must_fit),
		cmocka_unit_test(test_launched),
		cmocka_unit_test(test_byte_stable),
		cmocka_unit_test(test_indices_are_for_life),
	};

	return cmocka_run_group_tests_name("document", tests, NULL, NULL);
}
