/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unstable: a source of data that fails as often and answers as late as it is told to, to show
 * what its callers make of that.
 */
#include <microhttpd.h>
#include <stdatomic.h>

#include "behaviour.h"
#include "clock.h"
#include "parse.h"
#include "webapp.h"

struct unstable {
	struct behaviour behaviour; /* first: its flags and routes have unstable's address */
	atomic_uint_fast64_t sequence;
};

static void get_data(void *context, struct webapp_call *call)
{
	struct unstable *unstable = context;
	char text[TIME_TEXT_MAX];
	cJSON *json;

	if (behaviour_strikes(&unstable->behaviour, call))
		return;
	format_time(clock_ms(CLOCK_REALTIME), text);
	json = cJSON_CreateObject();
	cJSON_AddStringToObject(json, "source", call->name);
	cJSON_AddNumberToObject(json, "sequence",
				(double)(atomic_fetch_add(&unstable->sequence, 1) + 1));
	cJSON_AddStringToObject(json, "time", text);
	webapp_answer_json(call, MHD_HTTP_OK, json);
}

static const struct webapp_route routes[] = {
	{.method = "GET", .path = "/", .handle = get_data},
	BEHAVIOUR_ROUTES,
	{.path = NULL},
};

static const struct webapp app = {
	.name = "unstable",
	.description = "A source of data that fails as often and answers as late as it is told to.",
	.interface = "GET /          data: {\"source\": NAME, \"sequence\": N, \"time\": ...}\n"
		     "GET /health    ok, however it fails\n" BEHAVIOUR_HELP_SETTINGS,
	.flags = behaviour_flags,
	.routes = routes,
	.body_max = 4096,
};

int main(int argc, char **argv)
{
	static struct unstable unstable;

	return webapp_main(&app, &unstable, argc, argv);
}
