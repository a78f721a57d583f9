/* SPDX-License-Identifier: Apache-2.0 */
#include "summary.h"

#include <string.h>

#include "json.h"
#include "view.h"

#define STATUSES (BACKEND_EJECTED + 1)

/* What cannot be added to a document makes it none: these are false when out of memory. */

static bool add_number(cJSON *json, const char *key, uint64_t number)
{
	return cJSON_AddNumberToObject(json, key, (double)number);
}

/* --- all services --- */

/* {"total": 3, "up": 2, "down": 1}: how many have which status, and how many flows all have. */
static bool add_statuses(cJSON *json, const struct manager *manager,
			 const struct service_spec *service)
{
	cJSON *counts = cJSON_AddObjectToObject(json, "backends");
	bool whole = counts && add_number(counts, "total", service->backend_count);
	uint64_t by_status[STATUSES] = {0}, flows = 0;
	struct backend_view view;
	size_t i;

	for (i = 0; i < service->backend_count; i++) {
		view = manager_backend(manager, &service->backends[i]);
		by_status[view.status]++;
		flows += view.active_flows;
	}
	for (i = 0; whole && i < STATUSES; i++) {
		if (by_status[i])
			whole = add_number(counts, backend_status_name((enum backend_status)i),
					   by_status[i]);
	}
	return whole && add_number(json, "active-flows", flows);
}

static bool add_vips(cJSON *json, const struct manager *manager, const struct service_spec *service)
{
	struct dataplane *dp = manager_dataplane(manager);
	cJSON *array = cJSON_AddArrayToObject(json, "vip");
	struct lb_traffic sum = {0}, stats;
	char text[VIP_TEXT_MAX];
	bool whole = array;
	size_t i;

	for (i = 0; whole && i < service->vip_count; i++) {
		whole = json_add_item(array,
				      cJSON_CreateString(format_vip(&service->vips[i].vip, text)));
		dp->ops->vip_stats(dp, service->vips[i].id, &stats);
		sum.packets += stats.packets;
		sum.bytes += stats.bytes;
	}
	return whole && add_number(json, "packets", sum.packets) &&
	       add_number(json, "bytes", sum.bytes);
}

static cJSON *summary_service(const struct manager *manager, const struct service_spec *service)
{
	cJSON *json = cJSON_CreateObject();
	const char *check = check_kind_words[service->check.kind];

	return json_whole(
		json,
		json && cJSON_AddStringToObject(json, "name", service->name) &&
			cJSON_AddStringToObject(json, "mode", mode_words[service->mode]) &&
			cJSON_AddStringToObject(json, "check", check) &&
			cJSON_AddBoolToObject(json, "panic", manager_panics(manager, service)) &&
			add_vips(json, manager, service) && add_statuses(json, manager, service) &&
			view_add_digests(json, manager, service));
}

cJSON *summary_services(const struct manager *manager)
{
	const struct desired *desired = manager_desired(manager);
	cJSON *json = cJSON_CreateObject();
	cJSON *array = json ? cJSON_AddArrayToObject(json, "services") : NULL;
	bool whole = array;
	size_t i;

	for (i = 0; whole && i < desired->service_count; i++)
		whole = json_add_item(array, summary_service(manager, &desired->services[i]));
	return json_whole(json, whole);
}

/* --- a part of the backends of one --- */

struct sums {
	uint64_t matching, active_flows, new_flows, packets, bytes;
};

static bool matches(const struct backend_view *view, const struct summary_part *part)
{
	return !part->status || strcmp(backend_status_name(view->status), part->status) == 0;
}

static void count(struct sums *sums, struct dataplane *dp, const struct backend_spec *backend,
		  const struct backend_view *view)
{
	struct lb_backend_stats stats;

	dp->ops->backend_stats(dp, backend->id, &stats);
	sums->active_flows += view->active_flows;
	sums->new_flows += stats.new_flows;
	sums->packets += stats.traffic.packets;
	sums->bytes += stats.traffic.bytes;
}

static bool add_part(cJSON *array, struct sums *sums, const struct manager *manager,
		     const struct service_spec *service, const struct summary_part *part)
{
	struct dataplane *dp = manager_dataplane(manager);
	const struct backend_spec *backend;
	struct backend_view view;
	bool whole = array;
	size_t i;

	for (i = 0; whole && i < service->backend_count; i++) {
		backend = &service->backends[i];
		view = manager_backend(manager, backend);
		count(sums, dp, backend, &view);
		if (!matches(&view, part))
			continue;
		if (sums->matching >= part->offset && sums->matching - part->offset < part->limit)
			whole = json_add_item(array, view_backend(manager, backend));
		sums->matching++;
	}
	return whole;
}

cJSON *summary_backends(const struct manager *manager, const struct service_spec *service,
			const struct summary_part *part)
{
	cJSON *json = cJSON_CreateObject();
	cJSON *array = json ? cJSON_AddArrayToObject(json, "backends") : NULL;
	struct sums sums = {0};
	bool whole = add_part(array, &sums, manager, service, part);

	return json_whole(json, whole && add_number(json, "total", service->backend_count) &&
					add_number(json, "matching", sums.matching) &&
					add_number(json, "active-flows", sums.active_flows) &&
					add_number(json, "new-flows", sums.new_flows) &&
					add_number(json, "packets", sums.packets) &&
					add_number(json, "bytes", sums.bytes));
}

bool summary_knows_status(const char *status)
{
	int i;

	for (i = 0; i < STATUSES; i++) {
		if (strcmp(backend_status_name((enum backend_status)i), status) == 0)
			return true;
	}
	return false;
}
