/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "probe_kind.h"
#include "wheel.h"

/* So many probes begin in a turn of the loop and in PACE_MS, at most: the others wait in line, so
 * that thousands of new ones, or those due after a pause, do not hold up what else the loop does.
 */
#define PACE_BURST 64
#define PACE_MS    2

struct probe_engine {
	uv_loop_t *loop;
	struct wheel *wheel;
	void *shared[CHECK_KINDS]; /* see prober_shared() */
	uint32_t phase;            /* see next_phase() */
	TAILQ_HEAD(prober_line, prober) line;
	uv_timer_t pace; /* runs while there is a line */
	uint64_t burst_ms;
	unsigned int burst; /* probes begun since burst_ms */
};

struct prober {
	struct probe_engine *engine;
	struct check_run *check;
	struct probe_target target;
	probe_callback callback;
	void *context;
	struct wheel_timer timer; /* while a probe runs: its timeout; else the next one's start */
	TAILQ_ENTRY(prober) line;
	void *kept;   /* see prober_kept() */
	void *probe;  /* the running probe, NULL between probes */
	bool in_line; /* it is due and waits for its turn to begin */
	bool waiting; /* the running probe does, see probe_wait() */
	bool begun;   /* once */
	bool changing;
	uint64_t start_ns;        /* of the running or last probe */
	uint64_t due_ms;          /* when that was due, on the loop's clock */
	uint64_t next_ms;         /* when the next one is, while none runs */
	uint64_t first_period_ms; /* from the first probe to the second; 0: that has begun */
};

static const struct {
	const struct probe_ops *ops;
	const char *awaited; /* what did not come, for a timeout's reason */
} kinds[CHECK_KINDS] = {
	[CHECK_TCP] = {&probe_tcp_ops, "no answer to the connection request"},
	[CHECK_HTTP] = {&probe_http_ops, "no complete HTTP answer"},
	[CHECK_HTTPS] = {&probe_https_ops, "no complete HTTPS answer"},
	[CHECK_UDP] = {&probe_udp_ops, "no reply"},
	[CHECK_ICMP] = {&probe_icmp_ops, "no echo reply"},
	[CHECK_DNS] = {&probe_udp_ops, "no reply to the DNS question"},
	[CHECK_EXEC] = {&probe_exec_ops, "the command has not ended"},
};

static const struct probe_ops *ops_of(const struct prober *prober)
{
	return kinds[prober->check->spec.kind].ops;
}

static void on_pace(uv_timer_t *timer);

struct probe_engine *probe_engine_new(uv_loop_t *loop)
{
	struct probe_engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return NULL;
	engine->wheel = wheel_new(loop);
	if (!engine->wheel) {
		free(engine);
		return NULL;
	}
	engine->loop = loop;
	TAILQ_INIT(&engine->line);
	uv_timer_init(loop, &engine->pace);
	engine->pace.data = engine;
	return engine;
}

static void on_pace_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void probe_engine_free(struct probe_engine *engine)
{
	if (!engine)
		return;
	for (int kind = 0; kind < CHECK_KINDS; kind++) {
		if (engine->shared[kind])
			kinds[kind].ops->free_shared(engine->shared[kind]);
	}
	wheel_free(engine->wheel);
	uv_close((uv_handle_t *)&engine->pace, on_pace_closed);
}

/* --- for the kinds --- */

uv_loop_t *prober_loop(const struct prober *prober)
{
	return prober->engine->loop;
}

const struct check_run *prober_check(const struct prober *prober)
{
	return prober->check;
}

const struct endpoint *prober_target(const struct prober *prober)
{
	return &prober->target.endpoint;
}

void **prober_shared(const struct prober *prober)
{
	int kind = 0;

	while (kinds[kind].ops != ops_of(prober))
		kind++;
	return &prober->engine->shared[kind];
}

void **prober_kept(struct prober *prober)
{
	return &prober->kept;
}

uint32_t prober_mark(const struct prober *prober)
{
	return prober->target.mark;
}

int probe_socket_prepare_again(const struct prober *prober, int fd)
{
	uint32_t mark = prober->target.mark;

	return setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ? -errno : 0;
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
	int r;

	if (!prober->target.mark)
		return 0;
	r = probe_socket_prepare_again(prober, fd);
	return r < 0 ? r : bind_own_port(prober, fd);
}

/* --- the schedule --- */

/*
 * Probers that were made together would probe together for ever. So each one's first period is
 * shortened to a part of the interval. Multiples of the golden ratio, modulo 1, fall evenly however
 * many are drawn, which random numbers would not.
 */
static uint64_t next_phase(struct probe_engine *engine, uint64_t interval_ms)
{
	const uint32_t golden = 0x9e3779b9; /* 2^32 / 1.618... */

	engine->phase += golden;
	return ((interval_ms * engine->phase) >> 32) + 1;
}

static void on_timer(void *context);

static void run_until(struct prober *prober, uint64_t at)
{
	wheel_start(prober->engine->wheel, &prober->timer, at, on_timer, prober);
}

/* Periods are counted from when a probe was due, not from when it began, so that after a pause of
 * the whole loop probes do not stay together. */
static void plan(struct prober *prober)
{
	const struct check_spec *spec = &prober->check->spec;
	uint64_t period_ms = prober->first_period_ms ? prober->first_period_ms : spec->interval_ms;

	if (prober->changing && spec->fast_interval_ms && spec->fast_interval_ms < period_ms)
		period_ms = spec->fast_interval_ms;
	prober->next_ms = prober->due_ms + period_ms;
	run_until(prober, prober->next_ms);
}

/* Ends a probe: plans the next, then reports. The callback may free prober. */
static void finish(struct prober *prober, bool success, const char *reason)
{
	uint64_t ns = uv_hrtime() - prober->start_ns;
	struct probe_result result = {.success = success, .duration_us = ns / 1000};

	latency_add(&prober->check->durations, ns);
	if (!success)
		snprintf(result.reason, sizeof(result.reason), "%s", reason);
	prober->probe = NULL;
	plan(prober);
	prober->callback(prober->context, &result);
}

void probe_done(struct prober *prober, bool success, const char *reason)
{
	finish(prober, success, reason);
}

void prober_now(struct prober *prober)
{
	if (!prober || prober->probe || prober->in_line)
		return;
	prober->next_ms = uv_now(prober->engine->loop);
	run_until(prober, prober->next_ms);
}

void prober_set_changing(struct prober *prober, bool changing)
{
	if (prober->changing == changing)
		return;
	prober->changing = changing;
	if (prober->begun && !prober->probe && !prober->in_line)
		plan(prober);
}

void probe_wait(struct prober *prober)
{
	prober->waiting = true;
}

void probe_go(struct prober *prober)
{
	prober->waiting = false;
	prober->start_ns = uv_hrtime();
	run_until(prober, uv_now(prober->engine->loop) + prober->check->spec.timeout_ms);
}

static void begin(struct prober *prober)
{
	char reason[PROBE_REASON_MAX] = "";

	if (prober->begun)
		prober->first_period_ms = 0;
	prober->begun = true;
	prober->waiting = false;
	prober->start_ns = uv_hrtime();
	prober->probe = ops_of(prober)->start(prober, reason);
	if (!prober->probe)
		finish(prober, false, reason);
	else if (!prober->waiting)
		probe_go(prober);
}

/* May another probe begin now? */
static bool take_turn(struct probe_engine *engine)
{
	uint64_t now = uv_now(engine->loop);

	if (now - engine->burst_ms >= PACE_MS) {
		engine->burst_ms = now;
		engine->burst = 0;
	}
	if (engine->burst == PACE_BURST)
		return false;
	engine->burst++;
	return true;
}

static void leave_line(struct prober *prober)
{
	TAILQ_REMOVE(&prober->engine->line, prober, line);
	prober->in_line = false;
}

static void on_pace(uv_timer_t *timer)
{
	struct probe_engine *engine = timer->data;
	struct prober *first;

	while ((first = TAILQ_FIRST(&engine->line)) && take_turn(engine)) {
		leave_line(first);
		begin(first);
	}
	if (first)
		uv_timer_start(timer, on_pace, PACE_MS, 0);
}

static void become_due(struct prober *prober)
{
	struct probe_engine *engine = prober->engine;
	uint64_t now = uv_now(engine->loop);
	bool in_time = now - prober->next_ms < prober->check->spec.interval_ms;

	prober->due_ms = in_time ? prober->next_ms : now;
	if (TAILQ_EMPTY(&engine->line) && take_turn(engine)) {
		begin(prober);
		return;
	}
	if (TAILQ_EMPTY(&engine->line))
		uv_timer_start(&engine->pace, on_pace, PACE_MS, 0);
	TAILQ_INSERT_TAIL(&engine->line, prober, line);
	prober->in_line = true;
}

static void time_out(struct prober *prober)
{
	const struct probe_ops *ops = ops_of(prober);
	char duration[DURATION_TEXT_MAX];
	char reason[PROBE_REASON_MAX];

	ops->cancel(prober->probe);
	snprintf(reason, sizeof(reason), "timeout after %s: %s",
		 format_duration(prober->check->spec.timeout_ms, duration),
		 kinds[prober->check->spec.kind].awaited);
	finish(prober, ops->passes_unanswered && ops->passes_unanswered(prober->check), reason);
}

static void on_timer(void *context)
{
	struct prober *prober = context;

	if (prober->probe)
		time_out(prober);
	else
		become_due(prober);
}

/* --- life --- */

struct prober *prober_new(struct probe_engine *engine, struct check_run *check,
			  const struct probe_target *target, probe_callback callback, void *context)
{
	struct prober *prober = calloc(1, sizeof(*prober));

	if (!prober)
		return NULL;
	prober->engine = engine;
	prober->check = check_run_ref(check);
	prober->target = *target;
	if (check->spec.port)
		prober->target.endpoint.port = check->spec.port;
	prober->callback = callback;
	prober->context = context;
	prober->next_ms = uv_now(engine->loop);
	prober->first_period_ms = next_phase(engine, check->spec.interval_ms);
	run_until(prober, prober->next_ms);
	return prober;
}

void prober_free(struct prober *prober)
{
	if (!prober)
		return;
	if (prober->probe)
		ops_of(prober)->cancel(prober->probe);
	if (prober->in_line)
		leave_line(prober);
	wheel_stop(&prober->timer);
	check_run_unref(prober->check);
	free(prober->kept);
	free(prober);
}
