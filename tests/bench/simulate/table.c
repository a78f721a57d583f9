/* SPDX-License-Identifier: Apache-2.0 */
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WEIGHT 10

const char *const table_change_names[] = {
	[TABLE_GO] = "go", [TABLE_COME] = "come", [TABLE_LIGHTER] = "half weight"};

uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint32_t random_below(uint64_t random, uint32_t limit)
{
	return (uint32_t)((random >> 32) * limit >> 32);
}

static void build(const struct maglev_backend *backends, size_t count, uint16_t *slots,
		  uint32_t size)
{
	const int r = maglev_build(backends, count, slots, size);

	if (r == 0)
		return;
	fprintf(stderr, "lb_simulate: a table of %zu backends and %u slots: %s\n", count, size,
		strerror(-r));
	exit(EXIT_FAILURE);
}

/* Ids 1.. stand for backends at addresses that follow each other. */
static void fill(struct maglev_backend *backends, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		const unsigned char bytes[] = {198, 18, (unsigned char)(i >> 8), (unsigned char)i,
					       0,   80};

		backends[i] = (struct maglev_backend){maglev_key(bytes, sizeof(bytes)), WEIGHT,
						      (uint16_t)(i + 1)};
	}
}

void table_build(size_t count, uint16_t *slots, uint32_t size)
{
	static struct maglev_backend backends[TABLE_BACKENDS_MAX];

	fill(backends, 0, count);
	build(backends, count, slots, size);
}

/* Brings k of the count to the front: the beginning of a shuffle. */
static void choose(struct maglev_backend *backends, size_t count, size_t k, uint64_t seed)
{
	for (size_t i = 0; i < k; i++) {
		const size_t j = i + random_below(random_next(&seed), (uint32_t)(count - i));
		const struct maglev_backend chosen = backends[j];

		backends[j] = backends[i];
		backends[i] = chosen;
	}
}

void table_build_changed(enum table_change change, size_t count, size_t k, uint64_t seed,
			 uint16_t *slots, uint32_t size)
{
	static struct maglev_backend backends[TABLE_BACKENDS_MAX];

	fill(backends, 0, 2 * count);
	if (change == TABLE_COME) {
		choose(backends + count, count, k, seed);
		build(backends, count + k, slots, size);
		return;
	}
	choose(backends, count, k, seed);
	for (size_t i = 0; i < k; i++)
		backends[i].weight = change == TABLE_GO ? 0 : WEIGHT / 2;
	build(backends, count, slots, size);
}

void table_count(const uint16_t *slots, uint32_t size, uint32_t counts[TABLE_BACKENDS_MAX])
{
	memset(counts, 0, TABLE_BACKENDS_MAX * sizeof(*counts));
	for (uint32_t i = 0; i < size; i++)
		counts[slots[i]]++;
}

struct table_move table_compare(const uint16_t *before, const uint16_t *after, uint32_t size)
{
	static uint32_t had[TABLE_BACKENDS_MAX], has[TABLE_BACKENDS_MAX];
	uint32_t moved = 0, lost = 0;

	table_count(before, size, had);
	table_count(after, size, has);
	for (uint32_t i = 0; i < size; i++)
		moved += before[i] != after[i];
	for (size_t id = 0; id < TABLE_BACKENDS_MAX; id++)
		lost += had[id] > has[id] ? had[id] - has[id] : 0;
	return (struct table_move){(double)moved / size, (double)lost / size};
}
