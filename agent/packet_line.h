/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_PACKET_LINE_H
#define SLUICE_PACKET_LINE_H

/* A frame in one line for people, such as
 *
 *   tcp 198.18.0.2:40000 > 198.18.0.10:80 SYN, ttl 63, 60 bytes
 *
 * Pure; takes whatever bytes there are. */
#include <stddef.h>
#include <stdint.h>

#define PACKET_LINE_MAX 224

/* data is the frame from its Ethernet header on, captured bytes of the length that it had. */
const char *packet_line(const uint8_t *data, size_t captured, size_t length,
			char buffer[PACKET_LINE_MAX]);

#endif
