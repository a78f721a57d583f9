/* SPDX-License-Identifier: Apache-2.0 */
#include "load_run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "manager_internal.h"
#include "slow_start.h"

bool loads_init(struct loads *loads, size_t backends)
{
	loads->table = calloc(backends, sizeof(*loads->table));
	loads->members = calloc(backends, sizeof(*loads->members));
	loads->factors = calloc(backends, sizeof(*loads->factors));
	return loads->table && loads->members && loads->factors;
}

void loads_stop(struct loads *loads)
{
	curl_loop_free(loads->curl);
	loads->curl = NULL;
}

void loads_clear(struct loads *loads)
{
	free(loads->table);
	free(loads->members);
	free(loads->factors);
}

static uint64_t now_of(const struct manager *manager)
{
	return uv_now(manager->loop);
}

static struct load_service *state_of(struct manager *manager, const struct service_spec *service)
{
	return &manager->service_runs[service->id].load;
}

static struct backend_run *run_at(const struct manager *manager, const struct service_spec *service,
				  size_t i)
{
	return &manager->runs[service->backends[i].id];
}

/* --- asking --- */

void load_run_end(struct load_run *load)
{
	load_poll_free(load->poll);
	*load = (struct load_run){.failures = load->failures};
}

static void on_report(void *context, double load, const char *problem)
{
	struct backend_run *run = context;

	snprintf(run->load.problem, sizeof(run->load.problem), "%.*s", LOAD_PROBLEM_MAX - 1,
		 problem);
	run->load.failures += load < 0;
	if (load < 0)
		return;
	run->load.load = load;
	run->load.reported_ms = now_of(run->manager);
}

/* Backends are asked at moments of their own, spread over the interval. */
static void begin(struct manager *manager, struct backend_run *run,
		  const struct load_policy *policy)
{
	const struct endpoint endpoint = {run->spec.endpoint.address, policy->port};
	struct loads *loads = &manager->loads;
	struct load_run *load = &run->load;

	load_run_end(load);
	loads->curl = loads->curl ?: curl_loop_new(manager->loop);
	if (loads->curl)
		load->poll = load_poll_new(loads->curl, &endpoint, on_report, run);
	load->port = policy->port;
	load->begun_ms = now_of(manager);
	load->due_ms = load->begun_ms + run->spec.id * 7919ULL % policy->interval_ms;
	load->handshakes = latency_look(&manager->dp->handshakes[run->spec.id]);
}

/* Only whoever gets new flows is of interest. */
static void ask(struct manager *manager, struct backend_run *run, const struct load_policy *policy)
{
	struct load_run *load = &run->load;
	uint64_t now = now_of(manager);

	if (!manager->facts[run->spec.id].eligible || run->spec.weight == 0) {
		load_run_end(load);
		return;
	}
	if (!load->poll || load->port != policy->port)
		begin(manager, run, policy);
	if (now < load->due_ms)
		return;
	load->due_ms = now + policy->interval_ms;
	if (!load->poll || !load_poll_ask(load->poll))
		snprintf(load->problem, sizeof(load->problem), "out of memory");
}

/* --- what is known --- */

/* Nothing has been heard of it for too long. */
static bool is_silent(const struct manager *manager, const struct load_run *load,
		      uint64_t interval_ms)
{
	uint64_t heard_ms = load->reported_ms ?: load->begun_ms;

	return now_of(manager) - heard_ms > LOAD_FRESH * interval_ms;
}

static bool may_still_report(const struct manager *manager, const struct service_spec *service)
{
	const struct load_run *load;

	for (size_t i = 0; i < service->backend_count; i++) {
		load = &run_at(manager, service, i)->load;
		if (load->poll && !load->reported_ms &&
		    !is_silent(manager, load, service->load.interval_ms))
			return true;
	}
	return false;
}

static double mean_wait(struct load_run *load, const struct lb_latency *handshakes)
{
	struct latency_view now = latency_look(handshakes);
	struct latency_view since = latency_since(&now, &load->handshakes);
	uint64_t count = latency_count(&since);

	load->handshakes = now;
	return count >= LOAD_HANDSHAKES ? (double)since.sum_ns / 1e9 / (double)count : -1;
}

static struct load_member member_of(struct manager *manager, const struct service_spec *service,
				    const struct maglev_backend *entry)
{
	struct backend_run *run = &manager->runs[entry->id];
	struct load_run *load = &run->load;
	bool silent = is_silent(manager, load, service->load.interval_ms);

	load->reading = (struct load_reading){
		.load = load->reported_ms && !silent ? load->load : -1,
		.wait_s = mean_wait(load, &manager->dp->handshakes[entry->id]),
		.repeated = passive_share(&run->passive),
	};
	return (struct load_member){
		.reading = load->reading,
		.weight = slow_start_weight(run->spec.weight, manager->facts[entry->id].tenths),
		.key = entry->key,
		.factor = run->spec.load_factor ?: LOAD_WHOLE,
		.pressure = load->pressure,
	};
}

/* --- telling --- */

static void tell_silence(struct manager *manager, const struct service_spec *service,
			 struct backend_run *run)
{
	bool silent = is_silent(manager, &run->load, service->load.interval_ms);
	char endpoint[ENDPOINT_TEXT_MAX];

	if (silent == run->load.silent)
		return;
	run->load.silent = silent;
	events_tell(manager->events,
		    &(struct event){
			    .kind = silent ? EVENT_LOAD_SILENT : EVENT_LOAD_HEARD,
			    .service = service->name,
			    .backend = format_endpoint(&run->spec.endpoint, endpoint),
			    .after = silent ? "it goes back to its whole weight" : NULL,
			    .reason = silent ? run->load.problem : NULL,
		    });
}

static double percent(unsigned int factor)
{
	return 100.0 * factor / LOAD_WHOLE;
}

bool load_note(const struct backend_run *run, const struct service_spec *service, char *note,
	       size_t size)
{
	const struct load_run *load = &run->load;
	unsigned int factor = run->spec.load_factor ?: LOAD_WHOLE;

	if (service->load.mode == LOAD_OFF || load->target == 0)
		return false;
	if (load->silent) {
		snprintf(note, size, "does not report its load: %s; %.0f %% of its weight",
			 load->problem, percent(factor));
		return true;
	}
	if (factor == LOAD_WHOLE && load->target == LOAD_WHOLE)
		return false;
	snprintf(note, size, "load %.2f, pressure %.2f: %.0f %% of its weight, %s %.0f %%",
		 load->reading.load, load->pressure, percent(factor),
		 service->load.mode == LOAD_ON ? "on the way to" : "and a dry run, or",
		 percent(load->target));
	return true;
}

/* Those that have changed, as many as there is room for. */
static void tell_step(struct manager *manager, const struct service_spec *service,
		      const uint16_t *former, const char *reason)
{
	char after[EVENT_TEXT_MAX + 1] = "", endpoint[ENDPOINT_TEXT_MAX];
	const struct backend_spec *spec;
	size_t used = 0;

	for (size_t i = 0; i < service->backend_count && used < sizeof(after); i++) {
		spec = &service->backends[i];
		if (spec->load_factor != former[i])
			used += (size_t)snprintf(after + used, sizeof(after) - used,
						 "%s%s %.0f %% to %.0f %%", used ? ", " : "",
						 format_endpoint(&spec->endpoint, endpoint),
						 percent(former[i] ?: LOAD_WHOLE),
						 percent(spec->load_factor ?: LOAD_WHOLE));
	}
	events_tell(manager->events, &(struct event){.kind = EVENT_LOAD_STEP,
						     .service = service->name,
						     .after = after,
						     .reason = reason});
}

/* --- deciding --- */

static void dry_run(struct manager *manager, const struct service_spec *service, bool acted)
{
	const struct load_state *state = &state_of(manager, service)->state;
	char reason[96];

	if (state->acts == acted)
		return;
	snprintf(reason, sizeof(reason), "pressures lie %.0f %% of their mean apart",
		 100 * state->spread);
	events_tell(manager->events, &(struct event){.kind = EVENT_LOAD_DRY_RUN,
						     .service = service->name,
						     .after = state->acts ? "weights would change"
									  : "weights would stay",
						     .reason = reason});
}

static bool has_factors(const struct service_spec *service, const uint16_t *factors)
{
	for (size_t i = 0; i < service->backend_count; i++)
		if (service->backends[i].load_factor != factors[i])
			return false;
	return true;
}

/* Of all backends: who was not judged keeps what he has. */
static const uint16_t *next_factors(struct manager *manager, const struct service_spec *service)
{
	uint16_t *factors = manager->loads.factors, next;

	for (size_t i = 0; i < service->backend_count; i++) {
		next = run_at(manager, service, i)->load.next;
		factors[i] = next ? next : service->backends[i].load_factor;
		if (factors[i] == LOAD_WHOLE)
			factors[i] = 0;
	}
	return factors;
}

static void act(struct manager *manager, const struct service_spec *service)
{
	const uint16_t *factors = next_factors(manager, service);
	const struct loads *loads = &manager->loads;
	char reason[96];

	if (has_factors(service, factors))
		return;
	snprintf(reason, sizeof(reason), "%.1f %% of the slots move, of %u %% that may",
		 100 * state_of(manager, service)->state.moved, service->load.budget);
	if (loads->propose)
		loads->propose(loads->context, service, factors, reason);
	else
		manager_load_apply(manager, service, factors, reason);
}

/* Who is in the table, and what is known of him: into the members. Returns how many there are. */
static size_t gather(struct manager *manager, const struct service_spec *service)
{
	const struct maglev_backend *table = manager->loads.table;
	size_t i, count = sync_members(service, manager->facts, manager->loads.table);

	for (i = 0; i < count; i++)
		manager->loads.members[i] = member_of(manager, service, &table[i]);
	return count;
}

static void keep(struct manager *manager, const struct service_spec *service, size_t count)
{
	const struct load_member *member = manager->loads.members;
	struct load_run *run;
	size_t i;

	for (i = 0; i < service->backend_count; i++) {
		run = &run_at(manager, service, i)->load;
		run->target = run->next = 0;
	}
	for (i = 0; i < count; i++, member++) {
		run = &manager->runs[manager->loads.table[i].id].load;
		run->pressure = member->pressure;
		run->target = member->target;
		run->next = member->next;
	}
}

static void decide(struct manager *manager, const struct service_spec *service)
{
	const struct load_policy *policy = &service->load;
	struct load_state *state = &state_of(manager, service)->state;
	size_t count = gather(manager, service);
	bool acted = state->acts;

	load_judge(state, manager->loads.members, count,
		   (uint16_t)(policy->floor * LOAD_WHOLE / 100));
	/* Out of memory: it goes no step, and the next one will. */
	load_step(state, manager->loads.members, count, policy->budget / 100.0,
		  manager->dp->sizes.table_size);
	keep(manager, service, count);
	if (policy->mode == LOAD_DRY_RUN)
		dry_run(manager, service, acted);
	else if (!manager->loads.follows)
		act(manager, service);
}

static void end(struct manager *manager, const struct service_spec *service)
{
	for (size_t i = 0; i < service->backend_count; i++)
		load_run_end(&run_at(manager, service, i)->load);
	*state_of(manager, service) = (struct load_service){0};
}

void load_tick(struct manager *manager, const struct service_spec *service)
{
	struct load_service *load = state_of(manager, service);
	uint64_t now = now_of(manager);
	size_t i;

	if (service->load.mode == LOAD_OFF && load->due_ms)
		end(manager, service);
	if (service->load.mode == LOAD_OFF)
		return;
	load->due_ms = load->due_ms ?: now + service->load.interval_ms;
	for (i = 0; i < service->backend_count; i++)
		ask(manager, run_at(manager, service, i), &service->load);
	if (now < load->due_ms || may_still_report(manager, service))
		return;
	load->due_ms = now + service->load.interval_ms;
	decide(manager, service);
	for (i = 0; i < service->backend_count; i++) {
		if (run_at(manager, service, i)->load.poll)
			tell_silence(manager, service, run_at(manager, service, i));
		run_update(manager, run_at(manager, service, i));
	}
}

/* --- what was decided --- */

/* Does it, and undoes it when called again. */
static void exchange_factors(struct service_spec *service, uint16_t *factors)
{
	for (size_t i = 0; i < service->backend_count; i++) {
		uint16_t former = service->backends[i].load_factor;

		service->backends[i].load_factor = factors[i];
		factors[i] = former;
	}
}

/* They are the former ones afterwards. What the disk says is said once. */
static int save_factors(struct manager *manager, struct service_spec *service, uint16_t *factors)
{
	struct load_service *load = state_of(manager, service);
	bool told = load->unsaved;
	struct error err;
	int ret;

	exchange_factors(service, factors);
	ret = manager_persist(manager, &err);
	load->unsaved = ret;
	if (ret == 0)
		return 0;
	exchange_factors(service, factors);
	if (!told)
		log_error("weights do not follow load", "service", service->name, "error",
			  err.message, "hint", err.hint);
	return ret;
}

int manager_load_apply(struct manager *manager, const struct service_spec *service,
		       const uint16_t *factors, const char *reason)
{
	struct service_spec *own = manager->service_by_id[service->id];
	uint16_t *scratch = manager->loads.factors;
	int ret;

	if (own->load.mode != LOAD_ON || has_factors(own, factors))
		return 0;
	memmove(scratch, factors, own->backend_count * sizeof(*factors));
	ret = save_factors(manager, own, scratch);
	if (ret)
		return ret;
	for (size_t i = 0; i < own->backend_count; i++)
		run_at(manager, own, i)->spec.load_factor = own->backends[i].load_factor;
	tell_step(manager, own, scratch, reason);
	state_of(manager, own)->steps++;
	service_changed(manager, own->id);
	return 0;
}

void manager_on_load(struct manager *manager, load_propose propose, void *context)
{
	manager->loads.propose = propose;
	manager->loads.context = context;
	manager->loads.follows = propose;
}

void manager_load_leads(struct manager *manager, bool leads)
{
	manager->loads.follows = !leads;
}

/* --- views --- */

struct backend_load load_view(const struct manager *manager, const struct backend_run *run)
{
	const struct load_run *load = &run->load;

	return (struct backend_load){
		/* Of who is told not to follow, the tick has yet to end the questions. */
		.asked = load->poll &&
			 manager->service_by_id[run->service_id]->load.mode != LOAD_OFF,
		.known = load->target && load->reading.load >= 0,
		.reading = load->reading,
		.age_s = (double)(now_of(manager) - load->reported_ms) / 1000,
		.pressure = load->pressure,
		.target = (double)load->target / LOAD_WHOLE,
		.next = (double)load->next / LOAD_WHOLE,
		.failures = load->failures,
		.problem = load->problem,
	};
}

struct service_load manager_load(const struct manager *manager, const struct service_spec *service)
{
	const struct load_service *load = &manager->service_runs[service->id].load;

	return (struct service_load){
		.leads = !manager->loads.follows,
		.state = load->state,
		.steps = load->steps,
	};
}
