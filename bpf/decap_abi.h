/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_DECAP_ABI_H
#define SLUICE_DECAP_ABI_H

/* What lbnode and lb_decap share. */
#include "abi.h"

/*
 * What lb_decap can say of a packet: the one list from which come the enum, the XDP code, what
 * `lbnode show` prints and the table in docs/operate.md.
 *
 *   X(NAME, label, class, text)
 *
 * class PASS   the packet goes to the host's stack, byte-identical unless decapsulated
 *       DROP   the packet is dropped
 *       TX     it leaves again, or the host's stack forwards it
 */
#define DECAP_OUTCOMES(X)                                                                          \
	X(FOREIGN, "foreign", PASS, "no tunnel packet of the kinds that were asked for")           \
	X(DECAPSULATED, "decapsulated", PASS, "the inner packet went to the host's stack")         \
	X(SENT_ON, "sent_on", TX,                                                                  \
	  "no socket here knew the connection: it went on to another backend (--second-chance)")   \
	X(NOT_VIP, "not_vip", PASS, "the inner packet is not for one of the VIPs")                 \
	X(SOURCE_REFUSED, "source_refused", PASS, "the sender is in none of the --from prefixes")  \
	X(UNSUPPORTED, "unsupported", PASS,                                                        \
	  "a fragment, IPv4 options, or a GUE option or control message")                          \
	X(MALFORMED, "malformed", PASS, "headers contradict each other or the packet's length")    \
	X(ECN_DROP, "ecn_drop", DROP,                                                              \
	  "congestion marked on the way, and the inner packet has no ECN to tell it by")

enum decap_outcome {
#define X(name, label, class, text) DECAP_##name,
	DECAP_OUTCOMES(X)
#undef X
		DECAP_OUTCOME_COUNT
};

enum decap_flags {
	DECAP_IPIP = 1 << 0,   /* take off IP in IP, either family in either */
	DECAP_GUE = 1 << 1,    /* likewise Generic UDP Encapsulation, variants 0 and 1 */
	DECAP_FROM = 1 << 2,   /* only from the prefixes in decap_sources */
	DECAP_CHANCE = 1 << 3, /* what no socket knows goes on to the backends that it names */
};

/* The one entry of the map decap_config. */
struct decap_config {
	__be16 gue_port;
	__u16 flags; /* enum decap_flags */
};

/* For BPF_MAP_TYPE_LPM_TRIE. An IPv4 prefix of n bits has 96 + n of the mapped address. */
struct decap_prefix {
	__u32 length;
	struct lb_addr addr;
};

_Static_assert(sizeof(struct decap_config) == 4, "ABI");
_Static_assert(sizeof(struct decap_prefix) == 20, "ABI");

#endif
