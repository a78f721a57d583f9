/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random_desired.h"

uint32_t random_below(unsigned int *seed, uint32_t limit)
{
	return (uint32_t)rand_r(seed) % limit;
}

static struct vip vip_of(unsigned int service, unsigned int number)
{
	char text[VIP_TEXT_MAX];
	struct error err;
	struct vip vip;

	snprintf(text, sizeof(text), "tcp://198.18.0.%u:%u", 10 + service, 80 + number);
	assert_int_equal(parse_vip(text, &vip, &err), 0);
	return vip;
}

static struct endpoint endpoint_of(unsigned int number)
{
	struct endpoint endpoint;
	char text[32];
	struct error err;

	snprintf(text, sizeof(text), "198.18.1.%u:80", 11 + number);
	assert_int_equal(parse_endpoint(text, 0, &endpoint, &err), 0);
	return endpoint;
}

static struct backend_spec random_backend(unsigned int *seed)
{
	static const uint16_t weights[] = {0, 1, 1, 1, 2, 7, 100, 1000};
	struct backend_spec spec;

	backend_spec_init(&spec);
	spec.endpoint = endpoint_of(random_below(seed, RANDOM_BACKENDS));
	spec.weight = weights[random_below(seed, 8)];
	spec.priority = random_below(seed, 4) ? 0 : (uint8_t)(1 + random_below(seed, 2));
	if (random_below(seed, 6) == 0)
		spec.state = random_below(seed, 2) ? ADMIN_DRAIN : ADMIN_MAINT;
	return spec;
}

static void add_backend(struct service_spec *service, unsigned int *seed)
{
	struct backend_spec spec = random_backend(seed);
	struct error err;

	if (!service_backend(service, &spec.endpoint))
		assert_int_equal(service_add_backend(service, &spec, &err), 0);
}

static void random_fields(struct service_spec *spec, unsigned int *seed)
{
	char *const headers[] = {(char[]){"X-Probe: sluice"}, NULL};
	char *const driver[] = {(char[]){"/etc/sluice/checks/lab"}, NULL};

	/* Both take any backend of one port. */
	spec->mode = random_below(seed, 3) ? LB_MODE_NAT : LB_MODE_L2;
	spec->scheduler = random_below(seed, 3) ? LB_SCHEDULER_MAGLEV : LB_SCHEDULER_SOURCE;
	spec->tracking = random_below(seed, 3) ? TRACK_ALL : TRACK_NONE;
	/* Texts, which a copy must have for itself. */
	check_spec_clear(&spec->check);
	check_spec_init(&spec->check);
	if (random_below(seed, 2))
		spec->check.path = strdup(random_below(seed, 2) ? "/health" : "/ready");
	if (random_below(seed, 2))
		assert_int_equal(texts_copy(headers, &spec->check.headers), 0);
	autoscale_policy_clear(&spec->scale);
	autoscale_policy_init(&spec->scale);
	if (random_below(seed, 2))
		spec->scale.promql = strdup(random_below(seed, 2) ? "up" : "avg(up)");
	if (random_below(seed, 2))
		assert_int_equal(texts_copy(driver, &spec->scale.driver), 0);
	spec->scale.min = (uint16_t)(1 + random_below(seed, 3));
	spec->scale.target = random_below(seed, 3) / 4.0;
	spec->check.rise = 1 + random_below(seed, 3);
	spec->check.interval_ms = 500 * (1 + random_below(seed, 3));
	spec->timeout_ms[LB_FLOW_ESTABLISHED] = 60000 * (1 + (uint64_t)random_below(seed, 3));
}

static struct service_spec random_service(unsigned int number, unsigned int *seed)
{
	struct service_spec spec;

	service_spec_init(&spec);
	snprintf(spec.name, sizeof(spec.name), "s%u", number);
	random_fields(&spec, seed);
	/* In mode l2 all VIPs have the backends' port. */
	spec.vip_count = spec.mode == LB_MODE_NAT ? 1 + random_below(seed, 2) : 1;
	spec.vips = calloc(2, sizeof(*spec.vips));
	assert_non_null(spec.vips);
	for (unsigned int i = 0; i < spec.vip_count; i++)
		spec.vips[i].vip = vip_of(number, i);
	for (uint32_t i = random_below(seed, RANDOM_BACKENDS); i > 0; i--)
		add_backend(&spec, seed);
	return spec;
}

static void add_service(struct desired *desired, unsigned int *seed)
{
	struct service_spec spec = random_service(random_below(seed, RANDOM_SERVICES), seed);
	struct error err;

	if (!desired_service(desired, spec.name))
		assert_int_equal(desired_add_service(desired, &spec, &err), 0);
	service_spec_clear(&spec);
}

struct desired *random_desired(unsigned int *seed)
{
	struct desired *desired = desired_new();

	assert_non_null(desired);
	for (uint32_t i = random_below(seed, RANDOM_SERVICES + 2); i > 0; i--)
		add_service(desired, seed);
	return desired;
}

/* --- changes --- */

static void change_backend(struct service_spec *service, struct backend_spec *backend,
			   unsigned int *seed)
{
	struct backend_spec other = random_backend(seed);

	switch (random_below(seed, 5)) {
	case 0:
		backend->weight = other.weight;
		break;
	case 1:
		backend->priority = other.priority;
		break;
	case 2:
		backend->state = other.state;
		backend->removing = false;
		backend->deadline_ms =
			other.state == ADMIN_DRAIN ? 1000 * (uint64_t)random_below(seed, 3) : 0;
		break;
	case 3:
		backend->removing = true;
		backend->deadline_ms = 1000 * (1 + (uint64_t)random_below(seed, 100));
		break;
	default:
		service_remove_backend(service, backend);
	}
}

static void change_service(struct service_spec *service, unsigned int *seed)
{
	enum lb_mode mode = service->mode;

	if (random_below(seed, 4) == 0) {
		random_fields(service, seed);
		if (service->vip_count > 1)
			service->mode = mode;
	} else if (service->backend_count == 0 || random_below(seed, 3) == 0) {
		add_backend(service, seed);
	} else {
		change_backend(
			service,
			&service->backends[random_below(seed, (uint32_t)service->backend_count)],
			seed);
	}
}

void random_change(struct desired *desired, unsigned int *seed)
{
	struct service_spec *service;

	if (desired->service_count == 0 || random_below(seed, 12) == 0) {
		add_service(desired, seed);
		return;
	}
	service = &desired->services[random_below(seed, (uint32_t)desired->service_count)];
	if (random_below(seed, 20) == 0)
		desired_remove_service(desired, service);
	else
		change_service(service, seed);
}

void random_end_drains(struct desired *desired, unsigned int *seed)
{
	for (size_t i = 0; i < desired->service_count; i++) {
		struct service_spec *service = &desired->services[i];

		for (size_t b = service->backend_count; b > 0; b--) {
			if (service->backends[b - 1].removing && random_below(seed, 2))
				service_remove_backend(service, &service->backends[b - 1]);
		}
	}
}

/* --- order --- */

static void shuffle(void *items, size_t count, size_t size, unsigned int *seed)
{
	unsigned char spare[sizeof(struct service_spec)];

	assert_true(size <= sizeof(spare));
	for (size_t i = count; i > 1; i--) {
		unsigned char *last = (unsigned char *)items + (i - 1) * size;
		unsigned char *other =
			(unsigned char *)items + random_below(seed, (uint32_t)i) * size;

		memcpy(spare, last, size);
		memmove(last, other, size);
		memcpy(other, spare, size);
	}
}

void random_shuffle(struct desired *desired, unsigned int *seed)
{
	for (size_t i = 0; i < desired->service_count; i++) {
		struct service_spec *service = &desired->services[i];

		shuffle(service->vips, service->vip_count, sizeof(*service->vips), seed);
		shuffle(service->backends, service->backend_count, sizeof(*service->backends),
			seed);
	}
	shuffle(desired->services, desired->service_count, sizeof(*desired->services), seed);
}
