/* SPDX-License-Identifier: Apache-2.0 */
#include "view.h"

#include <stdio.h>

#include "config.h"
#include "cookies.h"
#include "digest.h"
#include "json.h"
#include "latency.h"
#include "verdict_words.h"

/* What cannot be added to a document makes it none: these are false when out of memory. */

static bool add_text(cJSON *json, const char *key, const char *text)
{
	return cJSON_AddStringToObject(json, key, text);
}

static bool add_number(cJSON *json, const char *key, double number)
{
	return cJSON_AddNumberToObject(json, key, number);
}

static bool add_time(cJSON *json, const char *key, uint64_t ms)
{
	char text[TIME_TEXT_MAX];

	return add_text(json, key, format_time(ms, text));
}

/* Four digits: what a table of 65537 slots can tell apart. */
static double rounded(double share)
{
	return (double)(uint64_t)(share * 10000 + 0.5) / 10000;
}

/* How far a drain has come; null while there is none. */
static bool add_drain(cJSON *json, const struct backend_spec *backend,
		      const struct backend_view *view)
{
	cJSON *drain;

	if (!view->draining)
		return cJSON_AddNullToObject(json, "drain");
	drain = cJSON_AddObjectToObject(json, "drain");
	return drain && add_number(drain, "flows-at-begin", view->drain_flows) &&
	       add_number(drain, "flows-left", view->active_flows) &&
	       (backend->deadline_ms ? add_time(drain, "deadline", backend->deadline_ms)
				     : add_text(drain, "deadline", ""));
}

static bool add_numbers(cJSON *json, const char *key, const double *numbers, int count)
{
	cJSON *array = cJSON_CreateDoubleArray(numbers, count);

	if (array && cJSON_AddItemToObject(json, key, array))
		return true;
	cJSON_Delete(array);
	return false;
}

/* As JSON, written once: doubles are dear to print, and every backend has the same. */
static const char *bounds_text(void)
{
	static char text[16 * LB_LATENCY_BUCKETS];
	size_t used = 0;
	int i;

	if (text[0])
		return text;
	for (i = 0; i < LB_LATENCY_BUCKETS - 1; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%c%g", i ? ',' : '[',
					 latency_bounds[i]);
	snprintf(text + used, sizeof(text) - used, "]");
	return text;
}

/* How long clients waited for it. */
static bool add_handshake(cJSON *json, const struct lb_latency *latency)
{
	const struct latency_view view = latency_look(latency);
	cJSON *handshake = cJSON_AddObjectToObject(json, "handshake");
	double buckets[LB_LATENCY_BUCKETS];
	int i;

	for (i = 0; i < LB_LATENCY_BUCKETS; i++)
		buckets[i] = (double)view.up_to[i];
	return handshake && add_number(handshake, "count", (double)latency_count(&view)) &&
	       add_number(handshake, "sum", (double)view.sum_ns / 1e9) &&
	       cJSON_AddRawToObject(handshake, "le", bounds_text()) &&
	       add_numbers(handshake, "buckets", buckets, LB_LATENCY_BUCKETS);
}

/* Null where it is not known. */
static bool add_known(cJSON *json, const char *key, double number)
{
	return (number < 0 ? cJSON_AddNullToObject(json, key)
			   : cJSON_AddNumberToObject(json, key, number)) != NULL;
}

/* What its weight follows; null where it follows nothing. */
static bool add_load(cJSON *json, const struct backend_load *load)
{
	cJSON *object;

	if (!load->asked)
		return cJSON_AddNullToObject(json, "load");
	object = cJSON_AddObjectToObject(json, "load");
	return object && add_known(object, "load", load->known ? load->reading.load : -1) &&
	       add_known(object, "age", load->known ? rounded(load->age_s) : -1) &&
	       add_known(object, "wait", load->known ? load->reading.wait_s : -1) &&
	       add_known(object, "repeated", load->known ? load->reading.repeated : -1) &&
	       add_known(object, "pressure", load->known ? load->pressure : -1) &&
	       add_known(object, "target", load->target > 0 ? load->target : -1) &&
	       add_known(object, "next", load->next > 0 ? load->next : -1) &&
	       add_number(object, "failures", (double)load->failures) &&
	       add_text(object, "problem", load->problem);
}

cJSON *view_backend(const struct manager *manager, const struct backend_spec *backend)
{
	struct backend_view view = manager_backend(manager, backend);
	struct dataplane *dp = manager_dataplane(manager);
	cJSON *json = config_write_backend(backend);
	struct lb_backend_stats stats;
	bool whole;

	if (!json)
		return NULL;
	dp->ops->backend_stats(dp, backend->id, &stats);
	whole = add_text(json, "status", backend_status_name(view.status)) &&
		add_text(json, "reason", view.reason) &&
		add_text(json, "check-via", view.check_via) &&
		add_text(json, "check-via-reason", view.check_via_reason) &&
		add_time(json, "since", view.since_ms) &&
		add_number(json, "share", rounded(view.share)) &&
		add_number(json, "effective-weight", view.weight) && add_load(json, &view.load) &&
		cJSON_AddBoolToObject(json, "suspect", view.suspect) &&
		add_number(json, "ejections", view.ejections) &&
		add_number(json, "active-flows", view.active_flows) &&
		cJSON_AddBoolToObject(json, "drained", view.drained) &&
		add_drain(json, backend, &view) &&
		add_number(json, "new-flows", (double)stats.new_flows) &&
		add_number(json, "packets", (double)stats.traffic.packets) &&
		add_number(json, "bytes", (double)stats.traffic.bytes) &&
		add_number(json, "syn-retransmits", (double)stats.syn_retransmits) &&
		add_handshake(json, &dp->handshakes[backend->id]);
	return json_whole(json, whole);
}

static cJSON *backend_array(const struct manager *manager, const struct service_spec *service)
{
	cJSON *array = cJSON_CreateArray();
	size_t i;

	for (i = 0; array && i < service->backend_count; i++) {
		if (!json_add_item(array, view_backend(manager, &service->backends[i]))) {
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

/* How far its weights are on their way; null where they follow nothing. */
static bool add_load_state(cJSON *json, const struct manager *manager,
			   const struct service_spec *service)
{
	struct service_load load = manager_load(manager, service);
	cJSON *object;

	if (service->load.mode == LOAD_OFF)
		return cJSON_AddNullToObject(json, "load-state");
	object = cJSON_AddObjectToObject(json, "load-state");
	return object && cJSON_AddBoolToObject(object, "leads", load.leads) &&
	       cJSON_AddBoolToObject(object, "acts", load.state.acts) &&
	       add_number(object, "mean", load.state.mean) &&
	       add_number(object, "spread", load.state.spread) &&
	       add_number(object, "moved", rounded(load.state.moved)) &&
	       add_number(object, "steps", (double)load.steps);
}

/* Prefixes on its lists. */
static bool add_sources(cJSON *json, const struct manager *manager,
			const struct service_spec *service)
{
	cJSON *sources = cJSON_AddObjectToObject(json, "source-prefixes");

	return sources &&
	       add_number(sources, "allow", (double)manager_sources(manager, service, false)) &&
	       add_number(sources, "deny", (double)manager_sources(manager, service, true)) &&
	       cJSON_AddBoolToObject(sources, "loading", manager_sources_loading(manager, service));
}

/* Packets that were dropped, by reason; of all reasons those that have occurred. */
static bool add_service_drops(cJSON *json, struct dataplane *dp, const struct service_spec *service)
{
	cJSON *drops = cJSON_AddObjectToObject(json, "drops");
	struct lb_service_drops counts;
	bool whole = drops;
	int verdict;

	dp->ops->service_drops(dp, service->id, &counts);
	for (verdict = 0; whole && verdict < LB_VERDICT_COUNT; verdict++) {
		if (counts.packets[verdict])
			whole = add_number(drops, verdict_label((enum lb_verdict)verdict),
					   (double)counts.packets[verdict]);
	}
	return whole;
}

/* --- announced --- */

static bool add_digest(cJSON *json, const char *key, uint64_t digest)
{
	char text[DIGEST_TEXT_MAX];

	return add_text(json, key, digest_format(digest, text));
}

bool view_add_digests(cJSON *json, const struct manager *manager,
		      const struct service_spec *service)
{
	return add_digest(json, "table-digest", manager_table_digest(manager, service)) &&
	       add_digest(json, "config-digest", manager_config_digest(manager, service));
}

static cJSON *view_route(const struct announced_route *route)
{
	cJSON *json = cJSON_CreateObject();
	char prefix[PREFIX_TEXT_MAX];

	return json_whole(json,
			  json && add_text(json, "prefix", format_prefix(&route->prefix, prefix)) &&
				  cJSON_AddBoolToObject(json, "announced", route->announced) &&
				  add_text(json, "reason", route->reason) &&
				  (route->since_ms ? add_time(json, "since", route->since_ms)
						   : add_text(json, "since", "")));
}

static bool is_first(const struct service_spec *service, size_t index)
{
	const struct prefix prefix = announce_prefix(&service->vips[index].vip);
	struct prefix other;
	size_t i;

	for (i = 0; i < index; i++) {
		other = announce_prefix(&service->vips[i].vip);
		if (prefix_equal(&prefix, &other))
			return false;
	}
	return true;
}

/* Routes of a service's VIPs, each once; none where VIPs are not announced. */
static bool add_routes(cJSON *json, const struct manager *manager,
		       const struct service_spec *service)
{
	cJSON *array = cJSON_AddArrayToObject(json, "routes");
	struct announced_route route;
	bool whole = array;
	size_t i;

	for (i = 0; whole && i < service->vip_count; i++) {
		if (is_first(service, i) && manager_route(manager, &service->vips[i].vip, &route))
			whole = json_add_item(array, view_route(&route));
	}
	return whole;
}

static bool add_announce(cJSON *json, const struct manager *manager)
{
	const struct announce_view view = manager_announces(manager);

	return add_number(json, "table", view.table) && add_text(json, "state", view.state) &&
	       add_text(json, "reason", view.reason) &&
	       cJSON_AddBoolToObject(json, "withdrawn", manager_desired(manager)->withdrawn) &&
	       add_number(json, "routes", (double)view.routes) &&
	       add_number(json, "announced", (double)view.announced);
}

static cJSON *view_announced_service(const struct manager *manager,
				     const struct service_spec *service)
{
	cJSON *json = cJSON_CreateObject();

	return json_whole(json, json && add_text(json, "service", service->name) &&
					add_routes(json, manager, service));
}

cJSON *view_announce(const struct manager *manager)
{
	const struct desired *desired = manager_desired(manager);
	cJSON *json = cJSON_CreateObject(), *array;
	bool whole = json && add_announce(json, manager);
	size_t i;

	array = whole ? cJSON_AddArrayToObject(json, "services") : NULL;
	whole = array;
	for (i = 0; whole && i < desired->service_count; i++)
		whole = json_add_item(array,
				      view_announced_service(manager, &desired->services[i]));
	return json_whole(json, whole);
}

/* --- services --- */

cJSON *view_service(const struct manager *manager, const struct service_spec *service)
{
	struct dataplane *dp = manager_dataplane(manager);
	struct lb_traffic sum = {0}, stats;
	cJSON *json, *backends;
	size_t i;

	manager_config_digest(manager, service); /* now, while the memory is not yet taken */
	json = config_write_service(service);
	backends = json ? backend_array(manager, service) : NULL;
	/* Not replaced: cJSON 1.7.15 loses the key if there is no memory to copy it. */
	cJSON_DeleteItemFromObjectCaseSensitive(json, "backends");
	if (!backends || !cJSON_AddItemToObject(json, "backends", backends)) {
		cJSON_Delete(backends);
		cJSON_Delete(json);
		return NULL;
	}
	for (i = 0; i < service->vip_count; i++) {
		dp->ops->vip_stats(dp, service->vips[i].id, &stats);
		sum.packets += stats.packets;
		sum.bytes += stats.bytes;
	}
	return json_whole(
		json, cJSON_AddBoolToObject(json, "panic", manager_panics(manager, service)) &&
			      cJSON_AddBoolToObject(json, "syn-cookies-on",
						    cookies_on(dp, service, dp->ops->now(dp))) &&
			      add_load_state(json, manager, service) &&
			      view_add_digests(json, manager, service) &&
			      add_routes(json, manager, service) &&
			      add_number(json, "packets", (double)sum.packets) &&
			      add_number(json, "bytes", (double)sum.bytes) &&
			      add_sources(json, manager, service) &&
			      add_service_drops(json, dp, service));
}

cJSON *view_services(const struct manager *manager)
{
	const struct desired *desired = manager_desired(manager);
	cJSON *array = cJSON_CreateArray();
	size_t i;

	for (i = 0; array && i < desired->service_count; i++) {
		if (!json_add_item(array, view_service(manager, &desired->services[i]))) {
			cJSON_Delete(array);
			return NULL;
		}
	}
	return wrap("services", array);
}

/* Where it is not attached it has a reason, and the rest is empty. */
static bool add_interface(cJSON *array, const char *name, const char *mode, const char *attached_by,
			  const char *reason)
{
	cJSON *item = cJSON_CreateObject();

	return json_add_item(array, item) && add_text(item, "name", name) &&
	       cJSON_AddBoolToObject(item, "attached", reason[0] == '\0') &&
	       add_text(item, "mode", mode) && add_text(item, "attached-by", attached_by) &&
	       add_text(item, "reason", reason);
}

static bool add_interfaces(cJSON *json, const struct interface_views *views)
{
	cJSON *array = cJSON_AddArrayToObject(json, "interfaces");
	bool whole = array;
	size_t i;

	for (i = 0; whole && i < views->attached_count; i++)
		whole = add_interface(array, views->attached[i].name, views->attached[i].mode,
				      views->attached[i].attached_by, "");
	for (i = 0; whole && i < views->problem_count; i++)
		whole = add_interface(array, views->problems[i].name, "", "",
				      views->problems[i].reason);
	return whole;
}

static bool add_announce_status(cJSON *json, const struct manager *manager)
{
	cJSON *announce = cJSON_AddObjectToObject(json, "announce");

	return announce && add_announce(announce, manager);
}

static bool add_limits(cJSON *json, const struct dataplane_sizes *sizes)
{
	cJSON *limits = cJSON_AddObjectToObject(json, "limits");

	return limits && add_number(limits, "services", sizes->services) &&
	       add_number(limits, "backends", sizes->backends) &&
	       add_number(limits, "vips", sizes->vips) &&
	       add_number(limits, "flows", sizes->flows) &&
	       add_number(limits, "nat-flows", sizes->nat_flows) &&
	       add_number(limits, "fragments", sizes->fragments) &&
	       add_number(limits, "table-size", sizes->table_size);
}

static bool add_used(cJSON *json, const struct manager *manager)
{
	const struct desired *desired = manager_desired(manager);
	const uint32_t *flows = manager_flows(manager)->by_state;
	cJSON *used = cJSON_AddObjectToObject(json, "used");
	size_t i, vips = 0, backends = 0;

	for (i = 0; i < desired->service_count; i++) {
		vips += desired->services[i].vip_count;
		backends += desired->services[i].backend_count;
	}
	return used && add_number(used, "services", (double)desired->service_count) &&
	       add_number(used, "backends", (double)backends) &&
	       add_number(used, "vips", (double)vips) &&
	       add_number(used, "flows",
			  (double)flows[LB_FLOW_INHERITED] + flows[LB_FLOW_EMBRYONIC] +
				  flows[LB_FLOW_ESTABLISHED] + flows[LB_FLOW_CLOSING]) &&
	       add_number(used, "nat-flows", manager_flows(manager)->nat);
}

const char *view_drop_reason(enum lb_verdict verdict)
{
	return verdict_is(verdict, LB_CLASS_DROP) ? verdict_label(verdict) : NULL;
}

const char *view_reply_kind(enum lb_verdict verdict)
{
	return verdict_is(verdict, LB_CLASS_REPLY) ? verdict_label(verdict) : NULL;
}

/* Packets by verdict, of those verdicts that name_of() has a name for. */
static bool add_verdicts(cJSON *json, const char *key, const char *(*name_of)(enum lb_verdict),
			 struct dataplane *dp)
{
	cJSON *counts = cJSON_AddObjectToObject(json, key);
	struct lb_traffic stats;
	const char *name;
	bool whole = counts;
	int verdict;

	for (verdict = 0; whole && verdict < LB_VERDICT_COUNT; verdict++) {
		name = name_of((enum lb_verdict)verdict);
		if (!name)
			continue;
		dp->ops->verdict_stats(dp, (enum lb_verdict)verdict, &stats);
		whole = add_number(counts, name, (double)stats.packets);
	}
	return whole;
}

cJSON *view_status(const struct manager *manager, const struct interface_views *interfaces,
		   double uptime)
{
	const char *problem = manager_out_of_sync(manager);
	cJSON *json = cJSON_CreateObject();

	return json_whole(
		json,
		json && add_text(json, "version", SLUICE_VERSION) &&
			add_number(json, "uptime-seconds", (double)(uint64_t)(uptime * 10) / 10) &&
			add_number(json, "generation",
				   (double)manager_desired(manager)->generation) &&
			cJSON_AddBoolToObject(json, "in-sync", problem == NULL) &&
			(!problem || add_text(json, "sync-error", problem)) &&
			add_interfaces(json, interfaces) &&
			add_digest(json, "seed-digest", manager_seed_digest(manager)) &&
			add_announce_status(json, manager) &&
			add_limits(json, &manager_dataplane(manager)->sizes) &&
			add_used(json, manager) &&
			add_verdicts(json, "drops", view_drop_reason, manager_dataplane(manager)) &&
			add_verdicts(json, "replies", view_reply_kind, manager_dataplane(manager)));
}
