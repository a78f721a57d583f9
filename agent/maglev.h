/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_MAGLEV_H
#define SLUICE_MAGLEV_H

/*
 * Maglev consistent hashing (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load
 * Balancer", NSDI 2016, section 3.4), with weights.
 *
 * Weighted: backend i gets a quota of slots by largest remainder of size * weight_i / sum, ties
 * by rank, so shares are the exact ratio of weights to within one slot. Turns are taken by the
 * paper's algorithm in rounds: each round earns a backend weight_i / heaviest weight of a turn,
 * and it takes what it has in full while its quota lasts. There are as many rounds as the
 * heaviest has slots; the last one also plays whatever quota is left.
 *
 * The result depends on the set of (key, weight) and size only, not on their order: backends are
 * ranked by key. Pure; deterministic on every machine.
 */
#include <stddef.h>
#include <stdint.h>

struct maglev_backend {
	uint64_t key;    /* stable identity: a hash of address and port; unique in one table */
	uint32_t weight; /* 0: gets no slot */
	uint16_t id;     /* what is written into its slots; never 0 */
};

/*
 * Fills slots[0..size). size must be prime and greater than 1. With no backend of weight above 0
 * every slot is 0. Returns 0; -EINVAL if size is no prime, or, among the backends with weight,
 * there are more than slots, two of one key, or one of id 0; -ENOMEM. slots is untouched on
 * failure.
 */
int maglev_build(const struct maglev_backend *backends, size_t count, uint16_t *slots,
		 uint32_t size);

/* One backend's wishes: slots offset, offset + skip, offset + 2 * skip, ... modulo size. */
struct maglev_permutation {
	uint32_t offset; /* below size */
	uint32_t skip;   /* 1 to size - 1 */
	uint32_t weight; /* above 0 */
	uint16_t id;
};

/*
 * The bare algorithm on given permutations, in the order given; maglev_build() ranks backends,
 * derives their permutations from their keys and ends here. size is prime, count is 1 to size.
 * Returns 0, or -ENOMEM with slots untouched.
 */
int maglev_populate(const struct maglev_permutation *permutations, size_t count, uint16_t *slots,
		    uint32_t size);

/* 64-bit FNV-1a over bytes, finished by MurmurHash3's 64-bit mixer: maglev_backend.key. */
uint64_t maglev_key(const void *bytes, size_t length);

#endif
