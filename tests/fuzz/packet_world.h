/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SLUICE_FUZZ_PACKET_WORLD_H
#define SLUICE_FUZZ_PACKET_WORLD_H

/*
 * What fuzzed packets meet, and how an input says what happens: events, one behind the other, each
 * of a byte that says what, two for a number, most significant first, and of a packet as many bytes
 * as that. Any bytes are an input: a number that is too large is what there is.
 */
#include "judge.h"

#define EVENT_HEAD 3
/* What BPF_PROG_TEST_RUN takes. */
#define PACKET_MIN 14

enum event_kind {
	EVENT_PACKET,  /* comes in; bit 3: by the other interface */
	EVENT_AGE,     /* everything becomes older */
	EVENT_BACKEND, /* one begins or ceases to be up */
	EVENT_TABLE,   /* a service's new flows go to other backends */
	EVENT_KINDS,
};

struct event {
	enum event_kind kind;
	uint8_t what;
	uint16_t number;
	const uint8_t *bytes; /* of a packet: `number` of them */
};

/* Services in all modes, of all protocols and schedulers, with backends in all states. */
void packet_world(struct test_case *ret_world);

/* The event at *at, which is moved behind it. False: the input has ended. */
bool event_next(const uint8_t **at, const uint8_t *end, struct event *ret_event);

/* Empty tables. */
int world_begin(const struct engine *engine, const struct test_case *world, struct error *err);

/* Anything but a packet. */
int world_change(const struct engine *engine, const struct test_case *world,
		 const struct event *event);

/* False: it is no packet, or one too short or too long to run. */
bool event_frame(const struct event *event, struct frame *ret_frame);
int event_run(const struct engine *engine, const struct event *event, const struct frame *frame,
	      struct result *ret_result, struct error *err);

#endif
