/* SPDX-License-Identifier: Apache-2.0 */
#include "check_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

static int ready_bytes(const char *text, uint8_t **ret_bytes, size_t *ret_length)
{
	struct error unused;

	if (!text)
		return 0;
	/* One byte at least, for a text that is empty. */
	*ret_bytes = malloc(strlen(text) + 1);
	return *ret_bytes ? parse_bytes(text, strlen(text), *ret_bytes, ret_length, &unused)
			  : -ENOMEM;
}

static int ready_question(struct check_run *check)
{
	struct error unused;

	check->payload = malloc(DNS_QUESTION_MAX);
	return check->payload ? dns_question_write(check->spec.name, check->spec.dns_type,
						   check->payload, &check->payload_length, &unused)
			      : -ENOMEM;
}

static int ready_body(struct check_run *check)
{
	regex_t *body;

	if (!check->spec.body)
		return 0;
	body = malloc(sizeof(*body));
	if (!body || check_body_compile(check->spec.body, body) != 0) {
		free(body);
		return -ENOMEM;
	}
	check->body = body;
	return 0;
}

static int ready(struct check_run *check)
{
	int r;

	switch (check->spec.kind) {
	case CHECK_HTTP:
	case CHECK_HTTPS:
		return ready_body(check);
	case CHECK_UDP:
		r = ready_bytes(check->spec.payload, &check->payload, &check->payload_length);
		return r < 0 ? r
			     : ready_bytes(check->spec.expect, &check->expect,
					   &check->expect_length);
	case CHECK_DNS:
		return ready_question(check);
	default:
		return 0;
	}
}

struct check_run *check_run_new(const struct check_spec *spec, const char *service)
{
	struct check_run *check = calloc(1, sizeof(*check));

	if (!check)
		return NULL;
	check->references = 1;
	check->service = strdup(service);
	if (check->service && check_spec_copy(spec, &check->spec) == 0 && ready(check) == 0)
		return check;
	check_run_unref(check);
	return NULL;
}

struct check_run *check_run_ref(struct check_run *check)
{
	check->references++;
	return check;
}

void check_run_unref(struct check_run *check)
{
	if (!check || --check->references > 0)
		return;
	if (check->body)
		regfree(check->body);
	free(check->body);
	free(check->payload);
	free(check->expect);
	free(check->service);
	check_spec_clear(&check->spec);
	free(check);
}
