/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_TRIAL_H
#define SLUICE_TRIAL_H

/*
 * How a balancer fares with a roll-out's document in force: worse than before if a backend is down
 * that was not. Those that have been down all along do not count, nor do those that drain or are in
 * maintenance.
 */
#include "balancer.h"
#include "manager.h"

struct trial;

/* Notes who is down now, before the document is in force. NULL: out of memory. */
struct trial *trial_new(const struct manager *manager);

/* NULL-safe. */
void trial_free(struct trial *trial);

/* Counts backends that are up and down, and says how it fares. trial NULL: nothing to compare with
 * is known, as after a restart, and each backend that is down counts. */
enum balancer_state trial_judge(const struct trial *trial, const struct manager *manager,
				struct balancer *ret_balancer);

/* The counts alone. */
void trial_count(const struct manager *manager, struct balancer *ret_balancer);

#endif
