/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_SLOW_START_H
#define SLUICE_SLOW_START_H

/*
 * Slow start: a backend that comes back has cold caches and no warm connections, so its weight
 * grows from a tenth to the whole in ten steps of equal length. Pure; time is passed in.
 */
#include <stdint.h>

#define SLOW_START_TENTHS 10

/*
 * How many tenths of its weight a backend has that came up age_ms ago, 1 to 9; 0 once it has all
 * of it, which is when duration_ms have passed (0: at once).
 */
uint8_t slow_start_tenths(uint64_t age_ms, uint64_t duration_ms);

/* A weight in tenths: weight * 10 when tenths is 0. */
uint32_t slow_start_weight(uint16_t weight, uint8_t tenths);

#endif
