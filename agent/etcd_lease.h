/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_ETCD_LEASE_H
#define SLUICE_ETCD_LEASE_H

/*
 * A lease of etcd's that keeps itself alive: what is put under it goes when whoever holds it does.
 * It is asked for three times as often as it must be, and lost when etcd says so, or when etcd has
 * not said anything for as long as it lives.
 */
#include "etcd.h"

struct etcd_lease;

/* Once with ret 0, when it is granted, and once with ret < 0 when it is not, or lost; after that
 * there is only etcd_lease_free(), which may be called from here. */
typedef void (*etcd_lease_callback)(void *context, int ret, const struct error *err);

/* Asks for one, of at least 1 s; never calls back from in here. NULL: out of memory. etcd must
 * outlive it. */
struct etcd_lease *etcd_lease_new(uv_loop_t *loop, struct etcd *etcd, uint64_t ttl_s,
				  etcd_lease_callback callback, void *context);

/* Gives it back, so that what is under it goes at once if etcd is there; the loop must run once
 * more. NULL-safe. */
void etcd_lease_free(struct etcd_lease *lease);

/* What etcd_step wants; 0: it has not been granted, or is lost. NULL-safe. */
uint64_t etcd_lease_id(const struct etcd_lease *lease);

#endif
