/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FAKE_ETCD_LEASE_H
#define SLUICE_FAKE_ETCD_LEASE_H

/* etcd_lease.h without an etcd: a test grants the one lease that there is, and takes it away. */
#include <stdbool.h>

#include "etcd_lease.h"

/* Has anybody asked for one, or does he hold it? */
bool fake_lease_wanted(void);

/* How long it is to live without a word; 0: nobody has asked. */
uint64_t fake_lease_ttl(void);

void fake_lease_grant(uint64_t id);
void fake_lease_lose(void);

#endif
