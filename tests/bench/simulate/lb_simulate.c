/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changes when backends or balancers come and go, by the tables that the agent's own builder
 * makes: prints it, and writes it as JSON. All figures but times are the same in every run.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "routers.h"
#include "sheet.h"
#include "table.h"

#define COUNT(array)   (sizeof(array) / sizeof((array)[0]))
#define SLOTS_MAX      4194301 /* as lbagent --table-size */
#define FLOWS          100000
#define BALANCE_FLOWS  1000000
#define ROUTER_TRIALS  16
#define BUILD_ROUNDS   5
#define BALANCERS_MOST 64

static const uint32_t sizes[] = {65537, 262147, 1048573, SLOTS_MAX};
static const size_t backends[] = {10, 30, 100, 300, 1000, 3000, 10000};

static uint16_t before[SLOTS_MAX], after[SLOTS_MAX];

/* --- tables --- */

static struct sheet moves = {
	.name = "backends",
	.title =
		"k of N backends change: slots with another owner. ideal: no table could have moved\n"
		"fewer; collateral: of the others, those that moved all the same",
	.word = "change",
	.columns = {{"slots", SHEET_COUNT},
		    {"N", SHEET_COUNT},
		    {"k", SHEET_COUNT},
		    {"ideal", SHEET_SHARE},
		    {"moved", SHEET_SHARE},
		    {"collateral", SHEET_SHARE}},
};

/* Large tables average by themselves, and take long to build. */
static size_t trials_of(uint32_t size)
{
	return size < 200000 ? 10 : size < 2000000 ? 3 : 1;
}

static void move(enum table_change change, size_t count, size_t k, uint32_t size)
{
	const size_t trials = trials_of(size);
	double ideal = 0, moved = 0;

	for (size_t i = 0; i < trials; i++) {
		struct table_move of;

		table_build_changed(change, count, k, i, after, size);
		of = table_compare(before, after, size);
		ideal += of.ideal / (double)trials;
		moved += of.moved / (double)trials;
	}
	sheet_add(&moves, table_change_names[change],
		  (double[]){size, (double)count, (double)k, ideal, moved,
			     (moved - ideal) / (1 - ideal)});
}

/* One of the backends, 1, 10 and 50 per cent of them. */
static void move_some(enum table_change change, size_t count, uint32_t size)
{
	static const size_t per_cent[] = {1, 10, 50};

	move(change, count, 1, size);
	for (size_t i = 0; i < COUNT(per_cent); i++) {
		const size_t k = count * per_cent[i] / 100;

		if (k > 1)
			move(change, count, k, size);
	}
}

static void simulate_moves(void)
{
	for (size_t s = 0; s < COUNT(sizes); s++) {
		for (size_t n = 0; n < COUNT(backends); n++) {
			table_build(backends[n], before, sizes[s]);
			for (enum table_change change = TABLE_GO; change <= TABLE_LIGHTER; change++)
				move_some(change, backends[n], sizes[s]);
		}
	}
}

static struct sheet balance = {
	.name = "balance",
	.title = "Slots, and of a million flows those, of the least and of the most loaded of N\n"
		 "backends of one weight, to the mean",
	.columns = {{"slots", SHEET_COUNT},
		    {"N", SHEET_COUNT},
		    {"least", SHEET_RATIO},
		    {"most", SHEET_RATIO},
		    {"flows-least", SHEET_RATIO},
		    {"flows-most", SHEET_RATIO}},
};

/* The least and the most of counts of ids 1..count, to the mean of total. */
static void extremes(const uint32_t *counts, size_t count, double total, double *ret)
{
	uint32_t least = UINT32_MAX, most = 0;

	for (size_t id = 1; id <= count; id++) {
		least = counts[id] < least ? counts[id] : least;
		most = counts[id] > most ? counts[id] : most;
	}
	ret[0] = least * (double)count / total;
	ret[1] = most * (double)count / total;
}

static void simulate_balance(void)
{
	static uint32_t counts[TABLE_BACKENDS_MAX];

	for (size_t s = 0; s < COUNT(sizes); s++) {
		for (size_t n = 0; n < COUNT(backends); n++) {
			double numbers[] = {sizes[s], (double)backends[n], 0, 0, 0, 0};
			uint64_t seed = 1;

			table_build(backends[n], before, sizes[s]);
			table_count(before, sizes[s], counts);
			extremes(counts, backends[n], sizes[s], &numbers[2]);
			memset(counts, 0, sizeof(counts));
			for (size_t i = 0; i < BALANCE_FLOWS; i++)
				counts[before[random_below(random_next(&seed), sizes[s])]]++;
			extremes(counts, backends[n], BALANCE_FLOWS, &numbers[4]);
			sheet_add(&balance, NULL, numbers);
		}
	}
}

static struct sheet builds = {
	.name = "build",
	.title =
		"Time to build a table of N backends, milliseconds of a processor: the median of five",
	.columns = {{"slots", SHEET_COUNT}, {"N", SHEET_COUNT}, {"ms", SHEET_MILLIS}},
};

/* Of a processor, for the machine may have other work. */
static double milliseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int compare_times(const void *a, const void *b)
{
	const double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

static void time_builds(void)
{
	for (size_t s = 0; s < COUNT(sizes); s++) {
		for (size_t n = 0; n < COUNT(backends); n++) {
			double times[BUILD_ROUNDS];

			for (size_t i = 0; i < BUILD_ROUNDS; i++) {
				const double began = milliseconds();

				table_build(backends[n], after, sizes[s]);
				times[i] = milliseconds() - began;
			}
			qsort(times, BUILD_ROUNDS, sizeof(*times), compare_times);
			sheet_add(
				&builds, NULL,
				(double[]){sizes[s], (double)backends[n], times[BUILD_ROUNDS / 2]});
		}
	}
}

/* --- routers --- */

static struct {
	uint64_t random; /* its slot in a table of any size follows from that */
	uint64_t hash;   /* the router's */
} flows[FLOWS];

static void make_flows(void)
{
	uint64_t seed = 2;

	for (size_t i = 0; i < FLOWS; i++) {
		flows[i].random = random_next(&seed);
		flows[i].hash = random_next(&seed);
	}
}

/* Numbers 0..count - 1 without k of them, chosen by seed. */
static void leave_out(uint8_t *rest, size_t count, size_t k, uint64_t seed)
{
	for (size_t i = 0; i < count; i++)
		rest[i] = (uint8_t)i;
	for (; k > 0; k--) {
		const size_t gone = random_below(random_next(&seed), (uint32_t)count);

		memmove(rest + gone, rest + gone + 1, --count - gone);
	}
}

/* A router before and after k of count balancers left, or came. */
static void change_routers(struct router pair[2], enum router_way way, size_t count, size_t k,
			   bool come, uint64_t seed)
{
	uint8_t all[ROUTER_NEXT_HOPS], some[ROUTER_NEXT_HOPS];

	leave_out(all, count, 0, seed);
	leave_out(some, count, k, seed);
	router_init(&pair[0], way, come ? some : all, come ? count - k : count);
	pair[1] = pair[0];
	router_change(&pair[1], come ? all : some, come ? count : count - k);
}

static bool rerouted(const struct router pair[2], size_t flow)
{
	return router_choose(&pair[0], flows[flow].hash) !=
	       router_choose(&pair[1], flows[flow].hash);
}

static struct sheet routers = {
	.name = "routers",
	.title = "k of B balancers change: flows that the router sends to another one",
	.word = "change",
	.columns = {{"B", SHEET_COUNT},
		    {"k", SHEET_COUNT},
		    {"ideal", SHEET_SHARE},
		    {"modulo", SHEET_SHARE},
		    {"threshold", SHEET_SHARE},
		    {"resilient", SHEET_SHARE}},
};

static double share_rerouted(enum router_way way, size_t count, size_t k, bool come)
{
	size_t moved = 0;

	for (uint64_t trial = 0; trial < ROUTER_TRIALS; trial++) {
		struct router pair[2];

		change_routers(pair, way, count, k, come, trial);
		for (size_t i = 0; i < FLOWS; i++)
			moved += rerouted(pair, i);
	}
	return (double)moved / FLOWS / ROUTER_TRIALS;
}

static void reroute(size_t count, size_t k, bool come)
{
	double numbers[SHEET_COLUMNS] = {(double)count, (double)k, (double)k / (double)count};

	for (enum router_way way = 0; way < ROUTER_WAYS; way++)
		numbers[3 + way] = share_rerouted(way, count, k, come);
	sheet_add(&routers, come ? "come" : "leave", numbers);
}

/* One of the balancers, a quarter, and half of them. */
static void simulate_routers(void)
{
	for (int come = 0; come < 2; come++) {
		for (size_t count = 2; count <= BALANCERS_MOST; count *= 2) {
			reroute(count, 1, come);
			if (count / 4 > 1)
				reroute(count, count / 4, come);
			if (count / 2 > 1)
				reroute(count, count / 2, come);
		}
	}
}

/* --- fleets --- */

/* What has befallen backends before. */
enum event { DIE, DRAIN, JOIN };
static const char *const event_names[] = {"die", "drain", "join"};

static struct sheet cuts = {
	.name = "fleet",
	.title =
		"First j of N backends die, drain or join, then k of B balancers leave: flows that meet\n"
		"another backend although theirs is up. at-risk: those whose balancer matters",
	.word = "backends",
	.columns = {{"slots", SHEET_COUNT},
		    {"N", SHEET_COUNT},
		    {"j", SHEET_COUNT},
		    {"B", SHEET_COUNT},
		    {"k", SHEET_COUNT},
		    {"at-risk", SHEET_SHARE},
		    {"modulo", SHEET_SHARE},
		    {"threshold", SHEET_SHARE},
		    {"resilient", SHEET_SHARE}},
};

/*
 * Does a flow of this slot change its backend when it comes to a balancer that has no entry of it?
 * One that tracks all sends it to the owner, and an older flow is with the former one. One that
 * tracks what has changed sends it to the former owner if he is up, and a younger flow is with the
 * present one. So it is the same slots either way; which flows of them it is differs.
 */
static bool at_risk(enum event event, const uint32_t *has, uint32_t slot)
{
	return before[slot] != after[slot] && (event != DIE || has[before[slot]] > 0);
}

struct fleet {
	size_t backends;
	uint32_t slots;
	size_t balancers;
};

static void lose_balancers(enum event event, const struct fleet *of, size_t j, size_t k)
{
	static struct router pair[ROUTER_TRIALS][ROUTER_WAYS][2];
	static uint32_t has[TABLE_BACKENDS_MAX];
	double numbers[SHEET_COLUMNS] = {of->slots, (double)of->backends, (double)j,
					 (double)of->balancers, (double)k};
	const double each = 1.0 / FLOWS / ROUTER_TRIALS;

	table_count(after, of->slots, has);
	for (size_t trial = 0; trial < ROUTER_TRIALS; trial++) {
		for (enum router_way way = 0; way < ROUTER_WAYS; way++)
			change_routers(pair[trial][way], way, of->balancers, k, false, trial);
	}
	for (size_t i = 0; i < FLOWS; i++) {
		if (!at_risk(event, has, random_below(flows[i].random, of->slots)))
			continue;
		numbers[5] += 1.0 / FLOWS;
		for (size_t trial = 0; trial < ROUTER_TRIALS; trial++) {
			for (enum router_way way = 0; way < ROUTER_WAYS; way++)
				numbers[6 + way] += each * rerouted(pair[trial][way], i);
		}
	}
	sheet_add(&cuts, event_names[event], numbers);
}

static void simulate_fleet(enum event event, const struct fleet *of)
{
	static const size_t changed[] = {1, 2, 5, 10, 20, 50}; /* per cent */
	static const size_t gone[] = {4, 16, 32};

	table_build(of->backends, before, of->slots);
	for (size_t i = 0; i < COUNT(changed); i++) {
		const size_t j = of->backends * changed[i] / 100;

		table_build_changed(event == JOIN ? TABLE_COME : TABLE_GO, of->backends, j, 1,
				    after, of->slots);
		lose_balancers(event, of, j, 1);
		for (size_t n = 0; changed[i] == 10 && n < COUNT(gone); n++) {
			if (gone[n] < of->balancers)
				lose_balancers(event, of, j, gone[n]);
		}
	}
}

static void simulate_fleets(void)
{
	static const struct fleet fleets[] = {
		{100, 65537, 8},
		{100, 65537, BALANCERS_MOST},
		{10000, 1048573, BALANCERS_MOST},
	};

	for (size_t i = 0; i < COUNT(fleets); i++) {
		for (enum event event = DIE; event <= JOIN; event++)
			simulate_fleet(event, &fleets[i]);
	}
}

/* --- */

static int write_json(const char *path, struct sheet *const *sheets, size_t count)
{
	cJSON *json = cJSON_CreateObject();
	char *text;
	FILE *file;
	int r = -ENOMEM;

	for (size_t i = 0; i < count; i++)
		cJSON_AddItemToObject(json, sheets[i]->name, sheet_write(sheets[i]));
	text = cJSON_Print(json);
	cJSON_Delete(json);
	file = text ? fopen(path, "we") : NULL;
	if (file) {
		fprintf(file, "%s\n", text);
		r = fclose(file) ? -errno : 0;
	} else if (text) {
		r = -errno;
	}
	cJSON_free(text);
	return r;
}

int main(int argc, char **argv)
{
	struct sheet *const sheets[] = {&moves, &balance, &builds, &routers, &cuts};
	int r;

	if (argc != 1 && (argc != 3 || strcmp(argv[1], "--json") != 0)) {
		fprintf(stderr, "usage: lb_simulate [--json FILE]\n");
		return 2;
	}
	make_flows();
	simulate_moves();
	simulate_balance();
	time_builds();
	simulate_routers();
	simulate_fleets();
	for (size_t i = 0; i < COUNT(sheets); i++)
		sheet_print(sheets[i]);
	r = argc == 3 ? write_json(argv[2], sheets, COUNT(sheets)) : 0;
	if (r) {
		fprintf(stderr, "lb_simulate: %s: %s\n", argv[2], strerror(-r));
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
