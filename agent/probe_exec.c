/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An exec probe runs a program (child.h) and succeeds when that exits with status 0. It is killed
 * at the timeout. At most RUNNING_MAX run at once; further probes wait in line. The first line that
 * it prints tells why it failed; the rest is read and forgotten.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "child.h"
#include "probe_kind.h"

#define RUNNING_MAX 64
#define SAID_MAX    128 /* of what a program says, with the zero at its end */

struct pool {
	unsigned int running;
	bool closed; /* the engine is gone; the last child to end frees the pool */
	TAILQ_HEAD(exec_line, exec_probe) line;
};

struct exec_probe {
	struct child *child;   /* NULL: it waits in line */
	struct prober *prober; /* NULL: cancelled */
	struct pool *pool;
	TAILQ_ENTRY(exec_probe) line;
	char said[SAID_MAX];
	size_t length;
	bool line_over; /* of what is said, no more is kept */
};

static void start_next(struct pool *pool);

/* Keeps the first line that has something in it, as printable ASCII: it goes into logs and JSON. */
static void on_said(void *context, enum child_stream stream, const char *bytes, size_t length)
{
	struct exec_probe *probe = context;

	(void)stream;
	for (size_t i = 0; i < length && !probe->line_over; i++) {
		char c = bytes[i];

		if (c == '\n' || c == '\r') {
			probe->line_over = probe->length > 0;
			continue;
		}
		if (probe->length == 0 && (c == ' ' || c == '\t'))
			continue;
		probe->said[probe->length++] = c >= ' ' && c <= '~' ? c : '?';
		probe->line_over = probe->length == sizeof(probe->said) - 1;
	}
}

static void on_ended(void *context, int64_t status, int signal)
{
	struct exec_probe *probe = context;
	struct prober *prober = probe->prober;
	struct pool *pool = probe->pool;
	char reason[PROBE_REASON_MAX];

	child_explain(status, signal, probe->said, reason, sizeof(reason));
	free(probe);
	pool->running--;
	if (pool->closed) {
		if (pool->running == 0)
			free(pool);
		return;
	}
	if (prober)
		probe_done(prober, status == 0 && signal == 0, reason);
	start_next(pool);
}

static int run(struct exec_probe *probe)
{
	const struct check_run *check = prober_check(probe->prober);
	const struct endpoint *target = prober_target(probe->prober);
	char address[sizeof("LB_BACKEND_ADDRESS=") + ADDRESS_TEXT_MAX];
	char port[sizeof("LB_BACKEND_PORT=65535")], service[128], text[ADDRESS_TEXT_MAX];
	const struct child_order order = {
		.words = check->spec.command,
		.variables = {service, address, port},
		.said = on_said,
		.ended = on_ended,
		.context = probe,
	};
	int r;

	snprintf(service, sizeof(service), "LB_SERVICE=%s", check->service);
	snprintf(address, sizeof(address), "LB_BACKEND_ADDRESS=%s",
		 format_address(&target->address, text));
	snprintf(port, sizeof(port), "LB_BACKEND_PORT=%u", target->port);
	r = child_start(prober_loop(probe->prober), &order, &probe->child);
	probe->pool->running += r == 0;
	return r;
}

static void explain_failed(const struct prober *prober, int error, char reason[PROBE_REASON_MAX])
{
	snprintf(reason, PROBE_REASON_MAX, "%.96s: %s", prober_check(prober)->spec.command[0],
		 strerror(-error));
}

/* The one whose turn has come. Its failure is reported, for its start is long over. */
static void start_waiting(struct exec_probe *probe)
{
	struct prober *prober = probe->prober;
	char reason[PROBE_REASON_MAX];
	int r;

	TAILQ_REMOVE(&probe->pool->line, probe, line);
	probe_go(prober);
	r = run(probe);
	if (r == 0)
		return;
	explain_failed(prober, r, reason);
	free(probe);
	probe_done(prober, false, reason);
}

static void start_next(struct pool *pool)
{
	struct exec_probe *first;

	while (pool->running < RUNNING_MAX && (first = TAILQ_FIRST(&pool->line)))
		start_waiting(first); /* NOLINT(clang-analyzer-unix.Malloc): each time another */
}

static struct pool *shared_pool(const struct prober *prober)
{
	void **shared = prober_shared(prober);
	struct pool *pool = *shared;

	if (!pool && (pool = calloc(1, sizeof(*pool))))
		TAILQ_INIT(&pool->line);
	*shared = pool;
	return pool;
}

static void *start(struct prober *prober, char reason[PROBE_REASON_MAX])
{
	struct pool *pool = shared_pool(prober);
	struct exec_probe *probe = pool ? calloc(1, sizeof(*probe)) : NULL;
	int r;

	if (!probe) {
		snprintf(reason, PROBE_REASON_MAX, "out of memory");
		return NULL;
	}
	probe->prober = prober;
	probe->pool = pool;
	if (pool->running >= RUNNING_MAX) {
		TAILQ_INSERT_TAIL(&pool->line, probe, line);
		probe_wait(prober);
		return probe;
	}
	r = run(probe);
	if (r == 0)
		return probe;
	explain_failed(prober, r, reason);
	free(probe);
	return NULL;
}

/* A running one stays until the child has been reaped, and counts until then. */
static void cancel(void *object)
{
	struct exec_probe *probe = object;

	probe->prober = NULL;
	if (probe->child) {
		child_kill(probe->child);
		return;
	}
	TAILQ_REMOVE(&probe->pool->line, probe, line);
	free(probe);
}

static void free_shared(void *shared)
{
	struct pool *pool = shared;

	pool->closed = true;
	if (pool->running == 0)
		free(pool);
}

const struct probe_ops probe_exec_ops = {
	.start = start,
	.cancel = cancel,
	.free_shared = free_shared,
};
