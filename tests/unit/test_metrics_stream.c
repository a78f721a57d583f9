/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_manager.h"
#include "metrics_stream.h"

#define TEXT_MAX (256 << 10)

static int setup(void **state)
{
	*state = fake_manager_new();
	return 0;
}

static int teardown(void **state)
{
	fake_manager_free(*state);
	return 0;
}

static int open_stream(const struct manager *manager, unsigned int *readers,
		       struct http_stream **ret_stream)
{
	const struct figures_input input = {.manager = manager};
	struct error err;
	int ret = metrics_stream_open(&input, true, readers, ret_stream, &err);

	if (ret)
		assert_true(err.message[0] && err.hint[0]);
	return ret;
}

/* The page, as a client gets it that takes so many bytes at a time. To be freed. */
static char *read_all(const struct manager *manager, size_t size)
{
	char *text = calloc(1, TEXT_MAX);
	struct http_stream *stream;
	unsigned int readers = 0;
	size_t length = 0;
	ssize_t count;

	assert_non_null(text);
	assert_int_equal(open_stream(manager, &readers, &stream), 0);
	assert_true(stream->ends);
	while ((count = stream->read(stream, text + length, size)) != HTTP_STREAM_END) {
		assert_in_range(count, 1, size);
		length += (size_t)count;
		assert_true(length + size < TEXT_MAX);
	}
	assert_int_equal(stream->read(stream, text + length, size), HTTP_STREAM_END);
	stream->close(stream);
	assert_int_equal(readers, 0);
	/* the process's own figures change */
	*strstr(text, "# HELP process_") = '\0';
	return text;
}

static void test_any_size(void **state)
{
	static const size_t sizes[] = {1, 7, 1000, 8192, 65536};
	char *wanted = read_all(*state, 16384), *got;

	assert_non_null(strstr(wanted, "\nlb_in_sync 1\n"));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		got = read_all(*state, sizes[i]);
		assert_string_equal(got, wanted);
		free(got);
	}
	free(wanted);
}

/* What was asked for is what was then: the service may be gone before the client has it all. */
static void test_figures_are_of_the_question(void **state)
{
	struct manager *manager = *state;
	char text[64 << 10] = "";
	struct http_stream *stream;
	unsigned int readers = 0;
	size_t length = 0;
	ssize_t count;

	assert_int_equal(open_stream(manager, &readers, &stream), 0);
	desired_free(manager->desired);
	manager->desired = desired_new();
	while ((count = stream->read(stream, text + length, sizeof(text) - 1 - length)) > 0)
		length += (size_t)count;
	stream->close(stream);
	assert_non_null(strstr(text, "lb_backend_packets_total{service=\"web\","
				     "backend=\"198.18.1.12:80\"} 400\n"));
	assert_non_null(strstr(text, "\n# EOF\n"));
}

static void test_so_many_readers(void **state)
{
	struct http_stream *streams[METRICS_READERS_MAX], *refused = NULL;
	unsigned int readers = 0;
	char byte;

	for (size_t i = 0; i < METRICS_READERS_MAX; i++)
		assert_int_equal(open_stream(*state, &readers, &streams[i]), 0);
	assert_int_equal(open_stream(*state, &readers, &refused), -EBUSY);
	assert_null(refused);
	assert_int_equal(streams[3]->read(streams[3], &byte, 1), 1);
	streams[3]->close(streams[3]); /* a client has gone in the midst of it */
	assert_int_equal(open_stream(*state, &readers, &streams[3]), 0);
	assert_int_equal(open_stream(*state, &readers, &refused), -EBUSY);
	for (size_t i = 0; i < METRICS_READERS_MAX; i++)
		streams[i]->close(streams[i]);
	assert_int_equal(readers, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_any_size),
		TEST(test_figures_are_of_the_question),
		TEST(test_so_many_readers),
	};

	return cmocka_run_group_tests_name("metrics_stream", tests, NULL, NULL);
}
