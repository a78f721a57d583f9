/* SPDX-License-Identifier: Apache-2.0 */
#include "probe_sockets.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 64
#define IDLE_MAX   128 /* sockets that are kept, of each family */
#define STALE_MAX  16  /* datagrams that a socket may hold still, not to be dropped */

struct probe_socket {
	int fd;
	bool marked;
	bool sound;                     /* something happened to it that was no error */
	probe_socket_callback callback; /* NULL: it is idle */
	void *context;
	struct idle *idle; /* where it goes when it is kept */
	SLIST_ENTRY(probe_socket) link;
};

struct idle {
	struct probe_sockets *of;
	SLIST_HEAD(idle_list, probe_socket) list;
	unsigned int count;
};

struct probe_sockets {
	uv_poll_t poll; /* of epoll */
	int epoll;
	int type;
	struct idle idle[2];                   /* of IPv4, IPv6 */
	struct epoll_event events[EVENTS_MAX]; /* told, and not yet passed on */
	int event_count;
};

int probe_socket_fd(const struct probe_socket *socket)
{
	return socket->fd;
}

bool probe_socket_connected(const struct probe_socket *socket, uint32_t events,
			    char reason[PROBE_REASON_MAX])
{
	socklen_t length = sizeof(int);
	int error = 0;

	if (!(events & (EPOLLERR | EPOLLHUP)))
		return true;
	getsockopt(socket->fd, SOL_SOCKET, SO_ERROR, &error, &length);
	snprintf(reason, PROBE_REASON_MAX, "connect: %s", strerror(error));
	return false;
}

/* --- the end --- */

static void drop(struct probe_socket *socket)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};

	setsockopt(socket->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(socket->fd);
	free(socket);
}

static void close_socket(struct probe_socket *socket)
{
	struct probe_sockets *sockets = socket->idle->of;

	for (int i = 0; i < sockets->event_count; i++) {
		if (sockets->events[i].data.ptr == socket)
			sockets->events[i].data.ptr = NULL;
	}
	drop(socket);
}

/*
 * An ICMP error that ends a TCP handshake (also the host's own, when nobody answers ARP) stays in
 * the socket's error queue when that is dissolved, and every later connection would begin with
 * EPOLLERR. It may be there without having been told yet; what has been connected has none.
 */
static bool is_sound(const struct probe_socket *socket)
{
	return socket->sound || socket->idle->of->type != SOCK_STREAM;
}

void probe_socket_release(struct probe_socket *socket)
{
	const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
	struct idle *idle = socket->idle;

	if (socket->marked || !is_sound(socket) || idle->count == IDLE_MAX ||
	    connect(socket->fd, &nobody, sizeof(nobody)) < 0) {
		close_socket(socket);
		return;
	}
	socket->callback = NULL;
	SLIST_INSERT_HEAD(&idle->list, socket, link);
	idle->count++;
}

/* --- events --- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct probe_sockets *sockets = poll->data;
	int count = epoll_wait(sockets->epoll, sockets->events, EVENTS_MAX, 0);

	(void)status;
	(void)events;
	sockets->event_count = count > 0 ? count : 0;
	for (int i = 0; i < sockets->event_count; i++) {
		struct probe_socket *socket = sockets->events[i].data.ptr;
		uint32_t told = sockets->events[i].events;

		/* A TCP socket tells that it was dissolved, too. */
		if (!socket || !socket->callback)
			continue;
		socket->sound = socket->sound || !(told & (EPOLLERR | EPOLLHUP));
		socket->callback(socket->context, told);
	}
	sockets->event_count = 0;
}

/* By edges: nothing needs to be said to epoll from one probe to the next. */
static int watch(const struct probe_sockets *sockets, struct probe_socket *socket, int operation)
{
	/* A datagram socket may be written to always, and would say so of each datagram. */
	struct epoll_event event = {
		.events = EPOLLET | EPOLLIN | (sockets->type == SOCK_STREAM ? EPOLLOUT : 0),
		.data.ptr = socket,
	};

	return epoll_ctl(sockets->epoll, operation, socket->fd, &event) < 0 ? -errno : 0;
}

void probe_socket_again(struct probe_socket *socket)
{
	watch(socket->idle->of, socket, EPOLL_CTL_MOD);
}

/* --- the beginning --- */

static struct probe_sockets *sockets_new(uv_loop_t *loop, int type)
{
	struct probe_sockets *sockets = calloc(1, sizeof(*sockets));

	if (!sockets)
		return NULL;
	sockets->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (sockets->epoll < 0 || uv_poll_init(loop, &sockets->poll, sockets->epoll) < 0) {
		if (sockets->epoll >= 0)
			close(sockets->epoll);
		free(sockets);
		return NULL;
	}
	sockets->type = type;
	for (int family = 0; family < 2; family++)
		sockets->idle[family].of = sockets;
	sockets->poll.data = sockets;
	uv_poll_start(&sockets->poll, UV_READABLE, on_poll);
	return sockets;
}

static int prepare(const struct prober *prober, const struct probe_sockets *sockets,
		   struct probe_socket *socket)
{
	const int on = 1;
	int r = probe_socket_prepare(prober, socket->fd);

	/* In a client this has the answer to the SYN-ACK wait for data to go with. */
	if (sockets->type == SOCK_STREAM)
		setsockopt(socket->fd, SOL_TCP, TCP_DEFER_ACCEPT, &on, sizeof(on));
	return r < 0 ? r : watch(sockets, socket, EPOLL_CTL_ADD);
}

static int make_socket(const struct prober *prober, struct idle *idle, int family,
		       struct probe_socket **ret_socket)
{
	struct probe_socket *made = calloc(1, sizeof(*made));
	int r = -ENOMEM;

	if (!made)
		return r;
	made->idle = idle;
	made->marked = prober_mark(prober) != 0;
	made->fd = socket(family, idle->of->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	r = made->fd < 0 ? -errno : prepare(prober, idle->of, made);
	if (r >= 0) {
		*ret_socket = made;
		return 0;
	}
	if (made->fd >= 0)
		close(made->fd);
	free(made);
	return r;
}

/* Of a datagram socket's last probe there may be more replies, or an error. */
static bool is_clean(const struct probe_socket *socket)
{
	char byte;

	for (int i = 0; i < STALE_MAX; i++) {
		if (recv(socket->fd, &byte, sizeof(byte), MSG_DONTWAIT) < 0 && errno == EAGAIN)
			return true;
	}
	return false;
}

static struct probe_socket *idle_socket(struct idle *idle)
{
	struct probe_socket *socket = SLIST_FIRST(&idle->list);

	if (!socket)
		return NULL;
	SLIST_REMOVE_HEAD(&idle->list, link);
	idle->count--;
	if (idle->of->type == SOCK_STREAM || is_clean(socket))
		return socket;
	close_socket(socket);
	return NULL;
}

int probe_socket_open(const struct prober *prober, int type, probe_socket_callback callback,
		      void *context, struct probe_socket **ret_socket)
{
	struct probe_sockets **sockets = (struct probe_sockets **)prober_shared(prober);
	struct sockaddr_storage addr;
	socklen_t length = endpoint_sockaddr(prober_target(prober), &addr);
	struct probe_socket *socket = NULL;
	struct idle *idle;
	int r = 0;

	if (!*sockets && !(*sockets = sockets_new(prober_loop(prober), type)))
		return -ENOMEM;
	idle = &(*sockets)->idle[addr.ss_family == AF_INET ? 0 : 1];
	if (!prober_mark(prober))
		socket = idle_socket(idle);
	if (!socket)
		r = make_socket(prober, idle, addr.ss_family, &socket);
	if (r < 0)
		return r;
	if (connect(socket->fd, (struct sockaddr *)&addr, length) < 0 && errno != EINPROGRESS) {
		r = -errno;
		close_socket(socket);
		return r;
	}
	socket->sound = false;
	socket->callback = callback;
	socket->context = context;
	*ret_socket = socket;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void probe_sockets_free(void *shared)
{
	struct probe_sockets *sockets = shared;
	struct probe_socket *socket;

	for (int family = 0; family < 2; family++) {
		while ((socket = SLIST_FIRST(&sockets->idle[family].list))) {
			SLIST_REMOVE_HEAD(&sockets->idle[family].list, link);
			drop(socket);
		}
	}
	uv_close((uv_handle_t *)&sockets->poll, on_closed);
	close(sockets->epoll);
}
