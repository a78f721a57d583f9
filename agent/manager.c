/* SPDX-License-Identifier: Apache-2.0 */
#include "manager.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config.h"
#include "health.h"
#include "ids.h"
#include "log.h"
#include "nexthop.h"
#include "probe.h"
#include "store.h"
#include "sync.h"

#define HOUSEKEEPING_MS 100
#define SCAN_ROUND_MS   1000 /* a round through the flow table takes about this long */

/* What runs for one backend index. */
struct backend_run {
	bool used;
	uint64_t rests_until; /* round of the flow scan after which the index is free again */
	uint64_t seen;        /* generation that last named it */
	struct manager *manager;
	struct backend_spec spec;
	uint16_t service_id;
	struct check_spec check;
	struct health health;
	struct prober *prober;
	struct nexthop hop;
	bool hop_known; /* was resolved once: a check may then vouch for the backend */
	char check_reason[160];
	struct address own;     /* the balancer's, which replies come to; all zero: not known yet */
	char taken_reason[256]; /* why replies of mode nat may go astray; empty: they do not */
	bool taken_all;         /* and all of them would: it cannot be used */
	enum backend_status status;
	const char *reason;
	uint64_t since_ms;
	uint64_t drain_ends_ms; /* loop time; 0: no deadline */
	uint64_t drain_rounds;  /* flow scan rounds when the drain began */
	uint64_t checks[2];     /* failed, passed */
};

/* What run_check_replies() asked last, and the answer. */
struct reply_taker {
	uint64_t generation;
	uint16_t service_id;
	struct address own;
	const struct vip_spec *vip; /* into desired, as owner */
	const struct service_spec *owner;
};

struct manager {
	uv_loop_t *loop;
	struct dataplane *dp;
	const char *state_dir;
	struct desired *desired;
	struct service_spec **service_by_id; /* into desired */
	struct backend_run *runs;            /* [backend index] */
	struct backend_facts *facts;         /* [backend index] */
	struct reply_taker taker;
	struct sync *sync;
	struct flow_scan *scan;
	struct probe_engine *probes;
	struct nexthop_table *nexthops;
	void (*on_links)(void *context); /* NULL: nobody wants to know */
	void *on_links_context;
	uv_timer_t housekeeping;
	double sync_seconds;
	struct error sync_error; /* message empty: in sync */
};

static uint64_t unix_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

const char *backend_status_name(enum backend_status status)
{
	static const char *const names[] = {
		[BACKEND_UP] = "up",
		[BACKEND_CHECKING] = "checking",
		[BACKEND_DOWN] = "down",
		[BACKEND_DRAIN] = "drain",
		[BACKEND_REMOVING] = "removing",
		[BACKEND_MAINT] = "maint",
		[BACKEND_NO_NEIGHBOUR] = "no-neighbour",
	};

	return names[status];
}

/* --- what is known of a backend --- */

static bool address_known(const struct address *address)
{
	return !IN6_IS_ADDR_UNSPECIFIED(&address->ip);
}

static bool hop_fits_mode(const struct manager *manager, const struct backend_run *run)
{
	return manager->service_by_id[run->service_id]->mode != LB_MODE_L2 || run->hop.on_link;
}

static void log_taken(const struct manager *manager, const struct backend_run *run)
{
	const struct dataplane *dp = manager->dp;
	char endpoint[ENDPOINT_TEXT_MAX], hint[128];

	snprintf(hint, sizeof(hint), "give that VIP another address, or a port outside %u-%u",
		 dp->nat_port_low, dp->nat_port_high);
	log_warn(run->taken_all ? "replies cannot come back" : "replies to one port go astray",
		 "service", manager->service_by_id[run->service_id]->name, "backend",
		 format_endpoint(&run->spec.endpoint, endpoint), "reason", run->taken_reason,
		 "hint", hint);
}

/* desired_reply_taker(), asked once for backends in a row that share service and own address. */
static const struct reply_taker *reply_taker(struct manager *manager, const struct backend_run *run)
{
	struct reply_taker *taker = &manager->taker;

	if (taker->generation == manager->desired->generation &&
	    taker->service_id == run->service_id && address_equal(&taker->own, &run->own))
		return taker;
	*taker = (struct reply_taker){
		.generation = manager->desired->generation,
		.service_id = run->service_id,
		.own = run->own,
	};
	taker->vip = desired_reply_taker(manager->desired, manager->service_by_id[run->service_id],
					 &run->own, manager->dp->nat_port_low,
					 manager->dp->nat_port_high, NULL, &taker->owner);
	return taker;
}

/*
 * manager_commit() refuses a VIP in the way of replies, but a route may lead from another address
 * later on. One VIP port costs the few flows that draw this port; any port costs all of them.
 */
static void run_check_replies(struct manager *manager, struct backend_run *run)
{
	char former[sizeof(run->taken_reason)], address[ADDRESS_TEXT_MAX], text[VIP_TEXT_MAX];
	const struct reply_taker *taker;

	if (run->hop.resolved)
		run->own = run->hop.source;
	taker = reply_taker(manager, run);
	memcpy(former, run->taken_reason, sizeof(former));
	run->taken_reason[0] = '\0';
	run->taken_all = taker->vip && taker->vip->vip.endpoint.port == 0;
	if (!taker->vip)
		return;
	snprintf(run->taken_reason, sizeof(run->taken_reason),
		 "%s, which replies come to, is VIP %s of service %s",
		 format_address(&run->own, address), format_vip(&taker->vip->vip, text),
		 taker->owner->name);
	if (strcmp(former, run->taken_reason) != 0)
		log_taken(manager, run);
}

static enum backend_status run_status(const struct manager *manager, const struct backend_run *run,
				      const char **ret_reason)
{
	*ret_reason = "";
	if (run->spec.removing)
		return BACKEND_REMOVING;
	if (run->spec.state == ADMIN_MAINT)
		return BACKEND_MAINT;
	if (run->spec.state == ADMIN_DRAIN)
		return BACKEND_DRAIN;
	*ret_reason = run->check_reason;
	if (run->health.state == HEALTH_DOWN)
		return BACKEND_DOWN;
	if (!run->hop.resolved && !(run->hop_known && run->check.kind != CHECK_NONE)) {
		*ret_reason = run->hop.reason[0] ? run->hop.reason : "next hop is being asked for";
		return run->hop.reason[0] ? BACKEND_NO_NEIGHBOUR : BACKEND_CHECKING;
	}
	if (!hop_fits_mode(manager, run)) {
		*ret_reason = "mode l2 needs the backend on a directly attached network";
		return BACKEND_NO_NEIGHBOUR;
	}
	if (run->taken_all) {
		*ret_reason = run->taken_reason;
		return BACKEND_NO_NEIGHBOUR;
	}
	*ret_reason = run->health.state == HEALTH_CHECKING ? "first check under way" : "";
	return run->health.state == HEALTH_CHECKING ? BACKEND_CHECKING : BACKEND_UP;
}

/* Tunnels add to packets, so they need to know what fits. To the other modes it matters only where
 * longer packets may come in than can go out. */
static uint16_t hop_mtu(const struct manager *manager, const struct backend_run *run)
{
	enum lb_mode mode = manager->service_by_id[run->service_id]->mode;

	if (mode == LB_MODE_IPIP || mode == LB_MODE_GUE || run->hop.mtu < manager->dp->mtu)
		return run->hop.mtu;
	return 0;
}

static void run_facts(const struct manager *manager, const struct backend_run *run,
		      struct backend_facts *facts)
{
	bool serving = run->status == BACKEND_UP || run->status == BACKEND_DRAIN ||
		       run->status == BACKEND_REMOVING;

	facts->alive = serving && run->health.state == HEALTH_UP && !run->taken_all;
	facts->eligible = run->status == BACKEND_UP;
	facts->local_addr = lb_addr_of(&run->own);
	if (run->taken_all)
		memset(&facts->local_addr, 0, sizeof(facts->local_addr)); /* it is the VIP's */
	facts->hop.flags = run->hop.resolved ? LB_BACKEND_RESOLVED : 0;
	if (!run->hop.resolved)
		return; /* what was known last stays; the data plane asks the kernel meanwhile */
	memcpy(facts->hop.dst_mac, run->hop.dst_mac, sizeof(facts->hop.dst_mac));
	memcpy(facts->hop.src_mac, run->hop.src_mac, sizeof(facts->hop.src_mac));
	facts->hop.ifindex = run->hop.ifindex;
	facts->hop.vlan = run->hop.vlan;
	facts->hop.mtu = hop_mtu(manager, run);
}

static void log_status(const struct manager *manager, const struct backend_run *run)
{
	char endpoint[ENDPOINT_TEXT_MAX], message[64];

	snprintf(message, sizeof(message), "backend %s", backend_status_name(run->status));
	log_event(run->status == BACKEND_DOWN || run->status == BACKEND_NO_NEIGHBOUR
			  ? LOG_LEVEL_WARN
			  : LOG_LEVEL_INFO,
		  message, "service", manager->service_by_id[run->service_id]->name, "backend",
		  format_endpoint(&run->spec.endpoint, endpoint), "reason", run->reason,
		  (const char *)NULL);
}

/* Derives status and facts anew; says so if the status changed. */
static void run_update(struct manager *manager, struct backend_run *run)
{
	enum backend_status former = run->status;
	bool fresh = run->since_ms == 0;

	run_check_replies(manager, run);
	run->status = run_status(manager, run, &run->reason);
	run_facts(manager, run, &manager->facts[run->spec.id]);
	if (!fresh && run->status == former)
		return;
	run->since_ms = unix_ms();
	log_status(manager, run);
}

static void note_sync(struct manager *manager, int ret, const struct error *err)
{
	if (ret == 0) {
		manager->sync_error.message[0] = '\0';
		return;
	}
	manager->sync_error = *err;
	log_error("data plane out of sync", "error", err->message, "hint", err->hint);
}

static void service_changed(struct manager *manager, uint16_t service_id)
{
	struct error err;

	note_sync(manager,
		  sync_service(manager->sync, manager->service_by_id[service_id], manager->facts,
			       &err),
		  &err);
}

static void on_probe(void *context, const struct probe_result *result)
{
	struct backend_run *run = context;
	struct manager *manager = run->manager;

	run->checks[result->success]++;
	if (!health_feed(&run->health, result->success, run->check.rise, run->check.fall))
		return;
	snprintf(run->check_reason, sizeof(run->check_reason), "%s", result->reason);
	run_update(manager, run);
	service_changed(manager, run->service_id);
}

static void on_nexthop(void *context, const struct address *address, const struct nexthop *hop)
{
	struct manager *manager = context;
	struct backend_run *run;
	uint32_t id;

	for (id = 1; id <= manager->dp->sizes.backends; id++) {
		run = &manager->runs[id];
		if (!run->used || !address_equal(&run->spec.endpoint.address, address))
			continue;
		run->hop = *hop;
		run->hop_known = run->hop_known || hop->resolved;
		run_update(manager, run);
		service_changed(manager, run->service_id);
	}
}

/* The data plane's mtu, which facts depend on, may be another afterwards. */
static void on_links(void *context)
{
	struct manager *manager = context;
	uint32_t mtu = manager->dp->mtu, id;
	size_t i;

	if (manager->on_links)
		manager->on_links(manager->on_links_context);
	if (manager->dp->mtu == mtu)
		return;
	for (id = 1; id <= manager->dp->sizes.backends; id++) {
		if (manager->runs[id].used)
			run_update(manager, &manager->runs[id]);
	}
	for (i = 0; i < manager->desired->service_count; i++)
		service_changed(manager, manager->desired->services[i].id);
}

/* --- one backend's beginning, change and end --- */

static bool check_equal(const struct check_spec *a, const struct check_spec *b)
{
	return a->kind == b->kind && strcmp(a->path, b->path) == 0 &&
	       strcmp(a->host, b->host) == 0 && a->status_min == b->status_min &&
	       a->status_max == b->status_max && a->port == b->port &&
	       a->interval_ms == b->interval_ms && a->timeout_ms == b->timeout_ms &&
	       a->rise == b->rise && a->fall == b->fall;
}

/* Nothing is probed in maintenance: whoever took it down does not want to hear of it. */
static int run_probe(struct manager *manager, struct backend_run *run, struct error *err)
{
	prober_free(run->prober);
	run->prober = NULL;
	if (run->check.kind == CHECK_NONE || run->spec.state == ADMIN_MAINT) {
		run->health = (struct health){.state = HEALTH_UP};
		return 0;
	}
	run->prober = prober_new(manager->probes, &run->check, &run->spec.endpoint, on_probe, run);
	return run->prober ? 0 : error_set(err, ENOMEM, "out of memory");
}

/*
 * A backend that a former agent left alive in the data plane is taken on as alive, with its way
 * or with what was known of it last: its checks may take it down, a restart may not.
 */
static void run_adopt(struct manager *manager, struct backend_run *run)
{
	const struct lb_backend *record = &manager->dp->backends[run->spec.id];
	/* Then local_addr is one of --tunnel-sources, and says nothing of the own one. */
	bool spread = manager->service_by_id[run->service_id]->mode == LB_MODE_IPIP &&
		      record->spread_bits;

	if (record->service != run->service_id)
		return;
	manager->facts[run->spec.id].hop = record->hop;
	if (!spread)
		memcpy(&run->own, &record->local_addr, sizeof(run->own));
	run->hop_known = record->hop.flags & (LB_BACKEND_UP | LB_BACKEND_RESOLVED);
	if (record->hop.flags & LB_BACKEND_UP)
		run->health.state = HEALTH_UP;
	if (!(record->hop.flags & LB_BACKEND_RESOLVED) || (!spread && !address_known(&run->own)))
		return;
	run->hop.resolved = true;
	run->hop.on_link = true;
	run->hop.ifindex = record->hop.ifindex;
	run->hop.vlan = record->hop.vlan;
	run->hop.mtu = record->hop.mtu;
	memcpy(run->hop.dst_mac, record->hop.dst_mac, sizeof(run->hop.dst_mac));
	memcpy(run->hop.src_mac, record->hop.src_mac, sizeof(run->hop.src_mac));
	run->hop.source = run->own;
}

static int run_start(struct manager *manager, const struct service_spec *service,
		     const struct backend_spec *spec, struct error *err)
{
	struct backend_run *run = &manager->runs[spec->id];
	int ret;

	*run = (struct backend_run){
		.used = true,
		.manager = manager,
		.spec = *spec,
		.service_id = service->id,
		.check = service->check,
	};
	manager->facts[spec->id] = (struct backend_facts){0};
	run_adopt(manager, run);
	ret = nexthop_watch(manager->nexthops, &spec->endpoint.address, err);
	if (ret == 0)
		ret = run_probe(manager, run, err);
	return ret;
}

static void run_end(struct manager *manager, uint16_t id)
{
	struct backend_run *run = &manager->runs[id];
	char endpoint[ENDPOINT_TEXT_MAX];

	log_info("backend removed", "backend", format_endpoint(&run->spec.endpoint, endpoint));
	prober_free(run->prober);
	nexthop_unwatch(manager->nexthops, &run->spec.endpoint.address);
	*run = (struct backend_run){.rests_until = flow_scan_rounds(manager->scan) + 2};
	manager->facts[id] = (struct backend_facts){0};
}

static bool drains(const struct backend_spec *spec)
{
	return spec->removing || spec->state == ADMIN_DRAIN;
}

/* Deadlines are kept in Unix time, for restarts; they run in loop time, which never jumps. */
static void run_drain(struct manager *manager, struct backend_run *run, bool began)
{
	uint64_t now = unix_ms();

	if (began)
		run->drain_rounds = flow_scan_rounds(manager->scan);
	run->drain_ends_ms = 0;
	if (run->spec.deadline_ms)
		run->drain_ends_ms =
			uv_now(manager->loop) +
			(run->spec.deadline_ms > now ? run->spec.deadline_ms - now : 0) + 1;
}

static int run_change(struct manager *manager, const struct service_spec *service,
		      const struct backend_spec *spec, struct error *err)
{
	struct backend_run *run = &manager->runs[spec->id];
	bool drained = run->used && drains(&run->spec), probe;
	int ret = 0;

	if (!run->used) {
		ret = run_start(manager, service, spec, err);
	} else {
		probe = !check_equal(&run->check, &service->check) ||
			(run->spec.state == ADMIN_MAINT) != (spec->state == ADMIN_MAINT);
		if (probe && run->spec.state == ADMIN_MAINT)
			run->health = (struct health){.state = HEALTH_CHECKING};
		run->spec = *spec;
		run->check = service->check;
		if (probe)
			ret = run_probe(manager, run, err);
	}
	run->seen = manager->desired->generation;
	if (drains(spec))
		run_drain(manager, run, !drained);
	run_update(manager, run);
	return ret;
}

/* --- reconcile --- */

static void index_services(struct manager *manager)
{
	size_t i;

	manager->taker = (struct reply_taker){0}; /* points into the former desired state */
	memset(manager->service_by_id, 0,
	       ((size_t)manager->dp->sizes.services + 1) * sizeof(*manager->service_by_id));
	for (i = 0; i < manager->desired->service_count; i++)
		manager->service_by_id[manager->desired->services[i].id] =
			&manager->desired->services[i];
}

static int reconcile(struct manager *manager, struct error *err)
{
	const struct service_spec *service;
	double began = (double)uv_hrtime() / 1e9;
	int ret = 0, problem;
	struct error other;
	uint32_t id;
	size_t i, b;

	index_services(manager);
	for (i = 0; i < manager->desired->service_count; i++) {
		service = &manager->desired->services[i];
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
	if (ret == 0)
		ret = sync_all(manager->sync, manager->desired, manager->facts, err);
	manager->sync_seconds = (double)uv_hrtime() / 1e9 - began;
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
	ret = ids_assign(next, &manager->dp->sizes, resting, err);
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
			 const struct desired *next, struct error *err)
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
		vip = desired_reply_taker(next, service, &own, manager->dp->nat_port_low,
					  manager->dp->nat_port_high, before, &owner);
		if (vip)
			return refuse_taken(manager, service, backend, owner, &vip->vip, err);
	}
	return 0;
}

static int check_all_replies(const struct manager *manager, const struct desired *next,
			     struct error *err)
{
	size_t i;
	int ret = 0;

	for (i = 0; ret == 0 && i < next->service_count; i++) {
		if (next->services[i].mode == LB_MODE_NAT)
			ret = check_replies(manager, &next->services[i], next, err);
	}
	return ret;
}

/*
 * The data plane would not have it: everything back to what it was, on disk too. What cannot be
 * undone now is tried again by the housekeeping.
 */
static void roll_back(struct manager *manager, struct desired *former)
{
	struct desired *refused = manager->desired;
	struct error err;

	manager->desired = former;
	note_sync(manager, reconcile(manager, &err), &err);
	if (persist(manager, former, &err))
		log_error("a refused change stays in the saved state", "error", err.message, "hint",
			  "make any change before lbagent starts again: it saves the state anew");
	desired_free(refused);
}

int manager_commit(struct manager *manager, struct desired *next, struct error *err)
{
	struct desired *former = manager->desired;
	int ret;

	next->generation = former->generation + 1;
	ret = desired_check(next, err);
	if (ret == 0)
		ret = check_all_replies(manager, next, err);
	if (ret == 0)
		ret = assign_ids(manager, next, err);
	if (ret == 0)
		ret = persist(manager, next, err);
	if (ret) {
		desired_free(next);
		return ret;
	}
	manager->desired = next;
	ret = reconcile(manager, err);
	if (ret) {
		roll_back(manager, former);
		return ret;
	}
	note_sync(manager, 0, err);
	desired_free(former);
	return 0;
}

/* --- housekeeping --- */

/* It drains, and what was under way when that began has been looked through. */
static bool run_drained(const struct manager *manager, const struct backend_run *run)
{
	return drains(&run->spec) && flow_scan_rounds(manager->scan) >= run->drain_rounds + 2 &&
	       flow_scan_counts(manager->scan)->active[run->spec.id] == 0;
}

/* Ends the drains that are over, all in one commit. */
static void end_drains(struct manager *manager)
{
	uint64_t now = uv_now(manager->loop);
	struct desired *next = NULL;
	struct backend_spec *spec;
	struct backend_run *run;
	struct error err;
	uint32_t id;
	bool late;

	for (id = 1; id <= manager->dp->sizes.backends; id++) {
		run = &manager->runs[id];
		if (!run->used || !drains(&run->spec))
			continue;
		late = run->drain_ends_ms && now >= run->drain_ends_ms;
		if (!late && !(run->spec.removing && run_drained(manager, run)))
			continue;
		next = next ?: desired_clone(manager->desired);
		if (!next)
			return;
		struct service_spec *service =
			desired_service(next, manager->service_by_id[run->service_id]->name);

		spec = service_backend(service, &run->spec.endpoint);
		if (spec->removing) {
			service_remove_backend(service, spec);
		} else {
			spec->state = ADMIN_MAINT;
			spec->deadline_ms = 0;
		}
	}
	if (next && manager_commit(manager, next, &err))
		log_error("drain cannot be ended", "error", err.message, "hint", err.hint);
}

static void on_housekeeping(uv_timer_t *timer)
{
	struct manager *manager = timer->data;
	uint32_t buckets = manager->dp->sizes.flows / LB_FLOW_WAYS;
	uint32_t part = buckets / (SCAN_ROUND_MS / HOUSEKEEPING_MS) + 1;
	struct error err;

	flow_scan_step(manager->scan, manager->dp->ops->now(manager->dp), part);
	end_drains(manager);
	if (manager->sync_error.message[0])
		note_sync(manager, sync_all(manager->sync, manager->desired, manager->facts, &err),
			  &err);
}

/* --- life --- */

static int manager_allocate(struct manager *manager, struct error *err)
{
	size_t backends = (size_t)manager->dp->sizes.backends + 1;
	size_t services = (size_t)manager->dp->sizes.services + 1;
	int ret;

	manager->service_by_id = calloc(services, sizeof(*manager->service_by_id));
	manager->runs = calloc(backends, sizeof(*manager->runs));
	manager->facts = calloc(backends, sizeof(*manager->facts));
	manager->sync = sync_new(manager->dp);
	manager->scan = flow_scan_new(manager->dp);
	manager->probes = probe_engine_new(manager->loop);
	if (!manager->service_by_id || !manager->runs || !manager->facts || !manager->sync ||
	    !manager->scan || !manager->probes)
		return error_set(err, ENOMEM, "out of memory");
	ret = nexthop_table_new(manager->loop, on_nexthop, manager, &manager->nexthops, err);
	if (ret == 0)
		nexthop_on_links(manager->nexthops, on_links, manager);
	return ret;
}

static void stop_runs(struct manager *manager)
{
	uint32_t id;

	for (id = 1; manager->runs && id <= manager->dp->sizes.backends; id++) {
		prober_free(manager->runs[id].prober);
		manager->runs[id].prober = NULL;
	}
	probe_engine_free(manager->probes);
	nexthop_table_free(manager->nexthops);
}

static void on_failed_closed(uv_handle_t *handle)
{
	manager_free(handle->data);
}

int manager_new(uv_loop_t *loop, struct dataplane *dp, const char *state_dir,
		struct desired *desired, struct manager **ret_manager, struct error *err)
{
	struct manager *manager = calloc(1, sizeof(*manager));
	uint32_t id;
	int ret;

	if (!manager) {
		desired_free(desired);
		return error_set(err, ENOMEM, "out of memory");
	}
	manager->loop = loop;
	manager->dp = dp;
	manager->state_dir = state_dir;
	manager->desired = desired;
	uv_timer_init(loop, &manager->housekeeping);
	manager->housekeeping.data = manager;
	ret = manager_allocate(manager, err);
	/* Flows of a former agent may name backends that are no longer desired. */
	for (id = 1; ret == 0 && id <= dp->sizes.backends; id++)
		manager->runs[id].rests_until = dp->adopted ? 2 : 0;
	/* Of a configuration file; a saved state has its indices, and is not refused. */
	if (ret == 0)
		index_services(manager);
	if (ret == 0)
		ret = check_all_replies(manager, desired, err);
	if (ret == 0)
		ret = assign_ids(manager, desired, err);
	if (ret == 0)
		ret = reconcile(manager, err);
	if (ret) {
		stop_runs(manager);
		uv_close((uv_handle_t *)&manager->housekeeping, on_failed_closed);
		return ret;
	}
	uv_timer_start(&manager->housekeeping, on_housekeeping, HOUSEKEEPING_MS, HOUSEKEEPING_MS);
	*ret_manager = manager;
	return 0;
}

void manager_stop(struct manager *manager)
{
	stop_runs(manager);
	uv_close((uv_handle_t *)&manager->housekeeping, NULL);
}

void manager_free(struct manager *manager)
{
	if (!manager)
		return;
	sync_free(manager->sync);
	flow_scan_free(manager->scan);
	desired_free(manager->desired);
	free(manager->service_by_id);
	free(manager->runs);
	free(manager->facts);
	free(manager);
}

/* --- views --- */

const struct desired *manager_desired(const struct manager *manager)
{
	return manager->desired;
}

struct backend_view manager_backend(const struct manager *manager, const struct backend_spec *spec)
{
	const struct backend_run *run = &manager->runs[spec->id];

	return (struct backend_view){
		.status = run->status,
		.reason = run->reason,
		.since_ms = run->since_ms,
		.share =
			(double)sync_slots(manager->sync, spec->id) / manager->dp->sizes.table_size,
		.active_flows = flow_scan_counts(manager->scan)->active[spec->id],
		.drained = run_drained(manager, run),
		.checks_failed = run->checks[0],
		.checks_passed = run->checks[1],
	};
}

const struct flow_counts *manager_flows(const struct manager *manager)
{
	return flow_scan_counts(manager->scan);
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

double manager_build_seconds(const struct manager *manager)
{
	return sync_build_seconds(manager->sync);
}

double manager_sync_seconds(const struct manager *manager)
{
	return manager->sync_seconds;
}
