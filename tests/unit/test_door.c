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
#include <sys/stat.h>
#include <unistd.h>

#include "door.h"

#define DEPLOY "deploy-deploy-deploy-deploy"
#define OTHER  "other-other-other-other-other"
#define NOW    100000

static char path[] = "/tmp/sluice-tokens-XXXXXX";
static struct tokens *tokens;
static struct error err;

static void write_file(const char *text)
{
	char next[64];
	FILE *file;

	/* As editors do: another inode, so that it is another file whatever the clock says. */
	snprintf(next, sizeof(next), "%s.next", path);
	file = fopen(next, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(next, 0600), 0);
	assert_int_equal(rename(next, path), 0);
}

static int setup(void **state)
{
	int fd;

	(void)state;
	memcpy(strrchr(path, '-'), "-XXXXXX", 8);
	fd = mkstemp(path);
	if (fd < 0 || close(fd))
		return -1;
	write_file("deploy " DEPLOY "\n" OTHER "\n");
	return tokens_new(path, &tokens, &err);
}

static int teardown(void **state)
{
	(void)state;
	tokens_free(tokens);
	unlink(path);
	return 0;
}

static const char *holder(const char *text)
{
	return tokens_holder(tokens, text, strlen(text));
}

/* --- the set of tokens --- */

static void test_holders(void **state)
{
	(void)state;
	assert_int_equal(tokens_count(tokens), 2);
	assert_string_equal(holder(DEPLOY), "deploy");
	assert_string_equal(holder(OTHER), "line-2");
	assert_null(holder(DEPLOY "x"));
	assert_null(holder("deploy-deploy-deploy-deplo"));
	assert_null(holder(""));
}

static void test_refresh(void **state)
{
	(void)state;
	assert_int_equal(tokens_refresh(tokens, &err), 0);
	write_file("deploy " OTHER "\n");
	assert_null(holder("x"));
	assert_int_equal(tokens_refresh(tokens, &err), 1);
	assert_null(holder(DEPLOY));
	assert_string_equal(holder(OTHER), "deploy");
	assert_int_equal(tokens_refresh(tokens, &err), 0);
}

/* Whoever was struck off must not come in because of a slip in another line. */
static void test_bad_refresh(void **state)
{
	(void)state;
	write_file(OTHER "\nshort\n");
	assert_int_equal(tokens_refresh(tokens, &err), -EINVAL);
	assert_non_null(strstr(err.message, ": line 2: the token is shorter than 20 characters"));
	assert_null(holder(OTHER));
	assert_null(holder(DEPLOY));
	assert_int_equal(tokens_refresh(tokens, &err), 0); /* said once */
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(tokens_refresh(tokens, &err), -EPERM);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(tokens_refresh(tokens, &err), -ENOENT);
	assert_int_equal(tokens_refresh(tokens, &err), 0);
	write_file(OTHER "\n");
	assert_int_equal(tokens_refresh(tokens, &err), 1);
	assert_string_equal(holder(OTHER), "line-1");
}

static void test_no_tokens(void **state)
{
	struct tokens *none = NULL;

	(void)state;
	write_file("# nobody\n");
	assert_int_equal(tokens_new(path, &none, &err), -ENODATA);
	assert_non_null(strstr(err.message, ": there is no token in it"));
	assert_null(none);
}

/* --- the door --- */

static const struct address source = {{{{[10] = 0xff, 0xff, 198, 18, 0, 2}}}};

static struct door_verdict ask(struct door *door, const char *method, const char *authorization,
			       uint64_t now_ms)
{
	const struct door_visit visit = {.method = method,
					 .path = "/v1/services",
					 .authorization = authorization,
					 .peer = "198.18.0.2:4711",
					 .source = source};
	struct door_verdict verdict;

	door_ask(door, &visit, now_ms, &verdict);
	return verdict;
}

static void test_local(void **state)
{
	struct door door = {.local = true};
	struct door_verdict verdict = ask(&door, "DELETE", NULL, NOW);

	(void)state;
	assert_int_equal(verdict.status, 0);
	assert_int_equal(verdict.body_max, BODY_MAX);
	assert_string_equal(verdict.peer, "198.18.0.2:4711");
	assert_int_equal(ask(&door, "GET", NULL, NOW).body_max, 0);
}

static void test_config_body(void **state)
{
	struct door door = {.local = true};
	struct door_verdict verdict;

	(void)state;
	door_ask(&door, &(struct door_visit){.method = "PUT", .path = "/v1/config", .peer = ""}, 0,
		 &verdict);
	assert_int_equal(verdict.body_max, BODY_MAX_CONFIG);
	door_ask(&door, &(struct door_visit){.method = "POST", .path = "/v1/config", .peer = ""}, 0,
		 &verdict);
	assert_int_equal(verdict.body_max, BODY_MAX);
}

static void test_read_only(void **state)
{
	struct door door = {0};
	struct door_verdict verdict = ask(&door, "POST", "Bearer " DEPLOY, NOW);

	(void)state;
	assert_int_equal(verdict.status, 403);
	assert_string_equal(verdict.err.message, "this listener is read-only");
	assert_int_equal(ask(&door, "GET", NULL, NOW).status, 0);
	assert_int_equal(ask(&door, "HEAD", NULL, NOW).status, 0);
	assert_int_equal(ask(&door, "OPTIONS", NULL, NOW).status, 403);
	assert_int_equal(door.guesses.refused, 0);
}

static void test_token(void **state)
{
	static const char *const none[] = {NULL, "", "Bearer", "Basic " DEPLOY, DEPLOY};
	static const char *const wrong[] = {"Bearer ", "Bearer x", "Bearer " DEPLOY "x",
					    "Bearer " DEPLOY " "};
	struct door door = {.tokens = tokens};
	struct door_verdict verdict = ask(&door, "POST", "Bearer " DEPLOY, NOW);
	size_t i;

	(void)state;
	assert_int_equal(verdict.status, 0);
	assert_int_equal(verdict.body_max, BODY_MAX);
	assert_string_equal(verdict.peer, "token deploy from 198.18.0.2:4711");
	assert_int_equal(ask(&door, "POST", "bearer   " OTHER, NOW).status, 0);
	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		verdict = ask(&door, "POST", none[i], NOW);
		assert_int_equal(verdict.status, 401);
		assert_string_equal(verdict.err.message, "a change by this listener needs a token");
	}
	assert_int_equal(door.guesses.refused, 0);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		verdict = ask(&door, "POST", wrong[i], NOW);
		assert_int_equal(verdict.status, 401);
		assert_string_equal(verdict.err.message, "the token is wrong");
		assert_string_equal(verdict.peer, "198.18.0.2:4711");
	}
	assert_int_equal(door.guesses.refused, 4);
}

/* Packets are read with a token only, however the path is written. */
static void test_packets(void **state)
{
	static const char *const shown[] = {"/v1/capture", "/v1/drops", "/v1/%63apture",
					    "/%761/d%72op%73"};
	static const char *const others[] = {"/v1/captures", "/v1/captur",     "/v1/status",
					     "/v1/%",        "/v1/capture/",   "/v1/capture%2",
					     "/v1/%63",      "/v1/%2563apture"};
	struct door closed = {0}, door = {.tokens = tokens}, local = {.local = true};
	struct door_visit visit = {.method = "GET", .peer = ""};
	struct door_verdict verdict;

	(void)state;
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		visit.path = shown[i];
		visit.authorization = NULL;
		door_ask(&closed, &visit, NOW, &verdict);
		assert_int_equal(verdict.status, 403);
		assert_string_equal(verdict.err.message, "this listener shows no packets");
		door_ask(&door, &visit, NOW, &verdict);
		assert_int_equal(verdict.status, 401);
		assert_string_equal(verdict.err.message,
				    "to read packets by this listener needs a token");
		door_ask(&local, &visit, NOW, &verdict);
		assert_int_equal(verdict.status, 0);
		visit.authorization = "Bearer " DEPLOY;
		door_ask(&door, &visit, NOW, &verdict);
		assert_int_equal(verdict.status, 0);
		assert_int_equal(verdict.body_max, 0);
	}
	visit.authorization = NULL;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		visit.path = others[i];
		door_ask(&door, &visit, NOW, &verdict);
		assert_int_equal(verdict.status, 0);
	}
}

static void test_struck_off(void **state)
{
	struct door door = {.tokens = tokens};
	struct door_verdict verdict;

	(void)state;
	write_file(OTHER "\n");
	assert_int_equal(ask(&door, "POST", "Bearer " DEPLOY, NOW).status, 401);
	assert_int_equal(ask(&door, "POST", "Bearer " OTHER, NOW).status, 0);
	assert_int_equal(chmod(path, 0666), 0);
	verdict = ask(&door, "POST", "Bearer " OTHER, NOW);
	assert_int_equal(verdict.status, 401);
	assert_string_equal(verdict.err.hint,
			    "lbagent cannot read its token file; its log says why");
}

static void test_guessing(void **state)
{
	struct door door = {.tokens = tokens};
	struct door_verdict verdict;
	int i;

	(void)state;
	for (i = 0; i < GUESSES_PER_MINUTE; i++)
		assert_int_equal(ask(&door, "POST", "Bearer x", NOW + 1000).status, 401);
	verdict = ask(&door, "POST", "Bearer " DEPLOY, NOW + 21500);
	assert_int_equal(verdict.status, 429); /* the right one is not heard either */
	assert_int_equal(verdict.retry_s, 40);
	assert_int_equal(ask(&door, "GET", "Bearer x", NOW + 21500).status, 0);
	assert_int_equal(ask(&door, "POST", "Bearer " DEPLOY, NOW + 60999).status, 429);
	assert_int_equal(ask(&door, "POST", "Bearer " DEPLOY, NOW + 61000).status, 0);
	assert_int_equal(ask(&door, "POST", "Bearer x", NOW + 61000).status, 401);
	assert_int_equal(door.guesses.refused, GUESSES_PER_MINUTE + 3);
}

/* --- time for reading --- */

static unsigned int read_at(struct door *door, uint64_t now_ms, uint64_t cost_ns)
{
	unsigned int status = ask(door, "GET", NULL, now_ms).status;

	if (status == 0)
		door_spent(door, cost_ns);
	return status;
}

static void test_reading_time(void **state)
{
	struct door door = {0}, local = {.local = true};
	struct door_verdict verdict;
	int i, served = 0;

	(void)state;
	assert_int_equal(read_at(&door, NOW, READING_BURST_NS - 1), 0);
	assert_int_equal(read_at(&door, NOW, 40000000), 0); /* the overrun */
	verdict = ask(&door, "GET", NULL, NOW + 159);
	assert_int_equal(verdict.status, 503);
	assert_int_equal(verdict.retry_s, 1);
	assert_int_equal(read_at(&door, NOW + 160, 1), 0);
	assert_int_equal(read_at(&door, NOW + 10000, READING_BURST_NS), 0); /* no more than that */
	assert_int_equal(read_at(&door, NOW + 10000, 0), 503);
	for (i = 0; i < 60000; i++) /* a minute of requests of 5 ms each, a thousand a second */
		served += read_at(&door, NOW + 20000 + (uint64_t)i, 5000000) == 0;
	assert_in_range(served, 3000, 3012);
	for (i = 0; i < 100; i++)
		assert_int_equal(read_at(&local, NOW, READING_BURST_NS), 0);
}

static void test_healthz(void **state)
{
	const struct door_visit visit = {.method = "GET", .path = "/healthz", .peer = ""};
	struct door door = {0};
	struct door_verdict verdict;

	(void)state;
	assert_int_equal(read_at(&door, NOW, 2 * READING_BURST_NS), 0);
	assert_int_equal(read_at(&door, NOW, 0), 503);
	door_ask(&door, &visit, NOW, &verdict);
	assert_int_equal(verdict.status, 0); /* its 503 means something else */
}

/* --- guesses by source --- */

static struct address address6(unsigned char net, unsigned char host)
{
	return (struct address){{{{0x20, 0x01, 0x0d, 0xb8, [7] = net, [15] = host}}}};
}

static void test_sources(void **state)
{
	static struct guesses guesses;
	struct address a = address6(1, 1), b = address6(1, 2), c = address6(2, 1);
	int i;

	(void)state;
	for (i = 0; i < GUESSES_PER_MINUTE; i++) {
		assert_int_equal(guesses_wait(&guesses, &a, NOW), 0);
		guesses_wrong(&guesses, &a, NOW);
	}
	assert_int_equal(guesses_wait(&guesses, &a, NOW), 60000);
	assert_int_equal(guesses_wait(&guesses, &b, NOW), 60000); /* the same /64 */
	assert_int_equal(guesses_wait(&guesses, &c, NOW), 0);
	assert_int_equal(guesses_wait(&guesses, &source, NOW), 0);
}

static void test_many_sources(void **state)
{
	static struct guesses guesses;
	struct address first = address6(200, 0), address;
	int i, n;

	(void)state;
	for (n = 0; n < GUESSES_PER_MINUTE; n++)
		guesses_wrong(&guesses, &first, NOW);
	for (i = 0; i < GUESSES_SOURCES - 1; i++) {
		address = address6((unsigned char)i, 0);
		guesses_wrong(&guesses, &address, NOW + 1 + (uint64_t)i);
	}
	assert_int_not_equal(guesses_wait(&guesses, &first, NOW + 100), 0);
	address = address6(100, 0);
	guesses_wrong(&guesses, &address, NOW + 100); /* the oldest gives way */
	assert_int_equal(guesses_wait(&guesses, &first, NOW + 100), 0);
	assert_int_equal(guesses.refused, GUESSES_PER_MINUTE + GUESSES_SOURCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_holders, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refresh, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_refresh, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_tokens, setup, teardown),
		cmocka_unit_test(test_local),
		cmocka_unit_test(test_config_body),
		cmocka_unit_test(test_read_only),
		cmocka_unit_test_setup_teardown(test_token, setup, teardown),
		cmocka_unit_test_setup_teardown(test_packets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_struck_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guessing, setup, teardown),
		cmocka_unit_test(test_reading_time),
		cmocka_unit_test(test_healthz),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_many_sources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
