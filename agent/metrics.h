/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_METRICS_H
#define SLUICE_METRICS_H

/* What series there are (docs/metrics.md tells what each means), and the page of all of them, a
 * piece at a time. Pure. */
#include "figures.h"

/* How far the page has come. Begin with figures and openmetrics set and all else zero. */
struct metrics_page {
	const struct figures *figures;
	bool openmetrics; /* OpenMetrics 1.0, else Prometheus' text format 0.0.4 */
	size_t family;
	size_t step; /* in the family: 0 is its head, then come its items */
	bool ended;
};

/* The next piece; buffer has room for size bytes, at least METRICS_PIECE_MAX and better some times
 * that. Returns how many were written; 0: that was all. */
size_t metrics_page_next(struct metrics_page *page, char *buffer, size_t size);

/* Does a client that sends this header Accept (NULL: none) want OpenMetrics? */
bool metrics_wants_openmetrics(const char *accept);

#endif
