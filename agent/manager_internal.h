/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_MANAGER_INTERNAL_H
#define SLUICE_MANAGER_INTERNAL_H

/* What manager.c, manager_announce.c, manager_sync.c, backend_run.c and service_run.c share; nobody
 * else includes it.
 */
#include "announcer.h"
#include "backend_run.h"
#include "backend_way.h"
#include "by_address.h"
#include "flow_fold.h"
#include "load_run.h"
#include "manager.h"
#include "reply_takers.h"
#include "service_run.h"
#include "sources.h"
#include "sync.h"

#define HOUSEKEEPING_MS 100 /* between two ticks */

struct manager {
	uv_loop_t *loop;
	struct dataplane *dp;
	const char *state_dir;
	const char *commands_dir;
	const char *global_deny;
	struct events *events;
	struct desired *desired;
	struct service_spec **service_by_id; /* into desired */
	struct check_run **checks;           /* [service index], as its backends' runs have it */
	struct backend_run *runs;            /* [backend index] */
	struct by_address *by_address;       /* runs that are used */
	struct service_run *service_runs;    /* [service index] */
	struct service_watch watch;
	struct loads loads;
	struct backend_facts *facts; /* [backend index] */
	struct reply_takers *takers; /* of desired */
	struct sync *sync;
	struct sources *sources;
	bool sources_begun; /* loaded for the first time */
	bool reload_due;
	struct error sources_problem; /* why the last load failed; all zero: it did not */
	struct flow_scan *scan;
	struct flow_fold fold;
	struct probe_engine *probes;
	struct nexthop_table *nexthops;
	struct ways ways;
	manager_consent consent; /* NULL: nobody is asked */
	void *consent_context;
	void (*on_links)(void *context); /* NULL: nobody wants to know */
	void *on_links_context;
	uv_timer_t tick;
	uint64_t ticks;
	struct error drain_error; /* why drains could last not be ended; no message: they could */
	uint64_t nat_round;       /* the tick at which translated flows are counted again */
	uv_timer_t due;           /* of manager_sync.c: services are to be synced */
	bool *stale;              /* [service index]: it is one of them */
	size_t stale_next;        /* of desired's services: who has its turn */
	uint64_t rest_until_ns;   /* not before then */
	double sync_seconds;
	struct {
		struct announcer *announcer;    /* NULL: VIPs are not announced */
		struct announce_health *health; /* [service index] */
		bool stale;                     /* health or the desired state is another */
		bool stopping;
		uint64_t trouble_since;                                 /* loop time; 0: none */
		bool troubled;                                          /* it has lasted */
		char obstacle[sizeof(((struct error *)NULL)->message)]; /* manager_obstacle() */
	} announce;
	/* [service index]; of the generation, or to be made. */
	struct config_digest {
		uint64_t generation, digest;
	} * config_digests;
	uint64_t seed_digest;
	struct error sync_error; /* message empty: in sync */
};

/* Saves what is desired, as of a change that no commit makes. */
int manager_persist(const struct manager *manager, struct error *err);

/* Has what is known of a service's backends taken to the data plane, soon. */
void service_changed(struct manager *manager, uint16_t service_id);

/* Remembers what came of a sync, and says so if it failed. */
void note_sync(struct manager *manager, int ret, const struct error *err);

void sync_due_init(struct manager *manager);

/* Of manager_announce.c: has routes follow, if anything that they go by has changed or time has
 * come. */
void announce_follow(struct manager *manager);

/* What a service's routes go by is another. */
void announce_changed(struct manager *manager);

#endif
