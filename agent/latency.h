/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_LATENCY_H
#define SLUICE_LATENCY_H

/* Histograms of how long things took (struct lb_latency of abi.h): counted, and as Prometheus and
 * the API want them. Pure. */
#include <stdbool.h>
#include <stdint.h>

#include "abi.h"

/* One look at a histogram. */
struct latency_view {
	uint64_t sum_ns;
	uint64_t up_to[LB_LATENCY_BUCKETS]; /* cumulative; the last is the count of all */
};

/* The upper bound of each bucket but the last, in seconds. */
extern const double latency_bounds[LB_LATENCY_BUCKETS - 1];

/* The same as OpenMetrics 1.0 has numbers of the label "le", and "+Inf". */
extern const char *const latency_bound_names[LB_LATENCY_BUCKETS];

/* Counts one more. Not for a histogram that others count in. */
void latency_add(struct lb_latency *latency, uint64_t ns);

/* Others may be counting meanwhile: the view is of some moment for each bucket, and adds up. */
struct latency_view latency_look(const struct lb_latency *latency);

/* What came between two looks at one histogram. If it was zeroed meanwhile, all of the latter. */
struct latency_view latency_since(const struct latency_view *now,
				  const struct latency_view *former);

/* Adds other to view. */
void latency_merge(struct latency_view *view, const struct latency_view *other);

/* How long part q (0 to 1) of them took at most: within a bucket as if spread evenly, above the
 * last bound that bound, as Prometheus' histogram_quantile() has it. False: there were none. */
bool latency_quantile(const struct latency_view *view, double q, double *ret_seconds);

/* How many there were. */
static inline uint64_t latency_count(const struct latency_view *view)
{
	return view->up_to[LB_LATENCY_BUCKETS - 1];
}

#endif
