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

/* Flags: "50ms", up to a minute; "80%". target is a struct behaviour. */
int behaviour_set_delay(void *target, const char *text, struct error *err);
int behaviour_set_error_rate(void *target, const char *text, struct error *err);

#define BEHAVIOUR_HELP_DELAY "how long it waits before it answers, up to 1m (default 0ms)"
#define BEHAVIOUR_HELP_ERROR_RATE                                                                  \
	"the part of its answers that are errors (500), as 80% (default 0%)"
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

/* Routes; context is a struct behaviour. */
void behaviour_get_settings(void *context, struct webapp_call *call);
void behaviour_put_settings(void *context, struct webapp_call *call);

#endif
