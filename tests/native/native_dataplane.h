/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_NATIVE_DATAPLANE_H
#define SLUICE_NATIVE_DATAPLANE_H

/*
 * The data plane of bpf/ compiled natively: the same source, to be run under sanitizers, from
 * fuzzers and next to the BPF program. Frames lie against a page without access, so that a read
 * or write behind their end is caught. Single-threaded, one instance a process.
 */
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "native_map.h"

#define NATIVE_FRAME_MAX 65536
#define NATIVE_HEADROOM  256 /* XDP_PACKET_HEADROOM */

/* What the agent sets before it loads the program; see bpf/maps.h. */
struct native_constants {
	uint32_t hash_key[LB_HASH_KEYS];
	uint32_t flow_mask;
	uint32_t table_size;
	uint32_t table_lines;
	uint16_t nat_port_low;
	uint16_t nat_port_count;
	uint8_t tick_shift;
	uint8_t coarse_tick_shift;
	uint32_t icmp_per_second;
	uint32_t frags;
};

/* Takes effect with the next run. Maps are left alone. */
void native_set_constants(const struct native_constants *constants);

/* The map of this name; NULL: the data plane has none. */
struct native_map *native_map_named(const char *name);

/* What bpf_jiffies64() answers from now on. */
void native_set_jiffies(uint64_t jiffies);

/* The one way that bpf_fib_lookup() knows; ifindex 0: none. */
struct native_route {
	struct lb_addr dst;
	uint32_t ifindex;
	uint8_t src_mac[6];
	uint8_t dst_mac[6];
};
void native_set_route(const struct native_route *route);

struct native_result {
	int code;             /* XDP_* */
	uint32_t redirect_to; /* interface, if code is XDP_REDIRECT */
};

/*
 * Runs lb_ingress on a frame of *size bytes, which changes in place. The frame may grow: there must
 * be room for NATIVE_FRAME_MAX bytes, of which it has NATIVE_HEADROOM less.
 */
void native_run(void *frame, size_t *size, uint32_t ifindex, struct native_result *ret_result);

/* The data plane's switches; see bpf/abi.h. */
struct lb_switches *native_switches(void);

#endif
