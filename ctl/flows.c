/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl flows */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "command.h"
#include "human.h"
#include "parse.h"
#include "screen.h"

#define CURSOR_MAX 64

/* A question, and where its next page begins; empty: at the beginning, or nowhere any more. */
struct question {
	struct request request;
	char cursor[CURSOR_MAX];
};

static void make_question(const struct invocation *invocation, struct question *question)
{
	static const struct {
		enum flag_id flag;
		const char *parameter;
	} filters[] = {
		{FLAG_FLOW_STATE, "state"},
		{FLAG_MIN_AGE, "min-age"},
		{FLAG_MAX_AGE, "max-age"},
		{FLAG_CLIENT, "client"},
	};
	struct request *request = &question->request;
	size_t at = 0;

	*question = (struct question){.request = {.method = "GET", .path = {"flows"}}};
	for (size_t i = 0; i < invocation->argument_count; i++) {
		request->query[at++] = i == 0 ? "service" : "backend";
		request->query[at++] = invocation->arguments[i];
	}
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		const char *value = options_value(invocation->options, filters[i].flag);

		if (value == NULL)
			continue;
		request->query[at++] = filters[i].parameter;
		request->query[at++] = value;
	}
	if (options_flags(invocation->options) & FLAG_BIT(FLAG_COUNT_ONLY)) {
		request->query[at++] = "count";
		request->query[at++] = "true";
	}
}

/* Asks for the page at the cursor and moves that on. */
static int get_page(struct invocation *invocation, struct question *question,
		    int (*check)(const cJSON *answer, struct error *err), cJSON **ret_page,
		    struct error *err)
{
	struct request *request = &question->request;
	const char *next;
	cJSON *page = NULL;
	size_t at = 0;
	int r;

	while (request->query[at] != NULL && strcmp(request->query[at], "cursor") != 0)
		at += 2;
	if (question->cursor[0] != '\0') {
		request->query[at] = "cursor";
		request->query[at + 1] = question->cursor;
	}
	r = client_call(invocation->client, request, &page, err);
	if (r == 0)
		r = check(page, err);
	if (r < 0) {
		cJSON_Delete(page);
		return r;
	}
	next = answer_text(page, "next");
	snprintf(question->cursor, sizeof(question->cursor), "%s", next != NULL ? next : "");
	*ret_page = page;
	return 0;
}

/* --- list --- */

/* Fixed widths: lines come as pages do, long before the last is known. */
static void print_flow(const cJSON *flow)
{
	const char *client = answer_text(flow, "client");

	if (client != NULL)
		printf("%-16s %-28s %-12s %8s  %s -> %s, from %s\n", answer_text(flow, "service"),
		       answer_text(flow, "backend"), answer_text(flow, "state"),
		       answer_text(flow, "age"), client, answer_text(flow, "vip"),
		       answer_text(flow, "source"));
	else
		printf("%-16s %-28s %-12s %8s  #%s\n", answer_text(flow, "service"),
		       answer_text(flow, "backend"), answer_text(flow, "state"),
		       answer_text(flow, "age"), answer_text(flow, "fingerprint"));
}

static int take_flows(struct invocation *invocation, cJSON *page, uint64_t *left, struct error *err)
{
	cJSON *flows = cJSON_GetObjectItemCaseSensitive(page, "flows"), *flow, *all;

	all = cJSON_GetObjectItemCaseSensitive(invocation->document, "flows");
	while (*left > 0 && (flow = cJSON_DetachItemFromArray(flows, 0)) != NULL) {
		(*left)--;
		if (!invocation->json) {
			print_flow(flow);
			cJSON_Delete(flow);
		} else if (!cJSON_AddItemToArray(all, flow)) {
			return error_set(err, ENOMEM, "out of memory");
		}
	}
	return 0;
}

static int list_flows(struct invocation *invocation, struct question *question, struct error *err)
{
	const char *limit = options_value(invocation->options, FLAG_LIMIT);
	uint64_t left = UINT64_MAX;
	cJSON *page = NULL;
	int r = limit != NULL ? parse_number(limit, 0, UINT64_MAX, &left, err) : 0;

	invocation->document = cJSON_CreateObject();
	if (cJSON_AddArrayToObject(invocation->document, "flows") == NULL)
		return error_set(err, ENOMEM, "out of memory");
	if (r == 0 && !invocation->json)
		printf("%-16s %-28s %-12s %8s  %s\n", "SERVICE", "BACKEND", "STATE", "AGE", "FLOW");
	while (r == 0 && left > 0) {
		r = get_page(invocation, question, answer_check_flows, &page, err);
		if (r == 0)
			r = take_flows(invocation, page, &left, err);
		cJSON_Delete(page);
		page = NULL;
		if (question->cursor[0] == '\0')
			break;
	}
	return r;
}

/* --- count --- */

static const char *const states[] = {"embryonic", "established", "closing"};

#define STATES (sizeof(states) / sizeof(states[0]))

/* The item of array whose `key` is text; NULL: none. */
static cJSON *find_item(const cJSON *array, const char *key, const char *text)
{
	cJSON *item;

	cJSON_ArrayForEach (item, array) {
		if (strcmp(answer_text(item, key), text) == 0)
			return item;
	}
	return NULL;
}

static void add_backends(const cJSON *sum, const cJSON *page)
{
	cJSON *backend = page->child, *into = sum->child;

	/* They are in the same order, unless somebody changes them meanwhile. */
	for (; backend != NULL; backend = backend->next, into = into != NULL ? into->next : NULL) {
		const char *address = answer_text(backend, "address");

		if (into == NULL || strcmp(answer_text(into, "address"), address) != 0)
			into = find_item(sum, "address", address);
		for (size_t i = 0; into != NULL && i < STATES; i++)
			cJSON_SetNumberValue(cJSON_GetObjectItemCaseSensitive(into, states[i]),
					     answer_number(into, states[i]) +
						     answer_number(backend, states[i]));
	}
}

/* Adds a page's counts to those that are there. */
static void add_page(cJSON *sum, const cJSON *page)
{
	const cJSON *service, *into;

	cJSON_ArrayForEach (service, answer_item(page, "services")) {
		into = find_item(answer_item(sum, "services"), "name",
				 answer_text(service, "name"));
		if (into != NULL)
			add_backends(answer_item(into, "backends"),
				     answer_item(service, "backends"));
	}
}

static int add_line(struct screen_table *table, const char *service, const char *address,
		    const double counts[STATES], struct error *err)
{
	char text[STATES + 1][HUMAN_MAX];
	const char *cells[STATES + 3] = {service, address};
	double total = 0;

	for (size_t i = 0; i < STATES; i++) {
		snprintf(text[i], HUMAN_MAX, "%.0f", counts[i]);
		cells[2 + i] = text[i];
		total += counts[i];
	}
	snprintf(text[STATES], HUMAN_MAX, "%.0f", total);
	cells[2 + STATES] = text[STATES];
	return screen_table_add(table, cells, 0, NULL, err);
}

static int add_lines(struct screen_table *table, const cJSON *services, struct error *err)
{
	double counts[STATES], all[STATES] = {0};
	const cJSON *service, *backend;
	int r = 0, lines = 0;

	cJSON_ArrayForEach (service, services) {
		cJSON_ArrayForEach (backend, answer_item(service, "backends")) {
			for (size_t i = 0; i < STATES; i++) {
				counts[i] = answer_number(backend, states[i]);
				all[i] += counts[i];
			}
			lines++;
			if (r == 0)
				r = add_line(table, answer_text(service, "name"),
					     answer_text(backend, "address"), counts, err);
		}
	}
	return r < 0 || lines == 1 ? r : add_line(table, "all", "", all, err);
}

static int print_counts(const cJSON *document, struct error *err)
{
	static const struct screen_column columns[] = {
		{"SERVICE", false},    {"BACKEND", false}, {"EMBRYONIC", true},
		{"ESTABLISHED", true}, {"CLOSING", true},  {"ALL", true},
	};
	struct screen_table *table = NULL;
	int r = screen_table_new(columns, sizeof(columns) / sizeof(columns[0]), &table, err);

	if (r == 0)
		r = add_lines(table, answer_item(document, "services"), err);
	if (r == 0)
		r = screen_table_print(table, err);
	screen_table_free(table);
	return r;
}

static int count_flows(struct invocation *invocation, struct question *question, struct error *err)
{
	cJSON *page = NULL;
	int r = get_page(invocation, question, answer_check_flow_counts, &invocation->document,
			 err);

	while (r == 0 && question->cursor[0] != '\0') {
		r = get_page(invocation, question, answer_check_flow_counts, &page, err);
		if (r < 0)
			break;
		add_page(invocation->document, page);
		cJSON_Delete(page);
	}
	if (r < 0)
		return r;
	cJSON_DeleteItemFromObjectCaseSensitive(invocation->document, "next");
	return invocation->json ? 0 : print_counts(invocation->document, err);
}

int show_flows(struct invocation *invocation, struct error *err)
{
	struct question question;

	make_question(invocation, &question);
	return options_flags(invocation->options) & FLAG_BIT(FLAG_COUNT_ONLY)
		       ? count_flows(invocation, &question, err)
		       : list_flows(invocation, &question, err);
}
