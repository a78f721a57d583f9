/* SPDX-License-Identifier: Apache-2.0 */
/* Who of a fleet decides on weights that follow load, and what all make of what he has written. */
#include "fleet_weights.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_etcd_lease.h"
#include "spec_fixture.h"

#define LEASE  0x2aU
#define PREFIX "/p/weights"
#define LEADER "/p/weights-leader"

/* --- an etcd that answers when it is told to --- */

struct request {
	etcd_callback callback; /* NULL: none is under way */
	void *context;
};

static struct request get, watch;

static struct {
	struct request request;
	size_t steps;
	bool compared;
	uint64_t revision, lease;
	char key[64], value[256]; /* of the last step; no value: it deletes */
} commit;

static int begin(struct request *request, etcd_callback callback, void *context)
{
	assert_null(request->callback);
	*request = (struct request){callback, context};
	return 0;
}

int etcd_get(struct etcd *etcd, const char *key, unsigned int flags, etcd_callback callback,
	     void *context)
{
	(void)etcd;
	assert_string_equal(key, PREFIX);
	assert_int_equal(flags, ETCD_PREFIX);
	return begin(&get, callback, context);
}

int etcd_watch(struct etcd *etcd, const char *key, unsigned int flags, uint64_t revision,
	       etcd_callback callback, void *context)
{
	(void)etcd;
	assert_string_equal(key, PREFIX);
	assert_int_equal(flags, ETCD_PREFIX);
	assert_int_equal(revision, 101);
	return begin(&watch, callback, context);
}

int etcd_commit(struct etcd *etcd, const struct etcd_step *steps, size_t count,
		etcd_callback callback, void *context)
{
	const struct etcd_step *last = &steps[count - 1];

	(void)etcd;
	assert_string_equal(steps->key, LEADER);
	assert_true(steps->compared);
	commit.request = (struct request){callback, context};
	commit.steps = count;
	commit.revision = steps->mod_revision;
	commit.lease = last->lease;
	snprintf(commit.key, sizeof(commit.key), "%s", last->key);
	snprintf(commit.value, sizeof(commit.value), "%s", last->value ?: "");
	assert_int_equal(last->what == ETCD_DELETE, !last->value);
	return 0;
}

static void cancel(struct request *request, etcd_callback callback, const void *context)
{
	if (request->callback == callback && request->context == context)
		*request = (struct request){0};
}

void etcd_cancel(struct etcd *etcd, etcd_callback callback, const void *context)
{
	(void)etcd;
	cancel(&get, callback, context);
	cancel(&watch, callback, context);
	cancel(&commit.request, callback, context);
}

/* --- a manager that notes what it is told --- */

static struct desired *desired;
static load_propose propose;
static void *proposer;
static bool leads;

static struct {
	unsigned int count;
	char service[64], reason[64];
	uint16_t factors[3];
} applied;

const struct desired *manager_desired(const struct manager *manager)
{
	(void)manager;
	return desired;
}

void manager_on_load(struct manager *manager, load_propose callback, void *context)
{
	(void)manager;
	propose = callback;
	proposer = context;
}

void manager_load_leads(struct manager *manager, bool yes)
{
	(void)manager;
	leads = yes;
}

int manager_load_apply(struct manager *manager, const struct service_spec *service,
		       const uint16_t *factors, const char *reason)
{
	(void)manager;
	applied.count++;
	snprintf(applied.service, sizeof(applied.service), "%s", service->name);
	snprintf(applied.reason, sizeof(applied.reason), "%s", reason);
	memset(applied.factors, 0, sizeof(applied.factors));
	memcpy(applied.factors, factors, service->backend_count * sizeof(*factors));
	return 0;
}

void events_act(struct events *events, const char *who, const char *reason)
{
	(void)events;
	(void)who;
	(void)reason;
}

/* --- the fleet --- */

struct world {
	uv_loop_t loop;
	struct fleet_weights *weights;
};

static void add_service(const char *name, const char *vip, const char *backends[3])
{
	struct service_spec spec = make_service(name, vip);
	struct backend_spec backend;
	struct error err;

	spec.load.mode = LOAD_ON;
	for (size_t i = 0; i < 3; i++) {
		backend_spec_init(&backend);
		assert_int_equal(parse_endpoint(backends[i], 0, &backend.endpoint, &err), 0);
		assert_int_equal(service_add_backend(&spec, &backend, &err), 0);
	}
	assert_int_equal(desired_add_service(desired, &spec, &err), 0);
	desired->generation++;
}

static void add_web(void)
{
	add_service("web", "tcp://198.18.0.10:80",
		    (const char *[]){"198.18.1.11:80", "198.18.1.12:80", "198.18.1.13:80"});
}

/* What it does each second, at once. */
static void hurry(uv_handle_t *handle, void *context)
{
	(void)context;
	if (handle->type == UV_TIMER)
		uv_timer_set_repeat((uv_timer_t *)handle, 1);
	if (handle->type == UV_TIMER)
		assert_int_equal(uv_timer_again((uv_timer_t *)handle), 0);
}

static void tick(struct world *world)
{
	uv_walk(&world->loop, hurry, NULL);
	usleep(2000);
	uv_run(&world->loop, UV_RUN_NOWAIT);
}

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	desired = desired_new();
	assert_non_null(desired);
	assert_int_equal(uv_loop_init(&world->loop), 0);
	world->weights = fleet_weights_new(&world->loop, NULL, "/p", NULL, NULL);
	assert_non_null(world->weights);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	fleet_weights_free(world->weights);
	assert_null(get.callback);
	assert_null(watch.callback);
	assert_null(commit.request.callback);
	assert_null(propose);
	uv_run(&world->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&world->loop), 0);
	desired_free(desired);
	memset(&commit, 0, sizeof(commit));
	memset(&applied, 0, sizeof(applied));
	leads = false;
	free(world);
	return 0;
}

/* --- what etcd says --- */

static struct etcd_kv kv(const char *key, uint64_t revision, const char *text)
{
	return (struct etcd_kv){
		.key = strdup(key),
		.mod_revision = revision,
		.text = text ? strdup(text) : NULL,
		.length = text ? strlen(text) : 0,
	};
}

static void tell(const struct request *request, struct etcd_kv *kvs, size_t count)
{
	struct etcd_answer answer = {.revision = 100, .kvs = kvs, .count = count};

	assert_non_null(request->callback);
	request->callback(request->context, 0, &answer, NULL);
	for (size_t i = 0; i < count; i++)
		etcd_kv_clear(&kvs[i]);
}

static void answer_get(struct etcd_kv *kvs, size_t count)
{
	struct request request = get;

	get = (struct request){0};
	tell(&request, kvs, count);
}

static void changes(const char *key, uint64_t revision, const char *text)
{
	struct etcd_kv one = kv(key, revision, text);

	tell(&watch, &one, 1);
}

static void answer_commit(bool done)
{
	struct request request = commit.request;
	const struct etcd_answer answer = {.done = done};

	assert_non_null(request.callback);
	commit.request = (struct request){0};
	request.callback(request.context, 0, &answer, NULL);
}

/* It has asked to lead, and etcd tells all that it does. */
static void become_leader(uint64_t revision)
{
	char claim[sizeof(commit.value)];

	assert_string_equal(commit.key, LEADER);
	assert_int_equal(commit.revision, 0);
	assert_int_equal(commit.lease, LEASE);
	memcpy(claim, commit.value, sizeof(claim));
	answer_commit(true);
	assert_false(leads);
	changes(LEADER, revision, claim);
	assert_true(leads);
}

static void start(struct world *world)
{
	add_web();
	fleet_weights_connect(world->weights, true);
	answer_get(NULL, 0);
	fake_lease_grant(LEASE);
	become_leader(7);
}

static void proposes(const uint16_t factors[3])
{
	propose(proposer, desired_service(desired, "web"), factors, "a step");
}

/* --- tests --- */

static void test_nothing_follows_load(void **state)
{
	struct world *world = *state;

	fleet_weights_connect(world->weights, true);
	tick(world);
	assert_null(get.callback);
	assert_false(fake_lease_wanted());
	add_web();
	desired->services[0].load.mode = LOAD_DRY_RUN;
	tick(world);
	assert_null(get.callback);
	desired->services[0].load.mode = LOAD_ON;
	tick(world);
	assert_non_null(get.callback);
	assert_true(fake_lease_wanted());
}

static void test_leader_writes(void **state)
{
	struct world *world = *state;

	start(world);
	proposes((const uint16_t[]){0, 620, 0});
	assert_int_equal(commit.steps, 2);
	assert_int_equal(commit.revision, 7);
	assert_string_equal(commit.key, PREFIX "/web");
	assert_string_equal(commit.value,
			    "{\"reason\":\"a step\",\"factors\":{\"198.18.1.12:80\":620}}");
	assert_int_equal(applied.count, 0);
	answer_commit(true);
	assert_int_equal(applied.count, 0); /* the watch tells, as to all others */
	changes(PREFIX "/web", 8, commit.value);
	assert_int_equal(applied.count, 1);
	assert_string_equal(applied.service, "web");
	assert_string_equal(applied.reason, "a step");
	assert_memory_equal(applied.factors, ((const uint16_t[]){0, 620, 0}), 6);
	proposes((const uint16_t[]){0, 500, 0});
	answer_commit(false); /* somebody else leads, of whom we have not heard yet */
	assert_false(leads);
	commit.value[0] = '\0';
	proposes((const uint16_t[]){0, 400, 0});
	assert_string_equal(commit.value, "");
}

static void test_another_leads(void **state)
{
	struct world *world = *state;
	struct etcd_kv there[] = {kv(LEADER, 5, "lb2 1f"),
				  kv(PREFIX "/web", 6, "{\"factors\":{\"198.18.1.11:80\":300}}")};

	add_web();
	fleet_weights_connect(world->weights, true);
	fake_lease_grant(LEASE);
	answer_commit(false); /* it may wish to lead before it knows who does */
	answer_get(there, 2);
	assert_int_equal(applied.count, 1);
	assert_memory_equal(applied.factors, ((const uint16_t[]){300, 0, 0}), 6);
	assert_string_equal(applied.reason, "");
	assert_false(leads);
	commit.steps = 0;
	proposes((const uint16_t[]){0, 620, 0});
	tick(world);
	assert_int_equal(commit.steps, 0);
	changes(LEADER, 0, NULL); /* the other one is gone */
	assert_int_equal(commit.steps, 1);
	become_leader(9);
}

static void test_lead_is_lost(void **state)
{
	struct world *world = *state;

	start(world);
	fake_lease_lose();
	assert_false(leads);
	tick(world);
	fake_lease_grant(LEASE);
	assert_int_equal(commit.steps, 1);
	changes(LEADER, 0, NULL); /* the former key goes with its lease */
	become_leader(11);
	changes(LEADER, 12, "lb3 77");
	assert_false(leads);
}

static void test_connection_is_lost(void **state)
{
	struct world *world = *state;

	start(world);
	fleet_weights_connect(world->weights, false);
	assert_null(watch.callback);
	commit.steps = 0;
	proposes((const uint16_t[]){0, 620, 0});
	assert_int_equal(commit.steps, 0);
	fleet_weights_connect(world->weights, true);
	answer_get((struct etcd_kv[]){kv(LEADER, 7, "lb2 1f")}, 1);
	assert_false(leads);
	watch.callback(watch.context, -ESTALE, NULL, NULL); /* forgotten revisions */
	watch = (struct request){0};
	tick(world);
	answer_get(NULL, 0);
	assert_non_null(watch.callback);
}

static void test_nonsense(void **state)
{
	struct world *world = *state;

	start(world);
	changes(PREFIX "/web", 8, "no JSON");
	changes(PREFIX "/nobody", 9, "{\"factors\":{}}");
	changes("/p/weightsome", 9, "{\"factors\":{}}");
	assert_int_equal(applied.count, 0);
	changes(PREFIX "/web", 10,
		"{\"reason\":7,\"factors\":{\"198.18.1.11:80\":0,\"198.18.1.12:80\":1001,"
		"\"198.18.1.13:80\":1,\"198.18.1.99:80\":5,\"x\":5,\"198.18.1.11:81\":\"5\"}}");
	assert_int_equal(applied.count, 1);
	assert_memory_equal(applied.factors, ((const uint16_t[]){0, 0, 1}), 6);
	changes(PREFIX "/web", 11, "{}");
	assert_memory_equal(applied.factors, ((const uint16_t[]){0, 0, 0}), 6);
}

/* What is agreed may be there before the service. */
static void test_agreed_before(void **state)
{
	struct world *world = *state;

	start(world);
	changes(PREFIX "/shop", 8, "{\"factors\":{\"198.18.1.22:80\":250}}");
	changes(PREFIX "/web", 9, "{}");
	assert_int_equal(applied.count, 1);
	add_service("shop", "tcp://198.18.0.11:80",
		    (const char *[]){"198.18.1.21:80", "198.18.1.22:80", "198.18.1.23:80"});
	tick(world);
	assert_int_equal(applied.count, 3); /* all anew */
	tick(world);
	assert_int_equal(applied.count, 3);
	changes(PREFIX "/web", 0, NULL); /* is agreed no more */
	desired->generation++;
	tick(world);
	assert_int_equal(applied.count, 4);
	assert_string_equal(applied.service, "shop");
	assert_memory_equal(applied.factors, ((const uint16_t[]){0, 250, 0}), 6);
}

static void test_old_ones_go(void **state)
{
	struct world *world = *state;

	start(world);
	changes(PREFIX "/web", 8, "{}");
	tick(world);
	commit.steps = 0;
	tick(world);
	assert_int_equal(commit.steps, 0);
	desired->services[0].load.mode = LOAD_OFF;
	tick(world);
	assert_int_equal(commit.steps, 2);
	assert_string_equal(commit.key, PREFIX "/web");
	assert_string_equal(commit.value, "");
	answer_commit(true);
	changes(PREFIX "/web", 0, NULL);
	tick(world); /* nothing is left to agree on */
	assert_null(watch.callback);
	assert_false(fake_lease_wanted());
	assert_false(leads);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
		TEST(test_nothing_follows_load), TEST(test_leader_writes),
		TEST(test_another_leads),        TEST(test_lead_is_lost),
		TEST(test_connection_is_lost),   TEST(test_nonsense),
		TEST(test_agreed_before),        TEST(test_old_ones_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
