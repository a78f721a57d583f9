/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PCAPNG_H
#define SLUICE_PCAPNG_H

/*
 * Captures as Wireshark reads them (draft-ietf-opsawg-pcapng): blocks in this machine's byte order,
 * of Ethernet frames, times in nanoseconds since 1970. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No block that is written here, with texts of PCAPNG_TEXT_MAX and so many bytes of a packet, is
 * longer. */
#define PCAPNG_TEXT_MAX         512
#define PCAPNG_BLOCK_MAX(bytes) (96 + 2 * (size_t)PCAPNG_TEXT_MAX + (bytes))

/* Where blocks are written, one behind the other. */
struct pcapng {
	uint8_t *bytes;
	size_t size, length;
};

enum pcapng_direction { PCAPNG_UNKNOWN, PCAPNG_INBOUND, PCAPNG_OUTBOUND };

struct pcapng_packet {
	uint32_t interface; /* as they were declared, from 0 on */
	uint64_t time_ns;
	const void *data;
	uint32_t captured; /* bytes of data */
	uint32_t length;   /* of the frame */
	enum pcapng_direction direction;
	uint64_t id;         /* the same packet has the same at all interfaces; 0: none */
	const char *comment; /* NULL: none */
};

struct pcapng_statistics {
	uint32_t interface;
	uint64_t start_ns, time_ns; /* from and until when */
	uint64_t received, dropped;
};

/*
 * Each writes one block. False: there is no room for it, and nothing was written. Longer texts than
 * PCAPNG_TEXT_MAX are cut. Every file begins with a section; interfaces are declared before they
 * are named.
 */
bool pcapng_section(struct pcapng *out, const char *application, const char *comment);
bool pcapng_interface(struct pcapng *out, const char *name, uint32_t snaplen);
bool pcapng_packet(struct pcapng *out, const struct pcapng_packet *packet);
bool pcapng_statistics(struct pcapng *out, const struct pcapng_statistics *statistics);

/* What a reader is told of a block. */
struct pcapng_block {
	bool is_packet;
	enum pcapng_direction direction; /* of a packet */
	bool is_statistics;
	uint32_t interface; /* of either */
	uint64_t dropped;   /* of statistics */
	uint64_t time_ns;   /* likewise */
};

/* How long the block is that begins here, a section's at the beginning of a file or any other. 0:
 * more bytes are needed to tell. -1: this is no block of this machine's byte order. */
int64_t pcapng_block_length(const uint8_t *bytes, size_t length);

/* Of a whole block. False: its parts do not fit in it. */
bool pcapng_block_read(const uint8_t *bytes, size_t length, struct pcapng_block *ret_block);

#endif
