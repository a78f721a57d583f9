/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_ABI_H
#define SLUICE_ABI_H

/*
 * What user space and the BPF programs share, and nowhere else. Any change of a layout or of a
 * field's meaning raises LB_ABI_VERSION: an agent adopts all pinned maps only of its own version.
 */
#include <linux/types.h>

#define LB_ABI_VERSION 9

/*
 * What connections live by has versions of its own: where one stands still, the map is carried over
 * into another ABI. Each stands for layout and meaning, of
 */
#define LB_FLOW_LAYOUT     2 /* struct lb_flow_bucket, its clock, and the hash behind it */
#define LB_NAT_LAYOUT      2 /* struct lb_tuple and lb_nat_entry, and the ports of a hash */
#define LB_FRAGMENT_LAYOUT 1 /* struct lb_fragment_key and lb_fragment */
#define LB_BACKEND_LAYOUT  1 /* struct lb_backend, as far as it tells who is alive and where */

/* Keys of the flow hash (bpf/hash.h). */
#define LB_HASH_KEYS 10

/* An address of either family; IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2). */
struct lb_addr {
	__be32 word[4];
};

/*
 * What names a flow. Also the key of nat_flows, where it is that of the backend's reply: from the
 * backend to the balancer's own address and NAT port.
 */
struct lb_tuple {
	struct lb_addr src;
	struct lb_addr dst;
	__be16 src_port;
	__be16 dst_port;
	__u8 l4_proto;
	__u8 pad[3];
};

/*
 * The one entry of the map meta. Written by the agent that makes the maps. Every ABI begins it
 * alike; that of version 2 ended with the seed, and its layouts were 1.
 */
struct lb_meta {
	__u32 abi_version;
	__u32 table_size; /* slots of one Maglev table, a prime */
	__u64 seed;       /* what the flow hash's keys were derived from */
	__u16 flow_layout;
	__u16 nat_layout;
	__u16 fragment_layout;
	__u16 backend_layout;
	__u32 flow_fold; /* as in struct lb_switches, kept true to it */
	__u32 pad;
};

/* Switches that the agent throws while packets flow: what nobody uses costs nothing. One aligned
 * word each. */
struct lb_switches {
	__u32 vip_any_port; /* there are VIPs of any port, or own addresses of mode nat */
	__u32 vip_prefixes; /* the map vip_prefixes is not empty */
	__u32 bonds;        /* the map bond_members is not empty */
	__u32 all_ones;     /* always; see forget() in bpf/packet.h */
	__u32 capture;      /* LB_CAPTURE_ON while packets are captured, else 0 */
	__u32 source_deny;  /* the list of the map sources that holds for all VIPs; 0: none */
	/* LB_SERVICE_TRACK_CHANGED: the sample is the flows whose fingerprint has none of these
	 * bits, which are the lowest; at most LB_SAMPLE_MASK_MAX. */
	__u32 sample_mask;
	/* Agent's own, for its successor: the largest of late. Flows of that sample all have
	 * entries. */
	__u32 counted_mask;
	/*
	 * The flow table is folded so often: a bucket stands in for 2^n, those of it that are used
	 * are the first. The lowest byte says how often it is, the next how often it was while
	 * entries of then may still be where they were; else both say the same.
	 */
	__u32 flow_fold;
	__u32 pad;
};
#define LB_FLOW_FOLD_MAX          31
#define LB_FLOW_FOLD_FORMER_SHIFT 8
/* May packets move entries from one bucket to another? Each once, as long as the word stays. */
#define LB_FLOW_FOLD_MOVES(fold)  (((fold)&LB_FLOW_FOLD_MAX) != (fold) >> LB_FLOW_FOLD_FORMER_SHIFT)
#define LB_SAMPLE_MASK_MAX        127U
#define LB_CAPTURE_ON             (1U << 16) /* or'ed with an ethertype it makes none */

/* Where a packet is addressed to. port 0 stands for every port that has no entry of its own. */
struct lb_vip_key {
	__u8 l4_proto;
	__u8 pad;
	__be16 port;
	struct lb_addr addr;
};

/* A whole prefix of addresses, for BPF_MAP_TYPE_LPM_TRIE: protocol and port must be equal, of the
 * address the first bits. An IPv4 prefix of n bits has 96 + n of the mapped address. */
#define LB_VIP_PREFIX_BASE 32 /* bits of vip before addr */
struct lb_vip_prefix_key {
	__u32 prefix_length; /* LB_VIP_PREFIX_BASE + bits of addr */
	struct lb_vip_key vip;
};

/* Looked for in this order: address and port, address and any port, prefix and port, prefix and
 * any port. */
enum lb_vip_kind {
	LB_VIP_SERVICE = 1, /* traffic of clients */
	LB_VIP_NAT = 2,     /* an own address that backends in mode nat reply to */
	LB_VIP_ECHO = 3,    /* l4_proto ICMP or ICMPv6, port 0: echo requests are answered */
};

struct lb_vip {
	__u16 kind;    /* 0: there is none */
	__u16 service; /* index into services */
	__u16 vip;     /* index into vip_stats */
	__u16 pad;
} __attribute__((aligned(8))); /* read and written as one word */

/* One slot of the table of exact VIPs; bpf/vip_hash.h says which. Of a key that moves there are two
 * for a while, both good. vip is one aligned word, written last, and cleared before key changes. */
struct lb_vip_entry {
	struct lb_vip vip;
	struct lb_vip_key key;
	__u32 pad;
};

/* All but nat are for direct server return. */
enum lb_mode {
	LB_MODE_NAT = 1,        /* full NAT both ways through the balancer */
	LB_MODE_L2 = 2,         /* only the link-layer addresses change */
	LB_MODE_IPIP = 3,       /* IP in IP (RFC 2003, RFC 2473, RFC 4213), any mix of families */
	LB_MODE_GUE = 4,        /* Generic UDP Encapsulation with its header (variant 0) */
	LB_MODE_GUE_DIRECT = 5, /* without: the IP packet right behind the UDP header (variant 1) */
};

/* How a new flow's backend is chosen from the service's Maglev table. */
enum lb_scheduler {
	LB_SCHEDULER_MAGLEV = 0,     /* the slot of the 5-tuple's hash */
	LB_SCHEDULER_SOURCE = 1,     /* of the client's address: all his flows to one backend */
	LB_SCHEDULER_DPORT = 2,      /* of the destination port */
	LB_SCHEDULER_LEAST_CONN = 3, /* the less loaded, by weight, of two slots' owners */
};

enum lb_service_flags {
	LB_SERVICE_TRACK = 1 << 0,          /* flows have entries in the flow table */
	LB_SERVICE_PASS_WHEN_DOWN = 1 << 1, /* no backend is up: the host gets the packets */
	LB_SERVICE_TELL_TOO_BIG = 1 << 2,   /* answer what is too big by ICMP, not by silence */
	LB_SERVICE_SOURCES = 1 << 3,        /* not every source, or not as many packets of each */
	LB_SERVICE_FLOW_LIMITS = 1 << 4,    /* not as many new flows as come */
	LB_SERVICE_COOKIES = 1 << 5,        /* SYNs are answered here, always or at times */
	/* With LB_SERVICE_TRACK: of TCP and SCTP, only flows of marked slots and of the sample. */
	LB_SERVICE_TRACK_CHANGED = 1 << 6,
	/* With LB_SERVICE_COOKIES: flows may have begun without an entry, so who has none and
	 * brings no cookie is not refused. */
	LB_SERVICE_EXCUSED = 1 << 7,
	/* Backends are told where else a flow may have begun; `earlier` is not all 0. */
	LB_SERVICE_CHANCE = 1 << 8,
};

/* A flow's state, as kept in two bits of its entry. */
enum lb_flow_state {
	/* One packet seen, of a flow that began before its slot was marked: until its next packet,
	 * which may be as long in coming as that of an established one. */
	LB_FLOW_INHERITED = 0,
	LB_FLOW_EMBRYONIC = 1,   /* one packet seen */
	LB_FLOW_ESTABLISHED = 2, /* the client answered */
	LB_FLOW_CLOSING = 3,     /* FIN or RST seen from the client */
	LB_FLOW_STATES = 4,
};

/*
 * Blocks of the map slots that make a service's table, one aligned word, which changes at once.
 *
 * While a slot keeps its owner, its flows need no entries: whoever computes the slot finds their
 * backend. `former` marks the slots where that is not so ("just-enough tracking": Mehmet et al.,
 * CoNEXT 2020). There it has the owner that flows without an entry began with, before the first
 * change; it may be the present one again, while there are flows of others. 0: the slot is not
 * marked. All flows that began since a slot was marked have entries.
 */
struct lb_tables {
	__u32 current; /* owners, who get the new flows; block 0 is the empty table */
	__u32 former;  /* block 0: no slot is marked */
};

#define LB_EARLIER 2

/* One service; index 0 is none. Two cache lines, of which most packets need the first. */
struct lb_service {
	struct lb_tables tables;
	__u8 mode;      /* enum lb_mode */
	__u8 scheduler; /* enum lb_scheduler */
	__u16 flags;    /* enum lb_service_flags */
	/* Idle time after which an entry is forgotten, by state. LB_FLOW_EMBRYONIC counts in
	 * ticks, the others in coarse ticks. All below LB_FLOW_TIME_MASK / 2. */
	__u16 timeout[LB_FLOW_STATES];
	__u16 timeout_udp;   /* in place of timeout[LB_FLOW_ESTABLISHED] for UDP */
	__be16 gue_port;     /* modes gue: UDP destination port */
	__u8 quic_id_length; /* UDP is QUIC whose connection IDs hold so many bytes of server ID */
	/* enum lb_flow_state of an entry that a flow gets after it began: LB_FLOW_INHERITED where
	 * flows may be without one, for it may be long in sending another packet; else
	 * LB_FLOW_EMBRYONIC, for it may be nobody's. */
	__u8 begun_state;
	__u8 pad[2];
	/* LB_SERVICE_CHANCE: blocks of the map slots whose owners are those that the configuration
	 * had before, on every balancer alike, the newest first; 0: none. For a moment a block may
	 * be another service's. */
	__u32 earlier[LB_EARLIER];
	__u8 pad_line[28];
	/* Lists of the map sources; 0: none. */
	__u32 source_allow;
	__u32 source_deny;
	/* What one of each costs of a budget; 0: as many as come. See LB_BUDGET_SHIFT. */
	__u64 flow_cost;          /* a new flow, of the service's */
	__u64 source_flow_cost;   /* a new flow, of its source's */
	__u64 source_packet_cost; /* a packet, of its source's */
	__u64 entry_cost;         /* an entry of a new UDP flow, of the service's */
	/* LB_SERVICE_COOKIES: a SYN, of what the service takes before it answers SYNs by cookies;
	 * 0: it always does. */
	__u64 syn_cost;
	/* Sources that share a budget begin alike: so many bits of struct lb_addr, by family. */
	__u8 source_bits_ipv4;
	__u8 source_bits_ipv6;
	__u8 pad_limits[14];
};

/*
 * Prefixes of sources, for BPF_MAP_TYPE_LPM_TRIE: the list must be equal, of the address the first
 * bits. An IPv4 prefix of n bits has 96 + n of the mapped address. The value is prefix_length. A
 * list is filled before a service or the switch names it, and emptied after nobody does.
 */
#define LB_SOURCE_BASE 32 /* bits before addr */
struct lb_source_key {
	__u32 prefix_length; /* LB_SOURCE_BASE + bits of addr */
	__u32 list;          /* not 0 */
	struct lb_addr addr;
};

/*
 * A budget is one word: the time, in jiffies times 2^LB_BUDGET_SHIFT, by which all that it has
 * granted is worked off (GCRA; ITU-T I.371). So `rate` a second cost HZ * 2^LB_BUDGET_SHIFT / rate
 * each. A grant may be ahead of now by one coarse tick: that is how much comes at once.
 */
#define LB_BUDGET_SHIFT 24

/* A service's budgets. */
struct lb_service_budget {
	__u64 flows;
	__u64 entries;
};

/* Budgets of sources: LB_BUDGET_ROWS times LB_BUDGET_ROW words; see bpf/budget.h. */
#define LB_BUDGET_ROWS 4
#define LB_BUDGET_ROW  (1U << 18)

/* Keys of SYN cookies (bpf/cookie.h). Those that are not all zero are good; the newest makes new
 * ones. The agent writes a key where none was, and only then says that it is the newest. */
#define LB_COOKIE_KEYS 2
struct lb_cookie_key {
	__u64 word[2];
};
struct lb_cookie_keys {
	struct lb_cookie_key key[LB_COOKIE_KEYS];
	__u32 newest; /* index */
	__u32 pad;
};

/* Whether a service answers SYNs by cookies for now. */
#define LB_COOKIE_TICKS 8 /* coarse ticks for which it goes on after a tick with too many SYNs */
struct lb_cookie_state {
	__u64 budget; /* of SYNs; see LB_BUDGET_SHIFT */
	__u32 until;  /* coarse tick */
	__u32 pad;
};

/* Most bytes of a server ID; QUIC-LB, draft-ietf-quic-load-balancers, 5.1. */
#define LB_QUIC_ID_MAX 15

/* Which backend a QUIC server ID means. */
struct lb_quic_key {
	__u16 service;
	__u8 length;
	__u8 id[LB_QUIC_ID_MAX]; /* zeros behind length */
};

enum lb_backend_flags {
	LB_BACKEND_UP = 1 << 0,       /* packets may go there */
	LB_BACKEND_RESOLVED = 1 << 1, /* hop holds the next hop's link-layer address */
	LB_BACKEND_LOCAL = 1 << 2, /* the balancer itself: the host gets its packets as they came */
};

/* The word of struct lb_hop that begins with dst_mac; BPF here is little-endian. */
#define LB_HOP_FLAGS_SHIFT 48
#define LB_HOP_MAC_MASK    0xffffffffffffULL

/*
 * The link-layer way to a backend. dst_mac and flags are one aligned 64-bit store, so that no
 * packet sees half an address. Whoever changes the rest clears LB_BACKEND_RESOLVED first.
 */
struct lb_hop {
	__u8 dst_mac[6];
	__u16 flags; /* enum lb_backend_flags */
	__u8 src_mac[6];
	__u16 mtu;     /* longest IP packet this way; 0: as long as any that comes in */
	__u32 ifindex; /* egress interface, a bond itself if it is one; a key of the map egress */
	__u32 vlan;    /* VLAN tags that packets this way carry; see LB_VLAN_ID_MASK */
};

/*
 * VLAN tags in one word: the ID of the tag next to the IP header, that of the outer tag if there
 * are two, how many there are, and whether the outer one's type is 802.1ad (else 802.1Q).
 */
#define LB_VLAN_ID_MASK     0xfffU
#define LB_VLAN_OUTER_SHIFT 12
#define LB_VLAN_COUNT_SHIFT 24
#define LB_VLAN_SERVICE_TAG (1U << 26)
#define LB_VLAN_TAGS_MASK   0x7ffffffU /* all of these */

/* One backend of one service; index 0 is none. One cache line. */
struct lb_backend {
	struct lb_hop hop;
	__be16 port;   /* mode nat: destination port; 0 keeps the client's */
	__u16 service; /* index into services */
	__u16 weight;  /* least-conn: only their ratio counts; the agent writes tenths */
	__u8 is_ipv6;  /* what addr is; tunnels may differ from the client's family */
	/* Tunnels: how many low bits of the outer source follow the flow's hash, 0 to 32: of
	 * local_addr in ipip, any but 0 the source port in gue. */
	__u8 spread_bits;
	struct lb_addr addr;
	/* The balancer's own address towards this backend: NAT's source, a tunnel's outer one. */
	struct lb_addr local_addr;
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
 * fingerprint is the upper half of the flow's keyed hash, the lower half picks the bucket; if that
 * is full, the one beside it may have the entry (index ^ 1). The upper LB_FLOW_WAY_BITS of the
 * fingerprint say which way is taken first. time counts ticks while embryonic and coarse ticks
 * otherwise, modulo 2^14. An empty word is all zero; no other is, for no backend is 0. Words change
 * by compare-and-swap only.
 */
#define LB_FLOW_WAYS              8
#define LB_FLOW_WAY_BITS          3
#define LB_FLOW_FINGERPRINT_SHIFT 32
#define LB_FLOW_BACKEND_SHIFT     16
#define LB_FLOW_BACKEND_MASK      0xffffULL
#define LB_FLOW_STATE_SHIFT       14
#define LB_FLOW_STATE_MASK        0x3ULL
#define LB_FLOW_TIME_MASK         0x3fffULL
#define LB_FLOW_NOTE_MASK         0xffffULL /* state and time */
/* Who read its clock a moment later may have stamped a word: an age of -1 to -8 means 0. */
#define LB_FLOW_TICKS_AHEAD       8
struct lb_flow_bucket {
	union {
		__u64 word[LB_FLOW_WAYS];
		__u32 half[2 * LB_FLOW_WAYS]; /* each's lower, then its upper: little-endian */
	};
};

/*
 * Clocks are the kernel's jiffies shifted right by constants chosen at load from its HZ: a tick
 * is near 4 ms (1 jiffy at HZ 250), a coarse tick near 1 s.
 */

enum lb_nat_state {
	LB_NAT_FREE = 0,
	LB_NAT_CLAIMED = 1, /* being written by the CPU that took it over */
	LB_NAT_LIVE = 2,
	LB_NAT_CLOSED = 3, /* FIN from both sides, or RST from one */
};
#define LB_NAT_FIN_CLIENT  (1 << 2)
#define LB_NAT_FIN_BACKEND (1 << 3)
#define LB_NAT_ANSWERED    (1 << 4) /* the backend has sent something back */
/* A connection whose handshake with the client the balancer has made, by a SYN cookie: */
#define LB_NAT_OPENING     (1 << 5) /* the backend has yet to answer our SYN */
#define LB_NAT_SEQADJ      (1 << 6) /* it has: numbers are translated */

/* life is, from the top, time:32 in ticks, generation:16, window scale:8, bits and state:8.
 * It changes by compare-and-swap; the rest is valid while its generation stands still and its
 * state is LIVE or CLOSED. The window scale is the backend's, if LB_NAT_SEQADJ is set. */
#define LB_NAT_TIME_SHIFT       32
#define LB_NAT_GENERATION_SHIFT 16
#define LB_NAT_WSCALE_SHIFT     8
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
	__u32 vlan;         /* with which VLAN tags */
	/* LB_NAT_OPENING: the client's first sequence number. */
	__u32 isn;
	/* LB_NAT_OPENING: our own first sequence number, and above it the timestamp that the client
	 * last saw, 0 if it has none. LB_NAT_SEQADJ: how much higher than what the backend sends
	 * is what the client sees of either. One aligned word, which changes at once. */
	__u64 seqadj;
};
#define LB_NAT_STAMP_SHIFT 32

/*
 * Health probes on the clients' way (bpf/probe.bpf.c). The socket of a probe speaks to the
 * backend's own address; its packets' mark is LB_PROBE_MARK, then 8 bits that tell agents on one
 * machine apart, then the backend's index. In between, this is what they become.
 */
#define LB_PROBE_MARK       0x5b000000U
#define LB_PROBE_MARK_SHIFT 16 /* the agent's bits */
struct lb_probe_path {
	struct lb_addr vip; /* all zero: none of this backend's probes goes this way */
	struct lb_addr
		own; /* the balancer's address of the VIP's family, if the backend's differs */
	__be16 port; /* of the VIP, and the same that the socket speaks to; not for ICMP */
	__u8 pad[2];
	__u32 sent; /* packets that went this way, modulo 2^32; the data plane counts */
};

/* Whom the reply to a probe is to come from and go to, as its socket knows them. The key is what
 * it looks like when it comes: from the VIP. The ports of ICMP: 0 and the identifier. */
struct lb_probe_flow {
	struct lb_addr backend;
	struct lb_addr own;
	__u64 sent_ns; /* when the probe's last packet left, CLOCK_MONOTONIC */
};
#define LB_PROBE_FLOW_NS 120000000000ULL /* after that, no reply is expected any more */

/* What tells one fragmented packet from the others (RFC 791, 3.2; RFC 8200, 4.5). */
struct lb_fragment_key {
	struct lb_addr src;
	struct lb_addr dst;
	__u32 id;      /* as in the header, IPv4's 16 bits widened */
	__u8 l4_proto; /* what the IPv4 header names; 0 for IPv6 */
	__u8 pad[3];
};

/* What its first fragment tells about the others, which have no ports. */
struct lb_fragment {
	__u32 coarse_tick; /* when the first was seen */
	__be16 src_port;
	__be16 dst_port;
	__u16 backend; /* 0: a reply in mode nat */
	__u8 l4_proto; /* behind the extension headers */
	__u8 pad;
};

/* ICMP errors sent in one coarse tick. */
struct lb_icmp_budget {
	__u32 coarse_tick;
	__u32 sent;
};

/*
 * Captured packets. While lb_switches.capture is on, what the filter wants goes into the map
 * capture_ring. The agent moves the deadline on while somebody reads; once it has passed, the data
 * plane throws the switch itself.
 */
#define LB_CAPTURE_SNAP_MAX 2048 /* bytes of a packet; a multiple of 8 */
struct lb_capture_filter {
	__u64 deadline;             /* jiffies */
	struct lb_addr client;      /* the client's address, where client_mask has bits */
	struct lb_addr client_mask; /* all zero: anybody's, also what is no IP */
	__u32 verdicts;             /* 1 << enum lb_verdict, or'ed */
	__u32 run;                  /* which capture it is */
	__u32 sample;               /* one packet in so many, at random */
	__u32 snaplen;              /* bytes, 1 to LB_CAPTURE_SNAP_MAX */
	__u32 per_tick;             /* packets that one CPU may capture in one tick */
	__u16 service;              /* indices; 0: any */
	__u16 vip;
	__u16 backend;
	__u16 pad[3];
};

enum lb_capture_direction { LB_CAPTURE_IN = 0, LB_CAPTURE_OUT = 1 };

/* What is told about a packet. Indices are 0 where it did not come so far. */
struct lb_capture_head {
	__u64 time_ns;  /* CLOCK_MONOTONIC */
	__u64 id;       /* of the packet, as it came in and as it leaves; the low 8 bits: its CPU */
	__u32 run;      /* as in the filter */
	__u32 length;   /* of the frame */
	__u32 captured; /* bytes of it that follow */
	__u32 ifindex;  /* by which it came in, or leaves */
	__u16 vip;
	__u16 service;
	__u16 backend;
	__u8 verdict;   /* enum lb_verdict */
	__u8 direction; /* enum lb_capture_direction */
};

/* In the ring it ends with the last captured byte. */
struct lb_capture_record {
	struct lb_capture_head head;
	__u8 data[LB_CAPTURE_SNAP_MAX];
};

/* Packets that the filter wanted. */
struct lb_capture_stats {
	__u64 packets;   /* captured; those that leave again have two records */
	__u64 lost_rate; /* not: per_tick was used up */
	__u64 lost_ring; /* not, or only as they came in: the ring was full */
};

/* The last packet of each drop reason on each CPU, one a coarse tick at most. Who reads it twice,
 * both times the same and not being written, has a whole one. */
#define LB_DROP_SAMPLE 128 /* bytes; a multiple of 8 */
struct lb_drop_sample {
	struct lb_capture_head head; /* time_ns 0: there was none */
	__u32 coarse_tick;
	__u32 writing;
	__u8 data[LB_DROP_SAMPLE];
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

/*
 * How long something took, so and so often. Bounds of the buckets in microseconds, each inclusive;
 * above the last is one more. Words change by addition, an atomic one where CPUs share them.
 */
#define LB_LATENCY_BOUNDS(X)                                                                       \
	X(50)                                                                                      \
	X(100)                                                                                     \
	X(250)                                                                                     \
	X(500)                                                                                     \
	X(1000)                                                                                    \
	X(2500)                                                                                    \
	X(5000)                                                                                    \
	X(10000)                                                                                   \
	X(25000)                                                                                   \
	X(50000)                                                                                   \
	X(100000)                                                                                  \
	X(250000)                                                                                  \
	X(500000)                                                                                  \
	X(1000000)                                                                                 \
	X(2500000)                                                                                 \
	X(5000000)                                                                                 \
	X(10000000)
#define LB_LATENCY_BUCKETS 18
struct lb_latency {
	__u64 sum_ns;
	__u64 buckets[LB_LATENCY_BUCKETS]; /* not cumulative */
};

/*
 * SYNs that wait for the client's next packet, one word each: where the flow's hash says, whoever
 * was there before gives way. A word is, from the top,
 *
 *   fingerprint:16  backend:16  time:32
 *
 * time counts 2^LB_SYN_TIME_SHIFT ns, modulo 2^32. A word of zero is free.
 */
#define LB_SYN_TIMES         16384
#define LB_SYN_TIME_SHIFT    12
#define LB_SYN_BACKEND_SHIFT 32

/* What programs took that are no longer attached, while the kernel's statistics were on. */
struct lb_program_past {
	__u64 run_ns;
	__u64 runs;
};

_Static_assert(sizeof(struct lb_addr) == 16, "ABI");
_Static_assert(sizeof(struct lb_meta) == 32, "ABI");
_Static_assert(__builtin_offsetof(struct lb_meta, flow_layout) == 16, "ABI");
_Static_assert(sizeof(struct lb_switches) == 40, "ABI");
_Static_assert(sizeof(struct lb_vip_key) == 20, "ABI");
_Static_assert(__builtin_offsetof(struct lb_vip_key, addr) * 8 == LB_VIP_PREFIX_BASE, "ABI");
_Static_assert(sizeof(struct lb_vip_prefix_key) == 24, "ABI");
_Static_assert(sizeof(struct lb_vip) == 8, "ABI");
_Static_assert(sizeof(struct lb_vip_entry) == 32, "ABI");
_Static_assert(sizeof(struct lb_tables) == sizeof(__u64), "ABI");
_Static_assert(sizeof(struct lb_service) == 128, "ABI");
_Static_assert(__builtin_offsetof(struct lb_service, timeout) == 12, "ABI");
_Static_assert(__builtin_offsetof(struct lb_service, earlier) == 28, "ABI");
_Static_assert(__builtin_offsetof(struct lb_service, source_allow) == 64, "ABI");
_Static_assert(sizeof(struct lb_source_key) == 24, "ABI");
_Static_assert(sizeof(struct lb_service_budget) == 16, "ABI");
_Static_assert(__builtin_offsetof(struct lb_source_key, addr) == 4 + LB_SOURCE_BASE / 8, "ABI");
_Static_assert(sizeof(struct lb_quic_key) == 18, "ABI");
_Static_assert(sizeof(struct lb_cookie_keys) == 40, "ABI");
_Static_assert(sizeof(struct lb_cookie_state) == 16, "ABI");
_Static_assert(sizeof(struct lb_hop) == 24, "ABI");
_Static_assert(sizeof(struct lb_backend) == 64, "ABI");
_Static_assert(__builtin_offsetof(struct lb_backend, port) == 24, "ABI");
_Static_assert(__builtin_offsetof(struct lb_backend, addr) == 32, "ABI");
_Static_assert(sizeof(struct lb_slot_line) == 64, "ABI");
_Static_assert(sizeof(struct lb_flow_bucket) == 64, "ABI");
_Static_assert(sizeof(struct lb_tuple) == 40, "ABI");
_Static_assert(sizeof(struct lb_nat_entry) == 80, "ABI");
_Static_assert(__builtin_offsetof(struct lb_nat_entry, client_port) == 40, "ABI");
_Static_assert(__builtin_offsetof(struct lb_nat_entry, ifindex) == 60, "ABI");
_Static_assert(sizeof(struct lb_probe_path) == 40, "ABI");
_Static_assert(sizeof(struct lb_probe_flow) == 40, "ABI");
_Static_assert(sizeof(struct lb_fragment_key) == 40, "ABI");
_Static_assert(sizeof(struct lb_fragment) == 12, "ABI");
_Static_assert(sizeof(struct lb_icmp_budget) == 8, "ABI");
_Static_assert(sizeof(struct lb_capture_filter) == 72, "ABI");
_Static_assert(__builtin_offsetof(struct lb_capture_filter, verdicts) == 40, "ABI");
_Static_assert(sizeof(struct lb_capture_head) == 40, "ABI");
_Static_assert(sizeof(struct lb_capture_record) == 40 + LB_CAPTURE_SNAP_MAX, "ABI");
_Static_assert(sizeof(struct lb_capture_stats) == 24, "ABI");
_Static_assert(sizeof(struct lb_drop_sample) == 48 + LB_DROP_SAMPLE, "ABI");
_Static_assert(sizeof(struct lb_backend_stats) == 32, "ABI");
_Static_assert(sizeof(struct lb_flow_stats) == 32, "ABI");
#define X(us) +1
_Static_assert(LB_LATENCY_BOUNDS(X) + 1 == LB_LATENCY_BUCKETS, "ABI");
#undef X
_Static_assert(sizeof(struct lb_latency) == 152, "ABI");
_Static_assert(sizeof(struct lb_program_past) == 16, "ABI");

#endif
