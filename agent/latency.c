/* SPDX-License-Identifier: Apache-2.0 */
#include "latency.h"

#define X(us) us,
static const uint64_t bounds_us[] = {LB_LATENCY_BOUNDS(X)};
#undef X

#define X(us) us / 1e6,
const double latency_bounds[LB_LATENCY_BUCKETS - 1] = {LB_LATENCY_BOUNDS(X)};
#undef X

const char *const latency_bound_names[LB_LATENCY_BUCKETS] = {
	"5e-05", "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025",
	"0.05",  "0.1",    "0.25",    "0.5",    "1.0",   "2.5",    "5.0",   "10.0", "+Inf",
};

void latency_add(struct lb_latency *latency, uint64_t ns)
{
	unsigned int bucket = 0;

	while (bucket < LB_LATENCY_BUCKETS - 1 && ns > bounds_us[bucket] * 1000)
		bucket++;
	latency->sum_ns += ns;
	latency->buckets[bucket]++;
}

struct latency_view latency_look(const struct lb_latency *latency)
{
	struct latency_view view = {
		.sum_ns = __atomic_load_n(&latency->sum_ns, __ATOMIC_RELAXED),
	};
	uint64_t sum = 0;

	for (unsigned int i = 0; i < LB_LATENCY_BUCKETS; i++) {
		sum += __atomic_load_n(&latency->buckets[i], __ATOMIC_RELAXED);
		view.up_to[i] = sum;
	}
	return view;
}

struct latency_view latency_since(const struct latency_view *now, const struct latency_view *former)
{
	struct latency_view since = {.sum_ns = now->sum_ns - former->sum_ns};
	uint64_t below = 0;

	for (unsigned int i = 0; i < LB_LATENCY_BUCKETS; i++) {
		since.up_to[i] = now->up_to[i] - former->up_to[i];
		if (now->up_to[i] < former->up_to[i] || since.up_to[i] < below)
			return *now; /* a bucket has shrunk */
		below = since.up_to[i];
	}
	return since;
}

void latency_merge(struct latency_view *view, const struct latency_view *other)
{
	view->sum_ns += other->sum_ns;
	for (unsigned int i = 0; i < LB_LATENCY_BUCKETS; i++)
		view->up_to[i] += other->up_to[i];
}

bool latency_quantile(const struct latency_view *view, double q, double *ret_seconds)
{
	double low = 0, below = 0, rank = q * (double)latency_count(view), up_to;

	if (latency_count(view) == 0)
		return false;
	for (unsigned int i = 0; i < LB_LATENCY_BUCKETS - 1; i++) {
		up_to = (double)view->up_to[i];
		if (up_to > 0 && up_to >= rank) {
			*ret_seconds =
				low + (latency_bounds[i] - low) * (rank - below) / (up_to - below);
			return true;
		}
		low = latency_bounds[i];
		below = up_to;
	}
	*ret_seconds = low;
	return true;
}
