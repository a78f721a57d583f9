/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FAKE_DATAPLANE_H
#define SLUICE_FAKE_DATAPLANE_H

/*
 * A data plane without a kernel: plain arrays, and lists in place of other maps. Tests read and set
 * its fields as they like.
 */
#include <linux/bpf.h>

#include "dataplane.h"

struct fake_vip {
	struct lb_vip_prefix_key key;
	struct lb_vip vip;
};

struct fake_quic {
	struct lb_quic_key key;
	uint16_t backend_id;
};

/* Of the maps egress and bond_members. */
struct fake_pair {
	uint32_t key;
	uint32_t value;
};

/* Of the map nat_flows. */
struct fake_nat {
	struct lb_tuple key;
	struct lb_nat_entry entry;
};

#define FAKE_PORTS     8
#define FAKE_SOURCES   8192
#define FAKE_NAT_FLOWS 32

struct fake_dataplane {
	struct dataplane dp;
	struct vip_table *vip_table; /* of those that are no prefixes, as packets find them */
	struct fake_vip *vips;       /* room for dp.sizes.vips, echo entries not counted */
	size_t vip_count;            /* echo entries counted */
	struct fake_quic *quic;      /* room for dp.sizes.backends */
	size_t quic_count;
	struct lb_source_key sources[FAKE_SOURCES];
	size_t source_count;
	int sources_put_error;                 /* errno that sources_put fails with; 0: it works */
	struct lb_service_drops service_drops; /* of all services */
	uint16_t service_drops_reset_last;
	struct fake_pair egress[FAKE_PORTS];
	size_t egress_count;
	struct fake_pair bond_members[FAKE_PORTS];
	size_t bond_member_count;
	char attached[FAKE_PORTS][16];
	size_t attached_count;
	const char *attach_refused; /* name of an interface that cannot be attached */
	uint32_t probe_devices[FAKE_PORTS];
	size_t probe_device_count;
	unsigned int probe_follows;
	const char *probe_refused; /* why probe_follow fails; NULL: it works */
	const char *attach_lost;   /* name of one that does not hold any more */
	struct lb_switches switches;
	struct lb_meta meta;
	struct lb_cookie_keys cookie_keys;
	int vip_put_error; /* errno that vip_put fails with; 0: it works */
	int vip_remove_error;
	unsigned int vip_stats_resets;
	uint16_t vip_stats_reset_last;
	unsigned int backend_stats_resets;
	uint64_t now;
	struct fake_nat nat[FAKE_NAT_FLOWS];
	size_t nat_count;
	/* What the kernel says when it is asked for a route. */
	struct bpf_fib_lookup route;
	int route_answer;
	/* What is read as counters. */
	struct lb_traffic *vip_traffic;            /* [VIP index] */
	struct lb_backend_stats *backend_counters; /* [backend index] */
	struct lb_traffic verdict_traffic[LB_VERDICT_COUNT];
	struct lb_flow_stats flow_counters;
	struct dataplane_runs runs;
	struct lb_capture_stats capture_counters;
	/* What is captured. */
	struct lb_capture_filter capture_filter;
	struct lb_capture_record *captured; /* not owned; those that wait to be read */
	size_t captured_count;
	unsigned int capture_renewals;
	int capture_fd;              /* that capture_start gives */
	const char *capture_refused; /* why capture_start and _renew fail; NULL: they work */
	struct lb_drop_sample drop_samples[LB_VERDICT_COUNT]; /* time_ns 0: none */
	/* Called before a VIP is entered, if set. */
	void (*on_vip_put)(const struct dataplane *dp, const struct lb_vip *vip);
};

/*
 * As made anew by an agent on a kernel of HZ 250, but with one spare table block only, so that a
 * block reused too early is one in use. NULL: out of memory.
 */
struct fake_dataplane *fake_dataplane_new(const struct dataplane_sizes *sizes);
void fake_dataplane_free(struct fake_dataplane *fake);

/* NULL if there is none. Valid until the next change of VIPs. */
const struct lb_vip *fake_dataplane_vip(const struct fake_dataplane *fake,
					const struct lb_vip_key *key);
const struct lb_vip *fake_dataplane_prefix(const struct fake_dataplane *fake,
					   const struct lb_vip_prefix_key *key);

/* Entries of one kind, or of all but one: echo goes along with each VIP. */
size_t fake_dataplane_vips(const struct fake_dataplane *fake, enum lb_vip_kind kind);
size_t fake_dataplane_vips_but_echo(const struct fake_dataplane *fake);

/* 0 if there is none. */
uint16_t fake_dataplane_quic(const struct fake_dataplane *fake, const struct lb_quic_key *key);
uint32_t fake_dataplane_egress(const struct fake_dataplane *fake, uint32_t ifindex);
uint32_t fake_dataplane_bond(const struct fake_dataplane *fake, uint32_t member);
bool fake_dataplane_attached(const struct fake_dataplane *fake, const char *interface);

#endif
