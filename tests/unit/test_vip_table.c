/* SPDX-License-Identifier: Apache-2.0 */

/* The table of exact VIPs: each key is found where packets look for it, whatever comes and goes. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vip_hash.h"
#include "vip_table.h"

#define KEYS 1000

struct fixture {
	uint32_t slots;
	struct lb_vip_entry *entries;
	uint64_t *groups;
	struct vip_table *table;
};

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->slots = vip_table_slots(KEYS);
	fixture->entries = calloc(fixture->slots, sizeof(*fixture->entries));
	fixture->groups = calloc(vip_table_groups(fixture->slots), sizeof(*fixture->groups));
	assert_non_null(fixture->entries);
	assert_non_null(fixture->groups);
	fixture->table = vip_table_new(fixture->entries, fixture->groups, fixture->slots);
	assert_non_null(fixture->table);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	vip_table_free(fixture->table);
	free(fixture->entries);
	free(fixture->groups);
	free(fixture);
	return 0;
}

/* Every other one of IPv6. */
static struct lb_vip_key key_of(uint32_t number)
{
	struct lb_vip_key key = {.l4_proto = IPPROTO_TCP, .port = htons((uint16_t)(number % 7))};

	if (number % 2)
		key.addr.word[0] = htonl(0x20010db8);
	else
		key.addr.word[2] = htonl(0xffff);
	key.addr.word[3] = htonl(0xc6120000 + number);
	return key;
}

static struct lb_vip vip_of(uint32_t number)
{
	return (struct lb_vip){.kind = LB_VIP_SERVICE, .service = (uint16_t)number};
}

/* As bpf/vip.h looks for it. NULL: it is not there. */
static const struct lb_vip *look(const struct fixture *fixture, const struct lb_vip_key *key)
{
	uint8_t shift = vip_table_shift(fixture->slots);
	uint64_t hash = vip_hash(key, !key->addr.word[0]);
	uint32_t factor = (uint32_t)fixture->groups[vip_group(hash, shift)];
	const struct lb_vip_entry *entry = &fixture->entries[vip_slot(hash, factor, shift)];

	return entry->vip.kind && memcmp(&entry->key, key, sizeof(*key)) == 0 ? &entry->vip : NULL;
}

static void assert_there(const struct fixture *fixture, uint32_t number, uint16_t service)
{
	struct lb_vip_key key = key_of(number);
	const struct lb_vip *vip = look(fixture, &key);

	assert_non_null(vip);
	assert_int_equal(vip->service, service);
	assert_ptr_equal(vip_table_find(fixture->table, &key), vip);
}

static void assert_not_there(const struct fixture *fixture, uint32_t number)
{
	struct lb_vip_key key = key_of(number);

	assert_null(look(fixture, &key));
	assert_null(vip_table_find(fixture->table, &key));
}

static void put(struct fixture *fixture, uint32_t number, uint32_t service)
{
	struct lb_vip_key key = key_of(number);
	struct lb_vip vip = vip_of(service);

	assert_int_equal(vip_table_put(fixture->table, &key, &vip), 0);
}

static void drop(struct fixture *fixture, uint32_t number)
{
	struct lb_vip_key key = key_of(number);

	vip_table_remove(fixture->table, &key);
}

static void test_sizes(void **state)
{
	(void)state;
	assert_int_equal(vip_table_slots(1), 4);
	assert_int_equal(vip_table_slots(1000), 4096);
	assert_int_equal(vip_table_groups(4096), 1024);
	assert_int_equal(vip_table_shift(4096), 20);
}

static void test_each_is_found(void **state)
{
	struct fixture *fixture = *state;

	for (uint32_t i = 0; i < KEYS; i++) {
		assert_not_there(fixture, i);
		put(fixture, i, i);
		for (uint32_t j = 0; j <= i; j += 1 + i / 50)
			assert_there(fixture, j, (uint16_t)j);
	}
	for (uint32_t i = 0; i < KEYS; i++)
		assert_there(fixture, i, (uint16_t)i);
	assert_not_there(fixture, KEYS);
}

static void test_replaced(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, 1, 10);
	put(fixture, 1, 20);
	assert_there(fixture, 1, 20);
	drop(fixture, 1);
	assert_not_there(fixture, 1);
	drop(fixture, 1);
}

/* What a key leaves behind when it moves never comes back. */
static void test_random(void **state)
{
	struct fixture *fixture = *state;
	uint16_t service[KEYS] = {0};
	uint32_t seed = 1, number;

	for (uint32_t step = 1; step <= 30000; step++) {
		seed = seed * 1664525 + 1013904223; /* Numerical Recipes */
		number = (seed >> 8) % KEYS;
		if (seed >> 28 < 9) {
			put(fixture, number, step % 60000 + 1);
			service[number] = (uint16_t)(step % 60000 + 1);
		} else {
			drop(fixture, number);
			service[number] = 0;
		}
		if (step % 1000)
			continue;
		for (uint32_t i = 0; i < KEYS; i++) {
			if (service[i])
				assert_there(fixture, i, service[i]);
			else
				assert_not_there(fixture, i);
		}
	}
}

struct seen {
	struct vip_table *table;
	uint32_t count, removed;
};

static void visit(void *context, const struct lb_vip_key *key, const struct lb_vip *vip)
{
	struct seen *seen = context;

	seen->count++;
	if (vip->service % 2)
		return;
	seen->removed++;
	vip_table_remove(seen->table, key);
}

static void test_each_and_remove(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen = {.table = fixture->table};

	for (uint32_t i = 0; i < KEYS; i++)
		put(fixture, i, i);
	vip_table_each(fixture->table, visit, &seen);
	assert_int_equal(seen.count, KEYS);
	assert_int_equal(seen.removed, KEYS / 2);
	vip_table_each(fixture->table, visit, &seen);
	assert_int_equal(seen.count, KEYS + KEYS / 2);
}

/* Another agent goes on with what is there. */
static void test_adopted(void **state)
{
	struct fixture *fixture = *state;

	for (uint32_t i = 0; i < KEYS; i++)
		put(fixture, i, i);
	vip_table_free(fixture->table);
	fixture->table = vip_table_new(fixture->entries, fixture->groups, fixture->slots);
	assert_non_null(fixture->table);
	for (uint32_t i = 0; i < KEYS; i += 2)
		drop(fixture, i);
	for (uint32_t i = 0; i < KEYS; i += 4)
		put(fixture, i, 7);
	for (uint32_t i = 0; i < KEYS; i++) {
		if (i % 2)
			assert_there(fixture, i, (uint16_t)i);
		else if (i % 4)
			assert_not_there(fixture, i);
		else
			assert_there(fixture, i, 7);
	}
}

/* Far more than there is room for: refused, and the rest is as it was. */
static void test_full(void **state)
{
	struct fixture *fixture = *state;
	struct lb_vip vip = vip_of(1);
	struct lb_vip_key key;
	uint32_t i = 0;
	int ret = 0;

	for (; ret == 0; i++) {
		assert_true(i <= fixture->slots);
		key = key_of(i);
		ret = vip_table_put(fixture->table, &key, &vip);
	}
	assert_int_equal(ret, -ENOSPC);
	assert_true(i > fixture->slots / 2);
	for (uint32_t j = 0; j + 1 < i; j++)
		assert_there(fixture, j, 1);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		CASE(test_each_is_found),
		CASE(test_replaced),
		CASE(test_random),
		CASE(test_each_and_remove),
		CASE(test_adopted),
		CASE(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
