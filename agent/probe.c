/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "curl_loop.h"

struct probe_engine {
	uv_loop_t *loop;
	struct curl_loop *curl; /* NULL until the first HTTP probe */
	uint32_t phase;         /* see next_phase() */
};

struct prober {
	struct probe_engine *engine;
	struct check_spec spec;
	struct probe_target target;
	probe_callback callback;
	void *context;
	uv_timer_t timer;   /* while a probe runs: its timeout; else the next one's start */
	void *probe;        /* the running probe, NULL between probes */
	uint64_t start_ns;  /* of the running or last probe */
	uint64_t start_ms;  /* the same on the loop's clock, which the timer follows */
	uint64_t period_ms; /* from the start of this probe to the next one's */
};

static const struct {
	const struct probe_ops *ops;
	const char *awaited; /* what did not come, for a timeout's reason */
} kinds[] = {
	[CHECK_TCP] = {&probe_tcp_ops, "no answer to the connection request"},
	[CHECK_HTTP] = {&probe_http_ops, "no complete HTTP answer"},
};

struct probe_engine *probe_engine_new(uv_loop_t *loop)
{
	struct probe_engine *engine = calloc(1, sizeof(*engine));

	if (engine)
		engine->loop = loop;
	return engine;
}

void probe_engine_free(struct probe_engine *engine)
{
	if (!engine)
		return;
	curl_loop_free(engine->curl);
	free(engine);
}

uv_loop_t *probe_engine_loop(const struct probe_engine *engine)
{
	return engine->loop;
}

struct curl_loop *probe_engine_curl(struct probe_engine *engine)
{
	if (!engine->curl)
		engine->curl = curl_loop_new(engine->loop);
	return engine->curl;
}

const struct check_spec *prober_spec(const struct prober *prober)
{
	return &prober->spec;
}

const struct endpoint *prober_target(const struct prober *prober)
{
	return &prober->target.endpoint;
}

/*
 * Sockets that connect to different backends may share a port; the replies of marked ones all come
 * from the VIP, and are told apart by nothing else. A port that was bound is the socket's alone.
 */
static int bind_own_port(const struct prober *prober, int fd)
{
	struct endpoint any = {.port = 0};
	struct sockaddr_storage addr;
	socklen_t length = sizeof(int);
	int type = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0)
		return -errno;
	if (type != SOCK_STREAM)
		return 0; /* its port or identifier is its own anyway */
	if (address_is_ipv4(&prober->target.endpoint.address))
		memset(&any.address.ip.s6_addr[10], 0xff, 2); /* ::ffff:0.0.0.0 */
	length = endpoint_sockaddr(&any, &addr);
	return bind(fd, (const struct sockaddr *)&addr, length) < 0 ? -errno : 0;
}

int probe_socket_prepare(const struct prober *prober, int fd)
{
	uint32_t mark = prober->target.mark;

	if (!mark)
		return 0;
	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0)
		return -errno;
	return bind_own_port(prober, fd);
}

struct probe_engine *prober_engine(const struct prober *prober)
{
	return prober->engine;
}

/*
 * Probers that were made together would probe together for ever. So each one's first period is
 * shortened to between half an interval and a whole one. Multiples of the golden ratio, modulo 1,
 * fall evenly however many are drawn, which random numbers would not.
 */
static uint64_t next_phase(struct probe_engine *engine, uint64_t interval_ms)
{
	const uint32_t golden = 0x9e3779b9; /* 2^32 / 1.618... */
	uint64_t half = interval_ms / 2;

	engine->phase += golden;
	return interval_ms - half + ((half * engine->phase) >> 32);
}

static void on_timer(uv_timer_t *timer);

/* Ends a probe: plans the next, then reports. The callback may free prober. */
static void finish(struct prober *prober, bool success, const char *reason)
{
	struct probe_result result = {
		.success = success,
		.duration_us = (uv_hrtime() - prober->start_ns) / 1000,
	};
	uint64_t now = uv_now(prober->engine->loop);
	uint64_t next = prober->start_ms + prober->period_ms;

	snprintf(result.reason, sizeof(result.reason), "%s", success ? "" : reason);
	prober->probe = NULL;
	prober->period_ms = prober->spec.interval_ms;
	uv_timer_start(&prober->timer, on_timer, next > now ? next - now : 0, 0);
	prober->callback(prober->context, &result);
}

void probe_done(struct prober *prober, bool success, const char *reason)
{
	finish(prober, success, reason);
}

static void start(struct prober *prober)
{
	const char *reason = NULL;

	prober->start_ns = uv_hrtime();
	prober->start_ms = uv_now(prober->engine->loop);
	prober->probe = kinds[prober->spec.kind].ops->start(prober, &reason);
	if (prober->probe)
		uv_timer_start(&prober->timer, on_timer, prober->spec.timeout_ms, 0);
	else
		finish(prober, false, reason);
}

static void time_out(struct prober *prober)
{
	char duration[DURATION_TEXT_MAX];
	char reason[sizeof(((struct probe_result *)NULL)->reason)];

	kinds[prober->spec.kind].ops->cancel(prober->probe);
	snprintf(reason, sizeof(reason), "timeout after %s: %s",
		 format_duration(prober->spec.timeout_ms, duration),
		 kinds[prober->spec.kind].awaited);
	finish(prober, false, reason);
}

static void on_timer(uv_timer_t *timer)
{
	struct prober *prober = timer->data;

	if (prober->probe)
		time_out(prober);
	else
		start(prober);
}

struct prober *prober_new(struct probe_engine *engine, const struct check_spec *spec,
			  const struct probe_target *target, probe_callback callback, void *context)
{
	struct prober *prober = calloc(1, sizeof(*prober));

	if (!prober)
		return NULL;
	prober->engine = engine;
	prober->spec = *spec;
	prober->target = *target;
	if (spec->port)
		prober->target.endpoint.port = spec->port;
	prober->callback = callback;
	prober->context = context;
	prober->period_ms = next_phase(engine, spec->interval_ms);
	uv_timer_init(engine->loop, &prober->timer);
	prober->timer.data = prober;
	uv_timer_start(&prober->timer, on_timer, 0, 0);
	return prober;
}

void prober_now(struct prober *prober)
{
	if (prober && !prober->probe)
		uv_timer_start(&prober->timer, on_timer, 0, 0);
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void prober_free(struct prober *prober)
{
	if (!prober)
		return;
	if (prober->probe)
		kinds[prober->spec.kind].ops->cancel(prober->probe);
	uv_close((uv_handle_t *)&prober->timer, on_timer_closed);
}
