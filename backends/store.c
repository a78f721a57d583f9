/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store: asks an unstable service for data and stands by its own clients whatever that does: it
 * tries again, then falls back to what it got last, and says so. What it answers it keeps, in
 * shards by the hash of the answer's id; a lost shard costs the ids of that shard only.
 */
#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "clock.h"
#include "log.h"
#include "parse.h"
#include "retry.h"
#include "storage.h"
#include "upstream.h"
#include "webapp.h"

#define ID_BYTES       12 /* random ones; twice as many characters */
#define ID_MAX         64
#define PUT_TRIES      32 /* ids; each a shard by chance */
#define TIMEOUT_MAX_MS 60000
#define RETRIES_MAX    10

struct store {
	/* What the flags say. */
	struct upstream_options options;
	const char *directory;
	uint64_t sqlite_shards;
	const char *redis[STORAGE_SHARDS_MAX];
	size_t redis_count;
	/* What it works with. */
	struct upstream *upstream;
	struct storage *storage;
	pthread_mutex_t lock; /* protects the two below */
	char *last;           /* the data got last; NULL: none yet */
	uint64_t last_ms;
	atomic_uint_fast64_t fallbacks;
};

/* --- the answer to GET / --- */

static void new_id(char id[2 * ID_BYTES + 1])
{
	unsigned char bytes[ID_BYTES];

	arc4random_buf(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(id + 2 * i, 3, "%02x", bytes[i]);
}

static void remember(struct store *store, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return;
	pthread_mutex_lock(&store->lock);
	free(store->last);
	store->last = copy;
	store->last_ms = clock_ms(CLOCK_MONOTONIC);
	pthread_mutex_unlock(&store->lock);
}

/* The data got last and its age, or null. */
static void add_last(struct store *store, cJSON *json)
{
	pthread_mutex_lock(&store->lock);
	if (store->last) {
		cJSON_AddNumberToObject(json, "age_ms",
					(double)(clock_ms(CLOCK_MONOTONIC) - store->last_ms));
		cJSON_AddRawToObject(json, "data", store->last);
	} else {
		cJSON_AddNullToObject(json, "data");
	}
	pthread_mutex_unlock(&store->lock);
}

/* All of the answer but its id. NULL: no memory. */
static cJSON *fetch(struct store *store, struct webapp_call *call)
{
	cJSON *json = cJSON_CreateObject();
	unsigned int attempts;
	struct error err;
	char *text;
	int r;

	r = upstream_get(store->upstream, call->worker, &text, &attempts, &err);
	cJSON_AddStringToObject(json, "served_by", call->name);
	cJSON_AddNumberToObject(json, "attempts", attempts);
	cJSON_AddBoolToObject(json, "fallback", r < 0);
	if (r < 0) {
		atomic_fetch_add(&store->fallbacks, 1);
		cJSON_AddStringToObject(json, "reason", err.message);
		add_last(store, json);
		return json;
	}
	remember(store, text);
	cJSON_AddRawToObject(json, "data", text);
	free(text);
	return json;
}

/* Keeps the answer under a new id; another one where that one's shard is lost. */
static int keep(struct store *store, size_t worker, cJSON *json, struct error *err)
{
	char id[2 * ID_BYTES + 1];
	size_t shard;
	char *text;
	int r = -ENOTCONN;

	for (int i = 0; i < PUT_TRIES && r < 0; i++) {
		new_id(id);
		cJSON_DeleteItemFromObject(json, "id");
		cJSON_AddStringToObject(json, "id", id);
		text = cJSON_PrintUnformatted(json);
		if (!text)
			return error_set(err, ENOMEM, "no memory");
		r = storage_put(store->storage, worker, id, text, clock_ms(CLOCK_MONOTONIC), &shard,
				err);
		free(text);
	}
	if (r == 0)
		cJSON_AddNumberToObject(json, "shard", (double)shard);
	return r;
}

static void refuse(struct webapp_call *call, int reason, struct error *err)
{
	const bool missing = reason == -ENOENT;

	webapp_answer_error(call, missing ? MHD_HTTP_NOT_FOUND : MHD_HTTP_SERVICE_UNAVAILABLE, err);
	if (!missing)
		webapp_answer_header(call, MHD_HTTP_HEADER_RETRY_AFTER, "1");
}

static void get_fresh(void *context, struct webapp_call *call)
{
	struct store *store = context;
	cJSON *json = fetch(store, call);
	struct error err;
	int r = keep(store, call->worker, json, &err);

	if (r == 0) {
		webapp_answer_json(call, MHD_HTTP_OK, json);
		return;
	}
	cJSON_Delete(json);
	refuse(call, r, &err);
}

/* --- GET /data/ID --- */

static bool is_id(const char *id)
{
	static const char characters[] =
		"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
	const size_t length = strlen(id);

	return length <= ID_MAX && strspn(id, characters) == length;
}

static void get_data(void *context, struct webapp_call *call)
{
	struct store *store = context;
	struct error err;
	size_t shard;
	char *text;
	int r;

	if (!is_id(call->argument)) {
		error_set(&err, EINVAL, "not an id");
		error_field(&err, 0, "id");
		error_hint(&err, 0, "1 to %d letters, digits, - or _, as GET / gave it", ID_MAX);
		webapp_answer_error(call, MHD_HTTP_BAD_REQUEST, &err);
		return;
	}
	r = storage_get(store->storage, call->worker, call->argument, clock_ms(CLOCK_MONOTONIC),
			&text, &shard, &err);
	if (r < 0) {
		refuse(call, r, &err);
		return;
	}
	webapp_answer_json(call, MHD_HTTP_OK, cJSON_CreateRaw(text));
	free(text);
}

/* --- metrics --- */

static void metrics(void *context, FILE *out)
{
	const struct store *store = context;

	upstream_print_metrics(store->upstream, "store", out);
	fprintf(out,
		"# HELP webapp_fallbacks_total Answers made of old data, or none, for want of fresh "
		"ones.\n"
		"# TYPE webapp_fallbacks_total counter\n"
		"webapp_fallbacks_total{app=\"store\"} %" PRIuFAST64 "\n"
		"# HELP webapp_shard_up 1 if the shard's last use was a success, else 0.\n"
		"# TYPE webapp_shard_up gauge\n",
		atomic_load(&store->fallbacks));
	for (size_t i = 0; i < storage_shards(store->storage); i++)
		fprintf(out, "webapp_shard_up{app=\"store\",shard=\"%zu\"} %d\n", i,
			storage_shard_is_up(store->storage, i));
}

/* --- beginning and end --- */

static void shard_changed(void *context, size_t shard, const char *place, bool up,
			  const char *reason)
{
	char number[24];

	(void)context;
	snprintf(number, sizeof(number), "%zu", shard);
	if (up)
		log_info("shard is back", "shard", number, "place", place);
	else
		log_warn("shard is lost: its ids are answered with 503", "shard", number, "place",
			 place, "reason", reason);
}

static int open_sqlite(struct store *store, size_t workers, struct error *err)
{
	static char paths[STORAGE_SHARDS_MAX][STORAGE_PLACE_MAX];
	const char *places[STORAGE_SHARDS_MAX];

	if (mkdir(store->directory, 0750) < 0 && errno != EEXIST)
		return error_set(err, errno, "%s: cannot make this directory: %s", store->directory,
				 strerror(errno));
	for (size_t i = 0; i < store->sqlite_shards; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s/shard-%zu.db", store->directory, i);
		places[i] = paths[i];
	}
	store->storage = storage_new(&storage_sqlite, places, store->sqlite_shards, workers,
				     shard_changed, store, clock_ms(CLOCK_MONOTONIC));
	return 0;
}

/* -EINVAL is for wrong flags. */
static int start(void *context, size_t workers, struct error *err)
{
	struct store *store = context;
	int r = 0;

	if (!store->options.url)
		return error_field(err, error_set(err, EINVAL, "is missing"), "unstable");
	if (!store->directory == !store->redis_count)
		return error_field(err, error_set(err, EINVAL, "give either --data or --redis"),
				   "data");
	curl_global_init(CURL_GLOBAL_DEFAULT);
	pthread_mutex_init(&store->lock, NULL);
	store->upstream = upstream_new(&store->options, workers);
	if (store->redis_count > 0)
		store->storage =
			storage_new(&storage_redis, store->redis, store->redis_count, workers,
				    shard_changed, store, clock_ms(CLOCK_MONOTONIC));
	else
		r = open_sqlite(store, workers, err);
	if (r < 0)
		return r == -EINVAL ? -EIO : r;
	return store->upstream && store->storage ? 0 : error_set(err, ENOMEM, "no memory");
}

static void stop(void *context)
{
	struct store *store = context;

	upstream_free(store->upstream);
	storage_free(store->storage);
	free(store->last);
	curl_global_cleanup();
}

/* --- flags --- */

static int set_unstable(void *target, const char *text, struct error *err)
{
	((struct store *)target)->options.url = text;
	return upstream_check_url(text, err);
}

static int set_timeout(void *target, const char *text, struct error *err)
{
	return parse_duration(text, 1, TIMEOUT_MAX_MS,
			      &((struct store *)target)->options.timeout_ms, err);
}

static int set_retries(void *target, const char *text, struct error *err)
{
	uint64_t retries;
	int r = parse_number(text, 0, RETRIES_MAX, &retries, err);

	if (r == 0)
		((struct store *)target)->options.retry.retries = (unsigned int)retries;
	return r;
}

static int set_backoff(void *target, const char *text, struct error *err)
{
	return parse_duration(text, 1, TIMEOUT_MAX_MS,
			      &((struct store *)target)->options.retry.base_ms, err);
}

static int set_data(void *target, const char *text, struct error *err)
{
	if (text[0] == '\0' || strlen(text) > STORAGE_PLACE_MAX - 32)
		return error_set(err, EINVAL, "not the path of a directory");
	((struct store *)target)->directory = text;
	return 0;
}

static int set_shards(void *target, const char *text, struct error *err)
{
	return parse_number(text, 1, STORAGE_SHARDS_MAX, &((struct store *)target)->sqlite_shards,
			    err);
}

static int add_redis(void *target, const char *text, struct error *err)
{
	struct store *store = target;
	struct endpoint endpoint;
	int r;

	if (store->redis_count == STORAGE_SHARDS_MAX)
		return error_set(err, EINVAL, "%s: more than %d shards", text, STORAGE_SHARDS_MAX);
	r = parse_endpoint(text, 0, &endpoint, err);
	if (r == 0 && endpoint.port == 0)
		r = error_hint(err, error_set(err, EINVAL, "%s: no port", text),
			       "write ADDR:PORT or [ADDR6]:PORT");
	if (r == 0)
		store->redis[store->redis_count++] = text;
	return r;
}

static const struct webapp_flag flags[] = {
	{"unstable", "URL", "the service to ask, http://ADDR:PORT/", set_unstable},
	{"timeout", "DURATION", "how long one try may take (default 500ms)", set_timeout},
	{"retries", "N", "tries after the first, 0 to 10 (default 3)", set_retries},
	{"backoff", "DURATION",
	 "the longest pause before the first of them; it doubles up to 1s, half\n"
	 "of it is by chance (default 50ms)",
	 set_backoff},
	{"data", "DIR",
	 "keep answers in SQLite files DIR/shard-N.db. Several replicas on one\n"
	 "host may share them",
	 set_data},
	{"shards", "N", "--data: how many, 1 to 64 (default 4)", set_shards},
	{"redis", "ADDR:PORT",
	 "keep answers in this Redis server, instead; again for each shard, in\n"
	 "the same order in every replica; new ones at the end",
	 add_redis},
	{NULL, NULL, NULL, NULL},
};

static const struct webapp_route routes[] = {
	{.method = "GET", .path = "/", .handle = get_fresh},
	{.method = "GET", .path = "/data/{id}", .handle = get_data},
	{.path = NULL},
};

static const struct webapp app = {
	.name = "store",
	.description =
		"Asks an unstable service for data, again if need be, falls back to what it got last,\n"
		"and keeps each answer in one of several shards.",
	.interface = "GET /          data, with an id; \"fallback\" says whether it is old\n"
		     "GET /data/ID   that answer again; 503 names the shard if it is lost\n"
		     "GET /health    ok, whatever else is lost",
	.flags = flags,
	.routes = routes,
	.blocking = true,
	.body_max = 4096,
	.start = start,
	.stop = stop,
	.metrics = metrics,
};

int main(int argc, char **argv)
{
	static struct store store = {
		.options = {.timeout_ms = 500,
			    .retry = {.retries = 3, .base_ms = 50, .max_ms = 1000}},
		.sqlite_shards = 4,
	};

	return webapp_main(&app, &store, argc, argv);
}
