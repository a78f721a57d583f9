/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl reload */
#include <errno.h>
#include <stdio.h>

#include "answer.h"
#include "clock.h"
#include "command.h"
#include "human.h"

#define LOOK_AGAIN_MS 100

/* The list's service, or whose it is if that is none's. */
static const char *owner(const cJSON *list)
{
	const char *service = answer_text(list, "service");

	return service[0] ? service : "all services";
}

static int post(struct invocation *invocation, struct error *err)
{
	struct request request = {.method = "POST", .path = {"sources"}};
	cJSON *nothing = cJSON_CreateObject();
	int r;

	if (!nothing)
		return error_set(err, ENOMEM, "out of memory");
	request.body = nothing;
	r = client_call(invocation->client, &request, &invocation->document, err);
	cJSON_Delete(nothing);
	return r < 0 ? r : answer_check_sources(invocation->document, err);
}

/* Long lists take some seconds. */
static int wait_for_lists(struct invocation *invocation, struct error *err)
{
	const struct request request = {.method = "GET", .path = {"sources"}};
	const char *problem;
	int r = 0;

	while (r == 0 && answer_true(invocation->document, "loading")) {
		clock_pause(LOOK_AGAIN_MS);
		cJSON_Delete(invocation->document);
		invocation->document = NULL;
		r = client_call(invocation->client, &request, &invocation->document, err);
		if (r == 0)
			r = answer_check_sources(invocation->document, err);
	}
	if (r < 0)
		return r;
	problem = answer_text(invocation->document, "problem");
	if (!problem[0])
		return 0;
	error_set(err, EIO, "%s", problem);
	return error_hint(err, -EIO, "%s", answer_text(invocation->document, "hint"));
}

int reload_sources(struct invocation *invocation, struct error *err)
{
	char prefixes[HUMAN_MAX], dropped[HUMAN_MAX];
	const cJSON *lists, *list;
	int r = post(invocation, err);

	if (r == 0)
		r = wait_for_lists(invocation, err);
	if (r < 0 || invocation->json)
		return r;
	lists = answer_item(invocation->document, "lists");
	if (cJSON_GetArraySize(lists) == 0)
		puts("no service has a list of sources");
	cJSON_ArrayForEach (list, lists) {
		printf("%s: %s: %s prefixes, %s packets dropped so far\n", owner(list),
		       answer_text(list, "list"),
		       human_count(answer_number(list, "prefixes"), prefixes),
		       human_count(answer_number(list, "dropped"), dropped));
	}
	return 0;
}
