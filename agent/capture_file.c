/* SPDX-License-Identifier: Apache-2.0 */
#include "capture_file.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pcapng.h"

#define FACES_MAX        128 /* interfaces of the file */
#define CPUS             256 /* that a packet's id tells apart */
#define FACE_NAME_MAX    (IFNAMSIZ + 4)
#define STATISTICS_BYTES 128 /* of one interface, at most */
#define ROOM                                                                                       \
	((size_t)2 * PCAPNG_BLOCK_MAX(LB_CAPTURE_SNAP_MAX) + (size_t)FACES_MAX * STATISTICS_BYTES)
#define FILE_BYTES (65536 + ROOM)

/* One of the file's interfaces: one of the machine, one way. */
struct face {
	uint32_t ifindex;
	uint8_t direction; /* enum lb_capture_direction */
	uint64_t packets;
};

struct capture_file {
	struct capture_file_head head;
	struct face faces[FACES_MAX];
	uint32_t face_count;
	uint64_t packets;
	bool closed;        /* the door */
	bool follows[CPUS]; /* the packet that came in last there is written as it leaves, too */
	size_t taken;       /* of what waits */
	struct pcapng out;  /* into bytes */
	uint8_t bytes[FILE_BYTES];
};

static const char *const way_names[] = {[LB_CAPTURE_IN] = "in", [LB_CAPTURE_OUT] = "out"};

/* --- interfaces --- */

static bool add_face(struct capture_file *file, uint32_t ifindex, uint8_t direction,
		     const char *interface)
{
	char name[FACE_NAME_MAX];

	snprintf(name, sizeof(name), "%.*s %s", IFNAMSIZ - 1, interface, way_names[direction]);
	if (file->face_count == FACES_MAX ||
	    !pcapng_interface(&file->out, name, file->head.snaplen))
		return false;
	file->faces[file->face_count++] = (struct face){.ifindex = ifindex, .direction = direction};
	return true;
}

/* FACES_MAX: there is no room for it. */
static uint32_t find_face(struct capture_file *file, const struct lb_capture_head *head,
			  const char *interface)
{
	for (uint32_t i = 0; i < file->face_count; i++) {
		if (file->faces[i].ifindex == head->ifindex &&
		    file->faces[i].direction == head->direction)
			return i;
	}
	return add_face(file, head->ifindex, head->direction, interface) ? file->face_count - 1
									 : FACES_MAX;
}

/* --- life --- */

struct capture_file *capture_file_new(const struct capture_file_head *head)
{
	struct capture_file *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	file->head = *head;
	file->out = (struct pcapng){.bytes = file->bytes, .size = sizeof(file->bytes)};
	pcapng_section(&file->out, "lbagent " SLUICE_VERSION, head->comment);
	for (size_t i = 0; i < head->interface_count; i++) {
		add_face(file, head->ifindexes[i], LB_CAPTURE_IN, head->names[i]);
		add_face(file, head->ifindexes[i], LB_CAPTURE_OUT, head->names[i]);
	}
	return file;
}

void capture_file_free(struct capture_file *file)
{
	free(file);
}

/* --- packets --- */

bool capture_file_has_room(const struct capture_file *file)
{
	return file->out.size - file->out.length >= ROOM;
}

/* A packet leaves on the CPU that it came in on, with none in between. */
static bool is_asked_for(struct capture_file *file, const struct lb_capture_head *head)
{
	bool *follows = &file->follows[head->id % CPUS];

	if (head->direction == LB_CAPTURE_OUT)
		return *follows;
	*follows = !file->closed;
	return *follows;
}

bool capture_file_packet(struct capture_file *file, const struct lb_capture_record *record,
			 const char *interface, const char *comment)
{
	const struct lb_capture_head *head = &record->head;
	bool out = head->direction == LB_CAPTURE_OUT;
	struct pcapng_packet packet = {
		.time_ns = head->time_ns + (uint64_t)file->head.offset_ns,
		.data = record->data,
		.captured =
			head->captured < file->head.snaplen ? head->captured : file->head.snaplen,
		.length = head->length,
		.direction = out ? PCAPNG_OUTBOUND : PCAPNG_INBOUND,
		.id = head->id,
		.comment = comment,
	};

	if (!is_asked_for(file, head))
		return false;
	packet.interface = find_face(file, head, interface);
	if (packet.interface == FACES_MAX || !pcapng_packet(&file->out, &packet))
		return false;
	file->faces[packet.interface].packets++;
	file->packets += !out;
	return true;
}

void capture_file_close_door(struct capture_file *file)
{
	file->closed = true;
}

void capture_file_statistics(struct capture_file *file, uint64_t now_ns, uint64_t lost)
{
	for (uint32_t i = 0; i < file->face_count; i++)
		pcapng_statistics(&file->out, &(struct pcapng_statistics){
						      .interface = i,
						      .start_ns = file->head.began_ns,
						      .time_ns = now_ns,
						      .received = file->faces[i].packets,
						      .dropped = i == 0 ? lost : 0,
					      });
}

/* --- taking --- */

size_t capture_file_take(struct capture_file *file, char *buffer, size_t size)
{
	size_t waits = file->out.length - file->taken;

	if (size > waits)
		size = waits;
	memcpy(buffer, file->bytes + file->taken, size);
	file->taken += size;
	if (file->taken == file->out.length)
		file->taken = file->out.length = 0;
	return size;
}

uint64_t capture_file_packets(const struct capture_file *file)
{
	return file->packets;
}
