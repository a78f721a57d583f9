/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_DIGEST_H
#define SLUICE_DIGEST_H

/*
 * What balancers of a fleet are compared by: SHA-256 (GnuTLS's), of which the first 64 bits are
 * told. They are of what packets meet and in terms that all balancers share: addresses, never the
 * indices of one balancer. Pure but for the memory that GnuTLS takes.
 */
#include <stddef.h>
#include <stdint.h>

#include "desired.h"

#define DIGEST_TEXT_MAX 17

/* 16 hexadecimal digits. */
const char *digest_format(uint64_t digest, char text[DIGEST_TEXT_MAX]);

/* Of the flow hash's seed, which it does not give away: finding it takes 2^64 tries of a
 * millisecond each, or two. Takes that long. 0: GnuTLS will not. */
uint64_t digest_seed(uint64_t seed);

/* Who may own a slot. */
struct digest_owner {
	struct endpoint endpoint;
	uint16_t id; /* as in the slots, above 0 */
};

/*
 * Of a table of slots: their number, the seed's digest, and each slot's owner by address and port.
 * Two tables of one digest send every flow to the same backend. owners is sorted; those without a
 * slot do not count. ranks is scratch, with room for each id, and for 0. 0: GnuTLS will not.
 */
uint64_t digest_table(uint64_t seed_digest, struct digest_owner *owners, size_t count,
		      const uint16_t *slots, uint32_t size, uint16_t *ranks);

/* Of text. 0: GnuTLS will not. */
uint64_t digest_text(const char *text);

#endif
