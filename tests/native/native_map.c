/* SPDX-License-Identifier: Apache-2.0 */
#include "native_map.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wipe.h"

#define VALUE_ALIGNMENT 64 /* the data plane counts on values in whole cache lines */

/* One entry of a hash; an array uses `value` alone. */
struct entry {
	uint8_t *key;
	void *value;
	uint64_t used; /* when it was last looked up; 0: the entry is free */
};

struct native_map {
	struct native_map *next;
	struct native_map_shape shape;
	struct entry *entries;
	uint32_t reach; /* entries at and beyond were never used */
	uint64_t clock; /* counts lookups */
};

static struct native_map *maps;

static void *allocate(size_t size)
{
	size_t rounded = (size + VALUE_ALIGNMENT - 1) / VALUE_ALIGNMENT * VALUE_ALIGNMENT;
	void *memory = aligned_alloc(VALUE_ALIGNMENT, rounded ? rounded : VALUE_ALIGNMENT);

	if (!memory) {
		fprintf(stderr, "native map: out of memory\n");
		abort();
	}
	memset(memory, 0, rounded);
	return memory;
}

static bool is_array(const struct native_map *map)
{
	return map->shape.type == BPF_MAP_TYPE_ARRAY ||
	       map->shape.type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

static void release(struct native_map *map)
{
	uint32_t i;

	if (is_array(map)) {
		free(map->entries[0].value);
	} else {
		for (i = 0; i < map->reach; i++) {
			free(map->entries[i].key);
			free(map->entries[i].value);
		}
	}
	free(map->entries);
}

static void reserve(struct native_map *map)
{
	map->reach = 0;
	map->clock = 0;
	if (!is_array(map)) {
		map->entries = allocate(map->shape.max_entries * sizeof(*map->entries));
		return;
	}
	map->entries = allocate(sizeof(*map->entries));
	map->entries[0].value = allocate((size_t)map->shape.max_entries * map->shape.value_size);
}

struct native_map *native_map_of(const struct native_map_shape *shape)
{
	struct native_map *map;

	for (map = maps; map; map = map->next)
		if (map->shape.declaration == shape->declaration)
			return map;
	map = allocate(sizeof(*map));
	map->shape = *shape;
	map->next = maps;
	maps = map;
	reserve(map);
	return map;
}

static void clear(struct native_map *map)
{
	uint32_t i;

	map->clock = 0;
	if (is_array(map))
		wipe(map->entries[0].value, (size_t)map->shape.max_entries * map->shape.value_size);
	else
		for (i = 0; i < map->reach; i++)
			map->entries[i].used = 0;
}

void native_maps_clear(void)
{
	struct native_map *map;

	for (map = maps; map; map = map->next)
		clear(map);
}

void native_map_resize(struct native_map *map, uint32_t max_entries)
{
	if (map->shape.max_entries == max_entries) {
		clear(map);
		return;
	}
	release(map);
	map->shape.max_entries = max_entries;
	reserve(map);
}

uint32_t native_map_key_size(const struct native_map *map)
{
	return map->shape.key_size;
}

uint32_t native_map_value_size(const struct native_map *map)
{
	return map->shape.value_size;
}

static void *array_lookup(const struct native_map *map, const void *key)
{
	uint32_t index;

	memcpy(&index, key, sizeof(index));
	if (index >= map->shape.max_entries)
		return NULL;
	return (char *)map->entries[0].value + (size_t)index * map->shape.value_size;
}

static bool bits_equal(const uint8_t *a, const uint8_t *b, uint32_t bits)
{
	uint8_t mask = (uint8_t)(0xff00U >> bits % 8);

	return memcmp(a, b, bits / 8) == 0 &&
	       (bits % 8 == 0 || ((a[bits / 8] ^ b[bits / 8]) & mask) == 0);
}

/* The longest of the prefixes that hold key; the first word of each is its length in bits. */
static struct entry *prefix_find(const struct native_map *map, const void *key)
{
	struct entry *best = NULL;
	uint32_t i, length, best_length = 0;

	for (i = 0; i < map->reach; i++) {
		if (!map->entries[i].used)
			continue;
		memcpy(&length, map->entries[i].key, sizeof(length));
		if ((best && length <= best_length) ||
		    !bits_equal(map->entries[i].key + sizeof(length),
				(const uint8_t *)key + sizeof(length), length))
			continue;
		best = &map->entries[i];
		best_length = length;
	}
	return best;
}

static struct entry *hash_find(const struct native_map *map, const void *key)
{
	uint32_t i;

	for (i = 0; i < map->reach; i++)
		if (map->entries[i].used &&
		    memcmp(map->entries[i].key, key, map->shape.key_size) == 0)
			return &map->entries[i];
	return NULL;
}

void *native_map_lookup(struct native_map *map, const void *key)
{
	struct entry *entry;

	if (is_array(map))
		return array_lookup(map, key);
	entry = map->shape.type == BPF_MAP_TYPE_LPM_TRIE ? prefix_find(map, key)
							 : hash_find(map, key);
	if (!entry)
		return NULL;
	entry->used = ++map->clock;
	return entry->value;
}

/* A free entry, made free if need be and allowed. NULL: full. */
static struct entry *hash_make_room(struct native_map *map)
{
	struct entry *entry, *oldest = NULL;
	uint32_t i;

	for (i = 0; i < map->reach; i++) {
		entry = &map->entries[i];
		if (!entry->used)
			return entry;
		if (!oldest || entry->used < oldest->used)
			oldest = entry;
	}
	if (map->reach == map->shape.max_entries)
		return map->shape.type == BPF_MAP_TYPE_LRU_HASH ? oldest : NULL;
	entry = &map->entries[map->reach++];
	entry->key = allocate(map->shape.key_size);
	entry->value = allocate(map->shape.value_size);
	return entry;
}

int native_map_update(struct native_map *map, const void *key, const void *value, uint64_t flags)
{
	void *place = is_array(map) ? array_lookup(map, key) : NULL;
	struct entry *entry;

	if (is_array(map)) {
		if (!place)
			return -E2BIG;
		if (flags == BPF_NOEXIST)
			return -EEXIST;
		memcpy(place, value, map->shape.value_size);
		return 0;
	}
	entry = hash_find(map, key);
	if (entry && flags == BPF_NOEXIST)
		return -EEXIST;
	if (!entry && flags == BPF_EXIST)
		return -ENOENT;
	if (!entry)
		entry = hash_make_room(map);
	if (!entry)
		return -E2BIG;
	memcpy(entry->key, key, map->shape.key_size);
	memcpy(entry->value, value, map->shape.value_size);
	entry->used = ++map->clock;
	return 0;
}

int native_map_delete(struct native_map *map, const void *key)
{
	struct entry *entry;

	if (is_array(map))
		return -EINVAL;
	entry = hash_find(map, key);
	if (!entry)
		return -ENOENT;
	entry->used = 0;
	return 0;
}

static int array_next_key(const struct native_map *map, const void *key, void *ret_next)
{
	uint32_t index = 0;

	if (key) {
		memcpy(&index, key, sizeof(index));
		index++;
	}
	if (index >= map->shape.max_entries)
		return -ENOENT;
	memcpy(ret_next, &index, sizeof(index));
	return 0;
}

int native_map_next_key(struct native_map *map, const void *key, void *ret_next)
{
	const struct entry *entry;
	uint32_t i = 0;

	if (is_array(map))
		return array_next_key(map, key, ret_next);
	entry = key ? hash_find(map, key) : NULL;
	if (entry)
		i = entry - map->entries + 1;
	for (; i < map->reach; i++) {
		if (!map->entries[i].used)
			continue;
		memcpy(ret_next, map->entries[i].key, map->shape.key_size);
		return 0;
	}
	return -ENOENT;
}

void native_maps_free(void)
{
	struct native_map *map, *next;

	for (map = maps; map; map = next) {
		next = map->next;
		release(map);
		free(map);
	}
	maps = NULL;
}

/* --- host.h --- */

void *native_host_lookup(const struct native_map_shape *map, const void *key)
{
	return native_map_lookup(native_map_of(map), key);
}

int native_host_update(const struct native_map_shape *map, const void *key, const void *value,
		       uint64_t flags)
{
	return native_map_update(native_map_of(map), key, value, flags);
}

int native_host_delete(const struct native_map_shape *map, const void *key)
{
	return native_map_delete(native_map_of(map), key);
}
