/* SPDX-License-Identifier: Apache-2.0 */
/* SYN cookies as balancer and backend make and check them: bpf/cookie.h, built natively. */
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* clang for BPF is not asked for these warnings. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wpointer-arith"
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#include "abi.h"
#include "compiler.h"

#include "cookie.h"
#pragma GCC diagnostic pop

#define PERIOD 0x6789 /* any */

static const struct lb_cookie_key key = {{0x0706050403020100, 0x0f0e0d0c0b0a0908}};
static const struct lb_cookie_key other = {{1, 2}};
static struct lb_cookie_keys keys;
static struct cookie cookie;

static int set_up(void **state)
{
	(void)state;
	keys = (struct lb_cookie_keys){.key = {key}};
	cookie = (struct cookie){.client = {{0, 0, bpf_htonl(0xffff), bpf_htonl(0xc6120002)}},
				 .vip = {{0, 0, bpf_htonl(0xffff), bpf_htonl(0xc612000a)}},
				 .client_port = bpf_htons(40000),
				 .vip_port = bpf_htons(80),
				 .isn = 1000,
				 .period = PERIOD,
				 .mss = 5,
				 .options = 7};
	return 0;
}

/* Vectors by OpenSSL: openssl mac -macopt size:8 SIPHASH, of the bytes 0, 1, 2, ... */
static void test_siphash(void **state)
{
	uint8_t bytes[48];
	__u64 words[6];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	memcpy(words, bytes, sizeof(words));
	assert_true(siphash(&key, words, 1) == 0x93f5f5799a932462);
	assert_true(siphash(&key, words, 6) == 0xe612a3cb9ecba951);
}

/* Does the value hold, in this period, for the cookie without what the value says itself? */
static bool holds(uint32_t value, uint32_t now)
{
	struct cookie asked = cookie;

	asked.period = 0;
	asked.mss = 0;
	return cookie_holds(&keys, &asked, value, now) && asked.period == cookie.period &&
	       asked.mss == cookie.mss;
}

static void test_lifetime(void **state)
{
	uint32_t value = cookie_value(&key, &cookie);

	(void)state;
	assert_true(holds(value, PERIOD - 1)); /* another's clock is ahead */
	assert_true(holds(value, PERIOD));
	assert_true(holds(value, PERIOD + 1));
	assert_false(holds(value, PERIOD - 2));
	assert_false(holds(value, PERIOD + 2));
	assert_false(holds(value, PERIOD + 3));
	assert_false(holds(value, PERIOD + 4)); /* the same two bits, another period */
	cookie.period = 0xffffffff;
	assert_true(holds(cookie_value(&key, &cookie), 0));
}

static void test_every_part_counts(void **state)
{
	const uint32_t value = cookie_value(&key, &cookie);
	const struct cookie good = cookie;

	(void)state;
	for (size_t byte = 0; byte < offsetof(struct cookie, period); byte++) {
		cookie = good;
		((uint8_t *)&cookie)[byte] ^= 1;
		assert_false(holds(value, PERIOD));
	}
	cookie = good;
	cookie.options ^= COOKIE_SACK;
	assert_false(holds(value, PERIOD));
	cookie = good;
	for (unsigned int bit = 0; bit < 32; bit++)
		assert_false(holds(value ^ 1U << bit, PERIOD));
}

static void test_keys(void **state)
{
	uint32_t value = cookie_value(&key, &cookie);

	(void)state;
	keys.key[0] = other;
	assert_false(holds(value, PERIOD));
	keys.key[1] = key; /* a former one, or one that is to come */
	assert_true(holds(value, PERIOD));
	assert_true(holds(cookie_value(&other, &cookie), PERIOD));
	/* no key is none, not one of zeros */
	memset(&keys, 0, sizeof(keys));
	assert_false(holds(cookie_value(&keys.key[0], &cookie), PERIOD));
}

/* Who guesses is let in once in 2^27 times, for one of four periods not at all. */
static void test_guesses(void **state)
{
	uint32_t guess = 1, hits = 0;

	(void)state;
	for (int i = 0; i < 1000000; i++) {
		guess = guess * 1664525 + 1013904223;
		hits += holds(guess, PERIOD);
	}
	assert_true(hits <= 1);
}

static void test_mss(void **state)
{
	static const struct {
		uint32_t asked;
		uint16_t kept;
	} cases[] = {{0, 536},     {535, 536},   {536, 536},   {1219, 536},
		     {1220, 1220}, {1379, 1300}, {1399, 1380}, {1459, 1440},
		     {1460, 1460}, {8939, 1460}, {8940, 8940}, {65535, 8940}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(cookie_mss(cookie_mss_index(cases[i].asked)), cases[i].kept);
}

/* A header with these bytes of options, read. */
static struct tcp_copy header(const char *options, size_t size)
{
	struct tcp_copy copy = {.length = (uint32_t)(20 + size)};

	memcpy(copy.raw + 20, options, size);
	tcp_options_read(&copy);
	return copy;
}
#define HEADER(options) header(options, sizeof(options) - 1)

static void test_options(void **state)
{
	struct tcp_copy syn =
		HEADER("\2\4\5\xb4\4\2\10\12\1\2\3\4\0\0\0\0\1\3\3\7"); /* as Linux begins */

	(void)state;
	assert_int_equal(syn.mss, 1460);
	assert_int_equal(syn.wscale, 7);
	assert_int_equal(syn.tsval, 0x01020304);
	assert_int_equal(cookie_options_asked(&syn), 7 | COOKIE_SACK);
	syn.tcp.ece = 1;
	assert_int_equal(cookie_options_asked(&syn), 7 | COOKIE_SACK);
	syn.tcp.cwr = 1;
	assert_int_equal(cookie_options_asked(&syn), 7 | COOKIE_SACK | COOKIE_ECN);
	syn.wscale = 15; /* more than there may be */
	assert_int_equal(cookie_options_asked(&syn), 14 | COOKIE_SACK | COOKIE_ECN);
	syn.has_wscale = false;
	assert_int_equal(cookie_options_asked(&syn), 15 | COOKIE_SACK | COOKIE_ECN);
	syn.has_timestamps = false;
	assert_int_equal(cookie_options_asked(&syn), COOKIE_NO_OPTIONS);
}

static void test_bad_options(void **state)
{
	(void)state;
	assert_int_equal(HEADER("\2\4\5").mss, 0);                  /* cut short */
	assert_int_equal(HEADER("\2\1\5\xb4").mss, 0);              /* shorter than itself */
	assert_int_equal(HEADER("\2\0\5\xb4").mss, 0);              /* no length at all */
	assert_int_equal(HEADER("\2\5\5\xb4\0\0\0\0").mss, 0);      /* another length than it has */
	assert_int_equal(HEADER("\0\0\0\0\2\4\5\xb4").mss, 0);      /* behind the end */
	assert_int_equal(HEADER("\x40\3\1\2\4\5\xb4\0").mss, 1460); /* behind what nobody knows */
	assert_int_equal(HEADER("\1\1\1\1\2\4\5\xb4").mss, 1460);
	assert_int_equal(HEADER("\x40\xff\5\xb4").mss, 0);
	assert_int_equal(header("", 0).mss, 0);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup(test, set_up)
	const struct CMUnitTest tests[] = {
		TEST(test_siphash), TEST(test_lifetime),    TEST(test_every_part_counts),
		TEST(test_keys),    TEST(test_guesses),     TEST(test_mss),
		TEST(test_options), TEST(test_bad_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
