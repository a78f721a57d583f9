/* SPDX-License-Identifier: Apache-2.0 */
#include "autoscale_policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "range.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define SECOND_MS 1000ULL
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

#define BACKENDS_MAX 1024
#define FAILURES_MAX 100

const char *const scale_mode_words[SCALE_MODES] = {
	[SCALE_OFF] = "off",
	[SCALE_ON] = "on",
	[SCALE_DRY_RUN] = "dry-run",
};

const char *const scale_metric_words[SCALE_METRICS] = {
	[SCALE_METRIC_NONE] = "none",
	[SCALE_METRIC_ACTIVE_FLOWS] = "active-flows",
	[SCALE_METRIC_NEW_FLOWS] = "new-flows",
	[SCALE_METRIC_PACKETS] = "packets",
	[SCALE_METRIC_PROBE_LATENCY] = "probe-latency",
	[SCALE_METRIC_HANDSHAKE_P95] = "handshake-p95",
	[SCALE_METRIC_PROMQL] = "promql",
};

bool scale_metric_is_sum(enum scale_metric metric)
{
	return metric == SCALE_METRIC_ACTIVE_FLOWS || metric == SCALE_METRIC_NEW_FLOWS ||
	       metric == SCALE_METRIC_PACKETS;
}

/* --- making, copying, freeing --- */

void autoscale_policy_init(struct autoscale_policy *policy)
{
	*policy = (struct autoscale_policy){
		.interval_ms = 5 * SECOND_MS,
		.window_ms = 30 * SECOND_MS,
		.min = 1,
		.max = 10,
		.step = 1,
		.up_cooldown_ms = 30 * SECOND_MS,
		.down_cooldown_ms = 2 * MINUTE_MS,
		.stabilization_ms = 2 * MINUTE_MS,
		.failures = 3,
		.retry_ms = MINUTE_MS,
		.pace = 10,
		.drain_ms = 30 * SECOND_MS,
		.timeout_ms = MINUTE_MS,
	};
}

static int copy_text(const char *text, char **ret_copy)
{
	*ret_copy = text ? strdup(text) : NULL;
	return text && !*ret_copy ? -ENOMEM : 0;
}

int autoscale_policy_copy(const struct autoscale_policy *policy, struct autoscale_policy *ret_copy)
{
	struct autoscale_policy copy = *policy;

	copy.promql = copy.prometheus = NULL;
	copy.driver = NULL;
	if (copy_text(policy->promql, &copy.promql) < 0 ||
	    copy_text(policy->prometheus, &copy.prometheus) < 0 ||
	    texts_copy(policy->driver, &copy.driver) < 0) {
		autoscale_policy_clear(&copy);
		return -ENOMEM;
	}
	*ret_copy = copy;
	return 0;
}

void autoscale_policy_clear(struct autoscale_policy *policy)
{
	free(policy->promql);
	free(policy->prometheus);
	texts_free(policy->driver);
	policy->promql = policy->prometheus = NULL;
	policy->driver = NULL;
}

/* --- what must hold --- */

/* Whose policy it is, and where to say what is wrong. */
struct place {
	const char *service;
	struct error *err;
};

static int refuse(const struct place *place, const char *field, const char *reason,
		  const char *hint)
{
	error_set(place->err, EINVAL, "service %s: %s: %s", place->service, field, reason);
	error_hint(place->err, -EINVAL, "%s", hint);
	return error_field(place->err, -EINVAL, field);
}

static int check_ranges(const struct place *place, const struct autoscale_policy *policy)
{
	const struct range ranges[] = {
		{"scale-interval", policy->interval_ms, SECOND_MS, HOUR_MS, true},
		{"scale-window", policy->window_ms, policy->interval_ms,
		 policy->interval_ms * SCALE_SAMPLES_MAX, true},
		{"scale-max", policy->max, 1, BACKENDS_MAX, false},
		{"scale-min", policy->min, 1, policy->max, false},
		{"scale-step", policy->step, 1, BACKENDS_MAX, false},
		{"scale-count", policy->count ? policy->count : policy->min, policy->min,
		 policy->max, false},
		{"scale-up-cooldown", policy->up_cooldown_ms, 0, DAY_MS, true},
		{"scale-down-cooldown", policy->down_cooldown_ms, 0, DAY_MS, true},
		{"scale-stabilization", policy->stabilization_ms, 0, HOUR_MS, true},
		{"scale-failures", policy->failures, 1, FAILURES_MAX, false},
		{"scale-retry", policy->retry_ms, SECOND_MS, DAY_MS, true},
		{"scale-pace", policy->pace, 1, SCALE_PACE_MAX, false},
		{"scale-drain", policy->drain_ms, 1, DAY_MS, true},
		{"scale-timeout", policy->timeout_ms, SECOND_MS, HOUR_MS, true},
		{"scale-replace-after", policy->replace_after_ms, 0, DAY_MS, true},
		{"scale-predict", policy->predict_ms, 0, DAY_MS, true},
		{"scale-season", policy->season_ms, 0, 14 * DAY_MS, true},
	};

	return ranges_check(place->service, ranges, ARRAY_SIZE(ranges), place->err);
}

static int check_schedule(const struct place *place, const struct autoscale_policy *policy)
{
	for (size_t i = 0; i < policy->schedule_count; i++) {
		if (policy->schedule[i].max > BACKENDS_MAX)
			return refuse(place, "scale-schedule", "so many backends there cannot be",
				      "give 1024 at most");
	}
	return 0;
}

static int check_aim(const struct place *place, const struct autoscale_policy *policy)
{
	bool thresholds = policy->up_above > 0 || policy->down_below > 0;

	if (policy->target > 0 && thresholds)
		return refuse(place, "scale-target", "is given beside thresholds",
			      "give scale-target, or scale-up-above and scale-down-below");
	if (thresholds && policy->up_above <= policy->down_below)
		return refuse(place, "scale-up-above", "is not above scale-down-below",
			      "write it like 0.6, and scale-down-below like 0.2");
	if (policy->mode == SCALE_OFF || policy->metric == SCALE_METRIC_NONE)
		return 0;
	if (policy->target > 0 || thresholds)
		return 0;
	return refuse(place, "scale-target", "missing",
		      "give scale-target, or scale-up-above and scale-down-below");
}

static int check_source(const struct place *place, const struct autoscale_policy *policy)
{
	if (policy->prometheus && strncmp(policy->prometheus, "http://", 7) != 0 &&
	    strncmp(policy->prometheus, "https://", 8) != 0)
		return refuse(place, "scale-prometheus", "is no URL",
			      "write it like http://127.0.0.1:9090");
	if (policy->metric != SCALE_METRIC_PROMQL)
		return 0;
	if (!policy->promql)
		return refuse(place, "scale-promql", "missing",
			      "give the query, such as "
			      "avg(avg_over_time(webapp_response_time_seconds[30s]))");
	if (!policy->prometheus)
		return refuse(place, "scale-prometheus", "missing",
			      "give its URL, like http://127.0.0.1:9090");
	return 0;
}

static int check_driver(const struct place *place, const struct autoscale_policy *policy)
{
	if (policy->driver && policy->driver[0][0] != '/')
		return refuse(place, "scale-driver", "the program is no absolute path",
			      "write it like /etc/sluice/checks/systemd");
	if (!policy->driver && policy->mode == SCALE_ON)
		return refuse(place, "scale-driver", "missing",
			      "give the program that starts backends, or set scale dry-run");
	return 0;
}

static int check_season(const struct place *place, const struct autoscale_policy *policy)
{
	if (policy->season_ms == 0 || policy->season_ms >= 4 * policy->interval_ms)
		return 0;
	return refuse(place, "scale-season", "is shorter than four intervals",
		      "write how long the load takes to come again, like 24h, or 0ms");
}

int autoscale_policy_check(const struct autoscale_policy *policy, const char *service,
			   struct error *err)
{
	const struct place place = {service, err};
	int r = check_ranges(&place, policy);

	if (r == 0)
		r = check_schedule(&place, policy);
	if (r == 0)
		r = check_aim(&place, policy);
	if (r == 0)
		r = check_source(&place, policy);
	if (r == 0)
		r = check_driver(&place, policy);
	return r < 0 ? r : check_season(&place, policy);
}
