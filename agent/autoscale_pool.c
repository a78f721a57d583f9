/* SPDX-License-Identifier: Apache-2.0 */

/* The pool as the autoscaler sees it: who is a member, who is dead, who goes first. */
#include <stdlib.h>
#include <string.h>

#include "autoscale_internal.h"

#define PRIORITY_SORRY 255 /* the last resort, which bears no load in good times */

/* --- members --- */

static bool takes_flows(const struct backend_spec *backend)
{
	return backend_takes_part(backend) && backend->priority < PRIORITY_SORRY;
}

uint8_t scale_lowest_priority(const struct service_spec *service)
{
	uint8_t lowest = PRIORITY_SORRY;

	for (size_t i = 0; i < service->backend_count; i++) {
		if (takes_flows(&service->backends[i]) && service->backends[i].priority < lowest)
			lowest = service->backends[i].priority;
	}
	return lowest < PRIORITY_SORRY ? lowest : 0;
}

static bool is_member(const struct scale_run *run, const struct backend_spec *backend)
{
	return takes_flows(backend) && backend->priority == run->priority;
}

struct scale_entry *scale_entry_of(const struct autoscaler *autoscaler,
				   const struct backend_spec *backend)
{
	return backend->launched[0] ? scale_roster_find(&autoscaler->roster, backend->launched)
				    : NULL;
}

static const struct backend_spec *stood_for(const struct scale_run *run,
					    const struct service_spec *service,
					    const struct scale_entry *entry)
{
	const struct backend_spec *backend = service_backend(service, &entry->stands_for);

	return backend && is_member(run, backend) ? backend : NULL;
}

/* Emergency, and the backend that it stands for is a member still. */
static bool is_spare(const struct scale_run *run, const struct service_spec *service,
		     const struct scale_entry *entry)
{
	return entry && entry->emergency && stood_for(run, service, entry);
}

static enum backend_status status_of(const struct scale_run *run,
				     const struct backend_spec *backend)
{
	return manager_backend(run->owner->manager, backend).status;
}

/* --- deaths --- */

static bool is_down(enum backend_status status)
{
	return status == BACKEND_DOWN || status == BACKEND_NO_NEIGHBOUR;
}

static const struct scale_death *find_death(const struct scale_run *run,
					    const struct endpoint *endpoint)
{
	for (size_t i = 0; i < run->death_count; i++) {
		if (endpoint_equal(&run->deaths[i].endpoint, endpoint))
			return &run->deaths[i];
	}
	return NULL;
}

/* Who is down now, and since when; who is not any more is forgotten. */
static void note_deaths(struct scale_run *run, const struct service_spec *service)
{
	struct scale_death *deaths = calloc(service->backend_count + 1, sizeof(*deaths));
	uint64_t now_ms = uv_now(run->owner->loop);
	const struct scale_death *former;
	size_t count = 0;

	for (size_t i = 0; deaths && i < service->backend_count; i++) {
		const struct backend_spec *backend = &service->backends[i];

		if (!is_down(status_of(run, backend)))
			continue;
		former = find_death(run, &backend->endpoint);
		deaths[count].endpoint = backend->endpoint;
		deaths[count++].since_ms = former ? former->since_ms : now_ms;
	}
	if (!deaths)
		return; /* what was known stays for now */
	free(run->deaths);
	run->deaths = deaths;
	run->death_count = count;
}

bool scale_backend_dead(const struct scale_run *run, const struct backend_spec *backend)
{
	const struct scale_death *death = find_death(run, &backend->endpoint);

	return death && uv_now(run->owner->loop) - death->since_ms >= run->policy.replace_after_ms;
}

/* Is there an emergency backend for it, or will there be? */
static bool has_spare(const struct scale_run *run, const struct service_spec *service,
		      const struct backend_spec *backend)
{
	const struct scale_roster *roster = &run->owner->roster;

	for (size_t i = 0; i < roster->count; i++) {
		const struct scale_entry *entry = roster->entries[i];
		bool wanted = entry->phase == SCALE_LAUNCHING || entry->phase == SCALE_RUNNING;

		if (wanted && is_spare(run, service, entry) &&
		    endpoint_equal(&entry->stands_for, &backend->endpoint))
			return true;
	}
	return false;
}

const struct backend_spec *scale_choose_failed(const struct scale_run *run,
					       const struct service_spec *service)
{
	for (size_t i = 0; i < service->backend_count; i++) {
		const struct backend_spec *backend = &service->backends[i];

		if (is_member(run, backend) && scale_backend_dead(run, backend) &&
		    !is_spare(run, service, scale_entry_of(run->owner, backend)) &&
		    !has_spare(run, service, backend))
			return backend;
	}
	return NULL;
}

/* --- counting --- */

/* Its launch is under way still: it was never up. */
static bool is_launching(const struct scale_entry *entry)
{
	return entry && (entry->phase == SCALE_LAUNCHING || entry->proof_ms);
}

static void count_spare(struct scale_run *run, const struct service_spec *service,
			const struct backend_spec *backend, const struct scale_entry *entry,
			bool up)
{
	if (is_launching(entry))
		return;
	if (up)
		run->pool.spares_done +=
			status_of(run, stood_for(run, service, entry)) == BACKEND_UP;
	else
		run->pool.spares_dead += scale_backend_dead(run, backend);
}

static void count_backend(struct scale_run *run, const struct service_spec *service,
			  const struct backend_spec *backend)
{
	const struct scale_entry *entry = scale_entry_of(run->owner, backend);
	struct autoscale_pool *pool = &run->pool;
	bool up = status_of(run, backend) == BACKEND_UP;

	if (!is_member(run, backend))
		return;
	pool->up += up;
	pool->launching += is_launching(entry);
	if (is_spare(run, service, entry)) {
		count_spare(run, service, backend, entry, up);
		return;
	}
	pool->members++;
	pool->failed += scale_backend_dead(run, backend) && !is_launching(entry) &&
			!has_spare(run, service, backend);
	if (!entry || is_launching(entry))
		return;
	pool->removable += up;
	pool->removable_down += !up;
}

void scale_pool_count(struct scale_run *run, const struct service_spec *service)
{
	const struct scale_roster *roster = &run->owner->roster;

	run->pool = (struct autoscale_pool){0};
	run->priority = scale_lowest_priority(service);
	note_deaths(run, service);
	for (size_t i = 0; i < service->backend_count; i++)
		count_backend(run, service, &service->backends[i]);
	for (size_t i = 0; i < roster->count; i++) {
		const struct scale_entry *entry = roster->entries[i];

		if (entry->phase != SCALE_LAUNCHING || strcmp(entry->service, service->name) != 0)
			continue;
		run->pool.launching++;
		run->pool.members += !is_spare(run, service, entry);
	}
}

/* --- who goes --- */

/* The first to go has the highest figure; 0: it stays. Of those alike the youngest goes. */
static unsigned int departure(const struct scale_run *run, const struct service_spec *service,
			      const struct backend_spec *backend, enum autoscale_action action)
{
	const struct scale_entry *entry = scale_entry_of(run->owner, backend);
	bool spare = is_spare(run, service, entry);
	bool up = status_of(run, backend) == BACKEND_UP;

	if (!entry || is_launching(entry) || !is_member(run, backend) ||
	    spare != (action == AUTOSCALE_RETIRE))
		return 0;
	if (!spare)
		return up ? 1 : 2;
	if (!up)
		return scale_backend_dead(run, backend) ? 2 : 0;
	return status_of(run, stood_for(run, service, entry)) == BACKEND_UP;
}

struct backend_spec *scale_choose(const struct scale_run *run, struct service_spec *service,
				  enum autoscale_action action)
{
	struct backend_spec *chosen = NULL;
	unsigned int most = 0;

	for (size_t i = service->backend_count; i-- > 0;) {
		unsigned int rank = departure(run, service, &service->backends[i], action);

		if (rank <= most)
			continue;
		most = rank;
		chosen = &service->backends[i];
	}
	return chosen;
}
