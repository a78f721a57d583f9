/* SPDX-License-Identifier: Apache-2.0 */
/* The client and its leases against a server on loopback that answers as etcd's gateway does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include "etcd.h"
#include "etcd_lease.h"

#define GUARD_MS   5000
#define SCRIPT_MAX 16
#define PEERS_MAX  16

#define HEADER "\"header\":{\"revision\":\"9\"}"

static uv_loop_t loop;
static struct etcd *etcd;
static struct error err;

/* --- the server: each request must be the next one of the script, and is answered by it --- */

struct line {
	const char *path;
	const char *part; /* of the body */
	int status;       /* 0: no answer, and the connection breaks; -1: none, and it stays */
	const char *answer;
	bool goes_on; /* more is to come */
};

static struct {
	uv_tcp_t listener;
	uv_tcp_t *peers[PEERS_MAX]; /* NULL: closed */
	size_t peer_count;
	struct line script[SCRIPT_MAX];
	size_t length, asked;
	bool token; /* the last request had one */
} server;

/* What one peer has sent. */
struct received {
	char text[8192];
	size_t length;
};

static void expect(const char *path, const char *part, int status, const char *answer)
{
	assert_true(server.length < SCRIPT_MAX);
	server.script[server.length++] =
		(struct line){.path = path, .part = part, .status = status, .answer = answer};
}

static void expect_stream(const char *path, const char *answer)
{
	expect(path, "", 200, answer);
	server.script[server.length - 1].goes_on = true;
}

static void on_peer_closed(uv_handle_t *handle)
{
	free(handle->data);
	free(handle);
}

static void close_peer(uv_tcp_t *peer)
{
	for (size_t i = 0; i < server.peer_count; i++) {
		if (server.peers[i] == peer)
			server.peers[i] = NULL;
	}
	uv_close((uv_handle_t *)peer, on_peer_closed);
}

static void send_text(uv_tcp_t *peer, const char *text)
{
	uv_buf_t buffer = uv_buf_init((char *)text, (unsigned int)strlen(text));

	assert_int_equal(uv_try_write((uv_stream_t *)peer, &buffer, 1), strlen(text));
}

static void send_chunk(uv_tcp_t *peer, const char *text)
{
	char chunk[1024];

	snprintf(chunk, sizeof(chunk), "%zx\r\n%s\r\n", strlen(text), text);
	send_text(peer, chunk);
}

static void answer_line(uv_tcp_t *peer, const struct line *line)
{
	char head[256];

	if (line->status == 0)
		close_peer(peer);
	if (line->status <= 0)
		return;
	if (line->goes_on) {
		send_text(peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
		send_chunk(peer, line->answer);
		return;
	}
	snprintf(head, sizeof(head), "HTTP/1.1 %d it is\r\nContent-Length: %zu\r\n\r\n",
		 line->status, strlen(line->answer));
	send_text(peer, head);
	send_text(peer, line->answer);
}

/* One request at a time comes by a connection. */
static void on_request(uv_tcp_t *peer, struct received *received)
{
	const char *body = strstr(received->text, "\r\n\r\n");
	const char *length = strcasestr(received->text, "Content-Length: ");
	const struct line *line = &server.script[server.asked];
	char wanted[64];

	if (!body || !length || strlen(body + 4) < strtoul(length + 16, NULL, 10))
		return;
	assert_true(server.asked < server.length);
	snprintf(wanted, sizeof(wanted), "POST %s HTTP/1.1\r\n", line->path);
	assert_memory_equal(received->text, wanted, strlen(wanted));
	assert_non_null(strstr(body, line->part));
	server.token = strcasestr(received->text, "Authorization: ");
	received->length = 0;
	server.asked++;
	answer_line(peer, line);
}

static void on_room(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
	struct received *received = handle->data;

	(void)size;
	*buffer = uv_buf_init(received->text + received->length,
			      (unsigned int)(sizeof(received->text) - received->length - 1));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	struct received *received = stream->data;

	(void)buffer;
	if (count < 0) {
		close_peer((uv_tcp_t *)stream);
		return;
	}
	received->length += (size_t)count;
	received->text[received->length] = '\0';
	on_request((uv_tcp_t *)stream, received);
}

static void on_client(uv_stream_t *listener, int status)
{
	uv_tcp_t *peer = calloc(1, sizeof(*peer));

	assert_int_equal(status, 0);
	assert_non_null(peer);
	assert_true(server.peer_count < PEERS_MAX);
	uv_tcp_init(&loop, peer);
	peer->data = calloc(1, sizeof(struct received));
	assert_non_null(peer->data);
	assert_int_equal(uv_accept(listener, (uv_stream_t *)peer), 0);
	server.peers[server.peer_count++] = peer;
	uv_read_start((uv_stream_t *)peer, on_room, on_read);
}

static int listen_on_loopback(void)
{
	struct sockaddr_in address;
	int length = sizeof(address);

	uv_ip4_addr("127.0.0.1", 0, &address);
	uv_tcp_init(&loop, &server.listener);
	assert_int_equal(uv_tcp_bind(&server.listener, (struct sockaddr *)&address, 0), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&server.listener, 8, on_client), 0);
	uv_tcp_getsockname(&server.listener, (struct sockaddr *)&address, &length);
	return ntohs(address.sin_port);
}

/* --- what the client is told --- */

static struct {
	int ret; /* of the last time */
	unsigned int count;
	struct etcd_answer answer;
	struct error err;
} told;

static void note(int ret, const struct error *reason)
{
	told.ret = ret;
	told.count++;
	if (reason)
		told.err = *reason;
}

/* Takes all of the answer. */
static void on_answer(void *context, int ret, const struct etcd_answer *answer,
		      const struct error *reason)
{
	(void)context;
	note(ret, reason);
	etcd_answer_clear(&told.answer);
	if (ret)
		return;
	told.answer = *answer;
	told.answer.kvs = calloc(answer->count + 1, sizeof(*answer->kvs));
	assert_non_null(told.answer.kvs);
	for (size_t i = 0; i < answer->count; i++) {
		told.answer.kvs[i] = answer->kvs[i];
		answer->kvs[i] = (struct etcd_kv){0};
	}
}

static void on_lease(void *context, int ret, const struct error *reason)
{
	(void)context;
	note(ret, reason);
}

#define run_until(condition)                                                                       \
	do {                                                                                       \
		uint64_t guard = uv_hrtime() + GUARD_MS * 1000000ULL;                              \
		while (!(condition)) {                                                             \
			assert_true(uv_hrtime() < guard);                                          \
			uv_run(&loop, UV_RUN_ONCE);                                                \
		}                                                                                  \
	} while (0)

static void told_next(int ret)
{
	unsigned int before = told.count;

	run_until(told.count > before);
	assert_int_equal(told.ret, ret);
}

/* --- set up --- */

static void begin(int port, const char *user_file)
{
	struct etcd_config config = {.ca = "", .cert = "", .key = "", .user_file = user_file};
	char url[64];

	snprintf(url, sizeof(url), "etcd://127.0.0.1:%d/p", port);
	assert_int_equal(etcd_url_parse(url, &config.url, &err), 0);
	assert_int_equal(etcd_new(&loop, &config, &etcd, &err), 0);
}

static int setup(void **state)
{
	(void)state;
	uv_loop_init(&loop);
	begin(listen_on_loopback(), "");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(server.asked, server.length);
	etcd_free(etcd);
	uv_close((uv_handle_t *)&server.listener, NULL);
	for (size_t i = 0; i < server.peer_count; i++) {
		if (server.peers[i])
			close_peer(server.peers[i]);
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	etcd_answer_clear(&told.answer);
	memset(&server, 0, sizeof(server));
	memset(&told, 0, sizeof(told));
	return 0;
}

/* --- requests --- */

static void get(void)
{
	assert_int_equal(etcd_get(etcd, "/p", ETCD_PREFIX, on_answer, NULL), 0);
}

static void test_get(void **state)
{
	(void)state;
	expect("/v3/kv/range", "range_end", 200,
	       "{" HEADER
	       ",\"kvs\":[{\"key\":\"L3A=\",\"mod_revision\":\"8\",\"value\":\"e30=\"}]}");
	get();
	told_next(0);
	assert_int_equal(told.answer.revision, 9);
	assert_string_equal(etcd_answer_find(&told.answer, "/p")->text, "{}");
}

static void test_commit(void **state)
{
	const struct etcd_step steps[] = {
		{.key = "/p", .compared = true, .value = "{}", .lease = 7},
		{.key = "/q", .what = ETCD_DELETE},
	};

	(void)state;
	expect("/v3/kv/txn", "request_delete_range", 200, "{" HEADER ",\"succeeded\":true}");
	expect("/v3/kv/txn", "compare", 200,
	       "{" HEADER ",\"responses\":[{\"response_range\":{}}]}");
	assert_int_equal(etcd_commit(etcd, steps, 2, on_answer, NULL), 0);
	told_next(0);
	assert_true(told.answer.done);
	assert_int_equal(etcd_commit(etcd, steps, 2, on_answer, NULL), 0);
	told_next(0);
	assert_false(told.answer.done);
}

static void test_failures(void **state)
{
	(void)state;
	expect("/v3/kv/range", "", 400, "{\"message\":\"etcdserver: permission denied\"}");
	get();
	told_next(-EACCES);
	assert_non_null(strstr(told.err.message, "127.0.0.1"));
	assert_non_null(strstr(told.err.message, "permission denied"));
	assert_string_equal(told.err.hint, "");
	/* Another server, or one that wants TLS. */
	expect("/v3/kv/range", "", 400, "Client sent an HTTP request to an HTTPS server.\n");
	get();
	told_next(-EACCES);
	assert_non_null(strstr(told.err.message, "is not etcd's"));
	assert_non_null(strstr(told.err.hint, "etcds://"));
	expect("/v3/kv/range", "", 503, "{\"message\":\"no leader\"}");
	get();
	told_next(-EIO);
	/* Over a connection that has been in use libcurl asks once more, by another one. */
	expect("/v3/kv/range", "", 0, NULL);
	expect("/v3/kv/range", "", 0, NULL);
	get();
	told_next(-EIO);
	assert_non_null(strstr(told.err.hint, "etcds://"));
	expect("/v3/kv/range", "", 200, "<html>");
	get();
	told_next(-EBADMSG);
	uv_close((uv_handle_t *)&server.listener, NULL);
	for (size_t i = 0; i < server.peer_count; i++) {
		if (server.peers[i])
			close_peer(server.peers[i]);
	}
	get();
	told_next(-ECONNREFUSED);
	assert_non_null(strstr(told.err.hint, "etcdctl endpoint health"));
	listen_on_loopback();
}

static void test_watch(void **state)
{
	(void)state;
	expect_stream("/v3/watch", "{\"result\":{" HEADER ",\"created\":true}}\n{\"result\":{");
	assert_int_equal(etcd_watch(etcd, "/p/", ETCD_PREFIX, 10, on_answer, NULL), 0);
	run_until(server.asked == 1);
	assert_int_equal(told.count, 0);
	send_chunk(server.peers[0],
		   HEADER ",\"events\":["
			  "{\"kv\":{\"key\":\"L3AvYQ==\",\"mod_revision\":\"9\"}},"
			  "{\"type\":\"DELETE\",\"kv\":{\"key\":\"L3AvYg==\"}}]}}\n");
	told_next(0);
	assert_int_equal(told.answer.count, 2);
	assert_int_equal(etcd_answer_find(&told.answer, "/p/a")->mod_revision, 9);
	assert_int_equal(etcd_answer_find(&told.answer, "/p/b")->mod_revision, 0);
	close_peer(server.peers[0]);
	told_next(-EIO);
}

static void on_other(void *context, int ret, const struct etcd_answer *answer,
		     const struct error *reason)
{
	(void)answer;
	(void)reason;
	*(int *)context = ret;
}

/* Only those that are meant. */
static void test_cancel(void **state)
{
	int other = 1, cancelled = 1;

	(void)state;
	expect("/v3/kv/range", "", 200, "{" HEADER "}");
	assert_int_equal(etcd_get(etcd, "/p", 0, on_other, &cancelled), 0);
	etcd_cancel(etcd, on_other, &cancelled);
	assert_int_equal(etcd_get(etcd, "/p", 0, on_other, &other), 0);
	run_until(other == 0);
	assert_int_equal(cancelled, 1);
}

/* --- users --- */

static void test_login(void **state)
{
	char path[] = "/tmp/sluice-user-XXXXXX";
	int fd = mkstemp(path);
	struct sockaddr_in address;
	int length = sizeof(address);

	(void)state;
	assert_int_equal(write(fd, "me:secret\n", 10), 10);
	close(fd);
	etcd_free(etcd);
	uv_tcp_getsockname(&server.listener, (struct sockaddr *)&address, &length);
	begin(ntohs(address.sin_port), path);
	unlink(path);
	expect("/v3/auth/authenticate", "\"me\"", 200, "{\"token\":\"one\"}");
	expect("/v3/kv/range", "", 200, "{" HEADER "}");
	get();
	told_next(0);
	assert_true(server.token);
	/* The token has been forgotten: there is another one. */
	expect("/v3/kv/range", "", 401, "{\"message\":\"etcdserver: invalid auth token\"}");
	expect("/v3/auth/authenticate", "secret", 200, "{\"token\":\"two\"}");
	expect("/v3/kv/range", "", 200, "{" HEADER "}");
	get();
	told_next(0);
	expect("/v3/kv/range", "", 401, "{\"message\":\"etcdserver: invalid auth token\"}");
	expect("/v3/auth/authenticate", "", 400,
	       "{\"message\":\"etcdserver: authentication failed\"}");
	get();
	told_next(-EACCES);
	assert_non_null(strstr(told.err.hint, "--store-user-file"));
}

/* --- leases --- */

#define GRANTED "{" HEADER ",\"ID\":\"77\",\"TTL\":\"1\"}"
#define KEPT    "{\"result\":{" HEADER ",\"ID\":\"77\",\"TTL\":\"1\"}}\n"

static struct etcd_lease *grant(void)
{
	struct etcd_lease *lease = etcd_lease_new(&loop, etcd, 1, on_lease, NULL);

	assert_non_null(lease);
	expect("/v3/lease/grant", "\"TTL\":\"1\"", 200, GRANTED);
	assert_int_equal(etcd_lease_id(lease), 0);
	told_next(0);
	assert_int_equal(etcd_lease_id(lease), 77);
	return lease;
}

static void test_lease_lives(void **state)
{
	struct etcd_lease *lease = grant();

	(void)state;
	for (int i = 0; i < 4; i++) /* longer than 1 s */
		expect("/v3/lease/keepalive", "\"ID\":\"77\"", 200, KEPT);
	run_until(server.asked == 5);
	assert_int_equal(told.count, 1);
	expect("/v3/lease/revoke", "\"ID\":\"77\"", 200, "{" HEADER "}");
	etcd_lease_free(lease);
	run_until(server.asked == 6);
	assert_int_equal(told.count, 1);
}

static void test_lease_is_gone(void **state)
{
	struct etcd_lease *lease = grant();

	(void)state;
	expect("/v3/lease/keepalive", "", 200, "{\"result\":{" HEADER ",\"ID\":\"77\"}}\n");
	told_next(-ESTALE);
	assert_int_equal(etcd_lease_id(lease), 0);
	etcd_lease_free(lease); /* and there is nothing to revoke */
}

/* One answer in between is enough; and without one it ends when it does at etcd. */
static void test_lease_without_etcd(void **state)
{
	struct etcd_lease *lease = grant();
	uint64_t begun;

	(void)state;
	expect("/v3/lease/keepalive", "", 0, NULL);
	expect("/v3/lease/keepalive", "", 200, KEPT);
	run_until(server.asked == server.length);
	begun = uv_hrtime();
	assert_int_equal(told.count, 1);
	expect("/v3/lease/keepalive", "", 503, "{\"message\":\"no leader\"}");
	expect("/v3/lease/keepalive", "", -1, NULL);
	told_next(-EIO);
	assert_true(uv_hrtime() - begun < 1200 * 1000000ULL);
	assert_non_null(strstr(told.err.message, "has not answered"));
	assert_int_equal(etcd_lease_id(lease), 0);
	etcd_lease_free(lease);
}

static void test_lease_refused(void **state)
{
	struct etcd_lease *lease = etcd_lease_new(&loop, etcd, 1, on_lease, NULL);

	(void)state;
	expect("/v3/lease/grant", "", 400, "{\"message\":\"etcdserver: permission denied\"}");
	told_next(-EACCES);
	etcd_lease_free(lease);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_get),           TEST(test_commit),
		TEST(test_failures),      TEST(test_watch),
		TEST(test_cancel),        TEST(test_login),
		TEST(test_lease_lives),   TEST(test_lease_is_gone),
		TEST(test_lease_refused), TEST(test_lease_without_etcd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
