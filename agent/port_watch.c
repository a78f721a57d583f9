/* SPDX-License-Identifier: Apache-2.0 */
#include "port_watch.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_MS 250

struct port_watch {
	struct events *events;
	struct manager *manager;
	struct ports *ports;
	uv_timer_t timer;
	char said[sizeof(((struct error *)NULL)->message)]; /* what is wrong; empty: nothing */
};

static void on_change(void *context, const char *interface, enum port_change change,
		      const char *reason)
{
	static const enum event_kind kinds[] = {
		[PORT_ATTACHED] = EVENT_INTERFACE_ATTACHED,
		[PORT_DETACHED] = EVENT_INTERFACE_DETACHED,
		[PORT_LOST] = EVENT_INTERFACE_LOST,
	};
	struct port_watch *watch = context;

	events_tell(watch->events, &(struct event){.kind = kinds[change],
						   .interface = interface,
						   .reason = change == PORT_LOST ? reason : NULL});
}

/* What cannot be done is said once; it is tried again and again. */
static void look(void *context)
{
	struct port_watch *watch = context;
	const struct port_problem *problems;
	struct error err;
	size_t count;
	int ret = ports_follow(watch->ports, manager_links(watch->manager), &err);

	problems = ports_problems(watch->ports, &count);
	manager_obstacle(watch->manager, count ? problems[0].reason : NULL);
	if (ret == 0) {
		watch->said[0] = '\0';
		return;
	}
	if (strcmp(watch->said, err.message) == 0)
		return;
	memcpy(watch->said, err.message, sizeof(watch->said));
	events_tell(watch->events, &(struct event){.kind = EVENT_INTERFACE_TROUBLE,
						   .reason = err.message,
						   .hint = err.hint});
}

static void on_timer(uv_timer_t *timer)
{
	look(timer->data);
}

struct port_watch *port_watch_new(uv_loop_t *loop, struct events *events, struct manager *manager,
				  struct ports *ports)
{
	struct port_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	watch->events = events;
	watch->manager = manager;
	watch->ports = ports;
	watch->timer.data = watch;
	ports_on_change(ports, on_change, watch);
	manager_on_links(manager, look, watch);
	uv_timer_init(loop, &watch->timer);
	uv_timer_start(&watch->timer, on_timer, LOOK_MS, LOOK_MS);
	return watch;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void port_watch_free(struct port_watch *watch)
{
	if (!watch)
		return;
	manager_on_links(watch->manager, NULL, NULL);
	uv_close((uv_handle_t *)&watch->timer, on_closed);
}
