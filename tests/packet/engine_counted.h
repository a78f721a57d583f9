/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PACKET_ENGINE_COUNTED_H
#define SLUICE_PACKET_ENGINE_COUNTED_H

/*
 * The program's own instructions, as they are loaded into the kernel, run one by one over the maps
 * of the native data plane, and counted. The counts are of the same clang's code the same on every
 * machine.
 */
#include "engine.h"

extern const struct engine engine_counted;

/* What the last packet cost. */
struct packet_cost {
	uint32_t instructions; /* BPF's, helpers not counted */
	uint32_t lookups;      /* calls of map helpers: 0.9 ns for an array to 20 for a hash */
	uint32_t calls;        /* of other helpers */
	uint32_t lines; /* cache lines of maps, constants and switches that were read or written */
	uint32_t written; /* of them, those that were written */
};
struct packet_cost engine_counted_cost(void);

#endif
