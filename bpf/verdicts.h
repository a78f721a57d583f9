/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_VERDICTS_H
#define SLUICE_VERDICTS_H

/*
 * What the data plane can decide about a packet: the one list from which come the enum, the
 * XDP code, the metric label and the table in docs/drops.md.
 *
 *   X(NAME, label, class, text)
 *
 * class PASS   the packet goes on to the host's stack, byte-identical
 *       SEND   the packet leaves, by XDP_TX or XDP_REDIRECT as the egress interface demands
 *       DROP   the packet is dropped and counted in lb_drops_total{reason="label"}
 */
#define LB_VERDICTS(X)                                                                             \
	X(PASS, "pass", PASS, "not for a VIP")                                                     \
	X(FORWARD, "forward", SEND, "sent to a backend")                                           \
	X(RETURN, "return", SEND, "a backend's reply, translated back and sent to the client")     \
	X(NO_BACKEND, "no_backend", DROP, "the service has no backend that is up")                 \
	X(NO_NEIGHBOUR, "no_neighbour", DROP, "the next hop's link-layer address is unknown")      \
	X(NAT_PORTS, "nat_ports", DROP, "every NAT port tried for this flow is in use")            \
	X(TTL, "ttl", DROP, "TTL or hop limit would reach zero on the way to the backend")         \
	X(MALFORMED, "malformed", DROP, "headers contradict each other or the packet's length")    \
	X(TCP_FLAGS, "tcp_flags", DROP, "no TCP speaks so: no flags at all, SYN+FIN or SYN+RST")   \
	X(LAND, "land", DROP, "source and destination address are the same VIP")                   \
	X(INTERNAL, "internal", DROP, "the maps contradict each other; please report it")

enum lb_verdict {
#define X(name, label, class, text) LB_##name,
	LB_VERDICTS(X)
#undef X
		LB_VERDICT_COUNT
};

#endif
