/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl status */
#include <stdio.h>

#include "answer.h"
#include "command.h"
#include "human.h"
#include "screen.h"

static void print_announce(const cJSON *announce)
{
	const char *reason = answer_text(announce, "reason");

	if (answer_number(announce, "table") == 0)
		return;
	printf("VIPs in table %.0f: %s, %.0f of %.0f routes announced%s%s\n",
	       answer_number(announce, "table"), answer_text(announce, "state"),
	       answer_number(announce, "announced"), answer_number(announce, "routes"),
	       reason[0] ? ": " : "", reason);
}

static void print_store(const cJSON *store)
{
	const char *problem = answer_text(store, "problem") ?: "";

	if (!store)
		return;
	printf("configuration from %s: %s, revision %.0f%s%s\n", answer_text(store, "url"),
	       answer_true(store, "connected") ? "connected" : "NOT CONNECTED",
	       answer_number(store, "revision"), problem[0] ? ": " : "", problem);
	if (answer_text(store, "balancer"))
		printf("balancer %s, one of %.0f of the fleet\n", answer_text(store, "balancer"),
		       answer_number(store, "balancers"));
	if (answer_text(store, "rollout"))
		printf("roll-out %s is under way, %s here: lbctl rollout show\n",
		       answer_text(store, "rollout"),
		       answer_true(store, "trial") ? "in force" : "not in force");
}

static void print_head(const cJSON *answer)
{
	bool in_sync = answer_true(answer, "in-sync");
	char span[HUMAN_MAX];
	const cJSON *interface, *capability;

	printf("lbagent %s, up for %s, generation %.0f, %s\n", answer_text(answer, "version"),
	       human_span(answer_number(answer, "uptime-seconds"), span),
	       answer_number(answer, "generation"), in_sync ? "in sync" : "NOT IN SYNC");
	cJSON_ArrayForEach (interface, answer_item(answer, "interfaces")) {
		if (answer_true(interface, "attached"))
			printf("interface %s: %s, attached by %s\n", answer_text(interface, "name"),
			       answer_text(interface, "mode"),
			       answer_text(interface, "attached-by"));
		else
			printf("NOT ATTACHED: %s\n", answer_text(interface, "reason"));
	}
	print_store(answer_item(answer, "store"));
	print_announce(answer_item(answer, "announce"));
	printf("capabilities:");
	cJSON_ArrayForEach (capability, answer_item(answer, "capabilities"))
		printf(" %s", cJSON_IsString(capability) ? capability->valuestring : "?");
	putchar('\n');
}

/* Limits and drops are read digit by digit. */
static const char *exact(const cJSON *number, char buffer[HUMAN_MAX])
{
	snprintf(buffer, HUMAN_MAX, "%.0f", number->valuedouble);
	return buffer;
}

static int add_limit(struct screen_table *table, const cJSON *limit, const cJSON *used,
		     struct error *err)
{
	double share = cJSON_IsNumber(used) && limit->valuedouble > 0
			       ? used->valuedouble / limit->valuedouble
			       : -1;
	char text[3][HUMAN_MAX];
	const char *const cells[] = {
		limit->string,
		cJSON_IsNumber(used) ? exact(used, text[0]) : "-",
		exact(limit, text[1]),
		human_share(share, text[2]),
	};

	return screen_table_add(table, cells, 3, share > 0.9 ? "red" : NULL, err);
}

static int print_limits(const cJSON *answer, struct error *err)
{
	static const struct screen_column columns[] = {
		{"OF", false}, {"USED", true}, {"LIMIT", true}, {"SHARE", true}};
	const cJSON *used = answer_item(answer, "used");
	struct screen_table *table = NULL;
	const cJSON *limit;
	int r = screen_table_new(columns, sizeof(columns) / sizeof(columns[0]), &table, err);

	cJSON_ArrayForEach (limit, answer_item(answer, "limits")) {
		if (r == 0 && cJSON_IsNumber(limit))
			r = add_limit(table, limit, answer_item(used, limit->string), err);
	}
	if (r == 0)
		r = screen_table_print(table, err);
	screen_table_free(table);
	return r;
}

/* Only what has occurred: there are many. *ret_any: something has. */
static int print_counts(const cJSON *counts, const char *head, bool *ret_any, struct error *err)
{
	const struct screen_column columns[] = {{head, false}, {"PACKETS", true}};
	struct screen_table *table = NULL;
	const cJSON *count;
	int r = screen_table_new(columns, sizeof(columns) / sizeof(columns[0]), &table, err);

	*ret_any = false;
	cJSON_ArrayForEach (count, counts) {
		char text[HUMAN_MAX];
		const char *const cells[] = {count->string, exact(count, text)};

		if (r < 0 || !cJSON_IsNumber(count) || count->valuedouble <= 0)
			continue;
		*ret_any = true;
		r = screen_table_add(table, cells, 0, NULL, err);
	}
	if (r == 0 && *ret_any) {
		putchar('\n');
		r = screen_table_print(table, err);
	}
	screen_table_free(table);
	return r;
}

static int print_verdicts(const cJSON *answer, struct error *err)
{
	bool any;
	int r = print_counts(answer_item(answer, "drops"), "DROPPED FOR", &any, err);

	if (r == 0 && !any)
		puts("\nno packet was dropped");
	return r < 0 ? r : print_counts(answer_item(answer, "replies"), "ANSWERED BY", &any, err);
}

int show_status(struct invocation *invocation, struct error *err)
{
	const struct request request = {.method = "GET", .path = {"status"}};
	int r = client_call(invocation->client, &request, &invocation->document, err);

	if (r == 0)
		r = answer_check_status(invocation->document, err);
	if (r < 0 || invocation->json)
		return r;
	print_head(invocation->document);
	putchar('\n');
	r = print_limits(invocation->document, err);
	return r < 0 ? r : print_verdicts(invocation->document, err);
}
