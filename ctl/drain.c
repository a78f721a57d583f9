/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl drain backend */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "change.h"
#include "command.h"
#include "wait.h"

static void print_outcome(const struct invocation *invocation)
{
	const cJSON *backend = invocation->document;
	const char *service = invocation->arguments[0];
	double flows;

	if (wait_is_removed(backend)) {
		printf("%s: backend %s is gone\n", service, invocation->arguments[1]);
		return;
	}
	flows = answer_number(backend, "active-flows");
	if (strcmp(answer_text(backend, "state"), "drain") != 0)
		printf("%s: backend %s drains no longer, state %s; flows left: %.0f\n", service,
		       answer_text(backend, "address"), answer_text(backend, "state"), flows);
	else if (answer_true(backend, "drained"))
		printf("%s: backend %s is drained\n", service, answer_text(backend, "address"));
	else
		printf("%s: backend %s drains; flows left: %.0f\n", service,
		       answer_text(backend, "address"), flows);
}

int drain_backend(struct invocation *invocation, struct error *err)
{
	cJSON *body = options_body(invocation->options);
	const struct request request = {.method = "PATCH",
					.path = {"services", invocation->arguments[0], "backends",
						 invocation->arguments[1]},
					.body = body};
	int r;

	if (cJSON_AddStringToObject(body, "state", "drain") == NULL)
		r = error_set(err, ENOMEM, "out of memory");
	else
		r = change_call(invocation, &request, err);
	cJSON_Delete(body);
	if (r == 0)
		r = answer_check_backend(invocation->document, err);
	if (r == 0 && (options_flags(invocation->options) & FLAG_BIT(FLAG_WAIT)))
		r = wait_for_drain(invocation, false, err);
	if (r == 0 && !invocation->json)
		print_outcome(invocation);
	return r;
}
