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

#include "ids.h"

#define BACKENDS 8

static const struct dataplane_sizes sizes = {.services = 2, .backends = BACKENDS, .vips = 3};
static const bool none_rest[BACKENDS + 1];

/* --- fixtures --- */

static struct service_spec *add_service(struct desired *desired, const char *name,
					const char *const *vips, size_t vip_count)
{
	struct service_spec spec;
	struct error err;

	service_spec_init(&spec);
	snprintf(spec.name, sizeof(spec.name), "%s", name);
	spec.vips = calloc(vip_count, sizeof(*spec.vips));
	assert_non_null(spec.vips);
	for (; spec.vip_count < vip_count; spec.vip_count++)
		assert_int_equal(
			parse_vip(vips[spec.vip_count], &spec.vips[spec.vip_count].vip, &err), 0);
	assert_int_equal(desired_add_service(desired, &spec, &err), 0);
	return &desired->services[desired->service_count - 1];
}

static void add_backend(struct service_spec *service, uint16_t port, uint16_t id)
{
	struct backend_spec backend = {.id = id, .weight = 1};
	struct error err;

	assert_int_equal(parse_endpoint("198.18.1.1", port, &backend.endpoint, &err), 0);
	assert_int_equal(service_add_backend(service, &backend, &err), 0);
}

/* One service of one VIP, without indices. */
static struct desired *make_desired(void)
{
	static const char *const vip = "tcp://198.18.0.10:80";
	struct desired *desired = desired_new();

	assert_non_null(desired);
	add_service(desired, "web", &vip, 1);
	return desired;
}

static void assert_assigned(struct desired *desired, const bool *resting)
{
	struct error err = {0};

	assert_int_equal(ids_assign(desired, NULL, &sizes, resting, &err), 0);
	assert_string_equal(err.message, "");
}

static void assert_no_room(struct desired *desired, const char *message, const char *flag)
{
	struct error err = {0};

	assert_int_equal(ids_assign(desired, NULL, &sizes, none_rest, &err), -E2BIG);
	assert_string_equal(err.message, message);
	assert_non_null(strstr(err.hint, flag));
	desired_free(desired);
}

/* --- tests --- */

static void test_assigns_and_keeps(void **state)
{
	static const char *const vips[] = {"tcp://198.18.0.11:80", "udp://198.18.0.11:80"};
	struct desired *desired = make_desired();
	struct service_spec *web = &desired->services[0];
	struct service_spec *dns;

	(void)state;
	add_backend(web, 1, 0);
	add_backend(web, 2, 7);
	add_backend(web, 3, 0);
	assert_assigned(desired, none_rest);
	dns = add_service(desired, "dns", vips, 2);
	add_backend(dns, 1, 0);
	assert_assigned(desired, none_rest);
	web = &desired->services[0];
	assert_int_equal(web->id, 1);
	assert_int_equal(web->vips[0].id, 1);
	assert_int_equal(web->backends[0].id, 1);
	assert_int_equal(web->backends[1].id, 7);
	assert_int_equal(web->backends[2].id, 2);
	assert_int_equal(dns->id, 2);
	assert_int_equal(dns->vips[0].id, 2);
	assert_int_equal(dns->vips[1].id, 3);
	assert_int_equal(dns->backends[0].id, 3);
	desired_free(desired);
}

/* A resting index is for nobody new, but whoever has it still keeps it. */
static void test_skips_resting(void **state)
{
	const bool resting[BACKENDS + 1] = {[1] = true, [2] = true, [4] = true};
	struct desired *desired = make_desired();
	struct service_spec *web = &desired->services[0];

	(void)state;
	add_backend(web, 1, 0);
	add_backend(web, 2, 0);
	add_backend(web, 3, 2);
	assert_assigned(desired, resting);
	assert_int_equal(web->backends[0].id, 3);
	assert_int_equal(web->backends[1].id, 5);
	assert_int_equal(web->backends[2].id, 2);
	desired_free(desired);
}

/* Written by an agent that was started with larger limits. */
static void test_index_beyond_limit(void **state)
{
	struct desired *desired = make_desired();

	(void)state;
	add_backend(&desired->services[0], 1, BACKENDS + 1);
	assert_assigned(desired, none_rest);
	assert_int_equal(desired->services[0].backends[0].id, 1);
	desired_free(desired);
}

static void test_no_room(void **state)
{
	static const char *const vips[] = {"tcp://198.18.0.11:80", "tcp://198.18.0.11:81",
					   "tcp://198.18.0.11:82"};
	struct desired *desired = make_desired();

	(void)state;
	add_service(desired, "b", vips, 3);
	assert_no_room(desired, "no room for another VIP: the limit is 3", "--max-vips");

	desired = make_desired();
	add_service(desired, "b", vips, 1);
	add_service(desired, "c", vips + 1, 1);
	assert_no_room(desired, "no room for another service: the limit is 2", "--max-services");

	desired = make_desired();
	for (uint16_t port = 1; port <= BACKENDS + 1; port++)
		add_backend(&desired->services[0], port, 0);
	assert_no_room(desired, "no room for another backend: the limit is 8", "--max-backends");
}

static void test_resting_takes_room(void **state)
{
	const bool resting[BACKENDS + 1] = {[BACKENDS] = true};
	struct desired *desired = make_desired();
	struct error err = {0};

	(void)state;
	for (uint16_t port = 1; port <= BACKENDS; port++)
		add_backend(&desired->services[0], port, 0);
	assert_int_equal(ids_assign(desired, NULL, &sizes, resting, &err), -E2BIG);
	desired_free(desired);
}

/* Every index is in range and had by one backend only; what had one keeps it, new ones do not rest.
 */
static void check_backends(const struct service_spec *before, const struct service_spec *after,
			   const bool *resting)
{
	bool seen[BACKENDS + 1] = {false};
	uint16_t id;

	for (size_t i = 0; i < after->backend_count; i++) {
		id = after->backends[i].id;
		assert_in_range(id, 1, BACKENDS);
		assert_false(seen[id]);
		seen[id] = true;
		if (before->backends[i].id)
			assert_int_equal(id, before->backends[i].id);
		else
			assert_false(resting[id]);
	}
}

/* Some backends go, and their indices rest; some new ones come. */
static void change_backends(struct service_spec *service, bool *resting, unsigned int *seed,
			    uint16_t *next_port)
{
	struct backend_spec *gone;
	int n;

	for (n = rand_r(seed) % 3; n > 0 && service->backend_count > 0; n--) {
		gone = &service->backends[(size_t)rand_r(seed) % service->backend_count];
		resting[gone->id] = true;
		service_remove_backend(service, gone);
	}
	for (n = rand_r(seed) % 3; n > 0; n--)
		add_backend(service, (*next_port)++, 0);
}

/* As the manager does it: on a clone, which is thrown away if there is no room. */
static void test_random_histories(void **state)
{
	struct desired *desired = make_desired();
	bool resting[BACKENDS + 1] = {false};
	struct desired *before, *after;
	unsigned int seed = 1, refused = 0;
	uint16_t next_port = 1;
	struct error err;

	(void)state;
	for (int round = 0; round < 1000; round++) {
		resting[1 + rand_r(&seed) % BACKENDS] = false;
		before = desired_clone(desired);
		assert_non_null(before);
		change_backends(&before->services[0], resting, &seed, &next_port);
		after = desired_clone(before);
		assert_non_null(after);
		if (ids_assign(after, NULL, &sizes, resting, &err) == 0) {
			check_backends(&before->services[0], &after->services[0], resting);
			desired_free(desired);
			desired = after;
		} else {
			refused++;
			desired_free(after);
		}
		desired_free(before);
	}
	assert_in_range(refused, 1, 900);
	desired_free(desired);
}

/* In one change a service and its backend go and others come: none takes over an index, but a VIP's
 * is free. */
static void test_former_ones_are_taken(void **state)
{
	struct desired *former = make_desired(), *next = make_desired();
	struct error err;

	(void)state;
	add_backend(&former->services[0], 80, 0);
	add_backend(&next->services[0], 81, 0);
	assert_int_equal(ids_assign(former, NULL, &sizes, none_rest, &err), 0);
	assert_int_equal(ids_assign(next, former, &sizes, none_rest, &err), 0);
	assert_int_not_equal(next->services[0].id, former->services[0].id);
	assert_int_not_equal(next->services[0].backends[0].id, former->services[0].backends[0].id);
	assert_int_equal(next->services[0].vips[0].id, former->services[0].vips[0].id);
	desired_free(former);
	desired_free(next);
}

static void test_former_owners_need_room(void **state)
{
	static const char *const vip = "tcp://198.18.0.11:80";
	struct desired *desired = make_desired();

	(void)state;
	desired->services[0].second_chance = CHANCE_ON;
	assert_assigned(desired, none_rest);
	add_service(desired, "two", &vip, 1);
	assert_no_room(desired,
		       "no room for former owners' tables: a service with second-chance counts as "
		       "two, and the limit is 2",
		       "--max-services");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_former_owners_need_room),
		cmocka_unit_test(test_assigns_and_keeps),
		cmocka_unit_test(test_skips_resting),
		cmocka_unit_test(test_index_beyond_limit),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_resting_takes_room),
		cmocka_unit_test(test_random_histories),
		cmocka_unit_test(test_former_ones_are_taken),
	};

	return cmocka_run_group_tests_name("ids", tests, NULL, NULL);
}
