/* SPDX-License-Identifier: Apache-2.0 */
#include "service_run.h"

#include <stdio.h>
#include <stdlib.h>

#include "cookies.h"
#include "manager_internal.h"
#include "passive.h"
#include "pool.h"

#define WATCH_TICKS (PASSIVE_WINDOW_MS / HOUSEKEEPING_MS)

bool service_watch_init(struct service_watch *watch, const struct dataplane *dp)
{
	size_t backends = (size_t)dp->sizes.backends + 1;

	watch->stats = calloc(backends / WATCH_TICKS + 1, sizeof(*watch->stats));
	watch->judged = calloc(backends, sizeof(struct passive *));
	watch->members = calloc(backends, sizeof(*watch->members));
	return watch->stats && watch->judged && watch->members;
}

void service_watch_clear(struct service_watch *watch)
{
	free(watch->stats);
	free(watch->judged);
	free(watch->members);
}

static struct backend_run *run_of(const struct manager *manager, const struct backend_spec *spec)
{
	return &manager->runs[spec->id];
}

/* --- panic --- */

static struct pool_census take_census(struct manager *manager, const struct service_spec *service)
{
	struct pool_member *members = manager->watch.members;
	const struct backend_spec *spec;
	size_t i;

	for (i = 0; i < service->backend_count; i++) {
		spec = &service->backends[i];
		members[i] = (struct pool_member){
			.status = run_of(manager, spec)->status,
			.weight = spec->weight,
			.priority = spec->priority,
		};
	}
	return pool_count(members, service->backend_count);
}

static void tell_panic(struct events *events, const struct service_spec *service,
		       const struct service_run *run)
{
	struct event event = {.kind = EVENT_SERVICE_PANICS_NO_MORE, .service = service->name};

	if (run->panics) {
		event.kind = EVENT_SERVICE_PANICS;
		event.after = "backends that are down get flows all the same";
		event.reason = run->panic_reason;
	}
	events_tell(events, &event);
}

void service_settle(struct manager *manager, const struct service_spec *service)
{
	struct service_run *run = &manager->service_runs[service->id];
	bool panicked = run->panics;
	struct pool_census census;
	size_t i;

	if (!service->panic_threshold && !panicked)
		return;
	census = take_census(manager, service);
	run->panics = pool_panics(&census, service->panic_threshold, panicked);
	run->priority = census.priority;
	snprintf(run->panic_reason, sizeof(run->panic_reason),
		 "%u of %u up, %u %% by weight, below %u %%", census.up, census.members,
		 pool_up_percent(&census), service->panic_threshold);
	if (run->panics != panicked)
		tell_panic(manager->events, service, run);
	for (i = 0; i < service->backend_count && (run->panics || panicked); i++)
		run_update(manager, run_of(manager, &service->backends[i]));
}

/* --- the watch over repeated SYNs --- */

static struct backend_run *run_judged(struct passive *passive)
{
	return (struct backend_run *)((char *)passive - offsetof(struct backend_run, passive));
}

/* Who gets no new flows is not judged: neither by what he did before, nor by what comes late. */
static bool is_judged(const struct backend_run *run)
{
	return run->status == BACKEND_UP && run->spec.weight > 0;
}

static uint32_t watch_top(const struct manager *manager)
{
	const struct service_spec *service;
	uint32_t top = 0;
	size_t i, b;

	for (i = 0; i < manager->desired->service_count; i++) {
		service = &manager->desired->services[i];
		for (b = 0; service->passive != PASSIVE_OFF && b < service->backend_count; b++) {
			if (service->backends[b].id > top)
				top = service->backends[b].id;
		}
	}
	return top;
}

/* A part of the counters with each tick, so that thousands of backends cost no tick much. */
static void watch_read(struct manager *manager)
{
	struct service_watch *watch = &manager->watch;
	uint32_t part = (watch->top + WATCH_TICKS - 1) / WATCH_TICKS;
	uint32_t first = watch->tick * part + 1, count, i;
	struct backend_run *run;

	if (first > watch->top)
		return;
	count = watch->top - first + 1 < part ? watch->top - first + 1 : part;
	manager->dp->ops->backend_stats_range(manager->dp, first, count, watch->stats);
	for (i = 0; i < count; i++) {
		run = &manager->runs[first + i];
		if (run->used && is_judged(run))
			passive_feed(&run->passive, watch->stats[i].new_flows,
				     watch->stats[i].syn_retransmits);
		else
			passive_forget(&run->passive);
	}
}

static void tell_suspect(struct events *events, const struct service_spec *service,
			 const struct backend_run *run)
{
	char endpoint[ENDPOINT_TEXT_MAX];

	events_tell(events, &(struct event){
				    .kind = run->suspect ? EVENT_BACKEND_SUSPECT
							 : EVENT_BACKEND_NOT_SUSPECT,
				    .service = service->name,
				    .backend = format_endpoint(&run->spec.endpoint, endpoint),
				    .reason = run->suspect ? run->passive_reason : NULL,
			    });
}

static void take_verdict(struct manager *manager, const struct service_spec *service,
			 struct backend_run *run, double typical)
{
	bool suspect = run->passive.verdict != PASSIVE_NORMAL;
	double share = passive_share(&run->passive);

	if (suspect == run->suspect && !suspect)
		return;
	if (suspect && share >= 0)
		snprintf(run->passive_reason, sizeof(run->passive_reason),
			 "%.0f %% of its SYNs are repeated, typical is %.1f %%", 100 * share,
			 100 * typical);
	if (suspect != run->suspect) {
		run->suspect = suspect;
		tell_suspect(manager->events, service, run);
		if (suspect)
			prober_now(run->prober);
	}
	run_update(manager, run);
}

/* The worst first, as far as the pool can do without. */
static void eject_outliers(struct manager *manager, const struct service_spec *service,
			   size_t count)
{
	struct pool_census census = take_census(manager, service);
	uint32_t room = pool_eject_room(&census, service->eject_max), left = room;
	struct backend_run *run;
	size_t i;

	if (manager->service_runs[service->id].panics)
		return; /* nobody can be done without */
	for (i = 0; i < count && left > 0; i++) {
		run = run_judged(manager->watch.judged[i]);
		if (run->passive.verdict != PASSIVE_OUTLIER ||
		    run->spec.priority != census.priority)
			continue;
		run_eject(manager, run);
		left--;
	}
	if (left < room)
		service_changed(manager, service->id);
}

static void judge_service(struct manager *manager, const struct service_spec *service)
{
	struct passive **judged = manager->watch.judged;
	struct backend_run *run;
	size_t i, count = 0;
	double typical;

	for (i = 0; i < service->backend_count; i++) {
		run = run_of(manager, &service->backends[i]);
		if (is_judged(run))
			judged[count++] = &run->passive;
	}
	typical = passive_judge(judged, count);
	for (i = 0; i < count; i++)
		take_verdict(manager, service, run_judged(judged[i]), typical);
	if (service->passive == PASSIVE_EJECT)
		eject_outliers(manager, service, count);
}

static void watch_tick(struct manager *manager)
{
	struct service_watch *watch = &manager->watch;
	size_t i;

	if (watch->tick == 0)
		watch->top = watch_top(manager);
	watch_read(manager);
	if (++watch->tick < WATCH_TICKS)
		return;
	watch->tick = 0;
	for (i = 0; i < manager->desired->service_count; i++) {
		if (manager->desired->services[i].passive != PASSIVE_OFF)
			judge_service(manager, &manager->desired->services[i]);
	}
}

/* --- SYN cookies --- */

/* Who has asked for them at need wants to know when that is. */
static void watch_cookies(struct manager *manager, const struct service_spec *service)
{
	struct service_run *run = &manager->service_runs[service->id];
	struct event event = {.kind = EVENT_SYN_COOKIES_OFF, .service = service->name};
	struct dataplane *dp = manager->dp;
	char reason[64] = "";
	bool on = service->syn_cookies == COOKIES_AUTO && cookies_on(dp, service, dp->ops->now(dp));

	if (on == run->syn_cookies)
		return;
	run->syn_cookies = on;
	if (on) {
		event.kind = EVENT_SYN_COOKIES_ON;
		snprintf(reason, sizeof(reason), "more than %u SYNs in a second",
			 service->syn_cookies_above);
	}
	event.reason = reason;
	events_tell(manager->events, &event);
}

/* --- time --- */

void service_runs_tick(struct manager *manager)
{
	const struct service_spec *service;
	bool changed;
	size_t i, b;

	for (i = 0; i < manager->desired->service_count; i++) {
		service = &manager->desired->services[i];
		changed = false;
		for (b = 0; b < service->backend_count; b++)
			changed |= run_tick(manager, run_of(manager, &service->backends[b]));
		if (changed) /* once for all of them: it costs a table */
			service_changed(manager, service->id);
		watch_cookies(manager, service);
		load_tick(manager, service);
	}
	watch_tick(manager);
}
