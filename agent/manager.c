/* SPDX-License-Identifier: Apache-2.0 */
#include "manager.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "change_events.h"
#include "check_files.h"
#include "config.h"
#include "cookies.h"
#include "diff.h"
#include "digest.h"
#include "document.h"
#include "ids.h"
#include "log.h"
#include "manager_internal.h"
#include "remember.h"
#include "store.h"

#define TICK_MS       20
#define SCAN_ROUND_MS 1000       /* a round through the flow table takes about this long, */
#define SCAN_PART_NS  2000000ULL /* or longer, where a tick's part would take more than this */
#define TOLD_LATE_MAX 100
#define NAT_ROUND_MS  2000 /* from the end of one round through translated flows to the next */
#define SCAN_NAT_NS   1000000ULL
#define SOURCES_NS    10000000ULL /* long lists take half of the time, until they are in force */
#define SCAN_STEP     1024        /* buckets looked through before the clock is */

/* --- what others tell --- */

static void on_nexthop(void *context, const struct address *address, const struct nexthop *hop)
{
	struct manager *manager = context;
	uint16_t id = by_address_first(manager->by_address, address);

	for (; id; id = by_address_next(manager->by_address, id)) {
		run_hop(manager, &manager->runs[id], hop);
		service_changed(manager, manager->runs[id].service_id);
	}
}

/* Once for all hops that came together: it looks at every backend. */
static void on_told(void *context)
{
	ways_follow(context);
}

/* The data plane's mtu, which facts depend on, may be another afterwards. */
static void on_links(void *context)
{
	struct manager *manager = context;
	uint32_t mtu = manager->dp->mtu, id;
	size_t i;

	if (manager->on_links)
		manager->on_links(manager->on_links_context);
	ways_refresh(manager);
	if (manager->dp->mtu == mtu)
		return;
	for (id = 1; id <= manager->dp->sizes.backends; id++) {
		if (manager->runs[id].used)
			run_update(manager, &manager->runs[id]);
	}
	for (i = 0; i < manager->desired->service_count; i++)
		service_changed(manager, manager->desired->services[i].id);
}

/* --- reconcile --- */

static int index_services(struct manager *manager, struct error *err)
{
	const struct dataplane *dp = manager->dp;
	size_t i;

	events_generation(manager->events, manager->desired->generation);
	reply_takers_free(manager->takers);
	manager->takers = reply_takers_new(manager->desired, dp->nat_port_low, dp->nat_port_high);
	memset(manager->service_by_id, 0,
	       ((size_t)dp->sizes.services + 1) * sizeof(*manager->service_by_id));
	for (i = 0; i < manager->desired->service_count; i++)
		manager->service_by_id[manager->desired->services[i].id] =
			&manager->desired->services[i];
	return manager->takers ? 0 : error_set(err, ENOMEM, "out of memory");
}

/* One for all backends of a service, and another only when its words are other ones: it is by this
 * that a run knows whether to probe anew. */
static int prepare_check(struct manager *manager, const struct service_spec *service,
			 struct error *err)
{
	struct check_run **check = &manager->checks[service->id], *next;
	const struct check_spec *spec = &service->check;

	if (*check && check_spec_equal(&(*check)->spec, spec) &&
	    strcmp((*check)->service, service->name) == 0)
		return 0;
	next = check_run_new(spec, service->name);
	if (!next)
		return error_set(err, ENOMEM, "out of memory");
	check_run_unref(*check);
	*check = next;
	if (spec->kind == CHECK_HTTPS && spec->insecure)
		log_warn("health checks do not verify certificates", "service", service->name,
			 "hint", "give check-ca, and set check-insecure false");
	return 0;
}

/* Of services that are gone: another one may get the index. */
static void forget_services(struct manager *manager)
{
	uint32_t id;

	for (id = 1; id <= manager->dp->sizes.services; id++) {
		if (manager->service_by_id[id])
			continue;
		manager->service_runs[id] = (struct service_run){0};
		check_run_unref(manager->checks[id]);
		manager->checks[id] = NULL;
	}
}

static void tell_sources(struct manager *manager, int ret, const struct error *problem,
			 const char *after)
{
	manager->sources_problem = ret ? *problem : (struct error){0};
	events_tell(manager->events,
		    &(struct event){.kind = ret ? EVENT_SOURCES_FAILED : EVENT_SOURCES_RELOADED,
				    .after = ret ? after : "",
				    .reason = ret ? problem->message : "",
				    .hint = ret ? problem->hint : ""});
}

/* Before packets come, or else a former agent's lists hold until follow_sources() has filled them.
 * What was desired when the agent was stopped is not refused for the sake of a list. */
static void begin_sources(struct manager *manager)
{
	struct error problem = {0}, later = {0};
	int ret = sources_read(manager->sources, manager->desired, SOURCES_START, &problem);
	bool held = sources_held(manager->sources);
	int filled;

	filled = sources_fill(manager->sources, SOURCES_AT_ONCE, ret ? &later : &problem);
	while (filled == SOURCES_MORE && !held) {
		sources_tick(manager->sources);
		filled = sources_fill(manager->sources, SIZE_MAX, ret ? &later : &problem);
	}
	manager->sources_begun = true;
	if (ret || filled < 0)
		tell_sources(manager, ret ? ret : filled, &problem,
			     "a former agent's list holds on; if there is none, an allow list lets "
			     "nobody in, and a deny list everybody");
}

/* A short list is in force when this returns, a long one follows by follow_sources(). */
static int change_sources(struct manager *manager, enum sources_mode mode, struct error *err)
{
	int ret = sources_read(manager->sources, manager->desired, mode, err);

	if (ret == 0)
		ret = sources_fill(manager->sources, SOURCES_AT_ONCE, err);
	if (ret < 0)
		return ret;
	manager->sources_problem = (struct error){0};
	return 0;
}

/*
 * The services whose tables are in line to be built, a part a turn (manager_sync.c), and which
 * these changes do not concern: they stay in line. [service index], the caller's to free; NULL:
 * there are none, or it is not known.
 */
static bool *who_waits(const struct manager *manager, const cJSON *changes)
{
	size_t size = ((size_t)manager->dp->sizes.services + 1) * sizeof(bool);
	const struct service_spec *service;
	const cJSON *change;
	const char *name;
	bool *waits;

	if (!changes || !memchr(manager->stale, 1, size))
		return NULL;
	waits = malloc(size);
	if (!waits)
		return NULL;
	memcpy(waits, manager->stale, size);
	cJSON_ArrayForEach (change, changes) {
		name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(change, "service"));
		service = desired_service(manager->desired, name);
		if (service)
			waits[service->id] = false;
	}
	return waits;
}

static int sync_changes(struct manager *manager, const cJSON *changes, struct error *err)
{
	bool *waits = who_waits(manager, changes);
	int ret = sync_all(manager->sync, manager->desired, manager->facts, waits, err);

	free(waits);
	return ret;
}

/* changes: diff_write() of what has changed since the last time; NULL: anything may have. */
static int reconcile(struct manager *manager, const cJSON *changes, struct error *err)
{
	const struct service_spec *service;
	double began = (double)uv_hrtime() / 1e9;
	int ret = index_services(manager, err), problem;
	struct error other;
	uint32_t id;
	size_t i, b;

	for (i = 0; i < manager->desired->service_count; i++) {
		service = &manager->desired->services[i];
		problem = prepare_check(manager, service, err);
		if (problem)
			return problem;
		for (b = 0; b < service->backend_count; b++) {
			problem = run_change(manager, service, &service->backends[b], &other);
			if (problem && ret == 0) {
				ret = problem;
				*err = other;
			}
		}
	}
	for (id = 1; id <= manager->dp->sizes.backends; id++) {
		if (manager->runs[id].used &&
		    manager->runs[id].seen != manager->desired->generation)
			run_end(manager, (uint16_t)id);
	}
	for (i = 0; i < manager->desired->service_count; i++)
		service_settle(manager, &manager->desired->services[i]);
	forget_services(manager);
	ways_begin(manager);
	if (!manager->sources_begun)
		begin_sources(manager);
	else if (ret == 0)
		ret = change_sources(manager, SOURCES_CHANGED, err);
	if (ret == 0)
		ret = sync_changes(manager, changes, err);
	manager->sync_seconds = (double)uv_hrtime() / 1e9 - began;
	announce_changed(manager);
	return ret;
}

/* --- commit --- */

static int persist(const struct manager *manager, const struct desired *desired, struct error *err)
{
	cJSON *json = config_write_state(desired);
	char *text = json ? cJSON_Print(json) : NULL;
	int ret;

	cJSON_Delete(json);
	if (!text)
		return error_set(err, ENOMEM, "out of memory");
	ret = store_save(manager->state_dir, text, err);
	cJSON_free(text);
	return ret;
}

int manager_persist(const struct manager *manager, struct error *err)
{
	return persist(manager, manager->desired, err);
}

static int assign_ids(const struct manager *manager, struct desired *next, struct error *err)
{
	uint64_t rounds = flow_scan_rounds(manager->scan);
	bool *resting = calloc((size_t)manager->dp->sizes.backends + 1, sizeof(*resting));
	uint32_t id;
	int ret;

	if (!resting)
		return error_set(err, ENOMEM, "out of memory");
	for (id = 1; id <= manager->dp->sizes.backends; id++)
		resting[id] = manager->runs[id].rests_until > rounds;
	ret = ids_assign(next, manager->desired, &manager->dp->sizes, resting, err);
	free(resting);
	return ret;
}

/* Names first what is new: the backend, or else the VIP. */
static int refuse_taken(const struct manager *manager, const struct service_spec *service,
			const struct backend_spec *backend, const struct service_spec *owner,
			const struct vip *vip, struct error *err)
{
	unsigned int low = manager->dp->nat_port_low, high = manager->dp->nat_port_high;
	char endpoint[ENDPOINT_TEXT_MAX], text[VIP_TEXT_MAX];

	format_endpoint(&backend->endpoint, endpoint);
	format_vip(vip, text);
	if (backend->id)
		error_set(err, EEXIST,
			  "VIP %s of service %s: replies of backend %s of service %s come to this "
			  "address, ports %u-%u",
			  text, owner->name, endpoint, service->name, low, high);
	else
		error_set(err, EEXIST,
			  "backend %s of service %s: its replies would come to VIP %s of service "
			  "%s, for mode nat uses this address, ports %u-%u",
			  endpoint, service->name, text, owner->name, low, high);
	error_hint(err, -EEXIST,
		   "choose another address for the VIP, or a port outside %u-%u, which lbagent "
		   "--nat-ports sets",
		   low, high);
	return error_field(err, -EEXIST, backend->id ? "vip" : "address");
}

/*
 * Refuses what would newly put a VIP in the way of replies in mode nat. What was there before is
 * not refused, or nothing could be changed any more after a route has; run_check_replies() says it.
 */
static int check_replies(const struct manager *manager, const struct service_spec *service,
			 const struct reply_takers *takers, struct error *err)
{
	struct address own,
		checked[2] = {0}; /* the last one asked about, of old backends and new */
	const struct backend_spec *backend;
	const struct service_spec *before, *owner;
	const struct vip_spec *vip;
	size_t i;

	for (i = 0; i < service->backend_count; i++) {
		backend = &service->backends[i];
		before = backend->id ? manager->service_by_id[service->id] : NULL;
		own = manager->runs[backend->id].own;
		if (!address_known(&own) &&
		    !nexthop_source(manager->nexthops, &backend->endpoint.address, &own))
			continue;
		if (address_equal(&own, &checked[!before]))
			continue;
		checked[!before] = own;
		vip = reply_takers_find(takers, service, &own, before, &owner);
		if (vip)
			return refuse_taken(manager, service, backend, owner, &vip->vip, err);
	}
	return 0;
}

static int check_all_replies(const struct manager *manager, const struct desired *next,
			     struct error *err)
{
	struct reply_takers *takers =
		reply_takers_new(next, manager->dp->nat_port_low, manager->dp->nat_port_high);
	size_t i;
	int ret = takers ? 0 : error_set(err, ENOMEM, "out of memory");

	for (i = 0; ret == 0 && i < next->service_count; i++) {
		if (next->services[i].mode == LB_MODE_NAT)
			ret = check_replies(manager, &next->services[i], takers, err);
	}
	reply_takers_free(takers);
	return ret;
}

static int check_driver(const struct manager *manager, const struct service_spec *service,
			const struct service_spec *before, struct error *err)
{
	char *const *driver = service->scale.driver;

	if (!driver ||
	    (before && before->scale.driver && strcmp(before->scale.driver[0], driver[0]) == 0))
		return 0;
	return check_program(driver[0], "scale-driver", service->name, manager->commands_dir, err);
}

/* Of checks that are new, or changed: what was there before may have lost its files, which its
 * probes say. */
static int check_all_files(const struct manager *manager, const struct desired *next,
			   struct error *err)
{
	const struct service_spec *service, *before;
	size_t i;
	int ret = 0;

	for (i = 0; ret == 0 && i < next->service_count; i++) {
		service = &next->services[i];
		before = service->id ? manager->service_by_id[service->id] : NULL;
		if (!before || !check_spec_equal(&before->check, &service->check))
			ret = check_files(&service->check, service->name, manager->commands_dir,
					  err);
		if (ret == 0)
			ret = check_driver(manager, service, before, err);
	}
	return ret;
}

/*
 * The data plane would not have it, for this reason: everything back to what it was, on disk too.
 * What cannot be undone now is tried again by the housekeeping.
 */
static void roll_back(struct manager *manager, struct desired *former, const struct error *why)
{
	struct desired *refused = manager->desired;
	struct error err;

	manager->desired = former;
	events_tell(manager->events, &(struct event){.kind = EVENT_CHANGE_UNDONE,
						     .reason = why->message,
						     .hint = why->hint});
	note_sync(manager, reconcile(manager, NULL, &err), &err);
	if (persist(manager, former, &err))
		log_error("a refused change stays in the saved state", "error", err.message, "hint",
			  "make any change before lbagent starts again: it saves the state anew");
	desired_free(refused);
}

/* Factors are the manager's, however next was made, and go with what they are for. */
static void keep_factors(const struct manager *manager, struct desired *next)
{
	const struct backend_run *run;
	struct backend_spec *spec;
	size_t i, b;

	for (i = 0; i < next->service_count; i++) {
		for (b = 0; b < next->services[i].backend_count; b++) {
			spec = &next->services[i].backends[b];
			run = &manager->runs[spec->id];
			spec->load_factor = run->used && next->services[i].load.mode == LOAD_ON
						    ? run->spec.load_factor
						    : 0;
		}
	}
}

/* Makes next fit to follow the present state, or refuses it. */
static int prepare(const struct manager *manager, struct desired *next, struct error *err)
{
	int ret;

	next->generation = manager->desired->generation + 1;
	next->steady = manager->desired->steady; /* however next was made */
	next->withdrawn = manager->desired->withdrawn;
	if (!next->former_given && remember_owners(manager->desired, next) < 0)
		return error_set(err, ENOMEM, "out of memory");
	ret = desired_check(next, err);
	if (ret == 0)
		ret = check_all_replies(manager, next, err);
	if (ret == 0)
		ret = check_all_files(manager, next, err);
	if (ret == 0)
		ret = sources_check(manager->sources, next, err);
	if (ret == 0)
		ret = cookies_check(manager->dp, next, err);
	if (ret == 0)
		ret = assign_ids(manager, next, err);
	if (ret == 0)
		keep_factors(manager, next);
	return ret;
}

/* -EINPROGRESS: long files are still being read. */
static int lists_ready(const struct manager *manager, const struct desired *next,
		       enum sources_mode mode, struct error *err)
{
	int ret = sources_ready(manager->sources, next, mode, err);

	return ret == SOURCES_MORE ? error_set(err, EINPROGRESS, "lists of sources are being read")
				   : ret;
}

int manager_lists_ready(const struct manager *manager, const struct desired *next,
			struct error *err)
{
	return lists_ready(manager, next, SOURCES_CHANGED, err);
}

void manager_reload_soon(struct manager *manager)
{
	manager->reload_due = true;
}

int manager_reload(struct manager *manager, struct error *err)
{
	int ret = lists_ready(manager, manager->desired, SOURCES_ALL, err);
	struct error ignored;

	if (ret == -EINPROGRESS)
		return ret;
	if (ret == 0)
		ret = change_sources(manager, SOURCES_ALL, err);
	if (ret) {
		/* what was under way for a change goes on */
		change_sources(manager, SOURCES_CHANGED, &ignored);
		tell_sources(manager, ret, err, "the former lists hold on");
		return ret;
	}
	if (sources_loading(manager->sources, NULL))
		return 0;
	ret = sync_all(manager->sync, manager->desired, manager->facts, NULL, err);
	if (ret || sources_any(manager->sources))
		tell_sources(manager, ret, err, "the former lists hold on");
	return ret;
}

/* Goes on with filling. False: there is nothing to go on with. */
static bool fill_sources(struct manager *manager)
{
	struct error err = {0};
	int ret;

	if (!sources_loading(manager->sources, NULL))
		return false;
	ret = sources_fill(manager->sources, DATAPLANE_SOURCES_BATCH, &err);
	if (ret == SOURCES_MORE)
		return true;
	if (ret == 0)
		ret = sync_all(manager->sync, manager->desired, manager->facts, NULL, &err);
	tell_sources(manager, ret, &err, "the former lists hold on; lbctl reload tries again");
	return false;
}

/* Goes on with long lists. */
static void follow_sources(struct manager *manager)
{
	uint64_t end = uv_hrtime() + SOURCES_NS;
	struct error told;
	bool more = true;

	sources_age(manager->sources);
	while (more && uv_hrtime() < end) {
		more = sources_tick(manager->sources);
		more = fill_sources(manager) || more;
	}
	if (manager->reload_due)
		manager->reload_due = manager_reload(manager, &told) == -EINPROGRESS;
}

static struct plan_input plan_input(const struct manager *manager)
{
	return (struct plan_input){
		.facts = manager->facts,
		.flows = flow_scan_counts(manager->scan)->active,
		.counted = flow_scan_rounds(manager->scan) > 0,
		.backends = manager->dp->sizes.backends,
		.table_size = manager->dp->sizes.table_size,
	};
}

int manager_plan(const struct manager *manager, struct desired *next, struct plan **ret_plan,
		 struct error *err)
{
	const struct plan_input input = plan_input(manager);
	int ret = prepare(manager, next, err);

	return ret ? ret : plan_make(&input, manager->desired, next, ret_plan, err);
}

int manager_stage(const struct manager *manager, struct desired *target, double limit,
		  enum stage_outcome *ret_outcome, struct desired **ret_next, struct error *ret_why,
		  struct error *err)
{
	const struct plan_input input = plan_input(manager);
	int ret = prepare(manager, target, err);

	if (ret)
		return ret;
	return stage_next(&input, manager->desired, target, limit, ret_outcome, ret_next, ret_why,
			  err);
}

/* In a fleet it is etcd first: what that has not taken is not done here (fleet_store.h). */
static int ask(const struct manager *manager, const struct desired *next, struct error *err)
{
	if (!manager->consent)
		return 0;
	return manager->consent(manager->consent_context, manager->desired, next, err);
}

void manager_on_commit(struct manager *manager, manager_consent consent, void *context)
{
	manager->consent = consent;
	manager->consent_context = context;
}

int manager_commit(struct manager *manager, struct desired *next, struct error *err)
{
	struct desired *former = manager->desired;
	int ret = prepare(manager, next, err);
	cJSON *changes;

	if (ret == 0)
		ret = ask(manager, next, err);
	if (ret == 0)
		ret = persist(manager, next, err);
	if (ret) {
		desired_free(next);
		return ret;
	}
	manager->desired = next;
	events_generation(manager->events, next->generation);
	changes = diff_write(former, next);
	change_events(manager->events, changes);
	ret = reconcile(manager, changes, err);
	cJSON_Delete(changes);
	if (ret) {
		roll_back(manager, former, err);
		return ret;
	}
	note_sync(manager, 0, err);
	desired_free(former);
	announce_follow(manager);
	return 0;
}

int manager_withdraw(struct manager *manager, bool withdrawn, struct error *err)
{
	struct desired *desired = manager->desired;
	int ret;

	if (!manager->announce.announcer) {
		error_set(err, EINVAL, "lbagent announces no VIPs: it has no --announce-table");
		return error_hint(err, -EINVAL, "start it with --announce-table N");
	}
	if (desired->withdrawn == withdrawn)
		return 0;
	desired->withdrawn = withdrawn;
	ret = persist(manager, desired, err);
	if (ret) {
		desired->withdrawn = !withdrawn;
		return ret;
	}
	events_tell(manager->events, &(struct event){.kind = withdrawn ? EVENT_BALANCER_WITHDRAWN
								       : EVENT_BALANCER_ANNOUNCED});
	announce_changed(manager);
	announce_follow(manager);
	return 0;
}

/* --- housekeeping --- */

/* Takes a backend that is removed out of next, and the work from one that drained. */
static void end_drain(const struct manager *manager, const struct backend_run *run,
		      struct desired *next)
{
	const char *name = manager->service_by_id[run->service_id]->name;
	struct service_spec *service = desired_service(next, name);
	struct backend_spec *spec = service_backend(service, &run->spec.endpoint);

	if (spec->removing) {
		service_remove_backend(service, spec);
	} else {
		spec->state = ADMIN_MAINT;
		spec->deadline_ms = 0;
	}
}

static bool run_is_late(const struct manager *manager, const struct backend_run *run)
{
	return run->drain_ends_ms && uv_now(manager->loop) >= run->drain_ends_ms;
}

/* Drains that are over. Those that end in maint are apart: that is a change of the configuration,
 * which may have to wait for others' consent. */
enum over {
	OVER_EMPTY, /* it is to be removed and has no flow left */
	OVER_LATE,  /* it is to be removed and its deadline has passed */
	OVER_MAINT, /* its deadline has passed */
	OVERS
};

static bool drain_is_over(const struct manager *manager, const struct backend_run *run,
			  enum over over)
{
	bool late = run_is_late(manager, run);

	if (over == OVER_EMPTY)
		return !late && run->spec.removing && run_drained(manager, run);
	return late && run->spec.removing == (over == OVER_LATE);
}

/* What cannot be ended is tried again with the next tick, and said once. */
static void commit_drains(struct manager *manager, struct desired *next)
{
	struct error err = {0};
	int ret = manager_commit(manager, next, &err);

	if (ret == -EINPROGRESS)
		return;
	if (ret && strcmp(err.message, manager->drain_error.message) != 0)
		log_error("drain cannot be ended", "error", err.message, "hint", err.hint);
	manager->drain_error = err;
}

/* Ends them all in one commit. */
static void end_drains(struct manager *manager, enum over over)
{
	struct desired *next = NULL;
	struct backend_run *run;
	uint64_t flows = 0;
	char reason[96];
	uint32_t id;

	for (id = 1; id <= manager->dp->sizes.backends; id++) {
		run = &manager->runs[id];
		if (!run->used || !run_drains(run) || !drain_is_over(manager, run, over))
			continue;
		next = next ?: desired_clone(manager->desired);
		if (!next)
			return;
		flows += flow_scan_counts(manager->scan)->active[id];
		end_drain(manager, run, next);
	}
	if (!next)
		return;
	snprintf(reason, sizeof(reason), "its deadline passed, flows left: %" PRIu64, flows);
	events_act(manager->events, NULL, over == OVER_EMPTY ? "its last flow has ended" : reason);
	commit_drains(manager, next);
	events_act(manager->events, NULL, NULL);
}

/* Looks at every drain once; ends are rare. */
static void watch_drains(struct manager *manager)
{
	bool ended[OVERS] = {false};
	struct backend_run *run;
	enum over over;
	uint32_t id;

	for (id = 1; id <= manager->dp->sizes.backends; id++) {
		run = &manager->runs[id];
		if (!run->used || !run_drains(run))
			continue;
		run_watch_drain(manager, run);
		for (over = 0; over < OVERS; over++)
			ended[over] |= drain_is_over(manager, run, over);
	}
	for (over = 0; over < OVERS; over++)
		if (ended[over])
			end_drains(manager, over);
}

/* Looks through a part of the flow table: the loop has other things to do. */
static void scan_flows(struct manager *manager)
{
	uint32_t buckets = manager->dp->sizes.flows / LB_FLOW_WAYS;
	uint32_t left = buckets / (SCAN_ROUND_MS / TICK_MS) + 1, step;
	uint64_t now = manager->dp->ops->now(manager->dp), end = uv_hrtime() + SCAN_PART_NS;

	while (left && uv_hrtime() < end) {
		step = left < SCAN_STEP ? left : SCAN_STEP;
		left -= step;
		if (!flow_scan_step(manager->scan, now, step))
			continue;
		sync_round(manager->sync, flow_scan_counts(manager->scan)->sampled, now);
		break;
	}
}

/* Likewise of the map of translated flows, which costs a system call for every few of them. */
static void scan_nat_flows(struct manager *manager)
{
	uint64_t end = uv_hrtime() + SCAN_NAT_NS;

	if (manager->ticks < manager->nat_round)
		return;
	while (uv_hrtime() < end) {
		if (!flow_scan_nat_step(manager->scan))
			continue;
		manager->nat_round = manager->ticks + NAT_ROUND_MS / TICK_MS;
		return;
	}
}

/* Of thousands of backends that are added and not found, some at a time. */
static void tell_late(struct manager *manager)
{
	unsigned int left = TOLD_LATE_MAX;
	uint32_t id;

	for (id = 1; left && id <= manager->dp->sizes.backends; id++)
		left -= manager->runs[id].used && run_tell_late(manager, &manager->runs[id]);
}

static void on_tick(uv_timer_t *timer)
{
	struct manager *manager = timer->data;
	struct error err;

	scan_flows(manager);
	scan_nat_flows(manager);
	follow_sources(manager);
	announce_follow(manager);
	if (++manager->ticks % (HOUSEKEEPING_MS / TICK_MS))
		return;
	flow_fold_follow(&manager->fold, manager->dp, manager->dp->ops->now(manager->dp));
	tell_late(manager);
	watch_drains(manager);
	service_runs_tick(manager);
	ways_tick(manager);
	if (manager->sync_error.message[0])
		note_sync(manager,
			  sync_all(manager->sync, manager->desired, manager->facts, NULL, &err),
			  &err);
}

/* --- life --- */

static int manager_allocate(struct manager *manager, struct error *err)
{
	size_t backends = (size_t)manager->dp->sizes.backends + 1;
	size_t services = (size_t)manager->dp->sizes.services + 1;
	int ret;

	manager->service_by_id = calloc(services, sizeof(*manager->service_by_id));
	manager->stale = calloc(services, sizeof(*manager->stale));
	manager->checks = calloc(services, sizeof(struct check_run *));
	manager->runs = calloc(backends, sizeof(*manager->runs));
	manager->by_address = by_address_new(manager->dp->sizes.backends);
	manager->facts = calloc(backends, sizeof(*manager->facts));
	manager->service_runs = calloc(services, sizeof(*manager->service_runs));
	manager->config_digests = calloc(services, sizeof(*manager->config_digests));
	manager->sync = sync_new(manager->dp);
	manager->sources = sources_new(manager->dp, manager->global_deny);
	manager->scan = flow_scan_new(manager->dp);
	manager->probes = probe_engine_new(manager->loop);
	if (!manager->service_by_id || !manager->checks || !manager->stale || !manager->runs ||
	    !manager->by_address || !manager->facts || !manager->service_runs || !manager->sync ||
	    !manager->scan || !manager->probes || !manager->sources || !manager->config_digests ||
	    !service_watch_init(&manager->watch, manager->dp) ||
	    !loads_init(&manager->loads, backends))
		return error_set(err, ENOMEM, "out of memory");
	sync_use_lists(manager->sync, sources_lists(manager->sources));
	flow_scan_tell(manager->scan, sync_marks(manager->sync));
	manager->fold = flow_fold_adopt(
		manager->dp->switches->flow_fold, FLOW_FOLD_BUCKETS_MIN,
		dataplane_coarse(&manager->dp->clock, manager->dp->ops->now(manager->dp)));
	manager->seed_digest = digest_seed(manager->desired->seed);
	sync_use_seed(manager->sync, manager->seed_digest);
	ret = nexthop_table_new(manager->loop, on_nexthop, manager, &manager->nexthops, err);
	if (ret)
		return ret;
	nexthop_on_told(manager->nexthops, on_told, manager);
	nexthop_on_links(manager->nexthops, on_links, manager);
	return 0;
}

static void stop_runs(struct manager *manager)
{
	uint32_t id;

	for (id = 1; manager->runs && id <= manager->dp->sizes.backends; id++) {
		prober_free(manager->runs[id].prober);
		manager->runs[id].prober = NULL;
		load_run_end(&manager->runs[id].load);
	}
	loads_stop(&manager->loads);
	probe_engine_free(manager->probes);
	nexthop_table_free(manager->nexthops);
}

static void on_failed_closed(uv_handle_t *handle)
{
	manager_free(handle->data);
}

static void on_due_closed(uv_handle_t *handle)
{
	struct manager *manager = handle->data;

	uv_close((uv_handle_t *)&manager->tick, on_failed_closed);
}

/* Flows of a former agent may name backends that are no longer desired: no other may have their
 * indices before those entries are cleared. */
static int rest_former(struct manager *manager, struct error *err)
{
	uint32_t id, backends = manager->dp->sizes.backends;
	bool *named = calloc((size_t)backends + 1, sizeof(*named));

	if (!named)
		return error_set(err, ENOMEM, "out of memory");
	flow_scan_named(manager->dp, named);
	for (id = 1; id <= backends; id++)
		manager->runs[id].rests_until = named[id] ? 2 : 0;
	free(named);
	return 0;
}

int manager_new(uv_loop_t *loop, struct dataplane *dp, const char *state_dir,
		const char *commands_dir, const char *global_deny, struct events *events,
		struct desired *desired, struct manager **ret_manager, struct error *err)
{
	struct manager *manager = calloc(1, sizeof(*manager));
	int ret;

	if (!manager) {
		desired_free(desired);
		return error_set(err, ENOMEM, "out of memory");
	}
	manager->loop = loop;
	manager->dp = dp;
	manager->state_dir = state_dir;
	manager->commands_dir = commands_dir;
	manager->global_deny = global_deny;
	manager->events = events;
	manager->desired = desired;
	/* The loop's clock stood still since it was made; deadlines begin now. */
	uv_update_time(loop);
	uv_timer_init(loop, &manager->tick);
	manager->tick.data = manager;
	sync_due_init(manager);
	ret = manager_allocate(manager, err);
	if (ret == 0 && dp->adopted)
		ret = rest_former(manager, err);
	/* Of a configuration file; a saved state has its indices, and is not refused. */
	if (ret == 0)
		ret = index_services(manager, err);
	if (ret == 0)
		ret = check_all_replies(manager, desired, err);
	if (ret == 0)
		ret = check_all_files(manager, desired, err);
	if (ret == 0)
		ret = assign_ids(manager, desired, err);
	if (ret == 0)
		ret = reconcile(manager, NULL, err);
	if (ret) {
		stop_runs(manager);
		uv_close((uv_handle_t *)&manager->due, on_due_closed);
		return ret;
	}
	uv_timer_start(&manager->tick, on_tick, TICK_MS, TICK_MS);
	*ret_manager = manager;
	return 0;
}

void manager_stop(struct manager *manager)
{
	stop_runs(manager);
	uv_close((uv_handle_t *)&manager->due, NULL);
	uv_close((uv_handle_t *)&manager->tick, NULL);
}

static void free_checks(struct manager *manager)
{
	uint32_t id;

	for (id = 1; manager->runs && id <= manager->dp->sizes.backends; id++)
		check_run_unref(manager->runs[id].check);
	for (id = 1; manager->checks && id <= manager->dp->sizes.services; id++)
		check_run_unref(manager->checks[id]);
	free(manager->checks);
}

void manager_free(struct manager *manager)
{
	if (!manager)
		return;
	announcer_free(manager->announce.announcer);
	free(manager->announce.health);
	free(manager->config_digests);
	sync_free(manager->sync);
	sources_free(manager->sources);
	flow_scan_free(manager->scan);
	desired_free(manager->desired);
	free_checks(manager);
	free(manager->service_by_id);
	reply_takers_free(manager->takers);
	free(manager->stale);
	free(manager->runs);
	by_address_free(manager->by_address);
	free(manager->facts);
	free(manager->service_runs);
	service_watch_clear(&manager->watch);
	loads_clear(&manager->loads);
	free(manager);
}

/* --- views --- */

const struct desired *manager_desired(const struct manager *manager)
{
	return manager->desired;
}

bool manager_panics(const struct manager *manager, const struct service_spec *service)
{
	return manager->service_runs[service->id].panics;
}

struct backend_view manager_backend(const struct manager *manager, const struct backend_spec *spec)
{
	const struct backend_run *run = &manager->runs[spec->id];

	return (struct backend_view){
		.status = run->status,
		.reason = run->reason,
		.check_via = way_name(manager, run),
		.check_via_reason = run->way.reason,
		.since_ms = run->since_ms,
		.weight = sync_weight(spec, &manager->facts[spec->id]) / (double)SYNC_WEIGHT,
		.suspect = run->suspect,
		.ejections = run->ejections,
		.share =
			(double)sync_slots(manager->sync, spec->id) / manager->dp->sizes.table_size,
		.active_flows = flow_scan_counts(manager->scan)->active[spec->id],
		.drained = run_drained(manager, run),
		.draining = run->used && run_drains(run),
		.drain_flows = run->drain_flows,
		.checks_failed = run->checks[0],
		.checks_passed = run->checks[1],
		.check_seconds = (double)run->passed_us / 1e6,
		.load = load_view(manager, run),
	};
}

const struct flow_counts *manager_flows(const struct manager *manager)
{
	return flow_scan_counts(manager->scan);
}

size_t manager_sources(const struct manager *manager, const struct service_spec *service, bool deny)
{
	return sources_count(manager->sources, service, deny);
}

bool manager_sources_loading(const struct manager *manager, const struct service_spec *service)
{
	return sources_loading(manager->sources, service);
}

const struct error *manager_sources_problem(const struct manager *manager)
{
	return &manager->sources_problem;
}

struct dataplane *manager_dataplane(const struct manager *manager)
{
	return manager->dp;
}

const struct links *manager_links(const struct manager *manager)
{
	return nexthop_links(manager->nexthops);
}

void manager_on_links(struct manager *manager, void (*changed)(void *context), void *context)
{
	manager->on_links = changed;
	manager->on_links_context = context;
}

const char *manager_out_of_sync(const struct manager *manager)
{
	return manager->sync_error.message[0] ? manager->sync_error.message : NULL;
}

const struct lb_latency *manager_check_durations(const struct manager *manager,
						 const struct service_spec *service)
{
	const struct check_run *check = manager->checks[service->id];

	return check && check->spec.kind != CHECK_NONE ? &check->durations : NULL;
}

uint64_t manager_seed_digest(const struct manager *manager)
{
	return manager->seed_digest;
}

uint64_t manager_table_digest(const struct manager *manager, const struct service_spec *service)
{
	return sync_table_digest(manager->sync, service->id);
}

/* Of the service as `export` writes it. */
static uint64_t digest_service(const struct service_spec *service)
{
	const struct desired alone = {.services = (struct service_spec *)service,
				      .service_count = 1};
	cJSON *json = document_write(&alone);
	char *text = json ? cJSON_PrintUnformatted(json) : NULL;
	uint64_t digest = text ? digest_text(text) : 0;

	cJSON_free(text);
	cJSON_Delete(json);
	return digest;
}

uint64_t manager_config_digest(const struct manager *manager, const struct service_spec *service)
{
	struct config_digest *known = &manager->config_digests[service->id];

	if (!known->digest || known->generation != manager->desired->generation) {
		known->digest = digest_service(service);
		known->generation = manager->desired->generation;
	}
	return known->digest;
}

double manager_build_seconds(const struct manager *manager)
{
	return sync_build_seconds(manager->sync);
}

double manager_sync_seconds(const struct manager *manager)
{
	return manager->sync_seconds;
}
