/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_ANNOUNCER_H
#define SLUICE_ANNOUNCER_H

/*
 * Routes to VIPs in a routing table of the agent's own, from which a routing daemon (BIRD, FRR)
 * exports them: a route is there while its VIP is announced. The kernel looks at no such table
 * unless a rule says so, and the routes are of type "unreachable", so none of them can draw packets
 * of this host anywhere. What is in the table is the agent's if it has RTNL_OWN_PROTOCOL; whatever
 * became of a former agent, the next one takes over what is right and removes the rest.
 *
 * One address, or prefix, may be the VIP of several services, by their ports. Its route brings
 * packets of all of them, so it is announced while all of them are healthy enough; but one that is
 * new and never was does not withdraw the others.
 */
#include "announce.h"
#include "desired.h"
#include "events.h"

#define ANNOUNCE_REASON_MAX 256

struct announcer;

/*
 * Notes in state_dir which table it is, takes over the routes that are in it, and removes those of
 * a former table. Both texts and events must outlive it. now: as announcer_look()'s.
 */
int announcer_new(const char *state_dir, uint32_t table, struct events *events, uint64_t now,
		  struct announcer **ret_announcer, struct error *err);

/* Leaves the routes where they are. NULL-safe. */
void announcer_free(struct announcer *announcer);

/* Removes the routes of whatever agent had state_dir, and the note of them. 0, too, if it had
 * none. */
int announcer_clear(const char *state_dir, struct error *err);

/* What a look goes by. */
struct announcer_input {
	const struct desired *desired;
	const struct announce_health *health; /* [service index] */
	const char *trouble;   /* why the balancer is fit for none of them; NULL: it is */
	const char *withdrawn; /* why none shall be announced, however fit; NULL: nothing */
};

/* Makes the table true to it. `now` as of announce.h. */
void announcer_look(struct announcer *announcer, const struct announcer_input *input, uint64_t now);

/* Is a look due, although nothing has changed? */
bool announcer_due(const struct announcer *announcer, uint64_t now);

/* A VIP's route. */
struct announced_route {
	struct prefix prefix;
	bool announced;
	const char *reason; /* why not; or what else is to be said; "" */
	uint64_t since_ms;  /* of announced; Unix time */
};

/* False: there is none yet. reason is valid until the next look. */
bool announcer_find(const struct announcer *announcer, const struct vip *vip,
		    struct announced_route *ret_route);

uint32_t announcer_table(const struct announcer *announcer);

/* Routes that are in the table, as far as is known, and those that could be. */
size_t announcer_count(const struct announcer *announcer, size_t *ret_all);

struct prefix announce_prefix(const struct vip *vip);

#endif
