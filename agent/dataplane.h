/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_DATAPLANE_H
#define SLUICE_DATAPLANE_H

/*
 * The data plane as the rest of the agent sees it: the arrays it shares with the BPF program, as
 * plain memory, and a few operations on what is not memory. dataplane_bpf.h is the real one, the
 * only one that knows libbpf; tests put a fake behind the same struct.
 *
 * Shared memory is read by packets at any moment. Who writes it keeps the rules that abi.h gives
 * with each struct. sync.c writes it, cookies.c keys, ports.c the switch for bonds, and flow_scan.c
 * clears flow words and puts loads right. backend_way.c writes probes' ways.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "error.h"
#include "verdicts.h"

/* How much there is room for; fixed when the maps are made. */
struct dataplane_sizes {
	uint32_t services;
	uint32_t backends;
	uint32_t vips;
	uint32_t flows; /* entries; a power of two, at least LB_FLOW_WAYS */
	uint32_t nat_flows;
	uint32_t fragments;  /* fragmented packets on their way */
	uint32_t table_size; /* slots of a Maglev table; a prime */
};

/* A VIP's place is its key with so many bits if it is one address, with fewer if it is a prefix. */
#define DATAPLANE_VIP_BITS (LB_VIP_PREFIX_BASE + 128)

/* Addresses that begin alike: one of them, its other bits zero, and how many bits those are. */
struct dataplane_prefix {
	struct lb_addr addr;
	uint8_t host_bits;
};

/* Prefixes that all lists of sources together have room for, a list that takes another's place
 * counted beside it. */
#define DATAPLANE_SOURCES       (4 << 20)
#define DATAPLANE_SOURCES_BATCH 1024

/* The longest idle times that the clock can tell at any HZ: of embryonic flows, of all others. */
#define DATAPLANE_EMBRYONIC_MAX_MS (30 * 1000ULL)
#define DATAPLANE_TIMEOUT_MAX_MS   (7200 * 1000ULL)

/* The clock of flow and NAT entries: jiffies and how to shift them; see abi.h. */
struct dataplane_clock {
	uint32_t hz;
	uint8_t tick_shift;
	uint8_t coarse_tick_shift;
};

/* Entries of nat_flows that may have to be read at once: those of one hash bucket. */
#define DATAPLANE_NAT_ROOM 256

/* What packets have cost, in all since the maps were made, as far as the kernel has counted it
 * (sysctl kernel.bpf_stats_enabled). */
struct dataplane_runs {
	uint64_t ns;
	uint64_t runs;
};

struct dataplane_ops;
struct native_constants; /* bpf/native/native.h */
struct bpf_fib_lookup;   /* linux/bpf.h */

struct dataplane {
	const struct dataplane_ops *ops;
	struct dataplane_sizes sizes;
	struct dataplane_clock clock;
	uint16_t nat_port_low; /* mode nat sends from these ports, inclusive */
	uint16_t nat_port_high;
	uint32_t probe_mark; /* of probes' sockets, to be or'ed with the backend's index */
	struct dataplane_prefix tunnel_sources[2]; /* outer ones, of IPv4 and of IPv6 */
	uint32_t mtu; /* of the attached interface with the longest; 0: none is attached */
	bool adopted; /* the maps were there already, with the flows of a former agent */

	/* Shared with the kernel. Index 0 of services and backends is none. */
	struct lb_vip_entry *vips; /* vip_slots; see vip_table.h, as of vip_groups */
	uint64_t *vip_groups;
	struct lb_service *services;  /* sizes.services + 1 */
	struct lb_backend *backends;  /* sizes.backends + 1 */
	struct lb_slot_line *slots;   /* table_blocks of table_lines each; block 0 stays empty */
	struct lb_flow_bucket *flows; /* sizes.flows / LB_FLOW_WAYS */
	int64_t *loads;               /* sizes.backends + 1; map backend_loads */
	struct lb_probe_path *probe_paths;     /* sizes.backends + 1 */
	struct lb_latency *handshakes;         /* sizes.backends + 1 */
	struct lb_cookie_keys *cookie_keys;    /* one */
	struct lb_cookie_state *cookie_states; /* sizes.services + 1; map service_cookies */
	struct lb_switches *switches;
	struct lb_meta *meta;
	uint32_t vip_slots;
	uint32_t table_lines;
	uint32_t table_blocks;
};

/* Takes a captured packet, which is valid until it returns. False: no more for now. */
typedef bool (*dataplane_capture_take)(void *context, const struct lb_capture_record *record);

struct dataplane_ops {
	/* VIPs and own addresses. put replaces; remove of what is not there is no error. The
	 * switch for prefixes is the caller's to throw. */
	int (*vip_put)(struct dataplane *dp, const struct lb_vip_prefix_key *key,
		       const struct lb_vip *vip, struct error *err);
	int (*vip_remove)(struct dataplane *dp, const struct lb_vip_prefix_key *key,
			  struct error *err);
	/* Calls visit for each VIP; visit may remove the one it is shown, whose key and vip are
	 * valid until then. */
	void (*vip_each)(struct dataplane *dp,
			 void (*visit)(void *context, const struct lb_vip_prefix_key *key,
				       const struct lb_vip *vip),
			 void *context);

	/* QUIC server IDs, likewise. */
	int (*quic_put)(struct dataplane *dp, const struct lb_quic_key *key, uint16_t backend_id,
			struct error *err);
	int (*quic_remove)(struct dataplane *dp, const struct lb_quic_key *key, struct error *err);
	void (*quic_each)(struct dataplane *dp,
			  void (*visit)(void *context, const struct lb_quic_key *key,
					uint16_t backend_id),
			  void *context);

	/* Lists of sources: adds prefixes, up to DATAPLANE_SOURCES_BATCH. */
	int (*sources_put)(struct dataplane *dp, const struct lb_source_key *keys, uint32_t count,
			   struct error *err);
	/* Looks at the next `room` prefixes from *position on (zero: from the first) and removes
	 * those of lists that are not to be kept. True: that were all. */
	bool (*sources_sweep)(struct dataplane *dp, struct lb_source_key *position, uint32_t room,
			      bool (*keeps)(void *context, uint32_t list), void *context);

	/* Counters, summed over CPUs. */
	void (*vip_stats)(struct dataplane *dp, uint16_t vip_id, struct lb_traffic *ret_stats);
	void (*backend_stats)(struct dataplane *dp, uint16_t id,
			      struct lb_backend_stats *ret_stats);
	/* Of `count` backends from index `first` (not 0) on, in few system calls. */
	void (*backend_stats_range)(struct dataplane *dp, uint32_t first, uint32_t count,
				    struct lb_backend_stats *ret_stats);
	void (*verdict_stats)(struct dataplane *dp, enum lb_verdict verdict,
			      struct lb_traffic *ret_stats);
	void (*service_drops)(struct dataplane *dp, uint16_t service_id,
			      struct lb_service_drops *ret_drops);
	void (*flow_stats)(struct dataplane *dp, struct lb_flow_stats *ret_stats);
	void (*program_runs)(struct dataplane *dp, struct dataplane_runs *ret_runs);
	/* Zeroes the counters of an index that is about to be used anew; a backend's handshakes as
	 * well. */
	void (*vip_stats_reset)(struct dataplane *dp, uint16_t vip_id);
	void (*backend_stats_reset)(struct dataplane *dp, uint16_t id);
	void (*service_drops_reset)(struct dataplane *dp, uint16_t service_id);

	/* The next entries in the map of translated flows, live or not yet given up, `room` at
	 * most, of which DATAPLANE_NAT_ROOM are always enough; *position is where to read on, 0 at
	 * the beginning. Entries that come and go meanwhile may be missed or be there twice.
	 * Returns how many; *ret_end: that were all. */
	uint32_t (*nat_flows_read)(struct dataplane *dp, uint32_t *position,
				   struct lb_tuple *replies, struct lb_nat_entry *entries,
				   uint32_t room, bool *ret_end);
	/* Puts the program into the packets' way on an interface, or takes it out. */
	int (*attach)(struct dataplane *dp, const char *interface, struct error *err);
	void (*detach)(struct dataplane *dp, const char *interface);
	/* Is it still there? Others can take it out, and interfaces go. False: reason says what
	 * is. */
	bool (*holds)(struct dataplane *dp, const char *interface, char *reason, size_t size);
	/* Packets whose way names `ifindex`, an interface or a bond, leave by interface `by`. */
	int (*egress_put)(struct dataplane *dp, uint32_t ifindex, uint32_t by, struct error *err);
	void (*egress_remove)(struct dataplane *dp, uint32_t ifindex);
	/* The bond that an interface is a member of. The switch for bonds is the caller's. */
	int (*bond_member_put)(struct dataplane *dp, uint32_t ifindex, uint32_t bond,
			       struct error *err);
	void (*bond_member_remove)(struct dataplane *dp, uint32_t ifindex);
	void (*bond_member_each)(struct dataplane *dp,
				 void (*visit)(void *context, uint32_t ifindex, uint32_t bond),
				 void *context);
	/*
	 * Lets probes take the clients' way (bpf/probe.bpf.c): the interfaces named by these
	 * numbers are those that probes leave by; replies may come in by all that are attached,
	 * too. Takes the filters off all others, those of a former agent as well; count 0: off all.
	 * Done again it puts right what was lost, and follows what was attached and detached
	 * meanwhile. After an error some may work, others not.
	 */
	int (*probe_follow)(struct dataplane *dp, const uint32_t *devices, size_t count,
			    struct error *err);
	/* The kernel's jiffies, which flow entries are stamped with. */
	uint64_t (*now)(struct dataplane *dp);

	/*
	 * Captures packets from now on (abi.h), in place of what was captured before, until stop,
	 * or a few seconds after the last start or renew. The ops fill in deadline, run and
	 * per_tick. *ret_fd is readable while there are packets to be read; not the caller's to
	 * close.
	 */
	int (*capture_start)(struct dataplane *dp, const struct lb_capture_filter *filter,
			     int *ret_fd, struct error *err);
	int (*capture_renew)(struct dataplane *dp, struct error *err);
	void (*capture_stop)(struct dataplane *dp);
	/* Hands over packets of the capture that was started last, until there are none or take
	 * wants no more. True: there are none. */
	bool (*capture_read)(struct dataplane *dp, dataplane_capture_take take, void *context);
	/* Of all captures, summed over CPUs. */
	void (*capture_stats)(struct dataplane *dp, struct lb_capture_stats *ret_stats);
	/* The last packet that a verdict dropped. False: there was none. */
	bool (*drop_sample)(struct dataplane *dp, enum lb_verdict verdict,
			    struct lb_drop_sample *ret_sample);

	/* For explaining what the program does: nothing here changes anything. */
	/* What it was loaded with. */
	void (*constants)(const struct dataplane *dp, struct native_constants *ret_constants);
	/* The value of a key in a map that is not memory and not per CPU; the map is called as in
	 * bpf/maps.h. -ENOENT: there is none. */
	int (*map_get)(struct dataplane *dp, const char *map, const void *key, void *ret_value);
	/* The kernel's bpf_fib_lookup(): BPF_FIB_LKUP_RET_*, or a negative errno. */
	int (*route_get)(struct dataplane *dp, struct bpf_fib_lookup *params);
};

/* Milliseconds to ticks (state LB_FLOW_EMBRYONIC) or coarse ticks, rounded up, at least 1. Exact
 * up to the longest idle times above. */
uint16_t dataplane_ticks(const struct dataplane_clock *clock, enum lb_flow_state state,
			 uint64_t ms);

/* The inverse. */
uint64_t dataplane_ms(const struct dataplane_clock *clock, enum lb_flow_state state,
		      uint64_t ticks);

/* The coarse tick of a moment in jiffies. */
static inline uint32_t dataplane_coarse(const struct dataplane_clock *clock, uint64_t now)
{
	return (uint32_t)(now >> clock->coarse_tick_shift);
}

/* The clock for a kernel of this HZ. */
struct dataplane_clock dataplane_clock_for(uint32_t hz);

/* Lines that a table of this many slots takes. */
uint32_t dataplane_table_lines(uint32_t table_size);

#endif
