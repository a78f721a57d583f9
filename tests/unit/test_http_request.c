/* SPDX-License-Identifier: Apache-2.0 */

/* What an http probe sends, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "http_request.h"

#define AGENT "User-Agent: " HTTP_USER_AGENT "\r\n"

static char *text(const char *literal)
{
	return (char *)(uintptr_t)literal;
}

static void expect(const struct check_spec *spec, const char *address, uint16_t port,
		   const char *wanted)
{
	struct endpoint backend = {.port = port};
	struct error err;
	char *request;

	assert_int_equal(parse_address(address, &backend.address, &err), 0);
	request = http_request_write(spec, &backend);
	assert_non_null(request);
	assert_string_equal(request, wanted);
	free(request);
}

static struct check_spec defaults(void)
{
	struct check_spec spec;

	check_spec_init(&spec);
	spec.kind = CHECK_HTTP;
	return spec;
}

static void test_defaults(void **state)
{
	struct check_spec spec = defaults();

	(void)state;
	expect(&spec, "198.18.0.7", 8080,
	       "GET / HTTP/1.1\r\nHost: 198.18.0.7:8080\r\n" AGENT
	       "Accept: */*\r\nConnection: close\r\n\r\n");
}

/* The port of the scheme is not said. */
static void test_hosts(void **state)
{
	struct check_spec spec = defaults();

	(void)state;
	spec.method = METHOD_HEAD;
	expect(&spec, "198.18.0.7", 80,
	       "HEAD / HTTP/1.1\r\nHost: 198.18.0.7\r\n" AGENT
	       "Accept: */*\r\nConnection: close\r\n\r\n");
	expect(&spec, "2001:db8::7", 80,
	       "HEAD / HTTP/1.1\r\nHost: [2001:db8::7]\r\n" AGENT
	       "Accept: */*\r\nConnection: close\r\n\r\n");
	expect(&spec, "2001:db8::7", 81,
	       "HEAD / HTTP/1.1\r\nHost: [2001:db8::7]:81\r\n" AGENT
	       "Accept: */*\r\nConnection: close\r\n\r\n");
	spec.host = text("shop.example:80");
	spec.path = text("/a/../b%20?q=[1]");
	expect(&spec, "198.18.0.7", 80,
	       "HEAD /a/../b%20?q=[1] HTTP/1.1\r\nHost: shop.example:80\r\n" AGENT
	       "Accept: */*\r\nConnection: close\r\n\r\n");
}

static void test_headers(void **state)
{
	char *headers[] = {text("X-Probe: sluice"), text("accept: text/plain"),
			   text("User-Agent: me"), text("Accept-Language: fr"), NULL};
	struct check_spec spec = defaults();

	(void)state;
	spec.method = METHOD_OPTIONS;
	spec.headers = headers;
	expect(&spec, "198.18.0.7", 80,
	       "OPTIONS / HTTP/1.1\r\nHost: 198.18.0.7\r\nConnection: close\r\n"
	       "X-Probe: sluice\r\naccept: text/plain\r\nUser-Agent: me\r\n"
	       "Accept-Language: fr\r\n\r\n");
}

static void test_post(void **state)
{
	char *headers[] = {text("Content-Type: text/plain"), NULL};
	struct check_spec spec = defaults();

	(void)state;
	spec.method = METHOD_POST;
	expect(&spec, "198.18.0.7", 80,
	       "POST / HTTP/1.1\r\nHost: 198.18.0.7\r\n" AGENT
	       "Accept: */*\r\nConnection: close\r\nContent-Length: 0\r\n"
	       "Content-Type: application/x-www-form-urlencoded\r\n\r\n");
	spec.headers = headers;
	expect(&spec, "198.18.0.7", 80,
	       "POST / HTTP/1.1\r\nHost: 198.18.0.7\r\n" AGENT
	       "Accept: */*\r\nConnection: close\r\nContent-Type: text/plain\r\n"
	       "Content-Length: 0\r\n\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_post),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
