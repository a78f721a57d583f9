/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_LOAD_WEIGHT_H
#define SLUICE_LOAD_WEIGHT_H

/*
 * Load-aware weights: which part of its weight each backend of a service shall have, so that all of
 * them are loaded alike. Pure: figures and their age are passed in.
 *
 * What counts of a backend is its pressure, one number a step:
 *
 *   pressure = max(load, LOAD_IDLE) * sqrt(wait) * (1 + repeats), half of the former one in it
 *   load     what its host reports, 1.0 being full
 *   wait     the mean of its handshakes over the median of the service's, 1 to LOAD_WAIT_MOST
 *   repeats  LOAD_REPEATS_GAIN times the part of its SYNs that were repeated beyond the median, at
 *            most 1
 *
 * A backend whose pressure is above the mean has too large a share, so
 *
 *   target = factor * (mean / pressure) ^ LOAD_GAIN, the largest of the service being the whole
 *
 * Where pressure grows with the share, all end with the same: that is weighting by what a backend
 * gets done at its utilization, as gRPC's weighted round robin does (gRFC A58, by ORCA's reports).
 * That utilization alone is late to tell of a queue is why handshakes and the accept backlog are
 * counted in ("Load is not what you should balance: Introducing Prequal", NSDI 2024).
 *
 * Damped thrice: by the halves, by LOAD_GAIN, and by a band. Nothing is done before the pressures
 * lie further apart than LOAD_SPREAD_BEGIN, and until they are within LOAD_SPREAD_END again.
 * Bounded by a budget: a step that would move more of the table's slots goes only so far on its
 * way. Who does not report goes back to the whole of his weight, half of the way a step.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "load_policy.h"
#include "maglev.h"

#define LOAD_IDLE         0.1 /* below this all are alike */
#define LOAD_MOST         100.0
#define LOAD_WAIT_MOST    4.0
#define LOAD_WAIT_LEAST_S 0.001 /* beyond the median, or it is noise */
#define LOAD_REPEATS_GAIN 5.0
#define LOAD_GAIN         0.5
#define LOAD_SPREAD_BEGIN 0.20 /* of the mean, from the lowest pressure to the highest */
#define LOAD_SPREAD_END   0.10
#define LOAD_FRESH        3 /* a report older than so many intervals is none */

/* What a step knows of a backend. What is below 0 is not known. */
struct load_reading {
	double load;
	double wait_s;   /* mean of the handshakes since the last step */
	double repeated; /* part of its SYNs of late that were repeated, 0 to 1 */
};

/* A backend in its service's table. */
struct load_member {
	struct load_reading reading; /* given */
	uint32_t weight;             /* given: with its whole factor */
	uint64_t key;                /* given: as the table has it */
	uint16_t factor;             /* given: that it has now */
	double pressure;             /* of the last step; 0: not known. Brought up to date. */
	uint16_t target;             /* where it is on its way to */
	uint16_t next;               /* as far as this step goes */
};

/* Of a service. */
struct load_state {
	bool acts;     /* pressures were too far apart, and are not yet close enough */
	double mean;   /* of the pressures that are known; 0: of none */
	double spread; /* of them, from the lowest to the highest, in parts of the mean */
	double moved;  /* part of the slots that the step moves */
};

/* Brings pressures and targets up to date. floor: the least factor. */
void load_judge(struct load_state *state, struct load_member *members, size_t count,
		uint16_t floor);

/* As far from factor to target as moves no more than `budget` (0 to 1) of a table's slots: into
 * next, which is factor where nothing is to be done. -ENOMEM: next is factor, too. */
int load_step(struct load_state *state, struct load_member *members, size_t count, double budget,
	      uint32_t table_size);

#endif
