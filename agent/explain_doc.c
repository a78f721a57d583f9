/* SPDX-License-Identifier: Apache-2.0 */
#include "explain_doc.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 1024

/* --- the document --- */

/* Takes item over. */
static cJSON *added(struct explain_doc *doc, cJSON *parent, const char *key, cJSON *item)
{
	bool done = false;

	if (parent && item)
		done = key ? cJSON_AddItemToObject(parent, key, item)
			   : cJSON_AddItemToArray(parent, item);
	if (done)
		return item;
	cJSON_Delete(item);
	doc->whole = false;
	return NULL;
}

cJSON *doc_object(struct explain_doc *doc, cJSON *parent, const char *key)
{
	return added(doc, parent, key, cJSON_CreateObject());
}

cJSON *doc_array(struct explain_doc *doc, cJSON *parent, const char *key)
{
	return added(doc, parent, key, cJSON_CreateArray());
}

cJSON *doc_item(struct explain_doc *doc, cJSON *array)
{
	return added(doc, array, NULL, cJSON_CreateObject());
}

void doc_add(struct explain_doc *doc, cJSON *object, const char *key, cJSON *item)
{
	added(doc, object, key, item);
}

void doc_text(struct explain_doc *doc, cJSON *object, const char *key, const char *text)
{
	added(doc, object, key, cJSON_CreateString(text));
}

void doc_number(struct explain_doc *doc, cJSON *object, const char *key, double number)
{
	added(doc, object, key, cJSON_CreateNumber(number));
}

void doc_true(struct explain_doc *doc, cJSON *object, const char *key, bool value)
{
	added(doc, object, key, cJSON_CreateBool(value));
}

void doc_mac(struct explain_doc *doc, cJSON *object, const char *key, const uint8_t mac[6])
{
	char text[DOC_NAME_MAX];

	doc_text(doc, object, key, doc_mac_text(mac, text));
}

void doc_hex(struct explain_doc *doc, cJSON *object, const char *key, const uint8_t *bytes,
	     size_t size)
{
	char *text = malloc(2 * size + 1);
	size_t i;

	if (!text) {
		doc->whole = false;
		return;
	}
	for (i = 0; i < size; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	text[2 * size] = '\0';
	doc_text(doc, object, key, text);
	free(text);
}

cJSON *doc_step(struct explain_doc *doc, const char *stage, const char *outcome, const char *format,
		...)
{
	cJSON *step = doc_item(doc, doc->steps);
	char text[TEXT_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	doc_text(doc, step, "stage", stage);
	doc_text(doc, step, "outcome", outcome);
	doc_text(doc, step, "text", text);
	return step;
}

/* --- names --- */

const struct service_spec *doc_service(const struct explain_doc *doc, uint16_t id)
{
	const struct desired *desired = manager_desired(doc->manager);
	size_t i;

	for (i = 0; id && i < desired->service_count; i++) {
		if (desired->services[i].id == id)
			return &desired->services[i];
	}
	return NULL;
}

const struct vip_spec *doc_vip(const struct explain_doc *doc, uint16_t id)
{
	const struct desired *desired = manager_desired(doc->manager);
	const struct service_spec *service = desired->services;
	size_t i;

	for (; id && service < desired->services + desired->service_count; service++) {
		for (i = 0; i < service->vip_count; i++) {
			if (service->vips[i].id == id)
				return &service->vips[i];
		}
	}
	return NULL;
}

const struct backend_spec *doc_backend(const struct explain_doc *doc, uint16_t id)
{
	const struct desired *desired = manager_desired(doc->manager);
	const struct service_spec *service = desired->services;
	size_t i;

	for (; id && service < desired->services + desired->service_count; service++) {
		for (i = 0; i < service->backend_count; i++) {
			if (service->backends[i].id == id)
				return &service->backends[i];
		}
	}
	return NULL;
}

const char *doc_service_name(const struct explain_doc *doc, uint16_t id, char buffer[DOC_NAME_MAX])
{
	const struct service_spec *service = doc_service(doc, id);

	if (service)
		snprintf(buffer, DOC_NAME_MAX, "%s", service->name);
	else
		snprintf(buffer, DOC_NAME_MAX, "number %u", id);
	return buffer;
}

const char *doc_backend_name(const struct explain_doc *doc, uint16_t id, char buffer[DOC_NAME_MAX])
{
	const struct backend_spec *backend = doc_backend(doc, id);

	if (backend)
		return format_endpoint(&backend->endpoint, buffer);
	snprintf(buffer, DOC_NAME_MAX, "number %u", id);
	return buffer;
}

const char *doc_interface_name(const struct explain_doc *doc, uint32_t ifindex,
			       char buffer[DOC_NAME_MAX])
{
	const struct rtnl_link *link = links_find(manager_links(doc->manager), ifindex);

	if (link)
		snprintf(buffer, DOC_NAME_MAX, "%s", link->name);
	else
		snprintf(buffer, DOC_NAME_MAX, "interface %u", ifindex);
	return buffer;
}

const char *doc_protocol_name(uint8_t protocol, char buffer[DOC_NAME_MAX])
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_SCTP:
		return "sctp";
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return "icmp";
	default:
		snprintf(buffer, DOC_NAME_MAX, "protocol %u", protocol);
		return buffer;
	}
}

const char *doc_endpoint(const struct lb_addr *addr, __be16 port, char buffer[DOC_NAME_MAX])
{
	struct endpoint endpoint = {.port = ntohs(port)};

	memcpy(&endpoint.address, addr, sizeof(endpoint.address));
	return format_endpoint(&endpoint, buffer);
}

const char *doc_mac_text(const uint8_t mac[6], char buffer[DOC_NAME_MAX])
{
	snprintf(buffer, DOC_NAME_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return buffer;
}

const char *doc_vlan_text(uint32_t vlan, char buffer[DOC_NAME_MAX])
{
	if ((vlan >> LB_VLAN_COUNT_SHIFT & 3) == 2)
		snprintf(buffer, DOC_NAME_MAX, "%u.%u",
			 vlan >> LB_VLAN_OUTER_SHIFT & LB_VLAN_ID_MASK, vlan & LB_VLAN_ID_MASK);
	else
		snprintf(buffer, DOC_NAME_MAX, "%u", vlan & LB_VLAN_ID_MASK);
	return buffer;
}

const char *doc_span(double seconds, char buffer[DOC_NAME_MAX])
{
	if (seconds < 10)
		snprintf(buffer, DOC_NAME_MAX, "%.1f s", seconds);
	else if (seconds < 600)
		snprintf(buffer, DOC_NAME_MAX, "%.0f s", seconds);
	else
		snprintf(buffer, DOC_NAME_MAX, "%.0f min", seconds / 60);
	return buffer;
}

static double shifted_seconds(const struct explain_doc *doc, uint32_t ticks, uint8_t shift)
{
	return (double)((uint64_t)ticks << shift) / manager_dataplane(doc->manager)->clock.hz;
}

double doc_tick_seconds(const struct explain_doc *doc, uint32_t ticks)
{
	return shifted_seconds(doc, ticks, manager_dataplane(doc->manager)->clock.tick_shift);
}

double doc_coarse_seconds(const struct explain_doc *doc, uint32_t ticks)
{
	return shifted_seconds(doc, ticks,
			       manager_dataplane(doc->manager)->clock.coarse_tick_shift);
}
