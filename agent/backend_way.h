/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_BACKEND_WAY_H
#define SLUICE_BACKEND_WAY_H

/*
 * The way that a backend's checks take, as it stands with routes, addresses and kernel, and the
 * filters that it needs. Private to the manager.
 */
#include "backend_run.h"

#define WAYS_DEVICES_MAX 64

/* The filters for all backends' checks. */
struct ways {
	uint32_t devices[WAYS_DEVICES_MAX]; /* that checks by the VIP leave by, as told to the data
					       plane */
	size_t device_count;
	bool stale;        /* a route or a service has changed since */
	uint32_t awaits;   /* no backend of a lower index waits for its route */
	bool told;         /* it was told at all */
	bool broken;       /* a check by the VIP has left by another way */
	uint64_t again_ms; /* loop time before which it is not told again for being broken */
	char refused[sizeof(((struct error *)NULL)->message)]; /* why checks cannot go by the VIP;
								  empty: they can */
};

/*
 * Derives run->way from the service and the hop, and way_known: checks by the VIP's way have to
 * wait until the route is known. True if it is another than before, so that probes must begin anew.
 */
bool way_find(struct manager *manager, struct backend_run *run);

/* Why a backend on this machine cannot serve, into run->local_reason; empty: it can, or it is
 * elsewhere. */
void way_check_local(struct manager *manager, struct backend_run *run);

/* Tells the data plane what the probes that now begin become. */
void way_store(struct manager *manager, struct backend_run *run);
void way_clear(struct manager *manager, uint16_t id);

/* The mark of the probes' sockets. */
uint32_t way_mark(const struct manager *manager, const struct backend_run *run);

/*
 * What a probe has shown, and why not in reason ("" if all is well). One by the VIP says so there;
 * if its packets did not take that way it proves nothing, and counts as failed.
 */
bool way_judge(struct manager *manager, struct backend_run *run, const struct probe_result *result,
	       char reason[CHECK_REASON_MAX]);

/* By which way it is checked, in a word. */
const char *way_name(const struct manager *manager, const struct backend_run *run);

/* Has the data plane's filters follow, after services and backends may have changed. */
void ways_begin(struct manager *manager);

/* The same after hops may have. */
void ways_follow(struct manager *manager);

/* Interfaces may have come or gone. */
void ways_refresh(struct manager *manager);

/* From time to time: tries again what could not be done. */
void ways_tick(struct manager *manager);

#endif
