/* SPDX-License-Identifier: Apache-2.0 */
#include "desired.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane.h"
#include "range.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define SERVICE_VIPS_MAX 16
#define RATE_MAX         1000000000 /* in a second */
#define SECOND_MS        1000ULL
#define MINUTE_MS        (60 * SECOND_MS)
#define HOUR_MS          (60 * MINUTE_MS)

const char *const mode_words[MODE_WORDS] = {
	[LB_MODE_NAT] = "nat",
	[LB_MODE_L2] = "l2",
	[LB_MODE_IPIP] = "ipip",
	[LB_MODE_GUE] = "gue",
};

/* --- making, copying, freeing --- */

struct desired *desired_new(void)
{
	return calloc(1, sizeof(struct desired));
}

void service_spec_init(struct service_spec *spec)
{
	*spec = (struct service_spec){
		.mode = LB_MODE_NAT,
		.gue_port = GUE_PORT_DEFAULT,
		.passive = PASSIVE_WATCH,
		.eject_max = 10,
		.announce_min = {.value = 1},
		.load = {.port = LOAD_PORT_DEFAULT,
			 .interval_ms = 5 * SECOND_MS,
			 .budget = 5,
			 .floor = 10},
		.timeout_ms =
			{
				[LB_FLOW_EMBRYONIC] = 30 * SECOND_MS,
				[LB_FLOW_ESTABLISHED] = 15 * MINUTE_MS,
				[LB_FLOW_CLOSING] = 30 * SECOND_MS,
			},
		.timeout_udp_ms = 2 * MINUTE_MS,
		.source_prefix_ipv4 = 24,
		.source_prefix_ipv6 = 64,
		.syn_cookies_above = 10000,
	};
	check_spec_init(&spec->check);
	autoscale_policy_init(&spec->scale);
}

void backend_spec_init(struct backend_spec *spec)
{
	*spec = (struct backend_spec){.weight = 1, .state = ADMIN_UP};
}

static void clear_former(struct owners former[OWNERS_FORMER])
{
	for (size_t i = 0; i < OWNERS_FORMER; i++)
		owners_clear(&former[i]);
}

void service_spec_clear(struct service_spec *spec)
{
	free(spec->vips);
	free(spec->backends);
	free(spec->source_allow);
	free(spec->source_deny);
	clear_former(spec->former);
	check_spec_clear(&spec->check);
	autoscale_policy_clear(&spec->scale);
	*spec = (struct service_spec){0};
}

void desired_free(struct desired *desired)
{
	if (!desired)
		return;
	for (size_t i = 0; i < desired->service_count; i++)
		service_spec_clear(&desired->services[i]);
	free(desired->services);
	free(desired);
}

/* *ret_copy is NULL for an array of no items. */
static int copy_array(const void *items, size_t count, size_t size, void **ret_copy)
{
	void *copy = NULL;

	if (count > 0) {
		copy = reallocarray(NULL, count, size);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, items, count * size);
	}
	*ret_copy = copy;
	return 0;
}

/* *ret_copy is NULL for NULL. */
static int copy_text(const char *text, char **ret_copy)
{
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		return -ENOMEM;
	*ret_copy = copy;
	return 0;
}

/* What was copied before a failure is there, to be cleared. */
static int copy_former(const struct owners former[OWNERS_FORMER], struct owners *ret_copies)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < OWNERS_FORMER; i++)
		r = owners_copy(&former[i], &ret_copies[i]);
	return r;
}

int service_spec_copy(const struct service_spec *spec, struct service_spec *ret_copy)
{
	void *vips = NULL;
	void *backends = NULL;
	char *allow = NULL;
	char *deny = NULL;
	struct owners former[OWNERS_FORMER] = {0};
	struct check_spec check = {0};
	struct autoscale_policy scale;

	if (copy_array(spec->vips, spec->vip_count, sizeof(*spec->vips), &vips) < 0 ||
	    copy_array(spec->backends, spec->backend_count, sizeof(*spec->backends), &backends) <
		    0 ||
	    copy_text(spec->source_allow, &allow) < 0 || copy_text(spec->source_deny, &deny) < 0 ||
	    copy_former(spec->former, former) < 0 || check_spec_copy(&spec->check, &check) < 0 ||
	    autoscale_policy_copy(&spec->scale, &scale) < 0) {
		free(vips);
		free(backends);
		free(allow);
		free(deny);
		clear_former(former);
		check_spec_clear(&check);
		return -ENOMEM;
	}
	*ret_copy = *spec;
	ret_copy->vips = vips;
	ret_copy->backends = backends;
	ret_copy->source_allow = allow;
	ret_copy->source_deny = deny;
	memcpy(ret_copy->former, former, sizeof(former));
	ret_copy->check = check;
	ret_copy->scale = scale;
	return 0;
}

struct desired *desired_clone(const struct desired *desired)
{
	struct desired *clone = desired_new();

	if (!clone)
		return NULL;
	clone->generation = desired->generation;
	clone->seed = desired->seed;
	clone->steady = desired->steady;
	clone->withdrawn = desired->withdrawn;
	if (desired->service_count == 0)
		return clone;
	clone->services = calloc(desired->service_count, sizeof(*clone->services));
	if (!clone->services)
		goto fail;
	for (; clone->service_count < desired->service_count; clone->service_count++) {
		size_t i = clone->service_count;

		if (service_spec_copy(&desired->services[i], &clone->services[i]) < 0)
			goto fail;
	}
	return clone;
fail:
	desired_free(clone);
	return NULL;
}

/* --- looking up --- */

struct service_spec *desired_service(const struct desired *desired, const char *name)
{
	for (size_t i = 0; i < desired->service_count; i++) {
		if (strcmp(desired->services[i].name, name) == 0)
			return &desired->services[i];
	}
	return NULL;
}

struct backend_spec *service_backend(const struct service_spec *service,
				     const struct endpoint *endpoint)
{
	for (size_t i = 0; i < service->backend_count; i++) {
		if (endpoint_equal(&service->backends[i].endpoint, endpoint))
			return &service->backends[i];
	}
	return NULL;
}

bool backend_takes_part(const struct backend_spec *spec)
{
	return spec && !spec->removing && spec->state == ADMIN_UP;
}

uint16_t service_default_port(const struct service_spec *service)
{
	if (service->vip_count == 0)
		return 0;
	for (size_t i = 1; i < service->vip_count; i++) {
		if (service->vips[i].vip.endpoint.port != service->vips[0].vip.endpoint.port)
			return 0;
	}
	return service->vips[0].vip.endpoint.port;
}

enum tracking service_tracking(const struct service_spec *service)
{
	if (service->tracking != TRACK_AUTO)
		return service->tracking;
	return service->scheduler == LB_SCHEDULER_MAGLEV && service->syn_cookies == COOKIES_OFF
		       ? TRACK_CHANGED
		       : TRACK_ALL;
}

bool service_has_protocol(const struct service_spec *service, uint8_t protocol)
{
	for (size_t i = 0; i < service->vip_count; i++) {
		if (service->vips[i].vip.protocol == protocol)
			return true;
	}
	return false;
}

bool service_translates(const struct service_spec *service, uint8_t protocol)
{
	return service->mode == LB_MODE_NAT && service_has_protocol(service, protocol);
}

/* Appends word to a list that people read. False when there was no room: "..." then ends it. */
static bool list_add(char *list, size_t size, const char *word)
{
	size_t used = strlen(list);
	const char *comma = used > 0 ? ", " : "";
	bool fits = used + strlen(word) + sizeof(", , ...") <= size;

	snprintf(list + used, size - used, "%s%s", comma, fits ? word : "...");
	return fits;
}

int desired_require_service(const struct desired *desired, const char *name,
			    struct service_spec **ret_service, struct error *err)
{
	struct service_spec *service = desired_service(desired, name);
	char names[160] = "";

	if (service) {
		*ret_service = service;
		return 0;
	}
	error_set(err, ENOENT, "service %s: there is no such service", name);
	if (desired->service_count == 0)
		return error_hint(err, -ENOENT, "there are no services yet: add service NAME");
	for (size_t i = 0; i < desired->service_count; i++) {
		if (!list_add(names, sizeof(names), desired->services[i].name))
			break;
	}
	return error_hint(err, -ENOENT, "there are: %s", names);
}

int service_require_backend(const struct service_spec *service, const char *endpoint_text,
			    struct backend_spec **ret_backend, struct error *err)
{
	struct endpoint endpoint;
	struct backend_spec *backend;
	char text[ENDPOINT_TEXT_MAX];
	char names[160] = "";
	struct error inner = {0};
	int r = parse_endpoint(endpoint_text, service_default_port(service), &endpoint, &inner);

	if (r < 0) {
		error_set(err, -r, "service %s: backend %s", service->name, inner.message);
		error_hint(err, r, "%s", inner.hint);
		return error_field(err, r, "address");
	}
	backend = service_backend(service, &endpoint);
	if (backend) {
		*ret_backend = backend;
		return 0;
	}
	error_set(err, ENOENT, "backend %s of service %s: there is no such backend",
		  format_endpoint(&endpoint, text), service->name);
	if (service->backend_count == 0)
		return error_hint(err, -ENOENT, "the service has no backends");
	for (size_t i = 0; i < service->backend_count; i++) {
		if (!list_add(names, sizeof(names),
			      format_endpoint(&service->backends[i].endpoint, text)))
			break;
	}
	return error_hint(err, -ENOENT, "there are: %s", names);
}

/* --- what must hold within a service --- */

static int check_name(const char *name, struct error *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	if (name[0] == '\0')
		error_set(err, EINVAL, "service: name is missing");
	else if (name[strspn(name, allowed)] != '\0')
		error_set(err, EINVAL, "service name \"%s\": has a character that is not allowed",
			  name);
	else if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		error_set(err, EINVAL, "service name \"%s\": is a path, not a name", name);
	else
		return 0;
	error_hint(err, -EINVAL, "a name is 1 to %d of a-z A-Z 0-9 . _ -", SERVICE_NAME_MAX);
	return error_field(err, -EINVAL, "name");
}

static int check_vip(const struct service_spec *spec, size_t index, struct error *err)
{
	const struct vip *vip = &spec->vips[index].vip;
	const struct vip *first = &spec->vips[0].vip;
	char text[VIP_TEXT_MAX];

	format_vip(vip, text);
	if (address_is_ipv4(&vip->endpoint.address) != address_is_ipv4(&first->endpoint.address)) {
		error_set(err, EINVAL, "service %s: VIP %s: not of the other VIPs' address family",
			  spec->name, text);
		error_hint(err, -EINVAL, "make one service for IPv4 and one for IPv6");
		return error_field(err, -EINVAL, "vip");
	}
	if (vip->protocol == IPPROTO_SCTP && spec->mode == LB_MODE_NAT) {
		error_set(err, EINVAL,
			  "service %s: VIP %s: mode nat cannot translate SCTP, whose checksum is "
			  "a CRC32c of the whole packet",
			  spec->name, text);
		error_hint(err, -EINVAL, "use mode l2, ipip or gue");
		return error_field(err, -EINVAL, "mode");
	}
	for (size_t i = 0; i < index; i++) {
		if (vip_equal(&spec->vips[i].vip, vip)) {
			error_set(err, EINVAL, "service %s: VIP %s is given twice", spec->name,
				  text);
			return error_field(err, -EINVAL, "vip");
		}
	}
	return 0;
}

static int check_vips(const struct service_spec *spec, struct error *err)
{
	if (spec->vip_count == 0) {
		error_set(err, EINVAL, "service %s: needs at least one VIP", spec->name);
		error_hint(err, -EINVAL, "a VIP is written tcp://, udp:// or sctp://ADDR:PORT");
		return error_field(err, -EINVAL, "vip");
	}
	if (spec->vip_count > SERVICE_VIPS_MAX) {
		error_set(err, EINVAL, "service %s: %zu VIPs are more than %d", spec->name,
			  spec->vip_count, SERVICE_VIPS_MAX);
		error_hint(err, -EINVAL, "spread them over several services");
		return error_field(err, -EINVAL, "vip");
	}
	for (size_t i = 0; i < spec->vip_count; i++) {
		int r = check_vip(spec, i, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* The ranges of docs/api.md. */
static int check_ranges(const struct service_spec *spec, struct error *err)
{
	const uint64_t *timeout = spec->timeout_ms;
	const struct range ranges[] = {
		{"slow-start", spec->slow_start_ms, 0, HOUR_MS, true},
		{"load-port", spec->load.port, 1, UINT16_MAX, false},
		{"load-interval", spec->load.interval_ms, SECOND_MS, 5 * MINUTE_MS, true},
		{"load-budget", spec->load.budget, 1, 100, false},
		{"load-floor", spec->load.floor, 1, 100, false},
		{"eject-max", spec->eject_max, 1, 100, false},
		{"panic-threshold", spec->panic_threshold, 0, 100, false},
		{"announce-min", spec->announce_min.value, 0,
		 spec->announce_min.percent ? 100 : ANNOUNCE_MIN_MAX, false},
		{"timeout-established", timeout[LB_FLOW_ESTABLISHED], 2 * SECOND_MS,
		 DATAPLANE_TIMEOUT_MAX_MS, true},
		{"timeout-udp", spec->timeout_udp_ms, 2 * SECOND_MS, DATAPLANE_TIMEOUT_MAX_MS,
		 true},
		{"gue-variant", spec->gue_variant, 0, 1, false},
		{"gue-port", spec->gue_port, 1, UINT16_MAX, false},
		{"source-prefix-ipv4", spec->source_prefix_ipv4, 1, 32, false},
		{"source-prefix-ipv6", spec->source_prefix_ipv6, 1, 128, false},
		{"source-rate-flows", spec->source_rate_flows, 0, RATE_MAX, false},
		{"source-rate-packets", spec->source_rate_packets, 0, RATE_MAX, false},
		{"max-new-flows", spec->max_new_flows, 0, RATE_MAX, false},
		{"max-new-entries", spec->max_new_entries, 0, RATE_MAX, false},
		{"syn-cookies-above", spec->syn_cookies_above, 1, RATE_MAX, false},
		{"quic-id-length", spec->quic_id_length, 0, LB_QUIC_ID_MAX, false},
		{"timeout-embryonic", timeout[LB_FLOW_EMBRYONIC], SECOND_MS,
		 DATAPLANE_EMBRYONIC_MAX_MS, true},
		{"timeout-closing", timeout[LB_FLOW_CLOSING], 2 * SECOND_MS,
		 DATAPLANE_TIMEOUT_MAX_MS, true},
	};

	return ranges_check(spec->name, ranges, ARRAY_SIZE(ranges), err);
}

static bool all_ports_served(const struct service_spec *spec)
{
	for (size_t i = 0; i < spec->vip_count; i++) {
		if (spec->vips[i].vip.endpoint.port != 0)
			return false;
	}
	return true;
}

/* Port 0 stands for the packet's own port: where the service serves every port, and, in all modes
 * but nat, where its VIPs have several. */
static int check_portless(const struct service_spec *spec, const char *backend, struct error *err)
{
	if (service_default_port(spec) != 0 ||
	    (spec->mode == LB_MODE_NAT && !all_ports_served(spec))) {
		error_set(err, EINVAL, "backend %s of service %s: needs a port", backend,
			  spec->name);
		error_hint(err, -EINVAL, "write ADDR:PORT");
		return error_field(err, -EINVAL, "address");
	}
	if (check_needs_port(&spec->check) && spec->check.port == 0) {
		error_set(err, EINVAL, "backend %s of service %s: has no port to check", backend,
			  spec->name);
		error_hint(err, -EINVAL, "give the service a check-port, or check none");
		return error_field(err, -EINVAL, "check-port");
	}
	return 0;
}

static int check_backend_port(const struct service_spec *spec, const char *backend, uint16_t port,
			      struct error *err)
{
	if (port == 0)
		return check_portless(spec, backend, err);
	if (spec->mode == LB_MODE_NAT)
		return 0;
	for (size_t i = 0; i < spec->vip_count; i++) {
		char vip[VIP_TEXT_MAX];

		if (spec->vips[i].vip.endpoint.port == port)
			continue;
		error_set(err, EINVAL,
			  "backend %s of service %s: mode %s does not translate ports, and VIP %s "
			  "has another",
			  backend, spec->name, mode_words[spec->mode],
			  format_vip(&spec->vips[i].vip, vip));
		error_hint(err, -EINVAL, "leave the backend's port out, or use mode nat");
		return error_field(err, -EINVAL, "address");
	}
	return 0;
}

/* Only a tunnel carries packets of one family to a backend of the other. */
static bool family_fits(const struct service_spec *spec, const struct address *backend,
			const struct address *vip)
{
	return spec->mode == LB_MODE_IPIP || spec->mode == LB_MODE_GUE ||
	       address_is_ipv4(backend) == address_is_ipv4(vip);
}

static int check_backend_address(const struct service_spec *spec, const struct address *address,
				 const char *backend, struct error *err)
{
	for (size_t i = 0; i < spec->vip_count; i++) {
		const struct vip *vip = &spec->vips[i].vip;

		if (!family_fits(spec, address, &vip->endpoint.address)) {
			error_set(err, EINVAL,
				  "backend %s of service %s: not of the VIPs' address family",
				  backend, spec->name);
			error_hint(err, -EINVAL, "modes ipip and gue take either family");
			return error_field(err, -EINVAL, "address");
		}
		if (vip->host_bits == 0 && address_equal(address, &vip->endpoint.address)) {
			error_set(err, EINVAL, "backend %s of service %s: is the service's own VIP",
				  backend, spec->name);
			error_hint(err, -EINVAL, "write the backend host's own address");
			return error_field(err, -EINVAL, "address");
		}
	}
	return 0;
}

static int check_quic_id(const struct service_spec *spec, const struct backend_spec *backend,
			 const char *text, struct error *err)
{
	if (backend->quic_id_length == 0 || backend->quic_id_length == spec->quic_id_length)
		return 0;
	if (spec->quic_id_length == 0) {
		error_set(err, EINVAL,
			  "backend %s of service %s: has a quic-id, but the service no "
			  "quic-id-length",
			  text, spec->name);
		error_hint(err, -EINVAL, "set service %s --quic-id-length %u first", spec->name,
			   backend->quic_id_length);
	} else {
		error_set(err, EINVAL,
			  "backend %s of service %s: quic-id has %u bytes, the service's "
			  "quic-id-length is %u",
			  text, spec->name, backend->quic_id_length, spec->quic_id_length);
		error_hint(err, -EINVAL, "write %u hexadecimal digits", 2 * spec->quic_id_length);
	}
	return error_field(err, -EINVAL, "quic-id");
}

static int check_backend(const struct service_spec *spec, const struct backend_spec *backend,
			 struct error *err)
{
	char text[ENDPOINT_TEXT_MAX];
	int r;

	format_endpoint(&backend->endpoint, text);
	if (backend->weight > BACKEND_WEIGHT_MAX) {
		error_set(err, EINVAL, "backend %s of service %s: weight %u is out of range", text,
			  spec->name, backend->weight);
		error_hint(err, -EINVAL, "write 0 to %d", BACKEND_WEIGHT_MAX);
		return error_field(err, -EINVAL, "weight");
	}
	r = check_backend_address(spec, &backend->endpoint.address, text, err);
	if (r == 0)
		r = check_quic_id(spec, backend, text, err);
	return r < 0 ? r : check_backend_port(spec, text, backend->endpoint.port, err);
}

static int refuse_second_backend(const struct service_spec *spec, const struct endpoint *endpoint,
				 int code, struct error *err)
{
	char text[ENDPOINT_TEXT_MAX];

	error_set(err, code, "backend %s of service %s: is there already",
		  format_endpoint(endpoint, text), spec->name);
	return error_field(err, -code, "address");
}

static bool quic_id_equal(const struct backend_spec *a, const struct backend_spec *b)
{
	return a->quic_id_length && a->quic_id_length == b->quic_id_length &&
	       memcmp(a->quic_id, b->quic_id, a->quic_id_length) == 0;
}

static int refuse_second_quic_id(const struct service_spec *spec, const struct backend_spec *a,
				 const struct backend_spec *b, struct error *err)
{
	char text[2][ENDPOINT_TEXT_MAX];

	error_set(err, EINVAL, "backend %s of service %s: has the quic-id of backend %s",
		  format_endpoint(&b->endpoint, text[0]), spec->name,
		  format_endpoint(&a->endpoint, text[1]));
	error_hint(err, -EINVAL, "give each backend an ID of its own");
	return error_field(err, -EINVAL, "quic-id");
}

static int compare_endpoints(const void *left, const void *right)
{
	const struct endpoint *a = &(*(const struct backend_spec *const *)left)->endpoint;
	const struct endpoint *b = &(*(const struct backend_spec *const *)right)->endpoint;

	return endpoint_order(a, b);
}

static int compare_quic_ids(const void *left, const void *right)
{
	const struct backend_spec *a = *(const struct backend_spec *const *)left;
	const struct backend_spec *b = *(const struct backend_spec *const *)right;
	int order = (int)a->quic_id_length - (int)b->quic_id_length;

	return order != 0 ? order : memcmp(a->quic_id, b->quic_id, a->quic_id_length);
}

static int find_second(const struct service_spec *spec, const struct backend_spec **sorted,
		       struct error *err)
{
	size_t i;

	qsort(sorted, spec->backend_count, sizeof(*sorted), compare_endpoints);
	for (i = 1; i < spec->backend_count; i++) {
		if (endpoint_equal(&sorted[i - 1]->endpoint, &sorted[i]->endpoint))
			return refuse_second_backend(spec, &sorted[i]->endpoint, EINVAL, err);
	}
	qsort(sorted, spec->backend_count, sizeof(*sorted), compare_quic_ids);
	for (i = 1; i < spec->backend_count; i++) {
		if (quic_id_equal(sorted[i - 1], sorted[i]))
			return refuse_second_quic_id(spec, sorted[i - 1], sorted[i], err);
	}
	return 0;
}

/* Sorted, because one request may bring many thousands and the event loop waits for us. */
static int check_backends_differ(const struct service_spec *spec, struct error *err)
{
	const struct backend_spec **sorted;
	int r;

	if (spec->backend_count < 2)
		return 0;
	sorted = reallocarray(NULL, spec->backend_count, sizeof(*sorted));
	if (!sorted)
		return error_set(err, ENOMEM, "service %s: out of memory", spec->name);
	for (size_t i = 0; i < spec->backend_count; i++)
		sorted[i] = &spec->backends[i];
	r = find_second(spec, sorted, err);
	free(sorted);
	return r;
}

/* Watching what never comes does no harm; waiting for it to eject somebody would be in vain. */
static int check_passive(const struct service_spec *spec, struct error *err)
{
	if (spec->passive != PASSIVE_EJECT)
		return 0;
	if (spec->tracking == TRACK_NONE) {
		error_set(err, EINVAL,
			  "service %s: passive eject tells repeated SYNs by the flow table, which "
			  "needs tracking all",
			  spec->name);
		error_hint(err, -EINVAL, "set tracking all, or passive off");
		return error_field(err, -EINVAL, "passive");
	}
	if (!service_has_protocol(spec, IPPROTO_TCP)) {
		error_set(
			err, EINVAL,
			"service %s: passive eject counts repeated SYNs: no VIP of the service is "
			"tcp",
			spec->name);
		error_hint(err, -EINVAL, "set passive off");
		return error_field(err, -EINVAL, "passive");
	}
	return 0;
}

static int refuse_cookies(const struct service_spec *spec, const char *why, const char *hint,
			  struct error *err)
{
	error_set(err, EINVAL, "service %s: syn-cookies: %s", spec->name, why);
	error_hint(err, -EINVAL, "%s, or syn-cookies off", hint);
	return error_field(err, -EINVAL, "syn-cookies");
}

static int check_cookies(const struct service_spec *spec, struct error *err)
{
	if (spec->syn_cookies == COOKIES_OFF)
		return 0;
	if (service_tracking(spec) != TRACK_ALL)
		return refuse_cookies(spec,
				      "a flow proves itself once, which the flow table remembers",
				      "set tracking all", err);
	if (!service_has_protocol(spec, IPPROTO_TCP))
		return refuse_cookies(spec, "SYNs are TCP's, and no VIP of the service is",
				      "add a VIP tcp://ADDR:PORT", err);
	return 0;
}

static int refuse_chance(const struct service_spec *spec, const char *why, const char *hint,
			 struct error *err)
{
	error_set(err, EINVAL, "service %s: second-chance: %s", spec->name, why);
	error_hint(err, -EINVAL, "%s, or second-chance off", hint);
	return error_field(err, -EINVAL, "second-chance");
}

static int check_chance(const struct service_spec *spec, struct error *err)
{
	if (spec->second_chance == CHANCE_OFF)
		return 0;
	if (spec->mode != LB_MODE_GUE || spec->gue_variant != 0)
		return refuse_chance(spec,
				     "only GUE's header has room to name other owners of a slot",
				     "set mode gue and gue-variant 0", err);
	if (spec->scheduler != LB_SCHEDULER_MAGLEV)
		return refuse_chance(spec, "a flow is looked for where its slot has led before",
				     "set scheduler maglev", err);
	if (!service_has_protocol(spec, IPPROTO_TCP))
		return refuse_chance(spec,
				     "backends know their own flows of TCP only, and no VIP of the "
				     "service is tcp",
				     "add a VIP tcp://ADDR:PORT", err);
	if (spec->syn_cookies != COOKIES_OFF)
		return refuse_chance(spec,
				     "a connection that a cookie begins has no socket yet by which "
				     "its backend would know it",
				     "set syn-cookies off", err);
	return 0;
}

/* A flow without an entry goes by its slot, so its next packets must find the same one there. */
static int check_entries(const struct service_spec *spec, struct error *err)
{
	if (!spec->max_new_entries || spec->scheduler != LB_SCHEDULER_LEAST_CONN)
		return 0;
	error_set(
		err, EINVAL,
		"service %s: max-new-entries: scheduler least-conn finds a flow by its entry only",
		spec->name);
	error_hint(err, -EINVAL, "set max-new-entries 0, or another scheduler");
	return error_field(err, -EINVAL, "max-new-entries");
}

/* Choices that do not go together. */
static int check_choices(const struct service_spec *spec, struct error *err)
{
	if (spec->scheduler == LB_SCHEDULER_LEAST_CONN && service_tracking(spec) != TRACK_ALL) {
		error_set(err, EINVAL,
			  "service %s: scheduler least-conn counts flows, which needs tracking all",
			  spec->name);
		error_hint(err, -EINVAL, "set tracking all, or another scheduler");
		return error_field(err, -EINVAL, "tracking");
	}
	if (spec->tracking == TRACK_CHANGED && spec->scheduler != LB_SCHEDULER_MAGLEV) {
		error_set(err, EINVAL,
			  "service %s: tracking changed finds a flow's backend by the flow's own "
			  "slot, which needs scheduler maglev",
			  spec->name);
		error_hint(err, -EINVAL, "set tracking all, or scheduler maglev");
		return error_field(err, -EINVAL, "tracking");
	}
	if (spec->quic_id_length && !service_has_protocol(spec, IPPROTO_UDP)) {
		error_set(err, EINVAL,
			  "service %s: quic-id-length: QUIC is UDP, and no VIP of the service is",
			  spec->name);
		error_hint(err, -EINVAL, "add a VIP udp://ADDR:PORT, or set quic-id-length 0");
		return error_field(err, -EINVAL, "quic-id-length");
	}
	if (spec->check_via == VIA_VIP && spec->mode == LB_MODE_NAT) {
		error_set(err, EINVAL,
			  "service %s: check-via vip: in mode nat no packet to the VIP reaches a "
			  "backend",
			  spec->name);
		error_hint(err, -EINVAL, "set check-via auto, or another mode");
		return error_field(err, -EINVAL, "check-via");
	}
	return 0;
}

int service_spec_check(const struct service_spec *spec, struct error *err)
{
	int r = check_name(spec->name, err);

	if (r == 0)
		r = check_vips(spec, err);
	if (r == 0)
		r = check_spec_check(&spec->check, spec->name, err);
	if (r == 0)
		r = check_ranges(spec, err);
	if (r == 0)
		r = check_choices(spec, err);
	if (r == 0)
		r = check_passive(spec, err);
	if (r == 0)
		r = check_cookies(spec, err);
	if (r == 0)
		r = check_chance(spec, err);
	if (r == 0)
		r = check_entries(spec, err);
	if (r == 0)
		r = autoscale_policy_check(&spec->scale, spec->name, err);
	for (size_t i = 0; r == 0 && i < spec->backend_count; i++)
		r = check_backend(spec, &spec->backends[i], err);
	return r < 0 ? r : check_backends_differ(spec, err);
}

/* --- what must hold between services --- */

static int refuse_second_service(const char *name, struct error *err)
{
	error_set(err, EEXIST, "service %s: is there already", name);
	error_hint(err, -EEXIST, "choose another name or rm service %s", name);
	return error_field(err, -EEXIST, "name");
}

static int refuse_second_vip(const struct service_spec *old, const struct service_spec *added,
			     const struct vip *vip, struct error *err)
{
	char text[VIP_TEXT_MAX];

	error_set(err, EEXIST, "service %s: VIP %s belongs to service %s", added->name,
		  format_vip(vip, text), old->name);
	error_hint(err, -EEXIST, "choose another port or rm service %s", old->name);
	return error_field(err, -EEXIST, "vip");
}

static int check_services_differ(const struct service_spec *old, const struct service_spec *added,
				 struct error *err)
{
	if (strcmp(old->name, added->name) == 0)
		return refuse_second_service(added->name, err);
	for (size_t i = 0; i < added->vip_count; i++) {
		for (size_t j = 0; j < old->vip_count; j++) {
			if (vip_equal(&added->vips[i].vip, &old->vips[j].vip))
				return refuse_second_vip(old, added, &added->vips[i].vip, err);
		}
	}
	return 0;
}

/* A service, or one VIP of it; in sorted order the earlier of two equal ones is the older. */
struct claim {
	const struct service_spec *service;
	const struct vip *vip;
};

static int compare_age(const struct claim *left, const struct claim *right)
{
	return left->service < right->service ? -1 : left->service > right->service;
}

static int compare_names(const void *a, const void *b)
{
	const struct claim *left = a, *right = b;
	int order = strcmp(left->service->name, right->service->name);

	return order ?: compare_age(left, right);
}

static int compare_vips(const void *a, const void *b)
{
	const struct claim *left = a, *right = b;
	int order = endpoint_order(&left->vip->endpoint, &right->vip->endpoint);

	if (order == 0)
		order = (int)left->vip->protocol - (int)right->vip->protocol;
	if (order == 0)
		order = (int)left->vip->host_bits - (int)right->vip->host_bits;
	return order ?: compare_age(left, right);
}

static int find_second_name(const struct desired *desired, struct claim *claims, struct error *err)
{
	for (size_t i = 0; i < desired->service_count; i++)
		claims[i] = (struct claim){.service = &desired->services[i]};
	qsort(claims, desired->service_count, sizeof(*claims), compare_names);
	for (size_t i = 1; i < desired->service_count; i++) {
		if (strcmp(claims[i - 1].service->name, claims[i].service->name) == 0)
			return refuse_second_service(claims[i].service->name, err);
	}
	return 0;
}

static int find_second_vip(const struct desired *desired, struct claim *claims, struct error *err)
{
	size_t count = 0;

	for (size_t i = 0; i < desired->service_count; i++) {
		const struct service_spec *service = &desired->services[i];

		for (size_t v = 0; v < service->vip_count; v++)
			claims[count++] = (struct claim){service, &service->vips[v].vip};
	}
	qsort(claims, count, sizeof(*claims), compare_vips);
	for (size_t i = 1; i < count; i++) {
		if (vip_equal(claims[i - 1].vip, claims[i].vip))
			return refuse_second_vip(claims[i - 1].service, claims[i].service,
						 claims[i].vip, err);
	}
	return 0;
}

/* Sorted, for there may be thousands of each and the event loop waits. */
int desired_check(const struct desired *desired, struct error *err)
{
	size_t count = desired->service_count;
	struct claim *claims;
	int r;

	if (desired->service_count == 0)
		return 0;
	for (size_t i = 0; i < desired->service_count; i++)
		count += desired->services[i].vip_count;
	claims = reallocarray(NULL, count, sizeof(*claims));
	if (!claims)
		return error_set(err, ENOMEM, "out of memory");
	r = find_second_name(desired, claims, err);
	if (r == 0)
		r = find_second_vip(desired, claims, err);
	free(claims);
	return r;
}

/* --- changing --- */

int desired_add_service(struct desired *desired, struct service_spec *spec, struct error *err)
{
	struct service_spec *services;
	int r = service_spec_check(spec, err);

	for (size_t i = 0; r == 0 && i < desired->service_count; i++)
		r = check_services_differ(&desired->services[i], spec, err);
	if (r < 0)
		return r;
	services = reallocarray(desired->services, desired->service_count + 1, sizeof(*services));
	if (!services)
		return error_set(err, ENOMEM, "service %s: out of memory", spec->name);
	services[desired->service_count++] = *spec;
	desired->services = services;
	*spec = (struct service_spec){0};
	return 0;
}

void desired_remove_service(struct desired *desired, struct service_spec *service)
{
	size_t index = (size_t)(service - desired->services);

	service_spec_clear(service);
	desired->service_count--;
	memmove(service, service + 1, (desired->service_count - index) * sizeof(*service));
}

int service_add_backend(struct service_spec *service, const struct backend_spec *backend,
			struct error *err)
{
	struct backend_spec *backends;
	int r = check_backend(service, backend, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < service->backend_count; i++) {
		if (endpoint_equal(&service->backends[i].endpoint, &backend->endpoint))
			return refuse_second_backend(service, &backend->endpoint, EEXIST, err);
	}
	for (size_t i = 0; i < service->backend_count; i++) {
		if (quic_id_equal(&service->backends[i], backend))
			return refuse_second_quic_id(service, &service->backends[i], backend, err);
	}
	backends = reallocarray(service->backends, service->backend_count + 1, sizeof(*backends));
	if (!backends)
		return error_set(err, ENOMEM, "service %s: out of memory", service->name);
	backends[service->backend_count++] = *backend;
	service->backends = backends;
	return 0;
}

void service_remove_backend(struct service_spec *service, struct backend_spec *backend)
{
	size_t index = (size_t)(backend - service->backends);

	service->backend_count--;
	memmove(backend, backend + 1, (service->backend_count - index) * sizeof(*backend));
}
