/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lbnode_load.h"

static const char stat_text[] = "cpu  100 20 30 800 50 5 5 10 7 7\n"
				"cpu0 50 10 15 400 25 2 3 5 3 4\n"
				"cpu1 50 10 15 400 25 3 2 5 4 3\n"
				"intr 4711 0 0\n"
				"ctxt 99\n"
				"procs_running 5\n"
				"procs_blocked 1\n";

static void test_stat(void **state)
{
	struct load_sample sample = {0};
	struct error err;

	(void)state;
	assert_int_equal(load_read_stat(stat_text, &sample, &err), 0);
	assert_int_equal(sample.total, 1020); /* guests are in user already */
	assert_int_equal(sample.busy, 170);
	assert_int_equal(sample.processors, 2);
	assert_int_equal(sample.running, 5);
}

static void test_not_stat(void **state)
{
	static const char *const texts[] = {
		"",
		"\n",
		"cpu",
		"cpu0 1 2 3 4\nprocs_running 1\n",
		"cpu  1 2 3\nprocs_running 1\n",
		"cpu  1 2 3 4 5 6 7 8\n",
		"cpu  a b c d\nprocs_running 1\n",
		"cpu  1 2 3 4 5 6 7 8\nprocs_running many\n",
	};
	struct load_sample sample = {0};
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(load_read_stat(texts[i], &sample, &err), -EINVAL);
}

static void test_pressure(void **state)
{
	struct load_sample sample = {0};

	(void)state;
	assert_true(load_read_pressure("some avg10=9.45 avg60=15.81 avg300=10.86 total=69179651\n"
				       "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n",
				       &sample));
	assert_int_equal(sample.pressure_us, 69179651);
	assert_false(load_read_pressure("", &sample));
	assert_false(load_read_pressure("full total=1\n", &sample));
}

/* Each sample is half a second with so many busy ticks of 100, and so many threads beside ours. */
static void add(struct load_history *history, struct load_sample *sample, uint64_t busy,
		uint32_t running, double backlog)
{
	sample->busy += busy;
	sample->total += 100;
	sample->processors = 2;
	sample->running = running + 1;
	sample->time_us += 500000;
	sample->backlog = backlog;
	load_add(history, sample);
}

static void assert_about(double value, double wanted)
{
	if (fabs(value - wanted) > 0.0001)
		fail_msg("%g, not %g", value, wanted);
}

static void test_means(void **state)
{
	struct load_history history = {0};
	struct load_sample sample = {0};
	struct load_figures figures = load_look(&history, false, -1);

	(void)state;
	assert_true(figures.load < 0);
	add(&history, &sample, 100, 8, -1);
	assert_true(load_look(&history, false, -1).load < 0);
	add(&history, &sample, 50, 0, -1);
	figures = load_look(&history, false, -1);
	assert_about(figures.cpu, 0.5);
	assert_about(figures.runqueue, 0);
	assert_about(figures.load, 0.5);
	assert_true(figures.backlog < 0 && figures.pressure < 0 && figures.value < 0);
	for (int i = 0; i < LOAD_SAMPLES; i++) /* what was before is forgotten */
		add(&history, &sample, 30, 3, -1);
	figures = load_look(&history, false, -1);
	assert_about(figures.cpu, 0.3);
	assert_about(figures.runqueue, 1.5);
	assert_about(figures.load, 1.5); /* the largest */
}

static void test_backlog(void **state)
{
	struct load_history history = {0};
	struct load_sample sample = {.pressure_us = 1000};

	(void)state;
	for (int i = 0; i <= LOAD_SAMPLES; i++) {
		sample.pressure_us += 125000;
		add(&history, &sample, 10, 0, i % 2 ? 1 : 0.5);
	}
	assert_about(load_look(&history, false, -1).backlog, 0.75);
	assert_about(load_look(&history, false, -1).load, 0.75);
	assert_about(load_look(&history, false, -1).pressure, 0.25);
}

/* A hook's number goes before the host's own, and so does its silence. */
static void test_value(void **state)
{
	struct load_history history = {0};
	struct load_sample sample = {0};

	(void)state;
	add(&history, &sample, 90, 4, 1);
	add(&history, &sample, 90, 4, 1);
	assert_about(load_look(&history, true, 0.2).load, 0.2);
	assert_true(load_look(&history, true, -1).load < 0);
}

/* Counters that went back, or clocks that stood, are no figures. */
static void test_odd_counters(void **state)
{
	struct load_history history = {0};
	struct load_sample sample = {.busy = 50, .total = 100, .processors = 0, .backlog = -1};

	(void)state;
	load_add(&history, &sample);
	load_add(&history, &sample);
	assert_true(load_look(&history, false, -1).load < 0);
	sample.busy = 10;
	sample.total = 200;
	load_add(&history, &sample);
	assert_true(load_look(&history, false, -1).cpu < 0);
}

static void test_print(void **state)
{
	struct load_figures figures = {0.5, 0.25, -1, -1, -1, 0.5};
	char text[256] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	(void)state;
	load_print(&figures, "none", out);
	fflush(out);
	assert_string_equal(text, "{\"load\": 0.500, \"cpu\": 0.500, \"runqueue\": 0.250}\n");
	rewind(out);
	memset(text, 0, sizeof(text));
	figures = (struct load_figures){-1, -1, -1, -1, -1, -1};
	load_print(&figures, "no two samples yet", out);
	fclose(out);
	assert_string_equal(text, "{\"problem\": \"no two samples yet\"}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stat),         cmocka_unit_test(test_not_stat),
		cmocka_unit_test(test_pressure),     cmocka_unit_test(test_means),
		cmocka_unit_test(test_backlog),      cmocka_unit_test(test_value),
		cmocka_unit_test(test_odd_counters), cmocka_unit_test(test_print),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
