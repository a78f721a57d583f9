/* SPDX-License-Identifier: Apache-2.0 */
#include "ports.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORTS_MAX 64 /* places in the maps egress and bond_members */

/* One interface that is or should be attached. */
struct port {
	uint32_t ifindex;
	uint32_t bond; /* that it is a member of, if that is why; else 0 */
	char name[IF_NAMESIZE];
};

struct port_set {
	struct port items[PORTS_MAX];
	size_t count;
};

/* A bond of --interface and the member that its packets leave by; 0: none. */
struct bond {
	uint32_t ifindex;
	uint32_t egress;
};

struct ports {
	struct dataplane *dp;
	const char (*names)[IF_NAMESIZE];
	size_t name_count;
	struct port_set attached;
	struct port_set wanted; /* while ports_follow() works */
	struct bond bonds[PORTS_MAX];
	size_t bond_count;
	struct port_problem problems[PORTS_MAX];
	size_t problem_count;
	/* NULL: nobody wants to know */
	void (*changed)(void *context, const char *interface, enum port_change change,
			const char *reason);
	void *changed_context;
};

struct ports *ports_new(struct dataplane *dp, const char (*names)[IF_NAMESIZE], size_t count)
{
	struct ports *ports = calloc(1, sizeof(*ports));

	if (!ports)
		return NULL;
	ports->dp = dp;
	ports->names = names;
	ports->name_count = count;
	return ports;
}

void ports_free(struct ports *ports)
{
	free(ports);
}

void ports_on_change(struct ports *ports,
		     void (*changed)(void *context, const char *interface, enum port_change change,
				     const char *reason),
		     void *context)
{
	ports->changed = changed;
	ports->changed_context = context;
}

const struct port_problem *ports_problems(const struct ports *ports, size_t *ret_count)
{
	*ret_count = ports->problem_count;
	return ports->problems;
}

static void tell(const struct ports *ports, const char *interface, enum port_change change,
		 const char *reason)
{
	if (ports->changed)
		ports->changed(ports->changed_context, interface, change, reason);
}

static void add_problem(struct ports *ports, const char *name, const struct error *reason)
{
	struct port_problem *problem = &ports->problems[ports->problem_count];

	if (ports->problem_count == PORTS_MAX)
		return;
	memcpy(problem->name, name, sizeof(problem->name));
	snprintf(problem->reason, sizeof(problem->reason), "%.255s", reason->message);
	ports->problem_count++;
}

/* Keeps the first of several errors. */
static void note(int problem, const struct error *inner, int *ret, struct error *err)
{
	if (problem == 0 || *ret)
		return;
	*ret = problem;
	*err = *inner;
}

/* --- what is wanted --- */

/* NULL: it is not in the set. */
static struct port *port_find(struct port_set *set, uint32_t ifindex)
{
	size_t i;

	for (i = 0; i < set->count; i++) {
		if (set->items[i].ifindex == ifindex)
			return &set->items[i];
	}
	return NULL;
}

static void port_remove(struct port_set *set, struct port *port)
{
	*port = set->items[--set->count];
}

static void want(struct port_set *wanted, const struct rtnl_link *link, uint32_t bond)
{
	struct port *port = port_find(wanted, link->ifindex);

	if (!port) {
		if (wanted->count == PORTS_MAX)
			return;
		port = &wanted->items[wanted->count++];
		*port = (struct port){.ifindex = link->ifindex};
		memcpy(port->name, link->name, sizeof(port->name));
	}
	if (bond)
		port->bond = bond;
}

/* Adds what one name stands for. False: it stands for nothing. */
static bool want_name(struct port_set *wanted, const struct links *links, const char *name)
{
	const struct rtnl_link *link = links_named(links, name);
	size_t i;

	if (!link)
		return false;
	if (link->kind != RTNL_LINK_BOND) {
		want(wanted, link, 0);
		return true;
	}
	for (i = 0; i < links->count; i++) {
		if (links_in_bond(links, &links->items[i], link->ifindex))
			want(wanted, &links->items[i], link->ifindex);
	}
	return true;
}

static uint32_t longest_mtu(const struct port_set *set, const struct links *links)
{
	const struct rtnl_link *link;
	uint32_t mtu = 0;
	size_t i;

	for (i = 0; i < set->count; i++) {
		link = links_find(links, set->items[i].ifindex);
		if (link && link->mtu > mtu)
			mtu = link->mtu;
	}
	return mtu;
}

uint32_t ports_mtu(const char (*names)[IF_NAMESIZE], size_t count, const struct links *links)
{
	struct port_set wanted = {.count = 0};
	size_t i;

	for (i = 0; i < count; i++)
		want_name(&wanted, links, names[i]);
	return longest_mtu(&wanted, links);
}

/* --- attach --- */

static bool name_attached(const struct ports *ports, const char *name)
{
	size_t i;

	for (i = 0; i < ports->attached.count; i++) {
		if (strcmp(ports->attached.items[i].name, name) == 0)
			return true;
	}
	return false;
}

static int want_all(struct ports *ports, const struct links *links, struct error *err)
{
	struct error inner;
	size_t i;
	int ret = 0;

	ports->wanted.count = 0;
	for (i = 0; i < ports->name_count; i++) {
		if (want_name(&ports->wanted, links, ports->names[i]) ||
		    name_attached(ports, ports->names[i]))
			continue;
		error_set(&inner, ENODEV, "interface %s: there is no such interface",
			  ports->names[i]);
		error_hint(&inner, -ENODEV, "`ip -br link` lists them");
		add_problem(ports, ports->names[i], &inner);
		note(-ENODEV, &inner, &ret, err);
	}
	return ret;
}

/* Forgets what does not hold any more, so that it is attached anew where it still can be. */
static void drop_lost(struct ports *ports)
{
	struct port *port;
	char reason[96];
	size_t i;

	for (i = ports->attached.count; i > 0; i--) {
		port = &ports->attached.items[i - 1];
		if (ports->dp->ops->holds(ports->dp, port->name, reason, sizeof(reason)))
			continue;
		tell(ports, port->name, PORT_LOST, reason);
		ports->dp->ops->detach(ports->dp, port->name);
		port_remove(&ports->attached, port);
	}
}

/* Is the name another interface's now? */
static bool is_replaced(const struct port *port, const struct links *links)
{
	const struct rtnl_link *link = links_named(links, port->name);

	return link && link->ifindex != port->ifindex;
}

/* Takes off what left its bond or whose name is another's now. What is just gone, or has another
 * name, stays as it is. */
static void detach_unwanted(struct ports *ports, const struct links *links)
{
	struct port *port;
	size_t i;

	for (i = ports->attached.count; i > 0; i--) {
		port = &ports->attached.items[i - 1];
		if (port_find(&ports->wanted, port->ifindex))
			continue;
		if (!port->bond && !is_replaced(port, links))
			continue;
		ports->dp->ops->detach(ports->dp, port->name);
		tell(ports, port->name, PORT_DETACHED, "");
		port_remove(&ports->attached, port);
	}
}

static int attach_wanted(struct ports *ports, struct error *err)
{
	struct port *port, *attached;
	struct error inner;
	size_t i;
	int problem, ret = 0;

	for (i = 0; i < ports->wanted.count; i++) {
		port = &ports->wanted.items[i];
		attached = port_find(&ports->attached, port->ifindex);
		if (attached) {
			attached->bond = port->bond;
			continue;
		}
		problem = ports->dp->ops->attach(ports->dp, port->name, &inner);
		note(problem, &inner, &ret, err);
		if (problem)
			add_problem(ports, port->name, &inner);
		else
			tell(ports, port->name, PORT_ATTACHED, "");
		if (problem == 0 && ports->attached.count < PORTS_MAX)
			ports->attached.items[ports->attached.count++] = *port;
	}
	return ret;
}

/* --- bonds --- */

static void sweep_member(void *context, uint32_t ifindex, uint32_t bond)
{
	struct ports *ports = context;
	const struct port *port = port_find(&ports->wanted, ifindex);

	if (!port || port->bond != bond)
		ports->dp->ops->bond_member_remove(ports->dp, ifindex);
}

/* Which bond an interface is a member of. Packets may ask for it only while there is an answer. */
static int members_store(struct ports *ports, struct error *err)
{
	uint32_t *place = &ports->dp->switches->bonds;
	const struct port *port;
	struct error inner;
	bool any = false;
	size_t i;
	int ret = 0;

	ports->dp->ops->bond_member_each(ports->dp, sweep_member, ports);
	for (i = 0; i < ports->wanted.count; i++) {
		port = &ports->wanted.items[i];
		if (!port->bond)
			continue;
		note(ports->dp->ops->bond_member_put(ports->dp, port->ifindex, port->bond, &inner),
		     &inner, &ret, err);
		any = true;
	}
	__atomic_store_n(place, any, __ATOMIC_RELEASE);
	return ret;
}

static struct bond *bond_of(struct ports *ports, uint32_t ifindex)
{
	size_t i;

	for (i = 0; i < ports->bond_count; i++) {
		if (ports->bonds[i].ifindex == ifindex)
			return &ports->bonds[i];
	}
	if (ports->bond_count == PORTS_MAX)
		return NULL;
	ports->bonds[ports->bond_count] = (struct bond){.ifindex = ifindex};
	return &ports->bonds[ports->bond_count++];
}

/* By which member a bond's packets leave. */
static int bond_store(struct ports *ports, const struct links *links, struct bond *bond,
		      struct error *err)
{
	uint32_t egress = links_bond_egress(links, bond->ifindex, bond->egress);
	int ret = 0;

	if (!egress)
		ports->dp->ops->egress_remove(ports->dp, bond->ifindex);
	else if (egress != bond->egress)
		ret = ports->dp->ops->egress_put(ports->dp, bond->ifindex, egress, err);
	bond->egress = ret ? 0 : egress;
	return ret;
}

static int bonds_store(struct ports *ports, const struct links *links, struct error *err)
{
	const struct rtnl_link *link;
	struct error inner;
	size_t i;
	int ret = 0;

	for (i = 0; i < ports->name_count; i++) {
		link = links_named(links, ports->names[i]);
		if (link && link->kind == RTNL_LINK_BOND)
			bond_of(ports, link->ifindex);
	}
	for (i = 0; i < ports->bond_count; i++)
		note(bond_store(ports, links, &ports->bonds[i], &inner), &inner, &ret, err);
	return ret;
}

int ports_follow(struct ports *ports, const struct links *links, struct error *err)
{
	struct error inner;
	int ret;

	ports->problem_count = 0;
	drop_lost(ports);
	ret = want_all(ports, links, err);
	detach_unwanted(ports, links);
	note(attach_wanted(ports, &inner), &inner, &ret, err);
	note(members_store(ports, &inner), &inner, &ret, err);
	note(bonds_store(ports, links, &inner), &inner, &ret, err);
	ports->dp->mtu = longest_mtu(&ports->wanted, links);
	return ret;
}
