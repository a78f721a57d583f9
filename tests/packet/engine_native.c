/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#include "engine.h"
#include "lexer.h"
#include "native.h"
#include "native_map.h"
#include "native_route.h"
#include "vip_table.h"

static const char *const resized[] = {
	"vips",          "vip_groups",      "services",
	"backends",      "slots",           "flows",
	"nat_flows",     "egress",          "vip_stats",
	"backend_stats", "flow_stats",      "verdict_stats",
	"vip_prefixes",  "backend_loads",   "quic_servers",
	"fragments",     "handshakes",      "sources",
	"service_drops", "service_budgets", "service_cookies",
};

/* The map that was asked for last: one is often read entry by entry. */
static struct {
	const char *name; /* NULL: none */
	struct native_map *map;
} last;

/* NULL: the data plane has no such map. */
static struct native_map *map_named(const char *name)
{
	struct native_map_shape shape;

	if (name != last.name) {
		last.map = native_map_named(name, &shape) ? native_map_of(&shape) : NULL;
		last.name = name;
	}
	return last.map;
}

static void close_maps(void)
{
	last.name = NULL;
	native_maps_free();
}

static void set_route(void)
{
	struct native_route route = {.ifindex = DEVICE_RIGHT};
	struct error ignored;

	route.dst.word[2] = htonl(0xffff);
	inet_pton(AF_INET, KERNEL_ROUTE_ADDRESS, &route.dst.word[3]);
	read_mac(KERNEL_ROUTE_SRC_MAC, route.src_mac, &ignored);
	read_mac(KERNEL_ROUTE_DST_MAC, route.dst_mac, &ignored);
	native_set_route(&route);
}

static int reset(const struct constants *constants, struct error *err)
{
	struct native_constants native = {
		.vip_slot_shift = vip_table_shift(ENGINE_VIP_SLOTS),
		.flow_mask = constants->buckets - 1,
		.table_size = constants->table_size,
		.table_lines = LINES_OF(constants->table_size),
		.nat_port_low = constants->nat_port_low,
		.nat_port_count = constants->nat_port_count,
		.coarse_tick_shift = constants->coarse_tick_shift,
		.icmp_per_second = constants->icmp_per_second,
		.handshake_mask = constants->handshake_mask,
		.frags = constants->frags,
		.cookies = true,
		.ipv4_checksums = constants->checksums,
	};
	struct native_map *map;
	uint32_t entries;
	size_t i;

	(void)err;
	engine_hash_keys(native.hash_key, LB_HASH_KEYS);
	native_set_constants(&native);
	native_set_jiffies(0x123456789);
	native_set_ns(0x123456789abcdef);
	*native_switches() = (struct lb_switches){.all_ones = ~0U};
	native_maps_clear();
	for (i = 0; i < sizeof(resized) / sizeof(resized[0]); i++) {
		entries = engine_map_entries(resized[i], constants);
		map = map_named(resized[i]);
		if (entries && map)
			native_map_resize(map, entries);
	}
	set_route();
	return 0;
}

static int get(const char *name, const void *key, void *ret_value)
{
	struct native_map *map = map_named(name);
	const void *value = map ? native_map_lookup(map, key) : NULL;

	if (!value)
		return -ENOENT;
	memcpy(ret_value, value, native_map_value_size(map));
	return 0;
}

static int put(const char *name, const void *key, const void *value)
{
	struct native_map *map = map_named(name);

	return map ? native_map_update(map, key, value, BPF_ANY) : -ENOENT;
}

static int next_key(const char *name, const void *key, void *ret_next)
{
	struct native_map *map = map_named(name);

	return map ? native_map_next_key(map, key, ret_next) : -ENOENT;
}

int engine_native_run(int (*program)(struct xdp_md *), const struct frame *in,
		      enum case_device device, enum case_device redirect_to,
		      struct outcome *ret_outcome, struct error *err)
{
	struct native_result result;
	uint32_t target = redirect_to;
	int r;

	if (target)
		put("egress", &target, &target);
	ret_outcome->frame = *in;
	r = native_run_program(program, ret_outcome->frame.bytes, &ret_outcome->frame.size, device,
			       &result);
	if (target)
		native_map_delete(map_named("egress"), &target);
	if (r < 0)
		return error_set(err, -r, "memory for frames below 4 GiB: %s", strerror(-r));
	ret_outcome->code = result.code;
	return 0;
}

static int run(const struct frame *in, enum case_device device, enum case_device redirect_to,
	       struct outcome *ret_outcome, struct error *err)
{
	return engine_native_run(native_program, in, device, redirect_to, ret_outcome, err);
}

static struct lb_switches *switches(void)
{
	return native_switches();
}

static uint32_t describe(FILE *out)
{
	(void)out;
	return 0;
}

const struct engine engine_native = {
	.name = "native",
	.reset = reset,
	.get = get,
	.put = put,
	.next_key = next_key,
	.run = run,
	.switches = switches,
	.describe = describe,
	.close = close_maps,
};
