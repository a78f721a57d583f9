/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays captured packets through the data plane: lb_replay [--vip URI]... FILE|DIRECTORY...
 *
 * Each packet runs natively under sanitizers and in the kernel, with a few services configured.
 * Both must do the same; what is addressed to no VIP must be passed as it came; what was right
 * must not leave wrong. Says how many packets had which verdict, and ends with 1 if any failed.
 */
#include <inttypes.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "setup.h"
#include "walk.h"
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

/* What an engine made of a packet. */
struct result {
	enum lb_verdict verdict;
	struct outcome outcome;
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

/* --- who is addressed --- */

/* The destination of the first IP header. False: there is none. */
static bool find_destination(const struct frame *frame, struct address *ret_address)
{
	struct walk step = walk_begin(frame->size);
	const uint8_t *header;

	while (walk_next(&step, frame->bytes)) {
		header = frame->bytes + step.start;
		memset(ret_address, 0, sizeof(*ret_address));
		if (step.kind == LAYER_IP6) {
			memcpy(&ret_address->ip, header + 24, 16);
			return true;
		}
		if (step.kind == LAYER_IP4) {
			*ret_address = address_from_ipv4(header + 16);
			return true;
		}
	}
	return false;
}

static bool in_vip(const struct address *address, const struct vip *vip)
{
	const uint8_t *a = address->ip.s6_addr, *b = vip->endpoint.address.ip.s6_addr;
	unsigned int bits = 128 - vip->host_bits;
	uint8_t mask = (uint8_t)(0xff00U >> bits % 8);

	return memcmp(a, b, bits / 8) == 0 &&
	       (bits % 8 == 0 || !((a[bits / 8] ^ b[bits / 8]) & mask));
}

/* Is the packet for none of our addresses, so that nothing may happen to it? */
static bool is_foreign(const struct replay *replay, const struct frame *frame)
{
	const struct test_case *world = &replay->world;
	struct address to;
	size_t i;

	if (!find_destination(frame, &to))
		return true;
	for (i = 0; i < world->service_count; i++)
		if (in_vip(&to, &world->services[i].vips[0].vip))
			return false;
	for (i = 0; i < world->backend_count; i++)
		if (world->backends[i].nat && address_equal(&to, &world->backends[i].local_address))
			return false;
	return true;
}

/* --- running --- */

static int run_one(const struct engine *engine, const struct frame *frame,
		   struct result *ret_result, struct error *err)
{
	uint64_t before[LB_VERDICT_COUNT];
	int r;

	world_verdicts(engine, before);
	r = engine->run(frame, DEVICE_LEFT, 0, &ret_result->outcome, err);
	ret_result->verdict = world_verdict_since(engine, before);
	return r;
}

static bool is_sent(int code)
{
	return code == XDP_TX || code == XDP_REDIRECT;
}

/* NULL: all is well; else what is not. */
static const char *judge(const struct frame *sent, const struct result results[2], bool foreign)
{
	const struct outcome *native = &results[0].outcome, *bpf = &results[1].outcome;
	struct error ignored;

	if (results[0].verdict != results[1].verdict || native->code != bpf->code)
		return "natively and in the kernel the verdicts differ";
	if (!frame_equal(&native->frame, &bpf->frame))
		return "natively and in the kernel another packet comes out";
	if (results[0].verdict == LB_VERDICT_COUNT)
		return "not one verdict was counted";
	if (results[0].verdict == LB_INTERNAL || native->code == XDP_ABORTED)
		return "an internal error";
	if (foreign && results[0].verdict != LB_PASS)
		return "the packet is for no VIP and was not passed";
	if (native->code == XDP_PASS && !frame_equal(sent, &native->frame))
		return "a packet that was passed has changed";
	if (is_sent(native->code) && frame_verify(sent, &ignored) == 0 &&
	    frame_verify(&native->frame, &ignored) < 0)
		return "a packet that came right left with a wrong checksum";
	return NULL;
}

static void show(const char *path, uint64_t number, const char *what, const struct frame *sent,
		 const struct result results[2])
{
	size_t i;

	printf("# %s: packet %" PRIu64 ": %s\n#   in:\n", path, number, what);
	frame_print(stdout, sent, NULL);
	for (i = 0; i < 2; i++) {
		printf("#   %s: %s\n", engines[i]->name, verdict_name(results[i].verdict));
		frame_print(stdout, &results[i].outcome.frame, sent);
	}
}

/* 0, or a negative errno: the packet could not be run. */
static int play_packet(struct replay *replay, const char *path, uint64_t number,
		       const struct frame *frame, struct error *err)
{
	static struct result results[2]; /* large */
	bool foreign = is_foreign(replay, frame);
	const char *wrong;
	size_t i;
	int r = 0;

	if (replay->packets % PACKETS_A_ROUND == 0)
		r = begin_round(replay, err);
	for (i = 0; r == 0 && i < 2; i++)
		r = run_one(engines[i], frame, &results[i], err);
	if (r < 0)
		return r;
	replay->packets++;
	replay->foreign += foreign;
	if (results[1].verdict < LB_VERDICT_COUNT)
		replay->verdicts[results[1].verdict]++;
	wrong = judge(frame, results, foreign);
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
static int parse_arguments(int argc, char **argv, const char *vips[CASE_SERVICES_MAX],
			   size_t *ret_count)
{
	size_t count = 0;
	int i = 1;

	for (; i + 1 < argc && strcmp(argv[i], "--vip") == 0; i += 2) {
		if (count == CASE_SERVICES_MAX)
			return 0;
		vips[count++] = argv[i + 1];
	}
	*ret_count = count;
	return i < argc && argv[i][0] != '-' && argv[i][0] ? i : 0;
}

int main(int argc, char **argv)
{
	const char *vips[CASE_SERVICES_MAX];
	static struct replay replay; /* large */
	struct error err;
	size_t count = 0;
	int i = parse_arguments(argc, argv, vips, &count), r;

	if (!i) {
		fprintf(stderr, "usage: %s [--vip URI]... FILE|DIRECTORY... (up to %d VIPs)\n",
			argv[0], CASE_SERVICES_MAX);
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
