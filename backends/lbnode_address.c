/* SPDX-License-Identifier: Apache-2.0 */
/* VIPs on lo: single ones as addresses, prefixes by a route of the type local. */
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "lbnode_kinds.h"
#include "lbnode_netlink.h"

#define LOOPBACK "lo"

static void put_ip(struct nlmsghdr *message, uint16_t type, const struct address *address)
{
	struct in_addr ipv4;

	if (address_is_ipv4(address)) {
		ipv4 = address_ipv4(address);
		mnl_attr_put(message, type, sizeof(ipv4), &ipv4);
	} else {
		mnl_attr_put(message, type, sizeof(address->ip), &address->ip);
	}
}

static uint8_t family_of(const struct address *address)
{
	return address_is_ipv4(address) ? AF_INET : AF_INET6;
}

/* --- addresses --- */

static bool is_address(const struct sockaddr *sockaddr, const struct address *address)
{
	struct in_addr ipv4;

	if (!sockaddr)
		return false;
	if (sockaddr->sa_family == AF_INET && address_is_ipv4(address)) {
		ipv4 = address_ipv4(address);
		return ((const struct sockaddr_in *)sockaddr)->sin_addr.s_addr == ipv4.s_addr;
	}
	return sockaddr->sa_family == AF_INET6 &&
	       memcmp(&((const struct sockaddr_in6 *)sockaddr)->sin6_addr, &address->ip,
		      sizeof(address->ip)) == 0;
}

int address_find(const char *device, const struct address *address, bool *ret_present,
		 struct error *err)
{
	struct ifaddrs *all, *i;
	bool present = false;

	if (getifaddrs(&all) < 0)
		return error_set(err, errno, "cannot list addresses: %s", strerror(errno));
	for (i = all; i && !present; i = i->ifa_next)
		present = strcmp(i->ifa_name, device) == 0 && is_address(i->ifa_addr, address);
	freeifaddrs(all);
	*ret_present = present;
	return 0;
}

static int address_probe(struct step *step, bool *ret_holds, struct error *err)
{
	return address_find(LOOPBACK, &step->prefix.address, ret_holds, err);
}

/* The body of RTM_NEWADDR and RTM_DELADDR. */
static void put_address(struct nlmsghdr *message, const char *device, const struct address *address)
{
	/* A deprecated address is never chosen as the source of connections of the host's own. */
	const struct ifa_cacheinfo deprecated = {.ifa_prefered = 0, .ifa_valid = UINT32_MAX};
	struct ifaddrmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));

	body->ifa_index = if_nametoindex(device);
	body->ifa_family = family_of(address);
	body->ifa_prefixlen = address_bits(address);
	put_ip(message, IFA_LOCAL, address);
	put_ip(message, IFA_ADDRESS, address);
	if (address_is_ipv4(address))
		return;
	body->ifa_flags = IFA_F_NODAD;
	mnl_attr_put(message, IFA_CACHEINFO, sizeof(deprecated), &deprecated);
}

static int address_change(const char *device, const struct address *address, uint16_t type,
			  uint16_t flags)
{
	char buffer[256];
	struct nlmsghdr *request = netlink_request(buffer, type, NLM_F_ACK | flags);

	put_address(request, device, address);
	return netlink_talk(NETLINK_ROUTE, request, NULL, NULL);
}

int address_add(const char *device, const struct address *address, struct error *err)
{
	char text[ADDRESS_TEXT_MAX];
	int r = address_change(device, address, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);

	if (r == 0 || r == -EEXIST)
		return 0;
	return error_set(err, -r, "cannot add %s to %s: %s", format_address(address, text), device,
			 strerror(-r));
}

static int address_apply(const struct step *step, struct error *err)
{
	return address_add(LOOPBACK, &step->prefix.address, err);
}

static int address_revert(const struct step *step, bool *ret_left, struct error *err)
{
	char text[ADDRESS_TEXT_MAX];
	int r = address_change(LOOPBACK, &step->prefix.address, RTM_DELADDR, 0);

	(void)ret_left;
	if (r == 0 || r == -EADDRNOTAVAIL)
		return 0;
	return error_set(err, -r, "cannot remove %s from " LOOPBACK ": %s",
			 format_address(&step->prefix.address, text), strerror(-r));
}

static void describe(const struct step *step, char buffer[STEP_TEXT_MAX])
{
	char text[PREFIX_TEXT_MAX];

	snprintf(buffer, STEP_TEXT_MAX, "%s on " LOOPBACK, format_prefix(&step->prefix, text));
}

static void address_shell(const struct step *step, bool revert, FILE *out)
{
	bool ipv4 = address_is_ipv4(&step->prefix.address);
	char text[PREFIX_TEXT_MAX];

	fprintf(out, "ip address %s %s dev " LOOPBACK "%s\n", revert ? "del" : "add",
		format_prefix(&step->prefix, text), ipv4 || revert ? "" : " nodad preferred_lft 0");
}

const struct step_ops address_ops = {address_probe, address_apply, address_revert, describe,
				     address_shell};

/* --- prefixes --- */

static int local_change(const struct step *step, uint16_t type, uint16_t flags)
{
	char buffer[256];
	struct nlmsghdr *request = netlink_request(buffer, type, NLM_F_ACK | flags);
	struct rtmsg *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));

	body->rtm_family = family_of(&step->prefix.address);
	body->rtm_dst_len = step->prefix.length;
	body->rtm_table = RT_TABLE_LOCAL;
	body->rtm_protocol = RTPROT_STATIC;
	body->rtm_scope = RT_SCOPE_HOST;
	body->rtm_type = RTN_LOCAL;
	put_ip(request, RTA_DST, &step->prefix.address);
	mnl_attr_put_u32(request, RTA_OIF, if_nametoindex(LOOPBACK));
	return netlink_talk(NETLINK_ROUTE, request, NULL, NULL);
}

struct search {
	const struct step *step;
	bool found;
};

static int is_local(const struct nlmsghdr *message, void *context)
{
	const struct rtmsg *body = mnl_nlmsg_get_payload(message);
	struct search *search = context;
	const struct prefix *prefix = &search->step->prefix;
	struct in_addr ipv4;
	const void *ip = &prefix->address.ip;
	const struct nlattr *attr;

	if (body->rtm_type != RTN_LOCAL || body->rtm_dst_len != prefix->length)
		return MNL_CB_OK;
	if (address_is_ipv4(&prefix->address)) {
		ipv4 = address_ipv4(&prefix->address);
		ip = &ipv4;
	}
	mnl_attr_for_each(attr, message, sizeof(*body))
	{
		if (mnl_attr_get_type(attr) == RTA_DST &&
		    memcmp(mnl_attr_get_payload(attr), ip, mnl_attr_get_payload_len(attr)) == 0)
			search->found = true;
	}
	return MNL_CB_OK;
}

static int local_probe(struct step *step, bool *ret_holds, struct error *err)
{
	struct search search = {.step = step};
	char buffer[256];
	struct nlmsghdr *request = netlink_request(buffer, RTM_GETROUTE, NLM_F_DUMP);
	struct rtmsg *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
	int r;

	body->rtm_family = family_of(&step->prefix.address);
	r = netlink_talk(NETLINK_ROUTE, request, is_local, &search);
	if (r < 0)
		return error_set(err, -r, "cannot list routes: %s", strerror(-r));
	*ret_holds = search.found;
	return 0;
}

static int local_apply(const struct step *step, struct error *err)
{
	char text[PREFIX_TEXT_MAX];
	int r = local_change(step, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);

	if (r == 0 || r == -EEXIST)
		return 0;
	return error_set(err, -r, "cannot make %s local: %s", format_prefix(&step->prefix, text),
			 strerror(-r));
}

static int local_revert(const struct step *step, bool *ret_left, struct error *err)
{
	char text[PREFIX_TEXT_MAX];
	int r = local_change(step, RTM_DELROUTE, 0);

	(void)ret_left;
	if (r == 0 || r == -ESRCH)
		return 0;
	return error_set(err, -r, "cannot take back that %s is local: %s",
			 format_prefix(&step->prefix, text), strerror(-r));
}

static void local_shell(const struct step *step, bool revert, FILE *out)
{
	char text[PREFIX_TEXT_MAX];

	fprintf(out, "ip route %s local %s dev " LOOPBACK "\n", revert ? "del" : "add",
		format_prefix(&step->prefix, text));
}

const struct step_ops local_ops = {local_probe, local_apply, local_revert, describe, local_shell};
