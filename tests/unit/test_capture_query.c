/* SPDX-License-Identifier: Apache-2.0 */

/* What a capture may be asked for, and the names that captured packets get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "capture_names.h"
#include "capture_query.h"

#define BIT(verdict) (1U << (verdict))
#define DROPS                                                                                      \
	(BIT(LB_NO_BACKEND) | BIT(LB_NO_NEIGHBOUR) | BIT(LB_NO_FLOW) | BIT(LB_NAT_PORTS) |         \
	 BIT(LB_TTL) | BIT(LB_TOO_BIG) | BIT(LB_HEADROOM) | BIT(LB_MALFORMED) |                    \
	 BIT(LB_BAD_CHECKSUM) | BIT(LB_TCP_FLAGS) | BIT(LB_LAND) | BIT(LB_MARTIAN) |               \
	 BIT(LB_PORT_ZERO) | BIT(LB_DENIED_GLOBAL) | BIT(LB_DENIED) | BIT(LB_NOT_ALLOWED) |        \
	 BIT(LB_SOURCE_PACKETS) | BIT(LB_SOURCE_FLOWS) | BIT(LB_SERVICE_FLOWS) |                   \
	 BIT(LB_BAD_COOKIE) | BIT(LB_INTERNAL))

static struct desired *desired;
static struct error err;

static void add_backend(struct service_spec *service, const char *address, uint16_t id)
{
	struct backend_spec backend;

	backend_spec_init(&backend);
	backend.id = id;
	assert_int_equal(parse_endpoint(address, 80, &backend.endpoint, &err), 0);
	assert_int_equal(service_add_backend(service, &backend, &err), 0);
}

static struct service_spec *add_service(const char *name, const char *vip, uint16_t id)
{
	struct service_spec spec;

	service_spec_init(&spec);
	strcpy(spec.name, name);
	spec.id = id;
	spec.vips = calloc(1, sizeof(*spec.vips));
	assert_non_null(spec.vips);
	spec.vip_count = 1;
	spec.vips[0].id = (uint16_t)(10 + id);
	assert_int_equal(parse_vip(vip, &spec.vips[0].vip, &err), 0);
	assert_int_equal(desired_add_service(desired, &spec, &err), 0);
	return desired_service(desired, name);
}

static int setup(void **state)
{
	struct service_spec *service;

	(void)state;
	desired = desired_new();
	if (!desired)
		return -1;
	service = add_service("web", "tcp://198.18.0.10:80", 1);
	add_backend(service, "198.18.1.11", 21);
	add_backend(service, "198.18.1.12", 22);
	service = add_service("shop", "tcp://198.18.0.11:80", 2);
	add_backend(service, "198.18.1.11", 23);
	add_backend(service, "198.18.1.13", 24);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	desired_free(desired);
	return 0;
}

static struct capture_query query_of(const struct capture_words *words)
{
	struct capture_query query = {0};

	err = (struct error){0};
	if (capture_query_read(desired, words, &query, &err))
		print_message("%s\n", err.message);
	assert_string_equal(err.message, "");
	return query;
}

#define QUERY(...) query_of(&(struct capture_words){__VA_ARGS__})

static void assert_refused(const struct capture_words *words, int code, const char *field)
{
	struct capture_query query, before;

	memset(&query, 0xee, sizeof(query));
	before = query;
	err = (struct error){0};
	assert_int_equal(capture_query_read(desired, words, &query, &err), code);
	assert_string_equal(err.field, field);
	assert_non_null(strstr(err.message, field));
	assert_memory_equal(&query, &before, sizeof(query));
}

#define REFUSED(code, field, ...) assert_refused(&(struct capture_words){__VA_ARGS__}, code, field)

static void test_everything(void **state)
{
	struct capture_query query = QUERY(0);

	(void)state;
	assert_int_equal(query.filter.verdicts, (BIT(LB_VERDICT_COUNT) - 1) & ~BIT(LB_PASS));
	assert_int_equal(query.filter.service | query.filter.vip | query.filter.backend, 0);
	assert_int_equal(query.filter.client_mask.word[3], 0);
	assert_int_equal(query.filter.sample, 1);
	assert_int_equal(query.filter.snaplen, CAPTURE_SNAPLEN_DEFAULT);
	assert_int_equal(query.limit | query.span_ms, 0);
	assert_null(query.service);
}

static void test_whose(void **state)
{
	struct capture_query query = QUERY(.service = "web");

	(void)state;
	assert_int_equal(query.filter.service, 1);
	assert_string_equal(query.service->name, "web");
	query = QUERY(.vip = "tcp://198.18.0.11:80");
	assert_int_equal(query.filter.vip, 12);
	assert_int_equal(query.filter.service, 0);
	assert_string_equal(query.service->name, "shop");
	query = QUERY(.backend = "198.18.1.13");
	assert_int_equal(query.filter.backend, 24);
	query = QUERY(.service = "shop", .backend = "198.18.1.11:80");
	assert_int_equal(query.filter.backend, 23);
	query = QUERY(.vip = "tcp://198.18.0.10:80", .backend = "198.18.1.11");
	assert_int_equal(query.filter.backend, 21);
	REFUSED(-ENOENT, "service", .service = "none");
	REFUSED(-ENOENT, "vip", .vip = "tcp://198.18.0.12:80");
	REFUSED(-ENOENT, "vip", .service = "web", .vip = "tcp://198.18.0.11:80");
	REFUSED(-EINVAL, "vip", .vip = "198.18.0.10:80");
	REFUSED(-ENOENT, "backend", .backend = "198.18.1.14");
	REFUSED(-ENOENT, "backend", .service = "web", .backend = "198.18.1.13");
	REFUSED(-EINVAL, "backend", .backend = "198.18.1.11");
	assert_non_null(strstr(err.message, "of service web and of shop"));
}

static void assert_client(const char *text, const uint8_t mask[16])
{
	struct capture_query query = QUERY(.client = text);
	struct prefix prefix;

	assert_int_equal(parse_prefix(text, &prefix, &err), 0);
	assert_memory_equal(&query.filter.client, &prefix.address.ip, 16);
	assert_memory_equal(&query.filter.client_mask, mask, 16);
}

#define ONES_96 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255

static void test_client(void **state)
{
	(void)state;
	assert_client("198.18.0.2", (uint8_t[]){ONES_96, 255, 255, 255, 255});
	assert_client("198.18.0.0/15", (uint8_t[]){ONES_96, 255, 254, 0, 0});
	assert_client("0.0.0.0/0", (uint8_t[]){ONES_96, 0, 0, 0, 0});
	assert_client("2001:db8::/33", (uint8_t[16]){255, 255, 255, 255, 128});
	assert_client("::/0", (uint8_t[16]){0});
	REFUSED(-EINVAL, "client", .client = "198.18.0.0/33");
	REFUSED(-EINVAL, "client", .client = "");
}

static void test_verdicts(void **state)
{
	(void)state;
	assert_int_equal(QUERY(.verdict = "drop").filter.verdicts, DROPS);
	assert_int_equal(QUERY(.verdict = "forward,return").filter.verdicts,
			 BIT(LB_FORWARD) | BIT(LB_RETURN));
	assert_int_equal(QUERY(.verdict = "pass").filter.verdicts, BIT(LB_PASS));
	assert_int_equal(QUERY(.reason = "ttl,too_big").filter.verdicts,
			 BIT(LB_TTL) | BIT(LB_TOO_BIG));
	assert_int_equal(QUERY(.verdict = "echo", .reason = "ttl").filter.verdicts,
			 BIT(LB_ECHO_REPLIED) | BIT(LB_TTL));
	assert_int_equal(QUERY(.verdict = "pass,ttl", .service = "web").filter.verdicts,
			 BIT(LB_PASS) | BIT(LB_TTL));
	REFUSED(-EINVAL, "verdict", .verdict = "");
	REFUSED(-EINVAL, "verdict", .verdict = "forward,");
	REFUSED(-EINVAL, "verdict", .verdict = "forwar");
	REFUSED(-EINVAL, "reason", .reason = "forward");
	REFUSED(-EINVAL, "reason", .reason = "drop");
	assert_non_null(strstr(err.hint, "no_backend, no_neighbour"));
	REFUSED(-EINVAL, "verdict", .verdict = "pass", .service = "web");
	REFUSED(-EINVAL, "verdict", .verdict = "pass", .vip = "tcp://198.18.0.10:80");
}

static void test_how_much(void **state)
{
	struct capture_query query =
		QUERY(.sample = "1/100", .snaplen = "2048", .limit = "5", .span = "30s");

	(void)state;
	assert_int_equal(query.filter.sample, 100);
	assert_int_equal(query.filter.snaplen, LB_CAPTURE_SNAP_MAX);
	assert_int_equal(query.limit, 5);
	assert_int_equal(query.span_ms, 30000);
	REFUSED(-EINVAL, "sample", .sample = "100");
	REFUSED(-EINVAL, "sample", .sample = "2/100");
	REFUSED(-EINVAL, "sample", .sample = "1/0");
	REFUSED(-EINVAL, "sample", .sample = "1/1000001");
	REFUSED(-EINVAL, "snaplen", .snaplen = "15");
	REFUSED(-EINVAL, "snaplen", .snaplen = "2049");
	REFUSED(-EINVAL, "limit", .limit = "0");
	REFUSED(-EINVAL, "for", .span = "30");
	REFUSED(-EINVAL, "for", .span = "25h");
}

static void test_text(void **state)
{
	char text[CAPTURE_QUERY_TEXT_MAX], long_name[CAPTURE_QUERY_TEXT_MAX];

	(void)state;
	assert_string_equal(capture_query_text(&(struct capture_words){0}, text),
			    "everything for a VIP");
	assert_string_equal(capture_query_text(&(struct capture_words){.service = "web",
								       .reason = "ttl",
								       .sample = "1/10"},
					       text),
			    "service=web reason=ttl sample=1/10");
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	capture_query_text(&(struct capture_words){.service = long_name, .client = long_name},
			   text);
	assert_int_equal(strlen(text), sizeof(text) - 1);
}

/* --- names --- */

static const struct dataplane_sizes sizes = {.services = 4, .vips = 20, .backends = 30};

static void assert_comment(const struct capture_names *names, struct lb_capture_head head,
			   const char *wanted)
{
	char comment[CAPTURE_COMMENT_MAX];

	assert_string_equal(capture_comment(names, &head, comment), wanted);
}

static void test_comments(void **state)
{
	struct capture_names *names = capture_names_new(&sizes);

	(void)state;
	assert_non_null(names);
	capture_names_follow(names, desired);
	assert_comment(names, (struct lb_capture_head){.verdict = LB_PASS}, "verdict=pass");
	assert_comment(names,
		       (struct lb_capture_head){
			       .verdict = LB_FORWARD, .service = 1, .vip = 11, .backend = 22},
		       "verdict=forward service=web vip=tcp://198.18.0.10:80 "
		       "backend=198.18.1.12:80");
	assert_comment(names,
		       (struct lb_capture_head){.verdict = LB_NO_BACKEND, .service = 2, .vip = 12},
		       "verdict=drop reason=no_backend service=shop vip=tcp://198.18.0.11:80: the "
		       "service has no backend that is up");
	/* what is no more, and what never was */
	assert_comment(names,
		       (struct lb_capture_head){
			       .verdict = LB_RETURN, .service = 3, .vip = 65535, .backend = 29},
		       "verdict=return");
	assert_comment(names, (struct lb_capture_head){.verdict = 255}, "verdict=unknown");
	capture_names_free(names);
}

static void test_names_follow(void **state)
{
	struct capture_names *names = capture_names_new(&sizes);
	struct desired *next = desired_clone(desired);
	const struct lb_capture_head head = {.verdict = LB_RETURN, .service = 2};

	(void)state;
	assert_non_null(names);
	assert_non_null(next);
	capture_names_follow(names, desired);
	assert_comment(names, head, "verdict=return service=shop");
	next->generation++;
	desired_remove_service(next, desired_service(next, "shop"));
	capture_names_follow(names, next);
	assert_comment(names, head, "verdict=return");
	capture_names_free(names);
	desired_free(next);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_everything), TEST(test_whose),        TEST(test_client),
		TEST(test_verdicts),   TEST(test_how_much),     TEST(test_text),
		TEST(test_comments),   TEST(test_names_follow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
