/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_WEBAPP_H
#define SLUICE_WEBAPP_H

/*
 * What the demo services have in common: an HTTP server (libmicrohttpd, one epoll thread a core),
 * a table of routes, flags, /health, /metrics, a graceful end. A service is one struct webapp and
 * its main() one call of webapp_main().
 *
 * Handlers fill in an answer and return; they run on several threads at once. Where an app is
 * `blocking` (it asks a database, say), they run on worker threads of their own, each request on
 * one of them, and what is not `aside` waits for a free one: the front end never waits.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "error.h"

/* One request, for as long as its handler runs. */
struct webapp_call {
	const char *name;     /* the server's, of --name */
	const char *argument; /* what stands for the {part} of the path; NULL: it has none */
	const char *body;     /* NUL behind it; "" if there is none */
	size_t body_length;
	size_t worker; /* whose thread this is, 0 to workers - 1; 0 for those aside */

	/* The answer; set by the functions below. */
	unsigned int status;
	const char *content_type;
	char *text; /* owned */
	size_t text_length;
	uint64_t delay_ms; /* to hold it back; costs no thread. Not on worker threads. */
	struct {
		const char *name;
		char value[64];
	} header;
};

struct webapp_route {
	const char *method; /* GET answers HEAD, too */
	const char *path;   /* "/data/{id}": any one segment; also the metrics' label */
	void (*handle)(void *context, struct webapp_call *call);
	bool takes_json; /* other bodies are refused */
	bool aside;      /* not the app's own work: never queued, not in the mean response time */
};

struct webapp_flag {
	const char *name;
	const char *argument; /* what it takes, in capitals; NULL: nothing */
	const char *help;     /* lines of at most 70 characters */
	/* text is NULL where it takes nothing. 0, or a negative errno with err filled. */
	int (*set)(void *target, const char *text, struct error *err);
};

struct webapp {
	const char *name;                  /* the program's, and the metrics' label app */
	const char *description;           /* for --help: lines */
	const char *interface;             /* for --help: what it answers, lines */
	const struct webapp_flag *flags;   /* ended by one without name */
	const struct webapp_route *routes; /* ended by one without path; at most 8 */
	bool blocking;
	size_t body_max; /* bytes; longer bodies are refused with 413 */
	/* Each may be NULL. start comes after the flags; -EINVAL: they are at fault (exit 2). */
	int (*start)(void *context, size_t workers, struct error *err);
	void (*stop)(void *context);
	void (*metrics)(void *context, FILE *out); /* more lines of Prometheus text */
};

/* Runs the service until SIGTERM or SIGINT. Returns what main() should: 0; 1 if it cannot start,
 * 2 for wrong flags. context is handed to every function of app. */
int webapp_main(const struct webapp *app, void *context, int argc, char **argv);

/* --- for handlers --- */

void webapp_answer_text(struct webapp_call *call, unsigned int status, const char *text);

/* Takes json and deletes it; NULL (no memory) becomes a 500. */
void webapp_answer_json(struct webapp_call *call, unsigned int status, cJSON *json);

/* {"error", "field", "hint"}: the latter two only where err has them. */
void webapp_answer_error(struct webapp_call *call, unsigned int status, const struct error *err);

/* One header more, cut to 63 characters; name must outlive the call. */
__attribute__((format(printf, 3, 4))) void
webapp_answer_header(struct webapp_call *call, const char *name, const char *format, ...);

/* A header of the request, or a parameter of its query; NULL: it has none. */
const char *webapp_header(struct webapp_call *call, const char *name);
const char *webapp_query(struct webapp_call *call, const char *name);

/* Does the client run on this host? */
bool webapp_from_this_host(struct webapp_call *call);

#endif
