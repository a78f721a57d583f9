/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PLAN_VIEW_H
#define SLUICE_PLAN_VIEW_H

/* A plan as JSON, as docs/api.md says (PLAN). */
#include <cjson/cJSON.h>

#include "plan.h"

/* Adds what the plan says to json. False: out of memory. */
bool plan_view(cJSON *json, const struct plan *plan);

#endif
