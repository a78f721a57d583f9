/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PROBE_FIXTURE_H
#define SLUICE_PROBE_FIXTURE_H

/* A loop with one prober on it, for tests against real servers on loopback. A guard timer bounds
 * every test. Link with --wrap=setsockopt. */
#include "probe.h"

#define GUARD_MS    5000
#define RESULTS_MAX 8

struct fixture {
	uv_loop_t loop;
	uv_timer_t guard;
	struct probe_engine *engine;
	struct check_spec spec; /* of the next prober; its texts are literals */
	uint32_t mark;
	struct prober *prober;
	struct probe_result results[RESULTS_MAX];
	uint64_t told_ms[RESULTS_MAX];
	size_t count;
	size_t free_after; /* the callback frees the prober at this result; 0: never */
};

/* What a socket was marked with last; 0: none was. */
extern uint32_t marked;

struct fixture *fixture_new(void);
/* Servers must have begun to close before. A handle that was left open would hang here. */
void fixture_free(struct fixture *fixture);

/* For a spec's texts: a check is made of a copy. */
char *text(const char *literal);

struct check_run *make_check(const struct fixture *fixture);
void probe_target(struct fixture *fixture, const struct endpoint *target);
const struct probe_result *wait_results(struct fixture *fixture, size_t count);
void expect_success(struct fixture *fixture);
void expect_failure(struct fixture *fixture, const char *reason);
/* Frees the prober; the next may begin. */
void end_prober(struct fixture *fixture);

uint16_t port_of(const struct sockaddr_storage *addr);
struct endpoint endpoint_of(const char *address, uint16_t port);
/* A socket bound to a free port of address. */
int bound_port(const char *address, int type, struct endpoint *ret_endpoint);

#endif
