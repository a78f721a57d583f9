/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CARRY_H
#define SLUICE_CARRY_H

/*
 * What a new agent can take over from the maps of a former one: all of them if they are just what
 * it would make itself, else at least what connections live by. Pure; dataplane_adopt.c does it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"

/* What connections live by. */
enum carry_part {
	CARRY_FLOWS,     /* map flows: which backend a flow has */
	CARRY_NAT,       /* map nat_flows: which ports it has in mode nat */
	CARRY_FRAGMENTS, /* map fragments: whose a fragment is */
	CARRY_BACKENDS,  /* map backends: who is alive, and the way there */
	CARRY_PARTS,
};

enum carry_way {
	CARRY_SHARED,    /* the map itself is taken over: what comes in meanwhile is in it */
	CARRY_COPIED,    /* entry by entry */
	CARRY_FORGOTTEN, /* reason says why */
};

struct carry {
	bool former;        /* there are maps of a former agent; else nothing below says anything */
	bool whole;         /* all are taken over, the parts as well */
	char reason[128];   /* why not */
	uint32_t flow_fold; /* as in struct lb_switches: of the former flow table */
	struct {
		enum carry_way way;
		char reason[128]; /* if not shared */
	} parts[CARRY_PARTS];
};

/* What must be alike for a map to be taken over. */
struct carry_shape {
	uint32_t type;
	uint32_t key_size;
	uint32_t value_size;
	uint32_t max_entries;
	uint32_t flags;
};

/* A map that this agent has and pins. */
struct carry_map {
	const char *name;
	bool exists; /* among the former agent's */
	struct carry_shape former;
	struct carry_shape ours;
};

/*
 * Decides. former is the former agent's meta as read, former_size bytes of it; NULL: there is none.
 * maps are all that are pinned.
 */
void carry_decide(const void *former, size_t former_size, const struct lb_meta *ours,
		  const struct carry_map *maps, size_t map_count, struct carry *ret_carry);

/* "flows", "nat-flows", "fragments", "backends". */
const char *carry_part_name(enum carry_part part);

/* "flows" and so on: the map. */
const char *carry_part_map(enum carry_part part);

/* What it means to clients that a part is forgotten. */
const char *carry_consequence(enum carry_part part);

/* Is anything that entries of the flow or the NAT table stand in taken over? */
bool carry_keeps_flows(const struct carry *carry);

#endif
