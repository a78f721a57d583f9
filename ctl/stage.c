/* SPDX-License-Identifier: Apache-2.0 */
#include "stage.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "answer.h"
#include "change.h"
#include "clock.h"
#include "parse.h"

#define PAUSE_MAX_MS (24ULL * 3600 * 1000)

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

/* Ctrl-C ends a pause, but not a request under way: so one always knows where things stand. */
static void catch_interrupts(void)
{
	const struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static void pause_for(uint64_t ms)
{
	if (!interrupted)
		clock_pause(ms);
}

static int read_pause(const struct invocation *invocation, uint64_t *ret_ms, struct error *err)
{
	int r = parse_duration(options_value(invocation->options, FLAG_STAGE), 1, PAUSE_MAX_MS,
			       ret_ms, err);

	if (r < 0)
		return error_field(err, r, "stage");
	if (!(options_flags(invocation->options) & FLAG_BIT(FLAG_MAX_DISRUPTION))) {
		error_set(err, EINVAL, "--stage: steps within what limit?");
		return error_hint(err, -EINVAL, "give --max-disruption PERCENT as well");
	}
	return 0;
}

/* --- what is printed --- */

/* The reason for waiting is said once, and again when it is another. */
static void print_wait(const cJSON *answer, char *last, size_t size)
{
	const char *waiting = cJSON_GetStringValue(answer_item(answer, "waiting"));

	if (waiting == NULL || strcmp(waiting, last) == 0)
		return;
	snprintf(last, size, "%s", waiting);
	printf("  %s\n", waiting);
}

static void print_step(const cJSON *answer, unsigned int step)
{
	printf("step %u, generation %.0f, %.4g%% disruption\n", step,
	       answer_number(answer, "generation"), 100 * answer_number(answer, "disruption"));
	change_print(answer);
}

static int stopped(const cJSON *answer, unsigned int steps, struct error *err)
{
	error_set(err, EINTR, "stopped after %u steps, at generation %.0f", steps,
		  answer_number(answer, "generation"));
	return error_hint(err, -EINTR, "the same command goes on from there");
}

/* --- the walk --- */

/* Replaces invocation's document by the answer. Only from where the last step has led to. */
static int take_step(struct invocation *invocation, const struct request *request,
		     struct error *err)
{
	cJSON *last = invocation->document;
	struct request step = *request;
	int r;

	if (last != NULL) {
		change_ask(&step, "if-digest", answer_text(last, "digest"));
		client_any_generation(invocation->client); /* drains end between steps */
	}
	invocation->document = NULL;
	r = change_call(invocation, &step, err);
	cJSON_Delete(last);
	return r == 0 ? answer_check_step(invocation->document, err) : r;
}

int stage_walk(struct invocation *invocation, struct request *request, struct error *err)
{
	char waited[sizeof(err->message)] = "";
	unsigned int steps = 0;
	uint64_t pause_ms = 0;
	int r = read_pause(invocation, &pause_ms, err);

	change_ask(request, "stage", "true");
	catch_interrupts();
	while (r == 0) {
		r = take_step(invocation, request, err);
		if (r != 0)
			break;
		steps += answer_true(invocation->document, "applied") ? 1 : 0;
		if (!invocation->json && answer_true(invocation->document, "applied"))
			print_step(invocation->document, steps);
		if (answer_true(invocation->document, "done"))
			break;
		if (!invocation->json)
			print_wait(invocation->document, waited, sizeof(waited));
		fflush(stdout);
		pause_for(pause_ms);
		if (interrupted)
			r = stopped(invocation->document, steps, err);
	}
	if (r == 0 && !invocation->json && steps == 0)
		puts("no difference");
	else if (r == 0 && !invocation->json)
		printf("applied in %u step%s\n", steps, steps == 1 ? "" : "s");
	return r;
}
