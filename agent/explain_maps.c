/* SPDX-License-Identifier: Apache-2.0 */
#include "explain_maps.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "native/host.h"
#include "vip_table.h"

/* A packet asks for fewer: four VIPs, sixteen NAT ports, and some thirty others. */
#define ENTRIES_MAX 64

struct explain_maps {
	struct explain_entry entries[ENTRIES_MAX];
	size_t count;
	struct dataplane *dp;
	bool routed;
	int route_answer;
	int error;
};

/* Whose copies the data plane is shown: host.h knows no context. */
static struct explain_maps *current;

struct explain_maps *explain_maps_new(struct dataplane *dp)
{
	struct explain_maps *maps =
		aligned_alloc(_Alignof(struct explain_maps), sizeof(struct explain_maps));

	if (!maps)
		return NULL;
	maps->dp = dp;
	explain_maps_clear(maps);
	current = maps;
	return maps;
}

void explain_maps_clear(struct explain_maps *maps)
{
	maps->count = 0;
	maps->routed = false;
	maps->route_answer = 0;
	maps->error = 0;
}

void explain_maps_free(struct explain_maps *maps)
{
	if (maps && current == maps)
		current = NULL;
	free(maps);
}

const struct explain_entry *explain_maps_next(const struct explain_maps *maps, const char *map,
					      const struct explain_entry *previous)
{
	const struct explain_entry *entry = previous ? previous + 1 : maps->entries;

	for (; entry < maps->entries + maps->count; entry++) {
		if (!map || strcmp(entry->map, map) == 0)
			return entry;
	}
	return NULL;
}

const struct explain_entry *explain_maps_at(const struct explain_maps *maps, const char *map,
					    uint32_t index)
{
	const struct explain_entry *entry = NULL;

	while ((entry = explain_maps_next(maps, map, entry))) {
		if (memcmp(entry->key, &index, sizeof(index)) == 0)
			return entry;
	}
	return NULL;
}

bool explain_maps_routed(const struct explain_maps *maps, int *ret_answer)
{
	if (maps->routed)
		*ret_answer = maps->route_answer;
	return maps->routed;
}

int explain_maps_error(const struct explain_maps *maps)
{
	return maps->error;
}

/* --- copies --- */

/* Packets may write it meanwhile, a word at a time. */
static void copy_words(void *to, const void *from, size_t size)
{
	const uint32_t *half = from;
	const uint64_t *word = from;
	size_t i;

	for (i = 0; i < size / sizeof(*word); i++)
		((uint64_t *)to)[i] = __atomic_load_n(&word[i], __ATOMIC_RELAXED);
	if (size % sizeof(*word))
		((uint32_t *)to)[2 * i] = __atomic_load_n(&half[2 * i], __ATOMIC_RELAXED);
}

/* Arrays are shared memory. */
static bool copy_of_array(const struct dataplane *dp, const struct native_map_shape *map,
			  const void *key, void *value)
{
	const struct {
		const char *name;
		const void *memory;
		size_t count;
	} arrays[] = {
		{"vips", dp->vips, dp->vip_slots},
		{"vip_groups", dp->vip_groups, vip_table_groups(dp->vip_slots)},
		{"services", dp->services, (size_t)dp->sizes.services + 1},
		{"backends", dp->backends, (size_t)dp->sizes.backends + 1},
		{"backend_loads", dp->loads, (size_t)dp->sizes.backends + 1},
		{"slots", dp->slots, (size_t)dp->table_blocks * dp->table_lines},
		{"flows", dp->flows, dp->sizes.flows / LB_FLOW_WAYS},
		{"cookie_keys", dp->cookie_keys, 1},
		{"service_cookies", dp->cookie_states, (size_t)dp->sizes.services + 1},
	};
	uint32_t index;
	size_t i;

	memcpy(&index, key, sizeof(index));
	for (i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++) {
		if (strcmp(arrays[i].name, map->name) != 0)
			continue;
		if (index >= arrays[i].count)
			return false;
		copy_words(value, (const char *)arrays[i].memory + (size_t)index * map->value_size,
			   map->value_size);
		return true;
	}
	return false;
}

/* Of the arrays that are no memory of ours, those whose values decide something. */
static bool is_budget(const struct native_map_shape *map)
{
	return strcmp(map->name, "service_budgets") == 0 ||
	       strcmp(map->name, "source_budgets") == 0;
}

/* The live value; false: there is none. Per-CPU maps are counters, budgets and scratch: whose
 * values tell nobody anything, so they begin at zero. */
static bool copy_of(struct explain_maps *maps, const struct native_map_shape *map, const void *key,
		    void *value)
{
	int ret;

	if (map->type == BPF_MAP_TYPE_PERCPU_ARRAY) {
		memset(value, 0, map->value_size);
		return true;
	}
	if (map->type == BPF_MAP_TYPE_ARRAY && !is_budget(map))
		return copy_of_array(maps->dp, map, key, value);
	ret = maps->dp->ops->map_get(maps->dp, map->name, key, value);
	if (ret && ret != -ENOENT)
		maps->error = ret;
	return ret == 0;
}

/* NULL: there is no room for it. */
static struct explain_entry *entry_for(const struct native_map_shape *map, const void *key)
{
	struct explain_maps *maps = current;
	struct explain_entry *entry = maps->entries;

	for (; entry < maps->entries + maps->count; entry++) {
		if (strcmp(entry->map, map->name) == 0 &&
		    memcmp(entry->key, key, map->key_size) == 0)
			return entry;
	}
	if (maps->count == ENTRIES_MAX || map->key_size > EXPLAIN_KEY_MAX ||
	    map->value_size > EXPLAIN_VALUE_MAX) {
		maps->error = -E2BIG;
		return NULL;
	}
	maps->count++;
	memset(entry, 0, sizeof(*entry));
	memcpy(entry->key, key, map->key_size);
	entry->map = map->name;
	entry->value_size = map->value_size;
	entry->found = entry->present = copy_of(maps, map, key, entry->before);
	memcpy(entry->value, entry->before, map->value_size);
	return entry;
}

/* --- host.h --- */

void *native_host_lookup(const struct native_map_shape *map, const void *key)
{
	struct explain_entry *entry = entry_for(map, key);

	return entry && entry->present ? entry->value : NULL;
}

int native_host_update(const struct native_map_shape *map, const void *key, const void *value,
		       uint64_t flags)
{
	struct explain_entry *entry = entry_for(map, key);

	if (!entry)
		return -E2BIG;
	if (entry->present && flags == BPF_NOEXIST)
		return -EEXIST;
	if (!entry->present && flags == BPF_EXIST)
		return -ENOENT;
	memcpy(entry->value, value, map->value_size);
	entry->present = true;
	return 0;
}

int native_host_delete(const struct native_map_shape *map, const void *key)
{
	struct explain_entry *entry = entry_for(map, key);

	if (!entry || !entry->present)
		return -ENOENT;
	entry->present = false;
	return 0;
}

long native_host_fib_lookup(struct bpf_fib_lookup *params)
{
	struct dataplane *dp = current->dp;

	current->routed = true;
	current->route_answer = dp->ops->route_get(dp, params);
	if (current->route_answer < 0)
		current->error = current->route_answer;
	return current->route_answer;
}
