/* SPDX-License-Identifier: Apache-2.0 */
#include "vip_table.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vip_hash.h"

#define KEYS_A_SLOT 4 /* slots for each key that there may be: so a free one is soon found */
#define MEMBERS_MAX 64
#define LEFT_MAX    256 /* slots that wait to be cleared together */
#define TRIES       (1U << 20)

struct vip_table {
	struct lb_vip_entry *entries;
	uint64_t *groups;
	uint32_t slots;
	uint8_t shift; /* vip_table_shift() of them */
	/* Of each group its keys' slots, as a list; numbers are one more than the slot's, 0 ends
	 * it. */
	uint32_t *first; /* [group] */
	uint32_t *next;  /* [slot] */
	/* Slots that keys have moved away from. Packets that read the group before may yet look
	 * there. */
	uint32_t left[LEFT_MAX];
	uint32_t left_count;
};

uint32_t vip_table_slots(uint32_t keys)
{
	uint32_t slots = VIP_GROUP_SLOTS;

	while (slots < keys * KEYS_A_SLOT)
		slots *= 2;
	return slots;
}

uint32_t vip_table_groups(uint32_t slots)
{
	return slots / VIP_GROUP_SLOTS;
}

uint8_t vip_table_shift(uint32_t slots)
{
	uint8_t shift = 32;

	for (; slots > 1; slots /= 2)
		shift--;
	return shift;
}

static uint64_t hash_of(const struct lb_vip_key *key)
{
	const __be32 *word = key->addr.word;

	return vip_hash(key, !word[0] && !word[1] && word[2] == htonl(0xffff));
}

static uint32_t group_of(const struct vip_table *table, uint64_t hash)
{
	return vip_group(hash, table->shift);
}

static uint32_t slot_of(const struct vip_table *table, uint64_t hash, uint32_t factor)
{
	return vip_slot(hash, factor, table->shift);
}

/* Where packets look for the key. */
static uint32_t slot_in_force(const struct vip_table *table, uint64_t hash)
{
	return slot_of(table, hash, (uint32_t)table->groups[group_of(table, hash)]);
}

static bool is_used(const struct lb_vip_entry *entry)
{
	return entry->vip.kind != 0;
}

/* Is this where packets look for the key that is there? One that moved has left another behind. */
static bool is_in_force(const struct vip_table *table, uint32_t slot)
{
	const struct lb_vip_entry *entry = &table->entries[slot];

	return is_used(entry) && slot_in_force(table, hash_of(&entry->key)) == slot;
}

/* --- what packets read --- */

static void vip_store(struct lb_vip_entry *entry, const struct lb_vip *vip)
{
	uint64_t word;

	memcpy(&word, vip, sizeof(word));
	__atomic_store_n((uint64_t *)&entry->vip, word, __ATOMIC_RELEASE);
}

static void entry_clear(struct lb_vip_entry *entry)
{
	static const struct lb_vip none;

	vip_store(entry, &none);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void entry_store(struct lb_vip_entry *entry, const struct lb_vip_key *key,
			const struct lb_vip *vip)
{
	entry_clear(entry);
	entry->key = *key;
	vip_store(entry, vip);
}

/* Once no packet is under way that was when a key moved. */
static void clear_left(struct vip_table *table)
{
	if (!table->left_count)
		return;
	/* It waits for an RCU grace period, and so for the programs that run (membarrier(2)). */
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	while (table->left_count)
		entry_clear(&table->entries[table->left[--table->left_count]]);
}

/* --- lists --- */

static void list_add(struct vip_table *table, uint32_t group, uint32_t slot)
{
	table->next[slot] = table->first[group];
	table->first[group] = slot + 1;
}

static void list_remove(struct vip_table *table, uint32_t group, uint32_t slot)
{
	uint32_t *place = &table->first[group];

	while (*place && *place != slot + 1)
		place = &table->next[*place - 1];
	if (*place)
		*place = table->next[slot];
}

struct vip_table *vip_table_new(struct lb_vip_entry *entries, uint64_t *groups, uint32_t slots)
{
	struct vip_table *table = calloc(1, sizeof(*table));
	uint32_t slot;

	if (!table)
		return NULL;
	table->entries = entries;
	table->groups = groups;
	table->slots = slots;
	table->first = calloc(vip_table_groups(slots), sizeof(*table->first));
	table->next = calloc(slots, sizeof(*table->next));
	if (!table->first || !table->next) {
		vip_table_free(table);
		return NULL;
	}
	table->shift = vip_table_shift(slots);
	for (slot = 0; slot < slots; slot++) {
		if (is_in_force(table, slot))
			list_add(table, group_of(table, hash_of(&entries[slot].key)), slot);
		else
			entry_clear(&entries[slot]);
	}
	return table;
}

void vip_table_free(struct vip_table *table)
{
	if (!table)
		return;
	free(table->first);
	free(table->next);
	free(table);
}

/* --- putting --- */

/* A group's keys, where they are, and where they would be. */
struct move {
	struct lb_vip_entry entries[MEMBERS_MAX];
	uint64_t hashes[MEMBERS_MAX];
	uint32_t to[MEMBERS_MAX];
	uint32_t count;
};

static bool is_among(const uint32_t *slots, uint32_t count, uint32_t slot)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		if (slots[i] == slot)
			return true;
	}
	return false;
}

/* Is there room for the keys where the factor puts them? */
static bool suits(const struct vip_table *table, struct move *move, uint32_t factor)
{
	uint32_t i;

	for (i = 0; i < move->count; i++) {
		move->to[i] = slot_of(table, move->hashes[i], factor);
		if (is_used(&table->entries[move->to[i]]) || is_among(move->to, i, move->to[i]))
			return false;
	}
	return true;
}

/* Have keys of the group left slots behind? */
static bool has_left(const struct vip_table *table, uint32_t group)
{
	uint32_t i;

	for (i = 0; i < table->left_count; i++) {
		if (group_of(table, hash_of(&table->entries[table->left[i]].key)) == group)
			return true;
	}
	return false;
}

static int group_move(struct vip_table *table, uint32_t group, struct move *move)
{
	uint32_t factor = (uint32_t)table->groups[group], tries, at, i;

	if (table->left_count + move->count > LEFT_MAX)
		clear_left(table);
	for (tries = 0; !suits(table, move, factor); tries++, factor++) {
		if (tries == TRIES)
			return -ENOSPC;
	}
	for (i = 0; i < move->count; i++)
		entry_store(&table->entries[move->to[i]], &move->entries[i].key,
			    &move->entries[i].vip);
	__atomic_store_n(&table->groups[group], factor, __ATOMIC_RELEASE);
	for (at = table->first[group]; at; at = table->next[at - 1])
		table->left[table->left_count++] = at - 1;
	table->first[group] = 0;
	for (i = 0; i < move->count; i++)
		list_add(table, group, move->to[i]);
	return 0;
}

int vip_table_put(struct vip_table *table, const struct lb_vip_key *key, const struct lb_vip *vip)
{
	uint64_t hash = hash_of(key);
	uint32_t group = group_of(table, hash), slot = slot_in_force(table, hash), at;
	struct move move = {.count = 0};

	if (vip_table_find(table, key)) {
		vip_store(&table->entries[slot], vip);
		return 0;
	}
	if (!is_used(&table->entries[slot])) {
		entry_store(&table->entries[slot], key, vip);
		list_add(table, group, slot);
		return 0;
	}
	if (has_left(table, group))
		clear_left(table); /* it must not come into force again */
	move.entries[0] = (struct lb_vip_entry){.vip = *vip, .key = *key};
	move.hashes[move.count++] = hash;
	for (at = table->first[group]; at; at = table->next[at - 1]) {
		if (move.count == MEMBERS_MAX)
			return -ENOSPC;
		move.entries[move.count] = table->entries[at - 1];
		move.hashes[move.count++] = hash_of(&table->entries[at - 1].key);
	}
	return group_move(table, group, &move);
}

void vip_table_remove(struct vip_table *table, const struct lb_vip_key *key)
{
	uint64_t hash = hash_of(key);
	uint32_t slot = slot_in_force(table, hash);

	if (!vip_table_find(table, key))
		return;
	entry_clear(&table->entries[slot]);
	list_remove(table, group_of(table, hash), slot);
}

const struct lb_vip *vip_table_find(const struct vip_table *table, const struct lb_vip_key *key)
{
	const struct lb_vip_entry *entry = &table->entries[slot_in_force(table, hash_of(key))];

	return is_used(entry) && memcmp(&entry->key, key, sizeof(*key)) == 0 ? &entry->vip : NULL;
}

void vip_table_each(struct vip_table *table,
		    void (*visit)(void *context, const struct lb_vip_key *key,
				  const struct lb_vip *vip),
		    void *context)
{
	uint32_t slot;

	for (slot = 0; slot < table->slots; slot++) {
		if (is_in_force(table, slot))
			visit(context, &table->entries[slot].key, &table->entries[slot].vip);
	}
}
