/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FLEET_WEIGHTS_H
#define SLUICE_FLEET_WEIGHTS_H

/*
 * Load-aware weights of a fleet, in etcd: one balancer decides, and all do what is written there,
 * so that their tables stay the same.
 *
 *   PREFIX/weights-leader    who decides; it ends with his lease, and whoever is first is next
 *   PREFIX/weights/SERVICE   {"reason": "...", "factors": {"198.18.1.11:80": 620}}: thousandths of
 *                            the weights; who is not named has his whole weight
 *
 * A step is written only if the leader's key still is the one that he wrote, so nobody who has been
 * cut off for a while decides on. Without etcd, or without a leader, weights stay as they are.
 */
#include <uv.h>

#include "etcd.h"
#include "events.h"
#include "manager.h"

struct fleet_weights;

/* prefix is copied; all else must outlive it. NULL: out of memory. */
struct fleet_weights *fleet_weights_new(uv_loop_t *loop, struct etcd *etcd, const char *prefix,
					struct manager *manager, struct events *events);

/* Gives the lead back; the loop must run once more. NULL-safe. */
void fleet_weights_free(struct fleet_weights *weights);

/* Etcd is there, or not any more. */
void fleet_weights_connect(struct fleet_weights *weights, bool connected);

#endif
