/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl rollout begin, show, abort */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "change.h"
#include "clock.h"
#include "command.h"
#include "screen.h"

#define POLL_MS 250

/* Of a fleet of any size: the first one, a part that shows more, everybody. */
static const char *const usual_shares[] = {"1", "25%", "100%"};

/* --- show --- */

static void print_shares(const cJSON *rollout)
{
	const cJSON *share;
	int step = 1;

	cJSON_ArrayForEach (share, answer_item(rollout, "shares")) {
		bool now = step++ == (int)answer_number(rollout, "step");

		printf(" %s%s%s", now ? "[" : "", cJSON_GetStringValue(share) ?: "?",
		       now ? "]" : "");
	}
}

static void print_rollout(const cJSON *answer)
{
	const cJSON *rollout = answer_item(answer, "rollout");

	printf("roll-out %s, driven by %s: share", answer_text(rollout, "id"),
	       answer_text(rollout, "by"));
	print_shares(rollout);
	printf(" of %d balancers, each well for %s\n",
	       cJSON_GetArraySize(answer_item(answer, "balancers")), answer_text(rollout, "for"));
	if (answer_text(rollout, "waiting")[0])
		printf("waiting: %s\n", answer_text(rollout, "waiting"));
}

static void print_last(const cJSON *answer)
{
	const cJSON *last = answer_item(answer, "last");

	/* As is said of one that is under way. */
	if (cJSON_IsFalse(answer_item(answer, "connected")))
		puts("etcd is not reached; this is what was known before");
	if (cJSON_IsNull(last))
		puts("no roll-out is under way");
	else if (answer_true(last, "done"))
		printf("no roll-out is under way; the last, %s, is done\n",
		       answer_text(last, "id"));
	else
		printf("no roll-out is under way; the last, %s, was undone: %s\n",
		       answer_text(last, "id"), answer_text(last, "reason"));
}

static int add_balancer(struct screen_table *table, const cJSON *balancer, struct error *err)
{
	const char *state = answer_text(balancer, "state");
	bool bad = strcmp(state, "sick") == 0 || strcmp(state, "refused") == 0;
	char revision[32], up[32], down[32];
	const char *const cells[] = {
		answer_text(balancer, "id"),
		answer_true(balancer, "member") ? state : "-",
		revision,
		answer_true(balancer, "in-sync") ? "yes" : "NO",
		up,
		down,
		answer_text(balancer, "reason"),
	};

	snprintf(revision, sizeof(revision), "%.0f", answer_number(balancer, "revision"));
	snprintf(up, sizeof(up), "%.0f", answer_number(balancer, "up"));
	snprintf(down, sizeof(down), "%.0f", answer_number(balancer, "down"));
	return screen_table_add(table, cells, 1, bad ? "red" : NULL, err);
}

static int print_balancers(const cJSON *balancers, struct error *err)
{
	static const struct screen_column columns[] = {
		{"BALANCER", false}, {"ROLL-OUT", false}, {"REVISION", true}, {"IN SYNC", false},
		{"UP", true},        {"DOWN", true},      {"REASON", false}};
	struct screen_table *table = NULL;
	const cJSON *balancer;
	int r = screen_table_new(columns, sizeof(columns) / sizeof(columns[0]), &table, err);

	cJSON_ArrayForEach (balancer, balancers) {
		if (r == 0)
			r = add_balancer(table, balancer, err);
	}
	if (r == 0)
		r = screen_table_print(table, err);
	screen_table_free(table);
	return r;
}

/* Replaces the document. */
static int look(struct invocation *invocation, struct error *err)
{
	const struct request request = {.method = "GET", .path = {"rollout"}};
	cJSON *answer = NULL;
	int r = client_call(invocation->client, &request, &answer, err);

	if (r == 0)
		r = answer_check_rollout(answer, err);
	if (r < 0) {
		cJSON_Delete(answer);
		return r;
	}
	cJSON_Delete(invocation->document);
	invocation->document = answer;
	return 0;
}

int show_rollout(struct invocation *invocation, struct error *err)
{
	int r = look(invocation, err);

	if (r < 0 || invocation->json)
		return r;
	if (cJSON_IsNull(answer_item(invocation->document, "rollout")))
		print_last(invocation->document);
	else
		print_rollout(invocation->document);
	return print_balancers(answer_item(invocation->document, "balancers"), err);
}

/* --- begin --- */

static bool add_shares(const struct invocation *invocation, cJSON *body)
{
	size_t usual = sizeof(usual_shares) / sizeof(usual_shares[0]);
	const char *const *shares =
		invocation->argument_count ? invocation->arguments : usual_shares;
	size_t count = invocation->argument_count ? invocation->argument_count : usual;
	cJSON *array = cJSON_AddArrayToObject(body, "shares");

	for (size_t i = 0; array != NULL && i < count; i++)
		cJSON_AddItemToArray(array, cJSON_CreateString(shares[i]));
	return array != NULL && cJSON_GetArraySize(array) == (int)count;
}

/* Takes document over. NULL: out of memory. */
static cJSON *make_body(const struct invocation *invocation, cJSON *document)
{
	const char *span = options_value(invocation->options, FLAG_FOR);
	cJSON *body = cJSON_CreateObject();

	if (body == NULL || !cJSON_AddItemToObject(body, "document", document)) {
		cJSON_Delete(document);
		cJSON_Delete(body);
		return NULL;
	}
	if (add_shares(invocation, body) &&
	    (span == NULL || cJSON_AddStringToObject(body, "for", span) != NULL))
		return body;
	cJSON_Delete(body);
	return NULL;
}

/* What is new since `told`, which it replaces. */
static void tell_progress(const struct invocation *invocation, char *told, size_t size)
{
	const cJSON *rollout = answer_item(invocation->document, "rollout");
	char now[400];

	snprintf(now, sizeof(now), "step %.0f, %d balancer%s: %.300s",
		 answer_number(rollout, "step"),
		 cJSON_GetArraySize(answer_item(rollout, "balancers")),
		 cJSON_GetArraySize(answer_item(rollout, "balancers")) == 1 ? "" : "s",
		 answer_text(rollout, "waiting"));
	if (invocation->json || !answer_text(rollout, "waiting")[0] || strcmp(told, now) == 0)
		return;
	snprintf(told, size, "%s", now);
	puts(now);
	fflush(stdout);
}

static int tell_end(const struct invocation *invocation, const char *id, struct error *err)
{
	const cJSON *last = answer_item(invocation->document, "last");

	if (cJSON_IsNull(last) || strcmp(answer_text(last, "id"), id) != 0)
		return error_set(err, ECANCELED,
				 "roll-out %s is over, and there has been another since", id);
	if (!answer_true(last, "done"))
		return error_set(err, ECANCELED, "roll-out %s is undone: %.220s", id,
				 answer_text(last, "reason"));
	if (!invocation->json)
		printf("roll-out %s is done\n", id);
	return 0;
}

/* Ctrl-C ends the wait, not the roll-out. */
static int wait_for_end(struct invocation *invocation, struct error *err)
{
	const cJSON *rollout = answer_item(invocation->document, "rollout");
	char id[64], told[400] = "";
	int r = 0;

	snprintf(id, sizeof(id), "%s", answer_text(rollout, "id"));
	while (r == 0) {
		rollout = answer_item(invocation->document, "rollout");
		if (cJSON_IsNull(rollout) || strcmp(answer_text(rollout, "id"), id) != 0)
			return tell_end(invocation, id, err);
		tell_progress(invocation, told, sizeof(told));
		clock_pause(POLL_MS);
		r = look(invocation, err);
	}
	return r;
}

int begin_rollout(struct invocation *invocation, struct error *err)
{
	const struct options *options = invocation->options;
	struct request request = {.method = "POST", .path = {"rollout"}};
	cJSON *body = NULL;
	int r = change_read_file(options_value(options, FLAG_FILE), &body, err);

	if (r < 0)
		return r;
	body = make_body(invocation, body);
	request.body = body;
	r = body != NULL ? change_call(invocation, &request, err)
			 : error_set(err, ENOMEM, "out of memory");
	cJSON_Delete(body);
	if (r == 0)
		r = answer_check_rollout(invocation->document, err);
	if (r == 0 && cJSON_IsNull(answer_item(invocation->document, "rollout")))
		r = error_set(err, EPROTO, "the roll-out is over already");
	if (r != 0)
		return r;
	if (!invocation->json)
		print_rollout(invocation->document);
	return options_flags(options) & FLAG_BIT(FLAG_WAIT) ? wait_for_end(invocation, err) : 0;
}

/* --- abort --- */

int abort_rollout(struct invocation *invocation, struct error *err)
{
	const struct request request = {.method = "DELETE", .path = {"rollout"}};
	int r = client_call(invocation->client, &request, &invocation->document, err);

	if (r == 0)
		r = answer_check_rollout_ended(invocation->document, err);
	if (r == 0 && !invocation->json)
		printf("roll-out %s has been ended: what was in force before is so again\n",
		       answer_text(invocation->document, "ended"));
	return r;
}
