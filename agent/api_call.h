/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_API_CALL_H
#define SLUICE_API_CALL_H

/*
 * One call of the API under way, and what its handlers share: api.c finds the handler, which
 * answers by api_answer() or returns a negative errno with call->err filled.
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
	cJSON *body; /* parsed; NULL: none */
	unsigned int status;
	cJSON *answer;
	struct error err;
};

/* Takes json over; NULL: out of memory. */
int api_answer(struct call *call, unsigned int status, cJSON *json);

/* A clone of the desired state to change; the service and backend of the path in it, where the
 * path names them. */
struct change {
	struct desired *next;
	struct service_spec *service;
	struct backend_spec *backend;
};

/* -ENOENT: there is no such service or backend. Call api_change_end() in any case. */
int api_change_begin(struct call *call, struct change *change);

/* Commits if ret is 0, else throws the clone away and returns ret. */
int api_change_end(struct call *call, struct change *change, int ret);

/* --- handlers --- */

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
int api_status_get(struct call *call);
int api_doctor_get(struct call *call);
int api_explain_get(struct call *call);

#endif
