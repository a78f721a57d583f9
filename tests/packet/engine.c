/* SPDX-License-Identifier: Apache-2.0 */
#include "engine.h"

#include <string.h>

#include "vip_hash.h"

/* Tables, then their marks, then two of earlier owners; 0 is the empty one. */
#define BLOCKS (4 * CASE_SERVICES_MAX + 1)

uint32_t engine_map_entries(const char *map, const struct constants *constants)
{
	const struct {
		const char *map;
		uint32_t entries;
	} sizes[] = {
		{"vips", ENGINE_VIP_SLOTS},
		{"vip_groups", ENGINE_VIP_SLOTS / VIP_GROUP_SLOTS},
		{"vip_prefixes", 64},
		{"backend_loads", CASE_BACKENDS_MAX + 1},
		{"quic_servers", 64},
		{"sources", 64},
		{"service_budgets", CASE_SERVICES_MAX + 1},
		{"service_cookies", CASE_SERVICES_MAX + 1},
		{"service_drops", CASE_SERVICES_MAX + 1},
		{"fragments", 1024},
		{"services", CASE_SERVICES_MAX + 1},
		{"backends", CASE_BACKENDS_MAX + 1},
		{"slots", BLOCKS * LINES_OF(constants->table_size)},
		{"flows", constants->buckets},
		{"nat_flows", 4096},
		{"vip_stats", CASE_SERVICES_MAX * CASE_VIPS_MAX + 1},
		{"backend_stats", CASE_BACKENDS_MAX + 1},
		{"handshakes", CASE_BACKENDS_MAX + 1},
	};
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (strcmp(sizes[i].map, map) == 0)
			return sizes[i].entries;
	return 0;
}

void engine_hash_keys(uint32_t *keys, size_t count)
{
	uint32_t key = 0x51c1ce;
	size_t i;

	for (i = 0; i < count; i++) {
		key = key * 1664525 + 1013904223; /* Numerical Recipes' generator */
		keys[i] = key;
	}
}
