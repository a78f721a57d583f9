/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef SLUICE_GUE_H
#define SLUICE_GUE_H

/* Generic UDP Encapsulation, draft-ietf-intarea-gue: the header of variant 0. */
struct gue_header {
	__u8 version_length; /* version:2, control:1, words of optional fields:5 */
	__u8 proto;
	__be16 flags;
};

#endif
