/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "pool.h"

#define COUNT(members) pool_count(members, sizeof(members) / sizeof((members)[0]))

/* --- who is counted --- */

static void test_group_in_use(void **state)
{
	static const struct pool_member members[] = {
		{BACKEND_DOWN, 1, 0},  {BACKEND_NO_NEIGHBOUR, 1, 0}, {BACKEND_UP, 2, 1},
		{BACKEND_DOWN, 3, 1},  {BACKEND_EJECTED, 4, 1},      {BACKEND_UP, 0, 1},
		{BACKEND_MAINT, 1, 1}, {BACKEND_DRAIN, 1, 1},        {BACKEND_REMOVING, 1, 1},
		{BACKEND_UP, 1, 2},
	};
	struct pool_census census = COUNT(members);

	(void)state;
	assert_int_equal(census.priority, 1);
	assert_int_equal(census.members, 3);
	assert_int_equal(census.up, 1);
	assert_int_equal(census.ejected, 1);
	assert_true(census.weight == 9);
	assert_true(census.up_weight == 2);
	assert_int_equal(pool_up_percent(&census), 22);
	assert_false(census.checking);
}

static void test_group_with_nobody_up(void **state)
{
	static const struct pool_member members[] = {
		{BACKEND_DOWN, 1, 9}, {BACKEND_DOWN, 1, 7}, {BACKEND_CHECKING, 1, 3}};
	struct pool_census census = COUNT(members);

	(void)state;
	assert_int_equal(census.priority, 7);
	assert_int_equal(census.members, 1);
	assert_int_equal(census.up, 0);
	assert_true(census.checking);
}

static void test_nobody(void **state)
{
	struct pool_census census = pool_count(NULL, 0);

	(void)state;
	assert_int_equal(census.members, 0);
	assert_int_equal(pool_up_percent(&census), 100);
	assert_false(pool_panics(&census, 100, false));
	assert_false(pool_panics(&census, 100, true));
	assert_int_equal(pool_eject_room(&census, 100), 0);
}

/* --- panic --- */

static struct pool_census make_census(uint32_t members, uint32_t up)
{
	return (struct pool_census){
		.members = members, .up = up, .weight = members, .up_weight = up};
}

static void test_panic(void **state)
{
	struct pool_census half = make_census(4, 2), less = make_census(4, 1);

	(void)state;
	assert_false(pool_panics(&half, 50, false));
	assert_true(pool_panics(&half, 51, false));
	assert_true(pool_panics(&less, 50, false));
	assert_false(pool_panics(&less, 0, false));
	assert_false(pool_panics(&less, 0, true));
}

/* Who is checked for the first time may be the one that is missing. */
static void test_panic_waits_for_first_checks(void **state)
{
	struct pool_census census = make_census(3, 0);

	(void)state;
	census.checking = true;
	assert_false(pool_panics(&census, 50, false));
	assert_true(pool_panics(&census, 50, true));
}

/* A backup that is up is no reason to panic, and none to keep the others. */
static void test_no_panic_with_a_backup(void **state)
{
	static const struct pool_member members[] = {
		{BACKEND_DOWN, 1, 0}, {BACKEND_DOWN, 1, 0}, {BACKEND_UP, 1, 255}};
	struct pool_census census = COUNT(members);

	(void)state;
	assert_int_equal(census.priority, 255);
	assert_false(pool_panics(&census, 100, false));
}

/* --- ejection --- */

static void test_eject_room(void **state)
{
	static const struct {
		uint32_t members, up, ejected;
		uint8_t percent;
		uint32_t room;
	} cases[] = {
		{1, 1, 0, 100, 0}, /* the last */
		{2, 2, 0, 10, 1},  /* one may always go */
		{2, 1, 1, 100, 0}, /* but not the last */
		{10, 10, 0, 10, 1}, {10, 9, 1, 10, 0},  {19, 19, 0, 10, 1},
		{20, 20, 0, 10, 2}, {20, 19, 1, 10, 1}, {20, 18, 2, 10, 0},
		{20, 17, 3, 10, 0}, /* eject-max was more before */
		{4, 4, 0, 100, 3},  {4, 2, 0, 100, 1},  {65535, 65535, 0, 100, 65534},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pool_census census = make_census(cases[i].members, cases[i].up);

		census.ejected = cases[i].ejected;
		assert_int_equal(pool_eject_room(&census, cases[i].percent), cases[i].room);
	}
}

static void test_ejections_grow(void **state)
{
	(void)state;
	assert_true(pool_ejection_ms(1) == 10000);
	assert_true(pool_ejection_ms(3) == 30000);
	assert_true(pool_ejection_ms(31) == 300000);
	assert_true(pool_ejection_ms(UINT32_MAX) == 300000);
	assert_int_equal(pool_ejection_next(0, 0), 1);
	assert_int_equal(pool_ejection_next(0, UINT64_MAX), 1);
	assert_int_equal(pool_ejection_next(1, 0), 2);
	assert_int_equal(pool_ejection_next(3, 59999), 4);
	assert_int_equal(pool_ejection_next(3, 60000), 3);
	assert_int_equal(pool_ejection_next(3, 179999), 2);
	assert_int_equal(pool_ejection_next(3, 180000), 1);
}

/* --- any pool --- */

#define MEMBERS_MAX 30

static size_t random_members(struct pool_member *members)
{
	size_t count = (size_t)rand() % MEMBERS_MAX;

	for (size_t i = 0; i < count; i++)
		members[i] = (struct pool_member){
			.status = (enum backend_status)(rand() % (BACKEND_EJECTED + 1)),
			.weight = (uint16_t)(rand() % 3),
			.priority = (uint8_t)(rand() % 3),
		};
	return count;
}

static size_t count_status(const struct pool_member *members, size_t count,
			   const struct pool_census *census, enum backend_status status)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++)
		found += members[i].status == status && members[i].weight > 0 &&
			 members[i].priority == census->priority;
	return found;
}

/* Ejecting all that there is room for keeps to the bound, and one stays up. */
static void test_random_pools(void **state)
{
	struct pool_member members[MEMBERS_MAX];

	(void)state;
	srand(1);
	for (unsigned int round = 0; round < 20000; round++) {
		size_t count = random_members(members);
		struct pool_census census = pool_count(members, count), after = census;
		uint8_t percent = (uint8_t)(1 + rand() % 100);
		uint32_t room = pool_eject_room(&census, percent), most;

		assert_int_equal(census.up, count_status(members, count, &census, BACKEND_UP));
		assert_int_equal(census.ejected,
				 count_status(members, count, &census, BACKEND_EJECTED));
		most = census.members * percent / 100 > 1 ? census.members * percent / 100 : 1;
		if (room > 0) {
			assert_true(census.ejected + room <= most);
			assert_true(census.up > room);
		}
		after.ejected += room;
		after.up -= room;
		assert_int_equal(pool_eject_room(&after, percent), 0);
		if (census.up == census.members)
			assert_false(pool_panics(&census, 100, rand() % 2));
		if (census.members > 0 && census.up == 0)
			assert_true(pool_panics(&census, 1, !census.checking || rand() % 2) ||
				    census.checking);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_group_in_use),
		cmocka_unit_test(test_group_with_nobody_up),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_panic),
		cmocka_unit_test(test_panic_waits_for_first_checks),
		cmocka_unit_test(test_no_panic_with_a_backup),
		cmocka_unit_test(test_eject_room),
		cmocka_unit_test(test_ejections_grow),
		cmocka_unit_test(test_random_pools),
	};

	return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
