/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl reload */
#include <errno.h>
#include <stdio.h>

#include "answer.h"
#include "command.h"
#include "human.h"

/* The list's service, or whose it is if that is none's. */
static const char *owner(const cJSON *list)
{
	const char *service = answer_text(list, "service");

	return service[0] ? service : "all services";
}

int reload_sources(struct invocation *invocation, struct error *err)
{
	struct request request = {.method = "POST", .path = {"sources"}};
	cJSON *nothing = cJSON_CreateObject();
	int r = -ENOMEM;
	char prefixes[HUMAN_MAX], dropped[HUMAN_MAX];
	const cJSON *lists, *list;

	request.body = nothing;
	if (nothing)
		r = client_call(invocation->client, &request, &invocation->document, err);
	else
		error_set(err, ENOMEM, "out of memory");
	cJSON_Delete(nothing);
	if (r == 0)
		r = answer_check_sources(invocation->document, err);
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
