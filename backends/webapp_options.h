/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_WEBAPP_OPTIONS_H
#define SLUICE_WEBAPP_OPTIONS_H

/* The flags that every demo service takes, and those of its own. */
#include "parse.h"
#include "webapp.h"

#define WEBAPP_LISTEN_MAX 8

struct webapp_options {
	const char *name;
	struct endpoint listen[WEBAPP_LISTEN_MAX];
	size_t listen_count;
	uint64_t threads; /* of the front end, per address */
	uint64_t workers; /* where the app is blocking */
	uint64_t queue;   /* requests that may wait for one */
	uint64_t grace_ms;
	bool help;
};

/*
 * Reads the flags; the app's own go to context. Returns 0 or -EINVAL with err filled (its field is
 * a flag's name); -EAGAIN: getopt has already said what is wrong.
 */
int webapp_options_parse(const struct webapp *app, void *context, int argc, char **argv,
			 struct webapp_options *ret_options, struct error *err);

void webapp_options_help(const struct webapp *app, FILE *out);

#endif
