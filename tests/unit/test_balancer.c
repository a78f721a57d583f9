/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "balancer_id.h"

static struct error err;

static struct balancer read_back(const struct balancer *balancer)
{
	struct balancer read = {0};
	char *text = balancer_write(balancer);

	assert_non_null(text);
	assert_int_equal(balancer_read(balancer->id, text, strlen(text), &read, &err), 0);
	free(text);
	return read;
}

static void test_round_trip(void **state)
{
	struct balancer idle = {.id = "lb1", .revision = 57, .in_sync = true, .up = 3};
	struct balancer sick = {.id = "lb2",
				.down = 1,
				.rollout = "r1",
				.reason = "service web: backend is down",
				.state = BALANCER_SICK};
	struct balancer read;

	(void)state;
	read = read_back(&idle);
	assert_memory_equal(&read, &idle, sizeof(idle));
	read = read_back(&sick);
	assert_memory_equal(&read, &sick, sizeof(sick));
}

/* A later version may tell more, and know other states. */
static void test_later_version(void **state)
{
	static const char text[] =
		"{\"revision\":1,\"in-sync\":true,\"up\":1,\"down\":0,\"new\":[],"
		"\"rollout\":\"r1\",\"state\":\"thinking\",\"reason\":\"\"}";
	struct balancer balancer;

	(void)state;
	assert_int_equal(balancer_read("lb1", text, strlen(text), &balancer, &err), 0);
	assert_int_equal(balancer.state, BALANCER_WAITING);
}

static void test_refused(void **state)
{
	static const char *const texts[] = {"", "7", "{\"up\":-1}", "{\"rollout\":7}",
					    "{\"revision\":\"1\"}"};
	struct balancer balancer = {.up = 9};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		err = (struct error){0};
		assert_int_equal(balancer_read("lb1", texts[i], strlen(texts[i]), &balancer, &err),
				 -EBADMSG);
		assert_non_null(strstr(err.message, "balancer lb1: "));
	}
	assert_int_equal(balancer.up, 9);
}

static void test_id(void **state)
{
	char dir[] = "/tmp/sluice-balancer-XXXXXX", path[64];
	char first[BALANCER_ID_MAX], again[BALANCER_ID_MAX];
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/balancer-id", dir);
	assert_int_equal(balancer_id_read(dir, first, &err), 0);
	assert_int_equal(balancer_id_read(dir, again, &err), 0);
	assert_string_equal(first, again);
	assert_non_null(strrchr(first, '-'));
	file = fopen(path, "we");
	assert_non_null(file);
	fputs("../../etc\n", file); /* no part of a key */
	fclose(file);
	assert_int_equal(balancer_id_read(dir, again, &err), 0);
	assert_null(strchr(again, '/'));
	unlink(path);
	rmdir(dir);
	assert_int_equal(balancer_id_read(dir, again, &err), -ENOENT);
	assert_non_null(strstr(err.message, "balancer-id"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_later_version),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
