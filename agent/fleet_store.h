/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FLEET_STORE_H
#define SLUICE_FLEET_STORE_H

/*
 * The configuration of a fleet, in etcd: one key, PREFIX/config, whose value is the document of
 * document.h. It is followed, and changes made here are written there.
 *
 *   a change here:   prepared -> put into etcd if the key still is what is in force here
 *                    -> saved and synced as without a store
 *   a change there:  watched -> read, compared and committed like a document that is applied
 *
 * Etcd comes first: what it has not taken is not done here. A change that loses against another one
 * is made anew upon that, by whoever asked. What is local never goes there: indices, progress and
 * deadlines of drains, backends that the autoscaler has launched; such changes need no etcd.
 *
 * A roll-out (rollout.h) stands beside it, in PREFIX/config/rollout: balancers that are its members
 * have its document in force instead, for as long as it is there and was made upon what
 * PREFIX/config still is. Meanwhile changes are refused.
 *
 * While etcd is not reached, or what it has is refused here, the last state stays in force, from
 * the state file after a restart as well. A key that is not there changes nothing either.
 */
#include <uv.h>

#include "etcd.h"
#include "events.h"
#include "manager.h"
#include "rollout.h"

/* Etcd takes 1.5 MiB in one request, if --max-request-bytes says nothing else. */
#define FLEET_DOCUMENT_MAX ((3UL << 19) - 2048)

struct fleet_store;

/* Follows from the loop's first turn on. url is how people write it, id what this balancer is
 * called (balancer_id.h); url, the manager and events must outlive the store. Whether etcd is there
 * does not matter. */
int fleet_store_new(uv_loop_t *loop, struct manager *manager, struct events *events,
		    const char *url, const struct etcd_config *config, const char *id,
		    struct fleet_store **ret_store, struct error *err);

/* Ends it; the loop must run once more to close handles. NULL-safe. */
void fleet_store_free(struct fleet_store *store);

struct fleet_store_view {
	const char *url;
	const char *key;
	bool connected;
	uint64_t revision;           /* of the document that is in force; 0: none of etcd's is */
	const struct error *problem; /* no message: there is none, and it is the latest document */
	const char *balancer;        /* what this one is called */
	const struct balancer
		*balancers; /* that are known to follow the configuration, by their ids */
	size_t balancer_count;
	const struct rollout *rollout; /* under way; NULL: none is */
	struct error waiting;          /* what its gate waits for */
	bool trial;                    /* its document is in force here, not the configuration */
	struct rollout_end last;
};

/* What it points to is valid until the loop runs. */
struct fleet_store_view fleet_store_view(const struct fleet_store *store);

/* As rollout_run.h says of each; -EINPROGRESS as well while etcd is being connected to. */
int fleet_store_may_begin(const struct fleet_store *store, struct error *err);
int fleet_store_begin(struct fleet_store *store, struct rollout *rollout, const char *asked,
		      struct error *err);
int fleet_store_claim(struct fleet_store *store, const char *asked, struct error *err);
int fleet_store_abort(struct fleet_store *store, const char *who, char ret_id[ROLLOUT_ID_MAX],
		      struct error *err);

#endif
