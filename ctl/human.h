/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CTL_HUMAN_H
#define SLUICE_CTL_HUMAN_H

/*
 * Numbers as people read them. Pure; each returns its buffer. What is not a finite number of at
 * least 0 is written "-".
 */
#include <stdint.h>

#define HUMAN_MAX 32

/* 9999, 12.3K, 4.56M: powers of 1000, three digits once shortened. */
const char *human_count(double count, char buffer[HUMAN_MAX]);

/* 0.62, 2.5, 1000: three digits, or those before the point. */
const char *human_decimal(double value, char buffer[HUMAN_MAX]);

/* 9999 B, 12.3 KiB: powers of 1024. */
const char *human_bytes(double bytes, char buffer[HUMAN_MAX]);

/* 0.3333 as 33.3%. */
const char *human_share(double share, char buffer[HUMAN_MAX]);

/* 0.00012 as 120us, 0.0025 as 2.50ms, 1.5 as 1.50s: three digits. */
const char *human_latency(double seconds, char buffer[HUMAN_MAX]);

/* The largest unit of which there are at least two: 119s, 90m, 47h, 12d. */
const char *human_span(double seconds, char buffer[HUMAN_MAX]);

/* The time from an RFC 3339 timestamp in UTC to now (Unix time), as a span; a timestamp that
 * cannot be read, or that is still to come, is "0s" or "-". */
const char *human_since(const char *timestamp, int64_t now, char buffer[HUMAN_MAX]);

#endif
