/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "passive.h"

#define PEERS_MAX 50

/* Backends and what the data plane has counted of them. */
struct peers {
	size_t count;
	struct passive passive[PEERS_MAX];
	uint64_t new_flows[PEERS_MAX], repeats[PEERS_MAX];
	double typical;
};

/* One window, in which each gets `syns` new flows and bad[i] per cent of so many repeated. */
static void window(struct peers *peers, uint64_t syns, const unsigned int *bad)
{
	struct passive *judged[PEERS_MAX];

	for (size_t i = 0; i < peers->count; i++) {
		peers->new_flows[i] += syns;
		peers->repeats[i] += syns * bad[i] / 100;
		passive_feed(&peers->passive[i], peers->new_flows[i], peers->repeats[i]);
		judged[i] = &peers->passive[i];
	}
	peers->typical = passive_judge(judged, peers->count);
}

static void windows(struct peers *peers, int count, uint64_t syns, const unsigned int *bad)
{
	while (count-- > 0)
		window(peers, syns, bad);
}

static enum passive_verdict verdict(const struct peers *peers, size_t i)
{
	return peers->passive[i].verdict;
}

/* --- cases --- */

static void test_one_does_not_answer(void **state)
{
	static const unsigned int fine[] = {0, 1, 1, 0}, bad[] = {0, 100, 1, 0};
	struct peers peers = {.count = 4};

	(void)state;
	windows(&peers, 10, 100, fine);
	assert_int_equal(verdict(&peers, 1), PASSIVE_NORMAL);
	window(&peers, 100, bad);
	assert_int_equal(verdict(&peers, 1), PASSIVE_NORMAL);
	window(&peers, 100, bad);
	assert_int_equal(verdict(&peers, 1), PASSIVE_SUSPECT);
	window(&peers, 100, bad);
	assert_int_equal(verdict(&peers, 1), PASSIVE_SUSPECT);
	window(&peers, 100, bad);
	assert_int_equal(verdict(&peers, 1), PASSIVE_OUTLIER);
	assert_true(passive_share(&peers.passive[1]) > 0.3);
	assert_true(peers.typical < 0.02);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(verdict(&peers, i), i == 1 ? PASSIVE_OUTLIER : PASSIVE_NORMAL);
	windows(&peers, 20, 100, fine);
	assert_int_equal(verdict(&peers, 1), PASSIVE_NORMAL);
}

static void test_sorted_by_share(void **state)
{
	static const unsigned int bad[] = {30, 100, 0, 60};
	struct peers peers = {.count = 4};
	struct passive *judged[] = {&peers.passive[0], &peers.passive[1], &peers.passive[2],
				    &peers.passive[3]};

	(void)state;
	windows(&peers, 5, 100, bad);
	passive_judge(judged, 4);
	assert_ptr_equal(judged[0], &peers.passive[1]);
	assert_ptr_equal(judged[1], &peers.passive[3]);
	assert_ptr_equal(judged[2], &peers.passive[0]);
	assert_ptr_equal(judged[3], &peers.passive[2]);
}

static void test_of_two_the_worse(void **state)
{
	static const unsigned int bad[] = {0, 100}, both[] = {100, 100};
	struct peers one = {.count = 2}, two = {.count = 2};

	(void)state;
	windows(&one, 10, 50, bad);
	assert_int_equal(verdict(&one, 0), PASSIVE_NORMAL);
	assert_int_equal(verdict(&one, 1), PASSIVE_OUTLIER);
	windows(&two, 10, 50, both);
	assert_int_equal(verdict(&two, 0), PASSIVE_NORMAL);
	assert_int_equal(verdict(&two, 1), PASSIVE_NORMAL);
}

static void test_alone_it_has_no_peers(void **state)
{
	static const unsigned int bad[] = {300};
	struct peers peers = {.count = 1};

	(void)state;
	windows(&peers, 10, 1000, bad);
	assert_int_equal(verdict(&peers, 0), PASSIVE_NORMAL);
	assert_true(passive_judge(NULL, 0) == 0);
}

static void test_little_proves_nothing(void **state)
{
	static const unsigned int bad[] = {0, 100};
	struct peers peers = {.count = 2};

	(void)state;
	windows(&peers, 50, 2, bad); /* 4 SYNs a window: 16 in sight */
	assert_true(passive_share(&peers.passive[1]) < 0);
	assert_int_equal(verdict(&peers, 1), PASSIVE_NORMAL);
}

/* Suspicion does not outlive the traffic that it came from. */
static void test_fades_without_traffic(void **state)
{
	static const unsigned int bad[] = {0, 100};
	struct peers peers = {.count = 2};

	(void)state;
	windows(&peers, 10, 100, bad);
	assert_int_equal(verdict(&peers, 1), PASSIVE_OUTLIER);
	windows(&peers, 20, 0, bad);
	assert_int_equal(verdict(&peers, 1), PASSIVE_NORMAL);
}

/* The verdict does not flutter where the share is between clear and bad. */
static void test_hysteresis(void **state)
{
	static const unsigned int bad[] = {0, 20, 0}, between[] = {0, 8, 0};
	struct peers peers = {.count = 3};

	(void)state;
	windows(&peers, 10, 1000, bad);
	assert_int_equal(verdict(&peers, 1), PASSIVE_OUTLIER);
	windows(&peers, 30, 1000, between);
	assert_int_equal(verdict(&peers, 1), PASSIVE_OUTLIER);

	peers = (struct peers){.count = 3};
	windows(&peers, 30, 1000, between);
	assert_int_equal(verdict(&peers, 1), PASSIVE_NORMAL);
}

static void test_counters_that_begin_anew(void **state)
{
	struct passive passive = {0};

	(void)state;
	passive_feed(&passive, 1000000, 500000); /* before our time */
	assert_true(passive_share(&passive) < 0);
	passive_feed(&passive, 1000030, 500000);
	assert_true(passive_share(&passive) == 0);
	passive_feed(&passive, 10, 10);
	assert_true(passive_share(&passive) < 1);
	passive_forget(&passive);
	passive_feed(&passive, 1000, 1000);
	assert_true(passive_share(&passive) < 0);
}

/* --- any pool --- */

/* Clients lose packets, more or less, to all backends alike: chance blames nobody. */
static void test_loss_for_all_alike(void **state)
{
	(void)state;
	srand(1);
	for (unsigned int round = 0; round < 300; round++) {
		struct peers peers = {.count = 2 + (size_t)rand() % (PEERS_MAX - 2)};
		int loss = rand() % 6; /* per cent */
		int syns = 1 + rand() % 300;

		for (int seconds = 0; seconds < 30; seconds++) {
			struct passive *judged[PEERS_MAX];

			for (size_t i = 0; i < peers.count; i++) {
				peers.new_flows[i] += (uint64_t)syns;
				for (int syn = 0; syn < syns; syn++)
					peers.repeats[i] += rand() % 100 < loss;
				passive_feed(&peers.passive[i], peers.new_flows[i],
					     peers.repeats[i]);
				judged[i] = &peers.passive[i];
			}
			passive_judge(judged, peers.count);
			for (size_t i = 0; i < peers.count; i++)
				assert_int_not_equal(peers.passive[i].verdict, PASSIVE_OUTLIER);
		}
	}
}

/*
 * Some, less than half, answer no SYN: these and no others are found, within six seconds; all are
 * cleared once they answer again. More than half: nobody is blamed.
 */
static void test_random_pools(void **state)
{
	(void)state;
	srand(2);
	for (unsigned int round = 0; round < 3000; round++) {
		struct peers peers = {.count = 1 + (size_t)rand() % PEERS_MAX};
		size_t dead = (size_t)rand() % (peers.count + 1);
		bool few = 2 * dead <= peers.count; /* of two in the middle the better counts */
		unsigned int fine[PEERS_MAX], bad[PEERS_MAX];
		uint64_t syns = 20 + (uint64_t)rand() % 1000;

		for (size_t i = 0; i < peers.count; i++) {
			fine[i] = (unsigned int)rand() % 4;
			bad[i] = i < dead ? 100 + (unsigned int)rand() % 200 : fine[i];
		}
		windows(&peers, rand() % 10, syns, fine);
		for (size_t i = 0; i < peers.count; i++)
			assert_int_equal(verdict(&peers, i), PASSIVE_NORMAL);
		windows(&peers, 6, syns, bad);
		for (size_t i = 0; i < peers.count; i++)
			assert_int_equal(verdict(&peers, i),
					 few && i < dead ? PASSIVE_OUTLIER : PASSIVE_NORMAL);
		windows(&peers, 25, syns, fine);
		for (size_t i = 0; i < peers.count; i++)
			assert_int_equal(verdict(&peers, i), PASSIVE_NORMAL);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_does_not_answer),
		cmocka_unit_test(test_sorted_by_share),
		cmocka_unit_test(test_of_two_the_worse),
		cmocka_unit_test(test_alone_it_has_no_peers),
		cmocka_unit_test(test_little_proves_nothing),
		cmocka_unit_test(test_fades_without_traffic),
		cmocka_unit_test(test_hysteresis),
		cmocka_unit_test(test_counters_that_begin_anew),
		cmocka_unit_test(test_loss_for_all_alike),
		cmocka_unit_test(test_random_pools),
	};

	return cmocka_run_group_tests_name("passive", tests, NULL, NULL);
}
