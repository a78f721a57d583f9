/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FLOW_SAMPLE_H
#define SLUICE_FLOW_SAMPLE_H

/*
 * How large the sample of flows is that have entries whatever their slot (see struct lb_switches in
 * bpf/abi.h): all of them, so that every count is exact, until their entries would be too many for
 * the processor's caches; then half, a quarter, and so on.
 *
 * A sample that becomes larger is not complete before its flows have sent something. So for as long
 * as they may be silent, flows go on being counted by the former one.
 */
#include <stdint.h>

#include "abi.h"

/* Entries that the sample is halved above, and doubled below: 512 KiB at most, at 8 bytes a flow.
 * n of them are counted to within 3 / sqrt(n) (three standard deviations): 1.7 % of 32 Ki. */
#define FLOW_SAMPLE_MAX (64U << 10)
#define FLOW_SAMPLE_MIN (FLOW_SAMPLE_MAX / 8)

struct flow_sample {
	uint32_t mask;    /* as struct lb_switches: of the sample, */
	uint32_t counted; /* and of the one that flows are counted by */
	uint32_t grew;    /* coarse tick in which the sample became larger */
};

/* A round through the flow table found so many entries of the sample; silence: how long flows may
 * send nothing. Both times in coarse ticks. Pure. */
struct flow_sample flow_sample_next(struct flow_sample sample, uint32_t entries, uint32_t now,
				    uint32_t silence);

#endif
