/* SPDX-License-Identifier: Apache-2.0 */
#include "announce.h"

uint32_t announce_needed(const struct announce_min *min, const struct announce_health *health)
{
	uint32_t needed = min->value;

	if (min->percent)
		needed = (uint32_t)(((uint64_t)health->backends * min->value + 99) / 100);
	return min->value && !needed ? 1 : needed;
}

bool announce_enough(const struct announce_min *min, const struct announce_health *health,
		     bool announced)
{
	uint32_t healthy = health->healthy + (announced ? health->checking : 0);

	return healthy >= announce_needed(min, health);
}

static uint64_t hold(const struct announcement *announcement)
{
	return announcement->hold_ms ?: ANNOUNCE_HOLD_MIN_MS;
}

/* For the calm since. */
static void ease(struct announcement *announcement, uint64_t now)
{
	while (hold(announcement) > ANNOUNCE_HOLD_MIN_MS &&
	       now - announcement->calm_since >= ANNOUNCE_CALM_MS) {
		announcement->hold_ms /= 2;
		announcement->calm_since += ANNOUNCE_CALM_MS;
	}
}

static void withdraw(struct announcement *announcement, uint64_t now)
{
	announcement->announced = false;
	announcement->hold_ms = 2 * hold(announcement);
	if (announcement->hold_ms > ANNOUNCE_HOLD_MAX_MS)
		announcement->hold_ms = ANNOUNCE_HOLD_MAX_MS;
	announcement->calm_since = now;
}

void announcement_adopt(struct announcement *announcement, uint64_t now)
{
	*announcement = (struct announcement){.announced = true, .fit = true, .fit_since = now};
}

uint64_t announcement_waits(const struct announcement *announcement, uint64_t now)
{
	uint64_t until = announcement->fit_since + hold(announcement);

	if (!announcement->fit || announcement->announced || now >= until)
		return 0;
	return until - now;
}

bool announcement_look(struct announcement *announcement, bool fit, uint64_t now)
{
	ease(announcement, now);
	if (fit && !announcement->fit)
		announcement->fit_since = now;
	announcement->fit = fit;
	if (!fit && announcement->announced)
		withdraw(announcement, now);
	if (fit && !announcement_waits(announcement, now))
		announcement->announced = true;
	return announcement->announced;
}
