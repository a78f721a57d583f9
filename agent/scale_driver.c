/* SPDX-License-Identifier: Apache-2.0 */
#include "scale_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "desired.h"

#define READS_MAX 16 /* in one turn of the loop: who prints without end must not hold it */

/* One of the two ends that it prints to. */
struct stream {
	uv_poll_t poll;
	int fd; /* -1: closed */
};

struct scale_job {
	uv_process_t process;
	uv_timer_t timer;
	struct stream output, errors;
	int handles;                 /* that are open */
	scale_job_callback callback; /* NULL: cancelled */
	void *context;
	bool timed_out, too_long;
	char answer[SCALE_ANSWER_MAX + 1];
	size_t length;
	char said[SCALE_SAID_MAX]; /* the last line that has something in it */
	size_t said_length;
	bool line_over;
	char reason[SCALE_SAID_MAX + 64];
};

const char *scale_order_name(enum scale_order order)
{
	return order == SCALE_ORDER_UP ? "up" : "down";
}

static void on_closed(uv_handle_t *handle)
{
	struct scale_job *job = handle->data;

	if (--job->handles == 0)
		free(job);
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

static void keep_answer(struct scale_job *job, const char *bytes, size_t length)
{
	size_t room = SCALE_ANSWER_MAX - job->length;

	job->too_long = job->too_long || length > room;
	length = length < room ? length : room;
	memcpy(job->answer + job->length, bytes, length);
	job->length += length;
}

/* As printable ASCII: it goes into logs and JSON. */
static void keep_said(struct scale_job *job, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		char c = bytes[i];

		if (c == '\n' || c == '\r') {
			job->line_over = true;
			continue;
		}
		if (job->line_over && c != ' ' && c != '\t') {
			job->said_length = 0;
			job->line_over = false;
		}
		if (job->line_over || job->said_length == sizeof(job->said) - 1)
			continue;
		job->said[job->said_length++] = c >= ' ' && c <= '~' ? c : '?';
	}
}

static void read_stream(struct stream *stream)
{
	struct scale_job *job = stream->poll.data;
	char bytes[4096];
	ssize_t length = 1;

	for (int i = 0; i < READS_MAX && length > 0; i++) {
		length = read(stream->fd, bytes, sizeof(bytes));
		if (length > 0 && stream == &job->output)
			keep_answer(job, bytes, (size_t)length);
		else if (length > 0)
			keep_said(job, bytes, (size_t)length);
	}
	/* Its end, or an error: nothing more will come. */
	if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR))
		close_stream(stream);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct scale_job *job = poll->data;

	(void)status;
	(void)events;
	read_stream(poll == &job->output.poll ? &job->output : &job->errors);
}

static void finish_stream(struct stream *stream)
{
	if (stream->fd < 0)
		return;
	read_stream(stream);
	close_stream(stream);
}

/* --- its end --- */

static const char *explain(struct scale_job *job, int64_t status, int signal)
{
	const char *colon = job->said_length ? ": " : "";

	job->said[job->said_length] = '\0';
	if (job->timed_out)
		snprintf(job->reason, sizeof(job->reason), "timed out%s%s", colon, job->said);
	else if (signal)
		snprintf(job->reason, sizeof(job->reason), "killed by signal %d%s%s", signal, colon,
			 job->said);
	else if (status)
		snprintf(job->reason, sizeof(job->reason), "exit status %d%s%s", (int)status, colon,
			 job->said);
	else if (job->too_long)
		snprintf(job->reason, sizeof(job->reason), "its answer is longer than %d bytes",
			 SCALE_ANSWER_MAX);
	return job->reason;
}

/* The child has been reaped. */
static void on_end(uv_process_t *process, int64_t status, int signal)
{
	struct scale_job *job = process->data;
	struct scale_outcome outcome;

	kill(-process->pid, SIGKILL); /* what it has left running; see probe_exec.c */
	finish_stream(&job->output);
	finish_stream(&job->errors);
	outcome = (struct scale_outcome){
		.reason = explain(job, status, signal),
		.answer = job->answer,
		.length = job->length,
	};
	outcome.success = !outcome.reason[0];
	if (job->callback)
		job->callback(job->context, &outcome);
	uv_close((uv_handle_t *)&job->timer, on_closed);
	uv_close((uv_handle_t *)process, on_closed);
}

static void on_timeout(uv_timer_t *timer)
{
	struct scale_job *job = timer->data;

	job->timed_out = true;
	kill(-job->process.pid, SIGKILL);
}

void scale_job_cancel(struct scale_job *job)
{
	if (!job)
		return;
	job->callback = NULL;
	kill(-job->process.pid, SIGKILL);
}

/* --- its beginning --- */

/* Both ends are closed by exec; the read end does not block. */
static int open_stream(uv_loop_t *loop, struct scale_job *job, struct stream *stream,
		       int *ret_write_end)
{
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
	stream->poll.data = job;
	stream->fd = ends[0];
	job->handles++;
	*ret_write_end = ends[1];
	return uv_poll_start(&stream->poll, UV_READABLE, on_readable);
}

static int spawn(uv_loop_t *loop, struct scale_job *job, const struct scale_errand *errand,
		 const int write_ends[2])
{
	char service[sizeof("LB_SERVICE=") + SERVICE_NAME_MAX], id[sizeof("LB_ID=") + SCALE_ID_MAX];
	char action[16], port[sizeof("LB_PORT=65535")];
	char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *environment[] = {path, action, service, id, port, NULL};
	char *arguments[CHECK_WORDS_MAX + 4] = {NULL};
	uv_stdio_container_t stdio[] = {
		{.flags = UV_IGNORE},
		{.flags = UV_INHERIT_FD, .data.fd = write_ends[0]},
		{.flags = UV_INHERIT_FD, .data.fd = write_ends[1]},
	};
	const uv_process_options_t options = {
		.file = errand->words[0],
		.args = arguments,
		.env = environment,
		.cwd = "/",
		.flags = UV_PROCESS_DETACHED, /* setsid() */
		.stdio_count = 3,
		.stdio = stdio,
		.exit_cb = on_end,
	};
	size_t count = 0;

	snprintf(action, sizeof(action), "LB_ACTION=%s", scale_order_name(errand->order));
	snprintf(service, sizeof(service), "LB_SERVICE=%s", errand->service);
	snprintf(id, sizeof(id), "LB_ID=%s", errand->id);
	snprintf(port, sizeof(port), "LB_PORT=%u", errand->port);
	for (; count < CHECK_WORDS_MAX && errand->words[count]; count++)
		arguments[count] = errand->words[count];
	arguments[count++] = action + strlen("LB_ACTION=");
	arguments[count++] = service + strlen("LB_SERVICE=");
	arguments[count] = id + strlen("LB_ID=");
	job->process.data = job;
	/* Nothing of ours is for the program; not every library that we use sees to that. */
	close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	return uv_spawn(loop, &job->process, &options);
}

/* Closes what is open after a failure; the handle of a process is there even if that failed. */
static void give_up(struct scale_job *job, bool process)
{
	bool none = job->handles == 0;

	close_stream(&job->output);
	close_stream(&job->errors);
	if (process) {
		uv_close((uv_handle_t *)&job->timer, on_closed);
		uv_close((uv_handle_t *)&job->process, on_closed);
	} else if (none) {
		free(job);
	}
}

int scale_job_start(uv_loop_t *loop, const struct scale_errand *errand, scale_job_callback callback,
		    void *context, struct scale_job **ret_job)
{
	struct scale_job *job = calloc(1, sizeof(*job));
	int write_ends[2] = {-1, -1};
	bool process = false;
	int r;

	if (!job)
		return -ENOMEM;
	job->output.fd = job->errors.fd = -1;
	job->callback = callback;
	job->context = context;
	r = open_stream(loop, job, &job->output, &write_ends[0]);
	if (r == 0)
		r = open_stream(loop, job, &job->errors, &write_ends[1]);
	if (r == 0) {
		process = true;
		uv_timer_init(loop, &job->timer);
		job->timer.data = job;
		job->handles += 2;
		r = spawn(loop, job, errand, write_ends);
	}
	for (int i = 0; i < 2; i++) {
		if (write_ends[i] >= 0)
			close(write_ends[i]);
	}
	if (r < 0) {
		give_up(job, process);
		return r;
	}
	uv_timer_start(&job->timer, on_timeout, errand->timeout_ms, 0);
	*ret_job = job;
	return 0;
}
