/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An ICMP probe sends an echo request and succeeds with the reply to it. All probers of a family
 * share one socket: a raw one, or a datagram ("ping") socket where that is not allowed but
 * net.ipv4.ping_group_range allows this. A reply is matched by its sequence number, which no two
 * running probes share, by the address that it comes from and by what it carries; an ICMP error by
 * the header that it quotes. The identifier differs, too, for by that probes are told apart which
 * go to one VIP on several backends; of ping sockets it is the kernel's to give.
 */
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h> /* wants time.h before it */

/* linux/icmp.h has it, but clashes with netinet/ip_icmp.h. */
#define ICMP_FILTER_OPTION 1

#include "probe_kind.h"

#define SEQUENCES    65536
#define MESSAGES_MAX 256           /* read in one turn of the loop */
#define MESSAGE_MAX  512           /* longer than what we send, with an IPv4 header and options */
#define BUFFER_BYTES (1024 * 1024) /* replies of thousands of backends may come together */

/* The same in both families, but for the types. */
struct echo {
	uint8_t type;
	uint8_t code;
	uint16_t checksum;
	uint16_t id;
	uint16_t sequence;
	uint64_t nonce;
};

#define ECHO_HEAD offsetof(struct echo, nonce)

struct icmp_socket {
	uv_poll_t poll;
	int fd; /* -1: none yet */
	int family;
	bool raw;      /* then the ID, and of IPv4 the checksum, are ours to fill in */
	uint32_t mark; /* that it has now */
	struct pinger *pinger;
};

struct pinger {
	struct icmp_socket sockets[2]; /* IPv4, IPv6 */
	unsigned int open;
	uint16_t id;            /* goes into raw sockets' identifiers */
	uint16_t next_sequence; /* to try */
	struct icmp_probe *waiting[SEQUENCES];
};

struct icmp_probe {
	struct pinger *pinger;
	struct prober *prober;
	struct echo echo;
};

/* --- probes --- */

static void icmp_probe_free(struct icmp_probe *probe)
{
	probe->pinger->waiting[ntohs(probe->echo.sequence)] = NULL;
	free(probe);
}

static void end_probe(struct icmp_probe *probe, const char *failure)
{
	struct prober *prober = probe->prober;

	icmp_probe_free(probe);
	probe_done(prober, !failure, failure);
}

/* --- what comes --- */

static bool is_from(const struct icmp_probe *probe, const struct sockaddr_storage *addr)
{
	struct sockaddr_storage wanted;

	endpoint_sockaddr(prober_target(probe->prober), &wanted);
	if (wanted.ss_family != addr->ss_family)
		return false;
	if (addr->ss_family == AF_INET)
		return ((const struct sockaddr_in *)addr)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)&wanted)->sin_addr.s_addr;
	return IN6_ARE_ADDR_EQUAL(&((const struct sockaddr_in6 *)addr)->sin6_addr,
				  &((const struct sockaddr_in6 *)&wanted)->sin6_addr);
}

static uint16_t identifier(const struct pinger *pinger, const struct echo *echo)
{
	return pinger->id ^ echo->sequence;
}

static struct icmp_probe *find(const struct icmp_socket *of, const struct echo *echo)
{
	if (of->raw && echo->id != identifier(of->pinger, echo))
		return NULL;
	return of->pinger->waiting[ntohs(echo->sequence)];
}

static void on_message(const struct icmp_socket *of, const uint8_t *bytes, size_t length,
		       const struct sockaddr_storage *from)
{
	struct icmp_probe *probe;
	struct echo echo;
	size_t skip = 0;

	if (of->raw && of->family == AF_INET) {
		if (length < sizeof(struct iphdr))
			return;
		skip = (size_t)(bytes[0] & 0x0f) * 4;
	}
	if (length < skip + sizeof(echo))
		return;
	memcpy(&echo, bytes + skip, sizeof(echo));
	if (echo.type != (of->family == AF_INET ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY))
		return;
	probe = find(of, &echo);
	if (probe && echo.nonce == probe->echo.nonce && is_from(probe, from))
		end_probe(probe, NULL);
}

static const struct sock_extended_err *find_error(struct msghdr *message)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part;
	     part = CMSG_NXTHDR(message, part)) {
		if ((part->cmsg_level == SOL_IP && part->cmsg_type == IP_RECVERR) ||
		    (part->cmsg_level == SOL_IPV6 && part->cmsg_type == IPV6_RECVERR))
			return (const struct sock_extended_err *)CMSG_DATA(part);
	}
	return NULL;
}

/* bytes are those of our own request, as far as they were quoted. */
static void on_error(const struct icmp_socket *of, const uint8_t *bytes, size_t length,
		     const struct sock_extended_err *error)
{
	char reason[PROBE_REASON_MAX];
	struct icmp_probe *probe;
	struct echo echo = {0};

	if (length < ECHO_HEAD)
		return;
	memcpy(&echo, bytes, ECHO_HEAD);
	if (echo.type != (of->family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST))
		return;
	probe = find(of, &echo);
	if (!probe)
		return;
	snprintf(reason, sizeof(reason), "ICMP: %s", strerror((int)error->ee_errno));
	end_probe(probe, reason);
}

/* Reads one message; flags may be MSG_ERRQUEUE. False: there is none. */
static bool read_one(const struct icmp_socket *from, int flags)
{
	uint8_t bytes[MESSAGE_MAX];
	_Alignas(struct cmsghdr) uint8_t control[256];
	struct sockaddr_storage addr = {0};
	struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
	struct msghdr message = {
		.msg_name = &addr,
		.msg_namelen = sizeof(addr),
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	const struct sock_extended_err *error;
	ssize_t length = recvmsg(from->fd, &message, MSG_DONTWAIT | flags);

	if (length < 0) /* else it is an error that the other queue tells more of */
		return errno != EAGAIN;
	if (!(flags & MSG_ERRQUEUE)) {
		on_message(from, bytes, (size_t)length, &addr);
		return true;
	}
	error = find_error(&message);
	if (error)
		on_error(from, bytes, (size_t)length, error);
	return true;
}

/* libuv stops at an error, and shows nothing of it. A probe's end may free nothing of ours: the
 * sockets stay until the engine goes. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
	const struct icmp_socket *ready = poll->data;
	int left = MESSAGES_MAX;

	(void)events;
	while (left-- > 0 && read_one(ready, 0)) {
	}
	left = MESSAGES_MAX;
	while (left-- > 0 && read_one(ready, MSG_ERRQUEUE)) {
	}
	if (status < 0)
		uv_poll_start(poll, UV_READABLE, on_poll);
}

/* --- the sockets --- */

static int open_fd(int family, bool *ret_raw)
{
	const int protocol = family == AF_INET ? IPPROTO_ICMP : (int)IPPROTO_ICMPV6;
	const int flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
	int fd = socket(family, SOCK_RAW | flags, protocol);

	*ret_raw = fd >= 0;
	if (fd < 0)
		fd = socket(family, SOCK_DGRAM | flags, protocol);
	return fd < 0 ? -errno : fd;
}

/* Only replies are to come, and errors to where they can be told apart. What fails here costs work
 * or better reasons, not results. */
static void set_options(int fd, int family, bool raw)
{
	const uint32_t not_replies = ~(1U << ICMP_ECHOREPLY);
	const int on = 1, bytes = BUFFER_BYTES;
	struct icmp6_filter replies;

	ICMP6_FILTER_SETBLOCKALL(&replies);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &replies);
	if (family == AF_INET)
		setsockopt(fd, SOL_IP, IP_RECVERR, &on, sizeof(on));
	else
		setsockopt(fd, SOL_IPV6, IPV6_RECVERR, &on, sizeof(on));
	if (raw && family == AF_INET)
		setsockopt(fd, SOL_RAW, ICMP_FILTER_OPTION, &not_replies, sizeof(not_replies));
	else if (raw)
		setsockopt(fd, SOL_ICMPV6, ICMP6_FILTER, &replies, sizeof(replies));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

static int open_socket(struct icmp_socket *socket, uv_loop_t *loop)
{
	int fd = open_fd(socket->family, &socket->raw);
	int r;

	if (fd < 0)
		return fd;
	set_options(fd, socket->family, socket->raw);
	r = uv_poll_init(loop, &socket->poll, fd);
	if (r < 0) {
		close(fd);
		return r;
	}
	socket->poll.data = socket;
	socket->fd = fd;
	socket->mark = 0;
	socket->pinger->open++;
	return uv_poll_start(&socket->poll, UV_READABLE, on_poll);
}

static struct pinger *pinger_new(void)
{
	struct pinger *pinger = calloc(1, sizeof(*pinger));

	if (!pinger)
		return NULL;
	(void)!getrandom(&pinger->id, sizeof(pinger->id), GRND_NONBLOCK);
	pinger->sockets[0] = (struct icmp_socket){.fd = -1, .family = AF_INET, .pinger = pinger};
	pinger->sockets[1] = (struct icmp_socket){.fd = -1, .family = AF_INET6, .pinger = pinger};
	return pinger;
}

static void on_closed(uv_handle_t *handle)
{
	const struct icmp_socket *socket = handle->data;

	if (--socket->pinger->open == 0)
		free(socket->pinger);
}

static void free_shared(void *shared)
{
	struct pinger *pinger = shared;

	if (pinger->open == 0)
		free(pinger);
	else
		for (int i = 0; i < 2; i++) {
			if (pinger->sockets[i].fd < 0)
				continue;
			uv_close((uv_handle_t *)&pinger->sockets[i].poll, on_closed);
			close(pinger->sockets[i].fd);
		}
}

/* --- what is sent --- */

static uint16_t checksum(const struct echo *echo)
{
	uint16_t words[sizeof(*echo) / 2];
	uint32_t sum = 0;

	memcpy(words, echo, sizeof(*echo));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		sum += words[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

static int send_echo(const struct icmp_socket *by, const struct icmp_probe *probe)
{
	struct sockaddr_storage addr;
	struct endpoint target = *prober_target(probe->prober);
	socklen_t length;
	ssize_t sent = -1;

	target.port = 0;
	length = endpoint_sockaddr(&target, &addr);
	/* Twice, for an error of an earlier probe may wait in the socket, and would be told here.
	 */
	for (int i = 0; i < 2 && sent < 0; i++)
		sent = sendto(by->fd, &probe->echo, sizeof(probe->echo), MSG_DONTWAIT,
			      (struct sockaddr *)&addr, length);
	return sent < 0 ? -errno : 0;
}

/* Gives a sequence number that no running probe has; false: there is none. */
static bool take_sequence(struct pinger *pinger, struct icmp_probe *probe)
{
	for (int i = 0; i < SEQUENCES; i++) {
		uint16_t sequence = pinger->next_sequence++;

		if (pinger->waiting[sequence])
			continue;
		pinger->waiting[sequence] = probe;
		probe->echo.sequence = htons(sequence);
		return true;
	}
	return false;
}

/* The socket of the target's family, as this prober wants it; NULL: reason says why not. */
static struct icmp_socket *ready_socket(struct pinger *pinger, const struct prober *prober,
					char reason[PROBE_REASON_MAX])
{
	bool ipv4 = address_is_ipv4(&prober_target(prober)->address);
	struct icmp_socket *socket = &pinger->sockets[ipv4 ? 0 : 1];
	int r = socket->fd < 0 ? open_socket(socket, prober_loop(prober)) : 0;

	if (r < 0) {
		snprintf(reason, PROBE_REASON_MAX, "ICMP socket: %s%s", strerror(-r),
			 r == -EPERM || r == -EACCES ? "; lbagent needs CAP_NET_RAW" : "");
		return NULL;
	}
	if (socket->mark == prober_mark(prober))
		return socket;
	r = probe_socket_prepare_again(prober, socket->fd);
	if (r < 0) {
		snprintf(reason, PROBE_REASON_MAX, "ICMP socket: %s", strerror(-r));
		return NULL;
	}
	socket->mark = prober_mark(prober);
	return socket;
}

static bool begin(struct icmp_probe *probe, char reason[PROBE_REASON_MAX])
{
	struct icmp_socket *socket = ready_socket(probe->pinger, probe->prober, reason);
	bool ipv4 = socket && socket->family == AF_INET;
	int r;

	if (!socket)
		return false;
	probe->echo.type = ipv4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
	probe->echo.id = identifier(probe->pinger, &probe->echo);
	probe->echo.nonce = uv_hrtime();
	probe->echo.checksum = ipv4 ? checksum(&probe->echo) : 0;
	r = send_echo(socket, probe);
	if (r < 0)
		snprintf(reason, PROBE_REASON_MAX, "ICMP: %s", strerror(-r));
	return r == 0;
}

static struct pinger *shared_pinger(const struct prober *prober)
{
	void **shared = prober_shared(prober);

	if (!*shared)
		*shared = pinger_new();
	return *shared;
}

static void *start(struct prober *prober, char reason[PROBE_REASON_MAX])
{
	struct pinger *pinger = shared_pinger(prober);
	struct icmp_probe *probe = pinger ? calloc(1, sizeof(*probe)) : NULL;

	if (!probe) {
		snprintf(reason, PROBE_REASON_MAX, "out of memory");
		return NULL;
	}
	probe->pinger = pinger;
	probe->prober = prober;
	if (!take_sequence(pinger, probe)) {
		snprintf(reason, PROBE_REASON_MAX, "ICMP: too many probes at once");
		free(probe);
		return NULL;
	}
	if (begin(probe, reason))
		return probe;
	icmp_probe_free(probe);
	return NULL;
}

static void cancel(void *object)
{
	icmp_probe_free(object);
}

const struct probe_ops probe_icmp_ops = {
	.start = start,
	.cancel = cancel,
	.free_shared = free_shared,
};
