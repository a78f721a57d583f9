/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include <string.h>

#include "accept.h"

enum value_kind {
	VALUE_ONE,     /* it is there: 1 */
	VALUE_COUNT,   /* uint64_t */
	VALUE_MEASURE, /* double */
	VALUE_SECONDS, /* uint64_t, nanoseconds */
	VALUE_LATENCY, /* struct latency_view */
};

#define FIELDS_MAX 6

/* A family of series: for each item of its list, one sample a field, or a histogram. */
struct family {
	const char *name;
	enum metric_type type;
	enum figures_list_name list;
	enum value_kind kind;
	struct {
		size_t offset;    /* of the value in the item */
		const char *more; /* another label, if there is more than one field */
	} fields[FIELDS_MAX];
	const char *help;
};

#define AGENT(field)                                                                               \
	{                                                                                          \
		{                                                                                  \
			offsetof(struct agent_figures, field), NULL                                \
		}                                                                                  \
	}
#define SERVICE(field)                                                                             \
	{                                                                                          \
		{                                                                                  \
			offsetof(struct service_figures, field), NULL                              \
		}                                                                                  \
	}
#define DROPS_FOR(verdict)                                                                         \
	(offsetof(struct service_figures, drops.packets) + (verdict) * sizeof(uint64_t))
#define GUARD_DROPS                                                                                \
	{                                                                                          \
		{DROPS_FOR(LB_DENIED), "reason=\"denied\""},                                       \
			{DROPS_FOR(LB_NOT_ALLOWED), "reason=\"not_allowed\""},                     \
			{DROPS_FOR(LB_SOURCE_PACKETS), "reason=\"source_packets\""},               \
			{DROPS_FOR(LB_SOURCE_FLOWS), "reason=\"source_flows\""},                   \
			{DROPS_FOR(LB_SERVICE_FLOWS), "reason=\"service_flows\""},                 \
			{DROPS_FOR(LB_BAD_COOKIE), "reason=\"bad_cookie\""},                       \
	}
#define LISTS                                                                                      \
	{                                                                                          \
		{offsetof(struct service_figures, source_allow), "list=\"allow\""},                \
			{offsetof(struct service_figures, source_deny), "list=\"deny\""},          \
	}
#define BACKEND(field)                                                                             \
	{                                                                                          \
		{                                                                                  \
			offsetof(struct backend_figures, field), NULL                              \
		}                                                                                  \
	}
#define TRAFFIC(field)                                                                             \
	{                                                                                          \
		{                                                                                  \
			offsetof(struct traffic_figures, traffic.field), NULL                      \
		}                                                                                  \
	}
#define LATENCY                                                                                    \
	{                                                                                          \
		{                                                                                  \
			offsetof(struct latency_figures, latency), NULL                            \
		}                                                                                  \
	}
#define RUNS(field)                                                                                \
	{                                                                                          \
		{                                                                                  \
			offsetof(struct program_figures, runs.field), NULL                         \
		}                                                                                  \
	}
#define STORE(field)                                                                               \
	{                                                                                          \
		{                                                                                  \
			offsetof(struct store_figures, field), NULL                                \
		}                                                                                  \
	}
#define SCALER(field)                                                                              \
	{                                                                                          \
		{                                                                                  \
			offsetof(struct scaler_figures, field), NULL                               \
		}                                                                                  \
	}
#define SCALED_BY                                                                                  \
	{                                                                                          \
		{                                                                                  \
			offsetof(struct measure_figures, value), NULL                              \
		}                                                                                  \
	}
#define DECISION(action) (offsetof(struct scaler_figures, decisions) + (action) * sizeof(uint64_t))
#define DECISIONS                                                                                  \
	{                                                                                          \
		{DECISION(AUTOSCALE_HOLD), "decision=\"hold\""},                                   \
			{DECISION(AUTOSCALE_UP), "decision=\"up\""},                               \
			{DECISION(AUTOSCALE_DOWN), "decision=\"down\""},                           \
			{DECISION(AUTOSCALE_REPLACE), "decision=\"replace\""},                     \
			{DECISION(AUTOSCALE_RETIRE), "decision=\"retire\""},                       \
	}
_Static_assert(AUTOSCALE_ACTIONS == 5, "a field for each");
#define CHECKS                                                                                     \
	{                                                                                          \
		{offsetof(struct backend_figures, checks_passed), "result=\"pass\""},              \
			{offsetof(struct backend_figures, checks_failed), "result=\"fail\""},      \
	}
#define LOST                                                                                       \
	{                                                                                          \
		{offsetof(struct agent_figures, capture.lost_rate), "reason=\"rate\""},            \
			{offsetof(struct agent_figures, capture.lost_ring), "reason=\"ring\""},    \
	}
#define FLOW_STATE(field, state)                                                                   \
	(offsetof(struct agent_figures, field) + (state) * sizeof(uint64_t))
#define FLOWS(field)                                                                               \
	{                                                                                          \
		{FLOW_STATE(field, LB_FLOW_EMBRYONIC), "state=\"embryonic\""},                     \
			{FLOW_STATE(field, LB_FLOW_ESTABLISHED), "state=\"established\""},         \
			{FLOW_STATE(field, LB_FLOW_CLOSING), "state=\"closing\""},                 \
	}

static const struct family families[] = {
	/* services */
	{"lb_service_packets_total", METRIC_COUNTER, FIGURES_VIPS, VALUE_COUNT, TRAFFIC(packets),
	 "Packets from clients to a VIP."},
	{"lb_service_bytes_total", METRIC_COUNTER, FIGURES_VIPS, VALUE_COUNT, TRAFFIC(bytes),
	 "Bytes from clients to a VIP, Ethernet headers included."},
	{"lb_service_panic", METRIC_GAUGE, FIGURES_SERVICES, VALUE_COUNT, SERVICE(panics),
	 "1 if backends that are down get flows, for too few are up, else 0."},
	{"lb_service_drops_total", METRIC_COUNTER, FIGURES_SERVICES, VALUE_COUNT, GUARD_DROPS,
	 "Packets of a service that were dropped for whom they came from or for a limit."},
	{"lb_service_syn_cookies", METRIC_GAUGE, FIGURES_SERVICES, VALUE_COUNT,
	 SERVICE(syn_cookies), "1 while a service's SYNs are answered by cookies, else 0."},
	{"lb_service_load_steps_total", METRIC_COUNTER, FIGURES_SERVICES, VALUE_COUNT,
	 SERVICE(load_steps), "Steps of a service's weights that followed load."},
	{"lb_service_source_prefixes", METRIC_GAUGE, FIGURES_SERVICES, VALUE_COUNT, LISTS,
	 "Prefixes on a service's lists of sources."},
	{"lb_source_deny_prefixes", METRIC_GAUGE, FIGURES_AGENT, VALUE_COUNT, AGENT(source_deny),
	 "Prefixes on the list of sources that no service takes."},
	{"lb_vip_announced",
	 METRIC_GAUGE,
	 FIGURES_ROUTES,
	 VALUE_COUNT,
	 {{offsetof(struct route_figures, announced), NULL}},
	 "1 while a VIP is announced to routers, else 0."},
	{"lb_service_table_digest", METRIC_GAUGE, FIGURES_SERVICES, VALUE_COUNT,
	 SERVICE(table_digest),
	 "Digest of the table that a service's packets go by, the same where tables are."},
	{"lb_service_config_digest", METRIC_GAUGE, FIGURES_SERVICES, VALUE_COUNT,
	 SERVICE(config_digest), "Digest of what a service was asked to be."},
	/* backends */
	{"lb_backend_packets_total", METRIC_COUNTER, FIGURES_BACKENDS, VALUE_COUNT,
	 BACKEND(stats.traffic.packets), "Packets sent to a backend."},
	{"lb_backend_bytes_total", METRIC_COUNTER, FIGURES_BACKENDS, VALUE_COUNT,
	 BACKEND(stats.traffic.bytes),
	 "Bytes sent to a backend, Ethernet headers as they came in included."},
	{"lb_backend_new_flows_total", METRIC_COUNTER, FIGURES_BACKENDS, VALUE_COUNT,
	 BACKEND(stats.new_flows), "Flows scheduled to a backend."},
	{"lb_backend_syn_retransmits_total", METRIC_COUNTER, FIGURES_BACKENDS, VALUE_COUNT,
	 BACKEND(stats.syn_retransmits), "SYNs repeated by clients of a backend before an answer."},
	{"lb_backend_handshake_seconds", METRIC_HISTOGRAM, FIGURES_HANDSHAKES, VALUE_LATENCY,
	 LATENCY, "Time from a client's SYN to its next packet, of a sample of flows."},
	{"lb_backend_active_flows", METRIC_GAUGE, FIGURES_BACKENDS, VALUE_COUNT,
	 BACKEND(active_flows), "Flows of a backend in the flow table."},
	{"lb_backend_up", METRIC_GAUGE, FIGURES_BACKENDS, VALUE_COUNT, BACKEND(up),
	 "1 if a backend's status is up, else 0."},
	{"lb_backend_enabled", METRIC_GAUGE, FIGURES_BACKENDS, VALUE_COUNT, BACKEND(enabled),
	 "1 if a backend is asked to serve, else 0."},
	{"lb_backend_weight", METRIC_GAUGE, FIGURES_BACKENDS, VALUE_COUNT, BACKEND(weight),
	 "A backend's weight."},
	{"lb_backend_effective_weight", METRIC_GAUGE, FIGURES_BACKENDS, VALUE_MEASURE,
	 BACKEND(effective_weight),
	 "The weight it has at the moment: less in a slow start, or by its load."},
	{"lb_backend_load_ratio",
	 METRIC_GAUGE,
	 FIGURES_LOADS,
	 VALUE_MEASURE,
	 {{offsetof(struct load_figures, load), NULL}},
	 "The load that a backend's host reported last, 1 being full."},
	{"lb_backend_load_pressure_ratio",
	 METRIC_GAUGE,
	 FIGURES_LOADS,
	 VALUE_MEASURE,
	 {{offsetof(struct load_figures, pressure), NULL}},
	 "What load-aware weights go by: the load, and how its clients fare."},
	{"lb_backend_load_failures_total", METRIC_COUNTER, FIGURES_BACKENDS, VALUE_COUNT,
	 BACKEND(load_failures), "Times that a backend's host did not report its load when asked."},
	{"lb_backend_suspect", METRIC_GAUGE, FIGURES_BACKENDS, VALUE_COUNT, BACKEND(suspect),
	 "1 if clients repeat more SYNs to it than to its peers, else 0."},
	{"lb_backend_ejections_total", METRIC_COUNTER, FIGURES_BACKENDS, VALUE_COUNT,
	 BACKEND(ejections), "Times it was ejected since the agent's start."},
	{"lb_backend_share_ratio", METRIC_GAUGE, FIGURES_BACKENDS, VALUE_MEASURE, BACKEND(share),
	 "A backend's part of its service's new flows, 0 to 1."},
	{"lb_health_checks_total", METRIC_COUNTER, FIGURES_BACKENDS, VALUE_COUNT, CHECKS,
	 "Health checks of a backend, by result."},
	{"lb_health_check_duration_seconds", METRIC_HISTOGRAM, FIGURES_CHECKS, VALUE_LATENCY,
	 LATENCY, "Time that health checks of a service took, passed or failed."},
	/* the data plane */
	{"lb_drops_total", METRIC_COUNTER, FIGURES_DROPS, VALUE_COUNT, TRAFFIC(packets),
	 "Packets dropped, by reason."},
	{"lb_replies_total", METRIC_COUNTER, FIGURES_REPLIES, VALUE_COUNT, TRAFFIC(packets),
	 "Packets answered by the balancer, by kind."},
	{"lb_flow_table_entries", METRIC_GAUGE, FIGURES_AGENT, VALUE_COUNT, FLOWS(flow_entries),
	 "Entries of the flow table, by state."},
	{"lb_flow_table_size", METRIC_GAUGE, FIGURES_AGENT, VALUE_COUNT, AGENT(flow_table_size),
	 "Entries that the flow table has room for."},
	{"lb_flow_table_used_size", METRIC_GAUGE, FIGURES_AGENT, VALUE_COUNT,
	 AGENT(flow_table_used),
	 "Entries that there is room for in the part of the flow table that is used."},
	{"lb_flow_sample_ratio", METRIC_GAUGE, FIGURES_AGENT, VALUE_MEASURE, AGENT(flow_sample),
	 "Part of the flows of services with tracking changed that are counted; 1: all."},
	{"lb_flow_table_evictions_total", METRIC_COUNTER, FIGURES_AGENT, VALUE_COUNT,
	 FLOWS(flow_evictions), "Live entries pushed out of a full bucket, by state."},
	{"lb_program_run_seconds_total", METRIC_COUNTER, FIGURES_PROGRAMS, VALUE_SECONDS, RUNS(ns),
	 "Time that a program took, while the kernel's statistics were on."},
	{"lb_program_runs_total", METRIC_COUNTER, FIGURES_PROGRAMS, VALUE_COUNT, RUNS(runs),
	 "Packets that a program saw, while the kernel's statistics were on."},
	{"lb_capture_packets_total", METRIC_COUNTER, FIGURES_AGENT, VALUE_COUNT,
	 AGENT(capture.packets), "Packets captured."},
	{"lb_capture_lost_total", METRIC_COUNTER, FIGURES_AGENT, VALUE_COUNT, LOST,
	 "Packets that a capture wanted and did not get, by reason."},
	/* the autoscaler */
	{"lb_autoscale_desired_backends", METRIC_GAUGE, FIGURES_SCALERS, VALUE_COUNT,
	 SCALER(desired), "Backends that the autoscaler wants."},
	{"lb_autoscale_min_backends", METRIC_GAUGE, FIGURES_SCALERS, VALUE_COUNT, SCALER(least),
	 "The least that it may want at this hour."},
	{"lb_autoscale_max_backends", METRIC_GAUGE, FIGURES_SCALERS, VALUE_COUNT, SCALER(most),
	 "The most that it may want at this hour."},
	{"lb_autoscale_running_backends", METRIC_GAUGE, FIGURES_SCALERS, VALUE_COUNT,
	 SCALER(running), "Backends that are up, emergency ones too."},
	{"lb_autoscale_metric", METRIC_GAUGE, FIGURES_SCALED_BY, VALUE_MEASURE, SCALED_BY,
	 "The metric that a service's autoscaler goes by, for one backend."},
	{"lb_autoscale_decisions_total", METRIC_COUNTER, FIGURES_SCALERS, VALUE_COUNT, DECISIONS,
	 "Decisions of the autoscaler."},
	{"lb_autoscale_launch_failures_total", METRIC_COUNTER, FIGURES_SCALERS, VALUE_COUNT,
	 SCALER(launch_failures), "Launches of backends that failed."},
	{"lb_autoscale_circuit_open", METRIC_GAUGE, FIGURES_SCALERS, VALUE_COUNT,
	 SCALER(circuit_open),
	 "1 if launches have failed too often and none is begun for a while, else 0."},
	/* the agent */
	{"lb_table_build_seconds", METRIC_GAUGE, FIGURES_AGENT, VALUE_MEASURE, AGENT(build_seconds),
	 "Time the last table took to build."},
	{"lb_sync_seconds", METRIC_GAUGE, FIGURES_AGENT, VALUE_MEASURE, AGENT(sync_seconds),
	 "Time the last change took to reach the data plane."},
	{"lb_in_sync", METRIC_GAUGE, FIGURES_AGENT, VALUE_COUNT, AGENT(in_sync),
	 "1 if the data plane is as it was asked to be, else 0."},
	{"lb_store_connected", METRIC_GAUGE, FIGURES_STORE, VALUE_COUNT, STORE(connected),
	 "1 while the fleet's etcd is reached, else 0."},
	{"lb_store_current", METRIC_GAUGE, FIGURES_STORE, VALUE_COUNT, STORE(current),
	 "1 while etcd is reached and its latest configuration is in force here, else 0."},
	{"lb_store_revision", METRIC_GAUGE, FIGURES_STORE, VALUE_COUNT, STORE(revision),
	 "Etcd's revision of the configuration in force, 0 if it is not etcd's."},
	{"lb_store_balancers", METRIC_GAUGE, FIGURES_STORE, VALUE_COUNT, STORE(balancers),
	 "Balancers that are known to follow the fleet's configuration."},
	{"lb_store_trial", METRIC_GAUGE, FIGURES_STORE, VALUE_COUNT, STORE(trial),
	 "1 while a roll-out's document is in force here instead of the configuration, else 0."},
	{"lb_withdrawn", METRIC_GAUGE, FIGURES_AGENT, VALUE_COUNT, AGENT(withdrawn),
	 "1 while no VIP is announced, on demand or because the agent stops, else 0."},
	{"lb_api_refused_tokens_total", METRIC_COUNTER, FIGURES_AGENT, VALUE_COUNT,
	 AGENT(refused_tokens), "Tokens that the TCP listener refused."},
	{"lb_build_info",
	 METRIC_INFO,
	 FIGURES_BUILD,
	 VALUE_ONE,
	 {{0, NULL}},
	 "The agent's version, as a label."},
	{"process_cpu_seconds_total", METRIC_COUNTER, FIGURES_AGENT, VALUE_MEASURE,
	 AGENT(process.cpu_seconds), "Time that the agent's process spent on processors."},
	{"process_resident_memory_bytes", METRIC_GAUGE, FIGURES_AGENT, VALUE_COUNT,
	 AGENT(process.resident_bytes), "Memory of the agent's process."},
	{"process_virtual_memory_bytes", METRIC_GAUGE, FIGURES_AGENT, VALUE_COUNT,
	 AGENT(process.virtual_bytes), "Addresses of the agent's process, used or not."},
	{"process_open_fds", METRIC_GAUGE, FIGURES_AGENT, VALUE_COUNT, AGENT(process.open_fds),
	 "Files and sockets that the agent's process has open."},
	{"process_max_fds", METRIC_GAUGE, FIGURES_AGENT, VALUE_COUNT, AGENT(process.max_fds),
	 "Files and sockets that it may have open."},
	{"process_start_time_seconds", METRIC_GAUGE, FIGURES_AGENT, VALUE_MEASURE,
	 AGENT(process_started), "When the agent's process began, in Unix time."},
};

#define FAMILIES (sizeof(families) / sizeof(families[0]))

static void put_field(struct metrics_text *text, enum value_kind kind, const char *labels,
		      const char *more, const void *value)
{
	switch (kind) {
	case VALUE_ONE:
		metrics_text_count(text, labels, more, 1);
		break;
	case VALUE_COUNT:
		metrics_text_count(text, labels, more, *(const uint64_t *)value);
		break;
	case VALUE_MEASURE:
		metrics_text_measure(text, labels, more, *(const double *)value);
		break;
	case VALUE_SECONDS:
		metrics_text_seconds(text, labels, more, *(const uint64_t *)value);
		break;
	case VALUE_LATENCY:
		metrics_text_latency(text, labels, value);
		break;
	}
}

static void put_item(struct metrics_text *text, const struct family *family, const char *item)
{
	const char *labels = ((const struct labels_only *)(const void *)item)->labels, *more;

	for (size_t i = 0; i < FIELDS_MAX; i++) {
		more = family->fields[i].more;
		if (i > 0 && !more)
			break;
		put_field(text, family->kind, labels, more ? more : "",
			  item + family->fields[i].offset);
	}
}

/* The head, then the items. False: there is no room for more. */
static bool put_family(struct metrics_text *text, const struct family *family,
		       struct metrics_page *page)
{
	const struct figures_list *list = &page->figures->lists[family->list];

	text->name = family->name;
	for (; page->step <= list->count; page->step++) {
		if (!metrics_text_has_room(text))
			return false;
		if (page->step == 0)
			metrics_text_family(text, family->name, family->type, family->help);
		else
			put_item(text, family,
				 (const char *)list->items + (page->step - 1) * list->stride);
	}
	return true;
}

size_t metrics_page_next(struct metrics_page *page, char *buffer, size_t size)
{
	struct metrics_text text = {
		.at = buffer, .end = buffer + size, .openmetrics = page->openmetrics};

	while (page->family < FAMILIES && put_family(&text, &families[page->family], page)) {
		page->family++;
		page->step = 0;
	}
	if (page->family == FAMILIES && !page->ended && metrics_text_has_room(&text)) {
		metrics_text_end(&text);
		page->ended = true;
	}
	return (size_t)(text.at - buffer);
}

bool metrics_wants_openmetrics(const char *accept)
{
	struct accept open = accept_find(accept, "application/openmetrics-text", "1.0.0");
	struct accept plain = accept_find(accept, "text/plain", "0.0.4");

	/* who takes either without naming it is given what people can read without more */
	return open.quality > plain.quality ||
	       (open.quality && open.quality == plain.quality && open.specificity > 0 &&
		open.specificity >= plain.specificity);
}
