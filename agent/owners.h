/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_OWNERS_H
#define SLUICE_OWNERS_H

/*
 * Who owns the slots of a service's table as far as its configuration says, whatever is known of
 * anybody's health. A service with a second chance remembers those that it had before (remember.h):
 * from them each balancer of a fleet, however new, computes the same former tables, and so knows
 * where else a flow may have begun. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parse.h"

struct service_spec;

struct slot_owner {
	struct endpoint endpoint;
	uint16_t weight; /* above 0 */
};

/* Sorted by address and port, none twice. */
struct owners {
	struct slot_owner *list; /* owned */
	size_t count;
};

/* Two, for a drain and a new backend make some slots change hands twice. */
#define OWNERS_FORMER 2

void owners_clear(struct owners *owners);
/* -ENOMEM leaves *ret_copy untouched. */
int owners_copy(const struct owners *owners, struct owners *ret_copy);
bool owners_equal(const struct owners *a, const struct owners *b);

/* Sorts. False: one is there twice. */
bool owners_sort(struct owners *owners);

/* The index of the owner there, or -1. */
ptrdiff_t owners_find(const struct owners *owners, const struct endpoint *endpoint);

/* Those of the present configuration. What an autoscaler has launched is one balancer's own, and
 * in none of them. -ENOMEM. */
int owners_of(const struct service_spec *service, struct owners *ret_owners);

#endif
