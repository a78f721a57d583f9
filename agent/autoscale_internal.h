/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_AUTOSCALE_INTERNAL_H
#define SLUICE_AUTOSCALE_INTERNAL_H

/* What autoscale_run.c, autoscale_pool.c and autoscale_act.c share; nobody else includes it. */
#include "autoscale_run.h"

struct autoscaler {
	uv_loop_t *loop;
	struct manager *manager;
	struct events *events;
	const char *state_dir;
	struct curl_loop *curl; /* NULL: nobody has asked a Prometheus yet */
	uv_timer_t tick;
	struct scale_roster roster;
	struct scale_run **runs; /* owned; of services that have a policy */
	size_t run_count;
	uint64_t followed; /* the desired state's generation that runs are of; UINT64_MAX: none */
};

struct scale_run *scale_run_find(const struct autoscaler *autoscaler, const char *service);

/* --- autoscale_pool.c: the pool as it is --- */

/* Counts the pool of the run's service into run->pool. */
void scale_pool_count(struct scale_run *run, const struct service_spec *service);

/* Dead for scale-replace-after or longer. */
bool scale_backend_dead(const struct scale_run *run, const struct backend_spec *backend);

/* Of backends that are asked to take new flows, sorry ones apart; 0 if there are none. Those that
 * have it are members. */
uint8_t scale_lowest_priority(const struct service_spec *service);

/* The entry of a backend that the autoscaler has launched; NULL: it has not. */
struct scale_entry *scale_entry_of(const struct autoscaler *autoscaler,
				   const struct backend_spec *backend);

/* Whom decision takes next, of those in service that are not on their way out; NULL: nobody. */
struct backend_spec *scale_choose(const struct scale_run *run, struct service_spec *service,
				  enum autoscale_action action);

/* A member that is dead and that no emergency backend stands for; NULL: there is none. */
const struct backend_spec *scale_choose_failed(const struct scale_run *run,
					       const struct service_spec *service);

/* --- autoscale_act.c: what is done --- */

/* Carries the run's decision out. False: nothing was begun, which is told. */
bool scale_act(struct scale_run *run, const struct service_spec *service);

/* Goes on with what was launched: asks drivers, follows backends that have gone. */
void scale_follow(struct autoscaler *autoscaler);

#endif
