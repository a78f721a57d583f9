/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What the autoscaler does. Who goes is drained as by `lbctl rm backend` and leaves the desired
 * state; only then its driver is asked to stop it. Whatever stands in the roster is followed until
 * it is up, or stopped.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "autoscale_internal.h"
#include "json.h"
#include "log.h"
#include "scale_driver.h"

#define JOBS_MAX       8       /* drivers that run at once */
#define RETRY_FIRST_MS 5000ULL /* until a driver is asked again to stop what it could not */
#define RETRY_MOST_MS  300000ULL

/* --- what is told and kept --- */

static void tell_entry(struct autoscaler *autoscaler, enum event_kind kind,
		       const struct scale_entry *entry, const char *reason)
{
	events_tell(autoscaler->events, &(struct event){.kind = kind,
							.service = entry->service,
							.after = entry->id,
							.reason = reason});
}

/* A roster that cannot be saved is kept in memory, and saved with the next change. */
static bool save(const struct autoscaler *autoscaler)
{
	struct error err = {0};

	if (scale_roster_save(&autoscaler->roster, autoscaler->state_dir, &err) == 0)
		return true;
	log_error("what the autoscaler has launched cannot be saved", "error", err.message, "hint",
		  err.hint);
	return false;
}

static int commit(struct autoscaler *autoscaler, struct desired *next, const char *reason,
		  struct error *err)
{
	int r;

	events_act(autoscaler->events, NULL, reason);
	r = manager_commit(autoscaler->manager, next, err);
	events_act(autoscaler->events, NULL, NULL);
	return r;
}

static void tell_circuit(struct autoscaler *autoscaler, const struct scale_run *run)
{
	bool open = run->state.open_until_ms;
	char reason[64];

	snprintf(reason, sizeof(reason), "%u launches in a row have failed", run->state.failures);
	events_tell(autoscaler->events,
		    &(struct event){
			    .kind = open ? EVENT_SCALE_CIRCUIT_OPEN : EVENT_SCALE_CIRCUIT_CLOSED,
			    .service = run->service,
			    .after = open ? "nothing is launched for a while" : "launches go on",
			    .reason = open ? reason : "a launch has succeeded"});
}

/* A launch is over, well or not. */
static void note_launch(struct autoscaler *autoscaler, const struct scale_entry *entry,
			bool success)
{
	struct scale_run *run = scale_run_find(autoscaler, entry->service);

	if (!run)
		return;
	run->launch_failures += !success;
	if (autoscale_launched(&run->policy, &run->state, success, uv_now(autoscaler->loop)))
		tell_circuit(autoscaler, run);
}

/* What came of it, if anything, is to be stopped. */
static void fail_launch(struct scale_entry *entry, const char *reason)
{
	struct autoscaler *autoscaler = entry->owner;

	tell_entry(autoscaler, EVENT_SCALE_LAUNCH_FAILED, entry, reason);
	note_launch(autoscaler, entry, false);
	entry->phase = SCALE_STOPPING;
	entry->proof_ms = 0;
	save(autoscaler);
}

/* --- up: the driver has answered --- */

/* {"address": "ADDR[:PORT]", "weight": N} */
static int read_answer(const struct scale_outcome *outcome, const struct service_spec *service,
		       struct backend_spec *backend, struct error *err)
{
	static const char *const keys[] = {"address", "weight", NULL};
	const char *address = NULL;
	cJSON *json = NULL;
	uint64_t weight = backend->weight;
	int r = json_parse(outcome->answer, outcome->length, &json, err);

	if (r == 0)
		r = json_check_keys(json, "the driver's answer", keys, err);
	if (r == 0)
		r = json_string(json, "the driver's answer", "address", &address, err);
	if (r == 0)
		r = json_number(json, "the driver's answer", "weight", 0, BACKEND_WEIGHT_MAX,
				&weight, err);
	if (r == 0 && !address)
		r = error_set(err, EINVAL, "the driver's answer has no address");
	if (r == 0)
		r = parse_endpoint(address, service_default_port(service), &backend->endpoint, err);
	if (r == 0)
		r = address_check_usable(&backend->endpoint.address, err);
	backend->weight = (uint16_t)weight;
	cJSON_Delete(json);
	return r;
}

/* Like its peers, where the driver does not say otherwise. */
static void begin_spec(const struct service_spec *service, struct backend_spec *backend)
{
	unsigned int most = 0;

	backend_spec_init(backend);
	backend->priority = scale_lowest_priority(service);
	for (size_t i = 0; i < service->backend_count; i++) {
		if (service->backends[i].priority == backend->priority &&
		    service->backends[i].weight > most)
			most = service->backends[i].weight;
	}
	backend->weight = (uint16_t)(most ? most : 1);
}

static int add_backend(const struct scale_entry *entry, const struct scale_outcome *outcome,
		       struct error *err)
{
	struct autoscaler *autoscaler = entry->owner;
	struct desired *next = desired_clone(manager_desired(autoscaler->manager));
	struct service_spec *service = next ? desired_service(next, entry->service) : NULL;
	struct backend_spec backend;
	int r;

	if (!service || service->scale.mode != SCALE_ON) {
		desired_free(next);
		return error_set(err, ENOENT, "the service has no autoscaler any more");
	}
	if (scale_entry_backend(entry, service)) { /* a former agent came so far */
		desired_free(next);
		return 0;
	}
	begin_spec(service, &backend);
	memcpy(backend.launched, entry->id, sizeof(backend.launched));
	r = read_answer(outcome, service, &backend, err);
	if (r == 0)
		r = service_add_backend(service, &backend, err);
	if (r == 0)
		return commit(autoscaler, next, "launched by the autoscaler", err);
	desired_free(next);
	return r;
}

static void on_up(void *context, const struct scale_outcome *outcome)
{
	struct scale_entry *entry = context;
	struct error err = {0};

	entry->job = NULL;
	if (!outcome->success) {
		fail_launch(entry, outcome->reason);
	} else if (add_backend(entry, outcome, &err) < 0) {
		fail_launch(entry, err.message);
	} else {
		entry->phase = SCALE_RUNNING;
		entry->proof_ms = uv_now(entry->owner->loop) + entry->timeout_ms;
		save(entry->owner);
	}
}

/* --- down: the driver has answered --- */

static void on_down(void *context, const struct scale_outcome *outcome)
{
	struct scale_entry *entry = context;
	struct autoscaler *autoscaler = entry->owner;
	uint64_t wait_ms = RETRY_FIRST_MS << (entry->tries < 6 ? entry->tries : 6);

	entry->job = NULL;
	if (outcome->success) {
		tell_entry(autoscaler, EVENT_SCALE_STOPPED, entry, NULL);
		scale_roster_remove(&autoscaler->roster, entry);
		save(autoscaler);
		return;
	}
	if (entry->tries++ == 0)
		tell_entry(autoscaler, EVENT_SCALE_STOP_FAILED, entry, outcome->reason);
	entry->due_ms =
		uv_now(autoscaler->loop) + (wait_ms < RETRY_MOST_MS ? wait_ms : RETRY_MOST_MS);
}

/* --- following --- */

static size_t jobs_running(const struct autoscaler *autoscaler)
{
	size_t count = 0;

	for (size_t i = 0; i < autoscaler->roster.count; i++)
		count += autoscaler->roster.entries[i]->job != NULL;
	return count;
}

static void ask_driver(struct scale_entry *entry, const struct service_spec *service)
{
	bool up = entry->phase == SCALE_LAUNCHING;
	const struct scale_errand errand = {
		.words = entry->driver,
		.order = up ? SCALE_ORDER_UP : SCALE_ORDER_DOWN,
		.service = entry->service,
		.id = entry->id,
		.port = service ? service_default_port(service) : 0,
		.timeout_ms = entry->timeout_ms,
	};
	struct scale_outcome failure = {.answer = ""};
	int r;

	if (jobs_running(entry->owner) >= JOBS_MAX || uv_now(entry->owner->loop) < entry->due_ms)
		return;
	r = scale_job_start(entry->owner->loop, &errand, up ? on_up : on_down, entry, &entry->job);
	if (r == 0)
		return;
	failure.reason = strerror(-r);
	if (up)
		on_up(entry, &failure);
	else
		on_down(entry, &failure);
}

/* It never was up, so there is nothing to drain. */
static void remove_unproven(struct scale_entry *entry)
{
	struct autoscaler *autoscaler = entry->owner;
	struct desired *next = desired_clone(manager_desired(autoscaler->manager));
	struct service_spec *service = next ? desired_service(next, entry->service) : NULL;
	struct backend_spec *backend = scale_entry_backend(entry, service);
	struct error err = {0};

	if (!backend) {
		desired_free(next);
		return;
	}
	service_remove_backend(service, backend);
	if (commit(autoscaler, next, "it did not come up in time", &err) < 0)
		log_error("a backend that was launched in vain cannot be removed", "service",
			  entry->service, "error", err.message);
}

static void follow_proof(struct scale_entry *entry, const struct backend_spec *backend)
{
	struct autoscaler *autoscaler = entry->owner;
	struct backend_view view = manager_backend(autoscaler->manager, backend);
	char reason[SCALE_SAID_MAX];

	if (!entry->proof_ms)
		return;
	if (view.status == BACKEND_UP) {
		entry->proof_ms = 0;
		note_launch(autoscaler, entry, true);
		return;
	}
	if (uv_now(autoscaler->loop) < entry->proof_ms)
		return;
	snprintf(reason, sizeof(reason), "it is not up in time: %s", view.reason);
	remove_unproven(entry);
	fail_launch(entry, reason);
}

static void follow_entry(struct scale_entry *entry)
{
	struct autoscaler *autoscaler = entry->owner;
	const struct desired *desired = manager_desired(autoscaler->manager);
	const struct service_spec *service = desired_service(desired, entry->service);
	const struct backend_spec *backend = scale_entry_backend(entry, service);

	if (entry->job)
		return;
	if (entry->phase == SCALE_RUNNING && backend) {
		follow_proof(entry, backend);
		return;
	}
	if (entry->phase == SCALE_RUNNING ||
	    (entry->phase == SCALE_LAUNCHING && (!service || service->scale.mode != SCALE_ON))) {
		entry->phase = SCALE_STOPPING;
		save(autoscaler);
	}
	ask_driver(entry, service);
}

void scale_follow(struct autoscaler *autoscaler)
{
	/* Backwards: who is stopped leaves the roster. */
	for (size_t i = autoscaler->roster.count; i-- > 0;) {
		if (i < autoscaler->roster.count)
			follow_entry(autoscaler->roster.entries[i]);
	}
}

/* --- deciding --- */

static void make_id(const char *service, char id[SCALE_ID_MAX + 1])
{
	uint32_t number = 0;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		number = (uint32_t)uv_hrtime();
	snprintf(id, SCALE_ID_MAX + 1, "%s-%08x", service, number);
}

/* Only what is saved may be launched, or it might never be stopped. */
static bool launch_one(struct scale_run *run, const struct service_spec *service)
{
	struct autoscaler *autoscaler = run->owner;
	const struct backend_spec *dead = NULL;
	char id[SCALE_ID_MAX + 1];
	struct scale_entry *entry;

	if (run->decision.action == AUTOSCALE_REPLACE) {
		dead = scale_choose_failed(run, service);
		if (!dead)
			return false;
	}
	make_id(service->name, id);
	entry = scale_roster_add(&autoscaler->roster, id, service);
	if (!entry)
		return false;
	entry->owner = autoscaler;
	entry->emergency = dead;
	if (dead)
		entry->stands_for = dead->endpoint;
	if (save(autoscaler))
		return true;
	scale_roster_remove(&autoscaler->roster, entry);
	return false;
}

static unsigned int launch(struct scale_run *run, const struct service_spec *service)
{
	unsigned int begun = 0;

	while (begun < run->decision.count && launch_one(run, service))
		begun++;
	return begun;
}

static unsigned int take_away(struct scale_run *run)
{
	struct autoscaler *autoscaler = run->owner;
	struct desired *next = desired_clone(manager_desired(autoscaler->manager));
	struct service_spec *service = next ? desired_service(next, run->service) : NULL;
	struct backend_spec *backend;
	unsigned int begun = 0;
	struct error err = {0};

	while (service && begun < run->decision.count) {
		backend = scale_choose(run, service, run->decision.action);
		if (!backend)
			break;
		backend->removing = true;
		backend->deadline_ms = steady_now(&next->steady) + run->policy.drain_ms;
		begun++;
	}
	if (begun && commit(autoscaler, next, run->decision.reason, &err) == 0)
		return begun;
	if (begun)
		log_error("the autoscaler cannot take backends away", "service", run->service,
			  "error", err.message, "hint", err.hint);
	else
		desired_free(next);
	return 0;
}

static bool launches(const struct autoscale_decision *decision)
{
	return decision->action == AUTOSCALE_UP || decision->action == AUTOSCALE_REPLACE;
}

static void tell_decision(const struct scale_run *run)
{
	static const enum event_kind kinds[AUTOSCALE_ACTIONS] = {
		[AUTOSCALE_UP] = EVENT_SCALE_UP,
		[AUTOSCALE_DOWN] = EVENT_SCALE_DOWN,
		[AUTOSCALE_REPLACE] = EVENT_SCALE_REPLACE,
		[AUTOSCALE_RETIRE] = EVENT_SCALE_RETIRE,
	};
	const struct autoscale_decision *decision = &run->decision;
	char before[48], after[48];

	snprintf(before, sizeof(before), "%u backends", decision->members);
	snprintf(after, sizeof(after), "%u %s", decision->count,
		 launches(decision) ? "launched" : "drained, then stopped");
	events_tell(run->owner->events, &(struct event){.kind = kinds[decision->action],
							.service = run->service,
							.before = before,
							.after = after,
							.reason = decision->reason});
}

bool scale_act(struct scale_run *run, const struct service_spec *service)
{
	unsigned int begun = launches(&run->decision) ? launch(run, service) : take_away(run);

	if (!begun)
		return false;
	run->decision.count = begun;
	tell_decision(run);
	return true;
}
