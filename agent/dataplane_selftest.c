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
#include <time.h>
#include <zlib.h>

#include "corpus.h"
#include "dataplane_bpf_internal.h"
#include "selftest.h"

/* --- the instance --- */

static void set_constants(struct ingress *skel, const struct recording_piece *piece, bool frags)
{
	struct ingress__rodata *rodata = skel->rodata;
	struct recording_constants constants;
	int i;

	memcpy(&constants, piece->first, sizeof(constants));
	for (i = 0; i < LB_HASH_KEYS; i++)
		rodata->lb_hash_key[i] = constants.hash_key[i];
	rodata->lb_flow_mask = constants.flow_mask;
	rodata->lb_table_size = constants.table_size;
	rodata->lb_table_lines = constants.table_lines;
	rodata->lb_nat_port_low = constants.nat_port_low;
	rodata->lb_nat_port_count = constants.nat_port_count;
	rodata->lb_tick_shift = constants.tick_shift;
	rodata->lb_coarse_tick_shift = constants.coarse_tick_shift;
	rodata->lb_icmp_per_second = constants.icmp_per_second;
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

static int clear_array(const struct bpf_map *map, struct error *err)
{
	static const char zero[sizeof(struct lb_flow_bucket)];
	uint32_t i;

	if (bpf_map__value_size(map) > sizeof(zero))
		return map_error(bpf_map__name(map), E2BIG, err);
	for (i = 0; i < bpf_map__max_entries(map); i++) {
		if (bpf_map_update_elem(bpf_map__fd(map), &i, zero, BPF_ANY))
			return map_error(bpf_map__name(map), errno, err);
	}
	return 0;
}

static int clear_hash(const struct bpf_map *map)
{
	int fd = bpf_map__fd(map);
	char key[64];

	while (bpf_map_get_next_key(fd, NULL, key) == 0 && bpf_map_delete_elem(fd, key) == 0)
		;
	return 0;
}

/* Counters may go on counting, and scratch is nobody's between two packets. */
static int clear_map(const struct bpf_map *map, struct error *err)
{
	switch (bpf_map__type(map)) {
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		return 0;
	case BPF_MAP_TYPE_ARRAY:
		return clear_array(map, err);
	default:
		return clear_hash(map);
	}
}

static int reset(void *context, struct error *err)
{
	struct ingress *skel = context;
	struct bpf_map *map;
	int ret = 0;

	bpf_object__for_each_map(map, skel->obj)
	{
		if (ret == 0 && bpf_map_is_pinned(map) && !bpf_map_is_switches(map))
			ret = clear_map(map, err);
	}
	skel->data_switches->lb_switches = (struct lb_switches){.all_ones = ~0U};
	return ret;
}

static int put(void *context, const char *name, const void *key, const void *value,
	       struct error *err)
{
	struct ingress *skel = context;
	const struct bpf_map *map = bpf_object__find_map_by_name(skel->obj, name);

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
	struct ingress *skel = context;
	const uint32_t device = RECORDING_IFINDEX;
	struct xdp_md md = {.data_end = piece->first_length, .ingress_ifindex = RECORDING_IFINDEX};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = piece->first,
		    .data_size_in = piece->first_length, .data_out = out,
		    .data_size_out = SELFTEST_PACKET_MAX, .ctx_in = &md, .ctx_size_in = sizeof(md));
	int ret = 0;

	if (piece->number)
		ret = put(skel, "egress", &piece->number, &device, err);
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

static int load_and_play(struct ingress *skel, const uint8_t *recording, bool frags,
			 struct selftest_result *ret_result, struct error *err)
{
	const struct selftest_target target = {
		.context = skel, .reset = reset, .put = put, .run = run};
	int ret = prepare(skel, recording, frags, err);

	if (ret == 0)
		ret = ingress__load(skel);
	if (ret)
		return error_set(err, -ret, "it cannot be loaded: %s", strerror(-ret));
	return selftest_play(recording, CORPUS_SIZE, frags, &target, ret_result, err);
}

static uint64_t monotonic_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int dataplane_bpf_selftest(uint32_t mtu, struct dataplane_selftest *ret_test, struct error *err)
{
	uint64_t began = monotonic_ms();
	struct selftest_result result = {0};
	uint8_t *recording = unpack(err);
	struct ingress *skel = NULL;
	int ret = -EBADMSG;

	bpf_keep_warnings();
	if (recording)
		skel = ingress__open();
	if (recording && !skel)
		ret = error_set(err, ENOMEM, "out of memory");
	if (skel)
		ret = load_and_play(skel, recording, mtu > MTU_ONE_PAGE, &result, err);
	ingress__destroy(skel);
	free(recording);
	if (ret)
		return ret;
	*ret_test = (struct dataplane_selftest){
		.cases = result.played,
		.left_out = result.left_out,
		.ms = (uint32_t)(monotonic_ms() - began),
	};
	return 0;
}
