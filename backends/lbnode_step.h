/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_LBNODE_STEP_H
#define SLUICE_LBNODE_STEP_H

/*
 * One thing that lbnode changes on a host and can take back. Functions return 0 or a negative
 * errno with err filled, unless they say otherwise.
 */
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "error.h"
#include "parse.h"

enum step_kind {
	STEP_ADDRESS, /* an address on lo */
	STEP_LOCAL,   /* a route that makes a whole prefix the host's own */
	STEP_SYSCTL,
	STEP_ROUTES, /* the main table's routes once more in another table, with advmss */
	STEP_RULE,   /* what a VIP sends goes by that table */
	STEP_DEVICE, /* a tunnel device of the kernel's */
	STEP_FOU,    /* a UDP port whose packets the kernel takes for GUE */
	STEP_DECAP,  /* the program lb_decap, attached and pinned */
	STEP_VIP,    /* a prefix in lb_decap's map of VIPs */
	STEP_SOURCE, /* likewise of sources */
	STEP_COOKIE, /* the program lb_syncookie, attached and pinned */
	STEP_KINDS,
};

#define STEP_NAME_MAX  128
#define STEP_VALUE_MAX 32
#define STEP_TEXT_MAX  512

/* Each kind uses what it says in the table of lbnode_step.c. */
struct step {
	enum step_kind kind;
	struct prefix prefix;     /* DEVICE: an IPv4 address for it; length 0: none */
	char name[STEP_NAME_MAX]; /* SYSCTL: path below /proc/sys; DECAP, VIP, SOURCE, COOKIE:
				     directory in the bpffs; DEVICE: its name; ROUTES, FOU: the
				     family */
	char file[STEP_NAME_MAX]; /* COOKIE: of keys */
	char interface[IF_NAMESIZE];
	char value[STEP_VALUE_MAX];  /* SYSCTL: what it is set to; DEVICE: its type; DECAP: which
					tunnels, "ipip", "gue" or "ipip,gue" */
	char option[STEP_VALUE_MAX]; /* DECAP: native, generic or auto */
	char former[STEP_VALUE_MAX]; /* SYSCTL, DEVICE: what was before; step_probe() fills it */
	uint64_t table;
	uint64_t advmss;
	uint64_t port;
	uint64_t listed; /* DECAP: only from STEP_SOURCE's prefixes */
	uint64_t chance; /* DECAP: sends on what no socket here knows */
};

/* A field as the state file has it; offset is that in struct step. A prefix of no bits and a
 * number may be left out, a text may not. */
struct step_field {
	const char *key;
	enum { FIELD_TEXT, FIELD_NUMBER, FIELD_PREFIX } type;
	size_t offset;
	size_t size;
};

#define STEP_FIELDS_MAX 8

/* A kind's fields, ended by one without a key; the first one's key is the kind's own. */
const struct step_field *step_fields(enum step_kind kind);

/* The same object: it would be changed, not added beside. */
bool step_same(const struct step *a, const struct step *b);

/* Whether the host is as the step would make it. Fills the step's former value. */
int step_probe(struct step *step, bool *ret_holds, struct error *err);

/* Makes it so. What is so already is no error. */
int step_apply(const struct step *step, struct error *err);

/*
 * Takes it back. What is gone already is no error, and what somebody else has changed since is
 * left alone: *ret_left then says so.
 */
int step_revert(const struct step *step, bool *ret_left, struct error *err);

/* In words: "198.18.0.10/32 on lo". Returns buffer. */
const char *step_describe(const struct step *step, char buffer[STEP_TEXT_MAX]);

/* Prints lines of shell that apply or revert it. */
void step_shell(const struct step *step, bool revert, FILE *out);

#endif
