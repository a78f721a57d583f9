/* SPDX-License-Identifier: Apache-2.0 */
#include "port_watch.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"

#define LOOK_MS 250

struct port_watch {
	struct manager *manager;
	struct ports *ports;
	uv_timer_t timer;
	char said[sizeof(((struct error *)NULL)->message)]; /* what is wrong; empty: nothing */
};

static void on_change(void *context, const char *interface, enum port_change change,
		      const char *reason)
{
	(void)context;
	switch (change) {
	case PORT_ATTACHED:
		log_info("interface attached", "interface", interface);
		break;
	case PORT_DETACHED:
		log_info("interface let go", "interface", interface);
		break;
	case PORT_LOST:
		log_warn("interface lost", "interface", interface, "reason", reason, "consequence",
			 "its packets are not balanced until it is attached again");
		break;
	}
}

/* What cannot be done is said once; it is tried again and again. */
static void look(void *context)
{
	struct port_watch *watch = context;
	struct error err;

	if (ports_follow(watch->ports, manager_links(watch->manager), &err) == 0) {
		watch->said[0] = '\0';
		return;
	}
	if (strcmp(watch->said, err.message) == 0)
		return;
	memcpy(watch->said, err.message, sizeof(watch->said));
	log_warn("interfaces are not all as they should be", "error", err.message, "hint",
		 err.hint);
}

static void on_timer(uv_timer_t *timer)
{
	look(timer->data);
}

struct port_watch *port_watch_new(uv_loop_t *loop, struct manager *manager, struct ports *ports)
{
	struct port_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
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
