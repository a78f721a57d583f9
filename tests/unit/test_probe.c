/* SPDX-License-Identifier: Apache-2.0 */

/* The schedule, and probes of TCP and HTTP against real servers on the same loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe_fixture.h"

/* --- a server: accepts, waits for a request's end, answers after a while, closes --- */

struct server {
	uv_tcp_t listener;
	struct endpoint endpoint;
	const char *answer; /* NULL: never */
	size_t length;
	uint64_t delay_ms;
	bool hang_up; /* close at once instead */
	size_t piece; /* bytes that go out together; 0: all */
	bool reset;   /* at the answer's end, instead of a close */
	unsigned int accepted;
	unsigned int open;
	char request[2048]; /* the last one */
};

struct connection {
	uv_tcp_t tcp;
	uv_timer_t delay;
	uv_write_t write;
	struct server *server;
	char request[2048];
	size_t received;
	size_t answered;
	int handles;
};

static void on_connection_closed(uv_handle_t *handle)
{
	struct connection *connection = handle->data;

	if (--connection->handles)
		return;
	connection->server->open--;
	free(connection);
}

static int fd_of(const uv_tcp_t *tcp)
{
	uv_os_fd_t fd = -1;

	uv_fileno((const uv_handle_t *)tcp, &fd);
	return fd;
}

static void close_connection(struct connection *connection)
{
	if (uv_is_closing((uv_handle_t *)&connection->tcp))
		return;
	uv_close((uv_handle_t *)&connection->tcp, on_connection_closed);
	uv_close((uv_handle_t *)&connection->delay, on_connection_closed);
}

static void answer(uv_timer_t *timer);

static void on_written(uv_write_t *write, int status)
{
	struct connection *connection = write->data;

	if (status == 0 && connection->answered < connection->server->length) {
		uv_timer_start(&connection->delay, answer, 1, 0);
		return;
	}
	if (connection->server->reset)
		setsockopt(fd_of(&connection->tcp), SOL_SOCKET, SO_LINGER,
			   &(struct linger){.l_onoff = 1}, sizeof(struct linger));
	close_connection(connection);
}

static void answer(uv_timer_t *timer)
{
	struct connection *connection = timer->data;
	const struct server *server = connection->server;
	size_t left = server->length - connection->answered;
	size_t length = server->piece && server->piece < left ? server->piece : left;
	uv_buf_t text = uv_buf_init((char *)(uintptr_t)server->answer + connection->answered,
				    (unsigned int)length);

	connection->answered += length;
	uv_write(&connection->write, (uv_stream_t *)&connection->tcp, &text, 1, on_written);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer)
{
	struct connection *connection = handle->data;

	(void)suggested;
	*ret_buffer =
		uv_buf_init(connection->request + connection->received,
			    (unsigned int)(sizeof(connection->request) - 1 - connection->received));
}

static void on_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *buffer)
{
	struct connection *connection = stream->data;
	struct server *server = connection->server;

	(void)buffer;
	if (length < 0) {
		close_connection(connection);
		return;
	}
	connection->received += (size_t)length;
	if (!strstr(connection->request, "\r\n\r\n"))
		return;
	memcpy(server->request, connection->request, sizeof(server->request));
	if (server->hang_up)
		close_connection(connection);
	else if (server->answer)
		uv_timer_start(&connection->delay, answer, server->delay_ms, 0);
}

static void on_accept(uv_stream_t *listener, int status)
{
	struct server *server = listener->data;
	struct connection *connection = calloc(1, sizeof(*connection));

	assert_int_equal(status, 0);
	assert_non_null(connection);
	connection->server = server;
	connection->handles = 2;
	uv_tcp_init(listener->loop, &connection->tcp);
	uv_timer_init(listener->loop, &connection->delay);
	connection->tcp.data = connection->delay.data = connection->write.data = connection;
	assert_int_equal(uv_accept(listener, (uv_stream_t *)&connection->tcp), 0);
	uv_tcp_nodelay(&connection->tcp, 1);
	uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read);
	server->accepted++;
	server->open++;
}

/* Listens on a free port of address. */
static void server_start(struct server *server, uv_loop_t *loop, const char *address)
{
	struct sockaddr_storage addr;
	int length = sizeof(addr);

	server->endpoint = endpoint_of(address, 0);
	endpoint_sockaddr(&server->endpoint, &addr);
	uv_tcp_init(loop, &server->listener);
	server->listener.data = server;
	assert_int_equal(uv_tcp_bind(&server->listener, (struct sockaddr *)&addr, 0), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&server->listener, 128, on_accept), 0);
	uv_tcp_getsockname(&server->listener, (struct sockaddr *)&addr, &length);
	server->endpoint.port = port_of(&addr);
}

static struct server web;

static int set_up(void **state)
{
	struct fixture *fixture = fixture_new();

	fixture->spec.path = text("/health?full=1");
	web = (struct server){0};
	server_start(&web, &fixture->loop, "127.0.0.1");
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	uv_close((uv_handle_t *)&web.listener, NULL);
	fixture_free(*state);
	return 0;
}

/* A port that is taken, so that no connection gets it as its own, but where nobody listens. */
static int closed_port(struct endpoint *ret_endpoint)
{
	return bound_port("127.0.0.1", SOCK_STREAM, ret_endpoint);
}

/* --- tcp --- */

static void test_tcp_listening(void **state)
{
	struct fixture *fixture = *state;

	probe_target(fixture, &web.endpoint);
	assert_true(wait_results(fixture, 1)->success);
	assert_true(fixture->results[0].duration_us < 1000000);
}

static void test_tcp_ipv6(void **state)
{
	struct fixture *fixture = *state;
	struct server server = {0};

	server_start(&server, &fixture->loop, "::1");
	probe_target(fixture, &server.endpoint);
	assert_true(wait_results(fixture, 1)->success);
	/* Whoever listens does not hear of it. */
	for (int i = 0; i < 5; i++)
		uv_run(&fixture->loop, UV_RUN_NOWAIT);
	assert_int_equal(server.accepted, 0);
	uv_close((uv_handle_t *)&server.listener, NULL);
	uv_run(&fixture->loop, UV_RUN_NOWAIT);
}

static void test_check_port(void **state)
{
	struct fixture *fixture = *state;
	struct endpoint target = endpoint_of("127.0.0.1", 9);

	fixture->spec.port = web.endpoint.port;
	probe_target(fixture, &target);
	assert_true(wait_results(fixture, 1)->success);
}

static void test_tcp_closed(void **state)
{
	struct fixture *fixture = *state;
	struct endpoint target;
	int fd = closed_port(&target);

	probe_target(fixture, &target);
	expect_failure(fixture, "connect: Connection refused");
	close(fd);
}

/* connect() itself fails, within start. */
static void test_tcp_unreachable(void **state)
{
	struct fixture *fixture = *state;
	struct endpoint target = endpoint_of("255.255.255.255", 80);

	probe_target(fixture, &target);
	expect_failure(fixture, "connect: Network is unreachable");
}

/* A queue of pending connections that is full: requests to connect are not answered. */
static void test_tcp_timeout(void **state)
{
	struct fixture *fixture = *state;
	struct endpoint target;
	struct sockaddr_storage addr;
	int listener = closed_port(&target);
	int clients[2];

	assert_int_equal(listen(listener, 0), 0);
	socklen_t length = endpoint_sockaddr(&target, &addr);
	for (int i = 0; i < 2; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(clients[i], (struct sockaddr *)&addr, length);
	}
	fixture->spec.timeout_ms = 200;
	probe_target(fixture, &target);
	expect_failure(fixture, "timeout after 200ms: no answer to the connection request");
	assert_in_range(fixture->results[0].duration_us, 199000, 300000);
	close(clients[0]);
	close(clients[1]);
	close(listener);
}

/* --- how long they take --- */

static void add_duration(void *context, const struct probe_result *result)
{
	uint64_t *durations = context;

	durations[0]++;
	durations[1] += result->duration_us;
}

/* All probers of a check count in it, whatever comes of their probes. */
static void test_durations(void **state)
{
	struct fixture *fixture = *state;
	struct probe_target targets[2] = {{.endpoint = web.endpoint}};
	struct prober *probers[2];
	uint64_t durations[2] = {0};
	struct latency_view view;
	struct check_run *check;
	int fd = closed_port(&targets[1].endpoint);

	fixture->spec.interval_ms = 100;
	check = make_check(fixture);
	for (int i = 0; i < 2; i++) {
		probers[i] =
			prober_new(fixture->engine, check, &targets[i], add_duration, durations);
		assert_non_null(probers[i]);
	}
	while (durations[0] < 5)
		uv_run(&fixture->loop, UV_RUN_ONCE);
	view = latency_look(&check->durations);
	assert_int_equal(latency_count(&view), durations[0]);
	/* each was rounded down to a microsecond */
	assert_in_range(view.sum_ns, durations[1] * 1000, (durations[1] + durations[0]) * 1000);
	for (int i = 0; i < 2; i++)
		prober_free(probers[i]);
	check_run_unref(check);
	close(fd);
}

/* --- http --- */

static void probe_http(struct fixture *fixture, const char *answer_text)
{
	fixture->spec.kind = CHECK_HTTP;
	web.answer = answer_text;
	web.length = answer_text ? strlen(answer_text) : 0;
	probe_target(fixture, &web.endpoint);
}

static void test_http_ok(void **state)
{
	struct fixture *fixture = *state;
	char host[80], address[ENDPOINT_TEXT_MAX];

	probe_http(fixture, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
	assert_true(wait_results(fixture, 1)->success);
	const char *request = web.request;
	snprintf(host, sizeof(host), "\r\nHost: %s\r\n", format_endpoint(&web.endpoint, address));
	assert_ptr_equal(strstr(request, "GET /health?full=1 HTTP/1.1\r\n"), request);
	assert_non_null(strstr(request, host));
	assert_non_null(strstr(request, "\r\nUser-Agent: sluice/" SLUICE_VERSION "\r\n"));
}

static void test_http_host_and_raw_path(void **state)
{
	struct fixture *fixture = *state;

	fixture->spec.host = text("shop.example");
	fixture->spec.path = text("/a/../b%20?q=[1]");
	probe_http(fixture, "HTTP/1.0 204 No Content\r\n\r\n");
	assert_true(wait_results(fixture, 1)->success);
	assert_non_null(strstr(web.request, "\r\nHost: shop.example\r\n"));
	assert_ptr_equal(strstr(web.request, "GET /a/../b%20?q=[1] HTTP/1.1\r\n"), web.request);
}

static void test_http_503(void **state)
{
	struct fixture *fixture = *state;

	probe_http(fixture, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
	expect_failure(fixture, "HTTP status 503, wanted 200-399");
}

static void test_http_one_status(void **state)
{
	struct fixture *fixture = *state;

	fixture->spec.status_min = fixture->spec.status_max = 204;
	probe_http(fixture, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	expect_failure(fixture, "HTTP status 200, wanted 204");
}

static void test_http_redirect_is_not_followed(void **state)
{
	struct fixture *fixture = *state;

	probe_http(fixture, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
			    "Content-Length: 0\r\n\r\n");
	assert_true(wait_results(fixture, 1)->success);
	assert_int_equal(web.accepted, 1);
}

static void test_http_closed(void **state)
{
	struct fixture *fixture = *state;
	struct endpoint target;
	int fd = closed_port(&target);

	fixture->spec.kind = CHECK_HTTP;
	probe_target(fixture, &target);
	expect_failure(fixture, "connect: Connection refused");
	close(fd);
}

static void test_http_never_answers(void **state)
{
	struct fixture *fixture = *state;

	fixture->spec.timeout_ms = 200;
	probe_http(fixture, NULL);
	expect_failure(fixture, "timeout after 200ms: no complete HTTP answer");
	assert_in_range(fixture->results[0].duration_us, 199000, 300000);
}

static void test_http_slow(void **state)
{
	struct fixture *fixture = *state;

	web.delay_ms = 100;
	probe_http(fixture, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_true(wait_results(fixture, 1)->success);
	assert_in_range(fixture->results[0].duration_us, 99000, 400000);
}

static void test_http_too_slow(void **state)
{
	struct fixture *fixture = *state;

	fixture->spec.timeout_ms = 100;
	web.delay_ms = 300;
	probe_http(fixture, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	expect_failure(fixture, "timeout after 100ms: no complete HTTP answer");
}

static void test_http_garbage(void **state)
{
	struct fixture *fixture = *state;

	probe_http(fixture, "SSH-2.0-OpenSSH_9.2p1\r\n");
	expect_failure(fixture, "the answer is not HTTP/1.0 or 1.1");
}

static void test_http_hangs_up(void **state)
{
	struct fixture *fixture = *state;

	web.hang_up = true;
	probe_http(fixture, "");
	expect_failure(fixture, "HTTP: Server returned nothing (no headers, no data)");
}

static void test_http_cut_short(void **state)
{
	struct fixture *fixture = *state;

	probe_http(fixture, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok");
	expect_failure(fixture, "HTTP: Transferred a partial file");
}

/* head, then a million bytes of filler. */
static char *long_answer(const char *head, const char *filler)
{
	const size_t size = 1000000;
	char *text = malloc(size + 1);
	size_t used = strlen(head), step = strlen(filler);

	assert_non_null(text);
	memcpy(text, head, used);
	for (; used + step <= size; used += step)
		memcpy(text + used, filler, step);
	text[used] = '\0';
	return text;
}

static void test_http_endless_headers(void **state)
{
	struct fixture *fixture = *state;
	char *answer_text = long_answer("HTTP/1.1 200 OK\r\n", "X-Filler: filler\r\n");

	probe_http(fixture, answer_text);
	expect_failure(fixture, "HTTP headers longer than 64 KiB");
	free(answer_text);
}

static void test_http_huge_header(void **state)
{
	struct fixture *fixture = *state;
	char *answer_text = long_answer("HTTP/1.1 200 OK\r\nX-Filler: ", "filler");

	probe_http(fixture, answer_text);
	expect_failure(fixture, "HTTP headers longer than 64 KiB");
	free(answer_text);
}

static void test_http_long_body_is_not_read_out(void **state)
{
	struct fixture *fixture = *state;
	char *answer_text = long_answer("HTTP/1.1 200 OK\r\n\r\n", "filler");

	probe_http(fixture, answer_text);
	assert_true(wait_results(fixture, 1)->success);
	free(answer_text);
}

static void test_http_long_body_of_a_failure(void **state)
{
	struct fixture *fixture = *state;
	char *answer_text = long_answer("HTTP/1.1 500 Oops\r\n\r\n", "filler");

	probe_http(fixture, answer_text);
	expect_failure(fixture, "HTTP status 500, wanted 200-399");
	free(answer_text);
}

/* Answers that say their end in every way that there is, whole and byte by byte. */
static void test_http_framing(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"2;ext=1\r\nre\r\n3\r\nady\r\n0\r\nTrailer: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"
		"5\r\nready\r\n0\r\n\r\n",
		"HTTP/1.1 200\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nready",
		"HTTP/1.0 200 OK\r\n\r\nready",
		"HTTP/1.1 200 OK\r\n\r\nready",
		"HTTP/1.1 200 OK\nContent-Length: 5\n\nready",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready",
		"HTTP/1.1 200 OK\r\nX-Odd: \1\xff\r\nContent-Length: 5\r\n\r\nready",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nreadyHTTP/1.1 500 Other\r\n\r\n",
	};
	struct fixture *fixture = *state;

	fixture->spec.body = text("^ready$");
	for (size_t i = 0; i < 2 * sizeof(answers) / sizeof(answers[0]); i++) {
		web.piece = i % 2;
		probe_http(fixture, answers[i / 2]);
		expect_success(fixture);
		end_prober(fixture);
	}
}

/* Nor is there a body where there can be none, whatever the header says. */
static void test_http_no_body(void **state)
{
	struct fixture *fixture = *state;

	fixture->spec.method = METHOD_HEAD;
	probe_http(fixture, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
	expect_success(fixture);
	end_prober(fixture);
	fixture->spec.method = METHOD_GET;
	probe_http(fixture, "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n");
	expect_success(fixture);
	end_prober(fixture);
	probe_http(fixture, "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n");
	expect_success(fixture);
}

static void test_http_broken(void **state)
{
	static const struct {
		const char *answer;
		const char *reason;
	} broken[] = {
		{"HTTP/2.0 200 OK\r\n\r\n", "the answer is not HTTP/1.0 or 1.1"},
		{"HTTP/0.9 200 OK\r\n\r\n", "the answer is not HTTP/1.0 or 1.1"},
		{"<html>", "the answer is not HTTP/1.0 or 1.1"},
		{"HTTP/1.1 200 OK\r\nServer: x\r\n", "HTTP: Transferred a partial file"},
		{"HTTP/1.1 100 Continue\r\n\r\n", "HTTP: Transferred a partial file"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nready\r\n",
		 "HTTP: Transferred a partial file"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nready",
		 "HTTP: invalid character in chunk size header"},
		{"HTTP/1.1 2000 OK\r\n\r\n", "HTTP: invalid HTTP status code"},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		probe_http(fixture, broken[i].answer);
		expect_failure(fixture, broken[i].reason);
		end_prober(fixture);
	}
	web.reset = true;
	probe_http(fixture, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
	expect_failure(fixture, "HTTP: Connection reset by peer");
}

/* --- sockets that are used again --- */

static unsigned int open_files(void)
{
	struct dirent *entry;
	unsigned int count = 0;
	DIR *directory = opendir("/proc/self/fd");

	assert_non_null(directory);
	while ((entry = readdir(directory)))
		count++;
	closedir(directory);
	return count;
}

/* However one probe ended, nothing of it is in the next, by the same socket. */
static void test_nothing_is_carried_over(void **state)
{
	static const char good[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	char *headers[] = {text("X-Secret: 1"), NULL};
	struct fixture *fixture = *state;

	for (int i = 0; i < 4; i++) {
		fixture->spec.headers = headers;
		fixture->spec.host = text("one.example");
		fixture->spec.body = text("^fine$");
		probe_http(fixture, good);
		expect_failure(fixture, "HTTP body does not match ^fine$");
		end_prober(fixture);
		fixture->spec.headers = NULL;
		fixture->spec.host = fixture->spec.body = NULL;
		probe_http(fixture, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok");
		expect_failure(fixture, "HTTP: Transferred a partial file");
		assert_null(strstr(web.request, "X-Secret"));
		assert_null(strstr(web.request, "one.example"));
		end_prober(fixture);
		fixture->spec.timeout_ms = 50;
		probe_http(fixture, NULL);
		expect_failure(fixture, "timeout after 50ms: no complete HTTP answer");
		end_prober(fixture);
		fixture->spec.timeout_ms = 1000;
		probe_http(fixture, good);
		expect_success(fixture);
		end_prober(fixture);
	}
	assert_int_equal(web.accepted, 16);
}

/* A refused connection's error, too. */
static void test_errors_are_not_carried_over(void **state)
{
	struct fixture *fixture = *state;
	struct endpoint closed;
	int fd = closed_port(&closed);

	for (int kind = CHECK_TCP; kind <= CHECK_HTTP; kind++) {
		for (int i = 0; i < 3; i++) {
			fixture->spec.kind = (enum check_kind)kind;
			probe_target(fixture, &closed);
			expect_failure(fixture, "connect: Connection refused");
			end_prober(fixture);
			web.answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
			web.length = strlen(web.answer);
			probe_target(fixture, &web.endpoint);
			expect_success(fixture);
			end_prober(fixture);
		}
	}
	close(fd);
}

/* --- when --- */

static void test_interval(void **state)
{
	struct fixture *fixture = *state;

	fixture->spec.interval_ms = 200;
	uv_update_time(&fixture->loop);
	uint64_t start = uv_now(&fixture->loop);
	probe_target(fixture, &web.endpoint);
	wait_results(fixture, 4);
	const uint64_t *told = fixture->told_ms;
	assert_in_range(told[0] - start, 0, 50);
	assert_in_range(told[1] - told[0], 1, 220);
	assert_in_range(told[2] - told[1], 180, 250);
	assert_in_range(told[3] - told[2], 180, 250);
}

/* Out of turn, but never two at once; from then on the interval counts from there. */
static void test_now(void **state)
{
	struct fixture *fixture = *state;
	const uint64_t *told = fixture->told_ms;

	fixture->spec.interval_ms = 1000;
	probe_target(fixture, &web.endpoint);
	wait_results(fixture, 1);
	prober_now(fixture->prober);
	prober_now(fixture->prober);
	wait_results(fixture, 2);
	assert_in_range(told[1] - told[0], 0, 300);
	wait_results(fixture, 3);
	assert_in_range(told[2] - told[1], 450, 1300);
	prober_now(NULL);
}

/* A probe that takes longer than the interval puts off the next one; none overlap. */
static void test_interval_shorter_than_timeout(void **state)
{
	struct fixture *fixture = *state;

	fixture->spec.interval_ms = 100;
	fixture->spec.timeout_ms = 250;
	probe_http(fixture, NULL);
	wait_results(fixture, 3);
	assert_in_range(fixture->told_ms[2] - fixture->told_ms[0], 490, 700);
	assert_int_equal(web.accepted, 3);
}

static void test_goes_down_and_up(void **state)
{
	struct fixture *fixture = *state;

	fixture->spec.interval_ms = 100;
	probe_http(fixture, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	assert_true(wait_results(fixture, 1)->success);
	web.hang_up = true;
	assert_false(wait_results(fixture, 2)->success);
	web.hang_up = false;
	assert_true(wait_results(fixture, 3)->success);
}

static void count_result(void *context, const struct probe_result *result)
{
	unsigned int *count = context;

	(void)result;
	++*count;
}

static void make_probers(struct fixture *fixture, struct prober **probers, size_t size,
			 const struct endpoint *endpoint, unsigned int *count)
{
	const struct probe_target target = {.endpoint = *endpoint};
	struct check_run *check = make_check(fixture);

	for (size_t i = 0; i < size; i++)
		probers[i] = prober_new(fixture->engine, check, &target, count_result, count);
	check_run_unref(check);
}

/* The most results that come in any `window_ms` until `until` have come. */
static unsigned int most_in_window(struct fixture *fixture, const unsigned int *count,
				   unsigned int until, uint64_t window_ms)
{
	unsigned int most = 0;

	while (*count < until) {
		unsigned int before = *count;
		uint64_t start = uv_now(&fixture->loop);
		while (uv_now(&fixture->loop) - start < window_ms && *count < until)
			uv_run(&fixture->loop, UV_RUN_ONCE);
		most = *count - before > most ? *count - before : most;
	}
	return most;
}

/* Made together, probers fill the interval evenly after the first probe; they do so again after a
 * pause of the whole loop. */
static void test_spread(void **state)
{
	enum { PROBERS = 64, INTERVAL_MS = 800 };
	struct fixture *fixture = *state;
	struct prober *probers[PROBERS];
	unsigned int count = 0;

	fixture->spec.interval_ms = INTERVAL_MS;
	make_probers(fixture, probers, PROBERS, &web.endpoint, &count);
	while (count < PROBERS)
		uv_run(&fixture->loop, UV_RUN_ONCE);
	/* 4 in each 50 ms, were the clock exact. */
	assert_in_range(most_in_window(fixture, &count, 2 * PROBERS, INTERVAL_MS / 16), 4, 12);
	usleep(INTERVAL_MS / 2 * 1000);
	while (count < 3 * PROBERS)
		uv_run(&fixture->loop, UV_RUN_ONCE);
	assert_in_range(most_in_window(fixture, &count, 4 * PROBERS, INTERVAL_MS / 16), 4, 12);
	for (int i = 0; i < PROBERS; i++)
		prober_free(probers[i]);
}

/* Thousands made together do not all begin in one turn of the loop. */
static void test_pace(void **state)
{
	enum { PROBERS = 2000 };
	struct fixture *fixture = *state;
	static struct prober *probers[PROBERS];
	unsigned int count = 0, most = 0, before;
	struct endpoint target;
	int fd = closed_port(&target);

	fixture->spec.interval_ms = 60000;
	make_probers(fixture, probers, PROBERS, &target, &count);
	while (count < PROBERS) {
		before = count;
		uv_run(&fixture->loop, UV_RUN_ONCE);
		most = count - before > most ? count - before : most;
	}
	assert_in_range(most, 1, 128);
	for (int i = 0; i < PROBERS; i++)
		prober_free(probers[i]);
	close(fd);
}

/* Many at once, each with its own answer, leave no more open than is kept; and when the last prober
 * is gone in the middle of its probe, that neither. */
static void test_many_leave_nothing_open(void **state)
{
	enum { PROBERS = 300, KEPT = 128 };
	struct fixture *fixture = *state;
	struct prober *probers[PROBERS];
	unsigned int before = open_files(), count;

	web.answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	web.length = strlen(web.answer);
	web.delay_ms = 50;
	for (int kind = CHECK_TCP; kind <= CHECK_HTTP; kind++) {
		count = 0;
		fixture->spec.kind = (enum check_kind)kind;
		fixture->spec.interval_ms = 300;
		make_probers(fixture, probers, PROBERS, &web.endpoint, &count);
		while (count < 3 * PROBERS)
			uv_run(&fixture->loop, UV_RUN_ONCE);
		for (int i = 0; i < PROBERS; i++)
			prober_free(probers[i]);
		while (web.open > 0)
			uv_run(&fixture->loop, UV_RUN_ONCE);
	}
	/* And an epoll descriptor of each kind. */
	assert_in_range(open_files(), before, before + 2 * (KEPT + 1));
	probe_engine_free(fixture->engine);
	uv_run(&fixture->loop, UV_RUN_NOWAIT);
	assert_int_equal(open_files(), before);
	fixture->engine = NULL;
}

/* Those that wait for their turn may go before it comes. */
static void test_free_in_line(void **state)
{
	enum { PROBERS = 300 };
	struct fixture *fixture = *state;
	struct prober *probers[PROBERS];
	unsigned int count = 0;

	make_probers(fixture, probers, PROBERS, &web.endpoint, &count);
	uv_run(&fixture->loop, UV_RUN_NOWAIT);
	for (int i = 0; i < PROBERS; i++)
		prober_free(probers[i]);
	count = 0;
	for (int i = 0; i < 20; i++)
		uv_run(&fixture->loop, UV_RUN_NOWAIT);
	assert_int_equal(count, 0);
}

/* While the state is changing probes come faster; when it is not, as they did. */
static void test_fast_interval(void **state)
{
	struct fixture *fixture = *state;
	const uint64_t *told = fixture->told_ms;

	fixture->spec.interval_ms = 3000;
	fixture->spec.fast_interval_ms = 100;
	probe_target(fixture, &web.endpoint);
	wait_results(fixture, 1);
	prober_set_changing(fixture->prober, true);
	wait_results(fixture, 4);
	assert_in_range(told[1] - told[0], 50, 200);
	assert_in_range(told[3] - told[0], 250, 600);
	prober_set_changing(fixture->prober, false);
	uint64_t until = uv_now(&fixture->loop) + 500;
	while (uv_now(&fixture->loop) < until)
		uv_run(&fixture->loop, UV_RUN_ONCE);
	assert_int_equal(fixture->count, 4);
}

/* --- the mark --- */

static void test_mark(void **state)
{
	struct fixture *fixture = *state;

	fixture->mark = 0x51;
	probe_target(fixture, &web.endpoint);
	wait_results(fixture, 1);
	assert_int_equal(marked, 0x51);
	prober_free(fixture->prober);
	fixture->count = 0;
	fixture->mark = 0x52;
	probe_http(fixture, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	wait_results(fixture, 1);
	assert_true(fixture->results[0].success);
	assert_int_equal(marked, 0x52);
}

static void test_no_mark(void **state)
{
	struct fixture *fixture = *state;

	probe_target(fixture, &web.endpoint);
	wait_results(fixture, 1);
	assert_int_equal(marked, 0);
}

/* --- lifetime --- */

static void test_free_from_callback(void **state)
{
	struct fixture *fixture = *state;

	fixture->free_after = 1;
	probe_target(fixture, &web.endpoint);
	wait_results(fixture, 1);
	fixture->count = 0;
	probe_http(fixture, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	wait_results(fixture, 1);
	fixture->count = 0;
	fixture->spec.timeout_ms = 50;
	probe_http(fixture, NULL);
	wait_results(fixture, 1);
	assert_null(fixture->prober);
}

static void test_free_before_first_probe(void **state)
{
	struct fixture *fixture = *state;

	probe_target(fixture, &web.endpoint);
	prober_free(fixture->prober);
	fixture->prober = NULL;
	for (int i = 0; i < 5; i++)
		uv_run(&fixture->loop, UV_RUN_NOWAIT);
	assert_int_equal(fixture->count, 0);
	assert_int_equal(web.accepted, 0);
	prober_free(NULL);
	probe_engine_free(NULL);
}

/* At every step of a probe's life, of both kinds. */
static void test_free_while_probing(void **state)
{
	struct fixture *fixture = *state;

	for (int steps = 1; steps < 8; steps++) {
		for (int kind = CHECK_TCP; kind <= CHECK_HTTP; kind++) {
			fixture->spec.kind = (enum check_kind)kind;
			fixture->count = 0;
			probe_target(fixture, &web.endpoint);
			for (int i = 0; i < steps; i++)
				uv_run(&fixture->loop, UV_RUN_NOWAIT);
			prober_free(fixture->prober);
			fixture->prober = NULL;
			size_t count = fixture->count;
			for (int i = 0; i < 8; i++)
				uv_run(&fixture->loop, UV_RUN_NOWAIT);
			assert_int_equal(fixture->count, count);
		}
	}
}

/* A failed connect() reports one step later; freeing in between must not report. */
static void test_free_between_failure_and_report(void **state)
{
	struct fixture *fixture = *state;
	struct endpoint target = endpoint_of("255.255.255.255", 80);

	for (int steps = 1; steps < 4; steps++) {
		fixture->count = 0;
		probe_target(fixture, &target);
		for (int i = 0; i < steps; i++)
			uv_run(&fixture->loop, UV_RUN_NOWAIT);
		prober_free(fixture->prober);
		fixture->prober = NULL;
		uv_run(&fixture->loop, UV_RUN_NOWAIT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(test_tcp_listening),
		TEST(test_tcp_ipv6),
		TEST(test_check_port),
		TEST(test_tcp_closed),
		TEST(test_tcp_unreachable),
		TEST(test_tcp_timeout),
		TEST(test_durations),
		TEST(test_http_ok),
		TEST(test_http_host_and_raw_path),
		TEST(test_http_503),
		TEST(test_http_one_status),
		TEST(test_http_redirect_is_not_followed),
		TEST(test_http_closed),
		TEST(test_http_never_answers),
		TEST(test_http_slow),
		TEST(test_http_too_slow),
		TEST(test_http_garbage),
		TEST(test_http_hangs_up),
		TEST(test_http_cut_short),
		TEST(test_http_endless_headers),
		TEST(test_http_huge_header),
		TEST(test_http_long_body_is_not_read_out),
		TEST(test_http_long_body_of_a_failure),
		TEST(test_http_framing),
		TEST(test_http_no_body),
		TEST(test_http_broken),
		TEST(test_nothing_is_carried_over),
		TEST(test_errors_are_not_carried_over),
		TEST(test_many_leave_nothing_open),
		TEST(test_interval),
		TEST(test_interval_shorter_than_timeout),
		TEST(test_goes_down_and_up),
		TEST(test_spread),
		TEST(test_pace),
		TEST(test_free_in_line),
		TEST(test_fast_interval),
		TEST(test_now),
		TEST(test_mark),
		TEST(test_no_mark),
		TEST(test_free_from_callback),
		TEST(test_free_before_first_probe),
		TEST(test_free_while_probing),
		TEST(test_free_between_failure_and_report),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
