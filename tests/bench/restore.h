/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_BENCH_RESTORE_H
#define SLUICE_BENCH_RESTORE_H

/* What restore.bpf.c and the program that drives it share. */
#include <linux/types.h>

/* Bytes put back before every packet: more than any headers that are rewritten. */
#define RESTORE_WORDS 10
#define RESTORE_SIZE  (RESTORE_WORDS * sizeof(__u64))

/* flow_mask: every packet is another flow's, and none of port 0. */
#define RESTORE_ENDLESS 0x7fffffffU

/* How the next packets look. Offsets are of 16-bit words within the frame. */
struct restore_plan {
	__u64 words[RESTORE_WORDS]; /* the frame's first bytes, flow 0 */
	__u32 flow_mask;            /* flows - 1; flows is a power of two */
	__u32 vip_mask;   /* likewise; a flow's VIP stands so many addresses behind the first */
	__u32 length;     /* of the frame */
	__u32 grow;       /* bytes that the program under test puts in front */
	__u8 source;      /* the source address' last 16 bits */
	__u8 destination; /* the destination's */
	__u8 port;        /* the source port */
	__u8 l3_check;    /* 0: the header has none */
	__u8 l4_check;
};

#endif
