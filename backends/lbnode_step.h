/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_LBNODE_STEP_H
#define SLUICE_LBNODE_STEP_H

/*
 * One thing that lbnode changes on a host and can take back: an address on lo, or a sysctl.
 * Functions return 0 or a negative errno with err filled, unless they say otherwise.
 */
#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "parse.h"

enum step_kind { STEP_ADDRESS, STEP_SYSCTL };

#define SYSCTL_PATH_MAX  128
#define SYSCTL_VALUE_MAX 32
#define STEP_TEXT_MAX    256

struct step {
	enum step_kind kind;
	struct address address;        /* STEP_ADDRESS: on lo, with the longest prefix */
	char path[SYSCTL_PATH_MAX];    /* STEP_SYSCTL: below /proc/sys */
	char value[SYSCTL_VALUE_MAX];  /* STEP_SYSCTL: what it is set to */
	char former[SYSCTL_VALUE_MAX]; /* STEP_SYSCTL: what it was before; step_probe() fills it */
};

/* The same object: the same address, or the same path. */
bool step_same(const struct step *a, const struct step *b);

/* Whether the host is as the step would make it. Fills a sysctl's former value. */
int step_probe(struct step *step, bool *ret_holds, struct error *err);

/* Makes it so. An address that is there already is no error. */
int step_apply(const struct step *step, struct error *err);

/*
 * Takes it back. What is gone already is no error, and a sysctl that somebody else has set to a
 * third value since is left alone: *ret_left then says so.
 */
int step_revert(const struct step *step, bool *ret_left, struct error *err);

/* In words: "198.18.0.10/32 on lo". Returns buffer. */
const char *step_describe(const struct step *step, char buffer[STEP_TEXT_MAX]);

/* As a line of shell that applies or reverts it. Returns buffer. */
const char *step_shell(const struct step *step, bool revert, char buffer[STEP_TEXT_MAX]);

#endif
