/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CHECK_RUN_H
#define SLUICE_CHECK_RUN_H

/*
 * A check made ready to run: what can be prepared once is prepared here, and the probers of all
 * backends of a service share it. Counted by reference, never changed but for what its probes
 * count.
 */
#include <regex.h>

#include "check.h"
#include "latency.h"

struct check_run {
	unsigned int references;
	struct check_spec spec;
	char *service;    /* its name */
	regex_t *body;    /* NULL: any body will do */
	uint8_t *payload; /* udp: what is sent; dns: the question, its ID being 0 */
	size_t payload_length;
	uint8_t *expect; /* udp: the reply's beginning */
	size_t expect_length;
	struct lb_latency durations; /* of its probes, whatever came of them */
};

/* spec has passed check_spec_check(); both are copied. NULL: out of memory. */
struct check_run *check_run_new(const struct check_spec *spec, const char *service);

struct check_run *check_run_ref(struct check_run *check);
/* NULL-safe. */
void check_run_unref(struct check_run *check);

#endif
