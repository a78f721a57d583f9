/* SPDX-License-Identifier: Apache-2.0 */

/* What is served of the page, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "page.h"

static const char *header(const struct http_response *response, const char *name)
{
	size_t i;

	for (i = 0; i < HTTP_HEADERS_MAX && response->headers[i].name; i++) {
		if (strcmp(response->headers[i].name, name) == 0)
			return response->headers[i].value;
	}
	fail_msg("no header %s", name);
	return NULL;
}

static void test_page(void **state)
{
	static const struct {
		const char *path, *type, *begin;
	} files[] = {
		{"/", "text/html; charset=utf-8", "<!doctype html>"},
		{"/ui/index.html", "text/html; charset=utf-8", "<!doctype html>"},
		{"/ui/style.css", "text/css; charset=utf-8", "/* SPDX"},
		{"/ui/main.mjs", "text/javascript; charset=utf-8", "// SPDX"},
		{"/ui/theme.js", "text/javascript; charset=utf-8", "// SPDX"},
		{"/ui/icon.svg", "image/svg+xml", "<svg "},
		{"/ui/chart.js", "text/javascript; charset=utf-8", "/*!\n * Chart.js v3.9.1"},
		{"/ui/chart-licence.txt", "text/plain; charset=utf-8", "Format: "},
	};
	struct http_response response;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		assert_true(page_answer("GET", files[i].path, NULL, &response));
		assert_int_equal(response.status, 200);
		assert_string_equal(response.content_type, files[i].type);
		assert_memory_equal(response.lasting, files[i].begin, strlen(files[i].begin));
		assert_null(response.body);
		/* Whole: texts have no NUL, and one stands behind each. */
		assert_int_equal(strlen(response.lasting), response.length);
	}
}

static void test_not_there(void **state)
{
	static const char *const paths[] = {
		"",
		"/ui",
		"/ui/",
		"/ui//index.html",
		"/ui/none.js",
		"/index.html",
		"//",
		"/ui/../ui/index.html",
		"/ui/../../etc/passwd",
		"/ui/%2e%2e/index.html",
		"/ui/index%2ehtml",
		"/ui/index.html/",
		"/ui/index.html%00.js",
		"/UI/index.html",
		"/v1/services",
		"/metrics",
	};
	static const char *const methods[] = {"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get"};
	struct http_response response;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_false(page_answer("GET", paths[i], NULL, &response));
	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		assert_false(page_answer(methods[i], "/", NULL, &response));
}

/* The server leaves the body out of the answer to HEAD, and tells its length. */
static void test_head(void **state)
{
	struct http_response get, head;

	(void)state;
	assert_true(page_answer("GET", "/ui/style.css", NULL, &get));
	assert_true(page_answer("HEAD", "/ui/style.css", NULL, &head));
	assert_int_equal(head.status, 200);
	assert_int_equal(head.length, get.length);
	assert_string_equal(header(&head, "ETag"), header(&get, "ETag"));
}

static void test_etag(void **state)
{
	struct http_response response, other;
	char condition[128];
	const char *etag;

	(void)state;
	assert_true(page_answer("GET", "/", NULL, &response));
	etag = header(&response, "ETag");
	assert_int_equal(strlen(etag), 18);
	assert_true(etag[0] == '"' && etag[17] == '"');
	assert_true(page_answer("GET", "/ui/main.mjs", NULL, &other));
	assert_string_not_equal(etag, header(&other, "ETag"));
	snprintf(condition, sizeof(condition), "\"old\", W/%s", etag);
	assert_true(page_answer("GET", "/", condition, &other));
	assert_int_equal(other.status, 304);
	assert_int_equal(other.length, 0);
	assert_string_equal(header(&other, "ETag"), etag);
	assert_true(page_answer("GET", "/", "*", &other));
	assert_int_equal(other.status, 304);
	snprintf(condition, sizeof(condition), "\"old\", %.17s", etag); /* not a whole tag */
	assert_true(page_answer("GET", "/", condition, &other));
	assert_int_equal(other.status, 200);
	assert_string_equal(header(&other, "Cache-Control"), "no-cache");
}

static void test_policy(void **state)
{
	static const char *const parts[] = {
		"default-src 'none';", "script-src 'self';",      "style-src 'self';",
		"connect-src 'self';", "base-uri 'none';",        "form-action 'none';",
		"img-src 'self';",     "frame-ancestors 'none';",
	};
	struct http_response response;
	const char *policy;
	size_t i;

	(void)state;
	assert_true(page_answer("GET", "/", NULL, &response));
	policy = header(&response, "Content-Security-Policy");
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		assert_non_null(strstr(policy, parts[i]));
	assert_null(strstr(policy, "unsafe"));
	assert_null(strstr(policy, "*"));
	/* It is not cut off. */
	assert_string_equal(policy + strlen(policy) - 8, "'script'");
	assert_string_equal(header(&response, "Referrer-Policy"), "no-referrer");
}

/* Nothing inline, nothing from elsewhere: or the policy would break the page. */
static void test_document(void **state)
{
	static const char *const banned[] = {"http://", "https://", " style=",    " onclick",
					     "<style",  "<script>", "javascript:"};
	struct http_response response;
	size_t i;

	(void)state;
	assert_true(page_answer("GET", "/", NULL, &response));
	for (i = 0; i < sizeof(banned) / sizeof(banned[0]); i++)
		assert_null(strstr(response.lasting, banned[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_page),   cmocka_unit_test(test_not_there),
		cmocka_unit_test(test_head),   cmocka_unit_test(test_etag),
		cmocka_unit_test(test_policy), cmocka_unit_test(test_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
