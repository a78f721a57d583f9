/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl events */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "clock.h"
#include "command.h"
#include "json.h"
#include "parse.h"
#include "screen.h"

#define PAGE     "1000" /* most that the agent gives at once */
#define RETRY_MS 500    /* while the agent is away */

/* --- an event for people --- */

static const char *kind_colour(const char *kind)
{
	static const struct {
		const char *kind, *colour;
	} colours[] = {
		{"backend-up", "\033[32m"},
		{"backend-drained", "\033[32m"},
		{"in-sync", "\033[32m"},
		{"agent-started", "\033[32m"},
		{"backend-down", "\033[1;31m"},
		{"backend-no-neighbour", "\033[1;31m"},
		{"backend-ejected", "\033[1;31m"},
		{"service-panics", "\033[1;31m"},
		{"backend-suspect", "\033[33m"},
		{"load-silent", "\033[33m"},
		{"load-heard", "\033[32m"},
		{"syn-cookies-on", "\033[1;31m"},
		{"syn-cookies-off", "\033[32m"},
		{"service-panics-no-more", "\033[32m"},
		{"backend-not-suspect", "\033[32m"},
		{"out-of-sync", "\033[1;31m"},
		{"change-undone", "\033[1;31m"},
		{"interface-lost", "\033[1;31m"},
		{"interface-trouble", "\033[1;31m"},
		{"replies-astray", "\033[1;31m"},
		{"vip-announced", "\033[32m"},
		{"vip-withdrawn", "\033[1;31m"},
		{"balancer-announced", "\033[32m"},
		{"balancer-withdrawn", "\033[33m"},
		{"backend-checking", "\033[33m"},
		{"backend-drain", "\033[33m"},
		{"backend-removing", "\033[33m"},
		{"backend-maint", "\033[33m"},
		{"state-restored", "\033[33m"},
		{"maps-replaced", "\033[33m"},
		{"agent-stopping", "\033[33m"},
		{"interface-detached", "\033[33m"},
	};

	for (size_t i = 0; i < sizeof(colours) / sizeof(colours[0]); i++) {
		if (strcmp(colours[i].kind, kind) == 0)
			return colours[i].colour;
	}
	return "\033[36m";
}

/* "" where it has none. */
static const char *text_of(const cJSON *event, const char *key)
{
	const char *text = answer_text(event, key);

	return text != NULL ? text : "";
}

/* The event's time as the wall clock here showed it. */
static void put_time(const cJSON *event, bool colour)
{
	struct error unused;
	uint64_t ms = 0;
	char text[32] = "-";
	time_t seconds;
	struct tm local;

	if (parse_time(answer_text(event, "time"), &ms, &unused) == 0) {
		seconds = (time_t)(ms / 1000);
		localtime_r(&seconds, &local);
		strftime(text, sizeof(text), "%b %e %H:%M:%S", &local);
	}
	printf("%s%s%s", colour ? "\033[2m" : "", text, colour ? "\033[0m" : "");
}

/* What it happened to, what changed, and why. */
static void put_story(const cJSON *event)
{
	static const char *const objects[] = {"service", "backend", "interface"};
	const char *before = text_of(event, "before"), *after = text_of(event, "after");
	const char *reason = text_of(event, "reason"), *gap = "  ";

	for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
		if (*text_of(event, objects[i]) == '\0')
			continue;
		printf("%s%s", gap, text_of(event, objects[i]));
		gap = " ";
	}
	if (*before != '\0' && *after != '\0')
		printf("  %s -> %s", before, after);
	else if (*before != '\0' || *after != '\0')
		printf("  %s", *before != '\0' ? before : after);
	if (*reason != '\0')
		printf("%s%s", strcmp(gap, " ") == 0 || *after != '\0' ? ": " : "  ", reason);
}

static void print_event(const cJSON *event)
{
	const char *kind = answer_text(event, "kind"), *who = answer_text(event, "who");
	bool colour = screen_has_colour();

	put_time(event, colour);
	printf("  %s%-22s%s", colour ? kind_colour(kind) : "", kind, colour ? "\033[0m" : "");
	put_story(event);
	if (strcmp(who, "lbagent") != 0)
		printf("%s  by %s%s", colour ? "\033[2m" : "", who, colour ? "\033[0m" : "");
	putchar('\n');
	if (*text_of(event, "hint") != '\0')
		printf("                   try: %s\n", text_of(event, "hint"));
}

/* --- a list --- */

/* The filters of the command line, as a query. */
static void add_filters(const struct invocation *invocation, struct request *request)
{
	static const enum flag_id filters[] = {FLAG_SERVICE, FLAG_KIND};
	size_t at = 0;

	while (request->query[at] != NULL)
		at += 2;
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		const char *value = options_value(invocation->options, filters[i]);

		if (value == NULL)
			continue;
		request->query[at++] = flags[filters[i]].name;
		request->query[at++] = value;
	}
}

/* Adds the events of a page to the document, up to *left of them. */
static int take_page(struct invocation *invocation, cJSON *page, uint64_t *left, double *ret_last,
		     struct error *err)
{
	cJSON *events = cJSON_GetObjectItemCaseSensitive(page, "events"), *event;
	cJSON *all;

	if (invocation->document == NULL) {
		invocation->document = cJSON_CreateObject();
		cJSON_AddArrayToObject(invocation->document, "events");
	}
	all = cJSON_GetObjectItemCaseSensitive(invocation->document, "events");
	if (all == NULL)
		return error_set(err, ENOMEM, "out of memory");
	while (*left > 0 && (event = cJSON_DetachItemFromArray(events, 0)) != NULL) {
		*ret_last = answer_number(event, "seq");
		(*left)--;
		if (!invocation->json) {
			print_event(event);
			cJSON_Delete(event);
		} else if (!cJSON_AddItemToArray(all, event)) {
			return error_set(err, ENOMEM, "out of memory");
		}
	}
	return 0;
}

/* One page behind `since`. *ret_more: there may be more behind it. */
static int show_page(struct invocation *invocation, const char *since, uint64_t *left,
		     double *ret_last, bool *ret_more, struct error *err)
{
	struct request request = {
		.method = "GET", .path = {"events"}, .query = {"limit", PAGE, "since", since}};
	cJSON *page = NULL;
	int r;

	add_filters(invocation, &request);
	r = client_call(invocation->client, &request, &page, err);
	if (r == 0)
		r = answer_check_events(page, err);
	if (r == 0) {
		*ret_more = cJSON_GetArraySize(answer_item(page, "events")) > 0;
		r = take_page(invocation, page, left, ret_last, err);
	}
	cJSON_Delete(page);
	return r;
}

static int show_since(struct invocation *invocation, const char *since, struct error *err)
{
	const char *limit = options_value(invocation->options, FLAG_LIMIT);
	uint64_t left = UINT64_MAX;
	double last = 0;
	bool more = true;
	char next[24];
	int r = limit != NULL ? parse_number(limit, 0, UINT64_MAX, &left, err) : 0;

	while (r == 0 && more && left > 0) {
		r = show_page(invocation, since, &left, &last, &more, err);
		snprintf(next, sizeof(next), "%.0f", last);
		since = next;
	}
	return r;
}

static int show_newest(struct invocation *invocation, struct error *err)
{
	const char *limit = options_value(invocation->options, FLAG_LIMIT);
	struct request request = {.method = "GET", .path = {"events"}};
	cJSON *page = NULL;
	uint64_t left = UINT64_MAX;
	double last;
	int r;

	if (limit != NULL) {
		request.query[0] = "limit";
		request.query[1] = limit;
	}
	add_filters(invocation, &request);
	r = client_call(invocation->client, &request, &page, err);
	if (r == 0)
		r = answer_check_events(page, err);
	if (r == 0)
		r = take_page(invocation, page, &left, &last, err);
	cJSON_Delete(page);
	return r;
}

/* --- as they come --- */

struct following {
	struct invocation *invocation;
	char last[24]; /* the number of the last event seen */
	uint64_t left; /* to be shown */
};

/* A line of the stream; those that are not about an event's number or data mean nothing to us. */
static bool take_line(void *context, const char *line)
{
	struct following *following = context;
	struct error unused;
	cJSON *event = NULL;

	if (strncmp(line, "id: ", 4) == 0)
		snprintf(following->last, sizeof(following->last), "%s", line + 4);
	if (strncmp(line, "data: ", 6) != 0)
		return true;
	line += 6;
	if (following->invocation->json)
		puts(line);
	else if (json_parse(line, strlen(line), &event, &unused) == 0 &&
		 answer_check_event(event, &unused) == 0)
		print_event(event);
	cJSON_Delete(event);
	return fflush(stdout) == 0 && --following->left > 0;
}

/* Is it worth another try? The agent may be on its way back. */
static bool is_away(int r)
{
	return r == -ECONNRESET || r == -ENOTCONN || r == -EIO || r == -ETIMEDOUT;
}

/* Where to begin: behind --since, or behind what there is now. */
static int begin_following(struct following *following, struct error *err)
{
	const struct request request = {
		.method = "GET", .path = {"events"}, .query = {"limit", "1"}};
	const struct invocation *invocation = following->invocation;
	const char *since = options_value(invocation->options, FLAG_SINCE);
	cJSON *newest = NULL;
	int r;

	if (since != NULL) {
		snprintf(following->last, sizeof(following->last), "%s", since);
		return 0;
	}
	r = client_call(invocation->client, &request, &newest, err);
	if (r == 0)
		r = answer_check_events(newest, err);
	if (r == 0)
		snprintf(following->last, sizeof(following->last), "%.0f",
			 answer_number(newest, "newest"));
	cJSON_Delete(newest);
	return r;
}

static void say_waiting(const struct invocation *invocation)
{
	if (!invocation->json && isatty(STDERR_FILENO))
		fputs("lbctl: the stream has ended; waiting for the agent\n", stderr);
}

/* Follows until it is told not to, over restarts of the agent too. */
static int follow(struct invocation *invocation, struct error *err)
{
	const char *limit = options_value(invocation->options, FLAG_LIMIT);
	struct following following = {.invocation = invocation, .left = UINT64_MAX};
	struct request request = {.method = "GET", .path = {"events"}};
	int r = limit != NULL ? parse_number(limit, 1, UINT64_MAX, &following.left, err) : 0;
	bool was_there = false;

	add_filters(invocation, &request);
	if (r == 0)
		r = begin_following(&following, err);
	while (r == 0) {
		r = client_stream(invocation->client, &request, following.last, take_line,
				  &following, err);
		if (r == 0)
			break;
		if (r == -ECONNRESET) {
			was_there = true;
			say_waiting(invocation);
		}
		if (was_there && is_away(r)) {
			clock_pause(RETRY_MS);
			r = 0;
		}
	}
	return r;
}

int show_events(struct invocation *invocation, struct error *err)
{
	const char *since = options_value(invocation->options, FLAG_SINCE);

	if (options_flags(invocation->options) & FLAG_BIT(FLAG_FOLLOW))
		return follow(invocation, err);
	return since != NULL ? show_since(invocation, since, err) : show_newest(invocation, err);
}
