/* SPDX-License-Identifier: Apache-2.0 */
#include "ids.h"

#include <errno.h>
#include <stdlib.h>

/* One kind of index: which are taken, and where the search for a free one goes on. */
struct pool {
	bool *taken; /* [1..size] */
	uint32_t size;
	uint32_t next;
};

static int pool_init(struct pool *pool, uint32_t size, struct error *err)
{
	pool->taken = calloc((size_t)size + 1, sizeof(*pool->taken));
	pool->size = size;
	pool->next = 1;
	return pool->taken ? 0 : error_set(err, ENOMEM, "out of memory");
}

static void pool_mark(struct pool *pool, uint16_t id)
{
	if (id && id <= pool->size)
		pool->taken[id] = true;
}

/* Leaves an index that is there alone. */
static int pool_fill(struct pool *pool, uint16_t *id, const char *what, const char *flag,
		     struct error *err)
{
	int ret;

	if (*id && *id <= pool->size)
		return 0;
	while (pool->next <= pool->size && pool->taken[pool->next])
		pool->next++;
	if (pool->next > pool->size) {
		ret = error_set(err, E2BIG, "no room for another %s: the limit is %u", what,
				pool->size);
		return error_hint(err, ret, "start lbagent with a larger %s", flag);
	}
	pool->taken[pool->next] = true;
	*id = (uint16_t)pool->next;
	return 0;
}

struct pools {
	struct pool services, vips, backends;
};

static void mark_service(struct pools *pools, const struct service_spec *service)
{
	size_t i;

	pool_mark(&pools->services, service->id);
	for (i = 0; i < service->vip_count; i++)
		pool_mark(&pools->vips, service->vips[i].id);
	for (i = 0; i < service->backend_count; i++)
		pool_mark(&pools->backends, service->backends[i].id);
}

static int fill_service(struct pools *pools, struct service_spec *service, struct error *err)
{
	int ret = pool_fill(&pools->services, &service->id, "service", "--max-services", err);
	size_t i;

	for (i = 0; ret == 0 && i < service->vip_count; i++)
		ret = pool_fill(&pools->vips, &service->vips[i].id, "VIP", "--max-vips", err);
	for (i = 0; ret == 0 && i < service->backend_count; i++)
		ret = pool_fill(&pools->backends, &service->backends[i].id, "backend",
				"--max-backends", err);
	return ret;
}

/* A VIP that is gone is so before new ones come: its index is free. */
static void mark_former(struct pools *pools, const struct desired *former)
{
	size_t i, b;

	for (i = 0; i < former->service_count; i++) {
		pool_mark(&pools->services, former->services[i].id);
		for (b = 0; b < former->services[i].backend_count; b++)
			pool_mark(&pools->backends, former->services[i].backends[b].id);
	}
}

/* There are two tables for each service, and former owners want two more. */
static int check_tables(const struct pool *services, const struct desired *desired,
			struct error *err)
{
	uint32_t used = 0, id;
	size_t i;
	int ret;

	for (id = 1; id <= services->size; id++)
		used += services->taken[id];
	for (i = 0; i < desired->service_count; i++)
		used += desired->services[i].second_chance == CHANCE_ON;
	if (used <= services->size)
		return 0;
	ret = error_set(err, E2BIG,
			"no room for former owners' tables: a service with second-chance counts "
			"as two, and the limit is %u",
			services->size);
	return error_hint(err, ret, "start lbagent with a larger --max-services");
}

int ids_assign(struct desired *desired, const struct desired *former,
	       const struct dataplane_sizes *sizes, const bool *resting, struct error *err)
{
	struct pools pools = {0};
	uint32_t id;
	size_t i;
	int ret;

	ret = pool_init(&pools.services, sizes->services, err);
	if (ret == 0)
		ret = pool_init(&pools.vips, sizes->vips, err);
	if (ret == 0)
		ret = pool_init(&pools.backends, sizes->backends, err);
	for (id = 1; ret == 0 && id <= sizes->backends; id++)
		pools.backends.taken[id] = resting[id];
	if (ret == 0 && former)
		mark_former(&pools, former);
	for (i = 0; ret == 0 && i < desired->service_count; i++)
		mark_service(&pools, &desired->services[i]);
	for (i = 0; ret == 0 && i < desired->service_count; i++)
		ret = fill_service(&pools, &desired->services[i], err);
	if (ret == 0)
		ret = check_tables(&pools.services, desired, err);
	free(pools.services.taken);
	free(pools.vips.taken);
	free(pools.backends.taken);
	return ret;
}
