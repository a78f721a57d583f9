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
 * packet is another flow's. vips, likewise: over so many VIPs they are spread, whose addresses
 * follow each other. grow: bytes that the program under test puts in front. */
int traffic_build(const char *layers, uint64_t flows, uint32_t vips, uint32_t grow,
		  struct traffic *ret_traffic, struct error *err);

/* A measurement that moved to another CPU would begin there with cold caches. */
int harness_stay_on_cpu(int *ret_cpu, struct error *err);

int harness_open(struct error *err);
void harness_close(void);

/* What the harness takes a packet, beside the bare program. */
struct overhead {
	int32_t bare;    /* the program that returns XDP_TX and does nothing else */
	int32_t harness; /* restoring the packet and calling the program under test */
};

int harness_overhead(const struct traffic *traffic, uint32_t repeat, struct overhead *ret_overhead,
		     struct error *err);

/* --- on the wire --- */

/* What frames meet at the other end, beside the program under test. */
enum bare { BARE_TX, BARE_REDIRECT, BARES };

int harness_bare(enum bare bare);
/* For this end: counts what comes back, and drops it. */
int harness_counter(void);

/* Sends so many frames out of an interface, and tells how many came back, and in what time. */
struct flight {
	uint64_t returned;
	double seconds;
};

int harness_send(uint32_t ifindex, const struct traffic *traffic, uint32_t frames,
		 struct flight *ret_flight, struct error *err);

/* Deletes all of a hash map. */
struct bpf_map;
int harness_empty(const struct bpf_map *map, struct error *err);

/* `repeat` packets through the program, each restored before. */
int harness_run(int program, const struct traffic *traffic, uint32_t repeat,
		struct timing *ret_timing, struct error *err);

#endif
