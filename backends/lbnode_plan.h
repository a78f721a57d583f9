/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_LBNODE_PLAN_H
#define SLUICE_LBNODE_PLAN_H

/* What `lbnode up` would do, as steps in their order. */
#include "lbnode_state.h"
#include "lbnode_verbs.h"

/* Reads the interface's MTU and rp_filter; changes nothing. Returns 0 or a negative errno with err
 * filled. */
int plan_up(const struct lbnode_options *options, struct node_state *ret_plan, struct error *err);

#endif
