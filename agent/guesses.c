/* SPDX-License-Identifier: Apache-2.0 */
#include "guesses.h"

#include <stddef.h>
#include <string.h>

#define MINUTE_MS 60000

/* Whoever has one address of IPv6 has the /64. */
static struct prefix source_of(const struct address *address)
{
	struct prefix source = {.address = *address, .length = address_bits(address)};

	if (!address_is_ipv4(address)) {
		memset(&source.address.ip.s6_addr[8], 0, 8);
		source.length = 64;
	}
	return source;
}

/* Its place; GUESSES_SOURCES: none. */
static size_t find(const struct guesses *guesses, const struct prefix *source)
{
	size_t i = 0;

	while (i < GUESSES_SOURCES && !prefix_equal(&guesses->sources[i].source, source))
		i++;
	return i;
}

uint64_t guesses_wait(const struct guesses *guesses, const struct address *source, uint64_t now_ms)
{
	const struct prefix wanted = source_of(source);
	size_t place = find(guesses, &wanted);
	const struct guesser *guesser = &guesses->sources[place];

	if (place == GUESSES_SOURCES || guesser->wrong < GUESSES_PER_MINUTE ||
	    now_ms - guesser->since_ms >= MINUTE_MS)
		return 0;
	return MINUTE_MS - (now_ms - guesser->since_ms);
}

/* The source's place, or the one to give it: an empty one, else that which began earliest. */
static struct guesser *place_for(struct guesses *guesses, const struct prefix *source)
{
	size_t place = find(guesses, source), i;

	if (place < GUESSES_SOURCES)
		return &guesses->sources[place];
	for (i = 0, place = 0; i < GUESSES_SOURCES; i++) { /* an empty one has begun at 0 */
		if (guesses->sources[i].since_ms < guesses->sources[place].since_ms)
			place = i;
	}
	guesses->sources[place] = (struct guesser){.source = *source};
	return &guesses->sources[place];
}

void guesses_wrong(struct guesses *guesses, const struct address *source, uint64_t now_ms)
{
	const struct prefix wanted = source_of(source);
	struct guesser *guesser = place_for(guesses, &wanted);

	guesses->refused++;
	if (guesser->wrong == 0 || now_ms - guesser->since_ms >= MINUTE_MS) {
		guesser->since_ms = now_ms;
		guesser->wrong = 0;
	}
	guesser->wrong++;
}
