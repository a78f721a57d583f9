/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Weights that follow load, as the manager has them: whom it asks and when it decides, what is
 * saved, what a restart and other changes leave of it, and who decides in a fleet. Hosts' reports
 * are told by the tests, and the loop's clock is put forward.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "fake_load_poll.h"
#include "fake_nexthop.h"
#include "manager_fixture.h"

#define BACKENDS    3 /* 198.18.1.11:80 to .13:80 */
#define INTERVAL_MS 1000
#define BUDGET      20

/* --- the clock, and what others would do --- */

uint64_t __real_uv_now(const uv_loop_t *loop);
uint64_t __wrap_uv_now(const uv_loop_t *loop);

static uint64_t ahead_ms;

uint64_t __wrap_uv_now(const uv_loop_t *loop)
{
	return __real_uv_now(loop) + ahead_ms;
}

/* --- fixture --- */

static const struct service_spec *web(void)
{
	return desired_service(manager_desired(fx.manager), "web");
}

static struct backend_view view(int i)
{
	return manager_backend(fx.manager, &web()->backends[i - 1]);
}

static const char *host(int i)
{
	static char text[BACKENDS + 1][ENDPOINT_TEXT_MAX];

	snprintf(text[i], sizeof(text[i]), "198.18.1.1%d:9481", i);
	return text[i];
}

static int commit(struct desired *next)
{
	struct error err = {0};

	return manager_commit(fx.manager, next, &err);
}

static void set_mode(enum load_mode mode)
{
	struct desired *next = change();

	desired_service(next, "web")->load.mode = mode;
	assert_int_equal(commit(next), 0);
}

static void put_backend(struct service_spec *service, int i)
{
	struct backend_spec backend;
	char text[ENDPOINT_TEXT_MAX];
	struct error err;

	backend_spec_init(&backend);
	snprintf(text, sizeof(text), "198.18.1.1%d:80", i);
	assert_int_equal(parse_endpoint(text, 80, &backend.endpoint, &err), 0);
	assert_int_equal(service_add_backend(service, &backend, &err), 0);
}

static void make_service(void)
{
	struct desired *next = change();
	struct service_spec spec;
	struct error err;

	service_spec_init(&spec);
	snprintf(spec.name, sizeof(spec.name), "web");
	spec.check.kind = CHECK_NONE;
	spec.load.interval_ms = INTERVAL_MS;
	spec.load.budget = BUDGET;
	spec.vips = calloc(1, sizeof(*spec.vips));
	assert_non_null(spec.vips);
	spec.vip_count = 1;
	assert_int_equal(parse_vip("tcp://198.18.0.10:80", &spec.vips[0].vip, &err), 0);
	for (int i = 1; i <= BACKENDS; i++)
		put_backend(&spec, i);
	assert_int_equal(desired_add_service(next, &spec, &err), 0);
	assert_int_equal(commit(next), 0);
}

static void resolve(int i)
{
	struct nexthop hop = {
		.resolved = true, .on_link = true, .ifindex = 5, .dst_mac = {2}, .src_mac = {2}};
	char address[ADDRESS_TEXT_MAX];
	struct error err;

	assert_int_equal(parse_address("198.18.0.1", &hop.source, &err), 0);
	snprintf(address, sizeof(address), "198.18.1.1%d", i);
	fake_nexthop_tell(address, &hop);
}

static int setup(void **state)
{
	static const struct dataplane_sizes sizes = {
		.services = 2,
		.backends = 2 * BACKENDS,
		.vips = 4,
		.flows = LB_FLOW_WAYS,
		.table_size = 1009,
	};

	(void)state;
	ahead_ms = 0;
	fixture_begin(&sizes);
	make_service();
	for (int i = 1; i <= BACKENDS; i++)
		resolve(i);
	run_until(view(BACKENDS).share > 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_end();
	return 0;
}

static void on_timer(uv_timer_t *timer)
{
	(void)timer;
}

static void on_closed(uv_handle_t *handle)
{
	*(bool *)handle->data = true;
}

/* Longer than from one tick of the manager to the next, by the clock on the wall. */
static void run_a_while(void)
{
	bool closed = false;
	uv_timer_t timer;

	uv_timer_init(&fx.loop, &timer);
	timer.data = &closed;
	uv_timer_start(&timer, on_timer, 250, 0);
	run_until(!uv_is_active((uv_handle_t *)&timer));
	uv_close((uv_handle_t *)&timer, on_closed);
	run_until(closed);
}

/* The next step's time comes. Below 0: that host does not answer. */
static void step(double load1, double load2, double load3)
{
	const double loads[] = {load1, load2, load3};

	run_a_while(); /* whoever is new is asked */
	for (int i = 1; i <= BACKENDS; i++)
		fake_load_tell(host(i), loads[i - 1]);
	ahead_ms += INTERVAL_MS;
	run_a_while();
}

static bool whole(int i)
{
	return view(i).weight == 1;
}

/* --- tests --- */

static void test_off(void **state)
{
	(void)state;
	run_a_while();
	assert_int_equal(fake_load_asked(host(1)), -1);
	assert_false(view(1).load.asked);
	assert_int_equal(manager_load(fx.manager, web()).steps, 0);
}

static void test_on(void **state)
{
	double share = view(3).share;
	unsigned int saves;

	(void)state;
	set_mode(LOAD_ON);
	saves = fx.saves;
	step(0.5, 0.5, 2);
	assert_true(fake_load_asked(host(3)) >= 1);
	assert_true(view(3).weight < 1 && view(3).weight >= 0.1);
	assert_true(view(3).share < share);
	assert_true(share - view(3).share <= BUDGET / 100.0);
	assert_true(whole(1) && whole(2));
	assert_int_equal(fx.saves, saves + 1);
	assert_int_equal(manager_load(fx.manager, web()).steps, 1);
	assert_non_null(strstr(view(3).reason, "load 2.00"));
	step(0.5, 0.5, 2);
	assert_int_equal(manager_load(fx.manager, web()).steps, 2);
}

static void test_dry_run(void **state)
{
	double share = view(3).share;

	(void)state;
	set_mode(LOAD_DRY_RUN);
	step(0.5, 0.5, 2);
	assert_true(view(3).load.known && view(3).load.target < 1 && view(3).load.next < 1);
	assert_true(whole(3));
	assert_true(view(3).share == share);
	assert_int_equal(manager_load(fx.manager, web()).steps, 0);
}

/* Nothing is decided while somebody may still report for the first time, but that ends. */
static void test_first_reports(void **state)
{
	(void)state;
	set_mode(LOAD_ON);
	run_a_while();
	fake_load_tell(host(1), 0.5);
	fake_load_tell(host(3), 2);
	ahead_ms += 2 * INTERVAL_MS;
	run_a_while();
	assert_false(view(3).load.known);
	ahead_ms += 2 * INTERVAL_MS;
	fake_load_tell(host(1), 0.5);
	fake_load_tell(host(3), 2);
	run_a_while();
	assert_true(view(3).load.known);
	assert_true(view(3).weight < 1);
	assert_true(whole(2));
}

static void test_silence(void **state)
{
	double weight;

	(void)state;
	set_mode(LOAD_ON);
	step(0.5, 0.5, 2);
	step(0.5, 0.5, 2);
	weight = view(3).weight;
	step(0.5, 0.5, -1); /* two reports may be missed */
	assert_true(view(3).weight <= weight);
	for (int i = 0; i < 14; i++)
		step(0.5, 0.5, -1);
	assert_true(whole(3));
	assert_true(view(3).load.failures >= 14);
	assert_string_equal(view(3).load.problem, "refused");
	assert_non_null(strstr(view(3).reason, "does not report its load: refused"));
}

static void test_disk(void **state)
{
	double share = view(3).share;

	(void)state;
	set_mode(LOAD_ON);
	fx.save_error = ENOSPC;
	step(0.5, 0.5, 2);
	assert_true(whole(3));
	assert_true(view(3).share == share);
	fx.save_error = 0;
	step(0.5, 0.5, 2);
	assert_true(view(3).weight < 1);
}

static void test_restart(void **state)
{
	double weight, share;

	(void)state;
	set_mode(LOAD_ON);
	step(0.5, 0.5, 2);
	weight = view(3).weight;
	share = view(3).share;
	fixture_restart();
	assert_true(view(3).weight == weight);
	assert_true(view(3).share == share);
}

static void test_other_changes(void **state)
{
	struct desired *old = change(), *next;
	double weight;

	(void)state;
	set_mode(LOAD_ON);
	step(0.5, 0.5, 2);
	weight = view(3).weight;
	/* Begun before the step, and done after it. */
	desired_service(old, "web")->load.mode = LOAD_ON;
	desired_service(old, "web")->slow_start_ms = 5;
	assert_int_equal(commit(old), 0);
	assert_true(view(3).weight == weight);
	next = change();
	desired_service(next, "web")->backends[2].weight = 10;
	assert_int_equal(commit(next), 0);
	assert_true(view(3).weight == 10 * weight);
	set_mode(LOAD_OFF);
	assert_true(view(3).weight == 10);
	assert_false(view(3).load.asked); /* at once */
	run_a_while();
	assert_int_equal(fake_load_asked(host(1)), -1);
}

/* --- in a fleet --- */

static struct {
	unsigned int times;
	uint16_t factors[BACKENDS];
} proposed;

static void on_propose(void *context, const struct service_spec *service, const uint16_t *factors,
		       const char *reason)
{
	(void)context;
	assert_string_equal(service->name, "web");
	assert_non_null(strstr(reason, "of the slots move"));
	proposed.times++;
	memcpy(proposed.factors, factors, sizeof(proposed.factors));
}

static void test_fleet(void **state)
{
	static const uint16_t agreed[BACKENDS] = {0, 500, 250};

	(void)state;
	proposed.times = 0;
	manager_on_load(fx.manager, on_propose, NULL);
	set_mode(LOAD_ON);
	step(0.5, 0.5, 2);
	assert_true(view(3).load.known); /* it knows, */
	assert_int_equal(proposed.times, 0);
	manager_load_leads(fx.manager, true);
	step(0.5, 0.5, 2);
	assert_int_equal(proposed.times, 1);
	assert_true(whole(3)); /* but does what all do only */
	assert_int_equal(proposed.factors[0], 0);
	assert_in_range(proposed.factors[2], 100, 999);
	assert_int_equal(manager_load_apply(fx.manager, web(), agreed, "they say so"), 0);
	assert_true(view(2).weight == 0.5 && view(3).weight == 0.25);
	set_mode(LOAD_DRY_RUN);
	assert_int_equal(manager_load_apply(fx.manager, web(), agreed, "too late"), 0);
	assert_true(whole(2) && whole(3));
	manager_on_load(fx.manager, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_off, setup, teardown),
		cmocka_unit_test_setup_teardown(test_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dry_run, setup, teardown),
		cmocka_unit_test_setup_teardown(test_first_reports, setup, teardown),
		cmocka_unit_test_setup_teardown(test_silence, setup, teardown),
		cmocka_unit_test_setup_teardown(test_disk, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fleet, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
