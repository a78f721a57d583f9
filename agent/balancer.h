/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_BALANCER_H
#define SLUICE_BALANCER_H

/*
 * What a balancer of a fleet tells the others of itself: the value of PREFIX/balancers/ID in etcd,
 * which goes when the balancer does. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define BALANCER_ID_MAX     81 /* a host's name and 8 digits */
#define BALANCER_REASON_MAX 200
#define ROLLOUT_ID_MAX      17

/* How it fares with the document of a roll-out. */
#define BALANCER_STATES(X)                                                                         \
	X(NONE, "none")       /* it has been given none */                                         \
	X(WAITING, "waiting") /* it is about to take it, or its backends are being checked */      \
	X(WELL, "well")       /* it is in force, and nobody is worse off */                        \
	X(SICK, "sick")       /* it is in force, and somebody is */                                \
	X(REFUSED, "refused") /* it does not fit, and what was in force stays */

enum balancer_state {
#define X(NAME, name) BALANCER_##NAME,
	BALANCER_STATES(X)
#undef X
		BALANCER_STATE_COUNT
};

const char *balancer_state_name(enum balancer_state state);

struct balancer {
	uint64_t revision; /* of the configuration that it follows; 0: none of etcd's */
	uint32_t up, down; /* backends that are asked to be up */
	bool in_sync;
	char id[BALANCER_ID_MAX];
	char rollout[ROLLOUT_ID_MAX];     /* that state is of; "": none */
	char reason[BALANCER_REASON_MAX]; /* of the state; "": none */
	enum balancer_state state;
};

/* The caller's to free; NULL: out of memory. */
char *balancer_write(const struct balancer *balancer);

/* Keys that a later version has told do not matter. -EBADMSG: it is none. */
int balancer_read(const char *id, const char *text, size_t length, struct balancer *ret_balancer,
		  struct error *err);

#endif
