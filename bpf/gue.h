/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_GUE_H
#define SLUICE_GUE_H

/* Generic UDP Encapsulation, draft-ietf-intarea-gue: the header of variant 0. */
struct gue_header {
	__u8 version_length; /* version:2, control:1, words of optional fields:5 */
	__u8 proto;
	__be16 flags;
};
#define GUE_WORDS_MASK 0x1f

/*
 * What we put behind it as private data, which is what the length has beyond the fields that flags
 * announce (the draft's "private data"); Linux' own GUE passes over it. Backends that may know the
 * flow if the one that gets the packet does not: addresses of the outer header's family, who is to
 * be asked next is the last of those `left`. So who sends it on writes a byte and no address twice.
 */
#define GUE_CHANCE      0x5b02 /* tells it from others' private data */
#define GUE_CHANCES_MAX 2
struct gue_chance {
	__be16 kind; /* GUE_CHANCE */
	__u8 left;
	__u8 pad;
	/* followed by as many addresses as there were at first */
};

#endif
