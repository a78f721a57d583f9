/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_UPSTREAM_H
#define SLUICE_UPSTREAM_H

/*
 * Calls another service by HTTP and makes the best of its moods: a timeout for each try, a few
 * tries with pauses between. Every worker has a libcurl handle of its own, and with it
 * connections that are kept open.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "error.h"
#include "retry.h"

struct upstream_options {
	const char *url;
	uint64_t timeout_ms; /* of one try */
	struct retry_policy retry;
};

/* What one try came to; also the metrics' label. */
enum upstream_result {
	UPSTREAM_OK,
	UPSTREAM_TIMEOUT,
	UPSTREAM_UNREACHABLE, /* no connection, or it broke */
	UPSTREAM_STATUS,      /* an answer, but an error */
	UPSTREAM_INVALID,     /* no JSON, or too much of it */
	UPSTREAM_RESULTS
};

struct upstream;

/* options' url must outlive it; libcurl must be initialised. NULL: no memory. */
struct upstream *upstream_new(const struct upstream_options *options, size_t workers);
void upstream_free(struct upstream *upstream);

/* Refuses what is no http:// or https:// URL. */
int upstream_check_url(const char *url, struct error *err);

/* Is it worth another try? Not where the service says that the request is wrong (4xx but 408, 425,
 * 429). status counts for UPSTREAM_STATUS only. Pure. */
bool upstream_may_retry(enum upstream_result result, long status);

/*
 * Gets the URL; blocks for retries + 1 timeouts and the pauses between, at most. *ret_attempts is
 * set in any case. Returns 0 with *ret_text, JSON, the caller's to free; -EREMOTEIO with err: no
 * try had an answer.
 */
int upstream_get(struct upstream *upstream, size_t worker, char **ret_text,
		 unsigned int *ret_attempts, struct error *err);

/* Tries by result, as Prometheus text. */
void upstream_print_metrics(const struct upstream *upstream, const char *app, FILE *out);

#endif
