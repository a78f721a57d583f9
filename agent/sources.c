/* SPDX-License-Identifier: Apache-2.0 */
#include "sources.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "source_list.h"

#define BATCH 1024

/* One list: of a service, or the global one. */
struct slot {
	char *words;   /* owned; NULL: none */
	uint32_t list; /* in the map sources; 0: none */
	size_t count;
	/* What is loaded beside it, until all is. */
	char *next_words;
	uint32_t next_list;
	size_t next_count;
	bool changes;
};

struct sources {
	struct dataplane *dp;
	const char *global_words;
	struct slot *slots; /* [2 * service index + deny]; [1] is the global one */
	size_t slot_count;
	struct source_lists lists;  /* services[] is owned */
	struct lb_source_key sweep; /* where to go on */
	bool sweeping;
};

static struct slot *slot_of(const struct sources *sources, uint16_t service_id, bool deny)
{
	return &sources->slots[2 * (size_t)service_id + deny];
}

/* NULL: none. */
static const char *words_of(const struct service_spec *service, bool deny)
{
	return deny ? service->source_deny : service->source_allow;
}

static bool same_words(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static const char *key_of(bool deny)
{
	return deny ? "source-deny" : "source-allow";
}

struct sources *sources_new(struct dataplane *dp, const char *global_deny)
{
	struct sources *sources = calloc(1, sizeof(*sources));
	size_t services = (size_t)dp->sizes.services + 1;

	if (!sources)
		return NULL;
	sources->dp = dp;
	sources->global_words = global_deny[0] ? global_deny : NULL;
	sources->slot_count = 2 * services;
	sources->slots = calloc(sources->slot_count, sizeof(*sources->slots));
	sources->lists.services = calloc(services, sizeof(*sources->lists.services));
	if (sources->slots && sources->lists.services)
		return sources;
	sources_free(sources);
	return NULL;
}

void sources_free(struct sources *sources)
{
	size_t i;

	if (!sources)
		return;
	for (i = 0; sources->slots && i < sources->slot_count; i++) {
		free(sources->slots[i].words);
		free(sources->slots[i].next_words);
	}
	free(sources->slots);
	free(sources->lists.services);
	free(sources);
}

/* --- reading --- */

static int name_error(const char *service, bool deny, int ret, const struct error *inner,
		      struct error *err)
{
	if (service)
		error_set(err, -ret, "service %s: %s: %.200s", service, key_of(deny),
			  inner->message);
	else
		error_set(err, -ret, "source-deny of all services: %.200s", inner->message);
	error_hint(err, ret, "%s", inner->hint);
	return error_field(err, ret, key_of(deny));
}

static int check_words(const char *service, bool deny, const char *words, struct error *err)
{
	struct source_list list = {0};
	struct error inner = {0};
	int ret = source_list_read(words, &list, &inner);

	source_list_clear(&list);
	return ret ? name_error(service, deny, ret, &inner, err) : 0;
}

int sources_check(const struct sources *sources, const struct desired *next, struct error *err)
{
	int deny, ret = 0;
	size_t i;

	for (i = 0; i < next->service_count; i++) {
		const struct service_spec *service = &next->services[i];

		for (deny = 0; ret == 0 && deny <= 1; deny++) {
			const char *words = words_of(service, deny);

			if (words && !same_words(words, slot_of(sources, service->id, deny)->words))
				ret = check_words(service->name, deny, words, err);
		}
	}
	return ret;
}

/* --- loading --- */

/* What the data plane goes by at present, of service 0 the global list. */
static uint32_t present_list(const struct sources *sources, uint16_t service_id, bool deny)
{
	const struct lb_service *record = &sources->dp->services[service_id];

	if (service_id == 0)
		return deny ? sources->dp->switches->source_deny : 0;
	return deny ? record->source_deny : record->source_allow;
}

static bool is_live(const struct sources *sources, uint32_t list)
{
	size_t i;

	for (i = 0; i < sources->slot_count; i++) {
		if (sources->slots[i].list == list || sources->slots[i].next_list == list ||
		    present_list(sources, (uint16_t)(i / 2), i % 2) == list)
			return true;
	}
	return false;
}

/* A number that no list has: of a former agent's there may be remains that nobody knows of, so
 * they are not in a row. */
static uint32_t new_list(const struct sources *sources)
{
	uint32_t list = 0;

	while (list == 0 || is_live(sources, list)) {
		if (getrandom(&list, sizeof(list), 0) != sizeof(list))
			list++;
	}
	return list;
}

static int fill(struct sources *sources, uint32_t list, const struct source_list *from,
		struct error *err)
{
	struct lb_source_key keys[BATCH];
	size_t i, n;
	int ret = 0;

	for (i = 0; ret == 0 && i < from->count; i += n) {
		for (n = 0; n < BATCH && i + n < from->count; n++) {
			const struct prefix *prefix = &from->prefixes[i + n];
			uint32_t mapped = 128U - address_bits(&prefix->address);

			keys[n] = (struct lb_source_key){
				.prefix_length = LB_SOURCE_BASE + mapped + prefix->length,
				.list = list,
				.addr = lb_addr_of(&prefix->address),
			};
		}
		ret = sources->dp->ops->sources_put(sources->dp, keys, (uint32_t)n, err);
	}
	return ret;
}

/* Loads the words beside what is in force. */
static int load_slot(struct sources *sources, struct slot *slot, const char *words,
		     struct error *err)
{
	struct source_list list = {0};
	int ret = 0;

	if (words) {
		ret = source_list_read(words, &list, err);
		if (ret)
			return ret;
		slot->next_words = strdup(words);
		slot->next_list = new_list(sources);
		slot->next_count = list.count;
		ret = slot->next_words ? fill(sources, slot->next_list, &list, err)
				       : error_set(err, ENOMEM, "out of memory");
		source_list_clear(&list);
	}
	slot->changes = ret == 0;
	return ret;
}

static void forget_next(struct slot *slot)
{
	free(slot->next_words);
	slot->next_words = NULL;
	slot->next_list = 0;
	slot->next_count = 0;
	slot->changes = false;
}

/* What cannot be loaded at the start. */
static void stand_in(struct sources *sources, struct slot *slot, const char *words, uint32_t former)
{
	forget_next(slot);
	slot->next_words = words ? strdup(words) : NULL;
	slot->next_list = former ? former : new_list(sources);
	slot->changes = true;
}

/* service NULL: the global list. */
static int load_one(struct sources *sources, const struct service_spec *service, bool deny,
		    enum sources_mode mode, struct error *err)
{
	uint16_t id = service ? service->id : 0;
	const char *words = service ? words_of(service, deny) : sources->global_words;
	struct slot *slot = slot_of(sources, id, deny);
	struct error inner = {0};
	int ret;

	if (same_words(words, slot->words) && (mode == SOURCES_CHANGED || !words))
		return 0;
	ret = load_slot(sources, slot, words, &inner);
	if (ret == 0)
		return 0;
	if (mode == SOURCES_START)
		stand_in(sources, slot, words, present_list(sources, id, deny));
	return name_error(service ? service->name : NULL, deny, ret, &inner, err);
}

static void take_over(struct slot *slot)
{
	if (!slot->changes)
		return;
	free(slot->words);
	slot->words = slot->next_words;
	slot->list = slot->next_list;
	slot->count = slot->next_count;
	slot->next_words = NULL;
	forget_next(slot);
}

/* Services that are gone have no lists. */
static void drop_gone(struct sources *sources, const struct desired *desired)
{
	bool *used = calloc(sources->slot_count / 2, sizeof(*used));
	size_t i;

	for (i = 0; used && i < desired->service_count; i++)
		used[desired->services[i].id] = true;
	for (i = 2; used && i < sources->slot_count; i++) {
		if (!used[i / 2] && sources->slots[i].words) {
			forget_next(&sources->slots[i]);
			sources->slots[i].changes = true;
		}
	}
	free(used);
}

static void sweep_begin(struct sources *sources)
{
	sources->sweep = (struct lb_source_key){0};
	sources->sweeping = true;
}

static void take_all_over(struct sources *sources)
{
	size_t i;

	for (i = 1; i < sources->slot_count; i++)
		take_over(&sources->slots[i]);
	sources->lists.global_deny = sources->slots[1].list;
	for (i = 1; i < sources->slot_count / 2; i++) {
		sources->lists.services[i].allow = sources->slots[2 * i].list;
		sources->lists.services[i].deny = sources->slots[2 * i + 1].list;
	}
}

int sources_load(struct sources *sources, const struct desired *desired, enum sources_mode mode,
		 struct error *err)
{
	struct error later = {0};
	int deny, one, ret = load_one(sources, NULL, true, mode, err);
	size_t i;

	for (i = 0; i < desired->service_count; i++) {
		for (deny = 0; deny <= 1 && (ret == 0 || mode == SOURCES_START); deny++) {
			one = load_one(sources, &desired->services[i], deny, mode,
				       ret ? &later : err);
			ret = ret ? ret : one;
		}
	}
	if (ret == 0 || mode == SOURCES_START) {
		drop_gone(sources, desired);
		take_all_over(sources);
	} else {
		for (i = 0; i < sources->slot_count; i++)
			forget_next(&sources->slots[i]);
	}
	sweep_begin(sources);
	return ret;
}

/* --- looking and sweeping --- */

const struct source_lists *sources_lists(const struct sources *sources)
{
	return &sources->lists;
}

bool sources_any(const struct sources *sources)
{
	size_t i;

	for (i = 0; i < sources->slot_count; i++) {
		if (sources->slots[i].words)
			return true;
	}
	return false;
}

size_t sources_count(const struct sources *sources, const struct service_spec *service, bool deny)
{
	return slot_of(sources, service ? service->id : 0, deny)->count;
}

static bool keeps(void *context, uint32_t list)
{
	return is_live(context, list);
}

void sources_tick(struct sources *sources)
{
	if (sources->sweeping)
		sources->sweeping = !sources->dp->ops->sources_sweep(sources->dp, &sources->sweep,
								     SOURCES_SWEEP, keeps, sources);
}
