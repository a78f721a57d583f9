/* SPDX-License-Identifier: Apache-2.0 */
/* The budgets of bpf/budget.h, built natively: what they promise, held against many sources. */
#include <linux/bpf.h>
#include <linux/in.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "native_map.h"

/* clang for BPF is not asked for these warnings. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wpointer-arith"
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#include "abi.h"
#include "compiler.h"
#include "verdicts.h"

#include "source.h"
#pragma GCC diagnostic pop

#define SECOND  256 /* jiffies, a coarse tick */
#define SERVICE 1
#define RATE    100
#define COST    (((uint64_t)SECOND << LB_BUDGET_SHIFT) / RATE)

static uint64_t jiffies = 0x123456789;

__u64 bpf_jiffies64(void)
{
	return jiffies;
}

/* Numerical Recipes' generator: the same numbers in every run. */
static uint32_t random_state;

static uint32_t random32(void)
{
	random_state = random_state * 1664525 + 1013904223;
	return random_state;
}

static int set_up(void **state)
{
	int i;

	(void)state;
	native_maps_free();
	random_state = 7;
	for (i = 0; i < LB_HASH_KEYS; i++)
		lb_hash_key[i] = random32();
	lb_coarse_tick_shift = 8;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	native_maps_free();
	return 0;
}

static bool take(uint32_t prefix, uint64_t cost)
{
	const struct lb_addr addr = {.word = {0, 0, bpf_htonl(0xffff), bpf_htonl(prefix)}};

	return source_budget_take(&addr, SERVICE, LB_BUDGET_FLOWS, cost);
}

static void test_word(void **state)
{
	__u64 word = 0;
	int granted = 0, i;

	(void)state;
	for (i = 0; i < 1000; i++)
		granted += budget_take(&word, COST);
	assert_int_equal(granted, RATE); /* a second's worth at once */
	jiffies += SECOND / 2;
	for (granted = i = 0; i < 1000; i++)
		granted += budget_take(&word, COST);
	assert_in_range(granted, RATE / 2, RATE / 2 + 1);
	jiffies += 100ULL * SECOND; /* what was not used is not kept */
	for (granted = i = 0; i < 1000; i++)
		granted += budget_take(&word, COST);
	assert_int_equal(granted, RATE);
}

static void test_prefix(void **state)
{
	struct lb_addr addr;

	(void)state;
	memset(&addr, 0xff, sizeof(addr));
	source_prefix(&addr, 64);
	assert_int_equal(addr.word[1], 0xffffffff);
	assert_int_equal(addr.word[2], 0);
	memset(&addr, 0xff, sizeof(addr));
	source_prefix(&addr, 96 + 24);
	assert_int_equal(addr.word[3], bpf_htonl(0xffffff00));
	memset(&addr, 0xff, sizeof(addr));
	source_prefix(&addr, 128);
	assert_int_equal(addr.word[3], 0xffffffff);
}

/* Alone, a source has its rate, neither more nor less. */
static void test_alone(void **state)
{
	int granted = 0, jiffy, i;

	(void)state;
	for (jiffy = 0; jiffy < 4 * SECOND; jiffy++, jiffies++) {
		for (i = 0; i < 10; i++)
			granted += take(1, COST);
	}
	assert_in_range(granted, 5 * RATE - 2, 5 * RATE + 2); /* and the first second's burst */
}

/*
 * 2,000 prefixes flood, and 200,000 forged ones come by once a second. None gets more than its
 * rate; of innocent ones at half of theirs, no more are refused than the bound says.
 */
static void test_flood(void **state)
{
	enum { FLOODERS = 2000, FORGED = 200000, INNOCENT = 2000, TRIES = RATE / 2 };
	double expected = (FLOODERS + (double)FORGED / RATE) / (LB_BUDGET_ROW * 0.5);
	int refused = 0, granted = 0, round, i;
	double most = pow(expected, LB_BUDGET_ROWS) * INNOCENT;

	(void)state;
	for (round = 0; round < 2 * RATE; round++) {
		for (i = 0; i < FLOODERS; i++)
			granted += take(0x0a000000U + (uint32_t)i * 256, COST);
		for (i = 0; i < FORGED / RATE; i++)
			take(random32() & 0xffffff00, COST);
	}
	assert_in_range(granted, FLOODERS * (RATE * 9 / 10), FLOODERS * RATE);
	for (i = 0; i < INNOCENT; i++) {
		for (round = 0; round < TRIES; round++)
			refused += !take(0xc0000000U + (uint32_t)i * 256, COST);
	}
	print_message("innocent sources expected to be refused: %g, refusals: %d\n", most, refused);
	assert_true(refused <= most * TRIES + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_word, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_prefix, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_flood, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
