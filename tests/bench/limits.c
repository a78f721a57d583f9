/* SPDX-License-Identifier: Apache-2.0 */
#include "limits.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>

#include "limit_steps.h"
#include "limits.skel.h"

#define OPERATIONS (1U << 18) /* of a measurement */
#define VISITS     (1U << 20) /* of memory before, so that what fits into a cache is there */

/* What a program takes, less what the other takes that does all but the thing itself. */
static const struct {
	const char *name;
	const char *program;
	const char *without; /* NULL: none */
	uint32_t times;      /* in one run */
} kinds[] = {
	{"bare XDP_TX", "bare", NULL, 1},
	{"per-CPU array, look-up", "percpu", "waiting", LIMIT_STEPS},
	{"array, look-up, in cache", "cached", "waiting", LIMIT_STEPS},
	{"hash map, key of 8 bytes, look-up", "hash8", "nothing", LIMIT_STEPS},
	{"hash map, key of 20 bytes, look-up", "hash20", "nothing", LIMIT_STEPS},
	{"LRU hash map, key of 40 bytes, look-up", "lru40", "nothing", LIMIT_STEPS},
	{"LRU hash map, key of 40 bytes, update", "lru40_update", "nothing", LIMIT_STEPS},
	{"bpf_ktime_get_ns", "clock", "nothing", LIMIT_STEPS},
	{"bpf_jiffies64", "jiffies", "nothing", LIMIT_STEPS},
	{"bpf_xdp_adjust_head by 20", "adjust_head", "nothing", 2 * LIMIT_STEPS},
};

static const uint32_t mebibytes[] = {1, 4, 16, 64, 256};

/* Visits to memory of these sizes, first those that do not depend on each other. */
static const char *const visits[] = {"independent", "dependent"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SIZES        COUNT(mebibytes)

_Static_assert(COUNT(kinds) + COUNT(visits) * SIZES <= LIMITS_MAX, "all fit");

static struct limits *skeleton;

/* --- maps --- */

/* Of a key only the first word differs, so one is all, in its length. */
static int fill_hash(const struct bpf_map *map, struct error *err)
{
	struct limit_key40 key = {0};
	uint64_t value = 1;

	for (; key.word[0] < LIMIT_KEYS; key.word[0]++)
		if (bpf_map_update_elem(bpf_map__fd(map), &key, &value, BPF_ANY) != 0)
			return error_set(err, errno, "map %s: %s", bpf_map__name(map),
					 strerror(errno));
	return 0;
}

int limits_open(struct error *err)
{
	int r;

	skeleton = limits__open_and_load();
	if (!skeleton)
		return error_set(err, errno, "loading the limits' programs: %s", strerror(errno));
	r = fill_hash(skeleton->maps.limit_hash8, err);
	if (r == 0)
		r = fill_hash(skeleton->maps.limit_hash20, err);
	if (r == 0)
		r = fill_hash(skeleton->maps.limit_lru40, err);
	return r;
}

void limits_close(void)
{
	limits__destroy(skeleton);
	skeleton = NULL;
}

/* --- measuring --- */

/* So many runs of a program, nanoseconds each on average. */
static int run(const char *name, uint32_t repeat, uint32_t *ret_ns, struct error *err)
{
	uint8_t frame[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = (int)repeat);
	int fd = bpf_program__fd(bpf_object__find_program_by_name(skeleton->obj, name));
	int r = bpf_prog_test_run_opts(fd, &opts);

	if (r < 0)
		return error_set(err, -r, "BPF_PROG_TEST_RUN: %s: %s", name, strerror(-r));
	*ret_ns = opts.duration;
	return 0;
}

static int difference(const char *program, const char *without, uint32_t times, int32_t *ret_tenths,
		      struct error *err)
{
	const uint32_t repeat = OPERATIONS / times;
	uint32_t ns = 0, other = 0;
	int r = without ? run(without, repeat, &other, err) : 0;

	if (r == 0)
		r = run(program, repeat, &ns, err);
	if (r < 0)
		return r;
	*ret_tenths = (int32_t)(((int64_t)ns - other) * 10 / times);
	return 0;
}

static int visit(size_t limit, int32_t *ret_tenths, struct error *err)
{
	uint32_t ns;
	int r;

	skeleton->bss->line_mask = (mebibytes[limit % SIZES] << 20) / sizeof(struct limit_line) - 1;
	r = run("independent", VISITS / LIMIT_STEPS, &ns, err);
	return r < 0 ? r
		     : difference(visits[limit / SIZES], "mixing", LIMIT_STEPS, ret_tenths, err);
}

size_t limits_count(void)
{
	return COUNT(kinds) + COUNT(visits) * SIZES;
}

void limit_name(size_t limit, char ret_name[LIMIT_NAME_MAX])
{
	size_t i = limit - COUNT(kinds);

	if (limit < COUNT(kinds))
		snprintf(ret_name, LIMIT_NAME_MAX, "%s", kinds[limit].name);
	else
		snprintf(ret_name, LIMIT_NAME_MAX, "%s visits in %u MiB", visits[i / SIZES],
			 mebibytes[i % SIZES]);
}

int limit_measure(size_t limit, int32_t *ret_tenths, struct error *err)
{
	if (limit >= COUNT(kinds))
		return visit(limit - COUNT(kinds), ret_tenths, err);
	return difference(kinds[limit].program, kinds[limit].without, kinds[limit].times,
			  ret_tenths, err);
}
