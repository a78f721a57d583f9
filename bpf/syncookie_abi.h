/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_SYNCOOKIE_ABI_H
#define SLUICE_SYNCOOKIE_ABI_H

/* What lbnode and lb_syncookie share, besides the keys of abi.h. */
#include "abi.h"

/*
 * What lb_syncookie can say of a packet: the one list from which come the enum, what `lbnode show`
 * prints and the table in docs/operate.md. All go on to the host's stack as they came.
 *
 *   X(NAME, label, text)
 */
#define SYNCOOKIE_OUTCOMES(X)                                                                      \
	X(OTHER, "other", "no ACK that may begin a connection, or one that the host knows")        \
	X(MADE, "made", "an ACK with a cookie of the balancer's, made a connection")               \
	X(UNKNOWN, "unknown", "an ACK to a listening socket, without such a cookie")               \
	X(REFUSED, "refused", "the kernel refused to make the connection")

enum syncookie_outcome {
#define X(name, label, text) SYNCOOKIE_##name,
	SYNCOOKIE_OUTCOMES(X)
#undef X
		SYNCOOKIE_OUTCOME_COUNT
};

#endif
