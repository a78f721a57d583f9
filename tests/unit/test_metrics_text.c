/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "metrics_text.h"

static char room[2 * METRICS_PIECE_MAX];

static struct metrics_text begin(const char *name)
{
	return (struct metrics_text){.at = room, .end = room + sizeof(room), .name = name};
}

static void assert_text(const struct metrics_text *text, const char *wanted)
{
	*text->at = '\0';
	assert_string_equal(room, wanted);
}

/* --- labels --- */

static void test_labels(void **state)
{
	char labels[METRICS_LABELS_MAX] = "";

	(void)state;
	metrics_labels_add(labels, "service", "web");
	assert_string_equal(labels, "service=\"web\"");
	metrics_labels_add(labels, "vip", "tcp://[2001:db8::10]:*");
	assert_string_equal(labels, "service=\"web\",vip=\"tcp://[2001:db8::10]:*\"");
	metrics_labels_add(labels, "empty", "");
	assert_non_null(strstr(labels, ",empty=\"\""));
}

static void test_escapes(void **state)
{
	char labels[METRICS_LABELS_MAX] = "";

	(void)state;
	metrics_labels_add(labels, "a", "back\\slash \"quote\"\nline {},=\t\xc3\xa9");
	assert_string_equal(labels, "a=\"back\\\\slash \\\"quote\\\"\\nline {},=\t\xc3\xa9\"");
}

/* A label is there as a whole or not at all, and what was there before stays. */
static void test_labels_that_do_not_fit(void **state)
{
	static const char *const characters[] = {"x", "\\"};
	char labels[METRICS_LABELS_MAX], value[METRICS_LABELS_MAX + 1];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		for (size_t length = 0; length < sizeof(value); length++) {
			size_t begun = strlen("a=\"b\",c=\"\"");
			size_t written = begun + length * (i + 1);

			memset(value, characters[i][0], length);
			value[length] = '\0';
			memset(labels, 'z', sizeof(labels));
			labels[0] = '\0';
			metrics_labels_add(labels, "a", "b");
			metrics_labels_add(labels, "c", value);
			assert_true(strlen(labels) < sizeof(labels));
			if (strcmp(labels, "a=\"b\"") != 0)
				assert_int_equal(strlen(labels), written);
			else
				assert_true(written + 3 > sizeof(labels));
		}
	}
	memset(value, 'n', METRICS_LABELS_MAX);
	value[METRICS_LABELS_MAX] = '\0';
	labels[0] = '\0';
	metrics_labels_add(labels, value, "1");
	assert_string_equal(labels, "");
}

/* --- values --- */

static void test_counts(void **state)
{
	struct metrics_text text = begin("n");

	(void)state;
	metrics_text_count(&text, "", "", 0);
	metrics_text_count(&text, "a=\"b\"", "", 10);
	metrics_text_count(&text, "", "c=\"d\"", UINT64_MAX);
	metrics_text_count(&text, "a=\"b\"", "c=\"d\"", 1234567890123456789);
	assert_text(&text, "n 0\n"
			   "n{a=\"b\"} 10\n"
			   "n{c=\"d\"} 18446744073709551615\n"
			   "n{a=\"b\",c=\"d\"} 1234567890123456789\n");
}

static void test_measures(void **state)
{
	struct metrics_text text = begin("n");

	(void)state;
	metrics_text_measure(&text, "", "", 0);
	metrics_text_measure(&text, "", "", 1);
	metrics_text_measure(&text, "", "", 2.5);
	metrics_text_measure(&text, "", "", -3);
	metrics_text_measure(&text, "", "", 1.0 / 3);
	metrics_text_measure(&text, "", "", 1e300);
	metrics_text_measure(&text, "", "", 1795222923.25);
	assert_text(&text, "n 0\nn 1\nn 2.5\nn -3\nn 0.333333333333333\nn 1e+300\n"
			   "n 1795222923.25\n");
}

/* To the nanosecond, which a double could not hold after some weeks. */
static void test_seconds(void **state)
{
	struct metrics_text text = begin("n");

	(void)state;
	metrics_text_seconds(&text, "", "", 0);
	metrics_text_seconds(&text, "", "", 1);
	metrics_text_seconds(&text, "", "", 50000);
	metrics_text_seconds(&text, "", "", 1000000000);
	metrics_text_seconds(&text, "", "", 31536000123456789);
	metrics_text_seconds(&text, "", "", UINT64_MAX);
	assert_text(&text, "n 0\nn 0.000000001\nn 0.00005\nn 1\nn 31536000.123456789\n"
			   "n 18446744073.709551615\n");
}

/* --- families --- */

static void test_families(void **state)
{
	static const struct {
		const char *name;
		enum metric_type type;
		const char *plain, *openmetrics;
	} cases[] = {
		{"x_bytes_total", METRIC_COUNTER,
		 "# HELP x_bytes_total H.\n# TYPE x_bytes_total counter\n",
		 "# HELP x_bytes H.\n# TYPE x_bytes counter\n# UNIT x_bytes bytes\n"},
		{"x_packets_total", METRIC_COUNTER,
		 "# HELP x_packets_total H.\n# TYPE x_packets_total counter\n",
		 "# HELP x_packets H.\n# TYPE x_packets counter\n"},
		{"x_seconds", METRIC_HISTOGRAM, "# HELP x_seconds H.\n# TYPE x_seconds histogram\n",
		 "# HELP x_seconds H.\n# TYPE x_seconds histogram\n# UNIT x_seconds seconds\n"},
		{"x_ratio", METRIC_GAUGE, "# HELP x_ratio H.\n# TYPE x_ratio gauge\n",
		 "# HELP x_ratio H.\n# TYPE x_ratio gauge\n# UNIT x_ratio ratio\n"},
		{"x_build_info", METRIC_INFO, "# HELP x_build_info H.\n# TYPE x_build_info gauge\n",
		 "# HELP x_build H.\n# TYPE x_build info\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct metrics_text text = begin("");

		metrics_text_family(&text, cases[i].name, cases[i].type, "H.");
		assert_text(&text, cases[i].plain);
		text = begin("");
		text.openmetrics = true;
		metrics_text_family(&text, cases[i].name, cases[i].type, "H.");
		assert_text(&text, cases[i].openmetrics);
	}
}

static void test_end(void **state)
{
	struct metrics_text text = begin("");

	(void)state;
	metrics_text_end(&text);
	assert_text(&text, "");
	text.openmetrics = true;
	metrics_text_end(&text);
	assert_text(&text, "# EOF\n");
}

static void test_histogram_without_labels(void **state)
{
	struct latency_view view = {.sum_ns = 1500000000};
	struct metrics_text text = begin("n");

	(void)state;
	view.up_to[LB_LATENCY_BUCKETS - 1] = 7;
	metrics_text_latency(&text, "", &view);
	*text.at = '\0';
	assert_memory_equal(room, "n_bucket{le=\"5e-05\"} 0\n", 23);
	assert_non_null(strstr(room, "\nn_bucket{le=\"+Inf\"} 7\nn_sum 1.5\nn_count 7\n"));
}

/* --- room --- */

/* The longest call of all leaves some of the room that a piece promises. */
static void test_piece_is_enough(void **state)
{
	struct metrics_text text =
		begin("a_name_that_is_about_as_long_as_the_longest_name_of_ours");
	char labels[METRICS_LABELS_MAX];
	struct latency_view view;

	(void)state;
	memset(&view, 0xff, sizeof(view));
	memset(labels, 'l', sizeof(labels) - 1);
	labels[sizeof(labels) - 1] = '\0';
	metrics_text_latency(&text, labels, &view);
	assert_true(text.at - room < METRICS_PIECE_MAX);
}

/* And should it not be, nothing is written behind the end. */
static void test_full(void **state)
{
	struct metrics_text text = begin("name");

	(void)state;
	text.end = room + 10;
	assert_false(metrics_text_has_room(&text));
	memset(room, '#', 20);
	metrics_text_count(&text, "a=\"b\"", "", 5);
	assert_memory_equal(room, "name{a=\"b\"##########", 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_labels_that_do_not_fit),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_measures),
		cmocka_unit_test(test_seconds),
		cmocka_unit_test(test_families),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_histogram_without_labels),
		cmocka_unit_test(test_piece_is_enough),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests_name("metrics_text", tests, NULL, NULL);
}
