/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_SHARD_H
#define SLUICE_SHARD_H

/*
 * Which of `count` shards, 0 to count - 1, an id belongs to. Jump consistent hash (Lamping, Veach,
 * "A Fast, Minimal Memory, Consistent Hash Algorithm", 2014) of the id's 64-bit FNV-1a hash: even
 * to within chance, and when a shard is added at the end, only 1 / (count + 1) of the ids move,
 * all of them to it. Pure, the same on every machine. count is above 0.
 */
#include <stddef.h>

size_t shard_of(const char *id, size_t count);

#endif
