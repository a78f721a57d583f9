/* SPDX-License-Identifier: Apache-2.0 */
#include "pool.h"

#define EJECTION_MS       10000
#define EJECTION_MAX_MS   300000
#define EJECTION_PEACE_MS 60000

/* Is it there to take new flows, if all were well with it? */
static bool belongs(const struct pool_member *member)
{
	switch (member->status) {
	case BACKEND_UP:
	case BACKEND_DOWN:
	case BACKEND_EJECTED:
	case BACKEND_NO_NEIGHBOUR:
		return member->weight > 0;
	case BACKEND_CHECKING:
	case BACKEND_DRAIN:
	case BACKEND_REMOVING:
	case BACKEND_MAINT:
		break;
	}
	return false;
}

static bool is_up(const struct pool_member *member)
{
	return belongs(member) && member->status == BACKEND_UP;
}

/* The lowest priority of those that `fits` takes; false if it takes nobody. */
static bool lowest(const struct pool_member *members, size_t count,
		   bool (*fits)(const struct pool_member *member), uint8_t *ret_priority)
{
	bool found = false;
	size_t i;

	for (i = 0; i < count; i++) {
		if (!fits(&members[i]) || (found && members[i].priority >= *ret_priority))
			continue;
		*ret_priority = members[i].priority;
		found = true;
	}
	return found;
}

struct pool_census pool_count(const struct pool_member *members, size_t count)
{
	struct pool_census census = {0};
	size_t i;

	if (!lowest(members, count, is_up, &census.priority))
		lowest(members, count, belongs, &census.priority);
	for (i = 0; i < count; i++) {
		census.checking |= members[i].status == BACKEND_CHECKING;
		if (!belongs(&members[i]) || members[i].priority != census.priority)
			continue;
		census.members++;
		census.weight += members[i].weight;
		census.ejected += members[i].status == BACKEND_EJECTED;
		if (!is_up(&members[i]))
			continue;
		census.up++;
		census.up_weight += members[i].weight;
	}
	return census;
}

bool pool_panics(const struct pool_census *census, uint8_t threshold, bool panics)
{
	if (census->checking && !panics)
		return false;
	return census->up_weight * 100 < census->weight * threshold;
}

uint32_t pool_up_percent(const struct pool_census *census)
{
	return census->weight ? (uint32_t)(census->up_weight * 100 / census->weight) : 100;
}

uint32_t pool_eject_room(const struct pool_census *census, uint8_t percent)
{
	uint32_t most = (uint32_t)((uint64_t)census->members * percent / 100), room;

	if (most == 0)
		most = 1;
	if (census->up < 2 || census->ejected >= most)
		return 0;
	room = most - census->ejected;
	return room < census->up ? room : census->up - 1;
}

uint64_t pool_ejection_ms(uint32_t times)
{
	uint64_t ms = (uint64_t)times * EJECTION_MS;

	return ms < EJECTION_MAX_MS ? ms : EJECTION_MAX_MS;
}

uint32_t pool_ejection_next(uint32_t times, uint64_t ago_ms)
{
	uint64_t forgiven = ago_ms / EJECTION_PEACE_MS;

	return forgiven < times ? times - (uint32_t)forgiven + 1 : 1;
}
