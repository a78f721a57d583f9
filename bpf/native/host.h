/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_NATIVE_HOST_H
#define SLUICE_NATIVE_HOST_H

/*
 * What the natively built data plane asks of the program that it runs in, which has to define
 * these functions: its maps, as the kernel's helpers of the same names give them, and routes. The
 * tests keep maps in plain memory; the agent shows it copies of the live ones.
 */
#include <stdint.h>

struct bpf_fib_lookup;

/* A map as the data plane declares it. */
struct native_map_shape {
	const void *declaration; /* its address: what tells one map from the others */
	const char *name;
	uint32_t type;        /* BPF_MAP_TYPE_* */
	uint32_t max_entries; /* the declared ones; the agent sets the real ones at load */
	uint32_t key_size;
	uint32_t value_size;
};

/* The place of a value that the data plane may read and write for the rest of its run, aligned to
 * 64 bytes; NULL: there is none. */
void *native_host_lookup(const struct native_map_shape *map, const void *key);

/* flags are BPF_ANY, BPF_NOEXIST or BPF_EXIST. 0 or bpf(2)'s negative errno. */
int native_host_update(const struct native_map_shape *map, const void *key, const void *value,
		       uint64_t flags);
int native_host_delete(const struct native_map_shape *map, const void *key);

/* As the kernel's helper: BPF_FIB_LKUP_RET_SUCCESS with the way in params, or why there is none. */
long native_host_fib_lookup(struct bpf_fib_lookup *params);

#endif
