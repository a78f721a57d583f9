/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "webapp_metrics.h"

static const char *const endpoints[] = {"/", "/data/{id}", "other"};

static struct webapp_metrics *metrics_new(void)
{
	struct webapp_metrics *metrics = webapp_metrics_new("hello", endpoints, 3);

	assert_non_null(metrics);
	return metrics;
}

static char *print(struct webapp_metrics *metrics)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	webapp_metrics_print(metrics, out);
	fclose(out);
	return text;
}

/* Is it one of the lines? */
static void assert_line(const char *text, const char *line)
{
	const size_t length = strlen(line);

	for (const char *at = text; (at = strstr(at, line)); at++)
		if ((at == text || at[-1] == '\n') && at[length] == '\n')
			return;
	fail_msg("no line %s in:\n%s", line, text);
}

/* The value behind a series. */
static double value(struct webapp_metrics *metrics, const char *series)
{
	char *text = print(metrics);
	const char *at = strstr(text, series);
	double result;

	assert_non_null(at);
	result = strtod(at + strlen(series), NULL);
	free(text);
	return result;
}

static void test_counts(void **state)
{
	struct webapp_metrics *metrics = metrics_new();
	char *text;

	(void)state;
	webapp_metrics_count(metrics, 0, "GET", 200, 10, false);
	webapp_metrics_count(metrics, 0, "GET", 200, 10, false);
	webapp_metrics_count(metrics, 0, "GET", 503, 10, false);
	webapp_metrics_count(metrics, 1, "HEAD", 404, 10, false);
	webapp_metrics_count(metrics, 2, "BREW", 599, 10, true);
	text = print(metrics);
	assert_line(text, "webapp_requests_total{app=\"hello\",endpoint=\"/\",method=\"GET\","
			  "status=\"200\"} 2");
	assert_line(text, "webapp_requests_total{app=\"hello\",endpoint=\"/\",method=\"GET\","
			  "status=\"503\"} 1");
	assert_line(text, "webapp_requests_total{app=\"hello\",endpoint=\"/data/{id}\","
			  "method=\"HEAD\",status=\"404\"} 1");
	assert_line(text, "webapp_requests_total{app=\"hello\",endpoint=\"other\","
			  "method=\"other\",status=\"599\"} 1");
	free(text);
	webapp_metrics_free(metrics);
}

/* Buckets are cumulative, a bound belongs to its bucket, the last has all. */
static void test_histogram(void **state)
{
	struct webapp_metrics *metrics = metrics_new();
	char *text;

	(void)state;
	webapp_metrics_count(metrics, 0, "GET", 200, 500, false);
	webapp_metrics_count(metrics, 0, "GET", 200, 501, false);
	webapp_metrics_count(metrics, 0, "GET", 200, 10000000, false);
	webapp_metrics_count(metrics, 0, "GET", 500, 60000000, false);
	text = print(metrics);
#define BUCKET                                                                                     \
	"webapp_request_duration_seconds_bucket{app=\"hello\",endpoint=\"/\",method=\"GET\",le="
	assert_line(text, BUCKET "\"0.0005\"} 1");
	assert_line(text, BUCKET "\"0.001\"} 2");
	assert_line(text, BUCKET "\"5\"} 2");
	assert_line(text, BUCKET "\"10\"} 3");
	assert_line(text, BUCKET "\"+Inf\"} 4");
	assert_line(text, "webapp_request_duration_seconds_sum{app=\"hello\",endpoint=\"/\","
			  "method=\"GET\"} 70.001001");
	assert_line(text, "webapp_request_duration_seconds_count{app=\"hello\",endpoint=\"/\","
			  "method=\"GET\"} 4");
	assert_null(strstr(text, "method=\"PUT\""));
	free(text);
	webapp_metrics_free(metrics);
}

/* The mean forgets what is ten seconds old, and knows nothing of what is aside. */
static void test_mean(void **state)
{
	struct webapp_metrics *metrics = metrics_new();
	const char *series = "webapp_response_time_seconds{app=\"hello\"} ";

	(void)state;
	assert_true(value(metrics, series) == 0);
	webapp_metrics_count(metrics, 0, "GET", 200, 1000000, false);
	webapp_metrics_count(metrics, 0, "GET", 200, 3000000, false);
	webapp_metrics_count(metrics, 1, "GET", 200, 9000000, true);
	assert_true(value(metrics, series) == 2);
	for (int i = 0; i < 5; i++)
		webapp_metrics_tick(metrics);
	webapp_metrics_count(metrics, 0, "GET", 200, 5000000, false);
	assert_true(value(metrics, series) == 3);
	for (int i = 0; i < 5; i++)
		webapp_metrics_tick(metrics);
	assert_true(value(metrics, series) == 5);
	for (int i = 0; i < 5; i++)
		webapp_metrics_tick(metrics);
	assert_true(value(metrics, series) == 0);
	webapp_metrics_free(metrics);
}

static void test_in_flight(void **state)
{
	struct webapp_metrics *metrics = metrics_new();

	(void)state;
	webapp_metrics_begin(metrics);
	webapp_metrics_begin(metrics);
	webapp_metrics_end(metrics);
	assert_int_equal(webapp_metrics_in_flight(metrics), 1);
	assert_true(value(metrics, "webapp_in_flight_requests{app=\"hello\"} ") == 1);
	webapp_metrics_free(metrics);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_mean),
		cmocka_unit_test(test_in_flight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
