/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_LBNODE_VERBS_H
#define SLUICE_LBNODE_VERBS_H

/*
 * What lbnode does. The verbs say on stdout what they did and return 0, or a negative errno with
 * err filled.
 */
#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "parse.h"

#define LBNODE_VIPS_MAX 128

struct lbnode_options {
	struct address vips[LBNODE_VIPS_MAX];
	size_t vip_count;
	const char *interface; /* where the balancer's packets come in */
	const char *state;     /* path of the state file */
	bool print;            /* print shell commands, change nothing */
};

/* Prepares the host; needs VIPs and interface. All or nothing. */
int lbnode_up(const struct lbnode_options *options, struct error *err);

/* Takes back what up did, last first; what fails stays noted in the state file. */
int lbnode_down(const struct lbnode_options *options, struct error *err);

/* Lists what up did and whether it still stands. */
int lbnode_show(const struct lbnode_options *options, struct error *err);

#endif
