/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_RETRY_H
#define SLUICE_RETRY_H

/*
 * When to try again: after a pause that doubles from try to try, with jitter, so that many who
 * failed at once do not come back at once (Brooker, "Exponential Backoff And Jitter", AWS 2015;
 * here half of each pause is fixed, his "equal jitter").
 */
#include <stdint.h>

struct retry_policy {
	unsigned int retries; /* beside the first try */
	uint64_t base_ms;     /* the longest first pause */
	uint64_t max_ms;      /* the longest of all */
};

/* The pause before a retry, counted from 1: half of min(max, base * 2^(retry - 1)) and up to as
 * much again, by a random number of any value. Pure. */
uint64_t retry_pause_ms(const struct retry_policy *policy, unsigned int retry, uint32_t random);

/* Sleeps for such a pause. */
void retry_pause(const struct retry_policy *policy, unsigned int retry);

#endif
