/* SPDX-License-Identifier: Apache-2.0 */
/* Answers held back: a list in the order of their time, and a thread that waits for its first. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "clock.h"
#include "webapp_server.h"

struct webapp_delay {
	pthread_mutex_t lock; /* protects all below */
	pthread_cond_t changed;
	struct webapp_requests waiting;
	bool ending;
	pthread_t thread;
};

/* Waits for a change, or until due_ms. */
static void wait_until(struct webapp_delay *delay, uint64_t due_ms)
{
	const struct timespec due = {
		.tv_sec = (time_t)(due_ms / 1000),
		.tv_nsec = (long)(due_ms % 1000) * 1000000,
	};

	pthread_cond_clockwait(&delay->changed, &delay->lock, CLOCK_MONOTONIC, &due);
}

static void *run(void *context)
{
	struct webapp_delay *delay = context;
	struct webapp_request *first;

	pthread_mutex_lock(&delay->lock);
	while (!delay->ending || !TAILQ_EMPTY(&delay->waiting)) {
		first = TAILQ_FIRST(&delay->waiting);
		if (!first) {
			pthread_cond_wait(&delay->changed, &delay->lock);
		} else if (!delay->ending && first->due_ms > clock_ms(CLOCK_MONOTONIC)) {
			wait_until(delay, first->due_ms);
		} else {
			TAILQ_REMOVE(&delay->waiting, first, link);
			webapp_request_resume(first);
		}
	}
	pthread_mutex_unlock(&delay->lock);
	return NULL;
}

struct webapp_delay *webapp_delay_new(void)
{
	struct webapp_delay *delay = calloc(1, sizeof(*delay));

	if (!delay)
		return NULL;
	TAILQ_INIT(&delay->waiting);
	pthread_mutex_init(&delay->lock, NULL);
	pthread_cond_init(&delay->changed, NULL);
	if (pthread_create(&delay->thread, NULL, run, delay) == 0)
		return delay;
	pthread_cond_destroy(&delay->changed);
	pthread_mutex_destroy(&delay->lock);
	free(delay);
	return NULL;
}

/* From the end: as a rule all wait equally long. */
static void insert(struct webapp_requests *waiting, struct webapp_request *request)
{
	struct webapp_request *before = TAILQ_LAST(waiting, webapp_requests);

	while (before && before->due_ms > request->due_ms)
		before = TAILQ_PREV(before, webapp_requests, link);
	if (before)
		TAILQ_INSERT_AFTER(waiting, before, request, link);
	else
		TAILQ_INSERT_HEAD(waiting, request, link);
}

void webapp_delay_add(struct webapp_delay *delay, struct webapp_request *request, uint64_t delay_ms)
{
	/* Rather a little later than earlier: this millisecond has begun already. */
	request->due_ms = clock_ms(CLOCK_MONOTONIC) + delay_ms + 1;
	pthread_mutex_lock(&delay->lock);
	insert(&delay->waiting, request);
	if (TAILQ_FIRST(&delay->waiting) == request)
		pthread_cond_signal(&delay->changed);
	pthread_mutex_unlock(&delay->lock);
}

void webapp_delay_free(struct webapp_delay *delay)
{
	if (!delay)
		return;
	pthread_mutex_lock(&delay->lock);
	delay->ending = true;
	pthread_cond_signal(&delay->changed);
	pthread_mutex_unlock(&delay->lock);
	pthread_join(delay->thread, NULL);
	pthread_cond_destroy(&delay->changed);
	pthread_mutex_destroy(&delay->lock);
	free(delay);
}
