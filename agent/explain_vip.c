/* SPDX-License-Identifier: Apache-2.0 */

/* The stages before a service's backends: is the packet ours, and does it make sense? */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "explain_doc.h"

/* --- nearest misses --- */

#define MISSES_MAX 4

/* How a VIP misses the packet. Fewer differences are nearer; of equal ones the longer prefix. */
struct miss {
	const struct service_spec *service;
	const struct vip *vip;
	uint32_t common;              /* bits that the addresses begin with in common */
	bool address, protocol, port; /* what differs */
};

static uint32_t common_bits(const struct in6_addr *a, const struct in6_addr *b)
{
	uint32_t bits = 0;

	while (bits < 128 && !((a->s6_addr[bits / 8] ^ b->s6_addr[bits / 8]) & 0x80 >> bits % 8))
		bits++;
	return bits;
}

static struct miss miss_of(const struct explain_query *query, const struct service_spec *service,
			   const struct vip *vip)
{
	struct miss miss = {.service = service, .vip = vip};

	miss.common = common_bits(&vip->endpoint.address.ip, &query->destination.address.ip);
	miss.address = miss.common < 128U - vip->host_bits;
	miss.protocol = vip->protocol != query->protocol;
	miss.port = vip->endpoint.port && vip->endpoint.port != query->destination.port;
	return miss;
}

/* Lower is nearer. */
static uint32_t distance(const struct miss *miss)
{
	return (uint32_t)miss->address << 10 | (uint32_t)(miss->protocol + miss->port) << 8 |
	       (128 - miss->common);
}

/* Keeps the nearest MISSES_MAX in order. Returns how many there are. */
static size_t insert(struct miss *misses, size_t count, const struct miss *miss)
{
	size_t at = count < MISSES_MAX ? count : MISSES_MAX;

	while (at > 0 && distance(&misses[at - 1]) > distance(miss)) {
		if (at < MISSES_MAX)
			misses[at] = misses[at - 1];
		at--;
	}
	if (at < MISSES_MAX)
		misses[at] = *miss;
	return count < MISSES_MAX ? count + 1 : count;
}

/* A VIP of another family is no miss, nor is another address once one has the very address. */
static size_t find_misses(const struct explain_doc *doc, struct miss misses[MISSES_MAX])
{
	const struct desired *desired = manager_desired(doc->manager);
	const struct explain_query *query = &doc->run->query;
	const struct service_spec *service = desired->services;
	size_t i, count = 0, kept;
	struct miss miss;

	for (; service < desired->services + desired->service_count; service++) {
		for (i = 0; i < service->vip_count; i++) {
			miss = miss_of(query, service, &service->vips[i].vip);
			if (address_is_ipv4(&miss.vip->endpoint.address) ==
			    address_is_ipv4(&query->destination.address))
				count = insert(misses, count, &miss);
		}
	}
	for (kept = 0; kept < count; kept++) {
		if (misses[kept].address && kept > 0)
			break;
	}
	return kept;
}

static const char *difference(const struct miss *miss)
{
	if (miss->address)
		return "address";
	if (miss->protocol)
		return miss->port ? "protocol and port" : "protocol";
	return miss->port ? "port" : "nothing";
}

static void add_misses(struct explain_doc *doc, cJSON *step, const struct miss *misses,
		       size_t count)
{
	cJSON *array = doc_array(doc, step, "nearest"), *item;
	char text[VIP_TEXT_MAX];
	size_t i;

	for (i = 0; i < count; i++) {
		item = doc_item(doc, array);
		doc_text(doc, item, "vip", format_vip(misses[i].vip, text));
		doc_text(doc, item, "service", misses[i].service->name);
		doc_text(doc, item, "differs", difference(&misses[i]));
	}
}

/* What a reader of the nearest miss should know. */
static void describe_miss(const struct explain_doc *doc, const struct miss *miss, size_t count,
			  char *text, size_t size)
{
	const char *problem = manager_out_of_sync(doc->manager);
	char vip[VIP_TEXT_MAX];

	if (count == 0) {
		snprintf(text, size, "no service has a VIP of this address family");
		return;
	}
	format_vip(miss->vip, vip);
	if (strcmp(difference(miss), "nothing") == 0)
		snprintf(text, size, "%s of service %s should be it: the maps are out of sync%s%s",
			 vip, miss->service->name, problem ? ": " : "", problem ? problem : "");
	else
		snprintf(text, size, "nearest: %s of service %s differs by %s", vip,
			 miss->service->name, difference(miss));
}

static void add_no_vip(struct explain_doc *doc)
{
	const struct explain_query *query = &doc->run->query;
	char protocol[DOC_NAME_MAX], destination[DOC_NAME_MAX], nearest[256];
	struct miss misses[MISSES_MAX];
	size_t count = find_misses(doc, misses);
	cJSON *step;

	describe_miss(doc, misses, count, nearest, sizeof(nearest));
	step = doc_step(doc, "vip", "none", "%s by %s is no VIP; %s",
			format_endpoint(&query->destination, destination),
			doc_protocol_name(query->protocol, protocol), nearest);
	add_misses(doc, step, misses, count);
}

/* --- the VIP --- */

/* Is the slot that was looked at that of the packet's destination? */
static bool is_destination(const struct explain_doc *doc, const struct lb_vip_entry *entry)
{
	const struct lb_tuple *tuple = &doc->run->tuple;
	const struct lb_vip_key *key = &entry->key;

	return entry->vip.kind && key->l4_proto == tuple->l4_proto &&
	       (key->port == tuple->dst_port || key->port == 0) &&
	       memcmp(&key->addr, &tuple->dst, sizeof(key->addr)) == 0;
}

/* The entry that the packet's destination was found by; false: none. */
static bool found_vip(const struct explain_doc *doc, struct lb_vip *ret_vip)
{
	const struct explain_entry *entry = NULL;
	struct lb_vip_entry exact;

	while ((entry = explain_maps_next(doc->run->maps, "vips", entry))) {
		memcpy(&exact, entry->before, sizeof(exact));
		if (!is_destination(doc, &exact))
			continue;
		*ret_vip = exact.vip;
		return true;
	}
	while ((entry = explain_maps_next(doc->run->maps, "vip_prefixes", entry))) {
		if (!entry->found)
			continue;
		memcpy(ret_vip, entry->before, sizeof(*ret_vip));
		return true;
	}
	return false;
}

static void add_service_vip(struct explain_doc *doc)
{
	const struct native_result *result = &doc->run->result;
	const struct vip_spec *spec = doc_vip(doc, result->vip_id);
	char text[DOC_NAME_MAX] = "the destination", service[DOC_NAME_MAX];
	const char *name = doc_service_name(doc, result->service_id, service), *how = "";
	cJSON *step;

	if (spec) {
		format_vip(&spec->vip, text);
		if (spec->vip.host_bits)
			how = spec->vip.endpoint.port ? ", by its prefix"
						      : ", by its prefix and any port";
		else if (!spec->vip.endpoint.port)
			how = ", by any port";
	}
	step = doc_step(doc, "vip", "service", "%s is a VIP of service %s%s", text, name, how);
	doc_text(doc, step, "service", name);
	if (spec)
		doc_text(doc, step, "vip", text);
}

void explain_doc_vip(struct explain_doc *doc)
{
	char address[ADDRESS_TEXT_MAX];
	struct lb_vip vip;

	format_address(&doc->run->query.destination.address, address);
	if (!found_vip(doc, &vip))
		add_no_vip(doc);
	else if (vip.kind == LB_VIP_NAT)
		doc_step(doc, "vip", "nat",
			 "%s is the balancer's own address, which backends in mode nat reply to",
			 address);
	else if (vip.kind == LB_VIP_ECHO)
		doc_step(doc, "vip", "echo", "%s is a VIP: pings of it are answered here", address);
	else
		add_service_vip(doc);
}

/* --- the guard --- */

/* The prefix that the source was found by. Always false: the packet goes no further. */
static bool add_denied(struct explain_doc *doc, const char *outcome, const char *list)
{
	const struct explain_entry *entry = NULL;
	const struct address *source = &doc->run->query.source.address;
	struct prefix prefix = {.address = *source};
	char text[PREFIX_TEXT_MAX] = "";
	uint32_t bits;
	cJSON *step;

	while ((entry = explain_maps_next(doc->run->maps, "sources", entry))) {
		if (!entry->found)
			continue;
		memcpy(&bits, entry->before, sizeof(bits));
		prefix.length = (uint8_t)(bits - LB_SOURCE_BASE - (128 - address_bits(source)));
		format_prefix(&prefix, text);
	}
	step = doc_step(doc, "guard", outcome, "the source is denied by prefix %s of %s", text,
			list);
	doc_text(doc, step, "prefix", text);
	return false;
}

static bool add_over_rate(struct explain_doc *doc, const char *outcome, const char *limit)
{
	doc_step(doc, "guard", outcome, "the source's prefix is over its rate: %s", limit);
	return false;
}

/* A new flow over a limit. */
void explain_doc_limits(struct explain_doc *doc)
{
	if (doc->run->result.verdict == LB_SOURCE_FLOWS)
		add_over_rate(doc, "source_flows", "source-rate-flows");
	else if (doc->run->result.verdict == LB_SERVICE_FLOWS)
		doc_step(doc, "guard", "service_flows",
			 "the service is over its rate of new flows: max-new-flows");
}

bool explain_doc_cookie(struct explain_doc *doc)
{
	struct lb_service service;

	if (!explain_service(doc->run, &service) || !(service.flags & LB_SERVICE_COOKIES))
		return true;
	if (doc->run->result.verdict == LB_COOKIE_SENT) {
		doc_step(doc, "cookie", "sent",
			 "SYNs are answered by cookies here: a backend hears of the flow when its "
			 "client brings the cookie back");
		return false;
	}
	if (doc->run->result.verdict == LB_BAD_COOKIE) {
		doc_step(doc, "cookie", "bad",
			 "SYNs are answered by cookies here, and the flow has neither an entry "
			 "nor brings a cookie");
		return false;
	}
	return true;
}

bool explain_doc_guard(struct explain_doc *doc)
{
	switch (doc->run->result.verdict) {
	case LB_MALFORMED:
		doc_step(doc, "guard", "malformed", "the headers' lengths contradict each other");
		return false;
	case LB_BAD_CHECKSUM:
		doc_step(doc, "guard", "bad_checksum", "the IPv4 header's checksum is wrong");
		return false;
	case LB_LAND:
		doc_step(doc, "guard", "land", "source and destination address are the same");
		return false;
	case LB_TCP_FLAGS:
		doc_step(doc, "guard", "tcp_flags", "no TCP sends such flags");
		return false;
	case LB_MARTIAN:
		doc_step(doc, "guard", "martian",
			 "the source is no address that packets come from");
		return false;
	case LB_PORT_ZERO:
		doc_step(doc, "guard", "port_zero", "the source port is 0");
		return false;
	case LB_DENIED_GLOBAL:
		return add_denied(doc, "denied_global", "the deny list of all services");
	case LB_DENIED:
		return add_denied(doc, "denied", "its deny list");
	case LB_NOT_ALLOWED:
		doc_step(doc, "guard", "not_allowed", "the source is not on its allow list");
		return false;
	case LB_SOURCE_PACKETS:
		return add_over_rate(doc, "source_packets", "source-rate-packets");
	default:
		doc_step(doc, "guard", "passed",
			 "lengths agree, source and destination differ, flags make sense");
		return true;
	}
}
