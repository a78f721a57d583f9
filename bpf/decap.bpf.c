// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * lb_decap: on a backend's host, takes off the headers that the balancer has put before packets
 * for the VIPs, and lets the host's stack have what was inside. Every other packet is passed as
 * it came.
 *
 *   outer -> inner -> vip -> source -> chance -> ecn -> bare
 *
 * The inner packet keeps its DSCP (uniform model, RFC 2983: the balancer has only copied it) and
 * its hop limit; congestion marks are taken over from the outer header (RFC 6040).
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "decap_abi.h"
#include "decap_chance.h"
#include "decap_inner.h"
#include "decap_maps.h"
#include "decap_outer.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

LB_INLINE __u32 frame_length(struct xdp_md *ctx)
{
	__u64 length = (void *)(long)ctx->data_end - (void *)(long)ctx->data;

	/* Or clang takes the lower halves of the pointers and spills them, which no verifier up to
	 * Linux 6.18 lets through. */
	asm volatile("" : "+r"(length));
	return decap_frags ? bpf_xdp_get_buff_len(ctx) : length;
}

LB_INLINE bool is_for_vip(struct inner *inner)
{
	inner->dst.length = sizeof(inner->dst.addr) * 8;
	return !inner->mapped && bpf_map_lookup_elem(&decap_vips, &inner->dst);
}

LB_INLINE bool is_source_refused(struct outer *outer, const struct decap_config *config)
{
	outer->source.length = sizeof(outer->source.addr) * 8;
	return config->flags & DECAP_FROM && !bpf_map_lookup_elem(&decap_sources, &outer->source);
}

LB_INLINE bool has_chance(struct xdp_md *ctx, const struct decap_config *config,
			  const struct outer *outer, struct cursor *cursor,
			  const struct inner *inner)
{
	return outer->chances && config->flags & DECAP_CHANCE &&
	       chance_is_strange(ctx, cursor, inner);
}

/* *ret_code is set where the outcome alone does not say it. */
LB_INLINE enum decap_outcome decap(struct xdp_md *ctx, const struct decap_config *config,
				   __u32 length, int *ret_code)
{
	struct cursor cursor = cursor_at_frame(ctx);
	struct outer outer = {};
	struct inner inner = {};
	enum decap_outcome outcome = outer_take(&cursor, &outer, config, length);
	int ecn;

	if (outcome != DECAP_DECAPSULATED)
		return outcome;
	if (!inner_take(&cursor, &inner, &outer))
		return DECAP_MALFORMED;
	if (!is_for_vip(&inner))
		return DECAP_NOT_VIP;
	if (is_source_refused(&outer, config))
		return DECAP_SOURCE_REFUSED;
	if (has_chance(ctx, config, &outer, &cursor, &inner)) {
		*ret_code = chance_send_on(ctx, &outer);
		if (*ret_code >= 0)
			return DECAP_SENT_ON;
	}
	ecn = ecn_combine(inner.ecn, outer.ecn);
	if (ecn < 0)
		return DECAP_ECN_DROP;
	return inner_bare(ctx, &outer, &inner, ecn) ? DECAP_DECAPSULATED : DECAP_MALFORMED;
}

LB_INLINE int code_of(enum decap_outcome outcome)
{
	switch (outcome) {
#define X(name, label, class, text)                                                                \
	case DECAP_##name:                                                                         \
		return XDP_##class;
		DECAP_OUTCOMES(X)
#undef X
	default:
		return XDP_PASS;
	}
}

SEC("xdp")
int lb_decap(struct xdp_md *ctx)
{
	enum decap_outcome outcome = DECAP_FOREIGN;
	const struct decap_config *config;
	__u32 key = 0, length = frame_length(ctx);
	struct lb_traffic *traffic;
	int code = XDP_PASS;

	config = bpf_map_lookup_elem(&decap_config, &key);
	if (config)
		outcome = decap(ctx, config, length, &code);
	key = outcome;
	traffic = bpf_map_lookup_elem(&decap_stats, &key);
	if (traffic) {
		traffic->packets++;
		traffic->bytes += length;
	}
	return outcome == DECAP_SENT_ON ? code : code_of(outcome);
}
