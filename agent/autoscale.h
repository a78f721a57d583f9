/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_AUTOSCALE_H
#define SLUICE_AUTOSCALE_H

/*
 * The autoscaler's decision: a policy, a window of samples, the pool as it is and what former
 * decisions have left behind, to how many backends come or go, and why. Pure: no I/O, no clock.
 * Times are milliseconds of one clock that never jumps and is never 0.
 *
 * Sources: the ratio of metric to target with a tolerance, and that of all wishes within a
 * stabilization window the one that takes least away is followed, are those of Kubernetes'
 * Horizontal Pod Autoscaler (kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale,
 * "Algorithm details"); the circuit breaker is M. Nygard's (Release It!, 2007, chapter 5).
 *
 * With a load that does not change the number of backends comes to rest. A sum (flows, packets) is
 * divided by the number that would be left, and anything else is taken to grow as that number
 * falls; only if it would still not be too much for those that are left do others go.
 */
#include "autoscale_policy.h"

#define AUTOSCALE_REASON_MAX 160
#define AUTOSCALE_TOLERANCE  0.1 /* of a target, to either side, is no reason to act */
#define AUTOSCALE_WISH_SLOTS 60

/* --- samples --- */

struct autoscale_sample {
	uint64_t time_ms;
	double value; /* of the whole service where the metric is a sum, else of one backend */
	bool known;   /* else there was no answer, or none that is a number */
};

/* A ring of the latest. */
struct autoscale_samples {
	struct autoscale_sample ring[SCALE_SAMPLES_MAX];
	size_t count, next;
};

void autoscale_sample_add(struct autoscale_samples *samples, const struct autoscale_sample *sample);

/* The mean of the window. False: the latest sample is missing or old, or more than half of the
 * window's are: then nothing may follow from it. */
bool autoscale_window(const struct autoscale_policy *policy,
		      const struct autoscale_samples *samples, uint64_t now_ms, double *ret_mean);

/* --- the pool --- */

/* A member is a backend that is asked to take new flows, alive or dead, or will be when its launch
 * is over. Emergency backends, which stand in for dead members, are none. */
struct autoscale_pool {
	unsigned int members;
	unsigned int up;             /* members and emergency backends that are up */
	unsigned int launching;      /* not up for the first time yet, emergency ones too */
	unsigned int removable;      /* members that the autoscaler has launched, and that are up */
	unsigned int removable_down; /* likewise, and that are not */
	unsigned int failed;         /* members dead for scale-replace-after, with nobody in their
				      * place */
	unsigned int spares_done;    /* emergency backends that are up, as those again that they
				      * stand in for */
	unsigned int spares_dead;    /* emergency backends that are dead themselves */
};

/* --- the decision --- */

enum autoscale_action {
	AUTOSCALE_HOLD,
	AUTOSCALE_UP,
	AUTOSCALE_DOWN,
	AUTOSCALE_REPLACE, /* launch emergency backends */
	AUTOSCALE_RETIRE,  /* take emergency backends away */
	AUTOSCALE_ACTIONS,
};

/* What it follows from, or what is in its way. A reason in words is with each. */
enum autoscale_why {
	WHY_STEADY,
	WHY_LOAD,
	WHY_ASKED,   /* by an alert */
	WHY_BY_HAND, /* scale-count */
	WHY_BOUNDS,  /* the least or the most */
	WHY_FAILED,
	WHY_RETURNED,
	WHY_NO_DATA,
	WHY_COOLDOWN,
	WHY_STABILIZING,
	WHY_LAUNCHING,
	WHY_PACE,
	WHY_CIRCUIT,
	WHY_TOO_FEW_UP,
	WHY_NOT_OURS, /* the backends that are left were not launched by the autoscaler */
};

struct autoscale_decision {
	enum autoscale_action action;
	enum autoscale_why why;
	unsigned int count;    /* backends that come or go; 0: hold */
	unsigned int members;  /* that there are */
	unsigned int wanted;   /* members that there shall be in the end */
	unsigned int min, max; /* at this hour */
	bool known;            /* is there a value */
	double value;          /* of the metric, for one backend */
	char reason[AUTOSCALE_REASON_MAX];

	/* What would be right for a mean that is foretold: beside what is decided, never in its
	 * place. See autoscale_foretell(). */
	bool foretold;
	double foretold_value;
	unsigned int foretold_wanted;
};

const char *autoscale_action_name(enum autoscale_action action);

/* --- what decisions leave behind; all zero in the beginning --- */

enum autoscale_circuit { CIRCUIT_CLOSED, CIRCUIT_OPEN, CIRCUIT_HALF_OPEN };

struct autoscale_state {
	uint64_t first_ms; /* of the first decision; 0: none yet */
	uint64_t up_ms, down_ms;
	uint64_t changes[SCALE_PACE_MAX]; /* a ring: when backends came or went */
	size_t change_next;
	struct {
		uint64_t slot; /* of time, a part of the stabilization window */
		unsigned int most;
	} wishes[AUTOSCALE_WISH_SLOTS];
	unsigned int failures;  /* launches in a row */
	uint64_t open_until_ms; /* of the circuit; 0: it is closed */
	int asked;              /* by an alert: 1 up, -1 down, 0 nothing; gone with one decision */
};

/* The bounds of a minute of the week (0: Monday at 00:00). */
void autoscale_bounds(const struct autoscale_policy *policy, uint16_t minute, unsigned int *ret_min,
		      unsigned int *ret_max);

/*
 * Decides, once every scale-interval. Notes in state what was wished; that it is done, the caller
 * tells by autoscale_changed(). In *ret_decision, count backends come or go at once, and no more.
 */
void autoscale_decide(const struct autoscale_policy *policy,
		      const struct autoscale_samples *samples, const struct autoscale_pool *pool,
		      struct autoscale_state *state, uint64_t now_ms, uint16_t minute,
		      struct autoscale_decision *ret_decision);

/* Adds to a decision what policy would wish for if the metric's mean were this. */
void autoscale_foretell(const struct autoscale_policy *policy, const struct autoscale_pool *pool,
			double mean, struct autoscale_decision *decision);

/* The decision was carried out: its cooldown begins, the pace is counted. */
void autoscale_changed(struct autoscale_state *state, const struct autoscale_decision *decision,
		       uint64_t now_ms);

/* A launch is over. True: the circuit has opened or closed by it. */
bool autoscale_launched(const struct autoscale_policy *policy, struct autoscale_state *state,
			bool success, uint64_t now_ms);

enum autoscale_circuit autoscale_circuit(const struct autoscale_state *state, uint64_t now_ms);

#endif
