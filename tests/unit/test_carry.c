/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "carry.h"

enum { FLOWS, NAT, FRAGMENTS, BACKENDS, VIPS, MAPS };

/* A former agent's maps and meta, as ours would be, for a case to change. */
static struct lb_meta former, ours;
static struct carry_map maps[MAPS];
static struct carry carry;

static int setup(void **state)
{
	static const char *const names[MAPS] = {"flows", "nat_flows", "fragments", "backends",
						"vips"};
	int i;

	(void)state;
	ours = (struct lb_meta){.abi_version = 9,
				.table_size = 251,
				.seed = 42,
				.flow_layout = 2,
				.nat_layout = 2,
				.fragment_layout = 3,
				.backend_layout = 4};
	former = ours;
	for (i = 0; i < MAPS; i++) {
		maps[i] = (struct carry_map){
			.name = names[i],
			.exists = true,
			.ours = {.type = 1, .key_size = 4, .value_size = 64, .max_entries = 128},
		};
		maps[i].former = maps[i].ours;
	}
	return 0;
}

static void decide(void)
{
	carry_decide(&former, sizeof(former), &ours, maps, MAPS, &carry);
}

static void assert_ways(enum carry_way flows, enum carry_way nat, enum carry_way fragments,
			enum carry_way backends)
{
	assert_true(carry.former);
	assert_false(carry.whole);
	assert_int_equal(carry.parts[CARRY_FLOWS].way, flows);
	assert_int_equal(carry.parts[CARRY_NAT].way, nat);
	assert_int_equal(carry.parts[CARRY_FRAGMENTS].way, fragments);
	assert_int_equal(carry.parts[CARRY_BACKENDS].way, backends);
}

static void test_nothing_there(void **state)
{
	(void)state;
	carry_decide(NULL, 0, &ours, maps, MAPS, &carry);
	assert_false(carry.former);
	assert_false(carry_keeps_flows(&carry));
}

static void test_all_alike(void **state)
{
	(void)state;
	decide();
	assert_true(carry.former);
	assert_true(carry.whole);
	assert_string_equal(carry.reason, "");
	assert_true(carry_keeps_flows(&carry));
}

static void test_another_abi(void **state)
{
	(void)state;
	former.abi_version = 8;
	maps[VIPS].former.value_size = 8;
	decide();
	assert_ways(CARRY_SHARED, CARRY_SHARED, CARRY_SHARED, CARRY_COPIED);
	assert_string_equal(carry.reason, "maps are of ABI version 8, this lbagent's of 9");
	assert_true(carry_keeps_flows(&carry));
}

/* The flows of an ABI that folds them differently are found; up to ABI 8 it did not. */
static void test_folded_flows(void **state)
{
	(void)state;
	former.abi_version = 10;
	former.flow_fold = 3 << LB_FLOW_FOLD_FORMER_SHIFT;
	decide();
	assert_ways(CARRY_SHARED, CARRY_SHARED, CARRY_SHARED, CARRY_COPIED);
	assert_int_equal(carry.flow_fold, 3 << LB_FLOW_FOLD_FORMER_SHIFT);
	former.abi_version = 8;
	former.flow_layout = 1;
	carry_decide(&former, offsetof(struct lb_meta, flow_fold), &ours, maps, MAPS, &carry);
	assert_ways(CARRY_SHARED, CARRY_SHARED, CARRY_SHARED, CARRY_COPIED);
	assert_int_equal(carry.flow_fold, 0);
}

static void test_another_layout(void **state)
{
	(void)state;
	former.abi_version = 10; /* a newer agent's: the way back */
	former.flow_layout = 3;
	former.backend_layout = 5;
	decide();
	assert_ways(CARRY_FORGOTTEN, CARRY_SHARED, CARRY_SHARED, CARRY_FORGOTTEN);
	assert_string_equal(carry.parts[CARRY_FLOWS].reason, "their layout was 3 and is 2");
	assert_true(carry_keeps_flows(&carry));
	former.nat_layout = 1;
	decide();
	assert_ways(CARRY_FORGOTTEN, CARRY_FORGOTTEN, CARRY_SHARED, CARRY_FORGOTTEN);
	assert_false(carry_keeps_flows(&carry));
}

/* ABI 2 had no layouts in its meta, which ended with the seed. */
static void test_abi_2(void **state)
{
	(void)state;
	former = (struct lb_meta){.abi_version = 2, .table_size = 251, .seed = 42};
	ours.nat_layout = ours.fragment_layout = ours.backend_layout = 1;
	carry_decide(&former, 16, &ours, maps, MAPS, &carry);
	assert_ways(CARRY_SHARED, CARRY_SHARED, CARRY_SHARED, CARRY_COPIED);
	former.abi_version = 1;
	carry_decide(&former, 16, &ours, maps, MAPS, &carry);
	assert_ways(CARRY_FORGOTTEN, CARRY_FORGOTTEN, CARRY_FORGOTTEN, CARRY_FORGOTTEN);
	carry_decide(&former, 4, &ours, maps, MAPS, &carry);
	assert_false(carry.whole);
}

static void test_another_seed(void **state)
{
	(void)state;
	former.seed = 43;
	decide();
	assert_ways(CARRY_FORGOTTEN, CARRY_FORGOTTEN, CARRY_SHARED, CARRY_COPIED);
	assert_string_equal(carry.parts[CARRY_NAT].reason,
			    "the flow hash has another seed: the state is not the one of before");
}

static void test_other_sizes(void **state)
{
	(void)state;
	maps[FLOWS].ours.max_entries = 256;
	maps[NAT].ours.max_entries = 64;
	maps[FRAGMENTS].ours.max_entries = 64;
	maps[BACKENDS].ours.max_entries = 257;
	maps[BACKENDS].former.max_entries = 129;
	decide();
	assert_ways(CARRY_FORGOTTEN, CARRY_COPIED, CARRY_FORGOTTEN, CARRY_COPIED);
	assert_string_equal(carry.reason, "map flows has another size or layout");
	assert_string_equal(carry.parts[CARRY_FLOWS].reason, "--flows was 1024 and is 2048");
	assert_string_equal(carry.parts[CARRY_NAT].reason, "--nat-flows was 128 and is 64");
	assert_string_equal(carry.parts[CARRY_BACKENDS].reason,
			    "--max-backends was 128 and is 256");
}

/* What connections live by does not depend on the size of the tables. */
static void test_another_table_size(void **state)
{
	(void)state;
	former.table_size = 65537;
	decide();
	assert_ways(CARRY_SHARED, CARRY_SHARED, CARRY_SHARED, CARRY_COPIED);
	assert_string_equal(carry.reason, "--table-size was 65537 and is 251");
}

static void test_missing_maps(void **state)
{
	(void)state;
	maps[NAT].exists = false;
	maps[FLOWS].former.flags = 1;
	decide();
	assert_ways(CARRY_FORGOTTEN, CARRY_FORGOTTEN, CARRY_SHARED, CARRY_COPIED);
	assert_string_equal(carry.parts[CARRY_NAT].reason,
			    "map nat_flows is missing or of another kind");
}

static void test_words(void **state)
{
	enum carry_part part;

	(void)state;
	assert_string_equal(carry_part_name(CARRY_NAT), "nat-flows");
	for (part = 0; part < CARRY_PARTS; part++) {
		assert_string_equal(carry_part_map(part), maps[part].name);
		assert_true(strlen(carry_consequence(part)) > 0);
	}
}

#define TEST(function) cmocka_unit_test_setup(function, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_there), TEST(test_all_alike),      TEST(test_another_abi),
		TEST(test_folded_flows),  TEST(test_another_layout), TEST(test_abi_2),
		TEST(test_another_seed),  TEST(test_other_sizes),    TEST(test_another_table_size),
		TEST(test_missing_maps),  TEST(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
