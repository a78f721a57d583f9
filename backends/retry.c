/* SPDX-License-Identifier: Apache-2.0 */
#include "retry.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

uint64_t retry_pause_ms(const struct retry_policy *policy, unsigned int retry, uint32_t random)
{
	uint64_t longest = policy->base_ms;
	uint64_t half;

	for (unsigned int i = 1; i < retry && longest < policy->max_ms; i++)
		longest *= 2;
	if (longest > policy->max_ms)
		longest = policy->max_ms;
	half = longest / 2;
	return half + random % (longest - half + 1);
}

void retry_pause(const struct retry_policy *policy, unsigned int retry)
{
	const uint64_t ms = retry_pause_ms(policy, retry, arc4random());
	struct timespec left = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000) * 1000000,
	};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}
