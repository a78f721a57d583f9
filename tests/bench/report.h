/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_BENCH_REPORT_H
#define SLUICE_BENCH_REPORT_H

/* The figures of a benchmark, for people and for machines. */
#include <stdio.h>

#include "limits.h"
#include "scenario.h"
#include "target.h"

#define ROUNDS_MAX 1000

/* Over the rounds; of packets in nanoseconds. */
struct figures {
	int32_t min;
	int32_t median;
	int32_t max;
};

struct result {
	struct scenario scenario;
	struct figures measured; /* all that follow together */
	struct figures bare;     /* the program that returns XDP_TX, run alone */
	struct figures harness;  /* restoring the packet and calling the program */
	struct figures lb;       /* lb_ingress itself */
	struct figures usual;    /* the usual program in its place, where peer_takes() it */
};

struct limit {
	char name[LIMIT_NAME_MAX];
	struct figures tenths; /* of a nanosecond */
};

struct report {
	uint32_t rounds;
	uint32_t repeat;
	uint32_t flow_entries; /* of the flow table */
	int cpu;
	struct target_size size;
	struct result results[SCENARIOS_MAX];
	size_t count;
	struct limit limits[LIMITS_MAX];
	size_t limit_count;
};

/* Sorts values; count is at least 1. */
struct figures figures_of(int32_t *values, size_t count);

void report_table(const struct report *report, FILE *out);

/* -ENOMEM */
int report_json(const struct report *report, FILE *out);

#endif
