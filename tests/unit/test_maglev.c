/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "maglev.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define BACKENDS_MAX    1000
#define SIZE_MAX_TESTED 65537

static struct maglev_backend backends[BACKENDS_MAX];
static uint16_t slots[SIZE_MAX_TESTED], other[SIZE_MAX_TESTED];

/* The n-th backend of every fleet here: keyed as the agent does, by address and port. */
static struct maglev_backend make_backend(size_t n, uint32_t weight)
{
	const unsigned char bytes[] = {198, 18, (unsigned char)(n >> 8), (unsigned char)n, 0, 80};

	return (struct maglev_backend){maglev_key(bytes, sizeof(bytes)), weight, (uint16_t)(n + 1)};
}

static void make_fleet(size_t count, uint32_t weight)
{
	for (size_t i = 0; i < count; i++)
		backends[i] = make_backend(i, weight);
}

static void shuffle(struct maglev_backend *array, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		const size_t j = (size_t)rand() % i;
		const struct maglev_backend swapped = array[i - 1];

		array[i - 1] = array[j];
		array[j] = swapped;
	}
}

static uint32_t slots_of(const uint16_t *table, uint32_t size, uint16_t id)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < size; i++)
		count += table[i] == id;
	return count;
}

/* Table 1 of the paper. Its permutations: B0 3,0,4,1,5,2,6; B1 0,2,4,6,1,3,5; B2 3,4,5,6,0,1,2. */
static void test_paper_example(void **state)
{
	const struct maglev_permutation b0 = {3, 4, 1, 10}, b1 = {0, 2, 1, 11}, b2 = {3, 1, 1, 12};
	const struct maglev_permutation all[] = {b0, b1, b2}, without_b1[] = {b0, b2};
	const uint16_t before[] = {11, 10, 11, 10, 12, 12, 10};
	const uint16_t after[] = {10, 10, 10, 10, 12, 12, 12};

	(void)state;
	assert_int_equal(maglev_populate(all, COUNT(all), slots, 7), 0);
	assert_memory_equal(slots, before, sizeof(before));
	assert_int_equal(maglev_populate(without_b1, COUNT(without_b1), slots, 7), 0);
	assert_memory_equal(slots, after, sizeof(after));
}

static void test_key_is_known(void **state)
{
	(void)state;
	/* FNV-1a of nothing is its offset basis; the rest follows from MurmurHash3's finisher. */
	assert_true(maglev_key("", 0) == UINT64_C(0xefd01f60ba992926));
	assert_true(maglev_key("a", 1) != maglev_key("b", 1));
}

static void test_order_does_not_matter(void **state)
{
	(void)state;
	srand(1);
	for (size_t i = 0; i < 50; i++)
		backends[i] = make_backend(i, (uint32_t)rand() % 10);
	assert_int_equal(maglev_build(backends, 50, slots, 4099), 0);
	for (unsigned int round = 0; round < 50; round++) {
		shuffle(backends, 50);
		assert_int_equal(maglev_build(backends, 50, other, 4099), 0);
		assert_memory_equal(slots, other, 4099 * sizeof(*slots));
	}
}

static void test_equal_weights(void **state)
{
	static const size_t counts[] = {1, 2, 3, 10, 100, 1000};

	(void)state;
	for (size_t i = 0; i < COUNT(counts); i++) {
		const uint32_t least = 65537 / (uint32_t)counts[i];

		make_fleet(counts[i], 1 + (uint32_t)i);
		assert_int_equal(maglev_build(backends, counts[i], slots, 65537), 0);
		assert_int_equal(slots_of(slots, 65537, 0), 0);
		for (size_t n = 0; n < counts[i]; n += counts[i] / 10 + 1)
			assert_in_range(slots_of(slots, 65537, (uint16_t)(n + 1)), least,
					least + 1);
	}
}

static uint32_t random_weight(void)
{
	static const uint32_t limits[] = {2, 4, 101, 1001};

	if (rand() % 50 == 0)
		return UINT32_MAX;
	return (uint32_t)rand() % limits[(size_t)rand() % COUNT(limits)];
}

static uint64_t random_fleet(size_t count)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++) {
		backends[i] = make_backend(i, random_weight());
		sum += backends[i].weight;
	}
	return sum;
}

/* Every share is size * weight / sum, rounded up or down. */
static void test_weights_are_exact(void **state)
{
	static const uint32_t sizes[] = {101, 251, 1009, 4099};

	(void)state;
	srand(2);
	for (unsigned int round = 0; round < 1000; round++) {
		const uint32_t size = sizes[(size_t)rand() % COUNT(sizes)];
		const size_t count = 1 + (size_t)rand() % 100;
		const uint64_t sum = random_fleet(count);
		uint32_t got[101] = {0};

		assert_int_equal(maglev_build(backends, count, slots, size), 0);
		for (uint32_t i = 0; i < size; i++)
			got[slots[i]]++;
		assert_int_equal(got[0], sum ? 0 : size);
		for (size_t i = 0; i < count && sum; i++) {
			const uint64_t share = (uint64_t)size * backends[i].weight;

			assert_in_range(got[i + 1], share / sum, (share + sum - 1) / sum);
		}
	}
}

/* Quotas as the textbook has them: the largest remainder is looked for again for each slot. */
static void model_quotas(const struct maglev_permutation *players, size_t count, uint32_t *quota,
			 uint32_t size)
{
	uint64_t sum = 0, remainder[BACKENDS_MAX];
	uint32_t left = size;

	for (size_t i = 0; i < count; i++)
		sum += players[i].weight;
	for (size_t i = 0; i < count; i++) {
		quota[i] = (uint32_t)((uint64_t)players[i].weight * size / sum);
		remainder[i] = (uint64_t)players[i].weight * size % sum;
		left -= quota[i];
	}
	for (; left > 0; left--) {
		size_t best = 0;

		for (size_t i = 1; i < count; i++) {
			if (remainder[i] > remainder[best])
				best = i;
		}
		quota[best]++;
		remainder[best] = 0;
	}
}

static void model_take(const struct maglev_permutation *player, uint32_t size)
{
	uint64_t slot = player->offset;

	while (other[slot])
		slot = (slot + player->skip) % size;
	other[slot] = player->id;
}

/* Round by round, with credit earned and spent: what maglev_populate() promises, told naively. */
static void model_populate(const struct maglev_permutation *players, size_t count, uint32_t size)
{
	uint32_t quota[BACKENDS_MAX] = {0}, rounds = 0, heaviest = 0;
	uint64_t credit[BACKENDS_MAX] = {0};

	model_quotas(players, count, quota, size);
	for (size_t i = 0; i < count; i++)
		heaviest = players[i].weight > heaviest ? players[i].weight : heaviest;
	for (size_t i = 0; i < count; i++) {
		if (players[i].weight == heaviest && quota[i] > rounds)
			rounds = quota[i];
	}
	memset(other, 0, size * sizeof(*other));
	for (uint32_t round = 1; round <= rounds; round++) {
		for (size_t i = 0; i < count; i++) {
			credit[i] += players[i].weight;
			for (; quota[i] > 0 && (credit[i] >= heaviest || round == rounds);
			     quota[i]--) {
				model_take(&players[i], size);
				credit[i] -= heaviest;
			}
		}
	}
}

static void test_agrees_with_model(void **state)
{
	static const uint32_t sizes[] = {2, 3, 7, 101, 1009};

	(void)state;
	srand(3);
	for (unsigned int round = 0; round < 2000; round++) {
		const uint32_t size = sizes[(size_t)rand() % COUNT(sizes)];
		const size_t count = 1 + (size_t)rand() % (size < 40 ? size : 40);
		struct maglev_permutation players[40];

		for (size_t i = 0; i < count; i++) {
			const uint32_t weight = random_weight();

			players[i] = (struct maglev_permutation){
				(uint32_t)rand() % size, 1 + (uint32_t)rand() % (size - 1),
				weight ? weight : 1, (uint16_t)(i + 1)};
		}
		assert_int_equal(maglev_populate(players, count, slots, size), 0);
		model_populate(players, count, size);
		assert_memory_equal(slots, other, size * sizeof(*slots));
	}
}

/* Only the ratio of weights counts. */
static void test_weights_scale(void **state)
{
	(void)state;
	for (size_t i = 0; i < 30; i++)
		backends[i] = make_backend(i, 1 + (uint32_t)i % 7);
	assert_int_equal(maglev_build(backends, 30, slots, 4099), 0);
	for (size_t i = 0; i < 30; i++)
		backends[i].weight *= 1000;
	assert_int_equal(maglev_build(backends, 30, other, 4099), 0);
	assert_memory_equal(slots, other, 4099 * sizeof(*slots));
}

static void test_no_weight_no_slot(void **state)
{
	(void)state;
	memset(slots, 0xff, sizeof(slots));
	assert_int_equal(maglev_build(NULL, 0, slots, 251), 0);
	assert_int_equal(slots_of(slots, 251, 0), 251);
	make_fleet(300, 0);
	memset(slots, 0xff, sizeof(slots));
	assert_int_equal(maglev_build(backends, 300, slots, 251), 0);
	assert_int_equal(slots_of(slots, 251, 0), 251);

	/* A backend of weight 0 is as good as absent. */
	backends[7].weight = 3;
	assert_int_equal(maglev_build(backends, 300, slots, 251), 0);
	assert_int_equal(slots_of(slots, 251, 8), 251);
}

static void test_refusals(void **state)
{
	static const uint32_t no_primes[] = {0, 1, 4, 9, 65535, 65536, UINT32_MAX};

	(void)state;
	memset(slots, 0xa5, sizeof(slots));
	memset(other, 0xa5, sizeof(other));
	make_fleet(300, 1);
	for (size_t i = 0; i < COUNT(no_primes); i++)
		assert_int_equal(maglev_build(backends, 3, slots, no_primes[i]), -EINVAL);
	assert_int_equal(maglev_build(backends, 252, slots, 251), -EINVAL);
	backends[1].key = backends[0].key;
	assert_int_equal(maglev_build(backends, 2, slots, 251), -EINVAL);
	make_fleet(3, 1);
	backends[2].id = 0;
	assert_int_equal(maglev_build(backends, 3, slots, 251), -EINVAL);
	assert_memory_equal(slots, other, sizeof(slots));
}

static void test_as_many_backends_as_slots(void **state)
{
	(void)state;
	make_fleet(251, 1);
	assert_int_equal(maglev_build(backends, 251, slots, 251), 0);
	for (uint16_t id = 1; id <= 251; id++)
		assert_int_equal(slots_of(slots, 251, id), 1);
}

/* How much of what survives of the fleet moves when `leaving` goes, in parts per million. */
static uint32_t moved_ppm(size_t count, size_t leaving)
{
	const uint16_t gone = backends[leaving].id;
	const uint32_t weight = backends[leaving].weight;
	uint32_t moved = 0, stayed = 0;

	backends[leaving].weight = 0;
	assert_int_equal(maglev_build(backends, count, other, 65537), 0);
	backends[leaving].weight = weight;
	for (uint32_t i = 0; i < 65537; i++) {
		if (slots[i] == gone)
			continue;
		if (slots[i] == other[i])
			stayed++;
		else
			moved++;
	}
	return (uint32_t)((uint64_t)moved * 1000000 / (moved + stayed));
}

static void test_disruption(void **state)
{
	static const struct {
		size_t count;
		uint32_t weights; /* weights run from 1 to this */
		uint32_t mean_ppm;
	} cases[] = {
		{100, 1, 6000}, /* docs/promises.md */
		{101, 1, 6000}, /* the other way about it is one that comes to 100 */
		{10, 1, 10000},
		{100, 10, 20000},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const size_t count = cases[i].count;
		uint32_t sum = 0, worst = 0;

		for (size_t n = 0; n < count; n++)
			backends[n] = make_backend(n, 1 + (uint32_t)n % cases[i].weights);
		assert_int_equal(maglev_build(backends, count, slots, 65537), 0);
		for (size_t k = 0; k < 10; k++) {
			const uint32_t ppm = moved_ppm(count, k * count / 10);

			sum += ppm;
			worst = ppm > worst ? ppm : worst;
		}
		print_message("%zu backends, weights 1 to %u, one leaves: %u ppm of the surviving "
			      "slots move in the mean, %u at worst\n",
			      count, cases[i].weights, sum / 10, worst);
		assert_in_range(sum / 10, 0, cases[i].mean_ppm);
	}
}

static uint64_t digest(const uint16_t *table, uint32_t size)
{
	static unsigned char bytes[2 * SIZE_MAX_TESTED];

	for (size_t i = 0; i < size; i++) {
		bytes[2 * i] = (unsigned char)table[i];
		bytes[2 * i + 1] = (unsigned char)(table[i] >> 8);
	}
	return maglev_key(bytes, 2 * (size_t)size);
}

/*
 * Balancers of one fleet must agree, also while some run an older version: if this fails, the
 * algorithm has changed for everybody, and an upgrade would move flows. The digests come from an
 * implementation in another language, written from maglev.h.
 */
static void test_tables_never_change(void **state)
{
	(void)state;
	make_fleet(100, 1);
	assert_int_equal(maglev_build(backends, 100, slots, 65537), 0);
	assert_true(digest(slots, 65537) == UINT64_C(0x58f5e0d78bacba84));
	for (size_t i = 0; i < 100; i++)
		backends[i].weight = (uint32_t)(i * i % 1001);
	assert_int_equal(maglev_build(backends, 100, slots, 65537), 0);
	assert_true(digest(slots, 65537) == UINT64_C(0xe752414c9204bcda));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paper_example),
		cmocka_unit_test(test_key_is_known),
		cmocka_unit_test(test_order_does_not_matter),
		cmocka_unit_test(test_equal_weights),
		cmocka_unit_test(test_weights_are_exact),
		cmocka_unit_test(test_agrees_with_model),
		cmocka_unit_test(test_weights_scale),
		cmocka_unit_test(test_no_weight_no_slot),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_as_many_backends_as_slots),
		cmocka_unit_test(test_disruption),
		cmocka_unit_test(test_tables_never_change),
	};

	return cmocka_run_group_tests_name("maglev", tests, NULL, NULL);
}
