/* SPDX-License-Identifier: Apache-2.0 */
#include "setup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lexer.h"

void setup_defaults(struct test_case *test)
{
	test->constants = (struct constants){
		.buckets = 64,
		.table_size = 61,
		.nat_port_low = 30000,
		.nat_port_count = 1000,
		.icmp_per_second = 1000,
		.coarse_tick_shift = COARSE_TICK_SHIFT,
	};
}

int find_service(const struct test_case *test, const char *name, size_t *ret_index,
		 struct error *err)
{
	size_t i;

	for (i = 0; i < test->service_count; i++) {
		if (strcmp(test->services[i].name, name) != 0)
			continue;
		*ret_index = i;
		return 0;
	}
	return error_set(err, EINVAL, "there is no service '%s'", name);
}

int find_backend(const struct test_case *test, const char *name, size_t *ret_index,
		 struct error *err)
{
	size_t i;

	for (i = 0; i < test->backend_count; i++) {
		if (strcmp(test->backends[i].name, name) != 0)
			continue;
		*ret_index = i;
		return 0;
	}
	return error_set(err, EINVAL, "there is no backend '%s'", name);
}

/* In the kernel time goes on: a second that ended between two packets would bring a new budget. */
static void set_icmp_budget(struct constants *constants, uint32_t errors)
{
	constants->icmp_per_second = errors;
	constants->coarse_tick_shift = LONG_TICK_SHIFT;
}

/* option buckets=N table=N nat_ports=LOW+COUNT icmp=N handshakes=N checksums=1 frags=1 */
static int parse_option(const struct pair *pair, struct constants *constants, struct error *err)
{
	char low[8];
	const char *plus = strchr(pair->value, '+');
	uint64_t value = 0, count = 0;
	int r;

	if (strcmp(pair->key, "nat_ports") == 0 && plus && plus - pair->value < 8) {
		snprintf(low, sizeof(low), "%.*s", (int)(plus - pair->value), pair->value);
		r = parse_number(low, 1, 65535, &value, err);
		if (r == 0)
			r = parse_number(plus + 1, 1, 65536 - value, &count, err);
		if (r < 0)
			return r;
		constants->nat_port_low = value;
		constants->nat_port_count = count;
		return 0;
	}
	r = parse_number(pair->value, 1, 65536, &value, err);
	if (r < 0)
		return r;
	if (strcmp(pair->key, "buckets") == 0 && (value & (value - 1)) == 0)
		constants->buckets = value;
	else if (strcmp(pair->key, "table") == 0)
		constants->table_size = value;
	else if (strcmp(pair->key, "icmp") == 0)
		set_icmp_budget(constants, (uint32_t)value);
	else if (strcmp(pair->key, "handshakes") == 0 && value > 0 && (value & (value - 1)) == 0)
		constants->handshake_mask = value - 1;
	else if (strcmp(pair->key, "sample") == 0 && value > 0 && (value & (value - 1)) == 0)
		constants->sample_mask = (uint32_t)value - 1;
	else if (strcmp(pair->key, "checksums") == 0 && value == 1)
		constants->checksums = value;
	else if (strcmp(pair->key, "frags") == 0 && value == 1)
		constants->frags = value;
	else
		return error_set(err, EINVAL, "%s=%s: not an option", pair->key, pair->value);
	return 0;
}

static int parse_options(const char *at, struct constants *constants, struct error *err)
{
	struct pair pair;
	int r = 0;

	while (r == 0 && !lexer_at_end(&at)) {
		r = lexer_pair(&at, &pair, err);
		if (r == 0)
			r = parse_option(&pair, constants, err);
	}
	return r;
}

/* The index of text among the names. */
static int parse_word(const char *text, const char *const *names, size_t count, size_t *ret_index,
		      struct error *err)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (!names[i] || strcmp(names[i], text) != 0)
			continue;
		*ret_index = i;
		return 0;
	}
	return error_set(err, EINVAL, "'%s': not one of the words that may stand here", text);
}

static int parse_mode(const char *text, struct case_service *service, struct error *err)
{
	static const char *const modes[] = {
		[LB_MODE_NAT] = "nat", [LB_MODE_L2] = "l2",           [LB_MODE_IPIP] = "ipip",
		[LB_MODE_GUE] = "gue", [LB_MODE_GUE_DIRECT] = "gue1",
	};
	size_t mode = 0;
	int r = parse_word(text, modes, sizeof(modes) / sizeof(modes[0]), &mode, err);

	service->mode = mode;
	return r;
}

static int parse_scheduler(const char *text, struct case_service *service, struct error *err)
{
	static const char *const schedulers[] = {
		[LB_SCHEDULER_MAGLEV] = "maglev",
		[LB_SCHEDULER_SOURCE] = "source",
		[LB_SCHEDULER_DPORT] = "dport",
		[LB_SCHEDULER_LEAST_CONN] = "least-conn",
	};
	size_t scheduler = 0;
	int r = parse_word(text, schedulers, sizeof(schedulers) / sizeof(schedulers[0]), &scheduler,
			   err);

	service->scheduler = scheduler;
	return r;
}

/* cookies=always, cookies=N: beyond so many SYNs in a second */
static int parse_cookies(const char *text, struct case_service *service, struct error *err)
{
	uint64_t syns = 0;
	int r = strcmp(text, "always") == 0 ? 0 : parse_number(text, 1, UINT32_MAX, &syns, err);

	service->cookies = true;
	service->syns = (uint32_t)syns;
	return r;
}

/* track=no, track=changed, excused=yes, too_big=drop, down=pass: away from what is usual */
static int parse_flag(const struct pair *pair, struct case_service *service, struct error *err)
{
	if (strcmp(pair->key, "track") == 0 && strcmp(pair->value, "no") == 0)
		service->flags &= ~LB_SERVICE_TRACK;
	else if (strcmp(pair->key, "track") == 0 && strcmp(pair->value, "changed") == 0)
		service->flags |= LB_SERVICE_TRACK_CHANGED;
	else if (strcmp(pair->key, "excused") == 0 && strcmp(pair->value, "yes") == 0)
		service->flags |= LB_SERVICE_EXCUSED;
	else if (strcmp(pair->key, "too_big") == 0 && strcmp(pair->value, "drop") == 0)
		service->flags &= ~LB_SERVICE_TELL_TOO_BIG;
	else if (strcmp(pair->key, "down") == 0 && strcmp(pair->value, "pass") == 0)
		service->flags |= LB_SERVICE_PASS_WHEN_DOWN;
	else
		return error_set(err, EINVAL, "%s=%s: not for a service", pair->key, pair->value);
	return 0;
}

static int parse_small(const char *text, uint64_t max, uint64_t *ret_value, struct error *err)
{
	return parse_number(text, 0, max, ret_value, err);
}

static int add_vip(struct case_service *service, const char *text, struct error *err)
{
	struct case_vip *vip = &service->vips[service->vip_count];
	int r;

	if (service->vip_count == CASE_VIPS_MAX)
		return error_set(err, EINVAL, "more than %d VIPs", CASE_VIPS_MAX);
	r = parse_vip(text, &vip->vip, err);
	if (r < 0)
		return r;
	format_vip(&vip->vip, vip->text);
	service->vip_count++;
	return 0;
}

static int add_source(struct case_source *sources, size_t *count, const char *text, bool deny,
		      struct error *err)
{
	if (*count == CASE_SOURCES_MAX)
		return error_set(err, EINVAL, "more than %d sources", CASE_SOURCES_MAX);
	sources[*count].deny = deny;
	return parse_prefix(text, &sources[(*count)++].prefix, err);
}

/* max_flows=N max_entries=N source_flows=N source_packets=N, in a second */
static int parse_limit(const struct pair *pair, struct case_service *service, struct error *err)
{
	uint64_t number = 0;
	int r = parse_number(pair->value, 1, UINT32_MAX, &number, err);

	if (strcmp(pair->key, "max_flows") == 0)
		service->max_flows = number;
	else if (strcmp(pair->key, "max_entries") == 0)
		service->max_entries = number;
	else if (strcmp(pair->key, "source_flows") == 0)
		service->source_flows = number;
	else
		service->source_packets = number;
	return r;
}

static bool is_limit(const char *key)
{
	return strcmp(key, "max_flows") == 0 || strcmp(key, "max_entries") == 0 ||
	       strcmp(key, "source_flows") == 0 || strcmp(key, "source_packets") == 0;
}

static int parse_service_pair(const struct pair *pair, struct case_service *service,
			      struct error *err)
{
	static const char *const states[LB_FLOW_STATES] = {
		[LB_FLOW_INHERITED] = "",
		[LB_FLOW_EMBRYONIC] = "embryonic",
		[LB_FLOW_ESTABLISHED] = "established",
		[LB_FLOW_CLOSING] = "closing",
	};
	uint64_t number = 0;
	int state, r;

	if (strcmp(pair->key, "vip") == 0)
		return add_vip(service, pair->value, err);
	if (strcmp(pair->key, "mode") == 0)
		return parse_mode(pair->value, service, err);
	if (strcmp(pair->key, "scheduler") == 0)
		return parse_scheduler(pair->value, service, err);
	if (strcmp(pair->key, "allow") == 0 || strcmp(pair->key, "deny") == 0)
		return add_source(service->sources, &service->source_count, pair->value,
				  pair->key[0] == 'd', err);
	if (strcmp(pair->key, "cookies") == 0)
		return parse_cookies(pair->value, service, err);
	if (is_limit(pair->key))
		return parse_limit(pair, service, err);
	if (strcmp(pair->key, "udp") == 0)
		return parse_duration(pair->value, 1, UINT32_MAX, &service->timeout_udp_ms, err);
	if (strcmp(pair->key, "port") == 0 || strcmp(pair->key, "quic") == 0) {
		r = parse_small(pair->value, UINT16_MAX, &number, err);
		if (pair->key[0] == 'q')
			service->quic_id_length = number;
		else
			service->gue_port = number;
		return r;
	}
	for (state = LB_FLOW_EMBRYONIC; state < LB_FLOW_STATES; state++)
		if (strcmp(pair->key, states[state]) == 0)
			return parse_duration(pair->value, 1, UINT32_MAX,
					      &service->timeout_ms[state], err);
	return parse_flag(pair, service, err);
}

/* service NAME mode=MODE vip=URI... and what cases/README.md lists */
static int parse_service(const char *at, struct test_case *test, struct error *err)
{
	struct case_service *service = &test->services[test->service_count];
	struct pair pair;
	int r;

	if (test->service_count == CASE_SERVICES_MAX)
		return error_set(err, EINVAL, "more than %d services", CASE_SERVICES_MAX);
	service->mode = LB_MODE_L2;
	service->flags = LB_SERVICE_TRACK | LB_SERVICE_TELL_TOO_BIG;
	service->gue_port = 6080;
	service->timeout_udp_ms = 60000;
	service->timeout_ms[LB_FLOW_EMBRYONIC] = 10000;
	service->timeout_ms[LB_FLOW_ESTABLISHED] = 300000;
	service->timeout_ms[LB_FLOW_CLOSING] = 10000;
	r = lexer_name(&at, service->name, sizeof(service->name), err);
	while (r == 0 && !lexer_at_end(&at)) {
		r = lexer_pair(&at, &pair, err);
		if (r == 0)
			r = parse_service_pair(&pair, service, err);
	}
	if (r == 0)
		test->service_count++;
	return r;
}

/* up: gets flows; drain: keeps those it has; down: gets nothing */
static int parse_state(const char *text, struct case_backend *backend, struct error *err)
{
	if (strcmp(text, "up") != 0 && strcmp(text, "drain") != 0 && strcmp(text, "down") != 0)
		return error_set(err, EINVAL, "'%s': not up, drain or down", text);
	backend->up = strcmp(text, "down") != 0;
	backend->in_table = strcmp(text, "up") == 0;
	return 0;
}

/* ID or OUTER.ID, of type 802.1Q; ad:OUTER.ID has an outer tag of 802.1ad */
static int parse_vlan(const char *text, uint32_t *ret_vlan, struct error *err)
{
	bool service_tag = strncmp(text, "ad:", 3) == 0;
	const char *inner;
	uint64_t id = 0, outer = 0;
	char word[8];
	int r = 0;

	text += service_tag ? 3 : 0;
	inner = strchr(text, '.');
	if (inner) {
		snprintf(word, sizeof(word), "%.*s", (int)(inner - text), text);
		r = parse_number(word, 0, 4095, &outer, err);
	}
	if (r == 0)
		r = parse_number(inner ? inner + 1 : text, 0, 4095, &id, err);
	*ret_vlan = id | outer << LB_VLAN_OUTER_SHIFT | (inner ? 2U : 1U) << LB_VLAN_COUNT_SHIFT |
		    (service_tag ? LB_VLAN_SERVICE_TAG : 0);
	return r;
}

static int parse_quic_id(const char *text, uint8_t ret_id[LB_QUIC_ID_MAX], struct error *err)
{
	size_t i, length = strlen(text) / 2;
	unsigned int byte;

	for (i = 0; i < length && i < LB_QUIC_ID_MAX; i++) {
		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			return error_set(err, EINVAL, "'%s': not bytes in hex", text);
		ret_id[i] = (uint8_t)byte;
	}
	return 0;
}

static int parse_backend_number(const struct pair *pair, struct case_backend *backend,
				struct error *err)
{
	uint64_t number = 0;
	int r = parse_small(pair->value, UINT32_MAX, &number, err);

	if (strcmp(pair->key, "mtu") == 0)
		backend->mtu = number;
	else if (strcmp(pair->key, "spread") == 0)
		backend->spread_bits = number;
	else if (strcmp(pair->key, "weight") == 0)
		backend->weight = number;
	else if (strcmp(pair->key, "load") == 0)
		backend->load = (int64_t)number;
	else
		return error_set(err, EINVAL, "%s=%s: not for a backend", pair->key, pair->value);
	return r;
}

static int parse_backend_pair(const struct pair *pair, struct case_backend *backend,
			      struct error *err)
{
	if (strcmp(pair->key, "mac") == 0) {
		backend->resolved = true;
		return read_mac(pair->value, backend->dst_mac, err);
	}
	if (strcmp(pair->key, "from") == 0)
		return read_mac(pair->value, backend->src_mac, err);
	if (strcmp(pair->key, "nat") == 0 || strcmp(pair->key, "local") == 0) {
		backend->nat = pair->key[0] == 'n';
		return parse_address(pair->value, &backend->local_address, err);
	}
	if (strcmp(pair->key, "vlan") == 0)
		return parse_vlan(pair->value, &backend->vlan, err);
	if (strcmp(pair->key, "quic") == 0) {
		backend->has_quic_id = true;
		return parse_quic_id(pair->value, backend->quic_id, err);
	}
	if (strcmp(pair->key, "state") == 0)
		return parse_state(pair->value, backend, err);
	if (strcmp(pair->key, "dev") == 0 && strcmp(pair->value, "right") == 0)
		backend->device = DEVICE_RIGHT;
	else if (strcmp(pair->key, "dev") == 0 && strcmp(pair->value, "left") == 0)
		backend->device = DEVICE_LEFT;
	else if (strcmp(pair->key, "dev") == 0 && strcmp(pair->value, "host") == 0)
		backend->is_host = true;
	else
		return parse_backend_number(pair, backend, err);
	return 0;
}

int parse_backend_pairs(const char *at, struct case_backend *backend, struct error *err)
{
	struct pair pair;
	int r = 0;

	while (r == 0 && !lexer_at_end(&at)) {
		r = lexer_pair(&at, &pair, err);
		if (r == 0)
			r = parse_backend_pair(&pair, backend, err);
	}
	return r;
}

/* backend SERVICE NAME ADDR[:PORT] and what cases/README.md lists */
static int parse_backend(const char *at, struct test_case *test, struct error *err)
{
	static const uint8_t own_mac[6] = {2, 0, 0, 0, 0, 1};
	struct case_backend *backend = &test->backends[test->backend_count];
	char service[CASE_WORD_MAX];
	struct pair endpoint;
	int r;

	if (test->backend_count == CASE_BACKENDS_MAX)
		return error_set(err, EINVAL, "more than %d backends", CASE_BACKENDS_MAX);
	backend->device = DEVICE_LEFT;
	backend->weight = 1;
	backend->up = true;
	backend->in_table = true;
	memcpy(backend->src_mac, own_mac, sizeof(own_mac));
	r = lexer_name(&at, service, sizeof(service), err);
	if (r == 0)
		r = find_service(test, service, &backend->service, err);
	if (r == 0)
		r = lexer_name(&at, backend->name, sizeof(backend->name), err);
	if (r == 0)
		r = lexer_pair(&at, &endpoint, err);
	if (r == 0)
		r = parse_endpoint(endpoint.value, 0, &backend->endpoint, err);
	if (r == 0)
		r = parse_backend_pairs(at, backend, err);
	if (r == 0)
		test->backend_count++;
	return r;
}

/* deny PREFIX: for all services */
static int parse_deny(const char *at, struct test_case *test, struct error *err)
{
	struct pair prefix;
	int r = lexer_pair(&at, &prefix, err);

	return r < 0 ? r : add_source(test->sources, &test->source_count, prefix.value, true, err);
}

int parse_setup(const char *word, const char *rest, struct test_case *test, struct error *err)
{
	if (strcmp(word, "option") == 0)
		return parse_options(rest, &test->constants, err);
	if (strcmp(word, "deny") == 0)
		return parse_deny(rest, test, err);
	if (strcmp(word, "service") == 0)
		return parse_service(rest, test, err);
	if (strcmp(word, "backend") == 0)
		return parse_backend(rest, test, err);
	return error_set(err, EINVAL, "there is no statement '%s'", word);
}
