/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t clock_ms(clockid_t clock)
{
	return clock_ns(clock) / 1000000;
}

double clock_seconds(clockid_t clock)
{
	return (double)clock_ns(clock) / 1e9;
}

void clock_pause(uint64_t ms)
{
	const struct timespec span = {.tv_sec = (time_t)(ms / 1000),
				      .tv_nsec = (long)(ms % 1000) * 1000000};

	nanosleep(&span, NULL);
}
