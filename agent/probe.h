/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PROBE_H
#define SLUICE_PROBE_H

/*
 * Health probes: each kind is a vtable (probe_kind.h); probe.c schedules them. A prober probes one
 * backend for ever: at once, then every interval counted from when the last probe was due (or
 * later, when that one takes longer). Every probe ends within its timeout. However many probers
 * there are and whenever they were made, their probes are spread evenly over the interval, and only
 * a bounded number begins in one turn of the loop.
 * Single-threaded, on one uv_loop_t; nothing here blocks.
 */
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "check_run.h"
#include "parse.h"

#define PROBE_REASON_MAX 160

struct prober;

struct probe_result {
	bool success;
	uint64_t duration_us;
	/* Empty on success: "connect: Connection refused", "HTTP status 503". */
	char reason[PROBE_REASON_MAX];
};

/* Where a probe goes. */
struct probe_target {
	struct endpoint endpoint; /* its port gives way to the spec's check-port */
	uint32_t mark;            /* SO_MARK of the probe's sockets; 0: none */
};

/* Called once a probe, never from within prober_new or prober_free. May call prober_free. */
typedef void (*probe_callback)(void *context, const struct probe_result *result);

/* State shared by all probers of a loop. NULL: out of memory. */
struct probe_engine *probe_engine_new(uv_loop_t *loop);
/* All probers must be freed before; the loop must run once more afterwards to close handles. */
void probe_engine_free(struct probe_engine *engine);

/* Starts probing target as check says (its kind not CHECK_NONE). The prober has a reference of its
 * own to check; target is copied. NULL: out of memory. */
struct prober *prober_new(struct probe_engine *engine, struct check_run *check,
			  const struct probe_target *target, probe_callback callback,
			  void *context);
/* Starts the next probe at once, unless one is under way. NULL-safe. */
void prober_now(struct prober *prober);
/* No callback comes after this. NULL-safe. */
void prober_free(struct prober *prober);

/* Starts the next probe at once, unless one is under way. NULL-safe. */
void prober_now(struct prober *prober);

/* While the backend's state is changing, probes follow each other by the check's fast interval.
 * May be called from the callback. */
void prober_set_changing(struct prober *prober, bool changing);

#endif
