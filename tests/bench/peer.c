/* SPDX-License-Identifier: Apache-2.0 */
#include "peer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "parse.h"
#include "target.h"
#include "usual.h"
#include "usual.skel.h"

#define OF_EACH (USUAL_BACKENDS / 2)

static struct usual *skeleton;

/* --- filling --- */

static int put(int map, const void *key, const void *value, struct error *err)
{
	if (bpf_map_update_elem(map, key, value, BPF_ANY) != 0)
		return error_set(err, errno, "the usual program's maps: %s", strerror(errno));
	return 0;
}

static int fill_ring(int ring, uint32_t first, struct error *err)
{
	uint32_t slot, backend;
	int r = 0;

	for (slot = 0; r == 0 && slot < USUAL_RING; slot++) {
		backend = first + slot % OF_EACH;
		r = put(ring, &slot, &backend, err);
	}
	return r;
}

static int fill_backends(struct error *err)
{
	int map = bpf_map__fd(skeleton->maps.usual_backends), r = 0;
	uint32_t i;

	for (i = 0; r == 0 && i < USUAL_BACKENDS; i++) {
		struct usual_backend backend = {
			.mac = {2, 0, 0, 0, 1, (uint8_t)i},
			.is_ipv6 = i >= OF_EACH,
			.addr = {htonl(0xc6120101 + i)}, /* 198.18.1.1 and on */
		};

		if (backend.is_ipv6) {
			backend.addr[0] = htonl(0x20010db8);
			backend.addr[3] = htonl(i);
		}
		r = put(map, &i, &backend, err);
	}
	return r;
}

/* A VIP of TCP and one of UDP, with these numbers. */
static int add_vips(const char *text, uint32_t number, int ring, struct error *err)
{
	const uint8_t both[] = {IPPROTO_TCP, IPPROTO_UDP};
	struct address address;
	size_t i;
	int r = parse_address(text, &address, err);

	for (i = 0; r == 0 && i < 2; i++, number++) {
		struct usual_vip_key key = {.port = htons(80), .l4_proto = both[i]};

		if (address_is_ipv4(&address))
			memcpy(key.addr, address.ip.s6_addr + 12, 4);
		else
			memcpy(key.addr, address.ip.s6_addr, 16);
		r = put(bpf_map__fd(skeleton->maps.usual_vips), &key, &number, err);
		if (r == 0)
			r = put(bpf_map__fd(skeleton->maps.usual_rings), &number, &ring, err);
	}
	return r;
}

/* One CPU runs it, so one map of flows is enough for all. */
static int fill_flows(struct error *err)
{
	int flows = bpf_map__fd(skeleton->maps.usual_flows), r = 0;
	uint32_t cpu;

	for (cpu = 0; r == 0 && cpu < USUAL_CPUS; cpu++)
		r = put(bpf_map__fd(skeleton->maps.usual_flows_of_cpu), &cpu, &flows, err);
	return r;
}

static int fill(struct error *err)
{
	int ring4 = bpf_map__fd(skeleton->maps.usual_ring), r;
	int ring6 = bpf_map_create(BPF_MAP_TYPE_ARRAY, "usual_ring6", sizeof(uint32_t),
				   sizeof(uint32_t), USUAL_RING, NULL);

	if (ring6 < 0)
		return error_set(err, errno, "the usual program's maps: %s", strerror(errno));
	r = fill_backends(err);
	if (r == 0)
		r = fill_ring(ring4, 0, err);
	if (r == 0)
		r = fill_ring(ring6, OF_EACH, err);
	if (r == 0)
		r = add_vips(TARGET_IPIP_VIP4, 0, ring4, err);
	if (r == 0)
		r = add_vips(TARGET_IPIP_VIP6, 2, ring6, err);
	if (r == 0)
		r = fill_flows(err);
	close(ring6); /* the map of rings holds it */
	return r;
}

int peer_open(struct error *err)
{
	int r;

	skeleton = usual__open_and_load();
	if (!skeleton)
		return error_set(err, errno, "loading the usual program: %s", strerror(errno));
	r = fill(err);
	if (r < 0)
		peer_close();
	return r;
}

void peer_close(void)
{
	usual__destroy(skeleton);
	skeleton = NULL;
}

/* --- use --- */

int peer_program(void)
{
	return bpf_program__fd(skeleton->progs.usual);
}

int peer_empty(struct error *err)
{
	return harness_empty(skeleton->maps.usual_flows, err);
}

bool peer_takes(const struct scenario *scenario)
{
	return strcmp(scenario->mode, "ipip") == 0 || strcmp(scenario->mode, "none") == 0;
}
