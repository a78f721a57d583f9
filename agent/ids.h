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
 * Gives every service, VIP and backend of desired that has none (0) an index. None is one of the
 * services or backends of former (NULL: there is none): while desired takes its place in the data
 * plane, both are there. Nor is it a backend's for which resting[id] is true. -E2BIG: there is no
 * room; desired is then to be thrown away.
 */
int ids_assign(struct desired *desired, const struct desired *former,
	       const struct dataplane_sizes *sizes, const bool *resting, struct error *err);

#endif
