/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* For bpf/verdict.h, before that is read. */
#define LB_DECIDED(pkt, d, verdict)      note_decision(d, verdict)
#define LB_KEEP_DROPPED(ctx, d, verdict) (void)(ctx)
struct decision;
static void note_decision(const struct decision *d, unsigned int verdict);

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
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "native.h"

static uint64_t jiffies, nanoseconds;
static struct native_result result; /* of the run under way */

static void note_decision(const struct decision *d, unsigned int verdict)
{
	result.verdict = verdict;
	result.vip_id = d->vip_id;
	result.service_id = d->service_id;
	result.backend_id = d->backend_id;
	result.new_flow = d->event & FLOW_BEGINS;
	result.syn_retransmit = d->event & FLOW_SYN_AGAIN;
	result.egress = d->egress;
	result.path_mtu = d->path_mtu;
	result.hash = d->hash;
}

__u64 bpf_jiffies64(void)
{
	return jiffies;
}

__u64 bpf_ktime_get_ns(void)
{
	return nanoseconds;
}

__u64 bpf_ktime_get_tai_ns(void)
{
	return nanoseconds;
}

__u32 bpf_get_smp_processor_id(void)
{
	return 0;
}

__u32 bpf_get_prandom_u32(void)
{
	return 0;
}

long bpf_fib_lookup(struct xdp_md *ctx, struct bpf_fib_lookup *params, int size, __u32 flags)
{
	(void)ctx;
	(void)size;
	(void)flags;
	return native_host_fib_lookup(params);
}

int native_redirect_map(const struct native_map_shape *map, __u32 ifindex, __u64 flags)
{
	if (!native_host_lookup(map, &ifindex))
		return flags & 3; /* what the kernel does for a missing key */
	result.redirect_to = ifindex;
	return XDP_REDIRECT;
}

void native_set_jiffies(uint64_t now)
{
	jiffies = now;
}

void native_set_ns(uint64_t now)
{
	nanoseconds = now;
}

void native_set_constants(const struct native_constants *constants)
{
	size_t i;

	for (i = 0; i < LB_HASH_KEYS; i++)
		lb_hash_key[i] = constants->hash_key[i];
	lb_vip_slot_shift = constants->vip_slot_shift;
	lb_flow_mask = constants->flow_mask;
	lb_table_size = constants->table_size;
	lb_table_lines = constants->table_lines;
	lb_nat_port_low = constants->nat_port_low;
	lb_nat_port_count = constants->nat_port_count;
	lb_tick_shift = constants->tick_shift;
	lb_coarse_tick_shift = constants->coarse_tick_shift;
	lb_icmp_per_second = constants->icmp_per_second;
	lb_handshake_mask = constants->handshake_mask;
	lb_frags = constants->frags;
	lb_cookies = constants->cookies;
	lb_ipv4_checksums = constants->ipv4_checksums;
}

bool native_map_named(const char *name, struct native_map_shape *ret_shape)
{
#define X(map)                                                                                     \
	if (strcmp(name, #map) == 0) {                                                             \
		*ret_shape = *NATIVE_SHAPE(&map);                                                  \
		return true;                                                                       \
	}
	X(meta)
	X(vips)
	X(vip_groups)
	X(vip_prefixes)
	X(services)
	X(backends)
	X(slots)
	X(flows)
	X(nat_flows)
	X(nat_scratch)
	X(cookie_scratch)
	X(cookie_keys)
	X(service_cookies)
	X(backend_loads)
	X(quic_servers)
	X(sources)
	X(service_budgets)
	X(source_budgets)
	X(service_drops)
	X(fragments)
	X(icmp_budget)
	X(probe_paths)
	X(probe_flows)
	X(bond_members)
	X(egress)
	X(verdict_stats)
	X(vip_stats)
	X(backend_stats)
	X(flow_stats)
	X(handshakes)
	X(syn_times)
	X(program_past)
#undef X
	return false;
}

struct lb_switches *native_switches(void)
{
	return &lb_switches;
}

/*
 * The room for a frame: NATIVE_FRAME_MAX bytes and a page without access behind them. xdp_md
 * holds 32-bit pointers, so it has to lie below 4 GiB. Returns the end of the room; NULL: there is
 * none to be had.
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
	if (room == MAP_FAILED)
		return NULL;
	if (mprotect(room + NATIVE_FRAME_MAX, page, PROT_NONE) != 0) {
		munmap(room, NATIVE_FRAME_MAX + page);
		return NULL;
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

long bpf_xdp_load_bytes(struct xdp_md *ctx, __u32 offset, void *buf, __u32 len)
{
	if (offset + (uint64_t)len > ctx->data_end - ctx->data)
		return -EINVAL;
	memcpy(buf, (char *)(uintptr_t)ctx->data + offset, len);
	return 0;
}

long bpf_xdp_store_bytes(struct xdp_md *ctx, __u32 offset, void *buf, __u32 len)
{
	if (offset + (uint64_t)len > ctx->data_end - ctx->data)
		return -EINVAL;
	memcpy((char *)(uintptr_t)ctx->data + offset, buf, len);
	return 0;
}

__u64 bpf_xdp_get_buff_len(struct xdp_md *ctx)
{
	return ctx->data_end - ctx->data;
}

int native_program(struct xdp_md *ctx)
{
	return lb_ingress(ctx);
}

int native_run(void *frame, size_t *size, uint32_t ifindex, struct native_result *ret_result)
{
	return native_run_program(native_program, frame, size, ifindex, ret_result);
}

int native_run_program(int (*program)(struct xdp_md *), void *frame, size_t *size, uint32_t ifindex,
		       struct native_result *ret_result)
{
	char *end = frame_room(), *data;
	struct xdp_md ctx = {.ingress_ifindex = ifindex};

	if (!end)
		return -ENOMEM;
	data = end - *size;
	ctx.data = ctx.data_meta = (uintptr_t)data;
	ctx.data_end = (uintptr_t)end;
	memcpy(data, frame, *size);
	result = (struct native_result){0};
	result.code = program(&ctx);
	*ret_result = result;
	*size = ctx.data_end - ctx.data;
	memcpy(frame, (char *)(uintptr_t)ctx.data, *size);
	return 0;
}

/* --- what the data plane's own functions say of a flow --- */

uint32_t native_flow_slots(const struct lb_tuple *tuple, uint64_t hash, uint8_t scheduler,
			   uint32_t ret_slots[2])
{
	ret_slots[0] = slot_of(hash >> 32);
	if (scheduler == LB_SCHEDULER_SOURCE)
		ret_slots[0] = slot_of(source_hash(tuple) >> 32);
	if (scheduler == LB_SCHEDULER_DPORT)
		ret_slots[0] = slot_of(port_hash(tuple->dst_port) >> 32);
	if (scheduler != LB_SCHEDULER_LEAST_CONN)
		return 1;
	ret_slots[1] = slot_of(hash);
	return 2;
}

uint64_t native_flow_word(const struct lb_flow_bucket *bucket, uint64_t hash)
{
	__u32 ways = flow_ways(bucket, FLOW_UPPER, flow_fingerprint(hash));

	return ways ? flow_read(&bucket->word[lowest_of_eight(ways)], hash) : 0;
}

uint32_t native_flow_age(uint64_t word, uint64_t now)
{
	return flow_age(word, flow_clock(now));
}

uint32_t native_flow_timeout(const struct lb_service *service, uint8_t l4_proto, uint32_t state)
{
	const struct packet pkt = {.l4_proto = l4_proto};

	return flow_timeout(&pkt, service, state);
}
