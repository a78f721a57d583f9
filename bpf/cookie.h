/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_COOKIE_H
#define SLUICE_COOKIE_H

/*
 * SYN cookies (RFC 4987, 3.6): an answer to a SYN that leaves nothing behind. What is to be known
 * of the connection is in the answer's sequence number, and comes back with the client's ACK:
 *
 *   period:2  mss:3  mac:27
 *
 * period counts COOKIE_PERIOD_SHIFT of wall clock time, mss is an index into COOKIE_MSS, and mac is
 * SipHash-2-4 of addresses, ports, the client's sequence number, the whole period, mss and the
 * client's options. Who does not see the answer has to guess: one ACK in 2^27 is let in.
 *
 * Options do not fit there. As Linux does it, they are in the lowest bits of the answer's timestamp
 * (RFC 7323), which the client echoes: window scale in four (15: none), selective acknowledgements
 * in one, ECN in one. A client without timestamps goes without those, too.
 *
 * Made by the balancer, found good by the balancer and again by the backend, which knows the same
 * keys and about the same time, and nothing else: so neither needs to ask the other. The kernel's
 * own cookies (bpf_tcp_raw_gen_syncookie_ipv4() and others) will not do: their secret is the host's
 * own, made at boot, and no other host can know it.
 *
 * A cookie is good in the period after the one that it was made in, so for 69 to 137 s, and in the
 * one before, for clocks do not agree to the second. So keys may change at any time, as long as the
 * former is kept for two periods.
 *
 * For the balancer and the backend alike, so it needs no map and no packet.
 */
#include "siphash.h"
#include "tcp_options.h"

#define COOKIE_PERIOD_SHIFT 36 /* ns: 68.7 s */
#define COOKIE_WSCALE       7  /* what the answer says of the backend's window: up to 8 MiB */
#define COOKIE_MAC_BITS     27
#define COOKIE_MAC_MASK     ((1U << COOKIE_MAC_BITS) - 1)
#define COOKIE_MSS_MASK     7U
#define COOKIE_MSS_SHIFT    COOKIE_MAC_BITS
#define COOKIE_TIME_SHIFT   30

/* The segments that a client may be sent: the longest that is not longer than it asks for. Those of
 * the common link types and tunnels, for either family. */
#define COOKIE_MSS(X) X(536) X(1220) X(1300) X(1380) X(1400) X(1440) X(1460) X(8940)

enum cookie_options {
	COOKIE_NO_WSCALE = 15,
	COOKIE_SACK = 1 << 4,
	COOKIE_ECN = 1 << 5,
	COOKIE_OPTIONS_MASK = 63,
	COOKIE_NO_OPTIONS = COOKIE_NO_WSCALE,
};

/* What a cookie speaks for. */
struct cookie {
	struct lb_addr client;
	struct lb_addr vip;
	__be16 client_port;
	__be16 vip_port;
	__u32 isn; /* the client's first sequence number */
	__u32 period;
	__u8 mss; /* index */
	__u8 options;
	__u8 pad[2];
};

#define COOKIE_WORDS 6
_Static_assert(sizeof(struct cookie) == COOKIE_WORDS * 8, "whole words, and no hole");

/* A function of its own, for the sake of the callers' stack. */
__noinline __u64 cookie_mac(const struct lb_cookie_key *key, const struct cookie *cookie)
{
	return key && cookie ? siphash(key, (const __u64 *)cookie, COOKIE_WORDS) : 0;
}

LB_INLINE bool cookie_key_is_set(const struct lb_cookie_key *key)
{
	return key->word[0] | key->word[1];
}

LB_INLINE __u32 cookie_value(const struct lb_cookie_key *key, const struct cookie *cookie)
{
	return cookie->period << COOKIE_TIME_SHIFT | (__u32)cookie->mss << COOKIE_MSS_SHIFT |
	       (cookie_mac(key, cookie) & COOKIE_MAC_MASK);
}

/* Did we, or who knows our keys, make this value lately? All but period and mss are to be filled
 * in, which the value says. `now` is the period that it is. */
LB_INLINE bool cookie_holds(const struct lb_cookie_keys *keys, struct cookie *cookie, __u32 value,
			    __u32 now)
{
	__u32 age = (now + 1 - (value >> COOKIE_TIME_SHIFT)) & 3, i;

	if (age == 3)
		return false;
	cookie->period = now + 1 - age;
	cookie->mss = value >> COOKIE_MSS_SHIFT & COOKIE_MSS_MASK;
#pragma unroll
	for (i = 0; i < LB_COOKIE_KEYS; i++)
		if (cookie_key_is_set(&keys->key[i]) &&
		    cookie_value(&keys->key[i], cookie) == value)
			return true;
	return false;
}

LB_INLINE __u8 cookie_mss_index(__u32 mss)
{
	__u8 index = 0;

	/* Every bound but the first that is kept to. */
#define X(bound) index += mss >= (bound);
	COOKIE_MSS(X)
#undef X
	return index ? index - 1 : 0;
}

LB_INLINE __u16 cookie_mss(__u8 index)
{
	__u16 mss = 0;
	__u8 i = 0;

#define X(bound) mss = i++ == index ? (bound) : mss;
	COOKIE_MSS(X)
#undef X
	return mss;
}

/* The options that the client's SYN asks for. */
LB_INLINE __u8 cookie_options_asked(const struct tcp_copy *syn)
{
	__u8 wscale = syn->wscale < 14 ? syn->wscale : 14; /* RFC 7323, 2.3 */

	if (!syn->has_timestamps)
		return COOKIE_NO_OPTIONS;
	return (syn->has_wscale ? wscale : COOKIE_NO_WSCALE) | (syn->has_sack ? COOKIE_SACK : 0) |
	       (syn->tcp.ece && syn->tcp.cwr ? COOKIE_ECN : 0);
}

/* Those that the client's ACK brings back. */
LB_INLINE __u8 cookie_options_echoed(const struct tcp_copy *ack)
{
	return ack->has_timestamps ? ack->tsecr & COOKIE_OPTIONS_MASK : COOKIE_NO_OPTIONS;
}

/* What the client's packet, which is to be its first after the SYN, says of the cookie that it
 * answers; addresses and ports aside. */
LB_INLINE __u32 cookie_from_ack(struct cookie *cookie, const struct tcp_copy *ack)
{
	cookie->isn = bpf_ntohl(ack->tcp.seq) - 1;
	cookie->options = cookie_options_echoed(ack);
	return bpf_ntohl(ack->tcp.ack_seq) - 1;
}

#endif
