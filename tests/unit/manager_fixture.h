/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_MANAGER_FIXTURE_H
#define SLUICE_MANAGER_FIXTURE_H

/* A manager on a loop, over a fake data plane and a disk that fails when told to. Next hops and
 * probes are told by fake_nexthop.h and fake_probe.h. */
#include <uv.h>

#include "fake_dataplane.h"
#include "manager.h"

#define GUARD_MS 15000

struct manager_fixture {
	struct fake_dataplane *fake;
	struct events *events;
	struct manager *manager;
	uv_loop_t loop;
	int save_error; /* errno that saving fails with; 0: it works */
	unsigned int saves;
};

extern struct manager_fixture fx;

/* A manager without services. */
void fixture_begin(const struct dataplane_sizes *sizes);
void fixture_end(void);

/* As by kill -9: the data plane stays as it is. */
void fixture_restart(void);
/* Its two halves. desired is taken. */
void fixture_stop(void);
void fixture_start(struct desired *desired);

/* What is asked for, to be changed and committed. */
struct desired *change(void);

/* Runs the loop, and with it the manager's clock, until the condition holds. */
#define run_until(condition)                                                                       \
	do {                                                                                       \
		uint64_t guard = uv_hrtime() + GUARD_MS * 1000000ULL;                              \
		while (!(condition)) {                                                             \
			assert_true(uv_hrtime() < guard);                                          \
			uv_run(&fx.loop, UV_RUN_ONCE);                                             \
		}                                                                                  \
	} while (0)

#endif
