/* SPDX-License-Identifier: Apache-2.0 */
#include "slow_start.h"

uint8_t slow_start_tenths(uint64_t age_ms, uint64_t duration_ms)
{
	uint64_t tenths;

	if (age_ms >= duration_ms)
		return 0;
	tenths = age_ms * SLOW_START_TENTHS / duration_ms;
	return tenths ? (uint8_t)tenths : 1;
}

uint32_t slow_start_weight(uint16_t weight, uint8_t tenths)
{
	return (uint32_t)weight * (tenths ? tenths : SLOW_START_TENTHS);
}
