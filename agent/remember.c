/* SPDX-License-Identifier: Apache-2.0 */
#include "remember.h"

#include <errno.h>
#include <stdlib.h>

#include "match.h"
#include "owners.h"

static bool remembers_nothing(const struct service_spec *service)
{
	return service->former[0].count == 0;
}

static bool remembers_same(const struct service_spec *a, const struct service_spec *b)
{
	for (size_t i = 0; i < OWNERS_FORMER; i++) {
		if (!owners_equal(&a->former[i], &b->former[i]))
			return false;
	}
	return true;
}

static bool remembers(const struct service_spec *service, const struct owners *owners)
{
	for (size_t i = 0; i < OWNERS_FORMER; i++) {
		if (owners_equal(&service->former[i], owners))
			return true;
	}
	return false;
}

static void forget(struct service_spec *service)
{
	for (size_t i = 0; i < OWNERS_FORMER; i++)
		owners_clear(&service->former[i]);
}

/* All that former remembers, behind first, if that is not NULL. */
static int take_over(const struct service_spec *former, struct service_spec *next,
		     const struct owners *first)
{
	size_t count = 0;

	forget(next);
	if (first && owners_copy(first, &next->former[count++]) < 0)
		return -ENOMEM;
	for (size_t i = 0; count < OWNERS_FORMER; i++, count++) {
		if (owners_copy(&former->former[i], &next->former[count]) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* Owners of nothing have no flows. */
static int follow(const struct service_spec *former, struct service_spec *next,
		  const struct owners *had, const struct owners *has)
{
	if (had->count == 0 || owners_equal(had, has))
		return remembers_nothing(next) ? take_over(former, next, NULL) : 0;
	if (!remembers_same(former, next) && remembers(next, had))
		return 0;
	return take_over(former, next, had);
}

static int remember(const struct service_spec *former, struct service_spec *next)
{
	struct owners had = {0}, has = {0};
	int r = 0;

	if (next->second_chance == CHANCE_OFF)
		forget(next);
	else if (former && former->second_chance == CHANCE_ON)
		r = owners_of(former, &had) ?: owners_of(next, &has) ?: follow(former, next, &had, &has);
	owners_clear(&had);
	owners_clear(&has);
	return r;
}

int remember_owners(const struct desired *former, struct desired *next)
{
	struct service_match *matches;
	size_t count;
	int r = match_services(former, next, &matches, &count);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < count; i++) {
		if (matches[i].next)
			r = remember(matches[i].former, matches[i].next);
	}
	free(matches);
	return r;
}
