/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_SUMMARY_H
#define SLUICE_SUMMARY_H

/*
 * The state in short, for who looks every second at hundreds of services and thousands of
 * backends: all services in one line each, and of one service's backends a part. Both as
 * docs/api.md says. The caller owns what is returned; NULL when out of memory.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>

#include "manager.h"

#define SUMMARY_LIMIT_MAX 1000

cJSON *summary_services(const struct manager *manager);

/* Which of a service's backends. */
struct summary_part {
	uint64_t offset; /* so many of those that match are passed over */
	uint64_t limit;
	const char *status; /* those of this status; NULL: of any */
};

/* With it come sums over all backends of the service, so that shares of a part can be told. */
cJSON *summary_backends(const struct manager *manager, const struct service_spec *service,
			const struct summary_part *part);

/* Is there a backend_status of this name? */
bool summary_knows_status(const char *status);

#endif
