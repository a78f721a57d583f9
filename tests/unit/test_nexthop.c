/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The next-hop table against a real kernel: this process moves into a network namespace of its
 * own, with a veth pair to a second one that plays the neighbours. Needs root.
 *
 *   here: us0 198.18.0.1/24, 2001:db8::1/64   peer: them0 .2, ::2, and as gateway .254
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nexthop.h"

#define GUARD_MS     8000
/* The kernel tells of a lost carrier no more than once a second. */
#define LINKWATCH_MS 1500
#define WATCHED_MAX  8

static char peer[32]; /* name of the peer's namespace */

/* What the callback told last about one address. */
struct told {
	struct address address;
	struct nexthop hop;
	unsigned int count;
};

struct fixture {
	uv_loop_t loop;
	uv_timer_t guard;
	bool guard_fired;
	struct nexthop_table *table;
	struct told told[WATCHED_MAX];
	size_t told_count;
};

/* --- shell --- */

__attribute__((format(printf, 1, 2))) static void run(const char *format, ...)
{
	char command[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	int status = system(command);
	if (status)
		fail_msg("%s: status %d", command, status);
}

static int make_network(void **state)
{
	(void)state;
	snprintf(peer, sizeof(peer), "sluice-nh-%d", getpid());
	if (unshare(CLONE_NEWNET))
		return -1;
	run("ip netns add %s", peer);
	run("ip link set lo up");
	run("ip link add us0 type veth peer name them0 netns %s", peer);
	run("ip address add 198.18.0.1/24 dev us0");
	run("ip address add 2001:db8::1/64 dev us0 nodad");
	/* Link-local addresses at once, without duplicate address detection. */
	run("sysctl -qw net.ipv6.conf.us0.accept_dad=0");
	run("ip netns exec %s sysctl -qw net.ipv6.conf.them0.accept_dad=0", peer);
	/* Announces a changed MAC, as real hosts do at failover. */
	run("ip netns exec %s sysctl -qw net.ipv4.conf.them0.arp_notify=1"
	    " net.ipv6.conf.them0.ndisc_notify=1",
	    peer);
	run("ip -n %s address add 198.18.0.2/24 dev them0", peer);
	run("ip -n %s address add 198.18.0.254/24 dev them0", peer);
	run("ip -n %s address add 2001:db8::2/64 dev them0 nodad", peer);
	return 0;
}

static int drop_network(void **state)
{
	(void)state;
	run("ip netns del %s", peer);
	return 0;
}

/* --- fixture --- */

static struct address address_of(const char *text)
{
	struct address address;
	struct error err;

	assert_int_equal(parse_address(text, &address, &err), 0);
	return address;
}

static void on_hop(void *context, const struct address *address, const struct nexthop *hop)
{
	struct fixture *fixture = context;
	size_t i = 0;

	while (i < fixture->told_count && !address_equal(&fixture->told[i].address, address))
		i++;
	assert_true(i < WATCHED_MAX);
	if (i == fixture->told_count)
		fixture->told_count++;
	fixture->told[i].address = *address;
	fixture->told[i].hop = *hop;
	fixture->told[i].count++;
	/* What is told and what is answered are one. */
	assert_string_equal(nexthop_get(fixture->table, address)->reason, hop->reason);
}

static void on_guard(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

static const struct told *told_of(const struct fixture *fixture, const char *text)
{
	static const struct told nothing;
	struct address address = address_of(text);

	for (size_t i = 0; i < fixture->told_count; i++) {
		if (address_equal(&fixture->told[i].address, &address))
			return &fixture->told[i];
	}
	return &nothing;
}

/* Runs the loop until the hop is resolved, by MAC mac if that is given. */
static const struct nexthop *wait_resolved(struct fixture *fixture, const char *address,
					   const char *mac, uint64_t within_ms)
{
	const struct told *told;

	fixture->guard_fired = false;
	uv_timer_start(&fixture->guard, on_guard, within_ms, 0);
	for (;;) {
		char text[18];
		told = told_of(fixture, address);
		snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", told->hop.dst_mac[0],
			 told->hop.dst_mac[1], told->hop.dst_mac[2], told->hop.dst_mac[3],
			 told->hop.dst_mac[4], told->hop.dst_mac[5]);
		if (told->hop.resolved && (!mac || !strcmp(mac, text)))
			return &told->hop;
		if (fixture->guard_fired)
			fail_msg("%s: not resolved to %s in %d ms, but %s (%s)", address,
				 mac ? mac : "any", (int)within_ms, text, told->hop.reason);
		uv_run(&fixture->loop, UV_RUN_ONCE);
	}
}

/* Runs the loop until the hop is unresolved for this reason. */
static void wait_reason(struct fixture *fixture, const char *address, const char *reason,
			uint64_t within_ms)
{
	fixture->guard_fired = false;
	uv_timer_start(&fixture->guard, on_guard, within_ms, 0);
	for (;;) {
		const struct told *told = told_of(fixture, address);
		if (told->count && !told->hop.resolved && !strcmp(told->hop.reason, reason))
			return;
		if (fixture->guard_fired)
			fail_msg("%s: wanted \"%s\", got \"%s\"", address, reason,
				 told->hop.reason);
		uv_run(&fixture->loop, UV_RUN_ONCE);
	}
}

static void wait_mtu(struct fixture *fixture, const char *address, uint16_t mtu)
{
	const struct told *told = told_of(fixture, address);

	fixture->guard_fired = false;
	uv_timer_start(&fixture->guard, on_guard, GUARD_MS, 0);
	while (!told->hop.resolved || told->hop.mtu != mtu) {
		if (fixture->guard_fired)
			fail_msg("%s: MTU %d, not %d (%s)", address, told->hop.mtu, mtu,
				 told->hop.reason);
		uv_run(&fixture->loop, UV_RUN_ONCE);
	}
}

static void watch(struct fixture *fixture, const char *text)
{
	struct address address = address_of(text);
	struct error err;

	assert_int_equal(nexthop_watch(fixture->table, &address, &err), 0);
}

static void unwatch(struct fixture *fixture, const char *text)
{
	struct address address = address_of(text);

	nexthop_unwatch(fixture->table, &address);
}

/* Every test begins with the same network, whatever the last one did to it. */
static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct error err;

	run("ip link set us0 down && ip link set us0 address 02:00:00:00:00:01 up");
	run("ip -n %s link set them0 down", peer);
	run("ip -n %s link set them0 address 02:00:00:00:00:02 up", peer);
	run("ip address replace 2001:db8::1/64 dev us0 nodad"); /* went with the link */
	run("ip -n %s address replace 2001:db8::2/64 dev them0 nodad", peer);
	run("ip route replace 198.19.0.0/24 via 198.18.0.254");
	uv_loop_init(&fixture->loop);
	uv_timer_init(&fixture->loop, &fixture->guard);
	fixture->guard.data = &fixture->guard_fired;
	assert_int_equal(nexthop_table_new(&fixture->loop, on_hop, fixture, &fixture->table, &err),
			 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	nexthop_table_free(fixture->table);
	uv_close((uv_handle_t *)&fixture->guard, NULL);
	uv_run(&fixture->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&fixture->loop), 0);
	free(fixture);
	return 0;
}

/* --- tests --- */

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1};

static void check_hop(const struct nexthop *hop, bool on_link, const char *source)
{
	struct address wanted = address_of(source);

	assert_int_equal(hop->on_link, on_link);
	assert_int_equal(hop->ifindex, if_nametoindex("us0"));
	assert_memory_equal(hop->src_mac, our_mac, 6);
	assert_true(address_equal(&hop->source, &wanted));
	assert_string_equal(hop->reason, "");
}

static void test_resolves(void **state)
{
	struct fixture *fixture = *state;

	watch(fixture, "198.18.0.2");
	watch(fixture, "2001:db8::2");
	watch(fixture, "198.19.0.7");
	assert_int_equal(fixture->told_count, 0); /* never from within nexthop_watch */
	const char *mac = "02:00:00:00:00:02";
	check_hop(wait_resolved(fixture, "198.18.0.2", mac, GUARD_MS), true, "198.18.0.1");
	check_hop(wait_resolved(fixture, "2001:db8::2", mac, GUARD_MS), true, "2001:db8::1");
	check_hop(wait_resolved(fixture, "198.19.0.7", mac, GUARD_MS), false, "198.18.0.1");
}

static void test_ipv6_gateway_for_ipv4(void **state)
{
	struct fixture *fixture = *state;

	run("ip route replace 198.19.6.0/24 via inet6 2001:db8::2 dev us0");
	watch(fixture, "198.19.6.1");
	check_hop(wait_resolved(fixture, "198.19.6.1", "02:00:00:00:00:02", GUARD_MS), false,
		  "198.18.0.1");
}

static void check_source(struct fixture *fixture, const char *text, const char *source)
{
	struct address address = address_of(text), got, wanted;

	assert_true(nexthop_source(fixture->table, &address, &got));
	wanted = address_of(source);
	assert_true(address_equal(&got, &wanted));
}

/* Watched or not, whether or not somebody answers there. */
static void test_source_by_route_alone(void **state)
{
	struct fixture *fixture = *state;
	struct address own = address_of("198.18.0.1"), nowhere = address_of("198.19.77.1"), got;

	check_source(fixture, "198.18.0.99", "198.18.0.1");
	check_source(fixture, "198.19.0.7", "198.18.0.1");
	check_source(fixture, "2001:db8::99", "2001:db8::1");
	assert_false(nexthop_source(fixture->table, &own, &got));
	assert_false(nexthop_source(fixture->table, &nowhere, &got));
	watch(fixture, "198.18.0.99");
	check_source(fixture, "198.18.0.99", "198.18.0.1");
	wait_reason(fixture, "198.18.0.99", "no ARP reply from 198.18.0.99 on us0 yet", GUARD_MS);
	check_source(fixture, "198.18.0.99", "198.18.0.1");
}

/* The interface's, or the route's if that is less. */
static void test_mtu(void **state)
{
	struct fixture *fixture = *state;
	const struct nexthop *hop;

	watch(fixture, "198.19.0.7");
	hop = wait_resolved(fixture, "198.19.0.7", NULL, GUARD_MS);
	assert_int_equal(hop->mtu, 1500);
	assert_int_equal(hop->vlan, 0);
	run("ip route replace 198.19.0.0/24 via 198.18.0.254 mtu 1300");
	wait_mtu(fixture, "198.19.0.7", 1300);
	run("ip link set us0 mtu 1280");
	wait_mtu(fixture, "198.19.0.7", 1280);
	run("ip link set us0 mtu 1500");
	wait_mtu(fixture, "198.19.0.7", 1300);
	run("ip route replace 198.19.0.0/24 via 198.18.0.254");
	wait_mtu(fixture, "198.19.0.7", 1500);
}

static void count_call(void *context)
{
	++*(unsigned int *)context;
}

/* Whoever follows links hears of those that matter, once they are known. */
static void test_links_are_told(void **state)
{
	struct fixture *fixture = *state;
	unsigned int calls = 0;

	nexthop_on_links(fixture->table, count_call, &calls);
	run("ip link set us0 mtu 1400");
	for (int i = 0; i < 50 && !calls; i++)
		uv_run(&fixture->loop, UV_RUN_ONCE);
	assert_true(calls > 0);
	assert_int_equal(links_named(nexthop_links(fixture->table), "us0")->mtu, 1400);
	run("ip link set us0 mtu 1500");
}

/* None of those that changed together is missing. */
static void check_both(void *context)
{
	const struct fixture *fixture = context;

	assert_int_equal(told_of(fixture, "198.18.0.2")->hop.mtu,
			 told_of(fixture, "198.18.0.254")->hop.mtu);
}

static void test_told_once_for_all(void **state)
{
	struct fixture *fixture = *state;

	watch(fixture, "198.18.0.2");
	watch(fixture, "198.18.0.254");
	wait_resolved(fixture, "198.18.0.2", NULL, GUARD_MS);
	wait_resolved(fixture, "198.18.0.254", NULL, GUARD_MS);
	nexthop_on_told(fixture->table, check_both, fixture);
	run("ip link set us0 mtu 1400");
	wait_mtu(fixture, "198.18.0.2", 1400);
	run("ip link set us0 mtu 1500");
	wait_mtu(fixture, "198.18.0.254", 1500);
}

static void test_second_watch_is_answered_too(void **state)
{
	struct fixture *fixture = *state;

	watch(fixture, "198.18.0.2");
	wait_resolved(fixture, "198.18.0.2", NULL, GUARD_MS);
	unsigned int before = told_of(fixture, "198.18.0.2")->count;
	watch(fixture, "198.18.0.2");
	assert_int_equal(told_of(fixture, "198.18.0.2")->count, before);
	uv_run(&fixture->loop, UV_RUN_NOWAIT);
	uv_run(&fixture->loop, UV_RUN_NOWAIT);
	assert_int_equal(told_of(fixture, "198.18.0.2")->count, before + 1);

	struct address address = address_of("198.18.0.2");
	unwatch(fixture, "198.18.0.2");
	assert_non_null(nexthop_get(fixture->table, &address));
	unwatch(fixture, "198.18.0.2");
	assert_null(nexthop_get(fixture->table, &address));
	unwatch(fixture, "198.18.0.2"); /* one too many does no harm */
}

/* Kernels take an unasked-for ARP announcement only for an entry older than a second. */
static void settle(struct fixture *fixture)
{
	fixture->guard_fired = false;
	uv_timer_start(&fixture->guard, on_guard, 1500, 0);
	while (!fixture->guard_fired)
		uv_run(&fixture->loop, UV_RUN_ONCE);
}

static void test_follows_mac(void **state)
{
	struct fixture *fixture = *state;

	watch(fixture, "198.18.0.2");
	watch(fixture, "2001:db8::2");
	watch(fixture, "198.19.0.7");
	wait_resolved(fixture, "198.18.0.2", NULL, GUARD_MS);
	wait_resolved(fixture, "2001:db8::2", NULL, GUARD_MS);
	wait_resolved(fixture, "198.19.0.7", NULL, GUARD_MS);
	settle(fixture);
	run("ip -n %s link set them0 address 02:00:00:00:00:99", peer);
	wait_resolved(fixture, "198.18.0.2", "02:00:00:00:00:99", 100);
	wait_resolved(fixture, "2001:db8::2", "02:00:00:00:00:99", 100);
	/* The gateway's second address is announced by nobody: the operator sets it. */
	run("ip neighbour replace 198.18.0.254 lladdr 02:00:00:00:00:77 dev us0 nud reachable");
	wait_resolved(fixture, "198.19.0.7", "02:00:00:00:00:77", 100);
}

static void test_follows_own_mac(void **state)
{
	struct fixture *fixture = *state;
	static const uint8_t new_mac[6] = {2, 0, 0, 0, 0, 0x11};

	watch(fixture, "198.18.0.2");
	wait_resolved(fixture, "198.18.0.2", NULL, GUARD_MS);
	unsigned int before = told_of(fixture, "198.18.0.2")->count;
	run("ip link set us0 address 02:00:00:00:00:11");
	for (int i = 0; i < 20 && told_of(fixture, "198.18.0.2")->count == before; i++)
		uv_run(&fixture->loop, UV_RUN_ONCE);
	assert_memory_equal(wait_resolved(fixture, "198.18.0.2", NULL, 100)->src_mac, new_mac, 6);
}

/* A changed MAC of ours makes the kernel forget its neighbours: theirs stand until asking fails. */
static void test_keeps_mac_of_a_forgotten_neighbour(void **state)
{
	struct fixture *fixture = *state;

	watch(fixture, "198.18.0.2");
	wait_resolved(fixture, "198.18.0.2", NULL, GUARD_MS);
	run("ip -n %s link set them0 arp off", peer);
	run("ip link set us0 address 02:00:00:00:00:11");
	settle(fixture);
	assert_true(told_of(fixture, "198.18.0.2")->hop.resolved);
	wait_reason(fixture, "198.18.0.2", "no ARP reply from 198.18.0.2 on us0", GUARD_MS);
	run("ip -n %s link set them0 arp on", peer);
	wait_resolved(fixture, "198.18.0.2", "02:00:00:00:00:02", GUARD_MS);
}

/* Asking for such an entry would make it expire. */
static void test_leaves_permanent_entries_alone(void **state)
{
	struct fixture *fixture = *state;

	run("ip neighbour replace 198.18.0.60 lladdr 02:00:00:00:00:60 dev us0 nud permanent");
	watch(fixture, "198.18.0.60");
	wait_resolved(fixture, "198.18.0.60", "02:00:00:00:00:60", GUARD_MS);
	watch(fixture, "198.18.0.61");
	settle(fixture);
	run("ip neighbour replace 198.18.0.61 lladdr 02:00:00:00:00:61 dev us0 nud permanent");
	wait_resolved(fixture, "198.18.0.61", "02:00:00:00:00:61", 100);
	settle(fixture);
	run("test $(ip neighbour show nud permanent | grep -c 198.18.0.6) = 2");
	run("ip neighbour del 198.18.0.60 dev us0 && ip neighbour del 198.18.0.61 dev us0");
}

static void test_follows_route(void **state)
{
	struct fixture *fixture = *state;

	watch(fixture, "198.19.0.7");
	wait_resolved(fixture, "198.19.0.7", NULL, GUARD_MS);
	run("ip route del 198.19.0.0/24");
	wait_reason(fixture, "198.19.0.7", "no route to 198.19.0.7", 100);
	run("ip route add 198.19.0.0/24 via 198.18.0.2 src 198.18.0.1");
	assert_false(wait_resolved(fixture, "198.19.0.7", NULL, GUARD_MS)->on_link);
	run("ip route replace unreachable 198.19.0.0/24");
	wait_reason(fixture, "198.19.0.7", "no route to 198.19.0.7", 100);
	run("ip route replace blackhole 198.19.0.0/24");
	run("ip route replace 198.19.0.0/24 dev us0"); /* now on link, and nobody there */
	wait_reason(fixture, "198.19.0.7", "no ARP reply from 198.19.0.7 on us0 yet", GUARD_MS);
}

/* A route matters to all addresses in its prefix, the first and the last as well. */
static void test_follows_prefixes(void **state)
{
	static const char *const watched[] = {"198.19.4.0",   "198.19.4.255",  "198.19.5.0",
					      "198.19.3.255", "2001:db8:4::1", "2001:db8:5::1"};
	struct fixture *fixture = *state;
	size_t i;

	run("ip route replace default via 198.18.0.254");
	run("ip -6 route replace default via 2001:db8::2");
	for (i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
		watch(fixture, watched[i]);
	for (i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
		wait_resolved(fixture, watched[i], NULL, GUARD_MS);
	run("ip route replace 198.19.4.0/24 via 198.18.0.254 mtu 1400");
	wait_mtu(fixture, "198.19.4.0", 1400);
	wait_mtu(fixture, "198.19.4.255", 1400);
	run("ip route replace 198.19.4.255/32 via 198.18.0.254 mtu 1300");
	wait_mtu(fixture, "198.19.4.255", 1300);
	run("ip -6 route replace 2001:db8:4::/47 via 2001:db8::2 mtu 1380");
	wait_mtu(fixture, "2001:db8:4::1", 1380);
	wait_mtu(fixture, "2001:db8:5::1", 1380);
	run("ip route replace default via 198.18.0.254 mtu 1280");
	wait_mtu(fixture, "198.19.5.0", 1280);
	wait_mtu(fixture, "198.19.3.255", 1280);
	run("ip -6 route replace default via 2001:db8::2 mtu 1290");
	run("ip -6 route del 2001:db8:4::/47");
	wait_mtu(fixture, "2001:db8:5::1", 1290);
	assert_int_equal(told_of(fixture, "198.19.4.0")->hop.mtu, 1400);
	unwatch(fixture, "198.19.4.0"); /* the order is made anew */
	run("ip route replace default via 198.18.0.254");
	wait_mtu(fixture, "198.19.3.255", 1500);
	run("ip route flush root 198.19.4.0/24");
	run("ip route del default && ip -6 route del default");
	wait_reason(fixture, "198.19.5.0", "no route to 198.19.5.0", GUARD_MS);
}

static void test_follows_source(void **state)
{
	struct fixture *fixture = *state;
	struct address wanted = address_of("198.18.0.3");

	watch(fixture, "198.19.0.7");
	wait_resolved(fixture, "198.19.0.7", NULL, GUARD_MS);
	unsigned int before = told_of(fixture, "198.19.0.7")->count;
	run("ip address add 198.18.0.3/24 dev us0");
	run("ip route replace 198.19.0.0/24 via 198.18.0.254 src 198.18.0.3");
	for (int i = 0; i < 20 && told_of(fixture, "198.19.0.7")->count == before; i++)
		uv_run(&fixture->loop, UV_RUN_ONCE);
	assert_true(
		address_equal(&wait_resolved(fixture, "198.19.0.7", NULL, 100)->source, &wanted));
	run("ip address del 198.18.0.3/24 dev us0");
}

static void test_follows_link(void **state)
{
	struct fixture *fixture = *state;

	watch(fixture, "198.18.0.2");
	wait_resolved(fixture, "198.18.0.2", NULL, GUARD_MS);
	/* The carrier alone: the kernel keeps the route. */
	run("ip -n %s link set them0 down", peer);
	wait_reason(fixture, "198.18.0.2", "interface us0 is down", LINKWATCH_MS);
	run("ip -n %s link set them0 up", peer);
	wait_resolved(fixture, "198.18.0.2", "02:00:00:00:00:02", GUARD_MS);
	/* Set down by the operator: the route goes too. */
	run("ip link set us0 down");
	wait_reason(fixture, "198.18.0.2", "no route to 198.18.0.2", 100);
	run("ip link set us0 up");
	wait_resolved(fixture, "198.18.0.2", "02:00:00:00:00:02", GUARD_MS);
}

static void test_reasons(void **state)
{
	struct fixture *fixture = *state;

	watch(fixture, "198.18.0.9");
	watch(fixture, "2001:db8::9");
	watch(fixture, "198.18.0.255");
	watch(fixture, "203.0.113.1");
	watch(fixture, "2001:db9::1");
	wait_reason(fixture, "198.18.0.255", "198.18.0.255 is not a unicast address", 100);
	wait_reason(fixture, "203.0.113.1", "no route to 203.0.113.1", 100);
	wait_reason(fixture, "2001:db9::1", "no route to 2001:db9::1", 100);
	wait_reason(fixture, "198.18.0.9", "no ARP reply from 198.18.0.9 on us0", GUARD_MS);
	wait_reason(fixture, "2001:db8::9", "no NDP reply from 2001:db8::9 on us0", GUARD_MS);
	/* Both are asked for again until they are there. */
	run("ip -n %s address add 198.18.0.9/24 dev them0", peer);
	run("ip -n %s address add 2001:db8::9/64 dev them0 nodad", peer);
	wait_resolved(fixture, "198.18.0.9", NULL, GUARD_MS);
	wait_resolved(fixture, "2001:db8::9", NULL, GUARD_MS);
	run("ip -n %s address del 198.18.0.9/24 dev them0", peer);
	run("ip -n %s address del 2001:db8::9/64 dev them0", peer);
}

/* An own address that comes and goes. */
static void test_local(void **state)
{
	struct fixture *fixture = *state;
	struct address own = address_of("198.18.0.1"), peer_address = address_of("198.18.0.2");
	const struct nexthop *hop;

	watch(fixture, "198.18.0.1");
	watch(fixture, "198.18.0.2");
	hop = wait_resolved(fixture, "198.18.0.1", NULL, GUARD_MS);
	assert_true(hop->local && hop->on_link);
	assert_int_equal(hop->device, 0);
	assert_true(address_equal(&hop->source, &own));
	assert_true(nexthop_is_own(fixture->table, &own));
	hop = wait_resolved(fixture, "198.18.0.2", NULL, GUARD_MS);
	assert_false(hop->local);
	assert_int_equal(hop->device, if_nametoindex("us0"));
	assert_false(nexthop_is_own(fixture->table, &peer_address));
	watch(fixture, "198.19.8.8");
	wait_reason(fixture, "198.19.8.8", "no route to 198.19.8.8", 100);
	run("ip address add 198.19.8.8/32 dev us0");
	assert_true(wait_resolved(fixture, "198.19.8.8", NULL, 100)->local);
	run("ip address del 198.19.8.8/32 dev us0");
	wait_reason(fixture, "198.19.8.8", "no route to 198.19.8.8", 100);
}

/* Can the machine send from it, as the table knows it? */
static bool is_source(const struct fixture *fixture, const char *text)
{
	struct address address = address_of(text);
	const struct rtnl_address *known;
	size_t i, count;

	known = nexthop_addresses(fixture->table, &count);
	for (i = 0; i < count; i++) {
		if (address_equal(&known[i].address, &address))
			return known[i].source && known[i].ifindex == if_nametoindex("us0");
	}
	return false;
}

static void wait_told(struct fixture *fixture, const char *text, unsigned int more_than)
{
	fixture->guard_fired = false;
	uv_timer_start(&fixture->guard, on_guard, GUARD_MS, 0);
	while (told_of(fixture, text)->count <= more_than) {
		assert_false(fixture->guard_fired);
		uv_run(&fixture->loop, UV_RUN_ONCE);
	}
}

static void test_addresses(void **state)
{
	struct fixture *fixture = *state;
	unsigned int told;

	watch(fixture, "198.18.0.2");
	wait_resolved(fixture, "198.18.0.2", NULL, GUARD_MS);
	assert_true(is_source(fixture, "198.18.0.1"));
	assert_true(is_source(fixture, "2001:db8::1"));
	assert_false(is_source(fixture, "2001:db8::77"));
	told = told_of(fixture, "198.18.0.2")->count;
	run("ip address add 2001:db8::77/64 dev us0 nodad");
	wait_told(fixture, "198.18.0.2", told);
	assert_true(is_source(fixture, "2001:db8::77"));
	told = told_of(fixture, "198.18.0.2")->count;
	run("ip address change 2001:db8::77/64 dev us0 nodad preferred_lft 0");
	wait_told(fixture, "198.18.0.2", told);
	assert_false(is_source(fixture, "2001:db8::77"));
	run("ip address del 2001:db8::77/64 dev us0");
}

static void test_no_ethernet(void **state)
{
	struct fixture *fixture = *state;

	run("ip route add 198.19.9.0/24 dev lo src 198.18.0.1");
	watch(fixture, "198.19.9.1");
	wait_reason(fixture, "198.19.9.1", "interface lo is not Ethernet", 100);
	run("ip route del 198.19.9.0/24");
	wait_reason(fixture, "198.19.9.1", "no route to 198.19.9.1", 100);
}

static void test_removed_link(void **state)
{
	struct fixture *fixture = *state;

	run("ip link add us9 address 02:00:00:00:00:09 type veth peer name them9");
	run("ip link set us9 up && ip link set them9 up");
	run("ip route add 198.19.9.0/24 via 198.18.0.2 dev us9 onlink src 198.18.0.1");
	run("ip neighbour replace 198.18.0.2 lladdr 02:00:00:00:00:99 dev us9 nud permanent");
	watch(fixture, "198.18.0.2");
	watch(fixture, "198.19.9.1");
	/* The same address is one neighbour on each link. */
	wait_resolved(fixture, "198.18.0.2", "02:00:00:00:00:02", GUARD_MS);
	const struct nexthop *hop =
		wait_resolved(fixture, "198.19.9.1", "02:00:00:00:00:99", GUARD_MS);
	assert_int_equal(hop->ifindex, if_nametoindex("us9"));
	run("ip link del us9");
	wait_reason(fixture, "198.19.9.1", "no route to 198.19.9.1", 100);
}

/* Far more at once than the socket would hold: lost events are made good. */
static void test_many_changes(void **state)
{
	struct fixture *fixture = *state;

	watch(fixture, "198.18.0.2");
	watch(fixture, "198.19.0.7");
	wait_resolved(fixture, "198.18.0.2", NULL, GUARD_MS);
	run("seq 1 20000 | awk '{printf \"route add 198.19.%%d.%%d/32 via 198.18.0.2\\n\","
	    " 64 + $1 / 256, $1 %% 256}' | ip -batch -");
	run("ip route del 198.19.0.0/24");
	run("ip route flush root 198.19.64.0/17");
	run("ip neighbour replace 198.18.0.2 lladdr 02:00:00:00:00:88 dev us0 nud reachable");
	wait_resolved(fixture, "198.18.0.2", "02:00:00:00:00:88", GUARD_MS);
	wait_reason(fixture, "198.19.0.7", "no route to 198.19.0.7", GUARD_MS);
}

static void unwatch_all(void *context, const struct address *address, const struct nexthop *hop)
{
	struct fixture *fixture = context;

	(void)address;
	(void)hop;
	unwatch(fixture, "198.18.0.2");
	unwatch(fixture, "198.18.0.9");
	fixture->told_count++;
}

static void test_unwatch_from_callback(void **state)
{
	struct fixture *fixture = *state;
	struct nexthop_table *other = fixture->table;
	struct error err;

	assert_int_equal(
		nexthop_table_new(&fixture->loop, unwatch_all, fixture, &fixture->table, &err), 0);
	watch(fixture, "198.18.0.2");
	watch(fixture, "198.18.0.9");
	for (int i = 0; i < 20 && fixture->told_count == 0; i++)
		uv_run(&fixture->loop, UV_RUN_ONCE);
	assert_int_equal(fixture->told_count, 1);
	nexthop_table_free(fixture->table);
	fixture->table = other;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(test_resolves),
		TEST(test_ipv6_gateway_for_ipv4),
		TEST(test_source_by_route_alone),
		TEST(test_second_watch_is_answered_too),
		TEST(test_mtu),
		TEST(test_links_are_told),
		TEST(test_told_once_for_all),
		TEST(test_follows_mac),
		TEST(test_follows_own_mac),
		TEST(test_keeps_mac_of_a_forgotten_neighbour),
		TEST(test_leaves_permanent_entries_alone),
		TEST(test_follows_route),
		TEST(test_follows_prefixes),
		TEST(test_follows_source),
		TEST(test_follows_link),
		TEST(test_reasons),
		TEST(test_local),
		TEST(test_addresses),
		TEST(test_no_ethernet),
		TEST(test_removed_link),
		TEST(test_many_changes),
		TEST(test_unwatch_from_callback),
	};

	if (geteuid() != 0) {
		puts("SKIP: needs root to make network namespaces");
		return 77;
	}
	return cmocka_run_group_tests(tests, make_network, drop_network);
}
