/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clang for BPF is not asked for the following warnings, and one of the two native compilers
 * does not know the unroll pragma.
 */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wpointer-arith"
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#include "ingress.bpf.c" /* NOLINT(bugprone-suspicious-include): that is the point */
#pragma GCC diagnostic error "-Wmissing-prototypes"
#pragma GCC diagnostic error "-Wpointer-arith"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "native_dataplane.h"

static uint64_t jiffies;
static struct native_route route;
static uint32_t redirect_to;

__u64 bpf_jiffies64(void)
{
	return jiffies;
}

static bool is_routed(const struct bpf_fib_lookup *params)
{
	if (params->family == LB_AF_INET)
		return params->ipv4_dst == route.dst.word[3];
	return memcmp(params->ipv6_dst, &route.dst, sizeof(route.dst)) == 0;
}

long bpf_fib_lookup(struct xdp_md *ctx, struct bpf_fib_lookup *params, int size, __u32 flags)
{
	(void)ctx;
	(void)size;
	(void)flags;
	if (!route.ifindex || !is_routed(params))
		return BPF_FIB_LKUP_RET_NOT_FWDED;
	params->ifindex = route.ifindex;
	memcpy(params->smac, route.src_mac, sizeof(params->smac));
	memcpy(params->dmac, route.dst_mac, sizeof(params->dmac));
	return BPF_FIB_LKUP_RET_SUCCESS;
}

int native_redirect_map(struct native_map *map, __u32 ifindex, __u64 flags)
{
	if (!native_map_lookup(map, &ifindex))
		return flags & 3; /* what the kernel does for a missing key */
	redirect_to = ifindex;
	return XDP_REDIRECT;
}

void native_set_jiffies(uint64_t now)
{
	jiffies = now;
}

void native_set_route(const struct native_route *way)
{
	route = *way;
}

void native_set_constants(const struct native_constants *constants)
{
	size_t i;

	for (i = 0; i < LB_HASH_KEYS; i++)
		lb_hash_key[i] = constants->hash_key[i];
	lb_flow_mask = constants->flow_mask;
	lb_table_size = constants->table_size;
	lb_table_lines = constants->table_lines;
	lb_nat_port_low = constants->nat_port_low;
	lb_nat_port_count = constants->nat_port_count;
	lb_tick_shift = constants->tick_shift;
	lb_coarse_tick_shift = constants->coarse_tick_shift;
	lb_icmp_per_second = constants->icmp_per_second;
	lb_frags = constants->frags;
}

struct native_map *native_map_named(const char *name)
{
#define X(map)                                                                                     \
	if (strcmp(name, #map) == 0)                                                               \
		return NATIVE_MAP(&(map));
	X(meta)
	X(vips)
	X(vip_prefixes)
	X(services)
	X(backends)
	X(slots)
	X(flows)
	X(nat_flows)
	X(nat_scratch)
	X(flow_scratch)
	X(backend_loads)
	X(quic_servers)
	X(fragments)
	X(icmp_budget)
	X(bond_members)
	X(egress)
	X(verdict_stats)
	X(vip_stats)
	X(backend_stats)
	X(flow_stats)
#undef X
	return NULL;
}

struct lb_switches *native_switches(void)
{
	return &lb_switches;
}

/*
 * The room for a frame: NATIVE_FRAME_MAX bytes and a page without access behind them. xdp_md
 * holds 32-bit pointers, so it has to lie below 4 GiB. Returns the end of the room.
 */
static char *frame_room(void)
{
	static char *end;
	void *const wanted = (void *)0x20000000; /* NOLINT(performance-no-int-to-ptr) */
	size_t page = sysconf(_SC_PAGESIZE);
	char *room;

	if (end)
		return end;
	room = mmap(wanted, NATIVE_FRAME_MAX + page, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (room == MAP_FAILED || mprotect(room + NATIVE_FRAME_MAX, page, PROT_NONE) != 0) {
		perror("native data plane: memory for frames below 4 GiB");
		abort();
	}
	end = room + NATIVE_FRAME_MAX;
	return end;
}

long bpf_xdp_adjust_head(struct xdp_md *ctx, int delta)
{
	const char *room = frame_room() - NATIVE_FRAME_MAX;
	char *data = (char *)(uintptr_t)ctx->data + delta;

	if (data < room || data + sizeof(struct ethhdr) > (char *)(uintptr_t)ctx->data_end)
		return -EINVAL;
	ctx->data = (uintptr_t)data;
	ctx->data_meta = ctx->data;
	return 0;
}

/* The room ends where the frame does: it can be made shorter only. */
long bpf_xdp_adjust_tail(struct xdp_md *ctx, int delta)
{
	if (delta > 0 || ctx->data + sizeof(struct ethhdr) > ctx->data_end + delta)
		return -EINVAL;
	ctx->data_end += delta;
	return 0;
}

__u64 bpf_xdp_get_buff_len(struct xdp_md *ctx)
{
	return ctx->data_end - ctx->data;
}

void native_run(void *frame, size_t *size, uint32_t ifindex, struct native_result *ret_result)
{
	char *data = frame_room() - *size;
	struct xdp_md ctx = {
		.data = (uintptr_t)data,
		.data_end = (uintptr_t)data + *size,
		.data_meta = (uintptr_t)data,
		.ingress_ifindex = ifindex,
	};

	memcpy(data, frame, *size);
	redirect_to = 0;
	ret_result->code = lb_ingress(&ctx);
	ret_result->redirect_to = redirect_to;
	*size = ctx.data_end - ctx.data;
	memcpy(frame, (char *)(uintptr_t)ctx.data, *size);
}
