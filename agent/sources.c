/* SPDX-License-Identifier: Apache-2.0 */
#include "sources.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "source_readings.h"

/* Trying to fill costs as much as sweeping some parts. */
#define SWEPT_WHEN_FULL 64

/* One list: of a service, or the global one. */
struct slot {
	char *words;   /* owned; NULL: none */
	uint32_t list; /* in the map sources; 0: none */
	size_t count;
	/* What takes its place once all that changes is in the map. */
	bool changes;
	char *next_words;
	uint32_t next_list;
	struct source_reading *next;
	size_t filled; /* of next */
};

struct sources {
	struct dataplane *dp;
	struct source_readings *readings;
	const char *global_words;
	struct slot *slots; /* [2 * service index + deny]; [1] is the global one */
	size_t slot_count;
	struct source_lists lists;  /* services[] is owned */
	struct lb_source_key sweep; /* where to go on */
	bool sweeping;
	unsigned int full; /* so many parts are to be swept before filling goes on, to make room */
	bool starting;     /* what is to be loaded is the first, and must not fail */
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

/* Is the list in force what these words say? One of a new service that could not be filled is in
 * force and has none. */
static bool in_force(const struct slot *slot, const char *words)
{
	return same_words(words, slot->words) && (words || !slot->list);
}

/* Is it, or becomes it, what these words say? */
static bool follows(const struct slot *slot, const char *words)
{
	return slot->changes ? same_words(words, slot->next_words) : in_force(slot, words);
}

static const char *key_of(bool deny)
{
	return deny ? "source-deny" : "source-allow";
}

static void forget_next(struct slot *slot)
{
	free(slot->next_words);
	source_reading_free(slot->next);
	slot->next = NULL;
	slot->next_words = NULL;
	slot->next_list = 0;
	slot->filled = 0;
	slot->changes = false;
}

struct sources *sources_new(struct dataplane *dp, const char *global_deny)
{
	struct sources *sources = calloc(1, sizeof(*sources));
	size_t services = (size_t)dp->sizes.services + 1;

	if (!sources)
		return NULL;
	sources->dp = dp;
	sources->readings = source_readings_new();
	sources->global_words = global_deny[0] ? global_deny : NULL;
	sources->slot_count = 2 * services;
	sources->slots = calloc(sources->slot_count, sizeof(*sources->slots));
	sources->lists.services = calloc(services, sizeof(*sources->lists.services));
	if (sources->readings && sources->slots && sources->lists.services)
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
		forget_next(&sources->slots[i]);
	}
	source_readings_free(sources->readings);
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

/* Asks for one list, of `lines` lines now; service NULL: the global one. */
static int ask(const struct sources *sources, const struct service_spec *service, bool deny,
	       size_t lines, struct error *err)
{
	const char *words = service ? words_of(service, deny) : sources->global_words;
	struct source_list list = {0};
	struct error inner = {0};
	int ret = source_readings_ask(sources->readings, words, lines, &inner);

	if (ret == 0 && !source_words_are_file(words))
		ret = source_list_read_words(words, &list, &inner);
	source_list_clear(&list);
	return ret < 0 ? name_error(service ? service->name : NULL, deny, ret, &inner, err) : ret;
}

/* Is the service's list to be read for the change? One that has no index yet is new. */
static bool to_read(const struct sources *sources, const struct service_spec *service, bool deny,
		    enum sources_mode mode)
{
	const char *words = words_of(service, deny);

	if (!words)
		return false;
	return mode == SOURCES_ALL || !service->id ||
	       !follows(slot_of(sources, service->id, deny), words);
}

/* All are asked for, so that they are read one behind the other. */
static int ask_all(const struct sources *sources, const struct desired *next,
		   enum sources_mode mode, size_t lines, struct error *err)
{
	int deny, one, ret = 0;
	size_t i;

	if (mode == SOURCES_ALL && sources->global_words)
		ret = ask(sources, NULL, true, lines, err);
	for (i = 0; ret >= 0 && i < next->service_count; i++) {
		for (deny = 0; ret >= 0 && deny <= 1; deny++) {
			if (!to_read(sources, &next->services[i], deny, mode))
				continue;
			one = ask(sources, &next->services[i], deny, lines, err);
			ret = one ? one : ret;
		}
	}
	return ret;
}

int sources_ready(const struct sources *sources, const struct desired *next, enum sources_mode mode,
		  struct error *err)
{
	return ask_all(sources, next, mode, SOURCES_LINES, err);
}

int sources_check(const struct sources *sources, const struct desired *next, struct error *err)
{
	return ask_all(sources, next, SOURCES_CHANGED, SIZE_MAX, err);
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

static void sweep_begin(struct sources *sources)
{
	sources->sweep = (struct lb_source_key){0};
	sources->sweeping = true;
}

/* What takes the slot's place: a list of these words, or none. */
static int change_slot(const struct sources *sources, struct slot *slot, const char *words,
		       struct error *err)
{
	forget_next(slot);
	slot->changes = true;
	if (!words)
		return 0;
	slot->next_words = strdup(words);
	slot->next_list = new_list(sources);
	return slot->next_words ? 0 : error_set(err, ENOMEM, "out of memory");
}

/* For a list that cannot be loaded: the one that an adopted data plane has, or an empty one. */
static void stand_in(const struct sources *sources, struct slot *slot)
{
	size_t i = (size_t)(slot - sources->slots);
	uint32_t former = present_list(sources, (uint16_t)(i / 2), i % 2);

	source_reading_free(slot->next);
	slot->next = NULL;
	slot->filled = 0;
	slot->next_list = former ? former : new_list(sources);
}

/* What is in force while a list is filled that has none before it: at the start a former agent's.
 * Of a new service it is the list itself, for nobody is to come meanwhile who is not on it. */
static void hold(const struct sources *sources, struct slot *slot, bool starting, bool is_new)
{
	size_t i = (size_t)(slot - sources->slots);
	uint32_t former = present_list(sources, (uint16_t)(i / 2), i % 2);

	if (starting && former)
		slot->list = former;
	else if (is_new)
		slot->list = slot->next_list;
}

/* service NULL: the global list. */
static int read_one(struct sources *sources, const struct service_spec *service, bool deny,
		    enum sources_mode mode, struct error *err)
{
	uint16_t id = service ? service->id : 0;
	const char *words = service ? words_of(service, deny) : sources->global_words;
	struct slot *slot = slot_of(sources, id, deny);
	struct error inner = {0};
	int ret;

	if (follows(slot, words) && (mode == SOURCES_CHANGED || !words))
		return 0;
	if (in_force(slot, words) && mode == SOURCES_CHANGED) {
		forget_next(slot);
		sweep_begin(sources);
		return 0;
	}
	ret = change_slot(sources, slot, words, &inner);
	if (ret == 0 && words)
		ret = source_readings_take(sources->readings, words, &slot->next, &inner);
	hold(sources, slot, mode == SOURCES_START,
	     ret == 0 && service && !sources->dp->services[id].mode);
	if (ret == 0)
		return 0;
	if (mode == SOURCES_START)
		stand_in(sources, slot);
	return name_error(service ? service->name : NULL, deny, ret, &inner, err);
}

/* Services that are gone have no lists. */
static void drop_gone(struct sources *sources, const struct desired *desired)
{
	bool *used = calloc(sources->slot_count / 2, sizeof(*used));
	size_t i;

	for (i = 0; used && i < desired->service_count; i++)
		used[desired->services[i].id] = true;
	for (i = 2; used && i < sources->slot_count; i++) {
		if (!used[i / 2] && !follows(&sources->slots[i], NULL)) {
			forget_next(&sources->slots[i]);
			sources->slots[i].changes = true;
		}
	}
	free(used);
}

static void forget_all(struct sources *sources)
{
	size_t i;

	for (i = 0; i < sources->slot_count; i++)
		forget_next(&sources->slots[i]);
	sweep_begin(sources);
}

/* Has sync.c go by the lists in force. */
static void name_lists(struct sources *sources)
{
	size_t i;

	sources->lists.global_deny = slot_of(sources, 0, true)->list;
	for (i = 1; i < sources->slot_count / 2; i++) {
		sources->lists.services[i].allow = slot_of(sources, (uint16_t)i, false)->list;
		sources->lists.services[i].deny = slot_of(sources, (uint16_t)i, true)->list;
	}
}

int sources_read(struct sources *sources, const struct desired *desired, enum sources_mode mode,
		 struct error *err)
{
	struct error later = {0};
	int deny, one, ret = read_one(sources, NULL, true, mode, err);
	size_t i;

	sources->starting = mode == SOURCES_START;
	if (sources->starting) /* of a former agent there may be remains */
		sweep_begin(sources);
	for (i = 0; i < desired->service_count; i++) {
		for (deny = 0; deny <= 1 && (ret == 0 || mode == SOURCES_START); deny++) {
			one = read_one(sources, &desired->services[i], deny, mode,
				       ret ? &later : err);
			ret = ret ? ret : one;
		}
	}
	source_readings_forget_taken(sources->readings);
	if (ret && mode != SOURCES_START)
		forget_all(sources);
	else
		drop_gone(sources, desired);
	name_lists(sources);
	return ret;
}

/* Puts the next prefixes into the map, DATAPLANE_SOURCES_BATCH at most. */
static int fill(struct sources *sources, struct slot *slot, struct error *err)
{
	const struct source_list *next = source_reading_list(slot->next);
	struct lb_source_key keys[DATAPLANE_SOURCES_BATCH];
	size_t n;
	int ret;

	for (n = 0; n < DATAPLANE_SOURCES_BATCH && slot->filled + n < next->count; n++) {
		const struct prefix *prefix = &next->prefixes[slot->filled + n];
		uint32_t mapped = 128U - address_bits(&prefix->address);

		keys[n] = (struct lb_source_key){
			.prefix_length = LB_SOURCE_BASE + mapped + prefix->length,
			.list = slot->next_list,
			.addr = lb_addr_of(&prefix->address),
		};
	}
	ret = sources->dp->ops->sources_put(sources->dp, keys, (uint32_t)n, err);
	slot->filled += ret ? 0 : n;
	return ret;
}

static void take_over(struct slot *slot)
{
	if (!slot->changes)
		return;
	free(slot->words);
	slot->words = slot->next_words;
	slot->list = slot->next_list;
	slot->count = source_reading_list(slot->next)->count;
	slot->next_words = NULL;
	forget_next(slot);
}

static void take_all_over(struct sources *sources)
{
	size_t i;

	for (i = 1; i < sources->slot_count; i++)
		take_over(&sources->slots[i]);
	name_lists(sources);
}

/* One that is to be filled; NULL: none. */
static struct slot *unfilled(const struct sources *sources)
{
	size_t i;

	for (i = 0; i < sources->slot_count; i++) {
		struct slot *slot = &sources->slots[i];

		if (slot->filled < source_reading_list(slot->next)->count)
			return slot;
	}
	return NULL;
}

bool sources_loading(const struct sources *sources, const struct service_spec *service)
{
	size_t i = service ? 2 * (size_t)service->id : 0;
	size_t end = service ? i + 2 : sources->slot_count;

	for (; i < end; i++) {
		if (sources->slots[i].changes)
			return true;
	}
	return false;
}

bool sources_held(const struct sources *sources)
{
	size_t i;

	for (i = 0; i < sources->slot_count; i++) {
		if (sources->slots[i].next_words &&
		    !present_list(sources, (uint16_t)(i / 2), i % 2))
			return false;
	}
	return true;
}

int sources_fill(struct sources *sources, size_t room, struct error *err)
{
	struct error later = {0};
	struct slot *slot;
	size_t done;
	int one, ret = 0;

	if (!sources_loading(sources, NULL))
		return 0;
	if (sources->full && sources->sweeping)
		return SOURCES_MORE;
	sources->full = 0;
	for (done = 0; (slot = unfilled(sources)) && done < room; done += DATAPLANE_SOURCES_BATCH) {
		one = fill(sources, slot, ret ? &later : err);
		if (one == -ENOSPC && sources->sweeping) {
			sources->full = SWEPT_WHEN_FULL;
			return SOURCES_MORE;
		}
		ret = ret ? ret : one;
		if (one && !sources->starting) {
			forget_all(sources);
			return ret;
		}
		if (one)
			stand_in(sources, slot);
	}
	if (slot)
		return SOURCES_MORE;
	take_all_over(sources);
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

/* While lists are filled, only if that cannot go on else. */
static bool may_sweep(const struct sources *sources)
{
	return sources->sweeping && (sources->full || !sources_loading(sources, NULL));
}

bool sources_tick(struct sources *sources)
{
	if (source_readings_step(sources->readings, SOURCES_LINES))
		return true;
	if (!may_sweep(sources))
		return false;
	sources->sweeping = !sources->dp->ops->sources_sweep(sources->dp, &sources->sweep,
							     SOURCES_SWEEP, keeps, sources);
	sources->full -= sources->full > 0;
	return true;
}

void sources_age(struct sources *sources)
{
	source_readings_age(sources->readings);
}
