/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_CURSOR_H
#define SLUICE_CURSOR_H

/* Reading a packet's headers one after the other; for every program here, so it needs no map. */
#include "compiler.h"

#define MAX_VLAN_TAGS       2
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_OFFSET_MASK    0x1fff
#define IPV4_PLAIN          0x45 /* how a header without options begins */

struct vlan_tag {
	__be16 tci;
	__be16 eth_proto;
};

/* The position that the next header is read at. */
struct cursor {
	void *at;
	void *end;
};

LB_INLINE struct cursor cursor_at_frame(struct xdp_md *ctx)
{
	return (struct cursor){(void *)(long)ctx->data, (void *)(long)ctx->data_end};
}

/* The next `size` bytes, or NULL if the packet is shorter; moves on behind them. */
LB_INLINE void *cursor_take(struct cursor *cursor, __u32 size)
{
	void *header = cursor->at;

	if (header + size > cursor->end)
		return NULL;
	if (!header) /* cannot be, which spares the callers a comparison */
		__builtin_unreachable();
	cursor->at = header + size;
	return header;
}

#endif
