/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "desired.h"
#include "spec_fixture.h"

/* --- fixtures --- */

/* Without a port in text the backend has none: the default is the reader's business. */
static struct backend_spec make_backend(const char *text)
{
	struct backend_spec backend = {.weight = 1};
	struct error err;

	assert_int_equal(parse_endpoint(text, 0, &backend.endpoint, &err), 0);
	return backend;
}

static int add_backend(struct service_spec *spec, const char *text, struct error *err)
{
	struct backend_spec backend = make_backend(text);

	return service_add_backend(spec, &backend, err);
}

static void assert_refused(int r, int code, const struct error *err, const char *field,
			   const char *message)
{
	assert_int_equal(r, -code);
	assert_string_equal(err->message, message);
	assert_string_equal(err->field, field);
}

/* --- one service --- */

static void test_defaults_pass(void **state)
{
	struct service_spec spec = make_service("web", "tcp://198.18.0.10:80");
	struct error err = {0};

	(void)state;
	assert_int_equal(service_spec_check(&spec, &err), 0);
	assert_string_equal(err.message, "");
	service_spec_clear(&spec);
	assert_null(spec.vips);
}

static void test_names(void **state)
{
	static const char *const good[] = {"a", "web-1.example_x", "..."};
	static const char *const bad[] = {"", ".", "..", "a b", "a/b", "\xc3\xa9", "a\n", "web:80"};
	struct service_spec spec = make_service("x", "tcp://198.18.0.10:80");
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(spec.name, sizeof(spec.name), "%s", good[i]);
		assert_int_equal(service_spec_check(&spec, &err), 0);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(spec.name, sizeof(spec.name), "%s", bad[i]);
		assert_int_equal(service_spec_check(&spec, &err), -EINVAL);
		assert_string_equal(err.field, "name");
	}
	memset(spec.name, 'n', SERVICE_NAME_MAX);
	spec.name[SERVICE_NAME_MAX] = '\0';
	assert_int_equal(service_spec_check(&spec, &err), 0);
	service_spec_clear(&spec);
}

static void test_vips(void **state)
{
	struct service_spec spec = make_service("web", NULL);
	struct error err;

	(void)state;
	assert_refused(service_spec_check(&spec, &err), EINVAL, &err, "vip",
		       "service web: needs at least one VIP");
	add_vip(&spec, "tcp://198.18.0.10:80");
	add_vip(&spec, "udp://198.18.0.10:80");
	add_vip(&spec, "tcp://198.18.0.10:*");
	assert_int_equal(service_spec_check(&spec, &err), 0);
	add_vip(&spec, "tcp://198.18.0.10:80");
	assert_refused(service_spec_check(&spec, &err), EINVAL, &err, "vip",
		       "service web: VIP tcp://198.18.0.10:80 is given twice");
	spec.vip_count--;
	add_vip(&spec, "tcp://[2001:db8::10]:80");
	assert_refused(service_spec_check(&spec, &err), EINVAL, &err, "vip",
		       "service web: VIP tcp://[2001:db8::10]:80: not of the other VIPs' address "
		       "family");
	service_spec_clear(&spec);
}

static void test_vip_limit(void **state)
{
	struct service_spec spec = make_service("web", NULL);
	char text[VIP_TEXT_MAX];
	struct error err;

	(void)state;
	for (int i = 1; i <= 16; i++) {
		snprintf(text, sizeof(text), "tcp://198.18.0.10:%d", i);
		add_vip(&spec, text);
	}
	assert_int_equal(service_spec_check(&spec, &err), 0);
	add_vip(&spec, "tcp://198.18.0.10:17");
	assert_refused(service_spec_check(&spec, &err), EINVAL, &err, "vip",
		       "service web: 17 VIPs are more than 16");
	service_spec_clear(&spec);
}

static void test_ranges(void **state)
{
	struct service_spec spec = make_service("web", "tcp://198.18.0.10:80");
	const struct {
		uint64_t *value;
		uint64_t min, max;
		const char *field;
	} cases[] = {
		{&spec.check.interval_ms, 100, 3600000, "check-interval"},
		{&spec.check.timeout_ms, 10, 60000, "check-timeout"},
		{&spec.timeout_ms[LB_FLOW_ESTABLISHED], 2000, 7200000, "timeout-established"},
		{&spec.timeout_ms[LB_FLOW_EMBRYONIC], 1000, 30000, "timeout-embryonic"},
		{&spec.timeout_ms[LB_FLOW_CLOSING], 2000, 7200000, "timeout-closing"},
		{&spec.timeout_udp_ms, 2000, 7200000, "timeout-udp"},
	};
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t before = *cases[i].value;

		*cases[i].value = cases[i].min - 1;
		assert_int_equal(service_spec_check(&spec, &err), -EINVAL);
		assert_string_equal(err.field, cases[i].field);
		*cases[i].value = cases[i].max + 1;
		assert_int_equal(service_spec_check(&spec, &err), -EINVAL);
		*cases[i].value = cases[i].min;
		assert_int_equal(service_spec_check(&spec, &err), 0);
		*cases[i].value = cases[i].max;
		assert_int_equal(service_spec_check(&spec, &err), 0);
		*cases[i].value = before;
	}
	spec.check.timeout_ms = 61000;
	assert_refused(service_spec_check(&spec, &err), EINVAL, &err, "check-timeout",
		       "service web: check-timeout: 61s is out of range");
	assert_string_equal(err.hint, "write 10ms to 1m");
	spec.check.timeout_ms = 1000;
	spec.check.rise = 0;
	assert_refused(service_spec_check(&spec, &err), EINVAL, &err, "rise",
		       "service web: rise: 0 is out of range");
	spec.check.rise = 1;
	spec.slow_start_ms = 3600001;
	assert_refused(service_spec_check(&spec, &err), EINVAL, &err, "slow-start",
		       "service web: slow-start: 3600001ms is out of range");
	spec.slow_start_ms = 3600000;
	spec.eject_max = 0;
	assert_refused(service_spec_check(&spec, &err), EINVAL, &err, "eject-max",
		       "service web: eject-max: 0 is out of range");
	spec.eject_max = 100;
	spec.panic_threshold = 101;
	assert_refused(service_spec_check(&spec, &err), EINVAL, &err, "panic-threshold",
		       "service web: panic-threshold: 101 is out of range");
	spec.panic_threshold = 100;
	spec.announce_min = (struct announce_min){101, true};
	assert_refused(service_spec_check(&spec, &err), EINVAL, &err, "announce-min",
		       "service web: announce-min: 101 is out of range");
	spec.announce_min.percent = false;
	assert_int_equal(service_spec_check(&spec, &err), 0);
	spec.check.fall = 0;
	assert_int_equal(service_spec_check(&spec, &err), -EINVAL);
	assert_string_equal(err.field, "fall");
	service_spec_clear(&spec);
}

/* --- backends --- */

static void test_add_backend(void **state)
{
	struct service_spec spec = make_service("web", "tcp://198.18.0.10:80");
	struct backend_spec heavy = make_backend("198.18.1.13:80");
	struct error err;

	(void)state;
	assert_int_equal(add_backend(&spec, "198.18.1.11:80", &err), 0);
	assert_int_equal(add_backend(&spec, "198.18.1.11:8080", &err), 0);
	assert_refused(add_backend(&spec, "198.18.1.11:80", &err), EEXIST, &err, "address",
		       "backend 198.18.1.11:80 of service web: is there already");
	assert_refused(add_backend(&spec, "[2001:db8::11]:80", &err), EINVAL, &err, "address",
		       "backend [2001:db8::11]:80 of service web: not of the VIPs' address family");
	assert_refused(add_backend(&spec, "198.18.0.10:8080", &err), EINVAL, &err, "address",
		       "backend 198.18.0.10:8080 of service web: is the service's own VIP");
	assert_refused(add_backend(&spec, "198.18.1.12", &err), EINVAL, &err, "address",
		       "backend 198.18.1.12 of service web: needs a port");
	assert_string_equal(err.hint, "write ADDR:PORT");
	heavy.weight = BACKEND_WEIGHT_MAX + 1;
	assert_refused(service_add_backend(&spec, &heavy, &err), EINVAL, &err, "weight",
		       "backend 198.18.1.13:80 of service web: weight 1001 is out of range");
	assert_int_equal(spec.backend_count, 2);
	service_spec_clear(&spec);
}

static void test_twice_in_one_spec(void **state)
{
	struct service_spec spec = make_service("web", "tcp://198.18.0.10:80");
	struct error err;

	(void)state;
	assert_int_equal(add_backend(&spec, "198.18.1.12:80", &err), 0);
	assert_int_equal(add_backend(&spec, "198.18.1.11:80", &err), 0);
	assert_int_equal(add_backend(&spec, "198.18.1.13:80", &err), 0);
	spec.backends[2] = spec.backends[0];
	assert_refused(service_spec_check(&spec, &err), EINVAL, &err, "address",
		       "backend 198.18.1.12:80 of service web: is there already");
	service_spec_clear(&spec);
}

static void test_default_port(void **state)
{
	struct service_spec spec = make_service("web", NULL);

	(void)state;
	assert_int_equal(service_default_port(&spec), 0);
	add_vip(&spec, "tcp://198.18.0.10:80");
	add_vip(&spec, "tcp://198.18.0.11:80");
	assert_int_equal(service_default_port(&spec), 80);
	add_vip(&spec, "tcp://198.18.0.10:443");
	assert_int_equal(service_default_port(&spec), 0);
	service_spec_clear(&spec);
}

static void test_portless_backends(void **state)
{
	struct service_spec every = make_service("every", "tcp://198.18.0.10:*");
	struct service_spec several = make_service("several", "tcp://198.18.0.10:80");
	struct error err;

	(void)state;
	assert_refused(add_backend(&every, "198.18.1.11", &err), EINVAL, &err, "check-port",
		       "backend 198.18.1.11 of service every: has no port to check");
	every.check.port = 80;
	assert_int_equal(add_backend(&every, "198.18.1.11", &err), 0);
	every.check.port = 0;
	every.check.kind = CHECK_NONE;
	assert_int_equal(service_spec_check(&every, &err), 0);

	add_vip(&several, "tcp://198.18.0.10:443");
	several.check.port = 80;
	assert_int_equal(add_backend(&several, "198.18.1.11", &err), -EINVAL);
	several.mode = LB_MODE_L2;
	assert_int_equal(add_backend(&several, "198.18.1.11", &err), 0);
	service_spec_clear(&every);
	service_spec_clear(&several);
}

static void test_l2_keeps_ports(void **state)
{
	struct service_spec spec = make_service("web", "tcp://198.18.0.10:80");
	struct error err;

	(void)state;
	spec.mode = LB_MODE_L2;
	assert_int_equal(add_backend(&spec, "198.18.1.11:80", &err), 0);
	assert_refused(add_backend(&spec, "198.18.1.12:8080", &err), EINVAL, &err, "address",
		       "backend 198.18.1.12:8080 of service web: mode l2 does not translate ports, "
		       "and VIP tcp://198.18.0.10:80 has another");
	assert_int_equal(add_backend(&spec, "198.18.1.12", &err), -EINVAL);
	service_spec_clear(&spec);
}

/* A tunnel carries either family, but its backends keep the port too. */
static void test_tunnels(void **state)
{
	static const enum lb_mode modes[] = {LB_MODE_IPIP, LB_MODE_GUE};
	struct error err;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct service_spec four = make_service("four", "tcp://198.18.0.10:80");
		struct service_spec six = make_service("six", "tcp://[2001:db8::10]:80");

		four.mode = six.mode = modes[i];
		assert_int_equal(add_backend(&four, "198.18.1.11:80", &err), 0);
		assert_int_equal(add_backend(&four, "[2001:db8::11]:80", &err), 0);
		assert_int_equal(add_backend(&six, "198.18.1.11:80", &err), 0);
		assert_int_equal(add_backend(&six, "[2001:db8::11]:80", &err), 0);
		assert_int_equal(add_backend(&four, "198.18.1.12:8080", &err), -EINVAL);
		assert_string_equal(err.field, "address");
		assert_int_equal(service_spec_check(&four, &err), 0);
		four.mode = LB_MODE_L2;
		assert_refused(service_spec_check(&four, &err), EINVAL, &err, "address",
			       "backend [2001:db8::11]:80 of service four: not of the VIPs' "
			       "address family");
		service_spec_clear(&four);
		service_spec_clear(&six);
	}
}

static void test_sctp(void **state)
{
	struct service_spec spec = make_service("m3ua", "sctp://198.18.0.10:2905");
	struct error err;

	(void)state;
	assert_refused(service_spec_check(&spec, &err), EINVAL, &err, "mode",
		       "service m3ua: VIP sctp://198.18.0.10:2905: mode nat cannot translate SCTP, "
		       "whose checksum is a CRC32c of the whole packet");
	assert_string_equal(err.hint, "use mode l2, ipip or gue");
	spec.mode = LB_MODE_L2;
	assert_int_equal(service_spec_check(&spec, &err), 0);
	service_spec_clear(&spec);
}

/* The longest prefix and then the exact port wins, so only equals clash. */
static void test_prefixes(void **state)
{
	struct service_spec spec = make_service("web", "tcp://198.18.0.0/24:80");
	struct service_spec inside = make_service("inside", "tcp://198.18.0.10:80");
	struct service_spec same = make_service("same", "tcp://198.18.0.0/24:80");
	struct desired *desired = desired_new();
	struct error err;

	(void)state;
	add_vip(&spec, "tcp://198.18.0.0/16:80");
	add_vip(&spec, "tcp://198.18.0.10:443");
	assert_int_equal(add_backend(&spec, "198.18.0.11:8080", &err), 0);
	assert_int_equal(desired_add_service(desired, &spec, &err), 0);
	assert_int_equal(desired_add_service(desired, &inside, &err), 0);
	assert_refused(desired_add_service(desired, &same, &err), EEXIST, &err, "vip",
		       "service same: VIP tcp://198.18.0.0/24:80 belongs to service web");
	service_spec_clear(&same);
	desired_free(desired);
}

static void test_least_conn_counts_flows(void **state)
{
	struct service_spec spec = make_service("web", "tcp://198.18.0.10:80");
	struct error err;

	(void)state;
	spec.scheduler = LB_SCHEDULER_LEAST_CONN;
	assert_int_equal(service_spec_check(&spec, &err), 0);
	spec.tracking = TRACK_NONE;
	assert_refused(service_spec_check(&spec, &err), EINVAL, &err, "tracking",
		       "service web: scheduler least-conn counts flows, which needs tracking all");
	spec.scheduler = LB_SCHEDULER_SOURCE;
	assert_int_equal(service_spec_check(&spec, &err), 0);
	service_spec_clear(&spec);
}

static void test_passive_needs_syns(void **state)
{
	struct service_spec spec = make_service("web", "udp://198.18.0.10:80");
	struct error err;

	(void)state;
	spec.tracking = TRACK_NONE;
	assert_int_equal(spec.passive, PASSIVE_WATCH);
	assert_int_equal(service_spec_check(&spec, &err), 0); /* the default is in nobody's way */
	spec.passive = PASSIVE_EJECT;
	assert_refused(service_spec_check(&spec, &err), EINVAL, &err, "passive",
		       "service web: passive eject tells repeated SYNs by the flow table, which "
		       "needs tracking all");
	spec.tracking = TRACK_ALL;
	assert_refused(service_spec_check(&spec, &err), EINVAL, &err, "passive",
		       "service web: passive eject counts repeated SYNs: no VIP of the service is "
		       "tcp");
	add_vip(&spec, "tcp://198.18.0.10:80");
	assert_int_equal(service_spec_check(&spec, &err), 0);
	service_spec_clear(&spec);
}

static void test_second_chance_needs_more(void **state)
{
	struct service_spec spec = make_service("web", "udp://198.18.0.10:80");
	struct error err;

	(void)state;
	spec.second_chance = CHANCE_ON;
	assert_refused(service_spec_check(&spec, &err), EINVAL, &err, "second-chance",
		       "service web: second-chance: only GUE's header has room to name other "
		       "owners of a slot");
	assert_string_equal(err.hint, "set mode gue and gue-variant 0, or second-chance off");
	spec.mode = LB_MODE_GUE;
	spec.gue_variant = 1;
	assert_refused(service_spec_check(&spec, &err), EINVAL, &err, "second-chance",
		       "service web: second-chance: only GUE's header has room to name other "
		       "owners of a slot");
	spec.gue_variant = 0;
	spec.scheduler = LB_SCHEDULER_SOURCE;
	assert_refused(service_spec_check(&spec, &err), EINVAL, &err, "second-chance",
		       "service web: second-chance: a flow is looked for where its slot has led "
		       "before");
	spec.scheduler = LB_SCHEDULER_MAGLEV;
	assert_refused(service_spec_check(&spec, &err), EINVAL, &err, "second-chance",
		       "service web: second-chance: backends know their own flows of TCP only, and "
		       "no VIP of the service is tcp");
	add_vip(&spec, "tcp://198.18.0.10:80");
	assert_int_equal(service_spec_check(&spec, &err), 0);
	spec.syn_cookies = COOKIES_AUTO;
	spec.tracking = TRACK_ALL;
	assert_refused(
		service_spec_check(&spec, &err), EINVAL, &err, "second-chance",
		"service web: second-chance: a connection that a cookie begins has no socket "
		"yet by which its backend would know it");
	service_spec_clear(&spec);
}

static void test_cookies_need_more(void **state)
{
	struct service_spec spec = make_service("web", "udp://198.18.0.10:80");
	struct error err;

	(void)state;
	spec.syn_cookies = COOKIES_AUTO;
	spec.mode = LB_MODE_IPIP;
	spec.tracking = TRACK_NONE;
	assert_refused(service_spec_check(&spec, &err), EINVAL, &err, "syn-cookies",
		       "service web: syn-cookies: a flow proves itself once, which the flow table "
		       "remembers");
	spec.tracking = TRACK_ALL;
	assert_refused(service_spec_check(&spec, &err), EINVAL, &err, "syn-cookies",
		       "service web: syn-cookies: SYNs are TCP's, and no VIP of the service is");
	add_vip(&spec, "tcp://198.18.0.10:80");
	assert_int_equal(service_spec_check(&spec, &err), 0);
	spec.mode = LB_MODE_NAT;
	assert_int_equal(service_spec_check(&spec, &err), 0);
	service_spec_clear(&spec);
}

static int add_quic_backend(struct service_spec *spec, const char *endpoint, uint8_t length,
			    uint8_t first, struct error *err)
{
	struct backend_spec backend = make_backend(endpoint);

	backend.quic_id_length = length;
	backend.quic_id[0] = first;
	return service_add_backend(spec, &backend, err);
}

static void test_quic_ids(void **state)
{
	struct service_spec spec = make_service("h3", "tcp://198.18.0.10:443");
	struct error err;

	(void)state;
	assert_refused(add_quic_backend(&spec, "198.18.1.11:443", 2, 1, &err), EINVAL, &err,
		       "quic-id",
		       "backend 198.18.1.11:443 of service h3: has a quic-id, but the service no "
		       "quic-id-length");
	spec.quic_id_length = 2;
	assert_refused(service_spec_check(&spec, &err), EINVAL, &err, "quic-id-length",
		       "service h3: quic-id-length: QUIC is UDP, and no VIP of the service is");
	add_vip(&spec, "udp://198.18.0.10:443");
	assert_int_equal(add_quic_backend(&spec, "198.18.1.11:443", 2, 1, &err), 0);
	assert_int_equal(add_quic_backend(&spec, "198.18.1.12:443", 2, 2, &err), 0);
	assert_int_equal(add_quic_backend(&spec, "198.18.1.13:443", 0, 0, &err), 0);
	assert_int_equal(add_quic_backend(&spec, "198.18.1.14:443", 0, 0, &err), 0);
	assert_int_equal(service_spec_check(&spec, &err), 0);
	assert_refused(add_quic_backend(&spec, "198.18.1.15:443", 1, 3, &err), EINVAL, &err,
		       "quic-id",
		       "backend 198.18.1.15:443 of service h3: quic-id has 1 bytes, the service's "
		       "quic-id-length is 2");
	assert_refused(add_quic_backend(&spec, "198.18.1.15:443", 2, 2, &err), EINVAL, &err,
		       "quic-id",
		       "backend 198.18.1.15:443 of service h3: has the quic-id of backend "
		       "198.18.1.12:443");
	spec.backends[3].quic_id_length = 2;
	spec.backends[3].quic_id[0] = 1;
	assert_int_equal(service_spec_check(&spec, &err), -EINVAL);
	assert_string_equal(err.field, "quic-id");
	service_spec_clear(&spec);
}

static void test_remove_backend_keeps_order(void **state)
{
	struct service_spec spec = make_service("web", "tcp://198.18.0.10:80");
	struct error err;

	(void)state;
	assert_int_equal(add_backend(&spec, "198.18.1.11:1", &err), 0);
	assert_int_equal(add_backend(&spec, "198.18.1.11:2", &err), 0);
	assert_int_equal(add_backend(&spec, "198.18.1.11:3", &err), 0);
	service_remove_backend(&spec, &spec.backends[1]);
	assert_int_equal(spec.backend_count, 2);
	assert_int_equal(spec.backends[0].endpoint.port, 1);
	assert_int_equal(spec.backends[1].endpoint.port, 3);
	service_remove_backend(&spec, &spec.backends[1]);
	service_remove_backend(&spec, &spec.backends[0]);
	assert_int_equal(spec.backend_count, 0);
	service_spec_clear(&spec);
}

static void test_require_backend(void **state)
{
	struct service_spec spec = make_service("web", "tcp://198.18.0.10:80");
	struct backend_spec *found = NULL;
	struct error err;
	char text[ENDPOINT_TEXT_MAX];

	(void)state;
	assert_refused(service_require_backend(&spec, "198.18.1.11", &found, &err), ENOENT, &err,
		       "", "backend 198.18.1.11:80 of service web: there is no such backend");
	assert_string_equal(err.hint, "the service has no backends");
	for (int i = 1; i <= 40; i++) {
		snprintf(text, sizeof(text), "198.18.1.11:%d", 10000 + i);
		assert_int_equal(add_backend(&spec, text, &err), 0);
	}
	assert_int_equal(add_backend(&spec, "198.18.1.11:80", &err), 0);
	assert_int_equal(service_require_backend(&spec, "198.18.1.11", &found, &err), 0);
	assert_ptr_equal(found, &spec.backends[40]);
	assert_int_equal(service_require_backend(&spec, "198.18.1.99", &found, &err), -ENOENT);
	assert_memory_equal(err.hint, "there are: 198.18.1.11:10001, 198", 33);
	assert_string_equal(err.hint + strlen(err.hint) - 5, ", ...");
	assert_ptr_equal(found, &spec.backends[40]);
	assert_int_equal(service_require_backend(&spec, "198.18.1.300", &found, &err), -EINVAL);
	assert_memory_equal(err.message, "service web: backend 198.18.1.300: ", 35);
	assert_string_equal(err.field, "address");
	service_spec_clear(&spec);
}

/* --- all services --- */

static void test_add_service(void **state)
{
	struct desired *desired = desired_new();
	struct service_spec shop = make_service("shop", "tcp://198.18.0.10:80");
	struct service_spec web = make_service("web", "tcp://198.18.0.10:80");
	struct service_spec twin = make_service("shop", "tcp://198.18.0.11:80");
	struct error err;

	(void)state;
	assert_non_null(desired);
	assert_int_equal(desired_add_service(desired, &shop, &err), 0);
	assert_null(shop.vips);
	assert_refused(desired_add_service(desired, &web, &err), EEXIST, &err, "vip",
		       "service web: VIP tcp://198.18.0.10:80 belongs to service shop");
	assert_string_equal(err.hint, "choose another port or rm service shop");
	assert_refused(desired_add_service(desired, &twin, &err), EEXIST, &err, "name",
		       "service shop: is there already");
	assert_non_null(web.vips);
	web.vips[0].vip.endpoint.port = 0;
	assert_int_equal(desired_add_service(desired, &web, &err), 0);
	assert_int_equal(desired_check(desired, &err), 0);
	desired->services[1].vips[0].vip.endpoint.port = 80;
	assert_refused(desired_check(desired, &err), EEXIST, &err, "vip",
		       "service web: VIP tcp://198.18.0.10:80 belongs to service shop");
	desired_remove_service(desired, desired_service(desired, "shop"));
	assert_int_equal(desired->service_count, 1);
	assert_string_equal(desired->services[0].name, "web");
	assert_int_equal(desired_check(desired, &err), 0);
	service_spec_clear(&twin);
	desired_free(desired);
	desired_free(NULL);
}

static void test_require_service(void **state)
{
	struct desired *desired = desired_new();
	struct service_spec web = make_service("web", "tcp://198.18.0.10:80");
	struct service_spec *found = NULL;
	struct error err;

	(void)state;
	assert_int_equal(desired_require_service(desired, "web", &found, &err), -ENOENT);
	assert_string_equal(err.hint, "there are no services yet: add service NAME");
	assert_int_equal(desired_add_service(desired, &web, &err), 0);
	assert_refused(desired_require_service(desired, "shop", &found, &err), ENOENT, &err, "",
		       "service shop: there is no such service");
	assert_string_equal(err.hint, "there are: web");
	assert_null(found);
	assert_int_equal(desired_require_service(desired, "web", &found, &err), 0);
	assert_ptr_equal(found, desired->services);
	desired_free(desired);
}

static void test_clone_is_deep(void **state)
{
	struct desired *desired = desired_new();
	struct service_spec web = make_service("web", "tcp://198.18.0.10:80");
	struct service_spec bare = make_service("bare", "tcp://198.18.0.10:81");
	struct desired *clone;
	struct error err;

	(void)state;
	desired->generation = 7;
	desired->seed = 9;
	assert_int_equal(add_backend(&web, "198.18.1.11:80", &err), 0);
	assert_int_equal(desired_add_service(desired, &web, &err), 0);
	assert_int_equal(desired_add_service(desired, &bare, &err), 0);
	clone = desired_clone(desired);
	assert_non_null(clone);
	assert_int_equal(clone->generation, 7);
	assert_int_equal(clone->seed, 9);
	clone->services[0].backends[0].weight = 500;
	clone->services[0].vips[0].id = 3;
	assert_int_equal(add_backend(&clone->services[1], "198.18.1.11:81", &err), 0);
	desired_remove_service(clone, &clone->services[0]);
	assert_int_equal(desired->service_count, 2);
	assert_int_equal(desired->services[0].backends[0].weight, 1);
	assert_int_equal(desired->services[0].vips[0].id, 0);
	assert_int_equal(desired->services[1].backend_count, 0);
	desired_free(clone);
	desired_free(desired);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults_pass),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_vips),
		cmocka_unit_test(test_vip_limit),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_add_backend),
		cmocka_unit_test(test_twice_in_one_spec),
		cmocka_unit_test(test_default_port),
		cmocka_unit_test(test_portless_backends),
		cmocka_unit_test(test_l2_keeps_ports),
		cmocka_unit_test(test_tunnels),
		cmocka_unit_test(test_sctp),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_least_conn_counts_flows),
		cmocka_unit_test(test_passive_needs_syns),
		cmocka_unit_test(test_second_chance_needs_more),
		cmocka_unit_test(test_cookies_need_more),
		cmocka_unit_test(test_quic_ids),
		cmocka_unit_test(test_remove_backend_keeps_order),
		cmocka_unit_test(test_require_backend),
		cmocka_unit_test(test_add_service),
		cmocka_unit_test(test_require_service),
		cmocka_unit_test(test_clone_is_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
