/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FAKE_DATAPLANE_H
#define SLUICE_FAKE_DATAPLANE_H

/*
 * A data plane without a kernel: plain arrays, and a list for the VIPs. Tests read and set its
 * fields as they like.
 */
#include "dataplane.h"

struct fake_vip {
	struct lb_vip_key key;
	struct lb_vip vip;
};

struct fake_dataplane {
	struct dataplane dp;
	struct fake_vip *vips; /* room for dp.sizes.vips */
	size_t vip_count;
	int vip_put_error; /* errno that vip_put fails with; 0: it works */
	int vip_remove_error;
	unsigned int vip_stats_resets;
	uint16_t vip_stats_reset_last;
	unsigned int backend_stats_resets;
	uint64_t now;
	/* What is read as counters. */
	struct lb_traffic *vip_traffic;            /* [VIP index] */
	struct lb_backend_stats *backend_counters; /* [backend index] */
	struct lb_traffic verdict_traffic[LB_VERDICT_COUNT];
	struct lb_flow_stats flow_counters;
	uint32_t nat_flows;
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

#endif
