/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet_store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "document.h"
#include "json.h"
#include "log.h"

#define RETRY_FIRST_MS 100ULL /* until an etcd that is not there is asked again; doubles */
#define RETRY_MOST_MS  5000ULL
#define BEAT_MS        2000  /* a connection that died without a word is found after this */
#define SOON_MS        20    /* until a document whose files are still being read is tried again */
#define CLAIM_MS       1000  /* for whoever made an offer to ask what became of it */
#define REFUSED_MS     10000 /* until a document that was refused is tried again */

enum state {
	STATE_CONNECTING, /* not every endpoint has been tried yet */
	STATE_CONNECTED,
	STATE_LOST,
};

/* A change of ours on its way into etcd. Whoever makes it comes again with the same text, and is
 * told what has become of it. */
struct offer {
	enum { OFFER_NONE, OFFER_SENT, OFFER_TAKEN, OFFER_FAILED } phase;
	char *text;
	int ret; /* OFFER_FAILED: with err */
	struct error err;
	uint64_t until_ms; /* loop time; OFFER_TAKEN, OFFER_FAILED: nobody comes later */
};

struct fleet_store {
	uv_loop_t *loop;
	struct manager *manager;
	struct events *events;
	struct etcd *etcd;
	const char *url;
	char key[ETCD_PREFIX_MAX + 16];
	enum state state;
	bool told;                  /* that it is connected, or why not */
	size_t endpoints, failures; /* failures since it was connected */
	uv_timer_t connect;         /* the next attempt, or the next beat */
	uv_timer_t settle;
	uint64_t known;        /* revision of the whole store that latest is from; 0: none yet */
	struct etcd_kv latest; /* that we know of */
	uint64_t missed;   /* the mod_revision that the last beat saw and the watch had not; or 0 */
	uint64_t revision; /* mod_revision of the document in force */
	struct error lost; /* why it is not connected */
	struct error refused; /* why the latest document is not in force; no message: it is */
	uint64_t refused_ms;  /* loop time at which it was tried */
	bool applying;        /* what is committed comes from etcd */
	struct offer offer;
};

static void settle_in(struct fleet_store *store, uint64_t ms);

/* --- documents --- */

/* The caller's to free; NULL: out of memory. */
static char *write_document(const struct desired *desired)
{
	cJSON *json = document_write(desired);
	char *text = json ? cJSON_PrintUnformatted(json) : NULL;

	cJSON_Delete(json);
	return text;
}

static int is_same(const struct desired *a, const struct desired *b, struct error *err)
{
	char *one = write_document(a), *other = write_document(b);
	int ret = one && other ? strcmp(one, other) == 0 : error_set(err, ENOMEM, "out of memory");

	free(one);
	free(other);
	return ret;
}

/* The state that the latest document asks for. */
static int read_latest(const struct fleet_store *store, struct desired **ret_next,
		       struct error *err)
{
	const struct desired *former = manager_desired(store->manager);
	struct document_removal removal = {
		.deadline_ms = steady_now(&former->steady) + DOCUMENT_DRAIN_MS,
	};
	struct desired *next = NULL;
	cJSON *json = NULL;
	int ret = json_parse(store->latest.text ?: "", store->latest.length, &json, err);

	if (ret == 0)
		ret = document_read(json, &next, err);
	if (ret == 0)
		ret = document_follow(former, next, &removal, err);
	cJSON_Delete(json);
	if (ret)
		desired_free(next);
	else
		*ret_next = next;
	return ret;
}

/* Takes next over. */
static int commit(struct fleet_store *store, struct desired *next, struct error *err)
{
	char reason[64];
	int ret;

	snprintf(reason, sizeof(reason), "revision %" PRIu64 " of the fleet's configuration",
		 store->latest.mod_revision);
	events_act(store->events, "etcd", reason);
	store->applying = true;
	ret = manager_commit(store->manager, next, err);
	store->applying = false;
	events_act(store->events, NULL, NULL);
	return ret;
}

static int apply_latest(struct fleet_store *store, struct error *err)
{
	struct desired *next = NULL;
	int ret = read_latest(store, &next, err);

	if (ret)
		return ret;
	ret = is_same(manager_desired(store->manager), next, err);
	if (ret == 0)
		ret = manager_lists_ready(store->manager, next, err);
	if (ret == 0)
		return commit(store, next, err);
	desired_free(next);
	return ret < 0 ? ret : 0;
}

/* --- what etcd has, put in force --- */

static void refuse(struct fleet_store *store, const struct error *reason)
{
	char where[32];
	struct error former = store->refused;

	snprintf(where, sizeof(where), "revision %" PRIu64, store->latest.mod_revision);
	error_set(&store->refused, EINVAL, "%s of %s is not in force here: %.200s", where,
		  store->key, reason->message);
	error_hint(&store->refused, 0, "put it right: lbctl export | etcdctl put %.100s",
		   store->key);
	store->refused_ms = uv_now(store->loop);
	if (strcmp(former.message, store->refused.message) != 0)
		events_tell(store->events, &(struct event){.kind = EVENT_STORE_REFUSED,
							   .after = where,
							   .reason = reason->message,
							   .hint = store->refused.hint});
}

/* Without the key everything stays, and the next change puts it there. */
static void note_missing(struct fleet_store *store)
{
	if (store->revision)
		log_warn("the fleet's configuration is gone from etcd", "key", store->key,
			 "consequence", "the last one stays in force", "hint",
			 "any change puts it back");
	store->revision = 0;
	store->refused = (struct error){0};
}

static bool may_settle(const struct fleet_store *store)
{
	return store->offer.phase != OFFER_SENT && store->offer.phase != OFFER_TAKEN &&
	       store->known && store->latest.mod_revision != store->revision;
}

static void settle(struct fleet_store *store)
{
	struct error err = {0};
	int ret;

	if (!may_settle(store))
		return;
	if (store->latest.mod_revision == 0) {
		note_missing(store);
		return;
	}
	ret = apply_latest(store, &err);
	if (ret == -EINPROGRESS) {
		settle_in(store, SOON_MS);
		return;
	}
	if (ret) {
		refuse(store, &err);
		return;
	}
	store->revision = store->latest.mod_revision;
	store->refused = (struct error){0};
}

static void offer_clear(struct offer *offer)
{
	free(offer->text);
	*offer = (struct offer){0};
}

static void on_settle(uv_timer_t *timer)
{
	struct fleet_store *store = timer->data;
	struct offer *offer = &store->offer;

	if (offer->phase >= OFFER_TAKEN && uv_now(store->loop) >= offer->until_ms)
		offer_clear(offer); /* whoever made it has gone away */
	else if (offer->phase >= OFFER_TAKEN)
		settle_in(store, offer->until_ms - uv_now(store->loop));
	settle(store);
}

/* Or earlier, if that is due already. */
static void settle_in(struct fleet_store *store, uint64_t ms)
{
	if (!uv_is_active((uv_handle_t *)&store->settle) ||
	    uv_timer_get_due_in(&store->settle) > ms)
		uv_timer_start(&store->settle, on_settle, ms, 0);
}

/* Takes kv's text over; NULL: there is no such key. Answers and the watch overtake each other: what
 * is older says nothing, unless it is what a new connection begins with, for etcd may have been set
 * up anew. */
static void keep(struct fleet_store *store, uint64_t revision, struct etcd_kv *kv, bool begins)
{
	if (!begins && revision <= store->known)
		return;
	etcd_kv_clear(&store->latest);
	store->known = revision;
	if (kv) {
		store->latest.mod_revision = kv->mod_revision;
		store->latest.text = kv->text;
		store->latest.length = kv->length;
		kv->text = NULL;
	}
	if (begins && store->latest.mod_revision)
		store->revision = 0; /* whatever it is called, it is compared */
	store->refused_ms = 0;
	settle_in(store, 0);
}

static void keep_answer(struct fleet_store *store, const struct etcd_answer *answer, bool begins)
{
	keep(store, answer->revision, etcd_answer_find(answer, store->key), begins);
}

/* --- connection --- */

static void connect_now(struct fleet_store *store);
static void on_get(void *context, int ret, const struct etcd_answer *answer,
		   const struct error *err);
static void on_change(void *context, int ret, const struct etcd_answer *answer,
		      const struct error *err);
static void on_beat(void *context, int ret, const struct etcd_answer *answer,
		    const struct error *err);

static void on_connect(uv_timer_t *timer)
{
	connect_now(timer->data);
}

static void tell_lost(struct fleet_store *store)
{
	events_tell(store->events, &(struct event){.kind = EVENT_STORE_LOST,
						   .after = "the last configuration stays in force",
						   .reason = store->lost.message,
						   .hint = store->lost.hint});
}

/* At once with the next endpoint, until all have been tried; then after a while. */
static void lose(struct fleet_store *store, const struct error *err)
{
	uint64_t wait_ms = 0;
	size_t rounds;

	etcd_cancel(store->etcd, on_get, store);
	etcd_cancel(store->etcd, on_beat, store);
	etcd_cancel(store->etcd, on_change, store);
	store->lost = *err;
	if (store->state == STATE_CONNECTED)
		store->state = STATE_CONNECTING;
	etcd_next(store->etcd);
	store->failures++;
	if (store->failures > store->endpoints) {
		rounds = store->failures - store->endpoints - 1;
		wait_ms = RETRY_FIRST_MS << (rounds < 6 ? rounds : 6);
		wait_ms = wait_ms < RETRY_MOST_MS ? wait_ms : RETRY_MOST_MS;
	}
	if (wait_ms && store->state != STATE_LOST) {
		store->state = STATE_LOST;
		store->told = true;
		tell_lost(store);
	}
	uv_timer_start(&store->connect, on_connect, wait_ms, 0);
}

static void lose_memory(struct fleet_store *store)
{
	struct error err;

	error_set(&err, ENOMEM, "out of memory");
	lose(store, &err);
}

/* --- watching --- */

static void on_change(void *context, int ret, const struct etcd_answer *answer,
		      const struct error *err)
{
	struct fleet_store *store = context;

	if (ret < 0)
		lose(store, err);
	else
		keep_answer(store, answer, false);
}

static void beat(uv_timer_t *timer)
{
	struct fleet_store *store = timer->data;

	if (store->refused_ms && uv_now(store->loop) - store->refused_ms >= REFUSED_MS)
		settle_in(store, 0);
	if (etcd_get(store->etcd, store->key, ETCD_KEYS_ONLY, on_beat, store))
		lose_memory(store);
}

/* Twice the same revision that the watch has not told of: it is deaf. */
static void on_beat(void *context, int ret, const struct etcd_answer *answer,
		    const struct error *err)
{
	struct fleet_store *store = context;
	const struct etcd_kv *kv = ret < 0 ? NULL : etcd_answer_find(answer, store->key);
	uint64_t seen = kv ? kv->mod_revision : 0;
	bool deaf = ret == 0 && seen != store->latest.mod_revision && seen == store->missed;
	struct error reason;

	store->missed = ret == 0 && seen != store->latest.mod_revision ? seen : 0;
	if (deaf)
		error_set(&reason, EIO, "the watch does not tell what changes");
	if (ret < 0 || deaf)
		lose(store, deaf ? &reason : err);
	else
		uv_timer_start(&store->connect, beat, BEAT_MS, 0);
}

static void on_get(void *context, int ret, const struct etcd_answer *answer,
		   const struct error *err)
{
	struct fleet_store *store = context;

	if (ret < 0) {
		lose(store, err);
		return;
	}
	keep_answer(store, answer, true);
	if (etcd_watch(store->etcd, store->key, 0, answer->revision + 1, on_change, store)) {
		lose_memory(store);
		return;
	}
	if (store->state == STATE_LOST || !store->told)
		events_tell(store->events, &(struct event){.kind = EVENT_STORE_CONNECTED,
							   .after = etcd_endpoint(store->etcd)});
	store->state = STATE_CONNECTED;
	store->told = true;
	store->failures = 0;
	store->missed = 0;
	store->lost = (struct error){0};
	uv_timer_start(&store->connect, beat, BEAT_MS, 0);
}

/* What is there now is all that counts: of changes that were missed, forgotten ones included,
 * nothing needs to be known. */
static void connect_now(struct fleet_store *store)
{
	if (etcd_get(store->etcd, store->key, 0, on_get, store))
		lose_memory(store);
}

/* --- changes of ours --- */

static void fail_offer(struct fleet_store *store, int ret, const struct error *reason)
{
	struct offer *offer = &store->offer;
	bool certain = ret == -ECONNREFUSED || ret == -EACCES;

	error_set(&offer->err, EAGAIN, "%s; %s",
		  certain ? "nothing has changed" : "nobody knows whether it has been taken",
		  reason->message);
	error_hint(&offer->err, 0, "%s",
		   certain ? reason->hint
			   : "lbctl export tells when lbctl status says connected again");
	offer->phase = OFFER_FAILED;
	offer->ret = ret == -EACCES ? -EACCES : -EAGAIN;
	if (ret != -EACCES && store->state == STATE_CONNECTED)
		lose(store, reason);
}

/* Unless the watch has told of it already. */
static void keep_taken(struct fleet_store *store, uint64_t revision)
{
	struct etcd_kv taken = {
		.mod_revision = revision,
		.text = strdup(store->offer.text),
		.length = strlen(store->offer.text),
	};

	store->offer.phase = OFFER_TAKEN;
	keep(store, revision, &taken, false);
	etcd_kv_clear(&taken);
}

static void on_put(void *context, int ret, const struct etcd_answer *answer,
		   const struct error *err)
{
	struct fleet_store *store = context;
	struct offer *offer = &store->offer;

	offer->until_ms = uv_now(store->loop) + CLAIM_MS;
	if (ret < 0) {
		fail_offer(store, ret, err);
	} else if (!answer->done) {
		offer_clear(offer); /* it is made anew, upon what was faster */
		keep_answer(store, answer, false);
	} else {
		keep_taken(store, answer->revision);
	}
	settle_in(store, CLAIM_MS);
}

static int refuse_offer(const struct fleet_store *store, struct error *err)
{
	*err = store->refused;
	return error_hint(err, -ESTALE, "%s", store->refused.hint);
}

/* May a change be offered now? */
static int may_offer(const struct fleet_store *store, const char *text, struct error *err)
{
	size_t length = strlen(text);

	if (store->state == STATE_LOST) {
		error_set(err, EAGAIN, "nothing has changed: %.250s", store->lost.message);
		return error_hint(err, -EAGAIN, "changes need etcd; what is in force stays; %.100s",
				  store->lost.hint);
	}
	if (store->refused.message[0])
		return refuse_offer(store, err);
	if (store->state == STATE_CONNECTING || store->latest.mod_revision != store->revision)
		return error_set(err, EINPROGRESS, "the fleet's configuration is being read");
	if (length <= FLEET_DOCUMENT_MAX)
		return 0;
	error_set(err, ENOSPC, "configuration: %zu bytes, and etcd takes %lu in one request",
		  length, FLEET_DOCUMENT_MAX);
	return error_hint(err, -ENOSPC, "fewer backends, or a fleet of its own for some services");
}

/* What became of it. */
static int claim(struct fleet_store *store, struct error *err)
{
	struct offer *offer = &store->offer;
	int ret = 0;

	if (offer->phase == OFFER_SENT)
		return error_set(err, EINPROGRESS, "etcd is being asked");
	if (offer->phase == OFFER_FAILED) {
		*err = offer->err;
		ret = offer->ret;
	}
	offer_clear(offer);
	settle_in(store, 0); /* finds it in force, or says why it is not */
	return ret;
}

/* Takes text over. */
static int make_offer(struct fleet_store *store, char *text, struct error *err)
{
	struct offer *offer = &store->offer;
	const struct etcd_step step = {
		.key = store->key,
		.what = ETCD_PUT,
		.compared = true,
		.mod_revision = store->revision,
		.value = text,
	};
	bool same = offer->phase != OFFER_NONE && strcmp(offer->text, text) == 0;
	int ret = 0;

	if (same)
		ret = claim(store, err);
	else if (offer->phase == OFFER_SENT || offer->phase == OFFER_TAKEN)
		ret = error_set(err, EINPROGRESS, "another change is on its way");
	else
		ret = may_offer(store, text, err);
	if (ret || same) {
		free(text);
		return ret;
	}
	offer_clear(offer);
	if (etcd_commit(store->etcd, &step, 1, on_put, store)) {
		free(text);
		return error_set(err, ENOMEM, "out of memory");
	}
	offer->phase = OFFER_SENT;
	offer->text = text;
	return error_set(err, EINPROGRESS, "etcd is being asked");
}

/* Of the manager: may this be done? Only what the document has is the fleet's business. */
static int on_commit(void *context, const struct desired *former, const struct desired *next,
		     struct error *err)
{
	struct fleet_store *store = context;
	char *before, *text;
	int ret = 0;

	if (store->applying)
		return 0;
	before = write_document(former);
	text = write_document(next);
	if (!before || !text)
		ret = error_set(err, ENOMEM, "out of memory");
	else if (strcmp(before, text) != 0) {
		ret = make_offer(store, text, err);
		text = NULL;
	}
	free(before);
	free(text);
	return ret;
}

/* --- the store --- */

int fleet_store_new(uv_loop_t *loop, struct manager *manager, struct events *events,
		    const char *url, const struct etcd_config *config,
		    struct fleet_store **ret_store, struct error *err)
{
	struct fleet_store *store = calloc(1, sizeof(*store));
	int ret;

	if (!store)
		return error_set(err, ENOMEM, "out of memory");
	ret = etcd_new(loop, config, &store->etcd, err);
	if (ret) {
		free(store);
		return ret;
	}
	store->loop = loop;
	store->manager = manager;
	store->events = events;
	store->url = url;
	store->endpoints = config->url.endpoint_count;
	snprintf(store->key, sizeof(store->key), "%s/config", config->url.prefix);
	uv_timer_init(loop, &store->connect);
	uv_timer_init(loop, &store->settle);
	store->connect.data = store;
	store->settle.data = store;
	uv_timer_start(&store->connect, on_connect, 0, 0);
	manager_on_commit(manager, on_commit, store);
	*ret_store = store;
	return 0;
}

static void on_settle_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void on_connect_closed(uv_handle_t *handle)
{
	struct fleet_store *store = handle->data;

	uv_close((uv_handle_t *)&store->settle, on_settle_closed);
}

void fleet_store_free(struct fleet_store *store)
{
	if (!store)
		return;
	manager_on_commit(store->manager, NULL, NULL);
	etcd_free(store->etcd);
	offer_clear(&store->offer);
	etcd_kv_clear(&store->latest);
	uv_close((uv_handle_t *)&store->connect, on_connect_closed);
}

struct fleet_store_view fleet_store_view(const struct fleet_store *store)
{
	bool connected = store->state == STATE_CONNECTED;

	return (struct fleet_store_view){
		.url = store->url,
		.key = store->key,
		.connected = connected,
		.revision = store->revision,
		.problem = connected ? &store->refused : &store->lost,
	};
}
