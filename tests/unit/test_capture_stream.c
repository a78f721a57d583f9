/* SPDX-License-Identifier: Apache-2.0 */

/* A capture from beginning to end, without a kernel and a network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include "capture_stream.h"
#include "fake_manager.h"
#include "pcapng.h"

#define RECORDS 200

static uv_loop_t loop;
static struct manager *manager;
static struct events *events;
static struct capture *capture;
static unsigned int wakes;
static int ring[2]; /* a pipe: readable while the test says so */
static struct lb_capture_record *records;
static const struct dataplane_interface interfaces[] = {{.name = "eth0", .ifindex = 7}};

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
	manager = fake_manager_new();
	assert_int_equal(pipe(ring), 0);
	manager->fake->capture_fd = ring[0];
	records = calloc(RECORDS, sizeof(*records));
	assert_non_null(records);
	manager->fake->captured = records;
	capture = capture_new(&loop, manager, events);
	assert_non_null(capture);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	capture_free(capture);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	events_free(events);
	fake_manager_free(manager);
	close(ring[0]);
	close(ring[1]);
	free(records);
	return 0;
}

/* --- what the data plane has --- */

static void add_record(uint64_t id, uint8_t direction, uint32_t ifindex)
{
	struct fake_dataplane *fake = manager->fake;
	struct lb_capture_record *record = fake->captured + fake->captured_count++;

	assert_true(record < records + RECORDS);
	record->head = (struct lb_capture_head){
		.time_ns = 1000 + id,
		.id = id,
		.length = 1500,
		.captured = 64,
		.ifindex = ifindex,
		.vip = 1,
		.service = 1,
		.backend = 1,
		.verdict = LB_FORWARD,
		.direction = direction,
	};
}

/* As it came in and as it leaves, on a CPU. */
static void add_packet(uint64_t number, uint8_t cpu)
{
	add_record(number << 8 | cpu, LB_CAPTURE_IN, 7);
	add_record(number << 8 | cpu, LB_CAPTURE_OUT, 7);
}

/* --- what comes of it --- */

struct seen {
	unsigned int interfaces, in, out, statistics;
	uint64_t lost;
	bool ended;
};

/* Everything that the stream has now, read in pieces of `size`; it must be whole blocks. */
static struct seen drain(struct http_stream *stream, size_t size)
{
	static uint8_t file[1 << 20];
	struct pcapng_block block;
	struct seen seen = {0};
	size_t used = 0, at = 0;
	int64_t length;
	ssize_t count;

	while ((count = stream->read(stream, (char *)file + used, size)) > 0)
		used += (size_t)count;
	seen.ended = count == HTTP_STREAM_END;
	while (at < used) {
		length = pcapng_block_length(file + at, used - at);
		assert_true(length > 0 && (size_t)length <= used - at);
		assert_true(pcapng_block_read(file + at, (size_t)length, &block));
		seen.interfaces += file[at] == 1;
		seen.in += block.is_packet && block.direction == PCAPNG_INBOUND;
		seen.out += block.is_packet && block.direction == PCAPNG_OUTBOUND;
		seen.statistics += block.is_statistics;
		if (block.is_statistics && block.interface == 0)
			seen.lost = block.dropped;
		at += (size_t)length;
	}
	return seen;
}

static struct http_stream *begin(uint64_t limit, uint64_t span_ms)
{
	const struct capture_query query = {.filter = {.snaplen = 64, .verdicts = ~0U},
					    .limit = limit,
					    .span_ms = span_ms,
					    .service = desired_service(manager->desired, "web")};
	const struct capture_request request = {.query = &query,
						.who = "uid 7",
						.what = "service=web",
						.interfaces = interfaces,
						.interface_count = 1};
	struct http_stream *stream = NULL;
	struct error err;

	assert_int_equal(capture_open(capture, &request, &stream, &err), 0);
	assert_int_equal(manager->fake->switches.capture, LB_CAPTURE_ON);
	assert_int_equal(manager->fake->capture_filter.snaplen, 64);
	return stream;
}

static const struct event *last_event(void)
{
	const struct journal *journal = events_journal(events);

	return journal_after(journal, journal_newest(journal) - 1);
}

static void end(struct http_stream *stream, const char *outcome, const char *why)
{
	stream->close(stream);
	assert_int_equal(manager->fake->switches.capture, 0);
	assert_int_equal(last_event()->kind, EVENT_CAPTURE_ENDED);
	assert_string_equal(last_event()->who, "uid 7");
	assert_string_equal(last_event()->service, "web");
	assert_string_equal(last_event()->after, outcome);
	assert_string_equal(last_event()->reason, why);
}

/* Turns the loop until its timers have done what they do within so many ms. */
static void on_due(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

static void turn(uint64_t ms)
{
	uv_timer_t timer;

	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, on_due, ms, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
}

/* --- the cases --- */

static void test_packets(void **state)
{
	struct http_stream *stream;
	struct seen seen;

	(void)state;
	add_packet(1, 0);
	add_packet(2, 1);
	stream = begin(0, 0);
	assert_int_equal(last_event()->kind, EVENT_CAPTURE_BEGUN);
	assert_string_equal(last_event()->after, "service=web");
	seen = drain(stream, 7);
	assert_int_equal(seen.interfaces, 2);
	assert_int_equal(seen.in, 2);
	assert_int_equal(seen.out, 2);
	assert_false(seen.ended);
	add_record(3 << 8, LB_CAPTURE_IN, 7);
	add_record(3 << 8, LB_CAPTURE_OUT, 9); /* by an interface that is new to it */
	seen = drain(stream, 16384);
	assert_int_equal(seen.interfaces, 1);
	assert_int_equal(seen.in, 1);
	assert_int_equal(seen.out, 1);
	end(stream, "3 packets captured, 0 lost", "its client has gone");
}

/* The ring wakes the stream once, and then again only after that was read dry. */
static void test_wakes(void **state)
{
	struct http_stream *stream = begin(0, 0);

	(void)state;
	drain(stream, 16384);
	assert_int_equal(write(ring[1], "x", 1), 1);
	turn(20);
	assert_int_equal(wakes, 1);
	drain(stream, 16384);
	turn(20);
	assert_int_equal(wakes, 2);
	end(stream, "0 packets captured, 0 lost", "its client has gone");
}

/* A reader that takes nothing: what is in the ring stays there, and nobody waits. */
static void test_slow_reader(void **state)
{
	struct http_stream *stream = begin(0, 0);
	char byte;

	(void)state;
	drain(stream, 16384);
	for (uint64_t i = 0; i < RECORDS / 2; i++)
		add_packet(i, 0);
	assert_int_equal(stream->read(stream, &byte, 1), 1);
	assert_true(manager->fake->captured_count < RECORDS);
	turn(20);
	end(stream, "100 packets captured, 0 lost", "its client has gone");
}

static void test_limit(void **state)
{
	struct http_stream *stream;
	struct seen seen;

	(void)state;
	add_packet(1, 0);
	add_record(2 << 8 | 1, LB_CAPTURE_IN, 7);
	add_record(3 << 8 | 0, LB_CAPTURE_IN, 7); /* beyond the limit */
	add_record(3 << 8 | 0, LB_CAPTURE_OUT, 7);
	add_record(2 << 8 | 1, LB_CAPTURE_OUT, 7);
	stream = begin(2, 0);
	seen = drain(stream, 16384);
	assert_int_equal(manager->fake->switches.capture, 0);
	assert_int_equal(seen.in, 2);
	assert_int_equal(seen.out, 2);
	assert_false(seen.ended);
	turn(200);
	seen = drain(stream, 16384);
	assert_int_equal(seen.statistics, 2);
	assert_true(seen.ended);
	end(stream, "2 packets captured, 0 lost", "it has as many packets as it was asked for");
}

static void test_time(void **state)
{
	struct http_stream *stream = begin(0, 30);
	struct seen seen;

	(void)state;
	assert_false(drain(stream, 16384).ended);
	turn(300);
	seen = drain(stream, 16384);
	assert_true(seen.ended);
	end(stream, "0 packets captured, 0 lost", "its time is up");
}

/* Now and then: the data plane's deadline moves on, and what is lost is said. */
static void test_heartbeat(void **state)
{
	struct http_stream *stream;
	struct seen seen;

	(void)state;
	manager->fake->capture_counters = (struct lb_capture_stats){.lost_rate = 9, .lost_ring = 9};
	stream = begin(0, 0);
	assert_int_equal(drain(stream, 16384).statistics, 0);
	manager->fake->capture_counters =
		(struct lb_capture_stats){.lost_rate = 10, .lost_ring = 12};
	turn(CAPTURE_HEARTBEAT_MS + 300);
	assert_true(wakes >= 1);
	assert_true(manager->fake->capture_renewals >= 2);
	seen = drain(stream, 16384);
	assert_int_equal(seen.statistics, 2);
	assert_int_equal(seen.lost, 4);
	end(stream, "0 packets captured, 4 lost", "its client has gone");
}

static void test_filter_lost(void **state)
{
	struct http_stream *stream = begin(0, 0);

	(void)state;
	manager->fake->capture_refused = "no such map";
	turn(CAPTURE_HEARTBEAT_MS + 300);
	assert_true(drain(stream, 16384).ended);
	end(stream, "0 packets captured, 0 lost", "the data plane's filter cannot be written");
}

static void test_one_at_a_time(void **state)
{
	const struct capture_query query = {.filter = {.snaplen = 64}};
	const struct capture_request request = {.query = &query, .who = "uid 8", .what = "all"};
	struct http_stream *first = begin(0, 0), *second = NULL;
	struct error err;

	(void)state;
	assert_int_equal(capture_open(capture, &request, &second, &err), -EEXIST);
	assert_non_null(strstr(err.message, "by uid 7"));
	assert_non_null(strstr(err.message, "service=web"));
	assert_null(second);
	end(first, "0 packets captured, 0 lost", "its client has gone");
	first = begin(0, 0);
	end(first, "0 packets captured, 0 lost", "its client has gone");
}

static void test_refused(void **state)
{
	const struct capture_query query = {.filter = {.snaplen = 64}};
	const struct capture_request request = {.query = &query, .who = "uid 8", .what = "all"};
	struct http_stream *stream = NULL;
	struct error err;

	(void)state;
	manager->fake->capture_refused = "no such map";
	assert_int_equal(capture_open(capture, &request, &stream, &err), -EIO);
	assert_string_equal(err.message, "no such map");
	manager->fake->capture_refused = NULL;
	end(begin(0, 0), "0 packets captured, 0 lost", "its client has gone");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_packets),     TEST(test_wakes),         TEST(test_slow_reader),
		TEST(test_limit),       TEST(test_time),          TEST(test_heartbeat),
		TEST(test_filter_lost), TEST(test_one_at_a_time), TEST(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
