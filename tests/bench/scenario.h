/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_BENCH_SCENARIO_H
#define SLUICE_BENCH_SCENARIO_H

/* What is measured: a kind of packets that come to a kind of service. */
#include "harness.h"
#include "verdicts.h"

struct scenario {
	const char *mode; /* "l2", "nat", "ipip", "ipip-changed", "ipip-limited"; "none": not for a
			     VIP */
	const char *ip;   /* "ip4", "ip6" */
	const char *l4;   /* "tcp", "udp" */
	const char *packets;
	uint64_t flows;    /* 0: every packet is another flow's */
	uint32_t vips;     /* they are spread over */
	bool known;        /* these flows are established before */
	const char *flags; /* of TCP */
	bool once;         /* no flow may be measured twice */
	bool full;         /* other flows fill the flow table, in the state that these enter it */
	enum lb_verdict verdict;
};

#define SCENARIOS_MAX 440

/* Those that follow up to known_max flows. Returns how many. */
size_t scenarios(uint64_t known_max, struct scenario ret_scenarios[SCENARIOS_MAX]);

/* Are flows tracked only where something changed? */
bool scenario_changed(const struct scenario *scenario);

/* The scenario's packets with these TCP flags. */
int scenario_traffic(const struct scenario *scenario, const char *flags,
		     struct traffic *ret_traffic, struct error *err);

#endif
