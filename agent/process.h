/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PROCESS_H
#define SLUICE_PROCESS_H

/* What this process uses, as the kernel says: the figures that every Prometheus client library has
 * (process_*). What cannot be found out is 0. */
#include <stdint.h>

struct process_usage {
	double cpu_seconds;
	uint64_t resident_bytes;
	uint64_t virtual_bytes;
	uint64_t open_fds;
	uint64_t max_fds; /* that it may have; UINT64_MAX: no limit */
};

void process_usage(struct process_usage *ret_usage);

/* When it began; Unix time in seconds. To be asked once: the answer is as exact as the kernel's
 * clock tick. */
double process_started(void);

#endif
