/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_TCP_OPTIONS_H
#define SLUICE_TCP_OPTIONS_H

/* A TCP header's options (RFC 9293, 3.1; RFC 7323; RFC 2018), read from a copy of the header, where
 * every program can reach all of it. */
#include "compiler.h"

#define TCP_HEADER_MAX   60
#define TCP_OPTIONS_SEEN 12 /* that are looked at, padding counted: SYNs have up to nine */

enum tcp_option {
	TCP_OPTION_END = 0,
	TCP_OPTION_NOP = 1,
	TCP_OPTION_MSS = 2,
	TCP_OPTION_WSCALE = 3,
	TCP_OPTION_SACK_PERMITTED = 4,
	TCP_OPTION_SACK = 5,
	TCP_OPTION_TIMESTAMPS = 8,
};

struct tcp_copy {
	union {
		struct tcphdr tcp;
		__u8 raw[64]; /* zeros behind the header; a power of two, for the verifier */
		__be32 word[16];
	};
	__u32 length; /* of the header */
	/* What the options say; all zero at first. */
	__u32 tsval;
	__u32 tsecr;
	__u16 mss; /* 0: it is not there */
	__u8 wscale;
	__u8 has_wscale;
	__u8 has_sack;
	__u8 has_timestamps;
	/* Where in the header they are; 0: nowhere. */
	__u8 timestamps_at;
	__u8 sack_at;
};

#define TCP_COPY_MASK 63

LB_INLINE __u32 tcp_copy_word(const struct tcp_copy *copy, __u32 at)
{
	return (__u32)copy->raw[at & TCP_COPY_MASK] << 24 |
	       (__u32)copy->raw[(at + 1) & TCP_COPY_MASK] << 16 |
	       (__u32)copy->raw[(at + 2) & TCP_COPY_MASK] << 8 |
	       copy->raw[(at + 3) & TCP_COPY_MASK];
}

LB_INLINE void tcp_option_take(struct tcp_copy *copy, __u8 kind, __u8 length, __u32 at)
{
	if (kind == TCP_OPTION_MSS && length == 4) {
		copy->mss = tcp_copy_word(copy, at) & 0xffff;
	} else if (kind == TCP_OPTION_WSCALE && length == 3) {
		copy->wscale = copy->raw[(at + 2) & TCP_COPY_MASK];
		copy->has_wscale = true;
	} else if (kind == TCP_OPTION_SACK_PERMITTED && length == 2) {
		copy->has_sack = true;
	} else if (kind == TCP_OPTION_TIMESTAMPS && length == 10) {
		copy->tsval = tcp_copy_word(copy, at + 2);
		copy->tsecr = tcp_copy_word(copy, at + 6);
		copy->has_timestamps = true;
		copy->timestamps_at = at;
	} else if (kind == TCP_OPTION_SACK) {
		copy->sack_at = at;
	}
}

/* Reads the options, up to the first that contradicts the header's length. A function of its own,
 * for the verifier to take apart but once. */
__noinline int tcp_options_read(struct tcp_copy *copy)
{
	__u32 at = sizeof(struct tcphdr), end;
	__u8 kind, length;
	int i;

	if (!copy)
		return 0;
	end = copy->length < TCP_HEADER_MAX ? copy->length : TCP_HEADER_MAX;
	for (i = 0; i < TCP_OPTIONS_SEEN; i++) {
		at &= TCP_COPY_MASK;
		kind = copy->raw[at];
		length = copy->raw[(at + 1) & TCP_COPY_MASK];
		if (at >= end || kind == TCP_OPTION_END)
			break;
		if (kind == TCP_OPTION_NOP) {
			at++;
			continue;
		}
		if (length < 2 || at + length > end)
			break;
		tcp_option_take(copy, kind, length, at);
		at += length;
	}
	return 0;
}

#endif
