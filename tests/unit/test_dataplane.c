/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* The values that Linux can be built with. */
static const uint32_t kernel_hz[] = {100, 250, 300, 1000};

static void test_clock(void **state)
{
	static const uint8_t tick_shifts[] = {0, 0, 1, 2};
	static const uint8_t coarse_tick_shifts[] = {7, 8, 9, 10};
	struct dataplane_clock clock;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kernel_hz); i++) {
		clock = dataplane_clock_for(kernel_hz[i]);
		assert_int_equal(clock.hz, kernel_hz[i]);
		assert_int_equal(clock.tick_shift, tick_shifts[i]);
		assert_int_equal(clock.coarse_tick_shift, coarse_tick_shifts[i]);
	}
}

static void test_ticks(void **state)
{
	static const struct {
		uint32_t hz;
		enum lb_flow_state state;
		uint64_t ms;
		uint16_t ticks;
	} cases[] = {
		{100, LB_FLOW_EMBRYONIC, 10, 1},       {100, LB_FLOW_EMBRYONIC, 11, 2},
		{100, LB_FLOW_EMBRYONIC, 30000, 3000}, {100, LB_FLOW_ESTABLISHED, 1280, 1},
		{100, LB_FLOW_ESTABLISHED, 1281, 2},   {100, LB_FLOW_CLOSING, 900000, 704},
		{250, LB_FLOW_EMBRYONIC, 4, 1},        {250, LB_FLOW_EMBRYONIC, 5, 2},
		{250, LB_FLOW_EMBRYONIC, 30000, 7500}, {250, LB_FLOW_ESTABLISHED, 1024, 1},
		{250, LB_FLOW_ESTABLISHED, 1025, 2},   {250, LB_FLOW_CLOSING, 900000, 879},
		{300, LB_FLOW_EMBRYONIC, 20, 3},       {300, LB_FLOW_EMBRYONIC, 21, 4},
		{300, LB_FLOW_EMBRYONIC, 30000, 4500}, {300, LB_FLOW_ESTABLISHED, 900000, 528},
		{300, LB_FLOW_CLOSING, 2000, 2},       {1000, LB_FLOW_EMBRYONIC, 4, 1},
		{1000, LB_FLOW_EMBRYONIC, 5, 2},       {1000, LB_FLOW_EMBRYONIC, 30000, 7500},
		{1000, LB_FLOW_ESTABLISHED, 1024, 1},  {1000, LB_FLOW_ESTABLISHED, 1025, 2},
		{1000, LB_FLOW_CLOSING, 900000, 879},
	};
	struct dataplane_clock clock;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		clock = dataplane_clock_for(cases[i].hz);
		assert_int_equal(dataplane_ticks(&clock, cases[i].state, cases[i].ms),
				 cases[i].ticks);
	}
}

/* No timeout that a service may have is cut short, whatever the kernel's HZ. */
static void test_longest_timeouts_fit(void **state)
{
	static const uint64_t max_ms[LB_FLOW_STATES] = {
		[LB_FLOW_EMBRYONIC] = DATAPLANE_EMBRYONIC_MAX_MS,
		[LB_FLOW_ESTABLISHED] = DATAPLANE_TIMEOUT_MAX_MS,
		[LB_FLOW_CLOSING] = DATAPLANE_TIMEOUT_MAX_MS,
	};
	struct dataplane_clock clock;
	uint64_t unit, ticks;

	(void)state;
	for (uint32_t hz = 24; hz <= 1200; hz++) {
		clock = dataplane_clock_for(hz);
		for (int s = LB_FLOW_EMBRYONIC; s < LB_FLOW_STATES; s++) {
			unit = 1000ULL << (s == LB_FLOW_EMBRYONIC ? clock.tick_shift
								  : clock.coarse_tick_shift);
			ticks = dataplane_ticks(&clock, (enum lb_flow_state)s, max_ms[s]);
			assert_in_range(ticks * unit, max_ms[s] * hz, max_ms[s] * hz + unit - 1);
		}
	}
}

static void test_ticks_are_clamped(void **state)
{
	struct dataplane_clock clock;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kernel_hz); i++) {
		clock = dataplane_clock_for(kernel_hz[i]);
		for (int s = LB_FLOW_EMBRYONIC; s < LB_FLOW_STATES; s++) {
			assert_int_equal(dataplane_ticks(&clock, (enum lb_flow_state)s, 0), 1);
			assert_int_equal(dataplane_ticks(&clock, (enum lb_flow_state)s, 1), 1);
			assert_int_equal(dataplane_ticks(&clock, (enum lb_flow_state)s, 360000000),
					 LB_FLOW_TIME_MASK / 2);
		}
	}
}

static void test_table_lines(void **state)
{
	(void)state;
	assert_int_equal(dataplane_table_lines(2), 1);
	assert_int_equal(dataplane_table_lines(31), 1);
	assert_int_equal(dataplane_table_lines(32), 1);
	assert_int_equal(dataplane_table_lines(37), 2);
	assert_int_equal(dataplane_table_lines(65537), 2049);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_ticks),
		cmocka_unit_test(test_longest_timeouts_fit),
		cmocka_unit_test(test_ticks_are_clamped),
		cmocka_unit_test(test_table_lines),
	};

	return cmocka_run_group_tests_name("dataplane", tests, NULL, NULL);
}
