/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_FRAGMENT_STAGE_H
#define SLUICE_FRAGMENT_STAGE_H

/*
 * Fragments: only the first has ports. It leaves a note by which the others find the same
 * backend. One that comes before its first, or too late, is the host's: nobody can tell whether
 * it was for a service.
 */
#include "maps.h"
#include "packet.h"

#define LB_FRAGMENT_COARSE_TICKS 30 /* as long as Linux waits for the rest of a packet */

LB_INLINE __u32 fragment_clock(void)
{
	return bpf_jiffies64() >> lb_coarse_tick_shift;
}

LB_INLINE void fragment_key_init(struct lb_fragment_key *key, const struct lb_tuple *tuple,
				 __u32 id, __u32 l4_proto)
{
	key->src = tuple->src;
	key->dst = tuple->dst;
	key->id = id;
	key->l4_proto = l4_proto;
}

/* Looks the note up: its ports and protocol into tuple. Returns its backend; negative: there is
 * none. Functions of their own, for the sake of the callers' stack. */
__noinline int fragment_find(struct lb_tuple *tuple, __u32 id, __u32 l4_proto, __u32 coarse_tick)
{
	struct lb_fragment_key key = {};
	struct lb_fragment *note;

	if (!tuple)
		return -1;
	fragment_key_init(&key, tuple, id, l4_proto);
	note = bpf_map_lookup_elem(&fragments, &key);
	if (!note || coarse_tick - note->coarse_tick > LB_FRAGMENT_COARSE_TICKS)
		return -1;
	tuple->src_port = note->src_port;
	tuple->dst_port = note->dst_port;
	tuple->l4_proto = note->l4_proto;
	return note->backend;
}

__noinline int fragment_enter(const struct lb_tuple *tuple, __u32 id, __u32 l4_proto,
			      __u32 coarse_tick, __u32 backend)
{
	struct lb_fragment_key key = {};
	struct lb_fragment note = {.coarse_tick = coarse_tick, .backend = backend};

	if (!tuple)
		return -1;
	fragment_key_init(&key, tuple, id, l4_proto);
	note.src_port = tuple->src_port;
	note.dst_port = tuple->dst_port;
	note.l4_proto = tuple->l4_proto;
	return bpf_map_update_elem(&fragments, &key, &note, BPF_ANY);
}

__noinline int fragment_remove(const struct lb_tuple *tuple, __u32 id, __u32 l4_proto)
{
	struct lb_fragment_key key = {};

	if (!tuple)
		return -1;
	fragment_key_init(&key, tuple, id, l4_proto);
	return bpf_map_delete_elem(&fragments, &key);
}

/* A first fragment is the host's: so are those that follow, though a packet of ours had its ID. */
LB_INLINE void fragment_forget(const struct packet *pkt)
{
	fragment_remove(pkt->tuple, pkt->fragment_id, pkt->fragment_proto);
}

/* Gives a following fragment the ports and the backend of its first. False: there is no note. */
LB_INLINE bool fragment_recall(struct packet *pkt, struct decision *d)
{
	int backend =
		fragment_find(pkt->tuple, pkt->fragment_id, pkt->fragment_proto, fragment_clock());

	if (backend < 0)
		return false;
	pkt->l4_proto = pkt->tuple->l4_proto;
	d->backend_id = backend;
	return true;
}

/* After a first fragment's backend is chosen, or its translation back is found. */
LB_INLINE void fragment_note(const struct packet *pkt, const struct decision *d)
{
	fragment_enter(pkt->tuple, pkt->fragment_id, pkt->fragment_proto, fragment_clock(),
		       d->backend_id);
}

#endif
