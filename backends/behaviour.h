/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_BEHAVIOUR_H
#define SLUICE_BEHAVIOUR_H

/*
 * How badly a demo service behaves: how late it answers, and how often wrongly. Set by the flags
 * --delay and --error-rate, and while it runs by PUT /settings with the same words in JSON, from
 * this host only. Any thread may read it at any time.
 */
#include <stdatomic.h>

#include "webapp.h"

struct behaviour {
	atomic_uint delay_ms;
	atomic_uint errors_ppm; /* of a million requests, so many fail */
};

/* For a service that has no flags but these. Its context is a struct behaviour, or begins with one;
 * so is that of the routes. */
extern const struct webapp_flag behaviour_flags[];

#define BEHAVIOUR_ROUTES                                                                           \
	{.method = "GET", .path = "/settings", .handle = behaviour_get_settings, .aside = true},   \
	{                                                                                          \
		.method = "PUT", .path = "/settings", .handle = behaviour_put_settings,            \
		.takes_json = true, .aside = true                                                  \
	}

#define BEHAVIOUR_HELP_SETTINGS                                                                    \
	"GET /settings  how it behaves: {\"delay\": \"50ms\", \"error-rate\": \"80%\"}\n"          \
	"PUT /settings  changes that while it runs; from this host only"

/*
 * Takes a body of PUT /settings: {"delay": "50ms", "error-rate": "80%"}, each of which may be
 * absent. All of it or nothing.
 */
int behaviour_apply(struct behaviour *behaviour, const char *body, size_t length,
		    struct error *err);

/* Sets the call's delay, and says whether it is to fail: then it is answered already. */
bool behaviour_strikes(const struct behaviour *behaviour, struct webapp_call *call);

/* What BEHAVIOUR_ROUTES names. */
void behaviour_get_settings(void *context, struct webapp_call *call);
void behaviour_put_settings(void *context, struct webapp_call *call);

#endif
