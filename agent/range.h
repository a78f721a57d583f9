/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_RANGE_H
#define SLUICE_RANGE_H

/* Numbers and durations of a service, each held against what docs/api.md allows. Pure. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct range {
	const char *field;
	uint64_t value, min, max;
	bool duration; /* in milliseconds */
};

/* -EINVAL names the first that is out of its range, and the range. */
int ranges_check(const char *service, const struct range *ranges, size_t count, struct error *err);

#endif
