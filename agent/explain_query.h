/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_EXPLAIN_QUERY_H
#define SLUICE_EXPLAIN_QUERY_H

/* Which packet is to be explained: from the words of a request. Pure. */
#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "parse.h"

/* The longest IP packet: what jumbo frames hold. */
#define EXPLAIN_LENGTH_MAX 9216

/* As in the TCP header. */
enum explain_flags {
	EXPLAIN_FIN = 1 << 0,
	EXPLAIN_SYN = 1 << 1,
	EXPLAIN_RST = 1 << 2,
	EXPLAIN_ACK = 1 << 4,
};

struct explain_query {
	uint8_t protocol; /* IPPROTO_TCP, UDP or SCTP; IPPROTO_ICMP: an echo request */
	/* Both of one family, with ports unless it is an echo request. */
	struct endpoint source;
	struct endpoint destination;
	bool flags_given; /* else the explanation chooses */
	uint8_t flags;    /* enum explain_flags; of SCTP the chunk that means the same */
	uint32_t length;  /* of the IP packet */
	uint32_t vlan;    /* tags, as in struct lb_hop */
	uint32_t ifindex; /* where it comes in */
	uint8_t mac[6];   /* of that interface */
};

/* What a request says, see docs/api.md; NULL: nothing. */
struct explain_words {
	const char *protocol;
	const char *source;
	const char *destination;
	const char *flags;
	const char *length;
	const char *vlan;
};

/* Reads all of a query but where it comes in. -EINVAL with err naming the parameter: one that is
 * missing, cannot be read, or contradicts another. */
int explain_query_read(const struct explain_words *words, struct explain_query *ret_query,
		       struct error *err);

/* The shortest IP packet for the query's protocol and family. */
uint32_t explain_length_min(const struct explain_query *query);

/* "syn,ack", as flags are written; "none". Fits EXPLAIN_FLAGS_MAX. */
#define EXPLAIN_FLAGS_MAX 24
const char *explain_flags_text(uint8_t flags, char buffer[EXPLAIN_FLAGS_MAX]);

#endif
