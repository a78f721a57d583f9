/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_SERVICE_RUN_H
#define SLUICE_SERVICE_RUN_H

/*
 * What runs for one service, over all its backends: its panic, whether it answers SYNs by cookies
 * for now, and its watch over the SYNs that clients repeat, which makes backends suspect or ejects
 * them. Private to the manager.
 */
#include "dataplane.h"
#include "desired.h"
#include "load_run.h"

/* By service index. */
struct service_run {
	bool panics;
	uint8_t priority; /* of the backends that it keeps when it panics; see pool.h */
	char panic_reason[96];
	bool syn_cookies; /* they are on, for now */
	struct load_service load;
};

/* A round of the watch, and scratch. */
struct service_watch {
	uint32_t tick;
	uint32_t top; /* the highest backend index to be read in this round; 0: none */
	struct lb_backend_stats *stats;
	struct passive **judged;
	struct pool_member *members;
};

/* False: out of memory; clear it all the same. */
bool service_watch_init(struct service_watch *watch, const struct dataplane *dp);
void service_watch_clear(struct service_watch *watch);

/* Backends of the service have changed: does it panic? Derives their facts anew if need be. */
void service_settle(struct manager *manager, const struct service_spec *service);

/* To be called every HOUSEKEEPING_MS: steps of slow starts, ends of ejections, verdicts. */
void service_runs_tick(struct manager *manager);

#endif
