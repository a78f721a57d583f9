/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_MAPS_H
#define SLUICE_MAPS_H

/*
 * Every map and every constant that the agent sets at load. All maps are pinned and outlive the
 * agent; sizes given here are the smallest, the agent sets the real ones before the load.
 */
#include "abi.h"
#include "verdicts.h"

/* Natively (tests) the constants are plain variables. */
#ifndef LB_CONSTANT
#define LB_CONSTANT const volatile
#endif

/* Keys of the flow hash, all derived from the seed. */
LB_CONSTANT __u32 lb_hash_key[LB_HASH_KEYS];
LB_CONSTANT __u32 lb_flow_mask;    /* buckets - 1; buckets is a power of two */
LB_CONSTANT __u32 lb_table_size;   /* slots of a Maglev table */
LB_CONSTANT __u32 lb_table_lines;  /* lines of a Maglev table */
LB_CONSTANT __u16 lb_nat_port_low; /* NAT ports are low .. low + count - 1 */
LB_CONSTANT __u16 lb_nat_port_count;
LB_CONSTANT __u8 lb_vip_slot_shift;    /* 32 less the bits of a slot of the table of VIPs */
LB_CONSTANT __u8 lb_tick_shift;        /* jiffies to ticks */
LB_CONSTANT __u8 lb_coarse_tick_shift; /* jiffies to coarse ticks */
LB_CONSTANT bool lb_frags;             /* loaded so that packets may be longer than a page */
LB_CONSTANT __u32 lb_icmp_per_second;  /* ICMP errors that one CPU may send */
LB_CONSTANT __u32 lb_handshake_mask;   /* flows whose hash has none of these bits are timed */
LB_CONSTANT bool lb_cookies;           /* services may answer by SYN cookies (Linux 6.1) */
LB_CONSTANT bool lb_ipv4_checksums;    /* IPv4 packets to a VIP must have a right one */
LB_CONSTANT __u32 lb_probe_mark;       /* of this agent's probes, without the backend's index */

/* Agent writes, in memory. */
struct lb_switches lb_switches SEC(".data.switches") = {.all_ones = ~0U};

/* Agent writes, in memory; read by the next agent to see if it may adopt. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lb_meta);
} meta SEC(".maps");

/* (address, port, protocol) to service: a perfect hash, see bpf/vip_hash.h. Agent writes, in
 * memory; lives as long as the VIP. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lb_vip_entry);
} vips SEC(".maps");

/* What makes the slots of a group of VIPs. Agent writes, in memory. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} vip_groups SEC(".maps");

/* (prefix, port, protocol) to service. Agent writes; lives as long as the VIP. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct lb_vip_prefix_key);
	__type(value, struct lb_vip);
} vip_prefixes SEC(".maps");

/* Agent writes, in memory; `tables` is stored last and alone. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct lb_service);
} services SEC(".maps");

/* Agent writes, in memory, before any table or flow names the index. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct lb_backend);
} backends SEC(".maps");

/* Blocks of lb_table_lines lines, one Maglev table each. Agent writes, in memory, blocks that no
 * service points at; block 0 stays empty. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct lb_slot_line);
} slots SEC(".maps");

/* The flow table. The data plane writes; the agent reads, and clears what has expired or whose
 * backend is gone. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lb_flow_bucket);
} flows SEC(".maps");

/* Translated flows of mode nat, by what the backend's reply looks like. The data plane writes.
 * Least recently used entries give way when it is full. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct lb_tuple);
	__type(value, struct lb_nat_entry);
} nat_flows SEC(".maps");

/* Active flows of each backend, for least-conn services: the data plane counts up and down, the
 * agent puts right what evictions and idle ends leave wrong. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __s64);
} backend_loads SEC(".maps");

/* Lists of sources; see struct lb_source_key. Agent writes. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct lb_source_key);
	__type(value, __u32);
} sources SEC(".maps");

/* By service index: its budgets. The data plane's own. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct lb_service_budget);
} service_budgets SEC(".maps");

/* Budgets of sources; see bpf/budget.h. The data plane's own. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LB_BUDGET_ROWS *LB_BUDGET_ROW);
	__type(key, __u32);
	__type(value, __u64);
} source_budgets SEC(".maps");

/* Keys of SYN cookies. Agent writes, in memory. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lb_cookie_keys);
} cookie_keys SEC(".maps");

/* By service index: SYN cookies. The data plane writes; the agent reads, in memory. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct lb_cookie_state);
} service_cookies SEC(".maps");

/* QUIC server IDs to indices into backends. Agent writes. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct lb_quic_key);
	__type(value, __u32);
} quic_servers SEC(".maps");

/* Fragmented packets on their way. The data plane writes; old ones give way. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct lb_fragment_key);
	__type(value, struct lb_fragment);
} fragments SEC(".maps");

/* By backend index: the way of its health probes. Agent writes, in memory, while no probe of the
 * backend runs; the data plane counts. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct lb_probe_path);
} probe_paths SEC(".maps");

/* Probes under way, by what the reply looks like. The data plane writes; old ones give way. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct lb_tuple);
	__type(value, struct lb_probe_flow);
} probe_flows SEC(".maps");

/* How many ICMP errors this CPU has sent in which second. The data plane's own. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lb_icmp_budget);
} icmp_budget SEC(".maps");

/* Interface to the bond it is a member of. Agent writes. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} bond_members SEC(".maps");

/* Interfaces that packets may leave by, keyed by ifindex; for a bond, one of its active members.
 * Agent writes. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} egress SEC(".maps");

/* What is to be captured. Agent writes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lb_capture_filter);
} capture_filter SEC(".maps");

/* Captured packets, as struct lb_capture_record. The data plane writes, the agent reads. Bytes. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} capture_ring SEC(".maps");

/* By verdict. The data plane writes, the agent reads. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LB_VERDICT_COUNT);
	__type(key, __u32);
	__type(value, struct lb_drop_sample);
} drop_samples SEC(".maps");

/* A packet under way that may be captured: one a CPU is at a time. The data plane's own. */
struct capture_work {
	__u32 tick;            /* whose budget it is */
	__u32 taken;           /* of it */
	__u32 kept;            /* the frame; else the budget was used up already */
	__u32 egress;          /* interface that the packet leaves by, if it is redirected */
	struct lb_tuple tuple; /* as parsed; zero: it was not */
	struct lb_capture_record in, out;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct capture_work);
} capture_scratch SEC(".maps");

/* Counters: the data plane adds, the agent reads; zeroed by the agent when an index is reused. */

/* By verdict, of those by which packets end here: drops and replies. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LB_VERDICT_COUNT);
	__type(key, __u32);
	__type(value, struct lb_traffic);
} verdict_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lb_traffic);
} vip_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct lb_backend_stats);
} backend_stats SEC(".maps");

/* By service index. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct lb_service_drops);
} service_drops SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lb_flow_stats);
} flow_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lb_capture_stats);
} capture_stats SEC(".maps");

/* By backend index: how long clients waited for it, from a SYN to their next packet, both as they
 * came by here. CPUs share it. The data plane adds; the agent reads, in memory, and zeroes what is
 * reused. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct lb_latency);
} handshakes SEC(".maps");

/* When the SYNs came whose handshakes are under way; see LB_SYN_TIMES. The data plane's own. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LB_SYN_TIMES);
	__type(key, __u32);
	__type(value, __u64);
} syn_times SEC(".maps");

/* The agent's own: an agent that replaces the program adds what that has done. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lb_program_past);
} program_past SEC(".maps");

#endif
