/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "fake_dataplane.h"
#include "sync.h"

#define SERVICES   3
#define BACKENDS   12
#define TABLE_SIZE 251

/* Indices are dealt by hand: service s has VIP s and backends from 4s - 3 on. */
#define WEB 1
#define DNS 2

struct fixture {
	struct fake_dataplane *fake;
	struct sync *sync;
	struct desired *desired;
	struct backend_facts facts[BACKENDS + 1];
};

/* --- fixtures --- */

static int setup(void **state)
{
	static const struct dataplane_sizes sizes = {
		.services = SERVICES,
		.backends = BACKENDS,
		.vips = 8,
		.flows = LB_FLOW_WAYS,
		.table_size = TABLE_SIZE,
	};
	static const struct lb_hop hop = {
		.dst_mac = {2, 0, 0, 0, 0, 1},
		.flags = LB_BACKEND_RESOLVED,
		.src_mac = {2, 0, 0, 0, 0, 2},
		.ifindex = 5,
	};
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->fake = fake_dataplane_new(&sizes);
	assert_non_null(fixture->fake);
	fixture->sync = sync_new(&fixture->fake->dp);
	assert_non_null(fixture->sync);
	fixture->desired = desired_new();
	assert_non_null(fixture->desired);
	for (int id = 1; id <= BACKENDS; id++)
		fixture->facts[id] =
			(struct backend_facts){.alive = true, .eligible = true, .hop = hop};
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	sync_free(fixture->sync);
	desired_free(fixture->desired);
	fake_dataplane_free(fixture->fake);
	free(fixture);
	return 0;
}

static struct service_spec *service(struct fixture *fixture, uint16_t id)
{
	for (size_t i = 0; i < fixture->desired->service_count; i++) {
		if (fixture->desired->services[i].id == id)
			return &fixture->desired->services[i];
	}
	fail_msg("no service %u", id);
	return NULL;
}

static void add_backend(struct fixture *fixture, uint16_t service_id, uint16_t id, uint16_t weight)
{
	struct backend_spec backend = {.id = id, .weight = weight};
	char text[ENDPOINT_TEXT_MAX];
	struct error err;

	snprintf(text, sizeof(text), "198.18.1.%u", id);
	assert_int_equal(parse_endpoint(text, 8080, &backend.endpoint, &err), 0);
	assert_int_equal(service_add_backend(service(fixture, service_id), &backend, &err), 0);
}

/* At 198.18.0.ID port 80, with this many backends of weight 1. */
static void add_service(struct fixture *fixture, uint16_t id, uint16_t backends)
{
	struct service_spec spec;
	char text[VIP_TEXT_MAX];
	struct error err;

	service_spec_init(&spec);
	spec.id = id;
	snprintf(spec.name, sizeof(spec.name), "s%u", id);
	spec.vips = calloc(1, sizeof(*spec.vips));
	assert_non_null(spec.vips);
	spec.vip_count = 1;
	spec.vips[0].id = id;
	snprintf(text, sizeof(text), "tcp://198.18.0.%u:80", id);
	assert_int_equal(parse_vip(text, &spec.vips[0].vip, &err), 0);
	assert_int_equal(desired_add_service(fixture->desired, &spec, &err), 0);
	for (uint16_t i = 0; i < backends; i++)
		add_backend(fixture, id, (uint16_t)(4 * id - 3 + i), 1);
}

static void remove_backend(struct fixture *fixture, uint16_t service_id, size_t index)
{
	struct service_spec *spec = service(fixture, service_id);

	service_remove_backend(spec, &spec->backends[index]);
}

static void set_alive(struct fixture *fixture, uint16_t backend, bool alive)
{
	fixture->facts[backend].alive = alive;
	fixture->facts[backend].eligible = alive;
}

static void sync_ok(struct fixture *fixture)
{
	struct error err = {0};

	assert_int_equal(sync_all(fixture->sync, fixture->desired, fixture->facts, NULL, &err), 0);
	assert_string_equal(err.message, "");
}

static void sync_one_ok(struct fixture *fixture, uint16_t id)
{
	struct error err = {0};

	assert_int_equal(sync_service(fixture->sync, service(fixture, id), fixture->facts, &err),
			 0);
	assert_string_equal(err.message, "");
}

static struct lb_addr make_addr(const char *text)
{
	struct address address;
	struct error err;

	assert_int_equal(parse_address(text, &address, &err), 0);
	return lb_addr_of(&address);
}

static const struct lb_vip *find_vip(const struct fixture *fixture, const char *text,
				     uint8_t l4_proto, uint16_t port)
{
	struct lb_vip_key key = {
		.addr = make_addr(text),
		.port = htons(port),
		.l4_proto = l4_proto,
	};

	return fake_dataplane_vip(fixture->fake, &key);
}

static uint32_t table_of(const struct fixture *fixture, uint16_t service_id)
{
	return fixture->fake->dp.services[service_id].tables.current;
}

static const struct lb_slot_line *block_at(const struct dataplane *dp, uint32_t block)
{
	assert_in_range(block, 0, dp->table_blocks - 1);
	return &dp->slots[(size_t)block * dp->table_lines];
}

static size_t block_bytes(const struct dataplane *dp)
{
	return dp->table_lines * sizeof(struct lb_slot_line);
}

/* To be freed. */
static void *block_copy(const struct fixture *fixture, uint32_t block)
{
	const struct dataplane *dp = &fixture->fake->dp;
	void *copy = malloc(block_bytes(dp));

	assert_non_null(copy);
	memcpy(copy, block_at(dp, block), block_bytes(dp));
	return copy;
}

static void assert_block(const struct fixture *fixture, uint32_t block, const void *copy)
{
	const struct dataplane *dp = &fixture->fake->dp;

	assert_memory_equal(block_at(dp, block), copy, block_bytes(dp));
}

static void count_owners(const struct dataplane *dp, uint32_t block, uint32_t *ret_owned)
{
	const struct lb_slot_line *lines = block_at(dp, block);
	uint16_t owner;

	memset(ret_owned, 0, (BACKENDS + 1) * sizeof(*ret_owned));
	for (uint32_t slot = 0; slot < TABLE_SIZE; slot++) {
		owner = lines[slot / LB_SLOTS_PER_LINE].backend[slot % LB_SLOTS_PER_LINE];
		assert_in_range(owner, 0, BACKENDS);
		ret_owned[owner]++;
	}
}

/* The table is of the service's eligible backends, all of the same weight, and of no other. */
static void assert_table(const struct fixture *fixture, const struct service_spec *spec)
{
	uint32_t owned[BACKENDS + 1], eligible = 0, total = 0;
	uint32_t table = table_of(fixture, spec->id);
	uint16_t id;

	count_owners(&fixture->fake->dp, table, owned);
	for (size_t i = 0; i < spec->backend_count; i++)
		eligible += fixture->facts[spec->backends[i].id].eligible;
	for (size_t i = 0; i < spec->backend_count; i++) {
		id = spec->backends[i].id;
		assert_int_equal(owned[id], sync_slots(fixture->sync, id));
		if (fixture->facts[id].eligible)
			assert_in_range(owned[id], TABLE_SIZE / eligible,
					TABLE_SIZE / eligible + 1);
		else
			assert_int_equal(owned[id], 0);
		total += owned[id];
	}
	assert_int_equal(total, eligible ? TABLE_SIZE : 0);
	assert_int_equal(table != 0, eligible != 0);
}

/* It is nobody else's. */
static void use_block(const struct fixture *fixture, uint32_t block, bool *used)
{
	assert_in_range(block, 0, fixture->fake->dp.table_blocks - 1);
	assert_false(block != 0 && used[block]);
	used[block] = true;
}

static void assert_all_tables(struct fixture *fixture)
{
	bool used[2 * SERVICES + 3] = {false};

	for (uint16_t id = 1; id <= SERVICES; id++) {
		use_block(fixture, table_of(fixture, id), used);
		use_block(fixture, fixture->fake->dp.services[id].tables.former, used);
		for (size_t i = 0; i < LB_EARLIER; i++)
			use_block(fixture, fixture->fake->dp.services[id].earlier[i], used);
	}
	for (size_t i = 0; i < fixture->desired->service_count; i++)
		assert_table(fixture, &fixture->desired->services[i]);
}

/* --- a service --- */

static unsigned int vips_seen;

/* When packets may come, all that they can meet is there. */
static void check_ready(const struct dataplane *dp, const struct lb_vip *vip)
{
	uint32_t owned[BACKENDS + 1];

	if (vip->kind == LB_VIP_ECHO)
		return;
	vips_seen++;
	assert_int_equal(vip->kind, LB_VIP_SERVICE);
	count_owners(dp, dp->services[vip->service].tables.current, owned);
	assert_int_equal(owned[0], 0);
	for (int id = 1; id <= BACKENDS; id++) {
		if (owned[id] == 0)
			continue;
		assert_int_equal(dp->backends[id].service, vip->service);
		assert_int_equal(dp->backends[id].hop.flags, LB_BACKEND_UP | LB_BACKEND_RESOLVED);
	}
}

static void test_vips_come_last(void **state)
{
	struct fixture *fixture = *state;
	const struct lb_vip *vip;

	vips_seen = 0;
	fixture->fake->on_vip_put = check_ready;
	add_service(fixture, WEB, 3);
	add_service(fixture, DNS, 2);
	fixture->facts[2].eligible = false;
	sync_ok(fixture);
	assert_int_equal(vips_seen, 2);
	assert_table(fixture, service(fixture, WEB));
	assert_table(fixture, service(fixture, DNS));
	vip = find_vip(fixture, "198.18.0.2", IPPROTO_TCP, 80);
	assert_non_null(vip);
	assert_int_equal(vip->service, DNS);
	assert_int_equal(vip->vip, DNS);
}

static void test_shares_by_weight(void **state)
{
	static const uint16_t weights[] = {1, 2, 0, 4};
	struct fixture *fixture = *state;
	uint32_t owned[BACKENDS + 1];

	add_service(fixture, WEB, 0);
	for (uint16_t i = 0; i < 4; i++)
		add_backend(fixture, WEB, (uint16_t)(i + 1), weights[i]);
	sync_ok(fixture);
	count_owners(&fixture->fake->dp, table_of(fixture, WEB), owned);
	assert_int_equal(owned[0], 0);
	for (uint16_t i = 0; i < 4; i++) {
		assert_in_range(owned[i + 1], TABLE_SIZE * weights[i] / 7,
				(TABLE_SIZE * weights[i] + 6) / 7);
		assert_int_equal(sync_slots(fixture->sync, (uint16_t)(i + 1)), owned[i + 1]);
	}
}

/* While a backend starts slowly it has tenths of its weight: in the table and for least-conn. */
static void test_slow_start(void **state)
{
	static const uint16_t weights[] = {1, 2};
	struct fixture *fixture = *state;
	const struct lb_backend *records = fixture->fake->dp.backends;
	uint32_t owned[BACKENDS + 1], table;
	void *before;

	add_service(fixture, WEB, 0);
	for (uint16_t i = 0; i < 2; i++)
		add_backend(fixture, WEB, (uint16_t)(i + 1), weights[i]);
	sync_ok(fixture);
	table = table_of(fixture, WEB);
	before = block_copy(fixture, table);
	fixture->facts[2].tenths = 3; /* 10 to 6 */
	sync_one_ok(fixture, WEB);
	count_owners(&fixture->fake->dp, table_of(fixture, WEB), owned);
	assert_in_range(owned[2], TABLE_SIZE * 6 / 16, TABLE_SIZE * 6 / 16 + 1);
	assert_int_equal(records[1].weight * 6, records[2].weight * 10);
	table = table_of(fixture, WEB);
	sync_one_ok(fixture, WEB); /* nothing new: no new table */
	assert_int_equal(table_of(fixture, WEB), table);
	fixture->facts[2].tenths = 0;
	sync_one_ok(fixture, WEB);
	assert_block(fixture, table_of(fixture, WEB), before);
	assert_int_equal(records[1].weight * 2, records[2].weight);
	free(before);
}

static void test_records(void **state)
{
	struct fixture *fixture = *state;
	const struct lb_backend *backend = fixture->fake->dp.backends;
	const struct lb_service *record = &fixture->fake->dp.services[WEB];
	struct lb_addr addr = make_addr("198.18.1.1");

	add_service(fixture, WEB, 4);
	fixture->facts[2].hop.flags = 0;
	set_alive(fixture, 3, false);
	set_alive(fixture, 4, false);
	fixture->facts[4].hop.flags = 0;
	sync_ok(fixture);
	assert_int_equal(backend[1].hop.flags, LB_BACKEND_UP | LB_BACKEND_RESOLVED);
	assert_int_equal(backend[2].hop.flags, LB_BACKEND_UP);
	assert_int_equal(backend[3].hop.flags, LB_BACKEND_RESOLVED);
	assert_int_equal(backend[4].hop.flags, 0);
	assert_memory_equal(&backend[1].addr, &addr, sizeof(addr));
	assert_memory_equal(backend[1].hop.dst_mac, fixture->facts[1].hop.dst_mac, 6);
	assert_memory_equal(backend[1].hop.src_mac, fixture->facts[1].hop.src_mac, 6);
	assert_int_equal(backend[1].hop.ifindex, 5);
	assert_int_equal(backend[1].port, htons(8080));
	assert_int_equal(record->mode, LB_MODE_NAT);
	assert_int_equal(record->timeout[LB_FLOW_EMBRYONIC], 7500);
	assert_int_equal(record->timeout[LB_FLOW_ESTABLISHED], 879);

	fixture->facts[1].hop.ifindex = 6;
	fixture->facts[1].hop.src_mac[5] = 9;
	sync_one_ok(fixture, WEB);
	assert_int_equal(backend[1].hop.ifindex, 6);
	assert_int_equal(backend[1].hop.src_mac[5], 9);
	assert_int_equal(backend[1].hop.flags, LB_BACKEND_UP | LB_BACKEND_RESOLVED);
}

/* --- tables --- */

static void test_none_eligible(void **state)
{
	struct fixture *fixture = *state;
	uint32_t owned[BACKENDS + 1];

	add_service(fixture, WEB, 2);
	sync_ok(fixture);
	set_alive(fixture, 1, false);
	set_alive(fixture, 2, false);
	sync_one_ok(fixture, WEB);
	assert_int_equal(table_of(fixture, WEB), 0);
	count_owners(&fixture->fake->dp, 0, owned);
	assert_int_equal(owned[0], TABLE_SIZE);
	assert_table(fixture, service(fixture, WEB));
	assert_int_equal(fixture->fake->dp.backends[1].hop.flags, LB_BACKEND_RESOLVED);
	set_alive(fixture, 2, true);
	sync_one_ok(fixture, WEB);
	assert_table(fixture, service(fixture, WEB));
}

static void test_change_flips(void **state)
{
	struct fixture *fixture = *state;
	uint32_t former;
	void *copy;

	add_service(fixture, WEB, 4);
	sync_ok(fixture);
	for (int round = 0; round < 20; round++) {
		former = table_of(fixture, WEB);
		copy = block_copy(fixture, former);
		set_alive(fixture, 1, round % 2);
		sync_one_ok(fixture, WEB);
		assert_int_not_equal(table_of(fixture, WEB), former);
		assert_block(fixture, former, copy);
		assert_table(fixture, service(fixture, WEB));
		free(copy);
	}
}

static void test_same_members_stay(void **state)
{
	struct fixture *fixture = *state;
	struct service_spec *web;
	struct backend_spec first;
	uint32_t table;

	add_service(fixture, WEB, 3);
	sync_ok(fixture);
	table = table_of(fixture, WEB);
	sync_ok(fixture);
	fixture->facts[1].hop.dst_mac[5] = 7;
	sync_one_ok(fixture, WEB);
	web = service(fixture, WEB);
	first = web->backends[0];
	web->backends[0] = web->backends[2];
	web->backends[2] = first;
	sync_ok(fixture);
	assert_int_equal(table_of(fixture, WEB), table);
	assert_int_equal(fixture->fake->backend_stats_resets, 3);
	assert_int_equal(fixture->fake->vip_stats_resets, 0);
	web->backends[0].weight = 2;
	sync_ok(fixture);
	assert_int_not_equal(table_of(fixture, WEB), table);
}

/* --- removal --- */

static void assert_gone(const struct fixture *fixture, uint16_t backend)
{
	assert_int_equal(fixture->fake->dp.backends[backend].service, 0);
	assert_int_equal(fixture->fake->dp.backends[backend].hop.flags, 0);
	assert_int_equal(sync_slots(fixture->sync, backend), 0);
}

static void test_removed_backend(void **state)
{
	struct fixture *fixture = *state;

	add_service(fixture, WEB, 3);
	sync_ok(fixture);
	remove_backend(fixture, WEB, 1);
	sync_ok(fixture);
	assert_gone(fixture, 2);
	assert_table(fixture, service(fixture, WEB));
	assert_int_equal(fixture->fake->backend_stats_resets, 3);
	add_backend(fixture, WEB, 2, 1);
	sync_ok(fixture);
	assert_int_equal(fixture->fake->backend_stats_resets, 4);
	assert_table(fixture, service(fixture, WEB));
}

static void test_removed_service(void **state)
{
	struct fixture *fixture = *state;

	add_service(fixture, WEB, 2);
	add_service(fixture, DNS, 2);
	sync_ok(fixture);
	desired_remove_service(fixture->desired, service(fixture, WEB));
	sync_ok(fixture);
	assert_int_equal(table_of(fixture, WEB), 0);
	assert_gone(fixture, 1);
	assert_gone(fixture, 2);
	assert_null(find_vip(fixture, "198.18.0.1", IPPROTO_TCP, 80));
	assert_non_null(find_vip(fixture, "198.18.0.2", IPPROTO_TCP, 80));
	assert_int_equal(fake_dataplane_vips_but_echo(fixture->fake), 1);
	assert_int_equal(fixture->fake->vip_stats_resets, 1);
	assert_int_equal(fixture->fake->vip_stats_reset_last, WEB);
	assert_table(fixture, service(fixture, DNS));
}

/* A VIP that passes to another service is replaced in one step: no packet misses it. */
static void test_vip_passes_to_another_service(void **state)
{
	struct fixture *fixture = *state;
	struct vip_spec moved;

	add_service(fixture, WEB, 2);
	add_service(fixture, DNS, 2);
	sync_ok(fixture);
	moved = service(fixture, WEB)->vips[0];
	service(fixture, WEB)->vips[0] = service(fixture, DNS)->vips[0];
	service(fixture, DNS)->vips[0] = moved;
	fixture->fake->vip_remove_error = EPERM;
	sync_ok(fixture);
	assert_int_equal(find_vip(fixture, "198.18.0.1", IPPROTO_TCP, 80)->service, DNS);
	assert_int_equal(find_vip(fixture, "198.18.0.1", IPPROTO_TCP, 80)->vip, WEB);
	assert_int_equal(find_vip(fixture, "198.18.0.2", IPPROTO_TCP, 80)->service, WEB);
	assert_int_equal(fixture->fake->vip_stats_resets, 0);
}

/* A VIP that cannot be removed still serves: its counters are not another's yet. */
static void test_removal_fails(void **state)
{
	struct fixture *fixture = *state;
	struct error err = {0};

	add_service(fixture, WEB, 2);
	add_service(fixture, DNS, 2);
	sync_ok(fixture);
	desired_remove_service(fixture->desired, service(fixture, DNS));
	fixture->fake->vip_remove_error = EPERM;
	assert_int_equal(sync_all(fixture->sync, fixture->desired, fixture->facts, NULL, &err),
			 -EPERM);
	assert_string_equal(err.message, "VIP cannot be removed");
	assert_non_null(find_vip(fixture, "198.18.0.2", IPPROTO_TCP, 80));
	assert_int_equal(fixture->fake->vip_stats_resets, 0);
	fixture->fake->vip_remove_error = 0;
	sync_ok(fixture);
	assert_null(find_vip(fixture, "198.18.0.2", IPPROTO_TCP, 80));
	assert_int_equal(fixture->fake->vip_stats_resets, 1);
	assert_int_equal(fixture->fake->vip_stats_reset_last, DNS);
}

/* --- mode nat: the balancer's own addresses --- */

static void assert_nat(const struct fixture *fixture, const char *text, bool there)
{
	const struct lb_vip *vip = find_vip(fixture, text, IPPROTO_TCP, 0);

	assert_int_equal(vip != NULL, there);
	if (vip)
		assert_int_equal(vip->kind, LB_VIP_NAT);
	assert_null(find_vip(fixture, text, IPPROTO_UDP, 0));
}

static void test_nat_addresses(void **state)
{
	struct fixture *fixture = *state;
	struct lb_addr addr = make_addr("198.18.2.1");

	add_service(fixture, WEB, 3); /* the third one's is not known */
	fixture->facts[1].local_addr = addr;
	fixture->facts[2].local_addr = addr;
	sync_ok(fixture);
	assert_int_equal(fake_dataplane_vips_but_echo(fixture->fake), 2);
	assert_nat(fixture, "198.18.2.1", true);
	assert_memory_equal(&fixture->fake->dp.backends[2].local_addr, &addr, sizeof(addr));

	fixture->facts[2].local_addr = make_addr("198.18.2.2");
	sync_ok(fixture);
	assert_nat(fixture, "198.18.2.1", true);
	assert_nat(fixture, "198.18.2.2", true);
	fixture->facts[1].local_addr = fixture->facts[2].local_addr;
	sync_ok(fixture);
	assert_nat(fixture, "198.18.2.1", false);
	assert_nat(fixture, "198.18.2.2", true);

	service(fixture, WEB)->mode = LB_MODE_L2;
	sync_ok(fixture);
	assert_nat(fixture, "198.18.2.2", false);
	assert_int_equal(fake_dataplane_vips_but_echo(fixture->fake), 1);
	assert_int_equal(fixture->fake->vip_stats_resets, 0);
}

/* --- restart, failure, many changes --- */

static void restart(struct fixture *fixture)
{
	sync_free(fixture->sync);
	fixture->sync = sync_new(&fixture->fake->dp);
	assert_non_null(fixture->sync);
}

static void test_adopted_block_stays(void **state)
{
	struct fixture *fixture = *state;
	uint32_t adopted;
	void *copy;

	add_service(fixture, WEB, 3);
	sync_ok(fixture);
	adopted = table_of(fixture, WEB);
	copy = block_copy(fixture, adopted);
	restart(fixture);

	add_service(fixture, DNS, 2);
	for (int round = 0; round < 20; round++) {
		set_alive(fixture, 5, round % 2);
		sync_one_ok(fixture, DNS);
		assert_int_not_equal(table_of(fixture, DNS), adopted);
	}
	assert_int_equal(table_of(fixture, WEB), adopted);
	assert_block(fixture, adopted, copy);

	sync_ok(fixture); /* what it was built from is not known: it is built anew, elsewhere */
	assert_int_not_equal(table_of(fixture, WEB), adopted);
	assert_block(fixture, adopted, copy);
	assert_table(fixture, service(fixture, WEB));
	assert_int_equal(fixture->fake->backend_stats_resets, 5);
	free(copy);
}

/* Maps that a damaged or foreign agent left: a block beyond the map, and one that two share. */
static void test_adopted_blocks_are_checked(void **state)
{
	struct fixture *fixture = *state;
	struct dataplane *dp = &fixture->fake->dp;
	uint32_t shared;
	void *copy;

	for (uint16_t id = 1; id <= SERVICES; id++)
		add_service(fixture, id, 2);
	sync_ok(fixture);
	shared = table_of(fixture, WEB);
	copy = block_copy(fixture, shared);
	dp->services[DNS].tables.current = shared;
	dp->services[3].tables.current = dp->table_blocks;
	restart(fixture);
	assert_int_equal(table_of(fixture, WEB), shared);
	assert_int_equal(table_of(fixture, DNS), 0);
	assert_int_equal(table_of(fixture, 3), 0);

	sync_one_ok(fixture, DNS);
	assert_block(fixture, shared, copy);
	for (int round = 0; round < 20; round++) {
		set_alive(fixture, 1, round % 2);
		set_alive(fixture, 5, round % 2);
		set_alive(fixture, 9, round % 2);
		sync_ok(fixture);
		assert_all_tables(fixture);
	}
	free(copy);
}

/* All died while no agent ran. */
static void test_adopted_table_empties(void **state)
{
	struct fixture *fixture = *state;

	add_service(fixture, WEB, 2);
	sync_ok(fixture);
	restart(fixture);
	set_alive(fixture, 1, false);
	set_alive(fixture, 2, false);
	sync_ok(fixture);
	assert_table(fixture, service(fixture, WEB));
}

static void test_retry_after_failure(void **state)
{
	struct fixture *fixture = *state;
	struct error err = {0};

	add_service(fixture, WEB, 2);
	fixture->facts[1].local_addr = make_addr("198.18.2.1");
	fixture->fake->vip_put_error = E2BIG;
	assert_int_equal(sync_all(fixture->sync, fixture->desired, fixture->facts, NULL, &err),
			 -E2BIG);
	assert_string_equal(err.message, "VIP cannot be entered");
	assert_int_equal(table_of(fixture, WEB), 0);
	fixture->facts[1].local_addr = (struct lb_addr){0};
	assert_int_equal(sync_all(fixture->sync, fixture->desired, fixture->facts, NULL, &err),
			 -E2BIG);
	assert_int_equal(fixture->fake->vip_count, 0);
	fixture->fake->vip_put_error = 0;
	sync_ok(fixture);
	assert_non_null(find_vip(fixture, "198.18.0.1", IPPROTO_TCP, 80));
	assert_table(fixture, service(fixture, WEB));
}

/* With one spare block, a single one lost or given twice would show. */
static void test_no_block_is_lost(void **state)
{
	struct fixture *fixture = *state;
	unsigned int seed = 1;
	uint16_t id;

	for (id = 1; id <= SERVICES; id++)
		add_service(fixture, id, 4);
	sync_ok(fixture);
	for (int round = 0; round < 1000; round++) {
		for (id = 1; id <= BACKENDS; id++)
			set_alive(fixture, id, rand_r(&seed) % 3 == 0);
		id = (uint16_t)(1 + rand_r(&seed) % SERVICES);
		if (round % 10 == 0)
			desired_remove_service(fixture->desired, service(fixture, id));
		sync_ok(fixture);
		assert_all_tables(fixture);
		if (round % 10 == 0)
			add_service(fixture, id, 4);
	}
}

/* --- modes, schedulers and what else a service's record says --- */

static void add_vip(struct service_spec *spec, uint16_t id, const char *text)
{
	struct error err;

	spec->vips = reallocarray(spec->vips, spec->vip_count + 1, sizeof(*spec->vips));
	assert_non_null(spec->vips);
	spec->vips[spec->vip_count] = (struct vip_spec){.id = id};
	assert_int_equal(parse_vip(text, &spec->vips[spec->vip_count++].vip, &err), 0);
}

static void test_default_record(void **state)
{
	struct fixture *fixture = *state;
	const struct lb_service *record = &fixture->fake->dp.services[WEB];

	add_service(fixture, WEB, 1);
	sync_ok(fixture);
	assert_int_equal(record->mode, LB_MODE_NAT);
	assert_int_equal(record->scheduler, LB_SCHEDULER_MAGLEV);
	assert_int_equal(record->flags,
			 LB_SERVICE_TRACK | LB_SERVICE_TRACK_CHANGED | LB_SERVICE_TELL_TOO_BIG);
	assert_int_equal(record->quic_id_length, 0);
	assert_int_equal(record->gue_port, htons(6080));
}

static void test_record_of_choices(void **state)
{
	struct fixture *fixture = *state;
	const struct lb_service *record = &fixture->fake->dp.services[WEB];
	struct service_spec *web;

	add_service(fixture, WEB, 1);
	web = service(fixture, WEB);
	web->mode = LB_MODE_GUE;
	web->gue_port = 5555;
	web->scheduler = LB_SCHEDULER_SOURCE;
	web->tracking = TRACK_NONE;
	web->when_down = DOWN_PASS;
	web->too_big = TOO_BIG_DROP;
	web->quic_id_length = 7;
	sync_ok(fixture);
	assert_int_equal(record->mode, LB_MODE_GUE);
	assert_int_equal(record->gue_port, htons(5555));
	assert_int_equal(record->scheduler, LB_SCHEDULER_SOURCE);
	assert_int_equal(record->flags, LB_SERVICE_PASS_WHEN_DOWN);
	assert_int_equal(record->quic_id_length, 7);
	web->gue_variant = 1;
	sync_ok(fixture);
	assert_int_equal(record->mode, LB_MODE_GUE_DIRECT);
}

/* --- marks --- */

static uint32_t marked_with(const struct fixture *fixture, uint16_t service_id, uint16_t backend)
{
	const struct dataplane *dp = &fixture->fake->dp;
	uint32_t owned[BACKENDS + 1];

	count_owners(dp, dp->services[service_id].tables.former, owned);
	return owned[backend];
}

/* So many rounds through a flow table without entries. */
static void rounds(struct fixture *fixture, int count)
{
	while (count--)
		sync_round(fixture->sync, 0, fixture->fake->now);
}

/* Entries go unread only once the marks are there, and marks go when nobody needs them. */
static void test_marks(void **state)
{
	struct fixture *fixture = *state;
	const struct lb_service *record = &fixture->fake->dp.services[WEB];

	add_service(fixture, WEB, 2);
	sync_ok(fixture);
	assert_int_equal(marked_with(fixture, WEB, 0), 0); /* a new one: nothing is known */
	assert_true(record->flags & LB_SERVICE_TRACK_CHANGED);
	rounds(fixture, 2);
	assert_int_equal(record->tables.former, 0);

	set_alive(fixture, 1, false);
	sync_ok(fixture);
	assert_int_equal(marked_with(fixture, WEB, 1), TABLE_SIZE - marked_with(fixture, WEB, 0));
	rounds(fixture, 2);
	assert_int_not_equal(record->tables.former, 0);
	fixture->fake->now += (uint64_t)(record->timeout[LB_FLOW_ESTABLISHED] + 1)
			      << fixture->fake->dp.clock.coarse_tick_shift;
	rounds(fixture, 1);
	assert_int_equal(marked_with(fixture, WEB, 1), 0);
	assert_int_not_equal(marked_with(fixture, WEB, 2), 0);
	rounds(fixture, 1);
	assert_int_equal(record->tables.former, 0);
}

/* Where a flow's slot does not follow from its entry there are none, and all are read. */
static void test_marks_of_choices(void **state)
{
	struct fixture *fixture = *state;
	const struct lb_service *record = &fixture->fake->dp.services[WEB];

	add_service(fixture, WEB, 2);
	sync_ok(fixture);
	service(fixture, WEB)->scheduler = LB_SCHEDULER_SOURCE;
	sync_ok(fixture);
	assert_int_equal(marked_with(fixture, WEB, 0), 0); /* flows without entries stay there */
	assert_int_equal(record->flags & LB_SERVICE_TRACK_CHANGED, 0);
	service(fixture, WEB)->scheduler = LB_SCHEDULER_MAGLEV;
	sync_ok(fixture);
	assert_int_equal(marked_with(fixture, WEB, 0), 0);
	assert_true(record->flags & LB_SERVICE_TRACK_CHANGED);
	service(fixture, WEB)->tracking = TRACK_ALL;
	sync_ok(fixture);
	assert_int_equal(record->flags & LB_SERVICE_TRACK_CHANGED, 0);
}

/* SYN cookies ask who has an entry: whoever may have none yet is excused, but not of a new
 * service. */
static void test_excuse_of_cookies(void **state)
{
	struct fixture *fixture = *state;
	const struct lb_service *record = &fixture->fake->dp.services[WEB];
	uint64_t coarse_tick = 1ULL << fixture->fake->dp.clock.coarse_tick_shift;

	fixture->fake->dp.cookie_keys->key[0].word[0] = 1;
	add_service(fixture, WEB, 2);
	service(fixture, WEB)->syn_cookies = COOKIES_ALWAYS;
	sync_ok(fixture);
	assert_true(record->flags & LB_SERVICE_COOKIES);
	assert_int_equal(record->flags & LB_SERVICE_EXCUSED, 0);
	service(fixture, WEB)->syn_cookies = COOKIES_OFF;
	sync_ok(fixture);
	rounds(fixture, 1);
	assert_int_equal(record->flags & LB_SERVICE_EXCUSED, 0);
	service(fixture, WEB)->syn_cookies = COOKIES_AUTO;
	sync_ok(fixture);
	assert_true(record->flags & LB_SERVICE_EXCUSED);
	sync_free(fixture->sync); /* another agent goes on */
	fixture->sync = sync_new(&fixture->fake->dp);
	assert_non_null(fixture->sync);
	sync_ok(fixture);
	fixture->fake->now += record->timeout[LB_FLOW_ESTABLISHED] * coarse_tick;
	rounds(fixture, 1);
	assert_true(record->flags & LB_SERVICE_EXCUSED);
	fixture->fake->now += coarse_tick;
	rounds(fixture, 1);
	sync_ok(fixture);
	assert_int_equal(record->flags & LB_SERVICE_EXCUSED, 0);
}

/* Another agent goes on where the former one was. */
static void test_marks_adopted(void **state)
{
	struct fixture *fixture = *state;
	const struct lb_service *record = &fixture->fake->dp.services[WEB];
	uint32_t marked;

	add_service(fixture, WEB, 2);
	sync_ok(fixture);
	rounds(fixture, 2);
	set_alive(fixture, 1, false);
	sync_ok(fixture);
	marked = marked_with(fixture, WEB, 1);
	sync_free(fixture->sync);
	fixture->sync = sync_new(&fixture->fake->dp);
	assert_non_null(fixture->sync);
	sync_ok(fixture);
	assert_int_equal(marked_with(fixture, WEB, 1), marked);
	rounds(fixture, 2);
	assert_int_equal(marked_with(fixture, WEB, 1), marked);
	set_alive(fixture, 1, true);
	sync_ok(fixture);
	rounds(fixture, 2);
	assert_int_equal(record->tables.former, 0);
}

/* Blocks come back, however often tables and marks change. */
static void test_marks_leak_nothing(void **state)
{
	struct fixture *fixture = *state;

	for (uint16_t id = 1; id <= SERVICES; id++)
		add_service(fixture, id, 4);
	for (int change = 0; change < 200; change++) {
		set_alive(fixture, (uint16_t)(1 + change * 7 % BACKENDS), change % 3 != 0);
		sync_ok(fixture);
		assert_all_tables(fixture);
		if (change % 5 == 0)
			fixture->fake->now += 1ULL << 40;
		rounds(fixture, change % 4);
	}
}

/* What clears expired entries cannot tell UDP from TCP: see timeouts_store(). */
static void test_guard(void **state)
{
	struct fixture *fixture = *state;
	const struct lb_service *record = &fixture->fake->dp.services[2];
	struct source_lists lists = {.global_deny = 5};

	lists.services = calloc(3, sizeof(*lists.services));
	assert_non_null(lists.services);
	add_service(fixture, 2, 1);
	sync_ok(fixture);
	assert_int_equal(record->flags & (LB_SERVICE_SOURCES | LB_SERVICE_FLOW_LIMITS), 0);
	sync_use_lists(fixture->sync, &lists);
	sync_ok(fixture);
	assert_int_equal(fixture->fake->switches.source_deny, 5);
	assert_true(record->flags & LB_SERVICE_SOURCES);
	lists.global_deny = 0;
	lists.services[2].allow = 6;
	lists.services[2].deny = 7;
	service(fixture, 2)->max_new_flows = 250;
	sync_ok(fixture);
	assert_int_equal(fixture->fake->switches.source_deny, 0);
	assert_int_equal(record->source_allow, 6);
	assert_int_equal(record->source_deny, 7);
	assert_int_equal(record->source_bits_ipv4, 96 + 24);
	assert_int_equal(record->source_bits_ipv6, 64);
	assert_int_equal(record->flow_cost, 1U << LB_BUDGET_SHIFT); /* at HZ 250 */
	assert_int_equal(record->source_flow_cost, 0);
	assert_int_equal(record->flags & (LB_SERVICE_SOURCES | LB_SERVICE_FLOW_LIMITS),
			 LB_SERVICE_SOURCES | LB_SERVICE_FLOW_LIMITS);
	desired_remove_service(fixture->desired, service(fixture, 2));
	sync_ok(fixture);
	assert_int_equal(record->source_deny, 0);
	assert_int_equal(fixture->fake->service_drops_reset_last, 2);
	free(lists.services);
}

static void test_cookies(void **state)
{
	struct fixture *fixture = *state;
	const struct lb_service *record = &fixture->fake->dp.services[2];

	add_service(fixture, 2, 1);
	service(fixture, 2)->syn_cookies = COOKIES_AUTO;
	service(fixture, 2)->syn_cookies_above = 250;
	sync_ok(fixture);
	assert_int_equal(record->flags & LB_SERVICE_COOKIES, 0); /* there is no key */
	fixture->fake->cookie_keys.key[0].word[1] = 1;
	sync_ok(fixture);
	assert_true(record->flags & LB_SERVICE_COOKIES);
	assert_int_equal(record->syn_cost, 1U << LB_BUDGET_SHIFT); /* at HZ 250 */
	service(fixture, 2)->syn_cookies = COOKIES_ALWAYS;
	sync_ok(fixture);
	assert_true(record->flags & LB_SERVICE_COOKIES);
	assert_int_equal(record->syn_cost, 0);
	service(fixture, 2)->syn_cookies = COOKIES_OFF;
	sync_ok(fixture);
	assert_int_equal(record->flags & LB_SERVICE_COOKIES, 0);
}

static void test_udp_timeout(void **state)
{
	struct fixture *fixture = *state;
	const struct lb_service *record = &fixture->fake->dp.services[WEB];
	struct service_spec *web;

	add_service(fixture, WEB, 1);
	web = service(fixture, WEB);
	sync_ok(fixture);
	assert_int_equal(record->timeout_udp, record->timeout[LB_FLOW_ESTABLISHED]);
	add_vip(web, 4, "udp://198.18.0.1:80");
	sync_ok(fixture);
	assert_int_equal(record->timeout[LB_FLOW_ESTABLISHED], 879);
	assert_int_equal(record->timeout_udp, 118);
	web->vips[0] = web->vips[1];
	web->vip_count = 1;
	sync_ok(fixture);
	assert_int_equal(record->timeout[LB_FLOW_ESTABLISHED], 118);
	assert_int_equal(record->timeout_udp, 118);
}

static void assert_source(const struct fixture *fixture, uint16_t id, const char *addr,
			  uint8_t spread_bits)
{
	const struct lb_backend *record = &fixture->fake->dp.backends[id];
	struct lb_addr wanted = make_addr(addr);

	assert_memory_equal(&record->local_addr, &wanted, sizeof(wanted));
	assert_int_equal(record->spread_bits, spread_bits);
}

static void test_tunnel_sources(void **state)
{
	struct fixture *fixture = *state;
	struct service_spec *web;
	struct error err;

	fixture->fake->dp.tunnel_sources[0] =
		(struct dataplane_prefix){make_addr("172.16.0.0"), 16};
	fixture->fake->dp.tunnel_sources[1] = (struct dataplane_prefix){make_addr("100::"), 64};
	add_service(fixture, WEB, 2);
	web = service(fixture, WEB);
	web->mode = LB_MODE_IPIP;
	/* An IPv6 backend behind an IPv4 VIP: the tunnel is the backend's. */
	assert_int_equal(parse_endpoint("2001:db8::2", 80, &web->backends[1].endpoint, &err), 0);
	fixture->facts[1].local_addr = make_addr("198.18.2.1");
	fixture->facts[2].local_addr = make_addr("2001:db8::1");
	sync_ok(fixture);
	assert_source(fixture, 1, "172.16.0.0", 16);
	assert_source(fixture, 2, "100::", 32);
	assert_int_equal(fixture->fake->dp.backends[1].is_ipv6, 0);
	assert_int_equal(fixture->fake->dp.backends[2].is_ipv6, 1);
	assert_nat(fixture, "198.18.2.1", false);

	web->tunnel_source = TUNNEL_FIXED;
	sync_ok(fixture);
	assert_source(fixture, 1, "198.18.2.1", 0);
	assert_source(fixture, 2, "2001:db8::1", 0);
	web->mode = LB_MODE_GUE;
	sync_ok(fixture);
	assert_source(fixture, 1, "198.18.2.1", 0);
	web->tunnel_source = TUNNEL_SPREAD;
	sync_ok(fixture);
	assert_source(fixture, 1, "198.18.2.1", 14);
	assert_source(fixture, 2, "2001:db8::1", 14);
	web->mode = LB_MODE_NAT;
	sync_ok(fixture);
	assert_source(fixture, 1, "198.18.2.1", 0);
}

static void test_hop(void **state)
{
	struct fixture *fixture = *state;
	const struct lb_hop *hop = &fixture->fake->dp.backends[1].hop;

	add_service(fixture, WEB, 1);
	fixture->facts[1].hop.mtu = 1500;
	fixture->facts[1].hop.vlan = 5 | 1 << LB_VLAN_COUNT_SHIFT;
	sync_ok(fixture);
	assert_memory_equal(&hop->src_mac, &fixture->facts[1].hop.src_mac,
			    sizeof(*hop) - offsetof(struct lb_hop, src_mac));
	fixture->facts[1].hop.mtu = 1400;
	fixture->facts[1].hop.flags = 0;
	sync_one_ok(fixture, WEB);
	assert_int_equal(hop->mtu, 1400);
	assert_int_equal(hop->flags, LB_BACKEND_UP);
}

/* --- backups --- */

static void assert_owned(const struct fixture *fixture, uint16_t id, bool any)
{
	assert_int_equal(sync_slots(fixture->sync, id) > 0, any);
}

static void test_priorities(void **state)
{
	struct fixture *fixture = *state;
	struct service_spec *web;

	add_service(fixture, WEB, 4);
	web = service(fixture, WEB);
	web->backends[2].priority = 1;
	web->backends[3].priority = 255;
	sync_ok(fixture);
	assert_owned(fixture, 1, true);
	assert_owned(fixture, 2, true);
	assert_owned(fixture, 3, false);
	assert_owned(fixture, 4, false);
	/* Flows go on to a backup that is up. */
	assert_int_equal(fixture->fake->dp.backends[3].hop.flags,
			 LB_BACKEND_UP | LB_BACKEND_RESOLVED);

	set_alive(fixture, 1, false);
	sync_one_ok(fixture, WEB);
	assert_int_equal(sync_slots(fixture->sync, 2), TABLE_SIZE);
	web->backends[1].weight = 0; /* takes no new flows, so it holds no group up */
	sync_one_ok(fixture, WEB);
	assert_int_equal(sync_slots(fixture->sync, 3), TABLE_SIZE);
	set_alive(fixture, 3, false);
	sync_one_ok(fixture, WEB);
	assert_int_equal(sync_slots(fixture->sync, 4), TABLE_SIZE);
	set_alive(fixture, 1, true);
	sync_one_ok(fixture, WEB);
	assert_int_equal(sync_slots(fixture->sync, 1), TABLE_SIZE);
	assert_owned(fixture, 4, false);
}

/* --- VIPs: prefixes and echo --- */

static const struct lb_vip *find_prefix(const struct fixture *fixture, const char *addr,
					uint8_t l4_proto, uint16_t port, uint32_t bits)
{
	struct lb_vip_prefix_key key = {
		.prefix_length = LB_VIP_PREFIX_BASE + bits,
		.vip = {.addr = make_addr(addr), .port = htons(port), .l4_proto = l4_proto},
	};

	return fake_dataplane_prefix(fixture->fake, &key);
}

static void test_prefix(void **state)
{
	struct fixture *fixture = *state;
	const struct lb_vip *vip;

	add_service(fixture, WEB, 1);
	sync_ok(fixture);
	assert_int_equal(fixture->fake->switches.vip_prefixes, 0);
	add_vip(service(fixture, WEB), 4, "tcp://198.18.0.0/24:80");
	sync_ok(fixture); /* the fake refuses a prefix while they are switched off */
	assert_int_equal(fixture->fake->switches.vip_prefixes, 1);
	vip = find_prefix(fixture, "198.18.0.0", IPPROTO_TCP, 80, 96 + 24);
	assert_non_null(vip);
	assert_int_equal(vip->service, WEB);
	assert_int_equal(vip->vip, 4);
	assert_non_null(find_vip(fixture, "198.18.0.1", IPPROTO_TCP, 80));
	vip = find_prefix(fixture, "198.18.0.0", IPPROTO_ICMP, 0, 96 + 24);
	assert_non_null(vip);
	assert_int_equal(vip->kind, LB_VIP_ECHO);

	service(fixture, WEB)->vip_count--;
	sync_ok(fixture);
	assert_int_equal(fixture->fake->switches.vip_prefixes, 0);
	assert_null(find_prefix(fixture, "198.18.0.0", IPPROTO_TCP, 80, 96 + 24));
	assert_null(find_prefix(fixture, "198.18.0.0", IPPROTO_ICMP, 0, 96 + 24));
	assert_int_equal(fixture->fake->switches.all_ones, ~0U);
}

static void test_any_port(void **state)
{
	struct fixture *fixture = *state;

	add_service(fixture, WEB, 1);
	service(fixture, WEB)->mode = LB_MODE_L2;
	sync_ok(fixture);
	assert_int_equal(fixture->fake->switches.vip_any_port, 0);
	add_vip(service(fixture, WEB), 4, "tcp://198.18.0.9:*");
	sync_ok(fixture);
	assert_int_equal(fixture->fake->switches.vip_any_port, 1);
	service(fixture, WEB)->vip_count--;
	sync_ok(fixture);
	assert_int_equal(fixture->fake->switches.vip_any_port, 0);
	service(fixture, WEB)->mode = LB_MODE_NAT; /* backends reply to whatever port */
	sync_ok(fixture);
	assert_int_equal(fixture->fake->switches.vip_any_port, 1);
}

static void test_echo(void **state)
{
	struct fixture *fixture = *state;

	add_service(fixture, WEB, 1);
	add_vip(service(fixture, WEB), 4, "tcp://198.18.0.1:443");
	add_service(fixture, DNS, 0);
	service(fixture, DNS)->vip_count = 0;
	add_vip(service(fixture, DNS), 5, "udp://198.18.0.1:53");
	add_vip(service(fixture, DNS), 6, "udp://[2001:db8::1]:53");
	sync_ok(fixture);
	assert_int_equal(fake_dataplane_vips(fixture->fake, LB_VIP_ECHO), 2);
	assert_int_equal(find_vip(fixture, "198.18.0.1", IPPROTO_ICMP, 0)->kind, LB_VIP_ECHO);
	assert_int_equal(find_vip(fixture, "2001:db8::1", IPPROTO_ICMPV6, 0)->kind, LB_VIP_ECHO);
	desired_remove_service(fixture->desired, service(fixture, WEB));
	sync_ok(fixture);
	assert_non_null(find_vip(fixture, "198.18.0.1", IPPROTO_ICMP, 0));
	desired_remove_service(fixture->desired, service(fixture, DNS));
	sync_ok(fixture);
	assert_int_equal(fixture->fake->vip_count, 0);
}

/* --- QUIC server IDs --- */

static void set_quic_id(struct backend_spec *backend, uint8_t first, uint8_t second)
{
	backend->quic_id_length = 2;
	backend->quic_id[0] = first;
	backend->quic_id[1] = second;
}

static uint16_t find_quic(const struct fixture *fixture, uint16_t service_id, uint8_t first,
			  uint8_t second)
{
	struct lb_quic_key key = {.service = service_id, .length = 2, .id = {first, second}};

	return fake_dataplane_quic(fixture->fake, &key);
}

static void test_quic_ids(void **state)
{
	struct fixture *fixture = *state;
	struct service_spec *web;

	add_service(fixture, WEB, 3);
	add_service(fixture, DNS, 1);
	web = service(fixture, WEB);
	set_quic_id(&web->backends[0], 1, 0);
	set_quic_id(&web->backends[1], 2, 0);
	set_quic_id(&service(fixture, DNS)->backends[0], 1, 0);
	sync_ok(fixture);
	assert_int_equal(fixture->fake->quic_count, 3);
	assert_int_equal(find_quic(fixture, WEB, 1, 0), 1);
	assert_int_equal(find_quic(fixture, WEB, 2, 0), 2);
	assert_int_equal(find_quic(fixture, DNS, 1, 0), 5);

	/* Two change theirs with each other, one loses its own. */
	set_quic_id(&web->backends[0], 2, 0);
	set_quic_id(&web->backends[1], 1, 0);
	service(fixture, DNS)->backends[0].quic_id_length = 0;
	sync_ok(fixture);
	assert_int_equal(fixture->fake->quic_count, 2);
	assert_int_equal(find_quic(fixture, WEB, 1, 0), 2);
	assert_int_equal(find_quic(fixture, WEB, 2, 0), 1);

	remove_backend(fixture, WEB, 0);
	sync_ok(fixture);
	assert_int_equal(fixture->fake->quic_count, 1);
	desired_remove_service(fixture->desired, service(fixture, WEB));
	sync_ok(fixture);
	assert_int_equal(fixture->fake->quic_count, 0);
}

/* An index begins a new life without the load of the former one. */
static void test_load_of_a_new_backend(void **state)
{
	struct fixture *fixture = *state;

	fixture->fake->dp.loads[1] = 7;
	add_service(fixture, WEB, 1);
	sync_ok(fixture);
	assert_int_equal(fixture->fake->dp.loads[1], 0);
	fixture->fake->dp.loads[1] = 5;
	sync_ok(fixture);
	assert_int_equal(fixture->fake->dp.loads[1], 5);
}

/* --- former owners --- */

/* Whom the service had before: its first backends, and one that is gone if `gone`. */
static void remember(struct service_spec *spec, size_t set, size_t backends, bool gone)
{
	struct owners *owners = &spec->former[set];
	struct error err;

	owners_clear(owners);
	owners->list = calloc(backends + 1, sizeof(*owners->list));
	assert_non_null(owners->list);
	for (; owners->count < backends; owners->count++)
		owners->list[owners->count] =
			(struct slot_owner){spec->backends[owners->count].endpoint, 1};
	if (gone) {
		owners->list[owners->count].weight = 1;
		assert_int_equal(parse_endpoint("198.18.1.99:8080", 0,
						&owners->list[owners->count++].endpoint, &err),
				 0);
	}
	assert_true(owners_sort(owners));
}

static struct service_spec *add_chance(struct fixture *fixture)
{
	struct service_spec *spec;

	add_service(fixture, WEB, 3);
	spec = service(fixture, WEB);
	spec->mode = LB_MODE_GUE;
	spec->second_chance = CHANCE_ON;
	return spec;
}

static void test_former_owners_have_tables(void **state)
{
	struct fixture *fixture = *state;
	const struct lb_service *record = &fixture->fake->dp.services[WEB];
	struct service_spec *spec = add_chance(fixture);
	uint32_t owned[BACKENDS + 1];
	void *copy;

	sync_ok(fixture);
	assert_false(record->flags & LB_SERVICE_CHANCE);
	copy = block_copy(fixture, table_of(fixture, WEB));
	remember(spec, 0, 3, false);
	remember(spec, 1, 2, true);
	set_alive(fixture, 2, false); /* health is not of the configuration */
	sync_ok(fixture);
	assert_true(record->flags & LB_SERVICE_CHANCE);
	assert_block(fixture, record->earlier[0], copy);
	count_owners(&fixture->fake->dp, record->earlier[1], owned);
	assert_in_range(owned[1], TABLE_SIZE / 3, TABLE_SIZE / 3 + 1);
	assert_in_range(owned[2], TABLE_SIZE / 3, TABLE_SIZE / 3 + 1);
	assert_in_range(owned[0], TABLE_SIZE / 3, TABLE_SIZE / 3 + 1); /* who is gone */
	assert_all_tables(fixture);
	free(copy);
}

static void test_former_owners_are_built_once(void **state)
{
	struct fixture *fixture = *state;
	const struct lb_service *record = &fixture->fake->dp.services[WEB];
	struct service_spec *spec = add_chance(fixture);
	uint32_t block;
	void *copy;

	remember(spec, 0, 2, false);
	sync_ok(fixture);
	block = record->earlier[0];
	set_alive(fixture, 1, false);
	sync_ok(fixture);
	assert_int_equal(record->earlier[0], block);
	copy = block_copy(fixture, block);
	restart(fixture); /* they stay until they are built anew */
	assert_int_equal(record->earlier[0], block);
	assert_true(record->flags & LB_SERVICE_CHANCE);
	sync_ok(fixture);
	assert_int_not_equal(record->earlier[0], block);
	assert_block(fixture, record->earlier[0], copy);
	remove_backend(fixture, WEB, 0);
	sync_ok(fixture); /* its index may be another's soon */
	assert_memory_not_equal(block_at(&fixture->fake->dp, record->earlier[0]), copy,
				block_bytes(&fixture->fake->dp));
	free(copy);
}

static void test_former_owners_give_their_tables_back(void **state)
{
	struct fixture *fixture = *state;
	const struct lb_service *record = &fixture->fake->dp.services[WEB];
	struct service_spec *spec = add_chance(fixture);

	for (int round = 0; round < 20; round++) {
		spec->second_chance = round % 2 ? CHANCE_ON : CHANCE_OFF;
		remember(spec, 0, 2, round % 4 == 0);
		remember(spec, 1, 1, round % 4 == 1);
		sync_ok(fixture);
		assert_int_equal(record->earlier[0] != 0, round % 2);
		assert_int_equal(record->earlier[1] != 0, round % 2);
		assert_int_equal(!!(record->flags & LB_SERVICE_CHANCE), round % 2);
		assert_all_tables(fixture);
	}
	desired_remove_service(fixture->desired, spec);
	sync_ok(fixture);
	assert_int_equal(record->earlier[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_former_owners_have_tables, setup, teardown),
		cmocka_unit_test_setup_teardown(test_former_owners_are_built_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_former_owners_give_their_tables_back, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_vips_come_last, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shares_by_weight, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slow_start, setup, teardown),
		cmocka_unit_test_setup_teardown(test_records, setup, teardown),
		cmocka_unit_test_setup_teardown(test_none_eligible, setup, teardown),
		cmocka_unit_test_setup_teardown(test_change_flips, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_members_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(test_removed_backend, setup, teardown),
		cmocka_unit_test_setup_teardown(test_removed_service, setup, teardown),
		cmocka_unit_test_setup_teardown(test_vip_passes_to_another_service, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_removal_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nat_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_adopted_block_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_adopted_blocks_are_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_adopted_table_empties, setup, teardown),
		cmocka_unit_test_setup_teardown(test_retry_after_failure, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_block_is_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(test_marks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_marks_of_choices, setup, teardown),
		cmocka_unit_test_setup_teardown(test_excuse_of_cookies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_marks_adopted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_marks_leak_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_default_record, setup, teardown),
		cmocka_unit_test_setup_teardown(test_record_of_choices, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guard, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cookies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_udp_timeout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tunnel_sources, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_priorities, setup, teardown),
		cmocka_unit_test_setup_teardown(test_prefix, setup, teardown),
		cmocka_unit_test_setup_teardown(test_any_port, setup, teardown),
		cmocka_unit_test_setup_teardown(test_echo, setup, teardown),
		cmocka_unit_test_setup_teardown(test_quic_ids, setup, teardown),
		cmocka_unit_test_setup_teardown(test_load_of_a_new_backend, setup, teardown),
	};

	return cmocka_run_group_tests_name("sync", tests, NULL, NULL);
}
