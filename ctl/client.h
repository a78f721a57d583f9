/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CTL_CLIENT_H
#define SLUICE_CTL_CLIENT_H

/*
 * The agent's HTTP API (docs/api.md) as one call: a request goes out, a JSON document or an
 * error in the agent's own words comes back.
 */
#include <cjson/cJSON.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#define CLIENT_TIMEOUT_MS 10000L

struct client;

/* socket: path of the Unix socket; NULL for the one that SLUICE_SOCKET names, else for the
 * agent's default. url, if not NULL, is used instead. Both are copied. Nothing is sent yet.
 * NULL: out of memory. */
struct client *client_new(const char *socket, const char *url, long timeout_ms);
void client_free(struct client *client);

/* Changes by a URL show the first token of this file, read when the first of them is sent; NULL:
 * of the one that SLUICE_TOKEN_FILE names, if any. Paths are not copied. */
void client_use_token_file(struct client *client, const char *path);

/* Whom https:// URLs trust: PEM certificates. NULL: the system's. Not copied. */
void client_use_ca(struct client *client, const char *path);

/* Changes are refused unless this is the agent's generation. Each that is made moves it on to
 * what the agent answers, so that a row of changes is refused when somebody else comes between. */
void client_if_generation(struct client *client, uint64_t generation);

/* Makes the changes that follow whatever the generation: something else tells what they are for. */
void client_any_generation(struct client *client);

struct request {
	const char *method;
	const char *path[5];   /* segments below /v1, not encoded, ended by NULL */
	const char *query[21]; /* key, value, ..., ended by NULL */
	const cJSON *body;     /* NULL: none */
	bool with_token;       /* by a URL, although it changes nothing */
};

/*
 * Sends request and waits. 0: the agent did it, *ret_answer is a JSON object and the caller's.
 * -ENOENT: it knows no such thing; -EREMOTEIO: it refused; -EINVAL: path cannot be sent; any
 * other: it was not reached, or what came back is no answer. err is filled.
 */
int client_call(struct client *client, const struct request *request, cJSON **ret_answer,
		struct error *err);

/* Takes one line of a stream, without its end, with a NUL behind it. False ends the stream. */
typedef bool (*client_take)(void *context, const char *line);

/*
 * Sends request and hands over the lines of a stream of server-sent events as they come.
 * last_event_id, if not NULL, is where to go on from. 0: take ended it. -ECONNRESET: it ended
 * otherwise, or nothing came for CLIENT_SILENCE_S; other errors as of client_call().
 */
#define CLIENT_SILENCE_S 30L
int client_stream(struct client *client, const struct request *request, const char *last_event_id,
		  client_take take, void *context, struct error *err);

/* Takes bytes of an answer. Negative errno with err filled ends it, and so does 1, which is no
 * error. */
typedef int (*client_take_bytes)(void *context, const void *bytes, size_t length,
				 struct error *err);

/*
 * Sends request and hands over its answer as it comes, for as long as *stop, which a signal may
 * set, is 0. 0: it has ended, or was ended by take or *stop. Else what take said, -ECONNRESET: the
 * agent has gone, or errors as of client_call().
 */
int client_download(struct client *client, const struct request *request, client_take_bytes take,
		    void *context, const volatile sig_atomic_t *stop, struct error *err);

#endif
