/* SPDX-License-Identifier: Apache-2.0 */

/* Which slots are marked, with whom, and until when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_dataplane.h"
#include "slot_marks.h"

#define SLOTS   7
#define SERVICE 1
#define TABLE   1 /* block of the service's table, */
#define MARKS   2 /* and of its marks */
#define SILENCE 100
#define A       1
#define B       2
#define C       3

struct fixture {
	struct fake_dataplane *fake;
	struct slot_marks *marks;
	uint64_t now;
};

static int setup(void **state)
{
	static const struct dataplane_sizes sizes = {
		.services = 2,
		.backends = 4,
		.vips = 1,
		.flows = LB_FLOW_WAYS,
		.table_size = SLOTS,
	};
	static struct fixture fixture;

	fixture.fake = fake_dataplane_new(&sizes);
	assert_non_null(fixture.fake);
	fixture.fake->dp.services[SERVICE] = (struct lb_service){
		.flags = LB_SERVICE_TRACK,
		.timeout = {SILENCE, 10, SILENCE, 10},
	};
	fixture.marks = slot_marks_new(&fixture.fake->dp);
	assert_non_null(fixture.marks);
	fixture.now = 1000000;
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	slot_marks_free(fixture->marks);
	fake_dataplane_free(fixture->fake);
	return 0;
}

static uint16_t *block(struct fixture *fixture, uint32_t index)
{
	return fixture->fake->dp.slots[index * fixture->fake->dp.table_lines].backend;
}

static void later(struct fixture *fixture, uint32_t coarse_ticks)
{
	fixture->now += (uint64_t)coarse_ticks << fixture->fake->dp.clock.coarse_tick_shift;
}

/* Gives the table these owners, as sync does. Returns how many slots are marked. */
static int change(struct fixture *fixture, const uint16_t owners[SLOTS], bool all)
{
	struct lb_tables *tables = &fixture->fake->dp.services[SERVICE].tables;
	uint16_t former[SLOTS];
	int count = slot_marks_change(fixture->marks, SERVICE, owners, all, fixture->now, former);

	memcpy(block(fixture, TABLE), owners, sizeof(former));
	memcpy(block(fixture, MARKS), former, sizeof(former));
	*tables = (struct lb_tables){TABLE, count > 0 ? MARKS : 0};
	return count;
}

static uint32_t end_round(struct fixture *fixture)
{
	return slot_marks_round(fixture->marks, SERVICE, fixture->now);
}

static void assert_marks(struct fixture *fixture, const uint16_t expected[SLOTS])
{
	assert_memory_equal(block(fixture, MARKS), expected, SLOTS * sizeof(*expected));
}

/* A flow of the slot has an entry for the backend. */
static void see(struct fixture *fixture, uint32_t slot, uint16_t backend)
{
	slot_marks_see(fixture->marks, SERVICE, (uint32_t)(((slot + 0.5) / SLOTS) * 4294967296.0),
		       backend);
}

static const uint16_t all_a[SLOTS] = {A, A, A, A, A, A, A};
static const uint16_t with_b[SLOTS] = {A, B, A, B, A, A, A};
static const uint16_t without[SLOTS];

static void test_what_does_not_change(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(change(fixture, all_a, false), 0);
	assert_int_equal(change(fixture, all_a, false), 0);
	assert_int_equal(end_round(fixture), 0);
}

static void test_what_changes(void **state)
{
	struct fixture *fixture = *state;

	change(fixture, all_a, false);
	assert_int_equal(change(fixture, with_b, false), 2);
	assert_marks(fixture, (const uint16_t[SLOTS]){0, A, 0, A});
}

/* A mark keeps the owner from before the first change. */
static void test_changes_in_a_row(void **state)
{
	static const uint16_t with_c[SLOTS] = {A, C, C, B, A, A, A};
	struct fixture *fixture = *state;

	change(fixture, all_a, false);
	change(fixture, with_b, false);
	assert_int_equal(change(fixture, with_c, false), 3);
	assert_marks(fixture, (const uint16_t[SLOTS]){0, A, A, A});
	assert_int_equal(change(fixture, all_a, false), 3);
	assert_marks(fixture, (const uint16_t[SLOTS]){0, A, A, A});
}

static void test_silence(void **state)
{
	struct fixture *fixture = *state;

	change(fixture, all_a, false);
	change(fixture, with_b, false);
	later(fixture, SILENCE);
	assert_int_equal(end_round(fixture), 2);
	assert_marks(fixture, (const uint16_t[SLOTS]){0, A, 0, A});
	later(fixture, 1);
	assert_int_equal(end_round(fixture), 2);
	assert_marks(fixture, (const uint16_t[SLOTS]){0, B, 0, B});
	see(fixture, 1, B);
	see(fixture, 3, A);
	assert_int_equal(end_round(fixture), 1);
	assert_marks(fixture, (const uint16_t[SLOTS]){0, 0, 0, B});
	assert_int_equal(end_round(fixture), 0);
}

/* Only the slot that changes again waits again. */
static void test_each_slot_for_itself(void **state)
{
	static const uint16_t with_c[SLOTS] = {A, C, A, B, A, A, A};
	struct fixture *fixture = *state;

	change(fixture, all_a, false);
	change(fixture, with_b, false);
	later(fixture, SILENCE);
	change(fixture, with_c, false);
	later(fixture, 1);
	end_round(fixture);
	assert_marks(fixture, (const uint16_t[SLOTS]){0, A, 0, B});
}

/* There and back: nobody waits, but the round under way may have passed entries for the other. */
static void test_there_and_back(void **state)
{
	struct fixture *fixture = *state;

	change(fixture, all_a, false);
	change(fixture, with_b, false);
	change(fixture, all_a, false);
	assert_int_equal(end_round(fixture), 2);
	see(fixture, 3, B);
	assert_int_equal(end_round(fixture), 1);
	assert_marks(fixture, (const uint16_t[SLOTS]){0, 0, 0, A});
	see(fixture, 3, B);
	assert_int_equal(end_round(fixture), 1);
	assert_int_equal(end_round(fixture), 0);
}

/* While nobody is there at all, marks wait. */
static void test_empty_table(void **state)
{
	struct fixture *fixture = *state;

	change(fixture, all_a, false);
	assert_int_equal(change(fixture, without, false), SLOTS);
	later(fixture, 2 * SILENCE);
	assert_int_equal(end_round(fixture), SLOTS);
	assert_marks(fixture, all_a);
	assert_int_equal(change(fixture, with_b, false), SLOTS);
	assert_marks(fixture, all_a);
	end_round(fixture);
	later(fixture, SILENCE + 1);
	end_round(fixture);
	assert_int_equal(end_round(fixture), 0);
}

/* Nothing is known of the entries: every slot is marked until a round has told. */
static void test_all(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(change(fixture, with_b, true), SLOTS);
	assert_marks(fixture, with_b);
	assert_int_equal(end_round(fixture), SLOTS);
	see(fixture, 0, B);
	assert_int_equal(end_round(fixture), 1);
	assert_marks(fixture, (const uint16_t[SLOTS]){A});
	assert_int_equal(end_round(fixture), 0);
}

/* Another agent goes on; when slots changed it does not know. */
static void test_adopted(void **state)
{
	struct fixture *fixture = *state;

	change(fixture, all_a, false);
	change(fixture, with_b, false);
	slot_marks_free(fixture->marks);
	fixture->fake->now = fixture->now;
	fixture->marks = slot_marks_new(&fixture->fake->dp);
	assert_non_null(fixture->marks);
	later(fixture, SILENCE);
	assert_int_equal(end_round(fixture), 2);
	assert_marks(fixture, (const uint16_t[SLOTS]){0, A, 0, A});
	later(fixture, 1);
	end_round(fixture);
	assert_marks(fixture, (const uint16_t[SLOTS]){0, B, 0, B});
	assert_int_equal(end_round(fixture), 0);
}

static void test_named(void **state)
{
	struct fixture *fixture = *state;

	change(fixture, with_b, false);
	assert_false(slot_marks_name(fixture->marks, SERVICE, B));
	change(fixture, all_a, false);
	assert_true(slot_marks_name(fixture->marks, SERVICE, B));
	assert_false(slot_marks_name(fixture->marks, SERVICE, A));
	later(fixture, SILENCE + 1);
	end_round(fixture);
	assert_false(slot_marks_name(fixture->marks, SERVICE, B));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_what_does_not_change),
		CASE(test_what_changes),
		CASE(test_changes_in_a_row),
		CASE(test_silence),
		CASE(test_each_slot_for_itself),
		CASE(test_there_and_back),
		CASE(test_empty_table),
		CASE(test_all),
		CASE(test_adopted),
		CASE(test_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
