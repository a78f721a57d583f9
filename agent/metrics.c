/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics.h"

#include <stdio.h>
#include <stdlib.h>

#include "autoscale_view.h"
#include "view.h"

/* What one line about a backend is made from. */
struct backend_figures {
	const struct service_spec *service;
	const struct backend_spec *spec;
	struct backend_view view;
	struct lb_backend_stats stats;
	char endpoint[ENDPOINT_TEXT_MAX];
};

static void head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* --- services --- */

static void vip_series(FILE *out, const struct manager *manager, const char *name, bool bytes)
{
	const struct desired *desired = manager_desired(manager);
	struct dataplane *dp = manager_dataplane(manager);
	const struct service_spec *service;
	char text[VIP_TEXT_MAX];
	struct lb_traffic stats;
	size_t i, v;

	for (i = 0; i < desired->service_count; i++) {
		service = &desired->services[i];
		for (v = 0; v < service->vip_count; v++) {
			dp->ops->vip_stats(dp, service->vips[v].id, &stats);
			fprintf(out, "%s{service=\"%s\",vip=\"%s\"} %llu\n", name, service->name,
				format_vip(&service->vips[v].vip, text),
				(unsigned long long)(bytes ? stats.bytes : stats.packets));
		}
	}
}

static void service_metrics(FILE *out, const struct manager *manager)
{
	const struct desired *desired = manager_desired(manager);
	size_t i;

	head(out, "lb_service_packets_total", "counter", "Packets from clients to a VIP.");
	vip_series(out, manager, "lb_service_packets_total", false);
	head(out, "lb_service_bytes_total", "counter",
	     "Bytes from clients to a VIP, Ethernet headers included.");
	vip_series(out, manager, "lb_service_bytes_total", true);
	head(out, "lb_service_panic", "gauge",
	     "1 if backends that are down get flows, for too few are up, else 0.");
	for (i = 0; i < desired->service_count; i++)
		fprintf(out, "lb_service_panic{service=\"%s\"} %d\n", desired->services[i].name,
			manager_panics(manager, &desired->services[i]));
}

/* --- backends --- */

static uint64_t packets(const struct backend_figures *f)
{
	return f->stats.traffic.packets;
}

static uint64_t bytes(const struct backend_figures *f)
{
	return f->stats.traffic.bytes;
}

static uint64_t new_flows(const struct backend_figures *f)
{
	return f->stats.new_flows;
}

static uint64_t syn_retransmits(const struct backend_figures *f)
{
	return f->stats.syn_retransmits;
}

static double active_flows(const struct backend_figures *f)
{
	return f->view.active_flows;
}

static double up(const struct backend_figures *f)
{
	return f->view.status == BACKEND_UP;
}

static double enabled(const struct backend_figures *f)
{
	return f->spec->state == ADMIN_UP && !f->spec->removing;
}

static double weight(const struct backend_figures *f)
{
	return f->spec->weight;
}

static double effective_weight(const struct backend_figures *f)
{
	return f->view.weight;
}

static double suspect(const struct backend_figures *f)
{
	return f->view.suspect;
}

static uint64_t ejections(const struct backend_figures *f)
{
	return f->view.ejections;
}

static double share(const struct backend_figures *f)
{
	return f->view.share;
}

/* Either counted or measured. */
static const struct backend_series {
	const char *name, *help;
	uint64_t (*count)(const struct backend_figures *figures);
	double (*measure)(const struct backend_figures *figures);
} backend_series[] = {
	{"lb_backend_packets_total", "Packets sent to a backend.", .count = packets},
	{"lb_backend_bytes_total",
	 "Bytes sent to a backend, Ethernet headers as they came in included.", .count = bytes},
	{"lb_backend_new_flows_total", "Flows scheduled to a backend.", .count = new_flows},
	{"lb_backend_syn_retransmits_total",
	 "SYNs repeated by clients of a backend before an answer.", .count = syn_retransmits},
	{"lb_backend_active_flows", "Flows of a backend in the flow table.",
	 .measure = active_flows},
	{"lb_backend_up", "1 if a backend's status is up, else 0.", .measure = up},
	{"lb_backend_enabled", "1 if a backend is asked to serve, else 0.", .measure = enabled},
	{"lb_backend_weight", "A backend's weight.", .measure = weight},
	{"lb_backend_effective_weight", "The weight it has at the moment: less in a slow start.",
	 .measure = effective_weight},
	{"lb_backend_suspect", "1 if clients repeat more SYNs to it than to its peers, else 0.",
	 .measure = suspect},
	{"lb_backend_ejections_total", "Times it was ejected since the agent's start.",
	 .count = ejections},
	{"lb_backend_share_ratio", "A backend's part of its service's new flows, 0 to 1.",
	 .measure = share},
};

/* All backends of all services; *ret_count of them. NULL: out of memory. */
static struct backend_figures *gather(const struct manager *manager, size_t *ret_count)
{
	const struct desired *desired = manager_desired(manager);
	struct dataplane *dp = manager_dataplane(manager);
	struct backend_figures *all, *f;
	size_t i, b, count = 0;

	for (i = 0; i < desired->service_count; i++)
		count += desired->services[i].backend_count;
	*ret_count = 0;
	all = calloc(count + 1, sizeof(*all)); /* never of size 0 */
	for (i = 0; all && i < desired->service_count; i++) {
		for (b = 0; b < desired->services[i].backend_count; b++) {
			f = &all[(*ret_count)++];
			f->service = &desired->services[i];
			f->spec = &f->service->backends[b];
			f->view = manager_backend(manager, f->spec);
			dp->ops->backend_stats(dp, f->spec->id, &f->stats);
			format_endpoint(&f->spec->endpoint, f->endpoint);
		}
	}
	return all;
}

static void check_series(FILE *out, const struct backend_figures *all, size_t count)
{
	size_t i;

	head(out, "lb_health_checks_total", "counter", "Health checks of a backend, by result.");
	for (i = 0; i < count; i++) {
		fprintf(out,
			"lb_health_checks_total{service=\"%s\",backend=\"%s\",result=\"pass\"} "
			"%llu\n",
			all[i].service->name, all[i].endpoint,
			(unsigned long long)all[i].view.checks_passed);
		fprintf(out,
			"lb_health_checks_total{service=\"%s\",backend=\"%s\",result=\"fail\"} "
			"%llu\n",
			all[i].service->name, all[i].endpoint,
			(unsigned long long)all[i].view.checks_failed);
	}
}

static void put_series(FILE *out, const struct backend_series *series,
		       const struct backend_figures *all, size_t count)
{
	size_t i;

	head(out, series->name, series->count ? "counter" : "gauge", series->help);
	for (i = 0; i < count; i++) {
		fprintf(out, "%s{service=\"%s\",backend=\"%s\"} ", series->name,
			all[i].service->name, all[i].endpoint);
		if (series->count)
			fprintf(out, "%llu\n", (unsigned long long)series->count(&all[i]));
		else
			fprintf(out, "%.15g\n", series->measure(&all[i]));
	}
}

/* False: out of memory. */
static bool backend_metrics(FILE *out, const struct manager *manager)
{
	size_t count, s;
	struct backend_figures *all = gather(manager, &count);

	if (!all)
		return false;
	for (s = 0; s < sizeof(backend_series) / sizeof(backend_series[0]); s++)
		put_series(out, &backend_series[s], all, count);
	check_series(out, all, count);
	free(all);
	return true;
}

/* --- the data plane and the agent --- */

/* Packets by verdict, of those that name_of() has a name for. */
static void verdict_series(FILE *out, struct dataplane *dp, const char *metric, const char *label,
			   const char *(*name_of)(enum lb_verdict))
{
	struct lb_traffic stats;
	const char *name;
	int verdict;

	for (verdict = 0; verdict < LB_VERDICT_COUNT; verdict++) {
		name = name_of((enum lb_verdict)verdict);
		if (!name)
			continue;
		dp->ops->verdict_stats(dp, (enum lb_verdict)verdict, &stats);
		fprintf(out, "%s{%s=\"%s\"} %llu\n", metric, label, name,
			(unsigned long long)stats.packets);
	}
}

static void verdict_metrics(FILE *out, struct dataplane *dp)
{
	head(out, "lb_drops_total", "counter", "Packets dropped, by reason.");
	verdict_series(out, dp, "lb_drops_total", "reason", view_drop_reason);
	head(out, "lb_replies_total", "counter", "Packets answered by the balancer, by kind.");
	verdict_series(out, dp, "lb_replies_total", "kind", view_reply_kind);
}

static void flow_metrics(FILE *out, const struct manager *manager)
{
	static const char *const states[LB_FLOW_STATES] = {
		[LB_FLOW_EMBRYONIC] = "embryonic",
		[LB_FLOW_ESTABLISHED] = "established",
		[LB_FLOW_CLOSING] = "closing",
	};
	const struct flow_counts *flows = manager_flows(manager);
	struct dataplane *dp = manager_dataplane(manager);
	struct lb_flow_stats stats;
	int state;

	head(out, "lb_flow_table_entries", "gauge", "Entries of the flow table, by state.");
	for (state = LB_FLOW_EMBRYONIC; state < LB_FLOW_STATES; state++)
		fprintf(out, "lb_flow_table_entries{state=\"%s\"} %u\n", states[state],
			flows->by_state[state]);
	head(out, "lb_flow_table_size", "gauge", "Entries that the flow table has room for.");
	fprintf(out, "lb_flow_table_size %u\n", dp->sizes.flows);
	dp->ops->flow_stats(dp, &stats);
	head(out, "lb_flow_table_evictions_total", "counter",
	     "Live entries pushed out of a full bucket, by state.");
	for (state = LB_FLOW_EMBRYONIC; state < LB_FLOW_STATES; state++)
		fprintf(out, "lb_flow_table_evictions_total{state=\"%s\"} %llu\n", states[state],
			(unsigned long long)stats.evictions[state]);
}

static void gauge(FILE *out, const char *name, const char *help, double value)
{
	head(out, name, "gauge", help);
	fprintf(out, "%s %.9g\n", name, value);
}

char *metrics_text(const struct manager *manager, const struct autoscaler *autoscaler,
		   uint64_t refused_tokens, size_t *ret_length)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_length);
	bool whole;

	if (!out)
		return NULL;
	service_metrics(out, manager);
	whole = backend_metrics(out, manager);
	verdict_metrics(out, manager_dataplane(manager));
	flow_metrics(out, manager);
	if (autoscaler)
		autoscale_metrics(out, autoscaler);
	gauge(out, "lb_table_build_seconds", "Time the last table took to build.",
	      manager_build_seconds(manager));
	gauge(out, "lb_sync_seconds", "Time the last change took to reach the data plane.",
	      manager_sync_seconds(manager));
	gauge(out, "lb_in_sync", "1 if the data plane is as it was asked to be, else 0.",
	      manager_out_of_sync(manager) ? 0 : 1);
	head(out, "lb_api_refused_tokens_total", "counter",
	     "Tokens that the TCP listener refused.");
	fprintf(out, "lb_api_refused_tokens_total %llu\n", (unsigned long long)refused_tokens);
	head(out, "lb_build_info", "gauge", "The agent's version, as a label.");
	fprintf(out, "lb_build_info{version=\"%s\"} 1\n", SLUICE_VERSION);
	whole = whole && !ferror(out);
	if (fclose(out) || !whole) { /* half a page would look as if backends were gone */
		free(text);
		return NULL;
	}
	return text;
}
