/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_STORAGE_H
#define SLUICE_STORAGE_H

/*
 * Texts by id, in shards that fail one by one. Each worker has connections of its own, so that
 * one that hangs holds up nobody else; what they learn of a lost shard they share: it fails at
 * once for a second, then one of them tries it again.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define STORAGE_SHARDS_MAX 64
#define STORAGE_PLACE_MAX  512
#define STORAGE_RETRY_MS   1000

/*
 * One kind of shard. Functions return 0 or a negative errno with err filled: -ENOTCONN: the shard
 * is lost, and so is the connection (closed by the caller); -EBUSY, -ENOSPC: it refuses this once.
 */
struct storage_ops {
	/* create: make an empty shard if there is none. */
	int (*open)(const char *place, bool create, void **ret_connection, struct error *err);
	void (*close)(void *connection);
	int (*put)(void *connection, const char *id, const char *text, struct error *err);
	/* -ENOENT: no such id. The caller frees *ret_text. */
	int (*get)(void *connection, const char *id, char **ret_text, struct error *err);
};

extern const struct storage_ops storage_sqlite; /* place: a path */
extern const struct storage_ops storage_redis;  /* place: ADDR:PORT */

/* Told when a shard is lost (reason: why) or back (reason: ""). Any thread, several at once. */
typedef void storage_changed_fn(void *context, size_t shard, const char *place, bool up,
				const char *reason);

struct storage;

/* Opens all shards once, to make those that are missing and to tell of those that are lost.
 * places are copied. NULL: no memory. */
struct storage *storage_new(const struct storage_ops *ops, const char *const *places,
			    size_t shard_count, size_t workers, storage_changed_fn *changed,
			    void *context, uint64_t now_ms);
void storage_free(struct storage *storage);

/*
 * Puts a text at an id's shard, or gets it; *ret_shard is set in any case. worker: 0 to
 * workers - 1, one thread each. -ENOTCONN: the shard is lost; -ENOENT (get): no such id; -EBUSY,
 * -ENOSPC: not this once. err names the shard.
 */
int storage_put(struct storage *storage, size_t worker, const char *id, const char *text,
		uint64_t now_ms, size_t *ret_shard, struct error *err);
int storage_get(struct storage *storage, size_t worker, const char *id, uint64_t now_ms,
		char **ret_text, size_t *ret_shard, struct error *err);

size_t storage_shards(const struct storage *storage);

/* As its last use has shown. */
bool storage_shard_is_up(const struct storage *storage, size_t shard);

#endif
