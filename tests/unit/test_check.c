/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char *text(const char *literal)
{
	char *copy = strdup(literal);

	assert_non_null(copy);
	return copy;
}

static void set(char **member, const char *literal)
{
	free(*member);
	*member = literal ? text(literal) : NULL;
}

static void set_list(char ***member, const char *one, const char *two)
{
	char *const texts[] = {(char *)(uintptr_t)one, (char *)(uintptr_t)two, NULL};

	texts_free(*member);
	assert_int_equal(texts_copy(texts, member), 0);
}

static void assert_good(const struct check_spec *spec)
{
	struct error err = {0};

	if (check_spec_check(spec, "web", &err) != 0)
		fail_msg("refused: %s", err.message);
}

static void assert_bad(const struct check_spec *spec, const char *field, const char *message)
{
	struct error err = {0};

	assert_int_equal(check_spec_check(spec, "web", &err), -EINVAL);
	assert_string_equal(err.field, field);
	assert_string_not_equal(err.hint, "");
	if (!strstr(err.message, message))
		fail_msg("\"%s\" does not have \"%s\"", err.message, message);
}

static struct check_spec make(enum check_kind kind)
{
	struct check_spec spec;

	check_spec_init(&spec);
	spec.kind = kind;
	return spec;
}

/* --- copies --- */

static struct check_spec make_full(void)
{
	struct check_spec spec = make(CHECK_HTTPS);

	spec.path = text("/health");
	spec.host = text("www.example.org");
	spec.body = text("ok");
	spec.ca = text("/ca.pem");
	spec.sni = text("example.org");
	spec.cert = text("/cert.pem");
	spec.key = text("/key.pem");
	spec.payload = text("ping");
	spec.expect = text("pong");
	spec.name = text("example.org");
	set_list(&spec.headers, "A: b", "C: d");
	set_list(&spec.command, "/bin/true", "x");
	return spec;
}

static void test_copy_is_equal_and_apart(void **state)
{
	struct check_spec spec = make_full(), copy;

	(void)state;
	assert_int_equal(check_spec_copy(&spec, &copy), 0);
	assert_true(check_spec_equal(&spec, &copy));
	check_spec_clear(&spec);
	assert_string_equal(copy.key, "/key.pem");
	assert_string_equal(copy.headers[1], "C: d");
	assert_null(copy.headers[2]);
	check_spec_clear(&copy);
}

static void test_every_difference_counts(void **state)
{
	struct check_spec a = make_full(), b;

	(void)state;
	for (size_t i = 0; i < 10; i++) {
		assert_int_equal(check_spec_copy(&a, &b), 0);
		char **const members[] = {&b.path, &b.host,    &b.body,   &b.ca,  &b.sni,
					  &b.cert, &b.payload, &b.expect, &b.key, &b.name};
		set(members[i], i % 2 ? "other" : NULL);
		assert_false(check_spec_equal(&a, &b));
		check_spec_clear(&b);
	}
	assert_int_equal(check_spec_copy(&a, &b), 0);
	set_list(&b.headers, "A: b", NULL);
	assert_false(check_spec_equal(&a, &b));
	set_list(&b.headers, NULL, NULL);
	assert_false(check_spec_equal(&a, &b));
	set_list(&b.headers, "A: b", "C: d");
	assert_true(check_spec_equal(&a, &b));
	set_list(&b.command, "/bin/true", "y");
	assert_false(check_spec_equal(&a, &b));
	check_spec_clear(&a);
	check_spec_clear(&b);
}

static void test_every_number_counts(void **state)
{
	struct check_spec a = make(CHECK_TCP), b = make(CHECK_TCP);

	(void)state;
	assert_true(check_spec_equal(&a, &b));
#define DIFFERS(member, value)                                                                     \
	do {                                                                                       \
		b.member = value;                                                                  \
		assert_false(check_spec_equal(&a, &b));                                            \
		b.member = a.member;                                                               \
	} while (0)
	DIFFERS(kind, CHECK_ICMP);
	DIFFERS(method, METHOD_HEAD);
	DIFFERS(status_min, 201);
	DIFFERS(status_max, 201);
	DIFFERS(dns_type, DNS_AAAA);
	DIFFERS(insecure, true);
	DIFFERS(port, 80);
	DIFFERS(interval_ms, 1);
	DIFFERS(timeout_ms, 1);
	DIFFERS(fast_interval_ms, 1);
	DIFFERS(rise, 9);
	DIFFERS(fall, 9);
	assert_true(check_spec_equal(&a, &b));
}

/* --- what must hold --- */

static void test_http_request(void **state)
{
	static const char *const bad_paths[] = {"",          "health", "/a b",
						"/\r\nX: y", "/\x7f",  "/\xe9"};
	struct check_spec spec = make(CHECK_HTTP);

	(void)state;
	for (size_t i = 0; i < COUNT(bad_paths); i++) {
		set(&spec.path, bad_paths[i]);
		assert_bad(&spec, "check-path", "service web: check-path: ");
	}
	set(&spec.path, "/health?deep=1");
	assert_good(&spec);
	set(&spec.host, "a\r\nX-Forged: 1");
	assert_bad(&spec, "check-host", "has a space, control or non-ASCII character");
	set(&spec.host, NULL);
	spec.status_min = 400;
	assert_bad(&spec, "check-status",
		   "service web: check-status: 400-399 is no range within 100-599");
	check_spec_clear(&spec);
}

static void test_headers(void **state)
{
	static const struct {
		const char *header, *message;
	} cases[] = {
		{"X-Probe", "has no colon"},
		{": x", "has no name"},
		{"X Probe: x", "has no name"},
		{"X-Probe:", "has no value"},
		{"X-Probe:   ", "has no value"},
		{"X: a\r\nHost: b", "has a control"},
		{"X: \xc3\xa9", "has a control or non-ASCII"},
		{"host: x", "Host is not given here"},
		{"Content-Length: 3", "contradicts"},
		{"transfer-encoding: chunked", "contradicts"},
		{"Connection: keep-alive", "contradicts"},
	};
	struct check_spec spec = make(CHECK_HTTP);

	(void)state;
	set_list(&spec.headers, "X-Probe: sluice", "Accept:text/plain; q=1");
	assert_good(&spec);
	for (size_t i = 0; i < COUNT(cases); i++) {
		set_list(&spec.headers, "X-Probe: sluice", cases[i].header);
		assert_bad(&spec, "check-header", cases[i].message);
	}
	check_spec_clear(&spec);
}

static void test_body(void **state)
{
	static const char *const good[] = {"ready|ok",   "^a{1,64}$",
					   "(a{2}b){3}", "\\{",
					   "[{]x",       "\"status\": *\"(green|yellow)\""};
	static const char *const costly[] = {"((a{1,100}){1,100}){1,100}", "(a)\\1", "a{99999}",
					     "a{0,99999999999999999999}"};
	struct check_spec spec = make(CHECK_HTTP);

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		set(&spec.body, good[i]);
		assert_good(&spec);
	}
	for (size_t i = 0; i < COUNT(costly); i++) {
		set(&spec.body, costly[i]);
		assert_bad(&spec, "check-body", "repeats too often");
	}
	set(&spec.body, "(");
	assert_bad(&spec, "check-body", "service web: check-body: Unmatched (");
	set(&spec.body, "ok");
	spec.method = METHOD_HEAD;
	assert_bad(&spec, "check-body", "HEAD has no body");
	spec.kind = CHECK_TCP; /* and is not asked for */
	assert_good(&spec);
	check_spec_clear(&spec);
}

static void test_tls(void **state)
{
	static const char *const bad_names[] = {"198.18.0.1", "2001:db8::1", "a b", "a/b", "x:443"};
	struct check_spec spec = make(CHECK_HTTPS);

	(void)state;
	set(&spec.ca, "ca.pem");
	assert_bad(&spec, "check-ca", "is no absolute path");
	set(&spec.ca, "/etc/ca.pem");
	assert_good(&spec);
	set(&spec.key, "/etc/key.pem");
	assert_bad(&spec, "check-key", "is of no certificate");
	set(&spec.cert, "/etc/\ncert.pem");
	assert_bad(&spec, "check-cert", "is no absolute path in printable ASCII");
	set(&spec.cert, "/etc/cert.pem");
	assert_good(&spec);
	for (size_t i = 0; i < COUNT(bad_names); i++) {
		set(&spec.sni, bad_names[i]);
		assert_bad(&spec, "check-sni", "is no host name");
	}
	set(&spec.sni, "www.example.org");
	assert_good(&spec);
	check_spec_clear(&spec);
}

static void test_udp(void **state)
{
	struct check_spec spec = make(CHECK_UDP);
	char longest[CHECK_BYTES_MAX + 2];

	(void)state;
	assert_good(&spec);
	set(&spec.payload, "\\x00\\xfFping\\n\\\\");
	set(&spec.expect, "pong");
	assert_good(&spec);
	set(&spec.payload, "\\q");
	assert_bad(&spec, "check-payload", "has a backslash without a meaning");
	set(&spec.payload, "\xc3\xa9");
	assert_bad(&spec, "check-payload", "non-ASCII");
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	set(&spec.payload, longest);
	assert_bad(&spec, "check-payload", "longer than 1024 bytes");
	longest[sizeof(longest) - 2] = '\0';
	set(&spec.payload, longest);
	assert_good(&spec);
	set(&spec.expect, "\\x4");
	assert_bad(&spec, "check-expect", "has a backslash without a meaning");
	spec.kind = CHECK_DNS;
	set(&spec.name, "example.org");
	spec.dns_type = DNS_TXT;
	assert_good(&spec); /* a text as it is */
	check_spec_clear(&spec);
}

static void test_dns(void **state)
{
	struct check_spec spec = make(CHECK_DNS);

	(void)state;
	assert_bad(&spec, "check-name", "missing");
	set(&spec.name, "www..example.org");
	assert_bad(&spec, "check-name", "has an empty label");
	set(&spec.name, "www.example.org.");
	assert_good(&spec);
	set(&spec.expect, "2001:db8::1");
	assert_bad(&spec, "check-expect", "is no address as check-type has it");
	spec.dns_type = DNS_AAAA;
	assert_good(&spec);
	set(&spec.expect, "198.18.0.1");
	assert_bad(&spec, "check-expect", "is no address as check-type has it");
	spec.dns_type = DNS_A;
	assert_good(&spec);
	spec.dns_type = DNS_SOA;
	assert_bad(&spec, "check-expect", "is not for types of several parts");
	spec.kind = CHECK_TCP;
	assert_good(&spec);
	check_spec_clear(&spec);
}

static void test_command(void **state)
{
	struct check_spec spec = make(CHECK_EXEC);

	(void)state;
	assert_bad(&spec, "check-command", "missing");
	set_list(&spec.command, "mysql", "x");
	assert_bad(&spec, "check-command", "the program is no absolute path");
	set_list(&spec.command, "/etc/sluice/checks/mysql", "");
	assert_good(&spec);
	check_spec_clear(&spec);
}

static void test_fast_interval(void **state)
{
	struct check_spec spec = make(CHECK_TCP);

	(void)state;
	spec.fast_interval_ms = 99;
	assert_bad(&spec, "check-fast-interval", "99ms is out of range");
	spec.fast_interval_ms = 1001;
	assert_bad(&spec, "check-fast-interval", "1001ms is out of range");
	spec.fast_interval_ms = 1000;
	assert_good(&spec);
	spec.fast_interval_ms = 100;
	assert_good(&spec);
}

static void test_ports(void **state)
{
	(void)state;
	for (int kind = 0; kind < CHECK_KINDS; kind++) {
		struct check_spec spec = make((enum check_kind)kind);

		assert_int_equal(check_needs_port(&spec),
				 kind != CHECK_ICMP && kind != CHECK_EXEC && kind != CHECK_NONE);
		assert_non_null(check_kind_words[kind]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copy_is_equal_and_apart),
		cmocka_unit_test(test_every_difference_counts),
		cmocka_unit_test(test_every_number_counts),
		cmocka_unit_test(test_http_request),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_body),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_dns),
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_fast_interval),
		cmocka_unit_test(test_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
