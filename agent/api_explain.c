/* SPDX-License-Identifier: Apache-2.0 */

/* GET /v1/explain */
#include <errno.h>
#include <string.h>

#include "api_call.h"
#include "explain.h"
#include "explain_doc.h"

/* Whether packets of the link or, if it is a bond, by this member, meet the program. */
static bool is_door(const struct call *call, const struct rtnl_link *link,
		    const struct dataplane_interface *attached)
{
	const struct rtnl_link *member =
		links_find(manager_links(call->api->manager), attached->ifindex);

	return attached->ifindex == link->ifindex ||
	       (link->kind == RTNL_LINK_BOND && member && member->master == link->ifindex);
}

/* Where the packet comes in: by the interface that is named, else by the first. */
static int find_door(struct call *call, const char *name, uint32_t *ret_ifindex)
{
	const struct rtnl_link *link =
		name ? links_named(manager_links(call->api->manager), name) : NULL;
	const struct dataplane_interface *interfaces;
	size_t count, i;
	int ret;

	interfaces = dataplane_bpf_interfaces(call->api->dp, &count);
	for (i = 0; i < count; i++) {
		if (name && (!link || !is_door(call, link, &interfaces[i])))
			continue;
		*ret_ifindex = interfaces[i].ifindex;
		return 0;
	}
	if (!name)
		return error_set(&call->err, ENOENT,
				 "no interface is attached: packets meet no program");
	ret = error_set(&call->err, EINVAL, "interface %s: %s", name,
			link ? "not attached: packets that come in there meet no program"
			     : "there is no such interface");
	ret = error_hint(&call->err, ret, "lbctl status lists those that are");
	return error_field(&call->err, ret, "interface");
}

static int read_query(struct call *call, struct explain_query *query)
{
	const struct http_request *request = call->request;
	const struct explain_words words = {
		.protocol = http_query(request, "proto"),
		.source = http_query(request, "src"),
		.destination = http_query(request, "dst"),
		.flags = http_query(request, "flags"),
		.length = http_query(request, "length"),
		.vlan = http_query(request, "vlan"),
	};
	const struct rtnl_link *link;
	int ret = explain_query_read(&words, query, &call->err);

	if (ret == 0)
		ret = find_door(call, http_query(request, "interface"), &query->ifindex);
	if (ret)
		return ret;
	link = links_find(manager_links(call->api->manager), query->ifindex);
	if (link)
		memcpy(query->mac, link->mac, sizeof(query->mac));
	return 0;
}

int api_explain_get(struct call *call)
{
	struct explanation *explanation = NULL;
	struct explain_query query;
	int ret = read_query(call, &query);

	if (ret == 0)
		ret = explain_run(call->api->dp, &query, &explanation, &call->err);
	if (ret)
		return ret;
	ret = api_answer(call, 200, explain_view(explanation, call->api->manager));
	explain_free(explanation);
	return ret;
}
