/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays captured packets through the data plane: lb_replay [--vip URI]... FILE|DIRECTORY...
 *
 * Each packet runs natively under sanitizers and in the kernel, with a few services configured.
 * Both must do the same; what is addressed to no VIP must be passed as it came; what was right
 * must not leave wrong. Says how many packets had which verdict, and ends with 1 if any failed.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "judge.h"
#include "setup.h"
#include "world.h"

/* Time passes in the kernel only: both begin afresh before that could matter. */
#define PACKETS_A_ROUND 1000
#define FAILURES_SHOWN  10

/* The frames that BPF_PROG_TEST_RUN takes. */
#define FRAME_MIN 14

static const struct engine *const engines[] = {&engine_native, &engine_bpf};

struct replay {
	struct test_case world;
	uint64_t packets;
	uint64_t skipped; /* too short or too long to be run */
	uint64_t foreign; /* to no address of a VIP or of NAT's own */
	uint64_t failures;
	uint64_t verdicts[LB_VERDICT_COUNT];
};

/* --- the services --- */

static const char *const usual_vips[] = {
	"tcp://198.18.0.10:80",
	"udp://198.18.0.10:53",
	"tcp://[2001:db8::10]:80",
	"udp://[2001:db8::10]:53",
};

static const char *const mode_names[] = {"nat", "l2", "ipip", "gue"};
#define MODES (sizeof(mode_names) / sizeof(mode_names[0]))

static int add_line(struct replay *replay, const char *word, const char *rest, struct error *err)
{
	return parse_setup(word, rest, &replay->world, err);
}

/* A service of a mode of its own for each VIP, with a backend of the VIP's family. */
static int add_service(struct replay *replay, size_t index, const char *vip, struct error *err)
{
	const char *mode = mode_names[index % MODES];
	bool is_ipv6 = strchr(vip, '[');
	char line[256];
	int r;

	snprintf(line, sizeof(line), "s%zu mode=%s vip=%s", index, mode, vip);
	r = add_line(replay, "service", line, err);
	if (r < 0)
		return r;
	snprintf(line, sizeof(line), "s%zu b%zu %s mac=02:00:00:00:01:0b mtu=1500 %s=%s", index,
		 index, is_ipv6 ? "2001:db8:1::11" : "198.18.1.11",
		 strcmp(mode, "nat") == 0 ? "nat" : "local",
		 is_ipv6 ? "2001:db8:1::1" : "198.18.1.1");
	return add_line(replay, "backend", line, err);
}

static int set_up(struct replay *replay, const char *const *vips, size_t count, struct error *err)
{
	size_t i;
	int r = 0;

	setup_defaults(&replay->world);
	replay->world.constants.buckets = 1024;
	replay->world.constants.frags = 1;
	for (i = 0; r == 0 && i < count; i++)
		r = add_service(replay, i, vips[i], err);
	return r;
}

static int begin_round(const struct replay *replay, struct error *err)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < 2; i++) {
		r = engines[i]->reset(&replay->world.constants, err);
		if (r == 0)
			r = world_setup(engines[i], &replay->world, err);
	}
	return r;
}

/* --- running --- */

static void show(const char *path, uint64_t number, const char *what, const struct frame *sent,
		 const struct result results[2])
{
	size_t i;

	printf("# %s: packet %" PRIu64 ": %s\n", path, number, what);
	show_in(stdout, sent);
	for (i = 0; i < 2; i++)
		show_result(stdout, engines[i]->name, &results[i], sent);
}

/* 0, or a negative errno: the packet could not be run. */
static int play_packet(struct replay *replay, const char *path, uint64_t number,
		       const struct frame *frame, struct error *err)
{
	static struct result results[2]; /* large */
	bool foreign = is_foreign(&replay->world, frame);
	const char *wrong;
	size_t i;
	int r = 0;

	if (replay->packets % PACKETS_A_ROUND == 0)
		r = begin_round(replay, err);
	for (i = 0; r == 0 && i < 2; i++)
		r = run_one(engines[i], frame, DEVICE_LEFT, 0, &results[i], err);
	if (r < 0)
		return r;
	replay->packets++;
	replay->foreign += foreign;
	if (results[1].verdict < LB_VERDICT_COUNT)
		replay->verdicts[results[1].verdict]++;
	wrong = compare(&results[0], &results[1]);
	if (!wrong)
		wrong = judge(frame, &results[0], foreign);
	if (wrong && replay->failures++ < FAILURES_SHOWN)
		show(path, number, wrong, frame, results);
	return 0;
}

/* A capture_take. */
static int play(void *context, const char *path, uint64_t number, const uint8_t *bytes, size_t size,
		struct error *err)
{
	static struct frame frame; /* large */
	struct replay *replay = context;

	if (size < FRAME_MIN || size > FRAME_MAX) {
		replay->skipped++;
		return 0;
	}
	frame.size = size;
	memcpy(frame.bytes, bytes, size);
	return play_packet(replay, path, number, &frame, err);
}

static void report(const struct replay *replay)
{
	size_t i;

	for (i = 0; i < LB_VERDICT_COUNT; i++)
		if (replay->verdicts[i])
			printf("  %-14s %10" PRIu64 "\n", verdict_name(i), replay->verdicts[i]);
	printf("%" PRIu64 " packets, %" PRIu64 " of them to others than our VIPs, %" PRIu64
	       " skipped, %" PRIu64 " failed\n",
	       replay->packets, replay->foreign, replay->skipped, replay->failures);
}

/* Reads the options; returns the index of the first path, 0: the arguments make no sense. */
static int parse_arguments(int argc, char **argv, const char *vips[MODES], size_t *ret_count)
{
	size_t count = 0;
	int i = 1;

	for (; i + 1 < argc && strcmp(argv[i], "--vip") == 0; i += 2) {
		if (count == MODES)
			return 0;
		vips[count++] = argv[i + 1];
	}
	*ret_count = count;
	return i < argc && argv[i][0] != '-' && argv[i][0] ? i : 0;
}

int main(int argc, char **argv)
{
	const char *vips[MODES];
	static struct replay replay; /* large */
	struct error err;
	size_t count = 0;
	int i = parse_arguments(argc, argv, vips, &count), r;

	if (!i) {
		fprintf(stderr, "usage: %s [--vip URI]... FILE|DIRECTORY... (up to %zu VIPs)\n",
			argv[0], MODES);
		return 2;
	}
	r = set_up(&replay, count ? vips : usual_vips, count ? count : MODES, &err);
	for (; r == 0 && i < argc; i++)
		r = capture_read(argv[i], play, &replay, &err);
	if (r == 0)
		report(&replay);
	else
		fprintf(stderr, "%s: %s\n", argv[0], err.message);
	engine_bpf.close();
	engine_native.close();
	return r < 0 || replay.failures > 0 || replay.packets == 0;
}
