/* SPDX-License-Identifier: Apache-2.0 */
#include "native_dataplane.h"

#include <stdlib.h>
#include <string.h>

#include "native/native.h"
#include "native_map.h"
#include "vip_table.h"

#define HANDSHAKES 64

static struct lb_meta meta;

static struct native_map *map_named(const char *name)
{
	struct native_map_shape shape;

	if (!native_map_named(name, &shape))
		abort();
	return native_map_of(&shape);
}

/* The first of `entries` fresh values, which lie side by side. */
static void *array(const char *name, uint32_t entries)
{
	static const uint32_t first;
	struct native_map *map = map_named(name);

	native_map_resize(map, entries);
	return native_map_lookup(map, &first);
}

static void free_arrays(struct dataplane *dp)
{
	free(dp->services);
	free(dp->backends);
	free(dp->slots);
	free(dp->flows);
	free(dp->loads);
	free(dp->probe_paths);
	free(dp->handshakes);
	free(dp->cookie_states);
}

static void share_arrays(struct dataplane *dp)
{
	uint32_t services = dp->sizes.services + 1, backends = dp->sizes.backends + 1;

	dp->services = array("services", services);
	dp->backends = array("backends", backends);
	dp->slots = array("slots", dp->table_blocks * dp->table_lines);
	dp->flows = array("flows", dp->sizes.flows / LB_FLOW_WAYS);
	dp->loads = array("backend_loads", backends);
	dp->probe_paths = array("probe_paths", backends);
	dp->handshakes = array("handshakes", backends);
	dp->cookie_states = array("service_cookies", services);
	dp->cookie_keys = array("cookie_keys", 1);
	array("backend_stats", backends);
	array("vip_stats", dp->sizes.vips + 1);
	array("service_drops", services);
	array("service_budgets", services);
	dp->switches = native_switches();
	dp->meta = &meta;
	*dp->switches = (struct lb_switches){.all_ones = ~0U};
}

static void set_constants(const struct dataplane *dp, uint64_t seed)
{
	struct native_constants constants = {
		.vip_slot_shift = vip_table_shift(dp->vip_slots),
		.flow_mask = dp->sizes.flows / LB_FLOW_WAYS - 1,
		.table_size = dp->sizes.table_size,
		.table_lines = dp->table_lines,
		.nat_port_low = dp->nat_port_low,
		.nat_port_count = 1,
		.tick_shift = dp->clock.tick_shift,
		.coarse_tick_shift = dp->clock.coarse_tick_shift,
		.handshake_mask = HANDSHAKES - 1,
	};
	size_t i;

	for (i = 0; i < LB_HASH_KEYS; i++) {
		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL; /* Knuth's MMIX */
		constants.hash_key[i] = (uint32_t)(seed >> 32);
	}
	native_set_constants(&constants);
}

struct fake_dataplane *native_dataplane_new(const struct dataplane_sizes *sizes, uint64_t seed)
{
	struct fake_dataplane *fake = fake_dataplane_new(sizes);

	if (!fake)
		return NULL;
	native_maps_clear();
	free_arrays(&fake->dp);
	share_arrays(&fake->dp);
	set_constants(&fake->dp, seed);
	return fake;
}

void native_dataplane_free(struct fake_dataplane *fake)
{
	struct dataplane *dp;

	if (!fake)
		return;
	dp = &fake->dp;
	dp->services = NULL;
	dp->backends = NULL;
	dp->slots = NULL;
	dp->flows = NULL;
	dp->loads = NULL;
	dp->probe_paths = NULL;
	dp->handshakes = NULL;
	dp->cookie_states = NULL;
	fake_dataplane_free(fake);
	native_maps_free();
}

void native_dataplane_now(struct fake_dataplane *fake, uint64_t now)
{
	fake->now = now;
	native_set_jiffies(now);
	native_set_ns(now * (1000000000 / fake->dp.clock.hz));
}

void native_dataplane_vips(const struct fake_dataplane *fake)
{
	const struct dataplane *dp = &fake->dp;
	uint32_t groups = vip_table_groups(dp->vip_slots);

	memcpy(array("vips", dp->vip_slots), dp->vips, dp->vip_slots * sizeof(*dp->vips));
	memcpy(array("vip_groups", groups), dp->vip_groups, groups * sizeof(*dp->vip_groups));
}
