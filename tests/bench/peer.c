/* SPDX-License-Identifier: Apache-2.0 */
#include "peer.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fill.h"
#include "parse.h"
#include "target.h"
#include "usual.h"
#include "usual.skel.h"

/* Backends by IPv4, those by IPv6 behind, then those of the many VIPs. */
#define OF_EACH    TARGET_BACKENDS
#define FIRST_MANY (2 * OF_EACH)
#define BACKENDS   (FIRST_MANY + FILL_MANY * FILL_MANY_BACKENDS)
#define RING_SIZE  (USUAL_RING * sizeof(uint64_t))

_Static_assert(BACKENDS <= USUAL_BACKENDS && 4 + 2 * FILL_MANY <= USUAL_VIPS, "all fit");

static struct usual *skeleton;

/* --- filling --- */

static int put(int map, const void *key, const void *value, struct error *err)
{
	if (bpf_map_update_elem(map, key, value, BPF_ANY) != 0)
		return error_set(err, errno, "the usual program's maps: %s", strerror(errno));
	return 0;
}

/* Fills a ring with these backends by turns. */
static int fill_ring(int ring, uint32_t first, uint32_t count, struct error *err)
{
	uint32_t *slots, slot;

	slots = mmap(NULL, RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, ring, 0);
	if (slots == MAP_FAILED)
		return error_set(err, errno, "the usual program's rings: %s", strerror(errno));
	for (slot = 0; slot < USUAL_RING; slot++)
		slots[2 * slot] = first + slot % count; /* the kernel gives each 8 bytes */
	munmap(slots, RING_SIZE);
	return 0;
}

static int fill_backends(struct error *err)
{
	int map = bpf_map__fd(skeleton->maps.usual_backends), r = 0;
	uint32_t i;

	for (i = 0; r == 0 && i < BACKENDS; i++) {
		struct usual_backend backend = {
			.mac = {2, 0, 0, 0, 1, (uint8_t)i},
			.is_ipv6 = i >= OF_EACH && i < FIRST_MANY,
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
static int add_vips(const struct address *address, uint32_t number, int ring, struct error *err)
{
	const uint8_t both[] = {IPPROTO_TCP, IPPROTO_UDP};
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < 2; i++, number++) {
		struct usual_vip_key key = {.port = htons(80), .l4_proto = both[i]};

		if (address_is_ipv4(address))
			memcpy(key.addr, address->ip.s6_addr + 12, 4);
		else
			memcpy(key.addr, address->ip.s6_addr, 16);
		r = put(bpf_map__fd(skeleton->maps.usual_vips), &key, &number, err);
		if (r == 0)
			r = put(bpf_map__fd(skeleton->maps.usual_rings), &number, &ring, err);
	}
	return r;
}

/* Both VIPs of an address, with a ring of their own of so many backends. */
static int add_address(const struct address *address, uint32_t number, uint32_t first,
		       uint32_t count, struct error *err)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	int ring = bpf_map_create(BPF_MAP_TYPE_ARRAY, "usual_ring", sizeof(uint32_t),
				  sizeof(uint32_t), USUAL_RING, &opts);
	int r;

	if (ring < 0)
		return error_set(err, errno, "the usual program's rings: %s", strerror(errno));
	r = fill_ring(ring, first, count, err);
	if (r == 0)
		r = add_vips(address, number, ring, err);
	close(ring); /* the map of rings holds it */
	return r;
}

static int add_addresses(struct error *err)
{
	struct address ip4, ip6, many;
	uint32_t i;
	int r = parse_address(TARGET_IPIP_VIP4, &ip4, err);

	if (r == 0)
		r = parse_address(TARGET_IPIP_VIP6, &ip6, err);
	if (r == 0)
		r = parse_address(FILL_MANY_VIP4, &many, err);
	if (r == 0)
		r = add_address(&ip4, 0, 0, OF_EACH, err);
	if (r == 0)
		r = add_address(&ip6, 2, OF_EACH, OF_EACH, err);
	for (i = 0; r == 0 && i < FILL_MANY; i++) {
		r = add_address(&many, 4 + 2 * i, FIRST_MANY + i * FILL_MANY_BACKENDS,
				FILL_MANY_BACKENDS, err);
		if (++many.ip.s6_addr[15] == 0)
			many.ip.s6_addr[14]++;
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
	int r = fill_backends(err);

	if (r == 0)
		r = add_addresses(err);
	return r < 0 ? r : fill_flows(err);
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

uint32_t peer_flows(void)
{
	return USUAL_FLOWS / (uint32_t)libbpf_num_possible_cpus();
}

int peer_empty(struct error *err)
{
	return harness_empty(skeleton->maps.usual_flows, err);
}

bool peer_takes(const struct scenario *scenario)
{
	if (scenario->known && scenario->flows > peer_flows())
		return false;
	return strcmp(scenario->mode, "ipip") == 0 || strcmp(scenario->mode, "none") == 0;
}
