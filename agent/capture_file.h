/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_CAPTURE_FILE_H
#define SLUICE_CAPTURE_FILE_H

/*
 * Captured packets as a file of pcapng, a part at a time: what is written waits in the file until
 * it is taken. Each interface of the machine is two of the file's: "eth0 in" for packets as they
 * came in, "eth0 out" as they leave. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture_names.h"

struct capture_file;

/*
 * The file's beginning is written: a comment, and both interfaces of each name, whose numbers are
 * ifindexes. Times of packets are nanoseconds that offset_ns makes Unix time of. NULL: out of
 * memory.
 */
struct capture_file_head {
	const char *comment;
	uint32_t snaplen;
	int64_t offset_ns;
	uint64_t began_ns; /* Unix time */
	const uint32_t *ifindexes;
	const char *const *names;
	size_t interface_count;
};
struct capture_file *capture_file_new(const struct capture_file_head *head);
void capture_file_free(struct capture_file *file);

/* Is there room for another packet, or for statistics, whatever they are? Else take first. */
bool capture_file_has_room(const struct capture_file *file);

/*
 * Writes a packet, where there is room. As it leaves it is written only if it was as it came in:
 * then and if there are too many interfaces, false. interface is the name of its ifindex.
 */
bool capture_file_packet(struct capture_file *file, const struct lb_capture_record *record,
			 const char *interface, const char *comment);

/* The next packets are not asked for: only those that came in already are written as they leave. */
void capture_file_close_door(struct capture_file *file);

/* Writes for each interface how many packets it has had; lost ones are all the first one's. Where
 * there is room. */
void capture_file_statistics(struct capture_file *file, uint64_t now_ns, uint64_t lost);

/* Moves up to size bytes of what waits into buffer. Returns how many. */
size_t capture_file_take(struct capture_file *file, char *buffer, size_t size);

/* Packets that came in, so far. */
uint64_t capture_file_packets(const struct capture_file *file);

#endif
