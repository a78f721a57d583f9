/* SPDX-License-Identifier: Apache-2.0 */
#include "explain_doc.h"

static void add_packet(struct explain_doc *doc)
{
	const struct explain_query *query = &doc->run->query;
	bool has_flags = query->protocol == IPPROTO_TCP || query->protocol == IPPROTO_SCTP;
	cJSON *packet = doc_object(doc, doc->root, "packet");
	char text[DOC_NAME_MAX];

	doc_text(doc, packet, "protocol", doc_protocol_name(query->protocol, text));
	doc_text(doc, packet, "source", format_endpoint(&query->source, text));
	doc_text(doc, packet, "destination", format_endpoint(&query->destination, text));
	if (has_flags)
		doc_text(doc, packet, "flags", explain_flags_text(query->flags, text));
	doc_number(doc, packet, "length", query->length);
	doc_text(doc, packet, "interface", doc_interface_name(doc, query->ifindex, text));
	if (query->vlan)
		doc_text(doc, packet, "vlan", doc_vlan_text(query->vlan, text));
	doc_hex(doc, packet, "frame", doc->run->frame, doc->run->frame_size);
}

static void add_steps(struct explain_doc *doc)
{
	explain_doc_vip(doc);
	explain_doc_return(doc);
	if (doc->run->result.service_id && explain_doc_guard(doc) && explain_doc_cookie(doc)) {
		explain_doc_flow(doc);
		explain_doc_schedule(doc);
		explain_doc_limits(doc);
		explain_doc_entered(doc);
		explain_doc_forward(doc);
	}
	explain_doc_verdict(doc);
}

cJSON *explain_view(const struct explanation *explanation, const struct manager *manager)
{
	struct explain_doc doc = {.run = explanation, .manager = manager, .whole = true};

	doc.root = cJSON_CreateObject();
	add_packet(&doc);
	doc.steps = doc_array(&doc, doc.root, "steps");
	add_steps(&doc);
	if (doc.whole)
		return doc.root;
	cJSON_Delete(doc.root);
	return NULL;
}
