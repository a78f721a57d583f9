/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl add service, lbctl add backend */
#include <errno.h>
#include <stdio.h>

#include "answer.h"
#include "command.h"

/* Adds {"backends": [{"address": ...}...]} for each --backend to body. */
static int put_backends(const struct options *options, cJSON *body, struct error *err)
{
	const char *address = options_value(options, FLAG_BACKEND);
	cJSON *backends;

	if (address == NULL)
		return 0;
	backends = cJSON_AddArrayToObject(body, "backends");
	for (; address != NULL; address = options_next(options, FLAG_BACKEND, address)) {
		cJSON *backend = cJSON_CreateObject();

		if (cJSON_AddStringToObject(backend, "address", address) == NULL ||
		    !cJSON_AddItemToArray(backends, backend)) {
			cJSON_Delete(backend);
			return error_set(err, ENOMEM, "out of memory");
		}
	}
	return 0;
}

static void print_added_service(const cJSON *service)
{
	const cJSON *vip;
	int backends = cJSON_GetArraySize(answer_item(service, "backends"));
	const char *before = "at ";

	printf("%s: service added ", answer_text(service, "name"));
	cJSON_ArrayForEach (vip, answer_item(service, "vip")) {
		printf("%s%s", before, cJSON_IsString(vip) ? vip->valuestring : "?");
		before = ", ";
	}
	printf(", %d backend%s\n", backends, backends == 1 ? "" : "s");
}

int add_service(struct invocation *invocation, struct error *err)
{
	struct request request = {.method = "POST", .path = {"services"}};
	cJSON *body = options_body(invocation->options);
	int r;

	if (cJSON_AddStringToObject(body, "name", invocation->arguments[0]) == NULL) {
		cJSON_Delete(body);
		return error_set(err, ENOMEM, "out of memory");
	}
	r = put_backends(invocation->options, body, err);
	request.body = body;
	if (r == 0)
		r = client_call(invocation->client, &request, &invocation->document, err);
	cJSON_Delete(body);
	if (r == 0)
		r = answer_check_service(invocation->document, err);
	if (r == 0 && !invocation->json)
		print_added_service(invocation->document);
	return r;
}

static int add_one(const struct invocation *invocation, const char *address, cJSON **ret_backend,
		   struct error *err)
{
	struct request request = {.method = "POST",
				  .path = {"services", invocation->arguments[0], "backends"}};
	cJSON *body = options_body(invocation->options);
	int r;

	if (cJSON_AddStringToObject(body, "address", address) == NULL) {
		cJSON_Delete(body);
		return error_set(err, ENOMEM, "out of memory");
	}
	request.body = body;
	r = client_call(invocation->client, &request, ret_backend, err);
	cJSON_Delete(body);
	return r < 0 ? r : answer_check_backend(*ret_backend, err);
}

/*
 * Adds one after the other and stops at the first that is refused. The document is the answer,
 * if one backend was asked for, else {"backends": [ANSWER...]} of those that were added.
 */
int add_backend(struct invocation *invocation, struct error *err)
{
	bool many = invocation->argument_count > 2;
	cJSON *added = NULL;

	if (many) {
		invocation->document = cJSON_CreateObject();
		added = cJSON_AddArrayToObject(invocation->document, "backends");
		if (added == NULL)
			return error_set(err, ENOMEM, "out of memory");
	}
	for (size_t i = 1; i < invocation->argument_count; i++) {
		cJSON *backend = NULL;
		int r = add_one(invocation, invocation->arguments[i], &backend, err);

		if (r == 0 && !invocation->json)
			printf("%s: backend %s added, status %s\n", invocation->arguments[0],
			       answer_text(backend, "address"), answer_text(backend, "status"));
		if (!many)
			invocation->document = backend;
		else if (backend != NULL)
			cJSON_AddItemToArray(added, backend);
		if (r < 0)
			return r;
	}
	return 0;
}
