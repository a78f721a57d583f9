/* SPDX-License-Identifier: Apache-2.0 */

/* The balancer's own figures as samples for the autoscaler. */
#include <stdio.h>
#include <stdlib.h>

#include "autoscale_source.h"

void scale_own_clear(struct scale_own *own)
{
	free(own->counts);
	scale_handshakes_clear(&own->handshakes);
	*own = (struct scale_own){0};
}

static double active_flows(const struct manager *manager, const struct service_spec *service)
{
	double sum = 0;

	for (size_t i = 0; i < service->backend_count; i++)
		sum += manager_backend(manager, &service->backends[i]).active_flows;
	return sum;
}

static uint64_t packets(const struct manager *manager, const struct service_spec *service)
{
	struct dataplane *dp = manager_dataplane(manager);
	struct lb_traffic stats;
	uint64_t sum = 0;

	for (size_t i = 0; i < service->vip_count; i++) {
		dp->ops->vip_stats(dp, service->vips[i].id, &stats);
		sum += stats.packets;
	}
	return sum;
}

/* The count of a backend at the last time; now itself if it was not there. */
static uint64_t former_count(const struct scale_own *own, uint16_t id, uint64_t now)
{
	for (size_t i = 0; i < own->count; i++) {
		if (own->counts[i].id == id)
			return own->counts[i].new_flows;
	}
	return now;
}

/* Since the last time; backends come and go, each with a counter of its own. */
static bool count_flows(struct scale_own *own, const struct manager *manager,
			const struct service_spec *service, uint64_t *ret_flows)
{
	struct dataplane *dp = manager_dataplane(manager);
	struct scale_count *counts = calloc(service->backend_count + 1, sizeof(*counts));
	struct lb_backend_stats stats;
	uint64_t before;

	*ret_flows = 0;
	for (size_t i = 0; counts && i < service->backend_count; i++) {
		dp->ops->backend_stats(dp, service->backends[i].id, &stats);
		before = former_count(own, service->backends[i].id, stats.new_flows);
		counts[i].id = service->backends[i].id;
		counts[i].new_flows = stats.new_flows;
		*ret_flows += stats.new_flows > before ? stats.new_flows - before : 0;
	}
	if (!counts)
		return false;
	free(own->counts);
	own->counts = counts;
	own->count = service->backend_count;
	return true;
}

/* Of checks that passed last, the mean over backends that are up. */
static bool probe_latency(const struct manager *manager, const struct service_spec *service,
			  double *ret_value)
{
	struct backend_view view;
	unsigned int count = 0;
	double sum = 0;

	for (size_t i = 0; i < service->backend_count; i++) {
		view = manager_backend(manager, &service->backends[i]);
		if (view.status != BACKEND_UP || view.check_seconds <= 0)
			continue;
		sum += view.check_seconds;
		count++;
	}
	*ret_value = count ? sum / count : 0;
	return count;
}

bool scale_own_read(struct scale_own *own, const struct manager *manager,
		    const struct service_spec *service, uint64_t now_ms, double *ret_value,
		    char reason[SCALE_SOURCE_REASON_MAX])
{
	uint64_t former_ms = own->time_ms, former = own->packets, flows = 0;
	double seconds = (double)(now_ms - former_ms) / 1000;

	if (service->scale.metric == SCALE_METRIC_ACTIVE_FLOWS) {
		*ret_value = active_flows(manager, service);
		return true;
	}
	if (service->scale.metric == SCALE_METRIC_PROBE_LATENCY) {
		snprintf(reason, SCALE_SOURCE_REASON_MAX, "no check has passed yet");
		return probe_latency(manager, service, ret_value);
	}
	if (service->scale.metric == SCALE_METRIC_HANDSHAKE_P95)
		return scale_handshakes_read(&own->handshakes, manager, service, 0.95, ret_value,
					     reason);
	snprintf(reason, SCALE_SOURCE_REASON_MAX, "a rate needs two looks");
	if (service->scale.metric == SCALE_METRIC_PACKETS)
		own->packets = packets(manager, service);
	else if (!count_flows(own, manager, service, &flows))
		return false;
	own->time_ms = now_ms;
	if (!former_ms || now_ms <= former_ms || own->packets < former)
		return false;
	*ret_value = (double)(service->scale.metric == SCALE_METRIC_PACKETS ? own->packets - former
									    : flows) /
		     seconds;
	return true;
}
