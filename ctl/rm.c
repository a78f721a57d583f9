/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl rm service, lbctl rm backend */
#include <stdio.h>

#include "answer.h"
#include "change.h"
#include "command.h"
#include "wait.h"

int rm_service(struct invocation *invocation, struct error *err)
{
	const char *service = invocation->arguments[0];
	const struct request request = {.method = "DELETE", .path = {"services", service}};
	int r = change_call(invocation, &request, err);

	if (r == 0 && !invocation->json)
		printf("%s: service removed\n", service);
	return r;
}

static void print_outcome(const struct invocation *invocation)
{
	const char *service = invocation->arguments[0];
	const cJSON *backend = invocation->document;

	if (wait_is_removed(backend))
		printf("%s: backend %s removed\n", service, answer_text(backend, "removed"));
	else
		printf("%s: backend %s drains, then goes; flows left: %.0f\n", service,
		       answer_text(backend, "address"), answer_number(backend, "active-flows"));
}

/* Answers {"removed": ADDRESS} if it is gone, the backend while it drains. */
int rm_backend(struct invocation *invocation, struct error *err)
{
	flag_set given = options_flags(invocation->options);
	struct request request = {.method = "DELETE",
				  .path = {"services", invocation->arguments[0], "backends",
					   invocation->arguments[1]}};
	int r;

	if (given & FLAG_BIT(FLAG_DEADLINE))
		change_ask(&request, "deadline", options_value(invocation->options, FLAG_DEADLINE));
	if (given & FLAG_BIT(FLAG_NOW))
		change_ask(&request, "now", "true");
	r = change_call(invocation, &request, err);
	if (r != 0)
		return r;
	if (!wait_is_removed(invocation->document)) {
		r = answer_check_backend(invocation->document, err);
		if (r == 0 && (given & FLAG_BIT(FLAG_WAIT)))
			r = wait_for_drain(invocation, true, err);
	}
	if (r == 0 && !invocation->json)
		print_outcome(invocation);
	return r;
}
