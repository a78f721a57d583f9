/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_POOL_H
#define SLUICE_POOL_H

/*
 * What is decided over a service's backends together: which of them are its pool at the moment,
 * whether so few of these are up that it panics, how many outliers may be ejected. Pure.
 *
 * The pool is the group of the lowest priority that has a backend up, for this one gets the new
 * flows; with nobody up, the group of the lowest priority. Who is drained, removed, in maintenance
 * or of weight 0 is in no pool, and neither is who waits for his first check: he counts neither
 * for nor against.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "manager.h"

struct pool_member {
	enum backend_status status;
	uint16_t weight;
	uint8_t priority;
};

struct pool_census {
	uint8_t priority;
	uint32_t members;
	uint32_t up;
	uint32_t ejected;
	uint64_t weight; /* of members */
	uint64_t up_weight;
	bool checking; /* somebody of any priority waits for his first check */
};

struct pool_census pool_count(const struct pool_member *members, size_t count);

/*
 * Less than `threshold` per cent of the pool's weight is up (0: it never panics). It does not
 * begin to panic while somebody waits for his first check, or every start of the agent would be a
 * panic. panics: it does so far.
 */
bool pool_panics(const struct pool_census *census, uint8_t threshold, bool panics);

/* Per cent of the pool's weight that is up, rounded down. 100 if it is empty. */
uint32_t pool_up_percent(const struct pool_census *census);

/*
 * How many more may be ejected: in all not more than `percent` of the members, but one always may,
 * and never the last one that is up.
 */
uint32_t pool_eject_room(const struct pool_census *census, uint8_t percent);

/* How long the ejection lasts that is the backend's times-th, from 1: 10 s, 20 s, ... up to 5
 * minutes. */
uint64_t pool_ejection_ms(uint32_t times);

/* Which ejection a new one is: the last was its times-th (0: there was none), and ended ago_ms
 * ago. Each minute in peace takes one off. */
uint32_t pool_ejection_next(uint32_t times, uint64_t ago_ms);

#endif
