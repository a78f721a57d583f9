/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane.h"

#define TICKS_MAX (LB_FLOW_TIME_MASK / 2)

/*
 * Jiffies of one unit, as a shift: the power of two nearest to `ms` milliseconds, or the next
 * one up whose count of units reaches max_ms. HZ 300 needs that: 30 s are 9000 of its jiffies.
 */
static uint8_t unit_shift(uint32_t hz, uint32_t ms, uint64_t max_ms)
{
	uint32_t jiffies = hz * ms / 1000;
	uint8_t shift = 0;

	while ((3u << shift) / 2 < jiffies)
		shift++;
	while (max_ms * hz > (1000ULL << shift) * TICKS_MAX)
		shift++;
	return shift;
}

struct dataplane_clock dataplane_clock_for(uint32_t hz)
{
	return (struct dataplane_clock){
		.hz = hz,
		.tick_shift = unit_shift(hz, 4, DATAPLANE_EMBRYONIC_MAX_MS),
		.coarse_tick_shift = unit_shift(hz, 1000, DATAPLANE_TIMEOUT_MAX_MS),
	};
}

uint16_t dataplane_ticks(const struct dataplane_clock *clock, enum lb_flow_state state, uint64_t ms)
{
	uint8_t shift = state == LB_FLOW_EMBRYONIC ? clock->tick_shift : clock->coarse_tick_shift;
	uint64_t unit = 1000ULL << shift; /* in milliseconds times hz */
	uint64_t ticks = (ms * clock->hz + unit - 1) / unit;

	if (ticks < 1)
		return 1;
	return ticks > TICKS_MAX ? TICKS_MAX : (uint16_t)ticks;
}

uint64_t dataplane_ms(const struct dataplane_clock *clock, enum lb_flow_state state, uint64_t ticks)
{
	uint8_t shift = state == LB_FLOW_EMBRYONIC ? clock->tick_shift : clock->coarse_tick_shift;

	return (ticks << shift) * 1000 / clock->hz;
}

uint32_t dataplane_table_lines(uint32_t table_size)
{
	return (table_size + LB_SLOTS_PER_LINE - 1) / LB_SLOTS_PER_LINE;
}
