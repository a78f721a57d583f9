/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_dataplane.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct fake_dataplane *fake_of(struct dataplane *dp)
{
	return (struct fake_dataplane *)dp; /* its first member */
}

/* --- VIPs --- */

/* Returns vip_count if there is none. */
static size_t vip_index(const struct fake_dataplane *fake, const struct lb_vip_key *key)
{
	size_t i;

	for (i = 0; i < fake->vip_count; i++) {
		if (memcmp(&fake->vips[i].key, key, sizeof(*key)) == 0)
			break;
	}
	return i;
}

const struct lb_vip *fake_dataplane_vip(const struct fake_dataplane *fake,
					const struct lb_vip_key *key)
{
	size_t i = vip_index(fake, key);

	return i < fake->vip_count ? &fake->vips[i].vip : NULL;
}

static int vip_put(struct dataplane *dp, const struct lb_vip_key *key, const struct lb_vip *vip,
		   struct error *err)
{
	struct fake_dataplane *fake = fake_of(dp);
	size_t i = vip_index(fake, key);

	if (fake->vip_put_error)
		return error_set(err, fake->vip_put_error, "VIP cannot be entered");
	if (i == dp->sizes.vips)
		return error_set(err, E2BIG, "no room for another VIP");
	if (fake->on_vip_put)
		fake->on_vip_put(dp, vip);
	fake->vips[i] = (struct fake_vip){*key, *vip};
	if (i == fake->vip_count)
		fake->vip_count++;
	return 0;
}

static int vip_remove(struct dataplane *dp, const struct lb_vip_key *key, struct error *err)
{
	struct fake_dataplane *fake = fake_of(dp);
	size_t i = vip_index(fake, key);

	if (fake->vip_remove_error)
		return error_set(err, fake->vip_remove_error, "VIP cannot be removed");
	if (i < fake->vip_count)
		fake->vips[i] = fake->vips[--fake->vip_count];
	memset(&fake->vips[fake->vip_count], 0xff, sizeof(*fake->vips));
	return 0;
}

/* Backwards: what a removal moves has been visited. A removed entry is overwritten, as whoever
 * reads on in it shall notice. */
static void vip_each(struct dataplane *dp,
		     void (*visit)(void *context, const struct lb_vip_key *key,
				   const struct lb_vip *vip),
		     void *context)
{
	struct fake_dataplane *fake = fake_of(dp);
	size_t i;

	for (i = fake->vip_count; i > 0; i--)
		visit(context, &fake->vips[i - 1].key, &fake->vips[i - 1].vip);
}

/* --- counters --- */

static void vip_stats(struct dataplane *dp, uint16_t vip_id, struct lb_traffic *ret_stats)
{
	*ret_stats = fake_of(dp)->vip_traffic[vip_id];
}

static void backend_stats(struct dataplane *dp, uint16_t id, struct lb_backend_stats *ret_stats)
{
	*ret_stats = fake_of(dp)->backend_counters[id];
}

static void verdict_stats(struct dataplane *dp, enum lb_verdict verdict,
			  struct lb_traffic *ret_stats)
{
	*ret_stats = fake_of(dp)->verdict_traffic[verdict];
}

static void flow_stats(struct dataplane *dp, struct lb_flow_stats *ret_stats)
{
	*ret_stats = fake_of(dp)->flow_counters;
}

static void vip_stats_reset(struct dataplane *dp, uint16_t vip_id)
{
	fake_of(dp)->vip_stats_resets++;
	fake_of(dp)->vip_stats_reset_last = vip_id;
}

static void backend_stats_reset(struct dataplane *dp, uint16_t id)
{
	(void)id;
	fake_of(dp)->backend_stats_resets++;
}

static uint32_t nat_flow_count(struct dataplane *dp)
{
	return fake_of(dp)->nat_flows;
}

static int egress_add(struct dataplane *dp, uint32_t ifindex, struct error *err)
{
	(void)dp;
	(void)ifindex;
	(void)err;
	return 0;
}

static uint64_t now(struct dataplane *dp)
{
	return fake_of(dp)->now;
}

/* --- making and freeing --- */

static const struct dataplane_ops fake_ops = {
	.vip_put = vip_put,
	.vip_remove = vip_remove,
	.vip_each = vip_each,
	.vip_stats = vip_stats,
	.backend_stats = backend_stats,
	.verdict_stats = verdict_stats,
	.flow_stats = flow_stats,
	.vip_stats_reset = vip_stats_reset,
	.backend_stats_reset = backend_stats_reset,
	.nat_flow_count = nat_flow_count,
	.egress_add = egress_add,
	.now = now,
};

struct fake_dataplane *fake_dataplane_new(const struct dataplane_sizes *sizes)
{
	struct fake_dataplane *fake = calloc(1, sizeof(*fake));
	struct dataplane *dp;

	if (!fake)
		return NULL;
	dp = &fake->dp;
	dp->ops = &fake_ops;
	dp->sizes = *sizes;
	dp->clock = dataplane_clock_for(250);
	dp->nat_port_low = 1024;
	dp->nat_port_high = 32767;
	dp->table_lines = dataplane_table_lines(sizes->table_size);
	dp->table_blocks = sizes->services + 2; /* the empty one, and a spare one */
	dp->services = calloc((size_t)sizes->services + 1, sizeof(*dp->services));
	dp->backends = calloc((size_t)sizes->backends + 1, sizeof(*dp->backends));
	dp->slots = calloc((size_t)dp->table_blocks * dp->table_lines, sizeof(*dp->slots));
	dp->flows = calloc(sizes->flows / LB_FLOW_WAYS, sizeof(*dp->flows));
	fake->vips = calloc(sizes->vips, sizeof(*fake->vips));
	fake->vip_traffic = calloc((size_t)sizes->vips + 1, sizeof(*fake->vip_traffic));
	fake->backend_counters =
		calloc((size_t)sizes->backends + 1, sizeof(*fake->backend_counters));
	if (!dp->services || !dp->backends || !dp->slots || !dp->flows || !fake->vips ||
	    !fake->vip_traffic || !fake->backend_counters) {
		fake_dataplane_free(fake);
		return NULL;
	}
	return fake;
}

void fake_dataplane_free(struct fake_dataplane *fake)
{
	if (!fake)
		return;
	free(fake->dp.services);
	free(fake->dp.backends);
	free(fake->dp.slots);
	free(fake->dp.flows);
	free(fake->vips);
	free(fake->vip_traffic);
	free(fake->backend_counters);
	free(fake);
}
