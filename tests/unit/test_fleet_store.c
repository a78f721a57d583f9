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
#include "fleet_store.h"
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

static struct request get, beat, put, watch;
static unsigned int get_count, put_count;
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
}

int etcd_get(struct etcd *etcd, const char *key, unsigned int flags, etcd_callback callback,
	     void *context)
{
	(void)etcd;
	assert_string_equal(key, "/p/config");
	get_count += !flags;
	return begin(flags & ETCD_KEYS_ONLY ? &beat : &get, callback, context);
}

int etcd_commit(struct etcd *etcd, const struct etcd_step *steps, size_t count,
		etcd_callback callback, void *context)
{
	(void)etcd;
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
	(void)etcd;
	(void)key;
	assert_int_equal(flags, 0);
	watch.revision = revision;
	return begin(&watch, callback, context);
}

void etcd_cancel(struct etcd *etcd, etcd_callback callback, const void *context)
{
	struct request *const all[] = {&get, &beat, &put, &watch};

	(void)etcd;
	for (size_t i = 0; i < 4; i++) {
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

/* mod_revision 0: there is no such key, or no more. text NULL: without one. */
static void answer(struct request *request, bool done, uint64_t revision, uint64_t mod_revision,
		   const char *text)
{
	struct etcd_answer said = {.done = done, .revision = revision};
	struct request was = *request;

	assert_non_null(was.callback);
	if (request != &watch) {
		request->callback = NULL;
		forget(request);
	}
	said.kvs = calloc(1, sizeof(*said.kvs));
	assert_non_null(said.kvs);
	if (!done && (mod_revision || request == &watch)) {
		said.count = 1;
		said.kvs->key = strdup("/p/config");
		said.kvs->mod_revision = mod_revision;
		said.kvs->text = text ? strdup(text) : NULL;
		said.kvs->length = text ? strlen(text) : 0;
	}
	was.callback(was.context, 0, &said, NULL);
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
					 &store, &err),
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_key_changes_nothing),
		TEST(test_follows),
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
