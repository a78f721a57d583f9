/* SPDX-License-Identifier: Apache-2.0 */
#include "sync.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "cookies.h"
#include "digest.h"
#include "flow_sample.h"
#include "slow_start.h"
#include "vip_list.h"

/* Of a table that a former agent built. Digests are odd, or 0 for the empty table. */
#define DIGEST_UNKNOWN 2

/* What a backend index stands for. */
struct wanted {
	const struct backend_spec *backend; /* NULL: nothing */
	uint16_t service_id;
};

struct sync {
	struct dataplane *dp;
	uint64_t *digest;  /* [service index]: of what its table was built from */
	bool *marked;      /* [service index]: marks say what its flows' entries may differ in */
	uint32_t *excused; /* [service index]: LB_SERVICE_EXCUSED ends after this coarse tick */
	uint64_t *told_digest;              /* [service index]: digest_table() of it */
	uint64_t (*earlier)[LB_EARLIER];    /* [service index]: what those were built from */
	uint64_t seed_digest, empty_digest; /* the latter of a table without owners */
	struct digest_owner *digest_owners; /* scratch, as ranks */
	uint16_t *ranks;
	uint32_t *slots;  /* [backend index]: slots owned */
	uint16_t *owners; /* a table under construction, */
	uint16_t *former; /* and its marks */
	struct slot_marks *marks;
	struct flow_sample sample;
	struct maglev_backend *members;
	struct wanted *wanted; /* [backend index] */
	uint32_t *free_blocks; /* ring: blocks are reused in the order they became free */
	uint32_t free_head, free_count;
	double build_seconds;
	const struct source_lists *lists; /* NULL: none */
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

static void block_fill(struct sync *sync, uint32_t block, const uint16_t *slots)
{
	memcpy(&sync->dp->slots[(size_t)block * sync->dp->table_lines], slots,
	       sync->dp->sizes.table_size * sizeof(*slots));
}

/* Where not all flows have entries, one that gets its own late may be silent for long. */
static void begun_store(struct lb_service *record, uint32_t former)
{
	bool late = former || record->flags & (LB_SERVICE_TRACK_CHANGED | LB_SERVICE_EXCUSED);

	__atomic_store_n(&record->begun_state, late ? LB_FLOW_INHERITED : LB_FLOW_EMBRYONIC,
			 __ATOMIC_RELAXED);
}

/* One store moves all packets from the old tables to the new. */
static void tables_store(struct sync *sync, uint16_t service_id, struct lb_tables tables)
{
	struct lb_service *record = &sync->dp->services[service_id];
	uint64_t word;

	begun_store(record, tables.former);
	memcpy(&word, &tables, sizeof(word));
	__atomic_store_n((uint64_t *)&record->tables, word, __ATOMIC_RELEASE);
}

/* Likewise, and those it had are free. */
static void tables_switch(struct sync *sync, uint16_t service_id, struct lb_tables tables)
{
	struct lb_tables former = sync->dp->services[service_id].tables;

	tables_store(sync, service_id, tables);
	if (former.current != tables.current)
		block_give(sync, former.current);
	if (former.former != tables.former)
		block_give(sync, former.former);
}

/* Do the slots of a service get marks? Only where a flow's slot follows from its entry. */
static bool has_marks(const struct lb_service *service)
{
	return service->flags & LB_SERVICE_TRACK && service->scheduler == LB_SCHEDULER_MAGLEV;
}

/* Will flows that are tracked be found otherwise than by slots? */
static bool leaves_slots(const struct service_spec *service)
{
	return service->tracking != TRACK_NONE && service->scheduler != LB_SCHEDULER_MAGLEV;
}

/* Is it a service's own block? A block beyond the map, or that another has already, is not: were it
 * taken on, it would be given back twice. */
static bool block_adopt(const struct sync *sync, bool *used, uint32_t block)
{
	if (block >= sync->dp->table_blocks || (block && used[block]))
		return false;
	used[block] = true;
	return true;
}

static void earlier_adopt(struct sync *sync, bool *used, uint16_t service_id)
{
	struct lb_service *record = &sync->dp->services[service_id];

	for (size_t i = 0; i < LB_EARLIER; i++) {
		sync->earlier[service_id][i] = DIGEST_UNKNOWN;
		if (!block_adopt(sync, used, record->earlier[i]))
			record->earlier[i] = 0;
	}
}

/*
 * All blocks are free but the empty one and those that adopted services point at. The empty table
 * stands in for one that is not the service's own until that is built.
 */
static void blocks_init(struct sync *sync, bool *used)
{
	struct lb_tables tables;
	uint32_t id, block;

	for (id = 1; id <= sync->dp->sizes.services; id++) {
		tables = sync->dp->services[id].tables;
		sync->digest[id] = DIGEST_UNKNOWN;
		sync->marked[id] = sync->dp->services[id].flags & LB_SERVICE_TRACK_CHANGED;
		earlier_adopt(sync, used, (uint16_t)id);
		if (!block_adopt(sync, used, tables.current))
			tables.current = 0;
		if (!block_adopt(sync, used, tables.former))
			tables.former = 0;
		if (memcmp(&tables, &sync->dp->services[id].tables, sizeof(tables)) != 0)
			sync->marked[id] = false;
		tables_store(sync, (uint16_t)id, tables);
	}
	for (block = 1; block < sync->dp->table_blocks; block++) {
		if (!used[block])
			block_give(sync, block);
	}
}

static uint32_t coarse_now(struct dataplane *dp)
{
	return dataplane_coarse(&dp->clock, dp->ops->now(dp));
}

/* A former agent's sample; for all that is known, it became larger just now. */
static struct flow_sample sample_adopt(struct dataplane *dp)
{
	return (struct flow_sample){
		.mask = dp->switches->sample_mask,
		.counted = dp->switches->counted_mask,
		.grew = coarse_now(dp),
	};
}

/* --- excuses --- */

/* From now on for as long as a flow may be silent. */
static void excuse(struct sync *sync, uint16_t service_id)
{
	sync->excused[service_id] =
		coarse_now(sync->dp) +
		slot_marks_silence(&sync->dp->clock, &sync->dp->services[service_id]);
}

/* If it has one, and that is over. */
static void excuse_end(struct sync *sync, uint16_t service_id, uint32_t tick)
{
	struct lb_service *record = &sync->dp->services[service_id];

	if (!(record->flags & LB_SERVICE_EXCUSED) ||
	    (int32_t)(tick - sync->excused[service_id]) <= 0)
		return;
	record->flags &= (uint16_t)~LB_SERVICE_EXCUSED;
	begun_store(record, record->tables.former);
}

/* Those of a former agent; for all that is known, they began just now. */
static void excuses_adopt(struct sync *sync)
{
	uint32_t id;

	for (id = 1; id <= sync->dp->sizes.services; id++) {
		if (sync->dp->services[id].flags & LB_SERVICE_EXCUSED)
			excuse(sync, (uint16_t)id);
	}
}

/* Will SYN cookies ask for entries that flows of the service have not been given? */
static bool needs_excuse(const struct lb_service *record, uint16_t flags)
{
	const uint16_t tracking = LB_SERVICE_TRACK | LB_SERVICE_TRACK_CHANGED;
	bool all = (record->flags & tracking) == LB_SERVICE_TRACK;

	return record->mode && !all && flags & LB_SERVICE_COOKIES;
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
	sync->marked = calloc((size_t)dp->sizes.services + 1, sizeof(*sync->marked));
	sync->excused = calloc((size_t)dp->sizes.services + 1, sizeof(*sync->excused));
	sync->slots = calloc((size_t)dp->sizes.backends + 1, sizeof(*sync->slots));
	sync->members = calloc((size_t)dp->sizes.backends + 1, sizeof(*sync->members));
	sync->wanted = calloc((size_t)dp->sizes.backends + 1, sizeof(*sync->wanted));
	sync->told_digest = calloc((size_t)dp->sizes.services + 1, sizeof(*sync->told_digest));
	sync->earlier = calloc((size_t)dp->sizes.services + 1, sizeof(*sync->earlier));
	sync->digest_owners = calloc((size_t)dp->sizes.backends + 1, sizeof(*sync->digest_owners));
	sync->ranks = calloc((size_t)dp->sizes.backends + 1, sizeof(*sync->ranks));
	sync->owners = calloc(dp->sizes.table_size, sizeof(*sync->owners));
	sync->former = calloc(dp->sizes.table_size, sizeof(*sync->former));
	sync->free_blocks = calloc(dp->table_blocks, sizeof(*sync->free_blocks));
	if (sync->digest && sync->marked && sync->excused && sync->slots && sync->members &&
	    sync->wanted && sync->owners && sync->former && sync->free_blocks &&
	    sync->told_digest && sync->earlier && sync->digest_owners && sync->ranks) {
		blocks_init(sync, used);
		sync->marks = slot_marks_new(dp);
		excuses_adopt(sync);
		sync->sample = sample_adopt(dp);
	}
	free(used);
	if (sync->marks)
		return sync;
	sync_free(sync);
	return NULL;
}

void sync_free(struct sync *sync)
{
	if (!sync)
		return;
	free(sync->digest);
	free(sync->marked);
	free(sync->excused);
	free(sync->told_digest);
	free(sync->earlier);
	free(sync->digest_owners);
	free(sync->ranks);
	free(sync->slots);
	free(sync->members);
	free(sync->wanted);
	free(sync->owners);
	free(sync->former);
	free(sync->free_blocks);
	slot_marks_free(sync->marks);
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

static bool takes_new_flows(const struct backend_spec *backend, const struct backend_facts *facts)
{
	return facts[backend->id].eligible && backend->weight > 0;
}

/* The lowest that a backend for new flows has. */
static uint8_t current_priority(const struct service_spec *service,
				const struct backend_facts *facts)
{
	uint8_t lowest = UINT8_MAX;
	size_t i;

	for (i = 0; i < service->backend_count; i++) {
		if (takes_new_flows(&service->backends[i], facts) &&
		    service->backends[i].priority < lowest)
			lowest = service->backends[i].priority;
	}
	return lowest;
}

_Static_assert(SYNC_WEIGHT == SLOW_START_TENTHS * LOAD_WHOLE, "both leave parts of a weight");

uint32_t sync_weight(const struct backend_spec *backend, const struct backend_facts *facts)
{
	return slow_start_weight(backend->weight, facts->tenths) *
	       (backend->load_factor ? backend->load_factor : LOAD_WHOLE);
}

/* For least-conn, in tenths. Who has weight keeps some. */
static uint16_t record_weight(const struct backend_spec *backend, const struct backend_facts *facts)
{
	return (uint16_t)((sync_weight(backend, facts) + LOAD_WHOLE - 1) / LOAD_WHOLE);
}

size_t sync_members(const struct service_spec *service, const struct backend_facts *facts,
		    struct maglev_backend *members)
{
	uint8_t priority = current_priority(service, facts);
	const struct backend_spec *backend;
	size_t i, count = 0;

	for (i = 0; i < service->backend_count; i++) {
		backend = &service->backends[i];
		if (!takes_new_flows(backend, facts) || backend->priority != priority)
			continue;
		members[count++] = (struct maglev_backend){
			.key = endpoint_key(&backend->endpoint),
			.weight = sync_weight(backend, &facts[backend->id]),
			.id = backend->id,
		};
	}
	return count;
}

uint64_t sync_members_digest(const struct maglev_backend *members, size_t count)
{
	uint64_t digest = 0;
	size_t i;

	for (i = 0; i < count; i++) {
		uint64_t member[3] = {members[i].key, members[i].weight, members[i].id};

		digest += maglev_key(member, sizeof(member)) | 1;
	}
	return count ? digest | 1 : 0;
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

/* Puts marks for a table of these owners, which is to follow the present one, into *tables. */
static int tables_mark(struct sync *sync, const struct service_spec *service,
		       const uint16_t *owners, enum slot_flows flows, struct lb_tables *tables,
		       struct error *err)
{
	const struct lb_service *record = &sync->dp->services[service->id];
	bool left = flows == SLOT_FLOWS_LEFT && !record->tables.former;
	int marks = 0;

	if (record->flags & LB_SERVICE_TRACK && !left)
		marks = slot_marks_change(sync->marks, service->id, owners, flows,
					  sync->dp->ops->now(sync->dp), sync->former);
	else
		slot_marks_drop(sync->marks, service->id);
	if (marks < 0)
		return error_set(err, -marks, "service %s: table cannot be marked: %s",
				 service->name, strerror(-marks));
	if (marks) {
		tables->former = block_take(sync);
		block_fill(sync, tables->former, sync->former);
	}
	return 0;
}

/* Puts the table that was built, and its marks, into force. */
static int tables_put(struct sync *sync, const struct service_spec *service, size_t members,
		      enum slot_flows flows, struct error *err)
{
	struct lb_tables tables = {0};
	int ret = tables_mark(sync, service, sync->owners, flows, &tables, err);

	if (ret)
		return ret;
	if (members) {
		tables.current = block_take(sync);
		block_fill(sync, tables.current, sync->owners);
	}
	tables_switch(sync, service->id, tables);
	return 0;
}

/* Flows are about to be found otherwise than by their slots: those without entries stay. */
static int slots_leave(struct sync *sync, const struct service_spec *service, struct error *err)
{
	struct lb_tables tables = {.current = sync->dp->services[service->id].tables.current};
	const struct lb_slot_line *lines =
		&sync->dp->slots[(size_t)tables.current * sync->dp->table_lines];
	int ret = tables_mark(sync, service, lines->backend, SLOT_FLOWS_LEAVE, &tables, err);

	if (ret)
		return ret;
	tables_switch(sync, service->id, tables);
	sync->marked[service->id] = false;
	return 0;
}

static enum slot_flows slot_flows(bool were_marked, bool marked)
{
	if (!marked)
		return SLOT_FLOWS_LEFT;
	return were_marked ? SLOT_FLOWS_HERE : SLOT_FLOWS_UNKNOWN;
}

/* Of what packets read, which is what was just built, unless memory is broken. */
static void tell_digest(struct sync *sync, const struct service_spec *service)
{
	uint32_t block = sync->dp->services[service->id].tables.current;
	const uint16_t *slots =
		(const uint16_t *)&sync->dp->slots[(size_t)block * sync->dp->table_lines];
	size_t i;

	if (!block) { /* thousands may be added at once, each without a table yet */
		sync->told_digest[service->id] = sync->empty_digest;
		return;
	}
	for (i = 0; i < service->backend_count; i++)
		sync->digest_owners[i] = (struct digest_owner){service->backends[i].endpoint,
							       service->backends[i].id};
	sync->told_digest[service->id] =
		digest_table(sync->seed_digest, sync->digest_owners, service->backend_count, slots,
			     sync->dp->sizes.table_size, sync->ranks);
}

static int table_sync(struct sync *sync, const struct service_spec *service,
		      const struct backend_facts *facts, struct error *err)
{
	size_t count = sync_members(service, facts, sync->members);
	uint64_t digest = sync_members_digest(sync->members, count);
	double began = clock_seconds(CLOCK_MONOTONIC);
	bool were_marked = sync->marked[service->id], marked;
	int ret;

	/* Without a table there is nobody to mark slots with. */
	marked = has_marks(&sync->dp->services[service->id]) && (count || were_marked);
	if (digest == sync->digest[service->id] && marked == were_marked) {
		if (!sync->told_digest[service->id])
			tell_digest(sync, service); /* empty, as a removed one's was before */
		return 0;
	}
	ret = maglev_build(sync->members, count, sync->owners, sync->dp->sizes.table_size);
	if (ret)
		return error_set(err, -ret, "service %s: table cannot be built: %s", service->name,
				 strerror(-ret));
	ret = tables_put(sync, service, count, slot_flows(were_marked, marked), err);
	if (ret)
		return ret;
	count_slots(sync, service);
	sync->marked[service->id] = marked;
	sync->digest[service->id] = digest;
	sync->build_seconds = clock_seconds(CLOCK_MONOTONIC) - began;
	tell_digest(sync, service); /* packets do not wait for it */
	return 0;
}

/* --- tables of former owners --- */

/* By the index of each former owner its backend, or 0: gone, but it had its slots. */
static void find_owners(const struct service_spec *service, const struct owners *owners,
			uint16_t *ret_ids)
{
	ptrdiff_t at;

	for (size_t i = 0; i < service->backend_count; i++) {
		at = owners_find(owners, &service->backends[i].endpoint);
		if (at >= 0)
			ret_ids[at] = service->backends[i].id;
	}
}

/* Names what such a table is of. */
static uint64_t owners_digest(const struct owners *owners, const uint16_t *ids)
{
	struct maglev_backend member;
	uint64_t digest = 0;

	for (size_t i = 0; i < owners->count; i++) {
		member = (struct maglev_backend){endpoint_key(&owners->list[i].endpoint),
						 owners->list[i].weight, ids[i]};
		digest += sync_members_digest(&member, 1);
	}
	return owners->count ? digest | 1 : 0;
}

/* Slots have positions in owners, counted from 1, which become their backends. */
static int owners_build(struct sync *sync, const struct owners *owners, const uint16_t *ids)
{
	struct maglev_backend *members = calloc(owners->count, sizeof(*members));
	int ret;

	if (!members)
		return -ENOMEM;
	for (size_t i = 0; i < owners->count; i++)
		members[i] = (struct maglev_backend){
			.key = endpoint_key(&owners->list[i].endpoint),
			.weight = slow_start_weight(owners->list[i].weight, 0),
			.id = (uint16_t)(i + 1),
		};
	ret = maglev_build(members, owners->count, sync->owners, sync->dp->sizes.table_size);
	free(members);
	for (uint32_t slot = 0; ret == 0 && slot < sync->dp->sizes.table_size; slot++)
		sync->owners[slot] = ids[sync->owners[slot] - 1];
	return ret;
}

static void earlier_store(struct sync *sync, uint16_t service_id, size_t i, uint32_t block)
{
	uint32_t *place = &sync->dp->services[service_id].earlier[i], former = *place;

	__atomic_store_n(place, block, __ATOMIC_RELEASE);
	block_give(sync, former);
}

static int earlier_put(struct sync *sync, const struct service_spec *service, size_t i,
		       const uint16_t *ids)
{
	const struct owners *owners = &service->former[i];
	uint64_t digest = owners_digest(owners, ids);
	uint32_t block = 0;
	int ret;

	if (digest == sync->earlier[service->id][i])
		return 0;
	if (digest) {
		ret = owners_build(sync, owners, ids);
		if (ret)
			return ret;
		block = block_take(sync);
		block_fill(sync, block, sync->owners);
	}
	earlier_store(sync, service->id, i, block);
	sync->earlier[service->id][i] = digest;
	return 0;
}

/* A flag for packets only while there is something to tell. */
static uint16_t chance_flag(const struct lb_service *record)
{
	return record->earlier[0] || record->earlier[1] ? LB_SERVICE_CHANCE : 0;
}

/*
 * Before the present table changes, and the oldest first: so whom packets have told of until now is
 * told of all the time, first as the newest, then as the older one.
 */
static int earlier_sync(struct sync *sync, const struct service_spec *service, struct error *err)
{
	struct lb_service *record = &sync->dp->services[service->id];
	size_t i = service->second_chance == CHANCE_ON ? LB_EARLIER : 0;
	uint16_t *ids;
	int ret = 0;

	while (ret == 0 && i-- > 0) {
		ids = calloc(service->former[i].count + 1, sizeof(*ids));
		if (ids)
			find_owners(service, &service->former[i], ids);
		ret = ids ? earlier_put(sync, service, i, ids) : -ENOMEM;
		free(ids);
	}
	record->flags = (uint16_t)((record->flags & ~LB_SERVICE_CHANCE) | chance_flag(record));
	if (ret == 0)
		return 0;
	return error_set(err, -ret, "service %s: table of former owners cannot be built: %s",
			 service->name, strerror(-ret));
}

/* Of services that have no second chance any more, or are gone: others need the blocks. */
static void earlier_clear(struct sync *sync, const struct desired *desired)
{
	bool *keeps = calloc((size_t)sync->dp->sizes.services + 1, sizeof(*keeps));
	uint32_t id;
	size_t i;

	for (i = 0; keeps && i < desired->service_count; i++)
		keeps[desired->services[i].id] = desired->services[i].second_chance == CHANCE_ON;
	for (id = 1; keeps && id <= sync->dp->sizes.services; id++) {
		for (i = 0; !keeps[id] && i < LB_EARLIER; i++) {
			earlier_store(sync, (uint16_t)id, i, 0);
			sync->earlier[id][i] = 0;
		}
	}
	free(keeps);
}

/* --- records --- */

#define HOP_REST (offsetof(struct lb_hop, src_mac))
_Static_assert(HOP_REST == sizeof(uint64_t), "dst_mac and flags are one store");

/* dst_mac and flags in one store; see struct lb_hop. */
static void hop_store(struct lb_hop *place, const struct lb_hop *hop)
{
	uint64_t word, former;

	memcpy(&word, hop, sizeof(word));
	if (memcmp((char *)place + HOP_REST, (const char *)hop + HOP_REST,
		   sizeof(*hop) - HOP_REST) != 0) {
		struct lb_hop unresolved = *place;

		unresolved.flags &= (uint16_t)~LB_BACKEND_RESOLVED;
		memcpy(&former, &unresolved, sizeof(former));
		__atomic_store_n((uint64_t *)place, former, __ATOMIC_RELEASE);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		memcpy((char *)place + HOP_REST, (const char *)hop + HOP_REST,
		       sizeof(*hop) - HOP_REST);
	}
	__atomic_store_n((uint64_t *)place, word, __ATOMIC_RELEASE);
}

/* What the outer source of a flow's packets is made from; see struct lb_backend. */
struct source {
	struct lb_addr addr;
	uint8_t spread_bits;
};

#define SPREAD_BITS_MAX 32
#define SPREAD_PORT     14 /* bits of a source port that may vary; see bpf/tunnel.h */

static struct source backend_source(const struct sync *sync, const struct service_spec *service,
				    const struct backend_spec *backend,
				    const struct backend_facts *facts)
{
	bool ipv4 = address_is_ipv4(&backend->endpoint.address);
	const struct dataplane_prefix *prefix = &sync->dp->tunnel_sources[ipv4 ? 0 : 1];
	bool spread = service->tunnel_source == TUNNEL_SPREAD;

	if (spread && service->mode == LB_MODE_IPIP)
		return (struct source){prefix->addr, prefix->host_bits < SPREAD_BITS_MAX
							     ? prefix->host_bits
							     : SPREAD_BITS_MAX};
	return (struct source){facts->local_addr,
			       spread && service->mode == LB_MODE_GUE ? SPREAD_PORT : 0};
}

static void source_store(struct lb_backend *record, const struct source *source)
{
	if (memcmp(&record->local_addr, &source->addr, sizeof(source->addr)) != 0) {
		/* No packet may have its flow's bits in an address that they do not belong to. */
		__atomic_store_n(&record->spread_bits, 0, __ATOMIC_SEQ_CST);
		record->local_addr = source->addr;
	}
	__atomic_store_n(&record->spread_bits, source->spread_bits, __ATOMIC_RELEASE);
}

static void backend_store(struct sync *sync, const struct service_spec *service,
			  const struct backend_spec *backend, const struct backend_facts *facts)
{
	struct lb_backend *record = &sync->dp->backends[backend->id];
	struct source source = backend_source(sync, service, backend, facts);
	struct lb_hop hop = facts->hop;

	if (record->service != service->id) {
		sync->dp->ops->backend_stats_reset(sync->dp, backend->id);
		__atomic_store_n(&sync->dp->loads[backend->id], 0, __ATOMIC_RELAXED);
	}
	record->addr = lb_addr_of(&backend->endpoint.address);
	source_store(record, &source);
	record->port = htons(backend->endpoint.port);
	record->weight = record_weight(backend, facts);
	record->is_ipv6 = !address_is_ipv4(&backend->endpoint.address);
	__atomic_store_n(&record->service, service->id, __ATOMIC_RELEASE);
	hop.flags = (uint16_t)(hop.flags | (facts->alive ? LB_BACKEND_UP : 0));
	hop_store(&record->hop, &hop);
}

void sync_backend(struct sync *sync, const struct service_spec *service,
		  const struct backend_spec *backend, const struct backend_facts *facts)
{
	backend_store(sync, service, backend, &facts[backend->id]);
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

static uint8_t service_mode(const struct service_spec *service)
{
	if (service->mode == LB_MODE_GUE && service->gue_variant == 1)
		return LB_MODE_GUE_DIRECT;
	return (uint8_t)service->mode;
}

static uint16_t service_flags(const struct service_spec *service)
{
	uint16_t flags = 0;

	if (service->tracking != TRACK_NONE)
		flags |= LB_SERVICE_TRACK;
	if (service->when_down == DOWN_PASS)
		flags |= LB_SERVICE_PASS_WHEN_DOWN;
	if (service->too_big == TOO_BIG_TELL)
		flags |= LB_SERVICE_TELL_TOO_BIG;
	return flags;
}

/*
 * An entry of the flow table does not tell UDP from TCP, and whoever clears expired ones must take
 * the longer idle time. So a service that has only one of the two has the same time twice.
 */
static void timeouts_store(struct sync *sync, const struct service_spec *service,
			   struct lb_service *record)
{
	const struct dataplane_clock *clock = &sync->dp->clock;
	uint64_t established = service->timeout_ms[LB_FLOW_ESTABLISHED];
	uint64_t udp = service->timeout_udp_ms;
	enum lb_flow_state state;

	if (!service_has_protocol(service, IPPROTO_UDP))
		udp = established;
	else if (!service_has_protocol(service, IPPROTO_TCP) &&
		 !service_has_protocol(service, IPPROTO_SCTP))
		established = udp;
	for (state = LB_FLOW_EMBRYONIC; state < LB_FLOW_STATES; state++)
		record->timeout[state] = dataplane_ticks(
			clock, state,
			state == LB_FLOW_ESTABLISHED ? established : service->timeout_ms[state]);
	record->timeout[LB_FLOW_INHERITED] = record->timeout[LB_FLOW_ESTABLISHED];
	record->timeout_udp = dataplane_ticks(clock, LB_FLOW_ESTABLISHED, udp);
}

void sync_use_lists(struct sync *sync, const struct source_lists *lists)
{
	sync->lists = lists;
}

/* What one of so many a second costs of a budget; 0: nothing. */
static uint64_t budget_cost(const struct sync *sync, uint64_t rate)
{
	return rate ? ((uint64_t)sync->dp->clock.hz << LB_BUDGET_SHIFT) / rate : 0;
}

#define MAPPED_BITS 96 /* in front of an IPv4 address */

/* Whose packets the service takes, and how many. Returns the flags that go with it, which are set
 * after the rest. */
static uint16_t guard_store(const struct sync *sync, const struct service_spec *service,
			    struct lb_service *record)
{
	static const struct source_lists none;
	const struct source_lists *lists = sync->lists ? sync->lists : &none;
	uint32_t allow = lists->services ? lists->services[service->id].allow : 0;
	uint32_t deny = lists->services ? lists->services[service->id].deny : 0;
	uint16_t flags = 0;

	__atomic_store_n(&record->source_allow, allow, __ATOMIC_RELAXED);
	__atomic_store_n(&record->source_deny, deny, __ATOMIC_RELAXED);
	record->source_bits_ipv4 = (uint8_t)(MAPPED_BITS + service->source_prefix_ipv4);
	record->source_bits_ipv6 = service->source_prefix_ipv6;
	record->flow_cost = budget_cost(sync, service->max_new_flows);
	record->source_flow_cost = budget_cost(sync, service->source_rate_flows);
	record->source_packet_cost = budget_cost(sync, service->source_rate_packets);
	record->entry_cost = budget_cost(sync, service->max_new_entries);
	if (lists->global_deny || allow || deny || service->source_rate_packets)
		flags |= LB_SERVICE_SOURCES;
	if (service->max_new_flows || service->source_rate_flows)
		flags |= LB_SERVICE_FLOW_LIMITS;
	return flags;
}

/* Whether SYNs are answered by cookies. Returns the flag that goes with it. */
static uint16_t cookies_store(const struct sync *sync, const struct service_spec *service,
			      struct lb_service *record)
{
	bool at_times = service->syn_cookies == COOKIES_AUTO;

	record->syn_cost = at_times ? budget_cost(sync, service->syn_cookies_above) : 0;
	if (service->syn_cookies == COOKIES_OFF || !cookies_have_key(sync->dp))
		return 0;
	return LB_SERVICE_COOKIES;
}

/* Entries may go unread only once the marks say where they must be read. */
static uint16_t changed_flag(const struct service_spec *service)
{
	return service_tracking(service) == TRACK_CHANGED ? LB_SERVICE_TRACK_CHANGED : 0;
}

static void service_store(struct sync *sync, const struct service_spec *service)
{
	struct lb_service *record = &sync->dp->services[service->id];
	uint16_t flags = service_flags(service) | guard_store(sync, service, record) |
			 cookies_store(sync, service, record);

	if (needs_excuse(record, flags)) {
		excuse(sync, service->id);
		flags |= LB_SERVICE_EXCUSED;
	}
	flags |= record->flags & LB_SERVICE_EXCUSED;
	flags |= chance_flag(record);
	record->gue_port = htons(service->gue_port);
	record->mode = service_mode(service);
	record->scheduler = (uint8_t)service->scheduler;
	if (sync->marked[service->id])
		flags |= changed_flag(service);
	record->flags = flags;
	begun_store(record, record->tables.former);
	record->quic_id_length = service->quic_id_length;
	timeouts_store(sync, service, record);
}

/* The balancer's own addresses that replies of this service's backends come back to. */
static int nat_addresses_put(struct sync *sync, const struct service_spec *service,
			     const struct backend_facts *facts, struct error *err)
{
	static const struct lb_addr unknown;
	struct lb_vip vip = {.kind = LB_VIP_NAT};
	const struct lb_addr *addr, *former = &unknown; /* the same in a row, as a rule */
	struct lb_vip_prefix_key key = {.prefix_length = DATAPLANE_VIP_BITS};
	size_t i, v;
	int ret = 0;

	for (i = 0; service->mode == LB_MODE_NAT && i < service->backend_count; i++) {
		addr = &facts[service->backends[i].id].local_addr;
		if (memcmp(addr, &unknown, sizeof(unknown)) == 0 ||
		    memcmp(addr, former, sizeof(*former)) == 0)
			continue;
		former = addr;
		key.vip.addr = *addr;
		for (v = 0; ret == 0 && v < service->vip_count; v++) {
			key.vip.l4_proto = service->vips[v].vip.protocol;
			ret = sync->dp->ops->vip_put(sync->dp, &key, &vip, err);
		}
	}
	return ret;
}

int sync_service(struct sync *sync, const struct service_spec *service,
		 const struct backend_facts *facts, struct error *err)
{
	struct lb_service *record = &sync->dp->services[service->id];
	int ret = nat_addresses_put(sync, service, facts, err);

	if (ret)
		return ret;
	backends_store(sync, service, facts, true);
	ret = table_sync(sync, service, facts, err);
	if (ret)
		return ret;
	if (sync->marked[service->id]) {
		record->flags |= changed_flag(service);
		begun_store(record, record->tables.former);
	}
	backends_store(sync, service, facts, false);
	return 0;
}

/* --- VIPs --- */

static int vips_put(struct sync *sync, const struct service_spec *service, struct error *err)
{
	static const struct lb_vip echo = {.kind = LB_VIP_ECHO};
	struct lb_vip vip = {.kind = LB_VIP_SERVICE, .service = service->id};
	struct lb_vip_prefix_key key;
	size_t i;
	int ret = 0;

	for (i = 0; ret == 0 && i < service->vip_count; i++) {
		vip.vip = service->vips[i].id;
		key = vip_list_key(&service->vips[i].vip);
		ret = sync->dp->ops->vip_put(sync->dp, &key, &vip, err);
		if (ret)
			break;
		key = vip_list_echo_key(&service->vips[i].vip);
		ret = sync->dp->ops->vip_put(sync->dp, &key, &echo, err);
	}
	return ret;
}

static bool has_prefix(const struct desired *desired)
{
	size_t i, v;

	for (i = 0; i < desired->service_count; i++) {
		for (v = 0; v < desired->services[i].vip_count; v++) {
			if (desired->services[i].vips[v].vip.host_bits)
				return true;
		}
	}
	return false;
}

/* Is a VIP, or an own address that backends reply to, meant whatever the port? */
static bool has_any_port(const struct desired *desired)
{
	const struct service_spec *service;
	size_t i, v;

	for (i = 0; i < desired->service_count; i++) {
		service = &desired->services[i];
		if (service->mode == LB_MODE_NAT)
			return true;
		for (v = 0; v < service->vip_count; v++) {
			if (!service->vips[v].vip.endpoint.port)
				return true;
		}
	}
	return false;
}

static void switch_throw(uint32_t *place, bool on)
{
	__atomic_store_n(place, on, __ATOMIC_RELEASE);
}

struct vip_sweep {
	struct sync *sync;
	const struct vip_list *wanted;
	struct error *err;
	int ret;
};

/*
 * What it is shown goes with the removal, so the counters' index is noted before. They go back to
 * zero only once no packet can be counted there: a VIP that stays keeps its own. One that passes
 * to another service stays too, to be replaced when that is ready: no packet may miss it.
 */
static void sweep_vip(void *context, const struct lb_vip_prefix_key *key, const struct lb_vip *vip)
{
	const bool counted = vip->kind == LB_VIP_SERVICE;
	const uint16_t vip_id = vip->vip;
	struct vip_sweep *sweep = context;
	const struct lb_vip *wanted = vip_list_find(sweep->wanted, key);

	if (sweep->ret || (wanted && wanted->vip == vip_id))
		return;
	sweep->ret = sweep->sync->dp->ops->vip_remove(sweep->sync->dp, key, sweep->err);
	if (sweep->ret == 0 && counted)
		sweep->sync->dp->ops->vip_stats_reset(sweep->sync->dp, vip_id);
}

static int vips_clear(struct sync *sync, const struct desired *desired,
		      const struct backend_facts *facts, struct error *err)
{
	struct vip_list *wanted = vip_list_new(desired, facts);
	struct vip_sweep sweep = {sync, wanted, err, 0};

	if (!wanted)
		return error_set(err, ENOMEM, "out of memory");
	sync->dp->ops->vip_each(sync->dp, sweep_vip, &sweep);
	vip_list_free(wanted);
	return sweep.ret;
}

/* --- QUIC server IDs --- */

static struct lb_quic_key quic_key(uint16_t service_id, const struct backend_spec *backend)
{
	struct lb_quic_key key = {.service = service_id, .length = backend->quic_id_length};

	memcpy(key.id, backend->quic_id, backend->quic_id_length);
	return key;
}

static int quic_put(struct sync *sync, const struct service_spec *service, struct error *err)
{
	const struct backend_spec *backend;
	struct lb_quic_key key;
	size_t i;
	int ret = 0;

	for (i = 0; ret == 0 && i < service->backend_count; i++) {
		backend = &service->backends[i];
		if (!backend->quic_id_length)
			continue;
		key = quic_key(service->id, backend);
		ret = sync->dp->ops->quic_put(sync->dp, &key, backend->id, err);
	}
	return ret;
}

struct quic_sweep {
	struct sync *sync;
	struct error *err;
	int ret;
};

static void sweep_quic(void *context, const struct lb_quic_key *key, uint16_t backend_id)
{
	struct quic_sweep *sweep = context;
	struct sync *sync = sweep->sync;
	const struct wanted *wanted;
	struct lb_quic_key needed;

	if (backend_id <= sync->dp->sizes.backends && sync->wanted[backend_id].backend) {
		wanted = &sync->wanted[backend_id];
		needed = quic_key(wanted->service_id, wanted->backend);
		if (memcmp(&needed, key, sizeof(needed)) == 0)
			return;
	}
	if (sweep->ret == 0)
		sweep->ret = sync->dp->ops->quic_remove(sync->dp, key, sweep->err);
}

/* Removes what no backend has any more: its place in the map is needed. */
static int quic_clear(struct sync *sync, const struct desired *desired, struct error *err)
{
	struct quic_sweep sweep = {.sync = sync, .err = err};
	const struct service_spec *service;
	size_t i, b;

	memset(sync->wanted, 0, ((size_t)sync->dp->sizes.backends + 1) * sizeof(*sync->wanted));
	for (i = 0; i < desired->service_count; i++) {
		service = &desired->services[i];
		for (b = 0; b < service->backend_count; b++)
			sync->wanted[service->backends[b].id] =
				(struct wanted){&service->backends[b], service->id};
	}
	sync->dp->ops->quic_each(sync->dp, sweep_quic, &sweep);
	return sweep.ret;
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

/* Of a service that is gone: its lists may be emptied, and another begins to count at zero. */
static void guard_clear(struct sync *sync, uint16_t id)
{
	struct lb_service *record = &sync->dp->services[id];

	if (!record->mode)
		return;
	record->mode = 0;
	record->source_allow = 0;
	record->source_deny = 0;
	sync->dp->ops->service_drops_reset(sync->dp, id);
}

/* Services first, so that no table names a backend that is no more. */
static void clear_unused(struct sync *sync, const struct used *used)
{
	static const struct lb_hop no_hop;
	uint32_t id;

	for (id = 1; id <= sync->dp->sizes.services; id++) {
		if (!used->services[id]) {
			tables_switch(sync, (uint16_t)id, (struct lb_tables){0});
			slot_marks_drop(sync->marks, (uint16_t)id);
			sync->marked[id] = false;
			sync->digest[id] = 0;
		}
		if (!used->services[id]) {
			sync->told_digest[id] = 0;
			guard_clear(sync, (uint16_t)id);
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
			const struct backend_facts *facts, const bool *waits, struct error *err)
{
	bool prefixes = has_prefix(desired), any_port = has_any_port(desired);
	size_t i;
	int ret;

	/* Old VIPs first: their places in the map are needed. */
	ret = vips_clear(sync, desired, facts, err) ?: quic_clear(sync, desired, err);
	earlier_clear(sync, desired);
	if (prefixes)
		switch_throw(&sync->dp->switches->vip_prefixes, true);
	if (any_port)
		switch_throw(&sync->dp->switches->vip_any_port, true);
	if (sync->lists)
		__atomic_store_n(&sync->dp->switches->source_deny, sync->lists->global_deny,
				 __ATOMIC_RELEASE);
	for (i = 0; ret == 0 && i < desired->service_count; i++) {
		if (sync->marked[desired->services[i].id] && leaves_slots(&desired->services[i]))
			ret = slots_leave(sync, &desired->services[i], err);
		if (ret)
			break;
		service_store(sync, &desired->services[i]);
		ret = earlier_sync(sync, &desired->services[i], err);
		if (ret == 0 && !(waits && waits[desired->services[i].id]))
			ret = sync_service(sync, &desired->services[i], facts, err);
		if (ret == 0)
			ret = quic_put(sync, &desired->services[i], err);
		if (ret == 0) /* last: only now packets may come */
			ret = vips_put(sync, &desired->services[i], err);
	}
	if (ret == 0 && !prefixes)
		switch_throw(&sync->dp->switches->vip_prefixes, false);
	if (ret == 0 && !any_port)
		switch_throw(&sync->dp->switches->vip_any_port, false);
	return ret;
}

int sync_all(struct sync *sync, const struct desired *desired, const struct backend_facts *facts,
	     const bool *waits, struct error *err)
{
	struct used used = {
		.services = calloc((size_t)sync->dp->sizes.services + 1, sizeof(bool)),
		.backends = calloc((size_t)sync->dp->sizes.backends + 1, sizeof(bool)),
	};
	int ret;

	if (!used.services || !used.backends) {
		ret = error_set(err, ENOMEM, "out of memory");
	} else {
		ret = sync_desired(sync, desired, facts, waits, err);
		mark_used(desired, &used);
		if (ret == 0)
			clear_unused(sync, &used);
	}
	free(used.services);
	free(used.backends);
	return ret;
}

struct slot_marks *sync_marks(const struct sync *sync)
{
	return sync->marks;
}

static void unmark(struct sync *sync, uint16_t service_id, uint64_t now)
{
	struct lb_tables tables = sync->dp->services[service_id].tables;

	if (!tables.former || slot_marks_round(sync->marks, service_id, now))
		return;
	tables.former = 0;
	tables_switch(sync, service_id, tables);
	slot_marks_drop(sync->marks, service_id);
}

/* The longest that a flow may be silent which need have no entry. */
static uint32_t longest_silence(const struct sync *sync)
{
	const struct lb_service *service;
	uint32_t id, silence, longest = 0;

	for (id = 1; id <= sync->dp->sizes.services; id++) {
		service = &sync->dp->services[id];
		silence = slot_marks_silence(&sync->dp->clock, service);
		if ((has_marks(service) || service->tables.former) && silence > longest)
			longest = silence;
	}
	return longest;
}

void sync_round(struct sync *sync, uint32_t sampled, uint64_t now)
{
	uint32_t id, tick = dataplane_coarse(&sync->dp->clock, now);
	struct lb_switches *switches = sync->dp->switches;

	for (id = 1; id <= sync->dp->sizes.services; id++) {
		unmark(sync, (uint16_t)id, now);
		excuse_end(sync, (uint16_t)id, tick);
	}
	sync->sample = flow_sample_next(sync->sample, sampled, tick, longest_silence(sync));
	__atomic_store_n(&switches->counted_mask, sync->sample.counted, __ATOMIC_RELAXED);
	__atomic_store_n(&switches->sample_mask, sync->sample.mask, __ATOMIC_RELAXED);
}

bool sync_hides_flows(const struct sync *sync, uint16_t service_id, uint16_t backend_id)
{
	return sync->sample.counted && slot_marks_name(sync->marks, service_id, backend_id);
}

void sync_use_seed(struct sync *sync, uint64_t seed_digest)
{
	sync->seed_digest = seed_digest;
	sync->empty_digest = digest_table(seed_digest, NULL, 0, (const uint16_t *)sync->dp->slots,
					  sync->dp->sizes.table_size, sync->ranks);
}

uint64_t sync_table_digest(const struct sync *sync, uint16_t service_id)
{
	return sync->told_digest[service_id];
}

uint32_t sync_slots(const struct sync *sync, uint16_t backend_id)
{
	return sync->slots[backend_id];
}

double sync_build_seconds(const struct sync *sync)
{
	return sync->build_seconds;
}
