/* SPDX-License-Identifier: Apache-2.0 */
#include "scale_driver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "child.h"
#include "desired.h"

struct scale_job {
	struct child *child;
	uv_timer_t timer;
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

/* --- what it prints --- */

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

static void on_said(void *context, enum child_stream stream, const char *bytes, size_t length)
{
	if (stream == CHILD_OUTPUT)
		keep_answer(context, bytes, length);
	else
		keep_said(context, bytes, length);
}

/* --- its end --- */

static const char *explain(struct scale_job *job, int64_t status, int signal)
{
	job->said[job->said_length] = '\0';
	if (job->timed_out)
		snprintf(job->reason, sizeof(job->reason), "timed out%s%s",
			 job->said_length ? ": " : "", job->said);
	else if (signal || status)
		child_explain(status, signal, job->said, job->reason, sizeof(job->reason));
	else if (job->too_long)
		snprintf(job->reason, sizeof(job->reason), "its answer is longer than %d bytes",
			 SCALE_ANSWER_MAX);
	return job->reason;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void on_ended(void *context, int64_t status, int signal)
{
	struct scale_job *job = context;
	struct scale_outcome outcome = {
		.reason = explain(job, status, signal),
		.answer = job->answer,
		.length = job->length,
	};

	outcome.success = !outcome.reason[0];
	if (job->callback)
		job->callback(job->context, &outcome);
	uv_close((uv_handle_t *)&job->timer, on_closed);
}

static void on_timeout(uv_timer_t *timer)
{
	struct scale_job *job = timer->data;

	job->timed_out = true;
	child_kill(job->child);
}

void scale_job_cancel(struct scale_job *job)
{
	if (!job)
		return;
	job->callback = NULL;
	child_kill(job->child);
}

/* --- its beginning --- */

static int run(uv_loop_t *loop, struct scale_job *job, const struct scale_errand *errand)
{
	char service[sizeof("LB_SERVICE=") + SERVICE_NAME_MAX], id[sizeof("LB_ID=") + SCALE_ID_MAX];
	char action[16], port[sizeof("LB_PORT=65535")];
	char *words[CHECK_WORDS_MAX + 4] = {NULL};
	const struct child_order order = {
		.words = words,
		.variables = {action, service, id, port},
		.errors_apart = true,
		.said = on_said,
		.ended = on_ended,
		.context = job,
	};
	size_t count = 0;

	snprintf(action, sizeof(action), "LB_ACTION=%s", scale_order_name(errand->order));
	snprintf(service, sizeof(service), "LB_SERVICE=%s", errand->service);
	snprintf(id, sizeof(id), "LB_ID=%s", errand->id);
	snprintf(port, sizeof(port), "LB_PORT=%u", errand->port);
	for (; count < CHECK_WORDS_MAX && errand->words[count]; count++)
		words[count] = errand->words[count];
	words[count++] = action + strlen("LB_ACTION=");
	words[count++] = service + strlen("LB_SERVICE=");
	words[count] = id + strlen("LB_ID=");
	return child_start(loop, &order, &job->child);
}

int scale_job_start(uv_loop_t *loop, const struct scale_errand *errand, scale_job_callback callback,
		    void *context, struct scale_job **ret_job)
{
	struct scale_job *job = calloc(1, sizeof(*job));
	int r;

	if (!job)
		return -ENOMEM;
	job->callback = callback;
	job->context = context;
	r = run(loop, job, errand);
	if (r < 0) {
		free(job);
		return r;
	}
	uv_timer_init(loop, &job->timer);
	job->timer.data = job;
	uv_timer_start(&job->timer, on_timeout, errand->timeout_ms, 0);
	*ret_job = job;
	return 0;
}
