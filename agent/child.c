/* SPDX-License-Identifier: Apache-2.0 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READS_MAX 16 /* in one turn of the loop: who prints without end must not hold it */

/* An end that it prints to. */
struct stream {
	uv_poll_t poll;
	int fd; /* -1: closed */
};

struct child {
	uv_process_t process;
	struct stream streams[CHILD_STREAMS];
	int holders; /* handles that are open, and child_start() */
	void (*said)(void *context, enum child_stream stream, const char *bytes, size_t length);
	void (*ended)(void *context, int64_t status, int signal);
	void *context;
};

static void release(struct child *child)
{
	if (--child->holders == 0)
		free(child);
}

static void on_closed(uv_handle_t *handle)
{
	release(handle->data);
}

/* --- what it prints --- */

static void close_stream(struct stream *stream)
{
	if (stream->fd < 0)
		return;
	uv_close((uv_handle_t *)&stream->poll, on_closed);
	close(stream->fd);
	stream->fd = -1;
}

static void read_stream(struct child *child, enum child_stream which)
{
	struct stream *stream = &child->streams[which];
	char bytes[4096];
	ssize_t length = 1;

	for (int i = 0; i < READS_MAX && length > 0; i++) {
		length = read(stream->fd, bytes, sizeof(bytes));
		if (length > 0)
			child->said(child->context, which, bytes, (size_t)length);
	}
	/* Its end, or an error: nothing more will come. */
	if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR))
		close_stream(stream);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct child *child = poll->data;

	(void)status;
	(void)events;
	read_stream(child,
		    poll == &child->streams[CHILD_ERRORS].poll ? CHILD_ERRORS : CHILD_OUTPUT);
}

/* --- its end --- */

/* It has been reaped. */
static void on_end(uv_process_t *process, int64_t status, int signal)
{
	struct child *child = process->data;

	/* What it has left running. If that is nothing, its number is free by now, but is not given
	 * to another before all others had their turn. */
	kill(-process->pid, SIGKILL);
	for (int i = 0; i < CHILD_STREAMS; i++) {
		if (child->streams[i].fd >= 0)
			read_stream(child, i);
		close_stream(&child->streams[i]);
	}
	uv_close((uv_handle_t *)process, on_closed);
	child->ended(child->context, status, signal);
}

void child_kill(struct child *child)
{
	kill(-child->process.pid, SIGKILL);
}

void child_explain(int64_t status, int signal, const char *said, char *reason, size_t size)
{
	const char *colon = said[0] ? ": " : "";

	if (signal)
		snprintf(reason, size, "killed by signal %d%s%s", signal, colon, said);
	else
		snprintf(reason, size, "exit status %d%s%s", (int)status, colon, said);
}

/* --- its beginning --- */

/* Both ends are closed by exec; the read end does not block. */
static int open_stream(uv_loop_t *loop, struct child *child, enum child_stream which,
		       int *ret_write_end)
{
	struct stream *stream = &child->streams[which];
	int ends[2];
	int r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	r = uv_poll_init(loop, &stream->poll, ends[0]);
	if (r < 0) {
		close(ends[0]);
		close(ends[1]);
		return r;
	}
	stream->poll.data = child;
	stream->fd = ends[0];
	child->holders++;
	*ret_write_end = ends[1];
	return uv_poll_start(&stream->poll, UV_READABLE, on_readable);
}

static int spawn(uv_loop_t *loop, struct child *child, const struct child_order *order, int output,
		 int errors)
{
	char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *environment[1 + CHILD_VARIABLES_MAX + 1] = {path};
	uv_stdio_container_t stdio[] = {
		{.flags = UV_IGNORE},
		{.flags = UV_INHERIT_FD, .data.fd = output},
		{.flags = UV_INHERIT_FD, .data.fd = errors},
	};
	const uv_process_options_t options = {
		.file = order->words[0],
		.args = order->words,
		.env = environment,
		.cwd = "/",
		.flags = UV_PROCESS_DETACHED, /* setsid() */
		.stdio_count = 3,
		.stdio = stdio,
		.exit_cb = on_end,
	};
	int r;

	memcpy(&environment[1], order->variables, sizeof(order->variables));
	/* Nothing of ours is for the program; not every library that we use sees to that. */
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	r = uv_spawn(loop, &child->process, &options);
	/* Its handle is there even if that failed. */
	child->process.data = child;
	child->holders++;
	if (r < 0)
		uv_close((uv_handle_t *)&child->process, on_closed);
	return r;
}

static int open_and_spawn(uv_loop_t *loop, struct child *child, const struct child_order *order)
{
	int write_ends[CHILD_STREAMS] = {-1, -1};
	int r = open_stream(loop, child, CHILD_OUTPUT, &write_ends[CHILD_OUTPUT]);

	if (r == 0 && order->errors_apart)
		r = open_stream(loop, child, CHILD_ERRORS, &write_ends[CHILD_ERRORS]);
	if (r == 0)
		r = spawn(loop, child, order, write_ends[CHILD_OUTPUT],
			  write_ends[order->errors_apart ? CHILD_ERRORS : CHILD_OUTPUT]);
	for (int i = 0; i < CHILD_STREAMS; i++) {
		if (write_ends[i] >= 0)
			close(write_ends[i]);
		if (r < 0)
			close_stream(&child->streams[i]);
	}
	return r;
}

int child_start(uv_loop_t *loop, const struct child_order *order, struct child **ret_child)
{
	struct child *child = calloc(1, sizeof(*child));
	int r;

	if (!child)
		return -ENOMEM;
	child->holders = 1;
	for (int i = 0; i < CHILD_STREAMS; i++)
		child->streams[i].fd = -1;
	child->said = order->said;
	child->ended = order->ended;
	child->context = order->context;
	r = open_and_spawn(loop, child, order);
	if (r == 0)
		*ret_child = child;
	release(child);
	return r;
}
