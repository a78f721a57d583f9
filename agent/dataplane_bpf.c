/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane_bpf.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/magic.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "ingress.skel.h"
#include "xdp_dispatcher.h"

#define SPARE_TABLES      8   /* see table_blocks below */
#define OWN_ADDRESSES     256 /* room beside the VIPs for own addresses of mode nat */
#define VERIFIER_LOG_SIZE (16u << 20)
/* What fits a page with headroom and tailroom; longer packets come in several. */
#define MTU_ONE_PAGE      3498

struct dataplane_bpf {
	struct dataplane base;
	struct ingress *skel;
	char bpffs[200];
	int lock_fd; /* of the directory, locked: one agent a directory */
	int cpus;
	uint64_t seed;
	uint32_t icmp_per_second;
	enum attach_mode mode;
	char replaced[160]; /* see dataplane_bpf_replaced() */
	struct dataplane_interface interfaces[DATAPLANE_INTERFACES_MAX];
	size_t interface_count;
	size_t flows_bytes, slots_bytes, services_bytes, backends_bytes, loads_bytes;
	/* Room for one value of a per-CPU map, for all CPUs. */
	union {
		struct lb_traffic *traffic;
		struct lb_backend_stats *backend;
		struct lb_flow_stats *flow;
		void *raw;
	} percpu;
};

static struct dataplane_bpf *bpf_of(struct dataplane *dp)
{
	return (struct dataplane_bpf *)dp;
}

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
	const struct ingress *skel = bpf_of(dp)->skel;

	if (vip_is_prefix(key))
		return map_put(skel->maps.vip_prefixes, key, vip, err);
	return map_put(skel->maps.vips, &key->vip, vip, err);
}

static int vip_remove(struct dataplane *dp, const struct lb_vip_prefix_key *key, struct error *err)
{
	const struct ingress *skel = bpf_of(dp)->skel;

	if (vip_is_prefix(key))
		return map_remove(skel->maps.vip_prefixes, key, err);
	return map_remove(skel->maps.vips, &key->vip, err);
}

/* What a caller of vip_each() and its like wants to be shown, behind map_each(). */
struct visit {
	void (*vip)(void *context, const struct lb_vip_prefix_key *key, const struct lb_vip *vip);
	void (*quic)(void *context, const struct lb_quic_key *key, uint16_t backend_id);
	void (*bond_member)(void *context, uint32_t ifindex, uint32_t bond);
	void *context;
};

static void visit_vip(void *context, const void *key, const void *value)
{
	struct lb_vip_prefix_key whole = {.prefix_length = DATAPLANE_VIP_BITS};
	const struct visit *visit = context;

	memcpy(&whole.vip, key, sizeof(whole.vip));
	visit->vip(visit->context, &whole, value);
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

	map_each(bpf_of(dp)->skel->maps.vips, visit_vip, &shown);
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

static void backend_stats(struct dataplane *dp, uint16_t id, struct lb_backend_stats *ret_stats)
{
	struct dataplane_bpf *bpf = bpf_of(dp);
	struct lb_backend_stats sum = {0};
	int cpu;

	if (percpu_read(bpf, bpf->skel->maps.backend_stats, id)) {
		for (cpu = 0; cpu < bpf->cpus; cpu++) {
			sum.traffic.packets += bpf->percpu.backend[cpu].traffic.packets;
			sum.traffic.bytes += bpf->percpu.backend[cpu].traffic.bytes;
			sum.new_flows += bpf->percpu.backend[cpu].new_flows;
			sum.syn_retransmits += bpf->percpu.backend[cpu].syn_retransmits;
		}
	}
	*ret_stats = sum;
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
}

static uint32_t nat_flow_count(struct dataplane *dp)
{
	enum { BATCH = 1024 };
	int fd = bpf_map__fd(bpf_of(dp)->skel->maps.nat_flows);
	static struct lb_tuple keys[BATCH];
	static struct lb_nat_entry values[BATCH];
	uint32_t total = 0, count, position;
	void *in = NULL;
	int ret;

	do {
		count = BATCH;
		ret = bpf_map_lookup_batch(fd, in, &position, keys, values, &count, NULL);
		total += ret == 0 || errno == ENOENT ? count : 0;
		in = &position;
	} while (ret == 0);
	return total;
}

/* --- interfaces --- */

static int egress_put(struct dataplane *dp, uint32_t ifindex, uint32_t by, struct error *err)
{
	int fd = bpf_map__fd(bpf_of(dp)->skel->maps.egress);

	if (bpf_map_update_elem(fd, &ifindex, &by, BPF_ANY) == 0)
		return 0;
	return error_set(err, errno, "interface %u: cannot be an egress: %s", by, strerror(errno));
}

static void egress_remove(struct dataplane *dp, uint32_t ifindex)
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

static void detach(struct dataplane *dp, const char *interface);

static const struct dataplane_ops ops = {
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
	.quic_put = quic_put,
	.quic_remove = quic_remove,
	.quic_each = quic_each,
	.attach = dataplane_bpf_attach,
	.detach = detach,
	.egress_put = egress_put,
	.egress_remove = egress_remove,
	.bond_member_put = bond_member_put,
	.bond_member_remove = bond_member_remove,
	.bond_member_each = bond_member_each,
	.now = now,
};

/* --- preconditions --- */

/* One agent a directory: it is locked for as long as the agent lives. */
static int directory_open(struct dataplane_bpf *dp, const char *path, struct error *err)
{
	struct statfs fs;
	int ret;

	if (mkdir(path, 0700) && errno != EEXIST) {
		ret = error_set(err, errno, "bpffs directory %s: %s", path, strerror(errno));
		return error_hint(err, ret, "mount -t bpf bpf /sys/fs/bpf, or give --bpffs DIR");
	}
	if (statfs(path, &fs) || fs.f_type != BPF_FS_MAGIC) {
		ret = error_set(err, ENODEV, "%s is not in a bpffs; maps cannot be pinned there",
				path);
		rmdir(path);
		return error_hint(err, ret, "mount -t bpf bpf /sys/fs/bpf, or give --bpffs DIR");
	}
	snprintf(dp->bpffs, sizeof(dp->bpffs), "%s", path);
	dp->lock_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dp->lock_fd < 0 || flock(dp->lock_fd, LOCK_EX | LOCK_NB)) {
		ret = error_set(err, EBUSY, "bpffs directory %s: in use by another lbagent", path);
		return error_hint(err, ret, "stop it first, or give --bpffs another directory");
	}
	return 0;
}

static uint32_t kernel_hz(void)
{
	struct timespec resolution;

	/* The coarse clock advances once a jiffy. */
	if (clock_getres(CLOCK_MONOTONIC_COARSE, &resolution) || resolution.tv_nsec <= 0)
		return 250;
	return (uint32_t)((1000000000 + resolution.tv_nsec / 2) / resolution.tv_nsec);
}

/* --- load --- */

static uint64_t splitmix64(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static void set_constants(const struct dataplane_bpf *dp, struct ingress *skel)
{
	struct ingress__rodata *constants = skel->rodata;
	uint64_t state = dp->seed;
	int i;

	for (i = 0; i < LB_HASH_KEYS; i++)
		constants->lb_hash_key[i] = (uint32_t)(splitmix64(&state) >> 32);
	constants->lb_flow_mask = dp->base.sizes.flows / LB_FLOW_WAYS - 1;
	constants->lb_table_size = dp->base.sizes.table_size;
	constants->lb_table_lines = dp->base.table_lines;
	constants->lb_nat_port_low = dp->base.nat_port_low;
	constants->lb_nat_port_count =
		(uint16_t)(dp->base.nat_port_high - dp->base.nat_port_low + 1);
	constants->lb_tick_shift = dp->base.clock.tick_shift;
	constants->lb_coarse_tick_shift = dp->base.clock.coarse_tick_shift;
	constants->lb_icmp_per_second = dp->icmp_per_second;
	if (dp->base.mtu > MTU_ONE_PAGE) {
		constants->lb_frags = true;
		bpf_program__set_flags(skel->progs.lb_ingress,
				       bpf_program__flags(skel->progs.lb_ingress) |
					       BPF_F_XDP_HAS_FRAGS);
	}
}

static void set_sizes(struct dataplane_bpf *dp)
{
	const struct dataplane_sizes *sizes = &dp->base.sizes;

	/* Each VIP may have an address of its own, whose pings are answered. */
	bpf_map__set_max_entries(dp->skel->maps.vips, 2 * sizes->vips + OWN_ADDRESSES);
	bpf_map__set_max_entries(dp->skel->maps.vip_prefixes, 2 * sizes->vips);
	bpf_map__set_max_entries(dp->skel->maps.vip_stats, sizes->vips + 1);
	bpf_map__set_max_entries(dp->skel->maps.services, sizes->services + 1);
	bpf_map__set_max_entries(dp->skel->maps.backends, sizes->backends + 1);
	bpf_map__set_max_entries(dp->skel->maps.backend_stats, sizes->backends + 1);
	bpf_map__set_max_entries(dp->skel->maps.backend_loads, sizes->backends + 1);
	bpf_map__set_max_entries(dp->skel->maps.quic_servers, sizes->backends);
	bpf_map__set_max_entries(dp->skel->maps.slots,
				 dp->base.table_blocks * dp->base.table_lines);
	bpf_map__set_max_entries(dp->skel->maps.flows, sizes->flows / LB_FLOW_WAYS);
	bpf_map__set_max_entries(dp->skel->maps.nat_flows, sizes->nat_flows);
	bpf_map__set_max_entries(dp->skel->maps.fragments, sizes->fragments);
}

static bool is_switches(const struct bpf_map *map)
{
	return strcmp(bpf_map__name(map), ".data.switches") == 0;
}

/* A bpffs wants no dots in names. */
static void map_path(const struct dataplane_bpf *dp, const struct bpf_map *map, char *buffer,
		     size_t size)
{
	snprintf(buffer, size, "%s/maps/%s", dp->bpffs,
		 is_switches(map) ? "switches" : bpf_map__name(map));
}

/* Constants live in a map of libbpf's own; scratch is nobody's between two packets. */
static bool map_is_pinned(const struct bpf_map *map)
{
	return is_switches(map) ||
	       (!bpf_map__is_internal(map) && !strstr(bpf_map__name(map), "_scratch"));
}

/* The fd of a former agent's map of the same name and layout, or -1. */
static int map_former(const struct dataplane_bpf *dp, const struct bpf_map *map)
{
	struct bpf_map_info info = {0};
	uint32_t length = sizeof(info);
	char path[256];
	int fd;

	map_path(dp, map, path, sizeof(path));
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -1;
	/* the kernel adds BPF_F_RDONLY_PROG to a devmap's flags */
	if (bpf_obj_get_info_by_fd(fd, &info, &length) == 0 && info.type == bpf_map__type(map) &&
	    info.key_size == bpf_map__key_size(map) &&
	    info.value_size == bpf_map__value_size(map) &&
	    info.max_entries == bpf_map__max_entries(map) &&
	    (info.map_flags & ~BPF_F_RDONLY_PROG) == bpf_map__map_flags(map))
		return fd;
	close(fd);
	return -1;
}

/* False, and dp->replaced says why, if a former agent's meta is not as ours would be. */
static bool meta_fits(struct dataplane_bpf *dp)
{
	int fd = map_former(dp, dp->skel->maps.meta);
	struct lb_meta former = {0};
	uint32_t zero = 0;
	bool found = fd >= 0 && bpf_map_lookup_elem(fd, &zero, &former) == 0;

	if (fd >= 0)
		close(fd);
	if (!found || former.abi_version != LB_ABI_VERSION)
		snprintf(dp->replaced, sizeof(dp->replaced),
			 "maps are of ABI version %u, this lbagent's of %d", former.abi_version,
			 LB_ABI_VERSION);
	else if (former.table_size != dp->base.sizes.table_size)
		snprintf(dp->replaced, sizeof(dp->replaced), "table size was %u and is %u",
			 former.table_size, dp->base.sizes.table_size);
	else if (former.seed != dp->seed)
		snprintf(dp->replaced, sizeof(dp->replaced),
			 "the flow hash has another seed: the state is not the one of before");
	else
		return true;
	return false;
}

static bool all_maps_fit(struct dataplane_bpf *dp)
{
	struct bpf_map *map;
	char path[256];
	int fd;

	map_path(dp, dp->skel->maps.meta, path, sizeof(path));
	if (access(path, F_OK) || !meta_fits(dp))
		return false;
	bpf_object__for_each_map(map, dp->skel->obj)
	{
		if (!map_is_pinned(map))
			continue;
		fd = map_former(dp, map);
		if (fd < 0) {
			snprintf(dp->replaced, sizeof(dp->replaced),
				 "map %s has another size or layout", bpf_map__name(map));
			return false;
		}
		close(fd);
	}
	return true;
}

static int adopt_map(const struct dataplane_bpf *dp, struct bpf_map *map, struct error *err)
{
	int fd = map_former(dp, map), ret = 0;

	if (fd < 0 || bpf_map__reuse_fd(map, fd))
		ret = error_set(err, errno, "map %s: cannot be adopted: %s", bpf_map__name(map),
				strerror(errno));
	if (fd >= 0)
		close(fd);
	return ret;
}

/* Adopts a former agent's maps if every one of them is as ours would be; else none. */
static int adopt_maps(struct dataplane_bpf *dp, struct error *err)
{
	struct bpf_map *map;
	int ret = 0;

	if (!all_maps_fit(dp))
		return 0;
	bpf_object__for_each_map(map, dp->skel->obj)
	{
		if (ret == 0 && map_is_pinned(map))
			ret = adopt_map(dp, map, err);
	}
	dp->base.adopted = ret == 0;
	return ret;
}

static uint64_t map_bytes(const struct dataplane_sizes *sizes, uint32_t slot_lines)
{
	return (uint64_t)slot_lines * sizeof(struct lb_slot_line) + (uint64_t)sizes->flows * 8 +
	       (uint64_t)sizes->fragments *
		       (sizeof(struct lb_fragment_key) + sizeof(struct lb_fragment) + 64) +
	       (uint64_t)sizes->nat_flows *
		       (sizeof(struct lb_tuple) + sizeof(struct lb_nat_entry) + 64);
}

/* libbpf's warnings say what the error code cannot; the last one is kept for the message. */
static char libbpf_says[256];

static int keep_libbpf_warning(enum libbpf_print_level level, const char *format, va_list args)
{
	if (level == LIBBPF_WARN && libbpf_says[0] == '\0') {
		vsnprintf(libbpf_says, sizeof(libbpf_says), format, args);
		libbpf_says[strcspn(libbpf_says, "\n")] = '\0';
	}
	return 0;
}

static int load_error(const struct dataplane_bpf *dp, int code, struct error *err)
{
	uint64_t mib =
		map_bytes(&dp->base.sizes, dp->base.table_blocks * dp->base.table_lines) >> 20;
	int ret = error_set(err, code, "BPF program or maps cannot be loaded: %s (%s)",
			    strerror(code), libbpf_says);

	if (code == ENOMEM)
		return error_hint(err, ret,
				  "the maps need %llu MiB: raise the memory limit, or lower "
				  "--flows, --nat-flows, --fragments or --max-services",
				  (unsigned long long)mib);
	if (code == EPERM)
		return error_hint(err, ret,
				  "run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON");
	if (code == EINVAL && dp->base.mtu > MTU_ONE_PAGE)
		return error_hint(err, ret,
				  "an MTU of %u needs Linux 5.18 or later: lower it to %d, or take "
				  "a newer kernel",
				  dp->base.mtu, MTU_ONE_PAGE);
	return error_hint(err, ret,
			  "Linux 5.15 or later is needed; --verifier-log FILE tells "
			  "what the verifier says");
}

static void write_verifier_log(const char *path, const char *log)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return;
	fputs(log, file);
	fclose(file);
}

static int load(struct dataplane_bpf *dp, const struct dataplane_bpf_config *config,
		struct error *err)
{
	char *log = NULL;
	int ret;

	if (config->verifier_log) {
		log = calloc(1, VERIFIER_LOG_SIZE);
		if (!log)
			return error_set(err, ENOMEM, "out of memory");
		bpf_program__set_log_level(dp->skel->progs.lb_ingress, 2);
		bpf_program__set_log_buf(dp->skel->progs.lb_ingress, log, VERIFIER_LOG_SIZE);
	}
	libbpf_says[0] = '\0';
	ret = ingress__load(dp->skel);
	if (log)
		write_verifier_log(config->verifier_log, log);
	free(log);
	return ret ? load_error(dp, -ret, err) : 0;
}

/* --- shared memory --- */

static size_t page_round(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

static int map_memory(const struct bpf_map *map, void **ret_memory, size_t *ret_bytes,
		      struct error *err)
{
	size_t bytes = page_round((size_t)bpf_map__max_entries(map) * bpf_map__value_size(map));
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (memory == MAP_FAILED)
		return error_set(err, errno, "map %s: cannot be mapped: %s", bpf_map__name(map),
				 strerror(errno));
	*ret_memory = memory;
	*ret_bytes = bytes;
	return 0;
}

static int map_all_memory(struct dataplane_bpf *dp, struct error *err)
{
	int ret;

	ret = map_memory(dp->skel->maps.services, (void **)&dp->base.services, &dp->services_bytes,
			 err);
	if (ret == 0)
		ret = map_memory(dp->skel->maps.backends, (void **)&dp->base.backends,
				 &dp->backends_bytes, err);
	if (ret == 0)
		ret = map_memory(dp->skel->maps.slots, (void **)&dp->base.slots, &dp->slots_bytes,
				 err);
	if (ret == 0)
		ret = map_memory(dp->skel->maps.flows, (void **)&dp->base.flows, &dp->flows_bytes,
				 err);
	if (ret == 0)
		ret = map_memory(dp->skel->maps.backend_loads, (void **)&dp->base.loads,
				 &dp->loads_bytes, err);
	dp->base.switches = &dp->skel->data_switches->lb_switches; /* libbpf has mapped it */
	return ret;
}

static int write_meta(struct dataplane_bpf *dp, struct error *err)
{
	struct lb_meta meta = {
		.abi_version = LB_ABI_VERSION,
		.table_size = dp->base.sizes.table_size,
		.seed = dp->seed,
	};
	uint32_t zero = 0;

	if (bpf_map_update_elem(bpf_map__fd(dp->skel->maps.meta), &zero, &meta, BPF_ANY))
		return error_set(err, errno, "map meta: %s", strerror(errno));
	return 0;
}

static int open_all(struct dataplane_bpf *dp, const struct dataplane_bpf_config *config,
		    struct error *err)
{
	int ret = directory_open(dp, config->bpffs, err);

	if (ret)
		return ret;
	libbpf_set_print(keep_libbpf_warning);
	dp->cpus = libbpf_num_possible_cpus();
	dp->percpu.raw = calloc((size_t)dp->cpus, sizeof(struct lb_backend_stats));
	dp->skel = ingress__open();
	if (dp->cpus < 1 || !dp->percpu.raw || !dp->skel)
		return error_set(err, ENOMEM, "out of memory");
	set_sizes(dp);
	set_constants(dp, dp->skel);
	ret = adopt_maps(dp, err);
	if (ret == 0)
		ret = load(dp, config, err);
	if (ret == 0)
		ret = map_all_memory(dp, err);
	if (ret == 0 && !dp->base.adopted)
		ret = write_meta(dp, err);
	return ret;
}

int dataplane_bpf_open(const struct dataplane_bpf_config *config, struct dataplane **ret_dp,
		       struct error *err)
{
	struct dataplane_bpf *dp = calloc(1, sizeof(*dp));
	int ret;

	if (!dp)
		return error_set(err, ENOMEM, "out of memory");
	dp->lock_fd = -1;
	dp->seed = config->seed;
	dp->base.nat_port_low = config->nat_port_low;
	dp->base.nat_port_high = config->nat_port_high;
	memcpy(dp->base.tunnel_sources, config->tunnel_sources, sizeof(config->tunnel_sources));
	dp->base.mtu = config->mtu;
	dp->icmp_per_second = config->icmp_per_second;
	dp->mode = config->mode;
	dp->base.ops = &ops;
	dp->base.sizes = config->sizes;
	dp->base.clock = dataplane_clock_for(kernel_hz());
	dp->base.table_lines = dataplane_table_lines(config->sizes.table_size);
	/* A table that was just replaced may still be read by packets under way. With some
	 * spare blocks, used in turn, it is not written again for many builds of a table. */
	dp->base.table_blocks = config->sizes.services + 1 + SPARE_TABLES;
	ret = open_all(dp, config, err);
	if (ret) {
		dataplane_bpf_close(&dp->base);
		return ret;
	}
	*ret_dp = &dp->base;
	return 0;
}

/* Directories that nothing is pinned in. */
static void remove_empty(const char *bpffs)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/links", bpffs);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/dispatched", bpffs);
	rmdir(path);
	snprintf(path, sizeof(path), "%s/maps", bpffs);
	rmdir(path);
	rmdir(bpffs);
}

static void unmap(void *memory, size_t bytes)
{
	if (memory)
		munmap(memory, bytes);
}

void dataplane_bpf_close(struct dataplane *dp)
{
	struct dataplane_bpf *bpf = bpf_of(dp);

	if (!dp)
		return;
	unmap(dp->services, bpf->services_bytes);
	unmap(dp->backends, bpf->backends_bytes);
	unmap(dp->slots, bpf->slots_bytes);
	unmap(dp->flows, bpf->flows_bytes);
	unmap(dp->loads, bpf->loads_bytes);
	ingress__destroy(bpf->skel);
	free(bpf->percpu.raw);
	if (bpf->lock_fd >= 0) {
		remove_empty(bpf->bpffs);
		close(bpf->lock_fd);
	}
	free(bpf);
}

/* --- attach --- */

/* bpffs takes no dot in a name, an interface has no colon in its. */
static void swap_character(char *text, char from, char to)
{
	for (; *text; text++)
		*text = *text == from ? to : *text;
}

void dataplane_bpf_pin_path(const char *bpffs, const char *directory, const char *interface,
			    char *buffer, size_t size)
{
	int length = snprintf(buffer, size, "%s/%s/", bpffs, directory);

	snprintf(buffer + length, size - (size_t)length, "%s", interface);
	swap_character(buffer + length, '.', ':');
}

static void link_path(const char *bpffs, const char *interface, char *buffer, size_t size)
{
	dataplane_bpf_pin_path(bpffs, "links", interface, buffer, size);
}

/* The interface that a pinned XDP link is on; 0: none any more. */
static uint32_t link_ifindex(int fd)
{
	struct bpf_link_info info = {0};
	uint32_t length = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &length) || info.type != BPF_LINK_TYPE_XDP)
		return 0;
	return info.xdp.ifindex;
}

/* Puts our program into a former agent's link. Returns 1 if there was one, 0 if not. */
static int link_update(struct dataplane_bpf *dp, const char *path, uint32_t ifindex,
		       struct error *err)
{
	int fd = bpf_obj_get(path), ret = 0;

	if (fd < 0)
		return 0;
	if (link_ifindex(fd) != ifindex)
		unlink(path); /* of an interface that is gone; another has its name now */
	else if (bpf_link_update(fd, bpf_program__fd(dp->skel->progs.lb_ingress), NULL))
		ret = error_set(err, errno, "link %s: program cannot be replaced: %s", path,
				strerror(errno));
	else
		ret = 1;
	close(fd);
	return ret;
}

static int link_create(struct dataplane_bpf *dp, uint32_t ifindex, uint32_t flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	int fd = bpf_link_create(bpf_program__fd(dp->skel->progs.lb_ingress), (int)ifindex, BPF_XDP,
				 &opts);

	return fd < 0 ? -errno : fd;
}

static int attach_error(const struct dataplane_bpf *dp, const char *interface, uint32_t ifindex,
			int code, struct error *err)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	int ret;

	if (bpf_xdp_query((int)ifindex, 0, &query) == 0 && query.prog_id) {
		ret = error_set(err, EBUSY, "interface %s: XDP program %u is attached already",
				interface, query.prog_id);
		return error_hint(err, ret,
				  "see `bpftool prog show id %u`; if it may go: ip link set %s "
				  "xdp off",
				  query.prog_id, interface);
	}
	ret = error_set(err, code, "interface %s: XDP program cannot be attached: %s", interface,
			strerror(code));
	if (dp->base.mtu > MTU_ONE_PAGE)
		return error_hint(
			err, ret,
			"the driver may not know native XDP at MTUs over %d (multi-buffer "
			"XDP): lower the MTU, or try --xdp-mode generic",
			MTU_ONE_PAGE);
	return error_hint(err, ret, "try --xdp-mode generic");
}

static int link_new(struct dataplane_bpf *dp, const char *interface, uint32_t ifindex,
		    struct error *err)
{
	char path[256];
	int fd = -EOPNOTSUPP, ret = 0;

	if (dp->mode != ATTACH_GENERIC)
		fd = link_create(dp, ifindex, XDP_FLAGS_DRV_MODE);
	if (fd < 0 && fd != -EBUSY && dp->mode != ATTACH_NATIVE)
		fd = link_create(dp, ifindex, XDP_FLAGS_SKB_MODE);
	if (fd < 0)
		return attach_error(dp, interface, ifindex, -fd, err);
	link_path(dp->bpffs, interface, path, sizeof(path));
	if (bpf_obj_pin(fd, path))
		ret = error_set(err, errno, "link %s: cannot be pinned: %s", path, strerror(errno));
	close(fd);
	return ret;
}

/* The program once more, with the maps of the running one, for a dispatcher to load. NULL: err
 * says why. */
static struct ingress *open_twin(const struct dataplane_bpf *dp, struct error *err)
{
	struct ingress *twin = ingress__open();
	struct bpf_map *map, *original;

	if (!twin) {
		error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	set_constants(dp, twin);
	bpf_program__set_autoload(twin->progs.lb_clock, false);
	bpf_object__for_each_map(map, twin->obj)
	{
		original = bpf_object__find_map_by_name(dp->skel->obj, bpf_map__name(map));
		if ((bpf_map__is_internal(map) && !is_switches(map)) ||
		    bpf_map__reuse_fd(map, bpf_map__fd(original)) == 0)
			continue;
		error_set(err, errno, "map %s: cannot be shared: %s", bpf_map__name(map),
			  strerror(errno));
		ingress__destroy(twin);
		return NULL;
	}
	return twin;
}

static int join_dispatcher(struct dataplane_bpf *dp, struct dataplane_interface *entry,
			   struct error *err)
{
	struct ingress *twin = open_twin(dp, err);
	int ret;

	if (!twin)
		return -EIO;
	ret = dispatcher_join(dp->bpffs, entry->name, entry->ifindex, twin->obj, dp->mode,
			      &entry->is_new, err);
	ingress__destroy(twin);
	entry->attached_by = "dispatcher";
	return ret;
}

static int attach_link(struct dataplane_bpf *dp, struct dataplane_interface *entry,
		       struct error *err)
{
	struct error ignored;
	char path[256];
	int ret;

	/* if a dispatcher that we had joined is gone, only its pin is left */
	dispatcher_leave(dp->bpffs, entry->name, &ignored);
	snprintf(path, sizeof(path), "%s/links", dp->bpffs);
	mkdir(path, 0700);
	link_path(dp->bpffs, entry->name, path, sizeof(path));
	ret = link_update(dp, path, entry->ifindex, err);
	entry->is_new = ret == 0;
	entry->attached_by = "link";
	if (ret == 0)
		ret = link_new(dp, entry->name, entry->ifindex, err);
	return ret < 0 ? ret : 0;
}

static const char *attached_mode(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	if (bpf_xdp_query((int)ifindex, 0, &query))
		return "unknown";
	return query.attach_mode == XDP_ATTACHED_SKB ? "generic" : "native";
}

int dataplane_bpf_attach(struct dataplane *base, const char *interface, struct error *err)
{
	struct dataplane_bpf *dp = bpf_of(base);
	uint32_t ifindex = if_nametoindex(interface);
	struct dataplane_interface *entry;
	int ret;

	if (ifindex == 0) {
		ret = error_set(err, ENODEV, "interface %s: there is no such interface", interface);
		return error_hint(err, ret, "`ip -br link` lists them");
	}
	if (dp->interface_count == DATAPLANE_INTERFACES_MAX)
		return error_set(err, E2BIG, "interface %s: more than %d interfaces", interface,
				 DATAPLANE_INTERFACES_MAX);
	ret = egress_put(base, ifindex, ifindex, err);
	if (ret)
		return ret;
	entry = &dp->interfaces[dp->interface_count];
	snprintf(entry->name, sizeof(entry->name), "%s", interface);
	entry->ifindex = ifindex;
	ret = dispatcher_present(ifindex) ? join_dispatcher(dp, entry, err)
					  : attach_link(dp, entry, err);
	if (ret)
		return ret;
	entry->mode = attached_mode(ifindex);
	dp->interface_count++;
	return 0;
}

static void take_off(const struct dataplane_bpf *dp, const struct dataplane_interface *entry)
{
	struct error ignored;
	char path[256];

	dispatcher_leave(dp->bpffs, entry->name, &ignored);
	link_path(dp->bpffs, entry->name, path, sizeof(path));
	unlink(path); /* the last reference detaches */
}

static void detach(struct dataplane *base, const char *interface)
{
	struct dataplane_bpf *dp = bpf_of(base);
	struct dataplane_interface *entry = dp->interfaces, *end = entry + dp->interface_count;

	while (entry < end && strcmp(entry->name, interface) != 0)
		entry++;
	if (entry == end)
		return;
	take_off(dp, entry);
	egress_remove(base, entry->ifindex);
	dp->interface_count--;
	memmove(entry, entry + 1, (size_t)(end - entry - 1) * sizeof(*entry));
}

void dataplane_bpf_detach_new(struct dataplane *base)
{
	struct dataplane_bpf *dp = bpf_of(base);
	size_t i;

	for (i = 0; i < dp->interface_count; i++) {
		if (dp->interfaces[i].is_new)
			take_off(dp, &dp->interfaces[i]);
	}
}

static int remove_pins(const char *bpffs, const char *name, struct error *err);

int dataplane_bpf_pin(struct dataplane *base, struct error *err)
{
	struct dataplane_bpf *dp = bpf_of(base);
	struct bpf_map *map;
	char path[256];
	int ret;

	if (base->adopted)
		return 0;
	/* A former ABI may have had maps that ours has not. */
	ret = remove_pins(dp->bpffs, "maps", err);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "%s/maps", dp->bpffs);
	mkdir(path, 0700);
	bpf_object__for_each_map(map, dp->skel->obj)
	{
		if (!map_is_pinned(map))
			continue;
		map_path(dp, map, path, sizeof(path));
		if (bpf_obj_pin(bpf_map__fd(map), path))
			return error_set(err, errno, "map %s: cannot be pinned: %s", path,
					 strerror(errno));
	}
	return 0;
}

const char *dataplane_bpf_replaced(const struct dataplane *base)
{
	return ((const struct dataplane_bpf *)base)->replaced;
}

const struct dataplane_interface *dataplane_bpf_interfaces(const struct dataplane *base,
							   size_t *ret_count)
{
	const struct dataplane_bpf *dp = (const struct dataplane_bpf *)base;

	*ret_count = dp->interface_count;
	return dp->interfaces;
}

/* --- unload --- */

static int remove_pin(const char *bpffs, const char *directory, const char *name, struct error *err)
{
	char interface[256], path[512];

	if (strcmp(directory, "dispatched") == 0) {
		snprintf(interface, sizeof(interface), "%s", name);
		swap_character(interface, ':', '.');
		return dispatcher_leave(bpffs, interface, err);
	}
	snprintf(path, sizeof(path), "%s/%s/%s", bpffs, directory, name);
	if (unlink(path) == 0)
		return 0;
	return error_set(err, errno, "pin %s: cannot be removed: %s", path, strerror(errno));
}

/* Removes all entries of DIR/NAME. */
static int remove_pins(const char *bpffs, const char *name, struct error *err)
{
	struct dirent *entry;
	char directory[256];
	DIR *dir;
	int ret = 0;

	snprintf(directory, sizeof(directory), "%s/%s", bpffs, name);
	dir = opendir(directory);
	if (!dir)
		return 0;
	while (ret == 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.')
			ret = remove_pin(bpffs, name, entry->d_name, err);
	}
	closedir(dir);
	return ret;
}

int dataplane_bpf_unload(const char *bpffs, struct error *err)
{
	struct dataplane_bpf dp = {.lock_fd = -1};
	int ret;

	if (access(bpffs, F_OK))
		return 0;
	libbpf_set_print(keep_libbpf_warning);
	ret = directory_open(&dp, bpffs, err);
	if (ret == 0)
		ret = remove_pins(bpffs, "links", err); /* the last reference detaches */
	if (ret == 0)
		ret = remove_pins(bpffs, "dispatched", err);
	if (ret == 0)
		ret = remove_pins(bpffs, "maps", err);
	if (dp.lock_fd >= 0) {
		remove_empty(bpffs);
		close(dp.lock_fd);
	}
	return ret;
}
