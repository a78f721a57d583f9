/* SPDX-License-Identifier: Apache-2.0 */
#include "rtnl.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_arp.h>
#include <linux/if_bonding.h>
#include <linux/if_link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/* Events of one loop iteration; the loop has other work too. */
#define EVENT_READS_MAX    64
/* A thousand neighbours may change at once: the default buffer holds some 300 events. */
#define EVENT_BUFFER_BYTES (4 * 1024 * 1024)
/* The kernel sends dumps in parts of up to 32 KiB where the receiver has room for them. */
#define MESSAGE_BYTES      32768

struct rtnl {
	struct mnl_socket *query;
	struct mnl_socket *events;
	uint32_t sequence;
	_Alignas(NLMSG_ALIGNTO) char buffer[MESSAGE_BYTES];
};

/* --- sockets --- */

static int open_query(struct rtnl *rtnl)
{
	/* Answers are there when send returns; this is for the case that something is broken. */
	const struct timeval patience = {.tv_sec = 1};

	rtnl->query = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!rtnl->query || mnl_socket_bind(rtnl->query, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    setsockopt(mnl_socket_get_fd(rtnl->query), SOL_SOCKET, SO_RCVTIMEO, &patience,
		       sizeof(patience)) < 0)
		return -errno;
	return 0;
}

static int open_events(struct rtnl *rtnl)
{
	static const int groups[] = {RTNLGRP_LINK,       RTNLGRP_NEIGH,       RTNLGRP_IPV4_ROUTE,
				     RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE,   RTNLGRP_IPV6_RULE,
				     RTNLGRP_NEXTHOP,    RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR};
	int bytes = EVENT_BUFFER_BYTES;

	rtnl->events = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!rtnl->events || mnl_socket_bind(rtnl->events, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	/* Needs CAP_NET_ADMIN, and can be done without: lost events are noticed. */
	setsockopt(mnl_socket_get_fd(rtnl->events), SOL_SOCKET, SO_RCVBUFFORCE, &bytes,
		   sizeof(bytes));
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		int group = groups[i];
		if (mnl_socket_setsockopt(rtnl->events, NETLINK_ADD_MEMBERSHIP, &group,
					  sizeof(group)) < 0)
			return -errno;
	}
	return 0;
}

int rtnl_open(struct rtnl **ret_rtnl)
{
	struct rtnl *rtnl = calloc(1, sizeof(*rtnl));
	int error;

	if (!rtnl)
		return -ENOMEM;
	error = open_events(rtnl);
	if (!error)
		error = open_query(rtnl);
	if (error) {
		rtnl_close(rtnl);
		return error;
	}
	*ret_rtnl = rtnl;
	return 0;
}

int rtnl_open_routes(struct rtnl **ret_rtnl)
{
	struct rtnl *rtnl = calloc(1, sizeof(*rtnl));
	int strict = 1, error;

	if (!rtnl)
		return -ENOMEM;
	error = open_query(rtnl);
	/* Without it the kernel gives every route of the machine for the few that are asked for. */
	if (!error && setsockopt(mnl_socket_get_fd(rtnl->query), SOL_NETLINK,
				 NETLINK_GET_STRICT_CHK, &strict, sizeof(strict)) < 0)
		error = -errno;
	if (error) {
		rtnl_close(rtnl);
		return error;
	}
	*ret_rtnl = rtnl;
	return 0;
}

void rtnl_close(struct rtnl *rtnl)
{
	if (!rtnl)
		return;
	if (rtnl->query)
		mnl_socket_close(rtnl->query);
	if (rtnl->events)
		mnl_socket_close(rtnl->events);
	free(rtnl);
}

int rtnl_event_fd(const struct rtnl *rtnl)
{
	return mnl_socket_get_fd(rtnl->events);
}

/* --- addresses --- */

static uint8_t family_of(const struct address *address)
{
	return address_is_ipv4(address) ? AF_INET : AF_INET6;
}

static void put_address(struct nlmsghdr *message, uint16_t type, const struct address *address)
{
	if (address_is_ipv4(address)) {
		struct in_addr ipv4 = address_ipv4(address);
		mnl_attr_put(message, type, sizeof(ipv4), &ipv4);
	} else {
		mnl_attr_put(message, type, sizeof(address->ip), &address->ip);
	}
}

/* False, and ret_address untouched, if the bytes are none of that family. */
static bool read_address(uint8_t family, const void *bytes, size_t length,
			 struct address *ret_address)
{
	struct address address = {0};

	if (family == AF_INET && length == sizeof(struct in_addr)) {
		address = address_from_ipv4(bytes);
	} else if (family == AF_INET6 && length == sizeof(struct in6_addr)) {
		memcpy(&address.ip, bytes, length);
	} else {
		return false;
	}
	*ret_address = address;
	return true;
}

static bool attribute_address(uint8_t family, const struct nlattr *attribute,
			      struct address *ret_address)
{
	return read_address(family, mnl_attr_get_payload(attribute),
			    mnl_attr_get_payload_len(attribute), ret_address);
}

static bool attribute_mac(const struct nlattr *attribute, uint8_t ret_mac[6])
{
	if (mnl_attr_get_payload_len(attribute) != 6)
		return false;
	memcpy(ret_mac, mnl_attr_get_payload(attribute), 6);
	return true;
}

/* --- messages from the kernel --- */

static void parse_vlan(const struct nlattr *data, struct rtnl_link *link)
{
	const struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, data)
	{
		switch (mnl_attr_get_type(attribute)) {
		case IFLA_VLAN_ID:
			link->vlan_id = mnl_attr_get_u16(attribute);
			break;
		case IFLA_VLAN_PROTOCOL:
			link->vlan_proto = ntohs(mnl_attr_get_u16(attribute));
			break;
		}
	}
}

static void parse_bond_member(const struct nlattr *data, struct rtnl_link *link)
{
	const struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, data)
	{
		if (mnl_attr_get_type(attribute) == IFLA_BOND_SLAVE_STATE)
			link->backup = mnl_attr_get_u8(attribute) == BOND_STATE_BACKUP;
	}
}

static bool text_is(const struct nlattr *attribute, const char *text)
{
	return attribute && mnl_attr_get_payload_len(attribute) >= strlen(text) &&
	       strncmp(mnl_attr_get_str(attribute), text, mnl_attr_get_payload_len(attribute)) == 0;
}

/* What kind of link it is, and of what it is a part. */
static void parse_info(const struct nlattr *info, struct rtnl_link *link)
{
	const struct nlattr *of[IFLA_INFO_SLAVE_DATA + 1] = {NULL};
	const struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, info)
	{
		if (mnl_attr_get_type(attribute) <= IFLA_INFO_SLAVE_DATA)
			of[mnl_attr_get_type(attribute)] = attribute;
	}
	if (text_is(of[IFLA_INFO_KIND], "bond"))
		link->kind = RTNL_LINK_BOND;
	if (text_is(of[IFLA_INFO_KIND], "vlan") && of[IFLA_INFO_DATA]) {
		link->kind = RTNL_LINK_VLAN;
		parse_vlan(of[IFLA_INFO_DATA], link);
	}
	if (text_is(of[IFLA_INFO_SLAVE_KIND], "bond") && of[IFLA_INFO_SLAVE_DATA])
		parse_bond_member(of[IFLA_INFO_SLAVE_DATA], link);
}

bool rtnl_parse_link(const struct nlmsghdr *message, struct rtnl_link *ret_link)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	const unsigned int up = IFF_UP | IFF_RUNNING;
	const struct nlattr *attribute;

	/* Other families tell about a bridge's ports or IPv6 settings: RTM_DELLINK of AF_BRIDGE
	 * means that the link left its bridge, not that it is gone. */
	if (info->ifi_family != AF_UNSPEC)
		return false;
	*ret_link = (struct rtnl_link){
		.ifindex = (uint32_t)info->ifi_index,
		.up = (info->ifi_flags & up) == up,
	};
	mnl_attr_for_each(attribute, message, sizeof(*info))
	{
		switch (mnl_attr_get_type(attribute)) {
		case IFLA_IFNAME:
			strncpy(ret_link->name, mnl_attr_get_str(attribute), IF_NAMESIZE - 1);
			break;
		case IFLA_ADDRESS:
			ret_link->ethernet = info->ifi_type == ARPHRD_ETHER &&
					     attribute_mac(attribute, ret_link->mac);
			break;
		case IFLA_MTU:
			ret_link->mtu = mnl_attr_get_u32(attribute);
			break;
		case IFLA_MASTER:
			ret_link->master = mnl_attr_get_u32(attribute);
			break;
		case IFLA_LINK:
			ret_link->lower = mnl_attr_get_u32(attribute);
			break;
		case IFLA_LINK_NETNSID:
			ret_link->lower_is_elsewhere = true;
			break;
		case IFLA_LINKINFO:
			parse_info(attribute, ret_link);
			break;
		}
	}
	return true;
}

static bool parse_neighbour(const struct nlmsghdr *message, struct rtnl_neighbour *ret_neighbour)
{
	const struct ndmsg *info = mnl_nlmsg_get_payload(message);
	struct rtnl_neighbour neighbour = {
		.ifindex = (uint32_t)info->ndm_ifindex,
		.state = info->ndm_state,
	};
	const struct nlattr *attribute;
	bool has_address = false;

	/* A proxy entry is what this machine answers for others. */
	if (info->ndm_flags & NTF_PROXY)
		return false;
	mnl_attr_for_each(attribute, message, sizeof(*info))
	{
		switch (mnl_attr_get_type(attribute)) {
		case NDA_DST:
			/* Refuses AF_BRIDGE too, whose entries are a bridge's MAC table. */
			has_address =
				attribute_address(info->ndm_family, attribute, &neighbour.address);
			break;
		case NDA_LLADDR:
			neighbour.has_mac = attribute_mac(attribute, neighbour.mac);
			break;
		}
	}
	if (has_address)
		*ret_neighbour = neighbour;
	return has_address;
}

static void parse_via(const struct nlattr *attribute, struct rtnl_route *route)
{
	const struct rtvia *via = mnl_attr_get_payload(attribute);
	size_t length = mnl_attr_get_payload_len(attribute);

	if (length > sizeof(*via))
		route->has_gateway = read_address((uint8_t)via->rtvia_family, via->rtvia_addr,
						  length - sizeof(*via), &route->gateway);
}

static void parse_metrics(const struct nlattr *metrics, struct rtnl_route *route)
{
	const struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, metrics)
	{
		if (mnl_attr_get_type(attribute) == RTAX_MTU)
			route->mtu = mnl_attr_get_u32(attribute);
	}
}

static void parse_route(const struct nlmsghdr *message, struct rtnl_route *ret_route)
{
	const struct rtmsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;

	*ret_route = (struct rtnl_route){.type = info->rtm_type};
	mnl_attr_for_each(attribute, message, sizeof(*info))
	{
		switch (mnl_attr_get_type(attribute)) {
		case RTA_OIF:
			ret_route->ifindex = mnl_attr_get_u32(attribute);
			break;
		case RTA_GATEWAY:
			ret_route->has_gateway =
				attribute_address(info->rtm_family, attribute, &ret_route->gateway);
			break;
		case RTA_VIA:
			parse_via(attribute, ret_route);
			break;
		case RTA_METRICS:
			parse_metrics(attribute, ret_route);
			break;
		case RTA_PREFSRC:
			ret_route->has_source =
				attribute_address(info->rtm_family, attribute, &ret_route->source);
			break;
		}
	}
}

/* False: it has no address that we know the family of. */
static bool parse_address_message(const struct nlmsghdr *message, struct rtnl_address *ret_address)
{
	const uint32_t unusable = IFA_F_DEPRECATED | IFA_F_TENTATIVE | IFA_F_DADFAILED;
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
	struct rtnl_address address = {.ifindex = info->ifa_index};
	const struct nlattr *attribute;
	uint32_t flags = info->ifa_flags;
	bool is_local = false, has_address = false;

	mnl_attr_for_each(attribute, message, sizeof(*info))
	{
		switch (mnl_attr_get_type(attribute)) {
		case IFA_FLAGS:
			flags = mnl_attr_get_u32(attribute);
			break;
		case IFA_LOCAL: /* where the two differ, IFA_ADDRESS is the other end's */
			is_local = attribute_address(info->ifa_family, attribute, &address.address);
			break;
		case IFA_ADDRESS:
			if (!is_local)
				has_address = attribute_address(info->ifa_family, attribute,
								&address.address);
			break;
		}
	}
	address.source = info->ifa_scope == RT_SCOPE_UNIVERSE && !(flags & unusable);
	if (is_local || has_address)
		*ret_address = address;
	return is_local || has_address;
}

/* Whom a route is for. False: it is of neither family of ours. */
static bool parse_destination(const struct nlmsghdr *message, struct prefix *ret_prefix)
{
	static const uint8_t zero[sizeof(struct in6_addr)];
	const struct rtmsg *info = mnl_nlmsg_get_payload(message);
	size_t length = info->rtm_family == AF_INET ? sizeof(struct in_addr) : sizeof(zero);
	const struct nlattr *attribute;
	struct prefix prefix = {.length = info->rtm_dst_len};

	if (!read_address(info->rtm_family, zero, length, &prefix.address))
		return false;
	mnl_attr_for_each(attribute, message, sizeof(*info))
	{
		if (mnl_attr_get_type(attribute) == RTA_DST)
			attribute_address(info->rtm_family, attribute, &prefix.address);
	}
	*ret_prefix = prefix;
	return true;
}

static bool parse_event(const struct nlmsghdr *message, struct rtnl_event *ret_event)
{
	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
		ret_event->kind = RTNL_LINK;
		return rtnl_parse_link(message, &ret_event->link);
	case RTM_DELLINK:
		ret_event->kind = RTNL_LINK_GONE;
		return rtnl_parse_link(message, &ret_event->link);
	case RTM_NEWNEIGH:
		ret_event->kind = RTNL_NEIGHBOUR;
		return parse_neighbour(message, &ret_event->neighbour);
	case RTM_DELNEIGH:
		ret_event->kind = RTNL_NEIGHBOUR_GONE;
		return parse_neighbour(message, &ret_event->neighbour);
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		ret_event->kind = RTNL_ROUTE;
		return parse_destination(message, &ret_event->prefix);
	default:
		ret_event->kind = RTNL_ROUTING;
		return true;
	}
}

/* --- events --- */

struct listener {
	rtnl_handler handler;
	void *context;
};

static int on_event(const struct nlmsghdr *message, void *context)
{
	const struct listener *listener = context;
	struct rtnl_event event;

	if (parse_event(message, &event))
		listener->handler(listener->context, &event);
	return MNL_CB_OK;
}

int rtnl_read_events(struct rtnl *rtnl, rtnl_handler handler, void *context)
{
	struct listener listener = {.handler = handler, .context = context};
	char buffer[8192] __attribute__((aligned(NLMSG_ALIGNTO)));

	for (int i = 0; i < EVENT_READS_MAX; i++) {
		ssize_t length = mnl_socket_recvfrom(rtnl->events, buffer, sizeof(buffer));
		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0 && errno == EAGAIN)
			return 0;
		/* A message that did not fit (ENOSPC) is as lost as one that was not queued. */
		if (length < 0)
			return errno == ENOSPC ? -ENOBUFS : -errno;
		mnl_cb_run(buffer, (size_t)length, 0, 0, on_event, &listener);
	}
	return 0;
}

/* --- questions --- */

/*
 * Sends message and feeds the answer to callback until it stops, the dump is done or the kernel
 * says error or success.
 */
static int ask(struct rtnl *rtnl, struct nlmsghdr *message, mnl_cb_t callback, void *context)
{
	message->nlmsg_seq = ++rtnl->sequence;
	if (mnl_socket_sendto(rtnl->query, message, message->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		ssize_t length =
			mnl_socket_recvfrom(rtnl->query, rtnl->buffer, sizeof(rtnl->buffer));
		if (length < 0 && errno == EINTR)
			continue;
		if (length < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		int status = mnl_cb_run(rtnl->buffer, (size_t)length, message->nlmsg_seq,
					mnl_socket_get_portid(rtnl->query), callback, context);
		/* EPROTO: a late answer to an earlier question, by its sequence number. */
		if (status < 0 && errno != EPROTO)
			return -errno;
		if (status == MNL_CB_STOP)
			return 0;
	}
}

int rtnl_dump_links(struct rtnl *rtnl, rtnl_handler handler, void *context)
{
	struct listener listener = {.handler = handler, .context = context};
	char buffer[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	int status = -EINTR;

	/* EINTR: links changed meanwhile and the dump may have missed some. */
	for (int i = 0; i < 10 && status == -EINTR; i++) {
		struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
		message->nlmsg_type = RTM_GETLINK;
		message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
		mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
		status = ask(rtnl, message, on_event, &listener);
	}
	return status;
}

struct address_list {
	struct rtnl_address *items;
	size_t count;
	bool full; /* out of memory */
};

static int on_address(const struct nlmsghdr *message, void *context)
{
	struct address_list *list = context;
	struct rtnl_address address, *items;

	if (!parse_address_message(message, &address))
		return MNL_CB_OK;
	items = reallocarray(list->items, list->count + 1, sizeof(*items));
	if (!items) {
		list->full = true;
		return MNL_CB_OK;
	}
	list->items = items;
	list->items[list->count++] = address;
	return MNL_CB_OK;
}

int rtnl_get_addresses(struct rtnl *rtnl, struct rtnl_address **ret_addresses, size_t *ret_count)
{
	char buffer[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct address_list list = {.items = NULL};
	int error = -EINTR;

	/* EINTR: as in rtnl_dump_links(). */
	for (int i = 0; i < 10 && error == -EINTR; i++) {
		struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
		message->nlmsg_type = RTM_GETADDR;
		message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
		mnl_nlmsg_put_extra_header(message, sizeof(struct ifaddrmsg));
		list.count = 0;
		error = ask(rtnl, message, on_address, &list);
	}
	if (error || list.full) {
		free(list.items);
		return error ? error : -ENOMEM;
	}
	*ret_addresses = list.items;
	*ret_count = list.count;
	return 0;
}

static int on_filter(const struct nlmsghdr *message, void *context)
{
	bool *any = context;

	*any |= message->nlmsg_type == RTM_NEWTFILTER;
	return MNL_CB_OK;
}

int rtnl_has_filters(struct rtnl *rtnl, uint32_t ifindex, uint32_t parent, bool *ret_any)
{
	char buffer[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	bool any = false;
	int error;

	message->nlmsg_type = RTM_GETTFILTER;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	struct tcmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	info->tcm_family = AF_UNSPEC;
	info->tcm_ifindex = (int)ifindex;
	info->tcm_parent = parent;
	error = ask(rtnl, message, on_filter, &any);
	if (!error)
		*ret_any = any;
	return error;
}

static int on_route(const struct nlmsghdr *message, void *context)
{
	parse_route(message, context);
	return MNL_CB_STOP;
}

int rtnl_get_route(struct rtnl *rtnl, const struct address *address, struct rtnl_route *ret_route)
{
	char buffer[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

	message->nlmsg_type = RTM_GETROUTE;
	message->nlmsg_flags = NLM_F_REQUEST;
	struct rtmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	info->rtm_family = family_of(address);
	info->rtm_dst_len = address_is_ipv4(address) ? 32 : 128;
	put_address(message, RTA_DST, address);
	return ask(rtnl, message, on_route, ret_route);
}

static struct nlmsghdr *put_neighbour(char *buffer, uint16_t type, uint16_t flags, uint8_t ntf,
				      uint32_t ifindex, const struct address *address)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

	message->nlmsg_type = type;
	message->nlmsg_flags = flags;
	struct ndmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	info->ndm_family = family_of(address);
	info->ndm_ifindex = (int)ifindex;
	info->ndm_flags = ntf;
	put_address(message, NDA_DST, address);
	return message;
}

static int on_neighbour(const struct nlmsghdr *message, void *context)
{
	return parse_neighbour(message, context) ? MNL_CB_STOP : MNL_CB_OK;
}

int rtnl_get_neighbour(struct rtnl *rtnl, uint32_t ifindex, const struct address *address,
		       struct rtnl_neighbour *ret_neighbour)
{
	char buffer[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *message =
		put_neighbour(buffer, RTM_GETNEIGH, NLM_F_REQUEST, 0, ifindex, address);

	return ask(rtnl, message, on_neighbour, ret_neighbour);
}

int rtnl_use_neighbour(struct rtnl *rtnl, uint32_t ifindex, const struct address *address)
{
	char buffer[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *message =
		put_neighbour(buffer, RTM_NEWNEIGH, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE,
			      NTF_USE, ifindex, address);

	return ask(rtnl, message, NULL, NULL);
}

/* --- routes of the agent's own --- */

static void put_table(struct nlmsghdr *message, struct rtmsg *info, uint32_t table)
{
	info->rtm_table = table <= UINT8_MAX ? (uint8_t)table : RT_TABLE_UNSPEC;
	mnl_attr_put_u32(message, RTA_TABLE, table);
}

/* What is returned is the message's own head, for its scope. */
static struct rtmsg *put_route(char *buffer, uint16_t type, uint16_t flags,
			       const struct rtnl_own_route *route)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct rtmsg *info;

	message->nlmsg_type = type;
	message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
	info->rtm_family = family_of(&route->prefix.address);
	info->rtm_dst_len = route->prefix.length;
	info->rtm_protocol = RTNL_OWN_PROTOCOL;
	info->rtm_type = RTN_UNREACHABLE;
	put_table(message, info, route->table);
	put_address(message, RTA_DST, &route->prefix.address);
	return info;
}

int rtnl_add_route(struct rtnl *rtnl, const struct rtnl_own_route *route)
{
	char buffer[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct rtmsg *info = put_route(buffer, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route);

	info->rtm_scope = RT_SCOPE_UNIVERSE;
	return ask(rtnl, (struct nlmsghdr *)buffer, NULL, NULL);
}

int rtnl_remove_route(struct rtnl *rtnl, const struct rtnl_own_route *route)
{
	char buffer[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct rtmsg *info = put_route(buffer, RTM_DELROUTE, 0, route);
	int error;

	info->rtm_scope = RT_SCOPE_NOWHERE; /* of any */
	error = ask(rtnl, (struct nlmsghdr *)buffer, NULL, NULL);
	return error == -ESRCH ? 0 : error;
}

struct route_listener {
	uint32_t table;
	rtnl_route_handler handler;
	void *context;
};

static int on_own_route(const struct nlmsghdr *message, void *context)
{
	const struct route_listener *listener = context;
	const struct rtmsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;
	uint32_t table = info->rtm_table;
	struct prefix prefix;

	mnl_attr_for_each(attribute, message, sizeof(*info))
	{
		if (mnl_attr_get_type(attribute) == RTA_TABLE)
			table = mnl_attr_get_u32(attribute);
	}
	if (table == listener->table && info->rtm_protocol == RTNL_OWN_PROTOCOL &&
	    info->rtm_type == RTN_UNREACHABLE && parse_destination(message, &prefix))
		listener->handler(listener->context, &prefix);
	return MNL_CB_OK;
}

static int dump_own(struct rtnl *rtnl, uint8_t family, struct route_listener *listener)
{
	char buffer[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	int error = -EINTR;

	/* EINTR: as in rtnl_dump_links(). */
	for (int i = 0; i < 10 && error == -EINTR; i++) {
		struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
		struct rtmsg *info;

		message->nlmsg_type = RTM_GETROUTE;
		message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
		info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
		info->rtm_family = family;
		info->rtm_protocol = RTNL_OWN_PROTOCOL;
		put_table(message, info, listener->table);
		error = ask(rtnl, message, on_own_route, listener);
	}
	return error;
}

int rtnl_dump_own_routes(struct rtnl *rtnl, uint32_t table, rtnl_route_handler handler,
			 void *context)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	struct route_listener listener = {table, handler, context};
	int error = 0;

	for (size_t i = 0; !error && i < sizeof(families); i++) {
		error = dump_own(rtnl, families[i], &listener);
		if (error == -ENOENT || error == -EAFNOSUPPORT) /* no such table, or no IPv6 */
			error = 0;
	}
	return error;
}
