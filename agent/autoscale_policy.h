/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_AUTOSCALE_POLICY_H
#define SLUICE_AUTOSCALE_POLICY_H

/*
 * How many backends a service shall have, and by what that is decided. Pure data, part of the
 * desired state, one for each service; autoscale.h decides by it. docs/autoscale.md says what the
 * words mean.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "autoscale_schedule.h"
#include "error.h"

#define SCALE_ID_MAX       79  /* of what the driver is asked to start */
#define SCALE_SAMPLES_MAX  600 /* in a window */
#define SCALE_SCHEDULE_MAX 16
#define SCALE_PACE_MAX     64

enum scale_mode {
	SCALE_OFF,
	SCALE_ON,
	SCALE_DRY_RUN, /* decides and tells, but does nothing */
	SCALE_MODES,
};

enum scale_metric {
	SCALE_METRIC_NONE, /* the number is kept: by hand, or the least */
	SCALE_METRIC_ACTIVE_FLOWS,
	SCALE_METRIC_NEW_FLOWS,
	SCALE_METRIC_PACKETS,
	SCALE_METRIC_PROBE_LATENCY,
	SCALE_METRIC_HANDSHAKE_P95,
	SCALE_METRIC_PROMQL,
	SCALE_METRICS,
};

struct autoscale_policy {
	enum scale_mode mode;
	enum scale_metric metric;
	double target;               /* of the metric, for one backend; 0: thresholds are given */
	double up_above, down_below; /* likewise; both 0: a target is given */
	uint64_t interval_ms;        /* from one sample, and decision, to the next */
	uint64_t window_ms;          /* samples so old are looked at */
	uint16_t min, max;           /* backends */
	uint16_t step;               /* most that come or go by one decision */
	uint16_t count;              /* the number by hand; 0: the metric decides */
	uint64_t up_cooldown_ms;
	uint64_t down_cooldown_ms;
	uint64_t stabilization_ms; /* the least reduction of that time is taken */
	uint16_t failures;         /* launches in a row that fail and open the circuit */
	uint64_t retry_ms;         /* how long it stays open */
	uint16_t pace;             /* most backends that come or go in a minute */
	uint64_t drain_ms;         /* deadline of the drain of a backend that goes */
	uint64_t timeout_ms;       /* of the driver, and of a new backend's way to being up */
	uint64_t replace_after_ms; /* a backend so long dead is replaced; 0: none is */
	uint64_t predict_ms;       /* how far ahead is foretold; 0: nothing is */
	uint64_t season_ms;        /* after which the load comes again; 0: it does not */
	struct scale_hours schedule[SCALE_SCHEDULE_MAX];
	size_t schedule_count;

	/* Owned; NULL where nothing is given; the list ends by NULL. */
	char *promql;
	char *prometheus; /* URL */
	char **driver;    /* path of the program and its first arguments */
};

/* By value. */
extern const char *const scale_mode_words[SCALE_MODES];
extern const char *const scale_metric_words[SCALE_METRICS];

/* Every default in place: off. */
void autoscale_policy_init(struct autoscale_policy *policy);
/* *ret_copy owns texts of its own. -ENOMEM leaves it untouched. */
int autoscale_policy_copy(const struct autoscale_policy *policy, struct autoscale_policy *ret_copy);
/* Frees what policy owns, not policy. */
void autoscale_policy_clear(struct autoscale_policy *policy);

/* Everything that can be told without looking at files. service: its name, for messages. */
int autoscale_policy_check(const struct autoscale_policy *policy, const char *service,
			   struct error *err);

/* Is the metric a sum over all backends (flows, packets)? Else it is the same for each of them. */
bool scale_metric_is_sum(enum scale_metric metric);

#endif
