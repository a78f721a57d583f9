/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet_store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "document.h"
#include "etcd_error.h"
#include "fleet_roster.h"
#include "fleet_weights.h"
#include "json.h"
#include "log.h"
#include "rollout_run.h"
#include "trial.h"

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

/* A key as it was there last. */
struct followed {
	char key[ETCD_PREFIX_MAX + 32];
	uint64_t known; /* etcd's revision that this is from; 0: none yet */
	uint64_t mod_revision;
	char *text;
	size_t length;
};

/* What a beat has seen of the keys' mod_revisions. */
struct sighting {
	uint64_t config, rollout;
};

struct fleet_store {
	uv_loop_t *loop;
	struct manager *manager;
	struct events *events;
	struct etcd *etcd;
	struct fleet_weights *weights;
	const char *url;
	size_t endpoints, failures; /* failures since it was connected */
	uv_timer_t connect;         /* the next attempt, or the next beat */
	uv_timer_t settle;
	struct followed config, rollout, last;
	struct sighting missed; /* what the last beat saw */
	uint64_t revision;      /* mod_revision of the document in force, a roll-out's apart */
	uint64_t refused_ms;    /* loop time at which the latest was tried */
	struct error lost;      /* why it is not connected */
	struct error refused;   /* why the latest document is not in force; no message: it is */
	struct error misfit;    /* why the roll-out turned_down is not */
	struct offer offer;
	struct rollout_sight sight;
	struct fleet_roster *roster;
	struct rollout_run *run;
	struct trial *trial; /* how it was before the roll-out in_force; NULL: nobody knows */
	enum state state;
	bool told;                        /* that it is connected, or why not */
	bool missing;                     /* the last beat saw what the watch had not told of */
	bool applying;                    /* what is committed comes from etcd */
	char in_force[ROLLOUT_ID_MAX];    /* whose document is; "": the configuration is */
	char turned_down[ROLLOUT_ID_MAX]; /* the roll-out that does not fit here; "": none */
	char id[BALANCER_ID_MAX];
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

/* 1, 0, or why nobody can tell. */
static int is_same(const struct desired *a, const struct desired *b, struct error *err)
{
	char *one = write_document(a), *other = write_document(b);
	int ret = one && other ? strcmp(one, other) == 0 : error_set(err, ENOMEM, "out of memory");

	free(one);
	free(other);
	return ret;
}

/* What this balancer shall have: NULL, and it is the configuration. */
static const struct rollout *find_trial(const struct fleet_store *store)
{
	const struct rollout *rollout = store->sight.rollout;

	return rollout && rollout->base == store->config.mod_revision &&
			       rollout_has(rollout, store->id)
		       ? rollout
		       : NULL;
}

/* The state that a document asks for. */
static int read_state(const struct fleet_store *store, const cJSON *json, struct desired **ret_next,
		      struct error *err)
{
	const struct desired *former = manager_desired(store->manager);
	struct document_removal removal = {
		.deadline_ms = steady_now(&former->steady) + DOCUMENT_DRAIN_MS,
	};
	struct desired *next = NULL;
	int ret = document_read(json, &next, err);

	if (ret == 0)
		ret = document_follow(former, next, &removal, err);
	if (ret) {
		desired_free(next);
		return ret;
	}
	next->former_given = true; /* who wrote it has seen to that, whatever we have missed */
	*ret_next = next;
	return 0;
}

static int read_wanted(const struct fleet_store *store, const struct rollout *trial,
		       struct desired **ret_next, struct error *err)
{
	cJSON *json = NULL;
	int ret;

	if (trial)
		return read_state(store, trial->document, ret_next, err);
	ret = json_parse(store->config.text ?: "", store->config.length, &json, err);
	if (ret == 0)
		ret = read_state(store, json, ret_next, err);
	cJSON_Delete(json);
	return ret;
}

/* Takes next over. */
static int commit(struct fleet_store *store, const struct rollout *trial, struct desired *next,
		  struct error *err)
{
	char reason[64];
	int ret;

	if (trial)
		snprintf(reason, sizeof(reason), "roll-out %s", trial->id);
	else
		snprintf(reason, sizeof(reason),
			 "revision %" PRIu64 " of the fleet's configuration",
			 store->config.mod_revision);
	events_act(store->events, "etcd", reason);
	store->applying = true;
	ret = manager_commit(store->manager, next, err);
	store->applying = false;
	events_act(store->events, NULL, NULL);
	return ret;
}

/* Notes how it was before a roll-out. Without memory for that all that is down counts against it.
 */
static int apply(struct fleet_store *store, const struct rollout *trial, struct error *err)
{
	struct desired *next = NULL;
	int ret = read_wanted(store, trial, &next, err);

	if (ret)
		return ret;
	ret = is_same(manager_desired(store->manager), next, err);
	if (ret == 0)
		ret = manager_lists_ready(store->manager, next, err);
	if (ret == 0) {
		trial_free(store->trial);
		store->trial = trial ? trial_new(store->manager) : NULL;
		return commit(store, trial, next, err);
	}
	desired_free(next);
	return ret < 0 ? ret : 0;
}

/* --- what etcd has, put in force --- */

static void refuse(struct fleet_store *store, const struct error *reason)
{
	char where[32];
	struct error former = store->refused;

	snprintf(where, sizeof(where), "revision %" PRIu64, store->config.mod_revision);
	error_set(&store->refused, EINVAL, "%s of %s is not in force here: %.200s", where,
		  store->config.key, reason->message);
	error_hint(&store->refused, 0, "put it right: lbctl export | etcdctl put %.100s",
		   store->config.key);
	store->refused_ms = uv_now(store->loop);
	if (strcmp(former.message, store->refused.message) != 0)
		events_tell(store->events, &(struct event){.kind = EVENT_STORE_REFUSED,
							   .after = where,
							   .reason = reason->message,
							   .hint = store->refused.hint});
}

/* A roll-out that does not fit here changes nothing: its members' reports end it. */
static void turn_down(struct fleet_store *store, const struct rollout *trial,
		      const struct error *reason)
{
	snprintf(store->turned_down, sizeof(store->turned_down), "%s", trial->id);
	store->misfit = *reason;
	events_tell(store->events, &(struct event){.kind = EVENT_ROLLOUT_REFUSED,
						   .after = trial->id,
						   .reason = reason->message,
						   .hint = reason->hint});
	fleet_roster_tell(store->roster);
}

/* Without the key everything stays, and the next change puts it there. */
static void note_missing(struct fleet_store *store)
{
	if (store->revision)
		log_warn("the fleet's configuration is gone from etcd", "key", store->config.key,
			 "consequence", "the last one stays in force", "hint",
			 "any change puts it back");
	store->revision = 0;
	store->in_force[0] = '\0';
	store->refused = (struct error){0};
}

static bool is_settled(const struct fleet_store *store)
{
	const struct rollout *trial = find_trial(store);

	if (trial && strcmp(store->turned_down, trial->id) != 0)
		return strcmp(store->in_force, trial->id) == 0;
	return !store->in_force[0] && store->config.mod_revision == store->revision;
}

static bool may_settle(const struct fleet_store *store)
{
	return store->offer.phase != OFFER_SENT && store->offer.phase != OFFER_TAKEN &&
	       store->config.known && !is_settled(store);
}

static void note_trial(struct fleet_store *store, const struct rollout *trial)
{
	snprintf(store->in_force, sizeof(store->in_force), "%s", trial->id);
	events_tell(store->events, &(struct event){.kind = EVENT_ROLLOUT_IN_FORCE,
						   .after = trial->id,
						   .reason = "it is this balancer's turn"});
	fleet_roster_tell(store->roster);
}

static void note_config(struct fleet_store *store)
{
	trial_free(store->trial);
	store->trial = NULL;
	store->in_force[0] = '\0';
	store->revision = store->config.mod_revision;
	store->refused = (struct error){0};
	fleet_roster_tell(store->roster);
}

static void settle(struct fleet_store *store)
{
	const struct rollout *trial = find_trial(store);
	struct error err = {0};
	int ret;

	if (!may_settle(store))
		return;
	if (trial && strcmp(store->turned_down, trial->id) == 0)
		trial = NULL;
	if (!trial && store->config.mod_revision == 0) {
		note_missing(store);
		return;
	}
	ret = apply(store, trial, &err);
	if (ret == -EINPROGRESS)
		settle_in(store, SOON_MS);
	else if (ret && trial)
		turn_down(store, trial, &err);
	else if (ret)
		refuse(store, &err);
	else if (trial)
		note_trial(store, trial);
	else
		note_config(store);
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

/* --- what is known of etcd --- */

/* Takes kv's text over; NULL: there is no such key. Answers and the watch overtake each other: what
 * is older says nothing, unless it is what a new connection begins with, for etcd may have been set
 * up anew. False: nothing was said. */
static bool followed_keep(struct followed *followed, uint64_t revision, struct etcd_kv *kv,
			  bool begins)
{
	if (!begins && revision <= followed->known)
		return false;
	free(followed->text);
	followed->known = revision;
	followed->mod_revision = kv ? kv->mod_revision : 0;
	followed->text = kv ? kv->text : NULL;
	followed->length = kv ? kv->length : 0;
	if (kv)
		kv->text = NULL;
	return true;
}

static void keep_config(struct fleet_store *store, uint64_t revision, struct etcd_kv *kv,
			bool begins)
{
	if (!followed_keep(&store->config, revision, kv, begins))
		return;
	if (begins && store->config.mod_revision)
		store->revision = 0; /* whatever it is called, it is compared */
	store->sight.config = store->config.mod_revision;
	store->refused_ms = 0;
	settle_in(store, 0);
}

static void tell_rollout_end(struct fleet_store *store, const struct rollout *rollout)
{
	const struct rollout_end last =
		rollout_end_read(store->last.text ?: "", store->last.length);
	bool told = strcmp(last.id, rollout->id) == 0;

	if (told && last.done)
		events_tell(store->events, &(struct event){.kind = EVENT_ROLLOUT_DONE,
							   .before = rollout->id,
							   .after = "it is the configuration"});
	else
		events_tell(store->events,
			    &(struct event){.kind = EVENT_ROLLOUT_UNDONE,
					    .before = rollout->id,
					    .after = "the configuration before it is in force",
					    .reason = told ? last.reason : ROLLOUT_GONE});
}

static void tell_rollout(struct fleet_store *store, const struct rollout *former,
			 const struct rollout *next)
{
	bool same = former && next && strcmp(former->id, next->id) == 0;
	char where[BALANCER_ID_MAX + 16];

	if (former && !same)
		tell_rollout_end(store, former);
	if (!next || same)
		return;
	snprintf(where, sizeof(where), "driven by %s", next->by);
	events_tell(
		store->events,
		&(struct event){.kind = EVENT_ROLLOUT_BEGUN, .after = next->id, .reason = where});
}

/* One of another version of lbagent, or a stray hand's, is none here. */
static void keep_rollout(struct fleet_store *store, uint64_t revision, struct etcd_kv *kv,
			 bool begins)
{
	struct followed *followed = &store->rollout;
	struct rollout *former = store->sight.rollout, *next = NULL;
	struct error err;

	if (!followed_keep(followed, revision, kv, begins))
		return;
	if (followed->mod_revision &&
	    rollout_read(followed->text ?: "", followed->length, &next, &err))
		log_error("roll-out cannot be read", "key", followed->key, "error", err.message,
			  "hint", "lbctl rollout abort");
	tell_rollout(store, former, next);
	rollout_free(former);
	store->sight.rollout = next;
	store->sight.mod_revision = followed->mod_revision;
	store->sight.known = followed->known;
	fleet_roster_hurry(store->roster, next);
	settle_in(store, 0);
}

/* In this order: how a roll-out ended is known before it is gone. */
static void keep_answer(struct fleet_store *store, const struct etcd_answer *answer, bool begins)
{
	struct etcd_kv *config = etcd_answer_find(answer, store->config.key);
	struct etcd_kv *rollout = etcd_answer_find(answer, store->rollout.key);
	struct etcd_kv *last = etcd_answer_find(answer, store->last.key);

	if (last || begins)
		followed_keep(&store->last, answer->revision, last, begins);
	if (rollout || begins)
		keep_rollout(store, answer->revision, rollout, begins);
	if (config || begins)
		keep_config(store, answer->revision, config, begins);
	rollout_run_look(store->run);
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
	store->sight.connected = false;
	fleet_roster_connect(store->roster, false);
	fleet_weights_connect(store->weights, false);
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
	if (etcd_get(store->etcd, store->config.key, ETCD_PREFIX | ETCD_KEYS_ONLY, on_beat, store))
		lose_memory(store);
}

static uint64_t seen_revision(const struct etcd_answer *answer, const struct followed *followed)
{
	const struct etcd_kv *kv = etcd_answer_find(answer, followed->key);

	return kv ? kv->mod_revision : 0;
}

/* Twice the same that the watch has not told of: it is deaf. */
static bool is_deaf(struct fleet_store *store, const struct etcd_answer *answer)
{
	struct sighting seen = {
		.config = seen_revision(answer, &store->config),
		.rollout = seen_revision(answer, &store->rollout),
	};
	bool differs = seen.config != store->config.mod_revision ||
		       seen.rollout != store->rollout.mod_revision;
	bool again = seen.config == store->missed.config && seen.rollout == store->missed.rollout;
	bool deaf = differs && store->missing && again;

	store->missing = differs;
	store->missed = seen;
	return deaf;
}

static void on_beat(void *context, int ret, const struct etcd_answer *answer,
		    const struct error *err)
{
	struct fleet_store *store = context;
	struct error reason;

	if (ret < 0) {
		lose(store, err);
	} else if (is_deaf(store, answer)) {
		error_set(&reason, EIO, "the watch does not tell what changes");
		lose(store, &reason);
	} else {
		uv_timer_start(&store->connect, beat, BEAT_MS, 0);
	}
}

/* A user may be known, but not allowed to read what there is. */
static void lose_at_begin(struct fleet_store *store, int ret, const struct error *err)
{
	struct error refused = *err;

	etcd_error_grant(&refused, ret, store->config.key, "config");
	lose(store, &refused);
}

static void on_get(void *context, int ret, const struct etcd_answer *answer,
		   const struct error *err)
{
	struct fleet_store *store = context;

	if (ret < 0) {
		lose_at_begin(store, ret, err);
		return;
	}
	keep_answer(store, answer, true);
	if (etcd_watch(store->etcd, store->config.key, ETCD_PREFIX, answer->revision + 1, on_change,
		       store)) {
		lose_memory(store);
		return;
	}
	if (store->state == STATE_LOST || !store->told)
		events_tell(store->events, &(struct event){.kind = EVENT_STORE_CONNECTED,
							   .after = etcd_endpoint(store->etcd)});
	store->state = STATE_CONNECTED;
	fleet_weights_connect(store->weights, true);
	store->told = true;
	store->failures = 0;
	store->missing = false;
	store->lost = (struct error){0};
	store->sight.connected = true;
	fleet_roster_connect(store->roster, true);
	rollout_run_look(store->run);
	uv_timer_start(&store->connect, beat, BEAT_MS, 0);
}

/* What is there now is all that counts: of changes that were missed, forgotten ones included,
 * nothing needs to be known. */
static void connect_now(struct fleet_store *store)
{
	if (etcd_get(store->etcd, store->config.key, ETCD_PREFIX, on_get, store))
		lose_memory(store);
}

/* --- changes of ours --- */

static void fail_offer(struct fleet_store *store, int ret, const struct error *reason)
{
	struct offer *offer = &store->offer;

	offer->phase = OFFER_FAILED;
	offer->ret = etcd_error_commit(ret, reason,
				       "lbctl export tells when lbctl status says connected again",
				       &offer->err);
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
	keep_config(store, revision, &taken, false);
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

static int refuse_meanwhile(const struct rollout *rollout, struct error *err)
{
	error_set(err, EEXIST, "nothing has changed: roll-out %s is under way, driven by %s",
		  rollout->id, rollout->by);
	return error_hint(err, -EEXIST, "wait for it (lbctl rollout show), or lbctl rollout abort");
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
	if (store->sight.rollout && store->sight.rollout->base == store->config.mod_revision)
		return refuse_meanwhile(store->sight.rollout, err);
	if (store->state == STATE_CONNECTING || !is_settled(store))
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
		.key = store->config.key,
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

/* --- the roster, and roll-outs --- */

static void describe(void *context, struct balancer *ret_balancer)
{
	const struct fleet_store *store = context;
	const struct rollout *trial = find_trial(store);

	ret_balancer->revision = store->revision;
	ret_balancer->in_sync = !manager_out_of_sync(store->manager);
	if (trial && strcmp(store->in_force, trial->id) == 0) {
		ret_balancer->state = trial_judge(store->trial, store->manager, ret_balancer);
	} else {
		trial_count(store->manager, ret_balancer);
		ret_balancer->state = trial ? BALANCER_WAITING : BALANCER_NONE;
	}
	if (trial)
		snprintf(ret_balancer->rollout, sizeof(ret_balancer->rollout), "%s", trial->id);
	if (trial && strcmp(store->turned_down, trial->id) == 0) {
		ret_balancer->state = BALANCER_REFUSED;
		snprintf(ret_balancer->reason, sizeof(ret_balancer->reason), "%.199s",
			 store->misfit.message);
	}
}

static int require_connection(const struct fleet_store *store, struct error *err)
{
	if (store->state == STATE_CONNECTING)
		return error_set(err, EINPROGRESS, "the fleet's configuration is being read");
	if (store->state == STATE_CONNECTED)
		return 0;
	error_set(err, EAGAIN, "nothing has changed: %.250s", store->lost.message);
	return error_hint(err, -EAGAIN, "roll-outs need etcd; %.100s", store->lost.hint);
}

int fleet_store_may_begin(const struct fleet_store *store, struct error *err)
{
	int ret = require_connection(store, err);

	if (ret == 0 && store->refused.message[0])
		ret = refuse_offer(store, err);
	return ret ? ret : rollout_run_may_begin(store->run, err);
}

int fleet_store_begin(struct fleet_store *store, struct rollout *rollout, const char *asked,
		      struct error *err)
{
	return rollout_run_begin(store->run, rollout, asked, err);
}

int fleet_store_claim(struct fleet_store *store, const char *asked, struct error *err)
{
	return rollout_run_claim(store->run, asked, err);
}

int fleet_store_abort(struct fleet_store *store, const char *who, char ret_id[ROLLOUT_ID_MAX],
		      struct error *err)
{
	int ret = require_connection(store, err);

	return ret ? ret : rollout_run_abort(store->run, who, ret_id, err);
}

/* --- the store --- */

int fleet_store_new(uv_loop_t *loop, struct manager *manager, struct events *events,
		    const char *url, const struct etcd_config *config, const char *id,
		    struct fleet_store **ret_store, struct error *err)
{
	struct fleet_store *store = calloc(1, sizeof(*store));
	const char *prefix = config->url.prefix;
	int ret;

	if (!store)
		return error_set(err, ENOMEM, "out of memory");
	ret = etcd_new(loop, config, &store->etcd, err);
	if (ret) {
		free(store);
		return ret;
	}
	store->weights = fleet_weights_new(loop, store->etcd, config->url.prefix, manager, events);
	if (!store->weights) {
		etcd_free(store->etcd);
		free(store);
		return error_set(err, ENOMEM, "out of memory");
	}
	store->loop = loop;
	store->manager = manager;
	store->events = events;
	store->url = url;
	store->endpoints = config->url.endpoint_count;
	snprintf(store->id, sizeof(store->id), "%s", id);
	snprintf(store->config.key, sizeof(store->config.key), "%s/config", prefix);
	snprintf(store->rollout.key, sizeof(store->rollout.key), "%s/config/rollout", prefix);
	snprintf(store->last.key, sizeof(store->last.key), "%s/config/rollout-last", prefix);
	uv_timer_init(loop, &store->connect);
	uv_timer_init(loop, &store->settle);
	store->connect.data = store;
	store->settle.data = store;
	store->roster = fleet_roster_new(loop, store->etcd, prefix, id, describe, store);
	if (store->roster)
		store->run = rollout_run_new(loop, store->etcd, store->roster, &store->sight,
					     prefix, id);
	if (!store->run) {
		fleet_store_free(store);
		return error_set(err, ENOMEM, "out of memory");
	}
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
	rollout_run_free(store->run);
	fleet_roster_free(store->roster);
	fleet_weights_free(store->weights);
	etcd_free(store->etcd);
	offer_clear(&store->offer);
	rollout_free(store->sight.rollout);
	trial_free(store->trial);
	free(store->config.text);
	free(store->rollout.text);
	free(store->last.text);
	uv_timer_stop(&store->settle); /* it is closed only when the other is */
	uv_close((uv_handle_t *)&store->connect, on_connect_closed);
}

struct fleet_store_view fleet_store_view(const struct fleet_store *store)
{
	bool connected = store->state == STATE_CONNECTED;
	struct fleet_store_view view = {
		.url = store->url,
		.key = store->config.key,
		.connected = connected,
		.revision = store->revision,
		.problem = connected ? &store->refused : &store->lost,
		.balancer = store->id,
		.rollout = store->sight.rollout ?: rollout_run_driven(store->run),
		.trial = store->in_force[0],
		.last = rollout_end_read(store->last.text ?: "", store->last.length),
	};

	view.balancers = fleet_roster_balancers(store->roster, &view.balancer_count);
	if (!view.rollout)
		return view;
	if (strcmp(view.last.id, view.rollout->id) == 0)
		view.last = (struct rollout_end){0}; /* it has not ended yet */
	if (connected)
		rollout_run_waits(store->run, view.rollout, &view.waiting);
	else
		error_set(&view.waiting, EAGAIN,
			  "etcd is not reached; this is what was known before");
	return view;
}
