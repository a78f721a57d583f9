/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_NATIVE_MAP_H
#define SLUICE_NATIVE_MAP_H

/*
 * BPF maps in plain memory for the natively built data plane: arrays (per-CPU ones have one CPU)
 * and hashes, with bpf(2)'s errors. Searching a hash is linear: meant for thousands of entries.
 * A map comes into being, empty, when it is first used. Single-threaded. Out of memory aborts.
 */
#include <stdint.h>

#include "host.h"

struct native_map;

/* The storage behind a declared map. */
struct native_map *native_map_of(const struct native_map_shape *shape);

/* Empties the map and gives it room for this many entries. */
void native_map_resize(struct native_map *map, uint32_t max_entries);

uint32_t native_map_key_size(const struct native_map *map);
uint32_t native_map_value_size(const struct native_map *map);

/* The value's place, valid until the entry is deleted or the map resized; NULL: none. */
void *native_map_lookup(struct native_map *map, const void *key);

/* flags are BPF_ANY, BPF_NOEXIST or BPF_EXIST. 0, -EEXIST, -ENOENT, or -E2BIG: full. A full LRU
 * hash gives up its least recently used entry instead. */
int native_map_update(struct native_map *map, const void *key, const void *value, uint64_t flags);

/* 0 or -ENOENT; arrays: -EINVAL. */
int native_map_delete(struct native_map *map, const void *key);

/* The key behind this one in the map's own order, the first for NULL. 0 or -ENOENT: no more. */
int native_map_next_key(struct native_map *map, const void *key, void *ret_next);

/* Empties every map and keeps its memory: who begins anew often has no time to ask for it again. */
void native_maps_clear(void);

/* Forgets every map. */
void native_maps_free(void);

#endif
