/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_API_H
#define SLUICE_API_H

/* The HTTP API of docs/api.md: requests to changes and views of the manager. */
#include "autoscale_run.h"
#include "capture_stream.h"
#include "dataplane_bpf.h"
#include "door.h"
#include "event_streams.h"
#include "events.h"
#include "fleet_store.h"
#include "http.h"
#include "manager.h"
#include "ports.h"

struct api {
	struct manager *manager;
	struct autoscaler *autoscaler;
	struct fleet_store *store; /* NULL: there is none */
	struct events *events;
	struct event_streams *streams;
	struct capture *capture;
	struct dataplane *dp;      /* the real one: its interfaces come and go */
	const struct ports *ports; /* NULL: not attached yet */
	const struct door *door;   /* that of TCP */
	uint64_t started_ns;       /* uv_hrtime() at start */
	double process_started;    /* process_started() */
	unsigned int readers;      /* of metrics, under way */
};

/* An http_handler; context is a struct api. */
void api_handle(void *context, const struct http_request *request,
		struct http_response *ret_response);

#endif
