/* SPDX-License-Identifier: Apache-2.0 */

/* /v1/capture: packets as they come, in pcapng. /v1/drops: those dropped, with a sample of each. */
#include <stdio.h>
#include <stdlib.h>

#include "api_call.h"
#include "capture_names.h"
#include "drop_advice.h"
#include "packet_line.h"
#include "verdict_words.h"

int api_capture_get(struct call *call)
{
	const struct http_request *request = call->request;
	const struct capture_words words = {
		.service = http_query(request, "service"),
		.vip = http_query(request, "vip"),
		.client = http_query(request, "client"),
		.backend = http_query(request, "backend"),
		.verdict = http_query(request, "verdict"),
		.reason = http_query(request, "reason"),
		.sample = http_query(request, "sample"),
		.snaplen = http_query(request, "snaplen"),
		.limit = http_query(request, "limit"),
		.span = http_query(request, "for"),
	};
	struct capture_query query;
	char what[CAPTURE_QUERY_TEXT_MAX];
	struct capture_request wanted = {
		.query = &query,
		.who = request->peer,
		.what = capture_query_text(&words, what),
	};
	int ret =
		capture_query_read(manager_desired(call->api->manager), &words, &query, &call->err);

	if (ret)
		return ret;
	wanted.interfaces = dataplane_bpf_interfaces(call->api->dp, &wanted.interface_count);
	call->status = 200;
	call->content_type = "application/x-pcapng";
	return capture_open(call->api->capture, &wanted, &call->stream, &call->err);
}

/* --- drops --- */

static const char *const advice[LB_VERDICT_COUNT] = {
#define X(name, text) [LB_##name] = (text),
	DROP_ADVICE(X)
#undef X
};

static bool add_hex(cJSON *json, const char *key, const uint8_t *bytes, size_t length)
{
	char text[2 * LB_DROP_SAMPLE + 1] = "";

	for (size_t i = 0; i < length; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return cJSON_AddStringToObject(json, key, text);
}

static void add_names(cJSON *json, const struct capture_names *names,
		      const struct lb_capture_head *head)
{
	const struct service_spec *service = capture_service(names, head);
	const struct vip_spec *vip = capture_vip(names, head);
	const struct backend_spec *backend = capture_backend(names, head);
	char vip_text[VIP_TEXT_MAX], backend_text[ENDPOINT_TEXT_MAX];

	if (service)
		cJSON_AddStringToObject(json, "service", service->name);
	if (vip)
		cJSON_AddStringToObject(json, "vip", format_vip(&vip->vip, vip_text));
	if (backend)
		cJSON_AddStringToObject(json, "backend",
					format_endpoint(&backend->endpoint, backend_text));
}

static void add_interface(cJSON *json, const struct call *call, uint32_t ifindex)
{
	const struct rtnl_link *link = links_find(manager_links(call->api->manager), ifindex);

	if (link)
		cJSON_AddStringToObject(json, "interface", link->name);
}

static void add_sample(cJSON *json, const struct call *call, const struct capture_names *names,
		       const struct lb_drop_sample *sample)
{
	uint64_t ns = sample->head.time_ns + (uint64_t)capture_clock_offset();
	char time[TIME_TEXT_MAX], line[PACKET_LINE_MAX];
	cJSON *object = cJSON_AddObjectToObject(json, "sample");

	cJSON_AddStringToObject(object, "time", format_time(ns / 1000000, time));
	add_interface(object, call, sample->head.ifindex);
	add_names(object, names, &sample->head);
	cJSON_AddNumberToObject(object, "length", sample->head.length);
	cJSON_AddStringToObject(
		object, "packet",
		packet_line(sample->data, sample->head.captured, sample->head.length, line));
	add_hex(object, "data", sample->data, sample->head.captured);
}

static cJSON *drop_json(const struct call *call, const struct capture_names *names,
			enum lb_verdict verdict, const struct lb_traffic *traffic)
{
	struct dataplane *dp = call->api->dp;
	struct lb_drop_sample sample;
	cJSON *json = cJSON_CreateObject();

	cJSON_AddStringToObject(json, "reason", verdict_label(verdict));
	cJSON_AddStringToObject(json, "text", verdict_text(verdict));
	cJSON_AddStringToObject(json, "advice", advice[verdict]);
	cJSON_AddNumberToObject(json, "packets", (double)traffic->packets);
	cJSON_AddNumberToObject(json, "bytes", (double)traffic->bytes);
	if (dp->ops->drop_sample(dp, verdict, &sample))
		add_sample(json, call, names, &sample);
	else
		cJSON_AddNullToObject(json, "sample");
	return json;
}

/* All reasons that have dropped any, the most first. */
static bool list_drops(const struct call *call, const struct capture_names *names, cJSON *array)
{
	struct dataplane *dp = call->api->dp;
	struct lb_traffic traffic;
	const cJSON *before;
	bool whole = array;
	int place;

	for (unsigned int verdict = 0; whole && verdict < LB_VERDICT_COUNT; verdict++) {
		if (!verdict_is(verdict, LB_CLASS_DROP))
			continue;
		dp->ops->verdict_stats(dp, verdict, &traffic);
		if (!traffic.packets)
			continue;
		place = 0;
		cJSON_ArrayForEach (before, array) {
			if (cJSON_GetNumberValue(cJSON_GetObjectItem(before, "packets")) <
			    (double)traffic.packets)
				break;
			place++;
		}
		whole = cJSON_InsertItemInArray(array, place,
						drop_json(call, names, verdict, &traffic));
	}
	return whole;
}

int api_drops_get(struct call *call)
{
	struct capture_names *names = capture_names_new(&call->api->dp->sizes);
	cJSON *json = cJSON_CreateObject();
	bool whole = names && json;

	if (whole) {
		capture_names_follow(names, manager_desired(call->api->manager));
		whole = list_drops(call, names, cJSON_AddArrayToObject(json, "drops"));
	}
	capture_names_free(names);
	if (!whole) {
		cJSON_Delete(json);
		json = NULL;
	}
	return api_answer(call, 200, json);
}
