/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_autoscaler.h"
#include "fake_manager.h"
#include "metrics.h"

#define NAME_MAX_LENGTH 64
#define SAMPLES_MAX     512
#define TEXT_MAX        (256 << 10)

/* --- memory that runs out (linked with --wrap for calloc and malloc) --- */

static bool memory_short;
static unsigned int memory_left; /* so many more can be had */

static bool memory_gone(void)
{
	return memory_short && memory_left-- == 0;
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_calloc(size_t count, size_t size)
{
	return memory_gone() ? NULL : __real_calloc(count, size);
}

void *__wrap_malloc(size_t size)
{
	return memory_gone() ? NULL : __real_malloc(size);
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

static struct figures *gather(const struct manager *manager)
{
	const struct figures_input input = {
		.manager = manager, .refused_tokens = 3, .process_started = 1795222923.25};

	return figures_gather(&input);
}

/* The whole page, made in pieces of this size. To be freed. */
static char *page_of(const struct manager *manager, bool openmetrics, size_t piece)
{
	struct figures *figures = gather(manager);
	struct metrics_page page = {.figures = figures, .openmetrics = openmetrics};
	size_t length = 0, count;
	char *text = malloc(TEXT_MAX);

	assert_non_null(figures);
	assert_non_null(text);
	do {
		assert_true(length + piece < TEXT_MAX);
		count = metrics_page_next(&page, text + length, piece);
		assert_true(count <= piece);
		length += count;
	} while (count);
	assert_int_equal(metrics_page_next(&page, text + length, piece), 0);
	text[length] = '\0';
	figures_free(figures);
	return text;
}

static char *text_of(const struct manager *manager)
{
	return page_of(manager, false, METRICS_PIECE_MAX);
}

static void assert_line(const struct manager *manager, const char *line, bool there)
{
	char *text = text_of(manager), *whole = NULL;

	assert_true(asprintf(&whole, "\n%s\n", line) > 0);
	if ((strstr(text, whole) != NULL) != there)
		fail_msg("\"%s\" is %sthere", line, there ? "not " : "");
	free(whole);
	free(text);
}

/* --- the formats, read as strictly as their pages have it --- */

enum kind { COUNTER, GAUGE, HISTOGRAM, INFO };

struct reader {
	const char *at;
	bool openmetrics;
	char family[NAME_MAX_LENGTH]; /* whose samples may stand here */
	enum kind kind;
	char seen[SAMPLES_MAX][256]; /* families and samples, each once */
	size_t seen_count;
	size_t samples, histograms;
};

static bool next_is(struct reader *reader, const char *text)
{
	if (strncmp(reader->at, text, strlen(text)) != 0)
		return false;
	reader->at += strlen(text);
	return true;
}

static void expect(struct reader *reader, const char *text)
{
	if (!next_is(reader, text))
		fail_msg("wanted \"%s\" at: %.60s", text, reader->at);
}

static void once(struct reader *reader, const char *begin, size_t length)
{
	char text[sizeof(reader->seen[0])];

	assert_true(length < sizeof(text));
	snprintf(text, sizeof(text), "%.*s", (int)length, begin);
	for (size_t i = 0; i < reader->seen_count; i++)
		assert_string_not_equal(reader->seen[i], text);
	assert_true(reader->seen_count < SAMPLES_MAX);
	memcpy(reader->seen[reader->seen_count++], text, sizeof(text));
}

static size_t name_length(const char *at)
{
	size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyz_");

	assert_in_range(length, 1, NAME_MAX_LENGTH - 1);
	return length;
}

static bool ends_in(const char *text, const char *suffix)
{
	size_t length = strlen(text), suffix_length = strlen(suffix);

	return length > suffix_length && strcmp(text + length - suffix_length, suffix) == 0;
}

static enum kind read_kind(struct reader *reader)
{
	if (next_is(reader, " counter\n"))
		return COUNTER;
	if (next_is(reader, " histogram\n"))
		return HISTOGRAM;
	if (next_is(reader, " info\n"))
		return INFO;
	expect(reader, " gauge\n");
	return GAUGE;
}

/* Only OpenMetrics names the unit, which is the end of the family's name. */
static void read_unit(struct reader *reader)
{
	static const char *const units[] = {"seconds", "bytes", "ratio"};
	char suffix[16];

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		snprintf(suffix, sizeof(suffix), "_%s", units[i]);
		if (!reader->openmetrics || !ends_in(reader->family, suffix))
			continue;
		expect(reader, "# UNIT ");
		expect(reader, reader->family);
		expect(reader, " ");
		expect(reader, units[i]);
		expect(reader, "\n");
	}
}

static void read_head(struct reader *reader)
{
	size_t length;

	expect(reader, "# HELP ");
	length = name_length(reader->at);
	once(reader, reader->at, length);
	snprintf(reader->family, sizeof(reader->family), "%.*s", (int)length, reader->at);
	reader->at += length;
	expect(reader, " ");
	length = strcspn(reader->at, "\"\\\n");
	assert_true(length > 10); /* a sentence */
	assert_true(reader->at[length - 1] == '.');
	reader->at += length;
	expect(reader, "\n# TYPE ");
	expect(reader, reader->family);
	reader->kind = read_kind(reader);
	read_unit(reader);
	/* a counter's samples, and no others, end so; and its family only in the older format */
	assert_int_equal(ends_in(reader->family, "_total"),
			 reader->kind == COUNTER && !reader->openmetrics);
	if (ends_in(reader->family, "_info"))
		assert_true(reader->kind == GAUGE && !reader->openmetrics);
}

/* Up to the label "le", if it has one, whose value is *ret_bound then. */
static void read_labels(struct reader *reader, double *ret_bound)
{
	const char *name;
	char *end;

	if (*reader->at != '{')
		return;
	do {
		name = ++reader->at;
		reader->at += name_length(reader->at);
		expect(reader, "=\"");
		if (strncmp(name, "le=", 3) == 0) {
			assert_int_equal(reader->kind, HISTOGRAM);
			*ret_bound = strtod(reader->at, &end);
			/* OpenMetrics: a whole number has its ".0" */
			assert_true(strcspn(reader->at, ".I-e") < (size_t)(end - reader->at));
		}
		/* nothing in it that would have to be escaped */
		assert_true(strcspn(reader->at, "\"\\\n") > 0);
		reader->at += strcspn(reader->at, "\"\\\n");
		expect(reader, "\"");
	} while (*reader->at == ',');
	expect(reader, "}");
}

static double read_sample(struct reader *reader, const char *suffix, double *ret_bound)
{
	const char *begin = reader->at;
	double value;
	char *end;

	expect(reader, reader->family);
	expect(reader, suffix);
	read_labels(reader, ret_bound);
	once(reader, begin, (size_t)(reader->at + 1 - begin)); /* with the space */
	expect(reader, " ");
	value = strtod(reader->at, &end);
	assert_true(value >= 0);
	assert_true(end > reader->at);
	reader->at = end;
	expect(reader, "\n");
	reader->samples++;
	return value;
}

/* Buckets hold those below them too, the last all, as many as _count says. */
static void read_histogram(struct reader *reader)
{
	double bound, value, before_bound = 0, before = 0, ignored;

	do {
		bound = -1;
		value = read_sample(reader, "_bucket", &bound);
		assert_true(bound > before_bound && value >= before);
		before_bound = bound;
		before = value;
	} while (!isinf(bound));
	assert_true(read_sample(reader, "_sum", &ignored) > 0 || value == 0);
	assert_true(read_sample(reader, "_count", &ignored) == value);
	reader->histograms++;
}

static void read_samples(struct reader *reader)
{
	double ignored;

	switch (reader->kind) {
	case HISTOGRAM:
		read_histogram(reader);
		break;
	case COUNTER:
		read_sample(reader, reader->openmetrics ? "_total" : "", &ignored);
		break;
	case INFO:
		assert_true(read_sample(reader, "_info", &ignored) == 1);
		break;
	case GAUGE:
		read_sample(reader, "", &ignored);
		break;
	}
}

static void assert_format(const char *text, bool openmetrics)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	bool ended = false;

	assert_non_null(reader);
	reader->at = text;
	reader->openmetrics = openmetrics;
	while (*reader->at) {
		assert_false(ended);
		if (openmetrics && next_is(reader, "# EOF\n"))
			ended = true;
		else if (*reader->at == '#')
			read_head(reader);
		else
			read_samples(reader);
	}
	assert_int_equal(ended, openmetrics);
	assert_true(reader->samples > 100);
	assert_int_equal(reader->histograms, 4); /* three backends', one service's */
	free(reader);
}

static void test_text_format(void **state)
{
	char *text = page_of(*state, false, METRICS_PIECE_MAX);

	assert_format(text, false);
	free(text);
}

static void test_openmetrics(void **state)
{
	char *text = page_of(*state, true, METRICS_PIECE_MAX);

	assert_format(text, true);
	assert_non_null(strstr(text, "# TYPE lb_build info\nlb_build_info{version=\""));
	assert_non_null(strstr(text, "# TYPE lb_service_bytes counter\n"
				     "# UNIT lb_service_bytes bytes\nlb_service_bytes_total{"));
	free(text);
}

/* Wherever a piece ends, the page is the same. */
static void test_pieces(void **state)
{
	char *one = page_of(*state, true, TEXT_MAX / 2), *many;

	for (size_t piece = METRICS_PIECE_MAX; piece < METRICS_PIECE_MAX + 300; piece += 7) {
		many = page_of(*state, true, piece);
		/* the process's own figures may have changed meanwhile */
		*strstr(many, "# HELP process_") = '\0';
		assert_memory_equal(one, many, strlen(many));
		free(many);
	}
	free(one);
}

/* A label's value is a service's name, an address or one of our own words. */
static void test_names_need_no_escape(void **state)
{
	struct manager *manager = *state;
	struct service_spec *service = &manager->desired->services[0];
	struct error err;

	for (int c = 1; c < 256; c++) {
		snprintf(service->name, sizeof(service->name), "a%cb", c);
		if (service_spec_check(service, &err) == 0)
			assert_null(strchr("\"\\\n{},", c));
	}
}

/* The longest labels there can be are whole, and a histogram with them fits its room. */
static void test_long_labels(void **state)
{
	struct manager *manager = *state;
	struct service_spec *service = &manager->desired->services[1];
	struct error err;
	char *text;

	memset(service->name, 'x', SERVICE_NAME_MAX);
	service->name[SERVICE_NAME_MAX] = '\0';
	assert_int_equal(parse_endpoint("[2001:db8:1111:2222:3333:4444:5555:6666]:65535", 0,
					&service->backends[0].endpoint, &err),
			 0);
	assert_int_equal(parse_vip("tcp://[2001:db8:1111:2222:3333:4444:5555:6666]:65535",
				   &service->vips[0].vip, &err),
			 0);
	text = page_of(manager, true, METRICS_PIECE_MAX);
	assert_format(text, true);
	assert_non_null(strstr(text, "x\",backend=\"[2001:db8:1111:2222:3333:4444:5555:6666]:65535"
				     "\",le=\"+Inf\"} 0\n"));
	free(text);
}

/* --- the figures --- */

static void test_every_sample(void **state)
{
	static const char *const lines[] = {
		"lb_service_packets_total{service=\"web\",vip=\"tcp://198.18.0.10:80\"} 100",
		"lb_service_packets_total{service=\"web\",vip=\"udp://198.18.0.10:80\"} 200",
		"lb_service_packets_total{service=\"six\",vip=\"tcp://[2001:db8::10]:*\"} 300",
		"lb_service_bytes_total{service=\"web\",vip=\"udp://198.18.0.10:80\"} 2000",
		"lb_service_panic{service=\"web\"} 0",
		"lb_service_panic{service=\"six\"} 1",
		"lb_service_syn_cookies{service=\"web\"} 0",
		"lb_vip_announced{service=\"web\",vip=\"udp://198.18.0.10:80\"} 1",
		"lb_vip_announced{service=\"six\",vip=\"tcp://[2001:db8::10]:*\"} 0",
		"lb_service_table_digest{service=\"web\"} 18764998447377",
		"lb_service_config_digest{service=\"six\"} 37529996894754",
		"lb_withdrawn 0",
		"lb_service_drops_total{service=\"web\",reason=\"denied\"} 5",
		"lb_service_drops_total{service=\"web\",reason=\"service_flows\"} 0",
		"lb_service_source_prefixes{service=\"web\",list=\"allow\"} 10",
		"lb_service_source_prefixes{service=\"six\",list=\"deny\"} 21",
		"lb_source_deny_prefixes 7",
		"lb_backend_packets_total{service=\"web\",backend=\"198.18.1.11:80\"} 200",
		"lb_backend_packets_total{service=\"web\",backend=\"198.18.1.12:80\"} 400",
		"lb_backend_packets_total{service=\"six\",backend=\"2001:db8::11\"} 600",
		"lb_backend_bytes_total{service=\"web\",backend=\"198.18.1.12:80\"} 4000",
		"lb_backend_new_flows_total{service=\"web\",backend=\"198.18.1.12:80\"} 40",
		"lb_backend_syn_retransmits_total{service=\"web\",backend=\"198.18.1.12:80\"} 4",
		"lb_backend_active_flows{service=\"web\",backend=\"198.18.1.11:80\"} 12",
		"lb_backend_up{service=\"web\",backend=\"198.18.1.11:80\"} 1",
		"lb_backend_up{service=\"web\",backend=\"198.18.1.12:80\"} 0",
		"lb_backend_enabled{service=\"web\",backend=\"198.18.1.11:80\"} 1",
		"lb_backend_weight{service=\"six\",backend=\"2001:db8::11\"} 30",
		"lb_backend_effective_weight{service=\"web\",backend=\"198.18.1.11:80\"} 2.5",
		"lb_backend_load_ratio{service=\"web\",backend=\"198.18.1.11:80\"} 0.75",
		"lb_backend_load_pressure_ratio{service=\"web\",backend=\"198.18.1.11:80\"} 0.875",
		"lb_backend_load_failures_total{service=\"web\",backend=\"198.18.1.11:80\"} 2",
		"lb_backend_load_failures_total{service=\"six\",backend=\"2001:db8::11\"} 0",
		"lb_service_load_steps_total{service=\"six\"} 2",
		"lb_backend_suspect{service=\"web\",backend=\"198.18.1.11:80\"} 1",
		"lb_backend_suspect{service=\"web\",backend=\"198.18.1.12:80\"} 0",
		"lb_backend_ejections_total{service=\"web\",backend=\"198.18.1.11:80\"} 3",
		"lb_backend_share_ratio{service=\"web\",backend=\"198.18.1.11:80\"} "
		"0.333333333333333",
		"lb_backend_share_ratio{service=\"six\",backend=\"2001:db8::11\"} 1",
		"lb_health_checks_total{service=\"web\",backend=\"198.18.1.11:80\","
		"result=\"pass\"} 5",
		"lb_health_checks_total{service=\"web\",backend=\"198.18.1.11:80\","
		"result=\"fail\"} 1",
		"lb_backend_handshake_seconds_bucket{service=\"web\",backend=\"198.18.1.11:80\","
		"le=\"0.0001\"} 0",
		"lb_backend_handshake_seconds_bucket{service=\"web\",backend=\"198.18.1.11:80\","
		"le=\"0.00025\"} 2",
		"lb_backend_handshake_seconds_bucket{service=\"web\",backend=\"198.18.1.11:80\","
		"le=\"0.0025\"} 2",
		"lb_backend_handshake_seconds_bucket{service=\"web\",backend=\"198.18.1.11:80\","
		"le=\"0.005\"} 5",
		"lb_backend_handshake_seconds_bucket{service=\"web\",backend=\"198.18.1.11:80\","
		"le=\"+Inf\"} 5",
		"lb_backend_handshake_seconds_sum{service=\"web\",backend=\"198.18.1.11:80\"} 0.01",
		"lb_backend_handshake_seconds_count{service=\"web\",backend=\"198.18.1.11:80\"} 5",
		"lb_backend_handshake_seconds_count{service=\"six\",backend=\"2001:db8::11\"} 0",
		"lb_health_check_duration_seconds_bucket{service=\"web\",check=\"tcp\","
		"le=\"0.001\"} 5",
		"lb_health_check_duration_seconds_bucket{service=\"web\",check=\"tcp\","
		"le=\"10.0\"} 5",
		"lb_health_check_duration_seconds_bucket{service=\"web\",check=\"tcp\","
		"le=\"+Inf\"} 6",
		"lb_health_check_duration_seconds_sum{service=\"web\",check=\"tcp\"} 4.5",
		"lb_program_run_seconds_total{program=\"lb_ingress\"} 1.5",
		"lb_program_runs_total{program=\"lb_ingress\"} 12000000",
		"lb_flow_table_size 1024",
		"lb_flow_table_used_size 1024",
		"lb_flow_sample_ratio 1",
		"process_start_time_seconds 1795222923.25",
		"lb_flow_table_entries{state=\"embryonic\"} 1",
		"lb_flow_table_entries{state=\"established\"} 20",
		"lb_flow_table_entries{state=\"closing\"} 300",
		"lb_flow_table_evictions_total{state=\"embryonic\"} 51",
		"lb_flow_table_evictions_total{state=\"established\"} 52",
		"lb_flow_table_evictions_total{state=\"closing\"} 53",
		"lb_table_build_seconds 0.0125",
		"lb_sync_seconds 0.25",
		"lb_in_sync 1",
		"lb_api_refused_tokens_total 3",
		"lb_build_info{version=\"" SLUICE_VERSION "\"} 1",
	};
	struct manager *manager = *state;

	manager->announce_table = 100;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_line(manager, lines[i], true);
	manager->announce_table = 0;
	assert_line(manager, "lb_vip_announced{service=\"web\",vip=\"udp://198.18.0.10:80\"} 1",
		    false);
	manager->out_of_sync = "map vips: no room";
	assert_line(manager, "lb_in_sync 0", true);
}

/* Whoever is out because somebody wants it so can be told from whoever has failed. */
static void test_backends_out_on_purpose(void **state)
{
	static const char line[] =
		"lb_backend_enabled{service=\"web\",backend=\"198.18.1.11:80\"} 0";
	struct manager *manager = *state;
	struct backend_spec *spec = &manager->desired->services[0].backends[0];

	spec->state = ADMIN_DRAIN;
	assert_line(manager, line, true);
	spec->state = ADMIN_MAINT;
	assert_line(manager, line, true);
	spec->state = ADMIN_UP;
	assert_line(manager, line, false);
	spec->removing = true;
	assert_line(manager, line, true);
}

/* Drops are all there, packets that were not dropped are none. */
static void test_every_drop_reason(void **state)
{
#define PASS                        false
#define SEND                        false
#define REPLY                       false
#define DROP                        true
#define X(name, label, class, text) {LB_##name, label, class},
	static const struct {
		enum lb_verdict verdict;
		const char *label;
		bool drop;
	} verdicts[] = {LB_VERDICTS(X)};
#undef X
#undef PASS
#undef SEND
#undef REPLY
#undef DROP
	char line[128];

	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
		snprintf(line, sizeof(line), "lb_drops_total{reason=\"%s\"} %d", verdicts[i].label,
			 7 * (int)verdicts[i].verdict);
		assert_line(*state, line, verdicts[i].drop);
	}
}

static void test_captures(void **state)
{
	struct manager *manager = *state;

	manager->fake->capture_counters =
		(struct lb_capture_stats){.packets = 5, .lost_rate = 6, .lost_ring = 7};
	assert_line(manager, "lb_capture_packets_total 5", true);
	assert_line(manager, "lb_capture_lost_total{reason=\"rate\"} 6", true);
	assert_line(manager, "lb_capture_lost_total{reason=\"ring\"} 7", true);
}

/* A day of bytes at 100 Gbit/s is more than fifteen digits. */
static void test_large_counters_are_exact(void **state)
{
	struct manager *manager = *state;

	manager->fake->vip_traffic[1].bytes = 12345678901234567;
	manager->fake->backend_counters[1].traffic.bytes = 12345678901234567;
	assert_line(manager,
		    "lb_service_bytes_total{service=\"web\",vip=\"tcp://198.18.0.10:80\"} "
		    "12345678901234567",
		    true);
	assert_line(manager,
		    "lb_backend_bytes_total{service=\"web\",backend=\"198.18.1.11:80\"} "
		    "12345678901234567",
		    true);
}

static void test_no_services(void **state)
{
	struct manager *manager = *state;
	char *text;

	desired_free(manager->desired);
	manager->desired = desired_new();
	text = text_of(manager);
	assert_null(strstr(text, "service="));
	assert_non_null(strstr(text, "# TYPE lb_backend_up gauge\n"));
	assert_non_null(strstr(text, "\nlb_in_sync 1\n"));
	free(text);
}

/* A kernel that never counted says nothing, rather than that packets cost none. */
static void test_no_statistics(void **state)
{
	struct manager *manager = *state;
	char *text;

	manager->fake->runs = (struct dataplane_runs){0};
	text = text_of(manager);
	assert_null(strstr(text, "\nlb_program_"));
	free(text);
}

/* Clients of datagrams shake no hands, and who checks nothing has no checks that take time. */
static void test_only_what_there_is(void **state)
{
	struct manager *manager = *state;
	char *text;

	manager->desired->services[0].vips[0].vip.protocol = IPPROTO_UDP;
	text = text_of(manager);
	assert_null(strstr(text, "handshake_seconds_count{service=\"web\""));
	assert_non_null(strstr(text, "handshake_seconds_count{service=\"six\""));
	assert_null(strstr(text, "check_duration_seconds_count{service=\"six\""));
	free(text);
}

static char *text_by(const struct figures_input *input)
{
	struct figures *figures = figures_gather(input);
	struct metrics_page page = {.figures = figures};
	char *text = malloc(TEXT_MAX);
	size_t length;

	assert_non_null(figures);
	assert_non_null(text);
	length = metrics_page_next(&page, text, TEXT_MAX - 1);
	assert_int_equal(metrics_page_next(&page, text + length, METRICS_PIECE_MAX), 0);
	text[length] = '\0';
	figures_free(figures);
	return text;
}

static char *text_with(const struct manager *manager, const struct autoscaler *autoscaler)
{
	const struct figures_input input = {.manager = manager, .autoscaler = autoscaler};

	return text_by(&input);
}

static void test_store(void **state)
{
	struct error problem = {.message = "refused"};
	const struct fleet_store_view store = {.connected = true,
					       .revision = 17,
					       .problem = &problem,
					       .balancer_count = 3,
					       .trial = true};
	const struct figures_input input = {.manager = *state, .store = &store};
	char *text = text_by(&input);

	assert_non_null(strstr(text, "\nlb_store_connected 1\n"));
	assert_non_null(strstr(text, "\nlb_store_current 0\n"));
	assert_non_null(strstr(text, "\nlb_store_revision 17\n"));
	assert_non_null(strstr(text, "\nlb_store_balancers 3\n"));
	assert_non_null(strstr(text, "\nlb_store_trial 1\n"));
	free(text);
	problem = (struct error){0};
	text = text_by(&input);
	assert_non_null(strstr(text, "\nlb_store_current 1\n"));
	free(text);
	text = text_with(*state, NULL);
	assert_null(strstr(text, "\nlb_store_connected "));
	free(text);
}

static void test_scalers(void **state)
{
	static const char *const lines[] = {
		"lb_autoscale_desired_backends{service=\"web\"} 5",
		"lb_autoscale_min_backends{service=\"web\"} 2",
		"lb_autoscale_max_backends{service=\"web\"} 9",
		"lb_autoscale_running_backends{service=\"web\"} 4",
		"lb_autoscale_metric{service=\"web\"} 37.5",
		"lb_autoscale_decisions_total{service=\"web\",decision=\"hold\"} 100",
		"lb_autoscale_decisions_total{service=\"web\",decision=\"up\"} 101",
		"lb_autoscale_decisions_total{service=\"web\",decision=\"down\"} 102",
		"lb_autoscale_decisions_total{service=\"web\",decision=\"replace\"} 103",
		"lb_autoscale_decisions_total{service=\"web\",decision=\"retire\"} 104",
		"lb_autoscale_launch_failures_total{service=\"web\"} 6",
		"lb_autoscale_circuit_open{service=\"web\"} 1",
	};
	struct scale_run web = {
		.service = "web",
		.decision = {.wanted = 5, .min = 2, .max = 9, .known = true, .value = 37.5},
		.pool = {.up = 4},
		.decisions = {100, 101, 102, 103, 104},
		.launch_failures = 6,
	};
	/* whose metric is not known: no number stands for that */
	struct scale_run six = {.service = "six"};
	const struct scale_run *const runs[] = {&web, &six};
	struct autoscaler autoscaler = {runs, 2, CIRCUIT_HALF_OPEN};
	char *text = text_with(*state, &autoscaler), *none = text_of(*state), whole[128];

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		snprintf(whole, sizeof(whole), "\n%s\n", lines[i]);
		if (!strstr(text, whole))
			fail_msg("\"%s\" is not there", lines[i]);
	}
	assert_non_null(strstr(text, "\nlb_autoscale_running_backends{service=\"six\"} 0\n"));
	assert_null(strstr(text, "lb_autoscale_metric{service=\"six\"}"));
	assert_null(strstr(none, "\nlb_autoscale"));
	free(text);
	free(none);
}

/* Half a page would look as if backends were gone. */
static void test_out_of_memory(void **state)
{
	struct figures *figures = NULL;
	unsigned int needed = 0;

	while (!figures) {
		memory_short = true;
		memory_left = needed++;
		figures = gather(*state);
		memory_short = false;
		assert_true(needed < 100);
	}
	assert_true(needed > 10); /* each that it needs failed once */
	figures_free(figures);
	figures_free(NULL);
}

static void test_negotiation(void **state)
{
	static const struct {
		const char *accept;
		bool openmetrics;
	} cases[] = {
		{NULL, false},
		{"", false},
		{"*/*", false},
		{"text/plain", false},
		{"text/html,application/xhtml+xml,*/*;q=0.8", false},
		{"application/json", false},
		{"application/openmetrics-text", true},
		{"application/openmetrics-text; version=1.0.0; charset=utf-8", true},
		{"Application/OpenMetrics-Text;Version=1.0.0", true},
		/* a draft that we do not speak */
		{"application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5",
		 false},
		/* Prometheus 2.42, 2.5 and 3 */
		{"application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
		 "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		 true},
		{"application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,"
		 "*/*;q=0.1",
		 false},
		{"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/"
		 "openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;"
		 "q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
		 true},
		/* who would rather have the other */
		{"application/openmetrics-text;q=0.4,text/plain;q=0.5", false},
		{"text/plain;q=0.4,application/openmetrics-text;q=0.5", true},
		{"text/plain,application/openmetrics-text", true},
		{"application/openmetrics-text;q=0", false},
		{"*/*,application/openmetrics-text;q=0", false},
		{"text/plain;q=0,*/*", true},
		{"application/*", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (metrics_wants_openmetrics(cases[i].accept) != cases[i].openmetrics)
			fail_msg("Accept: %s", cases[i].accept);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_text_format),
		TEST(test_openmetrics),
		TEST(test_pieces),
		TEST(test_names_need_no_escape),
		TEST(test_long_labels),
		TEST(test_every_sample),
		TEST(test_backends_out_on_purpose),
		TEST(test_every_drop_reason),
		TEST(test_captures),
		TEST(test_large_counters_are_exact),
		TEST(test_no_services),
		TEST(test_no_statistics),
		TEST(test_only_what_there_is),
		TEST(test_scalers),
		TEST(test_store),
		TEST(test_out_of_memory),
		TEST(test_negotiation),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
