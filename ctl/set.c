/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl set service, lbctl set backend */
#include <errno.h>
#include <stdio.h>

#include "answer.h"
#include "change.h"
#include "command.h"
#include "human.h"

/* Sends the flags given as the change. */
static int patch(struct invocation *invocation, struct request *request, struct error *err)
{
	cJSON *body = options_body(invocation->options);
	int r;

	if (body == NULL)
		return error_set(err, ENOMEM, "out of memory");
	request->method = "PATCH";
	request->body = body;
	r = change_call(invocation, request, err);
	cJSON_Delete(body);
	return r;
}

int set_service(struct invocation *invocation, struct error *err)
{
	struct request request = {.path = {"services", invocation->arguments[0]}};
	int r = patch(invocation, &request, err);

	if (r == 0)
		r = answer_check_service(invocation->document, err);
	if (r == 0 && !invocation->json)
		printf("%s: service changed\n", answer_text(invocation->document, "name"));
	return r;
}

int set_backend(struct invocation *invocation, struct error *err)
{
	struct request request = {.path = {"services", invocation->arguments[0], "backends",
					   invocation->arguments[1]}};
	int r = patch(invocation, &request, err);
	const cJSON *backend = invocation->document;
	char share[HUMAN_MAX];

	if (r == 0)
		r = answer_check_backend(backend, err);
	if (r == 0 && !invocation->json)
		printf("%s: backend %s changed: weight %.0f, state %s, status %s, share %s\n",
		       invocation->arguments[0], answer_text(backend, "address"),
		       answer_number(backend, "weight"), answer_text(backend, "state"),
		       answer_text(backend, "status"),
		       human_share(answer_number(backend, "share"), share));
	return r;
}
