/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CLOCK_H
#define SLUICE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* A clock of clock_gettime(2) in whole milliseconds; CLOCK_REALTIME's is Unix time. */
uint64_t clock_ms(clockid_t clock);

/* The same in nanoseconds, and in seconds. */
uint64_t clock_ns(clockid_t clock);
double clock_seconds(clockid_t clock);

/* Sleeps for so long, or until a signal comes. */
void clock_pause(uint64_t ms);

#endif
