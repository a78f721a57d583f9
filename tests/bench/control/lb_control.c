/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the control plane's own work costs, without a kernel and a disk: tables, documents, plans
 * and a whole sync over a fake data plane. Prints the best and the median of so many rounds.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config.h"
#include "diff.h"
#include "document.h"
#include "ids.h"
#include "maglev.h"
#include "metrics.h"
#include "parse.h"
#include "plan.h"
#include "still_manager.h"
#include "sync.h"

#define ROUNDS_DEFAULT 20
#define ROUNDS_MAX     1000
#define TABLE_SIZE     65537
#define BACKENDS       4096
#define SERVICES       512

static const struct dataplane_sizes sizes = {
	.services = SERVICES,
	.backends = BACKENDS,
	.vips = SERVICES,
	.flows = LB_FLOW_WAYS,
	.table_size = TABLE_SIZE,
};

/* What the steps work on. */
static struct {
	struct maglev_backend members[BACKENDS];
	uint16_t slots[TABLE_SIZE];
	struct desired *large, *other; /* one service of 4,000 backends; one of them is another */
	struct desired *many;          /* 512 services of 8 */
	struct backend_facts facts[BACKENDS + 1];
	uint32_t flows[BACKENDS + 1];
	struct fake_dataplane *fake;
	struct manager manager; /* of many */
	char piece[4 * METRICS_PIECE_MAX];
	cJSON *document; /* of large */
} work;

static void die(const char *what)
{
	fprintf(stderr, "lb_control: %s\n", what);
	exit(EXIT_FAILURE);
}

/* --- what is worked on --- */

static void add_service(struct desired *desired, unsigned int number, unsigned int backends)
{
	struct service_spec spec;
	struct error err;

	service_spec_init(&spec);
	snprintf(spec.name, sizeof(spec.name), "s%u", number);
	spec.vip_count = 1;
	spec.vips = calloc(1, sizeof(*spec.vips));
	spec.backends = calloc(backends, sizeof(*spec.backends));
	if (!spec.vips || !spec.backends)
		die("out of memory");
	spec.vips[0].vip.protocol = IPPROTO_TCP;
	if (parse_endpoint("198.18.0.10", (uint16_t)(1 + number), &spec.vips[0].vip.endpoint, &err))
		die(err.message);
	for (unsigned int i = 0; i < backends; i++) {
		unsigned int n = number * backends + i;
		char text[ENDPOINT_TEXT_MAX];

		backend_spec_init(&spec.backends[i]);
		snprintf(text, sizeof(text), "198.19.%u.%u:80", n / 250, 1 + n % 250);
		if (parse_endpoint(text, 0, &spec.backends[i].endpoint, &err))
			die(err.message);
	}
	spec.backend_count = backends;
	if (desired_add_service(desired, &spec, &err))
		die(err.message);
}

static void prepare(void)
{
	static const bool resting[BACKENDS + 1];
	struct error err;

	work.large = desired_new();
	work.many = desired_new();
	work.fake = fake_dataplane_new(&sizes);
	if (!work.large || !work.many || !work.fake)
		die("out of memory");
	add_service(work.large, 0, 4000);
	for (unsigned int i = 0; i < SERVICES; i++)
		add_service(work.many, i, 8);
	if (ids_assign(work.large, NULL, &sizes, resting, &err) ||
	    ids_assign(work.many, NULL, &sizes, resting, &err))
		die(err.message);
	work.other = desired_clone(work.large);
	work.document = document_write(work.large);
	if (!work.other || !work.document)
		die("out of memory");
	work.other->services[0].backends[17].weight = 2;
	work.manager.desired = work.many;
	work.manager.fake = work.fake;
	for (int id = 1; id <= BACKENDS; id++)
		work.facts[id] = (struct backend_facts){.alive = true, .eligible = true};
	for (uint32_t i = 0; i < BACKENDS; i++)
		work.members[i] =
			(struct maglev_backend){maglev_key(&i, sizeof(i)), 1, (uint16_t)(i + 1)};
}

/* --- steps --- */

static void build(size_t count)
{
	if (maglev_build(work.members, count, work.slots, TABLE_SIZE))
		die("a table cannot be built");
}

static void build_10(void)
{
	build(10);
}

static void build_100(void)
{
	build(100);
}

static void build_1000(void)
{
	build(1000);
}

static void build_4000(void)
{
	build(4000);
}

static void clone_and_check(void)
{
	struct desired *clone = desired_clone(work.large);
	struct error err;

	if (!clone || desired_check(clone, &err) || service_spec_check(&clone->services[0], &err))
		die("a clone is refused");
	desired_free(clone);
}

static void write_state(void)
{
	cJSON *json = config_write_state(work.large);
	char *text = cJSON_Print(json);

	cJSON_free(text);
	cJSON_Delete(json);
}

static void write_document(void)
{
	cJSON_Delete(document_write(work.large));
}

static void read_and_follow(void)
{
	const struct document_removal removal = {.now = true};
	struct desired *next = NULL;
	struct error err;

	if (document_read(work.document, &next, &err) ||
	    document_follow(work.large, next, &removal, &err))
		die(err.message);
	desired_free(next);
}

static void compare(void)
{
	cJSON_Delete(diff_write(work.large, work.other));
}

static void plan(void)
{
	const struct plan_input input = {
		.facts = work.facts,
		.flows = work.flows,
		.counted = true,
		.backends = BACKENDS,
		.table_size = TABLE_SIZE,
	};
	struct plan *made;
	struct error err;

	if (plan_make(&input, work.large, work.other, &made, &err))
		die(err.message);
	plan_free(made);
}

/* As at a start: no table is known yet. */
static void sync_many(void)
{
	struct sync *sync = sync_new(&work.fake->dp);
	struct error err;

	if (!sync || sync_all(sync, work.many, work.facts, NULL, &err))
		die("a sync fails");
	sync_free(sync);
}

static struct figures *gather(void)
{
	const struct figures_input input = {.manager = &work.manager};
	struct figures *figures = figures_gather(&input);

	if (!figures)
		die("out of memory");
	return figures;
}

static void gather_figures(void)
{
	figures_free(gather());
}

/* And gathered, for each page has its own. */
static void write_page(void)
{
	struct figures *figures = gather();
	struct metrics_page page = {.figures = figures, .openmetrics = true};

	while (metrics_page_next(&page, work.piece, sizeof(work.piece)))
		;
	figures_free(figures);
}

static const struct step {
	const char *name;
	void (*run)(void);
} steps[] = {
	{"table of 10 backends, 65537 slots", build_10},
	{"table of 100", build_100},
	{"table of 1,000", build_1000},
	{"table of 4,000", build_4000},
	{"4,000 backends: clone and check", clone_and_check},
	{"4,000 backends: state as text", write_state},
	{"4,000 backends: export", write_document},
	{"4,000 backends: take an export in", read_and_follow},
	{"4,000 backends: difference", compare},
	{"4,000 backends: plan", plan},
	{"512 services: sync, all tables", sync_many},
	{"4,096 backends: gather figures", gather_figures},
	{"4,096 backends: page of metrics", write_page},
};

/* --- measuring --- */

static double milliseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int compare_times(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

static void measure(const struct step *step, uint64_t rounds)
{
	static double times[ROUNDS_MAX];

	for (uint64_t i = 0; i < rounds; i++) {
		double began = milliseconds();

		step->run();
		times[i] = milliseconds() - began;
	}
	qsort(times, rounds, sizeof(*times), compare_times);
	printf("%-36s %9.3f %9.3f\n", step->name, times[0], times[rounds / 2]);
}

int main(int argc, char **argv)
{
	uint64_t rounds = ROUNDS_DEFAULT;
	struct error err;

	if (argc > 2 || (argc == 2 && parse_number(argv[1], 1, ROUNDS_MAX, &rounds, &err))) {
		fprintf(stderr, "usage: lb_control [ROUNDS]\n");
		return 2;
	}
	prepare();
	printf("%-36s %9s %9s\n", "CONTROL PLANE, MS", "BEST", "MEDIAN");
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		measure(&steps[i], rounds);
	desired_free(work.large);
	desired_free(work.other);
	desired_free(work.many);
	fake_dataplane_free(work.fake);
	cJSON_Delete(work.document);
	return EXIT_SUCCESS;
}
