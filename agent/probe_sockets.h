/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PROBE_SOCKETS_H
#define SLUICE_PROBE_SOCKETS_H

/*
 * Connected sockets for probes of one kind, of tcp or of udp.
 *
 * With thousands of probes a second most of a probe's cost is making and closing its socket and
 * watching it. So sockets are dissolved, as connect(2) calls it, and used again, and are watched by
 * an epoll descriptor of our own, where they stay. A dissolved socket has no port, and nothing can
 * come to it; with its next probe it gets another one, as a new socket would. A socket with a mark
 * was prepared for one prober, and is never kept; nor is one of TCP that was not connected.
 */
#include <stdint.h>
#include <sys/epoll.h>

#include "probe_kind.h"

struct probe_socket;

/* Something happened to the socket: events are epoll's. It is told once: what can be read must be
 * read until there is no more, or see probe_socket_again(). May release any socket, but open none.
 */
typedef void (*probe_socket_callback)(void *context, uint32_t events);

/* A socket of type SOCK_STREAM or SOCK_DGRAM, the same for all probers of the kind, that begins to
 * connect to prober's target. Lives in prober_shared(). Returns 0 or a negative errno; a connection
 * that is refused later is told by an event with EPOLLERR or EPOLLHUP. */
int probe_socket_open(const struct prober *prober, int type, probe_socket_callback callback,
		      void *context, struct probe_socket **ret_socket);

/* Of the first event: has the socket been connected? If not, reason says why: "connect: ...". */
bool probe_socket_connected(const struct probe_socket *socket, uint32_t events,
			    char reason[PROBE_REASON_MAX]);

/* Not to be closed, or watched otherwise. */
int probe_socket_fd(const struct probe_socket *socket);

/* What is waiting at the socket, if anything is, is told again. */
void probe_socket_again(struct probe_socket *socket);

/* Ends the connection, one of TCP by a reset, which leaves no TIME_WAIT behind, and gives the
 * socket back; no callback comes any more. */
void probe_socket_release(struct probe_socket *socket);

/* For probe_ops.free_shared: all sockets must have been given back before. */
void probe_sockets_free(void *shared);

#endif
