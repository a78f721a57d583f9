/* SPDX-License-Identifier: Apache-2.0 */
#include "view.h"

#include <stdio.h>
#include <time.h>

#include "config.h"

static void add_time(cJSON *json, const char *key, uint64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	char text[48];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", tm.tm_year + 1900,
		 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		 (unsigned int)(ms % 1000));
	cJSON_AddStringToObject(json, key, text);
}

/* Four digits: what a table of 65537 slots can tell apart. */
static double rounded(double share)
{
	return (double)(uint64_t)(share * 10000 + 0.5) / 10000;
}

cJSON *view_backend(const struct manager *manager, const struct backend_spec *backend)
{
	struct backend_view view = manager_backend(manager, backend);
	struct dataplane *dp = manager_dataplane(manager);
	cJSON *json = config_write_backend(backend);
	struct lb_backend_stats stats;

	if (!json)
		return NULL;
	dp->ops->backend_stats(dp, backend->id, &stats);
	cJSON_AddStringToObject(json, "status", backend_status_name(view.status));
	cJSON_AddStringToObject(json, "reason", view.reason);
	add_time(json, "since", view.since_ms);
	cJSON_AddNumberToObject(json, "share", rounded(view.share));
	cJSON_AddNumberToObject(json, "active-flows", view.active_flows);
	cJSON_AddNumberToObject(json, "new-flows", (double)stats.new_flows);
	cJSON_AddNumberToObject(json, "packets", (double)stats.traffic.packets);
	cJSON_AddNumberToObject(json, "bytes", (double)stats.traffic.bytes);
	cJSON_AddNumberToObject(json, "syn-retransmits", (double)stats.syn_retransmits);
	return json;
}

/* Adds item (NULL: out of memory) to array; false if that fails. */
static bool add_item(cJSON *array, cJSON *item)
{
	if (item && cJSON_AddItemToArray(array, item))
		return true;
	cJSON_Delete(item);
	return false;
}

static cJSON *backend_array(const struct manager *manager, const struct service_spec *service)
{
	cJSON *array = cJSON_CreateArray();
	size_t i;

	for (i = 0; array && i < service->backend_count; i++) {
		if (!add_item(array, view_backend(manager, &service->backends[i]))) {
			cJSON_Delete(array);
			return NULL;
		}
	}
	return array;
}

/* {"key": value}; takes value over. */
static cJSON *wrap(const char *key, cJSON *value)
{
	cJSON *json = value ? cJSON_CreateObject() : NULL;

	if (json && cJSON_AddItemToObject(json, key, value))
		return json;
	cJSON_Delete(json);
	cJSON_Delete(value);
	return NULL;
}

cJSON *view_backends(const struct manager *manager, const struct service_spec *service)
{
	return wrap("backends", backend_array(manager, service));
}

cJSON *view_service(const struct manager *manager, const struct service_spec *service)
{
	struct dataplane *dp = manager_dataplane(manager);
	cJSON *json = config_write_service(service);
	cJSON *backends = json ? backend_array(manager, service) : NULL;
	struct lb_traffic sum = {0}, stats;
	size_t i;

	if (!backends) {
		cJSON_Delete(json);
		return NULL;
	}
	cJSON_ReplaceItemInObjectCaseSensitive(json, "backends", backends);
	for (i = 0; i < service->vip_count; i++) {
		dp->ops->vip_stats(dp, service->vips[i].id, &stats);
		sum.packets += stats.packets;
		sum.bytes += stats.bytes;
	}
	cJSON_AddNumberToObject(json, "packets", (double)sum.packets);
	cJSON_AddNumberToObject(json, "bytes", (double)sum.bytes);
	return json;
}

cJSON *view_services(const struct manager *manager)
{
	const struct desired *desired = manager_desired(manager);
	cJSON *array = cJSON_CreateArray();
	size_t i;

	for (i = 0; array && i < desired->service_count; i++) {
		if (!add_item(array, view_service(manager, &desired->services[i]))) {
			cJSON_Delete(array);
			return NULL;
		}
	}
	return wrap("services", array);
}

static void add_interfaces(cJSON *json, const struct dataplane_interface *interfaces, size_t count)
{
	cJSON *array = cJSON_AddArrayToObject(json, "interfaces"), *item;
	size_t i;

	for (i = 0; i < count; i++) {
		item = cJSON_CreateObject();
		cJSON_AddStringToObject(item, "name", interfaces[i].name);
		cJSON_AddStringToObject(item, "mode", interfaces[i].mode);
		cJSON_AddStringToObject(item, "attached-by", interfaces[i].attached_by);
		cJSON_AddItemToArray(array, item);
	}
}

static void add_limits(cJSON *json, const struct dataplane_sizes *sizes)
{
	cJSON *limits = cJSON_AddObjectToObject(json, "limits");

	cJSON_AddNumberToObject(limits, "services", sizes->services);
	cJSON_AddNumberToObject(limits, "backends", sizes->backends);
	cJSON_AddNumberToObject(limits, "vips", sizes->vips);
	cJSON_AddNumberToObject(limits, "flows", sizes->flows);
	cJSON_AddNumberToObject(limits, "nat-flows", sizes->nat_flows);
	cJSON_AddNumberToObject(limits, "table-size", sizes->table_size);
}

static void add_used(cJSON *json, const struct manager *manager)
{
	const struct desired *desired = manager_desired(manager);
	const struct flow_counts *flows = manager_flows(manager);
	struct dataplane *dp = manager_dataplane(manager);
	cJSON *used = cJSON_AddObjectToObject(json, "used");
	size_t i, vips = 0, backends = 0;

	for (i = 0; i < desired->service_count; i++) {
		vips += desired->services[i].vip_count;
		backends += desired->services[i].backend_count;
	}
	cJSON_AddNumberToObject(used, "services", (double)desired->service_count);
	cJSON_AddNumberToObject(used, "backends", (double)backends);
	cJSON_AddNumberToObject(used, "vips", (double)vips);
	cJSON_AddNumberToObject(used, "flows",
				(double)flows->by_state[LB_FLOW_EMBRYONIC] +
					flows->by_state[LB_FLOW_ESTABLISHED] +
					flows->by_state[LB_FLOW_CLOSING]);
	cJSON_AddNumberToObject(used, "nat-flows", dp->ops->nat_flow_count(dp));
}

const char *view_drop_reason(enum lb_verdict verdict)
{
	static const struct {
		const char *label;
		bool drop;
	} verdicts[LB_VERDICT_COUNT] = {
#define PASS                        false
#define SEND                        false
#define DROP                        true
#define X(name, label, class, text) [LB_##name] = {label, class},
		LB_VERDICTS(X)
#undef X
#undef PASS
#undef SEND
#undef DROP
	};

	return verdicts[verdict].drop ? verdicts[verdict].label : NULL;
}

static void add_drops(cJSON *json, struct dataplane *dp)
{
	cJSON *drops = cJSON_AddObjectToObject(json, "drops");
	struct lb_traffic stats;
	int verdict;

	for (verdict = 0; verdict < LB_VERDICT_COUNT; verdict++) {
		if (!view_drop_reason((enum lb_verdict)verdict))
			continue;
		dp->ops->verdict_stats(dp, (enum lb_verdict)verdict, &stats);
		cJSON_AddNumberToObject(drops, view_drop_reason((enum lb_verdict)verdict),
					(double)stats.packets);
	}
}

cJSON *view_status(const struct manager *manager, const struct dataplane_interface *interfaces,
		   size_t count, double uptime)
{
	const char *problem = manager_out_of_sync(manager);
	cJSON *json = cJSON_CreateObject();

	if (!json)
		return NULL;
	cJSON_AddStringToObject(json, "version", SLUICE_VERSION);
	cJSON_AddNumberToObject(json, "uptime-seconds", (double)(uint64_t)(uptime * 10) / 10);
	cJSON_AddNumberToObject(json, "generation", (double)manager_desired(manager)->generation);
	cJSON_AddBoolToObject(json, "in-sync", problem == NULL);
	if (problem)
		cJSON_AddStringToObject(json, "sync-error", problem);
	add_interfaces(json, interfaces, count);
	add_limits(json, &manager_dataplane(manager)->sizes);
	add_used(json, manager);
	add_drops(json, manager_dataplane(manager));
	return json;
}
