/* SPDX-License-Identifier: Apache-2.0 */

/* Which backend: by the flow's entry, or by the slot that its hash falls on. */
#include <stdio.h>
#include <string.h>

#include "explain_doc.h"
#include "slow_start.h"

static const char *const state_names[LB_FLOW_STATES] = {
	[LB_FLOW_INHERITED] = "inherited",
	[LB_FLOW_EMBRYONIC] = "embryonic",
	[LB_FLOW_ESTABLISHED] = "established",
	[LB_FLOW_CLOSING] = "closing",
};

static uint32_t word_state(uint64_t word)
{
	return word >> LB_FLOW_STATE_SHIFT & LB_FLOW_STATE_MASK;
}

static uint16_t word_backend(uint64_t word)
{
	return word >> LB_FLOW_BACKEND_SHIFT & LB_FLOW_BACKEND_MASK;
}

/* --- the flow table --- */

/* The flow's bucket, as it was and as it is, and what it holds of the flow. */
struct flow {
	uint32_t index;
	struct lb_flow_bucket before, after;
	uint64_t word, word_after; /* 0: none */
};

/* False: the flow table was not asked. */
static bool read_flow(const struct explain_doc *doc, struct flow *flow)
{
	const struct explain_entry *entry =
		explain_flow_bucket(doc->run, &flow->word, &flow->word_after);

	if (!entry)
		return false;
	memcpy(&flow->index, entry->key, sizeof(flow->index));
	memcpy(&flow->before, entry->before, sizeof(flow->before));
	memcpy(&flow->after, entry->value, sizeof(flow->after));
	return true;
}

static uint32_t ways_used(const struct lb_flow_bucket *bucket)
{
	uint32_t way, used = 0;

	for (way = 0; way < LB_FLOW_WAYS; way++)
		used += bucket->word[way] != 0;
	return used;
}

static int way_of(const struct lb_flow_bucket *bucket, uint64_t word)
{
	int way = 0;

	while (way < LB_FLOW_WAYS && bucket->word[way] != word)
		way++;
	return way;
}

static double state_seconds(const struct explain_doc *doc, uint32_t state, uint32_t ticks)
{
	return state == LB_FLOW_EMBRYONIC ? doc_tick_seconds(doc, ticks)
					  : doc_coarse_seconds(doc, ticks);
}

/* What the step says of an entry that there was, and of what the packet makes of it. */
struct entry_text {
	char backend[DOC_NAME_MAX], age[DOC_NAME_MAX], limit[DOC_NAME_MAX];
	double age_seconds, limit_seconds;
	const char *state;
};

static struct entry_text describe_entry(const struct explain_doc *doc, uint64_t word)
{
	struct entry_text text = {.state = state_names[word_state(word)]};
	uint32_t state = word_state(word), limit = 0;
	struct lb_service service;
	char name[DOC_NAME_MAX];

	if (explain_service(doc->run, &service))
		limit = native_flow_timeout(&service, doc->run->query.protocol, state);
	text.age_seconds = state_seconds(doc, state, native_flow_age(word, doc->run->now));
	text.limit_seconds = state_seconds(doc, state, limit);
	doc_span(text.age_seconds, text.age);
	doc_span(text.limit_seconds, text.limit);
	snprintf(text.backend, sizeof(text.backend), "%s",
		 doc_backend_name(doc, word_backend(word), name));
	return text;
}

static cJSON *add_entry_step(struct explain_doc *doc, uint64_t word)
{
	struct entry_text text = describe_entry(doc, word);
	const char *backend = text.backend, *age = text.age;

	switch (explain_entry_use(doc->run)) {
	case EXPLAIN_ENTRY_FOLLOWED:
		return doc_step(doc, "flow", "followed",
				"an entry, %s, %s old, names backend %s: followed", text.state, age,
				backend);
	case EXPLAIN_ENTRY_RETRANSMIT:
		return doc_step(doc, "flow", "retransmit",
				"a SYN of %s ago is repeated: it keeps its backend %s", age,
				backend);
	case EXPLAIN_ENTRY_REOPENED:
		return doc_step(doc, "flow", "reopened",
				"an entry, %s, %s old, names backend %s, but a SYN begins a new "
				"flow: scheduled afresh",
				text.state, age, backend);
	case EXPLAIN_ENTRY_IDLE:
		return doc_step(doc, "flow", "idle",
				"an entry, %s, names backend %s, but was silent for %s of the %s "
				"allowed: scheduled afresh",
				text.state, backend, age, text.limit);
	case EXPLAIN_ENTRY_DOWN:
		return doc_step(doc, "flow", "down",
				"an entry, %s, %s old, names backend %s, which is not up: "
				"scheduled afresh",
				text.state, age, backend);
	default:
		return doc_step(doc, "flow", "elsewhere",
				"an entry, %s, names backend %s, which is not of this service any "
				"more: scheduled afresh",
				text.state, backend);
	}
}

static void add_entry(struct explain_doc *doc, cJSON *step, const struct flow *flow)
{
	struct entry_text text = describe_entry(doc, flow->word);
	cJSON *entry = doc_object(doc, step, "entry");
	char fingerprint[16];

	snprintf(fingerprint, sizeof(fingerprint), "%08x",
		 (uint32_t)(flow->word >> LB_FLOW_FINGERPRINT_SHIFT));
	doc_text(doc, entry, "state", text.state);
	doc_number(doc, entry, "age-seconds", text.age_seconds);
	doc_number(doc, entry, "timeout-seconds", text.limit_seconds);
	doc_text(doc, entry, "backend", text.backend);
	doc_text(doc, entry, "fingerprint", fingerprint);
	doc_number(doc, entry, "way", way_of(&flow->before, flow->word));
}

/* The word that the new entry pushed out; 0: it took an empty way or the flow's own. */
static uint64_t pushed_out(const struct flow *flow)
{
	int way = way_of(&flow->after, flow->word_after);

	return flow->word || way == LB_FLOW_WAYS ? 0 : flow->before.word[way];
}

/* A new flow went without an entry. */
static bool is_unrecorded(const struct explain_doc *doc, const struct flow *flow)
{
	return !flow->word && !flow->word_after && doc->run->result.new_flow &&
	       ways_used(&flow->after) == LB_FLOW_WAYS;
}

void explain_doc_entered(struct explain_doc *doc)
{
	char backend[DOC_NAME_MAX], other[DOC_NAME_MAX];
	struct flow flow;
	uint64_t word, victim;
	const char *state, *name;
	cJSON *step;

	if (!read_flow(doc, &flow))
		return;
	if (is_unrecorded(doc, &flow))
		doc_step(doc, "flow", "unrecorded",
			 "no entry is made: the flow's bucket and the one beside it are full of "
			 "established flows, which a stranger's first packet does not push out");
	word = flow.word_after;
	if (!word || (word_state(word) == word_state(flow.word) &&
		      word_backend(word) == word_backend(flow.word)))
		return; /* at most it is younger than before */
	state = state_names[word_state(word)];
	name = doc_backend_name(doc, word_backend(word), backend);
	victim = pushed_out(&flow);
	if (victim)
		step = doc_step(doc, "flow", "entered",
				"%s entry for backend %s, in place of a flow of %s, %s", state,
				name, doc_backend_name(doc, word_backend(victim), other),
				state_names[word_state(victim)]);
	else
		step = doc_step(doc, "flow", "entered",
				"the flow's entry is %s from now on, for backend %s", state, name);
	doc_text(doc, step, "state", state);
	doc_text(doc, step, "backend", name);
}

void explain_doc_flow(struct explain_doc *doc)
{
	struct lb_service service;
	struct flow flow;
	cJSON *step;

	if (!explain_service(doc->run, &service))
		return;
	if (!(service.flags & LB_SERVICE_TRACK)) {
		doc_step(doc, "flow", "off", "the service's flows are not tracked");
		return;
	}
	if (!read_flow(doc, &flow)) {
		if (service.flags & LB_SERVICE_TRACK_CHANGED)
			doc_step(doc, "flow", "computed",
				 "no entry is needed: the slot has not changed hands lately");
		return;
	}
	if (flow.word)
		step = add_entry_step(doc, flow.word);
	else
		step = doc_step(doc, "flow", "none",
				"no entry for this flow; %u of %d ways of its bucket are taken",
				ways_used(&flow.before), LB_FLOW_WAYS);
	doc_number(doc, step, "bucket", flow.index);
	doc_number(doc, step, "bucket-used", ways_used(&flow.before));
	if (flow.word)
		add_entry(doc, step, &flow);
}

/* --- the slot --- */

static const char *const scheduler_texts[] = {
	[LB_SCHEDULER_MAGLEV] = "by the flow's addresses and ports",
	[LB_SCHEDULER_SOURCE] = "by the client's address",
	[LB_SCHEDULER_DPORT] = "by the destination port",
	[LB_SCHEDULER_LEAST_CONN] = "the less loaded of two",
};

/* A slot that the flow may be given to. */
struct candidate {
	uint32_t slot;
	uint16_t owner; /* 0: nobody */
	bool loaded;    /* least-conn: its load was looked at */
	double load;
	double weight;
};

static struct candidate read_candidate(const struct explain_doc *doc,
				       const struct lb_service *service, uint32_t slot)
{
	uint32_t line = service->tables.current * manager_dataplane(doc->manager)->table_lines +
			slot / LB_SLOTS_PER_LINE;
	const struct explain_entry *entry = explain_maps_at(doc->run->maps, "slots", line), *load;
	struct candidate candidate = {.slot = slot};
	struct lb_backend backend;
	struct lb_slot_line owners;
	int64_t flows;

	if (!entry)
		return candidate;
	memcpy(&owners, entry->before, sizeof(owners));
	candidate.owner = owners.backend[slot % LB_SLOTS_PER_LINE];
	load = explain_maps_at(doc->run->maps, "backend_loads", candidate.owner);
	if (!load || !explain_backend(doc->run, candidate.owner, &backend))
		return candidate;
	memcpy(&flows, load->before, sizeof(flows));
	candidate.load = flows > 0 ? (double)flows : 0;
	candidate.weight = backend.weight / (double)SLOW_START_TENTHS;
	candidate.loaded = service->scheduler == LB_SCHEDULER_LEAST_CONN;
	return candidate;
}

static void add_slot(struct explain_doc *doc, cJSON *slots, const struct candidate *candidate)
{
	cJSON *item = doc_item(doc, slots);
	char backend[DOC_NAME_MAX];

	doc_number(doc, item, "slot", candidate->slot);
	if (candidate->owner)
		doc_text(doc, item, "backend", doc_backend_name(doc, candidate->owner, backend));
	if (!candidate->loaded)
		return;
	doc_number(doc, item, "load", candidate->load);
	doc_number(doc, item, "weight", candidate->weight);
}

/* Two slots of different owners: what was compared. */
static void add_choice(struct explain_doc *doc, const struct candidate *a,
		       const struct candidate *b)
{
	char first[DOC_NAME_MAX], second[DOC_NAME_MAX];

	if (!a->loaded || !b->loaded || a->owner == b->owner)
		return;
	doc_step(doc, "schedule", "compared",
		 "%s has %.0f flows at weight %g, %s has %.0f at weight %g; with one more each",
		 doc_backend_name(doc, a->owner, first), a->load, a->weight,
		 doc_backend_name(doc, b->owner, second), b->load, b->weight);
}

/* owner: of the first slot. */
static cJSON *add_schedule_step(struct explain_doc *doc, const struct lb_service *service,
				const uint32_t *slot, uint32_t count, uint16_t owner)
{
	uint32_t size = manager_dataplane(doc->manager)->sizes.table_size;
	uint16_t chosen = doc->run->result.backend_id;
	char backend[DOC_NAME_MAX], slots[64];
	struct lb_backend record;

	if (chosen == 0)
		return doc_step(doc, "schedule", "empty",
				"the service's table is empty: no backend takes new flows");
	snprintf(slots, sizeof(slots), count == 2 ? "slots %u and %u" : "slot %u", slot[0],
		 slot[1]);
	doc_backend_name(doc, chosen, backend);
	if (!explain_backend(doc->run, chosen, &record) || !(record.hop.flags & LB_BACKEND_UP))
		return doc_step(doc, "schedule", "down",
				"%s of %u belongs to %s, which is not up any more", slots, size,
				backend);
	if (count == 1 && chosen != owner)
		return doc_step(doc, "schedule", "former",
				"%s of %u was that of backend %s before the last change, and the "
				"flow is older: it stays there",
				slots, size, backend);
	return doc_step(doc, "schedule", "chosen", "%s of %u, %s: backend %s", slots, size,
			scheduler_texts[service->scheduler], backend);
}

/* --- who is in the table --- */

#define ABSENT_MAX   8 /* backends that are named, */
#define ABSENT_TOLD  3 /* and in the text */
#define ABSENT_BYTES 768

/* Why a backend has no slot. False: it has some. */
static bool is_absent(const struct explain_doc *doc, const struct backend_spec *backend, char *why,
		      size_t size)
{
	struct backend_view view = manager_backend(doc->manager, backend);

	if (view.share > 0)
		return false;
	if (view.status != BACKEND_UP)
		snprintf(why, size, "%s%s%s", backend_status_name(view.status),
			 view.reason[0] ? ": " : "", view.reason);
	else if (backend->weight == 0)
		snprintf(why, size, "weight 0");
	else
		snprintf(why, size, "priority %u waits for those before it", backend->priority);
	return true;
}

/* Names the first few of those that are absent in text and in absent; returns how many there are.
 */
static size_t list_absent(struct explain_doc *doc, const struct service_spec *service,
			  cJSON *absent, char *text, size_t size)
{
	char why[256], backend[ENDPOINT_TEXT_MAX];
	size_t i, used = 0, count = 0;
	cJSON *item;

	for (i = 0; i < service->backend_count; i++) {
		if (!is_absent(doc, &service->backends[i], why, sizeof(why)) ||
		    count++ >= ABSENT_MAX)
			continue;
		format_endpoint(&service->backends[i].endpoint, backend);
		item = doc_item(doc, absent);
		doc_text(doc, item, "backend", backend);
		doc_text(doc, item, "reason", why);
		if (count <= ABSENT_TOLD && used < size)
			used += (size_t)snprintf(text + used, size - used, "%s%s (%s)",
						 used ? ", " : "; not ", backend, why);
	}
	return count;
}

static void add_members(struct explain_doc *doc)
{
	const struct service_spec *service = doc_service(doc, doc->run->result.service_id);
	cJSON *absent = cJSON_CreateArray(), *step;
	char list[ABSENT_BYTES] = "", more[32] = "";
	size_t count;

	if (!service || !absent) {
		cJSON_Delete(absent);
		return;
	}
	count = list_absent(doc, service, absent, list, sizeof(list));
	if (count > ABSENT_TOLD)
		snprintf(more, sizeof(more), " and %zu more", count - ABSENT_TOLD);
	step = doc_step(doc, "schedule", "members", "%zu of %zu backends take new flows%s%s",
			service->backend_count - count, service->backend_count, list, more);
	doc_number(doc, step, "backends", (double)service->backend_count);
	doc_number(doc, step, "members", (double)(service->backend_count - count));
	doc_add(doc, step, "absent", absent);
}

void explain_doc_schedule(struct explain_doc *doc)
{
	struct candidate candidates[2] = {0};
	struct lb_service service;
	uint32_t slot[2] = {0}, count, i;
	cJSON *step, *slots;

	if (!explain_service(doc->run, &service) ||
	    !explain_maps_next(doc->run->maps, "slots", NULL))
		return;
	count = native_flow_slots(&doc->run->tuple, doc->run->result.hash, service.scheduler, slot);
	for (i = 0; i < count; i++)
		candidates[i] = read_candidate(doc, &service, slot[i]);
	step = add_schedule_step(doc, &service, slot, count, candidates[0].owner);
	doc_number(doc, step, "table-size", manager_dataplane(doc->manager)->sizes.table_size);
	slots = doc_array(doc, step, "slots");
	for (i = 0; i < count; i++)
		add_slot(doc, slots, &candidates[i]);
	if (count == 2)
		add_choice(doc, &candidates[0], &candidates[1]);
	add_members(doc);
}
