/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hello: the HTTP server that demo and tests balance. It answers with its own name, so that
 * clients see who served them. For the lab only: whoever reaches it may set its health.
 */
#include <errno.h>
#include <microhttpd.h>
#include <stdatomic.h>

#include "behaviour.h"
#include "parse.h"
#include "webapp.h"

struct hello {
	struct behaviour behaviour; /* first: its flags and routes have hello's address */
	atomic_uint health;         /* a status */
};

static void get_name(void *context, struct webapp_call *call)
{
	const struct hello *hello = context;
	char line[80];

	if (behaviour_strikes(&hello->behaviour, call))
		return;
	snprintf(line, sizeof(line), "%s\n", call->name);
	webapp_answer_text(call, MHD_HTTP_OK, line);
}

static void get_health(void *context, struct webapp_call *call)
{
	const unsigned int status = atomic_load(&((struct hello *)context)->health);

	webapp_answer_text(call, status, status < 400 ? "ok\n" : "failing\n");
}

static void put_health(void *context, struct webapp_call *call)
{
	const char *text = webapp_query(call, "status");
	struct hello *hello = context;
	struct error err;
	uint64_t status;

	if (!text || parse_number(text, 200, 599, &status, &err) < 0) {
		error_set(&err, EINVAL, "no status from 200 to 599");
		error_field(&err, 0, "status");
		error_hint(&err, 0, "PUT /health?status=503");
		webapp_answer_error(call, MHD_HTTP_BAD_REQUEST, &err);
		return;
	}
	atomic_store(&hello->health, (unsigned int)status);
	get_health(context, call);
}

static const struct webapp_route routes[] = {
	{.method = "GET", .path = "/", .handle = get_name},
	{.method = "GET", .path = "/health", .handle = get_health, .aside = true},
	{.method = "PUT", .path = "/health", .handle = put_health, .aside = true},
	BEHAVIOUR_ROUTES,
	{.path = NULL},
};

static const struct webapp app = {
	.name = "hello",
	.description = "An HTTP server that answers with its name: something to balance.",
	.interface = "GET /          the name and a newline\n"
		     "GET /health    the status last set, 200 at first\n"
		     "PUT /health?status=503   sets it\n" BEHAVIOUR_HELP_SETTINGS,
	.flags = behaviour_flags,
	.routes = routes,
	.body_max = 1 << 20, /* uploads are something to balance, too */
};

int main(int argc, char **argv)
{
	static struct hello hello = {.health = MHD_HTTP_OK};

	return webapp_main(&app, &hello, argc, argv);
}
