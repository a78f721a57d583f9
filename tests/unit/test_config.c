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

#include "config.h"
#include "json.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- memory that runs out (linked with --wrap for calloc, malloc and reallocarray) --- */

static long allocations_left = -1; /* below 0: no limit */

static bool may_allocate(void)
{
	if (allocations_left == 0)
		return false;
	if (allocations_left > 0)
		allocations_left--;
	return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_reallocarray(void *items, size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_reallocarray(void *items, size_t count, size_t size);

void *__wrap_malloc(size_t size)
{
	return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
	return may_allocate() ? __real_calloc(count, size) : NULL;
}

void *__wrap_reallocarray(void *items, size_t count, size_t size)
{
	return may_allocate() ? __real_reallocarray(items, count, size) : NULL;
}

/* --- fixtures --- */

/* What comes behind the mode, and behind the timeouts, where nothing is said of it. */
#define PLAIN_CHOICES                                                                              \
	"\"gue-variant\":0,\"gue-port\":6080,\"tunnel-source\":\"spread\","                        \
	"\"scheduler\":\"maglev\",\"tracking\":\"auto\",\"when-down\":\"drop\","                   \
	"\"too-big\":\"tell\","
#define PLAIN_HEALTH                                                                               \
	"\"load\":\"off\",\"load-port\":9481,\"load-interval\":\"5s\",\"load-budget\":5,"          \
	"\"load-floor\":10,"                                                                       \
	"\"slow-start\":\"0ms\",\"passive\":\"suspect\",\"eject-max\":10,\"panic-threshold\":0,"   \
	"\"announce-min\":\"1\","
/* A check, before and behind its status. */
#define PLAIN_REQUEST                                                                              \
	"\"check-method\":\"GET\",\"check-path\":\"/\",\"check-host\":\"\",\"check-header\":[],"
#define PLAIN_CHECK                                                                                \
	"\"check-body\":\"\",\"check-ca\":\"\",\"check-sni\":\"\",\"check-cert\":\"\","            \
	"\"check-key\":\"\",\"check-insecure\":false,\"check-payload\":\"\","                      \
	"\"check-expect\":\"\",\"check-name\":\"\",\"check-type\":\"A\",\"check-command\":[],"     \
	"\"check-port\":0,\"check-interval\":\"1s\",\"check-timeout\":\"1s\","                     \
	"\"check-fast-interval\":\"0ms\",\"rise\":2,\"fall\":3,"
#define PLAIN_SCALE                                                                                     \
	"\"scale\":\"off\",\"scale-metric\":\"none\",\"scale-promql\":\"\",\"scale-prometheus\":\"\","  \
	"\"scale-target\":0,\"scale-up-above\":0,\"scale-down-below\":0,\"scale-interval\":\"5s\","     \
	"\"scale-window\":\"30s\",\"scale-min\":1,\"scale-max\":10,\"scale-step\":1,\"scale-count\":0," \
	"\"scale-up-cooldown\":\"30s\",\"scale-down-cooldown\":\"2m\",\"scale-stabilization\":\"2m\","  \
	"\"scale-failures\":3,\"scale-retry\":\"1m\",\"scale-pace\":10,\"scale-drain\":\"30s\","        \
	"\"scale-timeout\":\"1m\",\"scale-replace-after\":\"0ms\",\"scale-predict\":\"0ms\","           \
	"\"scale-season\":\"0ms\",\"scale-schedule\":[],\"scale-driver\":[],"
#define PLAIN_UDP                                                                                  \
	"\"timeout-udp\":\"2m\",\"quic-id-length\":0,"                                             \
	"\"source-allow\":\"\",\"source-deny\":\"\","                                              \
	"\"source-prefix-ipv4\":24,\"source-prefix-ipv6\":64,"                                     \
	"\"source-rate-flows\":0,\"source-rate-packets\":0,\"max-new-flows\":0,"                   \
	"\"max-new-entries\":0,"                                                                   \
	"\"syn-cookies\":\"off\",\"syn-cookies-above\":10000,"                                     \
	"\"second-chance\":\"off\",\"former-owners\":[],"

static const char full_spec[] =
	"{\"name\":\"web\",\"vip\":[\"tcp://198.18.0.10:80\",\"udp://198.18.0.10:80\"],"
	"\"mode\":\"gue\",\"gue-variant\":1,\"gue-port\":5555,\"tunnel-source\":\"fixed\","
	"\"scheduler\":\"source\",\"tracking\":\"none\",\"when-down\":\"pass\","
	"\"too-big\":\"drop\",\"check\":\"https\",\"check-method\":\"POST\","
	"\"check-path\":\"/health\",\"check-host\":\"example.org\","
	"\"check-header\":[\"X-Probe: sluice\",\"Accept: text/plain\"],"
	"\"check-status\":\"200-204\",\"check-body\":\"ready|ok\",\"check-ca\":\"/etc/ca.pem\","
	"\"check-sni\":\"www.example.org\",\"check-cert\":\"/etc/cert.pem\","
	"\"check-key\":\"/etc/key.pem\",\"check-insecure\":true,"
	"\"check-payload\":\"ping\\\\x0a\",\"check-expect\":\"pong\","
	"\"check-name\":\"www.example.org\",\"check-type\":\"AAAA\","
	"\"check-command\":[\"/etc/sluice/checks/x\",\"two words\",\"\"],\"check-port\":8080,"
	"\"check-interval\":\"500ms\",\"check-timeout\":\"250ms\","
	"\"check-fast-interval\":\"100ms\",\"rise\":3,\"fall\":4,"
	"\"check-via\":\"address\","
	"\"scale\":\"on\",\"scale-metric\":\"promql\",\"scale-promql\":\"avg(x)\","
	"\"scale-prometheus\":\"http://198.18.0.3:9090\",\"scale-target\":0,\"scale-up-above\":0.6,"
	"\"scale-down-below\":0.2,\"scale-interval\":\"2s\","
	"\"scale-window\":\"20s\",\"scale-min\":2,\"scale-max\":9,\"scale-step\":3,\"scale-count\":4,"
	"\"scale-up-cooldown\":\"7s\",\"scale-down-cooldown\":\"8s\",\"scale-stabilization\":\"9s\","
	"\"scale-failures\":5,\"scale-retry\":\"11s\",\"scale-pace\":12,\"scale-drain\":\"13s\","
	"\"scale-timeout\":\"14s\",\"scale-replace-after\":\"15s\",\"scale-predict\":\"5m\","
	"\"scale-season\":\"24h\",\"scale-schedule\":[\"mon,tue 08:00-20:00 4-9\"],"
	"\"scale-driver\":[\"/etc/sluice/checks/lab\",\"two words\"],"
	"\"load\":\"dry-run\",\"load-port\":1234,\"load-interval\":\"2s\",\"load-budget\":7,"
	"\"load-floor\":20,"
	"\"slow-start\":\"30s\",\"passive\":\"off\",\"eject-max\":25,\"panic-threshold\":40,"
	"\"announce-min\":\"50%\","
	"\"timeout-established\":\"1h\",\"timeout-embryonic\":\"5s\",\"timeout-closing\":\"10s\","
	"\"timeout-udp\":\"7s\",\"quic-id-length\":2,"
	"\"source-allow\":\"/etc/allow\",\"source-deny\":\"198.18.2.0/24,2001:db8:2::/48\","
	"\"source-prefix-ipv4\":32,\"source-prefix-ipv6\":56,"
	"\"source-rate-flows\":100,\"source-rate-packets\":20000,\"max-new-flows\":50000,"
	"\"max-new-entries\":70000,"
	"\"syn-cookies\":\"off\",\"syn-cookies-above\":20000,"
	"\"second-chance\":\"off\","
	"\"former-owners\":[[{\"address\":\"198.18.1.11:80\",\"weight\":5},"
	"{\"address\":\"198.18.1.12:80\"}],[{\"address\":\"[2001:db8::12]:80\"}]],"
	"\"backends\":[{\"address\":\"198.18.1.11:80\",\"weight\":5,\"state\":\"up\","
	"\"priority\":0,\"quic-id\":\"00ff\"},"
	"{\"address\":\"[2001:db8::12]:80\",\"weight\":0,\"state\":\"maint\","
	"\"priority\":255,\"quic-id\":\"\"}]}";

static const char default_spec[] =
	"{\"name\":\"web\",\"vip\":[\"tcp://198.18.0.10:80\"],\"mode\":\"nat\"," PLAIN_CHOICES
	"\"check\":\"tcp\"," PLAIN_REQUEST "\"check-status\":\"200-399\"," PLAIN_CHECK
	"\"check-via\":\"auto\"," PLAIN_SCALE PLAIN_HEALTH "\"timeout-established\":\"15m\","
	"\"timeout-embryonic\":\"30s\",\"timeout-closing\":\"30s\"," PLAIN_UDP "\"backends\":[]}";

static const char full_state[] =
	"{\"version\":1,\"generation\":17,\"seed\":\"00ff00000000abcd\",\"services\":["
	"{\"name\":\"web\",\"vip\":[\"tcp://[2001:db8::10]:80\",\"tcp://[2001:db8::10]:443\"],"
	"\"mode\":\"l2\"," PLAIN_CHOICES "\"check\":\"none\"," PLAIN_REQUEST
	"\"check-status\":\"204\"," PLAIN_CHECK "\"check-via\":\"auto\"," PLAIN_SCALE PLAIN_HEALTH
	"\"timeout-established\":\"15m\","
	"\"timeout-embryonic\":\"30s\",\"timeout-closing\":\"30s\"," PLAIN_UDP
	"\"id\":1,\"vip-ids\":[2,1],"
	"\"backends\":[{\"address\":\"2001:db8::11\",\"weight\":1,\"state\":\"drain\","
	"\"priority\":0,\"quic-id\":\"\",\"id\":65535,"
	"\"load-factor\":350,\"removing\":true,\"deadline-ms\":1795222923456,\"launched\":\"web-1\"}]},"
	"{\"name\":\"shop\",\"vip\":[\"tcp://198.18.0.10:80\"],\"mode\":\"nat\"," PLAIN_CHOICES
	"\"check\":\"tcp\"," PLAIN_REQUEST "\"check-status\":\"200-399\"," PLAIN_CHECK
	"\"check-via\":\"auto\"," PLAIN_SCALE PLAIN_HEALTH "\"timeout-established\":\"15m\","
	"\"timeout-embryonic\":\"30s\",\"timeout-closing\":\"30s\"," PLAIN_UDP
	"\"id\":2,\"vip-ids\":[3],"
	"\"backends\":[]}]}";

static cJSON *parse(const char *text)
{
	struct error err = {0};
	cJSON *json = NULL;

	if (json_parse(text, strlen(text), &json, &err) < 0)
		fail_msg("%s in %s", err.message, text);
	return json;
}

static int read_spec(const char *text, struct service_spec *ret_spec, struct error *err)
{
	cJSON *json = parse(text);
	int r = config_read_service(json, ret_spec, err);

	cJSON_Delete(json);
	return r;
}

static int patch_spec(const char *text, struct service_spec *spec, struct error *err)
{
	cJSON *json = parse(text);
	int r = config_patch_service(json, spec, err);

	cJSON_Delete(json);
	return r;
}

static int read_state(const char *text, struct desired **ret_desired, struct error *err)
{
	cJSON *json = parse(text);
	int r = config_read_state(json, ret_desired, err);

	cJSON_Delete(json);
	return r;
}

/* Frees json. */
static void assert_json(cJSON *json, const char *expected)
{
	char *text = cJSON_PrintUnformatted(json);

	assert_non_null(text);
	assert_string_equal(text, expected);
	cJSON_free(text);
	cJSON_Delete(json);
}

static void assert_begins(const char *text, const char *begin)
{
	if (strncmp(text, begin, strlen(begin)) != 0)
		fail_msg("\"%s\" does not begin with \"%s\"", text, begin);
}

/* --- SPEC --- */

static void test_spec_round_trip(void **state)
{
	static const char *const specs[] = {full_spec, default_spec};

	(void)state;
	for (size_t i = 0; i < COUNT(specs); i++) {
		struct service_spec spec = {0};
		struct error err;

		assert_int_equal(read_spec(specs[i], &spec, &err), 0);
		assert_json(config_write_service(&spec), specs[i]);
		service_spec_clear(&spec);
	}
}

static void test_spec_defaults(void **state)
{
	struct service_spec spec = {0};
	struct error err;

	(void)state;
	assert_int_equal(
		read_spec("{\"vip\": \"tcp://198.18.0.10:80\", \"name\": \"web\"}", &spec, &err),
		0);
	assert_json(config_write_service(&spec), default_spec);
	service_spec_clear(&spec);
}

static void test_spec_status(void **state)
{
	static const struct {
		const char *json;
		int min, max;
	} cases[] = {{"200", 200, 200}, {"\"204\"", 204, 204}, {"\"100-599\"", 100, 599}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct service_spec spec = {0};
		struct error err;
		char text[160];

		snprintf(text, sizeof(text),
			 "{\"name\":\"web\",\"vip\":\"tcp://198.18.0.10:80\",\"check-status\":%s}",
			 cases[i].json);
		assert_int_equal(read_spec(text, &spec, &err), 0);
		assert_int_equal(spec.check.status_min, cases[i].min);
		assert_int_equal(spec.check.status_max, cases[i].max);
		service_spec_clear(&spec);
	}
}

/* pair goes behind a good name and VIP, if it begins with a comma. */
static void assert_spec_refused(const char *pair, const char *field, const char *message)
{
	struct service_spec spec = {0};
	struct error err = {0};
	char text[2048];
	int r;

	if (pair[0] == ',')
		snprintf(text, sizeof(text),
			 "{\"name\":\"web\",\"vip\":\"tcp://198.18.0.10:80\"%s}", pair);
	else
		snprintf(text, sizeof(text), "%s", pair);
	r = read_spec(text, &spec, &err);
	if (r != -EINVAL)
		fail_msg("%s: returned %d", text, r);
	assert_begins(err.message, message);
	assert_string_equal(err.field, field);
	assert_null(spec.vips);
	assert_null(spec.backends);
	assert_string_equal(spec.name, "");
}

static void test_spec_refused(void **state)
{
	static const struct {
		const char *pair, *field, *message;
	} cases[] = {
		{"[]", "", "service: not an object"},
		{"{}", "name", "service: name is missing"},
		{"{\"name\":\"web\"}", "vip", "service web: needs at least one VIP"},
		{"{\"name\":\"web\",\"vip\":[]}", "vip", "service web: needs at least one VIP"},
		{"{\"name\":\"web\",\"vip\":7}", "vip", "service web: vip: not a string or"},
		{"{\"name\":\"web\",\"vip\":[[]]}", "vip", "service web: vip: not a string or"},
		{"{\"name\":\"web\",\"vip\":\"x\"}", "vip", "service web: vip: x: none"},
		{"{\"name\":7}", "name", "service: name: 7 is not a string"},
		{"{\"name\":\"a b\",\"vip\":\"tcp://198.18.0.10:80\"}", "name",
		 "service name \"a b\": has a character that is not allowed"},
		{",\"colour\":1", "colour", "service web: unknown key \"colour\""},
		{",\"Rise\":1", "Rise", "service web: unknown key \"Rise\""},
		{",\"id\":1", "id", "service web: unknown key \"id\""},
		{",\"rise\":1,\"rise\":2", "rise", "service web: key \"rise\" is given twice"},
		{",\"mode\":\"vxlan\"", "mode", "service web: mode: there is no such choice"},
		{",\"gue-variant\":2", "gue-variant", "service web: gue-variant: 2 is not"},
		{",\"gue-port\":0", "gue-port", "service web: gue-port: 0 is out of range"},
		{",\"gue-port\":65536", "gue-port", "service web: gue-port: 65536 is not"},
		{",\"tunnel-source\":\"\"", "tunnel-source", "service web: tunnel-source: there"},
		{",\"tracking\":\"some\"", "tracking", "service web: tracking: there is no"},
		{",\"when-down\":false", "when-down", "service web: when-down: false is not"},
		{",\"too-big\":\"cut\"", "too-big", "service web: too-big: there is no such"},
		{",\"timeout-udp\":\"1s\"", "timeout-udp", "service web: timeout-udp: 1s is out"},
		{",\"timeout-udp\":\"121m\"", "timeout-udp", "service web: timeout-udp: 121m"},
		{",\"source-deny\":7", "source-deny", "service web: source-deny: 7 is not"},
		{",\"source-prefix-ipv4\":33", "source-prefix-ipv4",
		 "service web: source-prefix-ipv4: 33 is out"},
		{",\"source-prefix-ipv6\":0", "source-prefix-ipv6",
		 "service web: source-prefix-ipv6: 0 is out"},
		{",\"source-rate-flows\":1000000001", "source-rate-flows",
		 "service web: source-rate-flows: 1000000001 is out"},
		{",\"max-new-flows\":-1", "max-new-flows", "service web: max-new-flows: -1 is not"},
		{",\"max-new-entries\":5,\"scheduler\":\"least-conn\"", "max-new-entries",
		 "service web: max-new-entries: scheduler least-conn finds a flow by its entry"},
		{",\"second-chance\":\"yes\"", "second-chance",
		 "service web: second-chance: there is no"},
		{",\"former-owners\":[[],[],[]]", "former-owners",
		 "service web: former-owners: more than two sets"},
		{",\"former-owners\":[[]]", "former-owners",
		 "former owner of service web: former-owners: a set is not an array of backends"},
		{",\"former-owners\":[[{\"weight\":1}]]", "address",
		 "former owner of service web: address: missing"},
		{",\"former-owners\":[[{\"address\":\"198.18.1.11\",\"state\":\"up\"}]]", "state",
		 "former owner of service web: unknown key \"state\""},
		{",\"former-owners\":[[{\"address\":\"198.18.1.11\",\"weight\":0}]]", "weight",
		 "former owner of service web: weight: who owned"},
		{",\"former-owners\":[[{\"address\":\"198.18.1.11\"},{\"address\":\"198.18.1.11\"}]]",
		 "former-owners", "former owner of service web: former-owners: one is twice"},
		{",\"syn-cookies\":\"on\"", "syn-cookies", "service web: syn-cookies: there is no"},
		{",\"syn-cookies-above\":0", "syn-cookies-above",
		 "service web: syn-cookies-above: 0 is out"},
		{",\"quic-id-length\":16", "quic-id-length", "service web: quic-id-length: 16 is"},
		{",\"backends\":[{\"address\":\"198.18.1.11\",\"priority\":256}]", "priority",
		 "backend 198.18.1.11:80 of service web: priority: 256 is not"},
		{",\"backends\":[{\"address\":\"198.18.1.11\",\"quic-id\":\"0\"}]", "quic-id",
		 "backend 198.18.1.11:80 of service web: quic-id: not an even number of digits"},
		{",\"backends\":[{\"address\":\"198.18.1.11\",\"quic-id\":\"0g\"}]", "quic-id",
		 "backend 198.18.1.11:80 of service web: quic-id: not hexadecimal digits"},
		{",\"backends\":[{\"address\":\"198.18.1.11\","
		 "\"quic-id\":\"00112233445566778899aabbccddeeff\"}]",
		 "quic-id", "backend 198.18.1.11:80 of service web: quic-id: not an even number"},
		{",\"backends\":[{\"address\":\"198.18.1.11\",\"quic-id\":7}]", "quic-id",
		 "backend 198.18.1.11:80 of service web: quic-id: 7 is not a string"},
		{",\"scheduler\":\"random\"", "scheduler", "service web: scheduler: there is no"},
		{",\"check\":true", "check", "service web: check: true is not a string"},
		{",\"check-path\":\"health\"", "check-path", "service web: check-path: \"health\""},
		{",\"check-host\":\"a\\r\\nb\"", "check-host", "service web: check-host: has a"},
		{",\"check-status\":99", "check-status", "service web: check-status: 99 is not"},
		{",\"check-status\":\"\"", "check-status", "service web: check-status: "},
		{",\"check-status\":\"399-200\"", "check-status", "service web: check-status: 200"},
		{",\"check-status\":\"200-399-\"", "check-status", "service web: check-status: "},
		{",\"check-status\":\"200000000\"", "check-status", "service web: check-status: "},
		{",\"check-status\":null", "check-status", "service web: check-status: null is"},
		{",\"check-header\":7", "check-header",
		 "service web: check-header: not a text or an array of texts"},
		{",\"check-header\":[\"A: b\",{}]", "check-header",
		 "service web: check-header: not a text or an array of texts"},
		{",\"check-header\":[\"A\"]", "check-header",
		 "service web: check-header: has no colon"},
		{",\"check\":\"exec\"", "check-command", "service web: check-command: missing"},
		{",\"check-command\":[\"x\"]", "check-command",
		 "service web: check-command: the program is no absolute path"},
		{",\"check\":\"dns\"", "check-name", "service web: check-name: missing"},
		{",\"check-type\":\"ANY\"", "check-type",
		 "service web: check-type: there is no such choice"},
		{",\"check-method\":\"get\"", "check-method",
		 "service web: check-method: there is no such choice"},
		{",\"check-body\":\"(\"", "check-body", "service web: check-body: Unmatched ("},
		{",\"check-insecure\":\"true\"", "check-insecure",
		 "service web: check-insecure: not true or false"},
		{",\"check-payload\":\"\\\\z\"", "check-payload",
		 "service web: check-payload: has a backslash"},
		{",\"check-fast-interval\":\"2s\"", "check-fast-interval",
		 "service web: check-fast-interval: 2s is out of range"},
		{",\"check-port\":65536", "check-port", "service web: check-port: 65536 is not"},
		{",\"check-interval\":5", "check-interval",
		 "service web: check-interval: 5 is not"},
		{",\"check-interval\":\"5\"", "check-interval",
		 "service web: check-interval: 5: no"},
		{",\"check-interval\":\"99ms\"", "check-interval",
		 "service web: check-interval: 99ms is out of range"},
		{",\"timeout-closing\":\"99999999999999999999h\"", "timeout-closing",
		 "service web: timeout-closing: 9999"},
		{",\"rise\":0", "rise", "service web: rise: 0 is out of range"},
		{",\"load\":\"maybe\"", "load", "service web: load: there is no such choice"},
		{",\"load-port\":0", "load-port", "service web: load-port: 0 is out of range"},
		{",\"load-interval\":\"999ms\"", "load-interval",
		 "service web: load-interval: 999ms is out of range"},
		{",\"load-budget\":0", "load-budget", "service web: load-budget: 0 is out of"},
		{",\"load-floor\":101", "load-floor", "service web: load-floor: 101 is out of"},
		{",\"slow-start\":\"61m\"", "slow-start", "service web: slow-start: 61m is out"},
		{",\"passive\":\"on\"", "passive", "service web: passive: there is no such"},
		{",\"eject-max\":0", "eject-max", "service web: eject-max: 0 is out of range"},
		{",\"eject-max\":101", "eject-max", "service web: eject-max: 101 is out of"},
		{",\"panic-threshold\":101", "panic-threshold",
		 "service web: panic-threshold: 101"},
		{",\"announce-min\":\"101%\"", "announce-min",
		 "service web: announce-min: neither a number of backends nor a share of them"},
		{",\"announce-min\":\"half\"", "announce-min",
		 "service web: announce-min: neither"},
		{",\"announce-min\":\"%\"", "announce-min", "service web: announce-min: neither"},
		{",\"announce-min\":1.5", "announce-min", "service web: announce-min: neither"},
		{",\"announce-min\":65536", "announce-min", "service web: announce-min: neither"},
		{",\"announce-min\":true", "announce-min", "service web: announce-min: neither"},
		{",\"passive\":\"eject\",\"tracking\":\"none\"", "passive",
		 "service web: passive eject tells repeated SYNs by the flow table"},
		{",\"fall\":1.5", "fall", "service web: fall: 1.5 is not a whole number"},
		{",\"check-via\":\"tunnel\"", "check-via",
		 "service web: check-via: there is no such choice"},
		{",\"mode\":\"nat\",\"check-via\":\"vip\"", "check-via",
		 "service web: check-via vip: in mode nat no packet"},
		{",\"scale\":\"maybe\"", "scale", "service web: scale: there is no such"},
		{",\"scale\":\"on\"", "scale-driver", "service web: scale-driver: missing"},
		{",\"scale\":\"dry-run\",\"scale-metric\":\"packets\"", "scale-target",
		 "service web: scale-target: missing"},
		{",\"scale-metric\":\"promql\"", "scale-promql",
		 "service web: scale-promql: missing"},
		{",\"scale-metric\":\"promql\",\"scale-promql\":\"up\"", "scale-prometheus",
		 "service web: scale-prometheus: missing"},
		{",\"scale-prometheus\":\"ftp://x\"", "scale-prometheus",
		 "service web: scale-prometheus: is no URL"},
		{",\"scale-target\":\"0x10\"", "scale-target",
		 "service web: scale-target: 0x10: not a decimal number"},
		{",\"scale-target\":-1", "scale-target",
		 "service web: scale-target: not a number from 0 up"},
		{",\"scale-target\":true", "scale-target",
		 "service web: scale-target: not a number from 0 up"},
		{",\"scale-target\":1,\"scale-up-above\":2", "scale-target",
		 "service web: scale-target: is given beside thresholds"},
		{",\"scale-up-above\":\"0.2\",\"scale-down-below\":0.6", "scale-up-above",
		 "service web: scale-up-above: is not above scale-down-below"},
		{",\"scale-min\":0", "scale-min", "service web: scale-min: 0 is out of range"},
		{",\"scale-min\":11", "scale-min", "service web: scale-min: 11 is out of range"},
		{",\"scale-count\":11", "scale-count", "service web: scale-count: 11 is out of"},
		{",\"scale-interval\":\"999ms\"", "scale-interval",
		 "service web: scale-interval: 999ms is out of range"},
		{",\"scale-window\":\"4s\"", "scale-window",
		 "service web: scale-window: 4s is out of range"},
		{",\"scale-pace\":65", "scale-pace", "service web: scale-pace: 65 is out of"},
		{",\"scale-season\":\"19s\"", "scale-season",
		 "service web: scale-season: is shorter than four intervals"},
		{",\"scale-schedule\":\"monday\"", "scale-schedule",
		 "service web: scale-schedule: \"monday\": not days"},
		{",\"scale-schedule\":[7]", "scale-schedule", "service web: scale-schedule: not"},
		{",\"scale-driver\":\"lab up\"", "scale-driver",
		 "service web: scale-driver: the program is no absolute path"},
		{",\"backends\":{}", "backends", "service web: backends: {} is not an array"},
		{",\"backends\":[7]", "", "backend of service web: not an object"},
		{",\"backends\":[{}]", "address", "backend of service web: address: missing"},
		{",\"backends\":[{\"address\":\"x\"}]", "address",
		 "backend of service web: address: x: not an IPv4 or IPv6 address"},
		{",\"backends\":[{\"address\":\"198.18.1.11\",\"id\":3}]", "id",
		 "backend 198.18.1.11:80 of service web: unknown key \"id\""},
		{",\"backends\":[{\"address\":\"198.18.1.11\",\"weight\":1001}]", "weight",
		 "backend 198.18.1.11:80 of service web: weight: 1001 is not a whole number"},
		{",\"backends\":[{\"address\":\"198.18.1.11\"},{\"address\":\"198.18.1.11:80\"}]",
		 "address", "backend 198.18.1.11:80 of service web: is there already"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_spec_refused(cases[i].pair, cases[i].field, cases[i].message);
}

static void test_spec_too_long(void **state)
{
	char name[SERVICE_NAME_MAX + 2], text[1536];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	snprintf(text, sizeof(text), "{\"name\":\"%s\",\"vip\":\"tcp://198.18.0.10:80\"}", name);
	assert_spec_refused(text, "name", "service: name: longer than 63 characters");
	snprintf(text, sizeof(text), ",\"check-path\":\"/%01100d\"", 0);
	assert_spec_refused(text, "check-path",
			    "service web: check-path: longer than 1023 characters");
}

/* --- PATCH of a service --- */

/* One text of a command is parted at blanks; an empty text or array takes a list away. */
static void test_lists_of_texts(void **state)
{
	static const char *const nothing[] = {"[]", "\"\"", "[\"\"]"};
	struct service_spec spec = {0};
	struct error err;
	char text[128];

	(void)state;
	assert_int_equal(read_spec(full_spec, &spec, &err), 0);
	assert_int_equal(patch_spec("{\"check-command\":\"/bin/x  -a b \"}", &spec, &err), 0);
	assert_string_equal(spec.check.command[0], "/bin/x");
	assert_string_equal(spec.check.command[1], "-a");
	assert_string_equal(spec.check.command[2], "b");
	assert_null(spec.check.command[3]);
	assert_int_equal(patch_spec("{\"check-command\":[\"/bin/x y\",\"a b\"]}", &spec, &err), 0);
	assert_string_equal(spec.check.command[0], "/bin/x y");
	assert_string_equal(spec.check.command[1], "a b");
	assert_null(spec.check.command[2]);
	for (size_t i = 0; i < COUNT(nothing); i++) {
		assert_int_equal(patch_spec("{\"check-header\":\"A: b\"}", &spec, &err), 0);
		assert_string_equal(spec.check.headers[0], "A: b");
		assert_null(spec.check.headers[1]);
		snprintf(text, sizeof(text), "{\"check-header\":%s}", nothing[i]);
		assert_int_equal(patch_spec(text, &spec, &err), 0);
		assert_null(spec.check.headers);
	}
	service_spec_clear(&spec);
}

static void test_patch(void **state)
{
	struct service_spec spec = {0};
	struct error err;

	(void)state;
	assert_int_equal(read_spec(full_spec, &spec, &err), 0);
	spec.id = 9;
	spec.vips[0].id = 5;
	spec.vips[1].id = 6;
	assert_int_equal(patch_spec("{}", &spec, &err), 0);
	assert_json(config_write_service(&spec), full_spec);
	assert_int_equal(patch_spec("{\"rise\":7,\"check\":\"none\",\"vip\":["
				    "\"udp://198.18.0.10:80\",\"tcp://198.18.0.11:80\"]}",
				    &spec, &err),
			 0);
	assert_int_equal(spec.id, 9);
	assert_int_equal(spec.vip_count, 2);
	assert_int_equal(spec.vips[0].id, 6);
	assert_int_equal(spec.vips[1].id, 0);
	assert_int_equal(spec.check.rise, 7);
	assert_int_equal(spec.check.fall, 4);
	assert_int_equal(spec.check.kind, CHECK_NONE);
	assert_int_equal(spec.backend_count, 2);
	service_spec_clear(&spec);
}

static void test_patch_all_or_nothing(void **state)
{
	static const struct {
		const char *patch, *field, *message;
	} cases[] = {
		{"{\"rise\":9,\"fall\":0}", "fall", "service web: fall: 0 is out of range"},
		{"{\"vip\":\"tcp://198.18.0.9:80\",\"mode\":\"gre\"}", "mode",
		 "service web: mode:"},
		{"{\"vip\":[]}", "vip", "service web: needs at least one VIP"},
		{"{\"vip\":\"tcp://198.18.0.10:80\"}", "quic-id-length",
		 "service web: quic-id-length: QUIC is UDP"},
		{"{\"vip\":\"udp://[2001:db8::1]:80\",\"mode\":\"nat\"}", "address",
		 "backend 198.18.1.11:80 of service web: not of the VIPs' address family"},
		{"{\"mode\":\"l2\"}", "address",
		 "backend [2001:db8::12]:80 of service web: not of the VIPs' address family"},
		{"{\"vip\":\"udp://198.18.0.10:81\"}", "address",
		 "backend 198.18.1.11:80 of service web: mode gue does not translate ports"},
		{"{\"quic-id-length\":3}", "quic-id",
		 "backend 198.18.1.11:80 of service web: quic-id has 2 bytes, the service's"},
		{"{\"quic-id-length\":0}", "quic-id",
		 "backend 198.18.1.11:80 of service web: has a quic-id, but the service no"},
		{"{\"scheduler\":\"least-conn\"}", "tracking",
		 "service web: scheduler least-conn counts flows, which needs tracking all"},
		{"{\"scale-driver\":[]}", "scale-driver", "service web: scale-driver: missing"},
		{"{\"scale-max\":3}", "scale-count", "service web: scale-count: 4 is out of range"},
		{"{\"name\":\"shop\"}", "name", "service web: name: a service keeps its name"},
		{"{\"backends\":[]}", "backends", "service web: backends: not changed along"},
		{"{\"vip-ids\":[1,2]}", "vip-ids", "service web: unknown key"},
		{"[]", "", "service web: not an object"},
	};
	struct service_spec spec = {0};
	struct error err;

	(void)state;
	assert_int_equal(read_spec(full_spec, &spec, &err), 0);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct service_spec before = spec;

		assert_int_equal(patch_spec(cases[i].patch, &spec, &err), -EINVAL);
		assert_begins(err.message, cases[i].message);
		assert_string_equal(err.field, cases[i].field);
		assert_memory_equal(&before, &spec, sizeof(spec));
	}
	assert_json(config_write_service(&spec), full_spec);
	service_spec_clear(&spec);
}

/* --- backends --- */

static void test_read_backend(void **state)
{
	struct service_spec spec = {0};
	struct backend_spec backend = {0};
	struct error err;
	cJSON *json;

	(void)state;
	assert_int_equal(read_spec(default_spec, &spec, &err), 0);
	json = parse("{\"address\":\"198.18.1.11\"}");
	assert_int_equal(config_read_backend(json, &spec, &backend, &err), 0);
	cJSON_Delete(json);
	assert_json(config_write_backend(&backend),
		    "{\"address\":\"198.18.1.11:80\",\"weight\":1,\"state\":\"up\","
		    "\"priority\":0,\"quic-id\":\"\"}");
	service_spec_clear(&spec);
}

static int patch_backend(const char *text, struct backend_spec *backend, struct error *err)
{
	cJSON *json = parse(text);
	int r = config_patch_backend(json, 1000000, backend, err);

	cJSON_Delete(json);
	return r;
}

static void test_patch_backend(void **state)
{
	struct backend_spec backend = {.weight = 1, .id = 4};
	struct error err;

	(void)state;
	assert_int_equal(parse_endpoint("198.18.1.11:80", 0, &backend.endpoint, &err), 0);
	assert_int_equal(patch_backend("{\"weight\":0}", &backend, &err), 0);
	assert_int_equal(backend.weight, 0);
	assert_int_equal(
		patch_backend("{\"state\":\"drain\",\"deadline\":\"30s\"}", &backend, &err), 0);
	assert_int_equal(backend.state, ADMIN_DRAIN);
	assert_int_equal(backend.deadline_ms, 1030000);
	assert_int_equal(patch_backend("{\"weight\":2}", &backend, &err), 0);
	assert_int_equal(backend.deadline_ms, 1030000);
	backend.removing = true;
	assert_int_equal(patch_backend("{\"state\":\"drain\"}", &backend, &err), 0);
	assert_int_equal(backend.deadline_ms, 0);
	assert_true(backend.removing);
	assert_int_equal(patch_backend("{\"state\":\"up\"}", &backend, &err), 0);
	assert_int_equal(backend.state, ADMIN_UP);
	assert_false(backend.removing);
	assert_int_equal(backend.id, 4);
}

static void test_patch_backend_refused(void **state)
{
	static const struct {
		const char *patch, *field, *message;
	} cases[] = {
		{"{\"weight\":5,\"state\":\"off\"}", "state",
		 "backend 198.18.1.11:80: state: there"},
		{"{\"state\":\"up\",\"deadline\":\"30s\"}", "deadline",
		 "backend 198.18.1.11:80: deadline: only a drain has one"},
		{"{\"deadline\":\"30s\"}", "deadline", "backend 198.18.1.11:80: deadline: only a"},
		{"{\"state\":\"drain\",\"deadline\":\"25h\"}", "deadline",
		 "backend 198.18.1.11:80: deadline: 25h: not from 1ms to 24h"},
		{"{\"state\":\"drain\",\"deadline\":30}", "deadline",
		 "backend 198.18.1.11:80: deadline: 30 is not a duration"},
		{"{\"address\":\"198.18.1.12:80\"}", "address", "backend 198.18.1.11:80: unknown"},
		{"{\"removing\":false}", "removing", "backend 198.18.1.11:80: unknown key"},
	};
	struct backend_spec backend = {.weight = 1};
	struct error err;

	(void)state;
	assert_int_equal(parse_endpoint("198.18.1.11:80", 0, &backend.endpoint, &err), 0);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct backend_spec before = backend;

		assert_int_equal(patch_backend(cases[i].patch, &backend, &err), -EINVAL);
		assert_begins(err.message, cases[i].message);
		assert_string_equal(err.field, cases[i].field);
		assert_memory_equal(&before, &backend, sizeof(backend));
	}
}

/* --- the state document --- */

static void test_state_round_trip(void **state)
{
	struct desired *desired = NULL;
	struct error err;

	(void)state;
	assert_int_equal(read_state(full_state, &desired, &err), 0);
	assert_int_equal(desired->generation, 17);
	assert_true(desired->seed == 0x00ff00000000abcdULL);
	assert_int_equal(desired->services[0].vips[0].id, 2);
	assert_int_equal(desired->services[0].backends[0].id, 65535);
	assert_true(desired->services[0].backends[0].removing);
	assert_true(desired->services[0].backends[0].deadline_ms == 1795222923456ULL);
	assert_json(config_write_state(desired), full_state);
	desired_free(desired);
}

static void test_state_of_a_boot(void **state)
{
	static const char text[] = "{\"version\":1,\"generation\":0,\"seed\":\"0000000000000000\","
				   "\"boot\":\"one\",\"boot-offset-ms\":1795222923456,"
				   "\"services\":[]}";
	static const char odd[] = "{\"version\":1,\"generation\":0,\"seed\":\"0000000000000000\","
				  "\"boot\":\"0123456789012345678901234567890123456\","
				  "\"boot-offset-ms\":1,\"services\":[]}";
	struct desired *desired = NULL;
	struct error err;

	(void)state;
	assert_int_equal(read_state(text, &desired, &err), 0);
	assert_string_equal(desired->steady.boot, "one");
	assert_true(desired->steady.offset_ms == 1795222923456ULL);
	assert_json(config_write_state(desired), text);
	desired_free(desired);
	desired = NULL;
	assert_int_equal(read_state(odd, &desired, &err), -EINVAL);
	assert_null(desired);
}

/* Of the balancer, and of no service: a clone has it, a document has not. */
static void test_state_withdrawn(void **state)
{
	static const char text[] = "{\"version\":1,\"generation\":0,\"seed\":\"0000000000000000\","
				   "\"withdrawn\":true,\"services\":[]}";
	static const char odd[] = "{\"version\":1,\"generation\":0,\"seed\":\"0000000000000000\","
				  "\"withdrawn\":\"yes\",\"services\":[]}";
	struct desired *desired = NULL, *clone;
	struct error err;

	(void)state;
	assert_int_equal(read_state(text, &desired, &err), 0);
	clone = desired_clone(desired);
	assert_non_null(clone);
	assert_json(config_write_state(clone), text);
	desired_free(clone);
	desired_free(desired);
	desired = NULL;
	assert_int_equal(read_state(odd, &desired, &err), -EINVAL);
	assert_string_equal(err.message, "state: withdrawn: not true or false");
	assert_null(desired);
}

static void test_empty_state(void **state)
{
	static const char text[] =
		"{\"version\":1,\"generation\":0,\"seed\":\"0000000000000000\",\"services\":[]}";
	struct desired *desired = NULL;
	struct error err;

	(void)state;
	assert_int_equal(read_state(text, &desired, &err), 0);
	assert_json(config_write_state(desired), text);
	desired_free(desired);
}

/* full_state with one piece of it replaced. */
static void assert_state_refused(const char *from, const char *to, int code, const char *message)
{
	const char *at = strstr(full_state, from);
	struct desired *desired = NULL;
	struct error err = {0};
	char text[2 * sizeof(full_state)];
	int r;

	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - full_state), full_state, to,
		 at + strlen(from));
	r = read_state(text, &desired, &err);
	if (r != -code)
		fail_msg("%s -> %s: returned %d", from, to, r);
	assert_begins(err.message, message);
	assert_null(desired);
}

static void test_state_refused(void **state)
{
	static const struct {
		const char *from, *to;
		int code;
		const char *message;
	} cases[] = {
		{"\"version\":1", "\"version\":2,\"new\":1", ENOTSUP,
		 "state: version 2 is newer than 1, "},
		{"\"version\":1,", "", EINVAL, "state: version: missing"},
		{"\"version\":1", "\"version\":0", EINVAL, "state: version: 0 is not"},
		{"\"generation\":17,", "", EINVAL, "state: generation: missing"},
		{"\"services\":", "\"servants\":", EINVAL, "state: unknown key"},
		{"00ff00000000abcd", "00FF00000000abcd", EINVAL, "state: seed: not 16"},
		{"00ff00000000abcd", "0ff00000000abcd", EINVAL, "state: seed: not 16"},
		{"\"id\":1,", "", EINVAL, "service web: id: missing or 0"},
		{"\"id\":1,", "\"id\":0,", EINVAL, "service web: id: missing or 0"},
		{"\"id\":1,", "\"id\":65536,", EINVAL, "service web: id: 65536 is not"},
		{"\"vip-ids\":[2,1],", "", EINVAL, "tcp://[2001:db8::10]:80: id: missing"},
		{"[2,1]", "[2]", EINVAL, "service web: vip-ids: not one for each vip"},
		{"[2,1]", "[2,0]", EINVAL, "service web: vip-ids: not whole numbers"},
		{"[2,1]", "[2,1.5]", EINVAL, "service web: vip-ids: not whole numbers"},
		{"[2,1]", "[2,\"1\"]", EINVAL, "service web: vip-ids: not whole numbers"},
		{"\"removing\":true", "\"removing\":1", EINVAL, "backend 2001:db8::11 of service"},
		{"\"name\":\"shop\"", "\"name\":\"web\"", EINVAL, "service web: is there already"},
		{"\"rise\":2", "\"rise\":0", EINVAL, "service web: rise: 0"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_state_refused(cases[i].from, cases[i].to, cases[i].code, cases[i].message);
}

/* Indices into the maps, so that two owners of one would share a record, a table or counters. */
static void test_state_refuses_duplicate_ids(void **state)
{
	static const char twin[] = "1795222923456},{\"address\":\"2001:db8::12\",\"id\":65535}";
	static const char stranger[] =
		"\"backends\":[{\"address\":\"198.18.1.11:80\",\"id\":65535}]";
	static const struct {
		const char *from, *to, *message;
	} cases[] = {
		{"\"id\":2,", "\"id\":1,", "service shop: id: taken by another"},
		{"[2,1]", "[2,2]", "tcp://[2001:db8::10]:443: id: taken by another"},
		{"[2,1]", "[2,3]", "tcp://198.18.0.10:80: id: taken by another"},
		{"1795222923456,\"launched\":\"web-1\"}", twin,
		 "backend 2001:db8::12 of service web: id: taken by another"},
		{"\"backends\":[]", stranger,
		 "backend 198.18.1.11:80 of service shop: id: taken by another"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_state_refused(cases[i].from, cases[i].to, EINVAL, cases[i].message);
}

/* --- out of memory: every allocation fails once; the sanitizer sees what leaks --- */

#define MANY 2000

static void test_memory_read_state(void **state)
{
	cJSON *json = parse(full_state);
	struct desired *desired = NULL;
	struct error err;
	int r = -ENOMEM;
	long n;

	(void)state;
	for (n = 0; n < MANY && r < 0; n++) {
		allocations_left = n;
		r = config_read_state(json, &desired, &err);
		allocations_left = -1;
		assert_true(r == 0 || (r == -ENOMEM && !desired));
	}
	assert_in_range(n, 2, MANY - 1);
	r = -ENOMEM;
	for (n = 0; n < MANY && r < 0; n++) {
		struct desired *clone;

		allocations_left = n;
		clone = desired_clone(desired);
		allocations_left = -1;
		r = clone ? 0 : -ENOMEM;
		desired_free(clone);
	}
	assert_in_range(n, 2, MANY - 1);
	cJSON_Delete(json);
	desired_free(desired);
}

static void test_memory_patch(void **state)
{
	cJSON *json = parse("{\"vip\":[\"udp://198.18.0.9:80\"],\"rise\":9}");
	struct service_spec spec = {0};
	struct error err;
	int r = -ENOMEM;
	long n;

	(void)state;
	assert_int_equal(read_spec(full_spec, &spec, &err), 0);
	for (n = 0; n < MANY && r < 0; n++) {
		struct service_spec before = spec;

		allocations_left = n;
		r = config_patch_service(json, &spec, &err);
		allocations_left = -1;
		if (r < 0) {
			assert_int_equal(r, -ENOMEM);
			assert_memory_equal(&before, &spec, sizeof(spec));
		}
	}
	assert_in_range(n, 2, MANY - 1);
	cJSON_Delete(json);
	service_spec_clear(&spec);
}

static void test_memory_add(void **state)
{
	struct desired *desired = desired_new();
	struct service_spec spec = {0};
	struct backend_spec backend;
	struct error err;
	int r = -ENOMEM;

	(void)state;
	assert_int_equal(read_spec(default_spec, &spec, &err), 0);
	backend = (struct backend_spec){.weight = 1};
	assert_int_equal(parse_endpoint("198.18.1.11:80", 0, &backend.endpoint, &err), 0);
	allocations_left = 0;
	assert_int_equal(service_add_backend(&spec, &backend, &err), -ENOMEM);
	assert_int_equal(desired_add_service(desired, &spec, &err), -ENOMEM);
	allocations_left = -1;
	assert_int_equal(desired->service_count, 0);
	assert_int_equal(spec.backend_count, 0);
	r = desired_add_service(desired, &spec, &err);
	assert_int_equal(r, 0);
	desired_free(desired);
}

static void test_memory_write(void **state)
{
	struct desired *desired = NULL;
	struct error err;
	cJSON *json = NULL;
	long n;

	(void)state;
	assert_int_equal(read_state(full_state, &desired, &err), 0);
	for (n = 0; n < MANY && !json; n++) {
		allocations_left = n;
		json = config_write_state(desired);
		allocations_left = -1;
	}
	assert_in_range(n, 20, MANY - 1);
	assert_json(json, full_state);
	desired_free(desired);
}

int main(void)
{
	/* cJSON takes its memory from where the tests can stop it. */
	cJSON_Hooks hooks = {.malloc_fn = malloc, .free_fn = free};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spec_round_trip),
		cmocka_unit_test(test_spec_defaults),
		cmocka_unit_test(test_spec_status),
		cmocka_unit_test(test_spec_refused),
		cmocka_unit_test(test_spec_too_long),
		cmocka_unit_test(test_lists_of_texts),
		cmocka_unit_test(test_patch),
		cmocka_unit_test(test_patch_all_or_nothing),
		cmocka_unit_test(test_read_backend),
		cmocka_unit_test(test_patch_backend),
		cmocka_unit_test(test_patch_backend_refused),
		cmocka_unit_test(test_state_round_trip),
		cmocka_unit_test(test_state_of_a_boot),
		cmocka_unit_test(test_state_withdrawn),
		cmocka_unit_test(test_empty_state),
		cmocka_unit_test(test_state_refused),
		cmocka_unit_test(test_state_refuses_duplicate_ids),
		cmocka_unit_test(test_memory_read_state),
		cmocka_unit_test(test_memory_patch),
		cmocka_unit_test(test_memory_add),
		cmocka_unit_test(test_memory_write),
	};

	cJSON_InitHooks(&hooks);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
