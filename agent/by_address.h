/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_BY_ADDRESS_H
#define SLUICE_BY_ADDRESS_H

/* Which backend indices stand for an address: several services may share a host. Pure. */
#include <stdint.h>

#include "parse.h"

struct by_address;

/* For indices 1 to largest. NULL: out of memory. */
struct by_address *by_address_new(uint32_t largest);
void by_address_free(struct by_address *index);

/* id must not be in it; remove of one that is not changes nothing. */
void by_address_add(struct by_address *index, const struct address *address, uint16_t id);
void by_address_remove(struct by_address *index, uint16_t id);

/* The ids of address: the first one, and the one after it; 0: none. */
uint16_t by_address_first(const struct by_address *index, const struct address *address);
uint16_t by_address_next(const struct by_address *index, uint16_t id);

#endif
