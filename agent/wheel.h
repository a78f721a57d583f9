/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_WHEEL_H
#define SLUICE_WHEEL_H

/*
 * Thousands of timers at the cost of one of libuv's, whose heap they would have to be sorted into:
 * a hashed timing wheel (Varghese and Lauck, 1987, scheme 6). It turns by WHEEL_TICK_MS, so that
 * the loop wakes up for several of them and not for each. Times are the loop's, in milliseconds.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

/* A timer ends so much later than asked, at most; one whose time has come already, at once. */
#define WHEEL_TICK_MS 8

struct wheel;

/* A part of its owner, who reads nothing of it. All zero: does not run. */
struct wheel_timer {
	LIST_ENTRY(wheel_timer) link;
	void (*callback)(void *context);
	void *context;
	uint64_t due_tick;
	bool runs;
};

/* NULL: out of memory. */
struct wheel *wheel_new(uv_loop_t *loop);
/* No timer may run. The loop must run once more afterwards to close a handle. NULL-safe. */
void wheel_free(struct wheel *wheel);

/* Runs timer, or runs it anew, until the time `at`. Then it has stopped, and callback is called,
 * from the loop, which may do anything but free the wheel. timer must stay where it is meanwhile.
 */
void wheel_start(struct wheel *wheel, struct wheel_timer *timer, uint64_t at,
		 void (*callback)(void *context), void *context);
void wheel_stop(struct wheel_timer *timer);

#endif
