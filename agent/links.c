/* SPDX-License-Identifier: Apache-2.0 */
#include "links.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"

#define VLAN_TAGS_MAX 2

static size_t index_of(const struct links *links, uint32_t ifindex)
{
	size_t i;

	for (i = 0; i < links->count && links->items[i].ifindex != ifindex; i++)
		;
	return i;
}

static bool link_equal(const struct rtnl_link *a, const struct rtnl_link *b)
{
	return a->up == b->up && a->ethernet == b->ethernet && !memcmp(a->mac, b->mac, 6) &&
	       !strcmp(a->name, b->name) && a->mtu == b->mtu && a->kind == b->kind &&
	       a->master == b->master && a->backup == b->backup && a->lower == b->lower &&
	       a->lower_is_elsewhere == b->lower_is_elsewhere && a->vlan_id == b->vlan_id &&
	       a->vlan_proto == b->vlan_proto;
}

int links_put(struct links *links, const struct rtnl_link *news)
{
	size_t i = index_of(links, news->ifindex);
	struct rtnl_link *items;

	if (i < links->count) {
		/* Drivers also tell of changes that are nothing to us. */
		if (link_equal(&links->items[i], news))
			return 0;
	} else if (links->count == links->room) {
		items = reallocarray(links->items, 2 * links->room + 8, sizeof(*items));
		if (!items)
			return -ENOMEM;
		links->items = items;
		links->room = 2 * links->room + 8;
	}
	links->items[i] = *news;
	if (i == links->count)
		links->count++;
	return 1;
}

bool links_remove(struct links *links, uint32_t ifindex)
{
	size_t i = index_of(links, ifindex);

	if (i == links->count)
		return false;
	links->items[i] = links->items[--links->count];
	return true;
}

void links_clear(struct links *links)
{
	free(links->items);
	*links = (struct links){0};
}

const struct rtnl_link *links_find(const struct links *links, uint32_t ifindex)
{
	size_t i = index_of(links, ifindex);

	return i < links->count ? &links->items[i] : NULL;
}

const struct rtnl_link *links_named(const struct links *links, const char *name)
{
	size_t i;

	for (i = 0; i < links->count; i++) {
		if (strcmp(links->items[i].name, name) == 0)
			return &links->items[i];
	}
	return NULL;
}

/* --- VLAN devices --- */

/* Adds the tag of a VLAN device outside of those that are there. NULL, or why it cannot be. */
static const char *add_tag(uint32_t *vlan, unsigned int count, const struct rtnl_link *device)
{
	bool service_tag = device->vlan_proto == ETH_P_8021AD;

	if (count == VLAN_TAGS_MAX)
		return "more than two VLAN tags";
	/* LB_VLAN_SERVICE_TAG is of the outer one. */
	if (*vlan & LB_VLAN_SERVICE_TAG)
		return "an 802.1ad tag inside another";
	*vlan = (*vlan & ~(3U << LB_VLAN_COUNT_SHIFT)) | (count + 1) << LB_VLAN_COUNT_SHIFT;
	*vlan |= (device->vlan_id & LB_VLAN_ID_MASK) << (count * LB_VLAN_OUTER_SHIFT);
	*vlan |= service_tag ? LB_VLAN_SERVICE_TAG : 0;
	return NULL;
}

int links_way(const struct links *links, uint32_t ifindex, struct links_way *ret_way, char *reason,
	      size_t size)
{
	const struct rtnl_link *link = links_find(links, ifindex), *device;
	struct links_way way = {.ifindex = ifindex};
	const char *problem;
	unsigned int count;

	for (count = 0; link && link->up && link->kind == RTNL_LINK_VLAN; count++) {
		device = link;
		problem = add_tag(&way.vlan, count, device);
		if (device->lower_is_elsewhere)
			problem = "its lower device is in another network namespace";
		if (problem) {
			snprintf(reason, size, "interface %s: %s", device->name, problem);
			return -ENODEV;
		}
		way.ifindex = device->lower;
		link = links_find(links, way.ifindex);
	}
	if (!link)
		snprintf(reason, size, "interface %u is gone", way.ifindex);
	else if (!link->up)
		snprintf(reason, size, "interface %s is down", link->name);
	else if (!link->ethernet)
		snprintf(reason, size, "interface %s is not Ethernet", link->name);
	else {
		*ret_way = way;
		return 0;
	}
	return -ENODEV;
}

/* --- bonds --- */

bool links_in_bond(const struct links *links, const struct rtnl_link *link, uint32_t bond)
{
	const struct rtnl_link *master;

	if (link->master != bond || bond == 0)
		return false;
	master = links_find(links, bond);
	return master && master->kind == RTNL_LINK_BOND;
}

/* How well a link serves as a bond's egress; 0: not at all. */
static unsigned int egress_worth(const struct links *links, const struct rtnl_link *link,
				 uint32_t bond)
{
	if (!links_in_bond(links, link, bond) || !link->up)
		return 0;
	return link->backup ? 1 : 2;
}

uint32_t links_bond_egress(const struct links *links, uint32_t bond, uint32_t current)
{
	unsigned int worth, most = 0;
	uint32_t egress = 0;
	size_t i;

	for (i = 0; i < links->count; i++) {
		worth = 2 * egress_worth(links, &links->items[i], bond);
		worth += worth && links->items[i].ifindex == current;
		if (worth <= most)
			continue;
		most = worth;
		egress = links->items[i].ifindex;
	}
	return egress;
}
