/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_BENCH_LIMITS_H
#define SLUICE_BENCH_LIMITS_H

/* What this machine takes for the single things that a packet's way is made of: no program that
 * does them can be faster. */
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define LIMITS_MAX     32
#define LIMIT_NAME_MAX 48

int limits_open(struct error *err);
void limits_close(void);

size_t limits_count(void);
void limit_name(size_t limit, char ret_name[LIMIT_NAME_MAX]);

/* Once, in tenths of a nanosecond. */
int limit_measure(size_t limit, int32_t *ret_tenths, struct error *err);

#endif
