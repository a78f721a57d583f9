/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_BENCH_FILL_H
#define SLUICE_BENCH_FILL_H

/* Fills the data plane's maps with more services than a case (tests/packet/case.h) can have. Those
 * are the first; each has a block of the map slots of its own number. */
#include "engine.h"
#include "target.h"

/* The many: each has one VIP, the backends and a table of its own. */
#define FILL_MANY          512U
#define FILL_MANY_BACKENDS 120U /* of each: all backends there are have numbers of 16 bits */
#define FILL_MANY_VIP4     "198.18.64.0" /* the first one's; the others' follow */

#define FILL_SERVICES  (CASE_SERVICES_MAX + FILL_MANY)
#define FILL_VIPS      (CASE_SERVICES_MAX * CASE_VIPS_MAX + FILL_MANY)
#define FILL_VIP_SLOTS 4096U
#define FILL_BACKENDS  (CASE_SERVICES_MAX * TARGET_BACKENDS + FILL_MANY * FILL_MANY_BACKENDS)

/* A service's table, in which the backends from that number on own slots by turns. slots: the
 * map's memory. */
void fill_table(struct lb_slot_line *slots, uint32_t service, uint32_t first, uint32_t count);

/* The many, over maps that the case is in. They and their backends are made after that service of
 * it, and its backends, which begin with that number. */
int fill_many(const struct engine *engine, struct lb_slot_line *slots, uint32_t service,
	      uint32_t backend, struct error *err);

/* The many become like that service in all but whom they have. */
int fill_many_after(const struct engine *engine, uint32_t service, struct error *err);

#endif
