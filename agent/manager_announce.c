/* SPDX-License-Identifier: Apache-2.0 */

/* What the announcer is told: how healthy services are, and what keeps all of them from being
 * served. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manager_internal.h"

/* What is mended sooner is not worth that routers forget and learn. */
#define TROUBLE_MS 1000

/* --- health --- */

static void count(const struct manager *manager, const struct backend_spec *spec,
		  struct announce_health *health)
{
	enum backend_status status = manager->runs[spec->id].status;

	if (status == BACKEND_MAINT)
		return;
	health->backends++;
	switch (status) {
	case BACKEND_UP:
		health->healthy++;
		break;
	case BACKEND_DRAIN:
	case BACKEND_REMOVING:
		health->healthy += manager->facts[spec->id].alive;
		break;
	case BACKEND_CHECKING:
		health->checking++;
		break;
	case BACKEND_DOWN:
	case BACKEND_NO_NEIGHBOUR:
	case BACKEND_EJECTED:
	case BACKEND_MAINT:
		break;
	}
}

static void take_health(struct manager *manager)
{
	const struct service_spec *service;
	struct announce_health *health;
	size_t i, b;

	for (i = 0; i < manager->desired->service_count; i++) {
		service = &manager->desired->services[i];
		health = &manager->announce.health[service->id];
		*health = (struct announce_health){0};
		for (b = 0; b < service->backend_count; b++)
			count(manager, &service->backends[b], health);
	}
}

/* --- trouble --- */

static const char *problem(const struct manager *manager)
{
	const char *obstacle = manager->announce.obstacle;

	return manager_out_of_sync(manager) ?: obstacle[0] ? obstacle : NULL;
}

/* Has it lasted? */
static bool is_troubled(struct manager *manager, uint64_t now)
{
	if (!problem(manager)) {
		manager->announce.trouble_since = 0;
		return false;
	}
	if (!manager->announce.trouble_since)
		manager->announce.trouble_since = now ?: 1;
	return now - manager->announce.trouble_since >= TROUBLE_MS;
}

void manager_obstacle(struct manager *manager, const char *reason)
{
	snprintf(manager->announce.obstacle, sizeof(manager->announce.obstacle), "%s",
		 reason ?: "");
}

/* --- looking --- */

static const char *withdrawn(const struct manager *manager)
{
	if (manager->announce.stopping)
		return "lbagent stops";
	return manager->desired->withdrawn ? "withdrawn on demand: lbctl announce ends it" : NULL;
}

static void look(struct manager *manager, uint64_t now)
{
	char trouble[ANNOUNCE_REASON_MAX];
	const struct announcer_input input = {
		.desired = manager->desired,
		.health = manager->announce.health,
		.trouble = manager->announce.troubled ? trouble : NULL,
		.withdrawn = withdrawn(manager),
	};

	manager->announce.stale = false;
	snprintf(trouble, sizeof(trouble), "the balancer is out of order: %.220s",
		 problem(manager) ?: "");
	take_health(manager);
	announcer_look(manager->announce.announcer, &input, now);
}

void announce_follow(struct manager *manager)
{
	uint64_t now = uv_now(manager->loop);
	bool troubled;

	if (!manager->announce.announcer)
		return;
	troubled = is_troubled(manager, now);
	if (troubled == manager->announce.troubled && !manager->announce.stale &&
	    !announcer_due(manager->announce.announcer, now))
		return;
	manager->announce.troubled = troubled;
	look(manager, now);
}

void announce_changed(struct manager *manager)
{
	manager->announce.stale = true;
}

int manager_announce(struct manager *manager, uint32_t table, struct error *err)
{
	manager->announce.health =
		calloc((size_t)manager->dp->sizes.services + 1, sizeof(*manager->announce.health));
	if (!manager->announce.health)
		return error_set(err, ENOMEM, "out of memory");
	manager->announce.stale = true;
	return announcer_new(manager->state_dir, table, manager->events, uv_now(manager->loop),
			     &manager->announce.announcer, err);
}

bool manager_withdraw_to_stop(struct manager *manager)
{
	size_t all;

	if (!manager->announce.announcer || announcer_count(manager->announce.announcer, &all) == 0)
		return false;
	manager->announce.stopping = true;
	look(manager, uv_now(manager->loop));
	return true;
}

/* --- views --- */

struct announce_view manager_announces(const struct manager *manager)
{
	const struct announcer *announcer = manager->announce.announcer;
	struct announce_view view = {.state = "off", .reason = ""};

	if (!announcer)
		return view;
	view.table = announcer_table(announcer);
	view.announced = announcer_count(announcer, &view.routes);
	view.state = "announcing";
	view.withdrawn = manager->announce.stopping || manager->desired->withdrawn;
	if (manager->announce.stopping) {
		view.state = "stopping";
	} else if (manager->desired->withdrawn) {
		view.state = "withdrawn";
	} else if (manager->announce.troubled) {
		view.state = "out-of-order";
		view.reason = problem(manager) ?: "";
	}
	return view;
}

bool manager_route(const struct manager *manager, const struct vip *vip,
		   struct announced_route *ret_route)
{
	const struct announcer *announcer = manager->announce.announcer;

	if (!announcer)
		return false;
	if (announcer_find(announcer, vip, ret_route))
		return true;
	*ret_route = (struct announced_route){
		.prefix = announce_prefix(vip),
		.reason = "not looked at yet",
	};
	return true;
}
