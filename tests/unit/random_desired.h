/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_RANDOM_DESIRED_H
#define SLUICE_RANDOM_DESIRED_H

/*
 * Random desired states, all of them valid, and random histories of changes: from a few names,
 * VIPs and addresses, so that states made apart from each other have much in common. The same seed
 * gives the same history.
 */
#include "desired.h"

#define RANDOM_SERVICES 6
#define RANDOM_BACKENDS 12 /* of a service */

uint32_t random_below(unsigned int *seed, uint32_t limit);

/* Without indices. */
struct desired *random_desired(unsigned int *seed);

/* One change, as an operator may ask for it. */
void random_change(struct desired *desired, unsigned int *seed);

/* Some of what is removed is gone now, as it is when its drain is over. */
void random_end_drains(struct desired *desired, unsigned int *seed);

/* The same state in another order of insertion. */
void random_shuffle(struct desired *desired, unsigned int *seed);

#endif
