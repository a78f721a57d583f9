/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CTL_STAGE_H
#define SLUICE_CTL_STAGE_H

/* A change in steps within --max-disruption, --stage apart. */
#include "command.h"

/*
 * Sends the PUT of a configuration again and again, as ?stage=true, until the agent says that it is
 * done; prints each step. Ctrl-C ends it between two steps, which is -EINTR: what was done so far
 * stands, and the same command goes on from there. Nor does it go on if somebody else has changed
 * the configuration meanwhile.
 */
int stage_walk(struct invocation *invocation, struct request *request, struct error *err);

#endif
