/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_clients.h"

/* The far end of a connection that was shut down reads its end; else there is nothing to read. */
static bool shut_down(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void test_deadlines(void **state)
{
	struct clients clients = {LIST_HEAD_INITIALIZER(clients.list)};
	struct client *client[3];
	int fds[3][2];
	size_t i;

	(void)state;
	assert_true(clients_none(&clients));
	clients_expire(&clients, 1);
	for (i = 0; i < 3; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]), 0);
		client[i] = client_new(&clients, fds[i][0]);
		assert_non_null(client[i]);
	}
	client[0]->deadline_ms = 1000;
	client[1]->deadline_ms = 2000;
	client[2]->deadline_ms = 0; /* none */
	clients_expire(&clients, 999);
	assert_false(shut_down(fds[0][1]));
	clients_expire(&clients, 1999);
	assert_true(shut_down(fds[0][1]));
	assert_false(shut_down(fds[1][1]));
	client[1]->deadline_ms = 3000; /* it got on */
	clients_expire(&clients, 2999);
	assert_false(shut_down(fds[1][1]));
	clients_expire(&clients, UINT64_MAX);
	assert_true(shut_down(fds[1][1]));
	assert_false(shut_down(fds[2][1]));
	for (i = 0; i < 3; i++) {
		assert_false(clients_none(&clients));
		client_free(client[i]);
		close(fds[i][0]);
		close(fds[i][1]);
	}
	assert_true(clients_none(&clients));
	client_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deadlines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
