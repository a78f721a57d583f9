/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FLEET_ROSTER_H
#define SLUICE_FLEET_ROSTER_H

/*
 * The balancers of a fleet that follow one configuration, as they tell of themselves below
 * PREFIX/balancers/ in etcd, each under its own lease: who dies or is cut off is gone from there
 * some seconds later. Everybody knows all of them; they tell when something has changed.
 */
#include "balancer.h"
#include "etcd.h"

/* How long etcd keeps what is under the lease of a balancer that it does not hear of. */
#define FLEET_LEASE_S 5

struct fleet_roster;

/* What this balancer says of itself; its id is filled in. Called each second or more often. */
typedef void (*roster_describe)(void *context, struct balancer *ret_balancer);

/* prefix and id are copied. NULL: out of memory. etcd must outlive it. */
struct fleet_roster *fleet_roster_new(uv_loop_t *loop, struct etcd *etcd, const char *prefix,
				      const char *id, roster_describe describe, void *context);

/* Gives the lease back; the loop must run once more. NULL-safe. */
void fleet_roster_free(struct fleet_roster *roster);

/* Etcd is there, or not any more. Without it what is known of others stays. */
void fleet_roster_connect(struct fleet_roster *roster, bool connected);

/* Tells changes of this balancer within 200 ms rather than a second. */
void fleet_roster_hurry(struct fleet_roster *roster, bool hurry);

/* Tells them now. */
void fleet_roster_tell(struct fleet_roster *roster);

/* That this balancer is told of under, for what else goes with it; 0: it is not. */
uint64_t fleet_roster_lease(const struct fleet_roster *roster);

/* Are they what etcd has, and this one among them? Else it is being asked. */
bool fleet_roster_current(const struct fleet_roster *roster);

/* By their ids. Valid until the loop runs. */
const struct balancer *fleet_roster_balancers(const struct fleet_roster *roster, size_t *ret_count);

/* Why the roster cannot be read or written; no message: it can. */
const struct error *fleet_roster_problem(const struct fleet_roster *roster);

#endif
