/* SPDX-License-Identifier: Apache-2.0 */
#include "wait.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "clock.h"
#include "human.h"
#include "parse.h"

#define POLL_MS     250
#define BAR_WIDTH   20
#define SPAN_MAX_MS (UINT64_MAX / 2) /* the agent knows what is too long */
#define GRACE_MS    10000            /* for the agent to end a drain whose deadline has passed */

/* When to stop waiting; never without --deadline. */
static int read_end(const struct options *options, uint64_t *ret_end_ms, struct error *err)
{
	const char *deadline = options_value(options, FLAG_DEADLINE);
	uint64_t span = 0;
	int r;

	if (deadline == NULL) {
		*ret_end_ms = UINT64_MAX;
		return 0;
	}
	r = parse_duration(deadline, 0, SPAN_MAX_MS, &span, err);
	if (r == 0)
		*ret_end_ms = clock_ms(CLOCK_MONOTONIC) + span + GRACE_MS;
	return r;
}

/* The backend as it is now, or {"removed": ADDRESS}. */
static int look(const struct invocation *invocation, cJSON **ret_backend, struct error *err)
{
	const char *address = invocation->arguments[1];
	const struct request request = {
		.method = "GET",
		.path = {"services", invocation->arguments[0], "backends", address}};
	cJSON *answer = NULL;
	int r = client_call(invocation->client, &request, &answer, err);

	if (r == -ENOENT) {
		answer = cJSON_CreateObject();
		r = cJSON_AddStringToObject(answer, "removed", address) != NULL
			    ? 0
			    : error_set(err, ENOMEM, "out of memory");
	} else if (r == 0) {
		r = answer_check_backend(answer, err);
	}
	if (r < 0) {
		cJSON_Delete(answer);
		return r;
	}
	*ret_backend = answer;
	return 0;
}

static bool is_over(const cJSON *backend, bool removal)
{
	if (wait_is_removed(backend))
		return true;
	if (removal)
		return false;
	return answer_true(backend, "drained") ||
	       strcmp(answer_text(backend, "state"), "drain") != 0;
}

/* "[######......] 340 flows, 120 left, 42s to the deadline" */
static void put_drain(const cJSON *drain)
{
	double begin = answer_number(drain, "flows-at-begin");
	double left = answer_number(drain, "flows-left");
	int done = begin > 0 ? (int)((begin - left) / begin * BAR_WIDTH) : BAR_WIDTH;
	const char *deadline = answer_text(drain, "deadline");
	struct error unused;
	char span[HUMAN_MAX];
	uint64_t end_ms;

	done = done < 0 ? 0 : done > BAR_WIDTH ? BAR_WIDTH : done;
	fprintf(stderr, "[%.*s%.*s] %.0f flows, %.0f left", done, "####################",
		BAR_WIDTH - done, "....................", begin, left);
	if (parse_time(deadline, &end_ms, &unused) == 0)
		fprintf(stderr, ", %s to the deadline",
			human_span((double)end_ms / 1000 - (double)time(NULL), span));
}

/* Rewrites one line on a terminal; NULL wipes it. */
static void show_progress(const struct invocation *invocation, const cJSON *backend)
{
	if (invocation->json || !isatty(STDERR_FILENO))
		return;
	fputs("\r\033[K", stderr);
	if (backend == NULL || !cJSON_IsObject(answer_item(backend, "drain")))
		return;
	fprintf(stderr, "%s: backend %s drains ", invocation->arguments[0],
		answer_text(backend, "address"));
	put_drain(answer_item(backend, "drain"));
}

int wait_for_drain(struct invocation *invocation, bool removal, struct error *err)
{
	uint64_t end_ms = UINT64_MAX;
	int r = read_end(invocation->options, &end_ms, err);

	while (r == 0) {
		cJSON *backend = NULL;

		r = look(invocation, &backend, err);
		if (r < 0)
			break;
		cJSON_Delete(invocation->document);
		invocation->document = backend;
		if (is_over(backend, removal))
			break;
		if (clock_ms(CLOCK_MONOTONIC) > end_ms) {
			r = error_set(err, ETIMEDOUT,
				      "%s: backend %s is past its deadline; flows left: %.0f",
				      invocation->arguments[0], answer_text(backend, "address"),
				      answer_number(backend, "active-flows"));
			break;
		}
		show_progress(invocation, backend);
		clock_pause(POLL_MS);
	}
	show_progress(invocation, NULL);
	return r;
}

bool wait_is_removed(const cJSON *document)
{
	return cJSON_IsString(answer_item(document, "removed"));
}
