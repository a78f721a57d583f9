/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PROBE_H
#define SLUICE_PROBE_H

/*
 * Health probes: each kind is a vtable of struct probe_ops; probe.c schedules them. A prober
 * probes one backend for ever: at once, then every interval counted from the start of the last
 * probe (or later, when that one takes longer). Every probe ends within its timeout.
 * Single-threaded, on one uv_loop_t; nothing here blocks.
 */
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "desired.h"

struct prober;

struct probe_result {
	bool success;
	uint64_t duration_us;
	char reason[160]; /* empty on success: "connect: Connection refused", "HTTP status 503" */
};

/* Where a probe goes. */
struct probe_target {
	struct endpoint endpoint; /* its port gives way to the spec's check-port */
	uint32_t mark;            /* SO_MARK of the probe's sockets; 0: none */
};

/* Called once a probe, never from within prober_new or prober_free. May call prober_free. */
typedef void (*probe_callback)(void *context, const struct probe_result *result);

/* State shared by all probers of a loop (the libcurl multi handle). NULL: out of memory. */
struct probe_engine *probe_engine_new(uv_loop_t *loop);
/* All probers must be freed before; the loop must run once more afterwards to close handles. */
void probe_engine_free(struct probe_engine *engine);

/* Starts probing target by spec (kind not CHECK_NONE); both are copied. NULL: out of memory. */
struct prober *prober_new(struct probe_engine *engine, const struct check_spec *spec,
			  const struct probe_target *target, probe_callback callback,
			  void *context);
/* Starts the next probe at once, unless one is under way. NULL-safe. */
void prober_now(struct prober *prober);
/* No callback comes after this. NULL-safe. */
void prober_free(struct prober *prober);

/*
 * For the implementations, probe_tcp.c and probe_http.c. start begins one probe and returns an
 * object of its own, or NULL with *ret_reason set if it could not even begin; the object reports
 * by probe_done() exactly once unless cancelled, never from within start, and frees itself
 * afterwards. cancel frees it without a report. The timeout is the scheduler's: it cancels.
 */
struct probe_ops {
	void *(*start)(struct prober *prober, const char **ret_reason);
	void (*cancel)(void *probe);
};

extern const struct probe_ops probe_tcp_ops;
extern const struct probe_ops probe_http_ops;

void probe_done(struct prober *prober, bool success, const char *reason);
const struct check_spec *prober_spec(const struct prober *prober);
const struct endpoint *prober_target(const struct prober *prober); /* check-port applied */
/* What every IP socket of a probe needs before its first packet. Returns 0 or a negative errno. */
int probe_socket_prepare(const struct prober *prober, int fd);
struct probe_engine *prober_engine(const struct prober *prober);
uv_loop_t *probe_engine_loop(const struct probe_engine *engine);
/* The engine's libcurl, made at its first use. NULL: out of memory. */
struct curl_loop *probe_engine_curl(struct probe_engine *engine);

#endif
