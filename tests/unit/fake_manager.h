/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FAKE_MANAGER_H
#define SLUICE_FAKE_MANAGER_H

/*
 * What figures.c and view.c ask of manager.h, answered from plain fields: two services with
 * figures that tell each other apart.
 *
 *   web  (1): tcp://198.18.0.10:80 (VIP 1) and udp://198.18.0.10:80 (VIP 2),
 *             backends 198.18.1.11:80 (1) and 198.18.1.12:80 (2)
 *   six  (2): tcp://[2001:db8::10]:* (VIP 3), backend 2001:db8::11 (3)
 */
#include "fake_dataplane.h"
#include "manager.h"

#define FAKE_BACKENDS 3

struct manager {
	struct fake_dataplane *fake;
	struct desired *desired;
	struct backend_view views[FAKE_BACKENDS + 1]; /* [backend index] */
	struct flow_counts flows;
	const char *out_of_sync;
	uint32_t announce_table; /* 0: VIPs are not announced */
	struct links links;
	struct lb_latency checks; /* of web */
};

struct manager *fake_manager_new(void);
void fake_manager_free(struct manager *manager);

#endif
