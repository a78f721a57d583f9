/* SPDX-License-Identifier: Apache-2.0 */
#include "slot_marks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What a round through the flow table has met of a slot. */
enum sight {
	SEEN_NOTHING, /* since its beginning: no entry of another than the owner */
	SEEN_OTHERS,  /* some; or the slot changed after it had begun */
};

struct service_marks {
	uint32_t *changed; /* [slot]: coarse tick in which the owner changed */
	uint8_t *sight;    /* [slot]: enum sight */
	uint32_t rounded;  /* coarse tick of the last round's end, or when the first mark came */
};

struct slot_marks {
	struct dataplane *dp;
	struct service_marks *services; /* [service index]; changed NULL: no slot is marked */
};

static uint16_t *block_slots(const struct slot_marks *marks, uint32_t block)
{
	return marks->dp->slots[(size_t)block * marks->dp->table_lines].backend;
}

static bool service_marks_make(struct slot_marks *marks, uint16_t service_id, uint32_t tick)
{
	struct service_marks *service = &marks->services[service_id];
	size_t slots = marks->dp->sizes.table_size;

	if (service->changed)
		return true;
	service->changed = calloc(slots, sizeof(*service->changed));
	service->sight = calloc(slots, sizeof(*service->sight));
	service->rounded = tick;
	if (service->changed && service->sight)
		return true;
	slot_marks_drop(marks, service_id);
	return false;
}

void slot_marks_drop(struct slot_marks *marks, uint16_t service_id)
{
	struct service_marks *service = &marks->services[service_id];

	free(service->changed);
	free(service->sight);
	*service = (struct service_marks){0};
}

static void slot_touch(struct service_marks *service, uint32_t slot, uint32_t tick)
{
	service->changed[slot] = tick;
	service->sight[slot] = SEEN_OTHERS;
}

/* Takes the marks of a former agent over. */
static bool adopt(struct slot_marks *marks, uint16_t service_id)
{
	uint32_t slot, tick = dataplane_coarse(&marks->dp->clock, marks->dp->ops->now(marks->dp));

	if (!marks->dp->services[service_id].tables.former)
		return true;
	if (!service_marks_make(marks, service_id, tick))
		return false;
	for (slot = 0; slot < marks->dp->sizes.table_size; slot++)
		slot_touch(&marks->services[service_id], slot, tick);
	return true;
}

struct slot_marks *slot_marks_new(struct dataplane *dp)
{
	struct slot_marks *marks = calloc(1, sizeof(*marks));
	uint32_t id;
	bool done;

	if (!marks)
		return NULL;
	marks->dp = dp;
	marks->services = calloc((size_t)dp->sizes.services + 1, sizeof(*marks->services));
	done = marks->services;
	for (id = 1; done && id <= dp->sizes.services; id++)
		done = adopt(marks, (uint16_t)id);
	if (done)
		return marks;
	slot_marks_free(marks);
	return NULL;
}

void slot_marks_free(struct slot_marks *marks)
{
	uint32_t id;

	if (!marks)
		return;
	for (id = 1; marks->services && id <= marks->dp->sizes.services; id++)
		slot_marks_drop(marks, (uint16_t)id);
	free(marks->services);
	free(marks);
}

/* With whom a slot is to be marked that was not; 0: it is not to be. */
static uint16_t new_mark(enum slot_flows flows, uint16_t owned, uint16_t owner)
{
	switch (flows) {
	case SLOT_FLOWS_HERE:
		return owned != owner ? owned : 0;
	case SLOT_FLOWS_UNKNOWN:
		return owned ? owned : owner;
	case SLOT_FLOWS_LEAVE:
		return owned;
	case SLOT_FLOWS_LEFT:
		break;
	}
	return 0;
}

int slot_marks_change(struct slot_marks *marks, uint16_t service_id, const uint16_t *owners,
		      enum slot_flows flows, uint64_t now, uint16_t *former)
{
	const struct lb_tables *tables = &marks->dp->services[service_id].tables;
	const uint16_t *owned = block_slots(marks, tables->current);
	const uint16_t *marked = block_slots(marks, tables->former);
	uint32_t slot, tick = dataplane_coarse(&marks->dp->clock, now);
	bool all = flows == SLOT_FLOWS_UNKNOWN || flows == SLOT_FLOWS_LEAVE;
	int count = 0;

	if (!service_marks_make(marks, service_id, tick))
		return -ENOMEM;
	for (slot = 0; slot < marks->dp->sizes.table_size; slot++) {
		former[slot] =
			marked[slot] ? marked[slot] : new_mark(flows, owned[slot], owners[slot]);
		if (all || (flows == SLOT_FLOWS_HERE && owned[slot] != owners[slot]))
			slot_touch(&marks->services[service_id], slot, tick);
		count += former[slot] != 0;
	}
	if (!count)
		slot_marks_drop(marks, service_id);
	return count;
}

/* As the data plane computes it, bpf/schedule.h. */
static uint32_t slot_of(const struct slot_marks *marks, uint32_t fingerprint)
{
	return (uint32_t)(((uint64_t)fingerprint * marks->dp->sizes.table_size) >> 32);
}

void slot_marks_see(struct slot_marks *marks, uint16_t service_id, uint32_t fingerprint,
		    uint16_t backend_id)
{
	struct service_marks *service = &marks->services[service_id];
	uint32_t slot = slot_of(marks, fingerprint);
	uint32_t block = marks->dp->services[service_id].tables.current;

	if (service->changed && block_slots(marks, block)[slot] != backend_id)
		service->sight[slot] = SEEN_OTHERS;
}

uint32_t slot_marks_silence(const struct dataplane_clock *clock, const struct lb_service *service)
{
	uint32_t silence = (service->timeout[LB_FLOW_EMBRYONIC] >>
			    (clock->coarse_tick_shift - clock->tick_shift)) +
			   1;

	if (service->timeout[LB_FLOW_ESTABLISHED] > silence)
		silence = service->timeout[LB_FLOW_ESTABLISHED];
	return service->timeout[LB_FLOW_CLOSING] > silence ? service->timeout[LB_FLOW_CLOSING]
							   : silence;
}

/* By this tick, has every flow sent something, or ended, that began before the slot changed? */
static bool is_settled(const struct service_marks *service, uint32_t slot, uint32_t tick,
		       uint32_t silence)
{
	return (int32_t)(tick - service->changed[slot]) > (int32_t)silence;
}

/*
 * What the slot is marked with after this round; 0: nothing. Only entries say where its flows are
 * once it is settled. Then nobody needs the mark any more if they all name the owner, or, where
 * there is none, if there are none: not behind the round's position either, so it was settled
 * when the round began. Where flows are not found by these slots, entries are looked for anyway.
 */
static uint16_t next_mark(const struct service_marks *service, const struct lb_service *record,
			  uint32_t slot, uint16_t mark, uint16_t owner, uint32_t tick,
			  uint32_t silence)
{
	bool unseen = service->sight[slot] == SEEN_NOTHING;

	if (record->scheduler != LB_SCHEDULER_MAGLEV)
		return is_settled(service, slot, tick, silence) ? 0 : mark;
	if (mark == owner)
		return unseen ? 0 : mark;
	if (owner)
		return is_settled(service, slot, tick, silence) ? owner : mark;
	return unseen && is_settled(service, slot, service->rounded, silence) ? 0 : mark;
}

uint32_t slot_marks_round(struct slot_marks *marks, uint16_t service_id, uint64_t now)
{
	const struct lb_service *record = &marks->dp->services[service_id];
	struct service_marks *service = &marks->services[service_id];
	const uint16_t *owned = block_slots(marks, record->tables.current);
	uint16_t *marked = block_slots(marks, record->tables.former), mark;
	uint32_t slot, count = 0, tick = dataplane_coarse(&marks->dp->clock, now);
	uint32_t silence = slot_marks_silence(&marks->dp->clock, record);

	if (!service->changed)
		return 0;
	for (slot = 0; slot < marks->dp->sizes.table_size; slot++) {
		if (!marked[slot])
			continue;
		mark = next_mark(service, record, slot, marked[slot], owned[slot], tick, silence);
		if (mark != marked[slot])
			__atomic_store_n(&marked[slot], mark, __ATOMIC_RELAXED);
		service->sight[slot] = SEEN_NOTHING;
		count += mark != 0;
	}
	service->rounded = tick;
	return count;
}

bool slot_marks_name(const struct slot_marks *marks, uint16_t service_id, uint16_t backend_id)
{
	const struct lb_service *record = &marks->dp->services[service_id];
	const struct service_marks *service = &marks->services[service_id];
	const uint16_t *owned = block_slots(marks, record->tables.current);
	const uint16_t *marked = block_slots(marks, record->tables.former);
	uint32_t slot, silence = slot_marks_silence(&marks->dp->clock, record);

	for (slot = 0; service->changed && slot < marks->dp->sizes.table_size; slot++) {
		if (marked[slot] == backend_id && owned[slot] != backend_id &&
		    !is_settled(service, slot, service->rounded, silence))
			return true;
	}
	return false;
}
