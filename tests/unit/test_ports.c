/* SPDX-License-Identifier: Apache-2.0 */

/* Which interfaces are attached, and what bonds make of them, on a fake data plane. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "fake_dataplane.h"
#include "ports.h"

#define BOND 9

static struct {
	struct fake_dataplane *fake;
	struct ports *ports;
	struct links links;
} fx;

static const char names[][IF_NAMESIZE] = {"eth0", "bond0"};

static void put(uint32_t ifindex, const char *name, uint32_t master)
{
	struct rtnl_link link = {
		.ifindex = ifindex, .up = true, .ethernet = true, .mtu = 1500, .master = master};

	strncpy(link.name, name, sizeof(link.name) - 1);
	if (ifindex == BOND)
		link.kind = RTNL_LINK_BOND;
	assert_true(links_put(&fx.links, &link) >= 0);
}

static void set_up(uint32_t ifindex, bool up)
{
	struct rtnl_link link = *links_find(&fx.links, ifindex);

	link.up = up;
	assert_int_equal(links_put(&fx.links, &link), 1);
}

static int setup(void **state)
{
	static const struct dataplane_sizes sizes = {
		.services = 1, .backends = 1, .vips = 1, .flows = 8, .table_size = 7};

	(void)state;
	fx.fake = fake_dataplane_new(&sizes);
	assert_non_null(fx.fake);
	fx.ports = ports_new(&fx.fake->dp, names, 2);
	assert_non_null(fx.ports);
	put(1, "eth0", 0);
	put(2, "eth1", BOND);
	put(3, "eth2", BOND);
	put(4, "eth3", 0);
	put(BOND, "bond0", 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	links_clear(&fx.links);
	ports_free(fx.ports);
	fake_dataplane_free(fx.fake);
	return 0;
}

static void follow_ok(void)
{
	struct error err = {0};

	if (ports_follow(fx.ports, &fx.links, &err))
		fail_msg("%s", err.message);
}

static void assert_attached(const char *wanted)
{
	static const char *const all[] = {"eth0", "eth1", "eth2", "eth3", "bond0"};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (fake_dataplane_attached(fx.fake, all[i]) != (strstr(wanted, all[i]) != NULL))
			fail_msg("%s: %s", all[i],
				 strstr(wanted, all[i]) ? "not attached" : "attached");
	}
}

static void test_members_are_attached(void **state)
{
	(void)state;
	follow_ok();
	assert_attached("eth0 eth1 eth2");
	assert_int_equal(fx.fake->switches.bonds, 1);
	assert_int_equal(fake_dataplane_bond(fx.fake, 2), BOND);
	assert_int_equal(fake_dataplane_bond(fx.fake, 3), BOND);
	assert_int_equal(fake_dataplane_bond(fx.fake, 1), 0);
	assert_int_equal(fake_dataplane_egress(fx.fake, BOND), 2);
	follow_ok(); /* nothing is attached twice; the fake would say so */
	assert_attached("eth0 eth1 eth2");
}

static void test_no_bond(void **state)
{
	struct ports *ports = ports_new(&fx.fake->dp, names, 1);
	struct error err;

	(void)state;
	assert_int_equal(ports_follow(ports, &fx.links, &err), 0);
	assert_attached("eth0");
	assert_int_equal(fx.fake->switches.bonds, 0);
	assert_int_equal(fx.fake->bond_member_count, 0);
	ports_free(ports);
}

static void test_member_goes_down(void **state)
{
	(void)state;
	follow_ok();
	set_up(2, false);
	follow_ok();
	assert_attached("eth0 eth1 eth2");
	assert_int_equal(fake_dataplane_egress(fx.fake, BOND), 3);
	set_up(3, false);
	follow_ok();
	assert_int_equal(fake_dataplane_egress(fx.fake, BOND), 0);
	set_up(2, true);
	follow_ok();
	assert_int_equal(fake_dataplane_egress(fx.fake, BOND), 2);
}

static void test_enslave_and_release(void **state)
{
	struct error err;

	(void)state;
	follow_ok();
	put(4, "eth3", BOND);
	put(2, "eth1", 0);
	follow_ok();
	assert_attached("eth0 eth2 eth3");
	assert_int_equal(fake_dataplane_bond(fx.fake, 2), 0);
	assert_int_equal(fake_dataplane_bond(fx.fake, 4), BOND);
	assert_int_equal(fake_dataplane_egress(fx.fake, BOND), 3);
	links_remove(&fx.links, BOND);
	put(3, "eth2", 0);
	put(4, "eth3", 0);
	assert_int_equal(ports_follow(fx.ports, &fx.links, &err), -ENODEV);
	assert_string_equal(err.message, "interface bond0: there is no such interface");
	assert_attached("eth0");
	assert_int_equal(fx.fake->switches.bonds, 0);
	assert_int_equal(fx.fake->bond_member_count, 0);
	assert_int_equal(fake_dataplane_egress(fx.fake, BOND), 0);
}

/* A former agent's members, that are none any more. */
static void test_adopted_members(void **state)
{
	(void)state;
	fx.fake->bond_members[0] = (struct fake_pair){7, BOND};
	fx.fake->bond_members[1] = (struct fake_pair){2, 8};
	fx.fake->bond_member_count = 2;
	follow_ok();
	assert_int_equal(fx.fake->bond_member_count, 2);
	assert_int_equal(fake_dataplane_bond(fx.fake, 7), 0);
	assert_int_equal(fake_dataplane_bond(fx.fake, 2), BOND);
}

static void test_missing_interface(void **state)
{
	struct error err;

	(void)state;
	links_remove(&fx.links, 1);
	assert_int_equal(ports_follow(fx.ports, &fx.links, &err), -ENODEV);
	assert_string_equal(err.message, "interface eth0: there is no such interface");
	assert_attached("eth1 eth2"); /* what can be done is done */
	put(11, "eth0", 0);
	follow_ok();
	assert_attached("eth0 eth1 eth2");
	/* It goes while the agent runs, and comes back as another. */
	links_remove(&fx.links, 11);
	follow_ok();
	assert_attached("eth0 eth1 eth2");
	put(12, "eth0", 0);
	follow_ok();
	assert_attached("eth0 eth1 eth2");
}

static void test_attach_fails(void **state)
{
	struct error err;

	(void)state;
	fx.fake->attach_refused = "eth1";
	assert_int_equal(ports_follow(fx.ports, &fx.links, &err), -EBUSY);
	assert_string_equal(err.message, "interface eth1: busy");
	assert_attached("eth0 eth2");
	fx.fake->attach_refused = NULL;
	follow_ok();
	assert_attached("eth0 eth1 eth2");
}

static char changes[256];

static void on_change(void *context, const char *interface, enum port_change change,
		      const char *reason)
{
	static const char *const words[] = {
		[PORT_ATTACHED] = "attached", [PORT_DETACHED] = "detached", [PORT_LOST] = "lost"};
	size_t length = strlen(changes);

	(void)context;
	snprintf(changes + length, sizeof(changes) - length, "%s %s %s;", interface, words[change],
		 reason);
}

static void assert_changes(const char *wanted)
{
	assert_string_equal(changes, wanted);
	changes[0] = '\0';
}

/* Somebody takes the program off: it is put on again, unless another is there. */
static void test_program_is_taken_off(void **state)
{
	const struct port_problem *problems;
	struct error err;
	size_t count;

	(void)state;
	changes[0] = '\0';
	follow_ok();
	ports_on_change(fx.ports, on_change, NULL);
	fx.fake->attach_lost = "eth0";
	follow_ok();
	assert_changes("eth0 lost taken off;eth0 attached ;");
	fx.fake->attach_refused = "eth0";
	assert_int_equal(ports_follow(fx.ports, &fx.links, &err), -EBUSY);
	assert_changes("eth0 lost taken off;");
	assert_attached("eth1 eth2");
	problems = ports_problems(fx.ports, &count);
	assert_int_equal(count, 1);
	assert_string_equal(problems[0].name, "eth0");
	assert_string_equal(problems[0].reason, "interface eth0: busy");
	assert_int_equal(ports_follow(fx.ports, &fx.links, &err), -EBUSY);
	assert_changes("");
	fx.fake->attach_refused = fx.fake->attach_lost = NULL;
	follow_ok();
	assert_changes("eth0 attached ;");
	ports_problems(fx.ports, &count);
	assert_int_equal(count, 0);
}

/* It goes with its interface; while that is away it is a problem, and attached when it is back. */
static void test_interface_goes_and_returns(void **state)
{
	const struct port_problem *problems;
	struct error err;
	size_t count;

	(void)state;
	changes[0] = '\0';
	follow_ok();
	ports_on_change(fx.ports, on_change, NULL);
	links_remove(&fx.links, 1);
	fx.fake->attach_lost = "eth0";
	assert_int_equal(ports_follow(fx.ports, &fx.links, &err), -ENODEV);
	assert_changes("eth0 lost taken off;");
	problems = ports_problems(fx.ports, &count);
	assert_int_equal(count, 1);
	assert_string_equal(problems[0].reason, "interface eth0: there is no such interface");
	fx.fake->attach_lost = NULL;
	put(1, "eth0", 0); /* even with the index that it had */
	follow_ok();
	assert_changes("eth0 attached ;");
	put(2, "eth1", 0);
	follow_ok();
	assert_changes("eth1 detached ;");
}

static void test_longest_mtu(void **state)
{
	struct rtnl_link link = *links_find(&fx.links, 3);

	(void)state;
	follow_ok();
	assert_int_equal(fx.fake->dp.mtu, 1500);
	link.mtu = 9000;
	assert_int_equal(links_put(&fx.links, &link), 1);
	assert_int_equal(ports_mtu(names, 2, &fx.links), 9000);
	assert_int_equal(ports_mtu(names, 1, &fx.links), 1500);
	follow_ok();
	assert_int_equal(fx.fake->dp.mtu, 9000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_members_are_attached), TEST(test_no_bond),
		TEST(test_member_goes_down),     TEST(test_enslave_and_release),
		TEST(test_adopted_members),      TEST(test_missing_interface),
		TEST(test_attach_fails),         TEST(test_longest_mtu),
		TEST(test_program_is_taken_off), TEST(test_interface_goes_and_returns),
	};

	return cmocka_run_group_tests_name("ports", tests, NULL, NULL);
}
