/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The autoscaler at work on a real manager: the driver is a fake that answers when the test says
 * so, checks and next hops are told by the test, the disk is a text, and the clock can be put
 * forward.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "autoscale_view.h"
#include "check_files.h"
#include "config.h"
#include "fake_nexthop.h"
#include "fake_probe.h"
#include "json.h"
#include "manager_fixture.h"
#include "scale_driver.h"
#include "store.h"

#define MOST    8
#define FASTER  20
#define TICK_NS 12000000ULL /* longer than a tick, made faster */

static struct autoscaler *scaler;

/* --- the clock --- */

uint64_t __real_uv_now(const uv_loop_t *loop);
uint64_t __wrap_uv_now(const uv_loop_t *loop);
int __real_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout,
			  uint64_t repeat);
int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout,
			  uint64_t repeat);

static uint64_t ahead_ms;
static bool starting; /* the autoscaler, and so its tick */
static bool held;     /* no tick: what the test prepares is not whole yet */
static uv_timer_cb tick;

static void on_tick(uv_timer_t *timer)
{
	if (!held)
		tick(timer);
}

uint64_t __wrap_uv_now(const uv_loop_t *loop)
{
	return __real_uv_now(loop) + ahead_ms;
}

int __wrap_uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout,
			  uint64_t repeat)
{
	if (starting) {
		tick = callback;
		callback = on_tick;
	}
	return __real_uv_timer_start(timer, callback, timeout / FASTER, repeat / FASTER);
}

/* --- the disk --- */

int __real_store_save(const char *dir, const char *text, struct error *err);
int __wrap_store_save(const char *dir, const char *text, struct error *err);

static char saved[8192]; /* the roster; "": none */

int __wrap_store_save(const char *dir, const char *text, struct error *err)
{
	int r = __real_store_save(dir, text, err);

	if (r == 0 && strcmp(dir, "none/scale") == 0)
		snprintf(saved, sizeof(saved), "%s", text);
	return r;
}

int store_peek(const char *dir, store_accept accept, void *context, enum store_found *ret_found,
	       struct error *ret_warning, struct error *err)
{
	(void)ret_warning;
	assert_string_equal(dir, "none/scale");
	*ret_found = saved[0] ? STORE_CURRENT : STORE_EMPTY;
	return saved[0] ? accept(context, saved, strlen(saved), err) : 0;
}

int check_files(const struct check_spec *spec, const char *service, const char *commands,
		struct error *err)
{
	(void)spec;
	(void)service;
	(void)commands;
	(void)err;
	return 0;
}

int check_program(const char *program, const char *field, const char *service, const char *commands,
		  struct error *err)
{
	(void)service;
	(void)commands;
	(void)err;
	assert_string_equal(program, "/drivers/fake");
	assert_string_equal(field, "scale-driver");
	return 0;
}

/* --- the driver --- */

struct scale_job {
	enum scale_order order;
	char id[SCALE_ID_MAX + 1];
	uint16_t port;
	scale_job_callback callback;
	void *context;
};

static struct scale_job *jobs[MOST];
static int refuse_to_start;

const char *scale_order_name(enum scale_order order)
{
	return order == SCALE_ORDER_UP ? "up" : "down";
}

int scale_job_start(uv_loop_t *loop, const struct scale_errand *errand, scale_job_callback callback,
		    void *context, struct scale_job **ret_job)
{
	struct scale_job *job;

	assert_ptr_equal(loop, &fx.loop);
	assert_string_equal(errand->words[0], "/drivers/fake");
	assert_string_equal(errand->service, "web");
	assert_non_null(strstr(saved, errand->id)); /* it is on disk before anybody is asked */
	if (refuse_to_start)
		return refuse_to_start;
	job = calloc(1, sizeof(*job));
	assert_non_null(job);
	job->order = errand->order;
	job->port = errand->port;
	snprintf(job->id, sizeof(job->id), "%s", errand->id);
	job->callback = callback;
	job->context = context;
	for (int i = 0; i < MOST; i++) {
		if (jobs[i])
			continue;
		jobs[i] = job;
		break;
	}
	*ret_job = job;
	return 0;
}

void scale_job_cancel(struct scale_job *job)
{
	for (int i = 0; job && i < MOST; i++) {
		if (jobs[i] == job)
			jobs[i] = NULL;
	}
	free(job);
}

static struct scale_job *running(enum scale_order order)
{
	for (int i = 0; i < MOST; i++) {
		if (jobs[i] && jobs[i]->order == order)
			return jobs[i];
	}
	return NULL;
}

static unsigned int count_jobs(void)
{
	unsigned int count = 0;

	for (int i = 0; i < MOST; i++)
		count += jobs[i] != NULL;
	return count;
}

static void finish(struct scale_job *job, const char *answer, const char *reason)
{
	const struct scale_outcome outcome = {
		.success = !reason,
		.answer = answer,
		.length = strlen(answer),
		.reason = reason ? reason : "",
	};

	for (int i = 0; i < MOST; i++) {
		if (jobs[i] == job)
			jobs[i] = NULL;
	}
	job->callback(job->context, &outcome);
	free(job);
}

/* --- fixture --- */

static void start_scaler(void)
{
	struct error err = {0};

	starting = true;
	assert_int_equal(autoscaler_new(&fx.loop, fx.manager, fx.events, "none", &scaler, &err), 0);
	starting = false;
}

static void stop_scaler(void)
{
	autoscaler_stop(scaler);
	uv_run(&fx.loop, UV_RUN_NOWAIT);
	autoscaler_free(scaler);
	scaler = NULL;
}

static int setup(void **state)
{
	static const struct dataplane_sizes sizes = {
		.services = 2,
		.backends = MOST,
		.vips = 4,
		.flows = LB_FLOW_WAYS,
		.table_size = 1009,
	};

	(void)state;
	ahead_ms = 0;
	saved[0] = '\0';
	refuse_to_start = 0;
	fixture_begin(&sizes);
	start_scaler();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stop_scaler();
	assert_int_equal(count_jobs(), 0);
	fixture_end();
	return 0;
}

/* The service web with one backend of the operator's, 198.18.1.11:80, which is up. */
static void add_web(const char *scale)
{
	static const struct nexthop hop = {.resolved = true, .on_link = true, .ifindex = 2};
	char text[1024];
	struct service_spec spec = {0};
	struct desired *next = change();
	struct error err = {0};
	cJSON *json = NULL;

	held = true;
	snprintf(text, sizeof(text),
		 "{\"name\":\"web\",\"vip\":\"tcp://198.18.0.10:80\",\"rise\":1,\"fall\":1,"
		 "\"backends\":[{\"address\":\"198.18.1.11\",\"weight\":7}],\"scale\":\"on\","
		 "\"scale-driver\":\"/drivers/fake\",\"scale-interval\":\"1s\","
		 "\"scale-window\":\"1s\",\"scale-step\":3,\"scale-timeout\":\"10s\","
		 "\"scale-failures\":2,\"scale-retry\":\"5s\"%s}",
		 scale);
	assert_int_equal(json_parse(text, strlen(text), &json, &err), 0);
	if (config_read_service(json, &spec, &err) < 0)
		fail_msg("%s", err.message);
	cJSON_Delete(json);
	assert_int_equal(desired_add_service(next, &spec, &err), 0);
	assert_int_equal(manager_commit(fx.manager, next, &err), 0);
	fake_nexthop_tell("198.18.1.11", &hop);
	fake_probe_report("198.18.1.11:80", NULL);
	held = false;
}

static const struct service_spec *web(void)
{
	return desired_service(manager_desired(fx.manager), "web");
}

static void set_count(uint16_t count)
{
	struct desired *next = change();
	struct error err = {0};

	desired_service(next, "web")->scale.count = count;
	assert_int_equal(manager_commit(fx.manager, next, &err), 0);
}

/* Lets the autoscaler decide so many times: in two of its ticks each, however late they come. */
static void turns(unsigned int count)
{
	uint64_t until;

	for (unsigned int half = 0; half < 2 * count; half++) {
		ahead_ms += half % 2 == 0 ? 1000 : 0;
		until = uv_hrtime() + TICK_NS;
		while (uv_hrtime() < until)
			uv_run(&fx.loop, UV_RUN_ONCE);
		uv_run(&fx.loop, UV_RUN_NOWAIT);
	}
}

/* Backend N, 198.18.1.N:80, that was launched comes up. */
static void come_up(const char *address)
{
	static const struct nexthop hop = {.resolved = true, .on_link = true, .ifindex = 2};
	char endpoint[64];

	snprintf(endpoint, sizeof(endpoint), "%s:80", address);
	fake_nexthop_tell(address, &hop);
	fake_probe_report(endpoint, NULL);
}

static void launch(const char *address)
{
	char answer[64];

	snprintf(answer, sizeof(answer), "{\"address\": \"%s\"}\n", address);
	run_until(running(SCALE_ORDER_UP));
	finish(running(SCALE_ORDER_UP), answer, NULL);
	come_up(address);
	turns(1);
}

static unsigned int events(enum event_kind kind)
{
	const struct journal *journal = events_journal(fx.events);
	const struct event *event = NULL;
	unsigned int count = 0;

	while ((event = journal_after(journal, event ? event->seq : 0)))
		count += event->kind == kind;
	return count;
}

/* --- tests --- */

static void test_launch_and_stop(void **state)
{
	char id[SCALE_ID_MAX + 1];
	const struct backend_spec *backend;

	(void)state;
	add_web(",\"scale-count\":2");
	turns(1);
	run_until(running(SCALE_ORDER_UP));
	assert_int_equal(count_jobs(), 1);
	assert_int_equal(running(SCALE_ORDER_UP)->port, 80);
	memcpy(id, running(SCALE_ORDER_UP)->id, sizeof(id));
	assert_int_equal(events(EVENT_SCALE_UP), 1);
	launch("198.18.1.12");
	assert_int_equal(web()->backend_count, 2);
	backend = &web()->backends[1];
	assert_string_equal(backend->launched, id);
	assert_int_equal(backend->weight, 7); /* like its peer */
	turns(3);
	assert_int_equal(count_jobs(), 0);

	/* It has no flow, so its drain is soon over. */
	set_count(1);
	turns(1);
	assert_int_equal(events(EVENT_BACKEND_REMOVING), 1);
	run_until(running(SCALE_ORDER_DOWN));
	assert_int_equal(web()->backend_count, 1);
	assert_string_equal(running(SCALE_ORDER_DOWN)->id, id);
	finish(running(SCALE_ORDER_DOWN), "", NULL);
	assert_int_equal(autoscaler_roster(scaler)->count, 0);
	assert_null(strstr(saved, id));
	assert_int_equal(events(EVENT_SCALE_STOPPED), 1);
}

static void test_operator_removes(void **state)
{
	(void)state;
	add_web(",\"scale-count\":2");
	turns(1);
	launch("198.18.1.12");
	{
		struct desired *next = change();
		struct error err = {0};

		desired_remove_service(next, desired_service(next, "web"));
		assert_int_equal(manager_commit(fx.manager, next, &err), 0);
	}
	run_until(running(SCALE_ORDER_DOWN));
	finish(running(SCALE_ORDER_DOWN), "", NULL);
	assert_int_equal(autoscaler_roster(scaler)->count, 0);
	turns(1);
	assert_null(autoscaler_run(scaler, "web"));
}

static void test_failures(void **state)
{
	static const char *const bad[] = {
		"",
		"198.18.1.12:80",
		"{}",
		"{\"address\": 7}",
		"{\"address\": \"127.0.0.1:80\"}",
		"{\"address\": \"198.18.1.11:80\"}",
		"{\"address\": \"198.18.1.12:80\", \"colour\": 1}",
		"{\"address\": \"198.18.1.12:80\", \"weight\": 1001}",
	};
	const struct scale_run *run;

	(void)state;
	add_web(",\"scale-count\":2,\"scale-pace\":60");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		turns(6);
		run_until(running(SCALE_ORDER_UP));
		finish(running(SCALE_ORDER_UP), bad[i], NULL);
		assert_int_equal(web()->backend_count, 1);
		/* Whatever came of it is stopped. */
		run_until(running(SCALE_ORDER_DOWN));
		finish(running(SCALE_ORDER_DOWN), "", NULL);
	}
	run = autoscaler_run(scaler, "web");
	assert_non_null(run);
	assert_int_equal(run->launch_failures, sizeof(bad) / sizeof(bad[0]));
	assert_int_equal(events(EVENT_SCALE_LAUNCH_FAILED), sizeof(bad) / sizeof(bad[0]));
	assert_int_equal(events(EVENT_SCALE_CIRCUIT_OPEN), 1);
	assert_int_equal(autoscaler_circuit(scaler, run), CIRCUIT_OPEN);
	turns(6);
	launch("198.18.1.12");
	assert_int_equal(events(EVENT_SCALE_CIRCUIT_CLOSED), 1);
	assert_int_equal(web()->backend_count, 2);
}

static void test_never_up(void **state)
{
	(void)state;
	add_web(",\"scale-count\":2");
	turns(1);
	run_until(running(SCALE_ORDER_UP));
	finish(running(SCALE_ORDER_UP), "{\"address\": \"198.18.1.12\"}", NULL);
	assert_int_equal(web()->backend_count, 2);
	turns(5);
	assert_int_equal(web()->backend_count, 2);
	turns(6);
	assert_int_equal(web()->backend_count, 1);
	assert_int_equal(events(EVENT_SCALE_LAUNCH_FAILED), 1);
	run_until(running(SCALE_ORDER_DOWN));
	/* What cannot be stopped is asked for again, later and later. */
	finish(running(SCALE_ORDER_DOWN), "", "exit status 1");
	turns(1);
	assert_null(running(SCALE_ORDER_DOWN));
	assert_int_equal(events(EVENT_SCALE_STOP_FAILED), 1);
	turns(6);
	run_until(running(SCALE_ORDER_DOWN));
	finish(running(SCALE_ORDER_DOWN), "", NULL);
}

static void test_disk(void **state)
{
	(void)state;
	add_web(",\"scale-count\":2");
	fx.save_error = ENOSPC;
	turns(3);
	assert_int_equal(count_jobs(), 0);
	assert_int_equal(autoscaler_roster(scaler)->count, 0);
	assert_int_equal(events(EVENT_SCALE_UP), 0);
	fx.save_error = 0;
	turns(1);
	run_until(running(SCALE_ORDER_UP));
}

static void test_no_program(void **state)
{
	(void)state;
	add_web(",\"scale-count\":2");
	refuse_to_start = -ENOENT;
	turns(2);
	assert_true(events(EVENT_SCALE_LAUNCH_FAILED) > 0);
	assert_int_equal(web()->backend_count, 1);
}

/* By kill -9 while the driver runs: it is asked for the same again. */
static void test_restart(void **state)
{
	char id[SCALE_ID_MAX + 1];

	(void)state;
	add_web(",\"scale-count\":2");
	turns(1);
	run_until(running(SCALE_ORDER_UP));
	memcpy(id, running(SCALE_ORDER_UP)->id, sizeof(id));
	stop_scaler();
	assert_int_equal(count_jobs(), 0);
	start_scaler();
	turns(1);
	run_until(running(SCALE_ORDER_UP));
	assert_string_equal(running(SCALE_ORDER_UP)->id, id);
	assert_int_equal(count_jobs(), 1);
	launch("198.18.1.12");
	/* The backend is saved, but the roster is as before. */
	stop_scaler();
	saved[0] = '\0';
	start_scaler();
	turns(1);
	assert_int_equal(autoscaler_roster(scaler)->count, 1);
	assert_string_equal(autoscaler_roster(scaler)->entries[0]->id, id);
	assert_int_equal(autoscaler_roster(scaler)->entries[0]->phase, SCALE_RUNNING);
	assert_int_equal(count_jobs(), 0);
}

static void test_replace(void **state)
{
	(void)state;
	add_web(",\"scale-min\":2,\"scale-replace-after\":\"2s\"");
	turns(1);
	launch("198.18.1.12");
	fake_probe_report("198.18.1.11:80", "connect: Connection refused");
	turns(1);
	assert_null(running(SCALE_ORDER_UP));
	turns(3);
	launch("198.18.1.13");
	assert_int_equal(events(EVENT_SCALE_REPLACE), 1);
	assert_true(autoscaler_roster(scaler)->entries[1]->emergency);
	assert_int_equal(web()->backend_count, 3);
	turns(3);
	assert_null(running(SCALE_ORDER_UP)); /* one is enough */
	fake_probe_report("198.18.1.11:80", NULL);
	turns(2);
	assert_true(web()->backends[2].removing);
	assert_false(web()->backends[1].removing);
	assert_int_equal(events(EVENT_SCALE_RETIRE), 1);
}

static void test_no_data(void **state)
{
	const struct scale_run *run;

	(void)state;
	add_web(",\"scale-metric\":\"probe-latency\",\"scale-target\":1");
	turns(2);
	run = autoscaler_run(scaler, "web");
	assert_non_null(run);
	assert_int_equal(run->decision.why, WHY_NO_DATA);
	assert_string_equal(run->problem, "no check has passed yet");
	assert_int_equal(events(EVENT_SCALE_NO_DATA), 1);
	assert_int_equal(count_jobs(), 0);
}

/* Buckets of handshakes that took from 25 to 50 ms, and from 100 to 250 ms. */
#define UP_TO_50MS  9
#define UP_TO_250MS 11

static void test_handshakes(void **state)
{
	const struct scale_run *run;
	struct lb_latency *latency;

	(void)state;
	add_web(",\"scale-metric\":\"handshake-p95\",\"scale-target\":0.06");
	latency = &fx.fake->dp.handshakes[web()->backends[0].id];
	latency->buckets[UP_TO_250MS] = 1000; /* of before: they count for nothing */
	turns(1);
	run = autoscaler_run(scaler, "web");
	assert_non_null(run);
	assert_string_equal(run->problem, "a difference needs two looks");
	turns(1);
	assert_string_equal(run->problem, "no handshake was timed meanwhile");
	assert_int_equal(run->decision.why, WHY_NO_DATA);
	assert_int_equal(count_jobs(), 0);
	latency->buckets[UP_TO_50MS] += 100;
	turns(1);
	assert_string_equal(run->problem, "");
	assert_true(run->decision.value > 0.048 && run->decision.value < 0.0492);
	assert_int_equal(run->decision.action, AUTOSCALE_HOLD);
	/* The index is another backend's by now, with fewer in all. */
	*latency = (struct lb_latency){0};
	latency->buckets[UP_TO_250MS] = 20;
	turns(2);
	run_until(running(SCALE_ORDER_UP));
	assert_int_equal(count_jobs(), 3); /* a step */
}

static void test_dry_run(void **state)
{
	const struct scale_run *run;
	struct desired *next;
	struct error err;
	cJSON *json;

	(void)state;
	add_web(",\"scale-count\":3");
	next = change();
	desired_service(next, "web")->scale.mode = SCALE_DRY_RUN;
	assert_int_equal(manager_commit(fx.manager, next, &err), 0);
	turns(4);
	assert_int_equal(count_jobs(), 0);
	assert_int_equal(events(EVENT_SCALE_DRY_RUN), 1);
	run = autoscaler_run(scaler, "web");
	assert_non_null(run);
	assert_int_equal(run->history_count, 1);
	assert_true(run->decisions[AUTOSCALE_UP] >= 2);
	json = autoscale_view(scaler, web());
	assert_non_null(json);
	assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(json, "decisions")),
			 1);
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(
				    cJSON_GetObjectItemCaseSensitive(json, "policy"), "scale")),
			    "dry-run");
	cJSON_Delete(json);
}

static void test_alert(void **state)
{
	(void)state;
	assert_int_equal(autoscaler_ask(scaler, "web", 1), -ENOENT);
	add_web("");
	turns(2);
	assert_null(running(SCALE_ORDER_UP));
	assert_int_equal(autoscaler_ask(scaler, "web", 1), 0);
	turns(1);
	run_until(running(SCALE_ORDER_UP));
	assert_int_equal(count_jobs(), 3); /* a step */
}

static void test_query_answers(void **state)
{
	static const struct {
		const char *text;
		double value;
		const char *message; /* NULL: there is a value */
	} cases[] = {
		{"{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":["
		 "{\"metric\":{},\"value\":[1795222923.4,\"0.625\"]}]}}",
		 0.625, NULL},
		{"{\"data\":{\"resultType\":\"scalar\",\"result\":[1795222923.4,\"1e-05\"]}}", 1e-5,
		 NULL},
		{"{\"data\":{\"resultType\":\"vector\",\"result\":[]}}", 0,
		 "the query finds no series"},
		{"{\"data\":{\"resultType\":\"vector\",\"result\":[{},{}]}}", 0,
		 "the query gives 2 series; aggregate them, as by avg(...)"},
		{"{\"data\":{\"resultType\":\"vector\",\"result\":[{\"value\":[1,\"NaN\"]}]}}", 0,
		 "NaN: not a decimal number"},
		{"{\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"+Inf\"]}}", 0,
		 "+Inf: not a decimal number"},
		{"{\"data\":{\"resultType\":\"scalar\",\"result\":[1,7]}}", 0,
		 "the answer has no sample"},
		{"{\"data\":{\"resultType\":\"matrix\",\"result\":[]}}", 0,
		 "the query gives a matrix, not one number"},
		{"{\"status\":\"error\",\"error\":\"parse error\"}", 0,
		 "Prometheus says: parse error"},
		{"{}", 0, "the answer has no result"},
		{"<html>", 0, "the answer is no JSON"},
		{"", 0, "the answer is no JSON"},
	};
	struct error err;
	double value;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int r = scale_query_value(cases[i].text, strlen(cases[i].text), &value, &err);

		assert_int_equal(r, cases[i].message ? -EINVAL : 0);
		if (cases[i].message)
			assert_string_equal(err.message, cases[i].message);
		else
			assert_true(value == cases[i].value);
	}
}

static void test_bad_roster(void **state)
{
	static const char *const bad[] = {
		"{",
		"[]",
		"{\"launched\": [{}]}",
		"{\"launched\": [{\"id\": \"x\"}]}",
		"{\"launched\": [{\"id\": \"x\", \"service\": \"w\", \"driver\": [], \"phase\": 1}]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		stop_scaler();
		snprintf(saved, sizeof(saved), "%s", bad[i]);
		start_scaler();
		assert_int_equal(autoscaler_roster(scaler)->count, 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_launch_and_stop),
		TEST(test_operator_removes),
		TEST(test_failures),
		TEST(test_never_up),
		TEST(test_disk),
		TEST(test_no_program),
		TEST(test_restart),
		TEST(test_replace),
		TEST(test_no_data),
		TEST(test_handshakes),
		TEST(test_dry_run),
		TEST(test_alert),
		TEST(test_query_answers),
		TEST(test_bad_roster),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
