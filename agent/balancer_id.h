/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_BALANCER_ID_H
#define SLUICE_BALANCER_ID_H

/*
 * What a balancer is called in its fleet: the host's name, for people, and 8 random digits, since
 * hosts may have the same one. It stands in the state directory, as `balancer-id`, so a restart or
 * another name of the host is no new balancer.
 */
#include "balancer.h"

/* Makes it if it is not there yet, or is none. What the disk says. */
int balancer_id_read(const char *state_dir, char ret_id[BALANCER_ID_MAX], struct error *err);

#endif
