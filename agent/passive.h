/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PASSIVE_H
#define SLUICE_PASSIVE_H

/*
 * Passive health: is a backend worse than its peers at answering SYNs? The data plane counts, for
 * each backend, flows that began and SYNs repeated before the client's ACK was seen. What is
 * judged is the part of repeated SYNs among all SYNs, over the last few seconds. It is compared
 * with the median of the service's backends: where clients, or the network in front of the
 * balancer, lose packets, all backends look bad alike, and nobody is blamed; nor is anybody where
 * the median itself is bad: that is for checks and the panic threshold.
 *
 * Little traffic proves nothing: fewer than PASSIVE_SYNS SYNs, or PASSIVE_REPEATS repeated ones,
 * of late speak neither for nor against a backend. Pure: windows of PASSIVE_WINDOW_MS are fed in.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PASSIVE_WINDOW_MS       1000
#define PASSIVE_SYNS            20
#define PASSIVE_REPEATS         5
#define PASSIVE_SUSPECT_WINDOWS 2 /* bad ones in a row */
#define PASSIVE_OUTLIER_WINDOWS 4
#define PASSIVE_CLEAR_WINDOWS   3 /* good ones in a row */

enum passive_verdict { PASSIVE_NORMAL, PASSIVE_SUSPECT, PASSIVE_OUTLIER };

/* Of one backend; all zero: nothing is known yet. */
struct passive {
	uint64_t new_flows, repeats; /* the counters when they were read last */
	bool read;                   /* they were */
	double fresh, repeated;      /* what they grew by, fading */
	uint8_t bad, good;           /* windows in a row */
	enum passive_verdict verdict;
};

/* A window has ended, and the counters are these. Ones that went back began anew. */
void passive_feed(struct passive *passive, uint64_t new_flows, uint64_t repeats);

/* What was seen until now says nothing of the backend any more: it got no new flows. */
void passive_forget(struct passive *passive);

/* The part of its SYNs that were repeated, 0 to 1; -1: too few to tell. */
double passive_share(const struct passive *passive);

/*
 * Judges backends of one service against each other, once a window. Reorders the pointers: the
 * worst first. Returns the share that is typical of them; 0 if there is none to tell by.
 */
double passive_judge(struct passive **backends, size_t count);

#endif
