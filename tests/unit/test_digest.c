/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Balancers that were told the same have the same tables, byte for byte, whatever they were told
 * before and in whatever order: two agents' worth of sync.c, with random histories of their own,
 * are brought to one configuration and compared, by digest and without it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "digest.h"
#include "document.h"
#include "fake_dataplane.h"
#include "ids.h"
#include "random_desired.h"
#include "sync.h"

#define BACKENDS   256
#define TABLE_SIZE 251
#define ROUNDS     150
#define SEED       UINT64_C(0x5b5b000011112222)

static const struct dataplane_sizes sizes = {
	.services = 32,
	.backends = BACKENDS,
	.vips = 64,
	.flows = LB_FLOW_WAYS,
	.table_size = TABLE_SIZE,
};

struct balancer {
	struct fake_dataplane *fake;
	struct sync *sync;
	struct desired *desired;
	struct backend_facts facts[BACKENDS + 1];
	unsigned int seed;
};

static void begin(struct balancer *balancer, uint64_t hash_seed, unsigned int seed)
{
	*balancer = (struct balancer){.seed = seed};
	balancer->fake = fake_dataplane_new(&sizes);
	assert_non_null(balancer->fake);
	balancer->sync = sync_new(&balancer->fake->dp);
	assert_non_null(balancer->sync);
	sync_use_seed(balancer->sync, digest_seed(hash_seed));
	balancer->desired = desired_new();
	assert_non_null(balancer->desired);
}

static void end(struct balancer *balancer)
{
	sync_free(balancer->sync);
	desired_free(balancer->desired);
	fake_dataplane_free(balancer->fake);
}

/* Whether it is healthy is the backend's, not the balancer's. */
static bool is_healthy(const struct endpoint *endpoint)
{
	return endpoint->address.ip.s6_addr[15] % 5 != 0;
}

static void learn_health(struct balancer *balancer)
{
	const struct backend_spec *spec;

	for (size_t i = 0; i < balancer->desired->service_count; i++) {
		for (size_t b = 0; b < balancer->desired->services[i].backend_count; b++) {
			spec = &balancer->desired->services[i].backends[b];
			balancer->facts[spec->id] = (struct backend_facts){
				.alive = is_healthy(&spec->endpoint),
				.eligible = backend_takes_part(spec) && is_healthy(&spec->endpoint),
			};
		}
	}
}

/* Takes next over. */
static void follow(struct balancer *balancer, struct desired *next)
{
	bool resting[BACKENDS + 1] = {false};
	struct error err = {0};

	for (int i = 1; i <= BACKENDS; i++) /* indices come and go, otherwise than elsewhere */
		resting[i] = rand_r(&balancer->seed) % 4 == 0;
	assert_int_equal(ids_assign(next, balancer->desired, &sizes, resting, &err), 0);
	desired_free(balancer->desired);
	balancer->desired = next;
	learn_health(balancer);
	assert_int_equal(sync_all(balancer->sync, next, balancer->facts, NULL, &err), 0);
}

static void live(struct balancer *balancer)
{
	struct desired *next;

	for (uint32_t steps = random_below(&balancer->seed, 8); steps; steps--) {
		next = desired_clone(balancer->desired);
		assert_non_null(next);
		random_change(next, &balancer->seed);
		random_end_drains(next, &balancer->seed);
		follow(balancer, next);
	}
}

/* To one configuration, in an order of its own. */
static void apply(struct balancer *balancer, const struct desired *wanted)
{
	static const struct document_removal removal = {.now = true};
	struct desired *next = desired_clone(wanted);
	struct error err = {0};

	assert_non_null(next);
	random_shuffle(next, &balancer->seed);
	assert_int_equal(document_follow(balancer->desired, next, &removal, &err), 0);
	follow(balancer, next);
}

/* Whom a slot sends to, without an index of the balancer's. */
static struct endpoint owner(const struct balancer *balancer, const struct service_spec *service,
			     uint32_t slot)
{
	const struct dataplane *dp = &balancer->fake->dp;
	const uint16_t *slots =
		(const uint16_t *)&dp
			->slots[(size_t)dp->services[service->id].tables.current * dp->table_lines];

	for (size_t b = 0; b < service->backend_count; b++) {
		if (service->backends[b].id == slots[slot])
			return service->backends[b].endpoint;
	}
	assert_int_equal(slots[slot], 0);
	return (struct endpoint){0};
}

static bool same_table(const struct balancer *a, const struct balancer *b, const char *name)
{
	const struct service_spec *left = desired_service(a->desired, name);
	const struct service_spec *right = desired_service(b->desired, name);

	for (uint32_t slot = 0; slot < TABLE_SIZE; slot++) {
		const struct endpoint x = owner(a, left, slot), y = owner(b, right, slot);

		if (!endpoint_equal(&x, &y))
			return false;
	}
	return true;
}

static uint64_t digest_at(const struct balancer *balancer, const char *name)
{
	return sync_table_digest(balancer->sync, desired_service(balancer->desired, name)->id);
}

/* Returns how many services were compared. */
static size_t compare(const struct balancer *a, const struct balancer *b, bool same)
{
	const char *name;

	assert_int_equal(a->desired->service_count, b->desired->service_count);
	for (size_t i = 0; i < a->desired->service_count; i++) {
		name = a->desired->services[i].name;
		assert_true(same_table(a, b, name));
		assert_true(digest_at(a, name) != 0);
		assert_true((digest_at(a, name) == digest_at(b, name)) == same);
	}
	return a->desired->service_count;
}

static void test_any_order_same_tables(void **state)
{
	unsigned int seed = 20261130;
	struct balancer a, b, other;
	struct desired *wanted;
	size_t compared = 0;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		begin(&a, SEED, (unsigned int)rand_r(&seed));
		begin(&b, SEED, (unsigned int)rand_r(&seed));
		begin(&other, SEED + 1, (unsigned int)rand_r(&seed));
		wanted = random_desired(&seed);
		live(&a);
		live(&b);
		apply(&a, wanted);
		apply(&b, wanted);
		apply(&other, wanted);
		compared += compare(&a, &b, true);
		compare(&a, &other, false); /* the same tables, but flows hash otherwise */
		desired_free(wanted);
		end(&a);
		end(&b);
		end(&other);
	}
	assert_true(compared > ROUNDS);
}

/* Equal digests tell of equal tables, and other ones of others: over many, none is taken for
 * another. */
static void test_other_tables_other_digests(void **state)
{
	unsigned int seed = 7;
	struct balancer a, b;
	size_t equal = 0, other = 0;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		begin(&a, SEED, (unsigned int)rand_r(&seed));
		begin(&b, SEED, (unsigned int)rand_r(&seed));
		live(&a);
		live(&b);
		for (size_t i = 0; i < a.desired->service_count; i++) {
			const char *name = a.desired->services[i].name;
			bool same;

			if (!desired_service(b.desired, name))
				continue;
			same = same_table(&a, &b, name);
			assert_true((digest_at(&a, name) == digest_at(&b, name)) == same);
			equal += same;
			other += !same;
		}
		end(&a);
		end(&b);
	}
	assert_true(other > 10);
	(void)equal;
}

static struct endpoint endpoint_of(const char *text)
{
	struct endpoint endpoint;
	struct error err;

	assert_int_equal(parse_endpoint(text, 0, &endpoint, &err), 0);
	return endpoint;
}

static void test_what_counts(void **state)
{
	const struct endpoint one = endpoint_of("198.18.1.11:80"),
			      two = endpoint_of("198.18.1.12:80");
	const struct endpoint port = endpoint_of("198.18.1.12:81");
	struct digest_owner ab[] = {{one, 1}, {two, 2}}, ba[] = {{two, 7}, {one, 300}};
	struct digest_owner more[] = {{port, 3}, {one, 1}, {two, 2}},
			    ported[] = {{one, 1}, {port, 2}};
	const uint16_t slots[] = {1, 2, 1, 0}, renamed[] = {300, 7, 300, 0}, moved[] = {2, 1, 1, 0};
	uint16_t ranks[301] = {0};
	uint64_t digest = digest_table(5, ab, 2, slots, 4, ranks);

	(void)state;
	assert_true(digest == digest_table(5, ba, 2, renamed, 4, ranks)); /* not indices */
	assert_true(digest == digest_table(5, more, 3, slots, 4, ranks)); /* nor who owns nothing */
	assert_true(digest != digest_table(6, ab, 2, slots, 4, ranks));
	assert_true(digest != digest_table(5, ab, 2, moved, 4, ranks));
	assert_true(digest != digest_table(5, ab, 2, slots, 3, ranks));
	assert_true(digest != digest_table(5, ported, 2, slots, 4, ranks));
	assert_true(digest_table(5, NULL, 0, (const uint16_t[]){0, 0}, 2, ranks) != 0);
}

/* What is told must be the same in every version that may be in one fleet. */
static void test_stands_still(void **state)
{
	struct digest_owner owners[] = {{endpoint_of("198.18.1.11:80"), 1},
					{endpoint_of("[2001:db8::1:12]:80"), 2}};
	const uint16_t slots[] = {1, 2, 2, 1, 1, 0, 2};
	char text[DIGEST_TEXT_MAX];
	uint16_t ranks[3] = {0};

	(void)state;
	assert_string_equal(digest_format(digest_seed(SEED), text), "cc0a043c6ead2e54");
	assert_string_equal(digest_format(digest_table(1, owners, 2, slots, 7, ranks), text),
			    "1b2556518032717d");
	assert_string_equal(digest_format(digest_text("{}"), text), "8049a25178365e9f");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_order_same_tables),
		cmocka_unit_test(test_other_tables_other_digests),
		cmocka_unit_test(test_what_counts),
		cmocka_unit_test(test_stands_still),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
