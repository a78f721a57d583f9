/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_MANAGER_H
#define SLUICE_MANAGER_H

/*
 * The agent's middle: holds the desired state, learns about each backend from probes and next
 * hops, keeps the data plane in sync with both, and ends drains. One loop, one thread.
 */
#include <uv.h>

#include "announcer.h"
#include "dataplane.h"
#include "desired.h"
#include "events.h"
#include "flow_scan.h"
#include "links.h"
#include "load_weight.h"
#include "stage.h"

struct manager;

enum backend_status {
	BACKEND_UP,
	BACKEND_CHECKING,
	BACKEND_DOWN,
	BACKEND_DRAIN,
	BACKEND_REMOVING,
	BACKEND_MAINT,
	BACKEND_NO_NEIGHBOUR,
	BACKEND_EJECTED, /* its checks may pass, but clients get no answer; see passive.h */
};

/* What load-aware weights know of a backend (load_weight.h), as of the last decision. */
struct backend_load {
	bool asked; /* its service follows load, and it gets new flows */
	bool known; /* it has reported, and something was decided by that: else only the last two */
	struct load_reading reading;
	double age_s; /* of its report */
	double pressure;
	double target, next; /* parts of its weight */
	uint64_t failures;   /* questions without an answer */
	const char *problem; /* of the last one; "": it was answered */
};

/* A backend as it is, beside what is asked of it in its spec. */
struct backend_view {
	enum backend_status status;
	const char *reason;    /* why it is not up, or what else is to be said; "" if nothing is */
	const char *check_via; /* by which way it is checked: "vip", "address", "none" */
	const char *check_via_reason; /* why not by the VIP, if that was asked for; else "" */
	uint64_t since_ms;            /* of status; Unix time */
	double share;                 /* of its service's table, 0 to 1 */
	double weight;      /* that it has at the moment: less than asked for in a slow start,
			     * or by its load */
	bool suspect;       /* its clients repeat more SYNs than its peers' do */
	uint32_t ejections; /* since the agent's start */
	uint32_t active_flows;
	bool drained;         /* it drains, and no flow is left; active_flows may be 0 earlier, see
			       * flow_scan_rounds() */
	bool draining;        /* the deadline, if any, is in its spec */
	uint32_t drain_flows; /* that it had when the drain began, or when the agent started */
	uint64_t checks_passed;
	uint64_t checks_failed;
	double check_seconds; /* that the last check to pass took; 0: none has */
	struct backend_load load;
};

/*
 * Takes desired over (also on failure) and brings the data plane in sync with it. dp, loop, events
 * and the directories' names must outlive the manager; exec checks run programs of commands_dir
 * only. global_deny is whom no service takes (source_list.h), "" for nobody; a list that cannot be
 * read is told, and is no failure. Nothing is attached or probed before the loop runs. What has no
 * index yet, as a configuration file's services, is checked as in a commit. After a failure the
 * loop must run once more to close handles.
 */
int manager_new(uv_loop_t *loop, struct dataplane *dp, const char *state_dir,
		const char *commands_dir, const char *global_deny, struct events *events,
		struct desired *desired, struct manager **ret_manager, struct error *err);

/* Stops probes and timers; the loop must run once more to close handles, then call
 * manager_free. Packets flow on. */
void manager_stop(struct manager *manager);
void manager_free(struct manager *manager);

/* What is asked for now; valid until the next commit. Clone it to change it. */
const struct desired *manager_desired(const struct manager *manager);

/*
 * Makes next the desired state: gives indices, asks, persists, syncs. Takes next over, also on
 * failure; then everything is as it was. On return packets already follow the new state, but
 * for backends that have still to pass their first check.
 */
int manager_commit(struct manager *manager, struct desired *next, struct error *err);

/*
 * Asked about each change that is good in all that the manager knows of, before it is saved: 0, and
 * it is made; -EINPROGRESS, and manager_commit() returns that, to be called again with the same
 * change some 10 ms later; else it is refused. NULL: nobody is asked.
 */
typedef int (*manager_consent)(void *context, const struct desired *former,
			       const struct desired *next, struct error *err);
void manager_on_commit(struct manager *manager, manager_consent consent, void *context);

/*
 * Load-aware weights (load_weight.h). Balancers of a fleet agree on them: one decides, and what all
 * do, itself included, is what manager_load_apply() is told. Without this call the agent decides
 * for itself. propose: a step that was decided here, with a factor for each backend of the service,
 * in their order, in thousandths; 0 stands for the whole weight.
 */
typedef void (*load_propose)(void *context, const struct service_spec *service,
			     const uint16_t *factors, const char *reason);
void manager_on_load(struct manager *manager, load_propose propose, void *context);

/* Whether it is this balancer that decides; at first, and after manager_on_load(), it is not. */
void manager_load_leads(struct manager *manager, bool leads);

/* Has the service's weights follow, if it asks for that. 0, or what the disk says: then nothing has
 * changed. */
int manager_load_apply(struct manager *manager, const struct service_spec *service,
		       const uint16_t *factors, const char *reason);

struct service_load {
	bool leads; /* this balancer decides */
	struct load_state state;
	uint64_t steps; /* made since its weights follow load */
};

struct service_load manager_load(const struct manager *manager, const struct service_spec *service);

/* Its service has so few backends up that those that are down get flows all the same. */
bool manager_panics(const struct manager *manager, const struct service_spec *service);

/*
 * What manager_commit() would do with next, which gets its indices and stays the caller's. Refused
 * as there, but for what only the disk or the kernel can refuse. Nothing changes.
 */
int manager_plan(const struct manager *manager, struct desired *next, struct plan **ret_plan,
		 struct error *err);

/* The next step from the present state to target (stage.h), likewise. -EAGAIN: flows have not been
 * counted yet. */
int manager_stage(const struct manager *manager, struct desired *target, double limit,
		  enum stage_outcome *ret_outcome, struct desired **ret_next, struct error *ret_why,
		  struct error *err);

/*
 * Are the files of sources that next needs read? 0: manager_plan(), manager_commit() and
 * manager_stage() take what was read, and keep nobody waiting. -EINPROGRESS: long ones are being
 * read; ask again some 10 ms later. Else why one cannot be read.
 */
int manager_lists_ready(const struct manager *manager, const struct desired *next,
			struct error *err);

/* Reads the files of all lists of sources again. All are taken, or none; long ones are in force
 * some time later, when manager_sources_loading() is over. -EINPROGRESS: as above. */
int manager_reload(struct manager *manager, struct error *err);

/* The same, as soon as the files are read. An event tells what came of it. */
void manager_reload_soon(struct manager *manager);

/* Prefixes of a service's list of sources; service NULL, deny true: of the global one. */
size_t manager_sources(const struct manager *manager, const struct service_spec *service,
		       bool deny);

/* Is there a list, of this service or (NULL) of any, that is not yet in force? */
bool manager_sources_loading(const struct manager *manager, const struct service_spec *service);

/* Why the lists that were last to be loaded are not in force; an empty message: they are. */
const struct error *manager_sources_problem(const struct manager *manager);

struct backend_view manager_backend(const struct manager *manager, const struct backend_spec *spec);

const char *backend_status_name(enum backend_status status);

const struct flow_counts *manager_flows(const struct manager *manager);
struct dataplane *manager_dataplane(const struct manager *manager);

/* The machine's links, as last heard of. */
const struct links *manager_links(const struct manager *manager);

/* Calls `changed` from the loop when links have changed. It may change the data plane's mtu. */
void manager_on_links(struct manager *manager, void (*changed)(void *context), void *context);

/* NULL if the data plane is as it should be, else what failed last. */
const char *manager_out_of_sync(const struct manager *manager);

/* How long the service's checks took since they were asked for as they are; NULL: it has none. */
const struct lb_latency *manager_check_durations(const struct manager *manager,
						 const struct service_spec *service);

/*
 * Announces VIPs by routes in this table, from the loop's first turn on; see announcer.h. Without
 * this call none is announced. What keeps the balancer as a whole from forwarding withdraws all of
 * them when it has lasted for a second: the data plane out of sync, or what manager_obstacle()
 * says.
 */
int manager_announce(struct manager *manager, uint32_t table, struct error *err);

/* What is in the way of all packets, such as an interface that is not attached; NULL: nothing. */
void manager_obstacle(struct manager *manager, const char *reason);

/* Withdraws all VIPs, or lets them be announced again, at once and over restarts. -EINVAL: they are
 * not announced at all; else what the disk says, and nothing has changed. */
int manager_withdraw(struct manager *manager, bool withdrawn, struct error *err);

/* Withdraws all VIPs until the agent ends, which is soon. False: none is announced, and there is
 * nobody to wait for. */
bool manager_withdraw_to_stop(struct manager *manager);

struct announce_view {
	uint32_t table;     /* 0: VIPs are not announced */
	const char *state;  /* "off", "announcing", "withdrawn", "stopping", "out-of-order" */
	const char *reason; /* of the last; else "" */
	bool withdrawn;     /* it announces no VIP, on demand or because it stops */
	size_t announced, routes;
};

struct announce_view manager_announces(const struct manager *manager);

/* The route of a VIP. False: VIPs are not announced. */
bool manager_route(const struct manager *manager, const struct vip *vip,
		   struct announced_route *ret_route);

/* What balancers of a fleet are compared by; see digest.h. */
uint64_t manager_table_digest(const struct manager *manager, const struct service_spec *service);
/* 0: out of memory. */
uint64_t manager_config_digest(const struct manager *manager, const struct service_spec *service);
uint64_t manager_seed_digest(const struct manager *manager);

/* Of the last table build and the last commit's sync. */
double manager_build_seconds(const struct manager *manager);
double manager_sync_seconds(const struct manager *manager);

#endif
