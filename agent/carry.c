/* SPDX-License-Identifier: Apache-2.0 */
#include "carry.h"

#include <stdio.h>
#include <string.h>

#define SEED_REASON "the flow hash has another seed: the state is not the one of before"

static const struct part {
	const char *name;
	const char *map;
	const char *flag;     /* that sets its size */
	uint32_t unit;        /* of the flag, for each entry of the map */
	uint32_t spare;       /* entries that the flag does not count */
	bool by_hash;         /* it is of no use to another seed */
	enum carry_way other; /* what becomes of it where only its size is another */
	size_t layout;        /* offset in struct lb_meta */
	const char *consequence;
} parts[CARRY_PARTS] = {
	[CARRY_FLOWS] = {"flows", "flows", "--flows", LB_FLOW_WAYS, 0, true, CARRY_FORGOTTEN,
			 offsetof(struct lb_meta, flow_layout),
			 "flows are found again by hash and table; one whose backend was chosen "
			 "before the last change of the table may move"},
	[CARRY_NAT] = {"nat-flows", "nat_flows", "--nat-flows", 1, 0, true, CARRY_COPIED,
		       offsetof(struct lb_meta, nat_layout), "connections of mode nat may break"},
	[CARRY_FRAGMENTS] = {"fragments", "fragments", "--fragments", 1, 0, false, CARRY_FORGOTTEN,
			     offsetof(struct lb_meta, fragment_layout),
			     "fragmented packets under way are lost"},
	[CARRY_BACKENDS] = {"backends", "backends", "--max-backends", 1, 1, false, CARRY_COPIED,
			    offsetof(struct lb_meta, backend_layout),
			    "no backend gets packets before its first check has passed"},
};

const char *carry_part_name(enum carry_part part)
{
	return parts[part].name;
}

const char *carry_part_map(enum carry_part part)
{
	return parts[part].map;
}

const char *carry_consequence(enum carry_part part)
{
	return parts[part].consequence;
}

bool carry_keeps_flows(const struct carry *carry)
{
	return carry->former && (carry->whole || carry->parts[CARRY_FLOWS].way != CARRY_FORGOTTEN ||
				 carry->parts[CARRY_NAT].way != CARRY_FORGOTTEN);
}

/* The meta of any ABI, in today's words. False: of one that nothing is known of. */
static bool read_meta(const void *former, size_t size, struct lb_meta *ret_meta)
{
	struct lb_meta meta = {0};

	memcpy(&meta, former, size < sizeof(meta) ? size : sizeof(meta));
	*ret_meta = meta;
	if (meta.abi_version < 2 || size < offsetof(struct lb_meta, flow_layout))
		return false;
	if (meta.abi_version == 2) {
		ret_meta->flow_layout = 1;
		ret_meta->nat_layout = 1;
		ret_meta->fragment_layout = 1;
		ret_meta->backend_layout = 1;
	}
	if (ret_meta->flow_layout == 1) { /* as 2, but never folded */
		ret_meta->flow_layout = 2;
		ret_meta->flow_fold = 0;
	}
	return true;
}

static uint16_t layout_of(const struct lb_meta *meta, const struct part *part)
{
	uint16_t layout;

	memcpy(&layout, (const char *)meta + part->layout, sizeof(layout));
	return layout;
}

static const struct carry_map *find_map(const struct carry_map *maps, size_t count,
					const char *name)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (strcmp(maps[i].name, name) == 0)
			return &maps[i];
	}
	return NULL;
}

static bool same_kind(const struct carry_map *map)
{
	return map->exists && map->former.type == map->ours.type &&
	       map->former.key_size == map->ours.key_size &&
	       map->former.value_size == map->ours.value_size &&
	       map->former.flags == map->ours.flags;
}

/* Empty if all maps are just what ours would be. */
static void say_why_not_whole(const struct lb_meta *former, const struct lb_meta *ours,
			      const struct carry_map *maps, size_t count, char *reason, size_t size)
{
	size_t i;

	reason[0] = '\0';
	if (former->abi_version != ours->abi_version)
		snprintf(reason, size, "maps are of ABI version %u, this lbagent's of %u",
			 former->abi_version, ours->abi_version);
	else if (former->table_size != ours->table_size)
		snprintf(reason, size, "--table-size was %u and is %u", former->table_size,
			 ours->table_size);
	else if (former->seed != ours->seed)
		snprintf(reason, size, "%s", SEED_REASON);
	for (i = 0; reason[0] == '\0' && i < count; i++) {
		if (!same_kind(&maps[i]) || maps[i].former.max_entries != maps[i].ours.max_entries)
			snprintf(reason, size, "map %s has another size or layout", maps[i].name);
	}
}

static enum carry_way decide_part(const struct part *part, const struct lb_meta *former,
				  const struct lb_meta *ours, const struct carry_map *map,
				  char *reason, size_t size)
{
	uint16_t before = layout_of(former, part), now = layout_of(ours, part);

	reason[0] = '\0';
	if (before != now) {
		snprintf(reason, size, "their layout was %u and is %u", before, now);
		return CARRY_FORGOTTEN;
	}
	if (part->by_hash && former->seed != ours->seed) {
		snprintf(reason, size, "%s", SEED_REASON);
		return CARRY_FORGOTTEN;
	}
	if (!map || !same_kind(map)) {
		snprintf(reason, size, "map %s is missing or of another kind", part->map);
		return CARRY_FORGOTTEN;
	}
	if (map->former.max_entries != map->ours.max_entries) {
		snprintf(reason, size, "%s was %llu and is %llu", part->flag,
			 (map->former.max_entries - part->spare) * (unsigned long long)part->unit,
			 (map->ours.max_entries - part->spare) * (unsigned long long)part->unit);
		return part->other;
	}
	return CARRY_SHARED;
}

/* Backends are written by the agent, which must not touch what the former program still reads. */
static enum carry_way way_of(enum carry_part part, enum carry_way way)
{
	return part == CARRY_BACKENDS && way == CARRY_SHARED ? CARRY_COPIED : way;
}

void carry_decide(const void *former, size_t former_size, const struct lb_meta *ours,
		  const struct carry_map *maps, size_t map_count, struct carry *ret_carry)
{
	struct carry carry = {.former = former != NULL};
	struct lb_meta meta;
	enum carry_part part;
	bool known;

	*ret_carry = carry;
	if (!former)
		return;
	known = read_meta(former, former_size, &meta);
	say_why_not_whole(&meta, ours, maps, map_count, carry.reason, sizeof(carry.reason));
	carry.whole = known && carry.reason[0] == '\0';
	carry.flow_fold = meta.flow_fold;
	for (part = 0; part < CARRY_PARTS; part++) {
		if (carry.whole)
			continue;
		carry.parts[part].way =
			way_of(part, decide_part(&parts[part], &meta, ours,
						 find_map(maps, map_count, parts[part].map),
						 carry.parts[part].reason,
						 sizeof(carry.parts[part].reason)));
	}
	*ret_carry = carry;
}
