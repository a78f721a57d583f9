/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_RTNL_H
#define SLUICE_RTNL_H

/*
 * The rtnetlink messages (rtnetlink(7)) that following a next hop takes: short questions, which
 * the kernel answers at once, and events. No state but two sockets.
 */
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "parse.h"

struct rtnl;

enum rtnl_link_kind { RTNL_LINK_OTHER, RTNL_LINK_VLAN, RTNL_LINK_BOND };

struct rtnl_link {
	uint32_t ifindex;
	char name[IF_NAMESIZE];
	bool up;       /* by the operator and by the carrier */
	bool ethernet; /* mac is valid */
	uint8_t mac[6];
	uint32_t mtu;
	enum rtnl_link_kind kind;
	uint32_t master; /* the bond, bridge or the like that it is a part of; 0: none */
	bool backup;     /* part of a bond that does not send by it now */
	/* RTNL_LINK_VLAN: */
	uint32_t lower;          /* the link that it stands on */
	bool lower_is_elsewhere; /* in another network namespace: lower says nothing here */
	uint16_t vlan_id;
	uint16_t vlan_proto; /* ETH_P_8021Q or ETH_P_8021AD, host order */
};

struct rtnl_route {
	uint8_t type; /* RTN_UNICAST, RTN_LOCAL, ... */
	uint32_t ifindex;
	bool has_gateway;
	struct address gateway; /* of either family: IPv4 may go by an IPv6 gateway (RFC 8950) */
	bool has_source;
	struct address source; /* the kernel's choice */
	uint32_t mtu;          /* the route's own; 0: it has none */
};

struct rtnl_neighbour {
	uint32_t ifindex;
	struct address address;
	uint16_t state; /* NUD_REACHABLE, ...; one bit, or NUD_NONE */
	bool has_mac;
	uint8_t mac[6];
};

/* One of this machine's own addresses. */
struct rtnl_address {
	uint32_t ifindex;
	struct address address;
	bool source; /* what it sends may come from there: global, not deprecated, not tentative */
};

enum rtnl_event_kind {
	RTNL_LINK,           /* link is new or changed */
	RTNL_LINK_GONE,      /* link was removed */
	RTNL_NEIGHBOUR,      /* neighbour is new or changed */
	RTNL_NEIGHBOUR_GONE, /* neighbour was removed */
	RTNL_ROUTE,          /* the way to addresses in prefix may have changed */
	RTNL_ROUTING,        /* a rule, nexthop object or address changed: any way may have */
};

struct rtnl_event {
	enum rtnl_event_kind kind;
	union {
		struct rtnl_link link;
		struct rtnl_neighbour neighbour;
		struct prefix prefix;
	};
};

typedef void (*rtnl_handler)(void *context, const struct rtnl_event *event);

/* Events queue up from here on. Negative errno on failure. */
int rtnl_open(struct rtnl **ret_rtnl);
/* NULL-safe. */
void rtnl_close(struct rtnl *rtnl);

/* Readable when there are events. */
int rtnl_event_fd(const struct rtnl *rtnl);

/* Handles queued events, a bounded number; more leave the fd readable. -ENOBUFS: the kernel had to
 * throw some away, what was learnt from them must be asked for again. */
int rtnl_read_events(struct rtnl *rtnl, rtnl_handler handler, void *context);

/* One RTNL_LINK event for each link there is. */
int rtnl_dump_links(struct rtnl *rtnl, rtnl_handler handler, void *context);

/*
 * The machine's addresses, in the kernel's order, into a new array that is the caller's to free.
 * *ret_addresses is NULL if there are none.
 */
int rtnl_get_addresses(struct rtnl *rtnl, struct rtnl_address **ret_addresses, size_t *ret_count);

/* Is there a tc filter on the interface, of any owner? parent as in struct tcmsg. */
int rtnl_has_filters(struct rtnl *rtnl, uint32_t ifindex, uint32_t parent, bool *ret_any);

/* Reads an RTM_NEWLINK or RTM_DELLINK. False: it tells of something else than a link. */
bool rtnl_parse_link(const struct nlmsghdr *message, struct rtnl_link *ret_link);

/* The route that a packet of this machine to address takes. Where there is none the kernel says
 * -ENETUNREACH, -EHOSTUNREACH (unreachable), -EACCES (prohibit) or -EINVAL (blackhole). */
int rtnl_get_route(struct rtnl *rtnl, const struct address *address, struct rtnl_route *ret_route);

/* -ENOENT: the kernel has no entry. Needs Linux 5.0. */
int rtnl_get_neighbour(struct rtnl *rtnl, uint32_t ifindex, const struct address *address,
		       struct rtnl_neighbour *ret_neighbour);

/*
 * Tells the kernel that the neighbour is in use, as sending a packet to it would: an entry that is
 * missing, failed or stale is asked for. -ENOBUFS: the neighbour table is full. Never for entries
 * in NUD_PERMANENT or NUD_NOARP: since 5.16 the kernel makes the former expire by this.
 */
int rtnl_use_neighbour(struct rtnl *rtnl, uint32_t ifindex, const struct address *address);

/*
 * Routes that the agent puts into a table for routing daemons to find; see announcer.h. They say
 * "unreachable": nobody's packets follow them, and where somebody sends packets by that table all
 * the same, their senders are told. The protocol, a number that rt_protos has for nobody, tells
 * them from others' routes.
 */
#define RTNL_OWN_PROTOCOL 108

struct rtnl_own_route {
	uint32_t table;
	struct prefix prefix;
};

/* For these calls only: no events. Needs Linux 4.20. */
int rtnl_open_routes(struct rtnl **ret_rtnl);

/* -EEXIST: there is a route to the prefix, the agent's or somebody else's. */
int rtnl_add_route(struct rtnl *rtnl, const struct rtnl_own_route *route);
/* 0, too, if there is none; others' are left alone. */
int rtnl_remove_route(struct rtnl *rtnl, const struct rtnl_own_route *route);

typedef void (*rtnl_route_handler)(void *context, const struct prefix *prefix);

/* Those that are in the table; one may be handed over twice. */
int rtnl_dump_own_routes(struct rtnl *rtnl, uint32_t table, rtnl_route_handler handler,
			 void *context);

#endif
