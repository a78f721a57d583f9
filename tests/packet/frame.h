/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PACKET_FRAME_H
#define SLUICE_PACKET_FRAME_H

/* Frames as bytes: built from layers, checked and printed. */
#include <stdio.h>

#include "layer.h"

struct frame {
	uint8_t bytes[FRAME_MAX];
	size_t size;
};

/* Computes what the layers do not give: types, lengths, checksums. All variables must be
 * resolved. -EINVAL: longer than FRAME_MAX. */
int frame_build(const struct layers *layers, struct frame *ret_frame, struct error *err);

/*
 * Binds every variable that has no value yet to what frame has in its place; frame must have the
 * headers of layers. -ERANGE: a value is outside of low to high. -EINVAL: too short or too many.
 */
int frame_bind(const struct frame *frame, const struct layers *layers, uint64_t low, uint64_t high,
	       struct variables *variables, struct error *err);

/* All IP, TCP, UDP and ICMP checksums that stand in the frame are right. Else err says which. */
int frame_verify(const struct frame *frame, struct error *err);

/* Makes lengths and checksums right of whatever headers stand in the frame. */
void frame_mend(struct frame *frame);

bool frame_equal(const struct frame *a, const struct frame *b);

/* Field by field, then in hex. Every line begins with "# ". Where `other` (or NULL) differs the
 * field is marked. */
void frame_print(FILE *out, const struct frame *frame, const struct frame *other);

#endif
