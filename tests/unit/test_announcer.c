/* SPDX-License-Identifier: Apache-2.0 */

/* The announcer against a real kernel's routing tables, in a network namespace of its own. Needs
 * root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "announce_note.h"
#include "announcer.h"
#include "log.h"

#define TABLE   100
#define ELSE    101
#define SETTLED 10000 /* long after a start */
#define LATER   100000

static struct {
	char dir[64];
	struct events *events;
	struct announcer *announcer;
	struct desired *desired;
	struct announce_health health[4];
	const char *trouble, *withdrawn;
} fx;

/* --- shell --- */

__attribute__((format(printf, 1, 2))) static int shell(const char *format, ...)
{
	char command[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	return system(command);
}

static bool in_table(uint32_t table, const char *prefix)
{
	return shell("ip -%d route show table %u 2>/dev/null | grep -q '^unreachable %s .*proto 108'",
		     strchr(prefix, ':') ? 6 : 4, table, prefix) == 0;
}

static int routes(uint32_t table)
{
	return WEXITSTATUS(shell("n=$({ ip -4 route show table %u; ip -6 route show table %u; } "
				 "2>/dev/null | grep -c 'proto 108'); exit $n",
				 table, table));
}

/* --- fixture --- */

static int make_namespace(void **state)
{
	struct error err;

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	snprintf(fx.dir, sizeof(fx.dir), "/tmp/sluice-announcer-XXXXXX");
	if (unshare(CLONE_NEWNET) || !mkdtemp(fx.dir) || shell("ip link set lo up"))
		return -1;
	return events_new(fx.dir, &fx.events, &err);
}

static int drop_namespace(void **state)
{
	(void)state;
	events_free(fx.events);
	return shell("rm -rf %s", fx.dir);
}

static void add_service(const char *name, const char *vip, struct announce_min min)
{
	struct service_spec spec;
	struct error err;

	service_spec_init(&spec);
	snprintf(spec.name, sizeof(spec.name), "%s", name);
	spec.id = (uint16_t)(fx.desired->service_count + 1);
	spec.announce_min = min;
	spec.vips = calloc(1, sizeof(*spec.vips));
	spec.vip_count = 1;
	assert_int_equal(parse_vip(vip, &spec.vips[0].vip, &err), 0);
	assert_int_equal(desired_add_service(fx.desired, &spec, &err), 0);
	fx.health[fx.desired->service_count] =
		(struct announce_health){.backends = 4, .healthy = 4};
	fx.desired->generation++;
}

static void start(uint32_t table, uint64_t now)
{
	struct error err = {0};

	assert_int_equal(announcer_new(fx.dir, table, fx.events, now, &fx.announcer, &err), 0);
}

/* As by kill -9. */
static void restart(uint64_t now)
{
	announcer_free(fx.announcer);
	start(TABLE, now);
}

static void look(uint64_t now)
{
	const struct announcer_input input = {fx.desired, fx.health, fx.trouble, fx.withdrawn};

	announcer_look(fx.announcer, &input, now);
}

static int setup(void **state)
{
	(void)state;
	fx.desired = desired_new();
	assert_non_null(fx.desired);
	fx.trouble = fx.withdrawn = NULL;
	start(TABLE, 0);
	return 0;
}

static int teardown(void **state)
{
	struct error err = {0};

	(void)state;
	announcer_free(fx.announcer);
	desired_free(fx.desired);
	assert_int_equal(announcer_clear(fx.dir, &err), 0);
	assert_int_equal(routes(TABLE), 0);
	assert_int_equal(announce_note_read(fx.dir), 0);
	return 0;
}

static struct announced_route route_of(const char *text)
{
	struct announced_route route;
	struct error err;
	struct vip vip;

	assert_int_equal(parse_vip(text, &vip, &err), 0);
	assert_true(announcer_find(fx.announcer, &vip, &route));
	return route;
}

static void assert_reason(const char *vip, const char *reason)
{
	assert_string_equal(route_of(vip).reason, reason);
}

static const struct announce_min one = {1, false}, half = {50, true};

/* Two services, announced. */
static void announce_two(void)
{
	add_service("web", "tcp://198.18.0.10:80", half);
	add_service("six", "tcp://[2001:db8::10]:80", one);
	look(SETTLED);
	look(SETTLED + ANNOUNCE_HOLD_MIN_MS);
	assert_true(in_table(TABLE, "198.18.0.10"));
	assert_true(in_table(TABLE, "2001:db8::10"));
	assert_int_equal(routes(TABLE), 2);
}

/* --- tests --- */

static void test_health(void **state)
{
	(void)state;
	announce_two();
	fx.health[1].healthy = 1;
	look(LATER);
	assert_false(in_table(TABLE, "198.18.0.10"));
	assert_true(in_table(TABLE, "2001:db8::10"));
	assert_reason("tcp://198.18.0.10:80",
		      "service web: 1 of 4 backends healthy, announce-min is 50%");
	fx.health[1].healthy = 2;
	look(LATER + 1);
	assert_reason("tcp://198.18.0.10:80", "healthy enough, to be announced in 4 s");
	fx.withdrawn = "on demand";
	look(LATER + 1);
	assert_reason("tcp://198.18.0.10:80", "on demand");
	fx.withdrawn = NULL;
	look(LATER + 1);
	assert_reason("tcp://198.18.0.10:80", "healthy enough, to be announced in 4 s");
	assert_false(announcer_due(fx.announcer, LATER + 2 * ANNOUNCE_HOLD_MIN_MS));
	assert_true(announcer_due(fx.announcer, LATER + 1 + 2 * ANNOUNCE_HOLD_MIN_MS));
	look(LATER + 1 + 2 * ANNOUNCE_HOLD_MIN_MS);
	assert_true(in_table(TABLE, "198.18.0.10"));
	assert_reason("tcp://198.18.0.10:80", "");
}

/* One route brings the packets of all services of an address. */
static void test_shared_address(void **state)
{
	(void)state;
	announce_two();
	add_service("tls", "tcp://198.18.0.10:443", one);
	look(LATER);
	assert_int_equal(routes(TABLE), 2);
	assert_true(route_of("tcp://198.18.0.10:443").announced);
	fx.health[3].healthy = 0;
	look(LATER + 1);
	assert_false(in_table(TABLE, "198.18.0.10"));
	assert_reason("tcp://198.18.0.10:80",
		      "service tls: 0 of 4 backends healthy, announce-min is 1");
	/* unless it is not to count */
	fx.desired->services[2].announce_min = (struct announce_min){0};
	fx.desired->generation++;
	look(LATER + 10);
	look(LATER + 10 + 2 * ANNOUNCE_HOLD_MIN_MS);
	assert_true(in_table(TABLE, "198.18.0.10"));
}

/* Whoever adds a service to an address in use does not cut those who use it. */
static void test_new_service(void **state)
{
	(void)state;
	announce_two();
	add_service("tls", "tcp://198.18.0.10:443", one);
	fx.health[3] = (struct announce_health){0};
	look(LATER);
	assert_true(in_table(TABLE, "198.18.0.10"));
	assert_reason("tcp://198.18.0.10:443", "service tls: has no backends");
	fx.health[3] = (struct announce_health){.backends = 2, .checking = 2};
	look(LATER + 1);
	fx.health[3] = (struct announce_health){.backends = 2};
	look(LATER + 2);
	assert_true(in_table(TABLE, "198.18.0.10"));
	assert_reason("tcp://198.18.0.10:443",
		      "service tls: 0 of 2 backends healthy, announce-min is 1");
	fx.health[3].healthy = 2; /* from now on it counts */
	look(LATER + 3);
	fx.health[3].healthy = 0;
	look(LATER + 4);
	assert_false(in_table(TABLE, "198.18.0.10"));
	fx.health[3] = (struct announce_health){0}; /* all in maintenance */
	look(LATER + 5);
	look(LATER + 5 + 2 * ANNOUNCE_HOLD_MIN_MS);
	assert_true(in_table(TABLE, "198.18.0.10"));
}

/* One that is not announced yet waits for all that have backends. */
static void test_never_healthy(void **state)
{
	(void)state;
	add_service("web", "tcp://198.18.0.10:80", one);
	add_service("tls", "tcp://198.18.0.10:443", one);
	add_service("none", "tcp://198.18.0.11:80", one);
	fx.health[2].healthy = 0;
	fx.health[3] = (struct announce_health){0};
	look(SETTLED);
	look(LATER);
	assert_int_equal(routes(TABLE), 0);
	assert_reason("tcp://198.18.0.11:80", "service none: has no backends");
	fx.health[2].healthy = 4;
	look(LATER + 1);
	look(LATER + 1 + ANNOUNCE_HOLD_MIN_MS);
	assert_int_equal(routes(TABLE), 1);
	/* A new agent knows that what is announced was healthy. */
	restart(2 * LATER);
	look(2 * LATER);
	fx.health[2].healthy = 0;
	look(2 * LATER + 5000);
	assert_int_equal(routes(TABLE), 0);
}

static void test_prefixes(void **state)
{
	size_t all;

	(void)state;
	add_service("net", "tcp://198.18.4.0/24:80", one);
	add_service("host", "tcp://198.18.4.1:80", one);
	add_service("net6", "tcp://[2001:db8:4::/64]:80", one);
	look(SETTLED);
	look(SETTLED + ANNOUNCE_HOLD_MIN_MS);
	assert_true(in_table(TABLE, "198.18.4.0/24"));
	assert_true(in_table(TABLE, "198.18.4.1"));
	assert_true(in_table(TABLE, "2001:db8:4::/64"));
	assert_int_equal(announcer_count(fx.announcer, &all), 3);
	assert_int_equal(all, 3);
}

static void test_withdrawn(void **state)
{
	(void)state;
	announce_two();
	fx.withdrawn = "on demand";
	look(LATER);
	assert_int_equal(routes(TABLE), 0);
	assert_reason("tcp://198.18.0.10:80", "on demand");
	fx.withdrawn = NULL;
	look(LATER + 1); /* at once: it was healthy all the time */
	assert_int_equal(routes(TABLE), 2);
	fx.trouble = "out of order";
	look(LATER + 2);
	assert_int_equal(routes(TABLE), 0);
	assert_reason("tcp://198.18.0.10:80", "out of order");
}

static void test_removed_service(void **state)
{
	(void)state;
	announce_two();
	desired_remove_service(fx.desired, &fx.desired->services[0]);
	fx.desired->services[0].id = 2;
	fx.desired->generation++;
	look(LATER);
	assert_false(in_table(TABLE, "198.18.0.10"));
	assert_int_equal(routes(TABLE), 1);
}

/* A restart neither withdraws what is right nor waits to learn that it is. */
static void test_restart(void **state)
{
	(void)state;
	announce_two();
	assert_int_equal(
		shell("ip monitor route >%s/monitor & echo $! >%s/pid; sleep 0.3", fx.dir, fx.dir),
		0);
	restart(LATER);
	look(LATER);
	fx.health[1].healthy = 0; /* still being asked for */
	look(LATER + 100);
	fx.health[1].healthy = 4;
	look(LATER + 5000);
	assert_int_equal(routes(TABLE), 2);
	assert_int_equal(
		shell("sleep 0.1; kill $(cat %s/pid); [ ! -s %s/monitor ]", fx.dir, fx.dir), 0);
	fx.health[1].healthy = 0;
	restart(2 * LATER);
	look(2 * LATER);
	assert_int_equal(routes(TABLE), 2);
	look(2 * LATER + 3000); /* it is as bad as it looks */
	assert_false(in_table(TABLE, "198.18.0.10"));
}

static void test_left_behind(void **state)
{
	(void)state;
	announce_two();
	announcer_free(fx.announcer);
	assert_int_equal(shell("ip route add unreachable 198.18.9.9/32 table %d proto 108", TABLE),
			 0);
	assert_int_equal(
		shell("ip route add unreachable 198.18.9.8/32 table %d proto static", TABLE), 0);
	start(TABLE, LATER);
	look(LATER);
	assert_false(in_table(TABLE, "198.18.9.9")); /* nobody's VIP any more */
	assert_int_equal(routes(TABLE), 2);
	assert_int_equal(shell("ip route show table %d | grep -q 198.18.9.8", TABLE), 0); /* his */
	shell("ip route flush table %d proto static", TABLE);
}

static void test_another_table(void **state)
{
	struct error err = {0};

	(void)state;
	announce_two();
	announcer_free(fx.announcer);
	start(ELSE, LATER);
	assert_int_equal(routes(TABLE), 0);
	look(LATER);
	look(LATER + ANNOUNCE_HOLD_MIN_MS);
	assert_int_equal(routes(ELSE), 2);
	assert_int_equal(announce_note_read(fx.dir), ELSE);
	assert_int_equal(announcer_clear(fx.dir, &err), 0);
	assert_int_equal(routes(ELSE), 0);
}

static void test_taken_away(void **state)
{
	(void)state;
	announce_two();
	shell("ip route flush table %d", TABLE);
	look(SETTLED + 4000);
	assert_int_equal(routes(TABLE), 1); /* not looked at yet */
	look(LATER);
	assert_int_equal(routes(TABLE), 2);
}

static void test_in_the_way(void **state)
{
	(void)state;
	assert_int_equal(
		shell("ip route add blackhole 198.18.0.10/32 table %d proto static", TABLE), 0);
	add_service("web", "tcp://198.18.0.10:80", one);
	look(SETTLED);
	look(SETTLED + ANNOUNCE_HOLD_MIN_MS);
	assert_false(route_of("tcp://198.18.0.10:80").announced);
	assert_reason("tcp://198.18.0.10:80", "somebody else's route is in its place in table 100");
	assert_true(announcer_due(fx.announcer, SETTLED + ANNOUNCE_HOLD_MIN_MS + 1000));
	shell("ip route del blackhole 198.18.0.10/32 table %d", TABLE);
	look(LATER);
	assert_true(in_table(TABLE, "198.18.0.10"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_health),      TEST(test_shared_address),  TEST(test_prefixes),
		TEST(test_withdrawn),   TEST(test_removed_service), TEST(test_restart),
		TEST(test_left_behind), TEST(test_another_table),   TEST(test_taken_away),
		TEST(test_in_the_way),  TEST(test_new_service),     TEST(test_never_healthy),
	};

	return cmocka_run_group_tests(tests, make_namespace, drop_namespace);
}
