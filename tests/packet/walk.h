/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PACKET_WALK_H
#define SLUICE_PACKET_WALK_H

/* Steps through the headers of a frame's bytes, one a call. */
#include "protocol.h"

struct walk {
	enum layer_kind kind; /* of the header stood at; LAYER_DATA: bytes of no known header */
	size_t start;
	size_t size;          /* with its options; never beyond the frame */
	size_t end;           /* of what this header says it carries */
	enum layer_kind next; /* what is behind it */
};

struct walk walk_begin(size_t frame_size);

/* False: the frame has ended. What is cut short or unknown comes as LAYER_DATA. */
bool walk_next(struct walk *walk, const uint8_t *frame);

#endif
