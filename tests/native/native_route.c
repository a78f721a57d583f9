/* SPDX-License-Identifier: Apache-2.0 */
#include "native_route.h"

#include <linux/bpf.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "host.h"

static struct native_route route;

void native_set_route(const struct native_route *way)
{
	route = *way;
}

static bool is_routed(const struct bpf_fib_lookup *params)
{
	if (params->family == AF_INET)
		return params->ipv4_dst == route.dst.word[3];
	return memcmp(params->ipv6_dst, &route.dst, sizeof(route.dst)) == 0;
}

long native_host_fib_lookup(struct bpf_fib_lookup *params)
{
	if (!route.ifindex || !is_routed(params))
		return BPF_FIB_LKUP_RET_NOT_FWDED;
	params->ifindex = route.ifindex;
	memcpy(params->smac, route.src_mac, sizeof(params->smac));
	memcpy(params->dmac, route.dst_mac, sizeof(params->dmac));
	return BPF_FIB_LKUP_RET_SUCCESS;
}
