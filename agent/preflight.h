/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PREFLIGHT_H
#define SLUICE_PREFLIGHT_H

/*
 * lbagent --preflight: says on standard output what a start with these options would do, beside the
 * agent that runs. Nothing is changed.
 */
#include "options.h"

enum preflight_status {
	PREFLIGHT_GOOD = 0,    /* it would start, and forget nothing */
	PREFLIGHT_REFUSED = 1, /* it would not start */
	PREFLIGHT_LOSES = 3,   /* it would start, and forget what connections live by */
};

/* Returns the exit status. */
enum preflight_status preflight(const struct options *options);

#endif
