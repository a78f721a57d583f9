/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any packets through the data plane, compiled natively: no read or write out of bounds, what is
 * for no VIP is passed as it came, no right checksum becomes a wrong one, and every packet gets one
 * verdict.
 */
#include "fuzz.h"
#include "packet_mutate.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned int seed);

static struct test_case world;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	packet_world(&world);
	return 0;
}

static void play(const struct event *event)
{
	static struct frame frame;   /* large */
	static struct result result; /* likewise */
	struct error err;
	const char *wrong;

	if (!event_frame(event, &frame))
		return;
	must(event_run(&engine_native, event, &frame, &result, &err) == 0);
	wrong = judge(&frame, &result, is_foreign(&world, &frame));
	if (!wrong)
		return;
	fprintf(stderr, "# %s\n", wrong);
	show_in(stderr, &frame);
	show_result(stderr, engine_native.name, &result, &frame);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *at = data;
	struct event event;
	struct error err;

	must(world_begin(&engine_native, &world, &err) == 0);
	while (event_next(&at, data + size, &event)) {
		if (event.kind == EVENT_PACKET)
			play(&event);
		else
			must(world_change(&engine_native, &world, &event) == 0);
	}
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned int seed)
{
	return packet_mutate(&world, data, size, room, seed);
}
