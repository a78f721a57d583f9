/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_DROP_ADVICE_H
#define SLUICE_DROP_ADVICE_H

/*
 * What to do about a drop, by its reason: the same text that docs/drops.md has, held against it by
 * tests/unit/docs.sh.
 *
 *   X(NAME, text)   NAME as in verdicts.h
 */
#include "verdicts.h"

/* clang-format off */
#define DROP_ADVICE(X)                                                                             \
	X(NO_BACKEND,                                                                              \
	  "With when-down pass the host would get these packets instead. lbctl show "              \
	  "says for each backend why. A service without backends, with all weights 0 "             \
	  "or all backends drained drops new flows too.")                                          \
	X(NO_NEIGHBOUR,                                                                            \
	  "Neither the agent nor the kernel knows the MAC of the backend or of the "               \
	  "router to it. lbctl show names what did not answer; ip route get and ip "               \
	  "neigh show the kernel's view.")                                                         \
	X(NO_FLOW,                                                                                 \
	  "The flow has ended and its port was given away, or somebody forges errors. "            \
	  "A trickle is normal.")                                                                  \
	X(NAT_PORTS,                                                                               \
	  "Too many flows from the balancer's address to one backend and port. Add "               \
	  "backends, widen --nat-ports, or shorten --timeout-established so that idle "            \
	  "flows give their ports back.")                                                          \
	X(TTL,                                                                                     \
	  "The client's packets took too many hops, or there is a routing loop through "           \
	  "the balancer. A trickle is traceroute. Senders are told unless --icmp-rate "            \
	  "is used up or the packet may not be answered.")                                         \
	X(TOO_BIG,                                                                                 \
	  "The service has --too-big drop; or it was a later fragment, an ICMP error, "            \
	  "an IPv6 packet of at most 1280 bytes, or more than --icmp-rate in a second. "           \
	  "Give the way an MTU that is larger than the clients' by what the tunnel "               \
	  "adds (packets.md): ip link set dev IF mtu N.")                                          \
	X(HEADROOM,                                                                                \
	  "Tunnels and VLAN tags need up to 60 bytes there. The driver's native XDP "              \
	  "does not give them: use --xdp-mode generic, or mode nat or l2 without tags.")           \
	X(MALFORMED,                                                                               \
	  "The sender or something on the way is broken, or somebody probes. Wrong "               \
	  "checksums do not make a packet malformed.")                                             \
	X(BAD_CHECKSUM,                                                                            \
	  "lbagent --bad-checksum drop looks for them. Something on the way damages "              \
	  "packets, or somebody forges them carelessly.")                                          \
	X(TCP_FLAGS,                                                                               \
	  "A port scan. Nothing.")                                                                 \
	X(LAND,                                                                                    \
	  "A forged packet (the LAND attack), or a VIP configured as a client's own "              \
	  "address. Filter spoofed sources at the edge.")                                          \
	X(MARTIAN,                                                                                 \
	  "A forged packet, or a host that is set up wrong: nobody could be "                      \
	  "answered at such an address (0.0.0.0/8, 127.0.0.0/8, 224.0.0.0/4, "                     \
	  "255.255.255.255; ::, ::1, ff00::/8). Filter spoofed sources at the edge.")              \
	X(PORT_ZERO,                                                                               \
	  "A scan or a forged packet. Nothing. UDP may come from port 0.")                         \
	X(DENIED_GLOBAL,                                                                           \
	  "lbagent --source-deny says so. lbctl explain names the prefix.")                        \
	X(DENIED,                                                                                  \
	  "The service's source-deny says so. lbctl explain names the prefix; after "              \
	  "a change of the file: lbctl reload.")                                                   \
	X(NOT_ALLOWED,                                                                             \
	  "The service has a source-allow. Is the client to be served, add its "                   \
	  "prefix there, then lbctl reload.")                                                      \
	X(SOURCE_PACKETS,                                                                          \
	  "lbctl drops shows one. Many clients behind one address (a carrier's NAT) "              \
	  "need a higher source-rate-packets, or an exception of their own service.")              \
	X(SOURCE_FLOWS,                                                                            \
	  "The same of source-rate-flows. Clients repeat a SYN that is dropped, so "               \
	  "a short excess costs them a second.")                                                   \
	X(SERVICE_FLOWS,                                                                           \
	  "A flood, or the service has grown: raise max-new-flows if its backends "                \
	  "bear it. Flows under way are not touched.")                                             \
	X(BAD_COOKIE,                                                                              \
	  "A flood of other packets than SYNs, or what hosts say whose addresses a flood "         \
	  "of SYNs has forged. A trickle is connections that were silent for longer than "         \
	  "timeout-established: lengthen it. Are connections lost, do all balancers and "          \
	  "backends have the same keys, and the time to half a minute?")                           \
	X(INTERNAL,                                                                                \
	  "Also counted: a packet whose way out is an interface that lbagent was not "             \
	  "given. Add it to --interface; if that is not it, report it with lbctl "                 \
	  "--json status.")
/* clang-format on */

#endif
