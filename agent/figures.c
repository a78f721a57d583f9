/* SPDX-License-Identifier: Apache-2.0 */
#include "figures.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "cookies.h"
#include "flow_fold.h"
#include "view.h"

/* A digest's upper bits, as a number that a double holds. */
#define DIGEST_SHIFT 16

#define LABELS_ELSEWHERE (LB_VERDICT_COUNT + 8) /* items that are no service's or backend's */

/* Room for so many items, all zero. NULL: out of memory. */
static void *make_list(struct figures *figures, enum figures_list_name name, size_t room,
		       size_t stride)
{
	struct figures_list *list = &figures->lists[name];

	list->items = calloc(room + 1, stride); /* never of size 0 */
	list->stride = stride;
	return list->items;
}

/* The next item of a list that has room for it. */
static void *add_item(struct figures *figures, enum figures_list_name name)
{
	struct figures_list *list = &figures->lists[name];

	return (char *)list->items + list->count++ * list->stride;
}

/* Labels are made where the next ones have their place: begin, add, keep. */
static char *labels_begin(const struct figures *figures)
{
	char *labels = figures->labels + figures->labelled;

	labels[0] = '\0';
	return labels;
}

static const char *labels_keep(struct figures *figures, const char *labels)
{
	figures->labelled += strlen(labels) + 1;
	return labels;
}

static const char *label_one(struct figures *figures, const char *name, const char *value)
{
	char *labels = labels_begin(figures);

	metrics_labels_add(labels, name, value);
	return labels_keep(figures, labels);
}

static const char *label_two(struct figures *figures, const char *service, const char *name,
			     const char *value)
{
	char *labels = labels_begin(figures);

	metrics_labels_add(labels, "service", service);
	metrics_labels_add(labels, name, value);
	return labels_keep(figures, labels);
}

/* --- services and backends --- */

struct census {
	size_t services, vips, backends;
	uint32_t top; /* the highest index of a backend */
	size_t scalers;
};

static struct census take_census(const struct desired *desired, const struct autoscaler *autoscaler)
{
	struct census census = {.services = desired->service_count};
	const struct service_spec *service;
	size_t i, b;

	for (i = 0; i < desired->service_count; i++) {
		service = &desired->services[i];
		census.vips += service->vip_count;
		census.backends += service->backend_count;
		for (b = 0; b < service->backend_count; b++) {
			if (service->backends[b].id > census.top)
				census.top = service->backends[b].id;
		}
	}
	if (autoscaler)
		autoscaler_runs(autoscaler, &census.scalers);
	return census;
}

static bool has_tcp(const struct service_spec *service)
{
	size_t i;

	for (i = 0; i < service->vip_count; i++) {
		if (service->vips[i].vip.protocol == IPPROTO_TCP)
			return true;
	}
	return false;
}

static void add_vips(struct figures *figures, struct dataplane *dp,
		     const struct service_spec *service)
{
	struct traffic_figures *item;
	char text[VIP_TEXT_MAX];
	size_t i;

	for (i = 0; i < service->vip_count; i++) {
		item = add_item(figures, FIGURES_VIPS);
		item->labels = label_two(figures, service->name, "vip",
					 format_vip(&service->vips[i].vip, text));
		dp->ops->vip_stats(dp, service->vips[i].id, &item->traffic);
	}
}

/* Their labels are those of the VIPs' traffic, which come before. */
static void add_routes(struct figures *figures, const struct manager *manager,
		       const struct service_spec *service)
{
	const struct figures_list *vips = &figures->lists[FIGURES_VIPS];
	const struct traffic_figures *items = vips->items;
	struct announced_route route;
	struct route_figures *item;
	size_t i;

	for (i = 0; i < service->vip_count; i++) {
		if (!manager_route(manager, &service->vips[i].vip, &route))
			continue;
		item = add_item(figures, FIGURES_ROUTES);
		item->labels = items[vips->count - service->vip_count + i].labels;
		item->announced = route.announced;
	}
}

static void add_service(struct figures *figures, const struct manager *manager,
			const struct service_spec *service)
{
	struct service_figures *item = add_item(figures, FIGURES_SERVICES);
	const struct lb_latency *checks = manager_check_durations(manager, service);
	struct dataplane *dp = manager_dataplane(manager);
	struct latency_figures *latency;

	item->labels = label_one(figures, "service", service->name);
	item->panics = manager_panics(manager, service);
	item->syn_cookies = cookies_on(dp, service, dp->ops->now(dp));
	item->source_allow = manager_sources(manager, service, false);
	item->source_deny = manager_sources(manager, service, true);
	item->load_steps = manager_load(manager, service).steps;
	item->table_digest = manager_table_digest(manager, service) >> DIGEST_SHIFT;
	item->config_digest = manager_config_digest(manager, service) >> DIGEST_SHIFT;
	dp->ops->service_drops(dp, service->id, &item->drops);
	add_vips(figures, dp, service);
	add_routes(figures, manager, service);
	if (!checks)
		return;
	latency = add_item(figures, FIGURES_CHECKS);
	latency->labels =
		label_two(figures, service->name, "check", check_kind_words[service->check.kind]);
	latency->latency = latency_look(checks);
}

static void add_load(struct figures *figures, const struct backend_load *load, const char *labels)
{
	struct load_figures *item;

	if (!load->known)
		return;
	item = add_item(figures, FIGURES_LOADS);
	item->labels = labels;
	item->load = load->reading.load;
	item->pressure = load->pressure;
}

static struct backend_figures *add_backend(struct figures *figures, const struct manager *manager,
					   const struct service_spec *service,
					   const struct backend_spec *spec)
{
	const struct backend_view view = manager_backend(manager, spec);
	struct backend_figures *item = add_item(figures, FIGURES_BACKENDS);
	char text[ENDPOINT_TEXT_MAX];

	item->labels = label_two(figures, service->name, "backend",
				 format_endpoint(&spec->endpoint, text));
	item->active_flows = view.active_flows;
	item->up = view.status == BACKEND_UP;
	item->enabled = backend_takes_part(spec);
	item->weight = spec->weight;
	item->effective_weight = view.weight;
	item->suspect = view.suspect;
	item->ejections = view.ejections;
	item->share = view.share;
	item->checks_passed = view.checks_passed;
	item->checks_failed = view.checks_failed;
	item->load_failures = view.load.failures;
	add_load(figures, &view.load, item->labels);
	return item;
}

/* stats: of all backends, by index. */
static void add_backends(struct figures *figures, const struct manager *manager,
			 const struct service_spec *service, const struct lb_backend_stats *stats)
{
	const struct dataplane *dp = manager_dataplane(manager);
	bool timed = has_tcp(service);
	const struct backend_spec *spec;
	struct latency_figures *latency;
	struct backend_figures *item;
	size_t b;

	for (b = 0; b < service->backend_count; b++) {
		spec = &service->backends[b];
		item = add_backend(figures, manager, service, spec);
		item->stats = stats[spec->id];
		if (!timed)
			continue;
		latency = add_item(figures, FIGURES_HANDSHAKES);
		latency->labels = item->labels;
		latency->latency = latency_look(&dp->handshakes[spec->id]);
	}
}

/* Room for the labels of every item; what is not used is never touched. */
static bool make_labels(struct figures *figures, const struct census *census)
{
	size_t items = 2 * census->services + census->vips + census->backends + census->scalers +
		       LABELS_ELSEWHERE;

	figures->labels = malloc(items * METRICS_LABELS_MAX);
	return figures->labels;
}

/* False: out of memory. */
static bool gather_services(struct figures *figures, const struct manager *manager,
			    const struct census *census)
{
	const struct desired *desired = manager_desired(manager);
	struct dataplane *dp = manager_dataplane(manager);
	struct lb_backend_stats *stats = calloc((size_t)census->top + 1, sizeof(*stats));
	bool whole =
		stats &&
		make_list(figures, FIGURES_SERVICES, census->services,
			  sizeof(struct service_figures)) &&
		make_list(figures, FIGURES_CHECKS, census->services,
			  sizeof(struct latency_figures)) &&
		make_list(figures, FIGURES_VIPS, census->vips, sizeof(struct traffic_figures)) &&
		make_list(figures, FIGURES_ROUTES, census->vips, sizeof(struct route_figures)) &&
		make_list(figures, FIGURES_BACKENDS, census->backends,
			  sizeof(struct backend_figures)) &&
		make_list(figures, FIGURES_LOADS, census->backends, sizeof(struct load_figures)) &&
		make_list(figures, FIGURES_HANDSHAKES, census->backends,
			  sizeof(struct latency_figures));
	size_t i;

	if (whole && census->top)
		dp->ops->backend_stats_range(dp, 1, census->top, stats + 1);
	for (i = 0; whole && i < desired->service_count; i++) {
		add_service(figures, manager, &desired->services[i]);
		add_backends(figures, manager, &desired->services[i], stats);
	}
	free(stats);
	return whole;
}

/* --- the autoscaler --- */

static void add_scaler(struct figures *figures, const struct autoscaler *autoscaler,
		       const struct scale_run *run)
{
	struct scaler_figures *item = add_item(figures, FIGURES_SCALERS);
	struct measure_figures *metric;

	item->labels = label_one(figures, "service", run->service);
	item->desired = run->decision.wanted;
	item->least = run->decision.min;
	item->most = run->decision.max;
	item->running = run->pool.up;
	item->circuit_open = autoscaler_circuit(autoscaler, run) != CIRCUIT_CLOSED;
	item->launch_failures = run->launch_failures;
	memcpy(item->decisions, run->decisions, sizeof(item->decisions));
	if (!run->decision.known)
		return;
	metric = add_item(figures, FIGURES_SCALED_BY);
	metric->labels = item->labels;
	metric->value = run->decision.value;
}

static bool gather_scalers(struct figures *figures, const struct autoscaler *autoscaler,
			   size_t count)
{
	const struct scale_run *const *runs;
	size_t i;

	if (!make_list(figures, FIGURES_SCALERS, count, sizeof(struct scaler_figures)) ||
	    !make_list(figures, FIGURES_SCALED_BY, count, sizeof(struct measure_figures)))
		return false;
	runs = count ? autoscaler_runs(autoscaler, &count) : NULL;
	for (i = 0; i < count; i++)
		add_scaler(figures, autoscaler, runs[i]);
	return true;
}

/* --- the data plane and the agent --- */

/* Packets by verdict, of those that name_of() has a name for. */
static bool gather_verdicts(struct figures *figures, struct dataplane *dp,
			    enum figures_list_name list, const char *label,
			    const char *(*name_of)(enum lb_verdict))
{
	struct traffic_figures *item;
	const char *name;
	int verdict;

	if (!make_list(figures, list, LB_VERDICT_COUNT, sizeof(*item)))
		return false;
	for (verdict = 0; verdict < LB_VERDICT_COUNT; verdict++) {
		name = name_of((enum lb_verdict)verdict);
		if (!name)
			continue;
		item = add_item(figures, list);
		item->labels = label_one(figures, label, name);
		dp->ops->verdict_stats(dp, (enum lb_verdict)verdict, &item->traffic);
	}
	return true;
}

static bool gather_programs(struct figures *figures, struct dataplane *dp)
{
	struct program_figures *item;
	struct dataplane_runs runs;

	if (!make_list(figures, FIGURES_PROGRAMS, 1, sizeof(*item)))
		return false;
	dp->ops->program_runs(dp, &runs);
	if (runs.runs == 0)
		return true;
	item = add_item(figures, FIGURES_PROGRAMS);
	item->labels = label_one(figures, "program", "lb_ingress");
	item->runs = runs;
	return true;
}

static void fill_flows(struct agent_figures *item, const struct manager *manager)
{
	const struct flow_counts *flows = manager_flows(manager);
	struct dataplane *dp = manager_dataplane(manager);
	struct lb_flow_stats stats;
	int state;

	dp->ops->flow_stats(dp, &stats);
	for (state = LB_FLOW_EMBRYONIC; state < LB_FLOW_STATES; state++) {
		item->flow_entries[state] = flows->by_state[state];
		item->flow_evictions[state] = stats.evictions[state];
	}
	/* one packet seen, too */
	item->flow_entries[LB_FLOW_EMBRYONIC] += flows->by_state[LB_FLOW_INHERITED];
	item->flow_evictions[LB_FLOW_EMBRYONIC] += stats.evictions[LB_FLOW_INHERITED];
	item->flow_table_size = dp->sizes.flows;
	item->flow_table_used = (uint64_t)flow_fold_used(dp) * LB_FLOW_WAYS;
	item->flow_sample = 1.0 / (dp->switches->counted_mask + 1);
}

static bool gather_agent(struct figures *figures, const struct figures_input *input)
{
	struct dataplane *dp = manager_dataplane(input->manager);
	struct agent_figures *item;
	struct labels_only *build;

	if (!make_list(figures, FIGURES_AGENT, 1, sizeof(*item)) ||
	    !make_list(figures, FIGURES_BUILD, 1, sizeof(*build)))
		return false;
	item = add_item(figures, FIGURES_AGENT);
	item->labels = "";
	fill_flows(item, input->manager);
	dp->ops->capture_stats(dp, &item->capture);
	item->build_seconds = manager_build_seconds(input->manager);
	item->sync_seconds = manager_sync_seconds(input->manager);
	item->in_sync = manager_out_of_sync(input->manager) == NULL;
	item->withdrawn = manager_announces(input->manager).withdrawn;
	item->refused_tokens = input->refused_tokens;
	item->source_deny = manager_sources(input->manager, NULL, true);
	item->process_started = input->process_started;
	process_usage(&item->process);
	build = add_item(figures, FIGURES_BUILD);
	build->labels = label_one(figures, "version", SLUICE_VERSION);
	return true;
}

static bool gather_store(struct figures *figures, const struct fleet_store_view *store)
{
	struct store_figures *item;

	if (!make_list(figures, FIGURES_STORE, 1, sizeof(*item)))
		return false;
	if (!store)
		return true;
	item = add_item(figures, FIGURES_STORE);
	item->labels = "";
	item->connected = store->connected;
	item->revision = store->revision;
	item->current = !store->problem->message[0];
	item->balancers = store->balancer_count;
	item->trial = store->trial;
	return true;
}

struct figures *figures_gather(const struct figures_input *input)
{
	const struct census census =
		take_census(manager_desired(input->manager), input->autoscaler);
	struct dataplane *dp = manager_dataplane(input->manager);
	struct figures *figures = calloc(1, sizeof(*figures));

	if (figures && make_labels(figures, &census) &&
	    gather_services(figures, input->manager, &census) &&
	    gather_scalers(figures, input->autoscaler, census.scalers) &&
	    gather_verdicts(figures, dp, FIGURES_DROPS, "reason", view_drop_reason) &&
	    gather_verdicts(figures, dp, FIGURES_REPLIES, "kind", view_reply_kind) &&
	    gather_programs(figures, dp) && gather_store(figures, input->store) &&
	    gather_agent(figures, input))
		return figures;
	figures_free(figures);
	return NULL;
}

void figures_free(struct figures *figures)
{
	size_t i;

	if (!figures)
		return;
	for (i = 0; i < FIGURES_LISTS; i++)
		free(figures->lists[i].items);
	free(figures->labels);
	free(figures);
}
