/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_LBNODE_HOOK_H
#define SLUICE_LBNODE_HOOK_H

/* A program that is asked for a number. */
#include "error.h"

#define HOOK_TIMEOUT_MS 1000
#define HOOK_OUTPUT_MAX 63 /* bytes */

/*
 * Runs words (its path, its arguments, NULL) and waits for it. It has HOOK_TIMEOUT_MS, and says one
 * decimal number from 0 up and nothing else; what it says on standard error goes to ours.
 * -ETIMEDOUT, -EINVAL: it says something else, or does not exit with 0; or why it cannot be run.
 */
int hook_ask(char *const *words, double *ret_value, struct error *err);

#endif
