/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_WEBAPP_SERVER_H
#define SLUICE_WEBAPP_SERVER_H

/*
 * Inside of webapp: a request on its way. It begins at the front end (webapp_request.c), may wait
 * for a worker (webapp_workers.c) or for its time (webapp_delay.c) with its connection suspended,
 * and ends at the front end. One of them has it at a time.
 */
#include <microhttpd.h>
#include <stdatomic.h>
#include <sys/queue.h>

#include "webapp.h"
#include "webapp_metrics.h"
#include "webapp_options.h"

#define WEBAPP_ROUTES_MAX 10 /* those of the app and /health, /metrics */

struct webapp_request {
	struct webapp_call call; /* first: handlers have its address */
	struct webapp_server *server;
	struct MHD_Connection *connection;
	const struct webapp_route *route; /* NULL: refused, with the status of call */
	size_t endpoint;                  /* the metrics' */
	const char *method;
	bool answered; /* and resumed: its answer is to be sent */
	uint64_t begin_us;
	char *body;
	size_t body_length, body_room;
	size_t body_seen; /* what came, kept or not */
	uint64_t due_ms;
	TAILQ_ENTRY(webapp_request) link; /* of whoever it waits for */
};

TAILQ_HEAD(webapp_requests, webapp_request);

struct webapp_server {
	const struct webapp *app;
	void *context;
	struct webapp_options options;
	struct webapp_route routes[WEBAPP_ROUTES_MAX];
	size_t route_count;
	const char *endpoints[WEBAPP_ROUTES_MAX + 1]; /* by route; the last is all others */
	struct webapp_metrics *metrics;
	struct webapp_workers *workers; /* NULL: handlers run at the front end */
	struct webapp_delay *delay;
	atomic_bool stopping;
};

/* --- webapp_request.c --- */

/* libmicrohttpd's callbacks; context is the server. */
enum MHD_Result webapp_request_handle(void *context, struct MHD_Connection *connection,
				      const char *url, const char *method, const char *version,
				      const char *body, size_t *body_size, void **request);
void webapp_request_completed(void *context, struct MHD_Connection *connection, void **request,
			      enum MHD_RequestTerminationCode code);

/* Lets the handler answer. */
void webapp_request_run(struct webapp_request *request, size_t worker);

/* Gives a suspended request, now answered, back to the front end. It is the caller's no more. */
void webapp_request_resume(struct webapp_request *request);

/* --- webapp_workers.c --- */

/* NULL: no memory, or no thread. */
struct webapp_workers *webapp_workers_new(size_t threads, size_t queue_max);

/* False: the queue is full, and the request still the caller's. */
bool webapp_workers_push(struct webapp_workers *workers, struct webapp_request *request);

/* Answers what still waits with 503, waits for handlers under way, ends the threads. NULL-safe. */
void webapp_workers_free(struct webapp_workers *workers);

/* --- webapp_delay.c --- */

/* NULL: no memory, or no thread. */
struct webapp_delay *webapp_delay_new(void);

/* Resumes the request after delay_ms. */
void webapp_delay_add(struct webapp_delay *delay, struct webapp_request *request,
		      uint64_t delay_ms);

/* Resumes all at once, ends the thread. NULL-safe. */
void webapp_delay_free(struct webapp_delay *delay);

#endif
