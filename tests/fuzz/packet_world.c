/* SPDX-License-Identifier: Apache-2.0 */
#include "packet_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "setup.h"
#include "world.h"

/* As in tests/packet/cases. */
static const char *const lines[][2] = {
	{"option", "frags=1"},
	{"service", "nat4 mode=nat vip=tcp://198.18.0.10:80 vip=udp://198.18.0.10:53"},
	{"service", "nat6 mode=nat vip=tcp://[2001:db8::10]:80 vip=udp://[2001:db8::10]:53"},
	{"service", "l2-4 mode=l2 quic=3 vip=udp://198.18.0.10:443 vip=sctp://198.18.0.10:* "
		    "vip=tcp://198.18.64.0/24:*"},
	{"service", "l2-6 mode=l2 quic=3 cookies=always vip=udp://[2001:db8::10]:443 too_big=drop "
		    "vip=tcp://[2001:db8:64::/48]:*"},
	{"service", "ipip4 mode=ipip scheduler=least-conn vip=tcp://198.18.0.20:80 "
		    "vip=udp://198.18.0.20:*"},
	{"service", "ipip6 mode=ipip track=no vip=tcp://[2001:db8::20]:80 "
		    "vip=udp://[2001:db8::20]:*"},
	{"service",
	 "gue4 mode=gue scheduler=source down=pass cookies=always vip=tcp://198.18.0.30:80 "
	 "vip=udp://198.18.0.30:*"},
	{"service", "gue6 mode=gue1 scheduler=dport vip=tcp://[2001:db8::30]:80 "
		    "vip=sctp://[2001:db8::30]:*"},
	{"backend", "nat4 a1 198.18.1.11:8080 mac=02:00:00:00:01:0b mtu=1500 nat=198.18.1.1"},
	{"backend", "nat4 a2 198.18.1.99:80 nat=198.18.1.1"}, /* its way is the kernel's to know */
	{"backend", "nat6 b1 [2001:db8:1::12]:8080 mac=02:00:00:00:01:0c vlan=7 nat=2001:db8:1::1"},
	{"backend", "nat6 b2 [2001:db8:1::13]:80 mtu=1280 nat=2001:db8:1::1"}, /* and its is not */
	{"backend", "l2-4 c1 198.18.1.21 mac=02:00:00:00:01:15 mtu=576 quic=000001"},
	{"backend", "l2-4 c2 198.18.1.22 mac=02:00:00:00:01:16 dev=right quic=000002 state=drain"},
	{"backend", "l2-4 c3 198.18.1.23 dev=host quic=000003"},
	{"backend", "l2-6 d1 2001:db8:1::21 mac=02:00:00:00:01:17 mtu=1280 quic=000001"},
	{"backend",
	 "ipip4 e1 198.18.1.31 mac=02:00:00:00:01:1f mtu=1500 local=198.18.1.1 spread=16"},
	{"backend",
	 "ipip4 e2 2001:db8:1::32 mac=02:00:00:00:01:20 vlan=ad:5.6 local=2001:db8:1::1"},
	{"backend", "ipip6 f1 198.18.1.33 mac=02:00:00:00:01:21 local=198.18.1.1"},
	{"backend", "ipip6 f2 2001:db8:1::34 mac=02:00:00:00:01:22 mtu=1500 local=2001:db8:1::1"},
	{"backend", "gue4 g1 198.18.1.41 mac=02:00:00:00:01:29 mtu=1400 local=198.18.1.1 spread=1"},
	{"backend", "gue4 g2 2001:db8:1::42 mac=02:00:00:00:01:2a dev=right local=2001:db8:1::1"},
	{"backend", "gue6 h1 198.18.1.43 mac=02:00:00:00:01:2b local=198.18.1.1 state=down"},
	{"backend", "gue6 h2 2001:db8:1::44 mac=02:00:00:00:01:2c local=2001:db8:1::1 spread=1"},
};

void packet_world(struct test_case *ret_world)
{
	struct error err;
	size_t i;

	memset(ret_world, 0, sizeof(*ret_world));
	setup_defaults(ret_world);
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (parse_setup(lines[i][0], lines[i][1], ret_world, &err) == 0)
			continue;
		fprintf(stderr, "%s %s: %s\n", lines[i][0], lines[i][1], err.message);
		abort();
	}
}

/* --- events --- */

bool event_next(const uint8_t **at, const uint8_t *end, struct event *ret_event)
{
	const uint8_t *head = *at;
	size_t left;

	if (end - head < EVENT_HEAD)
		return false;
	left = end - head - EVENT_HEAD;
	*ret_event = (struct event){
		.kind = (head[0] & 7) < EVENT_KINDS ? head[0] & 7 : EVENT_PACKET,
		.what = head[0],
		.number = (uint16_t)(head[1] << 8 | head[2]),
		.bytes = head + EVENT_HEAD,
	};
	*at = head + EVENT_HEAD;
	if (ret_event->kind != EVENT_PACKET)
		return true;
	if (ret_event->number > left)
		ret_event->number = (uint16_t)left;
	*at += ret_event->number;
	return true;
}

int world_begin(const struct engine *engine, const struct test_case *world, struct error *err)
{
	int r = engine->reset(&world->constants, err);

	return r < 0 ? r : world_setup(engine, world, err);
}

static int change_backend(const struct engine *engine, const struct test_case *world,
			  const struct event *event)
{
	size_t index = event->number % world->backend_count;
	struct case_backend backend = world->backends[index];

	backend.up = event->what & 8;
	return world_put_backend(engine, world, index, &backend);
}

/* Bits of the number say who of the service's backends is in. */
static int change_table(const struct engine *engine, const struct test_case *world,
			const struct event *event)
{
	struct step_table table = {.service = event->number % world->service_count};
	size_t i;

	for (i = 0; i < world->backend_count; i++)
		if (world->backends[i].service == table.service && event->number >> (2 + i) & 1)
			table.owners[table.count++] = i;
	return world_put_table(engine, world, &table);
}

int world_change(const struct engine *engine, const struct test_case *world,
		 const struct event *event)
{
	/* Far from the idle timeouts: the kernel's clock goes on meanwhile. */
	static const uint64_t ages_ms[] = {1000, 20000, 100000, 400000};

	switch (event->kind) {
	case EVENT_AGE:
		return world_age(engine, world, ages_ms[event->number % 4]);
	case EVENT_BACKEND:
		return change_backend(engine, world, event);
	case EVENT_TABLE:
		return change_table(engine, world, event);
	default:
		return 0;
	}
}

bool event_frame(const struct event *event, struct frame *ret_frame)
{
	if (event->kind != EVENT_PACKET || event->number < PACKET_MIN || event->number > FRAME_MAX)
		return false;
	ret_frame->size = event->number;
	memcpy(ret_frame->bytes, event->bytes, event->number);
	return true;
}

int event_run(const struct engine *engine, const struct event *event, const struct frame *frame,
	      struct result *ret_result, struct error *err)
{
	enum case_device in = event->what & 8 ? DEVICE_RIGHT : DEVICE_LEFT;
	enum case_device other = event->what & 8 ? DEVICE_LEFT : DEVICE_RIGHT;

	return run_one(engine, frame, in, other, ret_result, err);
}
