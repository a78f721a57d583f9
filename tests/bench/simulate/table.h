/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_SIMULATE_TABLE_H
#define SLUICE_SIMULATE_TABLE_H

/*
 * Backends of one service as they come and go, and the tables that agent/maglev.c builds of them.
 * Everything here follows from the numbers that are given: two runs are alike.
 */
#include <stddef.h>
#include <stdint.h>

#include "maglev.h"

#define TABLE_BACKENDS_MAX 20001 /* 10,000, as many new ones, and id 0 */

enum table_change {
	TABLE_GO,     /* some of the backends go */
	TABLE_COME,   /* others join them */
	TABLE_LIGHTER /* some get half their weight */
};

extern const char *const table_change_names[];

/* The next of a row of numbers that look random (SplitMix64); state is any to begin with. */
uint64_t random_next(uint64_t *state);

/* random scaled to 0..limit - 1. */
uint32_t random_below(uint64_t random, uint32_t limit);

/* The table of `count` backends; slots has room for `size`. Dies if it cannot be built. */
void table_build(size_t count, uint16_t *slots, uint32_t size);

/* The table after a change of k of the `count` backends, chosen by seed. */
void table_build_changed(enum table_change change, size_t count, size_t k, uint64_t seed,
			 uint16_t *slots, uint32_t size);

/* How many slots each backend has, by id. */
void table_count(const uint16_t *slots, uint32_t size, uint32_t counts[TABLE_BACKENDS_MAX]);

/* What a change of tables moves, as a share of all slots. */
struct table_move {
	double moved; /* have another owner */
	double ideal; /* no table of the same shares could have moved fewer */
};
struct table_move table_compare(const uint16_t *before, const uint16_t *after, uint32_t size);

#endif
