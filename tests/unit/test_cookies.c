/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of SYN cookies: their file, how they come into the data plane, and who may ask for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cookie_keys.h"
#include "cookies.h"
#include "fake_dataplane.h"

#define KEY_A "000102030405060708090a0b0c0d0e0f"
#define KEY_B "ffeeddccbbaa99887766554433221100"
#define KEY_C "0123456789abcdef0123456789ABCDEF"

static const struct dataplane_sizes sizes = {
	.services = 4, .backends = 3, .vips = 8, .flows = 1024, .nat_flows = 16, .table_size = 251};
static struct fake_dataplane *fake;
static char path[] = "/tmp/cookie-keys-XXXXXX";

static int set_up(void **state)
{
	int fd;

	(void)state;
	fake = fake_dataplane_new(&sizes);
	strcpy(path, "/tmp/cookie-keys-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	return fake ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	fake_dataplane_free(fake);
	return 0;
}

static void put(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void load(const char *text)
{
	struct error err = {0};

	put(text);
	assert_int_equal(cookies_load(&fake->dp, path, &err), 0);
}

static uint64_t first_word(const char *hex)
{
	uint64_t word;
	uint8_t bytes[8];
	unsigned int byte;

	for (size_t i = 0; i < sizeof(bytes); i++) {
		sscanf(hex + 2 * i, "%2x", &byte);
		bytes[i] = (uint8_t)byte;
	}
	memcpy(&word, bytes, sizeof(word));
	return word;
}

/* The newest key, and the other one; NULL: none. */
static void assert_keys(const char *newest, const char *former)
{
	const struct lb_cookie_keys *keys = &fake->cookie_keys;

	assert_true(keys->newest < LB_COOKIE_KEYS);
	assert_true(keys->key[keys->newest].word[0] == (newest ? first_word(newest) : 0));
	assert_true(keys->key[1 - keys->newest].word[0] == (former ? first_word(former) : 0));
}

/* --- the file --- */

static void test_file(void **state)
{
	struct cookie_key keys[COOKIE_KEYS_MAX];
	struct error err = {0};
	size_t count = 0;

	(void)state;
	put("# of the web farm\n\n  " KEY_A " \r\n\t# the former one\n" KEY_C);
	assert_int_equal(cookie_keys_read(path, keys, &count, &err), 0);
	assert_int_equal(count, 2);
	assert_true(keys[0].word[0] == first_word(KEY_A));
	assert_true(keys[1].word[0] == first_word(KEY_C));
}

static void test_bad_file(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *message;
	} cases[] = {
		{"", -ENODATA, "has no key"},
		{"# none\n\n", -ENODATA, "has no key"},
		{"\n0001\n", -EINVAL, "line 2: not a key of 32 hexadecimal digits"},
		{KEY_A "0\n", -EINVAL, "line 1: not a key of 32 hexadecimal digits"},
		{KEY_A " x\n", -EINVAL, "line 1: not a key of 32 hexadecimal digits"},
		{"g00102030405060708090a0b0c0d0e0f\n", -EINVAL,
		 "line 1: not a key of 32 hexadecimal digits"},
		{"00000000000000000000000000000000\n", -EINVAL,
		 "line 1: not a key of 32 hexadecimal digits"},
		{KEY_A "\n" KEY_B "\n" KEY_C "\n", -EINVAL, "line 3: more than two keys"},
	};
	struct cookie_key keys[COOKIE_KEYS_MAX];
	size_t count = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct error err = {0};

		put(cases[i].text);
		assert_int_equal(cookie_keys_read(path, keys, &count, &err), cases[i].code);
		assert_non_null(strstr(err.message, cases[i].message));
		assert_non_null(strstr(err.message, path));
		assert_non_null(strstr(err.hint, "openssl rand -hex 16"));
		assert_int_equal(count, 77);
	}
}

static void test_readable_file(void **state)
{
	struct cookie_key keys[COOKIE_KEYS_MAX];
	struct error err = {0};
	size_t count;

	(void)state;
	put(KEY_A "\n");
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(cookie_keys_read(path, keys, &count, &err), -EPERM);
	assert_non_null(strstr(err.message, "others may read it"));
}

/* --- the data plane --- */

static void test_rotation(void **state)
{
	(void)state;
	assert_false(cookies_have_key(&fake->dp));
	load(KEY_A "\n");
	assert_true(cookies_have_key(&fake->dp));
	assert_keys(KEY_A, NULL);
	/* the next one is made known everywhere, */
	load(KEY_A "\n" KEY_B "\n");
	assert_keys(KEY_A, KEY_B);
	/* then makes cookies, while those of the former are still good, */
	load(KEY_B "\n" KEY_A "\n");
	assert_keys(KEY_B, KEY_A);
	/* and then is alone */
	load(KEY_B "\n");
	assert_keys(KEY_B, NULL);
	load(KEY_B "\n");
	assert_keys(KEY_B, NULL);
	/* at once, too: what was made by B is good no more */
	load(KEY_C "\n");
	assert_keys(KEY_C, NULL);
}

static void test_errors_change_nothing(void **state)
{
	struct error err = {0};

	(void)state;
	load(KEY_A "\n" KEY_B "\n");
	put("no key\n");
	assert_int_equal(cookies_load(&fake->dp, path, &err), -EINVAL);
	assert_keys(KEY_A, KEY_B);
	assert_int_equal(cookies_load(&fake->dp, "/does/not/exist", &err), -ENOENT);
	assert_keys(KEY_A, KEY_B);
	/* an agent that was started without a file takes a former agent's keys away */
	assert_int_equal(cookies_load(&fake->dp, "", &err), 0);
	assert_false(cookies_have_key(&fake->dp));
}

static void test_check(void **state)
{
	struct service_spec web = {.name = "web"};
	struct desired desired = {.services = &web, .service_count = 1};
	struct error err = {0};

	(void)state;
	assert_int_equal(cookies_check(&fake->dp, &desired, &err), 0);
	web.syn_cookies = COOKIES_AUTO;
	assert_int_equal(cookies_check(&fake->dp, &desired, &err), -EINVAL);
	assert_string_equal(err.message, "service web: syn-cookies: lbagent has no key that its "
					 "backends know, too");
	assert_string_equal(err.field, "syn-cookies");
	load(KEY_A "\n");
	assert_int_equal(cookies_check(&fake->dp, &desired, &err), 0);
}

static void test_on(void **state)
{
	struct service_spec web = {.id = 2, .syn_cookies = COOKIES_ALWAYS};
	const uint64_t tick = 1ULL << fake->dp.clock.coarse_tick_shift, now = 1000 * tick;

	(void)state;
	assert_false(cookies_on(&fake->dp, &web, now)); /* no key */
	load(KEY_A "\n");
	assert_true(cookies_on(&fake->dp, &web, now));
	web.syn_cookies = COOKIES_AUTO;
	assert_false(cookies_on(&fake->dp, &web, now));
	fake->dp.cookie_states[2].until = 1000 + LB_COOKIE_TICKS;
	assert_true(cookies_on(&fake->dp, &web, now));
	assert_true(cookies_on(&fake->dp, &web, now + (LB_COOKIE_TICKS - 1) * tick));
	assert_false(cookies_on(&fake->dp, &web, now + LB_COOKIE_TICKS * tick));
	web.syn_cookies = COOKIES_OFF;
	assert_false(cookies_on(&fake->dp, &web, now));
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_file),
		TEST(test_bad_file),
		TEST(test_readable_file),
		TEST(test_rotation),
		TEST(test_check),
		TEST(test_on),
		TEST(test_errors_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
