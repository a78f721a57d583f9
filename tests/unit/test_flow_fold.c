/* SPDX-License-Identifier: Apache-2.0 */

/* The part of the flow table that is used follows the load. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_dataplane.h"
#include "flow_fold.h"

#define SILENCE 300
#define BUCKETS (8 * FLOW_FOLD_BUCKETS_MIN)
#define FEW     FLOW_FOLD_BUCKETS_MIN
#define MANY    (2 * FLOW_FOLD_BUCKETS_MIN)

static struct flow_fold next(struct flow_fold fold, uint32_t entries, uint32_t tick)
{
	return flow_fold_next(fold, BUCKETS, entries, tick, SILENCE);
}

static void assert_fold(struct flow_fold fold, uint32_t now, uint32_t former)
{
	assert_int_equal(fold.now, now);
	assert_int_equal(fold.former, former);
}

static void test_what_fits(void **state)
{
	(void)state;
	assert_int_equal(flow_fold_for(FLOW_FOLD_BUCKETS_MIN / 2, FLOW_FOLD_BUCKETS_MIN, 0), 0);
	assert_int_equal(flow_fold_for(FLOW_FOLD_BUCKETS_MIN, FLOW_FOLD_BUCKETS_MIN, 0), 0);
	assert_int_equal(flow_fold_for(BUCKETS, FLOW_FOLD_BUCKETS_MIN, 0), 3);
	assert_int_equal(flow_fold_for(BUCKETS, FLOW_FOLD_BUCKETS_MIN, FEW), 3);
	assert_int_equal(flow_fold_for(BUCKETS, FLOW_FOLD_BUCKETS_MIN, MANY), 2);
	assert_int_equal(flow_fold_for(BUCKETS, FLOW_FOLD_BUCKETS_MIN, BUCKETS), 0);
	assert_int_equal(flow_fold_for(BUCKETS, FLOW_FOLD_BUCKETS_MIN, UINT32_MAX), 0);
}

/* At once, and as a whole. */
static void test_unfolds(void **state)
{
	struct flow_fold fold = {.least = FLOW_FOLD_BUCKETS_MIN, .now = 3, .former = 3};

	(void)state;
	fold = next(fold, FEW, 10);
	assert_fold(fold, 3, 3);
	fold = next(fold, MANY, 11);
	assert_fold(fold, 0, 3);
	fold = next(fold, MANY, 11 + SILENCE);
	assert_fold(fold, 0, 3);
}

/* To what the most had room in that there were, once nothing is left of the table of before; then
 * nothing is left where the whole one had it, either. */
static void test_folds_to_the_peak(void **state)
{
	struct flow_fold fold = {.least = FLOW_FOLD_BUCKETS_MIN, .now = 0, .former = 3};

	(void)state;
	fold = next(fold, MANY, 5);
	fold = next(fold, FEW, SILENCE);
	assert_fold(fold, 0, 3);
	fold = next(fold, FEW, SILENCE + 1);
	assert_fold(fold, 2, 0);
	fold = next(fold, FEW, 2 * SILENCE + 1);
	assert_fold(fold, 2, 0);
	fold = next(fold, FEW, 2 * SILENCE + 2);
	assert_fold(fold, 0, 2);
	fold = next(fold, FEW, 3 * SILENCE + 3);
	assert_fold(fold, 3, 0);
	fold = next(fold, FEW, 4 * SILENCE + 4);
	assert_fold(fold, 3, 3);
	fold = next(fold, FEW, 9 * SILENCE);
	assert_fold(fold, 3, 3);
}

/* While entries are in the whole table and in a part of it, it can only become the whole. */
static void test_never_in_three_places(void **state)
{
	struct flow_fold fold = {.least = FLOW_FOLD_BUCKETS_MIN, .now = 2, .former = 0};

	(void)state;
	fold = next(fold, 4 * MANY, 5);
	assert_fold(fold, 0, 2);
	assert_int_equal(fold.since, 5);
	fold = next(fold, 4 * MANY, 6 + SILENCE);
	assert_fold(fold, 0, 0);
}

static void test_travels_as_a_word(void **state)
{
	struct flow_fold fold = {
		.least = FLOW_FOLD_BUCKETS_MIN, .now = 3, .former = 9, .peak = 4, .since = 5};

	(void)state;
	assert_int_equal(flow_fold_word(&fold), 0x903);
	fold = flow_fold_adopt(0x903, 16, 7);
	assert_fold(fold, 3, 9);
	assert_int_equal(fold.since, 7);
	assert_int_equal(fold.peak, 0);
	assert_int_equal(fold.least, 16);
}

/* The table itself is looked at, and both packets and the next agent are told. */
static void test_follows_the_table(void **state)
{
	const struct dataplane_sizes sizes = {.flows = BUCKETS * LB_FLOW_WAYS,
					      .services = 1,
					      .backends = 1,
					      .vips = 1,
					      .table_size = 31,
					      .nat_flows = 1,
					      .fragments = 1};
	struct fake_dataplane *fake = fake_dataplane_new(&sizes);
	struct flow_fold fold = {.least = FLOW_FOLD_BUCKETS_MIN, .now = 3, .former = 3};
	struct dataplane *dp = &fake->dp;
	uint32_t i, way;

	(void)state;
	dp->switches->flow_fold = flow_fold_word(&fold);
	dp->services[1].flags = LB_SERVICE_TRACK;
	dp->services[1].timeout[LB_FLOW_ESTABLISHED] = SILENCE;
	flow_fold_follow(&fold, dp, 0);
	assert_int_equal(flow_fold_used(dp), FLOW_FOLD_BUCKETS_MIN);
	for (i = 0; i < FLOW_FOLD_BUCKETS_MIN; i++)
		for (way = 0; way < 2; way++)
			dp->flows[i].word[way] = 1;
	flow_fold_follow(&fold, dp, 0);
	assert_int_equal(flow_fold_used(dp), BUCKETS);
	assert_int_equal(dp->switches->flow_fold, 0x300);
	assert_int_equal(dp->meta->flow_fold, 0x300);
	flow_fold_follow(&fold, dp, (uint64_t)(SILENCE + 1) << dp->clock.coarse_tick_shift);
	assert_int_equal(flow_fold_used(dp), 2 * FLOW_FOLD_BUCKETS_MIN);
	fake_dataplane_free(fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_fits),
		cmocka_unit_test(test_unfolds),
		cmocka_unit_test(test_folds_to_the_peak),
		cmocka_unit_test(test_never_in_three_places),
		cmocka_unit_test(test_travels_as_a_word),
		cmocka_unit_test(test_follows_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
