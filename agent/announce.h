/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_ANNOUNCE_H
#define SLUICE_ANNOUNCE_H

/*
 * When the route to a VIP is announced to routers, and when it is withdrawn: health in, decision
 * out. Pure; time is passed in, in milliseconds of any clock that does not jump.
 *
 * What is not fit is withdrawn at once: `fall` checks have damped it already, and each moment sends
 * clients where nobody answers. What is fit again waits: each withdrawal makes routers forget and
 * learn, and moves the flows of all balancers' clients (RFC 4098 and RFC 2439 say why that is worth
 * damping; the damping of routers is too coarse, and not ours to set).
 */
#include <stdbool.h>
#include <stdint.h>

/* How many backends of a service must be healthy. */
struct announce_min {
	uint16_t value;
	bool percent; /* of its backends, rounded up to whole ones */
};

#define ANNOUNCE_MIN_MAX 65535

/* What a service's backends are like, those in maintenance left out. */
struct announce_health {
	uint32_t backends;
	uint32_t healthy;  /* up, or draining and alive: flows of theirs come by the VIP */
	uint32_t checking; /* their first check is under way */
};

/* 0: nothing is asked for. Else at least 1, also where there are no backends. */
uint32_t announce_needed(const struct announce_min *min, const struct announce_health *health);

/* Those whose first check is under way count for what is announced already, and else not: neither
 * does a new backend withdraw a route, nor a hope announce one. */
bool announce_enough(const struct announce_min *min, const struct announce_health *health,
		     bool announced);

/* The hold-down: so long a VIP must have been fit before it is announced. It doubles with each
 * withdrawal and is halved for each ANNOUNCE_CALM_MS without one. */
#define ANNOUNCE_HOLD_MIN_MS 2000
#define ANNOUNCE_HOLD_MAX_MS 64000
#define ANNOUNCE_CALM_MS     120000

/* One route's past. All zero: it has none. */
struct announcement {
	bool announced;      /* as far as health goes */
	bool fit;            /* at the last look */
	uint64_t fit_since;  /* if fit */
	uint64_t hold_ms;    /* 0: as ANNOUNCE_HOLD_MIN_MS */
	uint64_t calm_since; /* of hold_ms, when it is above the least */
};

/* Takes over one that is announced already, by a former agent. */
void announcement_adopt(struct announcement *announcement, uint64_t now);

/* A look: is it fit? Returns whether it is to be announced. */
bool announcement_look(struct announcement *announcement, bool fit, uint64_t now);

/* How long it has still to be fit; 0: no hold-down is under way. */
uint64_t announcement_waits(const struct announcement *announcement, uint64_t now);

#endif
