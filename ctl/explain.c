/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl explain */
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "command.h"
#include "screen.h"

#define QUERY_WORDS 14 /* pairs: three arguments, four flags */

/* What an answer may leave out. */
static const char *word(const cJSON *object, const char *key)
{
	const char *text = answer_text(object, key);

	return text != NULL ? text : "";
}

static void print_packet(const cJSON *packet)
{
	const char *tcp = word(packet, "flags"), *vlan = word(packet, "vlan");
	const cJSON *length = answer_item(packet, "length");

	printf("%s %s > %s", word(packet, "protocol"), word(packet, "source"),
	       word(packet, "destination"));
	if (tcp[0] != '\0')
		printf(", flags %s", tcp);
	if (cJSON_IsNumber(length))
		printf(", %.0f bytes", length->valuedouble);
	if (vlan[0] != '\0')
		printf(", VLAN %s", vlan);
	printf(", coming in by %s\n\n", word(packet, "interface"));
}

/* A stage is named once, however many lines it has. */
static void print_step(const cJSON *step, const char *previous, const char *colour)
{
	const char *stage = answer_text(step, "stage");
	const char *plain = colour[0] != '\0' ? "\033[0m" : "";

	printf("%-9s ", strcmp(stage, previous) == 0 ? "" : stage);
	if (strcmp(stage, "verdict") == 0)
		printf("%s%s%s: ", colour, answer_text(step, "outcome"), plain);
	printf("%s\n", answer_text(step, "text"));
}

static void print_sent(const cJSON *sent)
{
	const char *vlan = word(sent, "vlan");

	printf("%-9s %s > %s, %s > %s%s%s\n", "sent", word(sent, "source"),
	       word(sent, "destination"), word(sent, "source-mac"), word(sent, "destination-mac"),
	       vlan[0] != '\0' ? ", VLAN " : "", vlan);
}

static const char *verdict_colour(const char *class)
{
	if (!screen_has_colour())
		return "";
	if (strcmp(class, "drop") == 0)
		return "\033[1;31m";
	return strcmp(class, "pass") == 0 ? "\033[33m" : "\033[32m";
}

static void print_explanation(const cJSON *answer)
{
	const char *colour = verdict_colour(word(answer_item(answer, "verdict"), "class"));
	const cJSON *sent = answer_item(answer, "sent"), *step;
	const char *previous = "";

	print_packet(answer_item(answer, "packet"));
	cJSON_ArrayForEach (step, answer_item(answer, "steps")) {
		print_step(step, previous, colour);
		previous = answer_text(step, "stage");
	}
	if (sent != NULL)
		print_sent(sent);
}

/* The query's keys and values, in pairs. */
static void fill_query(const struct invocation *invocation, const char **query)
{
	static const char *const arguments[] = {"proto", "src", "dst"};
	static const enum flag_id given[] = {FLAG_FLAGS, FLAG_LENGTH, FLAG_INTERFACE, FLAG_VLAN};
	size_t at = 0;

	for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++) {
		query[at++] = arguments[i];
		query[at++] = invocation->arguments[i];
	}
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		const char *value = options_value(invocation->options, given[i]);

		if (value == NULL)
			continue;
		query[at++] = flags[given[i]].name;
		query[at++] = value;
	}
}

int show_explanation(struct invocation *invocation, struct error *err)
{
	struct request request = {.method = "GET", .path = {"explain"}};
	int r;

	_Static_assert(sizeof(request.query) / sizeof(request.query[0]) > QUERY_WORDS,
		       "the query and its end");
	fill_query(invocation, request.query);
	r = client_call(invocation->client, &request, &invocation->document, err);
	if (r == 0)
		r = answer_check_explanation(invocation->document, err);
	if (r == 0 && !invocation->json)
		print_explanation(invocation->document);
	return r;
}
