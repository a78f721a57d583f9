/* SPDX-License-Identifier: Apache-2.0 */
#include "by_address.h"

#include <stdlib.h>

#include "maglev.h"

/* A backend index and the list it is in: of all whose addresses have one hash. */
struct link {
	struct address address;
	uint16_t next; /* 0: none */
	bool used;
};

struct by_address {
	uint32_t buckets;   /* a power of two */
	uint16_t *heads;    /* [bucket] */
	struct link *links; /* [id] */
};

struct by_address *by_address_new(uint32_t largest)
{
	struct by_address *index = calloc(1, sizeof(*index));

	if (!index)
		return NULL;
	for (index->buckets = 1; index->buckets < largest;)
		index->buckets *= 2;
	index->heads = calloc(index->buckets, sizeof(*index->heads));
	index->links = calloc((size_t)largest + 1, sizeof(*index->links));
	if (index->heads && index->links)
		return index;
	by_address_free(index);
	return NULL;
}

void by_address_free(struct by_address *index)
{
	if (!index)
		return;
	free(index->heads);
	free(index->links);
	free(index);
}

static uint16_t *head_of(const struct by_address *index, const struct address *address)
{
	uint64_t hash = maglev_key(address, sizeof(*address));

	return &index->heads[hash & (index->buckets - 1)];
}

void by_address_add(struct by_address *index, const struct address *address, uint16_t id)
{
	uint16_t *head = head_of(index, address);

	index->links[id] = (struct link){.address = *address, .next = *head, .used = true};
	*head = id;
}

void by_address_remove(struct by_address *index, uint16_t id)
{
	uint16_t *place = head_of(index, &index->links[id].address);

	if (!index->links[id].used)
		return;
	while (*place != id)
		place = &index->links[*place].next;
	*place = index->links[id].next;
	index->links[id] = (struct link){0};
}

/* The first of address at id or behind. */
static uint16_t seek(const struct by_address *index, uint16_t id, const struct address *address)
{
	while (id && !address_equal(&index->links[id].address, address))
		id = index->links[id].next;
	return id;
}

uint16_t by_address_first(const struct by_address *index, const struct address *address)
{
	return seek(index, *head_of(index, address), address);
}

uint16_t by_address_next(const struct by_address *index, uint16_t id)
{
	return seek(index, index->links[id].next, &index->links[id].address);
}
