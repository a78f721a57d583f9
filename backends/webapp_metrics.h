/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_WEBAPP_METRICS_H
#define SLUICE_WEBAPP_METRICS_H

/*
 * What is counted of requests, and how it is told to Prometheus (text format 0.0.4). Counts may be
 * added by any number of threads at once, without a lock. Knows no clock.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct webapp_metrics;

/* endpoints are labels; they and app must outlive it. NULL: no memory. */
struct webapp_metrics *webapp_metrics_new(const char *app, const char *const *endpoints,
					  size_t endpoint_count);
void webapp_metrics_free(struct webapp_metrics *metrics);

/* A request has begun, has ended. */
void webapp_metrics_begin(struct webapp_metrics *metrics);
void webapp_metrics_end(struct webapp_metrics *metrics);
uint64_t webapp_metrics_in_flight(const struct webapp_metrics *metrics);

/*
 * A request has got its answer. endpoint is an index of the labels; methods that nobody knows
 * count as "other"; status is 100 to 599. aside: leave it out of the mean response time.
 */
void webapp_metrics_count(struct webapp_metrics *metrics, size_t endpoint, const char *method,
			  unsigned int status, uint64_t duration_us, bool aside);

/* To be called once a second, by one thread: the mean response time is that of the last ten. */
void webapp_metrics_tick(struct webapp_metrics *metrics);

void webapp_metrics_print(struct webapp_metrics *metrics, FILE *out);

#endif
