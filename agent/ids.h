/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_IDS_H
#define SLUICE_IDS_H

/*
 * Indices into the maps. What is in the desired state keeps its index for life, over restarts
 * too, because flow entries name backends by it. A removed backend's index rests until no flow
 * entry can name it any more. Pure.
 */
#include "dataplane.h"
#include "desired.h"

/*
 * Gives every service, VIP and backend of desired that has none (0) an index. resting[id] is true
 * for backends' indices that may not be given out yet. -E2BIG: there is no room; desired is then
 * to be thrown away.
 */
int ids_assign(struct desired *desired, const struct dataplane_sizes *sizes, const bool *resting,
	       struct error *err);

#endif
