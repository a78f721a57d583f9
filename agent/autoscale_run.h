/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_AUTOSCALE_RUN_H
#define SLUICE_AUTOSCALE_RUN_H

/*
 * The autoscaler at work: takes samples, decides (autoscale.h), and carries out what was decided
 * as changes of the desired state like any other, and by the service's driver. One loop, one
 * thread.
 */
#include <uv.h>

#include "autoscale.h"
#include "autoscale_predict.h"
#include "autoscale_roster.h"
#include "autoscale_source.h"
#include "events.h"
#include "manager.h"

#define SCALE_HISTORY_MAX 32

struct autoscaler;

/* A decision that was other than the one before it. */
struct scale_record {
	uint64_t time_ms; /* Unix time */
	bool dry_run;
	struct autoscale_decision decision;
};

/* What runs for one service that has a policy. */
struct scale_run {
	char service[SERVICE_NAME_MAX + 1];
	struct autoscaler *owner;
	struct autoscale_policy policy; /* as it was last; owned */
	struct autoscale_samples samples;
	struct autoscale_state state;
	uint8_t priority;                      /* of members; as all below, of the last decision */
	struct autoscale_pool pool;            /* of the last decision, as all below */
	struct autoscale_decision decision;    /* reason "": there was none yet */
	char problem[SCALE_SOURCE_REASON_MAX]; /* why the last sample is missing; "": it is not */
	bool blind;                            /* it was told that there is no data */
	struct scale_record history[SCALE_HISTORY_MAX]; /* a ring */
	size_t history_count, history_next;
	struct forecast forecast; /* where policy asks for one */
	uint64_t decisions[AUTOSCALE_ACTIONS];
	uint64_t launch_failures;
	uint64_t due_ms; /* loop time of the next sample */
	struct scale_own own;
	struct scale_query *query; /* under way; NULL: none */
	struct scale_death {
		struct endpoint endpoint;
		uint64_t since_ms;
	} * deaths; /* backends that are down; owned */
	size_t death_count;
};

/* Takes up what a former agent has launched; a roster that cannot be read is told and begun anew.
 * What it is given must outlive it. -ENOMEM. */
int autoscaler_new(uv_loop_t *loop, struct manager *manager, struct events *events,
		   const char *state_dir, struct autoscaler **ret_autoscaler, struct error *err);

/* Ends what runs; the loop must run once more to close handles. Before manager_stop(). NULL-safe.
 */
void autoscaler_stop(struct autoscaler *autoscaler);
void autoscaler_free(struct autoscaler *autoscaler);

/* NULL: the service has no policy, or nothing was decided by it yet. */
const struct scale_run *autoscaler_run(const struct autoscaler *autoscaler, const char *service);
/* All runs; into *ret_count. Valid until the loop runs on. */
const struct scale_run *const *autoscaler_runs(const struct autoscaler *autoscaler,
					       size_t *ret_count);
const struct scale_roster *autoscaler_roster(const struct autoscaler *autoscaler);
enum autoscale_circuit autoscaler_circuit(const struct autoscaler *autoscaler,
					  const struct scale_run *run);

/* An alert asks for more (1) or fewer (-1): decided at once, within all limits. -ENOENT: the
 * service has no policy. */
int autoscaler_ask(struct autoscaler *autoscaler, const char *service, int direction);

#endif
