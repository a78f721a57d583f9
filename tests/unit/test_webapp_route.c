/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "webapp_route.h"

static const struct webapp_route routes[] = {
	{.method = "GET", .path = "/"},
	{.method = "GET", .path = "/health"},
	{.method = "PUT", .path = "/health"},
	{.method = "GET", .path = "/data/{id}"},
};

#define COUNT (sizeof(routes) / sizeof(routes[0]))

static void assert_route(const char *method, const char *path, int wanted, size_t wanted_endpoint,
			 const char *wanted_argument)
{
	const char *argument = NULL;
	size_t endpoint;

	assert_int_equal(webapp_route_find(routes, COUNT, method, path, &endpoint, &argument),
			 wanted);
	assert_int_equal(endpoint, wanted_endpoint);
	if (wanted_argument)
		assert_string_equal(argument, wanted_argument);
	else
		assert_null(argument);
}

static void test_found(void **state)
{
	(void)state;
	assert_route("GET", "/", 0, 0, NULL);
	assert_route("HEAD", "/health", 1, 1, NULL);
	assert_route("PUT", "/health", 2, 1, NULL);
	assert_route("GET", "/data/x-1", 3, 3, "x-1");
}

static void test_refused(void **state)
{
	(void)state;
	assert_route("GET", "", -ENOENT, COUNT, NULL);
	assert_route("GET", "/healthy", -ENOENT, COUNT, NULL);
	assert_route("GET", "/data", -ENOENT, COUNT, NULL);
	assert_route("GET", "/data/", -ENOENT, COUNT, NULL);
	assert_route("GET", "/data/a/b", -ENOENT, COUNT, NULL);
	assert_route("DELETE", "/health", -EOPNOTSUPP, 1, NULL);
	assert_route("get", "/", -EOPNOTSUPP, 0, NULL);
}

static void test_allowed(void **state)
{
	char text[64], small[8];

	(void)state;
	webapp_route_allowed(routes, COUNT, "/health", text, sizeof(text));
	assert_string_equal(text, "GET, HEAD, PUT");
	webapp_route_allowed(routes, COUNT, "/data/1", text, sizeof(text));
	assert_string_equal(text, "GET, HEAD");
	webapp_route_allowed(routes, COUNT, "/none", text, sizeof(text));
	assert_string_equal(text, "");
	webapp_route_allowed(routes, COUNT, "/health", small, sizeof(small));
	assert_int_equal(small[sizeof(small) - 1], '\0');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
