/* SPDX-License-Identifier: Apache-2.0 */

/* /v1/flows: live flows, listed or counted, a page a call. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_call.h"
#include "flow_list.h"

#define LIMIT_MAX 1000
#define PAGE_NS                                                                                    \
	3000000ULL /* reading for a page takes no longer: packets wait for nobody, but             \
		    * checks and other calls do */

static const char *const state_names[LB_FLOW_STATES] = {
	[LB_FLOW_EMBRYONIC] = "embryonic",
	[LB_FLOW_ESTABLISHED] = "established",
	[LB_FLOW_CLOSING] = "closing",
};

/* What an index stands for; service is NULL where it stands for nothing. */
struct owner {
	const struct service_spec *service;
	const struct backend_spec *backend;
};

/* One call under way. */
struct page {
	struct flow_list list;
	struct flow_filter filter;
	struct flow_list_room room;
	struct owner *owners; /* [backend index] */
	bool *wanted;         /* [backend index] */
	uint64_t limit;
	cJSON *flows;                       /* an array; NULL: they are counted */
	uint32_t (*counts)[LB_FLOW_STATES]; /* [backend index] */
	bool no_memory;
};

/* --- what is asked for --- */

static void name_owners(struct page *page, const struct desired *desired)
{
	for (size_t i = 0; i < desired->service_count; i++) {
		const struct service_spec *service = &desired->services[i];

		for (size_t b = 0; b < service->backend_count; b++)
			page->owners[service->backends[b].id] =
				(struct owner){service, &service->backends[b]};
	}
}

/* Which backends are wanted, and with them which maps. */
static int read_wanted(struct call *call, struct page *page)
{
	const struct desired *desired = manager_desired(call->api->manager);
	const char *name = http_query(call->request, "service");
	const char *address = http_query(call->request, "backend");
	struct service_spec *only = NULL;
	struct backend_spec *backend = NULL;
	bool found = !address;
	int ret = name ? desired_require_service(desired, name, &only, &call->err) : 0;

	for (size_t i = 0; ret == 0 && i < desired->service_count; i++) {
		const struct service_spec *service = &desired->services[i];

		if (only && service != only)
			continue;
		if (address && service_require_backend(service, address, &backend, &call->err))
			continue;
		found = true;
		*(service->mode == LB_MODE_NAT ? &page->filter.in_nat : &page->filter.in_table) =
			true;
		for (size_t b = 0; b < service->backend_count; b++)
			page->wanted[service->backends[b].id] =
				!backend || backend == &service->backends[b];
	}
	if (ret == 0 && !found)
		ret = desired->service_count
			      ? -ENOENT /* err is of the last service asked */
			      : error_set(&call->err, ENOENT, "backend %s: there is none", address);
	return ret;
}

static int read_state(struct call *call, struct flow_filter *filter)
{
	const char *name = http_query(call->request, "state");
	int ret;

	for (int state = LB_FLOW_EMBRYONIC; state < LB_FLOW_STATES; state++)
		filter->states[state] = !name || strcmp(name, state_names[state]) == 0;
	if (!name || filter->states[LB_FLOW_EMBRYONIC] || filter->states[LB_FLOW_ESTABLISHED] ||
	    filter->states[LB_FLOW_CLOSING])
		return 0;
	ret = error_set(&call->err, EINVAL, "parameter state: %.64s: no such state", name);
	error_hint(&call->err, ret, "one of embryonic, established, closing");
	return error_field(&call->err, ret, "state");
}

static int read_client(struct call *call, struct flow_filter *filter)
{
	const char *text = http_query(call->request, "client");
	int ret = text ? parse_prefix(text, &filter->client, &call->err) : 0;

	if (!text)
		return 0;
	if (ret == 0 && !filter->in_nat) {
		ret = error_set(&call->err, EINVAL,
				"parameter client: only flows of mode nat have their addresses");
		error_hint(&call->err, ret, "leave it out, or name a service of mode nat");
	}
	filter->in_table = false;
	return ret ? error_field(&call->err, ret, "client") : 0;
}

static int read_cursor(struct call *call, struct flow_cursor *ret_cursor)
{
	const char *text = http_query(call->request, "cursor");

	return text ? error_parameter(&call->err, flow_cursor_parse(text, ret_cursor, &call->err),
				      "cursor")
		    : 0;
}

static int read_query(struct call *call, struct page *page, bool *ret_count)
{
	struct flow_filter *filter = &page->filter;
	int ret = read_wanted(call, page);

	filter->backends = page->wanted;
	filter->max_age_ms = UINT64_MAX;
	page->limit = LIMIT_MAX;
	if (ret == 0)
		ret = read_state(call, filter);
	if (ret == 0)
		ret = read_client(call, filter);
	if (ret == 0)
		ret = api_query_duration(call, "min-age", 0, UINT64_MAX, &filter->min_age_ms);
	if (ret == 0)
		ret = api_query_duration(call, "max-age", 0, UINT64_MAX, &filter->max_age_ms);
	if (ret == 0)
		ret = api_query_number(call, "limit", 1, LIMIT_MAX, &page->limit);
	if (ret == 0)
		ret = api_query_switch(call, "count", ret_count);
	return ret ? ret : read_cursor(call, &page->list.cursor);
}

/* --- flows --- */

static bool count_flow(void *context, const struct flow *flow)
{
	struct page *page = context;

	page->counts[flow->backend][flow->state]++;
	return true;
}

static const char *format_place(const struct lb_addr *addr, __be16 port,
				char buffer[ENDPOINT_TEXT_MAX])
{
	struct endpoint endpoint = {.port = ntohs(port)};

	memcpy(&endpoint.address, addr, sizeof(endpoint.address));
	return format_endpoint(&endpoint, buffer);
}

static bool add_addresses(cJSON *json, const struct flow *flow)
{
	const struct lb_nat_entry *nat = flow->nat;
	struct vip vip = {.endpoint.port = ntohs(nat->vip_port), .protocol = flow->reply->l4_proto};
	char client[ENDPOINT_TEXT_MAX], own[ENDPOINT_TEXT_MAX], text[VIP_TEXT_MAX];

	memcpy(&vip.endpoint.address, &nat->vip_addr, sizeof(vip.endpoint.address));
	format_place(&nat->client_addr, nat->client_port, client);
	format_place(&flow->reply->dst, flow->reply->dst_port, own);
	return cJSON_AddStringToObject(json, "client", client) &&
	       cJSON_AddStringToObject(json, "vip", format_vip(&vip, text)) &&
	       cJSON_AddStringToObject(json, "source", own);
}

static bool add_fingerprint(cJSON *json, const struct flow *flow)
{
	char text[16];

	snprintf(text, sizeof(text), "%08x", flow->fingerprint);
	return cJSON_AddStringToObject(json, "fingerprint", text);
}

static cJSON *flow_json(const struct page *page, const struct flow *flow)
{
	const struct owner *owner = &page->owners[flow->backend];
	char address[ENDPOINT_TEXT_MAX], age[DURATION_TEXT_MAX];
	cJSON *json = cJSON_CreateObject();

	format_endpoint(&owner->backend->endpoint, address);
	format_duration(flow->age_ms < 1000 ? flow->age_ms : flow->age_ms / 1000 * 1000, age);
	if (json && cJSON_AddStringToObject(json, "service", owner->service->name) &&
	    cJSON_AddStringToObject(json, "backend", address) &&
	    cJSON_AddStringToObject(json, "state", state_names[flow->state]) &&
	    cJSON_AddStringToObject(json, "age", age) &&
	    (flow->nat ? add_addresses(json, flow) : add_fingerprint(json, flow)))
		return json;
	cJSON_Delete(json);
	return NULL;
}

static bool list_flow(void *context, const struct flow *flow)
{
	struct page *page = context;
	cJSON *json;

	if (page->limit == 0)
		return false;
	json = flow_json(page, flow);
	if (!json || !cJSON_AddItemToArray(page->flows, json)) {
		cJSON_Delete(json);
		page->no_memory = true;
		return false;
	}
	page->limit--;
	return true;
}

/* --- answers --- */

static cJSON *backend_counts(const struct page *page, const struct backend_spec *backend)
{
	cJSON *json = cJSON_CreateObject();
	char address[ENDPOINT_TEXT_MAX];
	bool whole = json && cJSON_AddStringToObject(json, "address",
						     format_endpoint(&backend->endpoint, address));

	for (int state = LB_FLOW_EMBRYONIC; whole && state < LB_FLOW_STATES; state++)
		whole = cJSON_AddNumberToObject(json, state_names[state],
						page->counts[backend->id][state]);
	if (whole)
		return json;
	cJSON_Delete(json);
	return NULL;
}

static bool add_service_counts(cJSON *services, const struct page *page,
			       const struct service_spec *service)
{
	cJSON *json = cJSON_CreateObject(), *backends, *item;
	bool whole = cJSON_AddItemToArray(services, json) &&
		     cJSON_AddStringToObject(json, "name", service->name);

	backends = whole ? cJSON_AddArrayToObject(json, "backends") : NULL;
	whole = backends;
	for (size_t b = 0; whole && b < service->backend_count; b++) {
		if (!page->wanted[service->backends[b].id])
			continue;
		item = backend_counts(page, &service->backends[b]);
		whole = item && cJSON_AddItemToArray(backends, item);
	}
	return whole;
}

static bool add_counts(cJSON *json, const struct call *call, const struct page *page)
{
	const struct desired *desired = manager_desired(call->api->manager);
	const char *only = http_query(call->request, "service");
	cJSON *services = cJSON_AddArrayToObject(json, "services");
	bool whole = services;

	for (size_t i = 0; whole && i < desired->service_count; i++) {
		if (!only || strcmp(only, desired->services[i].name) == 0)
			whole = add_service_counts(services, page, &desired->services[i]);
	}
	return whole;
}

static cJSON *page_json(const struct call *call, struct page *page, bool more)
{
	cJSON *json = cJSON_CreateObject();
	char next[FLOW_CURSOR_TEXT_MAX];
	bool whole;

	if (page->flows) {
		whole = cJSON_AddItemToObject(json, "flows", page->flows);
		page->flows = whole ? NULL : page->flows;
	} else {
		whole = add_counts(json, call, page);
	}
	flow_cursor_format(&page->list.cursor, next);
	whole = whole && !page->no_memory &&
		(more ? cJSON_AddStringToObject(json, "next", next)
		      : cJSON_AddNullToObject(json, "next"));
	if (whole)
		return json;
	cJSON_Delete(json);
	return NULL;
}

/* --- the call --- */

static int page_init(struct call *call, struct page *page)
{
	struct dataplane *dp = manager_dataplane(call->api->manager);
	size_t backends = (size_t)dp->sizes.backends + 1;

	page->list.dp = dp;
	page->list.now = dp->ops->now(dp);
	page->list.filter = &page->filter;
	page->list.room = &page->room;
	page->list.context = page;
	page->owners = calloc(backends, sizeof(*page->owners));
	page->wanted = calloc(backends, sizeof(*page->wanted));
	page->counts = calloc(backends, sizeof(*page->counts));
	page->flows = cJSON_CreateArray();
	if (!page->owners || !page->wanted || !page->counts || !page->flows)
		return error_set(&call->err, ENOMEM, "out of memory");
	name_owners(page, manager_desired(call->api->manager));
	return 0;
}

static void page_free(struct page *page)
{
	free(page->owners);
	free(page->wanted);
	free(page->counts);
	cJSON_Delete(page->flows);
	free(page);
}

/* True: there is more to be read. */
static bool page_read(struct page *page)
{
	uint64_t end = uv_hrtime() + PAGE_NS;

	while (flow_list_step(&page->list)) {
		if (uv_hrtime() > end)
			return true;
	}
	return page->list.full;
}

int api_flows_get(struct call *call)
{
	struct page *page = calloc(1, sizeof(*page));
	bool count = false, more;
	int ret;

	if (!page)
		return error_set(&call->err, ENOMEM, "out of memory");
	ret = page_init(call, page);
	if (ret == 0)
		ret = read_query(call, page, &count);
	if (ret == 0) {
		page->list.show = count ? count_flow : list_flow;
		if (count) {
			cJSON_Delete(page->flows);
			page->flows = NULL;
		}
		more = page_read(page);
		ret = api_answer(call, 200, page_json(call, page, more));
	}
	page_free(page);
	return ret;
}
