/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane_bpf.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "dataplane_bpf_internal.h"
#include "vip_table.h"

#define SPARE_TABLES      8   /* see table_blocks below */
#define OWN_ADDRESSES     256 /* room beside the VIPs for own addresses of mode nat */
#define VERIFIER_LOG_SIZE (16u << 20)
/* Room for probes under way: each has a port of its own, and what an LRU map gives up first is not
 * always the oldest. */
#define PROBES_A_BACKEND  4
#define PROBES_SPARE      1024
#define CAPTURE_BYTES     (2U << 20) /* that wait to be read; a power of two */

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

void bpf_keep_warnings(void)
{
	libbpf_set_print(keep_libbpf_warning);
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

void bpf_set_constants(const struct dataplane_bpf *dp, struct ingress *skel)
{
	struct ingress__rodata *constants = skel->rodata;
	uint64_t state = dp->seed;
	int i;

	for (i = 0; i < LB_HASH_KEYS; i++)
		constants->lb_hash_key[i] = (uint32_t)(splitmix64(&state) >> 32);
	constants->lb_vip_slot_shift = vip_table_shift(dp->base.vip_slots);
	constants->lb_flow_mask = dp->base.sizes.flows / LB_FLOW_WAYS - 1;
	constants->lb_table_size = dp->base.sizes.table_size;
	constants->lb_table_lines = dp->base.table_lines;
	constants->lb_nat_port_low = dp->base.nat_port_low;
	constants->lb_nat_port_count =
		(uint16_t)(dp->base.nat_port_high - dp->base.nat_port_low + 1);
	constants->lb_tick_shift = dp->base.clock.tick_shift;
	constants->lb_coarse_tick_shift = dp->base.clock.coarse_tick_shift;
	constants->lb_icmp_per_second = dp->icmp_per_second;
	constants->lb_handshake_mask = dp->handshake_mask;
	constants->lb_cookies = dp->cookies;
	constants->lb_ipv4_checksums = dp->ipv4_checksums;
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

	bpf_map__set_max_entries(dp->skel->maps.vips, dp->base.vip_slots);
	bpf_map__set_max_entries(dp->skel->maps.vip_groups, vip_table_groups(dp->base.vip_slots));
	bpf_map__set_max_entries(dp->skel->maps.vip_prefixes, 2 * sizes->vips);
	bpf_map__set_max_entries(dp->skel->maps.vip_stats, sizes->vips + 1);
	bpf_map__set_max_entries(dp->skel->maps.services, sizes->services + 1);
	bpf_map__set_max_entries(dp->skel->maps.sources, DATAPLANE_SOURCES);
	bpf_map__set_max_entries(dp->skel->maps.service_budgets, sizes->services + 1);
	bpf_map__set_max_entries(dp->skel->maps.service_cookies, sizes->services + 1);
	bpf_map__set_max_entries(dp->skel->maps.service_drops, sizes->services + 1);
	bpf_map__set_max_entries(dp->skel->maps.backends, sizes->backends + 1);
	bpf_map__set_max_entries(dp->skel->maps.backend_stats, sizes->backends + 1);
	bpf_map__set_max_entries(dp->skel->maps.backend_loads, sizes->backends + 1);
	bpf_map__set_max_entries(dp->skel->maps.quic_servers, sizes->backends);
	bpf_map__set_max_entries(dp->skel->maps.slots,
				 dp->base.table_blocks * dp->base.table_lines);
	bpf_map__set_max_entries(dp->skel->maps.flows, sizes->flows / LB_FLOW_WAYS);
	bpf_map__set_max_entries(dp->skel->maps.nat_flows, sizes->nat_flows);
	bpf_map__set_max_entries(dp->skel->maps.fragments, sizes->fragments);
	bpf_map__set_max_entries(dp->skel->maps.capture_ring, CAPTURE_BYTES);
	bpf_map__set_max_entries(dp->skel->maps.probe_paths, sizes->backends + 1);
	bpf_map__set_max_entries(dp->skel->maps.handshakes, sizes->backends + 1);
	bpf_map__set_max_entries(dp->skel->maps.probe_flows,
				 PROBES_A_BACKEND * sizes->backends + PROBES_SPARE);
}

static uint64_t map_bytes(const struct dataplane_sizes *sizes, uint32_t slot_lines)
{
	return (uint64_t)slot_lines * sizeof(struct lb_slot_line) + (uint64_t)sizes->flows * 8 +
	       (uint64_t)sizes->fragments *
		       (sizeof(struct lb_fragment_key) + sizeof(struct lb_fragment) + 64) +
	       (uint64_t)sizes->nat_flows *
		       (sizeof(struct lb_tuple) + sizeof(struct lb_nat_entry) + 64);
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

int bpf_share_maps(const struct dataplane_bpf *dp, struct bpf_object *object, struct error *err)
{
	struct bpf_map *map, *original;

	bpf_object__for_each_map(map, object)
	{
		original = bpf_object__find_map_by_name(dp->skel->obj, bpf_map__name(map));
		if ((bpf_map__is_internal(map) && !bpf_map_is_switches(map)) ||
		    bpf_map__reuse_fd(map, bpf_map__fd(original)) == 0)
			continue;
		return error_set(err, errno, "map %s: cannot be shared: %s", bpf_map__name(map),
				 strerror(errno));
	}
	return 0;
}

/* --- shared memory --- */

static size_t page_round(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

/* The kernel gives each value of an array a multiple of 8 bytes: only if it has one they lie side
 * by side as in an array of C. */
int bpf_map_memory(const struct bpf_map *map, void **ret_memory, size_t *ret_bytes,
		   struct error *err)
{
	size_t bytes = page_round((size_t)bpf_map__max_entries(map) * bpf_map__value_size(map));
	void *memory;

	if (bpf_map__value_size(map) % 8)
		return error_set(err, EINVAL, "map %s: values of %u bytes cannot be shared",
				 bpf_map__name(map), bpf_map__value_size(map));
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

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

	ret = bpf_map_memory(dp->skel->maps.services, (void **)&dp->base.services,
			     &dp->services_bytes, err);
	if (ret == 0)
		ret = bpf_map_memory(dp->skel->maps.vips, (void **)&dp->base.vips, &dp->vips_bytes,
				     err);
	if (ret == 0)
		ret = bpf_map_memory(dp->skel->maps.vip_groups, (void **)&dp->base.vip_groups,
				     &dp->vip_groups_bytes, err);
	if (ret == 0)
		ret = bpf_map_memory(dp->skel->maps.backends, (void **)&dp->base.backends,
				     &dp->backends_bytes, err);
	if (ret == 0)
		ret = bpf_map_memory(dp->skel->maps.slots, (void **)&dp->base.slots,
				     &dp->slots_bytes, err);
	if (ret == 0)
		ret = bpf_map_memory(dp->skel->maps.flows, (void **)&dp->base.flows,
				     &dp->flows_bytes, err);
	if (ret == 0)
		ret = bpf_map_memory(dp->skel->maps.backend_loads, (void **)&dp->base.loads,
				     &dp->loads_bytes, err);
	if (ret == 0)
		ret = bpf_map_memory(dp->skel->maps.probe_paths, (void **)&dp->base.probe_paths,
				     &dp->probe_paths_bytes, err);
	if (ret == 0)
		ret = bpf_map_memory(dp->skel->maps.handshakes, (void **)&dp->base.handshakes,
				     &dp->handshakes_bytes, err);
	if (ret == 0)
		ret = bpf_map_memory(dp->skel->maps.cookie_keys, (void **)&dp->base.cookie_keys,
				     &dp->cookie_keys_bytes, err);
	if (ret == 0)
		ret = bpf_map_memory(dp->skel->maps.meta, (void **)&dp->base.meta, &dp->meta_bytes,
				     err);
	if (ret == 0)
		ret = bpf_map_memory(dp->skel->maps.service_cookies,
				     (void **)&dp->base.cookie_states, &dp->cookie_states_bytes,
				     err);
	dp->base.switches = &dp->skel->data_switches->lb_switches; /* libbpf has mapped it */
	dp->base.switches->capture = 0; /* a former agent's reader is gone */
	return ret;
}

/* What the next agent is told of maps that are not all a former one's. */
static void write_meta(struct dataplane_bpf *dp)
{
	*dp->base.meta = bpf_meta(dp);
	if (dp->carry.former && dp->carry.parts[CARRY_FLOWS].way == CARRY_SHARED)
		dp->base.meta->flow_fold = dp->carry.flow_fold;
	dp->base.switches->flow_fold = dp->base.meta->flow_fold;
}

static int open_vips(struct dataplane_bpf *dp, struct error *err)
{
	dp->vips = vip_table_new(dp->base.vips, dp->base.vip_groups, dp->base.vip_slots);
	return dp->vips ? 0 : error_set(err, ENOMEM, "out of memory");
}

static int open_all(struct dataplane_bpf *dp, const struct dataplane_bpf_config *config,
		    struct error *err)
{
	int ret = bpf_directory_open(dp, config->bpffs, err);

	if (ret == 0)
		ret = bpf_probe_open(dp, err);
	if (ret)
		return ret;
	bpf_keep_warnings();
	dp->cpus = libbpf_num_possible_cpus();
	dp->percpu.raw = calloc((size_t)dp->cpus * PERCPU_BATCH, sizeof(struct lb_backend_stats));
	_Static_assert(sizeof(struct lb_service_drops) <=
			       PERCPU_BATCH * sizeof(struct lb_backend_stats),
		       "one fits");
	dp->skel = ingress__open();
	if (dp->cpus < 1 || !dp->percpu.raw || !dp->skel)
		return error_set(err, ENOMEM, "out of memory");
	set_sizes(dp);
	bpf_set_constants(dp, dp->skel);
	bpf_examine(dp);
	ret = bpf_adopt(dp, err);
	if (ret == 0)
		ret = load(dp, config, err);
	if (ret == 0)
		ret = map_all_memory(dp, err);
	if (ret == 0)
		ret = open_vips(dp, err);
	if (ret == 0 && !dp->carry.whole)
		write_meta(dp);
	return ret ? ret : bpf_copy_backends(dp, err);
}

/* What the config says, and what follows from it alone. NULL: out of memory. */
static struct dataplane_bpf *dataplane_new(const struct dataplane_bpf_config *config)
{
	struct dataplane_bpf *dp = calloc(1, sizeof(*dp));

	if (!dp)
		return NULL;
	dp->lock_fd = -1;
	dp->former_nat_fd = -1;
	dp->seed = config->seed;
	dp->base.nat_port_low = config->nat_port_low;
	dp->base.nat_port_high = config->nat_port_high;
	memcpy(dp->base.tunnel_sources, config->tunnel_sources, sizeof(config->tunnel_sources));
	dp->base.mtu = config->mtu;
	dp->icmp_per_second = config->icmp_per_second;
	dp->handshake_mask = config->handshake_sample - 1;
	dp->cookies = config->cookies;
	dp->ipv4_checksums = config->ipv4_checksums;
	dp->mode = config->mode;
	dp->base.ops = &bpf_ops;
	dp->base.sizes = config->sizes;
	dp->base.clock = dataplane_clock_for(kernel_hz());
	/* Each VIP may have an address of its own, whose pings are answered. */
	dp->base.vip_slots = vip_table_slots(2 * config->sizes.vips + OWN_ADDRESSES);
	dp->base.table_lines = dataplane_table_lines(config->sizes.table_size);
	/* Each service may have a table and its marks.
	 * A table that was just replaced may still be read by packets under way. With some
	 * spare blocks, used in turn, it is not written again for many builds of a table. */
	dp->base.table_blocks = 2 * config->sizes.services + 1 + SPARE_TABLES;
	return dp;
}

int dataplane_bpf_open(const struct dataplane_bpf_config *config, struct dataplane **ret_dp,
		       struct error *err)
{
	struct dataplane_bpf *dp = dataplane_new(config);
	int ret;

	if (!dp)
		return error_set(err, ENOMEM, "out of memory");
	ret = open_all(dp, config, err);
	if (ret) {
		dataplane_bpf_close(&dp->base);
		return ret;
	}
	*ret_dp = &dp->base;
	return 0;
}

int dataplane_bpf_examine(const struct dataplane_bpf_config *config, struct carry *ret_carry,
			  struct error *err)
{
	struct dataplane_bpf *dp = dataplane_new(config);

	if (!dp)
		return error_set(err, ENOMEM, "out of memory");
	bpf_keep_warnings();
	snprintf(dp->bpffs, sizeof(dp->bpffs), "%s", config->bpffs);
	dp->skel = ingress__open();
	if (!dp->skel) {
		dataplane_bpf_close(&dp->base);
		return error_set(err, ENOMEM, "out of memory");
	}
	set_sizes(dp);
	bpf_examine(dp);
	*ret_carry = dp->carry;
	dataplane_bpf_close(&dp->base);
	return 0;
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
	vip_table_free(bpf->vips);
	unmap(dp->vips, bpf->vips_bytes);
	unmap(dp->vip_groups, bpf->vip_groups_bytes);
	unmap(dp->services, bpf->services_bytes);
	unmap(dp->backends, bpf->backends_bytes);
	unmap(dp->slots, bpf->slots_bytes);
	unmap(dp->flows, bpf->flows_bytes);
	unmap(dp->loads, bpf->loads_bytes);
	unmap(dp->probe_paths, bpf->probe_paths_bytes);
	unmap(dp->handshakes, bpf->handshakes_bytes);
	unmap(dp->cookie_keys, bpf->cookie_keys_bytes);
	unmap(dp->cookie_states, bpf->cookie_states_bytes);
	unmap(dp->meta, bpf->meta_bytes);
	bpf_probe_close(bpf);
	bpf_capture_close(bpf);
	ingress__destroy(bpf->skel);
	free(bpf->percpu.raw);
	if (bpf->former_nat_fd >= 0)
		close(bpf->former_nat_fd);
	if (bpf->lock_fd >= 0) {
		bpf_directory_clean(bpf->bpffs);
		close(bpf->lock_fd);
	}
	free(bpf);
}
