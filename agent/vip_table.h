/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_VIP_TABLE_H
#define SLUICE_VIP_TABLE_H

/*
 * The table of exact VIPs, filled while packets read it: bpf/vip_hash.h says how they find one. A
 * packet meets the former or the new VIP of a key, and none but where one is put first or removed.
 */
#include <stddef.h>
#include <stdint.h>

#include "abi.h"

struct vip_table;

/* Room for so many keys: slots, a power of two, of which a fourth is used at most; and groups. */
uint32_t vip_table_slots(uint32_t keys);
uint32_t vip_table_groups(uint32_t slots);
uint8_t vip_table_shift(uint32_t slots); /* 32 less the bits of a slot */

/* Over memory of so many slots and their groups, which must outlive it, and with what is in there.
 * NULL: out of memory. */
struct vip_table *vip_table_new(struct lb_vip_entry *entries, uint64_t *groups, uint32_t slots);
void vip_table_free(struct vip_table *table);

/* Replaces what the key has. 0; -ENOSPC: nothing is changed. */
int vip_table_put(struct vip_table *table, const struct lb_vip_key *key, const struct lb_vip *vip);

/* Of a key that is not there: nothing. */
void vip_table_remove(struct vip_table *table, const struct lb_vip_key *key);

/* NULL: there is none. Valid until the next put or removal. */
const struct lb_vip *vip_table_find(const struct vip_table *table, const struct lb_vip_key *key);

/* visit may remove the one it is shown, which is valid until then. */
void vip_table_each(struct vip_table *table,
		    void (*visit)(void *context, const struct lb_vip_key *key,
				  const struct lb_vip *vip),
		    void *context);

#endif
