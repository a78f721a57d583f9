/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encap: sends what is routed to a TUN device on to a backend inside of tunnel packets, as the
 * balancer does, but by sockets, so that lbnode can be tested without a balancer.
 *
 *   encap DEVICE ipip|gue|direct ADDR [PORT]
 *
 * ipip is IP in IP; gue has GUE's header, direct the packet right behind the UDP header. The
 * inner family is each packet's own, the outer one ADDR's. Ends by a signal.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "error.h"
#include "parse.h"

#define PACKET_MAX 65536

struct tunnel {
	const char *mode;
	int by_family[2]; /* sockets for inner IPv4 and IPv6; the same one for UDP */
};

static int tun_open(const char *name)
{
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%.15s", name);
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &request) == 0)
		return fd;
	perror("encap: TUN device");
	return -1;
}

static int socket_to(const struct endpoint *backend, int type, int protocol)
{
	struct sockaddr_storage address;
	socklen_t length = endpoint_sockaddr(backend, &address);
	int fd = socket(address.ss_family, type | SOCK_CLOEXEC, protocol), one = 1;

	/* The balancer sends GUE without UDP checksums. */
	if (type == SOCK_DGRAM) {
		setsockopt(fd, SOL_SOCKET, SO_NO_CHECK, &one, sizeof(one));
		if (address.ss_family == AF_INET6)
			setsockopt(fd, IPPROTO_UDP, UDP_NO_CHECK6_TX, &one, sizeof(one));
	} else if (address.ss_family == AF_INET6) {
		((struct sockaddr_in6 *)&address)->sin6_port = 0;
	}
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, length) == 0)
		return fd;
	perror("encap: socket");
	exit(1);
}

static void tunnel_open(struct tunnel *tunnel, const struct endpoint *backend)
{
	if (strcmp(tunnel->mode, "ipip") == 0) {
		tunnel->by_family[0] = socket_to(backend, SOCK_RAW, IPPROTO_IPIP);
		tunnel->by_family[1] = socket_to(backend, SOCK_RAW, IPPROTO_IPV6);
		return;
	}
	tunnel->by_family[0] = socket_to(backend, SOCK_DGRAM, 0);
	tunnel->by_family[1] = tunnel->by_family[0];
}

static void forward(const struct tunnel *tunnel, uint8_t *packet, size_t length)
{
	bool ipv6 = packet[0] >> 4 == 6;
	uint8_t gue[4] = {0, ipv6 ? IPPROTO_IPV6 : IPPROTO_IPIP, 0, 0};
	size_t gue_length = strcmp(tunnel->mode, "gue") == 0 ? sizeof(gue) : 0;
	struct iovec parts[] = {{gue, gue_length}, {packet, length}};

	/* A lost packet is a lost packet: too long, or the backend says no. */
	if (writev(tunnel->by_family[ipv6], parts, 2) < 0)
		perror("encap: send");
}

int main(int argc, char **argv)
{
	static uint8_t packet[PACKET_MAX];
	struct endpoint backend = {.port = 0};
	struct tunnel tunnel;
	struct error err;
	uint64_t port = 6080;
	ssize_t length;
	int tun;

	if (argc < 4 || parse_address(argv[3], &backend.address, &err) < 0 ||
	    (argc > 4 && parse_number(argv[4], 1, UINT16_MAX, &port, &err) < 0)) {
		fputs("usage: encap DEVICE ipip|gue|direct ADDR [PORT]\n", stderr);
		return 2;
	}
	backend.port = (uint16_t)port;
	tunnel.mode = argv[2];
	tunnel_open(&tunnel, &backend);
	tun = tun_open(argv[1]);
	if (tun < 0)
		return 1;
	puts("ready");
	fflush(stdout);
	while ((length = read(tun, packet, sizeof(packet))) > 0)
		forward(&tunnel, packet, (size_t)length);
	return 1;
}
