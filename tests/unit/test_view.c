/* SPDX-License-Identifier: Apache-2.0 */

/* The documents of docs/api.md, word for word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_manager.h"
#include "view.h"

#define PLAIN         "\"priority\":0,\"quic-id\":\"\","
#define VIA(via, why) "\"check-via\":\"" via "\",\"check-via-reason\":\"" why "\","
/* So many handshakes, of which the first ones took up to 250 us, the others up to 5 ms. */
#define HANDSHAKE(count, sum, first)                                                               \
	",\"handshake\":{\"count\":" count ",\"sum\":" sum                                         \
	",\"le\":[5e-05,0.0001,0.00025,0.0005,0.001,0.0025,0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,"  \
	"2.5,5,10],\"buckets\":[0,0," first "," first "," first "," first "," count "," count      \
	"," count "," count "," count "," count "," count "," count "," count "," count "," count  \
	"," count "]}"
#define BACKEND_1                                                                                                                                                                                                                                \
	"{\"address\":\"198.18.1.11:80\",\"weight\":10,\"state\":\"up\"," PLAIN                                                                                                                                                                  \
	"\"status\":\"up\","                                                                                                                                                                                                                     \
	"\"reason\":\"\"," VIA(                                                                                                                                                                                                                  \
		"vip",                                                                                                                                                                                                                           \
		"") "\"since\":\"2026-11-21T01:02:03.456Z\",\"share\":0.3333,"                                                                                                                                                                   \
		    "\"effective-weight\":2.5,\"load\":{\"load\":0.75,\"age\":1.5,\"wait\":null,\"repeated\":0.125,\"pressure\":0.875,\"target\":0.5,\"next\":0.625,\"failures\":2,\"problem\":\"timed out\"},\"suspect\":true,\"ejections\":3," \
		    "\"active-flows\":12,\"drained\":true,\"drain\":null,\"new-flows\":20,\"packets\":200,\"bytes\":2000,"                                                                                                                       \
		    "\"syn-retransmits\":2" HANDSHAKE("5", "0.01", "2") "}"
#define BACKEND_2                                                                                                              \
	"{\"address\":\"198.18.1.12:80\",\"weight\":20,\"state\":\"up\"," PLAIN                                                \
	"\"status\":\"down\","                                                                                                 \
	"\"reason\":\"HTTP status 503\"," VIA(                                                                                 \
		"address",                                                                                                     \
		"none") "\"since\":\"1970-01-01T00:00:00.000Z\",\"share\":0,"                                                  \
			"\"effective-weight\":20,\"load\":null,\"suspect\":false,\"ejections\":0,"                             \
			"\"active-flows\":0,\"drained\":false,\"drain\":null,\"new-flows\":40,\"packets\":400,\"bytes\":4000," \
			"\"syn-retransmits\":4" HANDSHAKE("0", "0", "0") "}"
#define BACKEND_3                                                                                                          \
	"{\"address\":\"2001:db8::11\",\"weight\":30,\"state\":\"up\"," PLAIN "\"status\":\"up\","                         \
	"\"reason\":\"\"," VIA(                                                                                            \
		"none",                                                                                                    \
		"") "\"since\":\"1970-01-01T00:00:00.000Z\",\"share\":1,"                                                  \
		    "\"effective-weight\":30,\"load\":null,\"suspect\":false,\"ejections\":0,"                             \
		    "\"active-flows\":0,\"drained\":false,\"drain\":null,\"new-flows\":60,\"packets\":600,\"bytes\":6000," \
		    "\"syn-retransmits\":6" HANDSHAKE("0", "0", "0") "}"
#define DEFAULTS                                                                                   \
	"\"mode\":\"nat\",\"gue-variant\":0,\"gue-port\":6080,\"tunnel-source\":\"spread\","       \
	"\"scheduler\":\"maglev\",\"tracking\":\"auto\",\"when-down\":\"drop\","                   \
	"\"too-big\":\"tell\",\"check\":\"tcp\",\"check-method\":\"GET\","                         \
	"\"check-path\":\"/\",\"check-host\":\"\",\"check-header\":[],"                            \
	"\"check-status\":\"200-399\",\"check-body\":\"\",\"check-ca\":\"\",\"check-sni\":\"\","   \
	"\"check-cert\":\"\",\"check-key\":\"\",\"check-insecure\":false,"                         \
	"\"check-payload\":\"\",\"check-expect\":\"\",\"check-name\":\"\",\"check-type\":\"A\","   \
	"\"check-command\":[],\"check-port\":0,\"check-interval\":\"1s\","                         \
	"\"check-timeout\":\"1s\",\"check-fast-interval\":\"0ms\",\"rise\":2,\"fall\":3,"          \
	"\"check-via\":\"auto\","                                                                  \
	"\"scale\":\"off\",\"scale-metric\":\"none\",\"scale-promql\":\"\","                       \
	"\"scale-prometheus\":\"\",\"scale-target\":0,\"scale-up-above\":0,"                       \
	"\"scale-down-below\":0,\"scale-interval\":\"5s\",\"scale-window\":\"30s\","               \
	"\"scale-min\":1,\"scale-max\":10,\"scale-step\":1,\"scale-count\":0,"                     \
	"\"scale-up-cooldown\":\"30s\",\"scale-down-cooldown\":\"2m\","                            \
	"\"scale-stabilization\":\"2m\",\"scale-failures\":3,\"scale-retry\":\"1m\","              \
	"\"scale-pace\":10,\"scale-drain\":\"30s\",\"scale-timeout\":\"1m\","                      \
	"\"scale-replace-after\":\"0ms\",\"scale-predict\":\"0ms\","                               \
	"\"scale-season\":\"0ms\",\"scale-schedule\":[],\"scale-driver\":[],"                      \
	"\"load\":\"off\",\"load-port\":9481,\"load-interval\":\"5s\",\"load-budget\":5,"          \
	"\"load-floor\":10,"                                                                       \
	"\"slow-start\":\"0ms\",\"passive\":\"suspect\",\"eject-max\":10,\"panic-threshold\":0,"   \
	"\"announce-min\":\"1\","                                                                  \
	"\"timeout-established\":\"15m\",\"timeout-embryonic\":\"30s\","                           \
	"\"timeout-closing\":\"30s\",\"timeout-udp\":\"2m\",\"quic-id-length\":0,"                 \
	"\"source-allow\":\"\",\"source-deny\":\"\","                                              \
	"\"source-prefix-ipv4\":24,\"source-prefix-ipv6\":64,"                                     \
	"\"source-rate-flows\":0,\"source-rate-packets\":0,\"max-new-flows\":0,"                   \
	"\"max-new-entries\":0,"                                                                   \
	"\"syn-cookies\":\"off\",\"syn-cookies-above\":10000,"                                     \
	"\"second-chance\":\"off\",\"former-owners\":[]"
#define SERVICE_WEB                                                                                \
	"{\"name\":\"web\",\"vip\":[\"tcp://198.18.0.10:80\",\"udp://198.18.0.10:80\"]," DEFAULTS  \
	",\"backends\":[" BACKEND_1 "," BACKEND_2                                                  \
	"],\"panic\":false,\"syn-cookies-on\":false,\"load-state\":null,"                          \
	"\"table-digest\":\"1111111111110001\",\"config-digest\":\"2222222222220001\","            \
	"\"routes\":[],\"packets\":300,\"bytes\":3000,"                                            \
	"\"source-prefixes\":{\"allow\":10,\"deny\":11,\"loading\":false},\"drops\":{\"denied\":5}}"
#define SERVICE_SIX                                                                                \
	"{\"name\":\"six\",\"vip\":[\"tcp://[2001:db8::10]:*\"]," DEFAULTS                         \
	",\"backends\":[" BACKEND_3                                                                \
	"],\"panic\":true,\"syn-cookies-on\":false,\"load-state\":null,"                           \
	"\"table-digest\":\"1111111111110002\",\"config-digest\":\"2222222222220002\","            \
	"\"routes\":[],\"packets\":300,\"bytes\":3000,"                                            \
	"\"source-prefixes\":{\"allow\":20,\"deny\":21,\"loading\":true},\"drops\":{\"denied\":5}}"
#define STATUS_BEGIN                                                                               \
	"{\"version\":\"" SLUICE_VERSION "\",\"uptime-seconds\":12.3,\"generation\":17,"
#define STATUS_END                                                                                 \
	"\"interfaces\":["                                                                         \
	"{\"name\":\"eth1\",\"attached\":true,\"mode\":\"native\",\"attached-by\":\"link\","       \
	"\"reason\":\"\"},"                                                                        \
	"{\"name\":\"eth2\",\"attached\":true,\"mode\":\"generic\","                               \
	"\"attached-by\":\"dispatcher\",\"reason\":\"\"},"                                         \
	"{\"name\":\"eth3\",\"attached\":false,\"mode\":\"\",\"attached-by\":\"\","                \
	"\"reason\":\"interface eth3: gone\"}],"                                                   \
	"\"seed-digest\":\"0123456789abcdef\","                                                    \
	"\"announce\":{\"table\":0,\"state\":\"off\",\"reason\":\"\",\"withdrawn\":false,"         \
	"\"routes\":0,\"announced\":0},"                                                           \
	"\"limits\":{\"services\":4,\"backends\":3,\"vips\":8,\"flows\":1024,"                     \
	"\"nat-flows\":2048,\"fragments\":0,\"table-size\":251},"                                  \
	"\"used\":{\"services\":2,\"backends\":3,\"vips\":3,\"flows\":321,\"nat-flows\":9},"       \
	"\"drops\":{\"no_backend\":70,\"no_neighbour\":77,\"no_flow\":84,\"nat_ports\":91,"        \
	"\"ttl\":98,\"too_big\":105,\"headroom\":112,\"malformed\":119,\"bad_checksum\":126,"      \
	"\"tcp_flags\":133,"                                                                       \
	"\"land\":140,\"martian\":147,\"port_zero\":154,\"denied_global\":161,\"denied\":168,"     \
	"\"not_allowed\":175,\"source_packets\":182,\"source_flows\":189,\"service_flows\":196,"   \
	"\"bad_cookie\":203,\"internal\":210},"                                                    \
	"\"replies\":{\"echo\":28,\"cookie\":35,\"reset\":42,\"too_big_told\":49,\"ttl_told\":56}}"

static const struct dataplane_interface attached[] = {
	{.name = "eth1", .mode = "native", .attached_by = "link"},
	{.name = "eth2", .mode = "generic", .attached_by = "dispatcher"},
};

static const struct port_problem problem = {.name = "eth3", .reason = "interface eth3: gone"};

static const struct interface_views interfaces = {
	.attached = attached, .attached_count = 2, .problems = &problem, .problem_count = 1};

/* --- memory that runs out --- */

static long fails_in = -1; /* the allocation that fails, counted from 0; below 0: none */

static void *failing_malloc(size_t size)
{
	return fails_in-- == 0 ? NULL : malloc(size);
}

/* --- fixture --- */

static int setup(void **state)
{
	*state = fake_manager_new();
	return 0;
}

static int teardown(void **state)
{
	fake_manager_free(*state);
	return 0;
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

/* --- documents --- */

static void test_backend(void **state)
{
	const struct manager *manager = *state;
	const struct service_spec *web = &manager->desired->services[0];

	assert_json(view_backend(manager, &web->backends[0]), BACKEND_1);
	assert_json(view_backend(manager, &web->backends[1]), BACKEND_2);
	assert_json(view_backends(manager, web), "{\"backends\":[" BACKEND_1 "," BACKEND_2 "]}");
}

static void assert_drain(const struct manager *manager, struct backend_spec *spec,
			 const char *expected)
{
	cJSON *json = view_backend(manager, spec);
	cJSON *drain = cJSON_DetachItemFromObject(json, "drain");

	cJSON_Delete(json);
	assert_json(drain, expected);
}

static void test_drain(void **state)
{
	struct manager *manager = *state;
	struct backend_spec *spec = &manager->desired->services[0].backends[0];

	manager->views[1].draining = true;
	manager->views[1].drain_flows = 340;
	assert_drain(manager, spec, "{\"flows-at-begin\":340,\"flows-left\":12,\"deadline\":\"\"}");
	spec->deadline_ms = 1795222923456;
	assert_drain(manager, spec,
		     "{\"flows-at-begin\":340,\"flows-left\":12,"
		     "\"deadline\":\"2026-11-21T01:02:03.456Z\"}");
}

static void test_service(void **state)
{
	const struct manager *manager = *state;

	assert_json(view_service(manager, &manager->desired->services[0]), SERVICE_WEB);
	assert_json(view_services(manager), "{\"services\":[" SERVICE_WEB "," SERVICE_SIX "]}");
}

static void test_nothing_yet(void **state)
{
	struct manager *manager = *state;

	manager->desired->services[0].backend_count = 0;
	assert_json(view_backends(manager, &manager->desired->services[0]), "{\"backends\":[]}");
	desired_free(manager->desired);
	manager->desired = desired_new();
	assert_json(view_services(manager), "{\"services\":[]}");
}

static void test_status(void **state)
{
	struct manager *manager = *state;

	assert_json(view_status(manager, &interfaces, 12.345),
		    STATUS_BEGIN "\"in-sync\":true," STATUS_END);
	manager->out_of_sync = "map vips: no \"room\"";
	assert_json(view_status(manager, &interfaces, 12.345), STATUS_BEGIN
		    "\"in-sync\":false,\"sync-error\":\"map vips: no \\\"room\\\"\"," STATUS_END);
}

static void test_announced(void **state)
{
	struct manager *manager = *state;

	manager->announce_table = 100;
	assert_json(view_announce(manager),
		    "{\"table\":100,\"state\":\"announcing\",\"reason\":\"\",\"withdrawn\":false,"
		    "\"routes\":2,\"announced\":1,\"services\":["
		    "{\"service\":\"web\",\"routes\":[{\"prefix\":\"198.18.0.10/32\","
		    "\"announced\":true,\"reason\":\"\",\"since\":\"2026-11-21T01:02:03.456Z\"}]},"
		    "{\"service\":\"six\",\"routes\":[{\"prefix\":\"2001:db8::10/128\","
		    "\"announced\":false,\"reason\":\"service six: 0 of 1 backends healthy, "
		    "announce-min is 1\",\"since\":\"\"}]}]}");
}

/* Shares are rounded to four digits, but all of them is 1 and one slot of many is not 0. */
static void test_share_is_rounded(void **state)
{
	static const struct {
		double share, shown;
	} cases[] = {{0, 0}, {1, 1}, {1.0 / 251, 0.004}, {2.0 / 3, 0.6667}, {0.99999, 1}};
	struct manager *manager = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cJSON *json;

		manager->views[1].share = cases[i].share;
		json = view_backend(manager, &manager->desired->services[0].backends[0]);
		assert_true(cJSON_GetObjectItem(json, "share")->valuedouble == cases[i].shown);
		cJSON_Delete(json);
	}
}

static void test_drop_reasons(void **state)
{
	(void)state;
	assert_null(view_drop_reason(LB_PASS));
	assert_null(view_drop_reason(LB_FORWARD));
	assert_null(view_drop_reason(LB_RETURN));
	assert_string_equal(view_drop_reason(LB_NO_BACKEND), "no_backend");
	assert_string_equal(view_drop_reason(LB_INTERNAL), "internal");
	assert_null(view_drop_reason(LB_ECHO_REPLIED));
}

static void test_reply_kinds(void **state)
{
	(void)state;
	assert_null(view_reply_kind(LB_PASS));
	assert_null(view_reply_kind(LB_TOO_BIG));
	assert_string_equal(view_reply_kind(LB_ECHO_REPLIED), "echo");
	assert_string_equal(view_reply_kind(LB_TTL_TOLD), "ttl_told");
}

/* --- out of memory: every allocation fails once; a document is whole or none --- */

static cJSON *make_services(const struct manager *manager)
{
	return view_services(manager);
}

static cJSON *make_backends(const struct manager *manager)
{
	return view_backends(manager, &manager->desired->services[0]);
}

static cJSON *make_status(const struct manager *manager)
{
	return view_status(manager, &interfaces, 12.345);
}

static void test_memory(void **state)
{
	static const struct {
		cJSON *(*make)(const struct manager *manager);
		const char *whole;
	} cases[] = {
		{make_services, "{\"services\":[" SERVICE_WEB "," SERVICE_SIX "]}"},
		{make_backends, "{\"backends\":[" BACKEND_1 "," BACKEND_2 "]}"},
		{make_status, STATUS_BEGIN "\"in-sync\":false,\"sync-error\":\"full\"," STATUS_END},
	};
	cJSON_Hooks hooks = {.malloc_fn = failing_malloc, .free_fn = free};
	struct manager *manager = *state;
	cJSON *json = NULL;

	manager->out_of_sync = "full";
	cJSON_InitHooks(&hooks);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool failed = true;

		for (long n = 0; failed; n++) {
			fails_in = n;
			json = cases[i].make(manager);
			failed = fails_in < 0;
			fails_in = -1;
			if (failed)
				assert_null(json);
		}
		assert_json(json, cases[i].whole);
	}
	cJSON_InitHooks(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_backend),     TEST(test_drain),        TEST(test_service),
		TEST(test_nothing_yet), TEST(test_status),       TEST(test_share_is_rounded),
		TEST(test_announced),   TEST(test_drop_reasons), TEST(test_reply_kinds),
		TEST(test_memory),
	};

	return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
