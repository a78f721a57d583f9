/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_SIPHASH_H
#define SLUICE_SIPHASH_H

/* SipHash-2-4 of whole 64-bit words (Aumasson and Bernstein, "SipHash: a fast short-input PRF",
 * INDOCRYPT 2012): a MAC that costs about as much as a cache miss. */
#include "abi.h"
#include "compiler.h"

#define SIPHASH_ROTATE(x, bits) ((x) << (bits) | (x) >> (64 - (bits)))

LB_INLINE void siphash_rounds(__u64 v[4], int count)
{
	int i;

#pragma unroll
	for (i = 0; i < count; i++) {
		v[0] += v[1];
		v[1] = SIPHASH_ROTATE(v[1], 13) ^ v[0];
		v[0] = SIPHASH_ROTATE(v[0], 32);
		v[2] += v[3];
		v[3] = SIPHASH_ROTATE(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = SIPHASH_ROTATE(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = SIPHASH_ROTATE(v[1], 17) ^ v[2];
		v[2] = SIPHASH_ROTATE(v[2], 32);
	}
}

/* count is constant. */
LB_INLINE __u64 siphash(const struct lb_cookie_key *key, const __u64 *words, int count)
{
	__u64 v[4] = {
		key->word[0] ^ 0x736f6d6570736575ULL,
		key->word[1] ^ 0x646f72616e646f6dULL,
		key->word[0] ^ 0x6c7967656e657261ULL,
		key->word[1] ^ 0x7465646279746573ULL,
	};
	int i;

#pragma unroll
	for (i = 0; i <= count; i++) {
		__u64 word = i < count ? words[i] : (__u64)count * 8 << 56;

		v[3] ^= word;
		siphash_rounds(v, 2);
		v[0] ^= word;
	}
	v[2] ^= 0xff;
	siphash_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
