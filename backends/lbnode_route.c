/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MSS that SYN-ACKs announce. What clients send must leave room for the balancer's headers,
 * and TCP announces what the route back says (advmss). The main table and its routes are left
 * alone: its routes are copied with advmss into a table of our own, and a rule sends there what a
 * VIP sends. The copies do not follow the main table; step_probe() tells when they differ.
 */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lbnode_kinds.h"
#include "lbnode_netlink.h"

#define ROUTES_MAX  1024
#define ROUTE_BYTES 2048

/* Routes of one table as the requests that would add them, or remove them, in our table. */
struct route_list {
	const struct step *step;
	uint32_t table; /* the one that is read */
	size_t count;
	int error;
	struct nlmsghdr *routes[ROUTES_MAX];
};

static uint8_t family_of(const struct step *step)
{
	return strcmp(step->name, "ipv4") == 0 ? AF_INET : AF_INET6;
}

/* --- copying a route --- */

/* NULL: there is none of this type. */
static const struct nlattr *find(const struct nlmsghdr *message, uint16_t type)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, message, sizeof(struct rtmsg))
	{
		if (mnl_attr_get_type(attr) == type)
			return attr;
	}
	return NULL;
}

static uint32_t table_of(const struct nlmsghdr *message)
{
	const struct rtmsg *body = mnl_nlmsg_get_payload(message);
	const struct nlattr *table = find(message, RTA_TABLE);

	return table ? mnl_attr_get_u32(table) : body->rtm_table;
}

/* Link-local destinations have no business with a VIP, and what IPv6 has in its main table for
 * addresses on lo (our VIPs among them) leads nowhere. */
static bool is_beside_the_point(const struct nlmsghdr *message)
{
	const struct rtmsg *body = mnl_nlmsg_get_payload(message);
	const struct nlattr *dst = find(message, RTA_DST), *device = find(message, RTA_OIF);

	if (body->rtm_family != AF_INET6)
		return false;
	if (dst && IN6_IS_ADDR_LINKLOCAL((const struct in6_addr *)mnl_attr_get_payload(dst)))
		return true;
	return body->rtm_type == RTN_UNICAST && device &&
	       mnl_attr_get_u32(device) == if_nametoindex("lo");
}

/* The kernel takes no flags that tell what has become of a next hop. */
static void put_nexthops(struct nlmsghdr *copy, const struct nlattr *attr)
{
	uint8_t bytes[ROUTE_BYTES];
	size_t length = mnl_attr_get_payload_len(attr);
	struct rtnexthop *hop = (struct rtnexthop *)bytes;

	if (length > sizeof(bytes))
		return;
	memcpy(bytes, mnl_attr_get_payload(attr), length);
	for (int left = (int)length; RTNH_OK(hop, left);
	     left -= (int)RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop))
		hop->rtnh_flags &= RTNH_F_ONLINK;
	mnl_attr_put(copy, RTA_MULTIPATH, length, bytes);
}

/* Keeps what metrics there are; an MSS that is smaller already stays. */
static void put_metrics(struct nlmsghdr *copy, const struct nlattr *metrics, uint32_t advmss)
{
	struct nlattr *nest = mnl_attr_nest_start(copy, RTA_METRICS);
	const struct nlattr *attr;

	if (metrics) {
		mnl_attr_for_each_nested(attr, metrics)
		{
			if (mnl_attr_get_type(attr) != RTAX_ADVMSS)
				mnl_attr_put(copy, mnl_attr_get_type(attr),
					     mnl_attr_get_payload_len(attr),
					     mnl_attr_get_payload(attr));
			else if (mnl_attr_get_u32(attr) < advmss)
				advmss = mnl_attr_get_u32(attr);
		}
	}
	mnl_attr_put_u32(copy, RTAX_ADVMSS, advmss);
	mnl_attr_nest_end(copy, nest);
}

/* A route by a nexthop object is listed with what the object stands for, too. */
static bool is_of_nexthop_object(uint16_t type)
{
	return type == RTA_OIF || type == RTA_GATEWAY || type == RTA_VIA || type == RTA_MULTIPATH ||
	       type == RTA_ENCAP || type == RTA_ENCAP_TYPE;
}

static void copy_attributes(struct nlmsghdr *copy, const struct nlmsghdr *route,
			    const struct step *step)
{
	bool by_object = find(route, RTA_NH_ID);
	const struct nlattr *attr, *metrics = NULL;

	mnl_attr_for_each(attr, route, sizeof(struct rtmsg))
	{
		uint16_t type = mnl_attr_get_type(attr);

		if (type == RTA_METRICS)
			metrics = attr;
		if (type == RTA_METRICS || type == RTA_TABLE || type == RTA_CACHEINFO ||
		    type == RTA_EXPIRES || (by_object && is_of_nexthop_object(type)))
			continue;
		if (type == RTA_MULTIPATH)
			put_nexthops(copy, attr);
		else
			mnl_attr_put(copy, type, mnl_attr_get_payload_len(attr),
				     mnl_attr_get_payload(attr));
	}
	mnl_attr_put_u32(copy, RTA_TABLE, (uint32_t)step->table);
	put_metrics(copy, metrics, (uint32_t)step->advmss);
}

/* The caller frees it; NULL: out of memory. */
static struct nlmsghdr *copy_route(const struct nlmsghdr *route, const struct step *step)
{
	struct nlmsghdr *copy = calloc(2, ROUTE_BYTES);
	const struct rtmsg *from = mnl_nlmsg_get_payload(route);
	struct rtmsg *body;

	if (!copy)
		return NULL;
	netlink_request(copy, RTM_NEWROUTE, NLM_F_ACK);
	body = mnl_nlmsg_put_extra_header(copy, sizeof(*body));
	*body = *from;
	body->rtm_table = RT_TABLE_UNSPEC;
	body->rtm_flags &= RTNH_F_ONLINK;
	copy_attributes(copy, route, step);
	return copy;
}

/* --- a table's routes --- */

static int collect(const struct nlmsghdr *message, void *context)
{
	const struct rtmsg *body = mnl_nlmsg_get_payload(message);
	struct route_list *list = context;

	if (table_of(message) != list->table || body->rtm_flags & RTM_F_CLONED ||
	    body->rtm_type == RTN_MULTICAST || is_beside_the_point(message))
		return MNL_CB_OK;
	if (list->count == ROUTES_MAX || message->nlmsg_len > ROUTE_BYTES) {
		list->error = -E2BIG;
		return MNL_CB_OK;
	}
	list->routes[list->count] = copy_route(message, list->step);
	if (!list->routes[list->count])
		list->error = -ENOMEM;
	else
		list->count++;
	return MNL_CB_OK;
}

static void list_free(struct route_list *list)
{
	while (list->count > 0)
		free(list->routes[--list->count]);
}

static int list_read(struct route_list *list, const struct step *step, uint32_t table,
		     struct error *err)
{
	char buffer[256];
	struct nlmsghdr *request = netlink_request(buffer, RTM_GETROUTE, NLM_F_DUMP);
	struct rtmsg *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
	int r;

	memset(list, 0, sizeof(*list));
	list->step = step;
	list->table = table;
	body->rtm_family = family_of(step);
	r = netlink_talk(NETLINK_ROUTE, request, collect, list);
	if (r == 0)
		r = list->error;
	if (r < 0)
		list_free(list);
	if (r == -E2BIG)
		return error_set(err, E2BIG, "table %u has more than %d %s routes, or larger ones",
				 table, ROUTES_MAX, step->name);
	return r < 0 ? error_set(err, -r, "cannot list %s routes: %s", step->name, strerror(-r))
		     : 0;
}

/* FNV-1a of each route, added up: the order does not count. */
static uint64_t list_sum(const struct route_list *list)
{
	uint64_t sum = 0, hash;

	for (size_t i = 0; i < list->count; i++) {
		const uint8_t *byte = (const uint8_t *)(list->routes[i] + 1);
		size_t length = list->routes[i]->nlmsg_len - sizeof(*list->routes[i]);

		hash = 0xcbf29ce484222325;
		while (length-- > 0)
			hash = (hash ^ *byte++) * 0x100000001b3;
		sum += hash;
	}
	return sum;
}

/* Sends the requests, one by one. `gone` is an error that means the work is done. */
static int list_send(const struct route_list *list, uint16_t type, uint16_t flags, int gone)
{
	int r = 0;

	for (size_t i = 0; i < list->count && r == 0; i++) {
		list->routes[i]->nlmsg_type = type;
		list->routes[i]->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
		r = netlink_talk(NETLINK_ROUTE, list->routes[i], NULL, NULL);
		if (r == gone)
			r = 0;
	}
	return r;
}

/* --- the step --- */

static int probe(struct step *step, bool *ret_holds, struct error *err)
{
	static struct route_list original, copy;
	int r = list_read(&original, step, RT_TABLE_MAIN, err);

	if (r < 0)
		return r;
	r = list_read(&copy, step, (uint32_t)step->table, err);
	if (r == 0)
		*ret_holds = original.count == copy.count && list_sum(&original) == list_sum(&copy);
	list_free(&original);
	list_free(&copy);
	return r;
}

static int empty_table(const struct step *step, struct error *err)
{
	static struct route_list list;
	int r = list_read(&list, step, (uint32_t)step->table, err);

	if (r < 0)
		return r;
	r = list_send(&list, RTM_DELROUTE, 0, -ESRCH);
	list_free(&list);
	return r < 0 ? error_set(err, -r, "cannot remove a route from table %u: %s",
				 (unsigned int)step->table, strerror(-r))
		     : 0;
}

static int revert(const struct step *step, bool *ret_left, struct error *err)
{
	(void)ret_left;
	return empty_table(step, err);
}

static int apply(const struct step *step, struct error *err)
{
	static struct route_list list;
	struct error ignored;
	int r = empty_table(step, err);

	if (r == 0)
		r = list_read(&list, step, RT_TABLE_MAIN, err);
	if (r < 0)
		return r;
	/* Not NLM_F_EXCL: IPv6 lists what is one route for it as several. */
	r = list_send(&list, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, -EEXIST);
	list_free(&list);
	if (r == 0)
		return 0;
	empty_table(step, &ignored);
	return error_set(err, -r, "cannot copy an %s route to table %u: %s", step->name,
			 (unsigned int)step->table, strerror(-r));
}

static void describe(const struct step *step, char buffer[STEP_TEXT_MAX])
{
	snprintf(buffer, STEP_TEXT_MAX, "the main table's %s routes in table %u with advmss %u",
		 step->name, (unsigned int)step->table, (unsigned int)step->advmss);
}

static void shell(const struct step *step, bool back, FILE *out)
{
	const char *family = step->name + strlen("ipv");
	unsigned int table = (unsigned int)step->table;

	fprintf(out, "ip -%s route flush table %u\n", family, table);
	if (back)
		return;
	fprintf(out,
		"ip -%s -oneline route show table main | grep -vE '^fe80:|^[^ ]+ dev lo ' | tr -d '\\\\' |\n"
		"\tsed -E 's/ (dead|linkdown|offload|trap|expires [^ ]+)//g' |\n"
		"\twhile read -r route; do ip -%s route append $route table %u advmss %u; done\n",
		family, family, table, (unsigned int)step->advmss);
}

const struct step_ops routes_ops = {probe, apply, revert, describe, shell};

/* --- the rule that leads there --- */

static struct nlmsghdr *rule_request(void *buffer, const struct step *step, uint16_t type,
				     uint16_t flags)
{
	struct nlmsghdr *request = netlink_request(buffer, type, NLM_F_ACK | flags);
	struct fib_rule_hdr *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
	const struct prefix *prefix = &step->prefix;
	struct in_addr ipv4;

	body->src_len = prefix->length;
	body->action = FR_ACT_TO_TBL;
	if (address_is_ipv4(&prefix->address)) {
		body->family = AF_INET;
		ipv4 = address_ipv4(&prefix->address);
		mnl_attr_put(request, FRA_SRC, sizeof(ipv4), &ipv4);
	} else {
		body->family = AF_INET6;
		mnl_attr_put(request, FRA_SRC, sizeof(prefix->address.ip), &prefix->address.ip);
	}
	mnl_attr_put_u32(request, FRA_TABLE, (uint32_t)step->table);
	mnl_attr_put_u32(request, FRA_PRIORITY, RULE_TABLE);
	return request;
}

struct rule_search {
	const struct step *step;
	bool found;
};

/* Whether the attribute of this type is the same in both. */
static bool same_attribute(const struct nlmsghdr *a, const struct nlmsghdr *b, uint16_t type)
{
	const struct nlattr *x, *y;

	mnl_attr_for_each(x, a, sizeof(struct fib_rule_hdr))
	{
		if (mnl_attr_get_type(x) != type)
			continue;
		mnl_attr_for_each(y, b, sizeof(struct fib_rule_hdr))
		{
			if (mnl_attr_get_type(y) == type)
				return mnl_attr_get_payload_len(x) == mnl_attr_get_payload_len(y) &&
				       memcmp(mnl_attr_get_payload(x), mnl_attr_get_payload(y),
					      mnl_attr_get_payload_len(x)) == 0;
		}
	}
	return false;
}

static int is_rule(const struct nlmsghdr *message, void *context)
{
	const struct fib_rule_hdr *body = mnl_nlmsg_get_payload(message);
	struct rule_search *search = context;
	char buffer[256];
	struct nlmsghdr *wanted = rule_request(buffer, search->step, RTM_NEWRULE, 0);

	if (body->src_len == search->step->prefix.length &&
	    same_attribute(message, wanted, FRA_SRC) &&
	    same_attribute(message, wanted, FRA_TABLE) &&
	    same_attribute(message, wanted, FRA_PRIORITY))
		search->found = true;
	return MNL_CB_OK;
}

static int rule_probe(struct step *step, bool *ret_holds, struct error *err)
{
	struct rule_search search = {.step = step};
	char buffer[256];
	struct nlmsghdr *request = netlink_request(buffer, RTM_GETRULE, NLM_F_DUMP);
	struct fib_rule_hdr *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
	int r;

	body->family = address_is_ipv4(&step->prefix.address) ? AF_INET : AF_INET6;
	r = netlink_talk(NETLINK_ROUTE, request, is_rule, &search);
	if (r < 0)
		return error_set(err, -r, "cannot list rules: %s", strerror(-r));
	*ret_holds = search.found;
	return 0;
}

static int rule_apply(const struct step *step, struct error *err)
{
	char buffer[256], text[PREFIX_TEXT_MAX];
	int r = netlink_talk(NETLINK_ROUTE,
			     rule_request(buffer, step, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL),
			     NULL, NULL);

	if (r == 0 || r == -EEXIST)
		return 0;
	return error_hint(err,
			  error_set(err, -r, "cannot add a rule from %s: %s",
				    format_prefix(&step->prefix, text), strerror(-r)),
			  "the kernel needs CONFIG_IP_MULTIPLE_TABLES and "
			  "CONFIG_IPV6_MULTIPLE_TABLES");
}

static int rule_revert(const struct step *step, bool *ret_left, struct error *err)
{
	char buffer[256], text[PREFIX_TEXT_MAX];
	int r = netlink_talk(NETLINK_ROUTE, rule_request(buffer, step, RTM_DELRULE, 0), NULL, NULL);

	(void)ret_left;
	if (r == 0 || r == -ENOENT)
		return 0;
	return error_set(err, -r, "cannot remove the rule from %s: %s",
			 format_prefix(&step->prefix, text), strerror(-r));
}

static void rule_describe(const struct step *step, char buffer[STEP_TEXT_MAX])
{
	char text[PREFIX_TEXT_MAX];

	snprintf(buffer, STEP_TEXT_MAX, "what %s sends goes by table %u",
		 format_prefix(&step->prefix, text), (unsigned int)step->table);
}

static void rule_shell(const struct step *step, bool back, FILE *out)
{
	char text[PREFIX_TEXT_MAX];

	fprintf(out, "ip -%d rule %s from %s lookup %u priority %d\n",
		address_is_ipv4(&step->prefix.address) ? 4 : 6, back ? "del" : "add",
		format_prefix(&step->prefix, text), (unsigned int)step->table, RULE_TABLE);
}

const struct step_ops rule_ops = {rule_probe, rule_apply, rule_revert, rule_describe, rule_shell};
