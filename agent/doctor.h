/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_DOCTOR_H
#define SLUICE_DOCTOR_H

/*
 * What stands in the way of packets, or soon will: findings from the agent's own state and from
 * what doctor_host.h has read of the machine. Pure.
 */
#include "doctor_host.h"
#include "manager.h"

/* The worse the higher. */
enum doctor_level {
	DOCTOR_OK,
	DOCTOR_NOTE,    /* good to know */
	DOCTOR_WARNING, /* works, but not well or not for long */
	DOCTOR_PROBLEM, /* packets are lost */
};

struct doctor_finding {
	enum doctor_level level;
	const char *check; /* what was looked at: "kernel", "offload", "mtu", ... */
	char object[128];  /* of which: an interface, a service, a backend; may be empty */
	char text[320];    /* what was found */
	char advice[256];  /* what to type; empty where nothing is to be done */
};

/* In the order of the checks. */
struct doctor_report {
	struct doctor_finding *findings; /* owned */
	size_t count, room;
};

/* 0, or -ENOMEM; the report is then to be cleared all the same. */
int doctor_examine(const struct manager *manager, const struct doctor_host *host,
		   struct doctor_report *ret_report);
void doctor_report_clear(struct doctor_report *report);

const char *doctor_level_name(enum doctor_level level);

#endif
