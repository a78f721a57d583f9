/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_STAGE_H
#define SLUICE_STAGE_H

/*
 * A change in steps, none of which disrupts more than a limit (plan.h). The next step follows from
 * the present state and the wanted one alone: nothing is remembered from step to step, so whoever
 * walks may stop and begin again at any time. Pure.
 *
 * Services are walked side by side. Of each the first of these states is taken that is within the
 * limit, and that leaves as much weight up as there is now, or as is wanted in the end:
 *
 * - the wanted one;
 * - where flows are tracked: the wanted one, but backends that would cut flows drain, without a
 *   deadline; or else, the wanted one with all of those that are to go as they are;
 * - where they are not: shares between those of now and the wanted ones, by weights in the right
 *   proportion, as far on the way as the limit lets them.
 */
#include "plan.h"

enum stage_outcome {
	STAGE_LAST, /* *ret_next is the wanted state */
	STAGE_STEP, /* a step on the way to it */
	STAGE_WAIT, /* nothing to be done until flows have ended or backends have come up */
};

/*
 * target has its indices, and what it shares with former has former's. *ret_next is the caller's;
 * NULL for STAGE_WAIT. ret_why says what stands in the way of more, unless it is the last step.
 * -E2BIG: there is no step within the limit, and time will not mend that. -EAGAIN: flows have not
 * been counted yet.
 */
int stage_next(const struct plan_input *input, const struct desired *former,
	       const struct desired *target, double limit, enum stage_outcome *ret_outcome,
	       struct desired **ret_next, struct error *ret_why, struct error *err);

#endif
