/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "remember.h"

/* --- fixtures: a service whose backends are single digits --- */

static struct endpoint endpoint_of(char name)
{
	char text[] = "198.18.1.1N:80";
	struct endpoint endpoint;
	struct error err;

	*strchr(text, 'N') = name;
	assert_int_equal(parse_endpoint(text, 0, &endpoint, &err), 0);
	return endpoint;
}

static struct backend_spec *backend(struct desired *desired, char name)
{
	struct endpoint endpoint = endpoint_of(name);

	return service_backend(&desired->services[0], &endpoint);
}

static void add(struct desired *desired, char name)
{
	struct backend_spec spec;
	struct error err;

	backend_spec_init(&spec);
	spec.endpoint = endpoint_of(name);
	assert_int_equal(service_add_backend(&desired->services[0], &spec, &err), 0);
}

static struct desired *make(const char *backends)
{
	struct desired *desired = desired_new();
	struct service_spec spec;
	struct error err;

	assert_non_null(desired);
	service_spec_init(&spec);
	snprintf(spec.name, sizeof(spec.name), "web");
	spec.mode = LB_MODE_GUE;
	spec.second_chance = CHANCE_ON;
	spec.vips = calloc(1, sizeof(*spec.vips));
	assert_non_null(spec.vips);
	spec.vip_count = 1;
	assert_int_equal(parse_vip("tcp://198.18.0.10:80", &spec.vips[0].vip, &err), 0);
	assert_int_equal(desired_add_service(desired, &spec, &err), 0);
	for (; *backends; backends++)
		add(desired, *backends);
	return desired;
}

/* The present one remembers these, as a document would bring them along. */
static void bring(struct desired *desired, size_t set, const char *names)
{
	struct desired *other = make(names);

	owners_clear(&desired->services[0].former[set]);
	assert_int_equal(owners_of(&other->services[0], &desired->services[0].former[set]), 0);
	desired_free(other);
}

/* As "123 12": sets from the newest to the oldest. */
static void assert_remembers(const struct desired *desired, const char *wanted)
{
	char got[64] = "", *at = got, text[ENDPOINT_TEXT_MAX];

	for (size_t i = 0; i < OWNERS_FORMER; i++) {
		const struct owners *owners = &desired->services[0].former[i];

		if (i && owners->count)
			*at++ = ' ';
		for (size_t j = 0; j < owners->count; j++) {
			format_endpoint(&owners->list[j].endpoint, text);
			*at++ = text[strlen("198.18.1.1")];
		}
	}
	*at = '\0';
	assert_string_equal(got, wanted);
}

/* The state that follows, which is to be changed; former goes. */
static struct desired *follow(struct desired *former, struct desired *next, const char *wanted)
{
	assert_int_equal(remember_owners(former, next), 0);
	assert_remembers(next, wanted);
	desired_free(former);
	return next;
}

#define CHANGE(change)                                                                             \
	do {                                                                                       \
		next = desired_clone(desired);                                                     \
		assert_non_null(next);                                                             \
		change;                                                                            \
	} while (0)

/* --- tests --- */

static void two_changes_are_remembered(void **state)
{
	struct desired *desired = make("12"), *next;

	(void)state;
	CHANGE(add(next, '3'));
	desired = follow(desired, next, "12");
	CHANGE(backend(next, '1')->state = ADMIN_DRAIN);
	desired = follow(desired, next, "123 12");
	CHANGE(backend(next, '1')->state = ADMIN_MAINT); /* owns no less than before */
	desired = follow(desired, next, "123 12");
	CHANGE(backend(next, '2')->weight = 5);
	desired = follow(desired, next, "23 123");
	CHANGE(backend(next, '3')->removing = true);
	desired = follow(desired, next, "23 23");
	assert_int_equal(desired->services[0].former[0].list[0].weight, 5);
	CHANGE(service_remove_backend(&next->services[0], backend(next, '3')));
	desired = follow(desired, next, "23 23");
	CHANGE(next->services[0].second_chance = CHANCE_OFF);
	desired = follow(desired, next, "");
	CHANGE(next->services[0].second_chance = CHANCE_ON; add(next, '4'));
	desired = follow(desired, next, "");
	desired_free(desired);
}

/* Only those of the lowest priority own slots, and none that one balancer alone has. */
static void not_all_own_slots(void **state)
{
	struct desired *desired = make("123"), *next;

	(void)state;
	CHANGE(backend(next, '3')->priority = 1);
	desired = follow(desired, next, "123");
	CHANGE(add(next, '4'); backend(next, '4')->priority = 1);
	desired = follow(desired, next, "123");
	CHANGE(add(next, '5'); memcpy(backend(next, '5')->launched, "id", 3));
	desired = follow(desired, next, "123");
	CHANGE(backend(next, '1')->weight = 0; backend(next, '2')->weight = 0);
	desired = follow(desired, next, "12 123");
	desired_free(desired);
}

static void a_service_without_owners_is_not_remembered(void **state)
{
	struct desired *desired = make(""), *next;

	(void)state;
	CHANGE(add(next, '1'));
	desired = follow(desired, next, "");
	CHANGE(backend(next, '1')->state = ADMIN_MAINT);
	desired = follow(desired, next, "1");
	CHANGE(backend(next, '1')->state = ADMIN_UP);
	desired = follow(desired, next, "1");
	desired_free(desired);
}

static void documents_bring_their_own(void **state)
{
	struct desired *desired = make("12"), *next;

	(void)state;
	/* written by hand */
	next = make("123");
	desired = follow(desired, next, "12");
	next = make("123");
	desired = follow(desired, next, "12");
	/* another balancer's, which is further */
	next = make("234");
	bring(next, 0, "23");
	bring(next, 1, "123");
	desired = follow(desired, next, "23 123");
	/* an export that was edited */
	next = make("2345");
	bring(next, 0, "23");
	bring(next, 1, "123");
	desired = follow(desired, next, "234 23");
	/* from long ago: it does not know of those whom flows are with now */
	next = make("12");
	bring(next, 0, "1");
	desired = follow(desired, next, "2345 234");
	/* of the same: it may know more */
	next = make("12");
	bring(next, 0, "9");
	desired = follow(desired, next, "9");
	/* of what is planned, and prepared once more as it is done */
	next = make("129");
	bring(next, 0, "12");
	bring(next, 1, "9");
	desired = follow(desired, next, "12 9");
	desired_free(desired);
}

static void a_new_service_has_what_it_brings(void **state)
{
	struct desired *desired = desired_new(), *next = make("12");

	(void)state;
	bring(next, 0, "123");
	desired = follow(desired, next, "123");
	desired_free(desired);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_changes_are_remembered),
		cmocka_unit_test(not_all_own_slots),
		cmocka_unit_test(a_service_without_owners_is_not_remembered),
		cmocka_unit_test(documents_bring_their_own),
		cmocka_unit_test(a_new_service_has_what_it_brings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
