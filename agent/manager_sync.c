/* SPDX-License-Identifier: Apache-2.0 */

/*
 * When what is known of backends goes to the data plane. Thousands of them may come up in one
 * second, and each changes its service's table: so a service is only marked, and all that are
 * marked are synced at the loop's next turn, or, when changes do not end, at intervals that leave
 * most of the time to other work. Thousands of tables take seconds: these are synced a part a turn,
 * so that checks and requests are heard in between.
 */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "manager_internal.h"

/* After a sync that took longer than BRIEF_NS, rest for so many times as long, but no longer than
 * LATEST_MS: a dead backend is out 50 ms after its last check at the latest. */
#define REST_FACTOR 9
#define BRIEF_NS    1000000ULL
#define LATEST_MS   30
#define PART_NS     20000000ULL

void note_sync(struct manager *manager, int ret, const struct error *err)
{
	bool was = manager->sync_error.message[0];

	if (ret == 0) {
		manager->sync_error.message[0] = '\0';
		if (was)
			events_tell(manager->events, &(struct event){.kind = EVENT_IN_SYNC});
		return;
	}
	if (was && strcmp(manager->sync_error.message, err->message) == 0)
		return;
	manager->sync_error = *err;
	events_tell(manager->events, &(struct event){.kind = EVENT_OUT_OF_SYNC,
						     .reason = err->message,
						     .hint = err->hint});
}

static void sync_one(struct manager *manager, const struct service_spec *service)
{
	struct error err;
	int ret;

	manager->stale[service->id] = false;
	service_settle(manager, service);
	ret = sync_service(manager->sync, service, manager->facts, &err);
	note_sync(manager, ret, &err);
	announce_changed(manager);
}

/* Services take turns, lest those that change all the time keep others waiting. True: more are
 * marked than there was time for. */
static bool sync_stale(struct manager *manager)
{
	const struct desired *desired = manager->desired;
	uint64_t end = uv_hrtime() + PART_NS;
	size_t left = desired->service_count;
	const struct service_spec *service;

	for (; left && uv_hrtime() < end; left--) {
		manager->stale_next = (manager->stale_next + 1) % desired->service_count;
		service = &desired->services[manager->stale_next];
		if (manager->stale[service->id])
			sync_one(manager, service);
	}
	announce_follow(manager);
	return left;
}

static void on_due(uv_timer_t *timer)
{
	struct manager *manager = timer->data;
	/* Of this thread: that others had the processor meanwhile is no reason to rest. */
	uint64_t began = clock_ns(CLOCK_THREAD_CPUTIME_ID), took, rest;

	if (sync_stale(manager)) {
		uv_timer_start(timer, on_due, 1, 0); /* 0 would be this same turn */
		return;
	}
	took = clock_ns(CLOCK_THREAD_CPUTIME_ID) - began;
	rest = took > BRIEF_NS ? took * REST_FACTOR : 0;
	if (rest > LATEST_MS * 1000000ULL)
		rest = LATEST_MS * 1000000ULL;
	manager->rest_until_ns = uv_hrtime() + rest;
}

void service_changed(struct manager *manager, uint16_t service_id)
{
	uint64_t now = uv_hrtime(), wait_ms = 0;

	manager->stale[service_id] = true;
	if (uv_is_active((uv_handle_t *)&manager->due))
		return;
	if (manager->rest_until_ns > now)
		wait_ms = (manager->rest_until_ns - now) / 1000000;
	uv_timer_start(&manager->due, on_due, wait_ms, 0);
}

void sync_due_init(struct manager *manager)
{
	uv_timer_init(manager->loop, &manager->due);
	manager->due.data = manager;
}
