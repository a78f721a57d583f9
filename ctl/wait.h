/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CTL_WAIT_H
#define SLUICE_CTL_WAIT_H

/* Waiting for the end of a drain. */
#include <stdbool.h>

#include "command.h"

/*
 * Asks for the backend that invocation's arguments name until it is gone or, unless `removal`,
 * has no flows left or drains no longer; shows the flows left if standard error is a terminal.
 * Replaces invocation's document by the last answer: {"removed": ADDRESS} if it is gone.
 * -ETIMEDOUT: it should have ended by --deadline. Other errors are client_call's.
 */
int wait_for_drain(struct invocation *invocation, bool removal, struct error *err);

/* Whether a document says that the backend is gone. */
bool wait_is_removed(const cJSON *document);

#endif
