/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_dataplane.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "native/native.h"
#include "vip_table.h"

static struct fake_dataplane *fake_of(struct dataplane *dp)
{
	return (struct fake_dataplane *)dp; /* its first member */
}

/* --- VIPs --- */

/* Returns vip_count if there is none. */
static size_t vip_index(const struct fake_dataplane *fake, const struct lb_vip_prefix_key *key)
{
	size_t i;

	for (i = 0; i < fake->vip_count; i++) {
		if (memcmp(&fake->vips[i].key, key, sizeof(*key)) == 0)
			break;
	}
	return i;
}

const struct lb_vip *fake_dataplane_prefix(const struct fake_dataplane *fake,
					   const struct lb_vip_prefix_key *key)
{
	size_t i = vip_index(fake, key);

	return i < fake->vip_count ? &fake->vips[i].vip : NULL;
}

const struct lb_vip *fake_dataplane_vip(const struct fake_dataplane *fake,
					const struct lb_vip_key *key)
{
	struct lb_vip_prefix_key whole = {.prefix_length = DATAPLANE_VIP_BITS, .vip = *key};

	return fake_dataplane_prefix(fake, &whole);
}

size_t fake_dataplane_vips(const struct fake_dataplane *fake, enum lb_vip_kind kind)
{
	size_t i, count = 0;

	for (i = 0; i < fake->vip_count; i++)
		count += fake->vips[i].vip.kind == kind;
	return count;
}

size_t fake_dataplane_vips_but_echo(const struct fake_dataplane *fake)
{
	return fake->vip_count - fake_dataplane_vips(fake, LB_VIP_ECHO);
}

static int vip_put(struct dataplane *dp, const struct lb_vip_prefix_key *key,
		   const struct lb_vip *vip, struct error *err)
{
	struct fake_dataplane *fake = fake_of(dp);
	size_t i = vip_index(fake, key);

	if (fake->vip_put_error)
		return error_set(err, fake->vip_put_error, "VIP cannot be entered");
	if (i == fake->vip_count && vip->kind != LB_VIP_ECHO &&
	    fake_dataplane_vips_but_echo(fake) == dp->sizes.vips)
		return error_set(err, E2BIG, "no room for another VIP");
	/* Packets must find what is there. */
	if (key->prefix_length < DATAPLANE_VIP_BITS && !fake->switches.vip_prefixes)
		return error_set(err, EINVAL, "prefixes are switched off");
	if (fake->on_vip_put)
		fake->on_vip_put(dp, vip);
	if (key->prefix_length == DATAPLANE_VIP_BITS &&
	    vip_table_put(fake->vip_table, &key->vip, vip))
		return error_set(err, ENOSPC, "no slot for another VIP");
	fake->vips[i] = (struct fake_vip){*key, *vip};
	if (i == fake->vip_count)
		fake->vip_count++;
	return 0;
}

static int vip_remove(struct dataplane *dp, const struct lb_vip_prefix_key *key, struct error *err)
{
	struct fake_dataplane *fake = fake_of(dp);
	size_t i = vip_index(fake, key);

	if (fake->vip_remove_error)
		return error_set(err, fake->vip_remove_error, "VIP cannot be removed");
	if (key->prefix_length == DATAPLANE_VIP_BITS)
		vip_table_remove(fake->vip_table, &key->vip);
	if (i < fake->vip_count)
		fake->vips[i] = fake->vips[--fake->vip_count];
	memset(&fake->vips[fake->vip_count], 0xff, sizeof(*fake->vips));
	return 0;
}

/* Backwards: what a removal moves has been visited. A removed entry is overwritten, as whoever
 * reads on in it shall notice. */
static void vip_each(struct dataplane *dp,
		     void (*visit)(void *context, const struct lb_vip_prefix_key *key,
				   const struct lb_vip *vip),
		     void *context)
{
	struct fake_dataplane *fake = fake_of(dp);
	size_t i;

	for (i = fake->vip_count; i > 0; i--)
		visit(context, &fake->vips[i - 1].key, &fake->vips[i - 1].vip);
}

/* --- QUIC server IDs --- */

/* Returns quic_count if there is none. */
static size_t quic_index(const struct fake_dataplane *fake, const struct lb_quic_key *key)
{
	size_t i;

	for (i = 0; i < fake->quic_count; i++) {
		if (memcmp(&fake->quic[i].key, key, sizeof(*key)) == 0)
			break;
	}
	return i;
}

uint16_t fake_dataplane_quic(const struct fake_dataplane *fake, const struct lb_quic_key *key)
{
	size_t i = quic_index(fake, key);

	return i < fake->quic_count ? fake->quic[i].backend_id : 0;
}

static int quic_put(struct dataplane *dp, const struct lb_quic_key *key, uint16_t backend_id,
		    struct error *err)
{
	struct fake_dataplane *fake = fake_of(dp);
	size_t i = quic_index(fake, key);

	if (i == dp->sizes.backends)
		return error_set(err, E2BIG, "no room for another server ID");
	fake->quic[i] = (struct fake_quic){*key, backend_id};
	if (i == fake->quic_count)
		fake->quic_count++;
	return 0;
}

static int quic_remove(struct dataplane *dp, const struct lb_quic_key *key, struct error *err)
{
	struct fake_dataplane *fake = fake_of(dp);
	size_t i = quic_index(fake, key);

	(void)err;
	if (i < fake->quic_count)
		fake->quic[i] = fake->quic[--fake->quic_count];
	return 0;
}

static void quic_each(struct dataplane *dp,
		      void (*visit)(void *context, const struct lb_quic_key *key,
				    uint16_t backend_id),
		      void *context)
{
	struct fake_dataplane *fake = fake_of(dp);
	struct fake_quic shown;
	size_t i;

	for (i = fake->quic_count; i > 0; i--) {
		shown = fake->quic[i - 1];
		visit(context, &shown.key, shown.backend_id);
	}
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

static void backend_stats_range(struct dataplane *dp, uint32_t first, uint32_t count,
				struct lb_backend_stats *ret_stats)
{
	memcpy(ret_stats, &fake_of(dp)->backend_counters[first], count * sizeof(*ret_stats));
}

static void verdict_stats(struct dataplane *dp, enum lb_verdict verdict,
			  struct lb_traffic *ret_stats)
{
	*ret_stats = fake_of(dp)->verdict_traffic[verdict];
}

static int sources_put(struct dataplane *dp, const struct lb_source_key *keys, uint32_t count,
		       struct error *err)
{
	struct fake_dataplane *fake = fake_of(dp);
	uint32_t i;

	if (fake->sources_put_error)
		return error_set(err, fake->sources_put_error, "map sources: %s",
				 strerror(fake->sources_put_error));
	for (i = 0; i < count && fake->source_count < FAKE_SOURCES; i++)
		fake->sources[fake->source_count++] = keys[i];
	return 0;
}

static bool sources_sweep(struct dataplane *dp, struct lb_source_key *position, uint32_t room,
			  bool (*keeps)(void *context, uint32_t list), void *context)
{
	struct fake_dataplane *fake = fake_of(dp);
	size_t i, kept = 0;

	(void)position;
	(void)room;
	for (i = 0; i < fake->source_count; i++) {
		if (keeps(context, fake->sources[i].list))
			fake->sources[kept++] = fake->sources[i];
	}
	fake->source_count = kept;
	return true;
}

static void service_drops(struct dataplane *dp, uint16_t service_id,
			  struct lb_service_drops *ret_drops)
{
	(void)service_id;
	*ret_drops = fake_of(dp)->service_drops;
}

static void service_drops_reset(struct dataplane *dp, uint16_t service_id)
{
	fake_of(dp)->service_drops_reset_last = service_id;
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

static void program_runs(struct dataplane *dp, struct dataplane_runs *ret_runs)
{
	*ret_runs = fake_of(dp)->runs;
}

static void backend_stats_reset(struct dataplane *dp, uint16_t id)
{
	memset(&dp->handshakes[id], 0, sizeof(dp->handshakes[id]));
	fake_of(dp)->backend_stats_resets++;
}

/* Two a hash bucket. */
static uint32_t nat_flows_read(struct dataplane *dp, uint32_t *position, struct lb_tuple *replies,
			       struct lb_nat_entry *entries, uint32_t room, bool *ret_end)
{
	const struct fake_dataplane *fake = fake_of(dp);
	uint32_t at = *position * 2, count = 0;

	while (at < fake->nat_count && count + 2 <= room) {
		replies[count] = fake->nat[at].key;
		entries[count++] = fake->nat[at++].entry;
	}
	*position = (at + 1) / 2;
	*ret_end = at >= fake->nat_count;
	return count;
}

/* --- interfaces --- */

/* Returns count if there is none. */
static size_t pair_index(const struct fake_pair *pairs, size_t count, uint32_t key)
{
	size_t i;

	for (i = 0; i < count && pairs[i].key != key; i++)
		;
	return i;
}

static uint32_t pair_get(const struct fake_pair *pairs, size_t count, uint32_t key)
{
	size_t i = pair_index(pairs, count, key);

	return i < count ? pairs[i].value : 0;
}

static int pair_put(struct fake_pair *pairs, size_t *count, uint32_t key, uint32_t value,
		    struct error *err)
{
	size_t i = pair_index(pairs, *count, key);

	if (i == FAKE_PORTS)
		return error_set(err, E2BIG, "no room for another interface");
	pairs[i] = (struct fake_pair){key, value};
	if (i == *count)
		(*count)++;
	return 0;
}

static void pair_remove(struct fake_pair *pairs, size_t *count, uint32_t key)
{
	size_t i = pair_index(pairs, *count, key);

	if (i < *count)
		pairs[i] = pairs[--*count];
}

static size_t attached_index(const struct fake_dataplane *fake, const char *interface)
{
	size_t i;

	for (i = 0; i < fake->attached_count && strcmp(fake->attached[i], interface) != 0; i++)
		;
	return i;
}

static int attach(struct dataplane *dp, const char *interface, struct error *err)
{
	struct fake_dataplane *fake = fake_of(dp);

	if (fake->attach_refused && strcmp(fake->attach_refused, interface) == 0)
		return error_set(err, EBUSY, "interface %s: busy", interface);
	if (fake->attached_count == FAKE_PORTS)
		return error_set(err, E2BIG, "no room for another interface");
	if (attached_index(fake, interface) < fake->attached_count)
		return error_set(err, EEXIST, "interface %s: attached twice", interface);
	strncpy(fake->attached[fake->attached_count++], interface, 15);
	return 0;
}

static void detach(struct dataplane *dp, const char *interface)
{
	struct fake_dataplane *fake = fake_of(dp);
	size_t i = attached_index(fake, interface);

	if (i < fake->attached_count)
		memcpy(fake->attached[i], fake->attached[--fake->attached_count], 16);
}

static bool holds(struct dataplane *dp, const char *interface, char *reason, size_t size)
{
	const struct fake_dataplane *fake = (const struct fake_dataplane *)dp;

	if (!fake->attach_lost || strcmp(fake->attach_lost, interface) != 0)
		return true;
	snprintf(reason, size, "taken off");
	return false;
}

static int egress_put(struct dataplane *dp, uint32_t ifindex, uint32_t by, struct error *err)
{
	struct fake_dataplane *fake = fake_of(dp);

	return pair_put(fake->egress, &fake->egress_count, ifindex, by, err);
}

static void egress_remove(struct dataplane *dp, uint32_t ifindex)
{
	struct fake_dataplane *fake = fake_of(dp);

	pair_remove(fake->egress, &fake->egress_count, ifindex);
}

static int bond_member_put(struct dataplane *dp, uint32_t ifindex, uint32_t bond, struct error *err)
{
	struct fake_dataplane *fake = fake_of(dp);

	return pair_put(fake->bond_members, &fake->bond_member_count, ifindex, bond, err);
}

static void bond_member_remove(struct dataplane *dp, uint32_t ifindex)
{
	struct fake_dataplane *fake = fake_of(dp);

	pair_remove(fake->bond_members, &fake->bond_member_count, ifindex);
}

static void bond_member_each(struct dataplane *dp,
			     void (*visit)(void *context, uint32_t ifindex, uint32_t bond),
			     void *context)
{
	struct fake_dataplane *fake = fake_of(dp);
	struct fake_pair shown;
	size_t i;

	for (i = fake->bond_member_count; i > 0; i--) {
		shown = fake->bond_members[i - 1];
		visit(context, shown.key, shown.value);
	}
}

uint32_t fake_dataplane_egress(const struct fake_dataplane *fake, uint32_t ifindex)
{
	return pair_get(fake->egress, fake->egress_count, ifindex);
}

uint32_t fake_dataplane_bond(const struct fake_dataplane *fake, uint32_t member)
{
	return pair_get(fake->bond_members, fake->bond_member_count, member);
}

bool fake_dataplane_attached(const struct fake_dataplane *fake, const char *interface)
{
	return attached_index(fake, interface) < fake->attached_count;
}

static uint64_t now(struct dataplane *dp)
{
	return fake_of(dp)->now;
}

/* --- what explaining asks for --- */

/* Keys of the flow hash: any. */
static void constants(const struct dataplane *dp, struct native_constants *ret_constants)
{
	*ret_constants = (struct native_constants){
		.vip_slot_shift = vip_table_shift(dp->vip_slots),
		.flow_mask = dp->sizes.flows / LB_FLOW_WAYS - 1,
		.table_size = dp->sizes.table_size,
		.table_lines = dp->table_lines,
		.nat_port_low = dp->nat_port_low,
		.nat_port_count = (uint16_t)(dp->nat_port_high - dp->nat_port_low + 1),
		.tick_shift = dp->clock.tick_shift,
		.coarse_tick_shift = dp->clock.coarse_tick_shift,
		.icmp_per_second = 1000,
		.handshake_mask = 15,
		.cookies = true,
	};
	for (uint32_t i = 0; i < LB_HASH_KEYS; i++)
		ret_constants->hash_key[i] = 0x9e3779b1U * (i + 1);
}

static bool prefix_holds(const struct lb_vip_prefix_key *prefix,
			 const struct lb_vip_prefix_key *key)
{
	const uint8_t *a = (const uint8_t *)&prefix->vip, *b = (const uint8_t *)&key->vip;
	uint32_t bytes = prefix->prefix_length / 8, bits = prefix->prefix_length % 8;

	return memcmp(a, b, bytes) == 0 && (bits == 0 || (a[bytes] ^ b[bytes]) >> (8 - bits) == 0);
}

static const struct lb_vip *longest_prefix(const struct fake_dataplane *fake,
					   const struct lb_vip_prefix_key *key)
{
	const struct fake_vip *best = NULL;
	size_t i;

	for (i = 0; i < fake->vip_count; i++) {
		const struct fake_vip *vip = &fake->vips[i];

		if (vip->key.prefix_length < DATAPLANE_VIP_BITS && prefix_holds(&vip->key, key) &&
		    (!best || vip->key.prefix_length > best->key.prefix_length))
			best = vip;
	}
	return best ? &best->vip : NULL;
}

static const struct lb_nat_entry *nat_entry(const struct fake_dataplane *fake, const void *key)
{
	size_t i;

	for (i = 0; i < fake->nat_count; i++) {
		if (memcmp(&fake->nat[i].key, key, sizeof(fake->nat[i].key)) == 0)
			return &fake->nat[i].entry;
	}
	return NULL;
}

/* Copies a value of this size if it is there. */
static int found(const void *value, size_t size, void *ret_value)
{
	if (!value)
		return -ENOENT;
	memcpy(ret_value, value, size);
	return 0;
}

static int map_get(struct dataplane *dp, const char *map, const void *key, void *ret_value)
{
	struct fake_dataplane *fake = fake_of(dp);
	uint32_t index;

	memcpy(&index, key, sizeof(index));
	if (strcmp(map, "vip_prefixes") == 0)
		return found(longest_prefix(fake, key), sizeof(struct lb_vip), ret_value);
	if (strcmp(map, "nat_flows") == 0)
		return found(nat_entry(fake, key), sizeof(struct lb_nat_entry), ret_value);
	if (strcmp(map, "egress") == 0)
		index = fake_dataplane_egress(fake, index);
	else if (strcmp(map, "bond_members") == 0)
		index = fake_dataplane_bond(fake, index);
	else
		return -ENOENT;
	return found(index ? &index : NULL, sizeof(index), ret_value);
}

static int route_get(struct dataplane *dp, struct bpf_fib_lookup *params)
{
	*params = fake_of(dp)->route;
	return fake_of(dp)->route_answer;
}

/* --- making and freeing --- */

static int probe_follow(struct dataplane *dp, const uint32_t *devices, size_t count,
			struct error *err)
{
	struct fake_dataplane *fake = fake_of(dp);

	fake->probe_follows++;
	if (fake->probe_refused)
		return error_set(err, EOPNOTSUPP, "%s", fake->probe_refused);
	fake->probe_device_count = count;
	memcpy(fake->probe_devices, devices, count * sizeof(*devices));
	return 0;
}

/* --- captures --- */

static int capture_renew(struct dataplane *dp, struct error *err)
{
	struct fake_dataplane *fake = fake_of(dp);

	if (fake->capture_refused)
		return error_set(err, EIO, "%s", fake->capture_refused);
	fake->capture_renewals++;
	fake->switches.capture = LB_CAPTURE_ON;
	return 0;
}

static int capture_start(struct dataplane *dp, const struct lb_capture_filter *filter, int *ret_fd,
			 struct error *err)
{
	struct fake_dataplane *fake = fake_of(dp);
	int ret = capture_renew(dp, err);

	if (ret)
		return ret;
	fake->capture_filter = *filter;
	*ret_fd = fake->capture_fd;
	return 0;
}

static void capture_stop(struct dataplane *dp)
{
	fake_of(dp)->switches.capture = 0;
}

static bool capture_read(struct dataplane *dp, dataplane_capture_take take, void *context)
{
	struct fake_dataplane *fake = fake_of(dp);
	bool more = true;

	while (more && fake->captured_count > 0) {
		fake->captured_count--;
		more = take(context, fake->captured++);
	}
	return more;
}

static void capture_stats(struct dataplane *dp, struct lb_capture_stats *ret_stats)
{
	*ret_stats = fake_of(dp)->capture_counters;
}

static bool drop_sample(struct dataplane *dp, enum lb_verdict verdict,
			struct lb_drop_sample *ret_sample)
{
	*ret_sample = fake_of(dp)->drop_samples[verdict];
	return ret_sample->head.time_ns;
}

static const struct dataplane_ops fake_ops = {
	.vip_put = vip_put,
	.vip_remove = vip_remove,
	.vip_each = vip_each,
	.vip_stats = vip_stats,
	.backend_stats = backend_stats,
	.backend_stats_range = backend_stats_range,
	.verdict_stats = verdict_stats,
	.sources_put = sources_put,
	.sources_sweep = sources_sweep,
	.service_drops = service_drops,
	.service_drops_reset = service_drops_reset,
	.flow_stats = flow_stats,
	.vip_stats_reset = vip_stats_reset,
	.backend_stats_reset = backend_stats_reset,
	.program_runs = program_runs,
	.nat_flows_read = nat_flows_read,
	.quic_put = quic_put,
	.quic_remove = quic_remove,
	.quic_each = quic_each,
	.attach = attach,
	.detach = detach,
	.holds = holds,
	.egress_put = egress_put,
	.egress_remove = egress_remove,
	.bond_member_put = bond_member_put,
	.bond_member_remove = bond_member_remove,
	.bond_member_each = bond_member_each,
	.now = now,
	.constants = constants,
	.map_get = map_get,
	.route_get = route_get,
	.probe_follow = probe_follow,
	.capture_start = capture_start,
	.capture_renew = capture_renew,
	.capture_stop = capture_stop,
	.capture_read = capture_read,
	.capture_stats = capture_stats,
	.drop_sample = drop_sample,
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
	dp->table_blocks = 2 * sizes->services + 3; /* the empty one, and a spare pair */
	dp->services = calloc((size_t)sizes->services + 1, sizeof(*dp->services));
	dp->backends = calloc((size_t)sizes->backends + 1, sizeof(*dp->backends));
	dp->slots = calloc((size_t)dp->table_blocks * dp->table_lines, sizeof(*dp->slots));
	dp->flows = calloc(sizes->flows / LB_FLOW_WAYS, sizeof(*dp->flows));
	dp->probe_mark = LB_PROBE_MARK;
	dp->loads = calloc((size_t)sizes->backends + 1, sizeof(*dp->loads));
	dp->probe_paths = calloc((size_t)sizes->backends + 1, sizeof(*dp->probe_paths));
	dp->handshakes = calloc((size_t)sizes->backends + 1, sizeof(*dp->handshakes));
	dp->cookie_keys = &fake->cookie_keys;
	dp->cookie_states = calloc((size_t)sizes->services + 1, sizeof(*dp->cookie_states));
	dp->switches = &fake->switches;
	dp->meta = &fake->meta;
	fake->switches.all_ones = ~0U;
	fake->vips = calloc(2 * (size_t)sizes->vips + 1, sizeof(*fake->vips));
	dp->vip_slots = vip_table_slots(2 * sizes->vips + 1);
	dp->vips = calloc(dp->vip_slots, sizeof(*dp->vips));
	dp->vip_groups = calloc(vip_table_groups(dp->vip_slots), sizeof(*dp->vip_groups));
	if (dp->vips && dp->vip_groups)
		fake->vip_table = vip_table_new(dp->vips, dp->vip_groups, dp->vip_slots);
	fake->quic = calloc(sizes->backends, sizeof(*fake->quic));
	fake->vip_traffic = calloc((size_t)sizes->vips + 1, sizeof(*fake->vip_traffic));
	fake->backend_counters =
		calloc((size_t)sizes->backends + 1, sizeof(*fake->backend_counters));
	if (!dp->services || !dp->backends || !dp->slots || !dp->flows || !dp->loads ||
	    !dp->probe_paths || !dp->handshakes || !dp->cookie_states || !fake->vips ||
	    !fake->vip_table || !fake->quic || !fake->vip_traffic || !fake->backend_counters) {
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
	free(fake->dp.loads);
	free(fake->dp.probe_paths);
	free(fake->dp.handshakes);
	free(fake->dp.cookie_states);
	free(fake->vips);
	vip_table_free(fake->vip_table);
	free(fake->dp.vips);
	free(fake->dp.vip_groups);
	free(fake->quic);
	free(fake->vip_traffic);
	free(fake->backend_counters);
	free(fake);
}
