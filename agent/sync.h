/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_SYNC_H
#define SLUICE_SYNC_H

/*
 * Makes the data plane true to the desired state and to what is known of each backend. Every call
 * compares and writes only what differs, so a restart, a change and a retry are the same thing.
 * Within one service the order is such that no packet is sent to a backend without a way: records
 * of living backends first, then the table, then the marks of the dead.
 */
#include "dataplane.h"
#include "desired.h"
#include "maglev.h"
#include "slot_marks.h"

/* What is known of a backend, by its index. */
struct backend_facts {
	bool alive;                /* packets of its flows may go there */
	bool eligible;             /* it gets new flows: a part of the table */
	uint8_t tenths;            /* of its weight that it has in a slow start; 0: all of it */
	struct lb_hop hop;         /* flags: LB_BACKEND_RESOLVED or 0; mtu as the mode needs it */
	struct lb_addr local_addr; /* the balancer's own address towards it; zero: unknown */
};

/* The lists of sources in force, by their numbers in the map sources; 0: none. */
struct source_lists {
	uint32_t global_deny;
	struct {
		uint32_t allow, deny;
	} * services; /* [service index] */
};

struct sync;

/* NULL: out of memory. dp must outlive it. Takes note of what an adopted data plane holds. */
struct sync *sync_new(struct dataplane *dp);
void sync_free(struct sync *sync);

/* What services go by from the next sync_all() on; must outlive sync. Until this is called there
 * are no lists. */
void sync_use_lists(struct sync *sync, const struct source_lists *lists);

/* What the digests of tables are told to be of besides; see digest_seed(). */
void sync_use_seed(struct sync *sync, uint64_t seed_digest);

/*
 * Everything: what is new, what changed, what is gone. facts has sizes.backends + 1 entries. waits,
 * by service index: services that have all the backends they had, and whose tables the caller will
 * bring up to date by sync_service(); NULL: none.
 */
int sync_all(struct sync *sync, const struct desired *desired, const struct backend_facts *facts,
	     const bool *waits, struct error *err);

/* One service's backends and table, after facts changed. */
int sync_service(struct sync *sync, const struct service_spec *service,
		 const struct backend_facts *facts, struct error *err);

/* What slow start and load leave of a backend's weight, in parts of which SYNC_WEIGHT make 1. */
#define SYNC_WEIGHT 10000
uint32_t sync_weight(const struct backend_spec *backend, const struct backend_facts *facts);

/* The backends that make a service's table, as Maglev takes them, into members, which has room
 * for all of the service. Returns how many. Pure. */
size_t sync_members(const struct service_spec *service, const struct backend_facts *facts,
		    struct maglev_backend *members);

/* Names a set of members, whatever their order: sets of one digest make one table. 0: none. */
uint64_t sync_members_digest(const struct maglev_backend *members, size_t count);

/* One backend's record alone, for whom the rest cannot wait: probes need it. */
void sync_backend(struct sync *sync, const struct service_spec *service,
		  const struct backend_spec *backend, const struct backend_facts *facts);

/* Which slots are marked; whoever looks through the flow table tells it what is there. */
struct slot_marks *sync_marks(const struct sync *sync);

/* A round through the flow table has ended, with so many entries of the sample. Marks that nobody
 * needs any more go, and the sample follows the load. now is in jiffies. */
void sync_round(struct sync *sync, uint32_t sampled, uint64_t now);

/* May a backend that owns no slot any more have flows without an entry? */
bool sync_hides_flows(const struct sync *sync, uint16_t service_id, uint16_t backend_id);

/* digest_table() of the table that packets of the service go by, read where they read it. 0: there
 * is none yet. */
uint64_t sync_table_digest(const struct sync *sync, uint16_t service_id);

/* Slots of its service's table that a backend owns. */
uint32_t sync_slots(const struct sync *sync, uint16_t backend_id);

/* Seconds that the last table build took. */
double sync_build_seconds(const struct sync *sync);

struct lb_addr lb_addr_of(const struct address *address);

#endif
