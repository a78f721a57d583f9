/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_MATCH_H
#define SLUICE_MATCH_H

/*
 * What belongs together in two desired states: services by name, backends by address and port.
 * Everything that compares states walks these, so that all of them mean the same by "the same".
 * Sorted, and so the same whatever the order of insertion. Pure.
 */
#include "desired.h"

/* One of the two may be NULL. */
struct service_match {
	struct service_spec *former, *next;
};

struct backend_match {
	struct backend_spec *former, *next;
};

/* Into *ret_matches, which the caller frees; they point into both states. -ENOMEM. */
int match_services(const struct desired *former, const struct desired *next,
		   struct service_match **ret_matches, size_t *ret_count);

/* Likewise; either service may be NULL, which has no backends. */
int match_backends(const struct service_spec *former, const struct service_spec *next,
		   struct backend_match **ret_matches, size_t *ret_count);

#endif
