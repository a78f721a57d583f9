/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_REMEMBER_H
#define SLUICE_REMEMBER_H

/* Whom services with a second chance remember as former owners of their slots. Pure. */
#include "desired.h"

/*
 * next, which is to follow former, remembers whom former had: of each service with a second chance
 * former's owners come before those that it remembered, if next has others. What next brings along
 * itself, as a document does, stands if it tells of former's owners, or if those stay; so balancers
 * that follow one another's documents agree. -ENOMEM.
 */
int remember_owners(const struct desired *former, struct desired *next);

#endif
