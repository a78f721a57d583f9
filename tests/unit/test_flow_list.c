/* SPDX-License-Identifier: Apache-2.0 */

/* Flows read a page at a time, from a flow table and a map of translated flows that are plain
 * memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>

#include "fake_dataplane.h"
#include "flow_list.h"

#define FLOWS    16384 /* some steps' worth */
#define L2       1     /* services */
#define NAT      2
#define A        1 /* backends: of L2, */
#define B        2
#define C        3 /* and of NAT */
#define NOW      (UINT64_C(1000000) << 8)
#define SEEN_MAX 64

static struct {
	struct fake_dataplane *fake;
	struct flow_list_room room;
	struct flow_filter filter;
	struct flow_list list;
	uint32_t seen[SEEN_MAX]; /* fingerprints, or of mode nat the client's port */
	uint64_t ages[SEEN_MAX];
	enum lb_flow_state states[SEEN_MAX];
	size_t count, limit;
} fx;

static bool show(void *context, const struct flow *flow)
{
	(void)context;
	if (fx.count == fx.limit)
		return false;
	fx.ages[fx.count] = flow->age_ms;
	fx.states[fx.count] = flow->state;
	fx.seen[fx.count++] = flow->nat ? ntohs(flow->nat->client_port) : flow->fingerprint;
	return true;
}

static int setup(void **state)
{
	static const struct dataplane_sizes sizes = {
		.services = 2, .backends = 3, .vips = 1, .flows = FLOWS, .table_size = 7};
	static const uint16_t timeouts[LB_FLOW_STATES] = {0, 100, 50, 20};

	(void)state;
	memset(&fx, 0, sizeof(fx));
	fx.fake = fake_dataplane_new(&sizes);
	assert_non_null(fx.fake);
	for (int i = L2; i <= NAT; i++) {
		memcpy(fx.fake->dp.services[i].timeout, timeouts, sizeof(timeouts));
		fx.fake->dp.services[i].timeout_udp = 10;
	}
	fx.fake->dp.services[L2].flags = LB_SERVICE_TRACK;
	fx.fake->dp.services[L2].mode = LB_MODE_L2;
	fx.fake->dp.services[NAT].flags = LB_SERVICE_TRACK;
	fx.fake->dp.services[NAT].mode = LB_MODE_NAT;
	fx.fake->dp.backends[A].service = L2;
	fx.fake->dp.backends[B].service = L2;
	fx.fake->dp.backends[C].service = NAT;
	fx.filter = (struct flow_filter){.in_table = true,
					 .in_nat = true,
					 .states = {false, true, true, true},
					 .max_age_ms = UINT64_MAX};
	fx.list = (struct flow_list){.dp = &fx.fake->dp,
				     .room = &fx.room,
				     .filter = &fx.filter,
				     .now = NOW,
				     .show = show};
	fx.limit = SEEN_MAX;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_dataplane_free(fx.fake);
	return 0;
}

/* A word at a place, last touched so many of its state's ticks ago. */
static void put_word(uint32_t place, uint32_t fingerprint, uint16_t backend,
		     enum lb_flow_state state, uint32_t age)
{
	const struct dataplane_clock *clock = &fx.fake->dp.clock;
	uint8_t shift = state == LB_FLOW_EMBRYONIC ? clock->tick_shift : clock->coarse_tick_shift;

	fx.fake->dp.flows[place / LB_FLOW_WAYS].word[place % LB_FLOW_WAYS] =
		(uint64_t)fingerprint << LB_FLOW_FINGERPRINT_SHIFT |
		(uint64_t)backend << LB_FLOW_BACKEND_SHIFT |
		(uint64_t)state << LB_FLOW_STATE_SHIFT |
		(((NOW >> shift) - age) & LB_FLOW_TIME_MASK);
}

static void put_nat(uint16_t client_port, const char *client, uint64_t bits, uint8_t protocol,
		    uint32_t age)
{
	struct fake_nat *nat = &fx.fake->nat[fx.fake->nat_count++];
	uint64_t ticks = (NOW >> fx.fake->dp.clock.tick_shift) - age;
	struct address address;
	struct error err;

	assert_int_equal(parse_address(client, &address, &err), 0);
	*nat = (struct fake_nat){
		.key = {.l4_proto = protocol},
		.entry = {.life = ticks << LB_NAT_TIME_SHIFT | bits,
			  .client_port = htons(client_port),
			  .service = NAT,
			  .backend = C},
	};
	memcpy(&nat->entry.client_addr, &address, sizeof(nat->entry.client_addr));
}

/* Reads on to the end, or until there is no more room. */
static void read_on(void)
{
	fx.list.full = false;
	while (flow_list_step(&fx.list))
		;
}

static void assert_seen(const uint32_t *expected, size_t count)
{
	assert_int_equal(fx.count, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(fx.seen[i], expected[i]);
}

#define ASSERT_SEEN(...)                                                                           \
	assert_seen((const uint32_t[]){__VA_ARGS__},                                               \
		    sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void both_maps_are_read(void **state)
{
	(void)state;
	put_word(0, 10, A, LB_FLOW_ESTABLISHED, 3);
	put_word(FLOW_LIST_STEP, 11, B, LB_FLOW_CLOSING, 0);
	put_word(FLOWS - 1, 12, A, LB_FLOW_EMBRYONIC, 25);
	put_word(7, 13, C, LB_FLOW_ESTABLISHED, 0); /* in the other map too, with its addresses */
	put_nat(20, "198.18.0.2", LB_NAT_LIVE | LB_NAT_ANSWERED, IPPROTO_TCP, 0);
	read_on();
	ASSERT_SEEN(10, 11, 12, 20);
	assert_false(fx.list.full);
	assert_int_equal(fx.ages[0], 3 * 1024); /* HZ 250: a coarse tick is 256 jiffies */
	assert_int_equal(fx.ages[2], 25 * 4);
	assert_int_equal(fx.states[1], LB_FLOW_CLOSING);
	assert_int_equal(fx.states[3], LB_FLOW_ESTABLISHED);
}

static void what_has_ended_is_not_shown(void **state)
{
	(void)state;
	put_word(0, 10, A, LB_FLOW_ESTABLISHED, 50);
	put_word(1, 11, A, LB_FLOW_ESTABLISHED, 51);
	put_word(2, 12, A, LB_FLOW_EMBRYONIC, 101);
	put_word(3, 13, A, LB_FLOW_CLOSING, 21);
	put_word(4, 14, 9, LB_FLOW_ESTABLISHED, 0); /* no such backend */
	put_nat(20, "198.18.0.2", LB_NAT_LIVE | LB_NAT_ANSWERED, IPPROTO_TCP, 50 * 256);
	put_nat(21, "198.18.0.2", LB_NAT_LIVE | LB_NAT_ANSWERED, IPPROTO_TCP, 51 * 256);
	put_nat(22, "198.18.0.2", LB_NAT_LIVE | LB_NAT_ANSWERED, IPPROTO_UDP, 11 * 256);
	put_nat(23, "198.18.0.2", LB_NAT_LIVE, IPPROTO_TCP, 101);
	put_nat(24, "198.18.0.2", LB_NAT_CLAIMED, IPPROTO_TCP, 0);
	put_nat(25, "198.18.0.2", LB_NAT_CLOSED, IPPROTO_TCP, 21 * 256);
	read_on();
	ASSERT_SEEN(10, 20);
}

static void states_of_translated_flows(void **state)
{
	(void)state;
	put_nat(20, "198.18.0.2", LB_NAT_LIVE, IPPROTO_TCP, 0);
	put_nat(21, "198.18.0.2", LB_NAT_LIVE | LB_NAT_ANSWERED, IPPROTO_TCP, 0);
	put_nat(22, "198.18.0.2", LB_NAT_LIVE | LB_NAT_ANSWERED | LB_NAT_FIN_CLIENT, IPPROTO_TCP,
		0);
	put_nat(23, "198.18.0.2", LB_NAT_CLOSED | LB_NAT_ANSWERED, IPPROTO_TCP, 0);
	read_on();
	ASSERT_SEEN(20, 21, 22, 23);
	assert_int_equal(fx.states[0], LB_FLOW_EMBRYONIC);
	assert_int_equal(fx.states[1], LB_FLOW_ESTABLISHED);
	assert_int_equal(fx.states[2], LB_FLOW_CLOSING);
	assert_int_equal(fx.states[3], LB_FLOW_CLOSING);
}

/* Page by page, each from where the one before has said, gives the same as all at once. */
static void pages_make_the_whole(void **state)
{
	char text[FLOW_CURSOR_TEXT_MAX];
	struct error err;
	size_t pages = 0;

	(void)state;
	for (uint32_t i = 0; i < 5; i++)
		put_word(i * 3000, 10 + i, A, LB_FLOW_ESTABLISHED, 0);
	for (uint16_t i = 0; i < 5; i++)
		put_nat((uint16_t)(20 + i), "198.18.0.2", LB_NAT_LIVE, IPPROTO_TCP, 0);
	for (fx.limit = 1;; fx.limit += 1) {
		read_on();
		pages++;
		if (!fx.list.full)
			break;
		flow_cursor_format(&fx.list.cursor, text);
		memset(&fx.list.cursor, 0xff, sizeof(fx.list.cursor));
		assert_int_equal(flow_cursor_parse(text, &fx.list.cursor, &err), 0);
	}
	ASSERT_SEEN(10, 11, 12, 13, 14, 20, 21, 22, 23, 24);
	assert_int_equal(pages, 10);
}

static void filters(void **state)
{
	static const bool only_b[] = {false, false, true, false};

	(void)state;
	put_word(0, 10, A, LB_FLOW_ESTABLISHED, 5);
	put_word(1, 11, B, LB_FLOW_ESTABLISHED, 10);
	put_word(2, 12, B, LB_FLOW_CLOSING, 10);
	put_nat(20, "198.18.0.2", LB_NAT_LIVE, IPPROTO_TCP, 0);
	put_nat(21, "198.18.3.2", LB_NAT_LIVE, IPPROTO_TCP, 0);
	put_nat(22, "2001:db8::2", LB_NAT_LIVE, IPPROTO_TCP, 0);
	fx.filter.backends = only_b;
	read_on();
	ASSERT_SEEN(11, 12);
	fx.filter.states[LB_FLOW_CLOSING] = false;
	fx.count = 0;
	fx.list.cursor = (struct flow_cursor){0};
	read_on();
	ASSERT_SEEN(11);
	fx.filter.backends = NULL;
	fx.filter.max_age_ms = 6000;
	fx.filter.min_age_ms = 1;
	fx.count = 0;
	fx.list.cursor = (struct flow_cursor){0};
	read_on();
	ASSERT_SEEN(10);
}

static void clients(void **state)
{
	static const struct {
		const char *prefix;
		uint32_t port;
	} cases[] = {{"198.18.0.0/23", 20}, {"198.18.3.2", 21}, {"2001:db8::/32", 22}};
	struct error err;

	(void)state;
	put_word(0, 10, A, LB_FLOW_ESTABLISHED, 5);
	put_nat(20, "198.18.0.2", LB_NAT_LIVE, IPPROTO_TCP, 0);
	put_nat(21, "198.18.3.2", LB_NAT_LIVE, IPPROTO_TCP, 0);
	put_nat(22, "2001:db8::2", LB_NAT_LIVE, IPPROTO_TCP, 0);
	fx.filter.in_table = false;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse_prefix(cases[i].prefix, &fx.filter.client, &err), 0);
		fx.count = 0;
		fx.list.cursor = (struct flow_cursor){0};
		read_on();
		ASSERT_SEEN(cases[i].port);
	}
}

static void a_cursor_is_ours_or_refused(void **state)
{
	static const char *const texts[] = {
		"",        "f",   "17",           "fx",
		"f17.3",   "n17", "n.3",          "n17.",
		"n17.300", "f-1", "f99999999999", "f1111111111111111111111111111111111111"};
	struct flow_cursor cursor;
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(flow_cursor_parse(texts[i], &cursor, &err), -EINVAL);
	assert_int_equal(flow_cursor_parse("n17.3", &cursor, &err), 0);
	assert_true(cursor.nat && cursor.position == 17 && cursor.skip == 3);
	/* Beyond the end, as of a table that was larger: there is nothing. */
	put_word(0, 10, A, LB_FLOW_ESTABLISHED, 5);
	assert_int_equal(flow_cursor_parse("f4000000000", &fx.list.cursor, &err), 0);
	read_on();
	assert_int_equal(fx.count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(both_maps_are_read),
		TEST(what_has_ended_is_not_shown),
		TEST(states_of_translated_flows),
		TEST(pages_make_the_whole),
		TEST(filters),
		TEST(clients),
		TEST(a_cursor_is_ours_or_refused),
	};

	return cmocka_run_group_tests_name("flow_list", tests, NULL, NULL);
}
