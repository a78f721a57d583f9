/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_NATIVE_BPF_HELPERS_H
#define SLUICE_NATIVE_BPF_HELPERS_H

/*
 * Stands in for libbpf's header where the data plane is built natively: put bpf/native before
 * the system's include path. The map declarations compile as they are, since all that libbpf
 * reads from them is in their types: the shape of a map is taken from there too.
 */
#include <linux/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "host.h"

#define SEC(name) __attribute__((used))

#define __uint(name, val) int(*name)[val]
#define __type(name, val) __typeof__(val) *name

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#ifndef __noinline
#define __noinline __attribute__((noinline))
#endif

/* The constants that the agent sets at load are set before a run here. */
#define LB_CONSTANT volatile

/* map is written &NAME. */
#define NATIVE_SHAPE(map)                                                                          \
	(&(const struct native_map_shape){                                                         \
		.declaration = (map),                                                              \
		.name = &#map[1],                                                                  \
		.type = sizeof(*(map)->type) / sizeof(int),                                        \
		.max_entries = sizeof(*(map)->max_entries) / sizeof(int),                          \
		.key_size = sizeof(*(map)->key),                                                   \
		.value_size = sizeof(*(map)->value),                                               \
	})

/* The initializers hold callers to the key and value types that the map declares. */
#define bpf_map_lookup_elem(map, key_)                                                             \
	({                                                                                         \
		const __typeof__(*(map)->key) *native_key = (key_);                                \
		native_host_lookup(NATIVE_SHAPE(map), native_key);                                 \
	})
#define bpf_map_update_elem(map, key_, value_, flags)                                              \
	({                                                                                         \
		const __typeof__(*(map)->key) *native_key = (key_);                                \
		const __typeof__(*(map)->value) *native_value = (value_);                          \
		native_host_update(NATIVE_SHAPE(map), native_key, native_value, (flags));          \
	})
#define bpf_map_delete_elem(map, key_)                                                             \
	({                                                                                         \
		const __typeof__(*(map)->key) *native_key = (key_);                                \
		native_host_delete(NATIVE_SHAPE(map), native_key);                                 \
	})
#define bpf_redirect_map(map, key_, flags)                                                         \
	({                                                                                         \
		__typeof__(*(map)->key) native_key = (key_);                                       \
		native_redirect_map(NATIVE_SHAPE(map), native_key, (flags));                       \
	})

/* Captures are for whoever watches the kernel's packets: here the switch stays off. */
#define bpf_ringbuf_output(map, data, size, flags)                                                 \
	((void)(map), (void)(data), (void)(size), (void)(flags), -1L)

struct bpf_sock;
struct bpf_sock_tuple;
struct tcphdr;
struct xdp_md;

__u64 bpf_jiffies64(void);
__u64 bpf_ktime_get_ns(void);
__u64 bpf_ktime_get_tai_ns(void);
__u32 bpf_get_prandom_u32(void);
__u32 bpf_get_smp_processor_id(void);
long bpf_fib_lookup(struct xdp_md *ctx, struct bpf_fib_lookup *params, int size, __u32 flags);
struct bpf_sock *bpf_skc_lookup_tcp(void *ctx, struct bpf_sock_tuple *tuple, __u32 size,
				    __u64 netns, __u64 flags);
long bpf_sk_release(void *sk);
long bpf_tcp_check_syncookie(void *sk, void *ip, __u32 ip_length, struct tcphdr *tcp, __u32 length);
long bpf_xdp_adjust_head(struct xdp_md *ctx, int delta);
long bpf_xdp_adjust_tail(struct xdp_md *ctx, int delta);
long bpf_xdp_load_bytes(struct xdp_md *ctx, __u32 offset, void *buf, __u32 len);
long bpf_xdp_store_bytes(struct xdp_md *ctx, __u32 offset, void *buf, __u32 len);
__u64 bpf_xdp_get_buff_len(struct xdp_md *ctx);
int native_redirect_map(const struct native_map_shape *map, __u32 ifindex, __u64 flags);

#endif
