/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_SCALE_DRIVER_H
#define SLUICE_SCALE_DRIVER_H

/*
 * The programs that start and stop backends; docs/autoscale.md has the contract. One run is
 *
 *   WORDS... up|down SERVICE ID
 *
 * without a shell, in a process group of its own that is killed at the timeout and, for what it
 * may have left behind, at its end. What it prints on standard output is its answer, of
 * SCALE_ANSWER_MAX bytes at most; the last line on standard error says why it failed.
 */
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "autoscale_policy.h"

#define SCALE_ANSWER_MAX 4096
#define SCALE_SAID_MAX   160

struct scale_job;

enum scale_order { SCALE_ORDER_UP, SCALE_ORDER_DOWN };

struct scale_errand {
	char *const *words; /* of the driver, ended by NULL; at least one */
	enum scale_order order;
	const char *service, *id;
	uint16_t port; /* that a new backend is expected to serve; 0: any */
	uint64_t timeout_ms;
};

struct scale_outcome {
	bool success;
	const char *answer; /* standard output, ended by a NUL; valid during the callback */
	size_t length;
	const char *reason; /* of a failure, else "" */
};

/* Called once, never from within scale_job_start(). */
typedef void (*scale_job_callback)(void *context, const struct scale_outcome *outcome);

/* What errand points to is copied. A negative errno: nothing runs, and nothing is called back. */
int scale_job_start(uv_loop_t *loop, const struct scale_errand *errand, scale_job_callback callback,
		    void *context, struct scale_job **ret_job);

/* Kills it; no callback comes after this. The loop must run until it has been reaped. NULL-safe. */
void scale_job_cancel(struct scale_job *job);

const char *scale_order_name(enum scale_order order);

#endif
