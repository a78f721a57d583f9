/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs packet cases through the data plane: lb_packet_test [--native | --bpf | --costs] FILE...
 *
 * By default each case runs natively and in the kernel, there also while packets are captured; all
 * must do as the case says, and do the same. One line "ok NAME" or "not ok NAME" a case, "# " lines
 * explain.
 *
 * --costs counts instead: what each case's last packet costs the program, a row of a table a case.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "engine_bpf.h"
#include "engine_counted.h"
#include "play.h"
#include "stack.h"

#define VERIFIED_MAX 500000

/* A case takes a few milliseconds, and none minds a quarter of a second. */
#define STILL_SECONDS 0.25

struct options {
	bool native;
	bool bpf;
	bool costs;
};

/* Cookies tell the time, and no two engines play at the same. */
static bool tells_time(const struct test_case *test)
{
	size_t i;

	for (i = 0; i < test->service_count; i++)
		if (test->services[i].cookies)
			return true;
	return false;
}

/* One that fails on a machine that stood still is played again: its budgets filled meanwhile. */
static bool play_on(struct run *run, const struct engine *engine)
{
	unsigned int tries = 10;
	size_t variables;
	bool good;

	run->engine = engine;
	if (tells_time(run->test)) {
		run->variables.count = 0;
		run->expected = NULL;
	}
	variables = run->variables.count;
	do {
		run->variables.count = variables;
		good = play_case(run);
	} while (!good && run->seconds > STILL_SECONDS && --tries);
	return good;
}

/* Variables and outcomes of the first run bind the second. */
static bool run_engines(const char *path, const struct test_case *test,
			const struct options *options)
{
	struct outcome *first = calloc(test->step_count + 1, sizeof(*first));
	struct outcome *second = calloc(test->step_count + 1, sizeof(*second));
	struct run run = {.path = path, .test = test, .outcomes = first};
	bool good = first && second;

	if (good && options->native) {
		good = play_on(&run, &engine_native);
		run.expected = first;
		run.outcomes = second;
	}
	if (good && options->bpf) {
		good = play_on(&run, &engine_bpf);
		good = good && play_on(&run, &engine_captured);
	}
	free(first);
	free(second);
	return good;
}

static bool count_costs(const char *path, const struct test_case *test)
{
	struct outcome *outcomes = calloc(test->step_count + 1, sizeof(*outcomes));
	struct run run = {.path = path, .test = test, .outcomes = outcomes};
	bool good = outcomes && play_on(&run, &engine_counted);
	struct packet_cost cost = engine_counted_cost();

	if (good)
		printf("| %s | %u | %u | %u | %u | %u |\n", test->name, cost.instructions,
		       cost.lookups, cost.calls, cost.lines, cost.written);
	free(outcomes);
	return good;
}

struct tally {
	unsigned int passed;
	unsigned int failed;
};

static void run_file(const char *path, const struct options *options, struct tally *tally)
{
	struct case_reader *reader;
	struct test_case *test;
	unsigned int line = 0;
	struct error err;
	bool good;
	int r = case_reader_open(path, &reader);

	if (r < 0) {
		printf("not ok %s\n# %s\n", path, strerror(-r));
		tally->failed++;
		return;
	}
	while ((r = case_read(reader, &test, &line, &err)) > 0) {
		good = options->costs ? count_costs(path, test) : run_engines(path, test, options);
		if (!good || !options->costs)
			printf("%s %s\n", good ? "ok" : "not ok", test->name);
		*(good ? &tally->passed : &tally->failed) += 1;
		case_free(test);
	}
	if (r < 0) {
		printf("not ok %s\n# %s:%u: %s\n", path, path, line, err.message);
		tally->failed++;
	}
	case_reader_close(reader);
}

/* Kernels differ in how far they go; whoever adds a feature is to see it long before one refuses
 * the program. */
static void check_complexity(struct tally *tally)
{
	uint32_t verified = engine_bpf.describe(stdout);
	bool good = verified > 0 && verified <= VERIFIED_MAX;

	printf("%s the verifier goes through at most %d of its 1,000,000 instructions\n",
	       good ? "ok" : "not ok", VERIFIED_MAX);
	*(good ? &tally->passed : &tally->failed) += 1;
}

/* Linux 6.1 is the strictest about the stack; so that who uses more of it need not go there to see
 * it refused. */
static void check_stack(struct tally *tally)
{
	uint32_t stack = engine_bpf_stack();
	bool good = stack > 0 && stack <= STACK_MAX;

	printf("# lb_ingress: %u bytes of stack as Linux 6.1 counts them\n", stack);
	printf("%s it takes at most %u bytes of stack\n", good ? "ok" : "not ok", STACK_MAX);
	*(good ? &tally->passed : &tally->failed) += 1;
}

/* The budget of ICMP errors is each CPU's own: a case that is moved would have it twice. */
static void stay_on_one_cpu(void)
{
	int cpu = sched_getcpu();
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu < 0 ? 0 : cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

int main(int argc, char **argv)
{
	struct options options = {.native = true, .bpf = true};
	struct tally tally = {0};
	int i = 1;

	if (argc > 1 && strcmp(argv[1], "--native") == 0)
		options.bpf = false;
	if (argc > 1 && strcmp(argv[1], "--bpf") == 0)
		options.native = false;
	if (argc > 1 && strcmp(argv[1], "--costs") == 0)
		options.costs = true;
	if (!options.bpf || !options.native || options.costs)
		i++;
	if (i >= argc) {
		fprintf(stderr, "usage: %s [--native | --bpf | --costs] FILE...\n", argv[0]);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	stay_on_one_cpu();
	for (; i < argc; i++)
		run_file(argv[i], &options, &tally);
	if (options.bpf && !options.costs) {
		check_complexity(&tally);
		check_stack(&tally);
	}
	engine_counted.close();
	engine_captured.close();
	engine_bpf.close();
	engine_native.close();
	if (!options.costs)
		printf("%u passed, %u failed\n", tally.passed, tally.failed);
	return tally.failed > 0;
}
