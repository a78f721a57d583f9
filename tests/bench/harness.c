/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "restore.skel.h"
#include "walk.h"

#define BATCH 4096 /* entries deleted at once */

static struct restore *skeleton;

/* --- packets --- */

/* Where in the frame a field of a header begins. */
static uint8_t offset_of(const struct walk *walk, const char *name)
{
	size_t index;

	return walk->start + field_named(&protocols[walk->kind], name, &index)->bit / 8;
}

static void note_header(const struct walk *walk, struct restore_plan *plan)
{
	switch (walk->kind) {
	case LAYER_IP4:
		plan->source = offset_of(walk, "src") + 2;
		plan->destination = offset_of(walk, "dst") + 2;
		plan->l3_check = offset_of(walk, "check");
		break;
	case LAYER_IP6:
		plan->source = offset_of(walk, "src") + 14;
		plan->destination = offset_of(walk, "dst") + 14;
		break;
	case LAYER_TCP:
	case LAYER_UDP:
		plan->port = offset_of(walk, "src");
		plan->l4_check = offset_of(walk, "check");
		break;
	default:
		break;
	}
}

int traffic_build(const char *text, uint64_t flows, uint32_t vips, uint32_t grow,
		  struct traffic *ret_traffic, struct error *err)
{
	struct restore_plan *plan = &ret_traffic->plan;
	struct frame *frame = &ret_traffic->frame;
	struct layers layers;
	struct walk walk;
	int r;

	r = layers_parse(text, &layers, err);
	if (r == 0)
		r = frame_build(&layers, frame, err);
	if (r < 0)
		return r;
	if (frame->size < RESTORE_SIZE)
		return error_set(err, EINVAL, "'%s': shorter than %zu bytes", text, RESTORE_SIZE);
	*plan = (struct restore_plan){
		.flow_mask = flows ? flows - 1 : RESTORE_ENDLESS,
		.vip_mask = vips - 1,
		.length = frame->size,
		.grow = grow,
	};
	memcpy(plan->words, frame->bytes, sizeof(plan->words));
	walk = walk_begin(frame->size);
	while (walk_next(&walk, frame->bytes))
		note_header(&walk, plan);
	return 0;
}

/* --- runs --- */

int harness_open(struct error *err)
{
	skeleton = restore__open_and_load();
	if (!skeleton)
		return error_set(err, errno, "loading the harness: %s (is this root?)",
				 strerror(errno));
	return 0;
}

void harness_close(void)
{
	restore__destroy(skeleton);
	skeleton = NULL;
}

int harness_empty(const struct bpf_map *map, struct error *err)
{
	void *keys = calloc(BATCH, bpf_map__key_size(map));
	void *values = calloc(BATCH, bpf_map__value_size(map));
	uint32_t position, count;
	void *in = NULL;
	int r = keys && values ? 0 : -ENOMEM;

	while (r == 0) {
		count = BATCH;
		r = bpf_map_lookup_and_delete_batch(bpf_map__fd(map), in, &position, keys, values,
						    &count, NULL);
		in = &position;
	}
	free(keys);
	free(values);
	return r == -ENOENT ? 0
			    : error_set(err, -r, "map %s: %s", bpf_map__name(map), strerror(-r));
}

int harness_stay_on_cpu(int *ret_cpu, struct error *err)
{
	int cpu = sched_getcpu();
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (cpu < 0 || sched_setaffinity(0, sizeof(set), &set) != 0)
		return error_set(err, errno, "staying on one CPU: %s", strerror(errno));
	*ret_cpu = cpu;
	return 0;
}

/* `repeat` times the program alone, on one packet. */
static int run_alone(const struct bpf_program *program, const struct traffic *traffic,
		     uint32_t repeat, struct timing *ret_timing, struct error *err)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = traffic->frame.bytes,
		    .data_size_in = traffic->frame.size, .repeat = (int)repeat);
	int r = bpf_prog_test_run_opts(bpf_program__fd(program), &opts);

	if (r < 0)
		return error_set(err, -r, "BPF_PROG_TEST_RUN: %s", strerror(-r));
	ret_timing->ns = opts.duration;
	ret_timing->code = (int)opts.retval;
	return 0;
}

int harness_run(int program, const struct traffic *traffic, uint32_t repeat,
		struct timing *ret_timing, struct error *err)
{
	uint32_t zero = 0;

	skeleton->bss->plan = traffic->plan;
	if (bpf_map_update_elem(bpf_map__fd(skeleton->maps.target), &zero, &program, BPF_ANY) != 0)
		return error_set(err, errno, "map target: %s", strerror(errno));
	return run_alone(skeleton->progs.restore, traffic, repeat, ret_timing, err);
}

int harness_overhead(const struct traffic *traffic, uint32_t repeat, struct overhead *ret_overhead,
		     struct error *err)
{
	struct timing bare = {0}, both = {0}, restored = {0};
	int r;

	skeleton->bss->plan = traffic->plan;
	r = run_alone(skeleton->progs.bare_tx, traffic, repeat, &bare, err);
	if (r == 0)
		r = run_alone(skeleton->progs.grow_and_shrink, traffic, repeat, &both, err);
	if (r == 0)
		r = harness_run(bpf_program__fd(skeleton->progs.bare_grow), traffic, repeat,
				&restored, err);
	if (r < 0)
		return r;
	/* To grow is the program's own affair, to shrink the harness'. */
	ret_overhead->bare = (int32_t)bare.ns;
	ret_overhead->harness =
		(int32_t)restored.ns - (int32_t)bare.ns - ((int32_t)both.ns - (int32_t)bare.ns) / 2;
	return 0;
}

/* --- on the wire --- */

#define BATCH_FRAMES 64
#define SETTLE_US    2000
#define SETTLE_TURNS 50

int harness_bare(enum bare bare)
{
	return bpf_program__fd(bare == BARE_TX ? skeleton->progs.bare_tx
					       : skeleton->progs.bare_redirect);
}

int harness_counter(void)
{
	return bpf_program__fd(skeleton->progs.count);
}

/* Until none has come for a while. */
static uint64_t wait_returned(void)
{
	uint64_t former = 0, now = skeleton->bss->returned;
	int i;

	for (i = 0; i < SETTLE_TURNS && now != former; i++) {
		former = now;
		usleep(SETTLE_US);
		now = __atomic_load_n(&skeleton->bss->returned, __ATOMIC_RELAXED);
	}
	return now;
}

int harness_send(uint32_t ifindex, const struct traffic *traffic, uint32_t frames,
		 struct flight *ret_flight, struct error *err)
{
	struct xdp_md context = {.data_end = traffic->frame.size, .ingress_ifindex = ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = traffic->frame.bytes,
		    .data_size_in = traffic->frame.size, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = (int)frames,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH_FRAMES);
	double began = clock_seconds(CLOCK_MONOTONIC);
	int r;

	skeleton->bss->plan = traffic->plan;
	skeleton->bss->returned = 0;
	r = bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.send), &opts);
	if (r < 0)
		return error_set(err, -r, "BPF_F_TEST_XDP_LIVE_FRAMES: %s", strerror(-r));
	ret_flight->seconds = clock_seconds(CLOCK_MONOTONIC) - began;
	ret_flight->returned = wait_returned();
	return 0;
}
