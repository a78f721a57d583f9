/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "shard.h"

#define IDS 20000

static const char *id_of(unsigned int i, char buffer[32])
{
	snprintf(buffer, 32, "id-%u", i);
	return buffer;
}

static void test_one(void **state)
{
	(void)state;
	assert_int_equal(shard_of("", 1), 0);
	assert_int_equal(shard_of("anything", 1), 0);
}

/* Each shard's share is within five standard deviations of an even one. */
static void test_even(void **state)
{
	char id[32];

	(void)state;
	for (size_t count = 2; count <= 16; count++) {
		unsigned int each[16] = {0};
		const double even = (double)IDS / (double)count;

		for (unsigned int i = 0; i < IDS; i++) {
			size_t shard = shard_of(id_of(i, id), count);

			assert_true(shard < count);
			each[shard]++;
		}
		for (size_t shard = 0; shard < count; shard++) {
			const double off = each[shard] - even;

			assert_true(off * off < 25 * even);
		}
	}
}

/* One shard more: ids move to it or nowhere, about as many as are its share. */
static void test_consistent(void **state)
{
	char id[32];

	(void)state;
	for (size_t count = 1; count < 16; count++) {
		const double share = (double)IDS / (double)(count + 1);
		unsigned int moved = 0;

		for (unsigned int i = 0; i < IDS; i++) {
			size_t before = shard_of(id_of(i, id), count);
			size_t after = shard_of(id_of(i, id), count + 1);

			assert_true(after == before || after == count);
			moved += after != before;
		}
		assert_true((moved - share) * (moved - share) < 25 * share);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_even),
		cmocka_unit_test(test_consistent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
