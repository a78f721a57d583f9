/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl add service, lbctl add backend */
#include <errno.h>
#include <stdio.h>

#include "answer.h"
#include "change.h"
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
		r = change_call(invocation, &request, err);
	cJSON_Delete(body);
	if (r == 0)
		r = answer_check_service(invocation->document, err);
	if (r == 0 && !invocation->json)
		print_added_service(invocation->document);
	return r;
}

/* A backend with what the flags say. */
static cJSON *backend_body(const struct invocation *invocation, const char *address)
{
	cJSON *body = options_body(invocation->options);

	if (cJSON_AddStringToObject(body, "address", address) != NULL)
		return body;
	cJSON_Delete(body);
	return NULL;
}

/* {"backends": [...]} */
static cJSON *backends_body(const struct invocation *invocation)
{
	cJSON *body = cJSON_CreateObject();
	cJSON *array = cJSON_AddArrayToObject(body, "backends");

	for (size_t i = 1; i < invocation->argument_count; i++) {
		if (!cJSON_AddItemToArray(array,
					  backend_body(invocation, invocation->arguments[i]))) {
			cJSON_Delete(body);
			return NULL;
		}
	}
	return body;
}

static void print_added_backend(const struct invocation *invocation, const cJSON *backend)
{
	printf("%s: backend %s added, status %s\n", invocation->arguments[0],
	       answer_text(backend, "address"), answer_text(backend, "status"));
}

/* All of them or none. The document is of the backend if it is one, else {"backends": [...]}. */
int add_backend(struct invocation *invocation, struct error *err)
{
	bool one = invocation->argument_count == 2;
	struct request request = {.method = "POST",
				  .path = {"services", invocation->arguments[0], "backends"}};
	cJSON *body = one ? backend_body(invocation, invocation->arguments[1])
			  : backends_body(invocation);
	const cJSON *backend;
	int r;

	if (body == NULL)
		return error_set(err, ENOMEM, "out of memory");
	request.body = body;
	r = change_call(invocation, &request, err);
	cJSON_Delete(body);
	if (r == 0)
		r = one ? answer_check_backend(invocation->document, err)
			: answer_check_backends(invocation->document, err);
	if (r != 0 || invocation->json)
		return r;
	if (one)
		print_added_backend(invocation, invocation->document);
	cJSON_ArrayForEach (backend, answer_item(invocation->document, "backends"))
		print_added_backend(invocation, backend);
	return 0;
}
