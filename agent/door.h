/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_DOOR_H
#define SLUICE_DOOR_H

/*
 * Who may do what by which of the API's doors, decided when a request's head is here and before
 * its body is taken in. By the Unix socket everything: its file's mode and group have decided who
 * comes in. By TCP everybody may read, and who holds a token may change.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "guesses.h"
#include "parse.h"
#include "peer.h"
#include "tokens.h"

#define BODY_MAX        (1u << 20)
#define BODY_MAX_CONFIG (16u << 20) /* a whole configuration, in PUT /v1/config */

struct door {
	bool local;            /* the Unix socket */
	struct tokens *tokens; /* TCP; NULL: nobody may change anything. Not owned. */
	struct guesses guesses;
};

/* A request's head. */
struct door_visit {
	const char *method;
	const char *path;
	const char *authorization; /* the header's value; NULL: none */
	const char *peer;          /* as peer_describe() says */
	struct address source;     /* TCP only */
};

struct door_verdict {
	unsigned int status;      /* 0: come in; else 401, 403 or 429, and err says why */
	unsigned int retry_s;     /* of 429 */
	size_t body_max;          /* larger ones are refused; 0: none is wanted */
	char peer[PEER_TEXT_MAX]; /* with the token's holder, if one was shown */
	struct error err;
};

/* Logs wrong tokens (who, not what), and a token file that cannot be read any more. */
void door_ask(struct door *door, const struct door_visit *visit, uint64_t now_ms,
	      struct door_verdict *ret_verdict);

/* Reads the token file again if it has changed, and logs what came of it. */
void door_refresh(struct door *door);

#endif
