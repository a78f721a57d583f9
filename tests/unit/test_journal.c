/* SPDX-License-Identifier: Apache-2.0 */

/* Events and the journal that keeps the latest of them in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "journal.h"

static const struct event *add(struct journal *journal, const char *service)
{
	return journal_add(journal, &(struct event){.kind = EVENT_BACKEND_UP, .service = service});
}

/* --- journal --- */

static void seqs_go_on(void **state)
{
	struct journal *journal = journal_new(3, 1 << 20);
	const struct event *event;

	(void)state;
	assert_int_equal(journal_oldest(journal), 1);
	assert_int_equal(journal_newest(journal), 0);
	assert_null(journal_after(journal, 0));
	assert_int_equal(add(journal, "a")->seq, 1);
	assert_int_equal(add(journal, "b")->seq, 2);
	event = journal_after(journal, 0);
	assert_string_equal(event->service, "a");
	assert_string_equal(event->who, ""); /* never NULL */
	assert_string_equal(journal_after(journal, 1)->service, "b");
	assert_null(journal_after(journal, 2));
	assert_null(journal_after(journal, 99));
	journal_free(journal);
}

static void the_oldest_go_first(void **state)
{
	struct journal *journal = journal_new(3, 1 << 20);
	char name[16];

	(void)state;
	for (int i = 1; i <= 10; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		assert_non_null(add(journal, name));
	}
	assert_int_equal(journal_count(journal), 3);
	assert_int_equal(journal_oldest(journal), 8);
	assert_int_equal(journal_newest(journal), 10);
	assert_string_equal(journal_after(journal, 0)->service, "s8");
	assert_string_equal(journal_after(journal, 8)->service, "s9");
	journal_free(journal);
}

static void bytes_are_bounded(void **state)
{
	char text[400];
	struct journal *journal = journal_new(1000, 4096);

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 100; i++)
		assert_non_null(add(journal, text));
	assert_in_range(journal_bytes(journal), 1, 4096);
	assert_in_range(journal_count(journal), 2, 10);
	assert_int_equal(journal_newest(journal), 100);
	journal_free(journal);
}

/* What a former agent numbered keeps its number; a line that is there twice is not. */
static void seqs_of_others_are_kept(void **state)
{
	struct journal *journal = journal_new(10, 1 << 20);
	struct event event = {.seq = 5, .kind = EVENT_BACKEND_UP};

	(void)state;
	assert_int_equal(journal_add(journal, &event)->seq, 5);
	assert_null(journal_add(journal, &event));
	event.seq = 3;
	assert_null(journal_add(journal, &event));
	event.seq = 9;
	assert_int_equal(journal_add(journal, &event)->seq, 9);
	assert_int_equal(journal_after(journal, 5)->seq, 9);
	assert_int_equal(journal_after(journal, 7)->seq, 9);
	assert_int_equal(add(journal, "next")->seq, 10);
	journal_free(journal);
}

static void long_texts_are_cut_at_a_character(void **state)
{
	char text[EVENT_TEXT_MAX + 20];
	struct journal *journal = journal_new(2, 1 << 20);
	const struct event *event;

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text + EVENT_TEXT_MAX - 1, "\xe2\x82\xac", 3); /* one that goes over the end */
	text[sizeof(text) - 1] = '\0';
	event = add(journal, text);
	assert_int_equal(strlen(event->service), EVENT_TEXT_MAX - 1);
	journal_free(journal);
}

/* --- events as JSON --- */

static void assert_line(const struct event *event, const char *expected)
{
	struct journal *journal = journal_new(1, 1 << 20);
	cJSON *json = event_write(journal_add(journal, event));
	char *text = cJSON_PrintUnformatted(json);
	struct event back;
	struct error err;

	assert_string_equal(text, expected);
	assert_int_equal(event_read(json, &back, &err), 0);
	assert_int_equal(back.seq, event->seq);
	assert_int_equal(back.time_ms, event->time_ms);
	assert_int_equal(back.generation, event->generation);
	assert_int_equal(back.kind, event->kind);
	assert_string_equal(back.reason, event->reason ? event->reason : "");
	cJSON_free(text);
	cJSON_Delete(json);
	journal_free(journal);
}

static void events_have_json_and_come_back(void **state)
{
	(void)state;
	assert_line(&(struct event){.seq = 17,
				    .time_ms = 1795222923456,
				    .generation = 3,
				    .kind = EVENT_BACKEND_DOWN,
				    .who = "lbagent",
				    .service = "web",
				    .backend = "198.18.1.11:80",
				    .before = "up",
				    .after = "down",
				    .reason = "says \"no\"\n"},
		    "{\"seq\":17,\"time\":\"2026-11-21T01:02:03.456Z\",\"kind\":\"backend-down\","
		    "\"who\":\"lbagent\",\"service\":\"web\",\"backend\":\"198.18.1.11:80\","
		    "\"before\":\"up\",\"after\":\"down\",\"reason\":\"says \\\"no\\\"\\n\","
		    "\"generation\":3}");
	assert_line(&(struct event){.seq = 1, .kind = EVENT_AGENT_STARTED, .who = "lbagent"},
		    "{\"seq\":1,\"time\":\"1970-01-01T00:00:00.000Z\",\"kind\":\"agent-started\","
		    "\"who\":\"lbagent\",\"generation\":0}");
}

static void what_is_no_event_is_refused(void **state)
{
	static const char *const texts[] = {
		"{}",
		"[]",
		"{\"seq\":\"1\",\"time\":\"2026-11-21T01:02:03.456Z\",\"kind\":\"in-sync\","
		"\"generation\":0}",
		"{\"seq\":-1,\"time\":\"2026-11-21T01:02:03.456Z\",\"kind\":\"in-sync\","
		"\"generation\":0}",
		"{\"seq\":1,\"time\":\"yesterday\",\"kind\":\"in-sync\",\"generation\":0}",
		"{\"seq\":1,\"time\":\"2026-11-21T01:02:03.456Z\",\"kind\":\"nonsense\","
		"\"generation\":0}",
		"{\"seq\":1,\"time\":\"2026-11-21T01:02:03.456Z\",\"kind\":\"in-sync\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		cJSON *json = cJSON_Parse(texts[i]);
		struct event event;
		struct error err;

		assert_non_null(json);
		assert_int_equal(event_read(json, &event, &err), -EINVAL);
		cJSON_Delete(json);
	}
}

static void filters_let_through_what_fits(void **state)
{
	const struct event event = {.kind = EVENT_BACKEND_UP, .service = "web"};

	(void)state;
	assert_true(event_matches(&event, &(struct event_filter){.any_kind = true}));
	assert_true(event_matches(&event, &(struct event_filter){.kind = EVENT_BACKEND_UP}));
	assert_false(event_matches(&event, &(struct event_filter){.kind = EVENT_BACKEND_DOWN}));
	assert_true(
		event_matches(&event, &(struct event_filter){.any_kind = true, .service = "web"}));
	assert_false(
		event_matches(&event, &(struct event_filter){.any_kind = true, .service = "we"}));
}

static void kinds_have_names(void **state)
{
	enum event_kind kind;

	(void)state;
	for (int i = 0; i < EVENT_KIND_COUNT; i++) {
		assert_true(event_kind_find(event_kind_name((enum event_kind)i), &kind));
		assert_int_equal(kind, i);
	}
	assert_false(event_kind_find("backend-nonsense", &kind));
	assert_int_equal(event_kind_level(EVENT_BACKEND_DOWN), LOG_LEVEL_WARN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seqs_go_on),
		cmocka_unit_test(the_oldest_go_first),
		cmocka_unit_test(bytes_are_bounded),
		cmocka_unit_test(seqs_of_others_are_kept),
		cmocka_unit_test(long_texts_are_cut_at_a_character),
		cmocka_unit_test(events_have_json_and_come_back),
		cmocka_unit_test(what_is_no_event_is_refused),
		cmocka_unit_test(filters_let_through_what_fits),
		cmocka_unit_test(kinds_have_names),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
