/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl scale */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "answer.h"
#include "change.h"
#include "command.h"
#include "human.h"
#include "parse.h"
#include "screen.h"

#define BACKENDS_MAX 65535

/* --- what is shown --- */

static const char *figure(const cJSON *object, const char *key, char text[HUMAN_MAX])
{
	const cJSON *value = answer_item(object, key);

	if (!cJSON_IsNumber(value))
		return "-";
	snprintf(text, HUMAN_MAX, "%.4g", value->valuedouble);
	return text;
}

static void print_policy(const cJSON *policy)
{
	const char *before = "  ";
	const cJSON *item;
	char *text;

	cJSON_ArrayForEach (item, policy) {
		text = cJSON_IsString(item) ? NULL : cJSON_PrintUnformatted(item);
		printf("%s%s %s", before, item->string,
		       text != NULL                   ? text
		       : item->valuestring[0] != '\0' ? item->valuestring
						      : "none");
		cJSON_free(text);
		before = ", ";
	}
	putchar('\n');
}

static void print_state(const cJSON *answer)
{
	const cJSON *state = answer_item(answer, "state");
	const cJSON *policy = answer_item(answer, "policy");
	const char *bold = screen_has_colour() ? "\033[1m" : "";
	const char *plain = screen_has_colour() ? "\033[0m" : "";
	char value[HUMAN_MAX];

	printf("%s%s%s  scale %s", bold, answer_text(answer, "service"), plain,
	       answer_text(policy, "scale"));
	if (!cJSON_IsObject(state)) {
		puts("");
		return;
	}
	printf(", %.0f wanted of %.0f to %.0f; members %.0f, up %.0f, launching %.0f\n",
	       answer_number(state, "wanted"), answer_number(state, "min"),
	       answer_number(state, "max"), answer_number(state, "members"),
	       answer_number(state, "up"), answer_number(state, "launching"));
	printf("  %s %s: %s\n", answer_text(policy, "scale-metric"), figure(state, "value", value),
	       answer_text(state, "reason"));
	if (cJSON_IsNumber(answer_item(state, "predicted-wanted")))
		printf("  in %s: %s foretold, for which %.0f would be right\n",
		       answer_text(policy, "scale-predict"),
		       figure(state, "predicted-value", value),
		       answer_number(state, "predicted-wanted"));
	if (answer_text(state, "problem")[0] != '\0')
		printf("  no sample: %s\n", answer_text(state, "problem"));
	if (strcmp(answer_text(state, "circuit"), "closed") != 0)
		printf("  circuit %s: launches have failed, %.0f in all\n",
		       answer_text(state, "circuit"), answer_number(state, "launch-failures"));
}

static int print_launched(const cJSON *launched, struct error *err)
{
	static const struct screen_column columns[] = {
		{"LAUNCHED", false}, {"PHASE", false}, {"ADDRESS", false}, {"STANDS-FOR", false}};
	struct screen_table *table = NULL;
	const cJSON *entry;
	int r;

	if (cJSON_GetArraySize(launched) == 0)
		return 0;
	r = screen_table_new(columns, sizeof(columns) / sizeof(columns[0]), &table, err);
	cJSON_ArrayForEach (entry, launched) {
		const char *const cells[] = {
			answer_text(entry, "id"),
			answer_text(entry, "phase"),
			answer_text(entry, "address"),
			answer_text(entry, "stands-for"),
		};

		if (r == 0)
			r = screen_table_add(table, cells, 0, NULL, err);
	}
	if (r == 0)
		r = screen_table_print(table, err);
	screen_table_free(table);
	return r;
}

static int add_decision(struct screen_table *table, const cJSON *decision, int64_t now,
			struct error *err)
{
	char what[32], since[HUMAN_MAX], members[HUMAN_MAX], value[HUMAN_MAX];
	const char *const cells[] = {
		human_since(answer_text(decision, "time"), now, since),
		what,
		human_count(answer_number(decision, "members"), members),
		figure(decision, "value", value),
		answer_text(decision, "reason"),
	};
	const char *action = answer_text(decision, "decision");
	bool holds = strcmp(action, "hold") == 0;

	if (holds)
		snprintf(what, sizeof(what), "hold");
	else
		snprintf(what, sizeof(what), "%s%s %.0f",
			 answer_true(decision, "dry-run") ? "would " : "", action,
			 answer_number(decision, "count"));
	return screen_table_add(table, cells, 1, holds ? NULL : "yellow", err);
}

static int print_decisions(const cJSON *decisions, struct error *err)
{
	static const struct screen_column columns[] = {{"AGO", true},
						       {"DECISION", false},
						       {"MEMBERS", true},
						       {"VALUE", true},
						       {"REASON", false}};
	struct screen_table *table = NULL;
	const cJSON *decision;
	int r;

	if (cJSON_GetArraySize(decisions) == 0)
		return 0;
	r = screen_table_new(columns, sizeof(columns) / sizeof(columns[0]), &table, err);
	cJSON_ArrayForEach (decision, decisions) {
		if (r == 0)
			r = add_decision(table, decision, time(NULL), err);
	}
	if (r == 0)
		r = screen_table_print(table, err);
	screen_table_free(table);
	return r;
}

static int show(struct invocation *invocation, struct error *err)
{
	const struct request request = {.method = "GET",
					.path = {"services", invocation->arguments[0], "scale"}};
	int r;

	if (invocation->plan ||
	    (options_flags(invocation->options) & FLAG_BIT(FLAG_MAX_DISRUPTION))) {
		error_set(err, EINVAL, "scale: changes nothing without a number");
		return error_hint(err, -EINVAL, "lbctl help scale");
	}
	r = client_call(invocation->client, &request, &invocation->document, err);
	if (r == 0)
		r = answer_check_scale(invocation->document, err);
	if (r < 0 || invocation->json)
		return r;
	print_state(invocation->document);
	print_policy(answer_item(invocation->document, "policy"));
	r = print_launched(answer_item(invocation->document, "launched"), err);
	return r < 0 ? r : print_decisions(answer_item(invocation->document, "decisions"), err);
}

/* --- by hand --- */

/* A number, or auto, which is 0 in the API. */
static int read_count(const char *text, uint64_t *ret_count, struct error *err)
{
	*ret_count = 0;
	if (strcmp(text, "auto") == 0 || parse_number(text, 1, BACKENDS_MAX, ret_count, err) == 0)
		return 0;
	return error_hint(err, -EINVAL, "give how many backends there shall be, or auto");
}

static int set(struct invocation *invocation, struct error *err)
{
	struct request request = {.method = "PATCH",
				  .path = {"services", invocation->arguments[0]}};
	cJSON *body = cJSON_CreateObject();
	uint64_t count;
	int r = read_count(invocation->arguments[1], &count, err);

	if (r == 0 && cJSON_AddNumberToObject(body, "scale-count", (double)count) == NULL)
		r = error_set(err, ENOMEM, "out of memory");
	request.body = body;
	if (r == 0)
		r = change_call(invocation, &request, err);
	cJSON_Delete(body);
	if (r == 0)
		r = answer_check_service(invocation->document, err);
	if (r != 0 || invocation->json)
		return r;
	if (count)
		printf("%s: %.0f backends by hand, until you give auto\n",
		       answer_text(invocation->document, "name"), (double)count);
	else
		printf("%s: the metric decides\n", answer_text(invocation->document, "name"));
	return 0;
}

int scale_service(struct invocation *invocation, struct error *err)
{
	return invocation->argument_count > 1 ? set(invocation, err) : show(invocation, err);
}
