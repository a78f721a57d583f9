/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lb_ingress costs a packet, beside a program that only returns XDP_TX, and one that balances
 * the usual way; and what single things take on this machine.
 *
 * Each round measures every scenario once, so that what disturbs the machine for a while disturbs
 * all alike. A scenario's harness and bare program are measured next to it in the same round and
 * subtracted there.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"
#include "peer.h"
#include "report.h"

#define ROUNDS_DEFAULT 4
#define REPEAT_DEFAULT 50000
#define REPEAT_MIN     1000 /* fewer would measure cold caches */
#define REPEAT_MAX     100000000
#define FLOWS_MIN      (1U << 20)
#define FLOWS_MAX      (1U << 27)
#define WARM_UP        1000 /* packets, at least */

static const char usage[] =
	"usage: lb_bench [--rounds N] [--repeat N] [--flows N] [--json] [--save FILE] [--only REGEX]\n"
	"  --rounds N   how often everything is measured (4)\n"
	"  --repeat N   packets of one measurement (50000)\n"
	"  --flows N    entries of the flow table, a power of two (4 Mi); flows that are followed\n"
	"               are up to a fourth of them\n"
	"  --json       one JSON document instead of a table\n"
	"  --save FILE  the JSON document into this file as well\n"
	"  --only REGEX what matches it of \"MODE IP L4 PACKETS FLOWS VIPS\", as\n"
	"               \"^ipip ip4 tcp hit 1 1$\"; and not the machine's limits\n";

struct options {
	uint64_t rounds;
	uint64_t repeat;
	uint64_t flows;
	bool json;
	const char *save; /* NULL: nowhere */
	const char *only; /* NULL: all */
	bool help;
};

/* One scenario's figures, a value for each round. */
struct samples {
	int32_t measured[ROUNDS_MAX];
	int32_t bare[ROUNDS_MAX];
	int32_t harness[ROUNDS_MAX];
	int32_t lb[ROUNDS_MAX];
	int32_t usual[ROUNDS_MAX];
};

static int parse_options(int argc, char **argv, struct options *options, struct error *err)
{
	static const struct option flags[] = {
		{"rounds", required_argument, NULL, 'r'}, {"repeat", required_argument, NULL, 'n'},
		{"flows", required_argument, NULL, 'f'},  {"json", no_argument, NULL, 'j'},
		{"save", required_argument, NULL, 's'},   {"only", required_argument, NULL, 'o'},
		{"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
	};
	int c, r = 0;

	while (r == 0 && (c = getopt_long(argc, argv, "", flags, NULL)) != -1) {
		if (c == 'r')
			r = parse_number(optarg, 1, ROUNDS_MAX, &options->rounds, err);
		else if (c == 'n')
			r = parse_number(optarg, REPEAT_MIN, REPEAT_MAX, &options->repeat, err);
		else if (c == 'f')
			r = parse_number(optarg, FLOWS_MIN, FLOWS_MAX, &options->flows, err);
		else if (c == 'j')
			options->json = true;
		else if (c == 's')
			options->save = optarg;
		else if (c == 'o')
			options->only = optarg;
		else if (c == 'h')
			options->help = true;
		else
			return error_set(err, EINVAL, "see --help");
	}
	if (r == 0 && options->flows & (options->flows - 1))
		return error_set(err, EINVAL, "--flows %" PRIu64 ": not a power of two",
				 options->flows);
	if (r == 0 && optind < argc)
		return error_set(err, EINVAL, "'%s': takes no arguments", argv[optind]);
	return r;
}

/* Packets that nobody times. */
static int warm_up(int program, const struct scenario *scenario, const char *flags,
		   uint64_t packets, struct error *err)
{
	struct traffic traffic;
	struct timing timing;
	int r = scenario_traffic(scenario, flags, &traffic, err);

	return r < 0 ? r : harness_run(program, &traffic, (uint32_t)packets, &timing, err);
}

/* For a program that has forgotten all flows: establishes those that the scenario takes for known.
 */
static int prepare(int program, const struct scenario *scenario, struct error *err)
{
	const uint64_t packets = scenario->flows > WARM_UP ? scenario->flows : WARM_UP;
	int r;

	if (!scenario->known)
		return warm_up(program, scenario, scenario->flags, WARM_UP, err);
	r = warm_up(program, scenario, "S", packets, err);
	return r < 0 ? r : warm_up(program, scenario, "A", packets, err);
}

static int code_of(const struct scenario *scenario)
{
	if (scenario->verdict == LB_FORWARD)
		return XDP_TX;
	return scenario->verdict == LB_PASS ? XDP_PASS : XDP_DROP;
}

/* lb_ingress where the scenario begins. */
static int prepare_lb(const struct scenario *scenario, struct error *err)
{
	int r = target_empty(scenario->flows ? (uint32_t)scenario->flows : UINT32_MAX, err);

	if (r == 0 && scenario->vips > 1)
		r = target_many(scenario_changed(scenario), err);
	if (r == 0)
		r = prepare(target_program(), scenario, err);
	if (r == 0 && scenario->full)
		r = target_crowd(err);
	return r;
}

/* lb_ingress on the scenario's packets. All must get the verdict that the scenario is about. */
static int measure_lb(const struct scenario *scenario, const struct traffic *traffic,
		      uint32_t repeat, struct timing *ret_timing, struct error *err)
{
	uint64_t before = target_packets(scenario->verdict), right;
	int r = harness_run(target_program(), traffic, repeat, ret_timing, err);

	if (r < 0)
		return r;
	right = scenario->verdict == LB_PASS ? repeat : target_packets(scenario->verdict) - before;
	if (right == repeat && ret_timing->code == code_of(scenario))
		return 0;
	return error_set(err, EIO,
			 "%s %s %s %s: only %llu of %u packets got the right verdict (last code "
			 "%d): the figures would mean nothing",
			 scenario->mode, scenario->ip, scenario->l4, scenario->packets,
			 (unsigned long long)right, repeat, ret_timing->code);
}

/* The usual program on the same packets. */
static int measure_usual(const struct scenario *scenario, const struct traffic *traffic,
			 uint32_t repeat, struct timing *ret_timing, struct error *err)
{
	int r = peer_empty(err);

	if (r == 0)
		r = prepare(peer_program(), scenario, err);
	if (r == 0 && scenario->full)
		r = warm_up(peer_program(), scenario, scenario->flags, peer_flows(), err);
	if (r == 0)
		r = harness_run(peer_program(), traffic, repeat, ret_timing, err);
	if (r == 0 && ret_timing->code != code_of(scenario))
		return error_set(err, EIO, "%s %s %s %s: the usual program ends with code %d",
				 scenario->mode, scenario->ip, scenario->l4, scenario->packets,
				 ret_timing->code);
	return r;
}

static int measure(const struct scenario *scenario, uint32_t repeat, uint32_t round,
		   struct samples *samples, struct error *err)
{
	struct overhead overhead = {0};
	struct timing lb = {0}, usual = {0};
	struct traffic traffic;
	int r;

	if (scenario->once && repeat > scenario->flows)
		repeat = scenario->flows;
	r = scenario_traffic(scenario, scenario->flags, &traffic, err);
	if (r == 0)
		r = harness_overhead(&traffic, repeat, &overhead, err);
	if (r == 0)
		r = prepare_lb(scenario, err);
	if (r == 0)
		r = measure_lb(scenario, &traffic, repeat, &lb, err);
	if (r == 0 && peer_takes(scenario))
		r = measure_usual(scenario, &traffic, repeat, &usual, err);
	if (r < 0)
		return r;
	samples->measured[round] = lb.ns;
	samples->bare[round] = overhead.bare;
	samples->harness[round] = overhead.harness;
	samples->lb[round] = (int32_t)lb.ns - overhead.harness - overhead.bare;
	samples->usual[round] = (int32_t)usual.ns - overhead.harness - overhead.bare;
	return 0;
}

static void summarize(const struct scenario *scenario, struct samples *samples, uint32_t rounds,
		      struct result *ret_result)
{
	*ret_result = (struct result){
		.scenario = *scenario,
		.measured = figures_of(samples->measured, rounds),
		.bare = figures_of(samples->bare, rounds),
		.harness = figures_of(samples->harness, rounds),
		.lb = figures_of(samples->lb, rounds),
		.usual = figures_of(samples->usual, rounds),
	};
}

/* The machine's limits, once. */
static int measure_limits(uint32_t round, int32_t tenths[LIMITS_MAX][ROUNDS_MAX], struct error *err)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < limits_count(); i++)
		r = limit_measure(i, &tenths[i][round], err);
	return r;
}

static void summarize_limits(struct report *report, int32_t tenths[LIMITS_MAX][ROUNDS_MAX])
{
	size_t i;

	report->limit_count = limits_count();
	for (i = 0; i < report->limit_count; i++) {
		limit_name(i, report->limits[i].name);
		report->limits[i].tenths = figures_of(tenths[i], report->rounds);
	}
}

/* Keeps the scenarios that are asked for. */
static int choose(const char *only, struct scenario *list, size_t *count, struct error *err)
{
	size_t i, kept = 0;
	char name[128];
	regex_t regex;

	if (!only)
		return 0;
	if (regcomp(&regex, only, REG_EXTENDED | REG_NOSUB) != 0)
		return error_set(err, EINVAL, "--only '%s': no regular expression", only);
	for (i = 0; i < *count; i++) {
		snprintf(name, sizeof(name), "%s %s %s %s %" PRIu64 " %u", list[i].mode, list[i].ip,
			 list[i].l4, list[i].packets, list[i].flows, list[i].vips);
		if (regexec(&regex, name, 0, NULL, 0) == 0)
			list[kept++] = list[i];
	}
	regfree(&regex);
	*count = kept;
	return kept ? 0 : error_set(err, ENOENT, "--only '%s': nothing matches", only);
}

static int run_rounds(struct report *report, const char *only, struct error *err)
{
	struct scenario list[SCENARIOS_MAX];
	size_t count = scenarios(report->flow_entries / 4, list), i;
	struct samples *samples = calloc(count, sizeof(*samples));
	static int32_t tenths[LIMITS_MAX][ROUNDS_MAX];
	uint32_t round;
	int r = 0;

	if (!samples)
		return error_set(err, ENOMEM, "out of memory");
	r = choose(only, list, &count, err);
	for (round = 0; r == 0 && round < report->rounds; round++) {
		r = only ? 0 : measure_limits(round, tenths, err);
		for (i = 0; r == 0 && i < count; i++)
			r = measure(&list[i], report->repeat, round, &samples[i], err);
	}
	for (i = 0; r == 0 && i < count; i++)
		summarize(&list[i], &samples[i], report->rounds, &report->results[i]);
	report->count = count;
	if (r == 0 && !only)
		summarize_limits(report, tenths);
	free(samples);
	return r;
}

static int run(struct report *report, const char *only, struct error *err)
{
	int r = harness_stay_on_cpu(&report->cpu, err);

	if (r == 0)
		r = harness_open(err);
	if (r == 0) /* test runs come in by lo: the way out is XDP_TX */
		r = target_open("lo", report->flow_entries, err);
	if (r == 0)
		r = target_size(&report->size, err);
	if (r == 0)
		r = peer_open(err);
	if (r == 0)
		r = limits_open(err);
	if (r == 0)
		r = run_rounds(report, only, err);
	limits_close();
	peer_close();
	target_close();
	harness_close();
	return r;
}

static int save(const struct report *report, const char *path, struct error *err)
{
	FILE *file = fopen(path, "we");
	int r = file ? report_json(report, file) : -errno;

	if (file && fclose(file) != 0 && r == 0)
		r = -errno;
	return r < 0 ? error_set(err, -r, "%s: %s", path, strerror(-r)) : 0;
}

/* Prints and saves what was measured. */
static int tell(const struct report *report, const struct options *options, struct error *err)
{
	int r = 0;

	if (options->json)
		r = report_json(report, stdout);
	else
		report_table(report, stdout);
	if (r < 0)
		return error_set(err, -r, "%s", strerror(-r));
	return options->save ? save(report, options->save, err) : 0;
}

int main(int argc, char **argv)
{
	struct options options = {
		.rounds = ROUNDS_DEFAULT, .repeat = REPEAT_DEFAULT, .flows = TARGET_FLOWS};
	static struct report report;
	struct error err = {0};
	int r = parse_options(argc, argv, &options, &err);

	if (r < 0) {
		fprintf(stderr, "lb_bench: %s\n", err.message);
		return 2;
	}
	if (options.help) {
		fputs(usage, stdout);
		return 0;
	}
	report.rounds = options.rounds;
	report.repeat = options.repeat;
	report.flow_entries = options.flows;
	if (run(&report, options.only, &err) < 0 || tell(&report, &options, &err) < 0) {
		fprintf(stderr, "lb_bench: %s\n", err.message);
		return 1;
	}
	return 0;
}
