/* SPDX-License-Identifier: Apache-2.0 */
#include "webapp_metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_MIN   100
#define STATUS_MAX   599
#define MEAN_SECONDS 10

static const char *const methods[] = {"GET",    "HEAD",    "POST",  "PUT",
				      "DELETE", "OPTIONS", "PATCH", "other"};

#define METHODS      (sizeof(methods) / sizeof(methods[0]))
#define METHOD_OTHER (METHODS - 1)

/* Upper bounds of the histogram; the last bucket has none. */
static const struct {
	uint64_t us;
	const char *label;
} bounds[] = {
	{500, "0.0005"},  {1000, "0.001"},  {2500, "0.0025"},     {5000, "0.005"},
	{10000, "0.01"},  {25000, "0.025"}, {50000, "0.05"},      {100000, "0.1"},
	{250000, "0.25"}, {500000, "0.5"},  {1000000, "1"},       {2500000, "2.5"},
	{5000000, "5"},   {10000000, "10"}, {UINT64_MAX, "+Inf"},
};

#define BUCKETS (sizeof(bounds) / sizeof(bounds[0]))

/* Of one endpoint and method. */
struct series {
	atomic_uint_fast64_t statuses[STATUS_MAX - STATUS_MIN + 1];
	atomic_uint_fast64_t buckets[BUCKETS]; /* each by itself; cumulative only in print */
	atomic_uint_fast64_t sum_us;
};

struct totals {
	uint64_t count;
	uint64_t sum_us;
};

struct webapp_metrics {
	const char *app;
	const char *const *endpoints;
	size_t endpoint_count;
	atomic_uint_fast64_t in_flight;
	/* What the mean is made of: all so far, and how much that was in each of the last seconds.
	 */
	atomic_uint_fast64_t count, sum_us;
	pthread_mutex_t lock; /* protects the two below */
	struct totals past[MEAN_SECONDS];
	size_t oldest;
	struct series series[]; /* endpoint * METHODS + method */
};

struct webapp_metrics *webapp_metrics_new(const char *app, const char *const *endpoints,
					  size_t endpoint_count)
{
	struct webapp_metrics *metrics;

	metrics =
		calloc(1, sizeof(*metrics) + endpoint_count * METHODS * sizeof(metrics->series[0]));
	if (!metrics)
		return NULL;
	metrics->app = app;
	metrics->endpoints = endpoints;
	metrics->endpoint_count = endpoint_count;
	pthread_mutex_init(&metrics->lock, NULL);
	return metrics;
}

void webapp_metrics_free(struct webapp_metrics *metrics)
{
	if (!metrics)
		return;
	pthread_mutex_destroy(&metrics->lock);
	free(metrics);
}

/* --- counting --- */

static void add(atomic_uint_fast64_t *counter, uint64_t amount)
{
	atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}

static uint64_t get(const atomic_uint_fast64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

void webapp_metrics_begin(struct webapp_metrics *metrics)
{
	add(&metrics->in_flight, 1);
}

void webapp_metrics_end(struct webapp_metrics *metrics)
{
	atomic_fetch_sub_explicit(&metrics->in_flight, 1, memory_order_relaxed);
}

uint64_t webapp_metrics_in_flight(const struct webapp_metrics *metrics)
{
	return get(&metrics->in_flight);
}

static size_t method_index(const char *method)
{
	for (size_t i = 0; i < METHOD_OTHER; i++)
		if (strcmp(method, methods[i]) == 0)
			return i;
	return METHOD_OTHER;
}

void webapp_metrics_count(struct webapp_metrics *metrics, size_t endpoint, const char *method,
			  unsigned int status, uint64_t duration_us, bool aside)
{
	struct series *series = &metrics->series[endpoint * METHODS + method_index(method)];
	size_t bucket = 0;

	while (duration_us > bounds[bucket].us)
		bucket++;
	add(&series->statuses[status - STATUS_MIN], 1);
	add(&series->buckets[bucket], 1);
	add(&series->sum_us, duration_us);
	if (aside)
		return;
	add(&metrics->count, 1);
	add(&metrics->sum_us, duration_us);
}

void webapp_metrics_tick(struct webapp_metrics *metrics)
{
	pthread_mutex_lock(&metrics->lock);
	metrics->past[metrics->oldest] =
		(struct totals){get(&metrics->count), get(&metrics->sum_us)};
	metrics->oldest = (metrics->oldest + 1) % MEAN_SECONDS;
	pthread_mutex_unlock(&metrics->lock);
}

/* In seconds; 0 if there was no request. */
static double mean(struct webapp_metrics *metrics)
{
	struct totals past;
	uint64_t count, sum_us;

	pthread_mutex_lock(&metrics->lock);
	past = metrics->past[metrics->oldest];
	pthread_mutex_unlock(&metrics->lock);
	count = get(&metrics->count) - past.count;
	sum_us = get(&metrics->sum_us) - past.sum_us;
	return count > 0 ? (double)sum_us / 1e6 / (double)count : 0;
}

/* --- telling --- */

static void print_head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void print_requests(const struct webapp_metrics *metrics, size_t endpoint, size_t method,
			   FILE *out)
{
	const struct series *series = &metrics->series[endpoint * METHODS + method];

	for (unsigned int status = STATUS_MIN; status <= STATUS_MAX; status++) {
		uint64_t count = get(&series->statuses[status - STATUS_MIN]);

		if (count > 0)
			fprintf(out,
				"webapp_requests_total{app=\"%s\",endpoint=\"%s\",method=\"%s\","
				"status=\"%u\"} %" PRIu64 "\n",
				metrics->app, metrics->endpoints[endpoint], methods[method], status,
				count);
	}
}

/* The count is that of the buckets, so that they agree however the threads interleave. */
static void print_durations(const struct webapp_metrics *metrics, size_t endpoint, size_t method,
			    FILE *out)
{
	const struct series *series = &metrics->series[endpoint * METHODS + method];
	uint64_t each[BUCKETS], count = 0;
	char labels[256];

	for (size_t i = 0; i < BUCKETS; i++) {
		count += get(&series->buckets[i]);
		each[i] = count;
	}
	if (count == 0)
		return;
	snprintf(labels, sizeof(labels), "app=\"%s\",endpoint=\"%s\",method=\"%s\"", metrics->app,
		 metrics->endpoints[endpoint], methods[method]);
	for (size_t i = 0; i < BUCKETS; i++)
		fprintf(out, "webapp_request_duration_seconds_bucket{%s,le=\"%s\"} %" PRIu64 "\n",
			labels, bounds[i].label, each[i]);
	fprintf(out, "webapp_request_duration_seconds_sum{%s} %.6f\n", labels,
		(double)get(&series->sum_us) / 1e6);
	fprintf(out, "webapp_request_duration_seconds_count{%s} %" PRIu64 "\n", labels, count);
}

static void print_each(const struct webapp_metrics *metrics, FILE *out,
		       void (*print)(const struct webapp_metrics *, size_t, size_t, FILE *))
{
	for (size_t endpoint = 0; endpoint < metrics->endpoint_count; endpoint++)
		for (size_t method = 0; method < METHODS; method++)
			print(metrics, endpoint, method, out);
}

void webapp_metrics_print(struct webapp_metrics *metrics, FILE *out)
{
	print_head(out, "webapp_requests_total", "counter", "Requests answered.");
	print_each(metrics, out, print_requests);
	print_head(out, "webapp_request_duration_seconds", "histogram",
		   "Time from a request's header to its answer.");
	print_each(metrics, out, print_durations);
	print_head(out, "webapp_response_time_seconds", "gauge",
		   "Mean time to answer over the last ten seconds, 0 without requests; /health and "
		   "the like left out.");
	fprintf(out, "webapp_response_time_seconds{app=\"%s\"} %.6f\n", metrics->app,
		mean(metrics));
	print_head(out, "webapp_in_flight_requests", "gauge",
		   "Requests that have begun and have not ended, this one included.");
	fprintf(out, "webapp_in_flight_requests{app=\"%s\"} %" PRIu64 "\n", metrics->app,
		webapp_metrics_in_flight(metrics));
}
