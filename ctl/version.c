/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl version */
#include <errno.h>
#include <stdio.h>

#include "answer.h"
#include "command.h"

/* An agent that cannot be asked is no failure here: lbctl's own version is known. */
int show_version(struct invocation *invocation, struct error *err)
{
	const struct request request = {.method = "GET", .path = {"status"}};
	struct error why = {0};
	cJSON *status = NULL;
	const char *agent = NULL;
	cJSON *document = cJSON_CreateObject();

	if (client_call(invocation->client, &request, &status, &why) == 0 &&
	    answer_check_version(status, &why) == 0)
		agent = answer_text(status, "version");
	cJSON_AddStringToObject(document, "lbctl", SLUICE_VERSION);
	cJSON_AddItemToObject(document, "lbagent",
			      agent != NULL ? cJSON_CreateString(agent) : cJSON_CreateNull());
	invocation->document = document;
	if (!invocation->json) {
		printf("lbctl %s\n", SLUICE_VERSION);
		if (agent != NULL)
			printf("lbagent %s\n", agent);
		else
			printf("lbagent unknown (%s)\n", why.message);
	}
	cJSON_Delete(status);
	return document != NULL ? 0 : error_set(err, ENOMEM, "out of memory");
}
