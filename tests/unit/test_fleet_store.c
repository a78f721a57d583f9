/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "document.h"
#include "fake_etcd_lease.h"
#include "fake_probe.h"
#include "fleet_roster.h"
#include "fleet_store.h"
#include "fleet_weights.h"
#include "json.h"
#include "manager_fixture.h"
#include "source_list.h"

/* --- an etcd that answers when it is told to --- */

struct request {
	etcd_callback callback; /* NULL: none is under way */
	void *context;
	char *value;
	uint64_t revision;
};

static struct request get, beat, put, watch; /* of the configuration and of roll-outs */
static struct request turn;                  /* a roll-out's commit; value is the first step's */
static struct request roster_get, roster_watch, tell;
static unsigned int get_count, put_count;
static size_t turn_steps;
static char *turn_last; /* how the roll-out ends */
static size_t endpoint, endpoints;

static int begin(struct request *request, etcd_callback callback, void *context)
{
	assert_null(request->callback);
	request->callback = callback;
	request->context = context;
	return 0;
}

static void forget(struct request *request)
{
	free(request->value);
	*request = (struct request){0};
}

int etcd_new(uv_loop_t *loop, const struct etcd_config *config, struct etcd **ret_etcd,
	     struct error *err)
{
	(void)loop;
	(void)err;
	endpoint = 0;
	endpoints = config->url.endpoint_count;
	*ret_etcd = NULL;
	return 0;
}

void etcd_free(struct etcd *etcd)
{
	(void)etcd;
	forget(&get);
	forget(&beat);
	forget(&put);
	forget(&watch);
	forget(&turn);
	forget(&roster_get);
	forget(&roster_watch);
	forget(&tell);
	free(turn_last);
	turn_last = NULL;
}

static bool of_roster(const char *key)
{
	return strncmp(key, "/p/balancers/", 13) == 0;
}

/* Tested by itself: test_fleet_weights. */
struct fleet_weights *fleet_weights_new(uv_loop_t *loop, struct etcd *etcd, const char *prefix,
					struct manager *manager, struct events *events)
{
	static char weights;

	(void)loop;
	(void)etcd;
	(void)prefix;
	(void)manager;
	(void)events;
	return (struct fleet_weights *)&weights;
}

void fleet_weights_free(struct fleet_weights *weights)
{
	(void)weights;
}

void fleet_weights_connect(struct fleet_weights *weights, bool connected)
{
	(void)weights;
	(void)connected;
}

int etcd_get(struct etcd *etcd, const char *key, unsigned int flags, etcd_callback callback,
	     void *context)
{
	(void)etcd;
	assert_true(flags & ETCD_PREFIX);
	if (of_roster(key))
		return begin(&roster_get, callback, context);
	assert_string_equal(key, "/p/config");
	get_count += !(flags & ETCD_KEYS_ONLY);
	return begin(flags & ETCD_KEYS_ONLY ? &beat : &get, callback, context);
}

/* Notes the first step, and the text of /p/config/rollout-last. */
static int begin_turn(const struct etcd_step *steps, size_t count, etcd_callback callback,
		      void *context)
{
	assert_string_equal(steps->key, "/p/config/rollout");
	assert_true(steps->compared);
	turn.value = steps->value ? strdup(steps->value) : NULL;
	turn.revision = steps->mod_revision;
	turn_steps = count;
	free(turn_last);
	turn_last = NULL;
	for (size_t i = 1; i < count; i++) {
		if (strcmp(steps[i].key, "/p/config/rollout-last") == 0)
			turn_last = strdup(steps[i].value);
	}
	return begin(&turn, callback, context);
}

int etcd_commit(struct etcd *etcd, const struct etcd_step *steps, size_t count,
		etcd_callback callback, void *context)
{
	(void)etcd;
	if (of_roster(steps->key)) {
		assert_true(steps->lease == 77);
		tell.value = strdup(steps->value);
		return begin(&tell, callback, context);
	}
	if (strcmp(steps->key, "/p/config") != 0)
		return begin_turn(steps, count, callback, context);
	assert_int_equal(count, 1);
	assert_true(steps->compared);
	put_count++;
	put.value = strdup(steps->value);
	put.revision = steps->mod_revision;
	return begin(&put, callback, context);
}

int etcd_watch(struct etcd *etcd, const char *key, unsigned int flags, uint64_t revision,
	       etcd_callback callback, void *context)
{
	struct request *request = of_roster(key) ? &roster_watch : &watch;

	(void)etcd;
	assert_int_equal(flags, ETCD_PREFIX);
	request->revision = revision;
	return begin(request, callback, context);
}

void etcd_cancel(struct etcd *etcd, etcd_callback callback, const void *context)
{
	struct request *const all[] = {&get,  &beat,       &put,          &watch,
				       &turn, &roster_get, &roster_watch, &tell};

	(void)etcd;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (all[i]->callback == callback && all[i]->context == context)
			forget(all[i]);
	}
}

const char *etcd_endpoint(const struct etcd *etcd)
{
	(void)etcd;
	return endpoint ? "second" : "first";
}

bool etcd_next(struct etcd *etcd)
{
	(void)etcd;
	endpoint = (endpoint + 1) % endpoints;
	return endpoint;
}

static void add_kv(struct etcd_answer *answer, const char *key, uint64_t mod_revision,
		   const char *text)
{
	struct etcd_kv *kv = &answer->kvs[answer->count++];

	kv->key = strdup(key);
	kv->mod_revision = mod_revision;
	kv->text = text ? strdup(text) : NULL;
	kv->length = text ? strlen(text) : 0;
}

/* mod_revision 0: there is no such key, or no more. text NULL: without one. */
static void answer(struct request *request, bool done, uint64_t revision, uint64_t mod_revision,
		   const char *text)
{
	struct etcd_answer said = {.done = done, .revision = revision};
	struct request was = *request;

	assert_non_null(was.callback);
	if (request != &watch && request != &roster_watch)
		forget(request);
	said.kvs = calloc(1, sizeof(*said.kvs));
	assert_non_null(said.kvs);
	if (!done && (mod_revision || request == &watch))
		add_kv(&said, "/p/config", mod_revision, text);
	was.callback(was.context, 0, &said, NULL);
	etcd_answer_clear(&said);
}

/* The watch tells of a roll-out, and of the configuration unless that is NULL. */
static void watch_rollout(uint64_t revision, const char *rollout, const char *last,
			  const char *config)
{
	struct etcd_answer said = {.revision = revision, .kvs = calloc(3, sizeof(*said.kvs))};

	assert_non_null(said.kvs);
	if (config)
		add_kv(&said, "/p/config", revision, config);
	if (last)
		add_kv(&said, "/p/config/rollout-last", revision, last);
	add_kv(&said, "/p/config/rollout", rollout ? revision : 0, rollout);
	watch.callback(watch.context, 0, &said, NULL);
	etcd_answer_clear(&said);
}

/* A balancer tells of itself, by the watch of the roster. */
static void watch_balancer(const char *id, const char *text)
{
	struct etcd_answer said = {.revision = 99, .kvs = calloc(1, sizeof(*said.kvs))};
	char key[64];

	assert_non_null(said.kvs);
	snprintf(key, sizeof(key), "/p/balancers/%s", id);
	add_kv(&said, key, text ? 99 : 0, text);
	roster_watch.callback(roster_watch.context, 0, &said, NULL);
	etcd_answer_clear(&said);
}

static void break_off(struct request *request, int ret)
{
	struct request was = *request;
	struct error err;

	assert_non_null(was.callback);
	forget(request);
	error_set(&err, -ret, "etcd is broken");
	error_hint(&err, ret, "mend it");
	was.callback(was.context, ret, NULL, &err);
}

/* --- fixture --- */

#define WEB   "{\"services\":[{\"name\":\"web\",\"vip\":[\"tcp://198.18.0.10:80\"]}]}"
#define DNS   "{\"services\":[{\"name\":\"dns\",\"vip\":[\"udp://198.18.0.11:53\"]}]}"
#define WRONG "{\"services\":[{\"name\":\"web\",\"vip\":[\"x\"]}]}"

#define SERVICES 420 /* with many_prefixes() they are more than etcd takes */

static const struct dataplane_sizes sizes = {
	.services = SERVICES, .backends = 8, .vips = SERVICES, .flows = 1024, .table_size = 251};

static struct fleet_store *store;
static struct error err;

static int setup(void **state)
{
	struct etcd_config config = {.ca = "", .cert = "", .key = "", .user_file = ""};

	(void)state;
	fixture_begin(&sizes);
	assert_int_equal(etcd_url_parse("etcd://a,b/p", &config.url, &err), 0);
	assert_int_equal(fleet_store_new(&fx.loop, fx.manager, fx.events, "etcd://a,b/p", &config,
					 "me", &store, &err),
			 0);
	get_count = put_count = 0;
	run_until(get.callback);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fleet_store_free(store);
	fixture_end();
	return 0;
}

static bool has(const char *name)
{
	return desired_service(manager_desired(fx.manager), name);
}

static bool current(uint64_t revision)
{
	const struct fleet_store_view view = fleet_store_view(store);

	return view.connected && view.revision == revision && !view.problem->message[0];
}

static void problem_is(const char *part)
{
	assert_non_null(strstr(fleet_store_view(store).problem->message, part));
}

static void turns(int count)
{
	while (count-- > 0)
		uv_run(&fx.loop, UV_RUN_ONCE);
}

/* Web is there, at revision 5. */
static void connected(void)
{
	answer(&get, false, 7, 5, WEB);
	run_until(current(5));
	assert_true(has("web"));
}

/* As a request is made: from the present state, each time. */
static int add(const char *name, const char *vip_text)
{
	struct desired *next = change();
	struct service_spec spec;
	int ret;

	service_spec_init(&spec);
	snprintf(spec.name, sizeof(spec.name), "%s", name);
	spec.vips = calloc(1, sizeof(*spec.vips));
	spec.vip_count = 1;
	assert_int_equal(parse_vip(vip_text, &spec.vips->vip, &err), 0);
	ret = desired_add_service(next, &spec, &err);
	service_spec_clear(&spec);
	if (ret == 0)
		return manager_commit(fx.manager, next, &err);
	desired_free(next);
	return ret;
}

static int add_dns(void)
{
	return add("dns", "udp://198.18.0.11:53");
}

/* --- following --- */

static void test_no_key_changes_nothing(void **state)
{
	(void)state;
	answer(&get, false, 3, 0, NULL);
	run_until(current(0));
	assert_int_equal(watch.revision, 4);
	assert_int_equal(add_dns(), -EINPROGRESS);
	assert_int_equal(put.revision, 0); /* only if there still is none */
}

static void test_follows(void **state)
{
	(void)state;
	connected();
	assert_int_equal(watch.revision, 8);
	answer(&watch, false, 9, 9, DNS);
	run_until(current(9));
	assert_true(has("dns"));
	assert_false(has("web"));
	answer(&watch, false, 8, 8, WEB); /* late */
	turns(5);
	assert_true(current(9));
	answer(&watch, false, 10, 0, NULL); /* deleted */
	run_until(current(0));
	assert_true(has("dns"));
	assert_int_equal(put_count, 0);
}

#define OWNER(last) "{\"address\":\"198.18.1." last ":80\"}"
#define CHANCE(backends, former)                                                                   \
	"{\"services\":[{\"name\":\"web\",\"vip\":[\"tcp://198.18.0.10:80\"],\"mode\":\"gue\","    \
	"\"second-chance\":\"on\",\"former-owners\":[" former "],\"backends\":[" backends "]}]}"

static int add_backend(const char *text)
{
	struct desired *next = change();
	struct backend_spec spec;

	backend_spec_init(&spec);
	assert_int_equal(parse_endpoint(text, 0, &spec.endpoint, &err), 0);
	assert_int_equal(service_add_backend(&next->services[0], &spec, &err), 0);
	return manager_commit(fx.manager, next, &err);
}

/* Whoever writes a document knows what became of the owners, also where we have missed it; of a
 * change of our own we know. */
static void test_former_owners(void **state)
{
	(void)state;
	connected();
	answer(&watch, false, 9, 9, CHANCE(OWNER("11"), ""));
	run_until(current(9));
	answer(&watch, false, 12, 12, CHANCE(OWNER("12"), "[" OWNER("13") "]"));
	run_until(current(12));
	assert_int_equal(add_backend("198.18.1.14:80"), -EINPROGRESS);
	assert_non_null(
		strstr(put.value, "\"former-owners\":[[" OWNER("12") "],[" OWNER("13") "]]"));
	answer(&put, true, 13, 13, NULL);
	assert_int_equal(add_backend("198.18.1.14:80"), 0);
	run_until(current(13));
	answer(&watch, false, 14, 14, CHANCE(OWNER("12") "," OWNER("14"), ""));
	run_until(current(14));
	assert_int_equal(manager_desired(fx.manager)->services[0].former[0].count, 0);
}

static void test_refused_document(void **state)
{
	(void)state;
	connected();
	answer(&watch, false, 9, 9, WRONG);
	run_until(fleet_store_view(store).problem->message[0]);
	problem_is("revision 9 of /p/config is not in force here");
	assert_true(has("web"));
	assert_true(fleet_store_view(store).revision == 5);
	assert_int_equal(add_dns(), -ESTALE);
	assert_non_null(strstr(err.hint, "etcdctl put /p/config"));
	answer(&watch, false, 10, 10, "");
	turns(5);
	problem_is("revision 10");
	answer(&watch, false, 11, 11, DNS);
	run_until(current(11));
	assert_true(has("dns"));
}

static void test_etcd_set_up_anew(void **state)
{
	(void)state;
	connected();
	break_off(&watch, -EIO);
	run_until(get.callback);
	answer(&get, false, 5, 5, DNS); /* older, and of the same number */
	run_until(has("dns"));
	run_until(current(5));
}

static void test_every_endpoint_is_tried(void **state)
{
	(void)state;
	break_off(&get, -ECONNREFUSED);
	assert_string_equal(etcd_endpoint(NULL), "second");
	assert_int_equal(add_dns(), -EINPROGRESS); /* perhaps the next one is there */
	run_until(get.callback);
	break_off(&get, -ECONNREFUSED);
	run_until(get.callback);
	break_off(&get, -ECONNREFUSED);
	problem_is("etcd is broken");
	assert_int_equal(add_dns(), -EAGAIN);
	assert_non_null(strstr(err.message, "nothing has changed: etcd is broken"));
	assert_int_equal(put_count, 0);
	run_until(get.callback);
	connected();
	assert_int_equal(add_dns(), -EINPROGRESS);
	assert_int_equal(put_count, 1);
}

static void test_deaf_watch(void **state)
{
	(void)state;
	connected();
	run_until(beat.callback);
	answer(&beat, false, 9, 9, NULL); /* the watch may be about to tell */
	assert_int_equal(get_count, 1);
	run_until(beat.callback);
	answer(&beat, false, 9, 9, NULL);
	run_until(get.callback);
	answer(&get, false, 9, 9, DNS);
	run_until(current(9));
}

/* --- changes --- */

static void test_change(void **state)
{
	(void)state;
	connected();
	assert_int_equal(add_dns(), -EINPROGRESS);
	assert_int_equal(add_dns(), -EINPROGRESS);
	assert_int_equal(put_count, 1);
	assert_int_equal(put.revision, 5);
	assert_non_null(strstr(put.value, "\"dns\""));
	assert_non_null(strstr(put.value, "\"web\""));
	assert_false(has("dns"));
	answer(&put, true, 9, 9, NULL);
	assert_false(has("dns")); /* whoever has asked makes it */
	assert_int_equal(add_dns(), 0);
	assert_true(has("dns"));
	run_until(current(9));
	assert_int_equal(add_dns(), -EEXIST);
	assert_int_equal(put_count, 1);
}

/* What etcd has taken is told by the watch before it is by the answer. */
static void test_watch_is_faster(void **state)
{
	char *value;

	(void)state;
	connected();
	assert_int_equal(add_dns(), -EINPROGRESS);
	value = strdup(put.value);
	answer(&watch, false, 9, 9, value);
	free(value);
	turns(5);
	assert_false(has("dns"));
	answer(&put, true, 9, 9, NULL);
	assert_int_equal(add_dns(), 0);
	run_until(current(9));
}

static void test_loser_goes_on_from_the_winner(void **state)
{
	(void)state;
	connected();
	assert_int_equal(add_dns(), -EINPROGRESS);
	answer(&put, false, 9, 8,
	       "{\"services\":[{\"name\":\"other\",\"vip\":[\"tcp://198.18.0.12:80\"]}]}");
	assert_int_equal(add_dns(), -EINPROGRESS); /* not upon what is no more */
	assert_int_equal(put_count, 1);
	run_until(current(8));
	assert_int_equal(add_dns(), -EINPROGRESS);
	assert_int_equal(put_count, 2);
	assert_int_equal(put.revision, 8);
	assert_non_null(strstr(put.value, "\"other\""));
	assert_null(strstr(put.value, "\"web\""));
}

static void test_both_add_the_same(void **state)
{
	(void)state;
	connected();
	assert_int_equal(add_dns(), -EINPROGRESS);
	answer(&put, false, 9, 8, DNS);
	run_until(current(8));
	assert_int_equal(add_dns(), -EEXIST);
}

static void test_nobody_knows(void **state)
{
	(void)state;
	connected();
	assert_int_equal(add_dns(), -EINPROGRESS);
	break_off(&put, -EIO);
	assert_int_equal(add_dns(), -EAGAIN);
	assert_non_null(strstr(err.message, "nobody knows"));
	assert_false(has("dns"));
	run_until(get.callback); /* it looks at once */
}

static void test_not_taken(void **state)
{
	(void)state;
	connected();
	assert_int_equal(add_dns(), -EINPROGRESS);
	break_off(&put, -EACCES);
	assert_int_equal(add_dns(), -EACCES);
	assert_non_null(strstr(err.message, "nothing has changed"));
	assert_true(current(5));
	assert_int_equal(add_dns(), -EINPROGRESS); /* and may be asked again */
}

/* The client of the API has gone, but etcd has it: then it is so. */
static void test_abandoned(void **state)
{
	(void)state;
	connected();
	assert_int_equal(add_dns(), -EINPROGRESS);
	assert_int_equal(add("ntp", "udp://198.18.0.12:123"), -EINPROGRESS); /* another one waits */
	assert_int_equal(put_count, 1);
	answer(&put, true, 9, 9, NULL);
	run_until(current(9));
	assert_true(has("dns"));
	assert_int_equal(add("ntp", "udp://198.18.0.12:123"), -EINPROGRESS);
	assert_int_equal(put_count, 2);
}

/* What is not in the document needs no etcd. */
static void test_local_change(void **state)
{
	struct backend_spec backend;
	struct desired *next;

	(void)state;
	connected();
	break_off(&watch, -EIO);
	run_until(get.callback);
	break_off(&get, -ECONNREFUSED);
	run_until(get.callback);
	break_off(&get, -ECONNREFUSED);
	next = change();
	backend_spec_init(&backend);
	assert_int_equal(parse_endpoint("198.18.1.11:80", 0, &backend.endpoint, &err), 0);
	strcpy(backend.launched, "id");
	assert_int_equal(service_add_backend(desired_service(next, "web"), &backend, &err), 0);
	assert_int_equal(manager_commit(fx.manager, next, &err), 0);
	assert_int_equal(put_count, 0);
	assert_int_equal(add_dns(), -EAGAIN);
}

/* As long as source_list.h allows. */
static char *many_prefixes(void)
{
	char *words = calloc(1, SOURCE_WORDS_MAX + 1), *end = words;

	assert_non_null(words);
	for (unsigned int i = 0; end < words + SOURCE_WORDS_MAX - 32; i++)
		end += sprintf(end, "%s100.%u.%u.0/24", i ? "," : "", 64 + i / 256, i % 256);
	return words;
}

/* Etcd would not take it. */
static void test_too_long(void **state)
{
	struct desired *next;
	struct service_spec *spec;

	(void)state;
	connected();
	next = change();
	next->services = reallocarray(next->services, SERVICES, sizeof(*next->services));
	assert_non_null(next->services);
	for (unsigned int i = 1; i < SERVICES; i++) {
		spec = &next->services[i];
		assert_int_equal(service_spec_copy(&next->services[0], spec), 0);
		snprintf(spec->name, sizeof(spec->name), "web%u", i);
		spec->id = spec->vips[0].id = 0;
		spec->vips[0].vip.endpoint.port = (uint16_t)(1000 + i);
		spec->source_deny = many_prefixes();
		next->service_count++;
	}
	assert_int_equal(manager_commit(fx.manager, next, &err), -ENOSPC);
	assert_non_null(strstr(err.message, "etcd takes 1570816 in one request"));
	assert_int_equal(put_count, 0);
	assert_int_equal(manager_desired(fx.manager)->service_count, 1);
}

/* --- roll-outs: of another's --- */

#define ROLLOUT(id, base, members, document)                                                       \
	"{\"id\":\"" id "\",\"by\":\"other\",\"base\":" base ",\"shares\":[\"1\"],\"step\":1,"     \
	"\"for\":\"1s\",\"balancers\":[" members "],\"document\":" document "}"
#define LAST(id, done, reason)                                                                     \
	"{\"id\":\"" id "\",\"by\":\"other\",\"done\":" done ",\"reason\":\"" reason "\"}"
#define BOTH                                                                                       \
	"{\"services\":[{\"name\":\"dns\",\"vip\":[\"udp://198.18.0.11:53\"]},"                    \
	"{\"name\":\"web\",\"vip\":[\"tcp://198.18.0.10:80\"]}]}"

static bool on_trial(void)
{
	return fleet_store_view(store).trial;
}

static bool was_told(enum event_kind kind, const char *reason)
{
	const struct journal *journal = events_journal(fx.events);
	const struct event *event = NULL;

	while ((event = journal_after(journal, event ? event->seq : 0))) {
		if (event->kind == kind && strstr(event->reason, reason))
			return true;
	}
	return false;
}

static void test_trial(void **state)
{
	(void)state;
	connected();
	watch_rollout(9, ROLLOUT("r1", "5", "\"me\"", BOTH), NULL, NULL);
	run_until(on_trial());
	assert_true(has("dns"));
	assert_true(fleet_store_view(store).revision == 5);
	assert_int_equal(add("ntp", "udp://198.18.0.12:123"), -EEXIST);
	assert_non_null(strstr(err.message, "roll-out r1 is under way, driven by other"));
	assert_int_equal(put_count, 0);
	watch_rollout(10, NULL, LAST("r1", "false", "too bad"), NULL);
	run_until(!on_trial());
	assert_false(has("dns"));
	assert_true(was_told(EVENT_ROLLOUT_UNDONE, "too bad"));
	assert_int_equal(add("ntp", "udp://198.18.0.12:123"), -EINPROGRESS);
}

/* In the end it is the configuration, and nothing is done twice. */
static void test_trial_is_done(void **state)
{
	unsigned int saves;

	(void)state;
	connected();
	watch_rollout(9, ROLLOUT("r1", "5", "\"me\"", BOTH), NULL, NULL);
	run_until(on_trial());
	saves = fx.saves;
	watch_rollout(10, NULL, LAST("r1", "true", ""), BOTH);
	run_until(current(10));
	assert_false(on_trial());
	assert_int_equal(fx.saves, saves);
	assert_true(was_told(EVENT_ROLLOUT_DONE, ""));
}

static void test_no_member(void **state)
{
	(void)state;
	connected();
	watch_rollout(9, ROLLOUT("r1", "5", "\"you\"", BOTH), NULL, NULL);
	turns(5);
	assert_false(on_trial());
	assert_false(has("dns"));
	assert_int_equal(add_dns(), -EEXIST); /* but it is told of it */
	watch_rollout(10, ROLLOUT("r1", "5", "\"you\",\"me\"", BOTH), NULL, NULL);
	run_until(on_trial());
	watch_rollout(11, NULL, NULL, NULL);
	run_until(!on_trial());
	assert_true(was_told(EVENT_ROLLOUT_UNDONE, "drove it has gone"));
}

/* What it was made upon is no more: the configuration goes first. */
static void test_base_is_another(void **state)
{
	(void)state;
	connected();
	watch_rollout(9, ROLLOUT("r1", "4", "\"me\"", BOTH), NULL, NULL);
	turns(5);
	assert_false(on_trial());
	watch_rollout(10, ROLLOUT("r2", "5", "\"me\"", BOTH), NULL, NULL);
	run_until(on_trial());
	answer(&watch, false, 11, 11, DNS);
	run_until(current(11));
	assert_false(on_trial());
	assert_false(has("web"));
}

static void test_cut_off_on_trial(void **state)
{
	(void)state;
	connected();
	watch_rollout(9, ROLLOUT("r1", "5", "\"me\"", BOTH), NULL, NULL);
	run_until(on_trial());
	break_off(&watch, -EIO);
	run_until(get.callback);
	assert_true(on_trial());
	answer(&get, false, 12, 5, WEB); /* and the roll-out is gone */
	run_until(current(5));
	assert_false(on_trial());
	assert_false(has("dns"));
}

static void test_unreadable_rollout(void **state)
{
	(void)state;
	connected();
	watch_rollout(9, "{\"id\":\"r1\"}", NULL, NULL);
	turns(5);
	assert_false(on_trial());
	assert_null(fleet_store_view(store).rollout);
	assert_int_equal(add_dns(), -EINPROGRESS); /* nothing that it could harm */
}

/* --- the roster --- */

/* The balancer is in the roster, and you are. */
static void in_roster(void)
{
	connected();
	run_until(fake_lease_wanted());
	assert_int_equal(fake_lease_ttl(), FLEET_LEASE_S);
	fake_lease_grant(77);
	run_until(tell.callback);
	answer(&tell, true, 8, 0, NULL);
	run_until(roster_get.callback);
	answer(&roster_get, false, 8, 0, NULL);
	watch_balancer("me", "{\"revision\":5,\"in-sync\":true,\"up\":0,\"down\":0}");
	watch_balancer("you", "{\"revision\":5,\"in-sync\":true,\"up\":0,\"down\":0}");
	assert_int_equal(fleet_store_view(store).balancer_count, 2);
}

static void test_tells_how_it_fares(void **state)
{
	static const char bad[] =
		"{\"services\":[{\"name\":\"web\",\"vip\":[\"tcp://198.18.0.10:80\"],"
		"\"check\":\"tcp\",\"backends\":[{\"address\":\"198.18.1.11:80\"}]}]}";
	char text[600];

	(void)state;
	in_roster();
	snprintf(text, sizeof(text), ROLLOUT("r1", "5", "\"me\"", "%s"), bad);
	watch_rollout(9, text, NULL, NULL);
	run_until(tell.callback && strstr(tell.value, "waiting"));
	answer(&tell, true, 10, 0, NULL);
	run_until(fake_probe_spec("198.18.1.11:80"));
	for (int i = 0; i < 3; i++)
		fake_probe_report("198.18.1.11:80", "connection refused");
	run_until(tell.callback);
	assert_non_null(strstr(tell.value, "\"sick\""));
	assert_non_null(strstr(tell.value, "service web: backend 198.18.1.11:80 is "));
	assert_non_null(strstr(tell.value, "\"down\":1"));
}

static void test_does_not_fit(void **state)
{
	static const char wrong[] = ROLLOUT("r1", "5", "\"me\"", WRONG);

	(void)state;
	in_roster();
	watch_rollout(9, wrong, NULL, NULL);
	run_until(tell.callback);
	assert_non_null(strstr(tell.value, "\"refused\""));
	assert_true(current(5));
	assert_true(was_told(EVENT_ROLLOUT_REFUSED, ""));
}

static void test_lease_is_lost(void **state)
{
	(void)state;
	in_roster();
	fake_lease_lose();
	run_until(fake_lease_wanted()); /* another one is asked for */
	fake_lease_grant(77);
	run_until(tell.callback);
}

/* --- roll-outs: of one's own --- */

static struct rollout *request(const char *document)
{
	struct rollout *rollout = NULL;
	char text[600];
	cJSON *json;

	snprintf(text, sizeof(text), "{\"shares\":[\"1\"],\"for\":\"0ms\",\"document\":%s}",
		 document);
	json = cJSON_Parse(text);
	assert_int_equal(rollout_read_request(json, "roll-out", &rollout, &err), 0);
	cJSON_Delete(json);
	return rollout;
}

static int begin_rollout(const char *document)
{
	int ret = fleet_store_may_begin(store, &err);

	return ret ? ret : fleet_store_begin(store, request(document), document, &err);
}

static int claim(const char *document)
{
	return fleet_store_claim(store, document, &err);
}

/* One of all members' states. */
static void all_are(const char *id, const char *state)
{
	char text[200];

	snprintf(text, sizeof(text),
		 "{\"revision\":5,\"in-sync\":true,\"up\":1,\"down\":0,\"rollout\":\"%s\","
		 "\"state\":\"%s\",\"reason\":\"why\"}",
		 id, state);
	watch_balancer("me", text);
	watch_balancer("you", text);
}

/* What etcd has been told of it, told by the watch. */
static const char *taken(uint64_t revision)
{
	static char id[ROLLOUT_ID_MAX];
	char *value = strdup(turn.value);

	answer(&turn, true, revision, 0, NULL);
	watch_rollout(revision, value, NULL, NULL);
	snprintf(id, sizeof(id), "%s", fleet_store_view(store).rollout->id);
	free(value);
	return id;
}

static const char *begun(void)
{
	in_roster();
	assert_int_equal(begin_rollout(BOTH), -EINPROGRESS);
	assert_int_equal(claim(BOTH), -EINPROGRESS);
	assert_int_equal(turn.revision, 0);               /* only if there is none */
	assert_non_null(strstr(turn_last, ROLLOUT_GONE)); /* if nobody ends it */
	return taken(10);
}

static void test_drives(void **state)
{
	const char *id = begun();

	(void)state;
	assert_int_equal(claim(BOTH), 0);
	assert_int_equal(claim(BOTH), -ENOENT);
	assert_int_equal(fleet_store_view(store).rollout->member_count, 1);
	assert_int_equal(begin_rollout(BOTH), -EEXIST);
	assert_non_null(strstr(err.message, id));
	all_are(id, "waiting");
	turns(5);
	assert_null(turn.callback);
	all_are(id, "well");
	run_until(turn.callback);
	assert_int_equal(turn.revision, 10);
	taken(11);
	assert_int_equal(fleet_store_view(store).rollout->member_count, 2);
	run_until(turn.callback); /* all are still well: it becomes the configuration */
	assert_int_equal(turn_steps, 3);
	assert_int_equal(turn.revision, 11);
	assert_non_null(strstr(turn_last, "\"done\":true"));
	answer(&turn, true, 12, 0, NULL);
	watch_rollout(12, NULL, LAST("x", "true", ""), BOTH);
	run_until(current(12));
}

static void undone(const char *reason)
{
	run_until(turn.callback);
	assert_int_equal(turn_steps, 2);
	assert_null(turn.value); /* it is deleted */
	assert_non_null(strstr(turn_last, "\"done\":false"));
	assert_non_null(strstr(turn_last, reason));
}

static void test_gate_fails(void **state)
{
	const char *id = begun();

	(void)state;
	all_are(id, "sick");
	undone("is worse off: why");
	assert_int_equal(turn.revision, 10);
	/* Etcd does not answer: it is asked again. */
	break_off(&turn, -EIO);
	undone("is worse off: why");
}

static void test_ground_moves(void **state)
{
	(void)state;
	begun();
	answer(&watch, false, 11, 11, DNS);
	undone("somebody else has changed the configuration");
}

static void test_driver_loses_its_lease(void **state)
{
	(void)state;
	begun();
	fake_lease_lose();
	undone("had lost etcd");
}

/* Of a fleet that is not known no share can be chosen. */
static void test_roster_is_unknown(void **state)
{
	(void)state;
	connected();
	run_until(fake_lease_wanted());
	fake_lease_grant(77);
	assert_int_equal(begin_rollout(BOTH), -EAGAIN);
	assert_non_null(strstr(err.message, "not in the fleet's roster yet"));
	assert_null(turn.callback);
}

static void test_another_was_faster(void **state)
{
	(void)state;
	in_roster();
	assert_int_equal(begin_rollout(BOTH), -EINPROGRESS);
	answer(&turn, false, 10, 9, "{}");
	assert_int_equal(claim(BOTH), -EEXIST);
	assert_non_null(strstr(err.message, "another roll-out was faster"));
	assert_int_equal(claim(BOTH), -ENOENT);
}

/* As after a restart, or when nobody knew whether it had begun. */
static void test_orphan(void **state)
{
	(void)state;
	in_roster();
	watch_rollout(10,
		      "{\"id\":\"r1\",\"by\":\"me\",\"base\":5,\"shares\":[],\"step\":1,"
		      "\"balancers\":[],\"document\":" BOTH "}",
		      NULL, NULL);
	undone("has begun anew");
}

static void test_abort(void **state)
{
	char id[ROLLOUT_ID_MAX];

	(void)state;
	in_roster();
	assert_int_equal(fleet_store_abort(store, "root", id, &err), -ENOENT);
	watch_rollout(10, ROLLOUT("r1", "5", "\"me\"", BOTH), NULL, NULL);
	assert_int_equal(fleet_store_abort(store, "root", id, &err), -EINPROGRESS);
	undone("ended by root at me");
	answer(&turn, false, 11, 11, "{}"); /* it has moved on */
	assert_int_equal(fleet_store_abort(store, "root", id, &err), -EINPROGRESS);
	answer(&turn, true, 12, 0, NULL);
	assert_int_equal(fleet_store_abort(store, "root", id, &err), 0);
	assert_string_equal(id, "r1");
}

static void test_nothing_to_go_back_to(void **state)
{
	(void)state;
	answer(&get, false, 3, 0, NULL);
	run_until(current(0));
	assert_int_equal(begin_rollout(BOTH), -EAGAIN);
	assert_non_null(strstr(err.message, "there is no configuration to go back to"));
	assert_non_null(strstr(err.hint, "etcdctl put /p/config"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_key_changes_nothing),
		TEST(test_follows),
		TEST(test_former_owners),
		TEST(test_refused_document),
		TEST(test_etcd_set_up_anew),
		TEST(test_every_endpoint_is_tried),
		TEST(test_deaf_watch),
		TEST(test_change),
		TEST(test_watch_is_faster),
		TEST(test_loser_goes_on_from_the_winner),
		TEST(test_both_add_the_same),
		TEST(test_nobody_knows),
		TEST(test_not_taken),
		TEST(test_abandoned),
		TEST(test_local_change),
		TEST(test_too_long),
		TEST(test_trial),
		TEST(test_trial_is_done),
		TEST(test_no_member),
		TEST(test_base_is_another),
		TEST(test_cut_off_on_trial),
		TEST(test_unreadable_rollout),
		TEST(test_tells_how_it_fares),
		TEST(test_does_not_fit),
		TEST(test_lease_is_lost),
		TEST(test_drives),
		TEST(test_gate_fails),
		TEST(test_ground_moves),
		TEST(test_driver_loses_its_lease),
		TEST(test_roster_is_unknown),
		TEST(test_another_was_faster),
		TEST(test_orphan),
		TEST(test_abort),
		TEST(test_nothing_to_go_back_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
