/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_EXPLAIN_PACKET_H
#define SLUICE_EXPLAIN_PACKET_H

/* Frames of the packets that explanations are about: written from a few words, and read back as
 * the data plane has left them. Pure. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/types.h>

#include "explain_query.h"
#include "gue.h"

#define EXPLAIN_FRAME_MAX (EXPLAIN_LENGTH_MAX + 32) /* with its link header */

/* Writes the frame of a query, with right checksums (SCTP's is left zero) and a payload of
 * zeros. Returns its length. */
size_t explain_packet_write(const struct explain_query *query, uint8_t frame[EXPLAIN_FRAME_MAX]);

/* What stands in a frame's headers, the outermost of each kind. */
struct explain_headers {
	uint8_t destination_mac[6];
	uint8_t source_mac[6];
	uint32_t vlan;
	uint8_t protocol;       /* as the IP header has it */
	uint32_t length;        /* of the IP packet */
	struct endpoint source; /* port 0: the protocol has none */
	struct endpoint destination;
};

/* False: it is no IP packet. */
bool explain_packet_read(const uint8_t *frame, size_t size, struct explain_headers *ret_headers);

/* Who a frame of mode gue names besides the backend that it goes to (gue.h), in the order in which
 * they are asked. Returns how many there are. */
size_t explain_packet_chances(const uint8_t *frame, size_t size,
			      struct address chances[GUE_CHANCES_MAX]);

#endif
