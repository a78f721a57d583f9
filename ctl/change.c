/* SPDX-License-Identifier: Apache-2.0 */
#include "change.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "file.h"
#include "human.h"
#include "json.h"
#include "screen.h"

#define FILE_SIZE_MAX (16u << 20)

void change_ask(struct request *request, const char *key, const char *value)
{
	size_t n = 0;

	while (request->query[n] != NULL)
		n += 2;
	request->query[n] = key;
	request->query[n + 1] = value;
}

/* --- the difference --- */

/* A value as one would write it on the command line. */
static void print_value(const cJSON *value)
{
	const cJSON *item;
	const char *before = "";
	char *text;

	if (cJSON_IsArray(value)) {
		cJSON_ArrayForEach (item, value) {
			printf("%s", before);
			print_value(item); // NOLINT(misc-no-recursion): arrays hold no arrays
			before = ",";
		}
	} else if (cJSON_IsString(value) && value->valuestring[0] != '\0') {
		printf("%s", value->valuestring);
	} else {
		text = cJSON_PrintUnformatted(value);
		printf("%s", text != NULL ? text : "?");
		cJSON_free(text);
	}
}

static void print_fields(const cJSON *change)
{
	const cJSON *field;
	const char *before = "  ";

	cJSON_ArrayForEach (field, answer_item(change, "fields")) {
		printf("%s%s ", before, answer_text(field, "field"));
		print_value(answer_item(field, "from"));
		printf(" -> ");
		print_value(answer_item(field, "to"));
		before = ", ";
	}
	putchar('\n');
}

static char sign_of(const char *change)
{
	if (strcmp(change, "added") == 0)
		return '+';
	return strcmp(change, "removed") == 0 || strcmp(change, "removing") == 0 ? '-' : '~';
}

/* A service that comes or goes does so with all its backends: they are counted, not listed. */
static void print_service(const cJSON *change)
{
	const char *word = answer_text(change, "change");
	const cJSON *backends = answer_item(change, "backends"), *backend;
	int count = cJSON_GetArraySize(backends);

	printf("%c %s", sign_of(word), answer_text(change, "service"));
	if (strcmp(word, "changed") != 0) {
		printf("  service %s, with %d backend%s\n", word, count, count == 1 ? "" : "s");
		return;
	}
	print_fields(change);
	cJSON_ArrayForEach (backend, backends) {
		word = answer_text(backend, "change");
		printf("  %c %s", sign_of(word), answer_text(backend, "address"));
		if (strcmp(word, "removing") == 0)
			printf("  drains, then goes");
		else if (strcmp(word, "kept") == 0)
			printf("  stays after all");
		print_fields(backend);
	}
}

void change_print(const cJSON *answer)
{
	const cJSON *changes = answer_item(answer, "changes"), *change;

	if (cJSON_GetArraySize(changes) == 0)
		puts("no difference");
	cJSON_ArrayForEach (change, changes)
		print_service(change);
}

/* --- the plan --- */

static int add_share(struct screen_table *table, const cJSON *backend, struct error *err)
{
	const char *fate = answer_text(backend, "fate");
	const cJSON *flows = answer_item(backend, "flows");
	bool lost = strcmp(fate, "lost") == 0;
	char text[3][HUMAN_MAX];
	const char *const cells[] = {
		answer_text(backend, "address"),
		human_share(answer_number(backend, "share-before"), text[0]),
		human_share(answer_number(backend, "share-after"), text[1]),
		flows != NULL ? human_count(flows->valuedouble, text[2]) : "-",
		fate,
	};

	return screen_table_add(table, cells, 4, lost ? "red" : NULL, err);
}

static int print_shares(const cJSON *backends, struct error *err)
{
	static const struct screen_column columns[] = {{"ADDRESS", false},
						       {"SHARE-BEFORE", true},
						       {"SHARE-AFTER", true},
						       {"FLOWS", true},
						       {"THEY", false}};
	struct screen_table *table = NULL;
	const cJSON *backend;
	int r = screen_table_new(columns, sizeof(columns) / sizeof(columns[0]), &table, err);

	cJSON_ArrayForEach (backend, backends) {
		if (r == 0)
			r = add_share(table, backend, err);
	}
	if (r == 0)
		r = screen_table_print(table, err);
	screen_table_free(table);
	return r;
}

static void print_flows(const cJSON *service, bool counted)
{
	double disruption = 100 * answer_number(service, "disruption");

	if (!answer_true(service, "tracked"))
		printf("  flows: not tracked, so not counted; about %.4g%% would go elsewhere\n",
		       disruption);
	else if (!counted)
		printf("  flows: not counted yet, ask again in two seconds\n");
	else
		printf("  flows: %.0f live, of them %.0f lost, %.0f on backends that drain by a "
		       "deadline: %.4g%% disruption\n",
		       answer_number(service, "flows"), answer_number(service, "flows-lost"),
		       answer_number(service, "flows-drain"), disruption);
	if (answer_true(service, "deserted"))
		puts("  nobody takes new flows right after the change: 100% disruption");
}

static int print_service_plan(const cJSON *service, const cJSON *plan, struct error *err)
{
	const cJSON *moved = answer_item(service, "slots-moved");
	double leaving = answer_number(moved, "leaving"), coming = answer_number(moved, "coming"),
	       between = answer_number(moved, "between");

	printf("\n%s\n  slots: %.0f of %.0f change hands: %.0f from backends that leave, %.0f to "
	       "new ones, %.0f between others\n",
	       answer_text(service, "service"), leaving + coming + between,
	       answer_number(plan, "slots"), leaving, coming, between);
	print_flows(service, answer_true(plan, "counted"));
	return cJSON_GetArraySize(answer_item(service, "backends")) > 0
		       ? print_shares(answer_item(service, "backends"), err)
		       : 0;
}

int change_print_plan(const cJSON *plan, struct error *err)
{
	const cJSON *service;
	int r = 0;

	cJSON_ArrayForEach (service, answer_item(plan, "services")) {
		if (r == 0)
			r = print_service_plan(service, plan, err);
	}
	return r;
}

/* --- the request --- */

int change_call(struct invocation *invocation, const struct request *request, struct error *err)
{
	const char *limit = options_value(invocation->options, FLAG_MAX_DISRUPTION);
	struct request change = *request;
	int r;

	if (limit != NULL)
		change_ask(&change, "max-disruption", limit);
	if (invocation->plan)
		change_ask(&change, "dry-run", "true");
	r = client_call(invocation->client, &change, &invocation->document, err);
	if (r < 0 || !invocation->plan)
		return r;
	r = answer_check_plan(invocation->document, err);
	if (r == 0 && !invocation->json) {
		change_print(invocation->document);
		r = change_print_plan(invocation->document, err);
	}
	return r < 0 ? r : 1;
}

int change_read_file(const char *path, cJSON **ret_json, struct error *err)
{
	bool standard = strcmp(path, "-") == 0;
	FILE *file = standard ? stdin : fopen(path, "re");
	struct error inner = {0};
	char *text = NULL;
	size_t length = 0;
	int r;

	if (file == NULL)
		return error_set(err, errno, "%s: %s", path, strerror(errno));
	r = file_read_text(fileno(file), FILE_SIZE_MAX, &text, &length);
	if (r < 0)
		error_set(&inner, -r, "%s", r == -EFBIG ? "larger than 16 MiB" : strerror(-r));
	else
		r = json_parse(text, length, ret_json, &inner);
	free(text);
	if (!standard)
		fclose(file);
	/* Nothing was asked of the agent, but the usage was not wrong. */
	return r < 0 ? error_set(err, EBADMSG, "%s: %s", path, inner.message) : 0;
}
