/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "reply_takers.h"
#include "spec_fixture.h"

static const char *reply_taker(const struct desired *desired, const char *own,
			       const struct service_spec *before)
{
	static char text[VIP_TEXT_MAX];
	const struct service_spec *owner = NULL;
	const struct vip_spec *vip;
	struct address address;
	struct reply_takers *takers = reply_takers_new(desired, 1024, 32767);
	struct error err;

	assert_non_null(takers);
	assert_int_equal(parse_address(own, &address, &err), 0);
	vip = reply_takers_find(takers, &desired->services[0], &address, before, &owner);
	reply_takers_free(takers);
	if (!vip)
		return "none";
	assert_string_equal(owner->name, "other");
	return format_vip(&vip->vip, text);
}

static void test_reply_taker(void **state)
{
	static const struct {
		const char *vip, *taker;
	} cases[] = {
		{"tcp://198.18.0.1:1023", "none"},
		{"tcp://198.18.0.1:1024", "tcp://198.18.0.1:1024"},
		{"tcp://198.18.0.1:32767", "tcp://198.18.0.1:32767"},
		{"tcp://198.18.0.1:32768", "none"},
		{"tcp://198.18.0.1:*", "tcp://198.18.0.1:*"},
		{"udp://198.18.0.1:*", "none"}, /* web has no VIP of UDP */
		{"tcp://198.18.0.2:2000", "none"},
	};
	struct desired *desired = desired_new();
	struct service_spec web = make_service("web", "tcp://198.18.0.10:80");
	struct service_spec other = make_service("other", "tcp://198.18.0.11:80");
	struct vip_spec *vip;
	struct error err;

	(void)state;
	assert_int_equal(desired_add_service(desired, &web, &err), 0);
	assert_int_equal(desired_add_service(desired, &other, &err), 0);
	vip = &desired->services[1].vips[0];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse_vip(cases[i].vip, &vip->vip, &err), 0);
		assert_string_equal(reply_taker(desired, "198.18.0.1", NULL), cases[i].taker);
	}
	vip->vip.endpoint.address = desired->services[0].vips[0].vip.endpoint.address;
	assert_string_equal(reply_taker(desired, "198.18.0.10", NULL), "tcp://198.18.0.10:2000");
	desired->services[0].mode = LB_MODE_L2;
	assert_string_equal(reply_taker(desired, "198.18.0.10", NULL), "none");
	desired_free(desired);
}

/* Only what a change brings about is new: the VIP, or replies of its protocol. */
static void test_reply_taker_that_was_there(void **state)
{
	struct desired *desired = desired_new();
	struct service_spec web = make_service("web", "tcp://198.18.0.10:80");
	struct service_spec before = make_service("web", "tcp://198.18.0.10:80");
	struct service_spec other = make_service("other", "tcp://198.18.0.1:2000");
	struct error err;

	(void)state;
	assert_int_equal(desired_add_service(desired, &web, &err), 0);
	assert_int_equal(desired_add_service(desired, &other, &err), 0);
	assert_string_equal(reply_taker(desired, "198.18.0.1", &before), "tcp://198.18.0.1:2000");
	desired->services[1].vips[0].id = 1;
	assert_string_equal(reply_taker(desired, "198.18.0.1", &before), "none");
	before.vips[0].vip.protocol = IPPROTO_UDP;
	assert_string_equal(reply_taker(desired, "198.18.0.1", &before), "tcp://198.18.0.1:2000");
	before.vips[0].vip.protocol = IPPROTO_TCP;
	before.mode = LB_MODE_L2;
	assert_string_equal(reply_taker(desired, "198.18.0.1", &before), "tcp://198.18.0.1:2000");
	service_spec_clear(&before);
	desired_free(desired);
}

/* Among many, at other addresses before and behind, those of its own are found. */
static void test_many(void **state)
{
	struct desired *desired = desired_new();
	const struct service_spec *owner = NULL;
	struct reply_takers *takers;
	struct error err;
	char text[VIP_TEXT_MAX];

	(void)state;
	for (unsigned int i = 0; i < 200; i++) {
		struct service_spec spec;
		char name[8];

		snprintf(name, sizeof(name), "s%u", i);
		snprintf(text, sizeof(text), "tcp://198.18.%u.1:%u", i * 37 % 50, 2000 + i);
		spec = make_service(name, text);
		assert_int_equal(desired_add_service(desired, &spec, &err), 0);
	}
	takers = reply_takers_new(desired, 1024, 32767);
	assert_non_null(takers);
	for (unsigned int i = 0; i < 60; i++) {
		struct address own;
		const struct vip_spec *vip;

		snprintf(text, sizeof(text), "198.18.%u.1", i);
		assert_int_equal(parse_address(text, &own, &err), 0);
		vip = reply_takers_find(takers, &desired->services[0], &own, NULL, &owner);
		assert_int_equal(vip != NULL, i < 50);
		assert_true(!vip || address_equal(&vip->vip.endpoint.address, &own));
	}
	reply_takers_free(takers);
	desired_free(desired);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reply_taker),
		cmocka_unit_test(test_reply_taker_that_was_there),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
