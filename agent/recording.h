/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_RECORDING_H
#define SLUICE_RECORDING_H

/*
 * A recording of packet cases: what is put into maps, which packets come in and what must come
 * out. The build makes it from tests/packet/cases with the native data plane; lbagent carries it
 * and plays it on a new program before that sees a packet of anybody's (selftest.h).
 *
 * Pieces in a row, in the byte order and the layouts of the machine that both are built for: first
 * RECORDING_CONSTANTS, then one RECORDING_ROOM for each map whose size the cases need, then the
 * cases. Interfaces are numbered so that the one which packets come in by is RECORDING_IFINDEX.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "abi.h"

/* The loopback interface, which every network namespace has and BPF_PROG_TEST_RUN takes. */
#define RECORDING_IFINDEX 1

enum recording_kind {
	RECORDING_CONSTANTS = 1, /* first: struct recording_constants; number: cases left out */
	RECORDING_ROOM,          /* name: of a map; number: its entries */
	RECORDING_CASE,          /* name: the case's; number: 1 if it needs lb_frags */
	RECORDING_PUT,           /* name: of a map; first: key; second: value */
	RECORDING_RUN,           /* first: packet in; second: packet out; number: see below */
};

/* One piece. The pointers are into the recording, of no alignment. */
struct recording_piece {
	enum recording_kind kind;
	const char *name; /* "" if the kind has none */
	const void *first, *second;
	uint16_t first_length, second_length;
	uint16_t code;   /* RECORDING_RUN: XDP_* */
	uint32_t number; /* RECORDING_RUN: the one interface that may be redirected to; 0: none */
};

/* What bpf/maps.h calls the same, while the cases run. */
struct recording_constants {
	uint32_t hash_key[LB_HASH_KEYS];
	uint32_t flow_mask;
	uint32_t table_size;
	uint32_t table_lines;
	uint32_t icmp_per_second;
	uint32_t handshake_mask;
	uint16_t nat_port_low;
	uint16_t nat_port_count;
	uint8_t tick_shift;
	uint8_t coarse_tick_shift;
	uint8_t vip_slot_shift;
	uint8_t pad;
};

/* Reads the piece at *at and moves *at behind it. 1: there was one; 0: the end; -EBADMSG: this is
 * no recording. */
int recording_next(const uint8_t **at, const uint8_t *end, struct recording_piece *ret_piece);

/* Appends a piece. False: file does not take it, or the name is too long. */
bool recording_write(FILE *file, const struct recording_piece *piece);

#endif
