/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The self-test of a new program: a second instance of it, with small maps of its own and attached
 * nowhere, does the packet cases by BPF_PROG_TEST_RUN.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>

#include "clock.h"
#include "corpus.h"
#include "dataplane_bpf_internal.h"
#include "selftest.h"

#define ARRAYS_MAX 16

struct array {
	void *memory; /* NULL behind the last */
	size_t bytes;
};

struct instance {
	struct ingress *skel;
	struct array arrays[ARRAYS_MAX]; /* that the agent shares with the program, in memory */
};

/* --- the instance --- */

static void set_constants(struct ingress *skel, const struct recording_piece *piece, bool frags)
{
	struct ingress__rodata *rodata = skel->rodata;
	struct recording_constants constants;
	int i;

	memcpy(&constants, piece->first, sizeof(constants));
	for (i = 0; i < LB_HASH_KEYS; i++)
		rodata->lb_hash_key[i] = constants.hash_key[i];
	rodata->lb_vip_slot_shift = constants.vip_slot_shift;
	rodata->lb_flow_mask = constants.flow_mask;
	rodata->lb_table_size = constants.table_size;
	rodata->lb_table_lines = constants.table_lines;
	rodata->lb_nat_port_low = constants.nat_port_low;
	rodata->lb_nat_port_count = constants.nat_port_count;
	rodata->lb_tick_shift = constants.tick_shift;
	rodata->lb_coarse_tick_shift = constants.coarse_tick_shift;
	rodata->lb_icmp_per_second = constants.icmp_per_second;
	rodata->lb_handshake_mask = constants.handshake_mask;
	rodata->lb_frags = frags;
}

/* What stands before the first case: how the instance is made. */
static int prepare(struct ingress *skel, const uint8_t *recording, bool frags, struct error *err)
{
	const uint8_t *at = recording, *end = at + CORPUS_SIZE;
	struct recording_piece piece;
	struct bpf_map *map;

	while (recording_next(&at, end, &piece) > 0 && piece.kind != RECORDING_CASE) {
		if (piece.kind == RECORDING_CONSTANTS &&
		    piece.first_length == sizeof(struct recording_constants))
			set_constants(skel, &piece, frags);
		map = piece.kind == RECORDING_ROOM
			      ? bpf_object__find_map_by_name(skel->obj, piece.name)
			      : NULL;
		if (map && bpf_map__set_max_entries(map, piece.number))
			return error_set(err, errno, "map %s: %s", piece.name, strerror(errno));
	}
	bpf_program__set_autoload(skel->progs.lb_clock, false);
	if (frags)
		bpf_program__set_flags(skel->progs.lb_ingress,
				       bpf_program__flags(skel->progs.lb_ingress) |
					       BPF_F_XDP_HAS_FRAGS);
	return 0;
}

/* --- its maps --- */

static int map_error(const char *map, int code, struct error *err)
{
	return error_set(err, code, "map %s: %s", map, strerror(code));
}

static void clear_hash(const struct bpf_map *map)
{
	int fd = bpf_map__fd(map);
	char key[64];

	while (bpf_map_get_next_key(fd, NULL, key) == 0 && bpf_map_delete_elem(fd, key) == 0)
		;
}

static bool is_memory(const struct bpf_map *map)
{
	return bpf_map__type(map) == BPF_MAP_TYPE_ARRAY && bpf_map_is_pinned(map) &&
	       !bpf_map_is_switches(map) && bpf_map__map_flags(map) & BPF_F_MMAPABLE;
}

static int map_arrays(struct instance *instance, struct error *err)
{
	struct array *array = instance->arrays;
	struct bpf_map *map;
	int ret = 0;

	bpf_object__for_each_map(map, instance->skel->obj)
	{
		if (ret || !is_memory(map) || array == &instance->arrays[ARRAYS_MAX])
			continue;
		ret = bpf_map_memory(map, &array->memory, &array->bytes, err);
		array++;
	}
	return ret;
}

/* Counters may go on counting, and scratch is nobody's between two packets. */
static int reset(void *context, struct error *err)
{
	struct instance *instance = context;
	struct bpf_map *map;
	size_t i;

	(void)err;
	for (i = 0; i < ARRAYS_MAX && instance->arrays[i].memory; i++)
		memset(instance->arrays[i].memory, 0, instance->arrays[i].bytes);
	bpf_object__for_each_map(map, instance->skel->obj)
	{
		if (bpf_map__type(map) != BPF_MAP_TYPE_ARRAY &&
		    bpf_map__type(map) != BPF_MAP_TYPE_PERCPU_ARRAY)
			clear_hash(map);
	}
	instance->skel->data_switches->lb_switches = (struct lb_switches){.all_ones = ~0U};
	return 0;
}

static int put(void *context, const char *name, const void *key, const void *value,
	       struct error *err)
{
	const struct instance *instance = context;
	const struct bpf_map *map = bpf_object__find_map_by_name(instance->skel->obj, name);

	if (!map)
		return map_error(name, ENOENT, err);
	if (bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY))
		return map_error(name, errno, err);
	return 0;
}

/* --- a packet --- */

/* Packets never really leave: whichever interface may be redirected to, its device is the
 * loopback. */
static int run(void *context, const struct recording_piece *piece, void *out, size_t *ret_out_size,
	       uint32_t *ret_code, struct error *err)
{
	const struct ingress *skel = ((const struct instance *)context)->skel;
	const uint32_t device = RECORDING_IFINDEX;
	struct xdp_md md = {.data_end = piece->first_length, .ingress_ifindex = RECORDING_IFINDEX};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = piece->first,
		    .data_size_in = piece->first_length, .data_out = out,
		    .data_size_out = SELFTEST_PACKET_MAX, .ctx_in = &md, .ctx_size_in = sizeof(md));
	int ret = 0;

	if (piece->number)
		ret = put(context, "egress", &piece->number, &device, err);
	if (ret == 0 && bpf_prog_test_run_opts(bpf_program__fd(skel->progs.lb_ingress), &opts))
		ret = error_set(err, errno, "BPF_PROG_TEST_RUN: %s", strerror(errno));
	if (piece->number)
		bpf_map_delete_elem(bpf_map__fd(skel->maps.egress), &piece->number);
	*ret_out_size = opts.data_size_out;
	*ret_code = opts.retval;
	return ret;
}

/* --- all of it --- */

static uint8_t *unpack(struct error *err)
{
	uint8_t *recording = malloc(CORPUS_SIZE);
	uLongf size = CORPUS_SIZE;

	if (!recording) {
		error_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	if (uncompress(recording, &size, corpus_packed, sizeof(corpus_packed)) == Z_OK &&
	    size == CORPUS_SIZE)
		return recording;
	free(recording);
	error_set(err, EBADMSG, "the recording is damaged");
	return NULL;
}

static int load_and_play(struct instance *instance, const uint8_t *recording, bool frags,
			 struct selftest_result *ret_result, struct error *err)
{
	const struct selftest_target target = {
		.context = instance, .reset = reset, .put = put, .run = run};
	int ret = prepare(instance->skel, recording, frags, err);

	if (ret)
		return ret;
	ret = ingress__load(instance->skel);
	if (ret)
		return error_set(err, -ret, "it cannot be loaded: %s", strerror(-ret));
	ret = map_arrays(instance, err);
	return ret ? ret : selftest_play(recording, CORPUS_SIZE, frags, &target, ret_result, err);
}

static void instance_clear(struct instance *instance)
{
	size_t i;

	for (i = 0; i < ARRAYS_MAX && instance->arrays[i].memory; i++)
		munmap(instance->arrays[i].memory, instance->arrays[i].bytes);
	ingress__destroy(instance->skel);
}

int dataplane_bpf_selftest(uint32_t mtu, struct dataplane_selftest *ret_test, struct error *err)
{
	uint64_t began = clock_ms(CLOCK_MONOTONIC);
	struct selftest_result result = {0};
	uint8_t *recording = unpack(err);
	struct instance instance = {0};
	int ret = -EBADMSG;

	bpf_keep_warnings();
	if (recording)
		instance.skel = ingress__open();
	if (recording && !instance.skel)
		ret = error_set(err, ENOMEM, "out of memory");
	if (instance.skel)
		ret = load_and_play(&instance, recording, mtu > MTU_ONE_PAGE, &result, err);
	instance_clear(&instance);
	free(recording);
	if (ret)
		return ret;
	*ret_test = (struct dataplane_selftest){
		.cases = result.played,
		.left_out = result.left_out,
		.ms = (uint32_t)(clock_ms(CLOCK_MONOTONIC) - began),
	};
	return 0;
}
