/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_BACKEND_RUN_H
#define SLUICE_BACKEND_RUN_H

/*
 * What runs for one backend: its checks, what is known of the way to it, its drain, and what
 * status and facts follow from them. Private to the manager, which tells a run what happens and
 * takes its facts to the data plane.
 */
#include "check_way.h"
#include "desired.h"
#include "health.h"
#include "load_run.h"
#include "manager.h"
#include "nexthop.h"
#include "passive.h"
#include "probe.h"

#define CHECK_REASON_MAX 320

/* By backend index. */
struct backend_run {
	bool used;
	bool cold; /* it was out: when it is up again, it starts slowly */
	bool kept; /* it is out, and gets flows all the same: its service panics */
	bool suspect;
	uint64_t rests_until; /* round of the flow scan after which the index is free again */
	uint64_t seen;        /* generation that last named it */
	struct manager *manager;
	struct backend_spec spec;
	uint16_t service_id;
	struct check_run *check; /* a reference */
	struct health health;
	struct prober *prober;
	struct nexthop hop;
	bool hop_told;  /* hop is what rtnetlink says, not what a former agent has left */
	bool hop_known; /* was resolved once: a check may then vouch for the backend */
	char check_reason[CHECK_REASON_MAX];
	struct check_way way; /* of its checks, if way_known */
	bool way_known;
	uint32_t way_packets;   /* lb_probe_path.sent, as last seen */
	char local_reason[160]; /* why it cannot serve, being the balancer itself; empty: it can */
	struct address own;     /* the balancer's, which replies come to; all zero: not known yet */
	char taken_reason[256]; /* why replies of mode nat may go astray; empty: they do not */
	bool taken_all;         /* and all of them would: it cannot be used */
	enum backend_status status;
	const char *reason;
	uint64_t since_ms;
	enum backend_status told;  /* the status that was told last */
	bool settled;              /* one was told since it began */
	uint64_t drain_ends_ms;    /* loop time; 0: no deadline */
	uint64_t drain_rounds;     /* flow scan rounds when the drain began */
	uint32_t drain_flows;      /* that it had then, see run_watch_drain() */
	bool drain_counted;        /* all of those */
	bool drain_told;           /* that it has none left */
	uint64_t checks[2];        /* failed, passed */
	uint64_t passed_us;        /* that the last one took to pass */
	uint64_t ramp_began_ms;    /* of its slow start, loop time; 0: it has its whole weight */
	uint64_t ejected_until_ms; /* loop time; 0: it is not ejected */
	uint64_t ejection_ended_ms;
	uint32_t ejection_level; /* see pool_ejection_next() */
	uint32_t ejections;
	struct passive passive;
	char passive_reason[96]; /* of the last verdict against it */
	struct load_run load;
	char note[320]; /* reason may be here */
};

/* Follows the desired state: begins what spec names as new, or brings it up to date. Derives
 * status and facts also after a failure. */
int run_change(struct manager *manager, const struct service_spec *service,
	       const struct backend_spec *spec, struct error *err);

/* Its backend is desired no more. The index rests until no flow entry can name it. */
void run_end(struct manager *manager, uint16_t id);

/* Derives status and facts anew; tells if the status changed. A new backend has to be asked for
 * and checked first: that is told by run_tell_late() only, if it takes long. */
void run_update(struct manager *manager, struct backend_run *run);

/* Called now and then for each. True: it had something to tell. */
bool run_tell_late(struct manager *manager, struct backend_run *run);

/* Time has passed: an ejection may be over, a slow start a step further. True if facts changed. */
bool run_tick(struct manager *manager, struct backend_run *run);

/* It gets no new flows for a while; passive_reason says why. */
void run_eject(struct manager *manager, struct backend_run *run);

/* What rtnetlink says of the way to it now. */
void run_hop(struct manager *manager, struct backend_run *run, const struct nexthop *hop);

/* Begins its checks anew if they are to go another way now. */
void run_check_anew(struct manager *manager, struct backend_run *run);

/* Its flows are to end: it is removed, or in state drain. */
bool run_drains(const struct backend_run *run);

/* Called for each backend that drains, often. What was under way when the drain began is counted
 * only a round of the flow scan later, so drain_flows may still grow until then. Tells when no
 * flow is left. */
void run_watch_drain(struct manager *manager, struct backend_run *run);

/* It drains, and what was under way when that began has been looked through. */
bool run_drained(const struct manager *manager, const struct backend_run *run);

/* Not all zero, which stands for an address that is not known yet. */
bool address_known(const struct address *address);

#endif
