/* SPDX-License-Identifier: Apache-2.0 */
#include "shard.h"

#include <stdint.h>

/* Fowler, Noll, Vo: draft-eastlake-fnv. */
static uint64_t fnv1a(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return hash;
}

/* The paper's figure 1: jumps from bucket to bucket where a growing table would have moved it. */
size_t shard_of(const char *id, size_t count)
{
	uint64_t key = fnv1a(id);
	uint64_t bucket = 0, next = 0;

	while (next < count) {
		bucket = next;
		key = key * UINT64_C(2862933555777941757) + 1;
		next = (uint64_t)((double)(bucket + 1) *
				  ((double)(UINT64_C(1) << 31) / (double)((key >> 33) + 1)));
	}
	return (size_t)bucket;
}
