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

static const struct guesser *find(const struct guesses *guesses, const struct prefix *source)
{
	size_t i;

	for (i = 0; i < GUESSES_SOURCES; i++) {
		if (prefix_equal(&guesses->sources[i].source, source))
			return &guesses->sources[i];
	}
	return NULL;
}

uint64_t guesses_wait(const struct guesses *guesses, const struct address *source, uint64_t now_ms)
{
	const struct prefix wanted = source_of(source);
	const struct guesser *guesser = find(guesses, &wanted);

	if (!guesser || guesser->wrong < GUESSES_PER_MINUTE ||
	    now_ms - guesser->since_ms >= MINUTE_MS)
		return 0;
	return MINUTE_MS - (now_ms - guesser->since_ms);
}

/* The source's place, or the one to give it: an empty one, else that which began earliest. */
static struct guesser *place_for(struct guesses *guesses, const struct prefix *source)
{
	struct guesser *place = &guesses->sources[0];
	const struct guesser *known = find(guesses, source);
	size_t i;

	if (known)
		return &guesses->sources[known - guesses->sources];
	for (i = 0; i < GUESSES_SOURCES && place->source.length; i++) {
		if (guesses->sources[i].source.length == 0 ||
		    guesses->sources[i].since_ms < place->since_ms)
			place = &guesses->sources[i];
	}
	*place = (struct guesser){.source = *source};
	return place;
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
