/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl withdraw, lbctl announce */
#include <errno.h>
#include <stdio.h>

#include "answer.h"
#include "command.h"

static int patch(struct invocation *invocation, bool withdrawn, struct error *err)
{
	struct request request = {.method = "PATCH", .path = {"announce"}};
	cJSON *body = cJSON_CreateObject();
	int r;

	if (body == NULL || cJSON_AddBoolToObject(body, "withdrawn", withdrawn) == NULL) {
		cJSON_Delete(body);
		return error_set(err, ENOMEM, "out of memory");
	}
	request.body = body;
	r = client_call(invocation->client, &request, &invocation->document, err);
	cJSON_Delete(body);
	return r < 0 ? r : answer_check_announce(invocation->document, err);
}

/* Those of several services once. */
static bool is_told(const cJSON *services, const cJSON *until)
{
	const cJSON *service, *route;

	cJSON_ArrayForEach (service, services) {
		cJSON_ArrayForEach (route, answer_item(service, "routes")) {
			if (route == until)
				return false;
			if (cJSON_Compare(answer_item(route, "prefix"),
					  answer_item(until, "prefix"), true))
				return true;
		}
	}
	return false;
}

static void print_routes(const cJSON *services)
{
	const cJSON *service, *route;

	cJSON_ArrayForEach (service, services) {
		cJSON_ArrayForEach (route, answer_item(service, "routes")) {
			const char *reason = answer_text(route, "reason");

			if (is_told(services, route))
				continue;
			printf("  %s %s%s%s\n",
			       answer_true(route, "announced") ? "announced" : "not announced",
			       answer_text(route, "prefix"), reason[0] ? ": " : "", reason);
		}
	}
}

static int change(struct invocation *invocation, bool withdrawn, struct error *err)
{
	int r = patch(invocation, withdrawn, err);

	if (r < 0 || invocation->json)
		return r;
	printf("%.0f of %.0f VIPs announced, table %.0f\n",
	       answer_number(invocation->document, "announced"),
	       answer_number(invocation->document, "routes"),
	       answer_number(invocation->document, "table"));
	print_routes(answer_item(invocation->document, "services"));
	if (withdrawn)
		puts("what comes until routers have learnt it is forwarded as ever: lbctl top "
		     "shows when nothing does");
	return 0;
}

int withdraw_balancer(struct invocation *invocation, struct error *err)
{
	return change(invocation, true, err);
}

int announce_balancer(struct invocation *invocation, struct error *err)
{
	return change(invocation, false, err);
}
