/* SPDX-License-Identifier: Apache-2.0 */
#include "wheel.h"

#include <stdlib.h>

/* Of timers that run longer than a turn, 8 s, some are looked at once a turn in vain. */
#define SLOTS 1024

LIST_HEAD(timer_list, wheel_timer);

struct wheel {
	uv_timer_t timer; /* runs until the first slot that is not empty */
	struct timer_list slots[SLOTS];
	struct timer_list ripe; /* their time had come when they were started */
	uint64_t next_tick;     /* those before have been seen to */
	uint64_t armed_ms; /* for when timer runs; UINT64_MAX: it does not; 0: see on_timer() */
};

struct wheel *wheel_new(uv_loop_t *loop)
{
	struct wheel *wheel = calloc(1, sizeof(*wheel));

	if (!wheel)
		return NULL;
	uv_timer_init(loop, &wheel->timer);
	wheel->timer.data = wheel;
	wheel->next_tick = uv_now(loop) / WHEEL_TICK_MS;
	wheel->armed_ms = UINT64_MAX;
	return wheel;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void wheel_free(struct wheel *wheel)
{
	if (wheel)
		uv_close((uv_handle_t *)&wheel->timer, on_closed);
}

static void on_timer(uv_timer_t *timer);

static void arm(struct wheel *wheel, uint64_t at_ms)
{
	uint64_t now = uv_now(wheel->timer.loop);

	wheel->armed_ms = at_ms;
	uv_timer_start(&wheel->timer, on_timer, at_ms > now ? at_ms - now : 0, 0);
}

/* libuv would call a timer that is started anew for now before the loop does anything else. */
static void arm_for_first(struct wheel *wheel)
{
	if (!LIST_EMPTY(&wheel->ripe)) {
		arm(wheel, uv_now(wheel->timer.loop) + 1);
		return;
	}
	for (uint64_t tick = wheel->next_tick; tick < wheel->next_tick + SLOTS; tick++) {
		if (LIST_EMPTY(&wheel->slots[tick % SLOTS]))
			continue;
		arm(wheel, tick * WHEEL_TICK_MS);
		return;
	}
	wheel->armed_ms = UINT64_MAX;
}

static void move(struct wheel_timer *timer, struct timer_list *to)
{
	LIST_REMOVE(timer, link);
	LIST_INSERT_HEAD(to, timer, link);
}

/* Takes out whose time has come, until the tick `until`. */
static void gather(struct wheel *wheel, uint64_t until, struct timer_list *ret_due)
{
	struct wheel_timer *timer, *next;
	uint64_t tick = wheel->next_tick;

	while ((timer = LIST_FIRST(&wheel->ripe)))
		move(timer, ret_due);
	for (; tick <= until && tick < wheel->next_tick + SLOTS; tick++) {
		for (timer = LIST_FIRST(&wheel->slots[tick % SLOTS]); timer; timer = next) {
			next = LIST_NEXT(timer, link);
			if (timer->due_tick <= until)
				move(timer, ret_due);
		}
	}
	if (until >= wheel->next_tick)
		wheel->next_tick = until + 1;
}

/* A callback may start and stop any timer, those among the due ones, too. Until all are called,
 * none that is started moves libuv's. */
static void on_timer(uv_timer_t *timer)
{
	struct wheel *wheel = timer->data;
	struct timer_list due = LIST_HEAD_INITIALIZER(due);
	struct wheel_timer *first;

	wheel->armed_ms = 0;
	gather(wheel, uv_now(timer->loop) / WHEEL_TICK_MS, &due);
	while ((first = LIST_FIRST(&due))) {
		wheel_stop(first);
		first->callback(first->context);
	}
	arm_for_first(wheel);
}

void wheel_start(struct wheel *wheel, struct wheel_timer *timer, uint64_t at,
		 void (*callback)(void *context), void *context)
{
	uint64_t tick = (at + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
	uint64_t now = uv_now(wheel->timer.loop);
	bool ripe = at <= now;
	uint64_t wake_ms = ripe ? now : tick * WHEEL_TICK_MS;

	wheel_stop(timer);
	*timer = (struct wheel_timer){
		.callback = callback,
		.context = context,
		.due_tick = tick,
		.runs = true,
	};
	LIST_INSERT_HEAD(ripe ? &wheel->ripe : &wheel->slots[tick % SLOTS], timer, link);
	if (wake_ms < wheel->armed_ms)
		arm(wheel, wake_ms);
}

void wheel_stop(struct wheel_timer *timer)
{
	if (!timer->runs)
		return;
	LIST_REMOVE(timer, link);
	timer->runs = false;
}
