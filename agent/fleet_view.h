/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FLEET_VIEW_H
#define SLUICE_FLEET_VIEW_H

/* A fleet and its roll-outs as the API's JSON (docs/api.md). Pure. */
#include <cjson/cJSON.h>

#include "fleet_store.h"

/* NULL: out of memory. */
cJSON *fleet_view_rollout(const struct fleet_store_view *fleet);

#endif
