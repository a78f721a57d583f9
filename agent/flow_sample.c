/* SPDX-License-Identifier: Apache-2.0 */
#include "flow_sample.h"

struct flow_sample flow_sample_next(struct flow_sample sample, uint32_t entries, uint32_t now,
				    uint32_t silence)
{
	if (sample.counted > sample.mask && now - sample.grew > silence)
		sample.counted = sample.mask;
	for (; entries > FLOW_SAMPLE_MAX && sample.mask < LB_SAMPLE_MASK_MAX; entries /= 2)
		sample.mask = sample.mask * 2 + 1;
	if (entries < FLOW_SAMPLE_MIN && sample.mask && sample.counted == sample.mask) {
		sample.mask /= 2;
		sample.grew = now;
	}
	if (sample.counted < sample.mask)
		sample.counted = sample.mask;
	return sample;
}
