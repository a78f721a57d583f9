/* SPDX-License-Identifier: Apache-2.0 */
/* Threads for handlers that wait for others, and the queue before them. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "webapp_server.h"

struct worker {
	struct webapp_workers *workers;
	size_t index;
	pthread_t thread;
};

struct webapp_workers {
	pthread_mutex_t lock; /* protects the four below */
	pthread_cond_t changed;
	struct webapp_requests queue;
	size_t queued;
	bool ending;
	size_t queue_max;
	size_t count; /* of threads that run */
	struct worker worker[];
};

/* The next request; NULL: the end. *ret_ending: it is not to be worked on any more. Without a lock
 * afterwards. */
static struct webapp_request *take(struct webapp_workers *workers, bool *ret_ending)
{
	struct webapp_request *request;

	pthread_mutex_lock(&workers->lock);
	while (TAILQ_EMPTY(&workers->queue) && !workers->ending)
		pthread_cond_wait(&workers->changed, &workers->lock);
	request = TAILQ_FIRST(&workers->queue);
	if (request) {
		TAILQ_REMOVE(&workers->queue, request, link);
		workers->queued--;
	}
	*ret_ending = workers->ending;
	pthread_mutex_unlock(&workers->lock);
	return request;
}

static void *run(void *context)
{
	struct worker *worker = context;
	struct webapp_request *request;
	struct error err;
	bool ending;

	while ((request = take(worker->workers, &ending))) {
		if (ending) {
			error_set(&err, ECANCELED, "the server is stopping");
			webapp_answer_error(&request->call, MHD_HTTP_SERVICE_UNAVAILABLE, &err);
		} else {
			webapp_request_run(request, worker->index);
		}
		webapp_request_resume(request);
	}
	return NULL;
}

struct webapp_workers *webapp_workers_new(size_t threads, size_t queue_max)
{
	struct webapp_workers *workers;

	workers = calloc(1, sizeof(*workers) + threads * sizeof(workers->worker[0]));
	if (!workers)
		return NULL;
	workers->queue_max = queue_max;
	TAILQ_INIT(&workers->queue);
	pthread_mutex_init(&workers->lock, NULL);
	pthread_cond_init(&workers->changed, NULL);
	for (; workers->count < threads; workers->count++) {
		struct worker *worker = &workers->worker[workers->count];

		*worker = (struct worker){.workers = workers, .index = workers->count};
		if (pthread_create(&worker->thread, NULL, run, worker) != 0) {
			webapp_workers_free(workers);
			return NULL;
		}
	}
	return workers;
}

bool webapp_workers_push(struct webapp_workers *workers, struct webapp_request *request)
{
	bool room;

	pthread_mutex_lock(&workers->lock);
	room = workers->queued < workers->queue_max && !workers->ending;
	if (room) {
		TAILQ_INSERT_TAIL(&workers->queue, request, link);
		workers->queued++;
		pthread_cond_signal(&workers->changed);
	}
	pthread_mutex_unlock(&workers->lock);
	return room;
}

void webapp_workers_free(struct webapp_workers *workers)
{
	if (!workers)
		return;
	pthread_mutex_lock(&workers->lock);
	workers->ending = true;
	pthread_cond_broadcast(&workers->changed);
	pthread_mutex_unlock(&workers->lock);
	for (size_t i = 0; i < workers->count; i++)
		pthread_join(workers->worker[i].thread, NULL);
	pthread_cond_destroy(&workers->changed);
	pthread_mutex_destroy(&workers->lock);
	free(workers);
}
