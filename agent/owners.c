/* SPDX-License-Identifier: Apache-2.0 */
#include "owners.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "desired.h"

void owners_clear(struct owners *owners)
{
	free(owners->list);
	*owners = (struct owners){0};
}

int owners_copy(const struct owners *owners, struct owners *ret_copy)
{
	struct owners copy = {.count = owners->count};

	if (owners->count) {
		copy.list = reallocarray(NULL, owners->count, sizeof(*copy.list));
		if (!copy.list)
			return -ENOMEM;
		memcpy(copy.list, owners->list, owners->count * sizeof(*copy.list));
	}
	*ret_copy = copy;
	return 0;
}

bool owners_equal(const struct owners *a, const struct owners *b)
{
	for (size_t i = 0; a->count == b->count && i < a->count; i++) {
		if (!endpoint_equal(&a->list[i].endpoint, &b->list[i].endpoint) ||
		    a->list[i].weight != b->list[i].weight)
			return false;
	}
	return a->count == b->count;
}

static int compare(const void *a, const void *b)
{
	return endpoint_order(&((const struct slot_owner *)a)->endpoint,
			      &((const struct slot_owner *)b)->endpoint);
}

bool owners_sort(struct owners *owners)
{
	if (owners->count > 1)
		qsort(owners->list, owners->count, sizeof(*owners->list), compare);
	for (size_t i = 1; i < owners->count; i++) {
		if (compare(&owners->list[i - 1], &owners->list[i]) == 0)
			return false;
	}
	return true;
}

ptrdiff_t owners_find(const struct owners *owners, const struct endpoint *endpoint)
{
	const struct slot_owner wanted = {.endpoint = *endpoint};
	const struct slot_owner *found;

	if (!owners->count)
		return -1;
	found = bsearch(&wanted, owners->list, owners->count, sizeof(wanted), compare);
	return found ? found - owners->list : -1;
}

static bool may_own(const struct backend_spec *backend)
{
	return backend_takes_part(backend) && backend->weight > 0 && !backend->launched[0];
}

int owners_of(const struct service_spec *service, struct owners *ret_owners)
{
	struct owners owners = {calloc(service->backend_count + 1, sizeof(*owners.list)), 0};
	uint8_t lowest = UINT8_MAX;

	if (!owners.list)
		return -ENOMEM;
	for (size_t i = 0; i < service->backend_count; i++) {
		const struct backend_spec *backend = &service->backends[i];

		if (!may_own(backend) || backend->priority > lowest)
			continue;
		if (backend->priority < lowest)
			owners.count = 0;
		lowest = backend->priority;
		owners.list[owners.count++] =
			(struct slot_owner){backend->endpoint, backend->weight};
	}
	owners_sort(&owners);
	*ret_owners = owners;
	return 0;
}
