/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_AUTOSCALE_VIEW_H
#define SLUICE_AUTOSCALE_VIEW_H

/* What the autoscaler does, as JSON (docs/api.md). */
#include <cjson/cJSON.h>

#include "autoscale_run.h"

/* The caller owns it; NULL when out of memory. */
cJSON *autoscale_view(const struct autoscaler *autoscaler, const struct service_spec *service);

#endif
