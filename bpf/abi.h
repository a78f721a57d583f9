/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_ABI_H
#define SLUICE_ABI_H

/*
 * What user space and the BPF programs share, and nowhere else. Any change of a layout or of a
 * field's meaning raises LB_ABI_VERSION: an agent adopts pinned maps only of its own version.
 */
#include <linux/types.h>

#define LB_ABI_VERSION 1

/* Keys of the flow hash (bpf/hash.h). */
#define LB_HASH_KEYS 10

/* An address of either family; IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2). */
struct lb_addr {
	__be32 word[4];
};

/* The one entry of the map meta. Written once by the agent that makes the maps. */
struct lb_meta {
	__u32 abi_version;
	__u32 table_size; /* slots of one Maglev table, a prime */
	__u64 seed;       /* what the flow hash's keys were derived from */
};

/* Where a packet is addressed to. port 0 stands for every port that has no entry of its own. */
struct lb_vip_key {
	struct lb_addr addr;
	__be16 port;
	__u8 l4_proto;
	__u8 pad;
};

enum lb_vip_kind {
	LB_VIP_SERVICE = 1, /* traffic of clients */
	LB_VIP_NAT = 2,     /* an own address that backends in mode nat reply to */
};

struct lb_vip {
	__u16 kind;
	__u16 service; /* index into services */
	__u16 vip;     /* index into vip_stats */
	__u16 pad;
};

enum lb_mode {
	LB_MODE_NAT = 1, /* full NAT both ways through the balancer */
	LB_MODE_L2 = 2,  /* only the link-layer addresses change; direct server return */
};

/* A flow's state, as kept in two bits of its entry. */
enum lb_flow_state {
	LB_FLOW_EMPTY = 0,
	LB_FLOW_EMBRYONIC = 1,   /* one packet seen */
	LB_FLOW_ESTABLISHED = 2, /* the client answered */
	LB_FLOW_CLOSING = 3,     /* FIN or RST seen from the client */
	LB_FLOW_STATES = 4,
};

/* One service; index 0 is none. One cache line. */
struct lb_service {
	__u32 table; /* which block of the map slots; block 0 is the empty table */
	__u16 mode;  /* enum lb_mode */
	__u16 pad;
	/* Idle time after which an entry is forgotten, by state. LB_FLOW_EMBRYONIC counts in
	 * ticks, the others in coarse ticks; see enum lb_clock. All below LB_FLOW_TIME_MASK / 2.
	 */
	__u16 timeout[LB_FLOW_STATES];
	__u64 reserved[6];
};

enum lb_backend_flags {
	LB_BACKEND_UP = 1 << 0,       /* packets may go there */
	LB_BACKEND_RESOLVED = 1 << 1, /* hop holds the next hop's link-layer address */
};

/*
 * The link-layer way to a backend. dst_mac and flags are one aligned 64-bit store, so that no
 * packet sees half an address. Whoever changes the rest clears LB_BACKEND_RESOLVED first.
 */
struct lb_hop {
	__u8 dst_mac[6];
	__u16 flags; /* enum lb_backend_flags */
	__u8 src_mac[6];
	__u16 pad;
	__u32 ifindex; /* egress interface; a key of the map egress */
	__u32 pad2;
};

/* One backend of one service; index 0 is none. One cache line. */
struct lb_backend {
	struct lb_hop hop;
	struct lb_addr addr;
	struct lb_addr nat_addr; /* mode nat: the balancer's own address towards this backend */
	__be16 port;             /* mode nat: destination port; 0 keeps the client's */
	__u16 service;           /* index into services */
	__u32 pad;
};

/* One cache line of a Maglev table: owners (indices into backends) of 32 consecutive slots. */
#define LB_SLOTS_PER_LINE 32
struct lb_slot_line {
	__u16 backend[LB_SLOTS_PER_LINE];
};

/*
 * The flow table: buckets of eight words, one cache line each. A word is, from the top,
 *
 *   fingerprint:32  backend:16  state:2  time:14
 *
 * fingerprint is the upper half of the flow's keyed hash, the lower half picks the bucket. time
 * counts ticks while embryonic and coarse ticks otherwise, modulo 2^14. A word of state
 * LB_FLOW_EMPTY is all zero. Words change by compare-and-swap only.
 */
#define LB_FLOW_WAYS              8
#define LB_FLOW_FINGERPRINT_SHIFT 32
#define LB_FLOW_BACKEND_SHIFT     16
#define LB_FLOW_BACKEND_MASK      0xffffULL
#define LB_FLOW_STATE_SHIFT       14
#define LB_FLOW_STATE_MASK        0x3ULL
#define LB_FLOW_TIME_MASK         0x3fffULL
/* Who read its clock a moment later may have stamped a word: an age of -1 to -8 means 0. */
#define LB_FLOW_TICKS_AHEAD       8
struct lb_flow_bucket {
	__u64 word[LB_FLOW_WAYS];
};

/*
 * Clocks are the kernel's jiffies shifted right by constants chosen at load from its HZ: a tick
 * is near 4 ms (1 jiffy at HZ 250), a coarse tick near 1 s.
 */

/* A translated flow as the backend's reply names it. */
struct lb_nat_key {
	struct lb_addr backend_addr;
	struct lb_addr nat_addr;
	__be16 backend_port;
	__be16 nat_port;
	__u8 l4_proto;
	__u8 pad[3];
};

enum lb_nat_state {
	LB_NAT_FREE = 0,
	LB_NAT_CLAIMED = 1, /* being written by the CPU that took it over */
	LB_NAT_LIVE = 2,
	LB_NAT_CLOSED = 3, /* FIN from both sides, or RST from one */
};
#define LB_NAT_FIN_CLIENT  (1 << 2)
#define LB_NAT_FIN_BACKEND (1 << 3)
#define LB_NAT_ANSWERED    (1 << 4) /* the backend has sent something back */

/* life is, from the top, time:32 in ticks, generation:16, zero:8, bits and state:8.
 * It changes by compare-and-swap; the rest is valid while its generation stands still and its
 * state is LIVE or CLOSED. */
#define LB_NAT_TIME_SHIFT       32
#define LB_NAT_GENERATION_SHIFT 16
#define LB_NAT_STATE_MASK       0x3ULL
struct lb_nat_entry {
	__u64 life;
	struct lb_addr client_addr;
	struct lb_addr vip_addr;
	__be16 client_port;
	__be16 vip_port;
	__u16 service;
	__u16 backend;
	__u8 client_mac[6]; /* link-layer source of the client's packets: the way back */
	__u8 local_mac[6];  /* link-layer destination of the client's packets */
	__u32 ifindex;      /* where the client's packets came in */
};

/* Per-CPU counters. Bytes are those of the packet as it came in, with its Ethernet header. */
struct lb_traffic {
	__u64 packets;
	__u64 bytes;
};

struct lb_backend_stats {
	struct lb_traffic traffic;
	__u64 new_flows;
	__u64 syn_retransmits;
};

/* Indexed by the state of the entry that was pushed out of a full bucket while still alive. */
struct lb_flow_stats {
	__u64 evictions[LB_FLOW_STATES];
};

_Static_assert(sizeof(struct lb_addr) == 16, "ABI");
_Static_assert(sizeof(struct lb_meta) == 16, "ABI");
_Static_assert(sizeof(struct lb_vip_key) == 20, "ABI");
_Static_assert(sizeof(struct lb_vip) == 8, "ABI");
_Static_assert(sizeof(struct lb_service) == 64, "ABI");
_Static_assert(__builtin_offsetof(struct lb_service, timeout) == 8, "ABI");
_Static_assert(sizeof(struct lb_hop) == 24, "ABI");
_Static_assert(sizeof(struct lb_backend) == 64, "ABI");
_Static_assert(__builtin_offsetof(struct lb_backend, port) == 56, "ABI");
_Static_assert(sizeof(struct lb_slot_line) == 64, "ABI");
_Static_assert(sizeof(struct lb_flow_bucket) == 64, "ABI");
_Static_assert(sizeof(struct lb_nat_key) == 40, "ABI");
_Static_assert(sizeof(struct lb_nat_entry) == 64, "ABI");
_Static_assert(__builtin_offsetof(struct lb_nat_entry, client_port) == 40, "ABI");
_Static_assert(__builtin_offsetof(struct lb_nat_entry, ifindex) == 60, "ABI");
_Static_assert(sizeof(struct lb_backend_stats) == 32, "ABI");
_Static_assert(sizeof(struct lb_flow_stats) == 32, "ABI");

#endif
