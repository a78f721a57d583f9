/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets a second on a wire: frames go out of one end of a veth pair (BPF_F_TEST_XDP_LIVE_FRAMES),
 * meet a program at the other end, in a namespace of its own, and come back to be counted. In each
 * round each program has its turn; beside the rate stands its part of bare XDP_TX's in that round.
 */
#include <bpf/libbpf.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "parse.h"
#include "scenario.h"
#include "target.h"

#define ROUNDS_MAX   100
#define FRAMES       1000000
#define WARM_UP      10000 /* at least */
#define MEETINGS_MAX 16
#define LEAST_PART   0.95 /* of the frames must come back, or the rate is not the program's */

static const char usage[] =
	"usage: lb_live NEAR FAR LINK ROUNDS FILE\n"
	"  NEAR, FAR  network namespaces (files) that share a veth pair, LINK at both ends\n"
	"  FILE       gets the figures as JSON\n";

/* A program that frames meet, and what they are. */
struct meeting {
	char name[40];
	const struct scenario *scenario;
	bool bare;
	enum bare which;             /* if bare */
	double millions[ROUNDS_MAX]; /* a second */
	double parts[ROUNDS_MAX];    /* of the first meeting's in that round */
};

struct end {
	int namespace;
	uint32_t link;
};

static struct {
	struct end near, far;
	struct scenario scenarios[SCENARIOS_MAX];
	struct meeting meetings[MEETINGS_MAX];
	size_t count;
	uint64_t rounds;
} work;

/* --- the wire --- */

static int enter(const struct end *end, struct error *err)
{
	if (setns(end->namespace, CLONE_NEWNET) == 0)
		return 0;
	return error_set(err, errno, "entering a namespace: %s", strerror(errno));
}

static int end_open(struct end *end, const char *path, const char *link, struct error *err)
{
	int r;

	end->namespace = open(path, O_RDONLY | O_CLOEXEC);
	if (end->namespace < 0)
		return error_set(err, errno, "%s: %s", path, strerror(errno));
	r = enter(end, err);
	if (r < 0)
		return r;
	end->link = if_nametoindex(link);
	return end->link ? 0 : error_set(err, ENODEV, "%s: no interface %s there", path, link);
}

/* In the place of the one before. */
static int attach(const struct end *end, int program, struct error *err)
{
	int r = enter(end, err);

	if (r == 0)
		r = bpf_xdp_attach((int)end->link, program, XDP_FLAGS_DRV_MODE, NULL);
	return r < 0 ? error_set(err, -r, "attaching: %s", strerror(-r)) : 0;
}

/* --- what is measured --- */

static const struct {
	uint64_t flows;
	const char *words;
} crowds[] = {{1, "one flow"}, {1 << 16, "64 Ki flows"}, {1 << 20, "1 Mi flows"}};

/* How many flows, in words, where the scenario is one of those that are measured; else NULL. */
static const char *words_for(const struct scenario *scenario)
{
	size_t i;

	if (strcmp(scenario->packets, "hit") != 0 || strcmp(scenario->ip, "ip4") != 0 ||
	    strcmp(scenario->l4, "tcp") != 0 || scenario->vips != 1)
		return NULL;
	for (i = 0; i < sizeof(crowds) / sizeof(crowds[0]); i++) {
		if (crowds[i].flows == scenario->flows)
			return crowds[i].words;
	}
	return NULL;
}

static void add_bare(const char *name, enum bare which)
{
	struct meeting *meeting = &work.meetings[work.count++];

	*meeting = (struct meeting){.scenario = &work.scenarios[0], .bare = true, .which = which};
	snprintf(meeting->name, sizeof(meeting->name), "%s", name);
}

static void list_meetings(void)
{
	size_t count = scenarios(TARGET_FLOWS / 4, work.scenarios), i;
	struct meeting *meeting;

	add_bare("bare XDP_TX", BARE_TX);
	add_bare("bare redirect", BARE_REDIRECT);
	for (i = 0; i < count && work.count < MEETINGS_MAX; i++) {
		if (!words_for(&work.scenarios[i]))
			continue;
		meeting = &work.meetings[work.count++];
		meeting->scenario = &work.scenarios[i];
		snprintf(meeting->name, sizeof(meeting->name), "%s, %s", meeting->scenario->mode,
			 words_for(meeting->scenario));
	}
}

/* All that this sends must come back, but for what a full queue loses. */
static int send_frames(const struct scenario *scenario, const char *flags, uint32_t frames,
		       double *ret_millions, struct error *err)
{
	struct traffic traffic;
	struct flight flight = {0};
	int r = scenario_traffic(scenario, flags, &traffic, err);

	if (r == 0)
		r = enter(&work.near, err);
	if (r == 0)
		r = harness_send(work.near.link, &traffic, frames, &flight, err);
	if (r < 0)
		return r;
	*ret_millions = (double)flight.returned / flight.seconds / 1e6;
	if ((double)flight.returned >= LEAST_PART * frames)
		return 0;
	return error_set(err, EIO, "%llu of %u frames came back: the rate would mean nothing",
			 (unsigned long long)flight.returned, frames);
}

/* lb_ingress as it is when its flows are established. */
static int prepare(const struct scenario *scenario, struct error *err)
{
	uint32_t frames = scenario->flows > WARM_UP ? (uint32_t)scenario->flows : WARM_UP;
	double ignored;
	int r = target_empty((uint32_t)scenario->flows, err);

	if (r == 0)
		r = send_frames(scenario, "S", frames, &ignored, err);
	return r < 0 ? r : send_frames(scenario, "A", frames, &ignored, err);
}

static int measure(struct meeting *meeting, uint64_t round, struct error *err)
{
	int program = meeting->bare ? harness_bare(meeting->which) : target_program();
	int r = attach(&work.far, program, err);

	if (r == 0 && !meeting->bare)
		r = prepare(meeting->scenario, err);
	if (r == 0)
		r = send_frames(meeting->scenario, "A", FRAMES, &meeting->millions[round], err);
	if (r < 0) {
		fprintf(stderr, "lb_live: %s:\n", meeting->name);
		return r;
	}
	meeting->parts[round] = meeting->millions[round] / work.meetings[0].millions[round];
	return 0;
}

static int run_rounds(struct error *err)
{
	uint64_t round;
	size_t i;
	int r = 0;

	for (round = 0; r == 0 && round < work.rounds; round++)
		for (i = 0; r == 0 && i < work.count; i++)
			r = measure(&work.meetings[i], round, err);
	return r;
}

static int run(const char *near, const char *far, const char *link, struct error *err)
{
	int cpu, r = harness_stay_on_cpu(&cpu, err);

	if (r == 0)
		r = end_open(&work.near, near, link, err);
	if (r == 0)
		r = end_open(&work.far, far, link, err);
	if (r == 0)
		r = harness_open(err);
	if (r == 0)
		r = target_open(link, TARGET_FLOWS, err);
	if (r == 0)
		r = attach(&work.near, harness_counter(), err);
	if (r == 0)
		r = run_rounds(err);
	target_close();
	harness_close();
	return r;
}

/* --- what came of it --- */

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

static void add_figures(cJSON *object, const char *name, const double *sorted)
{
	cJSON *figures = cJSON_AddObjectToObject(object, name);

	cJSON_AddNumberToObject(figures, "median", sorted[work.rounds / 2]);
	cJSON_AddNumberToObject(figures, "min", sorted[0]);
	cJSON_AddNumberToObject(figures, "max", sorted[work.rounds - 1]);
}

static cJSON *tell(void)
{
	cJSON *json = cJSON_CreateObject(), *results, *result;
	const double *rates, *parts;
	struct meeting *meeting;

	cJSON_AddNumberToObject(json, "rounds", (double)work.rounds);
	cJSON_AddNumberToObject(json, "frames", FRAMES);
	results = cJSON_AddArrayToObject(json, "results");
	printf("| program | million packets/s | of bare XDP_TX |\n|---|---:|---:|\n");
	for (meeting = work.meetings; meeting < work.meetings + work.count; meeting++) {
		rates = meeting->millions;
		parts = meeting->parts;
		qsort(meeting->millions, work.rounds, sizeof(*rates), compare);
		qsort(meeting->parts, work.rounds, sizeof(*parts), compare);
		printf("| %s | %.2f (%.2f–%.2f) | %.2f (%.2f–%.2f) |\n", meeting->name,
		       rates[work.rounds / 2], rates[0], rates[work.rounds - 1],
		       parts[work.rounds / 2], parts[0], parts[work.rounds - 1]);
		result = cJSON_CreateObject();
		cJSON_AddStringToObject(result, "program", meeting->name);
		add_figures(result, "millions-a-second", rates);
		add_figures(result, "of-bare-tx", parts);
		cJSON_AddItemToArray(results, result);
	}
	return json;
}

static int save(cJSON *json, const char *path, struct error *err)
{
	char *text = cJSON_Print(json);
	FILE *file = text ? fopen(path, "we") : NULL;
	int r = file ? 0 : error_set(err, errno, "%s: %s", path, strerror(errno));
	bool whole = file && fprintf(file, "%s\n", text) > 0;

	if (file && (fclose(file) != 0 || !whole))
		r = error_set(err, errno, "%s: %s", path, strerror(errno));
	cJSON_free(text);
	cJSON_Delete(json);
	return r;
}

int main(int argc, char **argv)
{
	struct error err = {0};

	if (argc != 6 || parse_number(argv[4], 1, ROUNDS_MAX, &work.rounds, &err)) {
		fputs(usage, stderr);
		return 2;
	}
	list_meetings();
	if (run(argv[1], argv[2], argv[3], &err) < 0 || save(tell(), argv[5], &err) < 0) {
		fprintf(stderr, "lb_live: %s\n", err.message);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
