/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_BENCH_TARGET_H
#define SLUICE_BENCH_TARGET_H

/* The program under test: lb_ingress with maps of a size and filling that resemble use. */
#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "verdicts.h"

#define TARGET_FLOWS     (4U << 20) /* entries of the flow table, where nobody says otherwise */
#define TARGET_NAT_FLOWS (2U << 20)
#define TARGET_SLOTS     65537U
#define TARGET_BACKENDS  128U /* of each service */

/* Where the services are, each by TCP and UDP, port 80. */
#define TARGET_L2_VIP4      "198.18.0.10"
#define TARGET_L2_VIP6      "2001:db8::10"
#define TARGET_NAT_VIP4     "198.18.0.11"
#define TARGET_NAT_VIP6     "2001:db8::11"
#define TARGET_IPIP_VIP4    "198.18.0.12"
#define TARGET_IPIP_VIP6    "2001:db8::12"
#define TARGET_CHANGED_VIP4 "198.18.0.13" /* ipip with tracking changed */
#define TARGET_CHANGED_VIP6 "2001:db8::13"
#define TARGET_LIMITED_VIP4 "198.18.0.14" /* ipip, one new flow a second */
#define TARGET_SAMPLE       16U           /* as lbagent chooses for a million flows */

/* What the kernel made of the program. */
struct target_size {
	uint32_t instructions;
	uint32_t verified;
	uint32_t jited_bytes;
};

/* With a flow table of so many entries, a power of two. The way to all backends is out of this
 * device. */
int target_open(const char *device, uint32_t flow_entries, struct error *err);
void target_close(void);

int target_program(void);
int target_size(struct target_size *ret_size, struct error *err);

/* Forgets all flows, and folds the flow table as lbagent does for so many. */
int target_empty(uint32_t entries, struct error *err);

/* Fills what is empty of the flow table with entries of other flows, in all else like the one that
 * is found first. -ENOENT: there is none. */
int target_crowd(struct error *err);

/* The many services (fill.h) track flows as those of mode ipip do, or ipip-changed. */
int target_many(bool changed, struct error *err);

/* Packets of a verdict so far, of those that are counted: drops, replies, LB_FORWARD. */
uint64_t target_packets(enum lb_verdict verdict);

#endif
