/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_EXPLAIN_MAPS_H
#define SLUICE_EXPLAIN_MAPS_H

/*
 * The maps as the natively built data plane sees them while it explains: private copies of the
 * live entries, made when they are first asked for. What it changes, it changes in the copies.
 * They are kept in the order in which they were asked for, as they were and as they have become:
 * the trace of a packet's way.
 *
 * One explanation at a time: there is one native data plane a process.
 */
#include "dataplane.h"

#define EXPLAIN_KEY_MAX   48
#define EXPLAIN_VALUE_MAX 512

/* An entry that was asked for. */
struct explain_entry {
	_Alignas(64) uint8_t value[EXPLAIN_VALUE_MAX]; /* as the data plane has left it */
	_Alignas(64) uint8_t before[EXPLAIN_VALUE_MAX];
	_Alignas(8) uint8_t key[EXPLAIN_KEY_MAX];
	const char *map; /* as in bpf/maps.h */
	uint32_t value_size;
	bool found;   /* it was there */
	bool present; /* it is there now */
};

struct explain_maps;

/* Begins an explanation: from here on the data plane's lookups are answered from dp, which must
 * outlive it. NULL: out of memory. */
struct explain_maps *explain_maps_new(struct dataplane *dp);
/* Forgets the copies: the next run sees the live maps again. */
void explain_maps_clear(struct explain_maps *maps);
/* NULL-safe. */
void explain_maps_free(struct explain_maps *maps);

/* The entries of a map that were asked for, in turn: the one after `previous` (NULL: the first), or
 * NULL. Of every map for map NULL. */
const struct explain_entry *explain_maps_next(const struct explain_maps *maps, const char *map,
					      const struct explain_entry *previous);

/* The entry of an array of 32-bit keys; NULL: it was not asked for. */
const struct explain_entry *explain_maps_at(const struct explain_maps *maps, const char *map,
					    uint32_t index);

/* Whether the kernel was asked for a route, and its answer: see dataplane_ops.route_get. */
bool explain_maps_routed(const struct explain_maps *maps, int *ret_answer);

/* 0, or why the trace is not what the program would do: -E2BIG: more entries than there is room
 * for; else the errno of a lookup that failed. */
int explain_maps_error(const struct explain_maps *maps);

#endif
