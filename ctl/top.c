/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl top */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "clock.h"
#include "command.h"
#include "frame.h"
#include "parse.h"
#include "rates.h"
#include "screen.h"
#include "terminal.h"

#define INTERVAL_MS     1000
#define INTERVAL_MIN_MS 100
#define INTERVAL_MAX_MS (3600 * 1000ULL)
#define PAGE_ROWS       10
#define WIDE            160 /* columns, where there is no screen to ask */

struct top {
	struct invocation *invocation;
	uint64_t interval_ms;
	struct rate_look before, now; /* services NULL: not there yet */
	struct error trouble;         /* message empty: none */
	enum rate_order order;
	bool reversed;
	char only[64]; /* the one service to show; empty: all */
	size_t first;  /* rows scrolled over */
	size_t rows;   /* that there were in the last picture */
};

/* --- looking --- */

static void look_clear(struct rate_look *look)
{
	cJSON_Delete(look->services);
	cJSON_Delete(look->status);
	*look = (struct rate_look){0};
}

static int look_get(struct top *top, struct rate_look *ret_look, struct error *err)
{
	struct client *client = top->invocation->client;
	const struct request services = {.method = "GET", .path = {"services"}};
	const struct request status = {.method = "GET", .path = {"status"}};
	struct rate_look look = {0};
	int r = client_call(client, &services, &look.services, err);

	if (r == 0)
		r = answer_check_services(look.services, err);
	look.seconds = clock_seconds(CLOCK_MONOTONIC);
	if (r == 0)
		r = client_call(client, &status, &look.status, err);
	if (r == 0)
		r = answer_check_status(look.status, err);
	if (r < 0) {
		look_clear(&look);
		return r;
	}
	*ret_look = look;
	return 0;
}

/* Looks once more; what was now is before. After a failure both stay. */
static int look_again(struct top *top, struct error *err)
{
	struct rate_look look;
	int r = look_get(top, &look, err);

	if (r < 0)
		return r;
	look_clear(&top->before);
	top->before = top->now;
	top->now = look;
	return 0;
}

/* --- drawing --- */

static int get_rates(const struct top *top, struct rates *ret_rates, struct error *err)
{
	const struct rate_look *before = top->before.services != NULL ? &top->before : NULL;
	int r = rates_make(before, &top->now, ret_rates, err);

	if (r == 0)
		rates_sort(ret_rates, top->order, top->reversed);
	return r;
}

/* screen says how large the picture is and what else goes by where it is shown. */
static int draw(struct top *top, FILE *out, const struct frame *screen, struct error *err)
{
	struct frame frame = *screen;
	struct rates rates;
	char clock[32];
	time_t now = time(NULL);
	struct tm local;
	int r = get_rates(top, &rates, err);

	if (r < 0)
		return r;
	localtime_r(&now, &local);
	strftime(clock, sizeof(clock), "%H:%M:%S", &local);
	frame.status = top->now.status;
	frame.rates = &rates;
	frame.only = top->only[0] != '\0' ? top->only : NULL;
	frame.trouble = top->trouble.message[0] != '\0' ? top->trouble.message : NULL;
	frame.clock = clock;
	frame.order = top->order;
	frame.reversed = top->reversed;
	frame.colour = screen_has_colour();
	top->rows = frame_draw(out, &frame);
	rates_clear(&rates);
	return 0;
}

static int show(struct top *top, struct error *err)
{
	struct terminal_size size = terminal_size();
	const struct frame screen = {
		.live = true, .columns = size.columns, .rows = size.rows, .first = top->first};
	char *picture = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&picture, &length);
	int r;

	if (out == NULL)
		return error_set(err, ENOMEM, "out of memory");
	r = draw(top, out, &screen, err);
	if (fclose(out) != 0 && r == 0)
		r = error_set(err, ENOMEM, "out of memory");
	if (r == 0)
		terminal_show(picture);
	free(picture);
	return r;
}

/* --- keys --- */

/* All services, then each by itself, in the order that the agent has them. */
static void next_service(struct top *top)
{
	const cJSON *services = answer_item(top->now.services, "services"), *service;
	const cJSON *next = services->child;

	cJSON_ArrayForEach (service, services) {
		if (strcmp(answer_text(service, "name"), top->only) == 0)
			next = service->next;
	}
	snprintf(top->only, sizeof(top->only), "%s", next != NULL ? answer_text(next, "name") : "");
	top->first = 0;
}

static void scroll(struct top *top, long by)
{
	long first = (long)top->first + by;

	if (first >= (long)top->rows)
		first = (long)top->rows - 1;
	top->first = first < 0 ? 0 : (size_t)first;
}

/* False: the end is asked for. */
static bool take_key(struct top *top, int key)
{
	switch (key) {
	case 'q':
		return false;
	case 's':
		top->order = (top->order + 1) % RATE_ORDERS;
		break;
	case 'r':
		top->reversed = !top->reversed;
		break;
	case 'n':
		next_service(top);
		break;
	case 'k':
	case KEY_UP:
		scroll(top, -1);
		break;
	case 'j':
	case KEY_DOWN:
		scroll(top, 1);
		break;
	case KEY_PAGE_UP:
		scroll(top, -PAGE_ROWS);
		break;
	case KEY_PAGE_DOWN:
		scroll(top, PAGE_ROWS);
		break;
	default:
		break;
	}
	return true;
}

/* --- the two ways to show it --- */

/* Until somebody has seen enough. An agent that goes away is waited for. */
static int watch(struct top *top, struct error *err)
{
	double next = clock_seconds(CLOCK_MONOTONIC) + (double)top->interval_ms / 1000, left;
	int r = terminal_open(err), key;

	if (r == 0)
		r = show(top, err);
	while (r == 0) {
		left = next - clock_seconds(CLOCK_MONOTONIC);
		key = terminal_key(left > 0 ? (unsigned int)(left * 1000) + 1 : 0);
		if (!take_key(top, key))
			break;
		if (clock_seconds(CLOCK_MONOTONIC) >= next) {
			top->trouble.message[0] = '\0';
			look_again(top, &top->trouble);
			next = clock_seconds(CLOCK_MONOTONIC) + (double)top->interval_ms / 1000;
		}
		r = show(top, err);
	}
	terminal_close();
	return r;
}

static int print_once(struct top *top, struct error *err)
{
	const struct frame screen = {.columns = isatty(STDOUT_FILENO) ? terminal_size().columns
								      : WIDE};
	struct rates rates;
	int r;

	clock_pause(top->interval_ms);
	r = look_again(top, err);
	if (r < 0 || !top->invocation->json)
		return r < 0 ? r : draw(top, stdout, &screen, err);
	r = get_rates(top, &rates, err);
	if (r < 0)
		return r;
	top->invocation->document = rates_json(&rates, top->now.seconds - top->before.seconds);
	rates_clear(&rates);
	return top->invocation->document != NULL ? 0 : error_set(err, ENOMEM, "out of memory");
}

static int read_interval(struct top *top, struct error *err)
{
	const char *text = options_value(top->invocation->options, FLAG_INTERVAL);
	int r;

	top->interval_ms = INTERVAL_MS;
	if (text == NULL)
		return 0;
	r = parse_duration(text, INTERVAL_MIN_MS, INTERVAL_MAX_MS, &top->interval_ms, err);
	return r < 0 ? error_field(err, r, "interval") : 0;
}

/* Takes the service of the command line, if there is such a one. */
static int read_service(struct top *top, struct error *err)
{
	const cJSON *service;
	const char *name;

	if (top->invocation->argument_count == 0)
		return 0;
	name = top->invocation->arguments[0];
	cJSON_ArrayForEach (service, answer_item(top->now.services, "services")) {
		if (strcmp(answer_text(service, "name"), name) == 0) {
			snprintf(top->only, sizeof(top->only), "%s", name);
			return 0;
		}
	}
	error_set(err, ENOENT, "service %s: there is no such service", name);
	return error_hint(err, -ENOENT, "lbctl show");
}

int show_top(struct invocation *invocation, struct error *err)
{
	bool once = invocation->json || !isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO) ||
		    (options_flags(invocation->options) & FLAG_BIT(FLAG_ONCE));
	struct top top = {.invocation = invocation};
	int r = read_interval(&top, err);

	if (r == 0)
		r = look_again(&top, err);
	if (r == 0)
		r = read_service(&top, err);
	if (r == 0)
		r = once ? print_once(&top, err) : watch(&top, err);
	look_clear(&top.before);
	look_clear(&top.now);
	return r;
}
