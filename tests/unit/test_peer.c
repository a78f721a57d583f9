/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"

static void test_unix(void **state)
{
	char text[PEER_TEXT_MAX], wanted[64];
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	peer_describe(fds[0], text);
	snprintf(wanted, sizeof(wanted), "uid %u", (unsigned int)geteuid());
	assert_memory_equal(text, wanted, strlen(wanted));
	if (geteuid() == 0)
		assert_non_null(strstr(text, " (root), "));
	snprintf(wanted, sizeof(wanted), ", pid %d", (int)getpid());
	assert_string_equal(strrchr(text, ','), wanted);
	close(fds[0]);
	close(fds[1]);
}

/* Connects over loopback, and holds what is said of the client's end against its own name. */
static void check_tcp(int family, const struct sockaddr *addr, socklen_t length, const char *format)
{
	char text[PEER_TEXT_MAX], wanted[PEER_TEXT_MAX];
	struct sockaddr_storage bound, own;
	socklen_t size = sizeof(bound);
	int listener = socket(family, SOCK_STREAM, 0), client = socket(family, SOCK_STREAM, 0);
	int server;

	if (bind(listener, addr, length))
		skip();
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&bound, &size), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&bound, size), 0);
	server = accept(listener, NULL, NULL);
	size = sizeof(own);
	assert_int_equal(getsockname(client, (struct sockaddr *)&own, &size), 0);
	snprintf(wanted, sizeof(wanted), format,
		 ntohs(((const struct sockaddr_in *)&own)->sin_port)); /* in6's is there, too */
	assert_string_equal(peer_describe(server, text), wanted);
	close(server);
	close(client);
	close(listener);
}

static void test_ipv4(void **state)
{
	const struct sockaddr_in addr = {.sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	(void)state;
	check_tcp(AF_INET, (const struct sockaddr *)&addr, sizeof(addr), "127.0.0.1:%u");
}

static void test_ipv6(void **state)
{
	const struct sockaddr_in6 addr = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};

	(void)state;
	check_tcp(AF_INET6, (const struct sockaddr *)&addr, sizeof(addr), "[::1]:%u");
}

static void test_gone(void **state)
{
	char text[PEER_TEXT_MAX];

	(void)state;
	assert_string_equal(peer_describe(-1, text), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unix),
		cmocka_unit_test(test_ipv4),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
