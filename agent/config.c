/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_check.h"
#include "config_field.h"
#include "config_scale.h"
#include "json.h"
#include "source_list.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define STATE_VERSION 1
#define SEED_DIGITS   16
#define DRAIN_MAX_MS  (24ULL * 60 * 60 * 1000)
#define WHERE_MAX     (SERVICE_NAME_MAX + ENDPOINT_TEXT_MAX + 32)

/* --- vip: one or more --- */

/* A VIP that was there before keeps its id, and so its counters. */
static int read_vip(const cJSON *item, const char *where, const struct service_spec *before,
		    struct vip_spec *ret_vip, struct error *err)
{
	struct error inner = {0};
	struct vip_spec vip = {0};
	int r;

	if (!cJSON_IsString(item)) {
		refuse_value(where, "vip", "not a string or an array of strings", err);
		return error_hint(err, -EINVAL, "write \"tcp://ADDR:PORT\"");
	}
	r = parse_vip(item->valuestring, &vip.vip, &inner);
	if (r < 0)
		return refuse_parsed(where, "vip", r, &inner, err);
	for (size_t i = 0; i < before->vip_count; i++) {
		if (vip_equal(&before->vips[i].vip, &vip.vip))
			vip.id = before->vips[i].id;
	}
	*ret_vip = vip;
	return 0;
}

static int read_vips(const struct field *field, const cJSON *json, const char *where, void *object,
		     struct error *err)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, field->key);
	struct service_spec *spec = object;
	struct vip_spec *vips;
	const cJSON *item;
	size_t count = 0;

	if (!value)
		return 0;
	vips = calloc(cJSON_IsArray(value) ? (size_t)cJSON_GetArraySize(value) + 1 : 1,
		      sizeof(*vips));
	if (!vips)
		return refuse_memory(where, err);
	for (item = cJSON_IsArray(value) ? value->child : value; item;
	     item = cJSON_IsArray(value) ? item->next : NULL) {
		int r = read_vip(item, where, spec, &vips[count], err);

		if (r < 0) {
			free(vips);
			return r;
		}
		count++;
	}
	free(spec->vips);
	spec->vips = vips;
	spec->vip_count = count;
	return 0;
}

static bool write_vips(const struct field *field, const void *object, cJSON *json)
{
	const struct service_spec *spec = object;
	cJSON *array = cJSON_AddArrayToObject(json, field->key);

	for (size_t i = 0; array && i < spec->vip_count; i++) {
		char text[VIP_TEXT_MAX];

		if (!cJSON_AddItemToArray(array,
					  cJSON_CreateString(format_vip(&spec->vips[i].vip, text))))
			return false;
	}
	return array;
}

/* --- vip-ids: in the order of vip, which is read before --- */

static int read_vip_ids(const struct field *field, const cJSON *json, const char *where,
			void *object, struct error *err)
{
	struct service_spec *spec = object;
	const cJSON *array = NULL;
	const cJSON *item;
	size_t i = 0;
	int r = json_array(json, where, field->key, &array, err);

	if (r < 0 || !array)
		return r;
	if ((size_t)cJSON_GetArraySize(array) != spec->vip_count)
		return refuse_value(where, field->key, "not one for each vip", err);
	cJSON_ArrayForEach (item, array) {
		/* The comparison with the whole part refuses fractions. */
		if (!cJSON_IsNumber(item) || item->valueint < 1 || item->valueint > UINT16_MAX ||
		    item->valuedouble != item->valueint)
			return refuse_value(where, field->key, "not whole numbers from 1 to 65535",
					    err);
		spec->vips[i++].id = (uint16_t)item->valueint;
	}
	return 0;
}

static bool write_vip_ids(const struct field *field, const void *object, cJSON *json)
{
	const struct service_spec *spec = object;
	cJSON *array = cJSON_AddArrayToObject(json, field->key);

	for (size_t i = 0; array && i < spec->vip_count; i++) {
		if (!cJSON_AddItemToArray(array, cJSON_CreateNumber(spec->vips[i].id)))
			return false;
	}
	return array;
}

/* --- announce-min: a number of backends, or a share of them --- */

static int read_announce_min(const struct field *field, const cJSON *json, const char *where,
			     void *object, struct error *err)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, field->key);
	struct service_spec *spec = object;
	char text[32] = "";
	struct error inner;
	uint64_t number = 0;
	size_t length;
	bool percent;

	if (!value)
		return 0;
	if (cJSON_IsNumber(value))
		snprintf(text, sizeof(text), "%.15g", value->valuedouble);
	else if (cJSON_IsString(value))
		snprintf(text, sizeof(text), "%s", value->valuestring);
	length = strlen(text);
	percent = length > 1 && text[length - 1] == '%';
	if (percent)
		text[length - 1] = '\0';
	if (parse_number(text, 0, percent ? 100 : ANNOUNCE_MIN_MAX, &number, &inner)) {
		refuse_value(where, field->key, "neither a number of backends nor a share of them",
			     err);
		return error_hint(err, -EINVAL, "write 0 to %d, or 0%% to 100%%", ANNOUNCE_MIN_MAX);
	}
	spec->announce_min = (struct announce_min){(uint16_t)number, percent};
	return 0;
}

static bool write_announce_min(const struct field *field, const void *object, cJSON *json)
{
	const struct announce_min *min = &((const struct service_spec *)object)->announce_min;
	char text[16];

	snprintf(text, sizeof(text), "%u%s", min->value, min->percent ? "%" : "");
	return cJSON_AddStringToObject(json, field->key, text);
}

/* --- quic-id: bytes as hexadecimal digits; empty for none --- */

static int read_quic_id(const struct field *field, const cJSON *json, const char *where,
			void *object, struct error *err)
{
	struct backend_spec *backend = object;
	uint8_t id[LB_QUIC_ID_MAX] = {0};
	const char *text = NULL;
	size_t length, i;
	int high, low, r = json_string(json, where, field->key, &text, err);

	if (r < 0 || !text)
		return r;
	length = strlen(text);
	if (length % 2 || length > 2 * sizeof(id)) {
		refuse_value(where, field->key, "not an even number of digits, at most 30", err);
		return error_hint(err, -EINVAL, "write two hexadecimal digits a byte, like 0a1b");
	}
	for (i = 0; i < length; i += 2) {
		high = hex_digit(text[i]);
		low = hex_digit(text[i + 1]);
		if (high < 0 || low < 0) {
			refuse_value(where, field->key, "not hexadecimal digits", err);
			return error_hint(err, -EINVAL, "write 0 to 9 and a to f");
		}
		id[i / 2] = (uint8_t)(high << 4 | low);
	}
	memcpy(backend->quic_id, id, sizeof(id));
	backend->quic_id_length = (uint8_t)(length / 2);
	return 0;
}

static bool write_quic_id(const struct field *field, const void *object, cJSON *json)
{
	const struct backend_spec *backend = object;
	char text[2 * LB_QUIC_ID_MAX + 1] = "";

	for (size_t i = 0; i < backend->quic_id_length; i++)
		snprintf(text + 2 * i, sizeof(text) - 2 * i, "%02x", backend->quic_id[i]);
	return cJSON_AddStringToObject(json, field->key, text);
}

/* --- former-owners: sets of backends, each with a weight --- */

static const struct field owner_fields[] = {
	NUMBER("weight", struct slot_owner, weight, BACKEND_WEIGHT_MAX),
};
static const struct table owner_table = {owner_fields, ARRAY_SIZE(owner_fields)};

static int read_owner(const cJSON *json, const char *where, uint16_t default_port,
		      struct slot_owner *ret_owner, struct error *err)
{
	static const char *const own[] = {"address", NULL};
	struct slot_owner owner = {.weight = 1};
	const char *address = NULL;
	struct error inner = {0};
	int r = check_keys(json, where, &owner_table, FORM_SPEC, own, err);

	if (r == 0)
		r = json_string(json, where, "address", &address, err);
	if (r == 0 && !address)
		r = refuse_value(where, "address", "missing", err);
	if (r < 0)
		return r;
	r = parse_endpoint(address, default_port, &owner.endpoint, &inner);
	if (r < 0)
		return refuse_parsed(where, "address", r, &inner, err);
	r = read_fields(json, where, &owner_table, &owner, err);
	if (r == 0 && owner.weight == 0)
		r = refuse_value(where, "weight", "who owned slots had one above 0", err);
	if (r == 0)
		*ret_owner = owner;
	return r;
}

static int read_owners(const cJSON *array, const char *where, uint16_t default_port,
		       struct owners *owners, struct error *err)
{
	const cJSON *item;
	int r = 0;

	if (!cJSON_IsArray(array) || !array->child)
		return refuse_value(where, "former-owners", "a set is not an array of backends",
				    err);
	owners->list = calloc((size_t)cJSON_GetArraySize(array), sizeof(*owners->list));
	if (!owners->list)
		return refuse_memory(where, err);
	cJSON_ArrayForEach (item, array) {
		r = read_owner(item, where, default_port, &owners->list[owners->count], err);
		if (r < 0)
			return r;
		owners->count++;
	}
	return owners_sort(owners)
		       ? 0
		       : refuse_value(where, "former-owners", "one is twice in a set", err);
}

static int read_former(const struct field *field, const cJSON *json, const char *where,
		       void *object, struct error *err)
{
	struct owners former[OWNERS_FORMER] = {0};
	struct service_spec *spec = object;
	const cJSON *sets = NULL, *set;
	size_t count = 0;
	char place[WHERE_MAX + 32];
	int r = json_array(json, where, field->key, &sets, err);

	if (r < 0 || !sets)
		return r;
	if (cJSON_GetArraySize(sets) > OWNERS_FORMER)
		return refuse_value(where, field->key, "more than two sets", err);
	snprintf(place, sizeof(place), "former owner of %s", where);
	cJSON_ArrayForEach (set, sets) {
		if (r == 0)
			r = read_owners(set, place, service_default_port(spec), &former[count++],
					err);
	}
	for (size_t i = 0; i < OWNERS_FORMER; i++) {
		owners_clear(r == 0 ? &spec->former[i] : &former[i]);
		if (r == 0)
			spec->former[i] = former[i];
	}
	return r;
}

static cJSON *write_owner(const struct slot_owner *owner)
{
	cJSON *json = cJSON_CreateObject();
	char text[ENDPOINT_TEXT_MAX];

	if (json &&
	    cJSON_AddStringToObject(json, "address", format_endpoint(&owner->endpoint, text)) &&
	    (owner->weight == 1 || write_fields(&owner_table, FORM_SPEC, owner, json)))
		return json;
	cJSON_Delete(json);
	return NULL;
}

static bool write_former(const struct field *field, const void *object, cJSON *json)
{
	const struct service_spec *spec = object;
	cJSON *sets = cJSON_AddArrayToObject(json, field->key), *set;

	for (size_t i = 0; sets && i < OWNERS_FORMER && spec->former[i].count; i++) {
		set = cJSON_CreateArray();
		if (!cJSON_AddItemToArray(sets, set))
			return false;
		for (size_t j = 0; j < spec->former[i].count; j++) {
			if (!cJSON_AddItemToArray(set, write_owner(&spec->former[i].list[j])))
				return false;
		}
	}
	return sets;
}

/* --- the tables --- */

static const char *const tunnel_source_words[] = {
	[TUNNEL_SPREAD] = "spread", [TUNNEL_FIXED] = "fixed"};
static const char *const scheduler_words[] = {[LB_SCHEDULER_MAGLEV] = "maglev",
					      [LB_SCHEDULER_SOURCE] = "source",
					      [LB_SCHEDULER_DPORT] = "dport",
					      [LB_SCHEDULER_LEAST_CONN] = "least-conn"};
static const char *const tracking_words[] = {[TRACK_AUTO] = "auto",
					     [TRACK_CHANGED] = "changed",
					     [TRACK_ALL] = "all",
					     [TRACK_NONE] = "none"};
static const char *const when_down_words[] = {[DOWN_DROP] = "drop", [DOWN_PASS] = "pass"};
static const char *const too_big_words[] = {[TOO_BIG_TELL] = "tell", [TOO_BIG_DROP] = "drop"};
static const char *const cookies_words[] = {
	[COOKIES_OFF] = "off", [COOKIES_AUTO] = "auto", [COOKIES_ALWAYS] = "always"};
static const char *const chance_words[] = {[CHANCE_OFF] = "off", [CHANCE_ON] = "on"};
static const char *const passive_words[] = {
	[PASSIVE_OFF] = "off", [PASSIVE_WATCH] = "suspect", [PASSIVE_EJECT] = "eject"};
static const char *const load_words[] = {
	[LOAD_OFF] = "off", [LOAD_DRY_RUN] = "dry-run", [LOAD_ON] = "on"};
static const char *const check_via_words[] = {
	[VIA_AUTO] = "auto", [VIA_VIP] = "vip", [VIA_ADDRESS] = "address"};
static const char *const admin_words[] = {
	[ADMIN_UP] = "up", [ADMIN_DRAIN] = "drain", [ADMIN_MAINT] = "maint"};

/* clang-format off */
static const struct field service_fields[] = {
	{.key = "vip", .read = read_vips, .write = write_vips},
	CHOICE("mode", struct service_spec, mode, mode_words),
	NUMBER("gue-variant", struct service_spec, gue_variant, 1),
	NUMBER("gue-port", struct service_spec, gue_port, UINT16_MAX),
	CHOICE("tunnel-source", struct service_spec, tunnel_source, tunnel_source_words),
	CHOICE("scheduler", struct service_spec, scheduler, scheduler_words),
	CHOICE("tracking", struct service_spec, tracking, tracking_words),
	CHOICE("when-down", struct service_spec, when_down, when_down_words),
	CHOICE("too-big", struct service_spec, too_big, too_big_words),
	NESTED(check_table, struct service_spec, check),
	CHOICE("check-via", struct service_spec, check_via, check_via_words),
	NESTED(scale_table, struct service_spec, scale),
	CHOICE("load", struct service_spec, load.mode, load_words),
	NUMBER("load-port", struct service_spec, load.port, UINT16_MAX),
	DURATION("load-interval", struct service_spec, load.interval_ms),
	NUMBER("load-budget", struct service_spec, load.budget, UINT8_MAX),
	NUMBER("load-floor", struct service_spec, load.floor, UINT8_MAX),
	DURATION("slow-start", struct service_spec, slow_start_ms),
	CHOICE("passive", struct service_spec, passive, passive_words),
	NUMBER("eject-max", struct service_spec, eject_max, UINT8_MAX),
	NUMBER("panic-threshold", struct service_spec, panic_threshold, UINT8_MAX),
	{.key = "announce-min", .read = read_announce_min, .write = write_announce_min},
	DURATION("timeout-established", struct service_spec, timeout_ms[LB_FLOW_ESTABLISHED]),
	DURATION("timeout-embryonic", struct service_spec, timeout_ms[LB_FLOW_EMBRYONIC]),
	DURATION("timeout-closing", struct service_spec, timeout_ms[LB_FLOW_CLOSING]),
	DURATION("timeout-udp", struct service_spec, timeout_udp_ms),
	NUMBER("quic-id-length", struct service_spec, quic_id_length, LB_QUIC_ID_MAX),
	OWNED_TEXT("source-allow", struct service_spec, source_allow, SOURCE_WORDS_MAX),
	OWNED_TEXT("source-deny", struct service_spec, source_deny, SOURCE_WORDS_MAX),
	NUMBER("source-prefix-ipv4", struct service_spec, source_prefix_ipv4, UINT8_MAX),
	NUMBER("source-prefix-ipv6", struct service_spec, source_prefix_ipv6, UINT8_MAX),
	NUMBER("source-rate-flows", struct service_spec, source_rate_flows, UINT32_MAX),
	NUMBER("source-rate-packets", struct service_spec, source_rate_packets, UINT32_MAX),
	NUMBER("max-new-flows", struct service_spec, max_new_flows, UINT32_MAX),
	NUMBER("max-new-entries", struct service_spec, max_new_entries, UINT32_MAX),
	CHOICE("syn-cookies", struct service_spec, syn_cookies, cookies_words),
	NUMBER("syn-cookies-above", struct service_spec, syn_cookies_above, UINT32_MAX),
	CHOICE("second-chance", struct service_spec, second_chance, chance_words),
	{.key = "former-owners", .read = read_former, .write = write_former},
	STATE_NUMBER("id", struct service_spec, id, UINT16_MAX),
	{"vip-ids", read_vip_ids, write_vip_ids, .state_only = true},
};

static const struct field backend_fields[] = {
	NUMBER("weight", struct backend_spec, weight, BACKEND_WEIGHT_MAX),
	CHOICE("state", struct backend_spec, state, admin_words),
	NUMBER("priority", struct backend_spec, priority, UINT8_MAX),
	{.key = "quic-id", .read = read_quic_id, .write = write_quic_id},
	STATE_NUMBER("id", struct backend_spec, id, UINT16_MAX),
	STATE_NUMBER("load-factor", struct backend_spec, load_factor, LOAD_WHOLE),
	{"removing", read_bool, write_bool, MEMBER(struct backend_spec, removing),
	 .state_only = true},
	STATE_NUMBER("deadline-ms", struct backend_spec, deadline_ms, UINT64_MAX),
	{"launched", read_text, write_text, MEMBER(struct backend_spec, launched),
	 .state_only = true},
};
/* clang-format on */

static const struct table service_table = {service_fields, ARRAY_SIZE(service_fields)};
static const struct table backend_table = {backend_fields, ARRAY_SIZE(backend_fields)};

_Static_assert(sizeof(enum lb_mode) == sizeof(unsigned int) &&
		       sizeof(enum tunnel_source) == sizeof(unsigned int) &&
		       sizeof(enum lb_scheduler) == sizeof(unsigned int) &&
		       sizeof(enum tracking) == sizeof(unsigned int) &&
		       sizeof(enum when_down) == sizeof(unsigned int) &&
		       sizeof(enum too_big) == sizeof(unsigned int) &&
		       sizeof(enum syn_cookies) == sizeof(unsigned int) &&
		       sizeof(enum load_mode) == sizeof(unsigned int) &&
		       sizeof(enum second_chance) == sizeof(unsigned int) &&
		       sizeof(enum passive_action) == sizeof(unsigned int) &&
		       sizeof(enum admin_state) == sizeof(unsigned int),
	       "read_choice() writes them as unsigned int");

/* --- backends --- */

static int read_backend(const cJSON *json, enum form form, const struct service_spec *service,
			struct backend_spec *ret_backend, struct error *err)
{
	static const char *const own[] = {"address", NULL};
	struct backend_spec backend;
	char where[WHERE_MAX], text[ENDPOINT_TEXT_MAX];
	const char *address = NULL;
	struct error inner = {0};
	int r;

	backend_spec_init(&backend);
	snprintf(where, sizeof(where), "backend of service %s", service->name);
	r = json_string(json, where, "address", &address, err);
	if (r < 0)
		return r;
	if (address) {
		r = parse_endpoint(address, service_default_port(service), &backend.endpoint,
				   &inner);
		if (r == 0)
			r = address_check_usable(&backend.endpoint.address, &inner);
		if (r < 0)
			return refuse_parsed(where, "address", r, &inner, err);
		snprintf(where, sizeof(where), "backend %s of service %s",
			 format_endpoint(&backend.endpoint, text), service->name);
	}
	r = check_keys(json, where, &backend_table, form, own, err);
	if (r < 0)
		return r;
	if (!address) {
		refuse_value(where, "address", "missing", err);
		return error_hint(err, -EINVAL, "write \"address\": \"ADDR:PORT\"");
	}
	r = read_fields(json, where, &backend_table, &backend, err);
	if (r == 0)
		*ret_backend = backend;
	return r;
}

int config_read_backend(const cJSON *json, const struct service_spec *service,
			struct backend_spec *ret_backend, struct error *err)
{
	return read_backend(json, FORM_SPEC, service, ret_backend, err);
}

/* A new state ends what an earlier drain or removal had in mind; a drain may be given a new
 * deadline on the way out. */
static int patch_drain(const cJSON *json, const char *where, uint64_t now_ms,
		       struct backend_spec *backend, struct error *err)
{
	bool drain = has_key(json, "state") && backend->state == ADMIN_DRAIN;
	uint64_t deadline_ms = 0;

	if (has_key(json, "deadline") && !drain) {
		refuse_value(where, "deadline", "only a drain has one", err);
		return error_hint(err, -EINVAL, "add \"state\": \"drain\"");
	}
	if (json_duration(json, where, "deadline", 1, DRAIN_MAX_MS, &deadline_ms, err) < 0)
		return -EINVAL;
	if (has_key(json, "state")) {
		backend->removing = backend->removing && drain;
		backend->deadline_ms = deadline_ms > 0 ? now_ms + deadline_ms : 0;
	}
	return 0;
}

int config_patch_backend(const cJSON *json, uint64_t now_ms, struct backend_spec *backend,
			 struct error *err)
{
	static const char *const own[] = {"deadline", NULL};
	struct backend_spec patched = *backend;
	char where[WHERE_MAX], text[ENDPOINT_TEXT_MAX];
	int r;

	snprintf(where, sizeof(where), "backend %s", format_endpoint(&backend->endpoint, text));
	r = check_keys(json, where, &backend_table, FORM_SPEC, own, err);
	if (r == 0)
		r = read_fields(json, where, &backend_table, &patched, err);
	if (r == 0)
		r = patch_drain(json, where, now_ms, &patched, err);
	if (r == 0)
		*backend = patched;
	return r;
}

static cJSON *write_backend(const struct backend_spec *backend, enum form form)
{
	cJSON *json = cJSON_CreateObject();
	char text[ENDPOINT_TEXT_MAX];

	if (json &&
	    cJSON_AddStringToObject(json, "address", format_endpoint(&backend->endpoint, text)) &&
	    write_fields(&backend_table, form, backend, json))
		return json;
	cJSON_Delete(json);
	return NULL;
}

cJSON *config_write_backend(const struct backend_spec *backend)
{
	return write_backend(backend, FORM_SPEC);
}

/* --- services --- */

static int read_backends(const cJSON *json, enum form form, const char *where,
			 struct service_spec *spec, struct error *err)
{
	const cJSON *array = NULL;
	const cJSON *item;
	int r = json_array(json, where, "backends", &array, err);

	if (r < 0 || !array || !array->child)
		return r;
	spec->backends = calloc((size_t)cJSON_GetArraySize(array), sizeof(*spec->backends));
	if (!spec->backends)
		return refuse_memory(where, err);
	cJSON_ArrayForEach (item, array) {
		r = read_backend(item, form, spec, &spec->backends[spec->backend_count], err);
		if (r < 0)
			return r;
		spec->backend_count++;
	}
	return 0;
}

static int read_service(const cJSON *json, enum form form, struct service_spec *ret_spec,
			struct error *err)
{
	static const char *const own[] = {"name", "backends", NULL};
	static const struct field name = TEXT("name", struct service_spec, name);
	struct service_spec spec;
	char where[WHERE_MAX] = "service";
	int r;

	service_spec_init(&spec);
	r = read_text(&name, json, where, &spec, err);
	if (r < 0)
		return r;
	if (spec.name[0] != '\0')
		snprintf(where, sizeof(where), "service %s", spec.name);
	r = check_keys(json, where, &service_table, form, own, err);
	if (r == 0)
		r = read_fields(json, where, &service_table, &spec, err);
	if (r == 0)
		r = read_backends(json, form, where, &spec, err);
	if (r == 0)
		r = service_spec_check(&spec, err);
	if (r < 0)
		service_spec_clear(&spec);
	else
		*ret_spec = spec;
	return r;
}

int config_read_service(const cJSON *json, struct service_spec *ret_spec, struct error *err)
{
	return read_service(json, FORM_SPEC, ret_spec, err);
}

/* Worth more words than "unknown key": both are keys of a service, but not to be patched. */
static int refuse_fixed(const cJSON *json, const char *where, struct error *err)
{
	if (has_key(json, "name")) {
		refuse_value(where, "name", "a service keeps its name", err);
		return error_hint(err, -EINVAL, "add a service of that name, then rm this one");
	}
	if (has_key(json, "backends")) {
		refuse_value(where, "backends", "not changed along with the service", err);
		return error_hint(err, -EINVAL, "add, set and rm backends one by one");
	}
	return 0;
}

int config_patch_service(const cJSON *json, struct service_spec *spec, struct error *err)
{
	static const char *const own[] = {NULL};
	struct service_spec patched;
	char where[WHERE_MAX];
	int r;

	snprintf(where, sizeof(where), "service %s", spec->name);
	if (service_spec_copy(spec, &patched) < 0)
		return refuse_memory(where, err);
	r = refuse_fixed(json, where, err);
	if (r == 0)
		r = check_keys(json, where, &service_table, FORM_SPEC, own, err);
	if (r == 0)
		r = read_fields(json, where, &service_table, &patched, err);
	if (r == 0)
		r = service_spec_check(&patched, err);
	service_spec_clear(r == 0 ? spec : &patched);
	if (r == 0)
		*spec = patched;
	return r;
}

static bool write_backends(const struct service_spec *spec, enum form form, cJSON *json)
{
	cJSON *array = cJSON_AddArrayToObject(json, "backends");

	for (size_t i = 0; array && i < spec->backend_count; i++) {
		if (!cJSON_AddItemToArray(array, write_backend(&spec->backends[i], form)))
			return false;
	}
	return array;
}

static cJSON *write_service(const struct service_spec *spec, enum form form)
{
	cJSON *json = cJSON_CreateObject();

	if (json && cJSON_AddStringToObject(json, "name", spec->name) &&
	    write_fields(&service_table, form, spec, json) && write_backends(spec, form, json))
		return json;
	cJSON_Delete(json);
	return NULL;
}

cJSON *config_write_service(const struct service_spec *spec)
{
	return write_service(spec, FORM_SPEC);
}

/* --- the state document --- */

struct id_set {
	uint64_t word[(UINT16_MAX + 1) / 64];
};

static int claim_id(struct id_set *set, uint16_t id, const char *owner, struct error *err)
{
	uint64_t bit = 1ULL << (id % 64);

	if (id == 0)
		return refuse_value(owner, "id", "missing or 0", err);
	if (set->word[id / 64] & bit)
		return refuse_value(owner, "id", "taken by another", err);
	set->word[id / 64] |= bit;
	return 0;
}

/* Two owners of one id would share an entry of a map. */
static int check_ids(const struct desired *desired, struct error *err)
{
	struct id_set services = {0}, vips = {0}, backends = {0};
	char owner[WHERE_MAX], text[VIP_TEXT_MAX];
	int r = 0;

	for (size_t i = 0; i < desired->service_count && r == 0; i++) {
		const struct service_spec *spec = &desired->services[i];

		snprintf(owner, sizeof(owner), "service %s", spec->name);
		r = claim_id(&services, spec->id, owner, err);
		for (size_t j = 0; j < spec->vip_count && r == 0; j++)
			r = claim_id(&vips, spec->vips[j].id, format_vip(&spec->vips[j].vip, text),
				     err);
		for (size_t j = 0; j < spec->backend_count && r == 0; j++) {
			snprintf(owner, sizeof(owner), "backend %s of service %s",
				 format_endpoint(&spec->backends[j].endpoint, text), spec->name);
			r = claim_id(&backends, spec->backends[j].id, owner, err);
		}
	}
	return r;
}

/* Before anything else, for a newer document may well have keys that we do not know. */
static int check_version(const cJSON *json, struct error *err)
{
	uint64_t version = 0;
	int r = json_number(json, "state", "version", 1, UINT64_MAX, &version, err);

	if (r < 0)
		return r;
	if (version == 0)
		return refuse_value("state", "version", "missing", err);
	if (version == STATE_VERSION)
		return 0;
	error_set(err, ENOTSUP,
		  "state: version %" PRIu64 " is newer than %d, the newest that this lbagent reads",
		  version, STATE_VERSION);
	error_hint(err, -ENOTSUP, "start the lbagent that wrote it, or a newer one");
	return error_field(err, -ENOTSUP, "version");
}

static int read_seed(const char *text, uint64_t *ret_seed, struct error *err)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t seed = 0;

	if (strlen(text) != SEED_DIGITS || strspn(text, digits) != SEED_DIGITS)
		return refuse_value("state", "seed", "not 16 hexadecimal digits", err);
	for (; *text; text++)
		seed = seed << 4 | (uint64_t)(strchr(digits, *text) - digits);
	*ret_seed = seed;
	return 0;
}

/* Whether it is of this boot is for others to say. */
static int read_steady(const cJSON *json, struct steady *steady, struct error *err)
{
	const char *boot = NULL;
	int r = 0;

	if (!has_key(json, "boot"))
		return 0;
	r = json_string(json, "state", "boot", &boot, err);
	if (r == 0 && strlen(boot) >= sizeof(steady->boot))
		r = refuse_value("state", "boot", "too long", err);
	if (r == 0)
		r = json_number(json, "state", "boot-offset-ms", 0, UINT64_MAX, &steady->offset_ms,
				err);
	if (r == 0)
		memcpy(steady->boot, boot, strlen(boot) + 1);
	return r;
}

static int read_state_head(const cJSON *json, struct desired *desired, const cJSON **ret_services,
			   struct error *err)
{
	static const char *const keys[] = {"version", "generation",     "seed",      "services",
					   "boot",    "boot-offset-ms", "withdrawn", NULL};
	static const struct field withdrawn = BOOL("withdrawn", struct desired, withdrawn);
	const size_t required = 4;
	const char *seed = NULL;
	int r = check_version(json, err);

	if (r == 0)
		r = json_check_keys(json, "state", keys, err);
	/* Each is always written: without one the file is not what it was. */
	for (size_t i = 0; i < required && r == 0; i++) {
		if (!has_key(json, keys[i]))
			r = refuse_value("state", keys[i], "missing", err);
	}
	if (r == 0)
		r = json_number(json, "state", "generation", 0, UINT64_MAX, &desired->generation,
				err);
	if (r == 0)
		r = json_string(json, "state", "seed", &seed, err);
	if (r == 0)
		r = read_seed(seed, &desired->seed, err);
	if (r == 0)
		r = read_steady(json, &desired->steady, err);
	if (r == 0)
		r = read_bool(&withdrawn, json, "state", desired, err);
	return r < 0 ? r : json_array(json, "state", "services", ret_services, err);
}

static int read_state_services(const cJSON *array, struct desired *desired, struct error *err)
{
	const cJSON *item;
	int r;

	if (!array->child)
		return 0;
	desired->services = calloc((size_t)cJSON_GetArraySize(array), sizeof(*desired->services));
	if (!desired->services)
		return refuse_memory("state", err);
	cJSON_ArrayForEach (item, array) {
		r = read_service(item, FORM_STATE, &desired->services[desired->service_count], err);
		if (r < 0)
			return r;
		desired->service_count++;
	}
	r = desired_check(desired, err);
	if (r == -EEXIST) /* here it is damage */
		r = -EINVAL;
	return r < 0 ? r : check_ids(desired, err);
}

int config_read_state(const cJSON *json, struct desired **ret_desired, struct error *err)
{
	struct desired *desired = desired_new();
	const cJSON *services = NULL;
	int r;

	if (!desired)
		return refuse_memory("state", err);
	r = read_state_head(json, desired, &services, err);
	if (r == 0)
		r = read_state_services(services, desired, err);
	if (r < 0)
		desired_free(desired);
	else
		*ret_desired = desired;
	return r;
}

cJSON *config_write_state(const struct desired *desired)
{
	cJSON *json = cJSON_CreateObject();
	char seed[SEED_DIGITS + 1];
	cJSON *services;

	snprintf(seed, sizeof(seed), "%016" PRIx64, desired->seed);
	if (!json || !cJSON_AddNumberToObject(json, "version", STATE_VERSION) ||
	    !cJSON_AddNumberToObject(json, "generation", (double)desired->generation) ||
	    !cJSON_AddStringToObject(json, "seed", seed))
		goto fail;
	if (desired->steady.boot[0] &&
	    (!cJSON_AddStringToObject(json, "boot", desired->steady.boot) ||
	     !cJSON_AddNumberToObject(json, "boot-offset-ms", (double)desired->steady.offset_ms)))
		goto fail;
	if (desired->withdrawn && !cJSON_AddTrueToObject(json, "withdrawn"))
		goto fail;
	services = cJSON_AddArrayToObject(json, "services");
	if (!services)
		goto fail;
	for (size_t i = 0; i < desired->service_count; i++) {
		if (!cJSON_AddItemToArray(services,
					  write_service(&desired->services[i], FORM_STATE)))
			goto fail;
	}
	return json;
fail:
	cJSON_Delete(json);
	return NULL;
}
