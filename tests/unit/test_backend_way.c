/* SPDX-License-Identifier: Apache-2.0 */

/*
 * How the manager checks by the VIP's way: when it begins, what it asks of the data plane, what it
 * makes of the results; and backends on the balancer itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>

#include "fake_nexthop.h"
#include "fake_probe.h"
#include "manager_fixture.h"

#define OWN  "198.18.0.1"
#define VIP  "198.18.0.10"
#define B1   "198.18.1.11"
#define ETH0 5
#define ETH1 6

/* --- fixture: the service web in mode l2 --- */

static void commit(struct desired *next)
{
	struct error err = {.message = ""};

	if (manager_commit(fx.manager, next, &err))
		fail_msg("refused: %s", err.message);
}

static void add_service(enum lb_mode mode, enum check_kind check)
{
	struct desired *next = change();
	struct service_spec spec;
	struct error err;

	service_spec_init(&spec);
	strcpy(spec.name, "web");
	spec.mode = mode;
	spec.check.kind = check;
	spec.check.rise = spec.check.fall = 1;
	spec.vips = calloc(1, sizeof(*spec.vips));
	spec.vip_count = 1;
	assert_int_equal(parse_vip("tcp://" VIP ":80", &spec.vips[0].vip, &err), 0);
	assert_int_equal(desired_add_service(next, &spec, &err), 0);
	commit(next);
}

static void add_backend(const char *endpoint)
{
	struct backend_spec backend = {.weight = 1};
	struct desired *next = change();
	struct error err;

	assert_int_equal(parse_endpoint(endpoint, 80, &backend.endpoint, &err), 0);
	assert_int_equal(service_add_backend(&next->services[0], &backend, &err), 0);
	commit(next);
}

static int setup(void **state)
{
	static const struct dataplane_sizes sizes = {
		.services = 2, .backends = 4, .vips = 4, .flows = LB_FLOW_WAYS, .table_size = 251};

	(void)state;
	fixture_begin(&sizes);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fixture_end();
	return 0;
}

/* --- what happens, and what came of it --- */

static struct address address_of(const char *text)
{
	struct address address;
	struct error err;

	assert_int_equal(parse_address(text, &address, &err), 0);
	return address;
}

static void tell_hop(const char *address, uint32_t device)
{
	struct nexthop hop = {
		.resolved = true,
		.on_link = true,
		.device = device,
		.ifindex = device,
		.source = address_of(OWN),
	};

	fake_nexthop_tell(address, &hop);
}

static void tell_local(const char *address)
{
	struct nexthop hop = {.resolved = true, .local = true, .on_link = true};

	hop.source = address_of(address);
	fake_nexthop_tell(address, &hop);
}

static struct backend_view view(void)
{
	return manager_backend(fx.manager, &manager_desired(fx.manager)->services[0].backends[0]);
}

static struct lb_probe_path *path(void)
{
	return &fx.fake->dp.probe_paths[manager_desired(fx.manager)->services[0].backends[0].id];
}

static uint16_t flags(void)
{
	uint16_t id = manager_desired(fx.manager)->services[0].backends[0].id;

	return fx.fake->dp.backends[id].hop.flags;
}

/* A probe's packets leave by the VIP's way, and it passes or fails. */
static void probe(const char *reason)
{
	path()->sent += 3;
	fake_probe_report(B1 ":80", reason);
}

static void assert_view(enum backend_status status, const char *reason, const char *via)
{
	struct backend_view got = view();

	assert_string_equal(backend_status_name(got.status), backend_status_name(status));
	assert_string_equal(got.reason, reason);
	assert_string_equal(got.check_via, via);
}

static void web_up(void)
{
	add_service(LB_MODE_L2, CHECK_TCP);
	add_backend(B1);
	tell_hop(B1, ETH0);
	probe(NULL);
	assert_view(BACKEND_UP, "", "vip");
}

/* --- tests --- */

static void begins_with_the_route(void **state)
{
	struct address vip = address_of(VIP), own = address_of(OWN);

	(void)state;
	add_service(LB_MODE_L2, CHECK_TCP);
	add_backend(B1);
	assert_null(fake_probe_spec(B1 ":80"));
	assert_view(BACKEND_CHECKING, "next hop is being asked for", "vip");
	tell_hop(B1, ETH0);
	assert_int_equal(fake_probe_mark(B1 ":80"), LB_PROBE_MARK | 1);
	assert_memory_equal(&path()->vip, &vip, sizeof(vip));
	assert_int_equal(path()->port, htons(80));
	assert_memory_equal(&fx.fake->dp.backends[1].local_addr, &own, sizeof(own));
	assert_int_equal(fx.fake->probe_device_count, 1);
	assert_int_equal(fx.fake->probe_devices[0], ETH0);
	probe(NULL);
	assert_view(BACKEND_UP, "", "vip");
}

/* A route without a neighbour is enough: the kernel asks for that. */
static void begins_without_a_neighbour(void **state)
{
	const struct nexthop hop = {.device = ETH0, .reason = "no ARP reply"};
	const struct nexthop none = {.reason = "no route"};

	(void)state;
	add_service(LB_MODE_L2, CHECK_TCP);
	add_backend(B1);
	fake_nexthop_tell(B1, &none);
	assert_non_null(fake_probe_spec(B1 ":80"));
	assert_int_equal(fx.fake->probe_device_count, 0);
	fake_nexthop_tell(B1, &hop);
	assert_int_equal(fx.fake->probe_device_count, 1);
}

static void says_the_way_in_reasons(void **state)
{
	(void)state;
	web_up();
	probe("timeout after 1s: no answer");
	assert_view(BACKEND_DOWN,
		    "via VIP tcp://198.18.0.10:80: timeout after 1s: no answer; is the backend "
		    "prepared? lbnode up --mode l2 --vip 198.18.0.10",
		    "vip");
	probe(NULL);
	assert_view(BACKEND_UP, "", "vip");
	probe("connect: Connection refused");
	assert_view(BACKEND_DOWN,
		    "via VIP tcp://198.18.0.10:80: connect: Connection refused; does the server "
		    "listen on the VIP?",
		    "vip");
	probe(NULL);
	probe("HTTP status 503");
	assert_view(BACKEND_DOWN, "via VIP tcp://198.18.0.10:80: HTTP status 503", "vip");
}

/* What did not go by the VIP's way proves nothing of it, and the filters are seen to. */
static void strayed_checks_fail(void **state)
{
	unsigned int follows;

	(void)state;
	web_up();
	follows = fx.fake->probe_follows;
	fake_probe_report(B1 ":80", NULL);
	assert_int_equal(view().status, BACKEND_DOWN);
	assert_non_null(strstr(view().reason, "left by another way than clients' packets"));
	assert_int_equal(view().checks_failed, 1);
	run_until(fx.fake->probe_follows > follows);
	probe(NULL);
	assert_view(BACKEND_UP, "", "vip");
}

static void follows_routes_and_services(void **state)
{
	struct desired *next;
	unsigned int follows;

	(void)state;
	web_up();
	follows = fx.fake->probe_follows;
	fake_nexthop_tell_links();
	assert_int_equal(fx.fake->probe_follows, follows + 1);
	add_backend("198.18.1.12");
	assert_int_equal(fx.fake->probe_device_count, 1);
	tell_hop("198.18.1.12", ETH1);
	assert_int_equal(fx.fake->probe_device_count, 2);
	tell_hop("198.18.1.12", ETH0);
	assert_int_equal(fx.fake->probe_device_count, 1);
	next = change();
	next->services[0].check_via = VIA_ADDRESS;
	commit(next);
	assert_int_equal(fx.fake->probe_device_count, 0);
	assert_int_equal(fake_probe_mark(B1 ":80"), 0);
	assert_int_equal(path()->port, 0);
	fake_probe_report(B1 ":80", "connect: Connection refused");
	assert_view(BACKEND_DOWN, "connect: Connection refused", "address");
	next = change();
	next->services[0].check_via = VIA_VIP;
	commit(next);
	assert_int_equal(fx.fake->probe_device_count, 1);
	assert_int_equal(fake_probe_mark(B1 ":80"), LB_PROBE_MARK | 1);
	next = change();
	desired_remove_service(next, &next->services[0]);
	commit(next);
	assert_int_equal(fx.fake->probe_device_count, 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(fx.fake->dp.probe_paths[i].port, 0);
}

static void falls_back_where_the_kernel_refuses(void **state)
{
	(void)state;
	fx.fake->probe_refused = "no clsact";
	add_service(LB_MODE_IPIP, CHECK_TCP);
	add_backend(B1);
	tell_hop(B1, ETH0);
	assert_int_equal(fake_probe_mark(B1 ":80"), 0);
	fake_probe_report(B1 ":80", NULL);
	assert_view(BACKEND_UP, "", "address");
	assert_string_equal(view().check_via_reason, "no clsact");
	fx.fake->probe_refused = NULL;
	run_until(fx.fake->probe_device_count == 1);
	assert_int_equal(fake_probe_mark(B1 ":80"), LB_PROBE_MARK | 1);
	assert_string_equal(view().check_via_reason, "");
	assert_view(BACKEND_UP, "", "vip");
}

static void a_restart_waits_for_the_route(void **state)
{
	struct desired *desired;

	(void)state;
	web_up();
	desired = change();
	fixture_stop();
	fx.fake->dp.adopted = true;
	fx.fake->probe_device_count = 77;
	fixture_start(desired);
	assert_view(BACKEND_UP, "", "vip");
	assert_null(fake_probe_spec(B1 ":80"));
	assert_int_equal(fx.fake->probe_device_count, 77); /* a former agent's filters stay */
	tell_hop(B1, ETH0);
	assert_int_equal(fx.fake->probe_device_count, 1);
	assert_view(BACKEND_UP, "", "vip");
	probe("timeout");
	assert_int_equal(view().status, BACKEND_DOWN);
}

/* --- on the balancer itself --- */

static void hold_vip(bool held)
{
	fake_nexthop_addresses[0] = (struct rtnl_address){.ifindex = 1, .address = address_of(VIP)};
	fake_nexthop_address_count = held;
}

static void serves_itself(void **state)
{
	(void)state;
	hold_vip(true);
	add_service(LB_MODE_L2, CHECK_TCP);
	add_backend(OWN);
	tell_local(OWN);
	assert_int_equal(fake_probe_mark(VIP ":80"), 0);
	fake_probe_report(VIP ":80", NULL);
	assert_view(BACKEND_UP, "", "vip");
	assert_int_equal(flags(), LB_BACKEND_UP | LB_BACKEND_RESOLVED | LB_BACKEND_LOCAL);
	assert_int_equal(fx.fake->probe_device_count, 0);
	fake_probe_report(VIP ":80", "connect: Connection refused");
	assert_view(BACKEND_DOWN,
		    "via VIP tcp://198.18.0.10:80: connect: Connection refused; does the server "
		    "listen on the VIP?",
		    "vip");
}

static void needs_the_vip(void **state)
{
	(void)state;
	hold_vip(false);
	add_service(LB_MODE_IPIP, CHECK_NONE);
	add_backend(OWN);
	tell_local(OWN);
	assert_view(BACKEND_NO_NEIGHBOUR,
		    "the balancer itself does not hold the VIP: ip address add 198.18.0.10/32 dev "
		    "lo",
		    "none");
	assert_false(flags() & LB_BACKEND_UP);
	hold_vip(true);
	tell_local(OWN); /* the next hop table does when addresses change */
	assert_view(BACKEND_UP, "", "none");
	assert_true(flags() & LB_BACKEND_UP);
}

static void not_by_nat(void **state)
{
	(void)state;
	hold_vip(true);
	add_service(LB_MODE_NAT, CHECK_NONE);
	add_backend(OWN);
	tell_local(OWN);
	assert_view(BACKEND_NO_NEIGHBOUR,
		    "198.18.0.1 is the balancer itself, whose replies would not be translated "
		    "back: use mode l2, ipip or gue",
		    "none");
	assert_false(flags() & LB_BACKEND_UP);
}

static void moves_away(void **state)
{
	(void)state;
	hold_vip(true);
	add_service(LB_MODE_L2, CHECK_TCP);
	add_backend(B1);
	tell_local(B1);
	fake_probe_report(VIP ":80", NULL);
	assert_true(flags() & LB_BACKEND_LOCAL);
	tell_hop(B1, ETH0);
	assert_false(flags() & LB_BACKEND_LOCAL);
	assert_null(fake_probe_spec(VIP ":80"));
	assert_int_equal(fake_probe_mark(B1 ":80"), LB_PROBE_MARK | 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(begins_with_the_route),
		TEST(begins_without_a_neighbour),
		TEST(says_the_way_in_reasons),
		TEST(strayed_checks_fail),
		TEST(follows_routes_and_services),
		TEST(falls_back_where_the_kernel_refuses),
		TEST(a_restart_waits_for_the_route),
		TEST(serves_itself),
		TEST(needs_the_vip),
		TEST(not_by_nat),
		TEST(moves_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
