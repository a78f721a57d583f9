/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_ROLLOUT_H
#define SLUICE_ROLLOUT_H

/*
 * A roll-out: a document that some of a fleet's balancers have in force instead of the fleet's
 * configuration, then more of them, and in the end, when it has become the configuration, all. It
 * is the value of PREFIX/config/rollout in etcd, which goes when the balancer that drives it does.
 * Pure.
 */
#include <cjson/cJSON.h>

#include "balancer.h"

#define ROLLOUT_SHARES_MAX 8
#define ROLLOUT_FOR_MS     30000 /* that a step must be well for, if nobody says so */
#define ROLLOUT_FOR_MAX_MS (24ULL * 3600 * 1000)
#define ROLLOUT_PATIENCE_MS                                                                        \
	60000ULL /* for a step to be well, unless it must be well for longer                       \
		  */

/* How many balancers: a number, or a share of those there are, rounded up. */
struct rollout_share {
	uint32_t number;
	bool percent;
};

/* "1", "25%". -EINVAL. */
int rollout_share_parse(const char *text, struct rollout_share *ret_share, struct error *err);

#define ROLLOUT_SHARE_TEXT_MAX 16
const char *rollout_share_format(const struct rollout_share *share,
				 char text[ROLLOUT_SHARE_TEXT_MAX]);

struct rollout {
	char id[ROLLOUT_ID_MAX];
	char by[BALANCER_ID_MAX];                        /* the balancer that drives it */
	uint64_t base;                                   /* revision of the configuration before */
	struct rollout_share shares[ROLLOUT_SHARES_MAX]; /* the last one is all */
	size_t share_count, step;                        /* of these, the one under way */
	uint64_t for_ms;
	char (*members)[BALANCER_ID_MAX]; /* that have the document, in the order they got it */
	size_t member_count;
	cJSON *document;
};

/* NULL-safe. */
void rollout_free(struct rollout *rollout);

/* A new one without members, of which id, by and base are still to be filled in. What it takes is
 * what a request or the key has: {"shares": [...], "for": ..., "document": {...}}; where names it
 * in messages, and keys that this version does not know are refused. -EINVAL. */
int rollout_read_request(const cJSON *json, const char *where, struct rollout **ret_rollout,
			 struct error *err);

/* Are these shares meant, of a fleet of count? "25" for "25%" would be all of a small one at once,
 * and what is smaller than the one before it takes no step. -EINVAL. */
int rollout_check_shares(const struct rollout *rollout, size_t count, struct error *err);

/* The key's value. -EINVAL: it is none. */
int rollout_read(const char *text, size_t length, struct rollout **ret_rollout, struct error *err);

/* The caller's to free; NULL: out of memory. */
char *rollout_write(const struct rollout *rollout);

/* Everything but the document. NULL: out of memory. */
cJSON *rollout_describe(const struct rollout *rollout);

bool rollout_has(const struct rollout *rollout, const char *balancer);

/*
 * Adds members, as many as the step's share asks for of those there are; whoever is one stays so.
 * Who is next follows from the ids of the roll-out and of the balancers alone, so each roll-out
 * begins elsewhere. 1: there are new ones; 0: there are enough; -ENOMEM.
 */
int rollout_choose(struct rollout *rollout, const struct balancer *balancers, size_t count);

enum rollout_gate { ROLLOUT_WAIT, ROLLOUT_OPEN, ROLLOUT_FAILED };

/* May the next step be taken, now that members are as they say? ret_why unless it is open. */
enum rollout_gate rollout_judge(const struct rollout *rollout, const struct balancer *balancers,
				size_t count, struct error *ret_why);

/* What has become of one: the value of PREFIX/config/rollout-last. It is written when one begins,
 * as if nobody would end it, and again by whoever does. */
#define ROLLOUT_GONE "the balancer that drove it has gone"

struct rollout_end {
	char id[ROLLOUT_ID_MAX]; /* "": there was none */
	char by[BALANCER_ID_MAX];
	bool done;        /* its document is the configuration; else nobody has it any more */
	char reason[256]; /* if it is not */
};

struct rollout_end rollout_ends(const struct rollout *rollout, bool done, const char *reason);

/* The caller's to free; NULL: out of memory. */
char *rollout_end_write(const struct rollout_end *end);
cJSON *rollout_end_describe(const struct rollout_end *end);
/* What cannot be read is none. */
struct rollout_end rollout_end_read(const char *text, size_t length);

#endif
