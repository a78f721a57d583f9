/* SPDX-License-Identifier: Apache-2.0 */

/* How the packet leaves: translation or tunnel, next hop, egress; and the verdict. */
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>

#include "explain_doc.h"
#include "verdict_words.h"

static const char *const class_names[] = {
	[LB_CLASS_PASS] = "pass",
	[LB_CLASS_SEND] = "send",
	[LB_CLASS_REPLY] = "reply",
	[LB_CLASS_DROP] = "drop",
};

/* --- next hop --- */

static const char *fib_text(int answer)
{
	switch (answer) {
	case BPF_FIB_LKUP_RET_SUCCESS:
		return "knows the way";
	case BPF_FIB_LKUP_RET_BLACKHOLE:
	case BPF_FIB_LKUP_RET_UNREACHABLE:
	case BPF_FIB_LKUP_RET_PROHIBIT:
		return "has a route that forbids the way";
	case BPF_FIB_LKUP_RET_NOT_FWDED:
		return "has no route there, or delivers it locally";
	case BPF_FIB_LKUP_RET_FWD_DISABLED:
		return "does not forward (sysctl net.ipv4.ip_forward, net.ipv6.conf.all.forwarding)";
	case BPF_FIB_LKUP_RET_NO_NEIGH:
		return "has a route, but not the neighbour's link-layer address";
	default:
		return "does not know the way";
	}
}

static void add_hop(struct explain_doc *doc, const struct lb_backend *backend)
{
	const struct backend_spec *spec = doc_backend(doc, doc->run->result.backend_id);
	struct backend_view view = {.reason = ""};
	char interface[DOC_NAME_MAX], mac[DOC_NAME_MAX];
	cJSON *step;
	int answer;

	if (spec)
		view = manager_backend(doc->manager, spec);
	if (!explain_maps_routed(doc->run->maps, &answer)) {
		step = doc_step(doc, "forward", "hop", "next hop %s by %s, as the agent has found",
				doc_mac_text(backend->hop.dst_mac, mac),
				doc_interface_name(doc, backend->hop.ifindex, interface));
		doc_text(doc, step, "asked", "agent");
		return;
	}
	step = doc_step(doc, "forward", answer ? "no-hop" : "hop",
			"the agent has not found the next hop%s%s%s; the kernel, asked instead, %s",
			view.reason[0] ? " (" : "", view.reason, view.reason[0] ? ")" : "",
			fib_text(answer));
	doc_text(doc, step, "asked", "kernel");
}

/* --- lengths --- */

static void add_fit(struct explain_doc *doc)
{
	const struct native_result *result = &doc->run->result;
	bool fits = result->verdict != LB_TOO_BIG && result->verdict != LB_TOO_BIG_TOLD;
	struct explain_headers in;
	cJSON *step;

	if (!result->path_mtu || !explain_packet_read(doc->run->frame, doc->run->frame_size, &in))
		return;
	step = doc_step(doc, "forward", fits ? "fits" : "too-big",
			"%u bytes, where up to %u fit the way to the backend", in.length,
			result->path_mtu);
	doc_number(doc, step, "length", in.length);
	doc_number(doc, step, "path-mtu", result->path_mtu);
}

/* --- modes --- */

static const char *nat_state(const struct lb_nat_entry *entry)
{
	static const char *const names[] = {"free", "claimed", "live", "closed"};

	return names[entry->life & LB_NAT_STATE_MASK];
}

static double nat_age(const struct explain_doc *doc, const struct lb_nat_entry *entry)
{
	uint8_t shift = manager_dataplane(doc->manager)->clock.tick_shift;
	uint32_t ticks =
		(uint32_t)(doc->run->now >> shift) - (uint32_t)(entry->life >> LB_NAT_TIME_SHIFT);

	return doc_tick_seconds(doc, (int32_t)ticks < 0 ? 0 : ticks);
}

static void add_translation_entry(struct explain_doc *doc, cJSON *step,
				  const struct explain_translation *translation)
{
	const struct lb_nat_entry *flow = &translation->after;
	cJSON *entry = doc_object(doc, step, "entry");
	char text[DOC_NAME_MAX];

	doc_true(doc, entry, "new", !translation->found);
	doc_text(doc, entry, "client", doc_endpoint(&flow->client_addr, flow->client_port, text));
	doc_text(doc, entry, "vip", doc_endpoint(&flow->vip_addr, flow->vip_port, text));
	doc_text(doc, entry, "own",
		 doc_endpoint(&translation->reply.dst, translation->reply.dst_port, text));
	doc_text(doc, entry, "backend",
		 doc_endpoint(&translation->reply.src, translation->reply.src_port, text));
	if (!translation->found)
		return;
	doc_text(doc, entry, "state", nat_state(&translation->before));
	doc_number(doc, entry, "age-seconds", nat_age(doc, &translation->before));
}

static void add_nat(struct explain_doc *doc)
{
	struct explain_translation translation;
	char own[DOC_NAME_MAX], backend[DOC_NAME_MAX], age[DOC_NAME_MAX];
	const struct lb_tuple *reply = &translation.reply;
	cJSON *step;

	if (doc->run->result.verdict == LB_NAT_PORTS) {
		doc_step(doc, "forward", "nat",
			 "mode nat: every port tried for this flow is in use by another one");
		return;
	}
	if (!explain_translation(doc->run, &translation))
		return;
	doc_endpoint(&reply->dst, reply->dst_port, own);
	doc_endpoint(&reply->src, reply->src_port, backend);
	if (translation.found)
		step = doc_step(doc, "forward", "nat",
				"mode nat: translated to %s > %s by the flow's entry, %s, %s old",
				own, backend, nat_state(&translation.before),
				doc_span(nat_age(doc, &translation.before), age));
	else
		step = doc_step(doc, "forward", "nat",
				"mode nat: translated to %s > %s by a new entry", own, backend);
	add_translation_entry(doc, step, &translation);
}

/* Who is asked if the backend does not know the packet's flow. */
static void add_chances(struct explain_doc *doc)
{
	struct address chances[GUE_CHANCES_MAX];
	size_t count = explain_packet_chances(doc->run->sent, doc->run->sent_size, chances);
	char first[ADDRESS_TEXT_MAX], second[ADDRESS_TEXT_MAX] = "";
	cJSON *step, *array;

	if (!count)
		return;
	if (count > 1)
		format_address(&chances[1], second);
	step = doc_step(doc, "forward", "second-chance",
			"if the backend does not know the flow, it goes on to %s%s%s",
			format_address(&chances[0], first), count > 1 ? ", then to " : "", second);
	array = doc_array(doc, step, "backends");
	for (size_t i = 0; i < count; i++)
		doc_text(doc, doc_item(doc, array), "address", i ? second : first);
}

static void add_tunnel(struct explain_doc *doc, const struct lb_service *service)
{
	struct explain_headers out;
	char source[DOC_NAME_MAX], destination[DOC_NAME_MAX];
	const char *what = service->mode == LB_MODE_IPIP ? "ipip: put into an IP packet"
			   : service->mode == LB_MODE_GUE_DIRECT
				   ? "gue, variant 1: put into UDP"
				   : "gue: put into UDP with GUE's header";

	if (doc->run->result.verdict != LB_FORWARD ||
	    !explain_packet_read(doc->run->sent, doc->run->sent_size, &out))
		return;
	doc_step(doc, "forward", service->mode == LB_MODE_IPIP ? "ipip" : "gue", "mode %s %s > %s",
		 what, format_endpoint(&out.source, source),
		 format_endpoint(&out.destination, destination));
	if (service->mode == LB_MODE_GUE)
		add_chances(doc);
}

void explain_doc_forward(struct explain_doc *doc)
{
	const struct native_result *result = &doc->run->result;
	struct lb_service service;
	struct lb_backend backend;
	int answer;

	if (!explain_service(doc->run, &service) || !result->backend_id ||
	    !explain_backend(doc->run, result->backend_id, &backend))
		return;
	if (result->verdict == LB_LOCAL) {
		doc_step(doc, "forward", "local",
			 "the backend is this machine: the host gets the packet as it came");
		return;
	}
	if (!result->egress && !explain_maps_routed(doc->run->maps, &answer))
		return; /* it was not to be forwarded */
	add_hop(doc, &backend);
	add_fit(doc);
	if (service.mode == LB_MODE_NAT)
		add_nat(doc);
	else if (service.mode == LB_MODE_L2)
		doc_step(doc, "forward", "l2", "mode l2: only the link-layer addresses change");
	else
		add_tunnel(doc, &service);
}

void explain_doc_return(struct explain_doc *doc)
{
	char client[DOC_NAME_MAX], vip[DOC_NAME_MAX], service[DOC_NAME_MAX];
	struct explain_translation translation;
	const struct lb_nat_entry *flow = &translation.after;
	cJSON *step;

	if (doc->run->result.service_id || !explain_maps_next(doc->run->maps, "nat_flows", NULL))
		return;
	if (doc->run->result.verdict != LB_RETURN || !explain_translation(doc->run, &translation)) {
		doc_step(doc, "nat", "none",
			 "no translated flow has its replies come from there to here");
		return;
	}
	step = doc_step(doc, "nat", "found",
			"the reply to a flow of service %s: translated back to %s > %s",
			doc_service_name(doc, flow->service, service),
			doc_endpoint(&flow->vip_addr, flow->vip_port, vip),
			doc_endpoint(&flow->client_addr, flow->client_port, client));
	add_translation_entry(doc, step, &translation);
}

/* --- the verdict --- */

static const char *code_name(int code)
{
	switch (code) {
	case XDP_PASS:
		return "XDP_PASS";
	case XDP_TX:
		return "XDP_TX";
	case XDP_REDIRECT:
		return "XDP_REDIRECT";
	case XDP_DROP:
		return "XDP_DROP";
	default:
		return "XDP_ABORTED";
	}
}

/* The interface that the packet leaves by; 0: it does not. A bond sends by one of its members. */
static uint32_t leaves_by(const struct explain_doc *doc)
{
	const struct native_result *result = &doc->run->result;
	const struct explain_entry *entry;
	uint32_t by = 0;

	if (result->code == XDP_TX)
		return doc->run->query.ifindex;
	if (result->code != XDP_REDIRECT)
		return 0;
	entry = explain_maps_at(doc->run->maps, "egress", result->redirect_to);
	if (entry)
		memcpy(&by, entry->before, sizeof(by));
	return by;
}

static void describe_exit(const struct explain_doc *doc, char *text, size_t size)
{
	uint32_t by = leaves_by(doc), wanted = doc->run->result.redirect_to;
	char interface[DOC_NAME_MAX], bond[DOC_NAME_MAX];

	text[0] = '\0';
	if (!by)
		return;
	doc_interface_name(doc, by, interface);
	if (doc->run->result.code == XDP_TX)
		snprintf(text, size, "; leaves by %s, where it came in", interface);
	else if (by == wanted)
		snprintf(text, size, "; leaves by %s", interface);
	else
		snprintf(text, size, "; leaves by %s of %s", interface,
			 doc_interface_name(doc, wanted, bond));
}

/* As it is sent: what a capture at the egress would show. */
static void add_sent(struct explain_doc *doc)
{
	struct explain_headers out;
	char text[DOC_NAME_MAX];
	cJSON *sent;

	if (!explain_packet_read(doc->run->sent, doc->run->sent_size, &out))
		return;
	sent = doc_object(doc, doc->root, "sent");
	doc_text(doc, sent, "interface", doc_interface_name(doc, leaves_by(doc), text));
	doc_mac(doc, sent, "source-mac", out.source_mac);
	doc_mac(doc, sent, "destination-mac", out.destination_mac);
	if (out.vlan)
		doc_text(doc, sent, "vlan", doc_vlan_text(out.vlan, text));
	doc_number(doc, sent, "protocol", out.protocol);
	doc_text(doc, sent, "source", format_endpoint(&out.source, text));
	doc_text(doc, sent, "destination", format_endpoint(&out.destination, text));
	doc_number(doc, sent, "length", out.length);
	doc_hex(doc, sent, "frame", doc->run->sent, doc->run->sent_size);
}

void explain_doc_verdict(struct explain_doc *doc)
{
	const struct native_result *result = &doc->run->result;
	const enum verdict_class class = verdict_class(result->verdict);
	const char *label = verdict_label(result->verdict);
	char text[DOC_NAME_MAX], exit[2 * DOC_NAME_MAX];
	cJSON *object;

	describe_exit(doc, exit, sizeof(exit));
	doc_step(doc, "verdict", label, "%s%s", verdict_text(result->verdict), exit);
	object = doc_object(doc, doc->root, "verdict");
	doc_text(doc, object, "name", label);
	doc_text(doc, object, "class", class_names[class]);
	doc_text(doc, object, "text", verdict_text(result->verdict));
	doc_text(doc, object, "code", code_name(result->code));
	if (result->service_id)
		doc_text(doc, doc->root, "service",
			 doc_service_name(doc, result->service_id, text));
	if (result->backend_id && (class == LB_CLASS_SEND || result->verdict == LB_LOCAL))
		doc_text(doc, doc->root, "backend",
			 doc_backend_name(doc, result->backend_id, text));
	if (leaves_by(doc))
		add_sent(doc);
}
