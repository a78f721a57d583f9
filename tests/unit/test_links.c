/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Links as rtnetlink tells of them, from messages made here as the kernel makes them (the test
 * kernel has neither VLAN devices nor bonds), and what they make of each other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "abi.h"
#include "links.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_arp.h>
#include <linux/if_bonding.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>

/* --- messages --- */

static _Alignas(NLMSG_ALIGNTO) char buffer[1024];
static const uint8_t mac[6] = {2, 0, 0, 0, 0, 7};

static struct nlmsghdr *begin_message(uint32_t ifindex, const char *name, unsigned int flags)
{
	struct nlmsghdr *message;
	struct ifinfomsg *info;

	memset(buffer, 0, sizeof(buffer));
	message = mnl_nlmsg_put_header(buffer);
	message->nlmsg_type = RTM_NEWLINK;
	info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	info->ifi_family = AF_UNSPEC;
	info->ifi_type = ARPHRD_ETHER;
	info->ifi_index = (int)ifindex;
	info->ifi_flags = flags;
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	mnl_attr_put_u32(message, IFLA_MTU, 1500);
	mnl_attr_put(message, IFLA_ADDRESS, sizeof(mac), mac);
	return message;
}

static struct rtnl_link parsed(const struct nlmsghdr *message)
{
	struct rtnl_link link;

	assert_true(rtnl_parse_link(message, &link));
	return link;
}

static void test_plain_link(void **state)
{
	struct nlmsghdr *message = begin_message(3, "eth1", IFF_UP | IFF_RUNNING);
	struct rtnl_link link;

	(void)state;
	mnl_attr_put_u32(message, IFLA_LINK, 9); /* as a veth's peer: it makes no VLAN device */
	link = parsed(message);
	assert_int_equal(link.ifindex, 3);
	assert_string_equal(link.name, "eth1");
	assert_true(link.up);
	assert_true(link.ethernet);
	assert_memory_equal(link.mac, mac, 6);
	assert_int_equal(link.mtu, 1500);
	assert_int_equal(link.kind, RTNL_LINK_OTHER);
	assert_int_equal(link.master, 0);
}

static void test_vlan_link(void **state)
{
	struct nlmsghdr *message = begin_message(7, "eth1.5", IFF_UP | IFF_RUNNING);
	struct nlattr *info, *data;
	struct rtnl_link link;

	(void)state;
	mnl_attr_put_u32(message, IFLA_LINK, 3);
	info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "vlan");
	data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
	mnl_attr_put_u16(message, IFLA_VLAN_PROTOCOL, htons(ETH_P_8021AD));
	mnl_attr_put_u16(message, IFLA_VLAN_ID, 5);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
	link = parsed(message);
	assert_int_equal(link.kind, RTNL_LINK_VLAN);
	assert_int_equal(link.lower, 3);
	assert_false(link.lower_is_elsewhere);
	assert_int_equal(link.vlan_id, 5);
	assert_int_equal(link.vlan_proto, ETH_P_8021AD);

	mnl_attr_put_u32(message, IFLA_LINK_NETNSID, 0);
	assert_true(parsed(message).lower_is_elsewhere);
}

static struct rtnl_link parsed_member(uint8_t bond_state)
{
	struct nlmsghdr *message = begin_message(3, "eth1", IFF_UP | IFF_RUNNING);
	struct nlattr *info, *data;

	mnl_attr_put_u32(message, IFLA_MASTER, 8);
	info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_SLAVE_KIND, "bond");
	data = mnl_attr_nest_start(message, IFLA_INFO_SLAVE_DATA);
	mnl_attr_put_u8(message, IFLA_BOND_SLAVE_STATE, bond_state);
	mnl_attr_put_u8(message, IFLA_BOND_SLAVE_MII_STATUS, BOND_LINK_UP);
	mnl_attr_nest_end(message, data);
	mnl_attr_nest_end(message, info);
	return parsed(message);
}

static void test_bond_links(void **state)
{
	struct nlmsghdr *message;
	struct rtnl_link link;
	struct nlattr *info;

	(void)state;
	link = parsed_member(BOND_STATE_ACTIVE);
	assert_int_equal(link.master, 8);
	assert_int_equal(link.kind, RTNL_LINK_OTHER);
	assert_false(link.backup);
	assert_true(parsed_member(BOND_STATE_BACKUP).backup);

	message = begin_message(8, "bond0", IFF_UP | IFF_RUNNING);
	info = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "bond");
	mnl_attr_nest_end(message, info);
	assert_int_equal(parsed(message).kind, RTNL_LINK_BOND);
}

static void test_not_a_link(void **state)
{
	struct nlmsghdr *message = begin_message(3, "eth1", IFF_UP);
	struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	struct rtnl_link link;

	(void)state;
	info->ifi_family = AF_BRIDGE;
	assert_false(rtnl_parse_link(message, &link));
}

/* --- the mirror --- */

static void put(struct links *links, const struct rtnl_link *link)
{
	assert_true(links_put(links, link) >= 0);
}

static struct rtnl_link make_link(uint32_t ifindex, const char *name)
{
	struct rtnl_link link = {.ifindex = ifindex, .up = true, .ethernet = true, .mtu = 1500};

	strncpy(link.name, name, sizeof(link.name) - 1);
	return link;
}

static void put_vlan(struct links *links, uint32_t ifindex, uint32_t lower, uint16_t id,
		     uint16_t proto)
{
	struct rtnl_link link = make_link(ifindex, "vlan");

	link.kind = RTNL_LINK_VLAN;
	link.lower = lower;
	link.vlan_id = id;
	link.vlan_proto = proto;
	put(links, &link);
}

static void test_mirror(void **state)
{
	struct rtnl_link link = make_link(1, "eth1");
	struct links links = {0};

	(void)state;
	assert_int_equal(links_put(&links, &link), 1);
	assert_int_equal(links_put(&links, &link), 0);
	link.mtu = 9000;
	assert_int_equal(links_put(&links, &link), 1);
	for (uint32_t i = 2; i < 30; i++) {
		link.ifindex = i;
		put(&links, &link);
	}
	assert_int_equal(links_find(&links, 1)->mtu, 9000);
	assert_non_null(links_named(&links, "eth1"));
	assert_null(links_named(&links, "eth"));
	assert_true(links_remove(&links, 1));
	assert_false(links_remove(&links, 1));
	assert_null(links_find(&links, 1));
	assert_non_null(links_find(&links, 29));
	links_clear(&links);
	assert_null(links_find(&links, 29));
}

static void assert_way(const struct links *links, uint32_t ifindex, uint32_t lower, uint32_t vlan)
{
	struct links_way way = {0};
	char reason[96] = "";

	assert_int_equal(links_way(links, ifindex, &way, reason, sizeof(reason)), 0);
	assert_int_equal(way.ifindex, lower);
	assert_int_equal(way.vlan, vlan);
}

static void assert_no_way(const struct links *links, uint32_t ifindex, const char *why)
{
	struct links_way way = {.ifindex = 77};
	char reason[96] = "";

	assert_int_equal(links_way(links, ifindex, &way, reason, sizeof(reason)), -ENODEV);
	assert_string_equal(reason, why);
	assert_int_equal(way.ifindex, 77);
}

#define TAGS(count) ((uint32_t)(count) << LB_VLAN_COUNT_SHIFT)

static void test_way_through_vlans(void **state)
{
	struct rtnl_link eth = make_link(1, "eth1");
	struct links links = {0};

	(void)state;
	put(&links, &eth);
	put_vlan(&links, 2, 1, 5, ETH_P_8021Q);
	put_vlan(&links, 3, 1, 100, ETH_P_8021AD);
	put_vlan(&links, 4, 3, 7, ETH_P_8021Q);
	put_vlan(&links, 5, 4, 8, ETH_P_8021Q);
	put_vlan(&links, 6, 2, 9, ETH_P_8021AD);
	assert_way(&links, 1, 1, 0);
	assert_way(&links, 2, 1, 5 | TAGS(1));
	assert_way(&links, 3, 1, 100 | TAGS(1) | LB_VLAN_SERVICE_TAG);
	/* The tag next to the IP header is that of the upper device. */
	assert_way(&links, 4, 1, 7 | 100 << LB_VLAN_OUTER_SHIFT | TAGS(2) | LB_VLAN_SERVICE_TAG);
	assert_no_way(&links, 5, "interface vlan: more than two VLAN tags");
	assert_no_way(&links, 6, "interface vlan: an 802.1ad tag inside another");
	links_clear(&links);
}

static void test_no_way(void **state)
{
	struct rtnl_link eth = make_link(1, "eth1");
	struct links links = {0};

	(void)state;
	assert_no_way(&links, 1, "interface 1 is gone");
	put_vlan(&links, 2, 1, 5, ETH_P_8021Q);
	assert_no_way(&links, 2, "interface 1 is gone");
	eth.up = false;
	put(&links, &eth);
	assert_no_way(&links, 2, "interface eth1 is down");
	eth.up = true;
	eth.ethernet = false;
	put(&links, &eth);
	assert_no_way(&links, 2, "interface eth1 is not Ethernet");
	links.items[0].lower_is_elsewhere = true;
	assert_no_way(&links, 2,
		      "interface vlan: its lower device is in another network namespace");
	links_clear(&links);
}

/* A VLAN device on a bond leads to the bond, and the bond to one of its members. */
static void test_bond_egress(void **state)
{
	struct rtnl_link bond = make_link(9, "bond0"), bridge = make_link(8, "br0");
	struct rtnl_link one = make_link(1, "eth1"), two = make_link(2, "eth2");
	struct rtnl_link port = make_link(3, "eth3");
	struct links links = {0};

	(void)state;
	bond.kind = RTNL_LINK_BOND;
	one.master = two.master = 9;
	port.master = 8;
	put(&links, &bond);
	put(&links, &bridge);
	put(&links, &port);
	put_vlan(&links, 5, 9, 5, ETH_P_8021Q);
	assert_way(&links, 5, 9, 5 | TAGS(1));
	assert_int_equal(links_bond_egress(&links, 9, 0), 0);
	assert_int_equal(links_bond_egress(&links, 8, 0), 0); /* a bridge is none */

	put(&links, &one);
	put(&links, &two);
	assert_true(links_in_bond(&links, &one, 9));
	assert_false(links_in_bond(&links, &port, 8));
	assert_false(links_in_bond(&links, &bond, 0));
	assert_int_equal(links_bond_egress(&links, 9, 0), 1);
	assert_int_equal(links_bond_egress(&links, 9, 2), 2); /* it stays where it is */
	two.backup = true;
	put(&links, &two);
	assert_int_equal(links_bond_egress(&links, 9, 2), 1); /* unless the bond itself moves */
	one.up = false;
	put(&links, &one);
	assert_int_equal(links_bond_egress(&links, 9, 1), 2);
	two.master = 0;
	put(&links, &two);
	assert_int_equal(links_bond_egress(&links, 9, 2), 0);
	links_clear(&links);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_link), cmocka_unit_test(test_vlan_link),
		cmocka_unit_test(test_bond_links), cmocka_unit_test(test_not_a_link),
		cmocka_unit_test(test_mirror),     cmocka_unit_test(test_way_through_vlans),
		cmocka_unit_test(test_no_way),     cmocka_unit_test(test_bond_egress),
	};

	return cmocka_run_group_tests_name("links", tests, NULL, NULL);
}
