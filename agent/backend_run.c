/* SPDX-License-Identifier: Apache-2.0 */
#include "backend_run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "manager_internal.h"
#include "pool.h"
#include "slow_start.h"

#define BEGIN_TOLD_MS 2000

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
		[BACKEND_EJECTED] = "ejected",
	};

	return names[status];
}

/* --- what is known --- */

bool address_known(const struct address *address)
{
	return !IN6_IS_ADDR_UNSPECIFIED(&address->ip);
}

static bool hop_fits_mode(const struct manager *manager, const struct backend_run *run)
{
	return manager->service_by_id[run->service_id]->mode != LB_MODE_L2 || run->hop.on_link;
}

static void tell_taken(const struct manager *manager, const struct backend_run *run)
{
	const struct dataplane *dp = manager->dp;
	char endpoint[ENDPOINT_TEXT_MAX], hint[128];

	snprintf(hint, sizeof(hint), "give that VIP another address, or a port outside %u-%u",
		 dp->nat_port_low, dp->nat_port_high);
	events_tell(manager->events,
		    &(struct event){.kind = EVENT_REPLIES_ASTRAY,
				    .service = manager->service_by_id[run->service_id]->name,
				    .backend = format_endpoint(&run->spec.endpoint, endpoint),
				    .after = run->taken_all ? "all replies" : "those to one port",
				    .reason = run->taken_reason,
				    .hint = hint});
}

/*
 * manager_commit() refuses a VIP in the way of replies, but a route may lead from another address
 * later on. One VIP port costs the few flows that draw this port; any port costs all of them.
 */
static void run_check_replies(struct manager *manager, struct backend_run *run)
{
	char former[sizeof(run->taken_reason)], address[ADDRESS_TEXT_MAX], text[VIP_TEXT_MAX];
	const struct service_spec *owner = NULL;
	const struct vip_spec *taker;

	if (run->hop.resolved)
		run->own = run->hop.source;
	taker = reply_takers_find(manager->takers, manager->service_by_id[run->service_id],
				  &run->own, NULL, &owner);
	memcpy(former, run->taken_reason, sizeof(former));
	run->taken_reason[0] = '\0';
	run->taken_all = taker && taker->vip.endpoint.port == 0;
	if (!taker)
		return;
	snprintf(run->taken_reason, sizeof(run->taken_reason),
		 "%s, which replies come to, is VIP %s of service %s",
		 format_address(&run->own, address), format_vip(&taker->vip, text), owner->name);
	if (strcmp(former, run->taken_reason) != 0)
		tell_taken(manager, run);
}

/* What is in the way of packets to it, though it may be up; "" if nothing is. */
static const char *run_obstacle(const struct manager *manager, const struct backend_run *run)
{
	if (!hop_fits_mode(manager, run))
		return "mode l2 needs the backend on a directly attached network";
	return run->taken_all ? run->taken_reason : run->local_reason;
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
	if (run->local_reason[0]) { /* whatever its checks say */
		*ret_reason = run->local_reason;
		return BACKEND_NO_NEIGHBOUR;
	}
	*ret_reason = run->check_reason;
	if (run->health.state == HEALTH_DOWN)
		return BACKEND_DOWN;
	if (!run->hop.resolved && !(run->hop_known && run->check->spec.kind != CHECK_NONE)) {
		*ret_reason = run->hop.reason[0] ? run->hop.reason : "next hop is being asked for";
		return run->hop.reason[0] ? BACKEND_NO_NEIGHBOUR : BACKEND_CHECKING;
	}
	*ret_reason = run_obstacle(manager, run);
	if (**ret_reason)
		return BACKEND_NO_NEIGHBOUR;
	if (run->health.state == HEALTH_CHECKING) {
		*ret_reason = "first check under way";
		return BACKEND_CHECKING;
	}
	if (run->ejected_until_ms) {
		*ret_reason = run->passive_reason;
		return BACKEND_EJECTED;
	}
	return BACKEND_UP;
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

static const struct service_run *run_service(const struct manager *manager,
					     const struct backend_run *run)
{
	return &manager->service_runs[run->service_id];
}

/* In a panic whoever can be reached is better than nobody. */
static bool run_kept(const struct manager *manager, const struct backend_run *run)
{
	const struct service_run *service = run_service(manager, run);

	return service->panics && run->spec.priority == service->priority &&
	       (run->status == BACKEND_DOWN || run->status == BACKEND_EJECTED) &&
	       run->hop.resolved && !*run_obstacle(manager, run);
}

/* See slow_start_tenths(). */
static uint8_t run_ramp(const struct manager *manager, const struct backend_run *run)
{
	uint64_t duration = manager->service_by_id[run->service_id]->slow_start_ms;

	if (!run->ramp_began_ms)
		return 0;
	return slow_start_tenths(uv_now(manager->loop) - run->ramp_began_ms, duration);
}

/* In a panic everybody is needed in full. */
static uint8_t run_tenths(const struct manager *manager, const struct backend_run *run)
{
	return run_service(manager, run)->panics ? 0 : run_ramp(manager, run);
}

/* What is to be said of it beside what keeps it from being up. */
static void run_add_note(struct manager *manager, struct backend_run *run)
{
	uint8_t tenths = manager->facts[run->spec.id].tenths;

	if (run->kept)
		snprintf(run->note, sizeof(run->note), "%s; kept, for the service panics: %s",
			 run->reason, run_service(manager, run)->panic_reason);
	else if (run->status == BACKEND_UP && run->suspect)
		snprintf(run->note, sizeof(run->note), "suspect: %s", run->passive_reason);
	else if (run->status == BACKEND_UP && tenths)
		snprintf(run->note, sizeof(run->note), "slow start: %u0 %% of its weight", tenths);
	else if (run->status != BACKEND_UP ||
		 !load_note(run, manager->service_by_id[run->service_id], run->note,
			    sizeof(run->note)))
		return;
	run->reason = run->note;
}

static void run_facts(const struct manager *manager, const struct backend_run *run,
		      struct backend_facts *facts)
{
	bool serving = run->status == BACKEND_UP || run->status == BACKEND_EJECTED ||
		       run->status == BACKEND_DRAIN || run->status == BACKEND_REMOVING;

	facts->alive = run->kept || (serving && run->health.state == HEALTH_UP && !run->taken_all &&
				     !run->local_reason[0]);
	facts->eligible = run->kept || run->status == BACKEND_UP;
	facts->tenths = run_tenths(manager, run);
	facts->local_addr = lb_addr_of(&run->own);
	if (run->taken_all)
		memset(&facts->local_addr, 0, sizeof(facts->local_addr)); /* it is the VIP's */
	facts->hop.flags = run->hop.resolved ? LB_BACKEND_RESOLVED : 0;
	if (run->hop.local)
		facts->hop.flags |= LB_BACKEND_LOCAL;
	if (!run->hop.resolved)
		return; /* what was known last stays; the data plane asks the kernel meanwhile */
	memcpy(facts->hop.dst_mac, run->hop.dst_mac, sizeof(facts->hop.dst_mac));
	memcpy(facts->hop.src_mac, run->hop.src_mac, sizeof(facts->hop.src_mac));
	facts->hop.ifindex = run->hop.ifindex;
	facts->hop.vlan = run->hop.vlan;
	facts->hop.mtu = hop_mtu(manager, run);
}

static void tell_status(struct manager *manager, struct backend_run *run)
{
	char endpoint[ENDPOINT_TEXT_MAX], kind[64];
	struct event event = {
		.service = manager->service_by_id[run->service_id]->name,
		.backend = format_endpoint(&run->spec.endpoint, endpoint),
		.before = backend_status_name(run->told),
		.after = backend_status_name(run->status),
		.reason = run->reason,
	};

	snprintf(kind, sizeof(kind), "backend-%s", event.after);
	if (event_kind_find(kind, &event.kind))
		events_tell(manager->events, &event);
	run->told = run->status;
	run->settled = true;
}

/* Is it still to be seen what becomes of a new backend? */
static bool run_begins(const struct backend_run *run)
{
	return !run->settled &&
	       (run->status == BACKEND_CHECKING || run->status == BACKEND_NO_NEIGHBOUR);
}

/*
 * Its status is another. Who comes back starts slowly; a drain leaves caches warm, though, and so
 * does a panic, in which it was `kept` at work. Who goes is not suspect any more.
 */
static void run_turn(const struct manager *manager, struct backend_run *run, bool kept)
{
	if (run->status != BACKEND_UP) {
		run->suspect = false;
		passive_forget(&run->passive);
	}
	switch (run->status) {
	case BACKEND_UP:
		if (run->cold && !kept)
			run->ramp_began_ms = uv_now(manager->loop);
		run->cold = false;
		break;
	case BACKEND_DOWN:
	case BACKEND_NO_NEIGHBOUR:
	case BACKEND_EJECTED:
	case BACKEND_MAINT:
		run->cold = true;
		run->ramp_began_ms = 0;
		break;
	case BACKEND_CHECKING:
	case BACKEND_DRAIN:
	case BACKEND_REMOVING:
		break;
	}
}

void run_update(struct manager *manager, struct backend_run *run)
{
	enum backend_status former = run->status;
	bool fresh = run->since_ms == 0, kept = run->kept;

	run_check_replies(manager, run);
	way_check_local(manager, run);
	run->status = run_status(manager, run, &run->reason);
	run->kept = run_kept(manager, run);
	if (run->status != former)
		run_turn(manager, run, kept);
	run_facts(manager, run, &manager->facts[run->spec.id]);
	flow_scan_give_up(manager->scan, run->spec.id,
			  run->status == BACKEND_EJECTED && !run->kept);
	run_add_note(manager, run);
	if (!fresh && run->status == former)
		return;
	run->since_ms = clock_ms(CLOCK_REALTIME);
	if (fresh)
		run->told = run_begins(run) ? BACKEND_CHECKING : run->status;
	else if (!run_begins(run))
		tell_status(manager, run);
}

bool run_tell_late(struct manager *manager, struct backend_run *run)
{
	if (!run_begins(run) || run->status == run->told ||
	    clock_ms(CLOCK_REALTIME) - run->since_ms < BEGIN_TOLD_MS)
		return false;
	tell_status(manager, run);
	return true;
}

void run_hop(struct manager *manager, struct backend_run *run, const struct nexthop *hop)
{
	manager->ways.stale |= !run->hop_told || run->hop.device != hop->device;
	run->hop = *hop;
	run->hop_told = true;
	run->hop_known = run->hop_known || hop->resolved;
	run_update(manager, run);
	run_check_anew(manager, run);
}

bool run_tick(struct manager *manager, struct backend_run *run)
{
	uint64_t now = uv_now(manager->loop);
	bool ends = run->ejected_until_ms && now >= run->ejected_until_ms;

	if (!run_ramp(manager, run))
		run->ramp_began_ms = 0;
	if (ends) {
		run->ejected_until_ms = 0;
		run->ejection_ended_ms = now;
	} else if (run_tenths(manager, run) == manager->facts[run->spec.id].tenths) {
		return false;
	}
	run_update(manager, run);
	return true;
}

void run_eject(struct manager *manager, struct backend_run *run)
{
	uint64_t now = uv_now(manager->loop);

	run->ejection_level = pool_ejection_next(run->ejection_level, now - run->ejection_ended_ms);
	run->ejected_until_ms = now + pool_ejection_ms(run->ejection_level);
	run->ejections++;
	run_update(manager, run);
}

static void on_probe(void *context, const struct probe_result *result)
{
	struct backend_run *run = context;
	struct manager *manager = run->manager;
	char reason[CHECK_REASON_MAX];
	bool success = way_judge(manager, run, result, reason), changed;

	run->checks[success]++;
	if (success)
		run->passed_us = result->duration_us;
	changed = health_feed(&run->health, success, run->check->spec.rise, run->check->spec.fall);
	prober_set_changing(run->prober, run->health.streak > 0);
	if (!changed)
		return;
	memcpy(run->check_reason, reason, sizeof(reason));
	run_update(manager, run);
	service_changed(manager, run->service_id);
}

/* --- beginning, change and end --- */

/* Nothing is probed in maintenance: whoever took it down does not want to hear of it. */
static int run_probe(struct manager *manager, struct backend_run *run, struct error *err)
{
	struct probe_target target;

	prober_free(run->prober);
	run->prober = NULL;
	if (run->check->spec.kind == CHECK_NONE || run->spec.state == ADMIN_MAINT) {
		run->health = (struct health){.state = HEALTH_UP};
		return 0;
	}
	if (!run->way_known)
		return 0; /* run_hop() comes */
	way_store(manager, run);
	target = (struct probe_target){.endpoint = run->way.target, .mark = way_mark(manager, run)};
	run->prober = prober_new(manager->probes, run->check, &target, on_probe, run);
	return run->prober ? 0 : error_set(err, ENOMEM, "out of memory");
}

void run_check_anew(struct manager *manager, struct backend_run *run)
{
	char endpoint[ENDPOINT_TEXT_MAX];
	struct error err;

	if (way_find(manager, run) && run_probe(manager, run, &err))
		log_error("backend is not checked", "backend",
			  format_endpoint(&run->spec.endpoint, endpoint), "error", err.message);
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
	run->hop.local = record->hop.flags & LB_BACKEND_LOCAL;
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
		.check = check_run_ref(manager->checks[service->id]),
	};
	by_address_add(manager->by_address, &spec->endpoint.address, spec->id);
	manager->facts[spec->id] = (struct backend_facts){0};
	run_adopt(manager, run);
	/* It joins others; where nobody is yet, all begin alike. */
	run->cold =
		run->health.state != HEALTH_UP && manager->dp->services[service->id].tables.current;
	ret = nexthop_watch(manager->nexthops, &spec->endpoint.address, err);
	way_find(manager, run);
	if (ret == 0)
		ret = run_probe(manager, run, err);
	return ret;
}

void run_end(struct manager *manager, uint16_t id)
{
	struct backend_run *run = &manager->runs[id];

	prober_free(run->prober);
	load_run_end(&run->load);
	check_run_unref(run->check);
	nexthop_unwatch(manager->nexthops, &run->spec.endpoint.address);
	by_address_remove(manager->by_address, id);
	way_clear(manager, id);
	*run = (struct backend_run){.rests_until = flow_scan_rounds(manager->scan) + 2};
	manager->facts[id] = (struct backend_facts){0};
	flow_scan_give_up(manager->scan, id, false);
}

bool run_drains(const struct backend_run *run)
{
	return run->spec.removing || run->spec.state == ADMIN_DRAIN;
}

/* Deadlines are kept in Unix time, for restarts; they run in loop time, which never jumps. */
static void run_drain(struct manager *manager, struct backend_run *run, bool began)
{
	uint64_t now = steady_now(&manager->desired->steady);

	if (began) {
		run->drain_rounds = flow_scan_rounds(manager->scan);
		run->drain_flows = 0;
		run->drain_counted = false;
		run->drain_told = false;
	}
	run->drain_ends_ms = 0;
	if (run->spec.deadline_ms)
		run->drain_ends_ms =
			uv_now(manager->loop) +
			(run->spec.deadline_ms > now ? run->spec.deadline_ms - now : 0) + 1;
}

int run_change(struct manager *manager, const struct service_spec *service,
	       const struct backend_spec *spec, struct error *err)
{
	struct backend_run *run = &manager->runs[spec->id];
	struct check_run *check = manager->checks[service->id];
	bool drained = run->used && run_drains(run), probe;
	int ret = 0;

	if (!run->used) {
		ret = run_start(manager, service, spec, err);
	} else {
		probe = run->check != check ||
			(run->spec.state == ADMIN_MAINT) != (spec->state == ADMIN_MAINT);
		if (probe && run->spec.state == ADMIN_MAINT)
			run->health = (struct health){.state = HEALTH_CHECKING};
		run->spec = *spec;
		check_run_unref(run->check);
		run->check = check_run_ref(check);
		if (service->passive != PASSIVE_EJECT || spec->state == ADMIN_MAINT)
			run->ejected_until_ms = 0;
		run->suspect = run->suspect && service->passive != PASSIVE_OFF;
		probe |= way_find(manager, run);
		if (probe)
			ret = run_probe(manager, run, err);
	}
	run->seen = manager->desired->generation;
	if (run_drains(run))
		run_drain(manager, run, !drained);
	run_update(manager, run);
	return ret;
}

/* May it have flows, with or without entries? */
static bool has_flows(const struct manager *manager, const struct backend_run *run)
{
	const struct flow_counts *counts = flow_scan_counts(manager->scan);

	return counts->entries[run->spec.id] ||
	       sync_hides_flows(manager->sync, run->service_id, run->spec.id);
}

bool run_drained(const struct manager *manager, const struct backend_run *run)
{
	return run_drains(run) && flow_scan_rounds(manager->scan) >= run->drain_rounds + 2 &&
	       !has_flows(manager, run);
}

void run_watch_drain(struct manager *manager, struct backend_run *run)
{
	uint32_t active = flow_scan_counts(manager->scan)->active[run->spec.id];
	char endpoint[ENDPOINT_TEXT_MAX], before[32];

	if (!run->drain_counted && active > run->drain_flows)
		run->drain_flows = active;
	run->drain_counted = flow_scan_rounds(manager->scan) >= run->drain_rounds + 2;
	if (run->drain_told || !run_drained(manager, run))
		return;
	run->drain_told = true;
	snprintf(before, sizeof(before), "%" PRIu32 " flow%s", run->drain_flows,
		 run->drain_flows == 1 ? "" : "s");
	events_tell(manager->events,
		    &(struct event){.kind = EVENT_BACKEND_DRAINED,
				    .service = manager->service_by_id[run->service_id]->name,
				    .backend = format_endpoint(&run->spec.endpoint, endpoint),
				    .before = run->drain_flows ? before : NULL,
				    .after = run->drain_flows ? "0 flows" : NULL,
				    .reason = "its last flow has ended"});
}
