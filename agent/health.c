/* SPDX-License-Identifier: Apache-2.0 */
#include "health.h"

bool health_feed(struct health *health, bool success, uint32_t rise, uint32_t fall)
{
	const enum health_state result = success ? HEALTH_UP : HEALTH_DOWN;
	const uint32_t needed = success ? rise : fall;

	if (health->state == result) {
		health->streak = 0;
		return false;
	}
	/* needed may have shrunk since the last result, so the streak may be past it. */
	if (health->state != HEALTH_CHECKING && ++health->streak < needed)
		return false;
	health->state = result;
	health->streak = 0;
	return true;
}
