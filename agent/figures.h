/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FIGURES_H
#define SLUICE_FIGURES_H

/*
 * All figures of the agent and the data plane, as they were at one moment: gathered in one go, so
 * that they fit each other, and to be written in pieces while everything goes on. metrics.c says
 * what each is called.
 */
#include "autoscale_run.h"
#include "fleet_store.h"
#include "latency.h"
#include "manager.h"
#include "metrics_text.h"
#include "process.h"

/* Lists of items of one kind each; every item begins with its labels, as metrics_labels_add() makes
 * them. */
enum figures_list_name {
	FIGURES_AGENT,      /* one struct agent_figures, without labels */
	FIGURES_BUILD,      /* one struct labels_only: version */
	FIGURES_SERVICES,   /* struct service_figures: service */
	FIGURES_VIPS,       /* struct traffic_figures: service, vip */
	FIGURES_ROUTES,     /* struct route_figures: service, vip; none if VIPs are not announced */
	FIGURES_BACKENDS,   /* struct backend_figures: service, backend */
	FIGURES_HANDSHAKES, /* struct latency_figures: service, backend; of services with a tcp VIP
			     */
	FIGURES_LOADS,      /* struct load_figures: service, backend; of those that report */
	FIGURES_CHECKS,     /* struct latency_figures: service, check; of services that check */
	FIGURES_DROPS,      /* struct traffic_figures: reason */
	FIGURES_REPLIES,    /* struct traffic_figures: kind */
	FIGURES_SCALERS,    /* struct scaler_figures: service; of those that have a policy */
	FIGURES_SCALED_BY,  /* struct measure_figures: service; of those whose metric is known */
	FIGURES_PROGRAMS,   /* struct program_figures: program; none if the kernel never counted */
	FIGURES_STORE,      /* one struct store_figures, without labels; none without a store */
	FIGURES_LISTS,
};

struct labels_only {
	const char *labels;
};

struct agent_figures {
	const char *labels;
	uint64_t flow_entries[LB_FLOW_STATES];
	uint64_t flow_evictions[LB_FLOW_STATES];
	uint64_t flow_table_size;
	uint64_t flow_table_used;
	double flow_sample;
	struct lb_capture_stats capture;
	double build_seconds;
	double sync_seconds;
	uint64_t in_sync;
	uint64_t withdrawn; /* it announces no VIP, on demand or because it stops */
	uint64_t refused_tokens;
	uint64_t source_deny; /* prefixes */
	struct process_usage process;
	double process_started;
};

struct service_figures {
	const char *labels;
	uint64_t panics;
	uint64_t syn_cookies;               /* they are on */
	uint64_t source_allow, source_deny; /* prefixes */
	struct lb_service_drops drops;
	uint64_t load_steps;
	uint64_t table_digest, config_digest; /* their upper 48 bits */
};

struct route_figures {
	const char *labels;
	uint64_t announced;
};

struct traffic_figures {
	const char *labels;
	struct lb_traffic traffic;
};

struct backend_figures {
	const char *labels;
	struct lb_backend_stats stats;
	uint64_t active_flows;
	uint64_t up;
	uint64_t enabled;
	uint64_t weight;
	double effective_weight;
	uint64_t suspect;
	uint64_t ejections;
	double share;
	uint64_t checks_passed;
	uint64_t checks_failed;
	uint64_t load_failures;
};

struct load_figures {
	const char *labels;
	double load, pressure;
};

struct latency_figures {
	const char *labels;
	struct latency_view latency;
};

struct scaler_figures {
	const char *labels;
	uint64_t desired;
	uint64_t least;
	uint64_t most;
	uint64_t running;
	uint64_t circuit_open;
	uint64_t launch_failures;
	uint64_t decisions[AUTOSCALE_ACTIONS];
};

struct measure_figures {
	const char *labels;
	double value;
};

struct program_figures {
	const char *labels;
	struct dataplane_runs runs;
};

struct store_figures {
	const char *labels;
	uint64_t connected;
	uint64_t revision;
	uint64_t current; /* the latest document that we know of is in force */
	uint64_t balancers;
	uint64_t trial; /* the document of a roll-out is in force instead */
};

struct figures_list {
	void *items;
	size_t count;
	size_t stride; /* bytes from one item to the next */
};

struct figures {
	struct figures_list lists[FIGURES_LISTS];
	char *labels;    /* all items', one behind the other */
	size_t labelled; /* bytes of them */
};

/* What is not the manager's. */
struct figures_input {
	const struct manager *manager;
	const struct autoscaler *autoscaler;  /* NULL: there is none */
	const struct fleet_store_view *store; /* NULL: there is none */
	uint64_t refused_tokens;              /* the door's (guesses.h) */
	double process_started;               /* process_started() */
};

/* NULL: out of memory. */
struct figures *figures_gather(const struct figures_input *input);
void figures_free(struct figures *figures); /* NULL-safe */

#endif
