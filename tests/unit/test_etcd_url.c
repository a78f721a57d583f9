/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "etcd_url.h"

static struct etcd_url url;
static struct error err;

static void test_endpoints(void **state)
{
	(void)state;
	assert_int_equal(etcd_url_parse("etcd://198.18.0.9:2379/sluice", &url, &err), 0);
	assert_false(url.tls);
	assert_int_equal(url.endpoint_count, 1);
	assert_string_equal(url.endpoints[0], "http://198.18.0.9:2379");
	assert_string_equal(url.prefix, "/sluice");

	assert_int_equal(
		etcd_url_parse("etcds://a.example,b-1.example:1,[2001:db8::1]:7/a/b//", &url, &err),
		0);
	assert_true(url.tls);
	assert_int_equal(url.endpoint_count, 3);
	assert_string_equal(url.endpoints[0], "https://a.example:2379");
	assert_string_equal(url.endpoints[1], "https://b-1.example:1");
	assert_string_equal(url.endpoints[2], "https://[2001:db8::1]:7");
	assert_string_equal(url.prefix, "/a/b");
}

static void refused(const char *text, const char *message)
{
	struct etcd_url before = url;

	assert_int_equal(etcd_url_parse(text, &url, &err), -EINVAL);
	assert_non_null(strstr(err.message, message));
	assert_memory_equal(&before, &url, sizeof(url));
}

static void test_refused(void **state)
{
	char many[400] = "etcd://a", *end = many + strlen(many);

	(void)state;
	refused("", "not an etcd URL");
	refused("http://a:1/p", "not an etcd URL");
	refused("etcd://", "not a host");
	refused("etcd:///p", "not a host");
	refused("etcd://a,/p", "not a host");
	refused("etcd://a,b", "names no PREFIX");
	refused("etcd://a//", "names no PREFIX");
	refused("etcd://a:/p", "its port is none");
	refused("etcd://a:0/p", "its port is none");
	refused("etcd://a:65536/p", "its port is none");
	refused("etcd://a:123456789/p", "its port is none");
	refused("etcd://a b:1/p", "its port is none");
	refused("etcd://2001:db8::1/p", "its port is none");
	refused("etcd://[2001:db8::1/p", "not a host");
	refused("etcd://[a]:1/p", "not a host");
	refused("etcd://[2001:db8::1]1/p", "its port is none");
	refused("etcd://a/p q", "a character that is none");
	refused("etcd://me:secret@a/p", "it names a user");
	assert_null(strstr(err.message, "secret"));
	for (int i = 0; i < ETCD_ENDPOINTS_MAX; i++)
		end = stpcpy(end, ",a");
	stpcpy(end, "/p");
	refused(many, "more than 8 endpoints");
}

static void test_limits(void **state)
{
	char text[600] = "etcd://a/";

	(void)state;
	memset(text + strlen(text), 'p', ETCD_PREFIX_MAX - 1);
	assert_int_equal(etcd_url_parse(text, &url, &err), 0);
	assert_int_equal(strlen(url.prefix), ETCD_PREFIX_MAX);
	text[strlen(text)] = 'p';
	refused(text, "longer than");

	memset(text, 0, sizeof(text));
	strcpy(text, "etcds://");
	memset(text + strlen(text), 'h', 253);
	strcat(text, ":65535/p");
	assert_int_equal(etcd_url_parse(text, &url, &err), 0);
	assert_int_equal(strlen(url.endpoints[0]), strlen("https://") + 253 + strlen(":65535"));
	text[8 + 253] = 'h';
	refused(text, "not a host");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
