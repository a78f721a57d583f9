/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_NATIVE_DATAPLANE_H
#define SLUICE_NATIVE_DATAPLANE_H

/*
 * A fake data plane whose memory is that of the natively built one's maps: what the agent's modules
 * write, packets meet (native_run()). One at a time, for maps are the process's.
 */
#include "fake_dataplane.h"

/* As fake_dataplane_new(); flows is a power of two. The flow hash's keys follow from seed. */
struct fake_dataplane *native_dataplane_new(const struct dataplane_sizes *sizes, uint64_t seed);
void native_dataplane_free(struct fake_dataplane *fake);

/* What time it is from now on, in jiffies, for both. */
void native_dataplane_now(struct fake_dataplane *fake, uint64_t now);

/* The data plane finds the VIPs that the fake has now. */
void native_dataplane_vips(const struct fake_dataplane *fake);

#endif
