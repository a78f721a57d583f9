/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_VERDICTS_H
#define SLUICE_VERDICTS_H

#include <linux/types.h>

/*
 * What the data plane can decide about a packet: the one list from which come the enum, the
 * XDP code, the metric label and the table in docs/drops.md.
 *
 *   X(NAME, label, class, text)
 *
 * class PASS   the packet goes on to the host's stack, byte-identical
 *       SEND   the packet leaves, by XDP_TX or XDP_REDIRECT as the egress interface demands
 *       REPLY  an answer made from the packet leaves by where it came in
 *       DROP   the packet is dropped and counted in lb_drops_total{reason="label"}
 */
#define LB_VERDICTS(X)                                                                             \
	X(PASS, "pass", PASS, "not for a VIP")                                                     \
	X(FORWARD, "forward", SEND, "sent to a backend")                                           \
	X(LOCAL, "local", PASS, "to a backend on the balancer itself")                             \
	X(RETURN, "return", SEND, "a backend's reply, translated back and sent to the client")     \
	X(ECHO_REPLIED, "echo", REPLY, "an echo request to a VIP, answered")                       \
	X(COOKIE_SENT, "cookie", REPLY, "a SYN, answered here by a SYN cookie")                    \
	X(RESET_SENT, "reset", REPLY,                                                              \
	  "a backend took a SYN of ours for another connection's, which was reset")                \
	X(TOO_BIG_TOLD, "too_big_told", REPLY,                                                     \
	  "too long for the way to the backend; the sender was told how long a packet may be")     \
	X(TTL_TOLD, "ttl_told", REPLY, "TTL or hop limit used up here; the sender was told")       \
	X(PASS_DOWN, "pass_down", PASS,                                                            \
	  "the service has no backend that is up and leaves its packets to the host then")         \
	X(NO_BACKEND, "no_backend", DROP, "the service has no backend that is up")                 \
	X(NO_NEIGHBOUR, "no_neighbour", DROP, "the next hop's link-layer address is unknown")      \
	X(NO_FLOW, "no_flow", DROP, "an ICMP error about a flow of mode nat that is not known")    \
	X(NAT_PORTS, "nat_ports", DROP, "every NAT port tried for this flow is in use")            \
	X(TTL, "ttl", DROP, "TTL or hop limit would reach zero on the way to the backend")         \
	X(TOO_BIG, "too_big", DROP,                                                                \
	  "too long for the way to the backend, and the sender not told")                          \
	X(HEADROOM, "headroom", DROP, "the driver leaves no room in front of the packet")          \
	X(MALFORMED, "malformed", DROP, "headers contradict each other or the packet's length")    \
	X(BAD_CHECKSUM, "bad_checksum", DROP, "the IPv4 header's checksum is wrong")               \
	X(TCP_FLAGS, "tcp_flags", DROP, "no TCP speaks so: no flags at all, SYN+FIN or SYN+RST")   \
	X(LAND, "land", DROP, "source and destination address are the same VIP")                   \
	X(MARTIAN, "martian", DROP,                                                                \
	  "no packet comes from such an address, and none can be sent there")                      \
	X(PORT_ZERO, "port_zero", DROP, "TCP or SCTP from port 0, which neither has")              \
	X(DENIED_GLOBAL, "denied_global", DROP, "the source is on the deny list of all services")  \
	X(DENIED, "denied", DROP, "the source is on the service's deny list")                      \
	X(NOT_ALLOWED, "not_allowed", DROP, "the source is not on the service's allow list")       \
	X(SOURCE_PACKETS, "source_packets", DROP,                                                  \
	  "the source sends more packets than the service takes of one")                           \
	X(SOURCE_FLOWS, "source_flows", DROP,                                                      \
	  "the source begins more flows than the service takes of one")                            \
	X(SERVICE_FLOWS, "service_flows", DROP, "more new flows than the service takes")           \
	X(BAD_COOKIE, "bad_cookie", DROP,                                                          \
	  "SYNs are answered by cookies, and this answers none: no flow of ours")                  \
	X(INTERNAL, "internal", DROP, "the maps contradict each other; please report it")

enum lb_verdict {
#define X(name, label, class, text) LB_##name,
	LB_VERDICTS(X)
#undef X
		LB_VERDICT_COUNT
};

/* Packets of one service that were dropped, by verdict. */
struct lb_service_drops {
	__u64 packets[LB_VERDICT_COUNT];
};

#endif
