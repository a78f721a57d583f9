/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_GUESSES_H
#define SLUICE_GUESSES_H

/*
 * Wrong tokens by source, so that guessing is slow and fills no log: an address (of IPv6, a /64)
 * that was wrong ten times within a minute is not heard until that minute is over. The sources that
 * are watched are bounded: the one that began earliest is forgotten. Pure; time is passed in.
 */
#include <stdint.h>

#include "parse.h"

#define GUESSES_PER_MINUTE 10
#define GUESSES_SOURCES    64

struct guesses {
	struct guesser {
		struct prefix source; /* length 0: none */
		uint64_t since_ms;    /* of its first wrong token in this minute */
		uint32_t wrong;
	} sources[GUESSES_SOURCES];
	uint64_t refused; /* tokens, of all times */
};

/* How many milliseconds the source must wait before it is heard; 0: none. */
uint64_t guesses_wait(const struct guesses *guesses, const struct address *source, uint64_t now_ms);

/* Notes a wrong token. */
void guesses_wrong(struct guesses *guesses, const struct address *source, uint64_t now_ms);

#endif
