/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_manager.h"
#include "metrics.h"

#define NAME_MAX_LENGTH 64
#define SAMPLES_MAX     256

/* --- memory that runs out (linked with --wrap for calloc and open_memstream) --- */

static bool memory_gone;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
FILE *__real_open_memstream(char **text, size_t *length);
FILE *__wrap_open_memstream(char **text, size_t *length);

void *__wrap_calloc(size_t count, size_t size)
{
	return memory_gone ? NULL : __real_calloc(count, size);
}

static bool stream_gone;

FILE *__wrap_open_memstream(char **text, size_t *length)
{
	return stream_gone ? NULL : __real_open_memstream(text, length);
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

/* To be freed. */
static char *text_of(const struct manager *manager)
{
	size_t length = 0;
	char *text = metrics_text(manager, NULL, 3, &length);

	assert_non_null(text);
	assert_int_equal(strlen(text), length);
	return text;
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

/* --- the format: Prometheus text 0.0.4, read as strictly as its page has it --- */

struct reader {
	const char *at;
	char metric[NAME_MAX_LENGTH]; /* whose samples may stand here */
	char seen[SAMPLES_MAX][256];  /* metrics and samples, each once */
	size_t seen_count;
	size_t samples;
};

static void expect(struct reader *reader, const char *text)
{
	if (strncmp(reader->at, text, strlen(text)) != 0)
		fail_msg("wanted \"%s\" at: %.60s", text, reader->at);
	reader->at += strlen(text);
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

static void read_head(struct reader *reader)
{
	size_t length;

	expect(reader, "# HELP ");
	length = name_length(reader->at);
	once(reader, reader->at, length);
	snprintf(reader->metric, sizeof(reader->metric), "%.*s", (int)length, reader->at);
	reader->at += length;
	expect(reader, " ");
	length = strcspn(reader->at, "\\\n");
	assert_true(length > 10); /* a sentence */
	assert_true(reader->at[length - 1] == '.');
	reader->at += length;
	expect(reader, "\n# TYPE ");
	expect(reader, reader->metric);
	/* by convention a counter's name, and no other's, ends so */
	length = strlen(reader->metric);
	if (length > 6 && strcmp(reader->metric + length - 6, "_total") == 0)
		expect(reader, " counter\n");
	else
		expect(reader, " gauge\n");
}

static void read_labels(struct reader *reader)
{
	if (*reader->at != '{')
		return;
	do {
		reader->at++;
		reader->at += name_length(reader->at);
		expect(reader, "=\"");
		/* nothing in it that would have to be escaped */
		assert_true(strcspn(reader->at, "\"\\\n") > 0);
		reader->at += strcspn(reader->at, "\"\\\n");
		expect(reader, "\"");
	} while (*reader->at == ',');
	expect(reader, "}");
}

static void read_sample(struct reader *reader)
{
	const char *begin = reader->at;
	char *end;

	expect(reader, reader->metric);
	read_labels(reader);
	once(reader, begin, (size_t)(reader->at + 1 - begin)); /* with the space */
	expect(reader, " ");
	assert_true(strtod(reader->at, &end) >= 0);
	assert_true(end > reader->at);
	reader->at = end;
	expect(reader, "\n");
	reader->samples++;
}

static void test_format(void **state)
{
	char *text = text_of(*state);
	struct reader *reader = calloc(1, sizeof(*reader));

	assert_non_null(reader);
	reader->at = text;
	while (*reader->at) {
		if (*reader->at == '#')
			read_head(reader);
		else
			read_sample(reader);
	}
	assert_true(reader->samples > 50);
	free(reader);
	free(text);
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
		"lb_flow_table_entries{state=\"embryonic\"} 1",
		"lb_flow_table_entries{state=\"established\"} 20",
		"lb_flow_table_entries{state=\"closing\"} 300",
		"lb_flow_table_size 1024",
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

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_line(manager, lines[i], true);
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

/* Half a page would look as if backends were gone. */
static void test_out_of_memory(void **state)
{
	size_t length = 0;
	char *text;

	memory_gone = true;
	text = metrics_text(*state, NULL, 0, &length);
	memory_gone = false;
	assert_null(text);
	stream_gone = true;
	text = metrics_text(*state, NULL, 0, &length);
	stream_gone = false;
	assert_null(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_format),
		TEST(test_names_need_no_escape),
		TEST(test_every_sample),
		TEST(test_backends_out_on_purpose),
		TEST(test_every_drop_reason),
		TEST(test_large_counters_are_exact),
		TEST(test_no_services),
		TEST(test_out_of_memory),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
