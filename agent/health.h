/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_HEALTH_H
#define SLUICE_HEALTH_H

/*
 * The one rise/fall state machine. Pure: results are fed in, a change comes out.
 *
 * A new backend is HEALTH_CHECKING until its first result, which alone decides; from then on
 * `fall` failures in a row take it down and `rise` successes in a row bring it up. A result of
 * the other kind starts the count anew. It can always recover: no state is final.
 */
#include <stdbool.h>
#include <stdint.h>

enum health_state { HEALTH_CHECKING, HEALTH_UP, HEALTH_DOWN };

struct health {
	enum health_state state;
	uint32_t streak; /* results in a row that speak against state */
};

/* Returns true if state changed. rise and fall are at least 1. */
bool health_feed(struct health *health, bool success, uint32_t rise, uint32_t fall);

#endif
