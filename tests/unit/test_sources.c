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
#include <unistd.h>

#include "fake_dataplane.h"
#include "sources.h"

static struct fake_dataplane *fake;
static struct sources *sources;
static struct service_spec services[2];
static struct desired desired = {.services = services, .service_count = 2};

static int set_up(void **state)
{
	static const struct dataplane_sizes sizes = {
		.services = 4, .backends = 4, .vips = 4, .flows = 64, .table_size = 61};

	(void)state;
	fake = fake_dataplane_new(&sizes);
	assert_non_null(fake);
	memset(services, 0, sizeof(services));
	snprintf(services[0].name, sizeof(services[0].name), "web");
	snprintf(services[1].name, sizeof(services[1].name), "dns");
	services[0].id = 1;
	services[1].id = 2;
	desired.service_count = 2;
	sources = sources_new(&fake->dp, "198.18.9.0/24");
	assert_non_null(sources);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	sources_free(sources);
	fake_dataplane_free(fake);
	free(services[0].source_deny);
	free(services[0].source_allow);
	return 0;
}

static void say(char **words, const char *text)
{
	free(*words);
	*words = strdup(text);
	assert_non_null(*words);
}

/* Until nothing is left to be read or emptied. */
static void tick(void)
{
	while (sources_tick(sources))
		;
}

/* Reads and fills all that there is. */
static int sources_load(enum sources_mode mode, struct error *err)
{
	int ret = sources_read(sources, &desired, mode, err);
	struct error later = {0};
	int filled = 0;

	if (ret == 0 || mode == SOURCES_START)
		filled = sources_fill(sources, SIZE_MAX, ret ? &later : err);
	while (filled == SOURCES_MORE) {
		tick();
		filled = sources_fill(sources, SIZE_MAX, ret ? &later : err);
	}
	return ret ? ret : filled;
}

static void load(enum sources_mode mode)
{
	struct error err = {0};

	if (sources_load(mode, &err) != 0)
		fail_msg("%s", err.message);
}

static size_t entries(uint32_t list)
{
	size_t i, count = 0;

	for (i = 0; i < fake->source_count; i++)
		count += fake->sources[i].list == list;
	return count;
}

/* What sync.c would do. */
static void follow(void)
{
	const struct source_lists *lists = sources_lists(sources);
	uint16_t id;

	fake->switches.source_deny = lists->global_deny;
	for (id = 1; id <= 2; id++) {
		fake->dp.services[id].mode = LB_MODE_L2;
		fake->dp.services[id].source_allow = lists->services[id].allow;
		fake->dp.services[id].source_deny = lists->services[id].deny;
	}
}

static void test_load(void **state)
{
	const struct source_lists *lists = sources_lists(sources);

	(void)state;
	say(&services[0].source_deny, "198.18.2.0/24,2001:db8:2::/48");
	say(&services[0].source_allow, "198.18.3.0/24");
	load(SOURCES_START);
	assert_int_not_equal(lists->global_deny, 0);
	assert_int_equal(entries(lists->global_deny), 1);
	assert_int_equal(entries(lists->services[1].deny), 2);
	assert_int_equal(entries(lists->services[1].allow), 1);
	assert_int_equal(lists->services[2].deny, 0);
	assert_int_equal(sources_count(sources, &services[0], true), 2);
	assert_int_equal(sources_count(sources, NULL, true), 1);
	assert_int_equal(fake->sources[0].prefix_length, LB_SOURCE_BASE + 96 + 24);
}

static void test_swap(void **state)
{
	const struct source_lists *lists = sources_lists(sources);
	uint32_t former, global;

	(void)state;
	say(&services[0].source_deny, "198.18.2.0/24");
	load(SOURCES_START);
	follow();
	former = lists->services[1].deny;
	global = lists->global_deny;
	load(SOURCES_CHANGED); /* the same words */
	assert_int_equal(lists->services[1].deny, former);
	say(&services[0].source_deny, "198.18.4.0/24,198.18.5.0/24");
	load(SOURCES_CHANGED);
	assert_int_not_equal(lists->services[1].deny, former);
	assert_int_equal(entries(lists->services[1].deny), 2);
	tick(); /* the data plane still goes by the former one */
	assert_int_equal(entries(former), 1);
	assert_int_equal(lists->global_deny, global);
	follow();
	load(SOURCES_ALL);
	tick();
	assert_int_equal(entries(former), 0);
	assert_int_equal(entries(lists->services[1].deny), 2);
	assert_int_not_equal(lists->global_deny, global);
}

static void test_end(void **state)
{
	const struct source_lists *lists = sources_lists(sources);

	(void)state;
	say(&services[0].source_deny, "198.18.2.0/24");
	say(&services[0].source_allow, "198.18.2.0/24");
	load(SOURCES_START);
	free(services[0].source_allow);
	services[0].source_allow = NULL;
	load(SOURCES_CHANGED);
	assert_int_equal(lists->services[1].allow, 0);
	assert_int_not_equal(lists->services[1].deny, 0);
	desired.services = &services[1];
	desired.service_count = 1;
	load(SOURCES_CHANGED);
	desired.services = services;
	assert_int_equal(lists->services[1].deny, 0);
	assert_int_equal(sources_count(sources, &services[0], true), 0);
	tick();
	assert_int_equal(fake->source_count, 1); /* the global one's */
}

static void refused(int ret, const struct error *err, const char *message)
{
	assert_int_equal(ret, -EINVAL);
	if (strncmp(err->message, message, strlen(message)) != 0)
		fail_msg("%s", err->message);
	assert_string_not_equal(err->hint, "");
	assert_string_equal(err->field, "source-deny");
}

static void test_refuse(void **state)
{
	const struct source_lists *lists = sources_lists(sources);
	struct error err = {0};
	uint32_t former;

	(void)state;
	say(&services[0].source_deny, "198.18.2.0/24");
	load(SOURCES_START);
	follow();
	former = lists->services[1].deny;
	say(&services[0].source_deny, "/does/not/exist");
	refused(sources_check(sources, &desired, &err), &err,
		"service web: source-deny: /does/not/exist: No such file");
	refused(sources_load(SOURCES_CHANGED, &err), &err,
		"service web: source-deny: /does/not/exist: No such file");
	assert_int_equal(lists->services[1].deny, former);
	say(&services[0].source_deny, "198.18.4.0/24");
	fake->sources_put_error = ENOSPC;
	assert_int_equal(sources_load(SOURCES_CHANGED, &err), -ENOSPC);
	assert_int_equal(lists->services[1].deny, former);
	assert_int_equal(sources_count(sources, &services[0], true), 1);
}

/* One that loads is not taken while another does not. */
static void test_all_or_nothing(void **state)
{
	const struct source_lists *lists = sources_lists(sources);
	struct error err = {0};
	uint32_t allow;

	(void)state;
	say(&services[0].source_allow, "198.18.2.0/24");
	load(SOURCES_START);
	follow();
	allow = lists->services[1].allow;
	say(&services[0].source_allow, "198.18.4.0/24");
	say(&services[0].source_deny, "/does/not/exist");
	assert_int_equal(sources_load(SOURCES_CHANGED, &err), -EINVAL);
	assert_int_equal(lists->services[1].allow, allow);
	tick();
	assert_int_equal(fake->source_count, 2);
}

static void test_start_without(void **state)
{
	const struct source_lists *lists = sources_lists(sources);
	struct error err = {0};

	(void)state;
	fake->dp.services[1].source_deny = 77; /* of a former agent */
	say(&services[0].source_deny, "/does/not/exist");
	say(&services[0].source_allow, "/does/not/exist/either");
	assert_int_equal(sources_load(SOURCES_START, &err), -EINVAL);
	assert_int_equal(lists->services[1].deny, 77);
	assert_int_not_equal(lists->services[1].allow, 0); /* an empty one: nobody */
	assert_int_equal(entries(lists->services[1].allow), 0);
	assert_int_equal(entries(lists->global_deny), 1);
	load(SOURCES_CHANGED); /* other changes go on */
}

/* A list of so many prefixes. */
static void say_long(char **words, unsigned int count)
{
	char path[] = "/tmp/sluice-sources-XXXXXX";
	FILE *file = fdopen(mkstemp(path), "w");
	unsigned int i;

	assert_non_null(file);
	for (i = 0; i < count; i++)
		fprintf(file, "10.0.%u.%u\n", i / 256, i % 256);
	assert_int_equal(fclose(file), 0);
	say(words, path);
}

/* A list of 2,500 prefixes, the first of them filled, beside one in force, which is returned. */
static uint32_t begin_long(void)
{
	struct error err = {0};
	uint32_t former;

	say(&services[0].source_deny, "198.18.2.0/24");
	load(SOURCES_START);
	follow();
	former = sources_lists(sources)->services[1].deny;
	say_long(&services[0].source_deny, 2500);
	assert_int_equal(sources_read(sources, &desired, SOURCES_CHANGED, &err), 0);
	assert_int_equal(sources_fill(sources, 1, &err), SOURCES_MORE);
	return former;
}

/* A long list is in force only when all of it is there. */
static void test_parts(void **state)
{
	const struct source_lists *lists = sources_lists(sources);
	struct error err = {0};
	uint32_t former = begin_long();

	(void)state;
	assert_true(sources_loading(sources, &services[0]));
	assert_false(sources_loading(sources, &services[1]));
	assert_int_equal(sources_fill(sources, 1, &err), SOURCES_MORE);
	assert_int_equal(lists->services[1].deny, former);
	/* another change meanwhile does not begin it anew, nor is it swept */
	assert_int_equal(sources_read(sources, &desired, SOURCES_CHANGED, &err), 0);
	tick();
	assert_int_equal(sources_fill(sources, 1, &err), 0);
	assert_false(sources_loading(sources, NULL));
	follow();
	assert_int_equal(entries(lists->services[1].deny), 2500);
	assert_int_equal(sources_count(sources, &services[0], true), 2500);
	tick();
	assert_int_equal(fake->source_count, 2501); /* and the global one's */
	unlink(services[0].source_deny);
}

/* Words that are those in force again end what was under way. */
static void test_undone(void **state)
{
	const struct source_lists *lists = sources_lists(sources);
	uint32_t former = begin_long();

	(void)state;
	unlink(services[0].source_deny);
	say(&services[0].source_deny, "198.18.2.0/24");
	load(SOURCES_CHANGED);
	assert_int_equal(lists->services[1].deny, former);
	tick();
	assert_int_equal(fake->source_count, 2);
}

/* A new service takes nobody who is not on its list, before all of it is there, and when it fails.
 */
static void test_new_service(void **state)
{
	const struct source_lists *lists = sources_lists(sources);
	struct error err = {0};
	uint32_t list;

	(void)state;
	load(SOURCES_START);
	say_long(&services[0].source_allow, 2500);
	assert_int_equal(sources_read(sources, &desired, SOURCES_CHANGED, &err), 0);
	unlink(services[0].source_allow);
	list = lists->services[1].allow;
	assert_int_not_equal(list, 0);
	assert_int_equal(sources_fill(sources, 1, &err), SOURCES_MORE);
	follow();
	fake->sources_put_error = ENOMEM;
	assert_int_equal(sources_fill(sources, 1, &err), -ENOMEM);
	assert_int_equal(lists->services[1].allow, list);
	fake->sources_put_error = 0;
	free(services[0].source_allow);
	services[0].source_allow = NULL;
	load(SOURCES_CHANGED);
	assert_int_equal(lists->services[1].allow, 0);
}

/* What others have left in the map is emptied before a list is said not to fit. */
static void test_room(void **state)
{
	const struct source_lists *lists = sources_lists(sources);
	struct error err = {0};

	(void)state;
	say(&services[0].source_deny, "198.18.2.0/24");
	load(SOURCES_START);
	follow();
	say(&services[0].source_deny, "198.18.4.0/24");
	assert_int_equal(sources_read(sources, &desired, SOURCES_CHANGED, &err), 0);
	fake->sources_put_error = ENOSPC;
	assert_int_equal(sources_fill(sources, SIZE_MAX, &err), SOURCES_MORE);
	assert_true(sources_loading(sources, NULL));
	assert_true(sources_tick(sources));
	fake->sources_put_error = 0;
	assert_int_equal(sources_fill(sources, SIZE_MAX, &err), 0);
	assert_int_equal(entries(lists->services[1].deny), 1);
}

/* At the start a former agent's list holds while a long one is filled. */
static void test_held(void **state)
{
	const struct source_lists *lists = sources_lists(sources);
	struct error err = {0};

	(void)state;
	fake->dp.services[1].source_allow = 77;
	fake->switches.source_deny = 78;
	say_long(&services[0].source_allow, 2500);
	assert_int_equal(sources_read(sources, &desired, SOURCES_START, &err), 0);
	assert_true(sources_held(sources));
	assert_int_equal(lists->services[1].allow, 77);
	assert_int_equal(lists->global_deny, 78);
	assert_int_equal(sources_fill(sources, 1, &err), SOURCES_MORE);
	assert_int_equal(lists->services[1].allow, 77);
	assert_int_equal(sources_fill(sources, SIZE_MAX, &err), 0);
	assert_int_equal(entries(lists->services[1].allow), 2500);
	unlink(services[0].source_allow);
}

static void test_not_held(void **state)
{
	struct error err = {0};

	(void)state;
	fake->switches.source_deny = 78;
	say(&services[0].source_allow, "198.18.2.0/24");
	assert_int_equal(sources_read(sources, &desired, SOURCES_START, &err), 0);
	assert_false(sources_held(sources));
	assert_int_not_equal(sources_lists(sources)->services[1].allow, 0); /* nobody */
}

/* Long files are read a part at a time, before anybody needs them. */
static void test_ready(void **state)
{
	struct error err = {0};

	(void)state;
	load(SOURCES_START);
	follow();
	say_long(&services[0].source_deny, 3 * SOURCES_LINES / 2);
	assert_int_equal(sources_ready(sources, &desired, SOURCES_CHANGED, &err), SOURCES_MORE);
	assert_true(sources_tick(sources));
	assert_int_equal(sources_ready(sources, &desired, SOURCES_CHANGED, &err), 0);
	unlink(services[0].source_deny);
	/* gone meanwhile: read anew */
	refused(sources_ready(sources, &desired, SOURCES_CHANGED, &err), &err,
		"service web: source-deny: /tmp/sluice-sources-");
}

/* A list of a service that has no index yet is looked at, also if it is the global list. */
static void test_check_new(void **state)
{
	struct error err = {0};

	(void)state;
	load(SOURCES_START);
	services[0].id = 0;
	say(&services[0].source_deny, "/does/not/exist");
	refused(sources_ready(sources, &desired, SOURCES_CHANGED, &err), &err,
		"service web: source-deny: /does/not/exist: No such file");
	refused(sources_check(sources, &desired, &err), &err,
		"service web: source-deny: /does/not/exist: No such file");
}

/* What is under way when the agent ends is freed. */
static void test_unfinished(void **state)
{
	(void)state;
	begin_long();
	unlink(services[0].source_deny);
}

/* What cannot be filled at the start lets nobody in, and keeps nobody out. */
static void test_start_full(void **state)
{
	const struct source_lists *lists = sources_lists(sources);
	struct error err = {0};

	(void)state;
	say(&services[0].source_allow, "198.18.2.0/24");
	fake->sources_put_error = ENOSPC;
	assert_int_equal(sources_load(SOURCES_START, &err), -ENOSPC);
	assert_int_not_equal(lists->services[1].allow, 0);
	assert_int_equal(fake->source_count, 0);
	assert_false(sources_loading(sources, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_load, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_swap, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refuse, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_all_or_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_start_without, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_parts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_undone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_new_service, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_held, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_not_held, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ready, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_check_new, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unfinished, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_start_full, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
