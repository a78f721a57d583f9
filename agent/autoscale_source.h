/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_AUTOSCALE_SOURCE_H
#define SLUICE_AUTOSCALE_SOURCE_H

/*
 * Where samples of a service's metric come from: the balancer's own figures, which are there at
 * once, or a Prometheus server, which is asked.
 */
#include "autoscale.h"
#include "curl_loop.h"
#include "latency.h"
#include "manager.h"

#define SCALE_SOURCE_REASON_MAX 160

/* --- own figures --- */

/* The backends' histograms of handshakes as they were last. */
struct scale_handshakes {
	struct scale_handshake_look {
		uint16_t id; /* of the backend */
		struct latency_view view;
	} * looks;    /* owned */
	size_t count; /* 0: never yet, or no backends */
};

void scale_handshakes_clear(struct scale_handshakes *handshakes);

/* How long part q (0 to 1) of the service's handshakes took at most, of those that were timed since
 * the last time. False, with a reason: none was, or there was no last time. */
bool scale_handshakes_read(struct scale_handshakes *handshakes, const struct manager *manager,
			   const struct service_spec *service, double q, double *ret_seconds,
			   char reason[SCALE_SOURCE_REASON_MAX]);

/* A counter of a backend, or packets of the service, as they were last. */
struct scale_own {
	uint64_t time_ms; /* 0: never yet */
	uint64_t packets;
	struct scale_count {
		uint16_t id; /* of the backend */
		uint64_t new_flows;
	} * counts; /* owned */
	size_t count;
	struct scale_handshakes handshakes;
};

void scale_own_clear(struct scale_own *own);

/* One sample of policy->metric, which must not be promql or none. False, with a reason: none can be
 * had, as at the first time of a rate. */
bool scale_own_read(struct scale_own *own, const struct manager *manager,
		    const struct service_spec *service, uint64_t now_ms, double *ret_value,
		    char reason[SCALE_SOURCE_REASON_MAX]);

/* --- Prometheus --- */

struct scale_query;

/* reason is "" and value what the query says, or there is a reason. Called once, never from within
 * scale_query_start(). */
typedef void (*scale_query_callback)(void *context, double value, const char *reason);

/* Asks once; a timeout of 5 s or the interval, whichever is less. NULL: out of memory. */
struct scale_query *scale_query_start(struct curl_loop *curl, const struct autoscale_policy *policy,
				      scale_query_callback callback, void *context);
/* No callback comes after this. NULL-safe. */
void scale_query_cancel(struct scale_query *query);

/* The one number in an answer of /api/v1/query: a scalar, or a vector of one element. Pure.
 * -EINVAL: it has none, with the reason. */
int scale_query_value(const char *text, size_t length, double *ret_value, struct error *err);

#endif
