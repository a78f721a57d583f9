/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_BENCH_LIMIT_STEPS_H
#define SLUICE_BENCH_LIMIT_STEPS_H

/* What limits.bpf.c and the program that drives it share. */
#include <linux/types.h>

#define LIMIT_STEPS 4096 /* of a loop */
#define LIMIT_KEYS  64   /* so few entries that all are in the nearest cache; a power of two */
#define LIMIT_LINES (1U << 22)

struct limit_line {
	__u64 word[8];
};

/* Only the first word differs. */
struct limit_key8 {
	__u32 word[2];
};

struct limit_key20 {
	__u32 word[5];
};

struct limit_key40 {
	__u32 word[10];
};

#endif
