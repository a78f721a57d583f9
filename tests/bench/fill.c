/* SPDX-License-Identifier: Apache-2.0 */
#include "fill.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "parse.h"
#include "vip_hash.h"
#include "vip_table.h"

/* Numbers of one of the many; those of the case are below. */
static uint32_t service_of(uint32_t many)
{
	return 1 + CASE_SERVICES_MAX + many;
}

static uint32_t vip_of(uint32_t many)
{
	return 1 + CASE_SERVICES_MAX * CASE_VIPS_MAX + many;
}

static uint32_t backend_of(uint32_t many)
{
	return 1 + CASE_SERVICES_MAX * TARGET_BACKENDS + many * FILL_MANY_BACKENDS;
}

void fill_table(struct lb_slot_line *slots, uint32_t service, uint32_t first, uint32_t count)
{
	const uint32_t lines = LINES_OF(TARGET_SLOTS);
	struct lb_slot_line *block = slots + (size_t)service * lines;
	uint32_t slot;

	for (slot = 0; slot < lines * LB_SLOTS_PER_LINE; slot++)
		block[slot / LB_SLOTS_PER_LINE].backend[slot % LB_SLOTS_PER_LINE] =
			first + slot % count;
}

static int add_backends(const struct engine *engine, uint32_t many, uint32_t after)
{
	struct lb_backend backend;
	uint32_t i, from, to;
	int r = 0;

	for (i = 0; r == 0 && i < FILL_MANY_BACKENDS; i++) {
		from = after + i;
		to = backend_of(many) + i;
		r = engine->get("backends", &from, &backend);
		backend.service = service_of(many);
		if (r == 0)
			r = engine->put("backends", &to, &backend);
	}
	return r;
}

/* --- VIPs --- */

static struct lb_vip_entry entries[FILL_VIP_SLOTS];
static uint64_t groups[FILL_VIP_SLOTS / VIP_GROUP_SLOTS];

/* A table of another size has a VIP elsewhere. */
static int move_vips(const struct engine *engine, struct vip_table *table)
{
	struct lb_vip_entry entry;
	uint32_t slot;
	int r = 0;

	for (slot = 0; r == 0 && slot < ENGINE_VIP_SLOTS; slot++) {
		r = engine->get("vips", &slot, &entry);
		if (r == 0 && entry.vip.kind)
			r = vip_table_put(table, &entry.key, &entry.vip);
	}
	return r;
}

static int add_vips(struct vip_table *table, const struct address *first)
{
	struct lb_vip_key key = {.l4_proto = IPPROTO_TCP, .port = htons(80)};
	struct lb_vip vip = {.kind = LB_VIP_SERVICE};
	uint32_t i, number;
	int r = 0;

	memcpy(&key.addr, &first->ip, sizeof(key.addr));
	number = ntohl(key.addr.word[3]);
	for (i = 0; r == 0 && i < FILL_MANY; i++) {
		key.addr.word[3] = htonl(number + i);
		vip.service = service_of(i);
		vip.vip = vip_of(i);
		r = vip_table_put(table, &key, &vip);
	}
	return r;
}

static int store_vips(const struct engine *engine)
{
	uint32_t i;
	int r = 0;

	for (i = 0; r == 0 && i < FILL_VIP_SLOTS; i++)
		r = engine->put("vips", &i, &entries[i]);
	for (i = 0; r == 0 && i < FILL_VIP_SLOTS / VIP_GROUP_SLOTS; i++)
		r = engine->put("vip_groups", &i, &groups[i]);
	return r;
}

static int fill_vips(const struct engine *engine, const struct address *first)
{
	struct vip_table *table = vip_table_new(entries, groups, FILL_VIP_SLOTS);
	int r = table ? move_vips(engine, table) : -ENOMEM;

	if (r == 0)
		r = add_vips(table, first);
	vip_table_free(table);
	return r < 0 ? r : store_vips(engine);
}

/* --- all of it --- */

int fill_many(const struct engine *engine, struct lb_slot_line *slots, uint32_t service,
	      uint32_t backend, struct error *err)
{
	struct address first;
	uint32_t i;
	int r = parse_address(FILL_MANY_VIP4, &first, err);

	if (r < 0)
		return r;
	r = fill_vips(engine, &first);
	for (i = 0; r == 0 && i < FILL_MANY; i++) {
		fill_table(slots, service_of(i), backend_of(i), FILL_MANY_BACKENDS);
		r = add_backends(engine, i, backend);
	}
	if (r < 0)
		return error_set(err, -r, "filling the maps: %s", strerror(-r));
	return fill_many_after(engine, service, err);
}

int fill_many_after(const struct engine *engine, uint32_t service, struct error *err)
{
	struct lb_service value;
	uint32_t i, id;
	int r = engine->get("services", &service, &value);

	for (i = 0; r == 0 && i < FILL_MANY; i++) {
		id = service_of(i);
		value.tables.current = id;
		r = engine->put("services", &id, &value);
	}
	return r < 0 ? error_set(err, -r, "map services: %s", strerror(-r)) : 0;
}
