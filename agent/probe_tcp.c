/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A TCP probe succeeds when the backend accepts the connection; no data is exchanged. Nor does the
 * backend's program hear of it: our answer to its SYN-ACK is held back and, the probe being over by
 * then, becomes a reset. So there is no TIME_WAIT either, of which a FIN would leave one a minute
 * long for each probe.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "probe_sockets.h"

struct tcp_probe {
	struct prober *prober;
	struct probe_socket *socket;
};

static void cancel(void *object)
{
	struct tcp_probe *probe = object;

	probe_socket_release(probe->socket);
	free(probe);
}

static void on_event(void *context, uint32_t events)
{
	struct tcp_probe *probe = context;
	struct prober *prober = probe->prober;
	char reason[PROBE_REASON_MAX] = "";
	bool success = probe_socket_connected(probe->socket, events, reason);

	probe_socket_release(probe->socket);
	free(probe);
	probe_done(prober, success, reason);
}

static void *start(struct prober *prober, char reason[PROBE_REASON_MAX])
{
	struct tcp_probe *probe = calloc(1, sizeof(*probe));
	int r = -ENOMEM;

	if (probe) {
		probe->prober = prober;
		r = probe_socket_open(prober, SOCK_STREAM, on_event, probe, &probe->socket);
	}
	if (r == 0)
		return probe;
	free(probe);
	snprintf(reason, PROBE_REASON_MAX, "connect: %s", strerror(-r));
	return NULL;
}

const struct probe_ops probe_tcp_ops = {
	.start = start,
	.cancel = cancel,
	.free_shared = probe_sockets_free,
};
