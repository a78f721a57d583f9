/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet_weights.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "etcd_lease.h"
#include "json.h"
#include "log.h"

#define LEASE_S  5 /* until another one decides when the leader is gone without a word */
#define TICK_MS  1000
#define ROOT_MAX (ETCD_PREFIX_MAX + 16)
#define KEY_MAX  (ROOT_MAX + SERVICE_NAME_MAX + 2)

/* What is written of a service. */
struct agreed {
	char *service, *text;
};

struct fleet_weights {
	uv_loop_t *loop;
	struct etcd *etcd;
	struct manager *manager;
	struct events *events;
	char prefix[ROOT_MAX], leader_key[ROOT_MAX]; /* the prefix is of both kinds of keys */
	char claim[HOST_NAME_MAX + 24]; /* the leader's key if it is ours; "": it cannot be */
	bool connected;
	bool watches; /* or is about to */
	bool is_led;  /* by whomever, as of the watch */
	bool asks;    /* to lead */
	struct etcd_lease *lease;
	uint64_t leads;   /* mod_revision of the leader's key that is ours; 0: none is */
	uint64_t applied; /* generation of the configuration that has what is agreed */
	struct agreed *agreed;
	size_t count;
	uv_timer_t tick;
};

/* --- who decides --- */

static void lead(struct fleet_weights *weights, uint64_t revision)
{
	if (!weights->leads != !revision)
		log_info(revision ? "this balancer decides on weights that follow load"
				  : "another balancer decides on weights that follow load");
	weights->leads = revision;
	manager_load_leads(weights->manager, revision);
}

/* The watch tells who leads, not the answer to our own wish, which may come late or never. NULL:
 * nobody does. */
static void note_leader(struct fleet_weights *weights, const struct etcd_kv *kv)
{
	bool ours = kv && kv->text && weights->claim[0] && strcmp(kv->text, weights->claim) == 0;

	weights->is_led = kv && kv->mod_revision;
	lead(weights, ours ? kv->mod_revision : 0);
}

static void on_lead(void *context, int ret, const struct etcd_answer *answer,
		    const struct error *err)
{
	struct fleet_weights *weights = context;

	(void)err;
	(void)answer;
	(void)ret;
	weights->asks = false;
}

static void ask_to_lead(struct fleet_weights *weights)
{
	const struct etcd_step step = {
		.key = weights->leader_key,
		.what = ETCD_PUT,
		.compared = true,
		.value = weights->claim,
		.lease = etcd_lease_id(weights->lease),
	};

	if (weights->connected && step.lease && !weights->is_led && !weights->asks)
		weights->asks = etcd_commit(weights->etcd, &step, 1, on_lead, weights) == 0;
}

/* Which balancer, for people, and which of its leases. */
static void make_claim(struct fleet_weights *weights)
{
	char host[HOST_NAME_MAX + 1] = "";

	gethostname(host, sizeof(host) - 1);
	snprintf(weights->claim, sizeof(weights->claim), "%s %" PRIx64, host,
		 etcd_lease_id(weights->lease));
}

static void give_up_lease(struct fleet_weights *weights)
{
	etcd_lease_free(weights->lease);
	weights->lease = NULL;
	weights->claim[0] = '\0';
	lead(weights, 0);
}

/* Whoever has lost his lease asks for another with the next tick. */
static void on_lease(void *context, int ret, const struct error *err)
{
	struct fleet_weights *weights = context;

	(void)err;
	if (ret == 0) {
		make_claim(weights);
		ask_to_lead(weights);
		return;
	}
	give_up_lease(weights);
}

/* --- what was agreed: reading --- */

struct factor {
	struct endpoint endpoint;
	uint16_t factor;
};

static int compare_factors(const void *left, const void *right)
{
	return endpoint_order(&((const struct factor *)left)->endpoint,
			      &((const struct factor *)right)->endpoint);
}

/* The factors that are named, by endpoint; NULL: out of memory. What makes no sense is left out. */
static struct factor *read_factors(const cJSON *object, size_t *ret_count)
{
	struct factor *factors = calloc((size_t)cJSON_GetArraySize(object) + 1, sizeof(*factors));
	const cJSON *item;
	struct error err;
	double number;

	*ret_count = 0;
	if (!factors)
		return NULL;
	cJSON_ArrayForEach (item, object) {
		number = cJSON_GetNumberValue(item);
		if (!(number >= 1 && number <= LOAD_WHOLE) ||
		    parse_endpoint(item->string, 0, &factors[*ret_count].endpoint, &err) < 0)
			continue;
		factors[(*ret_count)++].factor = (uint16_t)number;
	}
	qsort(factors, *ret_count, sizeof(*factors), compare_factors);
	return factors;
}

/* For each backend of the service, in their order; the caller's to free. NULL: out of memory. */
static uint16_t *factors_for(const struct service_spec *service, const cJSON *object)
{
	uint16_t *result = calloc(service->backend_count + 1, sizeof(*result));
	const struct factor *found;
	struct factor *named, wanted = {0};
	size_t count = 0;

	named = read_factors(object, &count);
	for (size_t i = 0; result && named && i < service->backend_count; i++) {
		wanted.endpoint = service->backends[i].endpoint;
		found = bsearch(&wanted, named, count, sizeof(*named), compare_factors);
		if (found && found->factor < LOAD_WHOLE)
			result[i] = found->factor;
	}
	if (!named) {
		free(result);
		result = NULL;
	}
	free(named);
	return result;
}

static void apply(struct fleet_weights *weights, const struct agreed *agreed)
{
	const struct service_spec *service =
		desired_service(manager_desired(weights->manager), agreed->service);
	const char *reason;
	cJSON *json = NULL;
	uint16_t *factors;
	struct error err;

	if (!service)
		return; /* this balancer will have it, or the leader takes the key away */
	if (json_parse(agreed->text, strlen(agreed->text), &json, &err) < 0) {
		log_warn("weights that follow load stay", "service", agreed->service, "reason",
			 "what the fleet has agreed on is no JSON", "hint",
			 "the next step puts it right");
		return;
	}
	reason = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "reason"));
	factors = factors_for(service, cJSON_GetObjectItemCaseSensitive(json, "factors"));
	events_act(weights->events, "etcd", NULL);
	if (factors)
		manager_load_apply(weights->manager, service, factors, reason ?: "");
	events_act(weights->events, NULL, NULL);
	free(factors);
	cJSON_Delete(json);
}

/* --- what was agreed: keeping --- */

static struct agreed *find_agreed(const struct fleet_weights *weights, const char *service)
{
	for (size_t i = 0; i < weights->count; i++)
		if (strcmp(weights->agreed[i].service, service) == 0)
			return &weights->agreed[i];
	return NULL;
}

static void clear_agreed(struct agreed *agreed)
{
	free(agreed->service);
	free(agreed->text);
}

static void forget(struct fleet_weights *weights, struct agreed *agreed)
{
	clear_agreed(agreed);
	*agreed = weights->agreed[--weights->count];
}

static void forget_all(struct fleet_weights *weights)
{
	for (size_t i = 0; i < weights->count; i++)
		clear_agreed(&weights->agreed[i]);
	weights->count = 0;
}

static struct agreed *make_agreed(struct fleet_weights *weights, const char *service)
{
	struct agreed *agreed = reallocarray(weights->agreed, weights->count + 1, sizeof(*agreed));
	char *name = strdup(service);

	if (agreed)
		weights->agreed = agreed;
	if (!agreed || !name) {
		free(name);
		return NULL;
	}
	agreed[weights->count] = (struct agreed){.service = name};
	return &agreed[weights->count++];
}

/* Takes kv's text over. */
static void keep(struct fleet_weights *weights, const char *service, struct etcd_kv *kv)
{
	struct agreed *agreed = find_agreed(weights, service);

	if (!kv->mod_revision || !kv->text) {
		if (agreed)
			forget(weights, agreed);
		return;
	}
	agreed = agreed ?: make_agreed(weights, service);
	if (!agreed)
		return;
	free(agreed->text);
	agreed->text = kv->text;
	kv->text = NULL;
	apply(weights, agreed);
}

static void keep_all(struct fleet_weights *weights, const struct etcd_answer *answer)
{
	size_t length = strlen(weights->prefix);
	struct etcd_kv *kv;

	for (kv = answer->kvs; kv < answer->kvs + answer->count; kv++)
		if (kv->key[length] == '/')
			keep(weights, kv->key + length + 1, kv);
}

/* --- what is decided here --- */

/* One that was refused was decided by somebody who leads no more. */
static void on_written(void *context, int ret, const struct etcd_answer *answer,
		       const struct error *err)
{
	(void)err;
	if (ret == 0 && !answer->done)
		lead(context, 0);
}

static void write_key(struct fleet_weights *weights, const char *service, const char *text)
{
	char key[KEY_MAX];
	const struct etcd_step steps[] = {
		{.key = weights->leader_key,
		 .what = ETCD_LEAVE,
		 .compared = true,
		 .mod_revision = weights->leads},
		{.key = key, .what = text ? ETCD_PUT : ETCD_DELETE, .value = text},
	};

	snprintf(key, sizeof(key), "%s/%s", weights->prefix, service);
	/* Out of memory: the next step will do. */
	etcd_commit(weights->etcd, steps, 2, on_written, weights);
}

static char *write_factors(const struct service_spec *service, const uint16_t *factors,
			   const char *reason)
{
	cJSON *json = cJSON_CreateObject(), *object;
	char endpoint[ENDPOINT_TEXT_MAX], *text;
	bool whole = json && cJSON_AddStringToObject(json, "reason", reason);

	object = whole ? cJSON_AddObjectToObject(json, "factors") : NULL;
	whole = object;
	for (size_t i = 0; whole && i < service->backend_count; i++)
		if (factors[i])
			whole = cJSON_AddNumberToObject(
				object, format_endpoint(&service->backends[i].endpoint, endpoint),
				factors[i]);
	text = whole ? cJSON_PrintUnformatted(json) : NULL;
	cJSON_Delete(json);
	return text;
}

static void propose(void *context, const struct service_spec *service, const uint16_t *factors,
		    const char *reason)
{
	struct fleet_weights *weights = context;
	char *text;

	if (!weights->leads || !weights->connected)
		return;
	text = write_factors(service, factors, reason);
	if (text)
		write_key(weights, service->name, text);
	cJSON_free(text);
}

/* Of services that are gone, or follow load no more, nothing is agreed. */
static void withdraw_old(struct fleet_weights *weights)
{
	const struct desired *desired = manager_desired(weights->manager);
	const struct service_spec *service;

	for (size_t i = 0; weights->leads && weights->connected && i < weights->count; i++) {
		service = desired_service(desired, weights->agreed[i].service);
		if (!service || service->load.mode != LOAD_ON)
			write_key(weights, weights->agreed[i].service, NULL);
	}
}

/* --- connection --- */

static void on_watch(void *context, int ret, const struct etcd_answer *answer,
		     const struct error *err)
{
	struct fleet_weights *weights = context;
	const struct etcd_kv *leader;

	(void)err;
	if (ret < 0) {
		weights->watches = false;
		return;
	}
	leader = etcd_answer_find(answer, weights->leader_key);
	if (leader)
		note_leader(weights, leader);
	keep_all(weights, answer);
	ask_to_lead(weights);
}

static void on_get(void *context, int ret, const struct etcd_answer *answer,
		   const struct error *err)
{
	struct fleet_weights *weights = context;

	(void)err;
	weights->watches = ret == 0 && etcd_watch(weights->etcd, weights->prefix, ETCD_PREFIX,
						  answer->revision + 1, on_watch, weights) == 0;
	if (!weights->watches)
		return;
	forget_all(weights);
	note_leader(weights, etcd_answer_find(answer, weights->leader_key));
	keep_all(weights, answer);
	ask_to_lead(weights);
}

static void cancel(struct fleet_weights *weights)
{
	etcd_cancel(weights->etcd, on_get, weights);
	etcd_cancel(weights->etcd, on_watch, weights);
	etcd_cancel(weights->etcd, on_lead, weights);
	weights->watches = false;
	weights->asks = false;
}

/* Does anything follow load, or is anything left of that? */
static bool is_needed(const struct fleet_weights *weights)
{
	const struct desired *desired = manager_desired(weights->manager);

	for (size_t i = 0; i < desired->service_count; i++)
		if (desired->services[i].load.mode == LOAD_ON)
			return true;
	return weights->count;
}

static void rest(struct fleet_weights *weights)
{
	cancel(weights);
	give_up_lease(weights);
}

static void follow(struct fleet_weights *weights)
{
	if (!is_needed(weights) && weights->lease)
		rest(weights);
	if (!weights->connected || !is_needed(weights))
		return;
	if (!weights->watches)
		weights->watches =
			etcd_get(weights->etcd, weights->prefix, ETCD_PREFIX, on_get, weights) == 0;
	if (!weights->lease)
		weights->lease =
			etcd_lease_new(weights->loop, weights->etcd, LEASE_S, on_lease, weights);
	ask_to_lead(weights);
}

/* The lease outlives a moment without etcd, and so does the lead. */
void fleet_weights_connect(struct fleet_weights *weights, bool connected)
{
	if (weights->connected == connected)
		return;
	weights->connected = connected;
	cancel(weights);
	follow(weights);
}

/* What is agreed may have come before the backends that it is about, or the wish to follow it. */
static void on_tick(uv_timer_t *timer)
{
	struct fleet_weights *weights = timer->data;
	uint64_t generation = manager_desired(weights->manager)->generation;

	follow(weights);
	withdraw_old(weights);
	if (generation == weights->applied)
		return;
	weights->applied = generation;
	for (size_t i = 0; i < weights->count; i++)
		apply(weights, &weights->agreed[i]);
}

/* --- life --- */

struct fleet_weights *fleet_weights_new(uv_loop_t *loop, struct etcd *etcd, const char *prefix,
					struct manager *manager, struct events *events)
{
	struct fleet_weights *weights = calloc(1, sizeof(*weights));

	if (!weights)
		return NULL;
	weights->loop = loop;
	weights->etcd = etcd;
	weights->manager = manager;
	weights->events = events;
	snprintf(weights->prefix, sizeof(weights->prefix), "%s/weights", prefix);
	snprintf(weights->leader_key, sizeof(weights->leader_key), "%s/weights-leader", prefix);
	uv_timer_init(loop, &weights->tick);
	weights->tick.data = weights;
	uv_timer_start(&weights->tick, on_tick, TICK_MS, TICK_MS);
	manager_on_load(manager, propose, weights);
	return weights;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void fleet_weights_free(struct fleet_weights *weights)
{
	if (!weights)
		return;
	manager_on_load(weights->manager, NULL, NULL);
	cancel(weights);
	etcd_cancel(weights->etcd, on_written, weights);
	etcd_lease_free(weights->lease);
	forget_all(weights);
	free(weights->agreed);
	uv_close((uv_handle_t *)&weights->tick, on_closed);
}
