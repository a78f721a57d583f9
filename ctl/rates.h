/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CTL_RATES_H
#define SLUICE_CTL_RATES_H

/* What happened in a second, from two looks at the agent's counters. Pure. */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "error.h"

/* Of a service, the sum of its backends, or of one backend. Numbers that cannot be known (there
 * is no earlier look) are NAN. */
struct rate_row {
	const char *service;
	const char *backend; /* NULL: the service's own row, which its backends' rows follow */
	const char *status;  /* of a backend; "" of a service */
	const char *reason;
	size_t backends, up; /* of a service: how many it has, and how many are up */
	double share;        /* of new flows as intended, 0 to 1; of a service 1 */
	double actual;       /* of those that there were; NAN if there were none */
	double new_flows;    /* all a second */
	double packets;
	double bytes;
	double retransmits;
	double flows; /* active now */
};

struct rate_drop {
	const char *reason;
	double packets; /* a second */
};

struct rates {
	struct rate_row *rows;
	size_t row_count;
	struct rate_drop *drops; /* only those that there were */
	size_t drop_count;
};

/* What rows can be sorted by. */
enum rate_order {
	RATE_ORDER_GIVEN,
	RATE_ORDER_NEW,
	RATE_ORDER_PACKETS,
	RATE_ORDER_BYTES,
	RATE_ORDER_FLOWS,
	RATE_ORDER_RETRANSMITS,
	RATE_ORDERS
};

const char *rate_order_name(enum rate_order order);

/* Answers to GET /v1/services and /v1/status, checked. */
struct rate_look {
	cJSON *services, *status;
	double seconds; /* of any clock that does not jump */
};

/* *ret_rates is the caller's, and points into `after`. -ENOMEM. */
int rates_make(const struct rate_look *before, const struct rate_look *after,
	       struct rates *ret_rates, struct error *err);
void rates_clear(struct rates *rates);

/* Sorts services by the order, and backends within their service; the greatest first, unless
 * reversed. Equal ones stay in the order given. */
void rates_sort(struct rates *rates, enum rate_order order, bool reversed);

/* As a document: {"seconds": ..., "services": [...], "drops": {...}}. NULL: out of memory. */
cJSON *rates_json(const struct rates *rates, double seconds);

#endif
