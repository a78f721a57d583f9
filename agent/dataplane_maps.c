/* SPDX-License-Identifier: Apache-2.0 */

/* The data plane's operations on maps. */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "dataplane_bpf_internal.h"
#include "vip_table.h"

/* --- VIPs and QUIC server IDs --- */

static int map_error(const struct bpf_map *map, int code, struct error *err)
{
	return error_set(err, code, "map %s: %s", bpf_map__name(map), strerror(code));
}

static int map_put(const struct bpf_map *map, const void *key, const void *value, struct error *err)
{
	if (bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY) == 0)
		return 0;
	return map_error(map, errno, err);
}

static int map_remove(const struct bpf_map *map, const void *key, struct error *err)
{
	if (bpf_map_delete_elem(bpf_map__fd(map), key) == 0 || errno == ENOENT)
		return 0;
	return map_error(map, errno, err);
}

/* Calls visit for each entry; visit may remove the one it is shown. Keys are at most
 * MAP_KEY_MAX long, values MAP_VALUE_MAX. */
#define MAP_KEY_MAX   64
#define MAP_VALUE_MAX 16
static void map_each(const struct bpf_map *map,
		     void (*visit)(void *context, const void *key, const void *value),
		     void *context)
{
	_Alignas(8) char key[MAP_KEY_MAX], next[MAP_KEY_MAX], value[MAP_VALUE_MAX];
	int fd = bpf_map__fd(map);
	int more = bpf_map_get_next_key(fd, NULL, key) == 0;

	while (more) {
		/* the next key is asked for first: visit may remove this one */
		more = bpf_map_get_next_key(fd, key, next) == 0;
		if (bpf_map_lookup_elem(fd, key, value) == 0)
			visit(context, key, value);
		memcpy(key, next, sizeof(key));
	}
}

static bool vip_is_prefix(const struct lb_vip_prefix_key *key)
{
	return key->prefix_length < DATAPLANE_VIP_BITS;
}

static int vip_put(struct dataplane *dp, const struct lb_vip_prefix_key *key,
		   const struct lb_vip *vip, struct error *err)
{
	struct dataplane_bpf *bpf = bpf_of(dp);

	if (vip_is_prefix(key))
		return map_put(bpf->skel->maps.vip_prefixes, key, vip, err);
	if (vip_table_put(bpf->vips, &key->vip, vip))
		return error_set(err, ENOSPC, "map vips: there is no room for another VIP");
	return 0;
}

static int vip_remove(struct dataplane *dp, const struct lb_vip_prefix_key *key, struct error *err)
{
	struct dataplane_bpf *bpf = bpf_of(dp);

	if (vip_is_prefix(key))
		return map_remove(bpf->skel->maps.vip_prefixes, key, err);
	vip_table_remove(bpf->vips, &key->vip);
	return 0;
}

/* What a caller of vip_each() and its like wants to be shown, behind map_each(). */
struct visit {
	void (*vip)(void *context, const struct lb_vip_prefix_key *key, const struct lb_vip *vip);
	void (*quic)(void *context, const struct lb_quic_key *key, uint16_t backend_id);
	void (*bond_member)(void *context, uint32_t ifindex, uint32_t bond);
	void *context;
};

static void visit_vip(void *context, const struct lb_vip_key *key, const struct lb_vip *vip)
{
	const struct lb_vip_prefix_key whole = {.prefix_length = DATAPLANE_VIP_BITS, .vip = *key};
	const struct visit *visit = context;

	visit->vip(visit->context, &whole, vip);
}

static void visit_prefix(void *context, const void *key, const void *value)
{
	const struct visit *visit = context;

	visit->vip(visit->context, key, value);
}

static void vip_each(struct dataplane *dp,
		     void (*visit)(void *context, const struct lb_vip_prefix_key *key,
				   const struct lb_vip *vip),
		     void *context)
{
	struct visit shown = {.vip = visit, .context = context};

	vip_table_each(bpf_of(dp)->vips, visit_vip, &shown);
	map_each(bpf_of(dp)->skel->maps.vip_prefixes, visit_prefix, &shown);
}

static int quic_put(struct dataplane *dp, const struct lb_quic_key *key, uint16_t backend_id,
		    struct error *err)
{
	uint32_t value = backend_id;

	return map_put(bpf_of(dp)->skel->maps.quic_servers, key, &value, err);
}

static int quic_remove(struct dataplane *dp, const struct lb_quic_key *key, struct error *err)
{
	return map_remove(bpf_of(dp)->skel->maps.quic_servers, key, err);
}

static void visit_quic(void *context, const void *key, const void *value)
{
	const struct visit *visit = context;

	visit->quic(visit->context, key, (uint16_t) * (const uint32_t *)value);
}

static void quic_each(struct dataplane *dp,
		      void (*visit)(void *context, const struct lb_quic_key *key,
				    uint16_t backend_id),
		      void *context)
{
	struct visit shown = {.quic = visit, .context = context};

	map_each(bpf_of(dp)->skel->maps.quic_servers, visit_quic, &shown);
}

/* --- counters --- */

/* Reads one index of a per-CPU map into dp->percpu. False: no such index. */
static bool percpu_read(struct dataplane_bpf *dp, const struct bpf_map *map, uint32_t index)
{
	return bpf_map_lookup_elem(bpf_map__fd(map), &index, dp->percpu.raw) == 0;
}

static void traffic_sum(struct dataplane_bpf *dp, const struct bpf_map *map, uint32_t index,
			struct lb_traffic *ret_stats)
{
	struct lb_traffic sum = {0};
	int cpu;

	if (percpu_read(dp, map, index)) {
		for (cpu = 0; cpu < dp->cpus; cpu++) {
			sum.packets += dp->percpu.traffic[cpu].packets;
			sum.bytes += dp->percpu.traffic[cpu].bytes;
		}
	}
	*ret_stats = sum;
}

static void vip_stats(struct dataplane *dp, uint16_t vip_id, struct lb_traffic *ret_stats)
{
	traffic_sum(bpf_of(dp), bpf_of(dp)->skel->maps.vip_stats, vip_id, ret_stats);
}

static void verdict_stats(struct dataplane *dp, enum lb_verdict verdict,
			  struct lb_traffic *ret_stats)
{
	traffic_sum(bpf_of(dp), bpf_of(dp)->skel->maps.verdict_stats, verdict, ret_stats);
}

static struct lb_backend_stats backend_sum(const struct dataplane_bpf *dp,
					   const struct lb_backend_stats *of_cpu)
{
	struct lb_backend_stats sum = {0};
	int cpu;

	for (cpu = 0; cpu < dp->cpus; cpu++) {
		sum.traffic.packets += of_cpu[cpu].traffic.packets;
		sum.traffic.bytes += of_cpu[cpu].traffic.bytes;
		sum.new_flows += of_cpu[cpu].new_flows;
		sum.syn_retransmits += of_cpu[cpu].syn_retransmits;
	}
	return sum;
}

static void backend_stats(struct dataplane *dp, uint16_t id, struct lb_backend_stats *ret_stats)
{
	struct dataplane_bpf *bpf = bpf_of(dp);

	*ret_stats = (struct lb_backend_stats){0};
	if (percpu_read(bpf, bpf->skel->maps.backend_stats, id))
		*ret_stats = backend_sum(bpf, bpf->percpu.backend);
}

/* One batch, at most PERCPU_BATCH of them. Returns how many could be read. */
static uint32_t backend_stats_batch(struct dataplane_bpf *dp, uint32_t first, uint32_t count,
				    struct lb_backend_stats *ret_stats)
{
	uint32_t before = first - 1, last, keys[PERCPU_BATCH], i;

	/* A batch begins behind the key that it is given. It ends with ENOENT at the map's end. */
	if (bpf_map_lookup_batch(bpf_map__fd(dp->skel->maps.backend_stats), &before, &last, keys,
				 dp->percpu.raw, &count, NULL) &&
	    errno != ENOENT)
		return 0;
	for (i = 0; i < count; i++)
		ret_stats[i] = backend_sum(dp, &dp->percpu.backend[(size_t)i * (size_t)dp->cpus]);
	return count;
}

static void backend_stats_range(struct dataplane *dp, uint32_t first, uint32_t count,
				struct lb_backend_stats *ret_stats)
{
	uint32_t done = 0, size;

	memset(ret_stats, 0, count * sizeof(*ret_stats));
	for (; done < count; done += size) {
		size = count - done < PERCPU_BATCH ? count - done : PERCPU_BATCH;
		if (backend_stats_batch(bpf_of(dp), first + done, size, &ret_stats[done]) < size)
			return;
	}
}

static void flow_stats(struct dataplane *dp, struct lb_flow_stats *ret_stats)
{
	struct dataplane_bpf *bpf = bpf_of(dp);
	struct lb_flow_stats sum = {0};
	int cpu, state;

	if (percpu_read(bpf, bpf->skel->maps.flow_stats, 0)) {
		for (cpu = 0; cpu < bpf->cpus; cpu++) {
			for (state = 0; state < LB_FLOW_STATES; state++)
				sum.evictions[state] += bpf->percpu.flow[cpu].evictions[state];
		}
	}
	*ret_stats = sum;
}

static void service_drops(struct dataplane *dp, uint16_t service_id,
			  struct lb_service_drops *ret_drops)
{
	struct dataplane_bpf *bpf = bpf_of(dp);
	struct lb_service_drops sum = {0};
	int cpu, verdict;

	if (percpu_read(bpf, bpf->skel->maps.service_drops, service_id)) {
		for (cpu = 0; cpu < bpf->cpus; cpu++) {
			for (verdict = 0; verdict < LB_VERDICT_COUNT; verdict++)
				sum.packets[verdict] += bpf->percpu.drops[cpu].packets[verdict];
		}
	}
	*ret_drops = sum;
}

static void percpu_reset(struct dataplane_bpf *dp, const struct bpf_map *map, uint32_t index)
{
	memset(dp->percpu.raw, 0, bpf_map__value_size(map) * (size_t)dp->cpus);
	bpf_map_update_elem(bpf_map__fd(map), &index, dp->percpu.raw, BPF_ANY);
}

static void vip_stats_reset(struct dataplane *dp, uint16_t vip_id)
{
	percpu_reset(bpf_of(dp), bpf_of(dp)->skel->maps.vip_stats, vip_id);
}

static void backend_stats_reset(struct dataplane *dp, uint16_t id)
{
	percpu_reset(bpf_of(dp), bpf_of(dp)->skel->maps.backend_stats, id);
	memset(&dp->handshakes[id], 0, sizeof(dp->handshakes[id]));
}

static void service_drops_reset(struct dataplane *dp, uint16_t service_id)
{
	percpu_reset(bpf_of(dp), bpf_of(dp)->skel->maps.service_drops, service_id);
}

/* --- interfaces --- */

int bpf_egress_put(struct dataplane *dp, uint32_t ifindex, uint32_t by, struct error *err)
{
	int fd = bpf_map__fd(bpf_of(dp)->skel->maps.egress);

	if (bpf_map_update_elem(fd, &ifindex, &by, BPF_ANY) == 0)
		return 0;
	return error_set(err, errno, "interface %u: cannot be an egress: %s", by, strerror(errno));
}

void bpf_egress_remove(struct dataplane *dp, uint32_t ifindex)
{
	bpf_map_delete_elem(bpf_map__fd(bpf_of(dp)->skel->maps.egress), &ifindex);
}

static int bond_member_put(struct dataplane *dp, uint32_t ifindex, uint32_t bond, struct error *err)
{
	return map_put(bpf_of(dp)->skel->maps.bond_members, &ifindex, &bond, err);
}

static void bond_member_remove(struct dataplane *dp, uint32_t ifindex)
{
	bpf_map_delete_elem(bpf_map__fd(bpf_of(dp)->skel->maps.bond_members), &ifindex);
}

static void visit_bond_member(void *context, const void *key, const void *value)
{
	const struct visit *visit = context;

	visit->bond_member(visit->context, *(const uint32_t *)key, *(const uint32_t *)value);
}

static void bond_member_each(struct dataplane *dp,
			     void (*visit)(void *context, uint32_t ifindex, uint32_t bond),
			     void *context)
{
	struct visit shown = {.bond_member = visit, .context = context};

	map_each(bpf_of(dp)->skel->maps.bond_members, visit_bond_member, &shown);
}

static uint64_t now(struct dataplane *dp)
{
	uint64_t jiffies = 0;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = &jiffies, .ctx_size_in = sizeof(jiffies));

	bpf_prog_test_run_opts(bpf_program__fd(bpf_of(dp)->skel->progs.lb_clock), &opts);
	return jiffies;
}

const struct dataplane_ops bpf_ops = {
	.vip_put = vip_put,
	.vip_remove = vip_remove,
	.vip_each = vip_each,
	.vip_stats = vip_stats,
	.backend_stats = backend_stats,
	.backend_stats_range = backend_stats_range,
	.verdict_stats = verdict_stats,
	.service_drops = service_drops,
	.flow_stats = flow_stats,
	.program_runs = bpf_program_runs,
	.vip_stats_reset = vip_stats_reset,
	.backend_stats_reset = backend_stats_reset,
	.service_drops_reset = service_drops_reset,
	.nat_flows_read = bpf_nat_flows_read,
	.sources_put = bpf_sources_put,
	.sources_sweep = bpf_sources_sweep,
	.quic_put = quic_put,
	.quic_remove = quic_remove,
	.quic_each = quic_each,
	.attach = dataplane_bpf_attach,
	.detach = bpf_detach,
	.holds = bpf_holds,
	.egress_put = bpf_egress_put,
	.egress_remove = bpf_egress_remove,
	.bond_member_put = bond_member_put,
	.bond_member_remove = bond_member_remove,
	.bond_member_each = bond_member_each,
	.now = now,
	.constants = bpf_constants,
	.map_get = bpf_map_get,
	.route_get = bpf_route_get,
	.probe_follow = bpf_probe_follow,
	.capture_start = bpf_capture_start,
	.capture_renew = bpf_capture_renew,
	.capture_stop = bpf_capture_stop,
	.capture_read = bpf_capture_read,
	.capture_stats = bpf_capture_stats,
	.drop_sample = bpf_drop_sample,
};
