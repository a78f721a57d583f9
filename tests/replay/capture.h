/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_REPLAY_CAPTURE_H
#define SLUICE_REPLAY_CAPTURE_H

/* Reads captures, pcap or pcapng. Apart, because libpcap's headers do not bear the kernel's. */
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/* Gets each packet, its number in the file from 1 on. Not 0: reading ends with that. */
typedef int capture_take(void *context, const char *path, uint64_t number, const uint8_t *bytes,
			 size_t size, struct error *err);

/*
 * Reads a file, or every file of a directory whose name ends in .pcap, .pcapng or .cap, in the
 * order of their names; says of each how many packets it had. -EINVAL: not a capture of Ethernet
 * frames, -ENOENT: no file, or what take() returned. A file that ends within a packet is read as
 * far as it goes.
 */
int capture_read(const char *path, capture_take *take, void *context, struct error *err);

#endif
