/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_AUTOSCALE_ROSTER_H
#define SLUICE_AUTOSCALE_ROSTER_H

/*
 * Everything that the autoscaler has had launched and not yet stopped. An entry is saved before
 * its driver is asked for the first time and goes only when the driver has said that the thing is
 * stopped: whenever the agent ends in between, the next one asks again, by the same ID. It stands
 * beside the desired state, which says what the operator wants, in a directory of its own.
 */
#include <cjson/cJSON.h>

#include "autoscale_policy.h"
#include "desired.h"

enum scale_phase {
	SCALE_LAUNCHING, /* the driver is asked for it */
	SCALE_RUNNING,   /* it is, or was, a backend of its service */
	SCALE_STOPPING,  /* the driver is asked to stop it */
	SCALE_PHASES,
};

struct scale_entry {
	char id[SCALE_ID_MAX + 1];
	char service[SERVICE_NAME_MAX + 1];
	char **driver; /* owned: who has started it will stop it, whatever the policy says later */
	uint64_t timeout_ms; /* of the driver */
	enum scale_phase phase;
	bool emergency;
	struct endpoint stands_for; /* the dead backend, of an emergency one */

	/* Not saved. */
	struct autoscaler *owner;
	struct scale_job *job; /* that runs for it; NULL: none */
	uint64_t due_ms;       /* loop time at which the driver is asked again */
	uint64_t proof_ms;     /* and until which it must be up for the first time; 0: it was */
	unsigned int tries;    /* of stopping it, in vain */
};

struct scale_roster {
	struct scale_entry **entries; /* owned, and each of them; in order of launch */
	size_t count;
};

void scale_roster_clear(struct scale_roster *roster);

/* A new entry in phase launching, with a copy of the policy's driver. NULL: out of memory. */
struct scale_entry *scale_roster_add(struct scale_roster *roster, const char *id,
				     const struct service_spec *service);
void scale_roster_remove(struct scale_roster *roster, struct scale_entry *entry);
/* NULL: there is none. */
struct scale_entry *scale_roster_find(const struct scale_roster *roster, const char *id);

/* The backend that came of an entry; NULL: service, which may be NULL, has it not, or not yet. */
struct backend_spec *scale_entry_backend(const struct scale_entry *entry,
					 const struct service_spec *service);

/* NULL: out of memory. */
cJSON *scale_roster_write(const struct scale_roster *roster);
/* -EINVAL: damaged. *ret_roster is untouched on failure. */
int scale_roster_read(const cJSON *json, struct scale_roster *ret_roster, struct error *err);

/* In the directory scale below state_dir. */
int scale_roster_save(const struct scale_roster *roster, const char *state_dir, struct error *err);
int scale_roster_load(const char *state_dir, struct scale_roster *ret_roster, struct error *err);

const char *scale_phase_name(enum scale_phase phase);

#endif
