/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_NATIVE_H
#define SLUICE_NATIVE_H

/*
 * The data plane of bpf/ compiled natively: the same source, to be run under sanitizers, from
 * fuzzers, next to the BPF program, and to explain what that does. Frames lie against a page
 * without access, so that a read or write behind their end is caught. Maps and routes are the
 * host's (host.h). Single-threaded, one instance a process.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../abi.h"
#include "../verdicts.h"
#include "host.h"

#define NATIVE_FRAME_MAX 65536
#define NATIVE_HEADROOM  256 /* XDP_PACKET_HEADROOM */

/* What the agent sets before it loads the program; see bpf/maps.h. */
struct native_constants {
	uint32_t hash_key[LB_HASH_KEYS];
	uint8_t vip_slot_shift;
	uint32_t flow_mask;
	uint32_t table_size;
	uint32_t table_lines;
	uint16_t nat_port_low;
	uint16_t nat_port_count;
	uint8_t tick_shift;
	uint8_t coarse_tick_shift;
	uint32_t icmp_per_second;
	uint32_t handshake_mask;
	uint32_t frags;
	uint32_t cookies;
	uint32_t ipv4_checksums;
};

/* Takes effect with the next run. Maps are left alone. */
void native_set_constants(const struct native_constants *constants);

/* What bpf_jiffies64() answers from now on. */
void native_set_jiffies(uint64_t jiffies);

/* And bpf_ktime_get_ns(). */
void native_set_ns(uint64_t ns);

/* The data plane's switches; see bpf/abi.h. */
struct lb_switches *native_switches(void);

/* The map of this name. False: the data plane has none. */
bool native_map_named(const char *name, struct native_map_shape *ret_shape);

struct native_result {
	int code;             /* XDP_* */
	uint32_t redirect_to; /* if code is XDP_REDIRECT: the key in the map egress */
	enum lb_verdict verdict;
	/* As in struct decision of bpf/packet.h; 0 where the packet did not come so far. */
	uint16_t vip_id;
	uint16_t service_id;
	uint16_t backend_id;
	bool new_flow;
	bool syn_retransmit;
	uint32_t egress;
	uint32_t path_mtu;
	uint64_t hash;
};

/*
 * Runs lb_ingress on a frame of *size bytes, which changes in place. The frame may grow: there must
 * be room for NATIVE_FRAME_MAX bytes, of which it has NATIVE_HEADROOM less. 0, or -ENOMEM: there
 * is no memory below 4 GiB to be had, where xdp_md's pointers reach.
 */
int native_run(void *frame, size_t *size, uint32_t ifindex, struct native_result *ret_result);

/* Of another program, which calls the native helpers; native_program is lb_ingress itself. */
struct xdp_md;
int native_program(struct xdp_md *ctx);
int native_run_program(int (*program)(struct xdp_md *), void *frame, size_t *size, uint32_t ifindex,
		       struct native_result *ret_result);

/* --- what the data plane's own functions say of a flow --- */

/* The slots of its service's Maglev table that a new flow of this hash may be given to: one, or two
 * for LB_SCHEDULER_LEAST_CONN. Returns how many. */
uint32_t native_flow_slots(const struct lb_tuple *tuple, uint64_t hash, uint8_t scheduler,
			   uint32_t ret_slots[2]);

/* The flow's word in its bucket; 0: it has none. */
uint64_t native_flow_word(const struct lb_flow_bucket *bucket, uint64_t hash);

/* How long ago the word was stamped, and how long it may be: in ticks while embryonic, else in
 * coarse ticks. */
uint32_t native_flow_age(uint64_t word, uint64_t now);
uint32_t native_flow_timeout(const struct lb_service *service, uint8_t l4_proto, uint32_t state);

#endif
