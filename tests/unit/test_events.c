/* SPDX-License-Identifier: Apache-2.0 */

/* What is told, to whom, and what a change is told as. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "change_events.h"
#include "diff.h"

static char dir[64];
static struct events *events;

static int setup(void **state)
{
	struct error err;

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	snprintf(dir, sizeof(dir), "/tmp/sluice-events.XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(events_new(dir, &events, &err), 0);
	return 0;
}

static int teardown(void **state)
{
	char path[128];

	(void)state;
	events_free(events);
	snprintf(path, sizeof(path), "%s/events.jsonl", dir);
	unlink(path);
	assert_int_equal(rmdir(dir), 0);
	return 0;
}

static const struct event *event_at(uint64_t seq)
{
	const struct event *event = journal_after(events_journal(events), seq - 1);

	assert_non_null(event);
	return event;
}

/* --- telling --- */

static void whose_doing_it_was(void **state)
{
	(void)state;
	events_generation(events, 7);
	events_tell(events, &(struct event){.kind = EVENT_IN_SYNC});
	events_act(events, "uid 0 (root)", "PATCH /v1/services/web");
	events_tell(events, &(struct event){.kind = EVENT_SERVICE_CHANGED, .service = "web"});
	events_tell(events, &(struct event){.kind = EVENT_BACKEND_DOWN, .reason = "its own"});
	events_act(events, NULL, NULL);
	events_tell(events, &(struct event){.kind = EVENT_BACKEND_UP});
	assert_string_equal(event_at(1)->who, "lbagent");
	assert_string_equal(event_at(1)->reason, "");
	assert_int_equal(event_at(1)->generation, 7);
	assert_true(event_at(1)->time_ms > 1700000000000);
	assert_string_equal(event_at(2)->who, "uid 0 (root)");
	assert_string_equal(event_at(2)->reason, "PATCH /v1/services/web");
	assert_string_equal(event_at(3)->reason, "its own");
	assert_string_equal(event_at(4)->who, "lbagent");
	assert_string_equal(event_at(4)->reason, "");
}

static unsigned int told;

static void on_told(struct events_follower *follower)
{
	(void)follower;
	told++;
}

static void followers_are_told(void **state)
{
	struct events_follower one = {.told = on_told}, two = {.told = on_told};

	(void)state;
	told = 0;
	events_follow(events, &one);
	events_follow(events, &two);
	events_tell(events, &(struct event){.kind = EVENT_IN_SYNC});
	assert_int_equal(told, 2);
	events_unfollow(&one);
	events_tell(events, &(struct event){.kind = EVENT_IN_SYNC});
	assert_int_equal(told, 3);
	events_unfollow(&two);
}

static void the_journal_goes_on_after_a_restart(void **state)
{
	struct error err;

	(void)state;
	events_tell(events, &(struct event){.kind = EVENT_IN_SYNC});
	events_free(events);
	assert_int_equal(events_new(dir, &events, &err), 0);
	events_tell(events, &(struct event){.kind = EVENT_OUT_OF_SYNC});
	assert_int_equal(event_at(1)->kind, EVENT_IN_SYNC);
	assert_int_equal(event_at(2)->kind, EVENT_OUT_OF_SYNC);
}

/* --- changes --- */

static void add_backend(struct service_spec *service, const char *address, uint16_t id)
{
	struct backend_spec backend = {.id = id, .weight = 1};
	struct error err;

	assert_int_equal(parse_endpoint(address, 80, &backend.endpoint, &err), 0);
	assert_int_equal(service_add_backend(service, &backend, &err), 0);
}

static struct service_spec *add_service(struct desired *desired, const char *name, const char *vip)
{
	struct service_spec spec;
	struct error err;

	service_spec_init(&spec);
	snprintf(spec.name, sizeof(spec.name), "%s", name);
	spec.vips = calloc(1, sizeof(*spec.vips));
	spec.vip_count = 1;
	assert_int_equal(parse_vip(vip, &spec.vips[0].vip, &err), 0);
	assert_int_equal(desired_add_service(desired, &spec, &err), 0);
	return desired_service(desired, name);
}

static struct desired *make_desired(void)
{
	struct desired *desired = desired_new();
	struct service_spec *web = add_service(desired, "web", "tcp://198.18.0.10:80");

	add_backend(web, "198.18.1.11", 1);
	add_backend(web, "198.18.1.12", 2);
	add_service(desired, "shop", "tcp://198.18.0.11:80");
	return desired;
}

/* Tells the change and frees both. */
static void tell(struct desired *former, struct desired *next)
{
	cJSON *changes = diff_write(former, next);

	assert_non_null(changes);
	change_events(events, changes);
	cJSON_Delete(changes);
	desired_free(former);
	desired_free(next);
}

static void assert_event(uint64_t seq, enum event_kind kind, const char *service,
			 const char *backend, const char *before, const char *after)
{
	const struct event *event = event_at(seq);

	assert_int_equal(event->seq, seq);
	assert_int_equal(event->kind, kind);
	assert_string_equal(event->service, service);
	assert_string_equal(event->backend, backend);
	assert_string_equal(event->before, before);
	assert_string_equal(event->after, after);
}

static void nothing_changes(void **state)
{
	struct desired *former = make_desired(), *next = desired_clone(former);

	(void)state;
	tell(former, next);
	assert_int_equal(journal_newest(events_journal(events)), 0);
}

static void each_change_is_told(void **state)
{
	struct desired *former = make_desired(), *next = desired_clone(former);
	struct service_spec *web = desired_service(next, "web");

	(void)state;
	web->check.rise = 3;
	web->backends[0].weight = 5;
	service_remove_backend(web, &web->backends[1]);
	add_backend(web, "198.18.1.13", 3);
	desired_remove_service(next, desired_service(next, "shop"));
	add_service(next, "new", "tcp://198.18.0.12:80");
	tell(former, next);
	assert_event(1, EVENT_SERVICE_ADDED, "new", "", "", "");
	assert_event(2, EVENT_SERVICE_REMOVED, "shop", "", "", "");
	assert_event(3, EVENT_SERVICE_CHANGED, "web", "", "rise 2", "rise 3");
	assert_event(4, EVENT_BACKEND_CHANGED, "web", "198.18.1.11:80", "weight 1", "weight 5");
	assert_event(5, EVENT_BACKEND_REMOVED, "web", "198.18.1.12:80", "", "");
	assert_event(6, EVENT_BACKEND_ADDED, "web", "198.18.1.13:80", "", "");
	assert_int_equal(journal_newest(events_journal(events)), 6);
}

/* They have events of their own. */
static void states_are_not_told(void **state)
{
	struct desired *former = make_desired(), *next = desired_clone(former);
	struct service_spec *web = desired_service(next, "web");

	(void)state;
	web->backends[0].state = ADMIN_DRAIN;
	web->backends[1].removing = true;
	web->backends[1].deadline_ms = 17;
	tell(former, next);
	assert_int_equal(journal_newest(events_journal(events)), 0);
}

static void a_mass_of_changes_is_one_event(void **state)
{
	struct desired *former = make_desired(), *next = desired_clone(former);
	struct service_spec *web = desired_service(next, "web");
	char address[32];

	(void)state;
	for (int i = 0; i < 30; i++) {
		snprintf(address, sizeof(address), "198.18.2.%d", i + 1);
		add_backend(web, address, (uint16_t)(10 + i));
	}
	web->backends[0].weight = 0;
	desired_remove_service(next, desired_service(next, "shop"));
	tell(former, next);
	assert_event(1, EVENT_CONFIG_APPLIED, "", "", "",
		     "services: 0 added, 0 changed, 1 removed; "
		     "backends: 30 added, 1 changed, 0 removed");
	assert_int_equal(journal_newest(events_journal(events)), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(whose_doing_it_was),
		TEST(followers_are_told),
		TEST(the_journal_goes_on_after_a_restart),
		TEST(nothing_changes),
		TEST(each_change_is_told),
		TEST(states_are_not_told),
		TEST(a_mass_of_changes_is_one_event),
	};

	return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
