/* SPDX-License-Identifier: Apache-2.0 */
#include "digest.h"

#include <arpa/inet.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED_ROUNDS 4096
#define CHUNK       2048 /* slots that are turned into bytes at once */

/* What a digest is of comes first, so that none can be taken for another. */
static const char table_head[] = "sluice table 1", text_head[] = "sluice text 1",
		  seed_head[] = "sluice seed 1";

const char *digest_format(uint64_t digest, char text[DIGEST_TEXT_MAX])
{
	snprintf(text, DIGEST_TEXT_MAX, "%016" PRIx64, digest);
	return text;
}

/* The first 64 bits as a number; 0 stands for none. */
static uint64_t first_bits(const uint8_t *hash)
{
	uint64_t digest = 0;
	size_t i;

	for (i = 0; i < sizeof(digest); i++)
		digest = digest << 8 | hash[i];
	return digest ?: 1;
}

static void put_big(uint8_t *bytes, uint64_t value, size_t size)
{
	while (size--) {
		bytes[size] = (uint8_t)value;
		value >>= 8;
	}
}

uint64_t digest_seed(uint64_t seed)
{
	uint8_t bytes[sizeof(seed)], salt[sizeof(seed_head)], hash[8];
	const gnutls_datum_t key = {bytes, sizeof(bytes)}, with = {salt, sizeof(salt) - 1};
	int error;

	put_big(bytes, seed, sizeof(bytes));
	memcpy(salt, seed_head, sizeof(salt));
	error = gnutls_pbkdf2(GNUTLS_MAC_SHA256, &key, &with, SEED_ROUNDS, hash, sizeof(hash));
	gnutls_memset(bytes, 0, sizeof(bytes));
	return error ? 0 : first_bits(hash);
}

/* NULL: GnuTLS will not. */
static gnutls_hash_hd_t begin(const char *head, size_t length)
{
	gnutls_hash_hd_t hash = NULL;

	if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256))
		return NULL;
	if (gnutls_hash(hash, head, length) == 0)
		return hash;
	gnutls_hash_deinit(hash, NULL);
	return NULL;
}

static uint64_t end(gnutls_hash_hd_t hash, bool whole)
{
	uint8_t bits[32];

	gnutls_hash_deinit(hash, bits);
	return whole ? first_bits(bits) : 0;
}

uint64_t digest_text(const char *text)
{
	gnutls_hash_hd_t hash = begin(text_head, sizeof(text_head));

	return hash ? end(hash, gnutls_hash(hash, text, strlen(text)) == 0) : 0;
}

/* --- tables --- */

static int compare(const void *a, const void *b)
{
	const struct digest_owner *left = a, *right = b;

	return endpoint_order(&left->endpoint, &right->endpoint);
}

/* Ranks of those who own a slot, from 1, and how many they are; of all others 0. */
static uint16_t rank(const struct digest_owner *owners, size_t count, const uint16_t *slots,
		     uint32_t size, uint16_t *ranks)
{
	uint16_t last = 0;
	uint32_t slot;
	size_t i;

	for (i = 0; i < count; i++)
		ranks[owners[i].id] = 0;
	for (slot = 0; slot < size; slot++)
		ranks[slots[slot]] = 1;
	ranks[0] = 0;
	for (i = 0; i < count; i++) {
		if (ranks[owners[i].id])
			ranks[owners[i].id] = ++last;
	}
	return last;
}

static bool add_owners(gnutls_hash_hd_t hash, const struct digest_owner *owners, size_t count,
		       const uint16_t *ranks)
{
	uint8_t bytes[sizeof(struct in6_addr) + 2];
	bool whole = true;
	size_t i;

	for (i = 0; whole && i < count; i++) {
		if (!ranks[owners[i].id])
			continue;
		memcpy(bytes, &owners[i].endpoint.address.ip, sizeof(struct in6_addr));
		put_big(bytes + sizeof(struct in6_addr), owners[i].endpoint.port, 2);
		whole = gnutls_hash(hash, bytes, sizeof(bytes)) == 0;
	}
	return whole;
}

static bool add_slots(gnutls_hash_hd_t hash, const uint16_t *slots, uint32_t size,
		      const uint16_t *ranks)
{
	uint16_t chunk[CHUNK];
	uint32_t slot, count;
	bool whole = true;

	for (slot = 0; whole && slot < size; slot += count) {
		for (count = 0; count < CHUNK && slot + count < size; count++)
			chunk[count] = htons(ranks[slots[slot + count]]);
		whole = gnutls_hash(hash, chunk, count * sizeof(*chunk)) == 0;
	}
	return whole;
}

uint64_t digest_table(uint64_t seed_digest, struct digest_owner *owners, size_t count,
		      const uint16_t *slots, uint32_t size, uint16_t *ranks)
{
	gnutls_hash_hd_t hash = begin(table_head, sizeof(table_head));
	uint8_t head[14];
	uint16_t owning;

	if (!hash)
		return 0;
	if (count > 1)
		qsort(owners, count, sizeof(*owners), compare);
	owning = rank(owners, count, slots, size, ranks);
	put_big(head, seed_digest, 8);
	put_big(head + 8, size, 4);
	put_big(head + 12, owning, 2);
	return end(hash, gnutls_hash(hash, head, sizeof(head)) == 0 &&
				 add_owners(hash, owners, count, ranks) &&
				 add_slots(hash, slots, size, ranks));
}
