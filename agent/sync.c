/* SPDX-License-Identifier: Apache-2.0 */
#include "sync.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "maglev.h"

/* Of a table that a former agent built. Digests are odd, or 0 for the empty table. */
#define DIGEST_UNKNOWN 2

struct sync {
	struct dataplane *dp;
	uint64_t *digest; /* [service index]: of what its table was built from */
	uint32_t *slots;  /* [backend index]: slots owned */
	uint16_t *owners; /* a table under construction */
	struct maglev_backend *members;
	uint32_t *free_blocks; /* ring: blocks are reused in the order they became free */
	uint32_t free_head, free_count;
	double build_seconds;
};

struct lb_addr lb_addr_of(const struct address *address)
{
	struct lb_addr addr;

	memcpy(&addr, &address->ip, sizeof(addr));
	return addr;
}

/* --- table blocks --- */

static uint32_t block_take(struct sync *sync)
{
	uint32_t block = sync->free_blocks[sync->free_head];

	sync->free_head = (sync->free_head + 1) % sync->dp->table_blocks;
	sync->free_count--;
	return block;
}

static void block_give(struct sync *sync, uint32_t block)
{
	if (block == 0)
		return;
	sync->free_blocks[(sync->free_head + sync->free_count) % sync->dp->table_blocks] = block;
	sync->free_count++;
}

/*
 * All blocks are free but the empty one and those that adopted services point at. A block beyond
 * the map, or that another service has already, is not the service's own: were it taken on, it
 * would be given back twice. The empty table stands in until the service's own is built.
 */
static void blocks_init(struct sync *sync, bool *used)
{
	uint32_t *table;
	uint32_t id, block;

	for (id = 1; id <= sync->dp->sizes.services; id++) {
		table = &sync->dp->services[id].table;
		sync->digest[id] = DIGEST_UNKNOWN;
		if (*table >= sync->dp->table_blocks || (*table && used[*table]))
			__atomic_store_n(table, 0, __ATOMIC_RELEASE);
		used[*table] = true;
	}
	for (block = 1; block < sync->dp->table_blocks; block++) {
		if (!used[block])
			block_give(sync, block);
	}
}

struct sync *sync_new(struct dataplane *dp)
{
	struct sync *sync = calloc(1, sizeof(*sync));
	bool *used = calloc(dp->table_blocks, sizeof(*used));

	if (!sync || !used) {
		free(sync);
		free(used);
		return NULL;
	}
	sync->dp = dp;
	sync->digest = calloc((size_t)dp->sizes.services + 1, sizeof(*sync->digest));
	sync->slots = calloc((size_t)dp->sizes.backends + 1, sizeof(*sync->slots));
	sync->members = calloc((size_t)dp->sizes.backends + 1, sizeof(*sync->members));
	sync->owners = calloc(dp->sizes.table_size, sizeof(*sync->owners));
	sync->free_blocks = calloc(dp->table_blocks, sizeof(*sync->free_blocks));
	if (!sync->digest || !sync->slots || !sync->members || !sync->owners ||
	    !sync->free_blocks) {
		free(used);
		sync_free(sync);
		return NULL;
	}
	blocks_init(sync, used);
	free(used);
	return sync;
}

void sync_free(struct sync *sync)
{
	if (!sync)
		return;
	free(sync->digest);
	free(sync->slots);
	free(sync->members);
	free(sync->owners);
	free(sync->free_blocks);
	free(sync);
}

/* --- tables --- */

static uint64_t endpoint_key(const struct endpoint *endpoint)
{
	struct {
		struct in6_addr ip;
		uint16_t port;
	} __attribute__((packed)) bytes = {endpoint->address.ip, htons(endpoint->port)};

	return maglev_key(&bytes, sizeof(bytes));
}

/* The backends that take part in the table, into sync->members. Returns how many. */
static size_t gather_members(struct sync *sync, const struct service_spec *service,
			     const struct backend_facts *facts)
{
	const struct backend_spec *backend;
	size_t i, count = 0;

	for (i = 0; i < service->backend_count; i++) {
		backend = &service->backends[i];
		if (!facts[backend->id].eligible || backend->weight == 0)
			continue;
		sync->members[count++] = (struct maglev_backend){
			.key = endpoint_key(&backend->endpoint),
			.weight = backend->weight,
			.id = backend->id,
		};
	}
	return count;
}

/* Names the set of members whatever their order; 0 only for none. */
static uint64_t members_digest(const struct maglev_backend *members, size_t count)
{
	uint64_t digest = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		uint64_t member[3] = {members[i].key, members[i].weight, members[i].id};

		digest += maglev_key(member, sizeof(member)) | 1;
	}
	return count ? digest | 1 : 0;
}

/* One store moves all packets from the old table to the new. */
static void table_switch(struct sync *sync, uint16_t service_id, uint32_t block)
{
	uint32_t former = sync->dp->services[service_id].table;

	__atomic_store_n(&sync->dp->services[service_id].table, block, __ATOMIC_RELEASE);
	block_give(sync, former);
}

static void count_slots(struct sync *sync, const struct service_spec *service)
{
	uint32_t slot;
	size_t i;

	for (i = 0; i < service->backend_count; i++)
		sync->slots[service->backends[i].id] = 0;
	for (slot = 0; slot < sync->dp->sizes.table_size; slot++)
		sync->slots[sync->owners[slot]]++;
}

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int table_sync(struct sync *sync, const struct service_spec *service,
		      const struct backend_facts *facts, struct error *err)
{
	size_t count = gather_members(sync, service, facts);
	uint64_t digest = members_digest(sync->members, count);
	double began = seconds_now();
	uint32_t block;
	int ret;

	if (digest == sync->digest[service->id])
		return 0;
	ret = maglev_build(sync->members, count, sync->owners, sync->dp->sizes.table_size);
	if (ret)
		return error_set(err, -ret, "service %s: table cannot be built: %s", service->name,
				 strerror(-ret));
	block = count ? block_take(sync) : 0;
	if (block)
		memcpy(&sync->dp->slots[(size_t)block * sync->dp->table_lines], sync->owners,
		       sync->dp->sizes.table_size * sizeof(*sync->owners));
	table_switch(sync, service->id, block);
	count_slots(sync, service);
	sync->digest[service->id] = digest;
	sync->build_seconds = seconds_now() - began;
	return 0;
}

/* --- records --- */

/* dst_mac and flags in one store; see struct lb_hop. */
static void hop_store(struct lb_hop *place, const struct lb_hop *hop)
{
	uint64_t word, rest;

	memcpy(&word, hop, sizeof(word));
	memcpy(&rest, place, sizeof(rest));
	if (memcmp(place->src_mac, hop->src_mac, sizeof(hop->src_mac)) != 0 ||
	    place->ifindex != hop->ifindex) {
		struct lb_hop unresolved;

		memcpy(&unresolved, &rest, sizeof(rest));
		unresolved.flags &= (uint16_t)~LB_BACKEND_RESOLVED;
		memcpy(&rest, &unresolved, sizeof(rest));
		__atomic_store_n((uint64_t *)place, rest, __ATOMIC_RELEASE);
		memcpy(place->src_mac, hop->src_mac, sizeof(hop->src_mac));
		__atomic_store_n(&place->ifindex, hop->ifindex, __ATOMIC_RELEASE);
	}
	__atomic_store_n((uint64_t *)place, word, __ATOMIC_RELEASE);
}

static void backend_store(struct sync *sync, const struct service_spec *service,
			  const struct backend_spec *backend, const struct backend_facts *facts)
{
	struct lb_backend *record = &sync->dp->backends[backend->id];
	struct lb_hop hop = facts->hop;

	if (record->service != service->id)
		sync->dp->ops->backend_stats_reset(sync->dp, backend->id);
	record->addr = lb_addr_of(&backend->endpoint.address);
	record->local_addr = facts->local_addr;
	record->port = htons(backend->endpoint.port);
	record->weight = backend->weight;
	record->is_ipv6 = !address_is_ipv4(&backend->endpoint.address);
	__atomic_store_n(&record->service, service->id, __ATOMIC_RELEASE);
	hop.flags = (uint16_t)(hop.flags | (facts->alive ? LB_BACKEND_UP : 0));
	hop_store(&record->hop, &hop);
}

static void backends_store(struct sync *sync, const struct service_spec *service,
			   const struct backend_facts *facts, bool alive)
{
	size_t i;

	for (i = 0; i < service->backend_count; i++) {
		if (facts[service->backends[i].id].alive == alive)
			backend_store(sync, service, &service->backends[i],
				      &facts[service->backends[i].id]);
	}
}

static void service_store(struct sync *sync, const struct service_spec *service)
{
	struct lb_service *record = &sync->dp->services[service->id];
	int state;

	record->mode = (uint8_t)service->mode;
	record->flags = LB_SERVICE_TRACK | LB_SERVICE_TELL_TOO_BIG;
	for (state = LB_FLOW_EMBRYONIC; state < LB_FLOW_STATES; state++)
		record->timeout[state] = dataplane_ticks(
			&sync->dp->clock, (enum lb_flow_state)state, service->timeout_ms[state]);
	record->timeout_udp = record->timeout[LB_FLOW_ESTABLISHED];
}

/* The balancer's own addresses that replies of this service's backends come back to. */
static int nat_addresses_put(struct sync *sync, const struct service_spec *service,
			     const struct backend_facts *facts, struct error *err)
{
	static const struct lb_addr unknown;
	struct lb_vip vip = {.kind = LB_VIP_NAT};
	const struct lb_addr *addr;
	struct lb_vip_key key = {0};
	size_t i, v;
	int ret = 0;

	for (i = 0; service->mode == LB_MODE_NAT && i < service->backend_count; i++) {
		addr = &facts[service->backends[i].id].local_addr;
		if (memcmp(addr, &unknown, sizeof(unknown)) == 0)
			continue;
		key.addr = *addr;
		for (v = 0; ret == 0 && v < service->vip_count; v++) {
			key.l4_proto = service->vips[v].vip.protocol;
			ret = sync->dp->ops->vip_put(sync->dp, &key, &vip, err);
		}
	}
	return ret;
}

int sync_service(struct sync *sync, const struct service_spec *service,
		 const struct backend_facts *facts, struct error *err)
{
	int ret = nat_addresses_put(sync, service, facts, err);

	if (ret)
		return ret;
	backends_store(sync, service, facts, true);
	ret = table_sync(sync, service, facts, err);
	if (ret)
		return ret;
	backends_store(sync, service, facts, false);
	return 0;
}

/* --- VIPs --- */

static struct lb_vip_key vip_key(const struct vip *vip)
{
	return (struct lb_vip_key){
		.addr = lb_addr_of(&vip->endpoint.address),
		.port = htons(vip->endpoint.port),
		.l4_proto = vip->protocol,
	};
}

static int vips_put(struct sync *sync, const struct service_spec *service, struct error *err)
{
	struct lb_vip vip = {.kind = LB_VIP_SERVICE, .service = service->id};
	struct lb_vip_key key;
	size_t i;
	int ret = 0;

	for (i = 0; ret == 0 && i < service->vip_count; i++) {
		vip.vip = service->vips[i].id;
		key = vip_key(&service->vips[i].vip);
		ret = sync->dp->ops->vip_put(sync->dp, &key, &vip, err);
	}
	return ret;
}

struct vip_sweep {
	struct sync *sync;
	const struct desired *desired;
	const struct backend_facts *facts;
	struct error *err;
	int ret;
};

static bool nat_wanted(const struct service_spec *service, const struct lb_vip_key *key,
		       const struct backend_facts *facts)
{
	size_t i;

	if (!service_translates(service, key->l4_proto))
		return false;
	for (i = 0; i < service->backend_count; i++) {
		if (memcmp(&facts[service->backends[i].id].local_addr, &key->addr,
			   sizeof(key->addr)) == 0)
			return true;
	}
	return false;
}

static bool vip_wanted(const struct service_spec *service, const struct lb_vip_key *key,
		       const struct lb_vip *vip)
{
	struct lb_vip_key wanted;
	size_t i;

	for (i = 0; i < service->vip_count; i++) {
		wanted = vip_key(&service->vips[i].vip);
		if (vip->service == service->id && vip->vip == service->vips[i].id &&
		    memcmp(&wanted, key, sizeof(wanted)) == 0)
			return true;
	}
	return false;
}

/* What it is shown goes with the removal, so the counters' index is noted before. They go back to
 * zero only once no packet can be counted there: a VIP that stays keeps its own. */
static void sweep_vip(void *context, const struct lb_vip_key *key, const struct lb_vip *vip)
{
	const bool counted = vip->kind == LB_VIP_SERVICE;
	const uint16_t vip_id = vip->vip;
	struct vip_sweep *sweep = context;
	const struct service_spec *service;
	size_t i;

	for (i = 0; i < sweep->desired->service_count; i++) {
		service = &sweep->desired->services[i];
		if (vip->kind == LB_VIP_NAT ? nat_wanted(service, key, sweep->facts)
					    : vip_wanted(service, key, vip))
			return;
	}
	if (sweep->ret)
		return;
	sweep->ret = sweep->sync->dp->ops->vip_remove(sweep->sync->dp, key, sweep->err);
	if (sweep->ret == 0 && counted)
		sweep->sync->dp->ops->vip_stats_reset(sweep->sync->dp, vip_id);
}

/* --- everything --- */

/* Which indices the desired state uses. */
struct used {
	bool *services;
	bool *backends;
};

static void mark_used(const struct desired *desired, struct used *used)
{
	size_t i, b;

	for (i = 0; i < desired->service_count; i++) {
		used->services[desired->services[i].id] = true;
		for (b = 0; b < desired->services[i].backend_count; b++)
			used->backends[desired->services[i].backends[b].id] = true;
	}
}

/* Services first, so that no table names a backend that is no more. */
static void clear_unused(struct sync *sync, const struct used *used)
{
	static const struct lb_hop no_hop;
	uint32_t id;

	for (id = 1; id <= sync->dp->sizes.services; id++) {
		if (!used->services[id] && sync->dp->services[id].table) {
			table_switch(sync, (uint16_t)id, 0);
			sync->digest[id] = 0;
		}
	}
	for (id = 1; id <= sync->dp->sizes.backends; id++) {
		if (!used->backends[id] && sync->dp->backends[id].service) {
			hop_store(&sync->dp->backends[id].hop, &no_hop);
			__atomic_store_n(&sync->dp->backends[id].service, 0, __ATOMIC_RELEASE);
			sync->slots[id] = 0;
		}
	}
}

static int sync_desired(struct sync *sync, const struct desired *desired,
			const struct backend_facts *facts, struct error *err)
{
	struct vip_sweep sweep = {sync, desired, facts, err, 0};
	size_t i;
	int ret = 0;

	/* Old VIPs first: their places in the map are needed. */
	sync->dp->ops->vip_each(sync->dp, sweep_vip, &sweep);
	if (sweep.ret)
		return sweep.ret;
	for (i = 0; ret == 0 && i < desired->service_count; i++) {
		service_store(sync, &desired->services[i]);
		ret = sync_service(sync, &desired->services[i], facts, err);
		if (ret == 0) /* last: only now packets may come */
			ret = vips_put(sync, &desired->services[i], err);
	}
	return ret;
}

int sync_all(struct sync *sync, const struct desired *desired, const struct backend_facts *facts,
	     struct error *err)
{
	struct used used = {
		.services = calloc((size_t)sync->dp->sizes.services + 1, sizeof(bool)),
		.backends = calloc((size_t)sync->dp->sizes.backends + 1, sizeof(bool)),
	};
	int ret;

	if (!used.services || !used.backends) {
		ret = error_set(err, ENOMEM, "out of memory");
	} else {
		ret = sync_desired(sync, desired, facts, err);
		mark_used(desired, &used);
		if (ret == 0)
			clear_unused(sync, &used);
	}
	free(used.services);
	free(used.backends);
	return ret;
}

uint32_t sync_slots(const struct sync *sync, uint16_t backend_id)
{
	return sync->slots[backend_id];
}

double sync_build_seconds(const struct sync *sync)
{
	return sync->build_seconds;
}
