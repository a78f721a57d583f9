/* SPDX-License-Identifier: Apache-2.0 */

/*
 * How the manager answers what it is told: by next hops and probes (both told by the tests), by
 * its clock, by changes of the desired state, and by a data plane or a disk that fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <time.h>

#include "fake_nexthop.h"
#include "fake_probe.h"
#include "manager_fixture.h"

#define OWN  "198.18.0.1" /* the balancer's address towards all backends */
#define OWN2 "198.18.0.9" /* another one, by another route */

/* --- fixture --- */

static int setup(void **state)
{
	static const struct dataplane_sizes sizes = {
		.services = 4,
		.backends = 8,
		.vips = 8,
		.flows = LB_FLOW_WAYS,
		.table_size = 251,
	};

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

/* --- changes --- */

static int commit(struct desired *next, struct error *ret_err)
{
	*ret_err = (struct error){0};
	return manager_commit(fx.manager, next, ret_err);
}

static void commit_ok(struct desired *next)
{
	struct error err;

	if (commit(next, &err))
		fail_msg("refused: %s", err.message);
}

/* Nothing of the refused change is to be seen or saved. */
static void commit_refused(struct desired *next, const char *field, const char *message)
{
	uint64_t generation = manager_desired(fx.manager)->generation;
	unsigned int saved = fx.saves;
	struct error err;

	assert_int_equal(commit(next, &err), -EEXIST);
	assert_string_equal(err.message, message);
	assert_string_equal(err.field, field);
	assert_non_null(strstr(err.hint, "--nat-ports"));
	assert_true(manager_desired(fx.manager)->generation == generation);
	assert_int_equal(fx.saves, saved);
	assert_null(manager_out_of_sync(fx.manager));
}

static void put_vip(struct desired *next, const char *name, const char *vip)
{
	struct service_spec *service = desired_service(next, name);
	struct error err;

	service->vips = reallocarray(service->vips, service->vip_count + 1, sizeof(*service->vips));
	assert_non_null(service->vips);
	service->vips[service->vip_count] = (struct vip_spec){0};
	assert_int_equal(parse_vip(vip, &service->vips[service->vip_count++].vip, &err), 0);
}

static void put_service(struct desired *next, const char *name, const char *vip,
			enum check_kind check)
{
	struct service_spec spec;
	struct error err;

	service_spec_init(&spec);
	snprintf(spec.name, sizeof(spec.name), "%s", name);
	spec.check.kind = check;
	spec.vips = calloc(1, sizeof(*spec.vips));
	assert_non_null(spec.vips);
	spec.vip_count = 1;
	assert_int_equal(parse_vip(vip, &spec.vips[0].vip, &err), 0);
	assert_int_equal(desired_add_service(next, &spec, &err), 0);
}

static void put_backend(struct desired *next, const char *name, const char *endpoint)
{
	struct backend_spec backend = {.weight = 1};
	struct error err;

	assert_int_equal(parse_endpoint(endpoint, 80, &backend.endpoint, &err), 0);
	assert_int_equal(service_add_backend(desired_service(next, name), &backend, &err), 0);
}

static struct backend_spec *backend(const struct desired *desired, const char *name,
				    const char *endpoint)
{
	struct backend_spec *found = NULL;
	struct error err;

	if (service_require_backend(desired_service(desired, name), endpoint, &found, &err))
		fail_msg("%s", err.message);
	return found;
}

static void add_service(const char *name, const char *vip, enum check_kind check)
{
	struct desired *next = change();

	put_service(next, name, vip, check);
	commit_ok(next);
}

static void add_backend(const char *name, const char *endpoint)
{
	struct desired *next = change();

	put_backend(next, name, endpoint);
	commit_ok(next);
}

static void set_state(const char *name, const char *endpoint, enum admin_state state,
		      uint64_t deadline_ms)
{
	struct desired *next = change();
	struct backend_spec *spec = backend(next, name, endpoint);

	spec->state = state;
	spec->deadline_ms = deadline_ms;
	commit_ok(next);
}

/* --- next hops --- */

static struct nexthop hop_from(const char *own)
{
	struct nexthop hop = {
		.resolved = true,
		.on_link = true,
		.ifindex = 5,
		.dst_mac = {2, 0, 0, 0, 0, 1},
		.src_mac = {2, 0, 0, 0, 0, 2},
	};
	struct error err;

	assert_int_equal(parse_address(own, &hop.source, &err), 0);
	return hop;
}

static void resolve(const char *address, const char *own)
{
	struct nexthop hop = hop_from(own);

	fake_nexthop_tell(address, &hop);
}

static void lose(const char *address)
{
	const struct nexthop hop = {.reason = "no ARP reply"};

	fake_nexthop_tell(address, &hop);
}

/* --- what came of it --- */

static struct backend_view view_of(const char *name, const char *endpoint)
{
	return manager_backend(fx.manager, backend(manager_desired(fx.manager), name, endpoint));
}

static const struct lb_backend *record(const char *name, const char *endpoint)
{
	return &fx.fake->dp.backends[backend(manager_desired(fx.manager), name, endpoint)->id];
}

static bool is_up(const char *name, const char *endpoint)
{
	return record(name, endpoint)->hop.flags & LB_BACKEND_UP;
}

static void assert_status(const char *name, const char *endpoint, enum backend_status status,
			  const char *reason)
{
	struct backend_view view = view_of(name, endpoint);

	assert_string_equal(backend_status_name(view.status), backend_status_name(status));
	assert_string_equal(view.reason, reason);
	assert_int_equal(view.share > 0, status == BACKEND_UP);
}

/* web at 198.18.0.10:80 with one backend that is up. */
static void web_up(enum check_kind check)
{
	add_service("web", "tcp://198.18.0.10:80", check);
	add_backend("web", "198.18.1.11:80");
	resolve("198.18.1.11", OWN);
	if (check != CHECK_NONE)
		fake_probe_report("198.18.1.11:80", NULL);
	assert_status("web", "198.18.1.11:80", BACKEND_UP, "");
	assert_true(is_up("web", "198.18.1.11:80"));
}

/* --- a backend comes and goes --- */

static void test_up_after_hop_and_check(void **state)
{
	const struct backend_spec *spec;

	(void)state;
	add_service("web", "tcp://198.18.0.10:80", CHECK_HTTP);
	add_backend("web", "198.18.1.11:80");
	assert_int_equal(fake_probe_spec("198.18.1.11:80")->kind, CHECK_HTTP);
	assert_int_equal(fake_nexthop_watchers("198.18.1.11"), 1);
	assert_status("web", "198.18.1.11:80", BACKEND_CHECKING, "next hop is being asked for");
	resolve("198.18.1.11", OWN);
	assert_status("web", "198.18.1.11:80", BACKEND_CHECKING, "first check under way");
	assert_false(is_up("web", "198.18.1.11:80"));
	fake_probe_report("198.18.1.11:80", NULL);
	assert_status("web", "198.18.1.11:80", BACKEND_UP, "");
	assert_int_equal(record("web", "198.18.1.11:80")->hop.flags,
			 LB_BACKEND_UP | LB_BACKEND_RESOLVED);
	spec = backend(manager_desired(fx.manager), "web", "198.18.1.11:80");
	assert_true(manager_backend(fx.manager, spec).share == 1);
}

static void test_checks_take_down_and_bring_up(void **state)
{
	(void)state;
	web_up(CHECK_TCP);
	fake_probe_report("198.18.1.11:80", "connect: refused");
	fake_probe_report("198.18.1.11:80", "connect: refused");
	assert_status("web", "198.18.1.11:80", BACKEND_UP, "");
	fake_probe_report("198.18.1.11:80", "timeout");
	assert_status("web", "198.18.1.11:80", BACKEND_DOWN, "timeout");
	assert_false(is_up("web", "198.18.1.11:80"));
	fake_probe_report("198.18.1.11:80", NULL);
	assert_status("web", "198.18.1.11:80", BACKEND_DOWN, "timeout");
	fake_probe_report("198.18.1.11:80", NULL);
	assert_status("web", "198.18.1.11:80", BACKEND_UP, "");
	assert_true(is_up("web", "198.18.1.11:80"));
	assert_true(view_of("web", "198.18.1.11:80").checks_failed == 3);
	assert_true(view_of("web", "198.18.1.11:80").checks_passed == 3);
}

/* --- next hops --- */

static void test_no_neighbour(void **state)
{
	(void)state;
	add_service("web", "tcp://198.18.0.10:80", CHECK_TCP);
	add_backend("web", "198.18.1.11:80");
	lose("198.18.1.11");
	assert_status("web", "198.18.1.11:80", BACKEND_NO_NEIGHBOUR, "no ARP reply");
	fake_probe_report("198.18.1.11:80", NULL); /* by whatever way: packets have none */
	assert_status("web", "198.18.1.11:80", BACKEND_NO_NEIGHBOUR, "no ARP reply");
}

/* The kernel forgets neighbours; as long as checks pass the backend is there. */
static void test_lost_hop_with_and_without_check(void **state)
{
	(void)state;
	web_up(CHECK_TCP);
	lose("198.18.1.11");
	assert_status("web", "198.18.1.11:80", BACKEND_UP, "");
	assert_int_equal(record("web", "198.18.1.11:80")->hop.flags, LB_BACKEND_UP);
	assert_int_equal(record("web", "198.18.1.11:80")->hop.ifindex, 5);

	add_service("blind", "tcp://198.18.0.11:80", CHECK_NONE);
	add_backend("blind", "198.18.1.12:80");
	assert_null(fake_probe_spec("198.18.1.12:80"));
	resolve("198.18.1.12", OWN);
	assert_status("blind", "198.18.1.12:80", BACKEND_UP, "");
	lose("198.18.1.12");
	assert_status("blind", "198.18.1.12:80", BACKEND_NO_NEIGHBOUR, "no ARP reply");
	assert_false(is_up("blind", "198.18.1.12:80"));
}

static void test_moved_hop(void **state)
{
	struct nexthop hop = hop_from(OWN);
	uint32_t table;

	(void)state;
	web_up(CHECK_TCP);
	table = fx.fake->dp.services[1].tables.current;
	hop.dst_mac[5] = 9;
	hop.ifindex = 6;
	fake_nexthop_tell("198.18.1.11", &hop);
	assert_memory_equal(record("web", "198.18.1.11:80")->hop.dst_mac, hop.dst_mac, 6);
	assert_int_equal(record("web", "198.18.1.11:80")->hop.ifindex, 6);
	assert_true(is_up("web", "198.18.1.11:80"));
	assert_int_equal(fx.fake->dp.services[1].tables.current, table);
}

static void test_one_hop_of_two_services(void **state)
{
	(void)state;
	web_up(CHECK_NONE);
	add_service("shop", "tcp://198.18.0.11:80", CHECK_NONE);
	add_backend("shop", "198.18.1.11:8080");
	assert_int_equal(fake_nexthop_watchers("198.18.1.11"), 2);
	resolve("198.18.1.11", OWN);
	assert_status("shop", "198.18.1.11:8080", BACKEND_UP, "");
	lose("198.18.1.11");
	assert_false(is_up("web", "198.18.1.11:80"));
	assert_false(is_up("shop", "198.18.1.11:8080"));
}

static double share_of(const char *name, const char *endpoint)
{
	return view_of(name, endpoint).share;
}

static void weigh(const char *name, const char *endpoint, uint16_t weight)
{
	struct desired *next = change();

	backend(next, name, endpoint)->weight = weight;
	commit_ok(next);
}

/* Tables that many health changes have put in line go on at the loop's turns; a change does only
 * what it is about. */
static void test_change_does_not_wait_for_others(void **state)
{
	const struct nexthop lost = {.reason = "no ARP reply"};

	(void)state;
	web_up(CHECK_NONE);
	add_backend("web", "198.18.1.12:80");
	resolve("198.18.1.12", OWN);
	add_service("shop", "tcp://198.18.0.11:80", CHECK_NONE);
	add_backend("shop", "198.18.1.13:80");
	add_backend("shop", "198.18.1.14:80");
	resolve("198.18.1.13", OWN);
	resolve("198.18.1.14", OWN);
	run_until(share_of("shop", "198.18.1.14:80") > 0.4);

	fake_nexthop_note("198.18.1.11", &lost);
	weigh("shop", "198.18.1.13:80", 3);
	assert_true(share_of("shop", "198.18.1.13:80") > 0.7);
	assert_true(share_of("web", "198.18.1.11:80") > 0.4);
	run_until(share_of("web", "198.18.1.11:80") == 0);

	fake_nexthop_note("198.18.1.13", &lost);
	weigh("shop", "198.18.1.14:80", 2); /* it is about this very one */
	assert_true(share_of("shop", "198.18.1.13:80") == 0);
}

static void test_l2_needs_the_link(void **state)
{
	struct nexthop hop = hop_from(OWN);
	struct desired *next = change();

	(void)state;
	put_service(next, "web", "tcp://198.18.0.10:80", CHECK_NONE);
	desired_service(next, "web")->mode = LB_MODE_L2;
	put_backend(next, "web", "198.18.1.11:80");
	commit_ok(next);
	hop.on_link = false;
	fake_nexthop_tell("198.18.1.11", &hop);
	assert_status("web", "198.18.1.11:80", BACKEND_NO_NEIGHBOUR,
		      "mode l2 needs the backend on a directly attached network");
	hop.on_link = true;
	fake_nexthop_tell("198.18.1.11", &hop);
	assert_status("web", "198.18.1.11:80", BACKEND_UP, "");
}

/* --- VIPs in the way of replies in mode nat --- */

static void test_vip_on_nat_address_refused(void **state)
{
	static const char *const good[] = {"tcp://" OWN ":1023", "tcp://" OWN ":32768",
					   "udp://" OWN ":2000", "udp://" OWN ":*",
					   "tcp://" OWN2 ":2000"};
	struct desired *next;

	(void)state;
	web_up(CHECK_TCP);
	next = change();
	put_service(next, "x", "tcp://" OWN ":2000", CHECK_NONE);
	commit_refused(next, "vip",
		       "VIP tcp://198.18.0.1:2000 of service x: replies of backend 198.18.1.11:80 "
		       "of service web come to this address, ports 1024-32767");
	next = change();
	put_service(next, "x", "tcp://" OWN ":*", CHECK_NONE);
	commit_refused(next, "vip",
		       "VIP tcp://198.18.0.1:* of service x: replies of backend 198.18.1.11:80 "
		       "of service web come to this address, ports 1024-32767");
	next = change();
	put_vip(next, "web", "tcp://" OWN ":1024");
	commit_refused(next, "vip",
		       "VIP tcp://198.18.0.1:1024 of service web: replies of backend "
		       "198.18.1.11:80 of service web come to this address, ports 1024-32767");
	next = change();
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (i == 0)
			put_service(next, "x", good[i], CHECK_NONE);
		else
			put_vip(next, "x", good[i]);
	}
	commit_ok(next);
	assert_status("web", "198.18.1.11:80", BACKEND_UP, "");
}

/* What is known before a neighbour answers is the route. */
static void test_backend_behind_vip_refused(void **state)
{
	struct desired *next;

	(void)state;
	add_service("x", "tcp://" OWN ":2000", CHECK_NONE);
	add_service("web", "tcp://198.18.0.10:80", CHECK_TCP);
	fake_nexthop_route("198.18.1.11", OWN);
	next = change();
	put_backend(next, "web", "198.18.1.11:80");
	commit_refused(next, "address",
		       "backend 198.18.1.11:80 of service web: its replies would come to VIP "
		       "tcp://198.18.0.1:2000 of service x, for mode nat uses this address, ports "
		       "1024-32767");
	assert_int_equal(fake_nexthop_watchers("198.18.1.11"), 0);
	fake_nexthop_route("198.18.1.11", OWN2);
	add_backend("web", "198.18.1.11:80");
}

/* From l2, where replies do not come back, to nat; by the route, for nobody has answered yet. */
static void test_mode_behind_vip_refused(void **state)
{
	struct desired *next = change();

	(void)state;
	put_service(next, "x", "tcp://" OWN ":*", CHECK_NONE);
	put_service(next, "web", "tcp://198.18.0.10:80", CHECK_TCP);
	desired_service(next, "web")->mode = LB_MODE_L2;
	put_backend(next, "web", "198.18.1.11:80");
	commit_ok(next);
	fake_nexthop_route("198.18.1.11", OWN);
	next = change();
	desired_service(next, "web")->mode = LB_MODE_NAT;
	commit_refused(next, "vip",
		       "VIP tcp://198.18.0.1:* of service x: replies of backend 198.18.1.11:80 of "
		       "service web come to this address, ports 1024-32767");
}

/* A saved state is served with what the routes have become; a new one is refused. */
static void test_first_start_behind_vip_refused(void **state)
{
	struct desired *next = change(), *saved;
	struct manager *none = NULL;
	struct error err = {0};

	(void)state;
	put_service(next, "x", "tcp://" OWN ":2000", CHECK_NONE);
	put_service(next, "web", "tcp://198.18.0.10:80", CHECK_NONE);
	put_backend(next, "web", "198.18.1.11:80");
	saved = desired_clone(next);
	saved->services[0].id = 1;
	saved->services[0].vips[0].id = 1;
	saved->services[1].id = 2;
	saved->services[1].vips[0].id = 2;
	saved->services[1].backends[0].id = 1;
	fixture_stop();
	fake_nexthop_keep_routes = true;
	fake_nexthop_route("198.18.1.11", OWN);
	assert_int_equal(manager_new(&fx.loop, &fx.fake->dp, "none", "/none", "", fx.events, next,
				     &none, &err),
			 -EEXIST);
	assert_string_equal(err.field, "address");
	assert_null(none);
	fixture_start(saved);
	fake_nexthop_keep_routes = false;
	resolve("198.18.1.11", OWN);
	assert_status("web", "198.18.1.11:80", BACKEND_UP, "");
}

static bool nat_key_is(uint16_t kind)
{
	struct lb_vip_key key = {.l4_proto = IPPROTO_TCP};
	struct address own;
	struct error err;
	const struct lb_vip *vip;

	assert_int_equal(parse_address(OWN, &own, &err), 0);
	memcpy(&key.addr, &own, sizeof(key.addr));
	vip = fake_dataplane_vip(fx.fake, &key);
	return vip ? vip->kind == kind : kind == 0;
}

/* Every port: the VIP keeps its place in the map, and the backend has to do without. */
static void test_route_moves_behind_any_port(void **state)
{
	struct desired *next;

	(void)state;
	web_up(CHECK_TCP);
	resolve("198.18.1.11", OWN2);
	add_service("x", "tcp://" OWN ":*", CHECK_NONE);
	assert_true(nat_key_is(LB_VIP_SERVICE));
	resolve("198.18.1.11", OWN);
	assert_status("web", "198.18.1.11:80", BACKEND_NO_NEIGHBOUR,
		      "198.18.0.1, which replies come to, is VIP tcp://198.18.0.1:* of service x");
	assert_false(is_up("web", "198.18.1.11:80"));
	assert_true(nat_key_is(LB_VIP_SERVICE));
	lose("198.18.1.11"); /* and the check passes */
	assert_false(is_up("web", "198.18.1.11:80"));
	set_state("web", "198.18.1.11:80", ADMIN_DRAIN, 0);
	assert_false(is_up("web", "198.18.1.11:80"));
	assert_true(nat_key_is(LB_VIP_SERVICE));
	set_state("web", "198.18.1.11:80", ADMIN_UP, 0);
	fixture_restart();
	fake_probe_report("198.18.1.11:80", NULL);
	resolve("198.18.1.11", OWN);
	assert_false(is_up("web", "198.18.1.11:80"));
	assert_true(nat_key_is(LB_VIP_SERVICE));
	next = change();
	desired_remove_service(next, desired_service(next, "x"));
	commit_ok(next);
	assert_status("web", "198.18.1.11:80", BACKEND_UP, "");
	assert_true(is_up("web", "198.18.1.11:80"));
	assert_true(nat_key_is(LB_VIP_NAT));
}

/* One port: few flows draw it, so the backend stays; more of the kind is refused as ever. */
static void test_route_moves_behind_a_port(void **state)
{
	struct desired *next;

	(void)state;
	web_up(CHECK_TCP);
	resolve("198.18.1.11", OWN2);
	add_service("x", "tcp://" OWN ":2000", CHECK_NONE);
	resolve("198.18.1.11", OWN);
	assert_status("web", "198.18.1.11:80", BACKEND_UP, "");
	add_service("unrelated", "tcp://198.18.0.11:80", CHECK_NONE);
	fake_nexthop_route("198.18.1.12", OWN);
	next = change();
	put_backend(next, "web", "198.18.1.12:80");
	commit_refused(next, "address",
		       "backend 198.18.1.12:80 of service web: its replies would come to VIP "
		       "tcp://198.18.0.1:2000 of service x, for mode nat uses this address, ports "
		       "1024-32767");
	next = change();
	put_vip(next, "x", "tcp://" OWN ":3000");
	commit_refused(next, "vip",
		       "VIP tcp://198.18.0.1:3000 of service x: replies of backend 198.18.1.11:80 "
		       "of service web come to this address, ports 1024-32767");
}

/* --- what the operator asks for --- */

static void test_maintenance(void **state)
{
	(void)state;
	web_up(CHECK_TCP);
	set_state("web", "198.18.1.11:80", ADMIN_MAINT, 0);
	assert_status("web", "198.18.1.11:80", BACKEND_MAINT, "");
	assert_false(is_up("web", "198.18.1.11:80"));
	assert_null(fake_probe_spec("198.18.1.11:80"));
	set_state("web", "198.18.1.11:80", ADMIN_UP, 0);
	assert_status("web", "198.18.1.11:80", BACKEND_CHECKING, "first check under way");
	fake_probe_report("198.18.1.11:80", NULL);
	assert_status("web", "198.18.1.11:80", BACKEND_UP, "");
}

static void test_changed_check_is_probed(void **state)
{
	struct desired *next;

	(void)state;
	web_up(CHECK_TCP);
	next = change();
	desired_service(next, "web")->check.interval_ms = 100;
	commit_ok(next);
	assert_true(fake_probe_spec("198.18.1.11:80")->interval_ms == 100);
	assert_status("web", "198.18.1.11:80", BACKEND_UP, ""); /* what it was known to be */
}

/* Another check of the same words is the same: nobody is probed anew, for it would begin at once.
 */
static void test_same_check_goes_on(void **state)
{
	const struct check_spec *before;

	(void)state;
	web_up(CHECK_TCP);
	add_backend("web", "198.18.1.12:80");
	before = fake_probe_spec("198.18.1.11:80");
	commit_ok(change());
	assert_ptr_equal(fake_probe_spec("198.18.1.11:80"), before);
	assert_ptr_equal(fake_probe_spec("198.18.1.12:80"), before); /* one for all */
}

/* The prober hears that results speak against what is known, and when they no longer do. */
static void test_prober_hears_of_change(void **state)
{
	struct desired *next;

	(void)state;
	web_up(CHECK_TCP);
	next = change();
	desired_service(next, "web")->check.fall = 2;
	commit_ok(next);
	fake_probe_report("198.18.1.11:80", NULL);
	assert_false(fake_probe_changing("198.18.1.11:80"));
	fake_probe_report("198.18.1.11:80", "connect: Connection refused");
	assert_true(fake_probe_changing("198.18.1.11:80"));
	fake_probe_report("198.18.1.11:80", "connect: Connection refused");
	assert_status("web", "198.18.1.11:80", BACKEND_DOWN, "connect: Connection refused");
	assert_false(fake_probe_changing("198.18.1.11:80"));
}

/* The files of a check are looked at when the check changes, and only then. */
static void test_files_of_a_check(void **state)
{
	struct check_spec *check;
	struct desired *next;
	struct error err = {0};

	(void)state;
	web_up(CHECK_TCP);
	next = change();
	check = &desired_service(next, "web")->check;
	check->kind = CHECK_HTTPS;
	check->ca = strdup("/none/ca.pem");
	assert_int_equal(manager_commit(fx.manager, next, &err), -EINVAL);
	assert_string_equal(err.message, "service web: check-ca: /none/ca.pem: "
					 "No such file or directory");
	assert_string_equal(err.field, "check-ca");
	assert_int_equal(fake_probe_spec("198.18.1.11:80")->kind, CHECK_TCP);
	next = change();
	check = &desired_service(next, "web")->check;
	check->ca = strdup("/none/ca.pem"); /* of a kind that does not use it */
	commit_ok(next);
	commit_ok(change());
}

static uint64_t now_ms(void)
{
	return steady_now(&manager_desired(fx.manager)->steady);
}

/* The clock of deadlines is the manager's own, whatever a change was made from. */
static void test_clock_outlives_changes(void **state)
{
	struct desired *next = desired_clone(manager_desired(fx.manager));

	(void)state;
	assert_non_null(next);
	fixture_stop();
	next->steady = (struct steady){.boot = "one", .offset_ms = 1795222923456ULL};
	fixture_start(next);
	next = change();
	next->steady = (struct steady){0};
	commit_ok(next);
	assert_string_equal(manager_desired(fx.manager)->steady.boot, "one");
	assert_true(manager_desired(fx.manager)->steady.offset_ms == 1795222923456ULL);
}

static void test_drain_ends_at_its_deadline(void **state)
{
	(void)state;
	web_up(CHECK_TCP);
	set_state("web", "198.18.1.11:80", ADMIN_DRAIN, now_ms() + 60000);
	assert_status("web", "198.18.1.11:80", BACKEND_DRAIN, "");
	assert_true(is_up("web", "198.18.1.11:80"));
	set_state("web", "198.18.1.11:80", ADMIN_DRAIN, now_ms());
	run_until(view_of("web", "198.18.1.11:80").status == BACKEND_MAINT);
	assert_false(is_up("web", "198.18.1.11:80"));
	assert_true(backend(manager_desired(fx.manager), "web", "198.18.1.11:80")->deadline_ms ==
		    0);
}

/* Of a flow of the backend's, in the one bucket there is. */
static void put_flow(const char *endpoint)
{
	uint16_t id = backend(manager_desired(fx.manager), "web", endpoint)->id;

	fx.fake->dp.flows[0].word[0] = (uint64_t)id << LB_FLOW_BACKEND_SHIFT |
				       (uint64_t)LB_FLOW_ESTABLISHED << LB_FLOW_STATE_SHIFT;
}

/* After a restart only indices that flows name rest: there is room for a new backend at once. */
static void test_a_backend_right_after_a_restart(void **state)
{
	uint16_t id;

	(void)state;
	web_up(CHECK_NONE);
	add_backend("web", "198.18.1.13:80");
	put_flow("198.18.1.13:80");
	id = backend(manager_desired(fx.manager), "web", "198.18.1.13:80")->id;
	set_state("web", "198.18.1.13:80", ADMIN_MAINT, 0);
	struct desired *next = change();
	service_remove_backend(desired_service(next, "web"),
			       backend(next, "web", "198.18.1.13:80"));
	commit_ok(next);
	fixture_restart();
	add_backend("web", "198.18.1.14:80");
	assert_int_not_equal(backend(manager_desired(fx.manager), "web", "198.18.1.14:80")->id, id);
}

static size_t web_backends(void)
{
	return desired_service(manager_desired(fx.manager), "web")->backend_count;
}

static void test_removal_waits_for_flows(void **state)
{
	struct desired *next;
	struct error err;
	unsigned int saved;

	(void)state;
	web_up(CHECK_TCP);
	put_flow("198.18.1.11:80");
	next = change();
	backend(next, "web", "198.18.1.11:80")->removing = true;
	commit_ok(next);
	saved = fx.saves;
	run_until(view_of("web", "198.18.1.11:80").active_flows == 1);
	for (int i = 0; i < 5; i++)
		uv_run(&fx.loop, UV_RUN_ONCE);
	assert_status("web", "198.18.1.11:80", BACKEND_REMOVING, "");
	assert_true(is_up("web", "198.18.1.11:80"));
	assert_int_equal(fx.saves, saved);
	fx.fake->dp.flows[0].word[0] = 0;
	run_until(web_backends() == 0);
	assert_int_equal(fx.saves, saved + 1);
	assert_int_equal(fake_nexthop_watchers("198.18.1.11"), 0);
	assert_null(fake_probe_spec("198.18.1.11:80"));
	assert_int_equal(fx.fake->dp.backends[1].service, 0);
	/* Packets under way may still name index 1. */
	next = change();
	put_backend(next, "web", "198.18.1.12:80");
	assert_int_equal(commit(next, &err), 0);
	assert_int_equal(backend(manager_desired(fx.manager), "web", "198.18.1.12:80")->id, 2);
}

/* A flow that began right before the drain is in no count yet. */
static void test_drained_is_certain(void **state)
{
	(void)state;
	web_up(CHECK_TCP);
	assert_false(view_of("web", "198.18.1.11:80").drained);
	set_state("web", "198.18.1.11:80", ADMIN_DRAIN, 0);
	assert_int_equal(view_of("web", "198.18.1.11:80").active_flows, 0);
	assert_false(view_of("web", "198.18.1.11:80").drained);
	put_flow("198.18.1.11:80");
	run_until(view_of("web", "198.18.1.11:80").active_flows == 1);
	for (int i = 0; i < 3; i++)
		uv_run(&fx.loop, UV_RUN_ONCE);
	assert_false(view_of("web", "198.18.1.11:80").drained);
	fx.fake->dp.flows[0].word[0] = 0;
	run_until(view_of("web", "198.18.1.11:80").drained);
	set_state("web", "198.18.1.11:80", ADMIN_UP, 0);
	assert_false(view_of("web", "198.18.1.11:80").drained);
}

/* --- what is told of it --- */

/* The newest event, if it is of this kind; else NULL. */
static const struct event *told(enum event_kind kind)
{
	const struct journal *journal = events_journal(fx.events);
	const struct event *event = journal_after(journal, journal_newest(journal) - 1);

	return event && event->kind == kind ? event : NULL;
}

static size_t times_told(enum event_kind kind)
{
	const struct event *event;
	uint64_t seq = 0;
	size_t count = 0;

	while ((event = journal_after(events_journal(fx.events), seq))) {
		seq = event->seq;
		count += event->kind == kind;
	}
	return count;
}

static void test_drain_is_told(void **state)
{
	const struct event *event;

	(void)state;
	web_up(CHECK_TCP);
	put_flow("198.18.1.11:80");
	set_state("web", "198.18.1.11:80", ADMIN_DRAIN, 0);
	event = told(EVENT_BACKEND_DRAIN);
	assert_non_null(event);
	assert_string_equal(event->before, "up");
	assert_string_equal(event->backend, "198.18.1.11:80");
	run_until(view_of("web", "198.18.1.11:80").drain_flows == 1);
	assert_true(view_of("web", "198.18.1.11:80").draining);
	assert_int_equal(times_told(EVENT_BACKEND_DRAINED), 0);
	fx.fake->dp.flows[0].word[0] = 0;
	run_until(told(EVENT_BACKEND_DRAINED));
	assert_string_equal(told(EVENT_BACKEND_DRAINED)->before, "1 flow");
	assert_int_equal(view_of("web", "198.18.1.11:80").drain_flows, 1);
	for (int i = 0; i < 20; i++)
		uv_run(&fx.loop, UV_RUN_ONCE);
	assert_int_equal(times_told(EVENT_BACKEND_DRAINED), 1);
	set_state("web", "198.18.1.11:80", ADMIN_UP, 0);
	assert_false(view_of("web", "198.18.1.11:80").draining);
}

static void test_end_of_drain_has_a_reason(void **state)
{
	struct desired *next;

	(void)state;
	web_up(CHECK_TCP);
	put_flow("198.18.1.11:80");
	run_until(view_of("web", "198.18.1.11:80").active_flows == 1);
	set_state("web", "198.18.1.11:80", ADMIN_DRAIN, now_ms());
	run_until(told(EVENT_BACKEND_MAINT));
	assert_string_equal(told(EVENT_BACKEND_MAINT)->reason,
			    "its deadline passed, flows left: 1");
	assert_string_equal(told(EVENT_BACKEND_MAINT)->who, "lbagent");
	fx.fake->dp.flows[0].word[0] = 0;
	next = change();
	backend(next, "web", "198.18.1.11:80")->removing = true;
	commit_ok(next);
	run_until(told(EVENT_BACKEND_REMOVED));
	assert_string_equal(told(EVENT_BACKEND_REMOVED)->reason, "its last flow has ended");
}

/* Others who must agree to what changes a backend's weight or state. */
static int consent_answer;
static unsigned int asked;

static int consent(void *context, const struct desired *former, const struct desired *next,
		   struct error *err)
{
	const struct backend_spec *before = backend(former, "web", "198.18.1.11:80");
	const struct backend_spec *after = backend(next, "web", "198.18.1.11:80");

	(void)context;
	if (before->weight == after->weight && before->state == after->state)
		return 0;
	asked++;
	return consent_answer ? error_set(err, consent_answer, "not agreed") : 0;
}

static int set_weight(uint16_t weight)
{
	struct desired *next = change();
	struct error err;

	backend(next, "web", "198.18.1.11:80")->weight = weight;
	return commit(next, &err);
}

static uint16_t weight_now(void)
{
	return backend(manager_desired(fx.manager), "web", "198.18.1.11:80")->weight;
}

static void test_asks_before_it_saves(void **state)
{
	unsigned int saves;

	(void)state;
	web_up(CHECK_TCP);
	manager_on_commit(fx.manager, consent, NULL);
	saves = fx.saves;
	consent_answer = EINPROGRESS;
	assert_int_equal(set_weight(7), -EINPROGRESS);
	consent_answer = EAGAIN;
	assert_int_equal(set_weight(7), -EAGAIN);
	assert_int_equal(fx.saves, saves);
	assert_int_not_equal(weight_now(), 7);
	consent_answer = 0;
	assert_int_equal(set_weight(7), 0);
	assert_int_equal(fx.saves, saves + 1);
	assert_int_equal(weight_now(), 7);
}

/* The end of a drain is a change that must be agreed to; a removal is none, and does not wait. */
static void test_drain_ends_when_that_is_agreed(void **state)
{
	struct desired *next;
	struct backend_spec *other;

	(void)state;
	web_up(CHECK_TCP);
	add_backend("web", "198.18.1.12:80");
	manager_on_commit(fx.manager, consent, NULL);
	consent_answer = asked = 0;
	next = change();
	backend(next, "web", "198.18.1.11:80")->state = ADMIN_DRAIN;
	backend(next, "web", "198.18.1.11:80")->deadline_ms = now_ms();
	other = backend(next, "web", "198.18.1.12:80");
	other->removing = true;
	other->deadline_ms = now_ms();
	commit_ok(next);
	consent_answer = EINPROGRESS;
	asked = 0;
	run_until(asked > 2);
	assert_int_equal(web_backends(), 1);
	assert_int_equal(backend(manager_desired(fx.manager), "web", "198.18.1.11:80")->state,
			 ADMIN_DRAIN);
	consent_answer = 0;
	run_until(told(EVENT_BACKEND_MAINT));
}

static void test_death_is_told(void **state)
{
	const struct event *event;

	(void)state;
	web_up(CHECK_TCP);
	for (int i = 0; i < 3; i++)
		fake_probe_report("198.18.1.11:80", "connection refused");
	event = told(EVENT_BACKEND_DOWN);
	assert_non_null(event);
	assert_string_equal(event->service, "web");
	assert_string_equal(event->before, "up");
	assert_string_equal(event->after, "down");
	assert_string_equal(event->reason, "connection refused");
	assert_true(event->generation == manager_desired(fx.manager)->generation);
}

/* Being asked for and checked is what every new backend goes through. */
static void test_beginning_is_told_when_it_takes_long(void **state)
{
	(void)state;
	add_service("web", "tcp://198.18.0.10:80", CHECK_TCP);
	add_backend("web", "198.18.1.11");
	add_backend("web", "198.18.1.12");
	resolve("198.18.1.11", OWN);
	fake_probe_report("198.18.1.11:80", NULL);
	assert_int_equal(times_told(EVENT_BACKEND_CHECKING), 0);
	assert_string_equal(told(EVENT_BACKEND_UP)->before, "checking");
	lose("198.18.1.12");
	assert_int_equal(times_told(EVENT_BACKEND_NO_NEIGHBOUR), 0);
	run_until(told(EVENT_BACKEND_NO_NEIGHBOUR));
	assert_string_equal(told(EVENT_BACKEND_NO_NEIGHBOUR)->reason, "no ARP reply");
	assert_string_equal(told(EVENT_BACKEND_NO_NEIGHBOUR)->backend, "198.18.1.12:80");
	lose("198.18.1.11");
	assert_status("web", "198.18.1.11:80", BACKEND_UP, ""); /* the check vouches for it */
}

/* Each enum backend_status has a kind of its own. */
static void test_statuses_are_kinds(void **state)
{
	enum event_kind kind;
	char name[64];

	(void)state;
	for (int status = BACKEND_UP; status <= BACKEND_NO_NEIGHBOUR; status++) {
		snprintf(name, sizeof(name), "backend-%s",
			 backend_status_name((enum backend_status)status));
		assert_true(event_kind_find(name, &kind));
	}
}

/* --- what fails --- */

static void test_unsaved_change_is_none(void **state)
{
	struct desired *next;
	struct error err;

	(void)state;
	web_up(CHECK_TCP);
	fx.save_error = ENOSPC;
	next = change();
	put_backend(next, "web", "198.18.1.12:80");
	assert_int_equal(commit(next, &err), -ENOSPC);
	assert_string_equal(err.message, "disk: No space left on device");
	assert_int_equal(web_backends(), 1);
	assert_null(fake_probe_spec("198.18.1.12:80"));
	assert_int_equal(fake_nexthop_watchers("198.18.1.12"), 0);
}

/* The map is full: the change is refused, and nothing of it stays anywhere. */
static void test_unsynced_change_is_undone(void **state)
{
	uint64_t generation;
	struct desired *next;
	char vip[32];
	struct error err;

	(void)state;
	web_up(CHECK_TCP);
	for (int i = 1; i <= 6; i++) { /* with web's and the NAT address: 8 */
		snprintf(vip, sizeof(vip), "tcp://198.18.0.11:%d", i);
		next = change();
		if (i == 1)
			put_service(next, "x", vip, CHECK_NONE);
		else
			put_vip(next, "x", vip);
		commit_ok(next);
	}
	generation = manager_desired(fx.manager)->generation;
	fx.saves = 0;
	next = change();
	put_service(next, "y", "tcp://198.18.0.12:80", CHECK_TCP);
	put_backend(next, "y", "198.18.1.12:80");
	backend(next, "web", "198.18.1.11:80")->state = ADMIN_MAINT;
	assert_int_equal(commit(next, &err), -E2BIG);
	assert_true(manager_desired(fx.manager)->generation == generation);
	assert_null(desired_service(manager_desired(fx.manager), "y"));
	assert_int_equal(fx.saves, 2); /* there and back */
	assert_null(manager_out_of_sync(fx.manager));
	assert_int_equal(fake_dataplane_vips_but_echo(fx.fake), 8);
	assert_null(fake_probe_spec("198.18.1.12:80"));
	assert_int_equal(fake_nexthop_watchers("198.18.1.12"), 0);
	fake_probe_report("198.18.1.11:80", NULL); /* maintenance had forgotten what it was */
	assert_status("web", "198.18.1.11:80", BACKEND_UP, "");
	assert_true(is_up("web", "198.18.1.11:80"));
}

static void test_sync_is_tried_again(void **state)
{
	struct desired *next;
	struct error err;

	(void)state;
	web_up(CHECK_TCP);
	fx.fake->vip_put_error = EPERM;
	next = change();
	put_service(next, "x", "tcp://198.18.0.11:80", CHECK_NONE);
	assert_int_equal(commit(next, &err), -EPERM);
	assert_string_equal(manager_out_of_sync(fx.manager), "VIP cannot be entered");
	assert_null(desired_service(manager_desired(fx.manager), "x"));
	fx.fake->vip_put_error = 0;
	run_until(!manager_out_of_sync(fx.manager));
	assert_int_equal(fake_dataplane_vips_but_echo(fx.fake), 2); /* and the NAT address */
}

/* --- a restart --- */

static void test_restart_takes_up_as_up(void **state)
{
	uint16_t flags;

	(void)state;
	web_up(CHECK_TCP);
	add_backend("web", "198.18.1.12:80");
	resolve("198.18.1.12", OWN);
	for (int i = 0; i < 3; i++)
		fake_probe_report("198.18.1.12:80", "timeout");
	flags = record("web", "198.18.1.11:80")->hop.flags;
	fixture_restart();
	assert_status("web", "198.18.1.11:80", BACKEND_UP, "");
	assert_int_equal(record("web", "198.18.1.11:80")->hop.flags, flags);
	assert_true(nat_key_is(LB_VIP_NAT));
	assert_status("web", "198.18.1.12:80", BACKEND_CHECKING, "first check under way");
	fake_probe_report("198.18.1.12:80", "timeout");
	assert_status("web", "198.18.1.12:80", BACKEND_DOWN, "timeout");
}

/* The neighbour is being asked for again, the check passes: so it was up, and stays up. */
static void test_restart_with_a_lost_hop(void **state)
{
	struct lb_backend before;

	(void)state;
	web_up(CHECK_TCP);
	lose("198.18.1.11");
	before = *record("web", "198.18.1.11:80");
	assert_int_equal(before.hop.flags, LB_BACKEND_UP);
	fixture_restart();
	assert_status("web", "198.18.1.11:80", BACKEND_UP, "");
	assert_memory_equal(record("web", "198.18.1.11:80"), &before, sizeof(before));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* --- tunnels and MTUs --- */

static void set_mode(const char *name, enum lb_mode mode)
{
	struct desired *next = change();

	desired_service(next, name)->mode = mode;
	commit_ok(next);
}

/* Tunnels know the path's MTU; the other modes only where it is less than what may come in. */
static void test_mtu(void **state)
{
	struct nexthop hop = hop_from(OWN);

	(void)state;
	fx.fake->dp.mtu = 1500;
	hop.mtu = 1500;
	hop.vlan = 5 | 1 << LB_VLAN_COUNT_SHIFT;
	web_up(CHECK_TCP);
	fake_nexthop_tell("198.18.1.11", &hop);
	assert_int_equal(record("web", "198.18.1.11:80")->hop.mtu, 0);
	assert_int_equal(record("web", "198.18.1.11:80")->hop.vlan, hop.vlan);
	set_mode("web", LB_MODE_IPIP);
	assert_int_equal(record("web", "198.18.1.11:80")->hop.mtu, 1500);
	set_mode("web", LB_MODE_L2);
	assert_int_equal(record("web", "198.18.1.11:80")->hop.mtu, 0);
	hop.mtu = 1400;
	fake_nexthop_tell("198.18.1.11", &hop);
	assert_int_equal(record("web", "198.18.1.11:80")->hop.mtu, 1400);
}

static void lengthen_mtu(void *context)
{
	fx.fake->dp.mtu = *(const uint32_t *)context;
}

/* An interface that takes in longer packets makes a way too short that was not. */
static void test_mtu_of_interfaces(void **state)
{
	struct nexthop hop = hop_from(OWN);
	uint32_t mtu = 9000;

	(void)state;
	fx.fake->dp.mtu = hop.mtu = 1500;
	web_up(CHECK_TCP);
	fake_nexthop_tell("198.18.1.11", &hop);
	fake_nexthop_tell_links(); /* nobody listens */
	manager_on_links(fx.manager, lengthen_mtu, &mtu);
	fake_nexthop_tell_links();
	assert_int_equal(record("web", "198.18.1.11:80")->hop.mtu, 1500);
	mtu = 1500;
	fake_nexthop_tell_links();
	assert_int_equal(record("web", "198.18.1.11:80")->hop.mtu, 0);
}

/* The outer sources say nothing of the own address, and are not taken for it. */
static void test_restart_with_tunnels(void **state)
{
	struct nexthop hop = hop_from(OWN);
	struct address addr;
	struct error err;
	struct lb_backend before;

	(void)state;
	assert_int_equal(parse_address("172.16.0.0", &addr, &err), 0);
	memcpy(&fx.fake->dp.tunnel_sources[0].addr, &addr, sizeof(addr));
	fx.fake->dp.tunnel_sources[0].host_bits = 16;
	hop.mtu = 1500;
	web_up(CHECK_NONE);
	set_mode("web", LB_MODE_IPIP);
	fake_nexthop_tell("198.18.1.11", &hop);
	before = *record("web", "198.18.1.11:80");
	assert_int_equal(before.spread_bits, 16);
	assert_memory_equal(&before.local_addr, &addr, sizeof(addr));
	fixture_restart();
	assert_memory_equal(record("web", "198.18.1.11:80"), &before, sizeof(before));
	assert_status("web", "198.18.1.11:80", BACKEND_UP, "");
	set_mode("web", LB_MODE_NAT); /* before the kernel has said what the own address is */
	assert_int_equal(fake_dataplane_vips(fx.fake, LB_VIP_NAT), 0);
	fake_nexthop_tell("198.18.1.11", &hop);
	assert_int_equal(fake_dataplane_vips(fx.fake, LB_VIP_NAT), 1);
	assert_int_equal(record("web", "198.18.1.11:80")->spread_bits, 0);
}

/* --- planned, not done --- */

static void test_a_plan_changes_nothing(void **state)
{
	struct backend_view before;
	struct plan *plan = NULL;
	struct desired *next;
	unsigned int saved;
	struct error err;

	(void)state;
	web_up(CHECK_NONE);
	before = view_of("web", "198.18.1.11:80");
	saved = fx.saves;
	next = change();
	put_backend(next, "web", "198.18.1.12:80");
	assert_int_equal(manager_plan(fx.manager, next, &plan, &err), 0);
	assert_int_equal(plan->service_count, 1);
	assert_int_equal(plan->services[0].backends[0].slots_before, 251);
	assert_in_range(plan->services[0].backends[1].slots_after, 125, 126);
	assert_int_equal(fx.saves, saved);
	assert_int_equal(manager_desired(fx.manager)->services[0].backend_count, 1);
	assert_true(view_of("web", "198.18.1.11:80").share == before.share);
	plan_free(plan);
	/* What was planned can be committed. */
	commit_ok(next);
	resolve("198.18.1.12", OWN);
	assert_status("web", "198.18.1.12:80", BACKEND_UP, "");
	assert_in_range((int)(251 * view_of("web", "198.18.1.12:80").share + 0.5), 125, 126);
}

static void test_a_plan_refuses_what_a_commit_does(void **state)
{
	struct plan *plan = NULL;
	struct desired *next;
	struct error err;

	(void)state;
	web_up(CHECK_NONE);
	next = change();
	put_service(next, "other", "tcp://198.18.0.11:80", CHECK_NONE);
	desired_service(next, "other")->vips[0].vip =
		manager_desired(fx.manager)->services[0].vips[0].vip;
	assert_int_equal(manager_plan(fx.manager, next, &plan, &err), -EEXIST);
	assert_null(plan);
	desired_free(next);
}

/* One goes and another comes in the same change: it begins anew, with an index of its own. */
static void test_no_index_is_handed_over(void **state)
{
	struct desired *next;
	uint16_t former;

	(void)state;
	web_up(CHECK_TCP);
	former = backend(manager_desired(fx.manager), "web", "198.18.1.11:80")->id;
	next = change();
	service_remove_backend(desired_service(next, "web"),
			       backend(next, "web", "198.18.1.11:80"));
	put_backend(next, "web", "198.18.1.12:80");
	commit_ok(next);
	assert_int_not_equal(backend(manager_desired(fx.manager), "web", "198.18.1.12:80")->id,
			     former);
	assert_status("web", "198.18.1.12:80", BACKEND_CHECKING, "next hop is being asked for");
	assert_int_equal(fake_nexthop_watchers("198.18.1.11"), 0);
	assert_int_equal(fake_nexthop_watchers("198.18.1.12"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_plan_changes_nothing),
		TEST(test_a_plan_refuses_what_a_commit_does),
		TEST(test_no_index_is_handed_over),
		TEST(test_up_after_hop_and_check),
		TEST(test_checks_take_down_and_bring_up),
		TEST(test_no_neighbour),
		TEST(test_lost_hop_with_and_without_check),
		TEST(test_moved_hop),
		TEST(test_one_hop_of_two_services),
		TEST(test_change_does_not_wait_for_others),
		TEST(test_l2_needs_the_link),
		TEST(test_vip_on_nat_address_refused),
		TEST(test_backend_behind_vip_refused),
		TEST(test_mode_behind_vip_refused),
		TEST(test_first_start_behind_vip_refused),
		TEST(test_route_moves_behind_any_port),
		TEST(test_route_moves_behind_a_port),
		TEST(test_maintenance),
		TEST(test_changed_check_is_probed),
		TEST(test_clock_outlives_changes),
		TEST(test_a_backend_right_after_a_restart),
		TEST(test_same_check_goes_on),
		TEST(test_prober_hears_of_change),
		TEST(test_files_of_a_check),
		TEST(test_drain_ends_at_its_deadline),
		TEST(test_removal_waits_for_flows),
		TEST(test_drained_is_certain),
		TEST(test_drain_is_told),
		TEST(test_end_of_drain_has_a_reason),
		TEST(test_asks_before_it_saves),
		TEST(test_drain_ends_when_that_is_agreed),
		TEST(test_death_is_told),
		TEST(test_beginning_is_told_when_it_takes_long),
		TEST(test_statuses_are_kinds),
		TEST(test_unsaved_change_is_none),
		TEST(test_unsynced_change_is_undone),
		TEST(test_sync_is_tried_again),
		TEST(test_mtu),
		TEST(test_mtu_of_interfaces),
		TEST(test_restart_with_tunnels),
		TEST(test_restart_takes_up_as_up),
		TEST(test_restart_with_a_lost_hop),
	};

	return cmocka_run_group_tests_name("manager", tests, NULL, NULL);
}
