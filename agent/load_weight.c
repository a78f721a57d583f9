/* SPDX-License-Identifier: Apache-2.0 */
#include "load_weight.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define TRIES     5   /* at how far a step may go; moved slots grow about evenly on the way */
#define CAUTION   0.9 /* of what a try that went too far says would do */
#define WORTH     10  /* thousandths: a smaller step is not worth a table */
#define REST_STEP 50  /* what is left of the way back to the whole is done at once */

/* --- pressures --- */

static int compare_numbers(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

enum figure { WAIT, REPEATED };

static double figure_of(const struct load_member *member, enum figure figure)
{
	return figure == WAIT ? member->reading.wait_s : member->reading.repeated;
}

/* The median of those that are known, the better one of two in the middle; -1: of none, or there is
 * no memory to tell. */
static double median(const struct load_member *members, size_t count, enum figure figure)
{
	double *known = calloc(count + 1, sizeof(*known)), result = -1;
	size_t i, found = 0;

	for (i = 0; known && i < count; i++) {
		if (figure_of(&members[i], figure) >= 0)
			known[found++] = figure_of(&members[i], figure);
	}
	if (found) {
		qsort(known, found, sizeof(*known), compare_numbers);
		result = known[(found - 1) / 2];
	}
	free(known);
	return result;
}

static double wait_part(double wait_s, double typical_s)
{
	if (wait_s < 0 || typical_s < 0 || wait_s < typical_s + LOAD_WAIT_LEAST_S)
		return 1;
	return wait_s < typical_s * LOAD_WAIT_MOST ? sqrt(wait_s / typical_s)
						   : sqrt(LOAD_WAIT_MOST);
}

static double repeats_part(double repeated, double typical)
{
	double beyond = repeated < 0 || typical < 0 ? 0 : repeated - typical;

	return 1 + fmin(1, fmax(0, beyond) * LOAD_REPEATS_GAIN);
}

/* A first pressure counts in full, as does one after a silence. */
static void feel(struct load_member *members, size_t count)
{
	double wait_s = median(members, count, WAIT), repeated = median(members, count, REPEATED);
	struct load_member *member;
	double pressure;

	for (member = members; member < members + count; member++) {
		if (member->reading.load < 0) {
			member->pressure = 0;
			continue;
		}
		pressure = fmin(fmax(member->reading.load, LOAD_IDLE), LOAD_MOST) *
			   wait_part(member->reading.wait_s, wait_s) *
			   repeats_part(member->reading.repeated, repeated);
		member->pressure =
			member->pressure > 0 ? (member->pressure + pressure) / 2 : pressure;
	}
}

static void compare_pressures(struct load_state *state, const struct load_member *members,
			      size_t count)
{
	double least = INFINITY, most = 0, sum = 0;
	size_t i, known = 0;

	for (i = 0; i < count; i++) {
		if (members[i].pressure == 0)
			continue;
		known++;
		sum += members[i].pressure;
		least = fmin(least, members[i].pressure);
		most = fmax(most, members[i].pressure);
	}
	state->mean = known ? sum / (double)known : 0;
	state->spread = known ? (most - least) / state->mean : 0;
	state->acts = state->spread > (state->acts ? LOAD_SPREAD_END : LOAD_SPREAD_BEGIN);
}

/* --- targets --- */

static uint16_t back_to_whole(uint16_t factor)
{
	unsigned int left = LOAD_WHOLE - factor;

	return (uint16_t)(left <= REST_STEP ? LOAD_WHOLE : factor + left / 2);
}

static double wish(const struct load_state *state, const struct load_member *member)
{
	return state->acts ? member->factor * pow(state->mean / member->pressure, LOAD_GAIN)
			   : member->factor;
}

void load_judge(struct load_state *state, struct load_member *members, size_t count, uint16_t floor)
{
	double largest = 0, target;
	size_t i;

	feel(members, count);
	compare_pressures(state, members, count);
	for (i = 0; i < count; i++) {
		if (members[i].pressure > 0)
			largest = fmax(largest, wish(state, &members[i]));
	}
	for (i = 0; i < count; i++) {
		members[i].target = back_to_whole(members[i].factor);
		if (members[i].pressure == 0)
			continue;
		target = round(wish(state, &members[i]) / largest * LOAD_WHOLE);
		members[i].target = target > floor ? (uint16_t)target : floor;
	}
}

/* --- steps --- */

/* Scratch: the table as it is, and as it would be. */
struct tables {
	struct maglev_backend *backends;
	uint16_t *now, *then;
	uint32_t size;
};

static bool tables_init(struct tables *tables, size_t count, uint32_t size)
{
	*tables = (struct tables){
		.backends = calloc(count + 1, sizeof(*tables->backends)),
		.now = calloc(size, sizeof(*tables->now)),
		.then = calloc(size, sizeof(*tables->then)),
		.size = size,
	};
	return tables->backends && tables->now && tables->then;
}

static void tables_clear(struct tables *tables)
{
	free(tables->backends);
	free(tables->now);
	free(tables->then);
}

/* The table of these members, by what they have now or would have next. */
static int build(struct tables *tables, const struct load_member *members, size_t count, bool next)
{
	for (size_t i = 0; i < count; i++)
		tables->backends[i] = (struct maglev_backend){
			.key = members[i].key,
			.weight = members[i].weight * (next ? members[i].next : members[i].factor),
			.id = (uint16_t)(i + 1),
		};
	return maglev_build(tables->backends, count, next ? tables->then : tables->now,
			    tables->size);
}

static double part_moved(const struct tables *tables)
{
	uint32_t slot, moved = 0;

	for (slot = 0; slot < tables->size; slot++)
		moved += tables->now[slot] != tables->then[slot];
	return (double)moved / tables->size;
}

/* True: it is worth a table. */
static bool go(struct load_member *members, size_t count, double part)
{
	bool worth = false;
	int way;

	for (size_t i = 0; i < count; i++) {
		way = (int)lround(part * ((int)members[i].target - (int)members[i].factor));
		members[i].next = (uint16_t)(members[i].factor + way);
		worth |= abs(way) >= WORTH || (way && members[i].next == members[i].target &&
					       members[i].target == LOAD_WHOLE);
	}
	return worth;
}

static int fit(struct load_state *state, struct load_member *members, size_t count, double budget,
	       struct tables *tables)
{
	double part = 1, moved;
	int tries, ret = build(tables, members, count, false);

	for (tries = 0; ret == 0 && tries < TRIES && go(members, count, part); tries++) {
		ret = build(tables, members, count, true);
		moved = part_moved(tables);
		if (ret == 0 && moved <= budget) {
			state->moved = moved;
			return 0;
		}
		part *= CAUTION * budget / moved;
	}
	go(members, count, 0);
	return ret;
}

int load_step(struct load_state *state, struct load_member *members, size_t count, double budget,
	      uint32_t table_size)
{
	struct tables tables;
	int ret = 0;

	state->moved = 0;
	if (!go(members, count, 1)) {
		go(members, count, 0);
		return 0;
	}
	if (tables_init(&tables, count, table_size))
		ret = fit(state, members, count, budget, &tables);
	else
		ret = -ENOMEM;
	if (ret)
		go(members, count, 0);
	tables_clear(&tables);
	return ret;
}
