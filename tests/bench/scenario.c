/* SPDX-License-Identifier: Apache-2.0 */
#include "scenario.h"

#include <stdio.h>
#include <string.h>

#include "target.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	const char *mode;
	const char *ip;
	const char *vip;
	const char *client;
	uint32_t grow; /* bytes put in front */
} ways[] = {
	{"l2", "ip4", TARGET_L2_VIP4, "198.19.0.0", 0},
	{"l2", "ip6", TARGET_L2_VIP6, "2001:db8:19::", 0},
	{"nat", "ip4", TARGET_NAT_VIP4, "198.19.0.0", 0},
	{"nat", "ip6", TARGET_NAT_VIP6, "2001:db8:19::", 0},
	{"ipip", "ip4", TARGET_IPIP_VIP4, "198.19.0.0", 20},
	{"ipip", "ip6", TARGET_IPIP_VIP6, "2001:db8:19::", 40},
	{"ipip-changed", "ip4", TARGET_CHANGED_VIP4, "198.19.0.0", 20},
	{"ipip-changed", "ip6", TARGET_CHANGED_VIP6, "2001:db8:19::", 40},
	{"none", "ip4", "198.18.0.19", "198.19.0.0", 0},
	{"none", "ip6", "2001:db8::19", "2001:db8:19::", 0},
};

static const char *const protocols_balanced[] = {"tcp", "udp"};

enum {
	KNOWN = 1 << 0,
	ONCE = 1 << 1,
	TCP_ONLY = 1 << 2,
	IP4_ONLY = 1 << 3, /* the other family would add little but time */
};

static const struct {
	const char *packets;
	uint64_t flows;
	const char *flags;
	int how;
} kinds[] = {
	{"hit", 1, "A", KNOWN},
	{"hit", 1 << 10, "A", KNOWN},
	{"hit", 1 << 16, "A", KNOWN},
	{"hit", 1 << 20, "A", KNOWN | TCP_ONLY | IP4_ONLY},
	{"miss", 0, "A", TCP_ONLY},
	{"new flow", 0, "S", 0},
	{"closing", 1 << 16, "FA", KNOWN | ONCE | TCP_ONLY},
};

/* Of packets that are none of ours only the way matters. */
static void add_foreign(const char *ip, const char *l4, struct scenario *ret_scenario)
{
	*ret_scenario = (struct scenario){
		.mode = "none",
		.ip = ip,
		.l4 = l4,
		.packets = "foreign",
		.flows = 1,
		.flags = "A",
		.verdict = LB_PASS,
	};
}

static size_t add_kinds(size_t way, const char *l4, struct scenario *ret_scenarios)
{
	size_t i, count = 0;

	for (i = 0; i < COUNT(kinds); i++) {
		if (kinds[i].how & TCP_ONLY && strcmp(l4, "tcp") != 0)
			continue;
		if (kinds[i].how & IP4_ONLY && strcmp(ways[way].ip, "ip4") != 0)
			continue;
		ret_scenarios[count++] = (struct scenario){
			.mode = ways[way].mode,
			.ip = ways[way].ip,
			.l4 = l4,
			.packets = kinds[i].packets,
			.flows = kinds[i].flows,
			.known = kinds[i].how & KNOWN,
			.flags = kinds[i].flags,
			.once = kinds[i].how & ONCE,
			.verdict = LB_FORWARD,
		};
	}
	return count;
}

size_t scenarios(struct scenario ret_scenarios[SCENARIOS_MAX])
{
	_Static_assert(COUNT(ways) * COUNT(protocols_balanced) * COUNT(kinds) <= SCENARIOS_MAX,
		       "all fit");
	size_t i, j, count = 0;

	for (i = 0; i < COUNT(ways); i++) {
		for (j = 0; j < COUNT(protocols_balanced); j++) {
			if (strcmp(ways[i].mode, "none") == 0)
				add_foreign(ways[i].ip, protocols_balanced[j],
					    &ret_scenarios[count++]);
			else
				count += add_kinds(i, protocols_balanced[j], &ret_scenarios[count]);
		}
	}
	return count;
}

int scenario_traffic(const struct scenario *scenario, const char *flags,
		     struct traffic *ret_traffic, struct error *err)
{
	char text[256], tcp[24] = "";
	size_t i = 0;

	while (strcmp(ways[i].mode, scenario->mode) != 0 || strcmp(ways[i].ip, scenario->ip) != 0)
		i++;
	if (strcmp(scenario->l4, "tcp") == 0)
		snprintf(tcp, sizeof(tcp), " flags=%s", flags);
	/* the payload makes the shortest of them as long as what is put back */
	snprintf(text, sizeof(text), "eth() %s(src=%s dst=%s) %s(src=20000 dst=80%s) data(len=40)",
		 ways[i].ip, ways[i].client, ways[i].vip, scenario->l4, tcp);
	return traffic_build(text, scenario->flows, ways[i].grow, ret_traffic, err);
}
