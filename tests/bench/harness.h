/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_BENCH_HARNESS_H
#define SLUICE_BENCH_HARNESS_H

/* Runs XDP programs on packets that restore.bpf.c keeps fresh, and takes the time. */
#include "error.h"
#include "frame.h"
#include "restore.h"

/* The packets of a measurement. */
struct traffic {
	struct frame frame; /* flow 0 */
	struct restore_plan plan;
};

/* What a number of runs came to. */
struct timing {
	uint32_t ns; /* a run, on average */
	int code;    /* XDP_*, of the last */
};

/* Builds the packets from layers (see tests/packet/layer.h). flows is a power of two; 0: every
 * packet is another flow's. */
int traffic_build(const char *layers, uint64_t flows, struct traffic *ret_traffic,
		  struct error *err);

int harness_open(struct error *err);
void harness_close(void);

/* The program that returns XDP_TX and does nothing else. */
int harness_bare_program(void);

/* `repeat` packets through the program, each restored before. */
int harness_run(int program, const struct traffic *traffic, uint32_t repeat,
		struct timing *ret_timing, struct error *err);

/* `repeat` times the program alone, on one packet that nobody restores. */
int harness_run_alone(int program, const struct traffic *traffic, uint32_t repeat,
		      struct timing *ret_timing, struct error *err);

#endif
