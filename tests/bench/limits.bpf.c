// SPDX-License-Identifier: Apache-2.0
/*
 * One thing in a loop, and nothing else: each program is what limits.c measures. What is read is
 * summed up, or the compiler would leave it out.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "limit_steps.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* User space writes, between runs. */
__u32 line_mask; /* lines of memory that are used, less one; a power of two */

__u64 steps; /* so far: memory is never visited in the same order again */
__u64 sums;  /* of what was read */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LIMIT_KEYS);
	__type(key, __u32);
	__type(value, struct limit_line);
} limit_percpu SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LIMIT_KEYS);
	__type(key, struct limit_key8);
	__type(value, __u64);
} limit_hash8 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LIMIT_KEYS);
	__type(key, struct limit_key20);
	__type(value, __u64);
} limit_hash20 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 16);
	__type(key, struct limit_key40);
	__type(value, __u64);
} limit_lru40 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LIMIT_LINES);
	__type(key, __u32);
	__type(value, struct limit_line);
} limit_memory SEC(".maps");

struct loop {
	struct xdp_md *ctx;
	__u64 from;
	__u64 sum;
	__u32 mask;
};

#define UNUSED __attribute__((unused))

/* The program `name` of a loop over the step that follows. */
#define LIMIT(name)                                                                                \
	static long name##_step(UNUSED __u32 i, UNUSED struct loop *loop);                         \
	SEC("xdp")                                                                                 \
	int name(struct xdp_md *ctx)                                                               \
	{                                                                                          \
		struct loop loop = {.ctx = ctx, .from = steps, .mask = line_mask};                 \
                                                                                                   \
		bpf_loop(LIMIT_STEPS, name##_step, &loop, 0);                                      \
		steps += LIMIT_STEPS;                                                              \
		sums += loop.sum;                                                                  \
		return XDP_TX;                                                                     \
	}                                                                                          \
	static long name##_step(UNUSED __u32 i, UNUSED struct loop *loop)

/* A number whose order nothing in the processor foresees. */
static __always_inline __u64 mix(__u64 number)
{
	number *= 0x9e3779b97f4a7c15ULL;
	number = (number ^ number >> 32) * 0xff51afd7ed558ccdULL;
	return number >> 32;
}

SEC("xdp")
int bare(UNUSED struct xdp_md *ctx)
{
	return XDP_TX;
}

LIMIT(nothing)
{
	return 0;
}

LIMIT(mixing)
{
	loop->sum += mix(loop->from + i) & loop->mask;
	return 0;
}

/* A look-up in cache hides behind the loop unless the next waits for it. */
static __always_inline __u32 next_key(__u32 i, const struct loop *loop)
{
	return (i + loop->sum) % LIMIT_KEYS;
}

LIMIT(waiting)
{
	loop->sum = next_key(i, loop);
	return 0;
}

LIMIT(percpu)
{
	__u32 key = next_key(i, loop);
	struct limit_line *line = bpf_map_lookup_elem(&limit_percpu, &key);

	loop->sum = line ? line->word[0] : 0;
	return 0;
}

LIMIT(cached)
{
	__u32 key = next_key(i, loop);
	struct limit_line *line = bpf_map_lookup_elem(&limit_memory, &key);

	loop->sum = line ? line->word[0] : 0;
	return 0;
}

LIMIT(hash8)
{
	struct limit_key8 key = {{i % LIMIT_KEYS}};
	__u64 *value = bpf_map_lookup_elem(&limit_hash8, &key);

	loop->sum += value ? *value : 0;
	return 0;
}

LIMIT(hash20)
{
	struct limit_key20 key = {{i % LIMIT_KEYS}};
	__u64 *value = bpf_map_lookup_elem(&limit_hash20, &key);

	loop->sum += value ? *value : 0;
	return 0;
}

LIMIT(lru40)
{
	struct limit_key40 key = {{i % LIMIT_KEYS}};
	__u64 *value = bpf_map_lookup_elem(&limit_lru40, &key);

	loop->sum += value ? *value : 0;
	return 0;
}

LIMIT(lru40_update)
{
	struct limit_key40 key = {{i % LIMIT_KEYS}};
	__u64 value = i;

	loop->sum += bpf_map_update_elem(&limit_lru40, &key, &value, BPF_ANY);
	return 0;
}

LIMIT(clock)
{
	loop->sum += bpf_ktime_get_ns();
	return 0;
}

LIMIT(jiffies)
{
	loop->sum += bpf_jiffies64();
	return 0;
}

/* There and back: two. */
LIMIT(adjust_head)
{
	return bpf_xdp_adjust_head(loop->ctx, -20) || bpf_xdp_adjust_head(loop->ctx, 20);
}

static __always_inline __u64 visit(__u32 key)
{
	struct limit_line *line = bpf_map_lookup_elem(&limit_memory, &key);

	return line ? line->word[0]++ : 0;
}

LIMIT(independent)
{
	loop->sum += visit(mix(loop->from + i) & loop->mask);
	return 0;
}

/* Where the next is, only this one tells. */
LIMIT(dependent)
{
	loop->sum = visit(mix(loop->from + i + loop->sum) & loop->mask);
	return 0;
}
