/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl doctor */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "command.h"
#include "screen.h"

static void print_finding(const cJSON *finding)
{
	static const struct {
		const char *level, *colour;
	} levels[] = {
		{"ok", "\033[32m"},
		{"note", "\033[36m"},
		{"warning", "\033[33m"},
		{"problem", "\033[1;31m"},
	};
	const char *level = answer_text(finding, "level"), *colour = "", *plain = "";
	const char *object = answer_text(finding, "object");
	const char *advice = answer_text(finding, "advice");

	for (size_t i = 0; screen_has_colour() && i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(levels[i].level, level) == 0) {
			colour = levels[i].colour;
			plain = "\033[0m";
		}
	}
	printf("%s%-8s%s %s%s%s: %s\n", colour, level, plain, answer_text(finding, "check"),
	       object[0] != '\0' ? " " : "", object, answer_text(finding, "text"));
	if (advice[0] != '\0')
		printf("         try: %s\n", advice);
}

/* A report without a problem is success: scripts ask for no more. */
int show_doctor(struct invocation *invocation, struct error *err)
{
	const struct request request = {.method = "GET", .path = {"doctor"}};
	int r = client_call(invocation->client, &request, &invocation->document, err);
	const cJSON *finding;
	double problems;

	if (r == 0)
		r = answer_check_doctor(invocation->document, err);
	if (r < 0)
		return r;
	problems = answer_number(invocation->document, "problems");
	if (!invocation->json) {
		cJSON_ArrayForEach (finding, answer_item(invocation->document, "findings")) {
			print_finding(finding);
		}
	}
	if (problems > 0)
		return error_set(err, EREMOTEIO, "%.0f problem%s", problems,
				 problems > 1 ? "s" : "");
	return 0;
}
