/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_dataplane.h"
#include "flow_scan.h"

#define BUCKETS 4
#define SERVICE 1
#define BACKEND 2
#define OTHER   3                                    /* of the same service */
#define UNKNOWN 4                                    /* has no service */
#define BEYOND  9                                    /* no index at all */
#define NOW     ((((uint64_t)5 << 14 | 2) << 8) + 2) /* coarse ticks have just wrapped around */
#define TIMEOUTS                                                                                   \
	{                                                                                          \
		0, 10, 20, 8                                                                       \
	}

struct fixture {
	struct fake_dataplane *fake;
	struct flow_scan *scan;
};

static int setup(void **state)
{
	static const struct dataplane_sizes sizes = {
		.services = 1,
		.backends = 4,
		.vips = 1,
		.flows = BUCKETS * LB_FLOW_WAYS,
		.table_size = 7,
	};
	static const uint16_t timeouts[LB_FLOW_STATES] = TIMEOUTS;
	static struct fixture fixture;

	fixture.fake = fake_dataplane_new(&sizes);
	assert_non_null(fixture.fake);
	memcpy(fixture.fake->dp.services[SERVICE].timeout, timeouts, sizeof(timeouts));
	fixture.fake->dp.services[SERVICE].flags = LB_SERVICE_TRACK;
	fixture.fake->dp.backends[BACKEND].service = SERVICE;
	fixture.fake->dp.backends[OTHER].service = SERVICE;
	fixture.scan = flow_scan_new(&fixture.fake->dp);
	assert_non_null(fixture.scan);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	flow_scan_free(fixture->scan);
	fake_dataplane_free(fixture->fake);
	return 0;
}

/* A word last touched `age` of its state's ticks before NOW; below 0: stamped ahead. */
static uint64_t make_word(const struct fixture *fixture, uint16_t backend, enum lb_flow_state state,
			  int age)
{
	const struct dataplane_clock *clock = &fixture->fake->dp.clock;
	uint64_t ticks =
		NOW >> (state == LB_FLOW_EMBRYONIC ? clock->tick_shift : clock->coarse_tick_shift);

	return 0xabcdULL << LB_FLOW_FINGERPRINT_SHIFT | (uint64_t)backend << LB_FLOW_BACKEND_SHIFT |
	       (uint64_t)state << LB_FLOW_STATE_SHIFT |
	       ((ticks - (uint64_t)(int64_t)age) & LB_FLOW_TIME_MASK);
}

static uint64_t word_at(const struct fixture *fixture, uint32_t bucket, uint32_t way)
{
	return fixture->fake->dp.flows[bucket].word[way];
}

static void put(struct fixture *fixture, uint32_t bucket, uint32_t way, uint64_t word)
{
	fixture->fake->dp.flows[bucket].word[way] = word;
}

static const struct flow_counts *whole_round(struct fixture *fixture)
{
	assert_true(flow_scan_step(fixture->scan, NOW, BUCKETS));
	return flow_scan_counts(fixture->scan);
}

static void test_counts(void **state)
{
	struct fixture *fixture = *state;
	const struct flow_counts *counts = flow_scan_counts(fixture->scan);

	assert_int_equal(counts->active[BACKEND], 0);
	put(fixture, 0, 0, make_word(fixture, BACKEND, LB_FLOW_EMBRYONIC, 0));
	put(fixture, 0, 7, make_word(fixture, BACKEND, LB_FLOW_ESTABLISHED, 1));
	put(fixture, 3, 7, make_word(fixture, BACKEND, LB_FLOW_ESTABLISHED, 2));
	put(fixture, 2, 4, make_word(fixture, OTHER, LB_FLOW_CLOSING, 0));
	for (uint64_t round = 1; round <= 3; round++) {
		counts = whole_round(fixture);
		assert_int_equal(flow_scan_rounds(fixture->scan), round);
		assert_int_equal(counts->active[BACKEND], 3);
		assert_int_equal(counts->active[OTHER], 1);
		assert_int_equal(counts->by_state[LB_FLOW_EMBRYONIC], 1);
		assert_int_equal(counts->by_state[LB_FLOW_ESTABLISHED], 2);
		assert_int_equal(counts->by_state[LB_FLOW_CLOSING], 1);
	}
}

/* At its timeout an entry still stands; one tick of its own kind later it does not. */
/* Of the sample each stands for several, of the others none; entries are as many as there are. */
static void test_sample(void **state)
{
	struct fixture *fixture = *state;
	const uint64_t word = make_word(fixture, BACKEND, LB_FLOW_ESTABLISHED, 0);
	const struct flow_counts *counts;

	fixture->fake->dp.services[SERVICE].flags |= LB_SERVICE_TRACK_CHANGED;
	fixture->fake->switches.sample_mask = 1;
	fixture->fake->switches.counted_mask = 3;
	for (uint32_t way = 0; way < LB_FLOW_WAYS; way++)
		put(fixture, 0, way, (word & UINT32_MAX) | (uint64_t)(8 + way) << 32);
	counts = whole_round(fixture);
	assert_int_equal(counts->active[BACKEND], 8);
	assert_int_equal(counts->entries[BACKEND], 8);
	assert_int_equal(counts->sampled, 4);
	put(fixture, 0, 0, 0); /* of the sample */
	put(fixture, 0, 1, 0); /* not */
	counts = whole_round(fixture);
	assert_int_equal(counts->active[BACKEND], 4);
	assert_int_equal(counts->entries[BACKEND], 6);
	assert_int_equal(counts->sampled, 3);
}

/* The passes that the rest of the round takes. */
static uint32_t passes_left(struct fixture *fixture)
{
	uint32_t passes = 1;

	while (!flow_scan_step(fixture->scan, NOW, BUCKETS))
		assert_true(++passes < 4);
	return passes;
}

/* While packets may move entries, one that gets behind the scan's position is counted all the same,
 * in two passes; when they no longer may, one is a round again. */
static void test_moving(void **state)
{
	struct fixture *fixture = *state;
	const struct flow_counts *counts = flow_scan_counts(fixture->scan);
	const uint64_t word = make_word(fixture, BACKEND, LB_FLOW_ESTABLISHED, 0);

	fixture->fake->switches.flow_fold = 1;
	assert_int_equal(passes_left(fixture), 3);
	put(fixture, 3, 0, word);
	assert_false(flow_scan_step(fixture->scan, NOW, 2));
	put(fixture, 3, 0, 0);
	put(fixture, 1, 0, word);
	assert_int_equal(passes_left(fixture), 2);
	assert_int_equal(counts->active[BACKEND], 1);
	assert_int_equal(passes_left(fixture), 2);
	assert_int_equal(counts->active[BACKEND], 1);
	put(fixture, 1, 0, 0);
	assert_int_equal(passes_left(fixture), 2);
	assert_int_equal(counts->active[BACKEND], 0);
	fixture->fake->switches.flow_fold = 0;
	assert_int_equal(passes_left(fixture), 2);
	assert_int_equal(passes_left(fixture), 1);
}

/* A service that does not track any more leaves nothing behind. */
static void test_untracked(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, 0, 0, make_word(fixture, BACKEND, LB_FLOW_ESTABLISHED, 0));
	fixture->fake->dp.services[SERVICE].flags = 0;
	assert_int_equal(whole_round(fixture)->active[BACKEND], 0);
	assert_int_equal(word_at(fixture, 0, 0), 0);
}

static void test_expiry(void **state)
{
	static const uint16_t timeouts[LB_FLOW_STATES] = TIMEOUTS;
	struct fixture *fixture = *state;
	const struct flow_counts *counts;

	for (uint32_t s = LB_FLOW_EMBRYONIC; s < LB_FLOW_STATES; s++) {
		put(fixture, s, 0, make_word(fixture, BACKEND, s, timeouts[s]));
		put(fixture, s, 1, make_word(fixture, BACKEND, s, timeouts[s] + 1));
		put(fixture, s, 2, make_word(fixture, BACKEND, s, LB_FLOW_TIME_MASK / 2 + 1));
	}
	counts = whole_round(fixture);
	for (uint32_t s = LB_FLOW_EMBRYONIC; s < LB_FLOW_STATES; s++) {
		assert_int_equal(counts->by_state[s], 1);
		assert_true(word_at(fixture, s, 0) != 0);
		assert_true(word_at(fixture, s, 1) == 0);
		assert_true(word_at(fixture, s, 2) == 0);
	}
}

static void test_stamped_ahead(void **state)
{
	struct fixture *fixture = *state;
	const struct flow_counts *counts;

	for (uint32_t s = LB_FLOW_EMBRYONIC; s < LB_FLOW_STATES; s++) {
		put(fixture, s, 0, make_word(fixture, BACKEND, s, -1));
		put(fixture, s, 1, make_word(fixture, BACKEND, s, -LB_FLOW_TICKS_AHEAD));
		put(fixture, s, 2, make_word(fixture, BACKEND, s, -LB_FLOW_TICKS_AHEAD - 1));
	}
	counts = whole_round(fixture);
	for (uint32_t s = LB_FLOW_EMBRYONIC; s < LB_FLOW_STATES; s++) {
		assert_int_equal(counts->by_state[s], 2);
		assert_true(word_at(fixture, s, 2) == 0);
	}
	assert_int_equal(counts->active[BACKEND], 6);
}

static void test_unknown_backends(void **state)
{
	struct fixture *fixture = *state;
	const struct flow_counts *counts;

	put(fixture, 1, 0, make_word(fixture, 0, LB_FLOW_ESTABLISHED, 0));
	put(fixture, 1, 1, make_word(fixture, UNKNOWN, LB_FLOW_ESTABLISHED, 0));
	put(fixture, 1, 2, make_word(fixture, BEYOND, LB_FLOW_ESTABLISHED, 0));
	put(fixture, 1, 3, make_word(fixture, BACKEND, LB_FLOW_ESTABLISHED, 0));
	counts = whole_round(fixture);
	assert_int_equal(counts->by_state[LB_FLOW_ESTABLISHED], 1);
	for (uint32_t way = 0; way < 3; way++)
		assert_true(word_at(fixture, 1, way) == 0);
	assert_true(word_at(fixture, 1, 3) != 0);
}

/* Counts are of whole rounds only, whatever the steps. */
static void test_partial_steps(void **state)
{
	struct fixture *fixture = *state;
	struct flow_scan *scan = fixture->scan;

	for (uint32_t bucket = 0; bucket < BUCKETS; bucket++)
		put(fixture, bucket, bucket, make_word(fixture, BACKEND, LB_FLOW_ESTABLISHED, 0));
	assert_false(flow_scan_step(scan, NOW, 1));
	assert_false(flow_scan_step(scan, NOW, 2));
	assert_int_equal(flow_scan_counts(scan)->active[BACKEND], 0);
	assert_int_equal(flow_scan_rounds(scan), 0);
	assert_true(flow_scan_step(scan, NOW, 3));
	assert_int_equal(flow_scan_counts(scan)->active[BACKEND], BUCKETS);
	assert_int_equal(flow_scan_rounds(scan), 1);

	memset(fixture->fake->dp.flows, 0, BUCKETS * sizeof(*fixture->fake->dp.flows));
	assert_false(flow_scan_step(scan, NOW, BUCKETS - 1));
	assert_int_equal(flow_scan_counts(scan)->active[BACKEND], BUCKETS);
	assert_true(flow_scan_step(scan, NOW, UINT32_MAX));
	assert_int_equal(flow_scan_counts(scan)->active[BACKEND], 0);
	assert_int_equal(flow_scan_rounds(scan), 2);
}

static void test_closing_is_active_shortly(void **state)
{
	struct fixture *fixture = *state;
	const struct flow_counts *counts;

	put(fixture, 0, 0, make_word(fixture, BACKEND, LB_FLOW_CLOSING, 3));
	put(fixture, 0, 1, make_word(fixture, BACKEND, LB_FLOW_CLOSING, 4));
	put(fixture, 0, 2, make_word(fixture, BACKEND, LB_FLOW_CLOSING, -1));
	counts = whole_round(fixture);
	assert_int_equal(counts->active[BACKEND], 2);
	assert_int_equal(counts->by_state[LB_FLOW_CLOSING], 3);
}

/* For least-conn: embryonic and established flows, right after each whole round. */
static void test_loads(void **state)
{
	struct fixture *fixture = *state;
	int64_t *loads = fixture->fake->dp.loads;

	loads[BACKEND] = -3;
	loads[OTHER] = 99;
	put(fixture, 0, 0, make_word(fixture, BACKEND, LB_FLOW_EMBRYONIC, 0));
	put(fixture, 0, 1, make_word(fixture, BACKEND, LB_FLOW_ESTABLISHED, 1));
	put(fixture, 1, 1, make_word(fixture, OTHER, LB_FLOW_CLOSING, 0));
	assert_false(flow_scan_step(fixture->scan, NOW, BUCKETS - 1));
	assert_int_equal(loads[BACKEND], -3);
	assert_true(flow_scan_step(fixture->scan, NOW, 1));
	assert_int_equal(loads[BACKEND], 2);
	assert_int_equal(loads[OTHER], 0);
	loads[BACKEND] = 7;
	whole_round(fixture);
	assert_int_equal(loads[BACKEND], 2);
}

/* An entry does not say if it is of UDP, so the longer idle time counts. */
static void test_udp_timeout(void **state)
{
	static const uint16_t timeouts[LB_FLOW_STATES] = TIMEOUTS;
	struct fixture *fixture = *state;
	uint16_t longer = (uint16_t)(timeouts[LB_FLOW_ESTABLISHED] + 5);

	fixture->fake->dp.services[SERVICE].timeout_udp = longer;
	put(fixture, 0, 0, make_word(fixture, BACKEND, LB_FLOW_ESTABLISHED, longer));
	put(fixture, 0, 1, make_word(fixture, BACKEND, LB_FLOW_ESTABLISHED, longer + 1));
	put(fixture, 0, 2,
	    make_word(fixture, BACKEND, LB_FLOW_CLOSING, timeouts[LB_FLOW_CLOSING] + 1));
	whole_round(fixture);
	assert_true(word_at(fixture, 0, 0) != 0);
	assert_true(word_at(fixture, 0, 1) == 0);
	assert_true(word_at(fixture, 0, 2) == 0);
}

/* Their number is that of a whole round, and outlives rounds through the flow table. */
static void test_translated_flows(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(flow_scan_counts(fixture->scan)->nat, 0);
	fixture->fake->nat_count = 5;
	assert_true(flow_scan_nat_step(fixture->scan));
	assert_int_equal(flow_scan_counts(fixture->scan)->nat, 5);
	assert_true(flow_scan_step(fixture->scan, NOW, BUCKETS));
	assert_int_equal(flow_scan_counts(fixture->scan)->nat, 5);
	fixture->fake->nat_count = 2;
	assert_true(flow_scan_nat_step(fixture->scan));
	assert_int_equal(flow_scan_counts(fixture->scan)->nat, 2);
	assert_true(flow_scan_step(fixture->scan, NOW, BUCKETS));
	assert_int_equal(flow_scan_counts(fixture->scan)->nat, 2);
}

/* Of a backend that is given up, what waits for an answer is let go, but not too soon. */
static void test_given_up(void **state)
{
	struct fixture *fixture = *state;
	const int second = dataplane_ticks(&fixture->fake->dp.clock, LB_FLOW_EMBRYONIC, 1000);
	const uint16_t backends[] = {BACKEND, OTHER};

	fixture->fake->dp.services[SERVICE].timeout[LB_FLOW_EMBRYONIC] = (uint16_t)(2 * second);
	flow_scan_give_up(fixture->scan, BACKEND, true);
	for (uint32_t i = 0; i < 2; i++) {
		put(fixture, i, 0, make_word(fixture, backends[i], LB_FLOW_EMBRYONIC, second - 1));
		put(fixture, i, 1, make_word(fixture, backends[i], LB_FLOW_EMBRYONIC, second));
		put(fixture, i, 2, make_word(fixture, backends[i], LB_FLOW_ESTABLISHED, 5));
		put(fixture, i, 3, make_word(fixture, backends[i], LB_FLOW_CLOSING, 5));
	}
	whole_round(fixture);
	for (uint32_t i = 0; i < 2; i++) {
		for (uint32_t way = 0; way < 4; way++)
			assert_int_equal(word_at(fixture, i, way) == 0, i == 0 && way == 1);
	}
	flow_scan_give_up(fixture->scan, BACKEND, false);
	put(fixture, 0, 1, make_word(fixture, BACKEND, LB_FLOW_EMBRYONIC, second));
	whole_round(fixture);
	assert_true(word_at(fixture, 0, 1) != 0);
}

static void test_named(void **state)
{
	struct fixture *fixture = *state;
	bool named[5] = {false};

	put(fixture, 0, 0, make_word(fixture, 3, LB_FLOW_ESTABLISHED, 0));
	put(fixture, BUCKETS - 1, LB_FLOW_WAYS - 1, make_word(fixture, 4, LB_FLOW_CLOSING, 99));
	put(fixture, 0, 1, make_word(fixture, 5, LB_FLOW_ESTABLISHED, 0)); /* beyond the map */
	flow_scan_named(&fixture->fake->dp, named);
	assert_false(named[0] || named[1] || named[2]);
	assert_true(named[3] && named[4]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sample, setup, teardown),
		cmocka_unit_test_setup_teardown(test_moving, setup, teardown),
		cmocka_unit_test_setup_teardown(test_untracked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_expiry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stamped_ahead, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown_backends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_partial_steps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_closing_is_active_shortly, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_udp_timeout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_translated_flows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_given_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_named, setup, teardown),
	};

	return cmocka_run_group_tests_name("flow_scan", tests, NULL, NULL);
}
