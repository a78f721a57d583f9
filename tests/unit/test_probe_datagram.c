/* SPDX-License-Identifier: Apache-2.0 */

/* Probes of UDP, DNS and ICMP against real servers on the same loop; the kernel answers pings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probe_fixture.h"

/* --- a server: says the same to whatever comes --- */

static struct {
	uv_udp_t socket;
	struct endpoint endpoint;
	const uint8_t *reply; /* NULL: it is silent */
	size_t reply_length;
	bool echoes_id;          /* the reply's first two bytes become those of the request */
	uint8_t id_error;        /* added to the first of them */
	unsigned int replies;    /* to each request: one, and so many more */
	struct sockaddr_in from; /* the last request */
	uint8_t request[2048];
	ssize_t request_length; /* -1: none yet */
} server;

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer)
{
	(void)handle;
	(void)suggested;
	*ret_buffer = uv_buf_init((char *)server.request, sizeof(server.request));
}

static void on_request(uv_udp_t *socket, ssize_t length, const uv_buf_t *buffer,
		       const struct sockaddr *from, unsigned int flags)
{
	uint8_t bytes[2048];
	uv_buf_t reply;

	(void)buffer;
	(void)flags;
	if (!from)
		return;
	server.request_length = length;
	memcpy(&server.from, from, sizeof(server.from));
	if (!server.reply)
		return;
	memcpy(bytes, server.reply, server.reply_length);
	if (server.echoes_id)
		memcpy(bytes, server.request, 2);
	bytes[0] ^= server.id_error;
	reply = uv_buf_init((char *)bytes, (unsigned int)server.reply_length);
	for (unsigned int i = 0; i <= server.replies; i++)
		assert_true(uv_udp_try_send(socket, &reply, 1, from) >= 0);
}

static void answers(const void *reply, size_t length)
{
	server.reply = reply;
	server.reply_length = length;
}

/* --- fixture --- */

static int set_up(void **state)
{
	struct fixture *fixture = fixture_new();
	struct sockaddr_storage addr;
	int length = sizeof(addr);

	memset(&server, 0, sizeof(server));
	server.request_length = -1;
	server.endpoint = endpoint_of("127.0.0.1", 0);
	endpoint_sockaddr(&server.endpoint, &addr);
	uv_udp_init(&fixture->loop, &server.socket);
	assert_int_equal(uv_udp_bind(&server.socket, (struct sockaddr *)&addr, 0), 0);
	uv_udp_getsockname(&server.socket, (struct sockaddr *)&addr, &length);
	server.endpoint.port = port_of(&addr);
	uv_udp_recv_start(&server.socket, on_alloc, on_request);
	fixture->spec.kind = CHECK_UDP;
	fixture->spec.timeout_ms = 200;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	uv_close((uv_handle_t *)&server.socket, NULL);
	fixture_free(*state);
	return 0;
}

/* --- udp --- */

static void test_udp_payload_and_reply(void **state)
{
	struct fixture *fixture = *state;

	fixture->spec.payload = text("ping\\x00\\n");
	fixture->spec.expect = text("po");
	answers("pong", 4);
	probe_target(fixture, &server.endpoint);
	expect_success(fixture);
	assert_int_equal(server.request_length, 6);
	assert_memory_equal(server.request, "ping\0\n", 6);
}

static void test_udp_any_reply(void **state)
{
	struct fixture *fixture = *state;

	fixture->spec.payload = text("x");
	answers("", 0);
	probe_target(fixture, &server.endpoint);
	expect_success(fixture);
}

static void test_udp_ipv6_and_port(void **state)
{
	struct fixture *fixture = *state;
	struct endpoint other;
	int fd = bound_port("::1", SOCK_DGRAM, &other);
	char byte;

	fixture->spec.port = other.port;
	other.port = 9;
	probe_target(fixture, &other);
	expect_success(fixture); /* of silence */
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), 0);
	close(fd);
}

static void test_udp_unexpected(void **state)
{
	struct fixture *fixture = *state;

	fixture->spec.expect = text("pong");
	answers("po\"\\\n\xff", 6);
	probe_target(fixture, &server.endpoint);
	expect_failure(fixture, "unexpected reply: \"po\"\\x5c\\x0a\\xff\"");
	end_prober(fixture);
	answers("pon", 3); /* too short */
	probe_target(fixture, &server.endpoint);
	expect_failure(fixture, "unexpected reply: \"pon\"");
}

static void test_udp_silence(void **state)
{
	struct fixture *fixture = *state;

	probe_target(fixture, &server.endpoint);
	expect_success(fixture); /* nobody is bound to answer an empty datagram */
	assert_in_range(fixture->results[0].duration_us, 190000, 2000000);
	assert_int_equal(server.request_length, 0);
	end_prober(fixture);
	fixture->spec.payload = text("x");
	probe_target(fixture, &server.endpoint);
	expect_failure(fixture, "timeout after 200ms: no reply");
	end_prober(fixture);
	fixture->spec.payload = NULL;
	fixture->spec.expect = text("x");
	probe_target(fixture, &server.endpoint);
	expect_failure(fixture, "timeout after 200ms: no reply");
}

static void test_udp_closed(void **state)
{
	struct fixture *fixture = *state;
	struct endpoint closed;
	int fd = bound_port("127.0.0.1", SOCK_DGRAM, &closed);

	close(fd);
	probe_target(fixture, &closed);
	expect_failure(fixture, "UDP: port unreachable");
}

static void test_udp_no_route(void **state)
{
	struct fixture *fixture = *state;
	struct endpoint target = endpoint_of("255.255.255.255", 9);

	probe_target(fixture, &target);
	expect_failure(fixture, "UDP: Permission denied"); /* a broadcast */
}

static void test_udp_mark(void **state)
{
	struct fixture *fixture = *state;

	fixture->mark = 0x51;
	answers("x", 1);
	probe_target(fixture, &server.endpoint);
	expect_success(fixture);
	assert_int_equal(marked, 0x51);
}

/* --- dns --- */

/* The answer to www.example.test A: 198.18.0.10; flags and counts are set as a test needs. */
static uint8_t dns_answer[] = "\0\0\x81\x80\0\1\0\1\0\0\0\0\3www\7example\4test\0\0\1\0\1"
			      "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc6\x12\0\x0a";
#define DNS_ANSWER_LENGTH (sizeof(dns_answer) - 1)

static void ask(struct fixture *fixture)
{
	fixture->spec.kind = CHECK_DNS;
	fixture->spec.name = text("www.example.test");
	server.echoes_id = true;
	answers(dns_answer, DNS_ANSWER_LENGTH);
	dns_answer[3] = 0x80;
	dns_answer[7] = 1;
	dns_answer[2] = 0x81;
}

static void test_dns_answer(void **state)
{
	struct fixture *fixture = *state;

	ask(fixture);
	probe_target(fixture, &server.endpoint);
	expect_success(fixture);
	assert_int_equal(server.request_length, 34);
	end_prober(fixture);
	fixture->spec.expect = text("198.18.0.10");
	probe_target(fixture, &server.endpoint);
	expect_success(fixture);
}

static void test_dns_failures(void **state)
{
	struct fixture *fixture = *state;

	ask(fixture);
	fixture->spec.expect = text("198.18.0.11");
	probe_target(fixture, &server.endpoint);
	expect_failure(fixture, "DNS: A of www.example.test is 198.18.0.10, wanted 198.18.0.11");
	end_prober(fixture);
	dns_answer[7] = 0;
	probe_target(fixture, &server.endpoint);
	expect_failure(fixture, "DNS: no A record for www.example.test");
	end_prober(fixture);
	dns_answer[3] = 0x83;
	probe_target(fixture, &server.endpoint);
	expect_failure(fixture, "DNS: NXDOMAIN for www.example.test");
	end_prober(fixture);
	dns_answer[3] = 0x8f;
	probe_target(fixture, &server.endpoint);
	expect_failure(fixture, "DNS: error 15 for www.example.test");
	end_prober(fixture);
	ask(fixture);
	answers(dns_answer, DNS_ANSWER_LENGTH - 1);
	probe_target(fixture, &server.endpoint);
	expect_failure(fixture, "DNS: the reply cannot be read");
}

static void test_dns_truncated(void **state)
{
	struct fixture *fixture = *state;

	ask(fixture);
	dns_answer[2] |= 2;
	answers(dns_answer, 34);
	probe_target(fixture, &server.endpoint);
	expect_success(fixture);
	end_prober(fixture);
	fixture->spec.expect = text("198.18.0.10");
	probe_target(fixture, &server.endpoint);
	expect_failure(fixture, "DNS: no A record for www.example.test");
}

/* A reply with another ID is not the one that is waited for. */
static void test_dns_of_another(void **state)
{
	struct fixture *fixture = *state;

	ask(fixture);
	server.id_error = 1;
	probe_target(fixture, &server.endpoint);
	expect_failure(fixture, "timeout after 200ms: no reply to the DNS question");
}

/* --- sockets that are used again --- */

/* Each probe has a port of its own, so what comes late to an earlier one is nobody's; and what had
 * come already, and was not looked at, is not the answer to the next. */
static void test_udp_replies_are_not_carried_over(void **state)
{
	struct fixture *fixture = *state;
	struct sockaddr_in first;

	fixture->spec.payload = text("x");
	fixture->spec.expect = text("pong");
	answers("pong", 4);
	server.replies = 3;
	probe_target(fixture, &server.endpoint);
	expect_success(fixture);
	first = server.from;
	end_prober(fixture);
	server.reply = NULL;
	probe_target(fixture, &server.endpoint);
	while (server.from.sin_port == first.sin_port)
		uv_run(&fixture->loop, UV_RUN_ONCE);
	const uv_buf_t late = uv_buf_init(text("pong"), 4);
	(void)uv_udp_try_send(&server.socket, &late, 1, (const struct sockaddr *)&first);
	expect_failure(fixture, "timeout after 200ms: no reply");
}

/* Nor is the error that says that nobody listens there. */
static void test_udp_errors_are_not_carried_over(void **state)
{
	struct fixture *fixture = *state;
	struct endpoint closed;
	int fd = bound_port("127.0.0.1", SOCK_DGRAM, &closed);

	close(fd);
	fixture->spec.payload = text("x");
	answers("pong", 4);
	for (int i = 0; i < 5; i++) {
		probe_target(fixture, &closed);
		expect_failure(fixture, "UDP: port unreachable");
		end_prober(fixture);
		probe_target(fixture, &server.endpoint);
		expect_success(fixture);
		end_prober(fixture);
	}
}

/* More that is not ours than is read in one turn of the loop does not hide what is. */
static void test_dns_behind_many_others(void **state)
{
	struct fixture *fixture = *state;
	uint8_t other[DNS_ANSWER_LENGTH];

	ask(fixture);
	fixture->spec.timeout_ms = 2000;
	server.reply = NULL;
	server.request_length = -1;
	probe_target(fixture, &server.endpoint);
	while (server.request_length < 0)
		uv_run(&fixture->loop, UV_RUN_ONCE);
	memcpy(other, dns_answer, sizeof(other));
	memcpy(other, server.request, 2);
	other[0] ^= 1;
	for (int i = 0; i < 40; i++) {
		const uv_buf_t reply = uv_buf_init((char *)other, sizeof(other));

		if (i == 39)
			other[0] ^= 1;
		assert_true(uv_udp_try_send(&server.socket, &reply, 1,
					    (const struct sockaddr *)&server.from) >= 0);
	}
	expect_success(fixture);
}

/* --- icmp --- */

static void ping(struct fixture *fixture, const char *address)
{
	struct endpoint target = endpoint_of(address, 0);

	fixture->spec.kind = CHECK_ICMP;
	fixture->spec.timeout_ms = 2000;
	probe_target(fixture, &target);
}

static void test_icmp(void **state)
{
	struct fixture *fixture = *state;

	ping(fixture, "127.0.0.1");
	expect_success(fixture);
	end_prober(fixture);
	ping(fixture, "::1");
	expect_success(fixture);
}

static void count_success(void *context, const struct probe_result *result)
{
	unsigned int *count = context;

	assert_true(result->success);
	++*count;
}

/* One socket for all: each gets its own reply. */
static void test_icmp_many(void **state)
{
	enum { PROBERS = 200 };
	struct fixture *fixture = *state;
	unsigned int count = 0;
	struct prober *probers[PROBERS];
	struct check_run *check;

	fixture->spec.kind = CHECK_ICMP;
	check = make_check(fixture);
	ping(fixture, "127.0.0.9");
	for (int i = 0; i < PROBERS; i++) {
		char address[32];
		snprintf(address, sizeof(address), "127.0.1.%d", i);
		const struct probe_target target = {.endpoint = endpoint_of(address, 0)};
		probers[i] = prober_new(fixture->engine, check, &target, count_success, &count);
	}
	check_run_unref(check);
	while (count < PROBERS)
		uv_run(&fixture->loop, UV_RUN_ONCE);
	expect_success(fixture);
	for (int i = 0; i < PROBERS; i++)
		prober_free(probers[i]);
}

static void test_icmp_mark_comes_and_goes(void **state)
{
	struct fixture *fixture = *state;

	fixture->mark = 0x51;
	ping(fixture, "127.0.0.1");
	expect_success(fixture);
	assert_int_equal(marked, 0x51);
	end_prober(fixture);
	fixture->mark = 0;
	marked = 1;
	ping(fixture, "127.0.0.1");
	expect_success(fixture);
	assert_int_equal(marked, 0); /* the socket is shared, and had a mark */
}

static void test_icmp_cannot_be_sent(void **state)
{
	struct fixture *fixture = *state;

	ping(fixture, "255.255.255.255");
	expect_failure(fixture, "ICMP: Permission denied"); /* a broadcast */
}

/* --- lifetime --- */

static void test_free_while_probing(void **state)
{
	static const enum check_kind kinds[] = {CHECK_UDP, CHECK_DNS, CHECK_ICMP};
	struct fixture *fixture = *state;

	fixture->spec.name = text("example.test");
	for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
		for (int steps = 0; steps < 6; steps++) {
			fixture->spec.kind = kinds[kind];
			fixture->count = 0;
			probe_target(fixture, &server.endpoint);
			for (int i = 0; i < steps; i++)
				uv_run(&fixture->loop, UV_RUN_NOWAIT);
			prober_free(fixture->prober);
			fixture->prober = NULL;
			size_t count = fixture->count;
			for (int i = 0; i < 6; i++)
				uv_run(&fixture->loop, UV_RUN_NOWAIT);
			assert_int_equal(fixture->count, count);
		}
	}
}

static void test_free_from_callback(void **state)
{
	struct fixture *fixture = *state;

	fixture->free_after = 1;
	answers("x", 1);
	probe_target(fixture, &server.endpoint);
	wait_results(fixture, 1);
	fixture->count = 0;
	ping(fixture, "127.0.0.1");
	wait_results(fixture, 1);
	assert_null(fixture->prober);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(test_udp_payload_and_reply),
		TEST(test_udp_any_reply),
		TEST(test_udp_ipv6_and_port),
		TEST(test_udp_unexpected),
		TEST(test_udp_silence),
		TEST(test_udp_closed),
		TEST(test_udp_no_route),
		TEST(test_udp_mark),
		TEST(test_dns_answer),
		TEST(test_dns_failures),
		TEST(test_dns_truncated),
		TEST(test_dns_of_another),
		TEST(test_udp_replies_are_not_carried_over),
		TEST(test_udp_errors_are_not_carried_over),
		TEST(test_dns_behind_many_others),
		TEST(test_icmp),
		TEST(test_icmp_many),
		TEST(test_icmp_mark_comes_and_goes),
		TEST(test_icmp_cannot_be_sent),
		TEST(test_free_while_probing),
		TEST(test_free_from_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
