/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_BENCH_STILL_MANAGER_H
#define SLUICE_BENCH_STILL_MANAGER_H

/* What figures.c and view.c ask of manager.h, of a manager that does nothing: all backends are up.
 */
#include "../../unit/fake_dataplane.h"
#include "manager.h"

struct manager {
	const struct desired *desired;
	struct fake_dataplane *fake;
	struct flow_counts flows;
	struct lb_latency checks;
};

#endif
