/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FUZZ_PACKET_MUTATE_H
#define SLUICE_FUZZ_PACKET_MUTATE_H

/*
 * Changes inputs of packet_world.h so that they come further than random bytes: one packet at a
 * time, addressed to a VIP or as a reply to NAT's, with lengths and checksums that are right.
 */
#include "packet_world.h"

/* As LLVMFuzzerCustomMutator(). */
size_t packet_mutate(const struct test_case *world, uint8_t *data, size_t size, size_t room,
		     unsigned int seed);

#endif
