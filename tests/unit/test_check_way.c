/* SPDX-License-Identifier: Apache-2.0 */

/* Which way checks go, and to which port. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "check_way.h"

#define OWN4   "198.18.0.1"
#define OWN6   "2001:db8::1"
#define DEVICE 5

static struct address address_of(const char *text)
{
	struct address address;
	struct error err;

	assert_int_equal(parse_address(text, &address, &err), 0);
	return address;
}

/* --- fixture: one service, web, with one backend --- */

static struct {
	struct desired *desired;
	struct service_spec *service;
	struct backend_spec backend;
	struct nexthop hop;
	struct rtnl_address addresses[6];
	struct check_way_facts facts;
	struct check_way way;
} fx;

static void put_vip(const char *text)
{
	struct service_spec *service = fx.service;
	struct error err;

	service->vips = reallocarray(service->vips, service->vip_count + 1, sizeof(*service->vips));
	assert_non_null(service->vips);
	service->vips[service->vip_count] = (struct vip_spec){0};
	assert_int_equal(parse_vip(text, &service->vips[service->vip_count++].vip, &err), 0);
}

static void set_backend(const char *text, uint16_t port)
{
	struct error err;

	fx.backend = (struct backend_spec){.weight = 1};
	assert_int_equal(parse_endpoint(text, port, &fx.backend.endpoint, &err), 0);
	fx.hop = (struct nexthop){
		.resolved = true,
		.device = DEVICE,
		.source = address_of(address_is_ipv4(&fx.backend.endpoint.address) ? OWN4 : OWN6),
	};
}

static void own(const char *text, uint32_t ifindex, bool source)
{
	fx.addresses[fx.facts.address_count++] = (struct rtnl_address){
		.ifindex = ifindex, .address = address_of(text), .source = source};
}

static int setup(void **state)
{
	(void)state;
	memset(&fx, 0, sizeof(fx));
	fx.desired = desired_new();
	fx.desired->services = calloc(1, sizeof(*fx.desired->services));
	fx.desired->service_count = 1;
	fx.service = fx.desired->services;
	service_spec_init(fx.service);
	fx.service->mode = LB_MODE_IPIP;
	fx.facts.desired = fx.desired;
	fx.facts.addresses = fx.addresses;
	set_backend("198.18.1.11", 80);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	desired_free(fx.desired);
	return 0;
}

static void find(void)
{
	check_way_find(fx.service, &fx.backend, &fx.hop, &fx.facts, &fx.way);
}

static void expect_vip(const char *vip, const char *target)
{
	char text[VIP_TEXT_MAX], endpoint[ENDPOINT_TEXT_MAX];

	find();
	assert_int_equal(fx.way.kind, WAY_VIP);
	assert_string_equal(format_vip(&fx.way.vip, text), vip);
	assert_string_equal(format_endpoint(&fx.way.target, endpoint), target);
	assert_string_equal(fx.way.reason, "");
	assert_string_equal(check_way_name(&fx.way), "vip");
}

static void expect_address(const char *target, const char *reason)
{
	char endpoint[ENDPOINT_TEXT_MAX];

	find();
	assert_int_equal(fx.way.kind, WAY_ADDRESS);
	assert_string_equal(format_endpoint(&fx.way.target, endpoint), target);
	assert_string_equal(fx.way.reason, reason);
	assert_string_equal(check_way_name(&fx.way), "address");
}

/* --- the way --- */

static void by_mode(void **state)
{
	static const enum lb_mode modes[] = {LB_MODE_L2, LB_MODE_IPIP, LB_MODE_GUE};

	(void)state;
	put_vip("tcp://198.18.0.10:80");
	for (size_t i = 0; i < 3; i++) {
		fx.service->mode = modes[i];
		assert_true(check_way_wants_vip(fx.service));
		expect_vip("tcp://198.18.0.10:80", "198.18.1.11:80");
	}
	fx.service->mode = LB_MODE_NAT;
	assert_false(check_way_wants_vip(fx.service));
	expect_address("198.18.1.11:80", "");
}

static void as_asked_for(void **state)
{
	(void)state;
	put_vip("tcp://198.18.0.10:80");
	fx.service->check_via = VIA_VIP;
	expect_vip("tcp://198.18.0.10:80", "198.18.1.11:80");
	fx.service->check_via = VIA_ADDRESS;
	assert_false(check_way_wants_vip(fx.service));
	expect_address("198.18.1.11:80", "");
	fx.service->check_via = VIA_AUTO;
	fx.service->check.kind = CHECK_NONE;
	assert_false(check_way_wants_vip(fx.service));
}

static void which_port(void **state)
{
	(void)state;
	put_vip("tcp://198.18.0.10:*");
	expect_vip("tcp://198.18.0.10:80", "198.18.1.11:80");
	put_vip("udp://198.18.0.10:53");
	expect_vip("tcp://198.18.0.10:80", "198.18.1.11:80");
	put_vip("tcp://198.18.0.11:443");
	expect_vip("tcp://198.18.0.11:443", "198.18.1.11:443");
	put_vip("tcp://198.18.0.12:8443");
	expect_vip("tcp://198.18.0.11:443", "198.18.1.11:443");
	fx.service->check.port = 81;
	expect_vip("tcp://198.18.0.11:81", "198.18.1.11:81");
	fx.service->check_via = VIA_ADDRESS;
	expect_address("198.18.1.11:81", "");
}

static void of_another_protocol(void **state)
{
	(void)state;
	put_vip("udp://198.18.0.10:53");
	set_backend("198.18.1.11", 53);
	expect_vip("tcp://198.18.0.10:53", "198.18.1.11:53");
}

static void of_a_prefix(void **state)
{
	(void)state;
	put_vip("tcp://198.18.64.0/24:80");
	expect_vip("tcp://198.18.64.0:80", "198.18.1.11:80");
	put_vip("tcp://198.18.0.10:80");
	expect_vip("tcp://198.18.0.10:80", "198.18.1.11:80");
}

static void on_the_balancer(void **state)
{
	char endpoint[ENDPOINT_TEXT_MAX];

	(void)state;
	put_vip("tcp://198.18.0.10:80");
	set_backend(OWN4, 80);
	fx.hop = (struct nexthop){.resolved = true, .local = true, .source = address_of(OWN4)};
	find();
	assert_int_equal(fx.way.kind, WAY_HOST);
	assert_string_equal(format_endpoint(&fx.way.target, endpoint), "198.18.0.10:80");
	assert_string_equal(check_way_name(&fx.way), "vip");
}

/* --- what stands against it --- */

static void refused_by_the_kernel(void **state)
{
	(void)state;
	put_vip("tcp://198.18.0.10:80");
	fx.facts.refused = "no clsact";
	expect_address("198.18.1.11:80", "no clsact");
}

static void the_vip_is_where_we_send_from(void **state)
{
	(void)state;
	put_vip("tcp://198.18.0.1:80");
	expect_address("198.18.1.11:80",
		       "the VIP 198.18.0.1 is also the address that this machine sends from");
	fx.hop.resolved = false;
	expect_vip("tcp://198.18.0.1:80", "198.18.1.11:80");
}

static void another_family_needs_an_address(void **state)
{
	struct address wanted = address_of("2001:db8::2");

	(void)state;
	put_vip("tcp://[2001:db8::10]:80");
	put_vip("tcp://[2001:db8:64::/64]:80");
	expect_address("198.18.1.11:80",
		       "this machine has no IPv6 address but VIPs, for replies to come to");
	own(OWN4, DEVICE, true);
	own("2001:db8::10", DEVICE, true);
	own("2001:db8:64::7", DEVICE, true);
	own("2001:db8::9", DEVICE, false);
	expect_address("198.18.1.11:80",
		       "this machine has no IPv6 address but VIPs, for replies to come to");
	own("2001:db8:7::1", DEVICE + 1, true);
	expect_vip("tcp://[2001:db8::10]:80", "198.18.1.11:80");
	own("2001:db8::2", DEVICE, true);
	expect_vip("tcp://[2001:db8::10]:80", "198.18.1.11:80");
	assert_true(address_equal(&fx.way.own, &wanted));
}

static void the_other_mix(void **state)
{
	struct address wanted = address_of(OWN4);

	(void)state;
	put_vip("tcp://198.18.0.10:80");
	set_backend("[2001:db8::1:11]", 80);
	own("198.18.0.10", DEVICE, true);
	own(OWN4, DEVICE, true);
	expect_vip("tcp://198.18.0.10:80", "[2001:db8::1:11]:80");
	assert_true(address_equal(&fx.way.own, &wanted));
}

static void equal(void **state)
{
	struct check_way former;

	(void)state;
	put_vip("tcp://198.18.0.10:80");
	find();
	former = fx.way;
	find();
	assert_true(check_way_equal(&former, &fx.way));
	fx.service->check.port = 81;
	find();
	assert_false(check_way_equal(&former, &fx.way));
	fx.service->check.port = 0;
	fx.service->check_via = VIA_ADDRESS;
	find();
	assert_false(check_way_equal(&former, &fx.way));
	/* whatever stands in the VIP of a way that is not by the VIP */
	former = fx.way;
	former.vip.endpoint.port = 7;
	assert_true(check_way_equal(&former, &fx.way));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(by_mode),
		TEST(as_asked_for),
		TEST(which_port),
		TEST(of_another_protocol),
		TEST(of_a_prefix),
		TEST(on_the_balancer),
		TEST(refused_by_the_kernel),
		TEST(the_vip_is_where_we_send_from),
		TEST(another_family_needs_an_address),
		TEST(the_other_mix),
		TEST(equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
