/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_DIFF_H
#define SLUICE_DIFF_H

/*
 * What differs between two desired states, for people and programs to read (docs/api.md, CHANGE).
 * Only what an operator asks for counts, not the order in which it was asked, nor indices. Pure.
 */
#include <cjson/cJSON.h>

#include "desired.h"

/*
 * An array of one object a service that differs, by name: the service, "added", "removed" or
 * "changed", its fields that differ, from what to what, and its backends that do. Empty if nothing
 * differs. The caller owns it; NULL: out of memory.
 */
cJSON *diff_write(const struct desired *former, const struct desired *next);

#endif
