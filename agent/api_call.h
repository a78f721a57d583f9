/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_API_CALL_H
#define SLUICE_API_CALL_H

/*
 * One call of the API under way, and what its handlers share: api.c finds the handler, which
 * answers by api_answer() or returns a negative errno with call->err filled. -EINPROGRESS: nothing
 * is done yet; the same call is made again a little later.
 */
#include <cjson/cJSON.h>

#include "api.h"

#define API_SEGMENTS_MAX 5
#define API_SEGMENT_MAX  128

struct call {
	struct api *api;
	const struct http_request *request;
	char segments[API_SEGMENTS_MAX][API_SEGMENT_MAX]; /* of the path, decoded */
	size_t segment_count;
	const char *service; /* names of the path, NULL where the path has none */
	const char *backend;
	cJSON *body;  /* parsed; NULL: none */
	bool dry_run; /* plan the change, do not make it */
	unsigned int status;
	cJSON *answer;
	struct http_stream *stream; /* in place of answer, of content_type */
	const char *content_type;
	struct error err;
};

/* Takes json over; NULL: out of memory. */
int api_answer(struct call *call, unsigned int status, cJSON *json);

/* Parameters of the query. Outputs stay as they are where there is none. -EINVAL. */
int api_query_number(struct call *call, const char *name, uint64_t min, uint64_t max,
		     uint64_t *ret_value);
int api_query_duration(struct call *call, const char *name, uint64_t min_ms, uint64_t max_ms,
		       uint64_t *ret_ms);

/* A clone of the desired state to change; the service and backend of the path in it, where the
 * path names them. */
struct change {
	struct desired *next;
	struct service_spec *service;
	struct backend_spec *backend;
};

/* -ENOENT: there is no such service or backend. Call api_change_end() in any case. */
int api_change_begin(struct call *call, struct change *change);

/*
 * Commits if ret is 0, else throws the clone away and returns ret. Before that it heeds what any
 * change may be asked with: ?max-disruption=PERCENT refuses what would disrupt more (-E2BIG, or
 * -EAGAIN while flows have not been counted yet); with ?dry-run=true, or call->dry_run, nothing
 * changes: the plan is the answer, and 1 is returned.
 */
int api_change_end(struct call *call, struct change *change, int ret);

/* All of that but to make the change: 0, 1 or why not. */
int api_change_plan(struct call *call, struct desired *next);

/* ?key=true, ?key=false or neither, which is false. */
int api_query_switch(struct call *call, const char *key, bool *ret_on);

/* ?max-disruption=PERCENT, 0 to 1; *ret_given tells if it is there. */
int api_query_limit(struct call *call, double *ret_limit, bool *ret_given);

/* ?deadline=DURATION of a drain that ends in removal, as api_now_ms() counts; by default in 30s. */
int api_query_deadline(struct call *call, uint64_t *ret_ms);

/* The clock of deadlines; see steady.h. */
uint64_t api_now_ms(const struct call *call);

/* --- handlers --- */

int api_config_get(struct call *call);
int api_config_put(struct call *call);
int api_plan_post(struct call *call);
int api_sources_get(struct call *call);
int api_sources_post(struct call *call);
int api_services_get(struct call *call);
int api_services_post(struct call *call);
int api_service_get(struct call *call);
int api_service_patch(struct call *call);
int api_service_delete(struct call *call);
int api_backends_get(struct call *call);
int api_backends_post(struct call *call);
int api_backend_get(struct call *call);
int api_backend_patch(struct call *call);
int api_backend_delete(struct call *call);
int api_scale_get(struct call *call);
int api_scale_webhook_post(struct call *call);
int api_announce_get(struct call *call);
int api_announce_patch(struct call *call);
int api_status_get(struct call *call);
int api_rollout_get(struct call *call);
int api_rollout_post(struct call *call);
int api_rollout_delete(struct call *call);
int api_doctor_get(struct call *call);
int api_explain_get(struct call *call);
int api_events_get(struct call *call);
int api_flows_get(struct call *call);
int api_capture_get(struct call *call);
int api_drops_get(struct call *call);

#endif
