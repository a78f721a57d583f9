/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_LBNODE_LOAD_H
#define SLUICE_LBNODE_LOAD_H

/*
 * How loaded this host is, from what the kernel says of itself: samples go in, means over the last
 * LOAD_SAMPLES come out. Pure: texts and counts are passed in.
 *
 *   cpu       part of the time that processors were not idle, of all processors (/proc/stat)
 *   runqueue  threads that run or want to, for each processor, whoever asks left out
 * (procs_running) pressure  part of the time that somebody waited for a processor
 * (/proc/pressure/cpu, "some") backlog   how full the fullest listen queue is: connections that
 * wait for accept(2), over the most that may value     what a hook says
 *
 * One number is made of these, 1.0 being full: the value, if there is a hook; else the largest of
 * cpu, runqueue and backlog. Pressure is told beside them: it is high long before a host is full.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "error.h"

#define LOAD_SAMPLE_MS 500
#define LOAD_SAMPLES   4

/* Counters of the kernel, and what it says of the moment. */
struct load_sample {
	uint64_t busy, total; /* ticks of all processors */
	uint32_t processors;
	uint32_t running;     /* threads */
	uint64_t pressure_us; /* in all, that somebody has waited */
	uint64_t time_us;
	double backlog; /* -1: nobody asked */
};

struct load_history {
	struct load_sample samples[LOAD_SAMPLES + 1]; /* a ring: means need what was before, too */
	size_t count, next;
};

/* Below 0: not known. */
struct load_figures {
	double cpu, runqueue, pressure, backlog, value, load;
};

/* /proc/stat, whole. -EINVAL: it is none. */
int load_read_stat(const char *text, struct load_sample *sample, struct error *err);

/* /proc/pressure/cpu. False: it is none. */
bool load_read_pressure(const char *text, struct load_sample *sample);

void load_add(struct load_history *history, const struct load_sample *sample);

/* hooked: there is a hook, and value is what it said last, or below 0. */
struct load_figures load_look(const struct load_history *history, bool hooked, double value);

/* As JSON; what is not known is left out. problem: why load is not known. */
void load_print(const struct load_figures *figures, const char *problem, FILE *out);

#endif
