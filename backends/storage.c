/* SPDX-License-Identifier: Apache-2.0 */
#include "storage.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard.h"

struct shard {
	char place[STORAGE_PLACE_MAX];
	atomic_bool lost;
	atomic_uint_fast64_t retry_at_ms; /* while lost */
	pthread_mutex_t lock;             /* protects the reason */
	char reason[200];
};

struct storage {
	const struct storage_ops *ops;
	storage_changed_fn *changed;
	void *context;
	size_t shard_count, workers;
	void **connections; /* [worker * shard_count + shard]; NULL: none at the moment */
	struct shard shards[STORAGE_SHARDS_MAX];
};

/* --- what is known of a shard --- */

static void shard_lost(struct storage *storage, size_t index, uint64_t now_ms,
		       const struct error *why)
{
	struct shard *shard = &storage->shards[index];

	pthread_mutex_lock(&shard->lock);
	snprintf(shard->reason, sizeof(shard->reason), "%.199s", why->message);
	pthread_mutex_unlock(&shard->lock);
	atomic_store(&shard->retry_at_ms, now_ms + STORAGE_RETRY_MS);
	if (!atomic_exchange(&shard->lost, true))
		storage->changed(storage->context, index, shard->place, false, why->message);
}

static void shard_back(struct storage *storage, size_t index)
{
	struct shard *shard = &storage->shards[index];

	if (atomic_exchange(&shard->lost, false))
		storage->changed(storage->context, index, shard->place, true, "");
}

/* May it be used now? Of a lost one, one caller a second may find out. */
static bool shard_may_try(struct shard *shard, uint64_t now_ms)
{
	uint_fast64_t retry_at_ms = atomic_load(&shard->retry_at_ms);

	if (!atomic_load(&shard->lost))
		return true;
	return now_ms >= retry_at_ms &&
	       atomic_compare_exchange_strong(&shard->retry_at_ms, &retry_at_ms,
					      now_ms + STORAGE_RETRY_MS);
}

static int refuse_lost(struct storage *storage, size_t index, struct error *err)
{
	struct shard *shard = &storage->shards[index];
	char reason[sizeof(shard->reason)];

	pthread_mutex_lock(&shard->lock);
	memcpy(reason, shard->reason, sizeof(reason));
	pthread_mutex_unlock(&shard->lock);
	error_set(err, ENOTCONN, "shard %zu (%.80s) is lost: %s", index, shard->place, reason);
	return error_hint(err, -ENOTCONN,
			  "other ids are not concerned; it is tried again every second");
}

/* --- using it --- */

static void **connection_of(struct storage *storage, size_t worker, size_t shard)
{
	return &storage->connections[worker * storage->shard_count + shard];
}

/* One use: text to put, or NULL to get one. */
static int use(struct storage *storage, size_t worker, size_t index, bool create, const char *id,
	       const char *text, char **ret_text, struct error *err)
{
	void **connection = connection_of(storage, worker, index);
	int r = 0;

	if (!*connection)
		r = storage->ops->open(storage->shards[index].place, create, connection, err);
	if (r == 0 && id)
		r = text ? storage->ops->put(*connection, id, text, err)
			 : storage->ops->get(*connection, id, ret_text, err);
	if (r == -ENOTCONN && *connection) {
		storage->ops->close(*connection);
		*connection = NULL;
	}
	return r;
}

static int try(struct storage *storage, size_t worker, size_t index, const char *id,
	       const char *text, char **ret_text, uint64_t now_ms, struct error *err)
{
	const bool connected = *connection_of(storage, worker, index);
	struct shard *shard = &storage->shards[index];
	struct error why;
	int r;

	if (!shard_may_try(shard, now_ms))
		return refuse_lost(storage, index, err);
	/* That an old connection breaks says nothing of now. */
	r = use(storage, worker, index, false, id, text, ret_text, &why);
	if (r == -ENOTCONN && connected)
		r = use(storage, worker, index, false, id, text, ret_text, &why);
	if (r == -ENOTCONN) {
		shard_lost(storage, index, now_ms, &why);
		return refuse_lost(storage, index, err);
	}
	shard_back(storage, index);
	if (r < 0)
		return error_set(err, -r, "shard %zu (%.80s): %.200s", index, shard->place,
				 why.message);
	return 0;
}

int storage_put(struct storage *storage, size_t worker, const char *id, const char *text,
		uint64_t now_ms, size_t *ret_shard, struct error *err)
{
	*ret_shard = shard_of(id, storage->shard_count);
	return try(storage, worker, *ret_shard, id, text, NULL, now_ms, err);
}

int storage_get(struct storage *storage, size_t worker, const char *id, uint64_t now_ms,
		char **ret_text, size_t *ret_shard, struct error *err)
{
	*ret_shard = shard_of(id, storage->shard_count);
	return try(storage, worker, *ret_shard, id, NULL, ret_text, now_ms, err);
}

size_t storage_shards(const struct storage *storage)
{
	return storage->shard_count;
}

bool storage_shard_is_up(const struct storage *storage, size_t shard)
{
	return !atomic_load(&storage->shards[shard].lost);
}

/* --- beginning and end --- */

struct storage *storage_new(const struct storage_ops *ops, const char *const *places,
			    size_t shard_count, size_t workers, storage_changed_fn *changed,
			    void *context, uint64_t now_ms)
{
	struct storage *storage = calloc(1, sizeof(*storage));
	struct error why;

	if (!storage)
		return NULL;
	storage->connections = calloc(shard_count * workers, sizeof(storage->connections[0]));
	if (!storage->connections) {
		free(storage);
		return NULL;
	}
	storage->ops = ops;
	storage->changed = changed;
	storage->context = context;
	storage->shard_count = shard_count;
	storage->workers = workers;
	for (size_t i = 0; i < shard_count; i++) {
		struct shard *shard = &storage->shards[i];

		pthread_mutex_init(&shard->lock, NULL);
		snprintf(shard->place, sizeof(shard->place), "%s", places[i]);
		if (use(storage, 0, i, true, NULL, NULL, NULL, &why) < 0)
			shard_lost(storage, i, now_ms, &why);
	}
	return storage;
}

void storage_free(struct storage *storage)
{
	if (!storage)
		return;
	for (size_t i = 0; i < storage->shard_count * storage->workers; i++)
		if (storage->connections[i])
			storage->ops->close(storage->connections[i]);
	for (size_t i = 0; i < storage->shard_count; i++)
		pthread_mutex_destroy(&storage->shards[i].lock);
	free(storage->connections);
	free(storage);
}
