/* SPDX-License-Identifier: Apache-2.0 */
#include "autoscale.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#define PACE_MS  60000ULL
#define LATE_MAX 2 /* intervals: an older latest sample is none */

const char *autoscale_action_name(enum autoscale_action action)
{
	static const char *const names[AUTOSCALE_ACTIONS] = {
		[AUTOSCALE_HOLD] = "hold",     [AUTOSCALE_UP] = "up",
		[AUTOSCALE_DOWN] = "down",     [AUTOSCALE_REPLACE] = "replace",
		[AUTOSCALE_RETIRE] = "retire",
	};

	return names[action];
}

/* --- samples --- */

void autoscale_sample_add(struct autoscale_samples *samples, const struct autoscale_sample *sample)
{
	samples->ring[samples->next] = *sample;
	samples->next = (samples->next + 1) % SCALE_SAMPLES_MAX;
	samples->count += samples->count < SCALE_SAMPLES_MAX;
}

/* The i-th latest. */
static const struct autoscale_sample *latest(const struct autoscale_samples *samples, size_t i)
{
	return &samples->ring[(samples->next + SCALE_SAMPLES_MAX - 1 - i) % SCALE_SAMPLES_MAX];
}

bool autoscale_window(const struct autoscale_policy *policy,
		      const struct autoscale_samples *samples, uint64_t now_ms, double *ret_mean)
{
	size_t expected = policy->window_ms / policy->interval_ms, known = 0;
	const struct autoscale_sample *sample;
	double sum = 0;

	if (samples->count == 0 || !latest(samples, 0)->known ||
	    now_ms - latest(samples, 0)->time_ms > LATE_MAX * policy->interval_ms)
		return false;
	for (size_t i = 0; i < samples->count; i++) {
		sample = latest(samples, i);
		if (now_ms - sample->time_ms >= policy->window_ms)
			break;
		if (!sample->known)
			continue;
		sum += sample->value;
		known++;
	}
	if (known == 0 || known * 2 < expected)
		return false;
	*ret_mean = sum / (double)known;
	return true;
}

/* --- one decision under way --- */

struct deciding {
	const struct autoscale_policy *policy;
	const struct autoscale_pool *pool;
	struct autoscale_state *state;
	uint64_t now_ms;
	double mean; /* of the window, if decision->known */
	struct autoscale_decision *decision;
};

__attribute__((format(printf, 4, 5))) static void settle(struct deciding *d,
							 enum autoscale_action action,
							 enum autoscale_why why, const char *format,
							 ...)
{
	va_list arguments;

	d->decision->action = action;
	d->decision->why = why;
	if (action == AUTOSCALE_HOLD)
		d->decision->count = 0;
	va_start(arguments, format);
	vsnprintf(d->decision->reason, sizeof(d->decision->reason), format, arguments);
	va_end(arguments);
}

static unsigned int clamp(unsigned int value, unsigned int min, unsigned int max)
{
	return value < min ? min : value > max ? max : value;
}

static unsigned int lesser(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

static uint64_t seconds_left(uint64_t began_ms, uint64_t span_ms, uint64_t now_ms)
{
	return (began_ms + span_ms - now_ms + 999) / 1000;
}

void autoscale_bounds(const struct autoscale_policy *policy, uint16_t minute, unsigned int *ret_min,
		      unsigned int *ret_max)
{
	*ret_min = policy->min;
	*ret_max = policy->max;
	for (size_t i = 0; i < policy->schedule_count; i++) {
		if (!scale_hours_hold(&policy->schedule[i], minute))
			continue;
		*ret_min = policy->schedule[i].min;
		*ret_max = policy->schedule[i].max;
		return;
	}
}

/* --- what the metric wishes for --- */

/* Members that bear the load, or will: who is dead, with nobody in his place, does not. */
static unsigned int bearing(const struct autoscale_pool *pool)
{
	return pool->members > pool->failed ? pool->members - pool->failed : 1;
}

/* What one backend would have if n of them bore the load. */
static double projected(const struct deciding *d, unsigned int n)
{
	if (scale_metric_is_sum(d->policy->metric))
		return d->mean / n;
	return d->mean * bearing(d->pool) / n;
}

static unsigned int wish_by_target(const struct deciding *d)
{
	double load = projected(d, 1), target = d->policy->target;
	double fewer = ceil(load / (target * (1 - AUTOSCALE_TOLERANCE)));
	unsigned int n = bearing(d->pool);

	/* Beyond any bound it makes no difference by how much. */
	if (load > n * target * (1 + AUTOSCALE_TOLERANCE))
		return (unsigned int)fmin(ceil(load / target), UINT16_MAX);
	return fewer < n ? (unsigned int)fmax(fewer, 1) : n;
}

static unsigned int wish_by_thresholds(const struct deciding *d)
{
	unsigned int n = bearing(d->pool), fewer;

	if (d->decision->value > d->policy->up_above)
		return n + d->policy->step;
	if (d->decision->value >= d->policy->down_below || n <= 1)
		return n;
	/* As many as can go without the others' having to be called back. */
	fewer = n > d->policy->step ? n - d->policy->step : 1;
	while (fewer < n && projected(d, fewer) > d->policy->up_above)
		fewer++;
	return fewer;
}

/* Of the stabilization window's wishes the greatest, this one counted. */
static unsigned int stabilized(struct deciding *d, unsigned int wish)
{
	uint64_t width = d->policy->stabilization_ms / AUTOSCALE_WISH_SLOTS + 1;
	uint64_t slot = d->now_ms / width + 1;
	size_t at = slot % AUTOSCALE_WISH_SLOTS;
	unsigned int most = wish;

	if (d->state->wishes[at].slot != slot || d->state->wishes[at].most < wish) {
		d->state->wishes[at].slot = slot;
		d->state->wishes[at].most = wish;
	}
	for (size_t i = 0; i < AUTOSCALE_WISH_SLOTS; i++) {
		if (d->state->wishes[i].slot + AUTOSCALE_WISH_SLOTS > slot &&
		    d->state->wishes[i].slot <= slot && d->state->wishes[i].most > most)
			most = d->state->wishes[i].most;
	}
	return most;
}

/* --- what stands in the way --- */

static unsigned int recent_changes(const struct deciding *d)
{
	unsigned int count = 0;

	for (size_t i = 0; i < SCALE_PACE_MAX; i++)
		count += d->state->changes[i] && d->now_ms - d->state->changes[i] < PACE_MS;
	return count;
}

/* False: none may come or go now. */
static bool keep_pace(struct deciding *d)
{
	unsigned int recent = recent_changes(d);
	unsigned int room = d->policy->pace > recent ? d->policy->pace - recent : 0;

	d->decision->count = lesser(d->decision->count, room);
	if (d->decision->count)
		return true;
	settle(d, AUTOSCALE_HOLD, WHY_PACE, "%u came or went within a minute, as many as may",
	       recent);
	return false;
}

enum autoscale_circuit autoscale_circuit(const struct autoscale_state *state, uint64_t now_ms)
{
	if (!state->open_until_ms)
		return CIRCUIT_CLOSED;
	return now_ms < state->open_until_ms ? CIRCUIT_OPEN : CIRCUIT_HALF_OPEN;
}

/* False: nothing may be launched now. Behind an open circuit one launch shows whether it works. */
static bool pass_circuit(struct deciding *d)
{
	enum autoscale_circuit circuit = autoscale_circuit(d->state, d->now_ms);

	if (circuit == CIRCUIT_CLOSED)
		return true;
	if (circuit == CIRCUIT_HALF_OPEN && d->pool->launching == 0) {
		d->decision->count = 1;
		return true;
	}
	settle(d, AUTOSCALE_HOLD, WHY_CIRCUIT, "%u launches in a row have failed; %s",
	       d->state->failures,
	       circuit == CIRCUIT_OPEN ? "no more for a while" : "one is being tried");
	return false;
}

/* May so many launches begin? Fewer may be left of them. */
static void launch(struct deciding *d, enum autoscale_action action, unsigned int count)
{
	d->decision->count = count;
	d->decision->action = action;
	if (pass_circuit(d))
		keep_pace(d);
}

/* Launched ones that are down go first; of those that are up as many as leave the least up. */
static void take_away(struct deciding *d, unsigned int count)
{
	const struct autoscale_pool *pool = d->pool;
	unsigned int down = lesser(count, pool->removable_down);
	unsigned int spare = pool->up > d->decision->min ? pool->up - d->decision->min : 0;
	unsigned int up = lesser(count - down, pool->removable);

	if (down + up == 0) {
		settle(d, AUTOSCALE_HOLD, WHY_NOT_OURS,
		       "%u would do, but those there are were not launched by the autoscaler",
		       d->decision->wanted);
		return;
	}
	d->decision->count = down + lesser(up, spare);
	d->decision->action = AUTOSCALE_DOWN;
	if (d->decision->count == 0)
		settle(d, AUTOSCALE_HOLD, WHY_TOO_FEW_UP, "%u would do, but only %u are up",
		       d->decision->wanted, pool->up);
	else
		keep_pace(d);
}

/* --- up and down --- */

static void go_to(struct deciding *d, unsigned int wanted)
{
	unsigned int members = d->pool->members, step = d->policy->step;

	d->decision->wanted = wanted;
	if (wanted > members)
		launch(d, AUTOSCALE_UP, lesser(wanted - members, step));
	else if (wanted < members)
		take_away(d, lesser(members - wanted, step));
}

/* What is asked by hand or by the bounds is done at once: no cooldown is in its way. */
static bool decide_by_order(struct deciding *d)
{
	struct autoscale_decision *decision = d->decision;
	unsigned int members = d->pool->members, wanted;

	if (d->policy->count) {
		wanted = d->policy->count;
		settle(d, AUTOSCALE_HOLD, WHY_BY_HAND, "%u by hand", wanted);
	} else if (members < decision->min || members > decision->max) {
		wanted = clamp(members, decision->min, decision->max);
		settle(d, AUTOSCALE_HOLD, WHY_BOUNDS, "%u %s %u", members,
		       members < decision->min ? "is less than" : "is more than", wanted);
	} else {
		return false;
	}
	go_to(d, wanted);
	return true;
}

/* In words, what asks for wanted members. */
static void explain_load(struct deciding *d, unsigned int wanted)
{
	const struct autoscale_policy *policy = d->policy;
	double value = d->decision->value;
	const char *metric = scale_metric_words[policy->metric];

	if (d->state->asked)
		settle(d, AUTOSCALE_HOLD, WHY_ASKED, "an alert asks for %s",
		       d->state->asked > 0 ? "more" : "fewer");
	else if (policy->target > 0)
		settle(d, AUTOSCALE_HOLD, WHY_LOAD, "%s %.4g for one backend, target %.4g", metric,
		       value, policy->target);
	else if (wanted > d->pool->members)
		settle(d, AUTOSCALE_HOLD, WHY_LOAD, "%s %.4g, above %.4g", metric, value,
		       policy->up_above);
	else
		settle(d, AUTOSCALE_HOLD, WHY_LOAD, "%s %.4g, below %.4g", metric, value,
		       policy->down_below);
}

static void decide_up(struct deciding *d, unsigned int wanted)
{
	const struct autoscale_policy *policy = d->policy;
	uint64_t up_ms = d->state->up_ms;

	/* A threshold says that more is needed, but not how much: what comes has to show first. */
	if (policy->target <= 0 && d->pool->launching) {
		settle(d, AUTOSCALE_HOLD, WHY_LAUNCHING, "%u are being launched",
		       d->pool->launching);
		return;
	}
	if (up_ms && d->now_ms - up_ms < policy->up_cooldown_ms) {
		settle(d, AUTOSCALE_HOLD, WHY_COOLDOWN, "%u would be right, in %" PRIu64 " s",
		       wanted, seconds_left(up_ms, policy->up_cooldown_ms, d->now_ms));
		return;
	}
	go_to(d, wanted);
}

static void decide_down(struct deciding *d, unsigned int wanted, unsigned int stable)
{
	const struct autoscale_policy *policy = d->policy;
	uint64_t changed_ms =
		d->state->up_ms > d->state->down_ms ? d->state->up_ms : d->state->down_ms;
	uint64_t watched_ms = d->now_ms - d->state->first_ms;

	if (changed_ms && d->now_ms - changed_ms < policy->down_cooldown_ms)
		settle(d, AUTOSCALE_HOLD, WHY_COOLDOWN, "%u would do, in %" PRIu64 " s", wanted,
		       seconds_left(changed_ms, policy->down_cooldown_ms, d->now_ms));
	else if (watched_ms < policy->stabilization_ms || stable >= d->pool->members)
		settle(d, AUTOSCALE_HOLD, WHY_STABILIZING, "%u would do, but not for %" PRIu64 " s",
		       wanted, policy->stabilization_ms / 1000);
	else
		go_to(d, stable);
}

/* What the load wishes for; members if it says nothing. */
static unsigned int wish(const struct deciding *d)
{
	unsigned int members = d->pool->members, step = d->policy->step;

	if (d->state->asked > 0)
		return members + step;
	if (d->state->asked < 0)
		return members > step ? members - step : 1;
	if (!d->decision->known)
		return members;
	return members - bearing(d->pool) +
	       (d->policy->target > 0 ? wish_by_target(d) : wish_by_thresholds(d));
}

static void decide_by_load(struct deciding *d)
{
	struct autoscale_decision *decision = d->decision;
	unsigned int members = d->pool->members;
	unsigned int wanted = clamp(wish(d), decision->min, decision->max);
	unsigned int stable = stabilized(d, wanted);

	decision->wanted = wanted;
	if (wanted != members)
		explain_load(d, wanted);
	if (wanted > members)
		decide_up(d, wanted);
	else if (wanted < members && d->state->asked < 0)
		go_to(d, wanted);
	else if (wanted < members)
		decide_down(d, wanted, stable);
	else if (wish(d) != members)
		settle(d, AUTOSCALE_HOLD, WHY_BOUNDS, "%s would be right, but %u is the %s",
		       wish(d) > members ? "more" : "fewer", members,
		       wish(d) > members ? "most" : "least");
	else if (d->policy->metric == SCALE_METRIC_NONE)
		settle(d, AUTOSCALE_HOLD, WHY_STEADY, "%u, as there are", members);
	else if (!decision->known)
		settle(d, AUTOSCALE_HOLD, WHY_NO_DATA, "%s: no data, so nothing is changed",
		       scale_metric_words[d->policy->metric]);
	else
		settle(d, AUTOSCALE_HOLD, WHY_STEADY, "%s %.4g: %u is right",
		       scale_metric_words[d->policy->metric], decision->value, members);
}

/* --- emergency backends --- */

/* True: it is decided. Who is dead goes whatever is up; who is up goes only if enough are. */
static bool decide_retire(struct deciding *d)
{
	const struct autoscale_pool *pool = d->pool;
	unsigned int room = pool->up > d->decision->min ? pool->up - d->decision->min : 0;
	unsigned int done = lesser(pool->spares_done, room);

	if (pool->spares_dead + done == 0)
		return false;
	d->decision->count = pool->spares_dead + done;
	settle(d, AUTOSCALE_RETIRE, WHY_RETURNED,
	       pool->spares_dead ? "an emergency backend is dead itself"
				 : "the backend that was dead is back");
	return true;
}

static bool decide_replace(struct deciding *d)
{
	unsigned int failed = d->pool->failed;

	if (failed == 0 || !d->policy->replace_after_ms)
		return false;
	settle(d, AUTOSCALE_HOLD, WHY_FAILED, "%u dead for %" PRIu64 " s", failed,
	       d->policy->replace_after_ms / 1000);
	launch(d, AUTOSCALE_REPLACE, failed);
	return d->decision->action != AUTOSCALE_HOLD;
}

/* --- all of it --- */

static void measure(struct deciding *d, const struct autoscale_samples *samples)
{
	struct autoscale_decision *decision = d->decision;

	if (d->policy->metric == SCALE_METRIC_NONE || d->pool->members == 0 || d->pool->up == 0 ||
	    !autoscale_window(d->policy, samples, d->now_ms, &d->mean))
		return;
	decision->known = true;
	decision->value = d->mean;
	if (scale_metric_is_sum(d->policy->metric))
		decision->value = d->mean / bearing(d->pool);
}

void autoscale_decide(const struct autoscale_policy *policy,
		      const struct autoscale_samples *samples, const struct autoscale_pool *pool,
		      struct autoscale_state *state, uint64_t now_ms, uint16_t minute,
		      struct autoscale_decision *ret_decision)
{
	struct deciding d = {
		.policy = policy,
		.pool = pool,
		.state = state,
		.now_ms = now_ms,
		.decision = ret_decision,
	};

	*ret_decision =
		(struct autoscale_decision){.members = pool->members, .wanted = pool->members};
	autoscale_bounds(policy, minute, &ret_decision->min, &ret_decision->max);
	if (!state->first_ms)
		state->first_ms = now_ms;
	measure(&d, samples);
	if (!decide_retire(&d) && !decide_replace(&d) && !decide_by_order(&d))
		decide_by_load(&d);
	state->asked = 0;
}

void autoscale_foretell(const struct autoscale_policy *policy, const struct autoscale_pool *pool,
			double mean, struct autoscale_decision *decision)
{
	struct autoscale_state nothing = {0}; /* no alert asks */
	struct autoscale_decision then = {.known = true, .value = mean};
	struct deciding d = {
		.policy = policy, .pool = pool, .state = &nothing, .mean = mean, .decision = &then};

	if (pool->members == 0)
		return;
	if (scale_metric_is_sum(policy->metric))
		then.value = mean / bearing(pool);
	decision->foretold = true;
	decision->foretold_value = then.value;
	decision->foretold_wanted = clamp(wish(&d), decision->min, decision->max);
}

void autoscale_changed(struct autoscale_state *state, const struct autoscale_decision *decision,
		       uint64_t now_ms)
{
	if (decision->action == AUTOSCALE_UP)
		state->up_ms = now_ms;
	if (decision->action == AUTOSCALE_DOWN)
		state->down_ms = now_ms;
	if (decision->action == AUTOSCALE_RETIRE)
		return; /* what was too many: it counts for nothing */
	for (unsigned int i = 0; i < decision->count; i++) {
		state->changes[state->change_next] = now_ms;
		state->change_next = (state->change_next + 1) % SCALE_PACE_MAX;
	}
}

bool autoscale_launched(const struct autoscale_policy *policy, struct autoscale_state *state,
			bool success, uint64_t now_ms)
{
	bool closed = !state->open_until_ms;

	if (success) {
		state->failures = 0;
		state->open_until_ms = 0;
		return !closed;
	}
	state->failures++;
	if (state->failures < policy->failures)
		return false;
	state->open_until_ms = now_ms + policy->retry_ms;
	return closed;
}
