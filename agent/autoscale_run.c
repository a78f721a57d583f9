/* SPDX-License-Identifier: Apache-2.0 */
#include "autoscale_run.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "autoscale_internal.h"
#include "clock.h"
#include "log.h"
#include "scale_driver.h"

#define TICK_MS 200

/* Of the week, in local time; 0 is Monday at 00:00. */
static uint16_t minute_of_week(void)
{
	time_t now = time(NULL);
	struct tm local = {0};

	localtime_r(&now, &local);
	return (uint16_t)((local.tm_wday + 6) % 7 * MINUTES_OF_DAY + local.tm_hour * 60 +
			  local.tm_min);
}

/* --- runs --- */

struct scale_run *scale_run_find(const struct autoscaler *autoscaler, const char *service)
{
	for (size_t i = 0; i < autoscaler->run_count; i++) {
		if (strcmp(autoscaler->runs[i]->service, service) == 0)
			return autoscaler->runs[i];
	}
	return NULL;
}

static void run_free(struct scale_run *run)
{
	if (!run)
		return;
	scale_query_cancel(run->query);
	scale_own_clear(&run->own);
	autoscale_policy_clear(&run->policy);
	free(run->deaths);
	free(run);
}

static struct scale_run *run_new(struct autoscaler *autoscaler, const struct service_spec *service)
{
	struct scale_run *run = calloc(1, sizeof(*run));
	struct scale_run **runs =
		reallocarray(autoscaler->runs, autoscaler->run_count + 1, sizeof(*runs));

	if (runs)
		autoscaler->runs = runs;
	if (!run || !runs || autoscale_policy_copy(&service->scale, &run->policy) < 0) {
		free(run);
		return NULL;
	}
	snprintf(run->service, sizeof(run->service), "%s", service->name);
	run->owner = autoscaler;
	autoscaler->runs[autoscaler->run_count++] = run;
	return run;
}

/* Of services that have a policy no more. */
static void forget_runs(struct autoscaler *autoscaler)
{
	const struct desired *desired = manager_desired(autoscaler->manager);
	const struct service_spec *service;
	size_t kept = 0;

	for (size_t i = 0; i < autoscaler->run_count; i++) {
		service = desired_service(desired, autoscaler->runs[i]->service);
		if (service && service->scale.mode != SCALE_OFF)
			autoscaler->runs[kept++] = autoscaler->runs[i];
		else
			run_free(autoscaler->runs[i]);
	}
	autoscaler->run_count = kept;
}

static bool same_text(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

/* Samples of another metric say nothing of this one; a decision is due at once. False: out of
 * memory, and the former policy holds a moment longer. */
static bool follow_policy(struct scale_run *run, const struct autoscale_policy *policy)
{
	struct autoscale_policy copy;
	bool same = run->policy.metric == policy->metric &&
		    same_text(run->policy.promql, policy->promql) &&
		    same_text(run->policy.prometheus, policy->prometheus);
	bool foretell = !same || !run->forecast.slot_ms ||
			run->policy.interval_ms != policy->interval_ms ||
			run->policy.season_ms != policy->season_ms;

	if (autoscale_policy_copy(policy, &copy) < 0)
		return false;
	if (run->policy.count != policy->count || run->policy.interval_ms != policy->interval_ms)
		run->due_ms = 0;
	autoscale_policy_clear(&run->policy);
	run->policy = copy;
	if (foretell)
		forecast_begin(&run->forecast, copy.interval_ms, copy.season_ms);
	if (same)
		return true;
	scale_query_cancel(run->query);
	run->query = NULL;
	scale_own_clear(&run->own);
	run->samples = (struct autoscale_samples){0};
	memset(run->state.wishes, 0, sizeof(run->state.wishes));
	run->state.first_ms = 0;
	run->problem[0] = '\0';
	run->due_ms = 0;
	return true;
}

/* --- decisions --- */

/* Are they the same but for their figures? */
static bool same_decision(const struct scale_record *record,
			  const struct autoscale_decision *decision, bool dry_run)
{
	return record->dry_run == dry_run && record->decision.action == decision->action &&
	       record->decision.why == decision->why && record->decision.wanted == decision->wanted;
}

/* Returns whether it is other than the last one, or does something. */
static bool note(struct scale_run *run, bool dry_run)
{
	size_t last = (run->history_next + SCALE_HISTORY_MAX - 1) % SCALE_HISTORY_MAX;
	bool acts = run->decision.action != AUTOSCALE_HOLD && !dry_run;

	run->decisions[run->decision.action]++;
	if (!acts && run->history_count &&
	    same_decision(&run->history[last], &run->decision, dry_run))
		return false;
	run->history[run->history_next] = (struct scale_record){
		.time_ms = clock_ms(CLOCK_REALTIME), .dry_run = dry_run, .decision = run->decision};
	run->history_next = (run->history_next + 1) % SCALE_HISTORY_MAX;
	run->history_count += run->history_count < SCALE_HISTORY_MAX;
	return true;
}

static void tell_blindness(struct scale_run *run)
{
	bool blind = run->problem[0] && run->decision.why == WHY_NO_DATA;

	if (blind == run->blind)
		return;
	run->blind = blind;
	events_tell(run->owner->events,
		    &(struct event){.kind = blind ? EVENT_SCALE_NO_DATA : EVENT_SCALE_DATA,
				    .service = run->service,
				    .after = blind ? "nothing is changed" : NULL,
				    .reason = blind ? run->problem : NULL});
}

static void tell_dry_run(const struct scale_run *run)
{
	char after[64];

	snprintf(after, sizeof(after), "would %s by %u",
		 autoscale_action_name(run->decision.action), run->decision.count);
	events_tell(run->owner->events, &(struct event){.kind = EVENT_SCALE_DRY_RUN,
							.service = run->service,
							.after = after,
							.reason = run->decision.reason});
}

static void decide(struct scale_run *run, const struct service_spec *service)
{
	bool dry_run = run->policy.mode == SCALE_DRY_RUN, news;
	uint64_t now_ms = uv_now(run->owner->loop);
	double foretold;

	scale_pool_count(run, service);
	autoscale_decide(&run->policy, &run->samples, &run->pool, &run->state, now_ms,
			 minute_of_week(), &run->decision);
	if (run->policy.predict_ms &&
	    forecast_at(&run->forecast, now_ms + run->policy.predict_ms, &foretold))
		autoscale_foretell(&run->policy, &run->pool, fmax(foretold, 0), &run->decision);
	news = note(run, dry_run);
	tell_blindness(run);
	if (run->decision.action == AUTOSCALE_HOLD)
		return;
	if (dry_run && news)
		tell_dry_run(run);
	else if (!dry_run && scale_act(run, service))
		autoscale_changed(&run->state, &run->decision, now_ms);
}

/* --- samples --- */

static void take(struct scale_run *run, bool known, double value, const char *problem)
{
	const struct autoscale_sample sample = {
		.time_ms = uv_now(run->owner->loop), .value = value, .known = known};

	autoscale_sample_add(&run->samples, &sample);
	if (known && run->forecast.slot_ms)
		forecast_feed(&run->forecast, sample.time_ms, value);
	snprintf(run->problem, sizeof(run->problem), "%s", known ? "" : problem);
}

static void on_answer(void *context, double value, const char *reason)
{
	struct scale_run *run = context;
	const struct service_spec *service =
		desired_service(manager_desired(run->owner->manager), run->service);

	run->query = NULL;
	take(run, !*reason, value, reason);
	if (service)
		decide(run, service);
}

/* Asks, at the first query of all with a loop of libcurl's made for it. NULL: out of memory. */
static struct scale_query *ask(struct scale_run *run)
{
	struct autoscaler *autoscaler = run->owner;

	if (!autoscaler->curl)
		autoscaler->curl = curl_loop_new(autoscaler->loop);
	if (!autoscaler->curl)
		return NULL;
	return scale_query_start(autoscaler->curl, &run->policy, on_answer, run);
}

static void sample(struct scale_run *run, const struct service_spec *service)
{
	char problem[SCALE_SOURCE_REASON_MAX] = "out of memory";
	double value = 0;
	bool known;

	if (run->policy.metric == SCALE_METRIC_PROMQL) {
		if (run->query)
			return; /* of the last interval: it ends by its timeout */
		run->query = ask(run);
		if (run->query)
			return;
		take(run, false, 0, problem);
	} else if (run->policy.metric != SCALE_METRIC_NONE) {
		known = scale_own_read(&run->own, run->owner->manager, service,
				       uv_now(run->owner->loop), &value, problem);
		take(run, known, value, problem);
	}
	decide(run, service);
}

/* --- time --- */

/* What was launched is in the desired state, but not in the roster: that was lost. */
static void adopt(struct autoscaler *autoscaler, const struct service_spec *service)
{
	struct scale_entry *entry;

	for (size_t i = 0; i < service->backend_count && service->scale.driver; i++) {
		const char *id = service->backends[i].launched;

		if (!id[0] || scale_roster_find(&autoscaler->roster, id))
			continue;
		entry = scale_roster_add(&autoscaler->roster, id, service);
		if (!entry)
			return;
		entry->owner = autoscaler;
		entry->phase = SCALE_RUNNING;
	}
}

/* Gives every service with a policy a run, by that policy, and others none. */
static void follow_desired(struct autoscaler *autoscaler, const struct desired *desired)
{
	const struct service_spec *service;
	struct scale_run *run;
	bool whole = true;

	for (size_t i = 0; i < desired->service_count; i++) {
		service = &desired->services[i];
		if (service->scale.mode == SCALE_OFF)
			continue;
		run = scale_run_find(autoscaler, service->name);
		run = run ? run : run_new(autoscaler, service);
		whole = run && follow_policy(run, &service->scale) && whole;
	}
	forget_runs(autoscaler);
	if (whole)
		autoscaler->followed = desired->generation;
}

static void tick_run(struct scale_run *run)
{
	const struct service_spec *service;
	uint64_t now_ms = uv_now(run->owner->loop);

	if (now_ms < run->due_ms)
		return;
	service = desired_service(manager_desired(run->owner->manager), run->service);
	run->due_ms = now_ms + run->policy.interval_ms;
	sample(run, service);
}

/* A decision is a commit: then the desired state is another one, but of the same services. */
static void on_tick(uv_timer_t *timer)
{
	struct autoscaler *autoscaler = timer->data;
	const struct desired *desired = manager_desired(autoscaler->manager);

	for (size_t i = 0; i < desired->service_count; i++)
		adopt(autoscaler, &desired->services[i]);
	if (autoscaler->followed != desired->generation)
		follow_desired(autoscaler, desired);
	for (size_t i = 0; i < autoscaler->run_count; i++)
		tick_run(autoscaler->runs[i]);
	scale_follow(autoscaler);
}

/* --- life --- */

int autoscaler_new(uv_loop_t *loop, struct manager *manager, struct events *events,
		   const char *state_dir, struct autoscaler **ret_autoscaler, struct error *err)
{
	struct autoscaler *autoscaler = calloc(1, sizeof(*autoscaler));
	struct error problem = {0};

	if (!autoscaler)
		return error_set(err, ENOMEM, "out of memory");
	autoscaler->loop = loop;
	autoscaler->manager = manager;
	autoscaler->events = events;
	autoscaler->state_dir = state_dir;
	autoscaler->followed = UINT64_MAX;
	if (scale_roster_load(state_dir, &autoscaler->roster, &problem) < 0)
		log_error("what the autoscaler has launched cannot be read", "error",
			  problem.message, "consequence",
			  "what was being launched or stopped is left alone");
	for (size_t i = 0; i < autoscaler->roster.count; i++)
		autoscaler->roster.entries[i]->owner = autoscaler;
	uv_timer_init(loop, &autoscaler->tick);
	autoscaler->tick.data = autoscaler;
	uv_timer_start(&autoscaler->tick, on_tick, TICK_MS, TICK_MS);
	*ret_autoscaler = autoscaler;
	return 0;
}

void autoscaler_stop(struct autoscaler *autoscaler)
{
	if (!autoscaler)
		return;
	for (size_t i = 0; i < autoscaler->run_count; i++)
		run_free(autoscaler->runs[i]);
	autoscaler->run_count = 0;
	/* The next agent asks again. */
	for (size_t i = 0; i < autoscaler->roster.count; i++) {
		scale_job_cancel(autoscaler->roster.entries[i]->job);
		autoscaler->roster.entries[i]->job = NULL;
	}
	uv_close((uv_handle_t *)&autoscaler->tick, NULL);
	curl_loop_free(autoscaler->curl);
	autoscaler->curl = NULL;
}

void autoscaler_free(struct autoscaler *autoscaler)
{
	if (!autoscaler)
		return;
	scale_roster_clear(&autoscaler->roster);
	free(autoscaler->runs);
	free(autoscaler);
}

/* --- views --- */

const struct scale_run *autoscaler_run(const struct autoscaler *autoscaler, const char *service)
{
	const struct scale_run *run = scale_run_find(autoscaler, service);

	return run && run->decision.reason[0] ? run : NULL;
}

const struct scale_run *const *autoscaler_runs(const struct autoscaler *autoscaler,
					       size_t *ret_count)
{
	*ret_count = autoscaler->run_count;
	return (const struct scale_run *const *)autoscaler->runs;
}

const struct scale_roster *autoscaler_roster(const struct autoscaler *autoscaler)
{
	return &autoscaler->roster;
}

enum autoscale_circuit autoscaler_circuit(const struct autoscaler *autoscaler,
					  const struct scale_run *run)
{
	return autoscale_circuit(&run->state, uv_now(autoscaler->loop));
}

int autoscaler_ask(struct autoscaler *autoscaler, const char *service, int direction)
{
	struct scale_run *run = scale_run_find(autoscaler, service);

	if (!run)
		return -ENOENT;
	run->state.asked = direction;
	run->due_ms = 0;
	return 0;
}
