/* SPDX-License-Identifier: Apache-2.0 */
#include "check_way.h"

#include <stdio.h>
#include <string.h>

bool check_way_wants_vip(const struct service_spec *service)
{
	return service->check.kind != CHECK_NONE && service->check.kind != CHECK_EXEC &&
	       service->check_via != VIA_ADDRESS && service->mode != LB_MODE_NAT;
}

/* --- which VIP --- */

/* The one that can be spoken to in this protocol: one address before a prefix, a port before any
 * port. protocol 0: in any. NULL: there is none. */
static const struct vip *best_vip(const struct service_spec *service, uint8_t protocol)
{
	const struct vip *best = NULL, *vip;
	int value, most = -1;
	size_t i;

	for (i = 0; i < service->vip_count; i++) {
		vip = &service->vips[i].vip;
		value = 2 * (vip->endpoint.port != 0) + (vip->host_bits == 0);
		if ((protocol && vip->protocol != protocol) || value <= most)
			continue;
		best = vip;
		most = value;
	}
	return best;
}

static uint8_t checked_protocol(enum check_kind kind)
{
	if (kind == CHECK_ICMP)
		return IPPROTO_ICMP;
	return kind == CHECK_UDP || kind == CHECK_DNS ? IPPROTO_UDP : IPPROTO_TCP;
}

static struct vip checked_vip(const struct service_spec *service,
			      const struct backend_spec *backend)
{
	uint8_t protocol = checked_protocol(service->check.kind);
	const struct vip *best = best_vip(service, protocol);
	struct vip vip;

	if (!best)
		best = best_vip(service, 0); /* a service has at least one */
	vip = *best;
	vip.protocol = protocol;
	vip.host_bits = 0;
	if (protocol == IPPROTO_ICMP)
		vip.endpoint.port = 0;
	else if (service->check.port)
		vip.endpoint.port = service->check.port;
	else if (best->protocol != protocol || best->endpoint.port == 0)
		vip.endpoint.port = backend->endpoint.port;
	return vip;
}

/* --- an own address of the VIP's family --- */

static bool prefix_holds(const struct vip *vip, const struct address *address)
{
	uint8_t bits = (uint8_t)(128 - vip->host_bits);
	const uint8_t *a = vip->endpoint.address.ip.s6_addr, *b = address->ip.s6_addr;

	if (memcmp(a, b, bits / 8) != 0)
		return false;
	return bits % 8 == 0 || ((a[bits / 8] ^ b[bits / 8]) & (0xff00 >> bits % 8)) == 0;
}

static bool is_vip(const struct desired *desired, const struct address *address)
{
	size_t i, v;

	for (i = 0; i < desired->service_count; i++) {
		for (v = 0; v < desired->services[i].vip_count; v++) {
			if (prefix_holds(&desired->services[i].vips[v].vip, address))
				return true;
		}
	}
	return false;
}

/* One that replies to the VIP's family can come to; of the device, if that has one. */
static bool find_own(const struct check_way_facts *facts, const struct vip *vip, uint32_t device,
		     struct address *ret_own)
{
	bool ipv4 = address_is_ipv4(&vip->endpoint.address), found = false;
	const struct rtnl_address *known;
	size_t i;

	for (i = 0; i < facts->address_count; i++) {
		known = &facts->addresses[i];
		if (!known->source || address_is_ipv4(&known->address) != ipv4 ||
		    is_vip(facts->desired, &known->address))
			continue;
		if (!found || known->ifindex == device)
			*ret_own = known->address;
		if (known->ifindex == device)
			return true;
		found = true;
	}
	return found;
}

/* --- the way --- */

/* Says in ret_way->reason why the VIP's way cannot be gone. False: it can. */
static bool refuse(const struct nexthop *hop, const struct check_way_facts *facts,
		   struct check_way *way)
{
	const struct address *vip = &way->vip.endpoint.address;
	bool ipv4 = address_is_ipv4(vip);
	char text[ADDRESS_TEXT_MAX];

	if (facts->refused) {
		snprintf(way->reason, sizeof(way->reason), "%s", facts->refused);
		return true;
	}
	if (hop->resolved && address_equal(&hop->source, vip)) {
		snprintf(way->reason, sizeof(way->reason),
			 "the VIP %s is also the address that this machine sends from",
			 format_address(vip, text));
		return true;
	}
	if (way->vip.protocol == IPPROTO_ICMP && ipv4 != address_is_ipv4(&way->target.address)) {
		snprintf(way->reason, sizeof(way->reason),
			 "a ping cannot go to a VIP of the other address family");
		return true;
	}
	if (ipv4 != address_is_ipv4(&way->target.address) &&
	    !find_own(facts, &way->vip, hop->device, &way->own)) {
		snprintf(way->reason, sizeof(way->reason),
			 "this machine has no %s address but VIPs, for replies to come to",
			 ipv4 ? "IPv4" : "IPv6");
		return true;
	}
	return false;
}

void check_way_find(const struct service_spec *service, const struct backend_spec *backend,
		    const struct nexthop *hop, const struct check_way_facts *facts,
		    struct check_way *ret_way)
{
	struct check_way way = {.kind = WAY_ADDRESS, .target = backend->endpoint};

	if (service->check.port)
		way.target.port = service->check.port;
	*ret_way = way;
	if (!check_way_wants_vip(service))
		return;
	way.vip = checked_vip(service, backend);
	if (hop->local) {
		way.kind = WAY_HOST;
		way.target = way.vip.endpoint;
	} else if (!refuse(hop, facts, &way)) {
		way.kind = WAY_VIP;
		way.target.port = way.vip.endpoint.port;
	} else {
		memcpy(ret_way->reason, way.reason, sizeof(way.reason));
		return;
	}
	*ret_way = way;
}

bool check_way_equal(const struct check_way *a, const struct check_way *b)
{
	return a->kind == b->kind && endpoint_equal(&a->target, &b->target) &&
	       (a->kind == WAY_ADDRESS || vip_equal(&a->vip, &b->vip)) &&
	       address_equal(&a->own, &b->own);
}

const char *check_way_name(const struct check_way *way)
{
	return way->kind == WAY_ADDRESS ? "address" : "vip";
}
