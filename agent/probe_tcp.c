/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A TCP probe succeeds when the backend accepts the connection; no data is exchanged. Nor does the
 * backend's program hear of it: our answer to its SYN-ACK is held back and, the probe being over by
 * then, becomes a reset. So there is no TIME_WAIT either, of which a FIN would leave one a minute
 * long for each probe.
 *
 * With thousands of probes a second most of a probe's cost is making and closing its socket and
 * watching it. So sockets are dissolved, as connect(2) calls it, and used again, and are watched by
 * an epoll descriptor of our own, where they stay.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probe_kind.h"

#define EVENTS_MAX 64
#define IDLE_MAX   128 /* sockets that are kept, of each family */

struct idle {
	int fds[IDLE_MAX];
	unsigned int count;
};

struct sockets {
	uv_poll_t poll; /* of epoll */
	int epoll;
	struct idle idle[2];                   /* of IPv4, IPv6 */
	struct epoll_event events[EVENTS_MAX]; /* told, and not yet passed on */
	int event_count;
};

struct tcp_probe {
	struct sockets *sockets;
	struct prober *prober;
	int fd;
};

static bool is_ipv4(const struct tcp_probe *probe)
{
	return address_is_ipv4(&prober_target(probe->prober)->address);
}

/* --- the end --- */

/* Sends the reset. A socket with a mark was prepared for one prober. */
static bool keep_socket(struct tcp_probe *probe)
{
	const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	struct idle *idle = &probe->sockets->idle[is_ipv4(probe) ? 0 : 1];

	if (prober_mark(probe->prober) || idle->count == IDLE_MAX ||
	    connect(probe->fd, &nobody, sizeof(nobody)) < 0)
		return false;
	idle->fds[idle->count++] = probe->fd;
	return true;
}

static void close_socket(int fd)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
}

static void cancel(void *object)
{
	struct tcp_probe *probe = object;
	struct sockets *sockets = probe->sockets;

	for (int i = 0; i < sockets->event_count; i++) {
		if (sockets->events[i].data.ptr == probe)
			sockets->events[i].data.ptr = NULL;
	}
	close_socket(probe->fd);
	free(probe);
}

static void end_probe(struct tcp_probe *probe, uint32_t events)
{
	struct prober *prober = probe->prober;
	bool success = !(events & (EPOLLERR | EPOLLHUP));
	char reason[PROBE_REASON_MAX] = "";
	socklen_t length = sizeof(int);
	int error = 0;

	if (!success) {
		getsockopt(probe->fd, SOL_SOCKET, SO_ERROR, &error, &length);
		snprintf(reason, sizeof(reason), "connect: %s", strerror(error));
	}
	if (!success || !keep_socket(probe))
		close_socket(probe->fd);
	free(probe);
	probe_done(prober, success, reason);
}

/* Whoever is told may free other probers, whose events cancel() takes out then. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct sockets *sockets = poll->data;
	int count = epoll_wait(sockets->epoll, sockets->events, EVENTS_MAX, 0);

	(void)status;
	(void)events;
	sockets->event_count = count > 0 ? count : 0;
	for (int i = 0; i < sockets->event_count; i++) {
		struct tcp_probe *probe = sockets->events[i].data.ptr;

		sockets->events[i].data.ptr = NULL;
		if (probe)
			end_probe(probe, sockets->events[i].events);
	}
	sockets->event_count = 0;
}

/* --- the beginning --- */

static struct sockets *sockets_new(uv_loop_t *loop)
{
	struct sockets *sockets = calloc(1, sizeof(*sockets));

	if (!sockets)
		return NULL;
	sockets->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (sockets->epoll < 0 || uv_poll_init(loop, &sockets->poll, sockets->epoll) < 0) {
		if (sockets->epoll >= 0)
			close(sockets->epoll);
		free(sockets);
		return NULL;
	}
	sockets->poll.data = sockets;
	uv_poll_start(&sockets->poll, UV_READABLE, on_poll);
	return sockets;
}

static int take_socket(struct tcp_probe *probe)
{
	struct idle *idle = &probe->sockets->idle[is_ipv4(probe) ? 0 : 1];
	const int on = 1;
	int fd, r;

	if (!prober_mark(probe->prober) && idle->count > 0)
		return idle->fds[--idle->count];
	fd = socket(is_ipv4(probe) ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    0);
	if (fd < 0)
		return -errno;
	/* In a client this has the answer to the SYN-ACK wait for data to go with. */
	setsockopt(fd, SOL_TCP, TCP_DEFER_ACCEPT, &on, sizeof(on));
	r = probe_socket_prepare(probe->prober, fd);
	if (r == 0)
		return fd;
	close(fd);
	return r;
}

/* Tells once, so that a socket that is kept tells nothing more. */
static int watch(struct tcp_probe *probe)
{
	struct epoll_event event = {.events = EPOLLOUT | EPOLLONESHOT, .data.ptr = probe};

	if (epoll_ctl(probe->sockets->epoll, EPOLL_CTL_MOD, probe->fd, &event) == 0)
		return 0;
	return epoll_ctl(probe->sockets->epoll, EPOLL_CTL_ADD, probe->fd, &event) < 0 ? -errno : 0;
}

static int connect_socket(struct tcp_probe *probe)
{
	struct sockaddr_storage addr;
	socklen_t length = endpoint_sockaddr(prober_target(probe->prober), &addr);
	int r = take_socket(probe);

	if (r < 0)
		return r;
	probe->fd = r;
	r = 0;
	if (connect(probe->fd, (struct sockaddr *)&addr, length) < 0 && errno != EINPROGRESS)
		r = -errno;
	if (r == 0)
		r = watch(probe);
	if (r < 0)
		close_socket(probe->fd);
	return r;
}

static void *start(struct prober *prober, char reason[PROBE_REASON_MAX])
{
	void **shared = prober_shared(prober);
	struct tcp_probe *probe = calloc(1, sizeof(*probe));
	int r = -ENOMEM;

	if (!*shared)
		*shared = sockets_new(prober_loop(prober));
	if (probe && *shared) {
		probe->prober = prober;
		probe->sockets = *shared;
		r = connect_socket(probe);
	}
	if (r == 0)
		return probe;
	free(probe);
	snprintf(reason, PROBE_REASON_MAX, "connect: %s", strerror(-r));
	return NULL;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void free_shared(void *shared)
{
	struct sockets *sockets = shared;

	for (int family = 0; family < 2; family++) {
		for (unsigned int i = 0; i < sockets->idle[family].count; i++)
			close(sockets->idle[family].fds[i]);
	}
	uv_close((uv_handle_t *)&sockets->poll, on_closed);
	close(sockets->epoll);
}

const struct probe_ops probe_tcp_ops = {
	.start = start,
	.cancel = cancel,
	.free_shared = free_shared,
};
