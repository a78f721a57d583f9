/* SPDX-License-Identifier: Apache-2.0 */
#include "packet_mutate.h"

#include <stdlib.h>
#include <string.h>

#include "walk.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room);

#define EVENTS_MAX 64

/* Where an event stands in the input. */
struct place {
	size_t start;
	struct event event;
};

/* libFuzzer's own would do, but that it may not be called from outside. */
static uint32_t pick(unsigned int *seed, uint32_t count)
{
	return (uint32_t)rand_r(seed) % count;
}

static size_t find_events(const uint8_t *data, size_t size, struct place places[EVENTS_MAX])
{
	const uint8_t *at = data, *begin = data;
	size_t count = 0;

	while (count < EVENTS_MAX && event_next(&at, data + size, &places[count].event)) {
		places[count++].start = begin - data;
		begin = at;
	}
	return count;
}

/* --- addresses --- */

/* Into the first IP header's destination, and the port behind it; false: there is none, or it is of
 * the other family. */
static bool aim(struct frame *frame, const struct address *address, uint16_t port)
{
	struct walk step = walk_begin(frame->size);
	bool is_ipv4 = address_is_ipv4(address);
	uint8_t *header;

	while (walk_next(&step, frame->bytes)) {
		header = frame->bytes + step.start;
		if (step.kind == LAYER_IP4 && is_ipv4)
			memcpy(header + 16, address->ip.s6_addr + 12, 4);
		else if (step.kind == LAYER_IP6 && !is_ipv4)
			memcpy(header + 24, address->ip.s6_addr, 16);
		else if (step.kind == LAYER_IP4 || step.kind == LAYER_IP6)
			return false;
		if (step.kind != LAYER_TCP && step.kind != LAYER_UDP && step.kind != LAYER_SCTP)
			continue;
		header[2] = (uint8_t)(port >> 8);
		header[3] = (uint8_t)port;
		return true;
	}
	return false;
}

static void aim_anywhere(const struct test_case *world, struct frame *frame, unsigned int *seed)
{
	const struct case_service *service = &world->services[pick(seed, world->service_count)];
	const struct case_backend *backend = &world->backends[pick(seed, world->backend_count)];
	const struct vip *vip = &service->vips[pick(seed, service->vip_count)].vip;

	if (backend->nat && pick(seed, 3) == 0)
		aim(frame, &backend->local_address,
		    (uint16_t)(world->constants.nat_port_low +
			       pick(seed, world->constants.nat_port_count)));
	else
		aim(frame, &vip->endpoint.address, vip->endpoint.port ? vip->endpoint.port : 80);
}

/* --- one packet --- */

static void change_packet(const struct test_case *world, struct frame *frame, unsigned int *seed)
{
	uint32_t how = pick(seed, 4);
	size_t room = pick(seed, 8) && frame->size < 512 ? 512 : FRAME_MAX;

	if (how != 0)
		frame->size = LLVMFuzzerMutate(frame->bytes, frame->size, room);
	if (how < 2)
		aim_anywhere(world, frame, seed);
	if (pick(seed, 8))
		frame_mend(frame);
}

/* Puts a frame in the place of an event's old bytes. Returns the new size; 0: there is no room. */
static size_t put_frame(uint8_t *data, size_t size, size_t room, const struct place *place,
			const struct frame *frame)
{
	uint8_t *head = data + place->start;
	size_t old = place->event.number, rest = size - place->start - EVENT_HEAD - old;

	if (size - old + frame->size > room)
		return 0;
	memmove(head + EVENT_HEAD + frame->size, head + EVENT_HEAD + old, rest);
	memcpy(head + EVENT_HEAD, frame->bytes, frame->size);
	head[1] = (uint8_t)(frame->size >> 8);
	head[2] = (uint8_t)frame->size;
	return size - old + frame->size;
}

/* The event once more at the end. */
static size_t repeat(uint8_t *data, size_t size, size_t room, const struct place *place)
{
	bool packet = place->event.kind == EVENT_PACKET;
	size_t length = EVENT_HEAD + (packet ? place->event.number : 0);

	if (size + length > room)
		return 0;
	memmove(data + size, data + place->start, length);
	return size + length;
}

size_t packet_mutate(const struct test_case *world, uint8_t *data, size_t size, size_t room,
		     unsigned int seed)
{
	static struct frame frame; /* large */
	struct place places[EVENTS_MAX];
	size_t count = find_events(data, size, places), changed = 0;
	const struct place *place = count ? &places[pick(&seed, count)] : NULL;

	if (place && pick(&seed, 8) == 0)
		changed = repeat(data, size, room, place);
	else if (place && pick(&seed, 8) && event_frame(&place->event, &frame)) {
		change_packet(world, &frame, &seed);
		changed = put_frame(data, size, room, place, &frame);
	}
	return changed ? changed : LLVMFuzzerMutate(data, size, room);
}
