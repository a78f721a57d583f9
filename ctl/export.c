/* SPDX-License-Identifier: Apache-2.0 */

/* lbctl export */
#include <errno.h>
#include <stdio.h>

#include "answer.h"
#include "command.h"

/* {"key": value, ...} in one line, so that a difference between two files is one of lines. */
static int put_line(const cJSON *value, const char *before, const char *after, struct error *err)
{
	char *text = cJSON_PrintUnformatted(value);

	if (text == NULL)
		return error_set(err, ENOMEM, "out of memory");
	printf("%s%s%s\n", before, text, after);
	cJSON_free(text);
	return 0;
}

static int put_backends(const cJSON *backends, struct error *err)
{
	const cJSON *backend;
	int r = 0;

	puts("   \"backends\": [");
	cJSON_ArrayForEach (backend, backends) {
		if (r == 0)
			r = put_line(backend, "    ", backend->next != NULL ? "," : "", err);
	}
	printf("   ]");
	return r;
}

/* A line a key and a line a backend. */
static int put_service(const cJSON *service, struct error *err)
{
	const cJSON *backends = answer_item(service, "backends"), *field;
	const char *before = "  {";
	char head[128];
	int r = 0;

	cJSON_ArrayForEach (field, service) {
		if (field == backends || r < 0)
			continue;
		snprintf(head, sizeof(head), "%s\"%s\": ", before, field->string);
		r = put_line(field, head, field->next != NULL ? "," : "", err);
		before = "   ";
	}
	if (r == 0 && backends != NULL)
		r = put_backends(backends, err);
	printf("%s}%s\n", backends != NULL ? "" : "  ", service->next != NULL ? "," : "");
	return r;
}

int export_config(struct invocation *invocation, struct error *err)
{
	const struct request request = {.method = "GET", .path = {"config"}};
	int r = client_call(invocation->client, &request, &invocation->document, err);
	const cJSON *service;

	if (r == 0)
		r = answer_check_config(invocation->document, err);
	if (r < 0 || invocation->json)
		return r;
	puts("{\"services\": [");
	cJSON_ArrayForEach (service, answer_item(invocation->document, "services")) {
		if (r == 0)
			r = put_service(service, err);
	}
	puts("]}");
	return r;
}
