/* SPDX-License-Identifier: Apache-2.0 */
#include "vip_list.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	struct lb_vip_prefix_key key;
	struct lb_vip vip;
};

struct vip_list {
	struct entry *entries;
	size_t count, capacity;
};

struct lb_vip_prefix_key vip_list_key(const struct vip *vip)
{
	return (struct lb_vip_prefix_key){
		.prefix_length = DATAPLANE_VIP_BITS - vip->host_bits,
		.vip =
			{
				.addr = lb_addr_of(&vip->endpoint.address),
				.port = htons(vip->endpoint.port),
				.l4_proto = vip->protocol,
			},
	};
}

struct lb_vip_prefix_key vip_list_echo_key(const struct vip *vip)
{
	struct lb_vip_prefix_key key = vip_list_key(vip);

	key.vip.port = 0;
	key.vip.l4_proto = address_is_ipv4(&vip->endpoint.address) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	return key;
}

static bool add(struct vip_list *list, const struct lb_vip_prefix_key *key,
		const struct lb_vip *vip)
{
	struct entry *entries = list->entries;

	if (list->count == list->capacity) {
		list->capacity = 2 * list->capacity + 64;
		entries = reallocarray(entries, list->capacity, sizeof(*entries));
		if (!entries)
			return false;
		list->entries = entries;
	}
	entries[list->count++] = (struct entry){*key, *vip};
	return true;
}

static bool add_vips(struct vip_list *list, const struct service_spec *service)
{
	static const struct lb_vip echo = {.kind = LB_VIP_ECHO};
	struct lb_vip vip = {.kind = LB_VIP_SERVICE, .service = service->id};
	struct lb_vip_prefix_key key, echo_key;

	for (size_t i = 0; i < service->vip_count; i++) {
		vip.vip = service->vips[i].id;
		key = vip_list_key(&service->vips[i].vip);
		echo_key = vip_list_echo_key(&service->vips[i].vip);
		if (!add(list, &key, &vip) || !add(list, &echo_key, &echo))
			return false;
	}
	return true;
}

static bool add_own_addresses(struct vip_list *list, const struct service_spec *service,
			      const struct backend_facts *facts)
{
	static const struct lb_addr unknown;
	static const struct lb_vip nat = {.kind = LB_VIP_NAT};
	struct lb_vip_prefix_key key = {.prefix_length = DATAPLANE_VIP_BITS};

	if (service->mode != LB_MODE_NAT)
		return true;
	for (size_t i = 0; i < service->backend_count; i++) {
		const struct lb_addr *addr = &facts[service->backends[i].id].local_addr;

		/* Backends in a row are reached from one address, as a rule. */
		if (memcmp(addr, &unknown, sizeof(*addr)) == 0 ||
		    memcmp(addr, &key.vip.addr, sizeof(*addr)) == 0)
			continue;
		key.vip.addr = *addr;
		for (size_t v = 0; v < service->vip_count; v++) {
			key.vip.l4_proto = service->vips[v].vip.protocol;
			if (!add(list, &key, &nat))
				return false;
		}
	}
	return true;
}

/* By key, which comes first in an entry. */
static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct lb_vip_prefix_key));
}

struct vip_list *vip_list_new(const struct desired *desired, const struct backend_facts *facts)
{
	struct vip_list *list = calloc(1, sizeof(*list));
	bool whole = list;

	for (size_t i = 0; whole && i < desired->service_count; i++)
		whole = add_vips(list, &desired->services[i]) &&
			add_own_addresses(list, &desired->services[i], facts);
	if (!whole) {
		vip_list_free(list);
		return NULL;
	}
	if (list->count > 1)
		qsort(list->entries, list->count, sizeof(*list->entries), compare);
	return list;
}

void vip_list_free(struct vip_list *list)
{
	if (!list)
		return;
	free(list->entries);
	free(list);
}

const struct lb_vip *vip_list_find(const struct vip_list *list, const struct lb_vip_prefix_key *key)
{
	const struct entry *found =
		list->count > 0 ? bsearch(key, list->entries, list->count, sizeof(*found), compare)
				: NULL;

	return found ? &found->vip : NULL;
}
