/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CAPTURE_STREAM_H
#define SLUICE_CAPTURE_STREAM_H

/*
 * The capture under way, as a stream of pcapng: one at a time, for the data plane has one filter.
 * Packets wait in the data plane's ring until the client takes them; while it takes none they are
 * lost and counted, and nobody waits for it. The capture ends when its client goes, or when it has
 * what it was asked for.
 */
#include <uv.h>

#include "capture_query.h"
#include "dataplane_bpf.h"
#include "events.h"
#include "http_stream.h"
#include "manager.h"

/* How often statistics are written, at which a client that has gone is noticed. */
#define CAPTURE_HEARTBEAT_MS 250

struct capture;

/* NULL: out of memory. loop, manager and events must outlive it. */
struct capture *capture_new(uv_loop_t *loop, struct manager *manager, struct events *events);

/* There may be no stream any more. The loop must run once more to close handles. NULL-safe. */
void capture_free(struct capture *capture);

/* What is copied of it: all. */
struct capture_request {
	const struct capture_query *query;
	const char *who; /* asks, and what for: for events and the file's comment */
	const char *what;
	const struct dataplane_interface *interfaces; /* those attached */
	size_t interface_count;
};

/* -EEXIST: somebody captures already, and err says who. */
int capture_open(struct capture *capture, const struct capture_request *request,
		 struct http_stream **ret_stream, struct error *err);

/* Nanoseconds to be added to CLOCK_MONOTONIC, which packets are stamped with, for Unix time. */
int64_t capture_clock_offset(void);

#endif
