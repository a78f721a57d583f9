/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_ROLLOUT_RUN_H
#define SLUICE_ROLLOUT_RUN_H

/*
 * Drives the roll-outs that are begun at this balancer, and ends any:
 *
 *   begun     PREFIX/config/rollout is put under this balancer's lease, if there is none and the
 *             configuration still is what it was planned upon
 *   a step    its members put the document in force, and tell how they fare (fleet_roster.h)
 *   the gate  all of them have been well for as long as is asked: the next step, and after the last
 *             the document becomes PREFIX/config in the commit that ends the roll-out
 *   undone    one is worse off or refuses it, it takes too long, somebody has changed the
 *             configuration, somebody ends it: the key is deleted, and so it is when the lease ends
 *
 * What is done and undone is what etcd says; nothing here needs to be remembered for that.
 */
#include <uv.h>

#include "etcd.h"
#include "fleet_roster.h"
#include "rollout.h"

/* What is known of etcd, by whoever follows it. */
struct rollout_sight {
	bool connected;
	uint64_t known;          /* etcd's revision that this is from */
	uint64_t mod_revision;   /* of the roll-out's key; 0: there is none */
	struct rollout *rollout; /* NULL: there is none, or it cannot be read */
	uint64_t config;         /* mod_revision of the configuration; 0: there is none */
};

struct rollout_run;

/* NULL: out of memory. All that it is given must outlive it. */
struct rollout_run *rollout_run_new(uv_loop_t *loop, struct etcd *etcd, struct fleet_roster *roster,
				    const struct rollout_sight *sight, const char *prefix,
				    const char *id);

/* Ends without a word: what is driven here is undone when the lease ends. The loop must run once
 * more. NULL-safe. */
void rollout_run_free(struct rollout_run *run);

/* The sight has changed. */
void rollout_run_look(struct rollout_run *run);

/* May one be begun now? -EEXIST: one is under way; -EAGAIN: not now. */
int rollout_run_may_begin(const struct rollout_run *run, struct error *err);

/* Begins one, if it may be: takes it over, and fills in what a request leaves open. asked is the
 * request as a text that does not change with what is in force. -EINPROGRESS: etcd is being asked,
 * and rollout_run_claim() tells what has come of it; -ENOSPC: etcd would not take it. */
int rollout_run_begin(struct rollout_run *run, struct rollout *rollout, const char *asked,
		      struct error *err);

/* What has come of one that was asked for by this text, and is forgotten by that: 0, and it has
 * been begun; -ENOENT: nobody has asked for it; -EINPROGRESS; -EEXIST: another was faster; -EAGAIN,
 * -EACCES: not begun, or nobody knows. */
int rollout_run_claim(struct rollout_run *run, const char *asked, struct error *err);

/* Ends the one that is under way, whoever drives it. -EINPROGRESS: to be called again some 10 ms
 * later; 0: it has been ended, *ret_id says which; -ENOENT: there is none. */
int rollout_run_abort(struct rollout_run *run, const char *who, char ret_id[ROLLOUT_ID_MAX],
		      struct error *err);

/* That is driven here; NULL: none is. */
const struct rollout *rollout_run_driven(const struct rollout_run *run);

/* What the gate of any waits for, as seen from here. */
void rollout_run_waits(const struct rollout_run *run, const struct rollout *rollout,
		       struct error *ret_why);

#endif
