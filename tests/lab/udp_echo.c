/* SPDX-License-Identifier: Apache-2.0 */
/*
 * udp_echo PORT: sends every datagram back, from the address that it came to, whichever of the
 * host's that was.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "error.h"
#include "parse.h"

#define DATAGRAM_MAX 65536

static int open_socket(uint16_t port)
{
	const int on = 1, bytes = 4 * 1024 * 1024;
	const struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0 ||
	    bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0) {
		perror("udp_echo");
		return -1;
	}
	return fd;
}

int main(int argc, char **argv)
{
	static char bytes[DATAGRAM_MAX];
	_Alignas(struct cmsghdr) char control[256];
	struct sockaddr_in6 peer;
	struct error err = {0};
	uint64_t port = 0;
	int fd;

	if (argc != 2 || parse_number(argv[1], 1, UINT16_MAX, &port, &err) < 0) {
		fprintf(stderr, "usage: udp_echo PORT\n");
		return 2;
	}
	fd = open_socket((uint16_t)port);
	if (fd < 0)
		return EXIT_FAILURE;
	for (;;) {
		struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
		struct msghdr message = {.msg_name = &peer,
					 .msg_namelen = sizeof(peer),
					 .msg_iov = &part,
					 .msg_iovlen = 1,
					 .msg_control = control,
					 .msg_controllen = sizeof(control)};
		ssize_t length = recvmsg(fd, &message, 0);

		if (length < 0 && errno != EINTR && errno != ECONNREFUSED)
			return EXIT_FAILURE;
		if (length < 0)
			continue;
		/* What tells where it came to tells sendmsg() where to send from. */
		part.iov_len = (size_t)length;
		(void)!sendmsg(fd, &message, 0);
	}
}
