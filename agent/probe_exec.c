/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An exec probe runs a program and succeeds when that exits with status 0. It runs by itself,
 * without a shell, in a session and process group of its own that is killed at the timeout and, for
 * what it may have left behind, at its end. At most RUNNING_MAX run at once; further probes wait in
 * line. The first line that it prints tells why it failed; the rest is read and forgotten.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "probe_kind.h"

#define RUNNING_MAX 64
#define SAID_MAX    128 /* of what a program says, with the zero at its end */
#define READS_MAX   16  /* in one turn of the loop: who prints without end must not hold it */

struct pool {
	unsigned int running;
	bool closed; /* the engine is gone; the last child to end frees the pool */
	TAILQ_HEAD(exec_line, exec_probe) line;
};

struct exec_probe {
	uv_process_t process;
	uv_poll_t output;
	int output_fd;
	int handles;           /* that are open */
	struct prober *prober; /* NULL: cancelled */
	struct pool *pool;
	TAILQ_ENTRY(exec_probe) line;
	bool in_line;
	char said[SAID_MAX];
	size_t length;
	bool line_over; /* of what is said, no more is kept */
};

static void start_next(struct pool *pool);

/* --- the end of a probe --- */

static void on_closed(uv_handle_t *handle)
{
	struct exec_probe *probe = handle->data;

	if (--probe->handles == 0)
		free(probe);
}

static void close_output(struct exec_probe *probe)
{
	if (probe->output_fd < 0)
		return;
	uv_close((uv_handle_t *)&probe->output, on_closed);
	close(probe->output_fd);
	probe->output_fd = -1;
}

/* Keeps the first line that has something in it, as printable ASCII: it goes into logs and JSON. */
static void keep(struct exec_probe *probe, const char *bytes, size_t length)
{
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

static void read_output(struct exec_probe *probe)
{
	char bytes[4096];
	ssize_t length = 1;

	for (int i = 0; i < READS_MAX && length > 0; i++) {
		length = read(probe->output_fd, bytes, sizeof(bytes));
		if (length > 0)
			keep(probe, bytes, (size_t)length);
	}
	/* Its end, or an error: nothing more will come. */
	if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR))
		close_output(probe);
}

static void on_output(uv_poll_t *poll, int status, int events)
{
	struct exec_probe *probe = poll->data;

	(void)status;
	(void)events;
	read_output(probe);
}

static void explain(const struct exec_probe *probe, int64_t status, int signal,
		    char reason[PROBE_REASON_MAX])
{
	const char *colon = probe->length > 0 ? ": " : "";

	if (signal)
		snprintf(reason, PROBE_REASON_MAX, "killed by signal %d%s%s", signal, colon,
			 probe->said);
	else
		snprintf(reason, PROBE_REASON_MAX, "exit status %d%s%s", (int)status, colon,
			 probe->said);
}

/* The child has been reaped. */
static void on_end(uv_process_t *process, int64_t status, int signal)
{
	struct exec_probe *probe = process->data;
	struct prober *prober = probe->prober;
	struct pool *pool = probe->pool;
	char reason[PROBE_REASON_MAX] = "";

	/* What it has left running. If that is nothing, its number is free by now, but is not given
	 * to another before all others had their turn. */
	kill(-process->pid, SIGKILL);
	if (probe->output_fd >= 0)
		read_output(probe);
	close_output(probe);
	explain(probe, status, signal, reason);
	uv_close((uv_handle_t *)process, on_closed);
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

/* --- its beginning --- */

/* Both ends are closed by exec; the read end does not block. */
static int open_output(struct exec_probe *probe, int *ret_write_end)
{
	int ends[2];
	int r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	r = uv_poll_init(prober_loop(probe->prober), &probe->output, ends[0]);
	if (r < 0) {
		close(ends[0]);
		close(ends[1]);
		return r;
	}
	probe->output.data = probe;
	probe->output_fd = ends[0];
	probe->handles++;
	*ret_write_end = ends[1];
	return uv_poll_start(&probe->output, UV_READABLE, on_output);
}

static int spawn(struct exec_probe *probe, int write_end)
{
	const struct check_run *check = prober_check(probe->prober);
	const struct endpoint *target = prober_target(probe->prober);
	char address[sizeof("LB_BACKEND_ADDRESS=") + ADDRESS_TEXT_MAX];
	char port[sizeof("LB_BACKEND_PORT=65535")], service[128], text[ADDRESS_TEXT_MAX];
	char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *environment[] = {path, service, address, port, NULL};
	uv_stdio_container_t stdio[] = {
		{.flags = UV_IGNORE},
		{.flags = UV_INHERIT_FD, .data.fd = write_end},
		{.flags = UV_INHERIT_FD, .data.fd = write_end},
	};
	const uv_process_options_t options = {
		.file = check->spec.command[0],
		.args = check->spec.command,
		.env = environment,
		.cwd = "/",
		.flags = UV_PROCESS_DETACHED, /* setsid() */
		.stdio_count = 3,
		.stdio = stdio,
		.exit_cb = on_end,
	};

	snprintf(service, sizeof(service), "LB_SERVICE=%s", check->service);
	snprintf(address, sizeof(address), "LB_BACKEND_ADDRESS=%s",
		 format_address(&target->address, text));
	snprintf(port, sizeof(port), "LB_BACKEND_PORT=%u", target->port);
	probe->process.data = probe;
	/* Nothing of ours is for the program; not every library that we use sees to that. */
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	return uv_spawn(prober_loop(probe->prober), &probe->process, &options);
}

/* After a failure the handles that were opened are to be closed. */
static int run(struct exec_probe *probe)
{
	int write_end = -1;
	int r = open_output(probe, &write_end);

	if (r == 0) {
		/* Its handle is there even if it fails. */
		probe->handles++;
		r = spawn(probe, write_end);
	}
	if (write_end >= 0)
		close(write_end);
	probe->pool->running += r == 0;
	return r;
}

static void close_failed(struct exec_probe *probe)
{
	bool process = probe->handles == 2, none = probe->handles == 0;

	close_output(probe);
	if (process)
		uv_close((uv_handle_t *)&probe->process, on_closed);
	if (none)
		free(probe);
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
	probe->in_line = false;
	probe_go(prober);
	r = run(probe);
	if (r == 0)
		return;
	explain_failed(prober, r, reason);
	close_failed(probe);
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
	probe->output_fd = -1;
	if (pool->running >= RUNNING_MAX) {
		TAILQ_INSERT_TAIL(&pool->line, probe, line);
		probe->in_line = true;
		probe_wait(prober);
		return probe;
	}
	r = run(probe);
	if (r == 0)
		return probe;
	explain_failed(prober, r, reason);
	close_failed(probe);
	return NULL;
}

/* Of a running one the handle stays until the child has been reaped, and counts until then. */
static void cancel(void *object)
{
	struct exec_probe *probe = object;

	probe->prober = NULL;
	if (probe->in_line) {
		TAILQ_REMOVE(&probe->pool->line, probe, line);
		free(probe);
		return;
	}
	close_output(probe);
	kill(-probe->process.pid, SIGKILL);
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
