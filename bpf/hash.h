/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_HASH_H
#define SLUICE_HASH_H

/*
 * The flow hash: NH (Black et al., UMAC, CRYPTO 1999) over the 5-tuple's 32-bit words with secret
 * keys, then MurmurHash3's 64-bit finalizer. NH is universal: for any two tuples the chance over
 * the keys that they collide is at most 2^-32, so nobody without the seed can aim at a bucket
 * whatever pairs of tuples he picks. The upper half is the fingerprint and picks the Maglev slot,
 * the lower half picks the bucket.
 */
#include "maps.h"
#include "packet.h"

LB_INLINE __u64 nh_pair(__u32 a, __u32 b, int key)
{
	return (__u64)(__u32)(a + lb_hash_key[key]) * (__u32)(b + lb_hash_key[key + 1]);
}

LB_INLINE __u64 hash_finish(__u64 h)
{
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdULL;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53ULL;
	return h ^ (h >> 33);
}

LB_INLINE __u64 flow_hash(const struct lb_tuple *tuple, bool is_ipv4)
{
	__u32 ports = (__u32)tuple->src_port << 16 | tuple->dst_port;
	__u64 h;

	h = nh_pair(tuple->src.word[3], ports, 0) + nh_pair(tuple->dst.word[3], tuple->l4_proto, 2);
	if (!is_ipv4)
		h += nh_pair(tuple->src.word[0], tuple->src.word[1], 4) +
		     nh_pair(tuple->dst.word[0], tuple->dst.word[1], 6) +
		     nh_pair(tuple->src.word[2], tuple->dst.word[2], 8);
	return hash_finish(h);
}

/* The same as a function of its own, for the sake of the caller's stack. */
__noinline __u64 flow_hash_apart(const struct lb_tuple *tuple, bool is_ipv4)
{
	return tuple ? flow_hash(tuple, is_ipv4) : 0;
}

/* Of the client's address alone, so that all its flows share a slot. */
LB_INLINE __u64 source_hash(const struct lb_tuple *tuple)
{
	const __be32 *word = tuple->src.word;

	return hash_finish(nh_pair(word[0], word[1], 4) + nh_pair(word[2], word[3], 8));
}

LB_INLINE __u64 port_hash(__be16 port)
{
	return hash_finish(nh_pair(port, 0, 0));
}

#endif
