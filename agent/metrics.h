/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_METRICS_H
#define SLUICE_METRICS_H

/* The agent's and the data plane's figures in the Prometheus text format 0.0.4 (docs/metrics.md
 * tells what each means). */
#include <stddef.h>

#include "autoscale_run.h"
#include "manager.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* All of them or none. autoscaler may be
 * NULL. refused_tokens is the door's (guesses.h). A new string of *ret_length bytes,
 * the caller's; NULL when out of memory. */
char *metrics_text(const struct manager *manager, const struct autoscaler *autoscaler,
		   uint64_t refused_tokens, size_t *ret_length);

#endif
