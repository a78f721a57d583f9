/* SPDX-License-Identifier: Apache-2.0 */
#include "target.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine.h"
#include "fill.h"
#include "flow_fold.h"
#include "harness.h"
#include "ingress.skel.h"
#include "setup.h"
#include "vip_hash.h"
#include "vip_table.h"
#include "world.h"

#define SERVICES   CASE_SERVICES_MAX
#define BLOCKS     (1 + FILL_SERVICES) /* of the map slots; the first is the empty table */
#define TIMEOUTS   " embryonic=30s established=5m closing=30s" /* longer than a measurement */
#define VIPS(addr) " vip=tcp://" addr ":80 vip=udp://" addr ":80"

/* NAT never changes the address family, so there is a service for each. */
static const struct {
	const char *setup;
	const char *backend; /* address of the backend with this number */
	const char *nat;     /* our address towards it */
} services[SERVICES] = {
	{"l2 mode=l2" VIPS(TARGET_L2_VIP4) VIPS("[" TARGET_L2_VIP6 "]") TIMEOUTS,
	 "198.18.1.%u:8080", NULL},
	{"nat4 mode=nat" VIPS(TARGET_NAT_VIP4) TIMEOUTS, "198.18.1.%u:8080", "198.18.2.1"},
	{"nat6 mode=nat" VIPS("[" TARGET_NAT_VIP6 "]") TIMEOUTS, "[2001:db8:1::%u]:8080",
	 "2001:db8:2::1"},
	{"ipip4 mode=ipip" VIPS(TARGET_IPIP_VIP4) TIMEOUTS, "198.18.1.%u", NULL},
	{"ipip6 mode=ipip" VIPS("[" TARGET_IPIP_VIP6 "]") TIMEOUTS, "2001:db8:1::%u", NULL},
	{"changed4 mode=ipip track=changed" VIPS(TARGET_CHANGED_VIP4) TIMEOUTS, "198.18.1.%u",
	 NULL},
	{"changed6 mode=ipip track=changed" VIPS("[" TARGET_CHANGED_VIP6 "]") TIMEOUTS,
	 "2001:db8:1::%u", NULL},
	{"limited4 mode=ipip max_flows=1" VIPS(TARGET_LIMITED_VIP4) TIMEOUTS, "198.18.1.%u", NULL},
};

/* Numbers of those that the many are made after. */
enum { SERVICE_IPIP4 = 4, SERVICE_CHANGED4 = 6 };

static struct constants constants = {
	.table_size = TARGET_SLOTS,
	.nat_port_low = 32768,
	.nat_port_count = 32768,
	.handshake_mask = 15, /* lbagent's default */
	.sample_mask = TARGET_SAMPLE - 1,
};

static struct ingress *skeleton;
/* Maps' memory. */
static struct lb_flow_bucket *flows;
static struct lb_slot_line *slots;

/* --- loading --- */

static void set_constants(struct ingress__rodata *rodata)
{
	engine_hash_keys((uint32_t *)rodata->lb_hash_key, LB_HASH_KEYS);
	rodata->lb_vip_slot_shift = vip_table_shift(FILL_VIP_SLOTS);
	rodata->lb_flow_mask = constants.buckets - 1;
	rodata->lb_table_size = constants.table_size;
	rodata->lb_table_lines = LINES_OF(constants.table_size);
	rodata->lb_nat_port_low = constants.nat_port_low;
	rodata->lb_nat_port_count = constants.nat_port_count;
	rodata->lb_tick_shift = 0;
	rodata->lb_coarse_tick_shift = COARSE_TICK_SHIFT;
	rodata->lb_handshake_mask = constants.handshake_mask;
}

/* Those of the case's maps that hold more here. */
static uint32_t entries_of(const char *map)
{
	static const struct {
		const char *map;
		uint32_t entries;
	} sizes[] = {
		{"vips", FILL_VIP_SLOTS},
		{"vip_groups", FILL_VIP_SLOTS / VIP_GROUP_SLOTS},
		{"vip_stats", FILL_VIPS + 1},
		{"services", FILL_SERVICES + 1},
		{"service_budgets", FILL_SERVICES + 1},
		{"service_cookies", FILL_SERVICES + 1},
		{"service_drops", FILL_SERVICES + 1},
		{"backends", FILL_BACKENDS + 1},
		{"backend_stats", FILL_BACKENDS + 1},
		{"backend_loads", FILL_BACKENDS + 1},
		{"handshakes", FILL_BACKENDS + 1},
		{"slots", BLOCKS * LINES_OF(TARGET_SLOTS)},
		{"nat_flows", TARGET_NAT_FLOWS},
	};
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (strcmp(sizes[i].map, map) == 0)
			return sizes[i].entries;
	return engine_map_entries(map, &constants);
}

static void set_sizes(void)
{
	struct bpf_map *map;
	uint32_t entries;

	bpf_object__for_each_map(map, skeleton->obj)
	{
		entries = entries_of(bpf_map__name(map));
		if (entries)
			bpf_map__set_max_entries(map, entries);
	}
}

static size_t size_of(const struct bpf_map *map)
{
	return (size_t)bpf_map__max_entries(map) * bpf_map__value_size(map);
}

static int map_memory(const struct bpf_map *map, void **ret_memory, struct error *err)
{
	void *memory =
		mmap(NULL, size_of(map), PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (memory == MAP_FAILED)
		return error_set(err, errno, "map %s: cannot be mapped: %s", bpf_map__name(map),
				 strerror(errno));
	*ret_memory = memory;
	return 0;
}

static int load(struct error *err)
{
	int r;

	skeleton = ingress__open();
	if (!skeleton)
		return error_set(err, errno, "opening the BPF object: %s", strerror(errno));
	set_constants(skeleton->rodata);
	set_sizes();
	r = ingress__load(skeleton);
	if (r < 0)
		return error_set(err, -r, "loading lb_ingress: %s (is this root?)", strerror(-r));
	r = map_memory(skeleton->maps.flows, (void **)&flows, err);
	return r < 0 ? r : map_memory(skeleton->maps.slots, (void **)&slots, err);
}

/* --- filling --- */

static int put(const char *name, const void *key, const void *value)
{
	const struct bpf_map *map = bpf_object__find_map_by_name(skeleton->obj, name);

	if (!map)
		return -ENOENT;
	return bpf_map__update_elem(map, key, bpf_map__key_size(map), value,
				    bpf_map__value_size(map), BPF_ANY);
}

static int get(const char *name, const void *key, void *ret_value)
{
	const struct bpf_map *map = bpf_object__find_map_by_name(skeleton->obj, name);

	if (!map)
		return -ENOENT;
	return bpf_map__lookup_elem(map, key, bpf_map__key_size(map), ret_value,
				    bpf_map__value_size(map), 0);
}

static struct lb_switches *switches(void)
{
	return &skeleton->data_switches->lb_switches;
}

/* Enough of an engine for world.h to fill the maps. */
static const struct engine filler = {
	.name = "bench",
	.get = get,
	.put = put,
	.switches = switches,
};

static int add_backend(size_t service, uint32_t number, const char *device, struct error *err)
{
	struct case_backend backend = {
		.service = service,
		.device = (enum case_device)if_nametoindex(device),
		.dst_mac = {2, 0, 0, 0, 1, number + 1},
		.src_mac = {2, 0, 0, 0, 0, 1},
		.up = true,
		.resolved = true,
	};
	char text[ENDPOINT_TEXT_MAX];
	int r;

	snprintf(text, sizeof(text), services[service].backend, number + 1);
	r = parse_endpoint(text, 0, &backend.endpoint, err);
	if (r == 0 && services[service].nat)
		r = parse_address(services[service].nat, &backend.local_address, err);
	if (r < 0)
		return r;
	backend.nat = services[service].nat;
	r = world_put_backend(&filler, NULL, service * TARGET_BACKENDS + number, &backend);
	return r < 0 ? error_set(err, -r, "backend %s: %s", text, strerror(-r)) : 0;
}

static int fill(struct test_case *test, const char *device, struct error *err)
{
	uint32_t number;
	size_t i;
	int r = 0;

	test->constants = constants;
	for (i = 0; r == 0 && i < SERVICES; i++)
		r = parse_setup("service", services[i].setup, test, err);
	if (r == 0)
		r = world_setup(&filler, test, err);
	for (i = 0; r == 0 && i < SERVICES; i++) {
		for (number = 0; r == 0 && number < TARGET_BACKENDS; number++)
			r = add_backend(i, number, device, err);
		fill_table(slots, i + 1, i * TARGET_BACKENDS + 1, TARGET_BACKENDS);
	}
	if (r < 0)
		return r;
	return fill_many(&filler, slots, SERVICE_IPIP4, (SERVICE_IPIP4 - 1) * TARGET_BACKENDS + 1,
			 err);
}

int target_open(const char *device, uint32_t flow_entries, struct error *err)
{
	struct test_case *test = calloc(1, sizeof(*test));
	int r;

	if (!test)
		return error_set(err, ENOMEM, "out of memory");
	constants.buckets = flow_entries / LB_FLOW_WAYS;
	r = load(err);
	if (r == 0)
		r = fill(test, device, err);
	case_free(test);
	if (r < 0)
		target_close();
	return r;
}

void target_close(void)
{
	if (flows)
		munmap(flows, size_of(skeleton->maps.flows));
	if (slots)
		munmap(slots, size_of(skeleton->maps.slots));
	flows = NULL;
	slots = NULL;
	ingress__destroy(skeleton);
	skeleton = NULL;
}

/* --- use --- */

int target_program(void)
{
	return bpf_program__fd(skeleton->progs.lb_ingress);
}

int target_size(struct target_size *ret_size, struct error *err)
{
	struct bpf_prog_info info = {0};
	uint32_t length = sizeof(info);

	if (bpf_obj_get_info_by_fd(target_program(), &info, &length) != 0)
		return error_set(err, errno, "lb_ingress: no information: %s", strerror(errno));
	*ret_size = (struct target_size){
		.instructions = info.xlated_prog_len / sizeof(struct bpf_insn),
		.verified = info.verified_insns,
		.jited_bytes = info.jited_prog_len,
	};
	return 0;
}

int target_empty(uint32_t entries, struct error *err)
{
	uint32_t fold = flow_fold_for(constants.buckets, FLOW_FOLD_BUCKETS_MIN, entries);

	skeleton->data_switches->lb_switches.flow_fold =
		flow_fold_word(&(struct flow_fold){.now = fold, .former = fold});
	memset(flows, 0, constants.buckets * sizeof(*flows));
	return harness_empty(skeleton->maps.nat_flows, err);
}

int target_crowd(struct error *err)
{
	const uint32_t count = constants.buckets * LB_FLOW_WAYS;
	__u64 *words = flows->word, like = 0;
	uint32_t i;

	for (i = 0; !like && i < count; i++)
		like = words[i];
	if (!like)
		return error_set(err, ENOENT, "the flow table is empty");
	for (i = 0; i < count; i++) {
		if (!words[i])
			words[i] = (__u64)i << LB_FLOW_FINGERPRINT_SHIFT | (uint32_t)like;
	}
	return 0;
}

int target_many(bool changed, struct error *err)
{
	return fill_many_after(&filler, changed ? SERVICE_CHANGED4 : SERVICE_IPIP4, err);
}

/* Of all CPUs; the counters begin alike. */
static uint64_t packets_at(const struct bpf_map *map, uint32_t key)
{
	const size_t size = bpf_map__value_size(map);
	int cpus = libbpf_num_possible_cpus(), i;
	uint8_t *values = calloc(cpus > 0 ? cpus : 1, size);
	uint64_t sum = 0;

	if (values && bpf_map_lookup_elem(bpf_map__fd(map), &key, values) == 0)
		for (i = 0; i < cpus; i++)
			sum += ((struct lb_traffic *)(values + i * size))->packets;
	free(values);
	return sum;
}

uint64_t target_packets(enum lb_verdict verdict)
{
	uint64_t sum = 0;
	uint32_t i;

	if (verdict != LB_FORWARD)
		return packets_at(skeleton->maps.verdict_stats, verdict);
	for (i = 0; i <= FILL_VIPS; i++) /* which count all that comes to them, */
		sum += packets_at(skeleton->maps.vip_stats, i);
	for (i = 0; i < LB_VERDICT_COUNT; i++) /* also what gets no further */
		sum -= packets_at(skeleton->maps.verdict_stats, i);
	return sum;
}
