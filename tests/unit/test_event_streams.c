/* SPDX-License-Identifier: Apache-2.0 */

/* Followers of the events, without a network: what each would send, and when it is woken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "event_streams.h"

static uv_loop_t loop;
static struct events *events;
static struct event_streams *streams;
static unsigned int wakes;

void http_stream_wake(struct http_stream *stream)
{
	assert_non_null(stream->read);
	wakes++;
}

static int setup(void **state)
{
	struct error err;

	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	wakes = 0;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(events_new("/tmp/sluice-none", &events, &err), 0); /* not saved */
	streams = event_streams_new(&loop, events);
	assert_non_null(streams);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	event_streams_free(streams);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	events_free(events);
	return 0;
}

static void tell(enum event_kind kind, const char *service)
{
	events_tell(events, &(struct event){.kind = kind, .service = service});
}

static struct http_stream *follow(uint64_t since, const char *service)
{
	const struct event_filter filter = {.service = service, .any_kind = true};
	struct http_stream *stream = NULL;
	struct error err;

	assert_int_equal(event_streams_open(streams, since, &filter, &stream, &err), 0);
	return stream;
}

/* All that it would send now, in pieces of `size`. */
static char *drain(struct http_stream *stream, size_t size, bool *ret_end)
{
	static char text[1 << 20];
	size_t used = 0;
	ssize_t count;

	while ((count = stream->read(stream, text + used, size)) > 0)
		used += (size_t)count;
	text[used] = '\0';
	*ret_end = count == HTTP_STREAM_END;
	return text;
}

static const char *sent(struct http_stream *stream)
{
	bool end;
	const char *text = drain(stream, 4096, &end);

	assert_false(end);
	return text;
}

static void events_come_in_order(void **state)
{
	struct http_stream *stream;
	const char *text;

	(void)state;
	tell(EVENT_IN_SYNC, "old");
	stream = follow(1, NULL);
	assert_string_equal(sent(stream), ":\n\n"); /* it is heard */
	assert_string_equal(sent(stream), "");
	tell(EVENT_BACKEND_UP, "web");
	assert_int_equal(wakes, 1);
	text = sent(stream);
	assert_ptr_equal(strstr(text, "id: 2\ndata: {\"seq\":2,"), text);
	assert_non_null(strstr(text, "\"service\":\"web\""));
	assert_string_equal(text + strlen(text) - 3, "}\n\n");
	assert_string_equal(sent(stream), "");
	stream->close(stream);
}

static void a_follower_goes_on_where_it_was(void **state)
{
	struct http_stream *stream;
	const char *text;

	(void)state;
	for (int i = 0; i < 5; i++)
		tell(EVENT_IN_SYNC, "web");
	stream = follow(3, NULL);
	text = sent(stream);
	assert_ptr_equal(strstr(text, "id: 4\n"), text);
	assert_non_null(strstr(text, "id: 5\n"));
	stream->close(stream);
}

/* From another journal, whose numbers went further: all of this one is news. */
static void a_later_number_than_there_is(void **state)
{
	struct http_stream *stream;
	const char *text;

	(void)state;
	tell(EVENT_IN_SYNC, "web");
	stream = follow(1000, NULL);
	text = sent(stream);
	assert_ptr_equal(strstr(text, "id: 1\n"), text);
	stream->close(stream);
}

static void pieces_are_as_small_as_they_must_be(void **state)
{
	struct http_stream *one = follow(0, NULL), *two = follow(0, NULL);
	static char whole[1 << 20];
	bool end;

	(void)state;
	for (int i = 0; i < 10; i++)
		tell(EVENT_IN_SYNC, "web");
	snprintf(whole, sizeof(whole), "%s", sent(one));
	assert_string_equal(drain(two, 1, &end), whole);
	one->close(one);
	two->close(two);
}

static void only_what_is_wanted(void **state)
{
	struct http_stream *stream = follow(0, "web");

	(void)state;
	sent(stream);
	tell(EVENT_IN_SYNC, "shop");
	assert_string_equal(sent(stream), "");
	tell(EVENT_IN_SYNC, "web");
	assert_non_null(strstr(sent(stream), "id: 2\n"));
	stream->close(stream);
}

static void one_that_is_too_slow_is_cut_off(void **state)
{
	struct http_stream *stream = follow(0, NULL);
	char text[EVENT_TEXT_MAX + 1];
	const char *rest;
	char byte;
	bool end;

	(void)state;
	sent(stream);
	tell(EVENT_IN_SYNC, "web");
	assert_int_equal(stream->read(stream, &byte, 1), 1); /* it has begun with event 1 */
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	while (journal_oldest(events_journal(events)) < 10)
		events_tell(events, &(struct event){.kind = EVENT_IN_SYNC, .reason = text});
	rest = drain(stream, 4096, &end);
	assert_true(end);
	assert_ptr_equal(strstr(rest, "d: 1\n"), rest); /* whole, and nothing behind it */
	assert_null(strstr(rest, "id: "));
	stream->close(stream);
}

static void followers_are_bounded(void **state)
{
	const struct event_filter filter = {.any_kind = true};
	struct http_stream *open[EVENT_FOLLOWERS_MAX], *more = NULL;
	struct error err;

	(void)state;
	for (int i = 0; i < EVENT_FOLLOWERS_MAX; i++)
		open[i] = follow(0, NULL);
	assert_int_equal(event_streams_open(streams, 0, &filter, &more, &err), -EBUSY);
	assert_null(more);
	open[0]->close(open[0]);
	open[0] = follow(0, NULL);
	for (int i = 0; i < EVENT_FOLLOWERS_MAX; i++)
		open[i]->close(open[i]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(events_come_in_order),         TEST(a_follower_goes_on_where_it_was),
		TEST(a_later_number_than_there_is), TEST(pieces_are_as_small_as_they_must_be),
		TEST(only_what_is_wanted),          TEST(one_that_is_too_slow_is_cut_off),
		TEST(followers_are_bounded),
	};

	return cmocka_run_group_tests_name("event_streams", tests, NULL, NULL);
}
