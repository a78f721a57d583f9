/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_LBNODE_STATE_H
#define SLUICE_LBNODE_STATE_H

/*
 * What lbnode has changed on this host, in the order in which it did, kept in a small JSON file
 * so that `lbnode down` takes back exactly that. Functions return 0 or a negative errno with err
 * filled.
 */
#include <stddef.h>

#include "error.h"
#include "lbnode_step.h"

#define STEPS_MAX 512

struct node_state {
	size_t count;
	struct step steps[STEPS_MAX];
};

/* A missing file is an empty state. *ret_state is untouched on failure. */
int node_state_load(const char *path, struct node_state *ret_state, struct error *err);

/* Written aside, synced, renamed. Makes the folder; an empty state removes the file. */
int node_state_save(const char *path, const struct node_state *state, struct error *err);

#endif
