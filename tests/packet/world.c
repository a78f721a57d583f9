/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>

#include "uncounted.h"
#include "vip_hash.h"
#include "vip_table.h"

#define COARSE_TICK_MS (TICK_MS << COARSE_TICK_SHIFT)
#define NEVER_EMPTY    (LB_FLOW_TIME_MASK / 2) /* the longest age that can be told */

/* Indices of maps begin at 1, those of the case at 0. */
static uint32_t id_of(size_t index)
{
	return index + 1;
}

static uint32_t vip_id(size_t service, size_t vip)
{
	return 1 + service * CASE_VIPS_MAX + vip;
}

static struct lb_addr lb_addr_of(const struct address *address)
{
	struct lb_addr addr;

	memcpy(&addr, &address->ip, sizeof(addr));
	return addr;
}

static uint16_t in_ticks(uint64_t ms, enum lb_flow_state state)
{
	uint64_t ticks = ms / (state == LB_FLOW_EMBRYONIC ? TICK_MS : COARSE_TICK_MS);

	return ticks < NEVER_EMPTY ? ticks : NEVER_EMPTY;
}

/* The table of VIPs, as an engine has it. */
struct vips {
	struct lb_vip_entry entries[ENGINE_VIP_SLOTS];
	uint64_t groups[ENGINE_VIP_SLOTS / VIP_GROUP_SLOTS];
};

static int get_vips(const struct engine *engine, struct vips *ret_vips)
{
	uint32_t i;
	int r = 0;

	for (i = 0; r == 0 && i < ENGINE_VIP_SLOTS; i++)
		r = engine->get("vips", &i, &ret_vips->entries[i]);
	for (i = 0; r == 0 && i < ENGINE_VIP_SLOTS / VIP_GROUP_SLOTS; i++)
		r = engine->get("vip_groups", &i, &ret_vips->groups[i]);
	return r;
}

/* What is another than before. */
static int put_vips(const struct engine *engine, const struct vips *before, const struct vips *vips)
{
	uint32_t i;
	int r = 0;

	for (i = 0; r == 0 && i < ENGINE_VIP_SLOTS; i++) {
		if (memcmp(&before->entries[i], &vips->entries[i], sizeof(vips->entries[i])) != 0)
			r = engine->put("vips", &i, &vips->entries[i]);
	}
	for (i = 0; r == 0 && i < ENGINE_VIP_SLOTS / VIP_GROUP_SLOTS; i++) {
		if (before->groups[i] != vips->groups[i])
			r = engine->put("vip_groups", &i, &vips->groups[i]);
	}
	return r;
}

static int put_exact(const struct engine *engine, const struct lb_vip_key *key,
		     const struct lb_vip *value)
{
	static struct vips before, vips;
	struct vip_table *table;
	int r = get_vips(engine, &before);

	if (r < 0)
		return r;
	if (!key->port && key->l4_proto != IPPROTO_ICMP && key->l4_proto != IPPROTO_ICMPV6)
		engine->switches()->vip_any_port = 1;
	vips = before;
	table = vip_table_new(vips.entries, vips.groups, ENGINE_VIP_SLOTS);
	if (!table)
		return -ENOMEM;
	r = vip_table_put(table, key, value);
	vip_table_free(table);
	return r < 0 ? r : put_vips(engine, &before, &vips);
}

static int put_vip(const struct engine *engine, const struct vip *vip, const struct lb_vip *value)
{
	struct lb_vip_prefix_key prefix = {
		.prefix_length = LB_VIP_PREFIX_BASE + 128 - vip->host_bits,
		.vip =
			{
				.addr = lb_addr_of(&vip->endpoint.address),
				.port = htons(vip->endpoint.port),
				.l4_proto = vip->protocol,
			},
	};

	if (!vip->host_bits)
		return put_exact(engine, &prefix.vip, value);
	engine->switches()->vip_prefixes = 1;
	return engine->put("vip_prefixes", &prefix, value);
}

/* Echo requests to the VIP's address are answered. */
static int put_echo(const struct engine *engine, const struct vip *vip)
{
	const struct lb_vip value = {.kind = LB_VIP_ECHO};
	struct vip echo = *vip;

	echo.endpoint.port = 0;
	echo.protocol = address_is_ipv4(&vip->endpoint.address) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	return put_vip(engine, &echo, &value);
}

/* --- sources --- */

#define GLOBAL_DENY 1000

static uint32_t list_of(size_t service, bool deny)
{
	return 1 + 2 * service + deny;
}

static int put_sources(const struct engine *engine, const struct case_source *sources, size_t count,
		       uint32_t allow, uint32_t deny)
{
	struct lb_source_key key;
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < count; i++) {
		const struct prefix *prefix = &sources[i].prefix;
		uint32_t mapped = 128 - address_bits(&prefix->address);

		key = (struct lb_source_key){
			.prefix_length = LB_SOURCE_BASE + mapped + prefix->length,
			.list = sources[i].deny ? deny : allow,
			.addr = lb_addr_of(&prefix->address),
		};
		r = engine->put("sources", &key, &key.prefix_length);
	}
	return r;
}

static uint32_t list_if(const struct case_service *service, size_t index, bool deny)
{
	size_t i;

	for (i = 0; i < service->source_count; i++)
		if (service->sources[i].deny == deny)
			return list_of(index, deny);
	return 0;
}

/* A coarse tick stands for a second here. */
static uint64_t cost_of(uint32_t rate)
{
	return rate ? (1ULL << (COARSE_TICK_SHIFT + LB_BUDGET_SHIFT)) / rate : 0;
}

static void set_guard(const struct test_case *test, size_t index, struct lb_service *value)
{
	const struct case_service *service = &test->services[index];

	value->source_allow = list_if(service, index, false);
	value->source_deny = list_if(service, index, true);
	value->source_bits_ipv4 = 96 + 24;
	value->source_bits_ipv6 = 64;
	value->flow_cost = cost_of(service->max_flows);
	value->entry_cost = cost_of(service->max_entries);
	value->source_flow_cost = cost_of(service->source_flows);
	value->source_packet_cost = cost_of(service->source_packets);
	if (service->source_count || service->source_packets || test->source_count)
		value->flags |= LB_SERVICE_SOURCES;
	if (service->max_flows || service->source_flows)
		value->flags |= LB_SERVICE_FLOW_LIMITS;
	if (service->cookies)
		value->flags |= LB_SERVICE_COOKIES;
	value->syn_cost = cost_of(service->syns);
}

static int put_cookie_keys(const struct engine *engine)
{
	const struct lb_cookie_keys keys = {.key = {{{0}}, {{0x0706050403020100, 1}}}, .newest = 1};
	uint32_t zero = 0;

	return engine->put("cookie_keys", &zero, &keys);
}

/* --- services --- */

static uint8_t begun_state(const struct lb_service *service)
{
	bool late = service->tables.former ||
		    service->flags & (LB_SERVICE_TRACK_CHANGED | LB_SERVICE_EXCUSED);

	return late ? LB_FLOW_INHERITED : LB_FLOW_EMBRYONIC;
}

static struct lb_service service_value(const struct case_service *service, size_t index)
{
	struct lb_service value = {
		.tables = {.current = id_of(index)},
		.mode = service->mode,
		.scheduler = service->scheduler,
		.flags = service->flags,
		.gue_port = htons(service->gue_port),
		.quic_id_length = service->quic_id_length,
		.timeout_udp = in_ticks(service->timeout_udp_ms, LB_FLOW_ESTABLISHED),
	};
	int state;

	for (state = LB_FLOW_EMBRYONIC; state < LB_FLOW_STATES; state++)
		value.timeout[state] = in_ticks(service->timeout_ms[state], state);
	value.timeout[LB_FLOW_INHERITED] = value.timeout[LB_FLOW_ESTABLISHED];
	value.begun_state = begun_state(&value);
	return value;
}

static int put_service(const struct engine *engine, const struct test_case *test, size_t index)
{
	const struct case_service *service = &test->services[index];
	struct lb_service value = service_value(service, index);
	struct lb_vip vip = {.kind = LB_VIP_SERVICE, .service = id_of(index)};
	uint32_t key = id_of(index);
	size_t i;
	int r;

	set_guard(test, index, &value);
	r = service->cookies ? put_cookie_keys(engine) : 0;
	if (r == 0)
		r = engine->put("services", &key, &value);
	if (r == 0)
		r = put_sources(engine, service->sources, service->source_count,
				list_of(index, false), list_of(index, true));
	for (i = 0; r == 0 && i < service->vip_count; i++) {
		vip.vip = vip_id(index, i);
		r = put_vip(engine, &service->vips[i].vip, &vip);
		if (r == 0)
			r = put_echo(engine, &service->vips[i].vip);
	}
	return r;
}

/* The address that a backend's replies go to is ours, on every port. */
static int put_nat_address(const struct engine *engine, const struct address *address)
{
	static const uint8_t protocols_translated[] = {IPPROTO_TCP, IPPROTO_UDP};
	const struct lb_vip value = {.kind = LB_VIP_NAT};
	struct vip vip = {.endpoint.address = *address};
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < sizeof(protocols_translated); i++) {
		vip.protocol = protocols_translated[i];
		r = put_vip(engine, &vip, &value);
	}
	return r;
}

static int put_quic_id(const struct engine *engine, const struct test_case *test, uint32_t id,
		       const struct case_backend *backend)
{
	struct lb_quic_key key = {
		.service = id_of(backend->service),
		.length = test->services[backend->service].quic_id_length,
	};

	memcpy(key.id, backend->quic_id, sizeof(key.id));
	return engine->put("quic_servers", &key, &id);
}

int world_put_backend(const struct engine *engine, const struct test_case *test, size_t index,
		      const struct case_backend *backend)
{
	struct lb_backend value = {
		.addr = lb_addr_of(&backend->endpoint.address),
		.local_addr = lb_addr_of(&backend->local_address),
		.port = htons(backend->endpoint.port),
		.service = id_of(backend->service),
		.weight = backend->weight,
		.is_ipv6 = !address_is_ipv4(&backend->endpoint.address),
		.spread_bits = backend->spread_bits,
		.hop = {.ifindex = backend->device, .mtu = backend->mtu, .vlan = backend->vlan},
	};
	uint32_t key = id_of(index);
	int r;

	memcpy(value.hop.dst_mac, backend->dst_mac, sizeof(value.hop.dst_mac));
	memcpy(value.hop.src_mac, backend->src_mac, sizeof(value.hop.src_mac));
	value.hop.flags = (backend->up ? LB_BACKEND_UP : 0) |
			  (backend->resolved ? LB_BACKEND_RESOLVED : 0) |
			  (backend->is_host ? LB_BACKEND_LOCAL : 0);
	r = engine->put("backends", &key, &value);
	if (r == 0)
		r = engine->put("backend_loads", &key, &backend->load);
	if (r == 0 && backend->nat)
		r = put_nat_address(engine, &backend->local_address);
	if (r == 0 && backend->has_quic_id)
		r = put_quic_id(engine, test, key, backend);
	return r;
}

static int put_block(const struct engine *engine, const struct test_case *test,
		     const struct step_table *table, uint32_t block)
{
	uint32_t slots = test->constants.table_size, lines = LINES_OF(slots);
	struct lb_slot_line value;
	uint32_t line, slot, i, key;
	size_t owner;
	int r = 0;

	for (line = 0; r == 0 && line < lines; line++) {
		memset(&value, 0, sizeof(value));
		for (i = 0; table->count > 0 && i < LB_SLOTS_PER_LINE; i++) {
			slot = line * LB_SLOTS_PER_LINE + i;
			owner = table->owners[slot % table->count];
			if (slot < slots && owner != CASE_NOBODY)
				value.backend[i] = id_of(owner);
		}
		key = block * lines + line;
		r = engine->put("slots", &key, &value);
	}
	return r;
}

int world_put_table(const struct engine *engine, const struct test_case *test,
		    const struct step_table *table)
{
	return put_block(engine, test, table, id_of(table->service));
}

/* Blocks of marks lie behind those of tables. */
int world_put_marks(const struct engine *engine, const struct test_case *test,
		    const struct step_table *marks)
{
	uint32_t key = id_of(marks->service), block = key + CASE_SERVICES_MAX;
	struct lb_service service;
	int r = put_block(engine, test, marks, block);

	if (r == 0)
		r = engine->get("services", &key, &service);
	if (r < 0)
		return r;
	service.tables.former = marks->count ? block : 0;
	service.begun_state = begun_state(&service);
	return engine->put("services", &key, &service);
}

int world_put_earlier(const struct engine *engine, const struct test_case *test,
		      const struct step_table *owners, size_t index)
{
	uint32_t key = id_of(owners->service), block = key + (2 + index) * CASE_SERVICES_MAX;
	struct lb_service service;
	int r = put_block(engine, test, owners, block);

	if (r == 0)
		r = engine->get("services", &key, &service);
	if (r < 0)
		return r;
	service.earlier[index] = owners->count ? block : 0;
	service.flags &= ~LB_SERVICE_CHANCE;
	if (service.earlier[0] || service.earlier[1])
		service.flags |= LB_SERVICE_CHANCE;
	return engine->put("services", &key, &service);
}

static int put_first_table(const struct engine *engine, const struct test_case *test,
			   size_t service)
{
	struct step_table table = {.service = service};
	size_t i;

	for (i = 0; i < test->backend_count; i++)
		if (test->backends[i].service == service && test->backends[i].in_table)
			table.owners[table.count++] = i;
	return world_put_table(engine, test, &table);
}

int world_setup(const struct engine *engine, const struct test_case *test, struct error *err)
{
	size_t i;
	int r = 0;

	engine->switches()->sample_mask = test->constants.sample_mask;
	engine->switches()->flow_fold = 0;
	if (test->source_count) {
		engine->switches()->source_deny = GLOBAL_DENY;
		r = put_sources(engine, test->sources, test->source_count, 0, GLOBAL_DENY);
	}
	for (i = 0; r == 0 && i < test->service_count; i++)
		r = put_service(engine, test, i);
	for (i = 0; r == 0 && i < test->backend_count; i++)
		r = world_put_backend(engine, test, i, &test->backends[i]);
	for (i = 0; r == 0 && i < test->service_count; i++)
		r = put_first_table(engine, test, i);
	if (r < 0)
		return error_set(err, -r, "filling the maps: %s", strerror(-r));
	return 0;
}

static enum lb_flow_state state_of(uint64_t word)
{
	return word >> LB_FLOW_STATE_SHIFT & LB_FLOW_STATE_MASK;
}

static uint64_t aged(uint64_t word, uint64_t ms)
{
	uint64_t time = word - in_ticks(ms, state_of(word));

	return (word & ~LB_FLOW_TIME_MASK) | (time & LB_FLOW_TIME_MASK);
}

static int age_nat(const struct engine *engine, uint64_t ms)
{
	struct lb_tuple key, next;
	struct lb_nat_entry entry;
	int r = engine->next_key("nat_flows", NULL, &next);

	while (r == 0) {
		key = next;
		r = engine->next_key("nat_flows", &key, &next);
		if (engine->get("nat_flows", &key, &entry) < 0)
			continue;
		entry.life -= ms / TICK_MS << LB_NAT_TIME_SHIFT;
		engine->put("nat_flows", &key, &entry);
	}
	return 0;
}

static int age_fragments(const struct engine *engine, uint64_t ms)
{
	struct lb_fragment_key key, next;
	struct lb_fragment fragment;
	int r = engine->next_key("fragments", NULL, &next);

	while (r == 0) {
		key = next;
		r = engine->next_key("fragments", &key, &next);
		if (engine->get("fragments", &key, &fragment) < 0)
			continue;
		fragment.coarse_tick -= (uint32_t)(ms / COARSE_TICK_MS);
		engine->put("fragments", &key, &fragment);
	}
	return 0;
}

static int age_syns(const struct engine *engine, uint64_t ms)
{
	const uint32_t time = (uint32_t)(ms * 1000000 >> LB_SYN_TIME_SHIFT);
	uint64_t word;
	uint32_t i;
	int r = 0;

	for (i = 0; r == 0 && i < LB_SYN_TIMES; i++) {
		r = engine->get("syn_times", &i, &word);
		if (r < 0 || word == 0)
			continue;
		word = (word >> 32 << 32) | (uint32_t)((uint32_t)word - time);
		r = engine->put("syn_times", &i, &word);
	}
	return r;
}

/* Those of services; those of sources are too many. */
static int age_budgets(const struct engine *engine, const struct test_case *test, uint64_t ms)
{
	struct lb_service_budget budget = {0};
	uint32_t i;
	int r = 0;

	for (i = 1; r == 0 && i <= test->service_count; i++) {
		r = engine->get("service_budgets", &i, &budget);
		budget.flows -= ms / TICK_MS << LB_BUDGET_SHIFT;
		budget.entries -= ms / TICK_MS << LB_BUDGET_SHIFT;
		if (r == 0)
			r = engine->put("service_budgets", &i, &budget);
	}
	return r;
}

static int age_cookies(const struct engine *engine, const struct test_case *test, uint64_t ms)
{
	struct lb_cookie_state state = {0};
	uint32_t i;
	int r = 0;

	for (i = 1; r == 0 && i <= test->service_count; i++) {
		r = engine->get("service_cookies", &i, &state);
		state.budget -= ms / TICK_MS << LB_BUDGET_SHIFT;
		state.until -= (uint32_t)(ms / COARSE_TICK_MS);
		if (r == 0)
			r = engine->put("service_cookies", &i, &state);
	}
	return r;
}

int world_age(const struct engine *engine, const struct test_case *test, uint64_t ms)
{
	struct lb_flow_bucket bucket;
	uint32_t i, way;
	int r = 0;

	for (i = 0; r == 0 && i < test->constants.buckets; i++) {
		r = engine->get("flows", &i, &bucket);
		for (way = 0; way < LB_FLOW_WAYS; way++)
			if (bucket.word[way] != 0)
				bucket.word[way] = aged(bucket.word[way], ms);
		if (r == 0)
			r = engine->put("flows", &i, &bucket);
	}
	if (r == 0)
		r = age_nat(engine, ms);
	if (r == 0)
		r = age_syns(engine, ms);
	if (r == 0)
		r = age_budgets(engine, test, ms);
	if (r == 0)
		r = age_cookies(engine, test, ms);
	return r < 0 ? r : age_fragments(engine, ms);
}

static void add_entry(const struct test_case *test, uint32_t backend, const char *state,
		      char entries[CASE_ENTRIES_MAX])
{
	size_t length = strlen(entries);
	bool known = backend > 0 && backend <= test->backend_count;

	snprintf(entries + length, CASE_ENTRIES_MAX - length, " %s:%s",
		 known ? test->backends[backend - 1].name : "?", state);
}

void world_flows(const struct engine *engine, const struct test_case *test,
		 char ret_entries[CASE_ENTRIES_MAX])
{
	static const char *const states[] = {"inherited", "embryonic", "established", "closing"};
	struct lb_flow_bucket bucket;
	uint32_t i, way;
	uint64_t word;

	ret_entries[0] = '\0';
	for (i = 0; i < test->constants.buckets; i++) {
		if (engine->get("flows", &i, &bucket) < 0)
			continue;
		for (way = 0; way < LB_FLOW_WAYS; way++) {
			word = bucket.word[way];
			if (word)
				add_entry(test,
					  word >> LB_FLOW_BACKEND_SHIFT & LB_FLOW_BACKEND_MASK,
					  states[state_of(word)], ret_entries);
		}
	}
	sort_words(ret_entries);
}

void world_nat(const struct engine *engine, const struct test_case *test,
	       char ret_entries[CASE_ENTRIES_MAX])
{
	static const char *const states[] = {"free", "claimed", "live", "closed"};
	struct lb_tuple key, next;
	struct lb_nat_entry entry;
	int r = engine->next_key("nat_flows", NULL, &next);

	ret_entries[0] = '\0';
	while (r == 0) {
		key = next;
		r = engine->next_key("nat_flows", &key, &next);
		if (engine->get("nat_flows", &key, &entry) == 0)
			add_entry(test, entry.backend, states[entry.life & LB_NAT_STATE_MASK],
				  ret_entries);
	}
	sort_words(ret_entries);
}

static uint64_t packets_of_all(const struct engine *engine, const char *map)
{
	struct lb_backend_stats stats; /* which begin as a VIP's do */
	uint64_t packets = 0;
	uint32_t i;

	for (i = 0; engine->get(map, &i, &stats) == 0; i++)
		packets += stats.traffic.packets;
	return packets;
}

void world_packets(const struct engine *engine, struct world_packets *ret_packets)
{
	struct lb_traffic traffic;
	uint32_t i;

	for (i = 0; i < LB_VERDICT_COUNT; i++)
		ret_packets->verdicts[i] =
			engine->get("verdict_stats", &i, &traffic) == 0 ? traffic.packets : 0;
	ret_packets->backends = packets_of_all(engine, "backend_stats");
	ret_packets->vips = packets_of_all(engine, "vip_stats");
}

enum lb_verdict world_verdict_since(const struct engine *engine, const struct world_packets *before,
				    int code)
{
	enum lb_verdict verdict = LB_VERDICT_COUNT;
	struct world_packets after;
	uint64_t total = 0, backends;
	int i;

	world_packets(engine, &after);
	for (i = 0; i < LB_VERDICT_COUNT; i++) {
		if (after.verdicts[i] > before->verdicts[i])
			verdict = i;
		total += after.verdicts[i] - before->verdicts[i];
	}
	backends = after.backends - before->backends;
	if (total + backends > 1)
		return LB_VERDICT_COUNT;
	return total ? verdict : verdict_uncounted(code, backends, after.vips > before->vips);
}

static int pick(const char *key, const char *const *names, const uint64_t *values, size_t count,
		uint64_t *ret_value, struct error *err)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (strcmp(names[i], key) != 0)
			continue;
		*ret_value = values[i];
		return 0;
	}
	return error_set(err, EINVAL, "there is no counter '%s' here", key);
}

static int find_vip(const struct test_case *test, const char *text, uint32_t *ret_id)
{
	size_t i, j;

	for (i = 0; i < test->service_count; i++) {
		for (j = 0; j < test->services[i].vip_count; j++) {
			if (strcmp(test->services[i].vips[j].text, text) != 0)
				continue;
			*ret_id = vip_id(i, j);
			return 0;
		}
	}
	return -ENOENT;
}

static int find_counted_backend(const struct test_case *test, const char *name, uint32_t *ret_id)
{
	size_t i;

	for (i = 0; i < test->backend_count; i++) {
		if (strcmp(test->backends[i].name, name) != 0)
			continue;
		*ret_id = id_of(i);
		return 0;
	}
	return -ENOENT;
}

/* handshakes: all that were timed; handshakes_500ms: those that took no longer. */
static int count_handshakes(const struct engine *engine, uint32_t id, const char *key,
			    uint64_t *ret_value, struct error *err)
{
#define X(us) us,
	static const uint64_t bounds[LB_LATENCY_BUCKETS] = {LB_LATENCY_BOUNDS(X) UINT64_MAX};
#undef X
	struct lb_latency counts;
	uint64_t longest_ms = UINT64_MAX / 1000;
	size_t i;
	int r = engine->get("handshakes", &id, &counts);

	if (r == 0 && *key == '_')
		r = parse_duration(key + 1, 1, UINT32_MAX, &longest_ms, err);
	if (r < 0)
		return r;
	*ret_value = 0;
	for (i = 0; i < LB_LATENCY_BUCKETS; i++)
		if (*key == '\0' || bounds[i] <= longest_ms * 1000)
			*ret_value += counts.buckets[i];
	return 0;
}

int world_count(const struct engine *engine, const struct test_case *test, const char *what,
		const char *key, uint64_t *ret_value, struct error *err)
{
	static const char *const backend[] = {"packets", "bytes", "new_flows", "syn_retransmits"};
	static const char *const evictions[] = {"inherited", "embryonic", "established", "closing"};
	struct lb_backend_stats stats = {0};
	struct lb_flow_stats flow = {0};
	uint32_t id = 0;
	int r;

	if (strcmp(what, "evictions") == 0) {
		r = engine->get("flow_stats", &id, &flow);
		return r < 0 ? r : pick(key, evictions, (uint64_t *)&flow, 4, ret_value, err);
	}
	if (find_vip(test, what, &id) == 0) {
		r = engine->get("vip_stats", &id, &stats.traffic);
		return r < 0 ? r : pick(key, backend, (uint64_t *)&stats, 2, ret_value, err);
	}
	if (find_counted_backend(test, what, &id) < 0)
		return error_set(err, EINVAL, "'%s' is no backend or VIP of the case", what);
	if (strncmp(key, "handshakes", 10) == 0)
		return count_handshakes(engine, id, key + 10, ret_value, err);
	r = engine->get("backend_stats", &id, &stats);
	return r < 0 ? r : pick(key, backend, (uint64_t *)&stats, 4, ret_value, err);
}
