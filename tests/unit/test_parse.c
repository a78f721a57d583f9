/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_number_accepts(void **state)
{
	static const struct {
		const char *text;
		uint64_t min, max, value;
	} cases[] = {
		{"0", 0, 0, 0},
		{"1", 1, 65535, 1},
		{"65535", 1, 65535, 65535},
		{"007", 0, 10, 7},
		{"18446744073709551615", 0, UINT64_MAX, UINT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct error err;
		uint64_t value = 99;

		assert_int_equal(
			parse_number(cases[i].text, cases[i].min, cases[i].max, &value, &err), 0);
		assert_true(value == cases[i].value);
	}
}

static void test_number_refuses(void **state)
{
	static const char *const texts[] = {
		"",
		"0",
		"11",
		"-1",
		"+1",
		"1 ",
		" 1",
		"0x1",
		"1.5",
		"1e1",
		"five",
		"1\n5",
		"\xd9\xa1",
		"18446744073709551616",
		"99999999999999999999999999",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct error err;
		uint64_t value = 99;

		assert_int_equal(parse_number(texts[i], 1, 10, &value, &err), -EINVAL);
		assert_int_equal(value, 99);
		assert_non_null(strstr(err.message, ": not a number from 1 to 10"));
	}
}

static void test_refusal_echoes_token(void **state)
{
	struct error err;
	char text[1000];
	uint64_t value;

	(void)state;
	parse_number("70000", 1, 65535, &value, &err);
	assert_string_equal(err.message, "70000: not a number from 1 to 65535");
	parse_number("", 1, 2, &value, &err);
	assert_string_equal(err.message, "(empty): not a number from 1 to 2");
	parse_number("a\x1b[2J\n\x7f\xc3\xa9", 1, 2, &value, &err);
	assert_string_equal(err.message, "a?[2J????: not a number from 1 to 2");

	memset(text, '9', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	parse_number(text, 1, 2, &value, &err);
	assert_non_null(strstr(err.message, "999...: not a number from 1 to 2"));
	assert_true(strlen(err.message) < 120);
}

static void test_duration_accepts(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} cases[] = {
		{"0ms", 0},
		{"0h", 0},
		{"500ms", 500},
		{"30s", 30000},
		{"5m", 300000},
		{"2h", 7200000},
		{"18446744073709551615ms", UINT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct error err;
		uint64_t ms = 99;

		assert_int_equal(parse_duration(cases[i].text, 0, UINT64_MAX, &ms, &err), 0);
		assert_true(ms == cases[i].ms);
	}
}

static void test_duration_refuses(void **state)
{
	static const struct {
		const char *text, *message, *hint;
	} cases[] = {
		{"10", "10: no unit", "write 500ms, 30s, 5m or 2h"},
		{"", "(empty): not a duration", "write 500ms, 30s, 5m or 2h"},
		{"s", "s: not a duration", "write 500ms, 30s, 5m or 2h"},
		{"1.5s", "1.5s: not a duration", "write 500ms, 30s, 5m or 2h"},
		{"-1s", "-1s: not a duration", "write 500ms, 30s, 5m or 2h"},
		{"1 s", "1 s: not a duration", "write 500ms, 30s, 5m or 2h"},
		{"1S", "1S: not a duration", "write 500ms, 30s, 5m or 2h"},
		{"1d", "1d: not a duration", "write 500ms, 30s, 5m or 2h"},
		{"1s1s", "1s1s: not a duration", "write 500ms, 30s, 5m or 2h"},
		{"99ms", "99ms: not from 100ms to 1h", ""},
		{"61m", "61m: not from 100ms to 1h", ""},
		{"18446744073709551615h", "18446744073709551615h: not from 100ms to 1h", ""},
		{"18446744073709551616ms", "18446744073709551616ms: not a duration",
		 "write 500ms, 30s, 5m or 2h"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct error err;
		uint64_t ms = 99;

		assert_int_equal(parse_duration(cases[i].text, 100, 3600000, &ms, &err), -EINVAL);
		assert_int_equal(ms, 99);
		assert_string_equal(err.message, cases[i].message);
		assert_string_equal(err.hint, cases[i].hint);
	}
}

static void test_bytes(void **state)
{
	static const struct {
		const char *text, *message;
	} bad[] = {
		{"\\", "has a backslash without a meaning"},
		{"\\a", "has a backslash without a meaning"},
		{"\\x", "has a backslash without a meaning"},
		{"\\x4", "has a backslash without a meaning"},
		{"\\x4g", "has a backslash without a meaning"},
		{"a\n", "has a control or non-ASCII character"},
		{"\xc3\xa9", "has a control or non-ASCII character"},
		{"123456789", "longer than 8 bytes"},
	};
	char buffer[BYTES_TEXT_MAX];
	uint8_t bytes[8];
	size_t length = 7;
	struct error err;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(parse_bytes(bad[i].text, sizeof(bytes), bytes, &length, &err),
				 -EINVAL);
		assert_string_equal(err.message, bad[i].message);
		assert_int_equal(length, 7);
	}
	assert_int_equal(parse_bytes("", sizeof(bytes), bytes, &length, &err), 0);
	assert_int_equal(length, 0);
	assert_int_equal(
		parse_bytes("a\\n\\r\\t\\0\\\\\\x7f\\xFF", sizeof(bytes), bytes, &length, &err), 0);
	assert_int_equal(length, 8);
	assert_memory_equal(bytes, "a\n\r\t\0\\\x7f\xff", 8);
	assert_string_equal(format_bytes(bytes, 8, buffer), "a\\x0a\\x0d\\x09\\x00\\x5c\\x7f\\xff");
}

/* Cut where the buffer ends, also when each byte takes four characters. */
static void test_long_bytes(void **state)
{
	char buffer[BYTES_TEXT_MAX];
	uint8_t bytes[200];

	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	format_bytes(bytes, sizeof(bytes), buffer);
	assert_string_equal(buffer + strlen(buffer) - 7, "\\xff...");
	memset(bytes, 'x', sizeof(bytes));
	format_bytes(bytes, sizeof(bytes), buffer);
	assert_string_equal(buffer + strlen(buffer) - 4, "x...");
	assert_string_equal(format_bytes(bytes, 3, buffer), "xxx");
	assert_string_equal(format_bytes(bytes, 0, buffer), "");
}

static void test_duration_formats(void **state)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} cases[] = {
		{0, "0ms"},      {1, "1ms"},        {999, "999ms"},
		{1000, "1s"},    {1500, "1500ms"},  {60000, "1m"},
		{90000, "90s"},  {3600000, "1h"},   {5400000, "90m"},
		{7200000, "2h"}, {86400000, "24h"}, {UINT64_MAX, "18446744073709551615ms"},
	};
	char buffer[DURATION_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t ms = 99;
		struct error err;

		assert_string_equal(format_duration(cases[i].ms, buffer), cases[i].text);
		assert_int_equal(parse_duration(buffer, 0, UINT64_MAX, &ms, &err), 0);
		assert_true(ms == cases[i].ms);
	}
}

static void test_address_canonical(void **state)
{
	static const struct {
		const char *text, *canonical;
		bool ipv4;
	} cases[] = {
		{"198.18.0.10", "198.18.0.10", true},
		{"0.0.0.0", "0.0.0.0", true},
		{"127.0.0.1", "127.0.0.1", true},
		{"2001:db8::10", "2001:db8::10", false},
		{"2001:0DB8:0:0:0:0:0:0010", "2001:db8::10", false},
		{"::1", "::1", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char buffer[ADDRESS_TEXT_MAX];
		struct address address;
		struct error err;

		assert_int_equal(parse_address(cases[i].text, &address, &err), 0);
		assert_string_equal(format_address(&address, buffer), cases[i].canonical);
		assert_int_equal(address_is_ipv4(&address), cases[i].ipv4);
	}
}

static void test_address_refuses(void **state)
{
	static const char *const texts[] = {
		"",
		"198.18.1.300",
		"198.18.1",
		"198.18.1.1.1",
		"0198.18.1.1",
		"198.18.1.1 ",
		"example.com",
		"2001:db8::1::",
		"[2001:db8::1]",
		"fe80::1%eth0",
		"2001:db8::g",
		"1",
		":",
	};
	struct address address, before;
	struct error err;

	(void)state;
	memset(&address, 0xa5, sizeof(address));
	before = address;
	for (size_t i = 0; i < COUNT(texts); i++) {
		assert_int_equal(parse_address(texts[i], &address, &err), -EINVAL);
		assert_non_null(strstr(err.message, ": not an IPv4 or IPv6 address"));
		assert_string_equal(err.hint, "write 198.18.0.10 or 2001:db8::10");
	}
	assert_int_equal(parse_address("::ffff:198.18.0.10", &address, &err), -EINVAL);
	assert_string_equal(err.message, "::ffff:198.18.0.10: an IPv4 address in IPv6 form");
	assert_string_equal(err.hint, "write 198.18.0.10");
	assert_memory_equal(&address, &before, sizeof(address));
}

static void test_endpoint_forms(void **state)
{
	static const struct {
		const char *text, *canonical;
		uint16_t default_port, port;
	} cases[] = {
		{"198.18.1.11:80", "198.18.1.11:80", 0, 80},
		{"198.18.1.11:65535", "198.18.1.11:65535", 8080, 65535},
		{"198.18.1.11", "198.18.1.11:8080", 8080, 8080},
		{"198.18.1.11", "198.18.1.11", 0, 0},
		{"[2001:db8::11]:80", "[2001:db8::11]:80", 0, 80},
		{"[2001:db8::11]", "[2001:db8::11]:8080", 8080, 8080},
		{"2001:db8::11", "[2001:db8::11]:8080", 8080, 8080},
		{"2001:db8::11", "2001:db8::11", 0, 0},
		{"2001:db8::11:80", "2001:db8::11:80", 0, 0},
		{"[2001:db8:1111:2222:3333:4444:5555:6666]:65535",
		 "[2001:db8:1111:2222:3333:4444:5555:6666]:65535", 0, 65535},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct endpoint endpoint, again;
		char buffer[ENDPOINT_TEXT_MAX];
		struct error err;

		assert_int_equal(
			parse_endpoint(cases[i].text, cases[i].default_port, &endpoint, &err), 0);
		assert_int_equal(endpoint.port, cases[i].port);
		assert_string_equal(format_endpoint(&endpoint, buffer), cases[i].canonical);
		assert_int_equal(parse_endpoint(buffer, 0, &again, &err), 0);
		assert_true(endpoint_equal(&endpoint, &again));
	}
}

static void test_endpoint_refuses(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"", "(empty): not an IPv4 or IPv6 address"},
		{"web:80", "web: not an IPv4 or IPv6 address"},
		{":80", "(empty): not an IPv4 or IPv6 address"},
		{"198.18.1.300:80", "198.18.1.300: not an IPv4 or IPv6 address"},
		{"198.18.1.11:", "port (empty): not a number from 1 to 65535"},
		{"198.18.1.11:0", "port 0: not a number from 1 to 65535"},
		{"198.18.1.11:70000", "port 70000: not a number from 1 to 65535"},
		{"198.18.1.11:+80", "port +80: not a number from 1 to 65535"},
		{"198.18.1.11:*", "port *: not a number from 1 to 65535"},
		{"[198.18.1.11]:80", "[198.18.1.11]: brackets around an IPv4 address"},
		{"[2001:db8::11", "[2001:db8::11: not [ADDRESS] or [ADDRESS]:PORT"},
		{"[2001:db8::11]80", "[2001:db8::11]80: not [ADDRESS] or [ADDRESS]:PORT"},
		{"[2001:db8::11]:", "port (empty): not a number from 1 to 65535"},
		{"[]:80", "(empty): not an IPv4 or IPv6 address"},
		{"2001:db8::11]:80", "2001:db8::11]:80: not an IPv4 or IPv6 address"},
		{"[::ffff:198.18.1.11]:80", "::ffff:198.18.1.11: an IPv4 address in IPv6 form"},
	};
	struct endpoint endpoint, before;

	(void)state;
	memset(&endpoint, 0xa5, sizeof(endpoint));
	before = endpoint;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct error err;

		assert_int_equal(parse_endpoint(cases[i].text, 80, &endpoint, &err), -EINVAL);
		assert_string_equal(err.message, cases[i].message);
		assert_memory_equal(&endpoint, &before, sizeof(endpoint));
	}
}

static void test_vip_forms(void **state)
{
	static const struct {
		const char *text, *canonical;
		uint8_t protocol;
		uint16_t port;
	} cases[] = {
		{"tcp://198.18.0.10:80", "tcp://198.18.0.10:80", IPPROTO_TCP, 80},
		{"udp://198.18.0.10:*", "udp://198.18.0.10:*", IPPROTO_UDP, 0},
		{"udp://[2001:DB8::10]:53", "udp://[2001:db8::10]:53", IPPROTO_UDP, 53},
		{"tcp://[2001:db8::10]:*", "tcp://[2001:db8::10]:*", IPPROTO_TCP, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char buffer[VIP_TEXT_MAX];
		struct vip vip, again;
		struct error err;

		assert_int_equal(parse_vip(cases[i].text, &vip, &err), 0);
		assert_int_equal(vip.protocol, cases[i].protocol);
		assert_int_equal(vip.endpoint.port, cases[i].port);
		assert_string_equal(format_vip(&vip, buffer), cases[i].canonical);
		assert_int_equal(parse_vip(buffer, &again, &err), 0);
		assert_true(vip_equal(&vip, &again));
	}
}

static void test_vip_refuses(void **state)
{
	static const struct {
		const char *text, *message, *hint;
	} cases[] = {
		{"198.18.0.10:80", "198.18.0.10:80: none of tcp://, udp://, sctp://",
		 "write tcp://198.18.0.10:80 or udp://[2001:db8::10]:53"},
		{"TCP://198.18.0.10:80", "TCP://198.18.0.10:80: none of tcp://, udp://, sctp://",
		 "write tcp://198.18.0.10:80 or udp://[2001:db8::10]:53"},
		{"tcp://198.18.0.10", "198.18.0.10: no port",
		 "write tcp://198.18.0.10:80, or tcp://198.18.0.10:* for every port"},
		{"udp://2001:db8::10", "2001:db8::10: no port",
		 "write udp://[2001:db8::10]:80, or udp://[2001:db8::10]:* for every port"},
		{"tcp://198.18.0.10:0", "port 0: not a number from 1 to 65535", ""},
		{"tcp://198.18.0.10:80/", "port 80/: not a number from 1 to 65535", ""},
		{"tcp://198.18.0.10:**", "port **: not a number from 1 to 65535", ""},
		{"tcp://", "(empty): not an IPv4 or IPv6 address",
		 "write 198.18.0.10 or 2001:db8::10"},
		{"tcp://0.0.0.0:80", "0.0.0.0: the unspecified address",
		 "write an address that other hosts can reach"},
		{"udp://[ff02::1]:53", "ff02::1: a multicast address",
		 "write an address that other hosts can reach"},
		{"tcp://[::ffff:198.18.0.10]:80",
		 "::ffff:198.18.0.10: an IPv4 address in IPv6 form", "write 198.18.0.10"},
	};
	struct vip vip, before;

	(void)state;
	memset(&vip, 0xa5, sizeof(vip));
	before = vip;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct error err;

		assert_int_equal(parse_vip(cases[i].text, &vip, &err), -EINVAL);
		assert_string_equal(err.message, cases[i].message);
		assert_string_equal(err.hint, cases[i].hint);
		assert_memory_equal(&vip, &before, sizeof(vip));
	}
}

static void test_prefix_forms(void **state)
{
	static const char *const cases[][2] = {
		{"198.18.0.10", "198.18.0.10/32"},
		{"198.18.0.0/15", "198.18.0.0/15"},
		{"198.18.0.10/32", "198.18.0.10/32"},
		{"0.0.0.0/0", "0.0.0.0/0"},
		{"2001:DB8::/32", "2001:db8::/32"},
		{"2001:db8::10", "2001:db8::10/128"},
		{"::/0", "::/0"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char buffer[PREFIX_TEXT_MAX];
		struct prefix prefix, again;
		struct error err;

		assert_int_equal(parse_prefix(cases[i][0], &prefix, &err), 0);
		assert_string_equal(format_prefix(&prefix, buffer), cases[i][1]);
		assert_int_equal(parse_prefix(buffer, &again, &err), 0);
		assert_true(prefix_equal(&prefix, &again));
	}
}

static void test_prefix_refuses(void **state)
{
	static const char *const cases[][2] = {
		{"198.18.0.0/33", "198.18.0.0/33: not a prefix of 0 to 32 bits"},
		{"198.18.0.0/", "198.18.0.0/: not a prefix of 0 to 32 bits"},
		{"198.18.0.0/15/3", "198.18.0.0/15/3: not a prefix of 0 to 32 bits"},
		{"2001:db8::/129", "2001:db8::/129: not a prefix of 0 to 128 bits"},
		{"198.18.0.11/31", "198.18.0.11/31: address bits are set behind the prefix"},
		{"2001:db8::1/64", "2001:db8::1/64: address bits are set behind the prefix"},
		{"::1/0", "::1/0: address bits are set behind the prefix"},
		{"/24", "(empty): not an IPv4 or IPv6 address"},
		{"web/24", "web: not an IPv4 or IPv6 address"},
		{"2001:db8:0000:0000:0000:0000:0000:0000:0000:0000/64",
		 "2001:db8:0000:0000:0000:0000:0000:0000:0000:0000/64: not an IPv4 or IPv6 address"},
	};
	struct prefix prefix, before;

	(void)state;
	memset(&prefix, 0xa5, sizeof(prefix));
	before = prefix;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct error err;

		assert_int_equal(parse_prefix(cases[i][0], &prefix, &err), -EINVAL);
		assert_string_equal(err.message, cases[i][1]);
		assert_memory_equal(&prefix, &before, sizeof(prefix));
	}
}

static void test_equality(void **state)
{
	struct vip a, b;
	struct error err;

	(void)state;
	assert_int_equal(parse_vip("tcp://198.18.0.10:80", &a, &err), 0);
	assert_int_equal(parse_vip("udp://198.18.0.10:80", &b, &err), 0);
	assert_false(vip_equal(&a, &b));
	assert_true(endpoint_equal(&a.endpoint, &b.endpoint));
	assert_int_equal(parse_vip("tcp://198.18.0.10:81", &b, &err), 0);
	assert_false(vip_equal(&a, &b));
	assert_true(address_equal(&a.endpoint.address, &b.endpoint.address));
	assert_int_equal(parse_vip("tcp://198.18.0.11:80", &b, &err), 0);
	assert_false(endpoint_equal(&a.endpoint, &b.endpoint));
}

static void test_sockaddr(void **state)
{
	struct sockaddr_storage storage;
	struct sockaddr_in6 ipv6;
	struct sockaddr_in ipv4;
	struct endpoint endpoint;
	struct error err;

	(void)state;
	assert_int_equal(parse_endpoint("198.18.1.11:80", 0, &endpoint, &err), 0);
	assert_int_equal(endpoint_sockaddr(&endpoint, &storage), sizeof(ipv4));
	memcpy(&ipv4, &storage, sizeof(ipv4));
	assert_int_equal(ipv4.sin_family, AF_INET);
	assert_int_equal(ntohs(ipv4.sin_port), 80);
	assert_int_equal(ntohl(ipv4.sin_addr.s_addr), 0xc612010b);

	assert_int_equal(parse_endpoint("[2001:db8::11]:443", 0, &endpoint, &err), 0);
	assert_int_equal(endpoint_sockaddr(&endpoint, &storage), sizeof(ipv6));
	memcpy(&ipv6, &storage, sizeof(ipv6));
	assert_int_equal(ipv6.sin6_family, AF_INET6);
	assert_int_equal(ntohs(ipv6.sin6_port), 443);
	assert_memory_equal(&ipv6.sin6_addr, &endpoint.address.ip, sizeof(ipv6.sin6_addr));
}

static void test_quality(void **state)
{
	static const struct {
		const char *text;
		unsigned int thousandths;
	} accepted[] = {
		{"0", 0},      {"1", 1000},    {"0.", 0},    {"1.", 1000},    {"0.5", 500},
		{"0.75", 750}, {"0.125", 125}, {"0.001", 1}, {"1.000", 1000}, {"1.0", 1000},
	};
	static const char *const refused[] = {"",    ".5",  "2",    "0.1234", "1.001",
					      "1.5", "0,5", "-0.5", "0.5 ",   "00.5",
					      "0.a", "10",  "q",    "0.5.5",  "+1"};
	unsigned int thousandths = 7;
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		assert_int_equal(parse_quality(refused[i], &thousandths, &err), -EINVAL);
		assert_int_equal(thousandths, 7);
	}
	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		assert_int_equal(parse_quality(accepted[i].text, &thousandths, &err), 0);
		assert_int_equal(thousandths, accepted[i].thousandths);
	}
}

static void test_percent(void **state)
{
	static const struct {
		const char *text;
		double ratio;
	} accepted[] = {
		{"0", 0},          {"0%", 0},       {"1%", 0.01}, {"1", 0.01},    {"0.5%", 0.005},
		{"0.25%", 0.0025}, {"33.3", 0.333}, {"100%", 1},  {"100.00%", 1},
	};
	static const char *const refused[] = {
		"",       "%",    "1%%",  "-1%",   "100.01%",
		"101%",   "1.%",  ".5%",  "1,5%",  "1 %",
		"0.005%", "1e1%", "half", "1.5.5", "18446744073709551616%"};
	struct error err;
	double ratio;

	(void)state;
	for (size_t i = 0; i < COUNT(accepted); i++) {
		assert_int_equal(parse_percent(accepted[i].text, &ratio, &err), 0);
		assert_true(ratio == accepted[i].ratio);
	}
	for (size_t i = 0; i < COUNT(refused); i++) {
		ratio = 77;
		assert_int_equal(parse_percent(refused[i], &ratio, &err), -EINVAL);
		assert_true(ratio == 77);
	}
	assert_string_equal(err.message, "18446744073709551616%: not a percentage");
	assert_string_equal(err.hint, "write 0% to 100%, like 1% or 0.25%");
}

/* Whatever is accepted must survive being written and read again. */
static void test_random_text(void **state)
{
	static const char alphabet[] = "0123456789abf.:[]*/tcpud ";
	unsigned int accepted = 0;

	(void)state;
	srand(1);
	for (unsigned int round = 0; round < 200000; round++) {
		char text[32] = "", buffer[ENDPOINT_TEXT_MAX];
		struct endpoint endpoint, again;
		const int length = rand() % 24;
		struct error err;

		for (int i = 0; i < length; i++)
			text[i] =
				alphabet[(size_t)rand() % (round % 2 ? 14 : sizeof(alphabet) - 1)];
		if (parse_endpoint(text, 0, &endpoint, &err) < 0) {
			assert_true(err.message[0] != '\0');
			continue;
		}
		accepted++;
		format_endpoint(&endpoint, buffer);
		assert_int_equal(parse_endpoint(buffer, 0, &again, &err), 0);
		assert_true(endpoint_equal(&endpoint, &again));
	}
	assert_true(accepted > 0);
}

static void test_decimal(void **state)
{
	static const struct {
		const char *text;
		double value;
	} accepted[] = {{"0.6", 0.6}, {"250", 250}, {"-1.5e-05", -1.5e-5}, {"+3", 3}, {"0", 0}};
	static const char *const refused[] = {"",      " 1",    "1 ",   "0x10", "nan", "inf",
					      "1e999", "1.2.3", "0.6s", "e",    ".",   "-"};
	struct error err = {0};
	double value = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		assert_int_equal(parse_decimal(refused[i], &value, &err), -EINVAL);
		assert_true(value == 7);
	}
	assert_string_equal(err.message, "-: not a decimal number");
	assert_string_equal(err.hint, "write it like 0.6 or 250");
	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		assert_int_equal(parse_decimal(accepted[i].text, &value, &err), 0);
		assert_true(value == accepted[i].value);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_number_accepts),
		cmocka_unit_test(test_number_refuses),
		cmocka_unit_test(test_refusal_echoes_token),
		cmocka_unit_test(test_duration_accepts),
		cmocka_unit_test(test_duration_refuses),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_long_bytes),
		cmocka_unit_test(test_duration_formats),
		cmocka_unit_test(test_address_canonical),
		cmocka_unit_test(test_address_refuses),
		cmocka_unit_test(test_endpoint_forms),
		cmocka_unit_test(test_endpoint_refuses),
		cmocka_unit_test(test_vip_forms),
		cmocka_unit_test(test_vip_refuses),
		cmocka_unit_test(test_prefix_forms),
		cmocka_unit_test(test_prefix_refuses),
		cmocka_unit_test(test_equality),
		cmocka_unit_test(test_sockaddr),
		cmocka_unit_test(test_percent),
		cmocka_unit_test(test_decimal),
		cmocka_unit_test(test_quality),
		cmocka_unit_test(test_random_text),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
