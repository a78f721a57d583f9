/* SPDX-License-Identifier: Apache-2.0 */
#include "scenario.h"

#include <stdio.h>
#include <string.h>

#include "fill.h"
#include "target.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Where a kind of packets is measured; a way there has one bit of the modes, one of the addresses'
 * families, one of the protocols. */
enum {
	L2 = 1 << 0,
	NAT = 1 << 1,
	IPIP = 1 << 2,
	CHANGED = 1 << 3,
	LIMITED = 1 << 4,
	NONE = 1 << 5,
	IP4 = 1 << 6,
	IP6 = 1 << 7,
	TCP = 1 << 8,
	UDP = 1 << 9,
	MODES = L2 | NAT | IPIP | CHANGED,
	TUNNELS = IPIP | CHANGED,
	BOTH_TCP = IP4 | IP6 | TCP,
	ALL = BOTH_TCP | UDP,
};

static const struct {
	int where;
	const char *mode;
	const char *ip;
	const char *vip;
	const char *client;
	uint32_t grow; /* bytes put in front */
} ways[] = {
	{L2 | IP4, "l2", "ip4", TARGET_L2_VIP4, "198.19.0.0", 0},
	{L2 | IP6, "l2", "ip6", TARGET_L2_VIP6, "2001:db8:19::", 0},
	{NAT | IP4, "nat", "ip4", TARGET_NAT_VIP4, "198.19.0.0", 0},
	{NAT | IP6, "nat", "ip6", TARGET_NAT_VIP6, "2001:db8:19::", 0},
	{IPIP | IP4, "ipip", "ip4", TARGET_IPIP_VIP4, "198.19.0.0", 20},
	{IPIP | IP6, "ipip", "ip6", TARGET_IPIP_VIP6, "2001:db8:19::", 40},
	{CHANGED | IP4, "ipip-changed", "ip4", TARGET_CHANGED_VIP4, "198.19.0.0", 20},
	{CHANGED | IP6, "ipip-changed", "ip6", TARGET_CHANGED_VIP6, "2001:db8:19::", 40},
	{LIMITED | IP4, "ipip-limited", "ip4", TARGET_LIMITED_VIP4, "198.19.0.0", 0},
	{NONE | IP4, "none", "ip4", "198.18.0.19", "198.19.0.0", 0},
	{NONE | IP6, "none", "ip6", "2001:db8::19", "2001:db8:19::", 0},
};

static const struct {
	int where;
	const char *name;
} protocols_balanced[] = {{TCP, "tcp"}, {UDP, "udp"}};

enum {
	KNOWN = 1 << 0,
	ONCE = 1 << 1,
	FULL = 1 << 2,
};

/* What is not measured everywhere would add little there but time. */
static const struct {
	const char *packets;
	uint64_t flows;
	uint32_t vips;
	const char *flags;
	int how;
	int where;
	enum lb_verdict verdict;
} kinds[] = {
	{"hit", 1, 1, "A", KNOWN, MODES | ALL, LB_FORWARD},
	{"hit", 1 << 10, 1, "A", KNOWN, MODES | ALL, LB_FORWARD},
	{"hit", 1 << 13, 1, "A", KNOWN, TUNNELS | IP4 | TCP, LB_FORWARD},
	{"hit", 1 << 16, 1, "A", KNOWN, MODES | ALL, LB_FORWARD},
	{"hit", 1 << 17, 1, "A", KNOWN, TUNNELS | IP4 | TCP, LB_FORWARD},
	{"hit", 1 << 20, 1, "A", KNOWN, L2 | NAT | IP4 | TCP, LB_FORWARD},
	{"hit", 1 << 20, 1, "A", KNOWN, TUNNELS | BOTH_TCP, LB_FORWARD},
	{"hit", 1 << 22, 1, "A", KNOWN, IPIP | IP4 | TCP, LB_FORWARD},
	{"hit", 1 << 24, 1, "A", KNOWN, IPIP | IP4 | TCP, LB_FORWARD},
	{"hit", 1 << 20, 64, "A", KNOWN, TUNNELS | IP4 | TCP, LB_FORWARD},
	{"hit", 1 << 20, FILL_MANY, "A", KNOWN, TUNNELS | IP4 | TCP, LB_FORWARD},
	{"miss", 0, 1, "A", 0, MODES | BOTH_TCP, LB_FORWARD},
	{"evicting", 1 << 23, 1, "A", FULL, IPIP | IP4 | TCP, LB_FORWARD},
	{"new flow", 0, 1, "S", 0, MODES | ALL, LB_FORWARD},
	{"SYN again", 1, 1, "S", 0, TUNNELS | IP4 | TCP, LB_FORWARD},
	{"SYN flood", 0, 1, "S", FULL, TUNNELS | IP4 | TCP, LB_FORWARD},
	{"refused", 0, 1, "S", 0, LIMITED | IP4 | TCP, LB_SERVICE_FLOWS},
	{"closing", 1 << 16, 1, "FA", KNOWN | ONCE, MODES | BOTH_TCP, LB_FORWARD},
	{"foreign", 1, 1, "A", 0, NONE | ALL, LB_PASS},
};

static size_t add_kinds(size_t way, size_t l4, uint64_t known_max, struct scenario *ret_scenarios)
{
	const int here = ways[way].where | protocols_balanced[l4].where;
	size_t i, count = 0;

	for (i = 0; i < COUNT(kinds); i++) {
		if ((kinds[i].where & here) != here ||
		    (kinds[i].how & KNOWN && kinds[i].flows > known_max))
			continue;
		ret_scenarios[count++] = (struct scenario){
			.mode = ways[way].mode,
			.ip = ways[way].ip,
			.l4 = protocols_balanced[l4].name,
			.packets = kinds[i].packets,
			.flows = kinds[i].flows,
			.vips = kinds[i].vips,
			.known = kinds[i].how & KNOWN,
			.flags = kinds[i].flags,
			.once = kinds[i].how & ONCE,
			.full = kinds[i].how & FULL,
			.verdict = kinds[i].verdict,
		};
	}
	return count;
}

size_t scenarios(uint64_t known_max, struct scenario ret_scenarios[SCENARIOS_MAX])
{
	_Static_assert(COUNT(ways) * COUNT(protocols_balanced) * COUNT(kinds) <= SCENARIOS_MAX,
		       "all fit");
	size_t i, j, count = 0;

	for (i = 0; i < COUNT(ways); i++)
		for (j = 0; j < COUNT(protocols_balanced); j++)
			count += add_kinds(i, j, known_max, &ret_scenarios[count]);
	return count;
}

bool scenario_changed(const struct scenario *scenario)
{
	return strcmp(scenario->mode, "ipip-changed") == 0;
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
		 ways[i].ip, ways[i].client, scenario->vips > 1 ? FILL_MANY_VIP4 : ways[i].vip,
		 scenario->l4, tcp);
	return traffic_build(text, scenario->flows, scenario->vips, ways[i].grow, ret_traffic, err);
}
