/* SPDX-License-Identifier: Apache-2.0 */

/* A TCP probe succeeds when the backend completes the handshake; no data is exchanged. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe.h"

struct tcp_probe {
	uv_tcp_t socket;
	uv_connect_t request;
	struct prober *prober; /* NULL once reported or cancelled */
	int error;             /* of a connect that failed at once */
};

static void report(struct tcp_probe *probe, int error)
{
	struct prober *prober = probe->prober;
	char reason[96];

	probe->prober = NULL;
	snprintf(reason, sizeof(reason), "connect: %s", strerror(-error));
	probe_done(prober, error == 0, reason);
}

static void on_closed(uv_handle_t *handle)
{
	struct tcp_probe *probe = handle->data;

	if (probe->prober)
		report(probe, probe->error);
	free(probe);
}

/*
 * Closes by reset. A FIN would leave a socket in TIME_WAIT for a minute for each probe: some
 * 240,000 with 4,000 backends probed each second. Nothing was sent, so a reset loses nothing.
 */
static void close_socket(struct tcp_probe *probe)
{
	if (uv_tcp_close_reset(&probe->socket, on_closed) < 0)
		uv_close((uv_handle_t *)&probe->socket, on_closed);
}

static void on_connect(uv_connect_t *request, int status)
{
	struct tcp_probe *probe = request->data;

	if (!probe->prober) /* cancelled: libuv says so here while it closes */
		return;
	close_socket(probe);
	report(probe, status);
}

static int connect_socket(struct tcp_probe *probe, const struct sockaddr_storage *addr)
{
	uv_os_fd_t fd;
	int r = uv_fileno((uv_handle_t *)&probe->socket, &fd);

	if (r == 0)
		r = probe_socket_prepare(probe->prober, fd);
	return r < 0 ? r
		     : uv_tcp_connect(&probe->request, &probe->socket,
				      (const struct sockaddr *)addr, on_connect);
}

static void *start(struct prober *prober, const char **ret_reason)
{
	uv_loop_t *loop = probe_engine_loop(prober_engine(prober));
	struct sockaddr_storage addr;
	struct tcp_probe *probe = calloc(1, sizeof(*probe));
	int r;

	*ret_reason = "out of memory";
	if (!probe)
		return NULL;
	probe->prober = prober;
	probe->socket.data = probe;
	probe->request.data = probe;
	endpoint_sockaddr(prober_target(prober), &addr);
	/* With its family the socket exists at once, and can be prepared. */
	r = uv_tcp_init_ex(loop, &probe->socket, addr.ss_family);
	if (r < 0) {
		*ret_reason = strerror(-r);
		free(probe);
		return NULL;
	}
	probe->error = connect_socket(probe, &addr);
	/* Without a route it fails at once, but start must not report: on_closed does. */
	if (probe->error)
		uv_close((uv_handle_t *)&probe->socket, on_closed);
	return probe;
}

static void cancel(void *object)
{
	struct tcp_probe *probe = object;

	probe->prober = NULL;
	if (!uv_is_closing((uv_handle_t *)&probe->socket))
		close_socket(probe);
}

const struct probe_ops probe_tcp_ops = {.start = start, .cancel = cancel};
