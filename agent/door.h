/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_DOOR_H
#define SLUICE_DOOR_H

/*
 * Who may do what by which of the API's doors, decided when a request's head is here and before
 * its body is taken in. By the Unix socket everything: its file's mode and group have decided who
 * comes in. By TCP who holds a token may change and look into packets, and everybody may read the
 * rest, but all of them together for no more than a quarter of the loop's time: a large state takes
 * milliseconds to write down, and checks must not wait for that.
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

#define READING_SHARE    4          /* one part in these of the loop's time is for reading by TCP */
#define READING_BURST_NS 60000000LL /* at most at once, but for the last answer's overrun */

struct door {
	bool local;            /* the Unix socket */
	struct tokens *tokens; /* TCP; NULL: nobody may change anything. Not owned. */
	struct guesses guesses;
	int64_t reading_ns;  /* what is left of the time for reading */
	uint64_t reading_ms; /* when that was reckoned; 0: never yet */
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

/* How long it took to answer what was let in: processor time of the loop's thread, for what others
 * have made it wait is not the readers' doing. */
void door_spent(struct door *door, uint64_t ns);

/* Reads the token file again if it has changed, and logs what came of it. */
void door_refresh(struct door *door);

#endif
