/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_QUIC_STAGE_H
#define SLUICE_QUIC_STAGE_H

/*
 * QUIC connections outlive their client's address. A server that names itself in the connection
 * IDs it hands out (QUIC-LB, draft-ietf-quic-load-balancers, plaintext CIDs) keeps them: a packet
 * with a short header (RFC 9000, 17.3) goes to the server that its ID names. Handshakes, whose
 * long headers may carry IDs of the client's making, and IDs that name nobody go by the flow
 * table.
 */
#include "backend.h"
#include "maps.h"
#include "packet.h"

#define QUIC_LONG_HEADER    0x80
#define QUIC_FIXED_BIT      0x40
/* The ID's first octet: how it was made; no server can be read from it (draft, 3.1). */
#define QUIC_CID_UNROUTABLE 0xe0

struct quic_short_header {
	struct udphdr udp;
	__u8 first;
	__u8 cid_first;
	__u8 server_id[LB_QUIC_ID_MAX]; /* and what follows it, if it is shorter */
};

/*
 * The backend that the connection ID of the UDP datagram at `offset` in the frame names; 0: none.
 * A function of its own, for the sake of the callers' stack.
 */
__noinline int quic_server(struct xdp_md *ctx, __u32 offset, __u32 service_id, __u32 length)
{
	struct lb_quic_key key = {.service = service_id, .length = length};
	struct quic_short_header *quic = (void *)(long)ctx->data + (offset & 0xff);
	__u32 *id;
	int i;

	if ((void *)(quic + 1) > (void *)(long)ctx->data_end)
		return 0;
	if ((quic->first & (QUIC_LONG_HEADER | QUIC_FIXED_BIT)) != QUIC_FIXED_BIT ||
	    (quic->cid_first & QUIC_CID_UNROUTABLE) == QUIC_CID_UNROUTABLE)
		return 0;
#pragma unroll
	for (i = 0; i < LB_QUIC_ID_MAX; i++)
		key.id[i] = (__u32)i < length ? quic->server_id[i] : 0;
	id = bpf_map_lookup_elem(&quic_servers, &key);
	return id ? *id : 0;
}

/* The backend that the packet's connection ID names, into d. False: none that is up. */
LB_INLINE bool quic_find(struct xdp_md *ctx, const struct packet *pkt, struct decision *d)
{
	__u8 length = d->service->quic_id_length;
	struct lb_backend *backend;
	__u16 id;

	if (!length || pkt->l4_proto != IPPROTO_UDP || !is_kind(pkt, LB_WHOLE))
		return false;
	id = quic_server(ctx, pkt->l3_offset + pkt->l4_offset, d->service_id, length);
	backend = backend_alive(id);
	if (!backend || backend->service != d->service_id)
		return false;
	d->backend = backend;
	d->backend_id = id;
	return true;
}

#endif
