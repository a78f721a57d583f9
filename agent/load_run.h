/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_LOAD_RUN_H
#define SLUICE_LOAD_RUN_H

/*
 * Load-aware weights at work: asks backends for their load, decides by load_weight.h, and has the
 * data plane follow. Private to the manager, which calls it at each of its ticks.
 *
 * One balancer of a fleet decides, or tables would differ: see manager_on_load().
 */
#include "desired.h"
#include "latency.h"
#include "load_poll.h"
#include "load_weight.h"
#include "manager.h"

#define LOAD_HANDSHAKES 20 /* since the last step; the mean of fewer says nothing */

struct backend_run;

/* Of a backend. All zero: nobody asks it. */
struct load_run {
	struct load_poll *poll;
	uint16_t port;                  /* that it asks */
	uint64_t begun_ms;              /* loop time, as all below */
	uint64_t due_ms;                /* of the next question */
	uint64_t reported_ms;           /* of the last report; 0: there was none */
	double load;                    /* that it told */
	char problem[LOAD_PROBLEM_MAX]; /* why the last question was in vain; "": it was not */
	bool silent;                    /* that it does not report was told */
	uint64_t failures;
	struct latency_view handshakes; /* when a step was last decided */
	struct load_reading reading;    /* of the last decision, as all below */
	double pressure;
	uint16_t target, next; /* 0: it was in no decision */
};

/* Of a service. */
struct load_service {
	struct load_state state;
	uint64_t due_ms; /* of the next decision; 0: weights do not follow load */
	bool unsaved;    /* the last step could not be saved, which was said */
	uint64_t steps;
};

/* Of the manager. */
struct loads {
	struct curl_loop *curl; /* NULL: nobody has been asked yet */
	bool follows;           /* another balancer decides */
	load_propose propose;   /* NULL: what is decided is done */
	void *context;
	struct maglev_backend *table; /* scratch, as all below: [backend index] */
	struct load_member *members;
	uint16_t *factors;
};

/* False: out of memory; clear it all the same. */
bool loads_init(struct loads *loads, size_t backends);
/* Questions are ended; the loop must run once more to close handles. After load_run_end() of all.
 */
void loads_stop(struct loads *loads);
void loads_clear(struct loads *loads);

/* To be called often. */
void load_tick(struct manager *manager, const struct service_spec *service);

/* Nobody asks this backend any more. */
void load_run_end(struct load_run *load);

struct backend_load load_view(const struct manager *manager, const struct backend_run *run);

/* What is to be said of a backend that has not its whole weight, or should not; false: nothing. */
bool load_note(const struct backend_run *run, const struct service_spec *service, char *note,
	       size_t size);

#endif
