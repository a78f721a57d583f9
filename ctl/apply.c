/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl apply */
#include <stdio.h>

#include "answer.h"
#include "change.h"
#include "command.h"
#include "stage.h"

/* What --now and --deadline say of backends that the file does not have. */
static void ask(const struct invocation *invocation, struct request *request)
{
	const struct options *options = invocation->options;

	if (options_flags(options) & FLAG_BIT(FLAG_NOW))
		change_ask(request, "now", "true");
	if (options_flags(options) & FLAG_BIT(FLAG_DEADLINE))
		change_ask(request, "deadline", options_value(options, FLAG_DEADLINE));
}

static int apply_at_once(struct invocation *invocation, const struct request *request,
			 struct error *err)
{
	int r = change_call(invocation, request, err);
	const cJSON *answer = invocation->document;

	if (r == 0)
		r = answer_check_applied(answer, err);
	if (r != 0 || invocation->json)
		return r;
	change_print(answer);
	if (answer_true(answer, "applied"))
		printf("applied, generation %.0f\n", answer_number(answer, "generation"));
	return 0;
}

int apply_config(struct invocation *invocation, struct error *err)
{
	const struct options *options = invocation->options;
	struct request request = {.method = "PUT", .path = {"config"}};
	cJSON *body = NULL;
	int r = change_read_file(options_value(options, FLAG_FILE), &body, err);

	if (r < 0)
		return r;
	request.body = body;
	ask(invocation, &request);
	invocation->plan |= (options_flags(options) & FLAG_BIT(FLAG_DRY_RUN)) != 0;
	r = options_flags(options) & FLAG_BIT(FLAG_STAGE)
		    ? stage_walk(invocation, &request, err)
		    : apply_at_once(invocation, &request, err);
	cJSON_Delete(body);
	return r;
}
