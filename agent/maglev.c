/* SPDX-License-Identifier: Apache-2.0 */
#include "maglev.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

/* A backend while its slots are being dealt. */
struct player {
	uint32_t next; /* the slot it wants next */
	uint32_t skip;
	uint32_t weight;
	uint32_t quota;     /* slots it gets */
	uint64_t remainder; /* of its share, in parts of the sum of weights */
	uint16_t id;
};

/* MurmurHash3's 64-bit finisher: every bit of value reaches every bit of the result. */
static uint64_t mix(uint64_t value)
{
	value ^= value >> 33;
	value *= UINT64_C(0xff51afd7ed558ccd);
	value ^= value >> 33;
	value *= UINT64_C(0xc4ceb9fe1a85ec53);
	return value ^ value >> 33;
}

uint64_t maglev_key(const void *bytes, size_t length)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < length; i++) {
		hash ^= ((const unsigned char *)bytes)[i];
		hash *= UINT64_C(0x100000001b3);
	}
	return mix(hash);
}

static bool is_prime(uint32_t number)
{
	for (uint64_t divisor = 2; divisor * divisor <= number; divisor++) {
		if (number % divisor == 0)
			return false;
	}
	return number > 1;
}

/* hash scaled to 0..limit - 1 by its upper half: even, and cheaper than a division. */
static uint32_t scale(uint64_t hash, uint32_t limit)
{
	return (uint32_t)((hash >> 32) * limit >> 32);
}

/* Larger remainders first; of equal ones that of the earlier player. */
static int compare_remainders(const void *a, const void *b)
{
	const struct player *left = *(const struct player *const *)a;
	const struct player *right = *(const struct player *const *)b;

	if (left->remainder != right->remainder)
		return left->remainder > right->remainder ? -1 : 1;
	return left < right ? -1 : left > right;
}

/* Largest remainder (Hamilton's method). order is scratch for count pointers. */
static void set_quotas(struct player *players, struct player **order, size_t count, uint32_t size)
{
	uint32_t left = size;
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += players[i].weight;
	for (size_t i = 0; i < count; i++) {
		const uint64_t share = (uint64_t)players[i].weight * size;

		players[i].quota = (uint32_t)(share / sum);
		players[i].remainder = share % sum;
		left -= players[i].quota;
		order[i] = &players[i];
	}
	qsort(order, count, sizeof(struct player *), compare_remainders);
	for (uint32_t i = 0; i < left; i++)
		order[i]->quota++;
}

/* The heaviest take one turn a round; their quota is the number of rounds. */
static const struct player *find_heaviest(const struct player *players, size_t count)
{
	const struct player *heaviest = players;

	for (size_t i = 1; i < count; i++) {
		if (players[i].weight > heaviest->weight ||
		    (players[i].weight == heaviest->weight && players[i].quota > heaviest->quota))
			heaviest = &players[i];
	}
	return heaviest;
}

/*
 * The rounds, from 0, in which a player takes its turns, one after the other: each round earns it
 * weight / heaviest weight of a turn, so turn n is earned in round (n * heaviest weight - 1) /
 * weight. Where rounding up gave it a turn that it has not earned by the last round, it takes that
 * in the last round. Kept as quotient and rest, so that a turn costs no division.
 */
struct pace {
	uint32_t weight;
	uint32_t step; /* rounds from turn to turn, and the rest of that */
	uint32_t step_rest;
	uint32_t last; /* round */
	uint64_t earned;
	uint32_t rest;
};

static struct pace pace_of(const struct player *player, const struct player *heaviest)
{
	return (struct pace){
		.weight = player->weight,
		.step = heaviest->weight / player->weight,
		.step_rest = heaviest->weight % player->weight,
		.last = heaviest->quota - 1,
		.earned = (heaviest->weight - 1) / player->weight,
		.rest = (heaviest->weight - 1) % player->weight,
	};
}

/* The round of the next turn. */
static uint32_t pace_round(struct pace *pace)
{
	const uint32_t round = pace->earned < pace->last ? (uint32_t)pace->earned : pace->last;
	const uint64_t rest = (uint64_t)pace->rest + pace->step_rest;
	const bool carried = rest >= pace->weight;

	pace->earned += pace->step + carried;
	pace->rest = (uint32_t)(rest - (carried ? pace->weight : 0));
	return round;
}

/*
 * Writes who takes each of the size turns: by round, within a round by rank. A counting sort,
 * for it costs the same however far weights lie apart; playing round by round would visit light
 * players in vain. starts is scratch for size + 1 zeros.
 */
static void set_turns(const struct player *players, size_t count, uint32_t *starts, uint32_t *turns)
{
	const struct player *heaviest = find_heaviest(players, count);
	struct pace pace;

	for (size_t i = 0; i < count; i++) {
		pace = pace_of(&players[i], heaviest);
		for (uint32_t turn = 0; turn < players[i].quota; turn++)
			starts[pace_round(&pace) + 1]++;
	}
	for (uint32_t round = 0; round < heaviest->quota; round++)
		starts[round + 1] += starts[round];
	for (size_t i = 0; i < count; i++) {
		pace = pace_of(&players[i], heaviest);
		for (uint32_t turn = 0; turn < players[i].quota; turn++)
			turns[starts[pace_round(&pace)]++] = (uint32_t)i;
	}
}

/* slot + skip modulo size, without a division and without overflow. */
static uint32_t advance(uint32_t slot, uint32_t skip, uint32_t size)
{
	return slot >= size - skip ? slot - (size - skip) : slot + skip;
}

/* Each turn takes the player's most wanted slot that is still free. */
static void play(struct player *players, const uint32_t *turns, uint16_t *slots, uint32_t size)
{
	memset(slots, 0, size * sizeof(*slots));
	for (uint32_t turn = 0; turn < size; turn++) {
		struct player *player = &players[turns[turn]];
		uint32_t slot = player->next;

		while (slots[slot])
			slot = advance(slot, player->skip, size);
		slots[slot] = player->id;
		player->next = advance(slot, player->skip, size);
	}
}

int maglev_populate(const struct maglev_permutation *permutations, size_t count, uint16_t *slots,
		    uint32_t size)
{
	struct player *players = calloc(count, sizeof(*players));
	struct player **order = calloc(count, sizeof(struct player *));
	uint32_t *starts = calloc((size_t)size + 1, sizeof(*starts));
	uint32_t *turns = calloc(size, sizeof(*turns));
	int r = -ENOMEM;

	if (players && order && starts && turns) {
		for (size_t i = 0; i < count; i++) {
			players[i].next = permutations[i].offset;
			players[i].skip = permutations[i].skip;
			players[i].weight = permutations[i].weight;
			players[i].id = permutations[i].id;
		}
		set_quotas(players, order, count, size);
		set_turns(players, count, starts, turns);
		play(players, turns, slots, size);
		r = 0;
	}
	free(turns);
	free(starts);
	free(order);
	free(players);
	return r;
}

static int compare_keys(const void *a, const void *b)
{
	const struct maglev_backend *left = a, *right = b;

	return left->key < right->key ? -1 : left->key > right->key;
}

/* Copies the backends that have weight, by key. Returns their number, or -EINVAL. */
static ssize_t rank(const struct maglev_backend *backends, size_t count,
		    struct maglev_backend *ranked, uint32_t size)
{
	size_t ranked_count = 0;

	for (size_t i = 0; i < count; i++) {
		if (!backends[i].weight)
			continue;
		if (!backends[i].id)
			return -EINVAL;
		ranked[ranked_count++] = backends[i];
	}
	if (ranked_count > size)
		return -EINVAL;
	qsort(ranked, ranked_count, sizeof(*ranked), compare_keys);
	for (size_t i = 1; i < ranked_count; i++) {
		if (ranked[i].key == ranked[i - 1].key)
			return -EINVAL;
	}
	return (ssize_t)ranked_count;
}

/* Two constants, so that offset and skip are independent of each other. */
static struct maglev_permutation permute(const struct maglev_backend *backend, uint32_t size)
{
	return (struct maglev_permutation){
		.offset = scale(mix(backend->key ^ UINT64_C(0x9e3779b97f4a7c15)), size),
		.skip = 1 + scale(mix(backend->key ^ UINT64_C(0xd1b54a32d192ed03)), size - 1),
		.weight = backend->weight,
		.id = backend->id,
	};
}

static int build(const struct maglev_backend *ranked, size_t count, uint16_t *slots, uint32_t size)
{
	struct maglev_permutation *permutations;
	int r;

	if (count == 0) {
		memset(slots, 0, size * sizeof(*slots));
		return 0;
	}
	permutations = calloc(count, sizeof(*permutations));
	if (!permutations)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		permutations[i] = permute(&ranked[i], size);
	r = maglev_populate(permutations, count, slots, size);
	free(permutations);
	return r;
}

int maglev_build(const struct maglev_backend *backends, size_t count, uint16_t *slots,
		 uint32_t size)
{
	struct maglev_backend *ranked;
	ssize_t ranked_count;
	int r;

	if (!is_prime(size))
		return -EINVAL;
	/* One more than needed: calloc(0) may give NULL. */
	ranked = calloc(count + 1, sizeof(*ranked));
	if (!ranked)
		return -ENOMEM;
	ranked_count = rank(backends, count, ranked, size);
	r = ranked_count < 0 ? (int)ranked_count : build(ranked, (size_t)ranked_count, slots, size);
	free(ranked);
	return r;
}
