/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_CHANCE_H
#define SLUICE_CHANCE_H

/*
 * The second chance of a flow that another balancer has sent here: of services that ask for it, a
 * packet tells its backend who else may know the flow, because he owned its slot before, or does
 * now. Who has no socket for it sends it on to them (decap_chance.h).
 *
 * Whole segments of TCP only, behind headers without options: the others cannot be told from those
 * of a new flow, or not by one packet alone.
 */
#include "backend.h"
#include "gue.h"
#include "packet.h"
#include "schedule.h"

/* Backends besides the packet's own are one word, which needs no place on the stack: who is to be
 * asked first is in the lower half, the second in the upper; 0: nobody. */
#define CHANCE_SECOND_SHIFT 16
#define CHANCE_FIRST_MASK   0xffffU

/* May the packet be of a flow that began elsewhere, and is it to be told so? The balancer's SYN
 * cookies, by which flows begin without a SYN, do not go together with second chances. */
LB_INLINE bool is_given_chance(const struct packet *pkt, const struct decision *d)
{
	return pkt->class == LB_CLASS_TCP && d->service->flags & LB_SERVICE_CHANCE && !is_syn(pkt);
}

/* Bytes that the packet's headers grow by. */
LB_INLINE __u32 chance_length(__u32 others, bool is_ipv6)
{
	__u32 address = is_ipv6 ? sizeof(struct lb_addr) : sizeof(__be32);

	if (!others)
		return 0;
	return sizeof(struct gue_chance) + (others >> CHANCE_SECOND_SHIFT ? 2 : 1) * address;
}

/* One more, if there is room, it is there, and it can be told to this backend. */
LB_INLINE __u32 chance_add(__u32 others, __u32 id, __u32 backend_id,
			   const struct lb_backend *backend)
{
	struct lb_backend *other;

	if (!id || id == backend_id || id == others || others >> CHANCE_SECOND_SHIFT)
		return others;
	other = backend_alive(id);
	if (!other || other->service != backend->service || other->is_ipv6 != backend->is_ipv6 ||
	    READ_ONCE(other->hop.flags) & LB_BACKEND_LOCAL)
		return others;
	return others ? others | id << CHANCE_SECOND_SHIFT : id;
}

/* Who else may have a flow of this hash that goes to this backend. A function of its own, which
 * most packets have no need of. */
__noinline __u32 chance_find(const struct lb_service *service, const struct lb_backend *backend,
			     __u32 backend_id, __u64 hash)
{
	__u32 slot = slot_of(hash >> 32);
	struct lb_tables tables;
	__u32 others = 0;

	if (!service || !backend)
		return 0;
	tables = tables_read(service);
	others = chance_add(others, slot_read(tables.current, slot), backend_id, backend);
	others = chance_add(others, slot_read(READ_ONCE(service->earlier[0]), slot), backend_id,
			    backend);
	others = chance_add(others, slot_read(READ_ONCE(service->earlier[1]), slot), backend_id,
			    backend);
	others = chance_add(others, slot_read(tables.former, slot), backend_id, backend);
	return others;
}

LB_INLINE void chance_write_address(__be32 *place, __u32 id, bool is_ipv6)
{
	struct lb_backend *backend = bpf_map_lookup_elem(&backends, &id);

	if (!backend)
		return; /* cannot be: it was there */
	if (is_ipv6)
		__builtin_memcpy(place, &backend->addr, sizeof(backend->addr));
	else
		*place = backend->addr.word[3];
}

/* Tells of them in GUE's header at `gue`, which has chance_length() bytes of room behind it. */
LB_INLINE void chance_write(struct gue_header *gue, const void *end, __u32 others, bool is_ipv6)
{
	struct gue_chance *chance = (struct gue_chance *)(gue + 1);
	__u32 step = is_ipv6 ? sizeof(struct lb_addr) / sizeof(__be32) : 1;
	__be32 *address = (__be32 *)(chance + 1);

	if ((const void *)(address + 2 * sizeof(struct lb_addr) / sizeof(__be32)) > end)
		return; /* cannot be: the inner packet follows */
	*chance = (struct gue_chance){
		.kind = bpf_htons(GUE_CHANCE),
		.left = others >> CHANCE_SECOND_SHIFT ? 2 : 1,
	};
	if (others >> CHANCE_SECOND_SHIFT) {
		chance_write_address(address, others >> CHANCE_SECOND_SHIFT, is_ipv6);
		address += step;
	}
	chance_write_address(address, others & CHANCE_FIRST_MASK, is_ipv6);
}

#endif
