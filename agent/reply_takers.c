/* SPDX-License-Identifier: Apache-2.0 */
#include "reply_takers.h"

#include <stdlib.h>
#include <string.h>

struct taker {
	const struct service_spec *owner;
	const struct vip_spec *vip;
};

/* Sorted by address: every backend asks, and there may be thousands of VIPs. */
struct reply_takers {
	size_t count;
	struct taker takers[];
};

static int compare_addresses(const struct address *a, const struct address *b)
{
	return memcmp(&a->ip, &b->ip, sizeof(a->ip));
}

/* Of one address in the order of the state. */
static int compare_takers(const void *a, const void *b)
{
	const struct taker *left = a, *right = b;
	int order = compare_addresses(&left->vip->vip.endpoint.address,
				      &right->vip->vip.endpoint.address);

	if (order)
		return order;
	if (left->owner != right->owner)
		return left->owner < right->owner ? -1 : 1;
	return left->vip < right->vip ? -1 : left->vip > right->vip;
}

static size_t count_vips(const struct desired *desired)
{
	size_t count = 0;

	for (size_t i = 0; i < desired->service_count; i++)
		count += desired->services[i].vip_count;
	return count;
}

/* An own address comes before a prefix that it lies in. */
static bool takes_replies(const struct vip *vip, uint16_t low, uint16_t high)
{
	uint16_t port = vip->endpoint.port;

	return !vip->host_bits && (port == 0 || (port >= low && port <= high));
}

struct reply_takers *reply_takers_new(const struct desired *desired, uint16_t low, uint16_t high)
{
	struct reply_takers *takers =
		malloc(sizeof(*takers) + count_vips(desired) * sizeof(*takers->takers));

	if (!takers)
		return NULL;
	takers->count = 0;
	for (size_t i = 0; i < desired->service_count; i++) {
		const struct service_spec *owner = &desired->services[i];

		for (size_t v = 0; v < owner->vip_count; v++) {
			if (takes_replies(&owner->vips[v].vip, low, high))
				takers->takers[takers->count++] =
					(struct taker){owner, &owner->vips[v]};
		}
	}
	qsort(takers->takers, takers->count, sizeof(*takers->takers), compare_takers);
	return takers;
}

void reply_takers_free(struct reply_takers *takers)
{
	free(takers);
}

/* The first at `own` or behind. */
static size_t first_at(const struct reply_takers *takers, const struct address *own)
{
	size_t low = 0, high = takers->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (compare_addresses(&takers->takers[middle].vip->vip.endpoint.address, own) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct vip_spec *reply_takers_find(const struct reply_takers *takers,
					 const struct service_spec *service,
					 const struct address *own,
					 const struct service_spec *before,
					 const struct service_spec **ret_owner)
{
	for (size_t i = takers ? first_at(takers, own) : 0; takers && i < takers->count; i++) {
		const struct taker *taker = &takers->takers[i];
		const struct vip *vip = &taker->vip->vip;

		if (!address_equal(&vip->endpoint.address, own))
			return NULL;
		if (!service_translates(service, vip->protocol) ||
		    (before && taker->vip->id && service_translates(before, vip->protocol)))
			continue;
		*ret_owner = taker->owner;
		return taker->vip;
	}
	return NULL;
}
