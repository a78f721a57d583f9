/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the manager makes of a service's backends together: slow starts, repeated SYNs, panic.
 * Probes and next hops are told by the tests, counters are the fake data plane's, the loop's clock
 * can be put forward, and the manager ticks faster than it thinks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_nexthop.h"
#include "fake_probe.h"
#include "manager_fixture.h"

#define MOST 6 /* backends: 198.18.1.11:80 to .16:80, indices 1 to 6 */

/* --- the clock --- */

uint64_t __real_uv_now(const uv_loop_t *loop);
uint64_t __wrap_uv_now(const uv_loop_t *loop);

static uint64_t ahead_ms;

uint64_t __wrap_uv_now(const uv_loop_t *loop)
{
	return __real_uv_now(loop) + ahead_ms;
}

#define FASTER 20

int __real_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout,
			  uint64_t repeat);
int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout,
			  uint64_t repeat);

int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout,
			  uint64_t repeat)
{
	return __real_uv_timer_start(timer, callback, timeout / FASTER, repeat / FASTER);
}

/* --- fixture --- */

static int setup(void **state)
{
	static const struct dataplane_sizes sizes = {
		.services = 2,
		.backends = MOST,
		.vips = 4,
		.flows = LB_FLOW_WAYS,
		.table_size = 1009,
	};

	(void)state;
	ahead_ms = 0;
	fixture_begin(&sizes);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_end();
	return 0;
}

static unsigned int ticks;

static void on_tick(uv_timer_t *timer)
{
	(void)timer;
	ticks++;
}

static void on_closed(uv_handle_t *handle)
{
	*(bool *)handle->data = true;
}

/* For so many of the manager's ticks, or one more. What follows from a change does so soon, but not
 * always at once. */
static void run_ticks(unsigned int count)
{
	bool closed = false;
	uv_timer_t timer;

	ticks = 0;
	uv_timer_init(&fx.loop, &timer);
	timer.data = &closed;
	uv_timer_start(&timer, on_tick, 100, 100);
	run_until(ticks > count);
	uv_close((uv_handle_t *)&timer, on_closed);
	run_until(closed);
}

/* --- the service --- */

static const char *endpoint(int i)
{
	static char text[MOST + 1][ENDPOINT_TEXT_MAX];

	snprintf(text[i], sizeof(text[i]), "198.18.1.1%d:80", i);
	return text[i];
}

static struct service_spec *web(struct desired *desired)
{
	return desired_service(desired, "web");
}

static void commit(struct desired *next)
{
	struct error err = {0};

	if (manager_commit(fx.manager, next, &err))
		fail_msg("refused: %s", err.message);
	run_ticks(0);
}

static void put_backend(struct desired *next, int i)
{
	struct backend_spec backend = {.weight = 1};
	struct error err;

	assert_int_equal(parse_endpoint(endpoint(i), 80, &backend.endpoint, &err), 0);
	assert_int_equal(service_add_backend(web(next), &backend, &err), 0);
}

/* With `count` backends of weight 1; not committed yet. */
static struct desired *new_service(int count, enum check_kind check)
{
	struct desired *next = change();
	struct service_spec spec;
	struct error err;

	service_spec_init(&spec);
	snprintf(spec.name, sizeof(spec.name), "web");
	spec.check.kind = check;
	spec.check.rise = spec.check.fall = 1;
	spec.vips = calloc(1, sizeof(*spec.vips));
	assert_non_null(spec.vips);
	spec.vip_count = 1;
	assert_int_equal(parse_vip("tcp://198.18.0.10:80", &spec.vips[0].vip, &err), 0);
	assert_int_equal(desired_add_service(next, &spec, &err), 0);
	for (int i = 1; i <= count; i++)
		put_backend(next, i);
	return next;
}

static const struct backend_spec *spec_of(int i)
{
	const struct desired *desired = manager_desired(fx.manager);
	struct endpoint wanted;
	struct error err;

	assert_int_equal(parse_endpoint(endpoint(i), 80, &wanted, &err), 0);
	return service_backend(desired_service(desired, "web"), &wanted);
}

static struct backend_view view(int i)
{
	return manager_backend(fx.manager, spec_of(i));
}

static bool alive(int i)
{
	return fx.fake->dp.backends[spec_of(i)->id].hop.flags & LB_BACKEND_UP;
}

static bool panics(void)
{
	return manager_panics(fx.manager, desired_service(manager_desired(fx.manager), "web"));
}

static void resolve(int i)
{
	struct nexthop hop = {
		.resolved = true, .on_link = true, .ifindex = 5, .dst_mac = {2}, .src_mac = {2}};
	struct error err;
	char address[ADDRESS_TEXT_MAX];

	assert_int_equal(parse_address("198.18.0.1", &hop.source, &err), 0);
	snprintf(address, sizeof(address), "198.18.1.1%d", i);
	fake_nexthop_tell(address, &hop);
	run_ticks(0);
}

static void report(int i, bool success)
{
	fake_probe_report(endpoint(i), success ? NULL : "refused");
	run_ticks(0);
}

/* Its next hop is found and, if it is checked, its check passes. */
static void come_up(int i)
{
	resolve(i);
	if (fake_probe_spec(endpoint(i)))
		report(i, true);
	assert_int_equal(view(i).status, BACKEND_UP);
}

static void set_state(int i, enum admin_state state)
{
	struct desired *next = change();

	web(next)->backends[i - 1].state = state;
	commit(next);
}

static void assert_weight(int i, int tenths)
{
	assert_true(view(i).weight * 10 > tenths - 0.01 && view(i).weight * 10 < tenths + 0.01);
}

static void assert_share(int i, double share)
{
	assert_true(view(i).share > share - 0.002 && view(i).share < share + 0.002);
}

/* --- slow start --- */

/* Two backends that are up, of a service with a slow start of 10 s. */
static void slow_pair(void)
{
	struct desired *next = new_service(2, CHECK_TCP);

	web(next)->slow_start_ms = 10000;
	commit(next);
	come_up(1);
	come_up(2);
}

static void test_all_begin_alike(void **state)
{
	(void)state;
	slow_pair();
	assert_weight(1, 10);
	assert_weight(2, 10);
	assert_share(2, 0.5);
	assert_string_equal(view(2).reason, "");
}

static void test_slow_after_recovery(void **state)
{
	(void)state;
	slow_pair();
	report(2, false);
	assert_weight(2, 10);
	report(2, true);
	assert_int_equal(view(2).status, BACKEND_UP);
	assert_weight(2, 1);
	assert_share(2, 1.0 / 11);
	assert_string_equal(view(2).reason, "slow start: 10 % of its weight");
	assert_true(alive(2));
	ahead_ms += 5000;
	run_ticks(1);
	assert_weight(2, 5);
	assert_share(2, 5.0 / 15);
	assert_string_equal(view(2).reason, "slow start: 50 % of its weight");
	ahead_ms += 5000;
	run_ticks(1);
	assert_weight(2, 10);
	assert_share(2, 0.5);
	assert_string_equal(view(2).reason, "");
	assert_weight(1, 10);
}

/* Each step is one new table, and between steps there is none. */
static void test_one_table_a_step(void **state)
{
	uint32_t table;
	int tables = 0;

	(void)state;
	slow_pair();
	report(2, false);
	report(2, true);
	for (int ms = 0; ms < 10000; ms += 500) {
		table = fx.fake->dp.services[1].tables.current;
		ahead_ms += 500;
		run_ticks(1);
		tables += fx.fake->dp.services[1].tables.current != table;
	}
	run_until(view(2).weight > 0.99);
	assert_in_range(tables, 7, 9);
}

static void test_slow_newcomer(void **state)
{
	struct desired *next;

	(void)state;
	slow_pair();
	next = change();
	put_backend(next, 3);
	commit(next);
	come_up(3);
	assert_weight(3, 1);
	assert_share(3, 1.0 / 21);
}

static void test_slow_after_maintenance_not_after_drain(void **state)
{
	(void)state;
	slow_pair();
	set_state(1, ADMIN_DRAIN);
	set_state(1, ADMIN_UP);
	assert_weight(1, 10);
	set_state(2, ADMIN_MAINT);
	set_state(2, ADMIN_UP);
	come_up(2);
	assert_weight(2, 1);
}

/* Whoever comes first after a failure of all is not to bear everything at full weight. */
static void test_slow_after_all_were_down(void **state)
{
	(void)state;
	slow_pair();
	report(1, false);
	report(2, false);
	report(1, true);
	report(2, true);
	assert_weight(1, 1);
	assert_weight(2, 1);
	assert_share(1, 0.5);
}

static void test_switched_off_at_once(void **state)
{
	struct desired *next;

	(void)state;
	slow_pair();
	report(2, false);
	report(2, true);
	assert_weight(2, 1);
	next = change();
	web(next)->slow_start_ms = 0;
	commit(next);
	assert_weight(2, 10);
	run_ticks(1);
	next = change();
	web(next)->slow_start_ms = 3600000; /* for the next one that comes */
	commit(next);
	assert_weight(2, 10);
}

/* Who was up goes on in full after a restart; who was down starts slowly when it comes. */
static void test_restart_is_no_recovery(void **state)
{
	struct desired *desired;

	(void)state;
	slow_pair();
	report(2, false);
	desired = desired_clone(manager_desired(fx.manager));
	fixture_stop();
	fx.fake->dp.adopted = true;
	fixture_start(desired);
	assert_int_equal(view(1).status, BACKEND_UP);
	assert_weight(1, 10);
	come_up(2);
	assert_weight(2, 1);
}

/* --- panic --- */

static void pool_of(int count, uint8_t threshold)
{
	struct desired *next = new_service(count, CHECK_TCP);

	web(next)->panic_threshold = threshold;
	web(next)->slow_start_ms = 10000;
	commit(next);
	for (int i = 1; i <= count; i++)
		come_up(i);
}

static void test_panic_keeps_all(void **state)
{
	(void)state;
	pool_of(4, 50);
	report(1, false);
	report(2, false);
	assert_false(panics());
	assert_share(1, 0);
	assert_false(alive(1));
	assert_share(3, 0.5);
	report(3, false);
	assert_true(panics());
	for (int i = 1; i <= 4; i++) {
		assert_share(i, 0.25);
		assert_true(alive(i));
		assert_int_equal(view(i).status, i == 4 ? BACKEND_UP : BACKEND_DOWN);
		assert_string_equal(view(i).reason,
				    i == 4 ? ""
					   : "refused; kept, for the service panics: 1 of 4 up, "
					     "25 % by weight, below 50 %");
	}
	report(1, true); /* it was at work all the time */
	assert_false(panics());
	assert_weight(1, 10);
	assert_share(1, 0.5);
	assert_share(4, 0.5);
	assert_share(2, 0);
	assert_false(alive(2));
	assert_string_equal(view(2).reason, "refused");
}

static void test_panic_with_nobody_up(void **state)
{
	(void)state;
	pool_of(2, 1);
	report(1, false);
	assert_false(panics());
	report(2, false);
	assert_true(panics());
	assert_share(1, 0.5);
	assert_share(2, 0.5);
}

/* Another service gets the index, not the panic, so there is no end of it to tell of either. */
static void test_panic_ends_with_its_service(void **state)
{
	const struct journal *journal = events_journal(fx.events);
	struct desired *next;

	(void)state;
	pool_of(2, 90);
	report(1, false);
	assert_true(panics());
	next = change();
	desired_remove_service(next, web(next));
	commit(next);
	next = new_service(0, CHECK_TCP);
	commit(next);
	assert_false(panics());
	assert_int_equal(journal_after(journal, journal_newest(journal) - 1)->kind,
			 EVENT_SERVICE_ADDED);
}

static const struct event *newest_event(void)
{
	const struct journal *journal = events_journal(fx.events);

	return journal_after(journal, journal_newest(journal) - 1);
}

static void test_cookies_are_told(void **state)
{
	struct lb_cookie_state *cookies;
	struct desired *next;

	(void)state;
	fx.fake->cookie_keys.key[0].word[0] = 1;
	next = new_service(0, CHECK_NONE);
	web(next)->mode = LB_MODE_L2;
	web(next)->syn_cookies = COOKIES_AUTO;
	web(next)->syn_cookies_above = 500;
	commit(next);
	cookies =
		&fx.fake->dp.cookie_states[desired_service(manager_desired(fx.manager), "web")->id];
	run_ticks(2);
	assert_int_equal(newest_event()->kind, EVENT_SERVICE_ADDED);
	cookies->until =
		(uint32_t)(fx.fake->now >> fx.fake->dp.clock.coarse_tick_shift) + LB_COOKIE_TICKS;
	run_ticks(2);
	assert_int_equal(newest_event()->kind, EVENT_SYN_COOKIES_ON);
	assert_string_equal(newest_event()->service, "web");
	assert_string_equal(newest_event()->reason, "more than 500 SYNs in a second");
	cookies->until -= LB_COOKIE_TICKS;
	run_ticks(2);
	assert_int_equal(newest_event()->kind, EVENT_SYN_COOKIES_OFF);
}

/* Without a way nothing can be kept; in maintenance nothing may. */
static void test_panic_keeps_who_can_be_reached(void **state)
{
	const struct nexthop lost = {.reason = "no ARP reply"};

	(void)state;
	pool_of(4, 90);
	report(1, false);
	report(2, false);
	fake_nexthop_tell("198.18.1.12", &lost);
	run_ticks(0);
	set_state(3, ADMIN_MAINT);
	assert_true(panics()); /* 1 of 3 */
	assert_share(1, 0.5);
	assert_share(2, 0);
	assert_share(3, 0);
	assert_false(alive(3));
	assert_share(4, 0.5);
}

static void test_panic_is_of_the_group_in_use(void **state)
{
	struct desired *next;

	(void)state;
	pool_of(4, 60);
	next = change();
	web(next)->backends[2].priority = web(next)->backends[3].priority = 7;
	commit(next);
	assert_share(1, 0.5);
	report(1, false); /* half of the group: panic, though the backups are up */
	assert_true(panics());
	assert_share(1, 0.5);
	assert_share(3, 0);
	report(2, false); /* none: the backups are the group now */
	assert_false(panics());
	assert_share(1, 0);
	assert_share(3, 0.5);
	assert_false(alive(1));
	report(3, false);
	assert_true(panics());
	assert_share(1, 0);
	assert_share(3, 0.5);
	next = change();
	web(next)->panic_threshold = 0;
	commit(next);
	assert_false(panics());
	assert_share(4, 1);
}

static void test_start_is_no_panic(void **state)
{
	struct desired *next = new_service(3, CHECK_TCP);

	(void)state;
	web(next)->panic_threshold = 100;
	commit(next);
	resolve(1);
	resolve(2);
	resolve(3);
	report(1, false);
	assert_false(panics());
	report(2, true);
	assert_false(panics());
	assert_false(alive(1));
	report(3, true);
	assert_true(panics()); /* now all have answered */
	assert_true(alive(1));
}

/* --- repeated SYNs --- */

/* A second of traffic: 100 new flows each, and of backend `bad` all are repeated. */
static void second(int count, int bad)
{
	for (int i = 1; i <= count; i++) {
		if (view(i).share > 0)
			fx.fake->backend_counters[spec_of(i)->id].new_flows += 100;
		fx.fake->backend_counters[spec_of(i)->id].syn_retransmits += i == bad ? 100 : 1;
	}
	run_ticks(10);
}

static void watched(int count, enum check_kind check, enum passive_action action)
{
	struct desired *next = new_service(count, check);

	web(next)->passive = action;
	web(next)->slow_start_ms = 10000;
	commit(next);
	for (int i = 1; i <= count; i++)
		come_up(i);
	second(count, 0);
	second(count, 0);
}

static void test_suspect(void **state)
{
	struct desired *next;
	char reason[128];

	(void)state;
	watched(3, CHECK_TCP, PASSIVE_WATCH);
	for (int i = 0; i < 6; i++)
		second(3, 2);
	assert_true(view(2).suspect);
	assert_false(view(1).suspect);
	assert_int_equal(view(2).status, BACKEND_UP);
	assert_share(2, 1.0 / 3);
	snprintf(reason, sizeof(reason), "%.40s", view(2).reason);
	assert_non_null(strstr(reason, "suspect: "));
	assert_non_null(strstr(view(2).reason, " % of its SYNs are repeated, typical is 1.0 %"));
	assert_int_equal(fake_probe_hurries(endpoint(2)), 1);
	assert_int_equal(fake_probe_hurries(endpoint(1)), 0);
	next = change();
	web(next)->passive = PASSIVE_OFF;
	commit(next);
	assert_false(view(2).suspect);
	assert_string_equal(view(2).reason, "");
}

/* An outlier goes, for a while, and comes back with a slow start; one that does not get better
 * stays away for longer. It goes whatever its checks say. */
static void test_eject(void **state)
{
	(void)state;
	watched(3, CHECK_TCP, PASSIVE_EJECT);
	for (int i = 0; i < 6 && view(2).status == BACKEND_UP; i++)
		second(3, 2);
	assert_int_equal(view(2).status, BACKEND_EJECTED);
	assert_int_equal(view(2).ejections, 1);
	assert_share(2, 0);
	assert_share(1, 0.5);
	assert_true(alive(2)); /* it keeps what it has */
	assert_non_null(strstr(view(2).reason, " % of its SYNs are repeated, typical is 1.0 %"));
	report(2, true);
	assert_int_equal(view(2).status, BACKEND_EJECTED);
	report(2, false); /* dead is dead */
	assert_int_equal(view(2).status, BACKEND_DOWN);
	assert_false(alive(2));
	report(2, true);
	assert_int_equal(view(2).status, BACKEND_EJECTED);
	ahead_ms += 10000;
	run_until(view(2).status == BACKEND_UP);
	assert_weight(2, 1);
	assert_share(2, 1.0 / 21);
	for (int i = 0; i < 8 && view(2).status == BACKEND_UP; i++)
		second(3, 2);
	assert_int_equal(view(2).status, BACKEND_EJECTED);
	assert_int_equal(view(2).ejections, 2);
	ahead_ms += 12000;
	run_ticks(2);
	assert_int_equal(view(2).status, BACKEND_EJECTED);
	ahead_ms += 8000;
	run_until(view(2).status == BACKEND_UP);
}

/* Without checks, too; the bound holds, the worst goes first, and the operator has the last word.
 */
static void test_eject_bounded(void **state)
{
	struct desired *next;

	(void)state;
	watched(6, CHECK_NONE, PASSIVE_EJECT);
	for (int i = 0; i < 6 && view(2).status == BACKEND_UP; i++)
		second(6, 2);
	for (int i = 0; i < 8; i++)
		second(6, 5);
	assert_true(view(5).suspect);
	assert_int_equal(view(2).status, BACKEND_EJECTED);
	assert_int_equal(view(5).status, BACKEND_UP); /* 10 % of 6, but one always */
	next = change();
	web(next)->eject_max = 34;
	commit(next);
	second(6, 5);
	assert_int_equal(view(5).status, BACKEND_EJECTED);
	next = change();
	web(next)->passive = PASSIVE_WATCH;
	commit(next);
	assert_int_equal(view(2).status, BACKEND_UP);
	assert_int_equal(view(5).status, BACKEND_UP);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_begin_alike),
		TEST(test_slow_after_recovery),
		TEST(test_one_table_a_step),
		TEST(test_slow_newcomer),
		TEST(test_slow_after_maintenance_not_after_drain),
		TEST(test_slow_after_all_were_down),
		TEST(test_switched_off_at_once),
		TEST(test_restart_is_no_recovery),
		TEST(test_panic_keeps_all),
		TEST(test_panic_with_nobody_up),
		TEST(test_panic_ends_with_its_service),
		TEST(test_cookies_are_told),
		TEST(test_panic_keeps_who_can_be_reached),
		TEST(test_panic_is_of_the_group_in_use),
		TEST(test_start_is_no_panic),
		TEST(test_suspect),
		TEST(test_eject),
		TEST(test_eject_bounded),
	};

	return cmocka_run_group_tests_name("service_run", tests, NULL, NULL);
}
